"""What an installation compiles, and what is there without: the allocator of heaps, builtins, the timer of polls, and the
notes of rejections.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).parents[2]

TELL = """
import resource, sys
if "addresses" in sys.argv:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
if "chroot" in sys.argv:
    def refuse(event, arguments):
        if event == "open" and str(arguments[0]).startswith("/proc/"):
            raise FileNotFoundError(arguments[0])
    sys.addaudithook(refuse)
from nano_trio.engine import allocator, binding_errors, builtins, json_builtins, poll_timer, rejections
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime import platform
isolate = Isolate(CpuScheduler())
rejections.watch(isolate.context)
total = isolate.context.eval("JSON.stringify(Array.from({ length: 9999 }, (_, i) => ({ i }))).length")
isolate.close()
compiled = allocator.in_use(), builtins.in_use(platform.builtins_source()), json_builtins.in_use()
print(*compiled, poll_timer.in_use(), rejections.in_use(), binding_errors.translate(), allocator.held(), total)
"""
ALL = ["True", "True", "True", "True", "True", "True", "0", "108880"]
NONE = ["False", "False", "False", "False", "False", "False", "0", "108880"]
BUT_HEAPS = ["False", *ALL[1:]]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with none of its libraries. Python's own bytecode is copied, without files half written."""
    shutil.copytree(ROOT / "nano_trio", tmp_path / "nano_trio", ignore=shutil.ignore_patterns("lib*.so", "*.pyc.*"))
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    return tmp_path


def bring_libraries(copy: Path) -> None:
    """Those that the installation compiled, of the same source: what a build makes is the test's of the build."""
    for library in (ROOT / "nano_trio/engine").glob("lib*.so"):
        shutil.copy(library, copy / "nano_trio/engine")


def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def quick_compiler(tmp_path: Path) -> str:
    """What is not optimized is compiled in a third of the time; the last such option counts.

    What the installation compiled, as it does, is what all other tests use.
    """
    (compiler := tmp_path / "quick-cc").write_text('#!/bin/sh\nexec cc "$@" -O0\n')
    compiler.chmod(0o755)
    return str(compiler)


def test_where_addresses_are_limited_heaps_use_the_c_library() -> None:
    told = run(ROOT, "-c", TELL, "addresses")
    assert told.stdout.split() == BUT_HEAPS, told.stderr


def test_without_proc_heaps_use_the_c_library() -> None:
    told = run(ROOT, "-c", TELL, "chroot")
    assert told.stdout.split() == BUT_HEAPS, told.stderr


def test_a_build_makes_what_was_not_there(copy: Path, quick_compiler: str) -> None:
    assert run(copy, "-c", TELL).stdout.split() == NONE
    built = run(copy, "hatch_build.py", CC=quick_compiler)
    assert (built.returncode, built.stderr) == (0, "")
    assert run(copy, "-c", TELL).stdout.split() == ALL


def test_without_a_compiler_the_build_says_so_and_leaves_no_library_of_another_source(copy: Path) -> None:
    bring_libraries(copy)
    failed = run(copy, "hatch_build.py", CC="no-such-compiler")
    assert failed.returncode == 1
    assert "the allocator is not compiled, heaps use the C library's" in failed.stderr
    assert "the builtins of the platform's code are not compiled, each isolate holds them all" in failed.stderr
    assert "JSON.parse, JSON.stringify and Object.fromEntries are not compiled, the engine's serve" in failed.stderr
    assert "the timer of polls is not compiled" in failed.stderr
    assert "rejections that nothing handles are not reported" in failed.stderr
    assert "what the binding says of errors is not compiled, apps see its own words" in failed.stderr
    assert "no-such-compiler" in failed.stderr
    assert not list(copy.glob("nano_trio/engine/lib*"))
    assert run(copy, "-c", TELL).stdout.split() == NONE


def test_one_that_cannot_be_compiled_does_not_cost_the_others(copy: Path, quick_compiler: str) -> None:
    (copy / "nano_trio/engine/allocator.c").write_text("#error not here\n")
    assert run(copy, "hatch_build.py", CC=quick_compiler).returncode == 1
    assert run(copy, "-c", TELL).stdout.split() == BUT_HEAPS


def test_an_installation_compiles_them(tmp_path: Path) -> None:
    """What was installed for these tests has them: a package without is slower, and nothing else would tell."""
    told = run(tmp_path, "-c", TELL, PYTHONPATH="")
    assert told.stdout.split() == ALL, told.stderr


def test_a_server_without_them_warns(copy: Path, tmp_path: Path) -> None:
    names = "allocator, binding_errors, builtins, json_builtins, poll_timer, rejections"
    assert ", ".join(hatch_build._SOURCES) == names
    (tmp_path / "app.js").write_text("export default () => new Response();")
    assert "installed without a C compiler: apps are slower" in (
        told := warnings_of_a_server(copy, tmp_path / "app.js")
    )
    assert f'missing="{names}"' in told
    bring_libraries(copy)
    assert "compiler" not in warnings_of_a_server(copy, tmp_path / "app.js")


def test_tests_without_them_say_so_and_do_not_begin(copy: Path) -> None:
    tests = copy / "tests"
    tests.mkdir()
    shutil.copy(ROOT / "tests/conftest.py", tests)
    (tests / "test_one.py").write_text("def test(): pass\n")
    plain = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    told = run(copy, *plain)
    assert (told.returncode, "1 passed" in told.stdout) == (1, False)
    assert "libpoll_timer.so, librejections.so: install a C compiler (apt install gcc)" in told.stdout + told.stderr
    bring_libraries(copy)
    assert run(copy, *plain).returncode == 0


def warnings_of_a_server(folder: Path, app: Path) -> str:
    """What one of ``folder`` writes to its log until it listens."""
    with subprocess.Popen(
        [sys.executable, "-m", "nano_trio", "serve", str(app), "--port", "0"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        told = ""
        for line in server.stderr:
            told += line
            if "listening" in line:
                break
        server.terminate()
    return told
