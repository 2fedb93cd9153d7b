"""The writer: lines leave in order, and nobody waits for an output that takes none."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import resource
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_trio.logs.writer import Writer
from tests.threads import NO_THREADS


def notice(count: int) -> str:
    return f"{count} lost"


class Pipe:
    def __init__(self) -> None:
        self.reader, write = os.pipe()
        self.stream = os.fdopen(write, "w")

    def read(self) -> str:
        return os.read(self.reader, 1 << 20).decode()

    def read_until(self, text: str) -> str:
        seen = ""
        while text not in seen:
            seen += self.read()
        return seen


def accounted(text: str) -> tuple[int, int]:
    """How many numbered lines, there and lost, stand in ``text`` before "the last", and how many of them are lost.

    Each is there once or counted by the notice that stands where it would.
    """
    lines = text.splitlines()
    assert lines.pop() == "the last"
    expected = lost = 0
    for line in lines:
        if line.endswith(" lost"):
            gap = int(line.partition(" ")[0])
            expected, lost = expected + gap, lost + gap
        else:
            assert int(line[:4]) == expected
            expected += 1
    return expected, lost


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.reader)
    pipe.stream.close()


def test_lines_in_order_from_many_threads(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, notice)

    def write(name: int) -> None:
        for number in range(100):
            writer.line(f"{name} {number} \ud800")

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush()
    lines = pipe.read().splitlines()
    assert len(lines) == 400
    for name in range(4):
        own = [line for line in lines if line.startswith(f"{name} ")]
        assert own == [f"{name} {number} \\ud800" for number in range(100)]


def test_a_pipe_that_nobody_drains_costs_lines_and_no_time(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, notice, most_bytes=1 << 20)
    line = "x" * 999
    for number in range(3000):
        writer.line(f"{number:4}{line}")
    assert 1500 < writer.lost < 3000 - 500
    assert not writer.flush(0.01)
    lost = writer.lost
    done = threading.Event()
    seen: list[str] = []

    def drain() -> None:
        seen.append(pipe.read_until("the last"))
        done.set()

    threading.Thread(target=drain, daemon=True).start()
    assert writer.flush(10)
    writer.line("the last")
    assert done.wait(10)
    assert accounted(seen[0]) == (3000, lost)


def test_lines_are_missed_where_they_would_stand(pipe: Pipe) -> None:
    """There may be room again, and none again, while somebody writes."""
    writer = Writer(pipe.stream, notice, most_bytes=1 << 18)
    line = "x" * 999
    seen = ""

    def drain() -> str:
        seen = ""
        while not writer.flush(0.001):
            if select.select([pipe.reader], [], [], 0)[0]:
                seen += pipe.read()
        return seen

    for number in range(3000):
        if number in (1000, 2000):
            seen += drain()
        writer.line(f"{number:4}{line}")
    seen += drain()
    writer.line("the last")
    seen += pipe.read_until("the last")
    assert accounted(seen) == (3000, writer.lost)
    assert seen.count(" lost\n") >= 3


def test_a_reader_that_has_gone(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, notice)
    os.close(pipe.reader)
    writer.line("nobody hears")
    assert writer.flush(10)
    assert writer.broken
    pipe.reader = os.open(os.devnull, os.O_RDONLY)


def test_a_descriptor_that_somebody_made_non_blocking(pipe: Pipe) -> None:
    os.set_blocking(pipe.stream.fileno(), False)
    writer = Writer(pipe.stream, notice)
    for _ in range(200):
        writer.line("y" * 999)  # more than a pipe holds
    reader = threading.Timer(0.05, pipe.read_until, ["the end"])
    reader.start()
    writer.line("the end")
    assert writer.flush(10)
    reader.join(10)
    assert not reader.is_alive()


def test_a_stream_without_a_descriptor() -> None:
    """Nothing stays in a buffer of its own."""
    written = io.BytesIO()
    writer = Writer(io.TextIOWrapper(written), notice)
    writer.line("hello")
    assert writer.flush(10)
    assert written.getvalue() == b"hello\n"


def test_after_a_fork_the_child_writes_too(pipe: Pipe) -> None:
    writer = Writer(pipe.stream, notice)
    writer.line("parent")
    assert writer.flush(10)
    if (child := os.fork()) == 0:
        writer.line("child")
        os._exit(0 if writer.flush(5) else 1)
    end = time.monotonic() + 10
    while (status := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(status[1]) == 0
    assert pipe.read() == "parent\nchild\n"


def test_where_no_thread_can_be_had_lines_wait_until_there_is_one() -> None:
    """Whoever logs is not to fail for it."""
    program = f"""{NO_THREADS}
from nano_trio.logs.writer import Writer
writer = Writer(sys.stderr, str)
writer.line("the first")
assert not writer.flush(0)
threading.stack_size(0)
writer.line("the second")
assert writer.flush(30)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stderr.splitlines() == ["the first", "the second"]


def test_lines_that_the_disk_has_no_room_for_are_told_of(tmp_path: Path) -> None:
    """A limit to a file's size is met as a full disk is: by a part of what is written, then by an error."""
    with (tmp_path / "log").open("a") as file, room_for(1000) as more:
        writer = Writer(file, notice)
        for number in range(100):
            writer.line(f"{number:04} {'x' * 30}")
            writer.flush()
        assert writer.broken
        before = writer.lost
        assert before > 70
        more()
        writer.line("the last")
        assert writer.flush()
    lines = (tmp_path / "log").read_text().splitlines()
    whole = [line for line in lines if len(line) == 35]
    (cut,) = [line for line in lines if line.startswith("0") and len(line) < 35]
    assert lines == [*whole, cut, f"{before} lost", "the last"]
    assert len(whole) + before == 100
    assert writer.lost == before


def test_what_was_lost_is_told_at_the_end_where_nothing_follows(tmp_path: Path) -> None:
    with (tmp_path / "log").open("a") as file, room_for(0) as more:
        writer = Writer(file, notice)
        writer.line("one")
        writer.flush()
        more()
        assert writer.flush()
    assert (tmp_path / "log").read_text() == "1 lost\n"


@contextlib.contextmanager
def room_for(size: int) -> Iterator[Callable[[], None]]:
    """Let files have so many bytes, until what this gives is called."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    more = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
    try:
        yield more
    finally:
        more()
