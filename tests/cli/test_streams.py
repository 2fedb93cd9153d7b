"""Servers whose standard streams are not what they should be: they serve all the same."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_trio.cli.streams import tell
from tests.ports import free_port

from .conftest import COMMAND, environment, get

Serve = Callable[..., int]
WAYS = pytest.mark.parametrize("way", [["--workers", "2"], ["--no-parent"]], ids=["workers", "no parent"])


@pytest.fixture
def serve(app: Path, tmp_path: Path) -> Iterator[Serve]:
    """Serve with these streams, and wait until there are answers. At the end the server ends as it is told."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(way: list[str], redirect: str, stdout: int | None = None) -> int:
        port = free_port()
        command = ["sh", "-c", f'exec "$@" {redirect}', "sh", *COMMAND, "serve", "--app", "app", "--port", str(port)]
        started.append(
            subprocess.Popen(
                [*command, *way], cwd=tmp_path, env=environment({}), stdout=stdout, stderr=subprocess.DEVNULL
            )
        )
        end = time.monotonic() + 30
        while started[-1].poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                assert get(port) == (200, "hello")
                return port
            time.sleep(0.01)  # and not in the way of what starts
        raise AssertionError(f"it does not serve: {started[-1].poll()}")

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@WAYS
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(serve: Serve, way: list[str], closed: str) -> None:
    port = serve(way, closed)
    assert get(port, host="another") == (200, "hello")


@WAYS
def test_a_full_disk(serve: Serve, way: list[str]) -> None:
    """It served, until it told where: then it said that it cannot listen, and ended."""
    assert get(serve(way, ">/dev/full 2>/dev/full")) == (200, "hello")


@WAYS
def test_a_reader_that_has_gone(serve: Serve, way: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        port = serve(way, "2>&1", writing)
    finally:
        os.close(writing)
    assert get(port) == (200, "hello")


@WAYS
def test_a_reader_that_sleeps(serve: Serve, way: list[str]) -> None:
    """Neither the first request nor a signal was heeded while it waited to tell where it listens."""
    reading, writing = os.pipe()
    try:
        fcntl.fcntl(writing, fcntl.F_SETFL, os.O_NONBLOCK)
        for size in (4096, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(writing, bytes(size))
        fcntl.fcntl(writing, fcntl.F_SETFL, 0)
        port = serve(way, "", writing)
        assert get(port) == (200, "hello")
    finally:
        os.close(reading)
        os.close(writing)


def test_a_number_that_was_closed_is_not_given_to_another_file() -> None:
    program = """
import os, sys
from nano_trio.cli.streams import hold_standard_streams
hold_standard_streams()
print("to nobody", flush=True)
print("to nobody", file=sys.stderr, flush=True)
import socket
ends = socket.socketpair()
assert min(end.fileno() for end in ends) > 2
assert [os.get_inheritable(fd) for fd in range(3)] == [True, True, True]
os._exit(17)
"""
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program]
    assert subprocess.run(command, env=environment({}), timeout=30).returncode == 17


def test_what_is_told_comes_in_whole_lines_however_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe2(os.O_DIRECT)  # that keeps what was written at once together
    lines = [f"{number} " + "x" * (number % 200) for number in range(300)]
    with os.fdopen(reading, "rb", buffering=0) as ours:
        with os.fdopen(writing, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            assert tell("".join(f"{line}\n" for line in lines))
        said = list(iter(lambda: os.read(ours.fileno(), 65536), b""))
    assert len(said) > 5
    assert all(piece.endswith(b"\n") for piece in said)
    assert b"".join(said).decode().splitlines() == lines


def test_what_does_not_fit_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert not tell("x" * (4 << 20))


@pytest.mark.parametrize(
    "arguments", [["schema"], ["eval", "1"], ["check", "app"], ["run", "log.js"], ["eval", "console.log(1); for (;;);"]]
)
def test_output_on_a_full_disk_is_told(app: Path, tmp_path: Path, arguments: list[str]) -> None:
    """In one line and not in a stack of ours, nor in an error of the script's."""
    (tmp_path / "log.js").write_text("try { console.log(1); } finally { for (;;); }")
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment({}), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (result.returncode, result.stderr) == (1, b"cannot write the output: no space left on device\n")
