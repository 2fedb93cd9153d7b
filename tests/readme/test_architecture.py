"""docs/architecture.md names files, tests and classes: they exist. Its worked example works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .document import REPOSITORY

TEXT = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
# What the worked example would add.
_IMAGINED = {"clock"}


@pytest.mark.parametrize("reference", sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", TEXT))))
def test_a_test_that_holds_an_invariant_exists(reference: str) -> None:
    file, _, name = reference.partition("::")
    assert re.search(rf"^(async )?def {name}\(", (REPOSITORY / file).read_text("utf-8"), re.MULTILINE)


def test_files_exist() -> None:
    for path in set(re.findall(r"`((?:nano_trio|tests|docs)/[\w/.]*?)(?:::\w+)?`", TEXT)):
        assert Path(path).stem in _IMAGINED or (REPOSITORY / path).exists(), path


def test_classes_and_functions_exist() -> None:
    code = "\n".join(file.read_text("utf-8") for file in (REPOSITORY / "nano_trio").rglob("*.py"))
    way = TEXT.partition("## A request's way")[2].partition("## Decisions")[0]
    names = set(re.findall(r"`([A-Z]\w+)(?:\.(\w+))?(?:\(\))?`", way))
    assert len(names) > 10
    for name, member in names - {("Request", "")}:
        assert re.search(rf"^class {name}\b", code, re.MULTILINE), name
        assert not member or re.search(rf"def {member}\(", code), f"{name}.{member}"


def test_the_worked_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nano_trio.engine.bytecode import BytecodeCache
    from nano_trio.engine.isolate import Isolate
    from nano_trio.engine.scheduler import CpuScheduler
    from nano_trio.runtime import platform

    def block(language: str) -> str:
        found = re.search(rf"^ *```{language}\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)
        assert found is not None
        return re.sub(r"^   ", "", found[1], flags=re.MULTILINE)

    for file in (REPOSITORY / "nano_trio/runtime/js").glob("*.js"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "clock.js").write_text(block("js"))
    half: dict[str, Any] = {}
    exec(block("python"), half)  # our own document
    modules, find = platform._module, platform.LAZY_GLOBALS | {"clock": "Clock"}
    platform._specification.cache_clear()
    cache = BytecodeCache(tmp_path / "cache")
    monkeypatch.setattr(platform, "_JS_FOLDER", tmp_path)
    monkeypatch.setattr(platform, "_present", lambda: find)
    monkeypatch.setattr(platform, "_cache", lambda: cache)
    monkeypatch.setattr(platform, "_module", lambda name: _Half(half) if name == "clock" else modules(name))
    isolate = Isolate(CpuScheduler())
    try:
        platform.install(isolate, _Services())  # type: ignore[arg-type]
        assert (
            isolate.context.eval("[typeof Clock.now, Clock.now(), Object.isFrozen(Clock)].join()") == "function,5,true"
        )
    finally:
        platform._specification.cache_clear()
        isolate.close()


class _Half:
    def __init__(self, names: dict[str, Any]) -> None:
        self.namespace = names["namespace"]


class _Services:
    def now_ms(self) -> float:
        return 5.0
