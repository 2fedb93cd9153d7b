"""The site as it is built: once for all tests and test processes, until something of it changes."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.browser.fixture import browser, kept_browser  # noqa: F401

from .pages import REPOSITORY, SITE

INSTALLED = REPOSITORY / "tests" / ".npm" / "site"
_SOURCES = ("package.json", "package-lock.json", ".npmrc", "astro.config.mjs", "src", "public")
_LOCK = ("package.json", "package-lock.json", ".npmrc")


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder with the built site; installs and builds where the sources say otherwise."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("these tests need npm (and node) on the PATH")
    INSTALLED.mkdir(parents=True, exist_ok=True)
    with (INSTALLED / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if _changed(INSTALLED / ".installed", _LOCK):
            _run([npm, "ci", "--ignore-scripts", "--no-progress"])
            _done(INSTALLED / ".installed", _LOCK)
        if _changed(INSTALLED / ".built", _SOURCES):
            shutil.rmtree(INSTALLED / "dist", ignore_errors=True)
            _run([npm, "run", "build"])
            _done(INSTALLED / ".built", _SOURCES)
    return INSTALLED / "dist"


def _run(command: Sequence[str]) -> None:
    for name in _SOURCES:
        target = INSTALLED / name
        if (SITE / name).is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(SITE / name, target)
        else:
            shutil.copyfile(SITE / name, target)
    environment = {**os.environ, "ASTRO_TELEMETRY_DISABLED": "1"}
    done = subprocess.run(
        command, cwd=INSTALLED, env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}: {done.stdout[-4000:]}{done.stderr[-4000:]}")


def _digest(names: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        path = SITE / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                digest.update(f"{file.relative_to(SITE)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _changed(stamp: Path, names: Sequence[str]) -> bool:
    return not stamp.exists() or stamp.read_text() != _digest(names)


def _done(stamp: Path, names: Sequence[str]) -> None:
    stamp.write_text(_digest(names))
