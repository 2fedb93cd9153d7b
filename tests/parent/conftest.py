"""Parents and workers as processes: real ones, and real parents of workers that a test's script plays."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from nano_trio.parent.turn_record import running_app
from tests.cli.conftest import Running, app, end_all, get, nano, start
from tests.readme.document import REPOSITORY

__all__ = ["Play", "app", "get", "nano", "running_turn", "start", "stop_in_turn", "until", "worker_of", "workers_of"]

T = TypeVar("T")
Play = Callable[..., Running]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Start a parent whose workers run this script, which has a ``worker``."""
    started: list[Running] = []

    def begin(script: str, workers: int = 1, **environ: str) -> Running:
        file = tmp_path / "worker.py"
        file.write_text(
            "import os, signal, sys, time\nfrom tests.parent.scripted import ScriptedWorker, say\nworker = ScriptedWorker()\n"
            + script
        )
        command = [sys.executable, "-m", "tests.parent.scripted"]
        environ["PYTHONPATH"] = str(REPOSITORY)
        started.append(Running(tmp_path, [str(workers), str(file)], environ, command))
        return started[-1]

    yield begin
    end_all(started)


def workers_of(parent: Running) -> list[psutil.Process]:
    """The worker processes that live."""
    return [child for child in psutil.Process(parent.process.pid).children() if _lives(child)]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # its parent took its exit code this moment
        return False


def worker_of(parent: Running) -> psutil.Process:
    """The one worker process."""
    return until(lambda: next(iter(workers_of(parent)), None))


def until(look: Callable[[], T | None]) -> T:
    """Look again and again until there is something."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come")


def stop_in_turn(worker: psutil.Process, app: str | None) -> None:
    """Stop the worker (SIGSTOP) at a moment when it runs a turn of ``app``; None: when it runs none.

    A hog is suspended now and then, so try until it fits. Signals that follow wait for SIGCONT.
    """
    while True:
        worker.suspend()
        until(lambda: worker.status() == psutil.STATUS_STOPPED)
        if running_turn(worker) == app:
            return
        worker.resume()


def running_turn(worker: psutil.Process) -> str | None:
    """The app whose turn the worker runs at this moment: what its parent would read."""
    folder = f"/proc/{worker.pid}/fd"
    for name in os.listdir(folder):
        if "nano-trio-turn" in os.readlink(f"{folder}/{name}"):
            fd = os.open(f"{folder}/{name}", os.O_RDONLY)
            try:
                return running_app(fd)
            finally:
                os.close(fd)
    raise AssertionError("no record")
