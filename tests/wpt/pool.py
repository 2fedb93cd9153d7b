"""Runs tests over several processes; a process that hangs or dies is replaced and its test reported so."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from tests.wpt.execution import Outcome, execute, time_limit
from tests.wpt.manifest import Test

__all__ = ["Worker", "run_all"]

_GRACE = 10.0
"""Seconds beyond a test's own limit before its process is killed."""
_CONTEXT = multiprocessing.get_context("spawn")


def _serve(root: Path, connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (test := connection.recv()) is not None:
        try:
            outcome = execute(root, test)
        except Exception as error:  # a bug of the platform's Python side; the next test gets a fresh isolate anyway
            outcome = Outcome("crash", f"{type(error).__name__}: {error}")
        connection.send(outcome.plain())
    os._exit(0)  # nothing here needs an orderly end, and extension modules print what they find alive at one


class Worker:
    """One process, started when first needed and again after it was lost."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, test: Test) -> Outcome:
        if self._process is None:
            self._connection, theirs = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=_serve, args=(self._root, theirs), daemon=True)
            self._process.start()
            theirs.close()
        connection, process = self._connection, self._process
        assert connection is not None
        try:
            connection.send(test)
            if connection.poll(time_limit(test) + _GRACE):
                return Outcome(**connection.recv())
        except (EOFError, OSError):
            process.join()
            self._process = None
            return Outcome("crash", f"the process ended with exit code {process.exitcode}")
        process.kill()
        process.join()
        self._process = None
        return Outcome("timeout", "the process did not answer and was killed", seconds=time_limit(test) + _GRACE)

    def close(self) -> None:
        if self._process is not None and self._connection is not None:
            self._connection.send(None)
            self._process.join(5)


def run_all(root: Path, tests: list[Test], jobs: int) -> Iterator[tuple[Test, Outcome]]:
    """Each test with its outcome, in the order they finish."""
    # The longest first, so that no process is left with one at the end.
    waiting: queue.SimpleQueue[Test] = queue.SimpleQueue()
    for test in sorted(tests, key=lambda test: not test.is_long):
        waiting.put(test)
    finished: queue.SimpleQueue[tuple[Test, Outcome]] = queue.SimpleQueue()

    def drive() -> None:
        worker = Worker(root)
        while True:
            try:
                test = waiting.get_nowait()
            except queue.Empty:
                break
            finished.put((test, worker.run(test)))
        worker.close()

    threads = [threading.Thread(target=drive, daemon=True) for _ in range(max(1, min(jobs, len(tests))))]
    for thread in threads:
        thread.start()
    for _ in tests:
        yield finished.get()
    for thread in threads:
        thread.join()
