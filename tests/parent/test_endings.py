"""Whenever a worker is told to end, it ends, and well."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Running
from tests.readme.document import REPOSITORY

from .conftest import Play, until, worker_of, workers_of


@pytest.mark.parametrize(
    ("how", "what"), [("both", "start"), ("gone", "start"), ("message", "start"), ("message", "reload")]
)
def test_a_worker_that_is_told_to_end_at_any_moment_does(how: str, what: str) -> None:
    """One run for each step of the worker's loop: see ``endings``, which hangs or is killed where one goes wrong."""
    command = [sys.executable, "-m", "tests.parent.endings", how, what, "2"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert int(done.stdout.removeprefix("runs:")) > 30


def test_a_signal_that_comes_as_soon_as_it_is_handled_is_not_lost(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from nano_trio.parent.supervisor import supervise

real = signal.signal

def handle(number, handler):
    real(number, handler)
    if number == signal.SIGTERM:
        os.kill(os.getpid(), number)

signal.signal = handle
sys.exit(supervise([sys.executable, "worker.py", "{}"]))
"""
    (tmp_path / "worker.py").write_text(
        "from tests.parent.scripted import ScriptedWorker\nScriptedWorker().serve_until_drained()"
    )
    running = Running(tmp_path, ["-c", script], {"PYTHONPATH": str(REPOSITORY)}, [sys.executable])
    assert running.end().code == 0


def test_the_last_words_of_a_worker_are_heard_to_the_end(play: Play) -> None:
    running = play(
        """
say("given:", len(worker.welcome["configuration"] or ""))
if worker.life == 1:
    worker.ready()
    os.kill(os.getppid(), signal.SIGSTOP)
    worker.channel.send("keep", configuration="x" * 50_000)
    assert not worker.channel.pending
    say("said")
    os._exit(3)
worker.ready()
worker.serve_until_drained()
""",
        STUB_RECEIVE="1000",  # bytes at a time
    )
    running.wait_for("said")
    until(lambda: not workers_of(running))
    os.kill(running.process.pid, signal.SIGCONT)
    running.wait_for("given: 50000")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_a_worker_that_was_killed_before_the_server_was_told_to_end_fails_no_drain(play: Play) -> None:
    running = play("worker.ready(); say('ready'); worker.serve_until_drained()")
    running.wait_for("ready")
    parent = psutil.Process(running.process.pid)
    parent.suspend()
    until(lambda: parent.status() == psutil.STATUS_STOPPED)
    worker = worker_of(running)
    worker.kill()
    until(lambda: worker.status() == psutil.STATUS_ZOMBIE)
    running.signal(signal.SIGTERM)
    parent.resume()
    result = running.end()
    assert result.code == 0
    assert "a worker process was killed by SIGKILL" in result.err
    assert "while it drained" not in result.err


def test_ctrl_c_in_the_midst_of_an_import_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}
    for program in (["-m", "nano_trio"], ["-c", "from nano_trio.cli import main; main()"]):
        done = subprocess.run(
            [sys.executable, *program, "eval", "1"],
            capture_output=True,
            text=True,
            timeout=50,
            env=environ,
            cwd=tmp_path,
            # A shell's background jobs ignore it, and all that they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
