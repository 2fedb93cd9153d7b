"""Which Python `make` takes for its environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .document import REPOSITORY

QUICK, SLOW = 100, 900


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    return tmp_path


def python(folder: Path, name: str, *, took: int = QUICK, recent: bool = True, makes: bool = True) -> Path:
    """A build of Python that is this one, but says how quick it is, and lacks what it is told to lack."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(
        f"""#!/bin/bash
        case "$*" in
          *timeit*) echo {took:09};;
          *version_info*) {"true" if recent else "false"};;
          *ensurepip*) {"true" if makes else "false"};;
          "-m venv "*) mkdir "$3";;
          --version) echo Python {name};;
          *) exec {sys.executable} "$@";;
        esac
        """
    )
    program.chmod(0o755)
    return program


def made_with(folder: Path, *path: Path) -> subprocess.CompletedProcess[str]:
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("make", "bash", "basename", "sort", "head", "cut", "rm", "mkdir", "touch", "getconf", "nproc"):
        found = shutil.which(tool)
        if found is not None:
            (tools / tool).symlink_to(found)
    places = os.pathsep.join(str(place) for place in (*path, tools))
    return subprocess.run(
        ["make", ".venv/.made"], cwd=folder, env={"PATH": places}, capture_output=True, text=True, timeout=60
    )


def test_the_quickest_build_of_a_version_is_taken(folder: Path) -> None:
    first, second, third = (folder / name for name in "abc")
    python(first, "python3.11", took=SLOW)
    quick = python(second, "python3.11", took=QUICK)
    python(third, "python3.11", took=SLOW)
    assert f"Making .venv with {quick}, Python python3.11\n" in made_with(folder, first, second, third).stdout


def test_a_newer_version_goes_before_a_quicker_one(folder: Path) -> None:
    newer = python(folder / "a", "python3.12", took=SLOW)
    python(folder / "a", "python3.11", took=QUICK)
    assert f"Making .venv with {newer}," in made_with(folder, folder / "a").stdout


def test_builds_that_cannot_make_environments_or_are_too_old_are_passed_over(folder: Path) -> None:
    python(folder / "a", "python3.12", makes=False)
    python(folder / "a", "python3.11", recent=False)
    good = python(folder / "b", "python3.11", took=SLOW)
    assert f"Making .venv with {good}," in made_with(folder, folder / "a", folder / "b").stdout


def test_what_is_missing_is_said(folder: Path) -> None:
    python(folder / "a", "python3.11", makes=False)
    told = made_with(folder, folder / "a")
    assert told.returncode != 0
    assert (
        "python3.11 cannot make virtual environments; on Debian and Ubuntu: apt install python3.11-venv" in told.stderr
    )


def test_without_any_python_it_says_what_is_needed(folder: Path) -> None:
    python(folder / "a", "python3", recent=False)
    told = made_with(folder, folder / "a")
    assert told.returncode != 0
    assert "nano-trio needs Python 3.11 or later" in told.stderr


def test_what_was_not_compiled_is_compiled_once_it_can_be(folder: Path) -> None:
    (folder / ".venv").mkdir()
    (folder / "nano_trio" / "engine").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    (folder / "hatch_build.py").write_text(
        """if True:
        import os, pathlib, sys
        if "COMPILER" not in os.environ:
            sys.exit("nano-trio: there is no compiler")
        pathlib.Path("nano_trio/engine/liballocator.so").touch()
        print("compiled")
        """
    )
    python(folder / ".venv" / "bin", "python")
    for stamp in (".made", ".installed"):
        (folder / ".venv" / stamp).touch()

    def install(**environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", "install"],
            cwd=folder,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
        )

    told = install()
    assert told.returncode == 0
    assert told.stderr.startswith("nano-trio: there is no compiler\nmake: it works without, slower; with a C compiler")
    assert (install(COMPILER="cc").stdout, install(COMPILER="cc").stdout) == ("compiled\n", "")


@pytest.mark.parametrize(
    ("linker", "flags"),
    [("echo '  -Bno-symbolic  Do not bind'", "-s -Wl,-Bno-symbolic"), ("echo '  -Bsymbolic'", "-s"), ("false", "-s")],
)
def test_an_engine_that_is_compiled_here_leaves_a_place_to_step_in(folder: Path, linker: str, flags: str) -> None:
    """Debian's Python has libraries linked otherwise: a later option counts more. Not every linker knows it."""
    for name, does in ((".venv/bin/python", 'echo "$LDFLAGS" >flags'), ("tools/ld", linker)):
        program = folder / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{does}\n")
        program.chmod(0o755)
    for name in (".venv/.made", "pyproject.toml", "hatch_build.py"):
        (folder / name).touch()
    places = f"{folder / 'tools'}:{os.environ['PATH']}"
    subprocess.run(
        ["make", ".venv/.installed"], cwd=folder, env={"PATH": places, "LDFLAGS": "-s"}, check=True, timeout=60
    )
    assert (folder / "flags").read_text() == f"{flags}\n"
