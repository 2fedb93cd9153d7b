"""Which files of a Web Platform Tests checkout are run, and what their ``// META:`` lines ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["Test", "area_of", "discover"]

# Areas are top directories; where only a part of one concerns this platform, its second level.
_TWO_LEVELS = ("dom", "html", "fetch", "xhr")
_META = re.compile(r"^//\s*META:\s*(\w+)=(.*?)\s*$")
# Files for windows or workers that use nothing but what every worker-like global has.
_FURTHER = {
    "url/IdnaTestV2.window.js",
    "user-timing/invoke_with_timing_attributes.worker.js",
    "user-timing/performance-measure-invalid.worker.js",
    "dom/events/event-global.worker.js",
}


@dataclass(frozen=True)
class Test:
    """One run: a file and one of its variants."""

    path: str
    variant: str
    scripts: tuple[str, ...]
    is_long: bool

    @property
    def name(self) -> str:
        return self.path + self.variant


def area_of(path: str) -> str:
    """The row of the table that ``path`` belongs to: ``url``, ``dom/abort``, ``streams`` …"""
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] in _TWO_LEVELS and len(parts) > 2 else parts[0]


def _tests_of(root: Path, path: str) -> Iterator[Test]:
    variants: list[str] = []
    scripts: list[str] = []
    is_long = False
    with (root / path).open(encoding="utf-8") as file:
        for line in file:
            if not (match := _META.match(line)):
                break
            key, value = match.groups()
            if key == "variant":
                variants.append(value)
            elif key == "script":
                scripts.append(value)
            elif key == "timeout":
                is_long = value == "long"
    for variant in variants or [""]:
        yield Test(path, variant, tuple(scripts), is_long)


def discover(root: Path, patterns: list[str], skipped_areas: set[str]) -> list[Test]:
    """The tests below ``root`` whose name starts with, or matches, one of ``patterns`` (all where there is none)."""
    tests: list[Test] = []
    for file in sorted(root.rglob("*.js")):
        path = file.relative_to(root).as_posix()
        if not (path.endswith(".any.js") or path in _FURTHER):
            continue
        if area_of(path) in skipped_areas:
            continue
        for test in _tests_of(root, path):
            if not patterns or any(test.name.startswith(p) or fnmatch(test.name, p) for p in patterns):
                tests.append(test)
    return tests
