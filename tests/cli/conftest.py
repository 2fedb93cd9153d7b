"""The command line as its users see it: processes, their output and their exit codes."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from http.client import HTTPConnection
from pathlib import Path

import attrs
import pytest

from tests.prefork import nano_trio

COMMAND = [sys.executable, "-m", "nano_trio"]
_PATIENCE_S = 30.0


@attrs.define
class Result:
    """A process that has ended."""

    code: int
    out: str
    err: str


class Running:
    """A process that runs, in a process group of its own."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        environ: dict[str, str],
        command: Sequence[str] = COMMAND,
        *,
        close_fds: bool = True,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            close_fds=close_fds,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.out), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self.err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: object, lines: list[str]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            lines.append(line)
            self._lines.put(line)
        stream.close()  # type: ignore[attr-defined]

    def wait_for(self, text: str) -> str:
        """The next line, of either stream, that contains ``text``."""
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {text!r} in:\n{''.join(self.out + self.err)}") from None
            if text in line:
                return line

    def port(self) -> int:
        """Wait until a server tells where it listens."""
        return int(self.wait_for(" listening on http://").rpartition(":")[2])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = _PATIENCE_S) -> Result:
        """Wait for the end."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return Result(code, "".join(self.out), "".join(self.err))


def environment(extra: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NANO_")}
    return {**kept, "PYTHONUNBUFFERED": "", **extra}


Nano = Callable[..., Result]
Start = Callable[..., Running]


@pytest.fixture
def nano(tmp_path: Path) -> Nano:
    """Run the command in a fresh folder and wait for its end."""

    def run(*arguments: str, cwd: Path = tmp_path, **environ: str) -> Result:
        if any(name.startswith(("LC_", "PYTHON")) for name in environ):  # read by Python when it starts
            done = subprocess.run(
                [*COMMAND, *arguments],
                cwd=cwd,
                env=environment(environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
            )
        else:
            done = nano_trio(*arguments, cwd=cwd, environ=environment(environ), timeout=_PATIENCE_S)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command in a fresh folder; what still runs at the end of the test is killed."""
    started: list[Running] = []

    def begin(*arguments: str, **environ: str) -> Running:
        started.append(Running(tmp_path, arguments, environ))
        return started[-1]

    yield begin
    end_all(started)


def end_all(started: Iterable[Running]) -> None:
    """Kill what still runs, and reap all."""
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.end()


@contextlib.contextmanager
def asking(running: Running, port: int) -> Iterator[list[tuple[int, str]]]:
    """Ask for ``/slow`` and go on when the app has begun with it; inside, until the answer is in the list."""
    answers: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: answers.append(get(port, "/slow")))
    client.start()
    running.wait_for("slow")
    yield answers
    client.join()


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app that greets; /spin never ends, /slow takes a moment."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "index.js").write_text(
        """export default { async fetch(request) {
          const { pathname } = new URL(request.url);
          if (pathname === "/spin") { console.log("spinning"); for (;;); }
          if (pathname === "/slow") { console.log("slow"); await new Promise((resolve) => setTimeout(resolve, 300)); }
          return new Response("hello");
        } };"""
    )
    return folder


def get(port: int, path: str = "/", host: str = "app") -> tuple[int, str]:
    """Status and text of a response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()
