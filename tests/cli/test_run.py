"""``nano-trio run``."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from .conftest import COMMAND, Nano, Start, environment


def test_modules_arguments_top_level_await_and_timers(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "double.js").write_text("export const double = (x) => 2 * x;")
    (tmp_path / "main.js").write_text(
        """
        import { double } from "./lib/double.js";
        console.log(scriptArgs.join());
        console.log(await new Promise((resolve) => setTimeout(resolve, 10, double(21))));
        const { triple } = await import("./lib/triple.js");
        setTimeout(() => console.log("last", triple(2)), 10);
        """
    )
    (tmp_path / "lib" / "triple.js").write_text("export const triple = (x) => 3 * x;")
    result = nano("run", "main.js", "one", "--two", "-x", "3", "--", "--help")
    assert (result.code, result.out, result.err) == (0, "one,--two,-x,3,--,--help\n42\nlast 6\n", "")


def test_standard_input_is_for_the_repl(nano: Nano) -> None:
    result = nano("run", "-")
    assert result.code == 2
    assert "`nano-trio repl` evaluates what comes from a pipe" in result.err


def test_a_folder_runs_its_index(nano: Nano, app: Path) -> None:
    (app / "index.js").write_text("console.log('index')")
    assert nano("run", "app").out == "index\n"


def test_console_is_split(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "s.js").write_text(
        "console.log(1); console.info(2); console.debug(3); console.warn(4); console.error(5);"
    )
    result = nano("run", "s.js")
    assert (result.code, result.out, result.err) == (0, "1\n2\n3\n", "4\n5\n")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("\nthrow new TypeError('bad');", "s.js:2:20: TypeError: bad"),
        ("await null;\n  null.x;", "s.js:2:"),
        ("setTimeout(() => {\n throw new Error('later') });", "s.js:2:"),
        ("const x = ;", "s.js:1:11: SyntaxError"),
    ],
)
def test_an_uncaught_error_ends_it_with_its_place(nano: Nano, tmp_path: Path, source: str, place: str) -> None:
    (tmp_path / "s.js").write_text(source)
    result = nano("run", "s.js")
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith(place)
    assert "^" in result.err
    assert "nano:" not in result.err


def test_what_was_printed_before_an_error_stays(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "s.js").write_text("console.log('before'); throw new Error('x'); console.log('after')")
    result = nano("run", "s.js")
    assert (result.code, result.out) == (1, "before\n")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import './missing.js';", 'cannot load "missing.js"'),
        ("import 'hono';", "hono"),
        ("import { x } from './s.js';", "x"),
        ("await new Promise(() => {});", "waits for nothing"),
    ],
)
def test_what_cannot_be_loaded_is_named(nano: Nano, tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "s.js").write_text(source)
    result = nano("run", "s.js")
    assert result.code == 1
    assert message in result.err


@pytest.mark.parametrize(("path", "message"), [("nope.js", "no such file"), (".", "no index.js")])
def test_no_such_file(nano: Nano, path: str, message: str) -> None:
    result = nano("run", path)
    assert result.code == 1
    assert message in result.err


@pytest.mark.parametrize("source", ["console.log('on'); for (;;);", "console.log('on'); for (;;) await null;"])
def test_ctrl_c_ends_an_endless_loop(start: Start, tmp_path: Path, source: str) -> None:
    (tmp_path / "s.js").write_text(source)
    running = start("run", "s.js")
    running.wait_for("on")
    running.signal(signal.SIGINT)
    result = running.end(5)
    assert (result.code, result.err) == (130, "")


def test_a_reader_that_leaves_ends_it_without_noise(tmp_path: Path) -> None:
    (tmp_path / "s.js").write_text("for (let i = 0; i < 100_000; i++) console.log('line', i);")
    process = subprocess.Popen(
        [*COMMAND, "run", "s.js"],
        cwd=tmp_path,
        env=environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(30) in (0, 1)


@pytest.mark.parametrize("place", ["/dev/null/cache", "read-only"])
def test_a_cache_folder_that_cannot_be_written_costs_nothing_but_time(nano: Nano, tmp_path: Path, place: str) -> None:
    (tmp_path / "s.js").write_text("console.log(new URL('http://x/y').pathname)")
    folder = Path(place)
    if place == "read-only":
        folder = tmp_path / place
        folder.mkdir(mode=0o500)
        if os.access(folder, os.W_OK):  # root may write everywhere: a file in the way stops it too
            (folder / "nano-trio").write_text("")
    result = nano("run", "s.js", XDG_CACHE_HOME=str(folder))
    assert (result.code, result.out, result.err) == (0, "/y\n", "")


def test_output_that_is_not_ascii_in_a_c_locale(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "s.js").write_text("console.log('é→😀', 'a\\ud800b')", encoding="utf-8")
    result = nano("run", "s.js", LC_ALL="C", PYTHONIOENCODING="utf-8")
    assert (result.code, result.out) == (0, "é→😀 a\ufffdb\n")


def test_large_results_do_not_have_the_system_clear_their_pages_each_time(tmp_path: Path) -> None:
    (tmp_path / "s.js").write_text(
        """
        const data = new Uint8Array(1 << 20), iv = new Uint8Array(12);
        const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt"]);
        for (let i = 0; i < 100; i++) await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, data);
        """
    )
    # How much glibc keeps is else a matter of chance: twice as much as the largest block that was freed before.
    settings = environment({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"})
    process = subprocess.Popen([*COMMAND, "run", "s.js"], cwd=tmp_path, env=settings)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    # A megabyte is 256 pages, and each result was two or three.
    assert usage.ru_minflt < 100 * 256
