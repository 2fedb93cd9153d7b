"""The parent's decisions, with workers that a script plays: quick, and able to misbehave in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nano_trio.parent.supervisor import backoff
from tests.cli.conftest import Running
from tests.readme.document import REPOSITORY

from .conftest import Play, until, worker_of, workers_of


def logged(running: Running, text: str) -> str:
    """Wait for a line of the parent's log. Nothing tells which comes first, that or what a worker says then."""
    return until(lambda: next((line for line in running.err if text in line), None))


@pytest.mark.parametrize(
    ("script", "code", "told"),
    [
        ("sys.exit(7)", 7, ""),  # the worker has said why
        ("sys.exit(0)", 1, "the worker process ended with exit code 0 before it served"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, "the worker process was killed by SIGKILL before it served"),
    ],
)
def test_a_first_start_that_fails_is_the_end(play: Play, tmp_path: Path, script: str, code: int, told: str) -> None:
    result = play(script).end()
    assert result.code == code
    assert (told in result.err) if told else not result.err
    assert (tmp_path / "lives").read_text() == "x"


@pytest.mark.parametrize(
    ("dies", "how"),
    [("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"), ("sys.exit(1)", "ended with exit code 1")],
)
def test_once_one_serves_another_that_cannot_start_is_tried_again(
    play: Play, tmp_path: Path, dies: str, how: str
) -> None:
    """Its clients do not lose the one that serves. The configuration may have been broken between the two."""
    running = play(
        f"""
if worker.welcome["worker"] == 1 and worker.life == 2:
    {dies}
worker.ready(); say("ready", worker.welcome["worker"]); worker.serve_until_drained()
""",
        workers=2,
    )
    running.wait_for("ready 0")
    running.wait_for("ready 1")
    assert (tmp_path / "lives").read_text() == "xxx"
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert f"a worker process {how}" in result.err


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_its_last_moments_changes_no_exit_code(number: signal.Signals) -> None:
    program = f"""
import os, signal, sys
from nano_trio.parent.supervisor import supervise
class Last:
    kill, pid = os.kill, os.getpid()
    def __del__(self):  # when Python ends, after all else
        self.kill(self.pid, {int(number)})
last = Last()
sys.exit(supervise([sys.executable, "-c", "raise SystemExit(3)", "{{}}"]))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, timeout=30).returncode == 3


def test_a_program_that_cannot_be_started_is_tried_again(play: Play, tmp_path: Path) -> None:
    running = play("worker.ready(); say('ready'); worker.serve_until_drained()")
    running.wait_for("ready")
    script = tmp_path / "worker.py"
    text = script.read_text()
    script.unlink()
    worker_of(running).kill()
    running.wait_for("killed by SIGKILL")
    until(lambda: "ended with exit code 2" in "".join(running.err))
    script.write_text(text)
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_deaths_at_the_start_are_answered_more_and_more_slowly(play: Play, tmp_path: Path) -> None:
    running = play(
        """
with open("times", "a") as file: file.write(f"{time.monotonic()}\\n")
if worker.life > 1: sys.exit(3)
worker.ready(); say("ready"); worker.next()
"""
    )
    running.wait_for("ready")
    worker_of(running).kill()

    def times() -> list[float]:
        return [float(line) for line in (tmp_path / "times").read_text().splitlines()]

    until(lambda: len(times()) >= 5 and len(running.err) >= 5)
    gaps = [later - earlier for earlier, later in zip(times()[1:], times()[2:], strict=False)]
    # At least half of 0.1 s, doubled each time.
    assert all(gap >= 0.05 * 2**index for index, gap in enumerate(gaps))
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_backoff() -> None:
    assert backoff(0, 1.0) == 0
    assert [backoff(failures, 1.0) for failures in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert backoff(1, 0.0) == 0.05
    assert backoff(1000, 1.0) == 30


def test_the_worker_s_exit_code_is_the_parent_s(play: Play) -> None:
    running = play("worker.ready(); say('ready'); worker.serve_until_drained(5)")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    assert running.end().code == 5


def test_a_worker_that_outlasts_its_deadline_is_killed(play: Play) -> None:
    running = play(
        "worker.ready(drain_timeout_s=0.1)\nsay('ready')\nprint(worker.next('drain')['signal'], flush=True)\ntime.sleep(60)"
    )
    running.wait_for("ready")
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    running.wait_for("SIGTERM")
    result = running.end()
    assert result.code == 137
    assert "does not end and is killed" in result.err
    assert "SIGKILL" not in result.err, "once is enough"
    assert time.monotonic() - began >= 2


def test_a_worker_that_dies_while_it_drains_is_told_of(play: Play) -> None:
    running = play("worker.ready()\nsay('ready')\nworker.next('drain')\nos.kill(os.getpid(), signal.SIGSEGV)")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 139
    assert result.err.count("a worker process was killed by SIGSEGV while it drained") == 1


def test_a_second_signal_is_passed_on_and_then_enforced(play: Play) -> None:
    running = play(
        "worker.ready()\nsay('ready')\nsay(worker.next('drain')['type'])\nsay(worker.next('end')['type'])\nsys.exit(0)"
    )
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    running.wait_for("drain")
    running.signal(signal.SIGTERM)
    running.wait_for("end")
    assert running.end().code == 0


def test_signals_of_the_terminal_wait_until_the_worker_listens(play: Play) -> None:
    """Ctrl-C reaches the whole process group, also a worker that is still importing."""
    running = play("say('up')\ntime.sleep(0.2)\nworker.next('drain')\nsys.exit(0)")
    running.wait_for("up")
    os.killpg(running.process.pid, signal.SIGINT)
    result = running.end()
    assert (result.code, result.err) == (0, "")


def test_workers_end_with_their_parent(play: Play, tmp_path: Path) -> None:
    running = play("worker.ready(); say('ready'); worker.next('drain')")
    running.wait_for("ready")
    worker = worker_of(running)
    running.signal(signal.SIGKILL)
    assert running.end().code == -signal.SIGKILL
    worker.wait(10)
    assert not worker.is_running()
    assert (tmp_path / "lives").read_text() == "x", "somebody started another"


CRASHING = """
worker.turns.mark[0] = worker.turns.number("shop")
say("quarantined:", *worker.welcome["quarantined"].values())
worker.ready(quarantine_window_s=100)
say("ready")
if worker.life < 3: os.kill(os.getpid(), signal.SIGSEGV)
while True:
    message = worker.next()
    if message["type"] == "drain": sys.exit(0)
    if message["type"] == "reload":
        worker.channel.send("lift", app="shop")
        say("left:", len(worker.next("quarantined")["apps"]))
        worker.channel.send("reloaded", ok=True)
"""


def test_the_second_crash_of_an_app_quarantines_it_until_it_is_lifted(play: Play) -> None:
    running = play(CRASHING)
    until(lambda: running.out.count("quarantined:\n") == 2)
    line = running.wait_for("quarantined: its code was running")
    assert running.out.count("quarantined:\n") == 2
    assert "when the server process was killed by SIGSEGV, 2 times within 100 s" in line
    logged(running, "shop: quarantined reason=")
    running.wait_for("ready")  # who does not serve is not told to reload
    running.signal(signal.SIGHUP)
    running.wait_for("left: 0")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert "shop: the quarantine is lifted" in result.err


def test_a_worker_that_starts_learns_what_was_drained_before_and_meanwhile(play: Play) -> None:
    running = play(
        """
if worker.welcome["worker"] == 0:
    worker.channel.send("doors", apps=["one", "two"], closed=True)
    worker.ready()
    while not os.path.exists("waits"):
        time.sleep(0.01)
    worker.channel.send("doors", apps=["one"], closed=True)  # that is known
    worker.channel.send("doors", apps=["one"], closed=False)
    worker.serve_until_drained()
say("closed:", worker.welcome["closed"])
open("waits", "w").close()
say("closed:", worker.next("doors")["closed"])
worker.ready()
worker.serve_until_drained()
""",
        workers=2,
    )
    assert running.wait_for("closed:") == "closed: ['one', 'two']\n"
    running.wait_for("closed: ['two']")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_what_somebody_killed_is_nobody_s_fault(play: Play) -> None:
    running = play(CRASHING.replace("SIGSEGV", "SIGKILL"))
    for _ in range(3):
        assert running.wait_for("quarantined:") == "quarantined:\n"
    assert running.err[0].rstrip().partition(" pid=")[0].endswith("shop: a worker process was killed by SIGKILL")


def test_an_app_that_crashes_the_engine_as_it_is_loaded_does_not_keep_the_server_down(
    play: Play, tmp_path: Path
) -> None:
    running = play(
        """
if "shop" not in worker.welcome["quarantined"]:
    worker.turns.mark[0] = worker.turns.number("shop")
    os.kill(os.getpid(), signal.SIGSEGV)
worker.ready(); say("ready"); worker.serve_until_drained()
"""
    )
    running.wait_for("ready")
    assert (tmp_path / "lives").read_text() == "xxx", "two crashes, and a third that knows of them"
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert "shop: quarantined reason=" in result.err


def test_a_worker_that_does_not_answer_is_replaced_and_the_app_named(play: Play) -> None:
    running = play(
        """
worker.ready(unresponsive_timeout_s=0.2)
say("life", worker.life)
if worker.life == 1:
    worker.turns.mark[0] = worker.turns.number("shop")
    time.sleep(60)
while True:
    match worker.next()["type"]:
        case "ping": worker.channel.send("pong"); say("pong")
        case "drain": sys.exit(0)
"""
    )
    logged(running, "shop: a worker process has not answered for 0.2 s")
    running.wait_for("life 2")
    for _ in range(3):
        running.wait_for("pong")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


@pytest.mark.parametrize("moment", ["asleep", "at work"])
def test_while_the_parent_is_stopped_itself_nobody_s_silence_counts(play: Play, tmp_path: Path, moment: str) -> None:
    """A paused container, a SIGSTOP: when it went on, it ended workers that were well for not having answered.

    Also where it was stopped before it had gone to sleep: that was taken for time in which it had listened.
    """
    running = play(
        f"""
def parent_is(state):
    while open(f"/proc/{{parent}}/stat").read().rpartition(")")[2].split()[0] != state: time.sleep(0.01)

worker.ready(unresponsive_timeout_s=2)
worker.next("ping")
parent = os.getppid()
if {moment == "asleep"}:
    parent_is("S")
    os.kill(parent, signal.SIGSTOP)
parent_is("T")
time.sleep(4)  # what the parent's clock goes on by
os.kill(parent, signal.SIGCONT)
time.sleep(0.5)  # it goes on before it is answered
worker.channel.send("pong")
while True:
    match worker.next()["type"]:
        case "ping": worker.channel.send("pong"); say("pong")
        case "drain": sys.exit(0)
""",
        **({"STUB_STOPS_AT_WORK": "1"} if moment == "at work" else {}),
    )
    running.wait_for("pong")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "lives").read_text() == "x"


SLOW_START = """
if worker.welcome["worker"] == 1 and worker.life == 2:
    HANG
worker.ready(unresponsive_timeout_s=2)
say("serves", worker.welcome["worker"], worker.life)
while True:
    match worker.next()["type"]:
        case "ping": worker.channel.send("pong")
        case "drain": sys.exit(0)
"""


@pytest.mark.parametrize(
    ("hang", "told"),
    [
        ("time.sleep(60)", "a worker process that starts has not answered for 2 s and is ended"),
        ("while True: worker.next('ping'); worker.channel.send('pong')", "that starts does not serve after 4 s"),
    ],
)
def test_a_worker_that_hangs_while_it_starts_is_replaced(play: Play, hang: str, told: str) -> None:
    environ = {"STUB_SILENT_START": "2", "STUB_WHOLE_START": "4" if "ping" in hang else "600"}
    running = play(SLOW_START.replace("HANG", hang), workers=2, **environ)
    running.wait_for("serves 0 1")
    line = logged(running, told)
    assert "worker=1" in line
    running.wait_for("serves 1 3")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert result.err.count("is ended") == 1, "the others were disturbed"


def test_a_very_first_start_that_hangs_is_tried_again(play: Play) -> None:
    script = "if worker.life < 2: time.sleep(60)\nworker.ready(); say('ready'); worker.serve_until_drained()"
    running = play(script, STUB_SILENT_START="2")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert result.err.count("a worker process did not answer") == 1


def test_a_start_that_says_something_may_take_long(play: Play) -> None:
    script = """
for _ in range(16):
    time.sleep(0.25)
    worker.channel.send("keep", configuration="")
worker.ready(); say("ready"); worker.serve_until_drained()
"""
    running = play(script, STUB_SILENT_START="2")
    running.wait_for("ready")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert (result.code, result.err) == (0, "")


ROLLING = """
me = worker.welcome["worker"]
worker.ready()
say("ready", me)
while True:
    match worker.next()["type"]:
        case "reload":
            say("begin", me); time.sleep(0.05); say("end", me)
            worker.channel.send("reloaded", ok=not os.path.exists("broken"))
        case "drain": sys.exit(0)
"""


def _ready(running: Running, count: int) -> None:
    for _ in range(count):
        running.wait_for("ready")


def test_workers_reload_one_after_another(play: Play, tmp_path: Path) -> None:
    running = play(ROLLING, workers=3)
    _ready(running, 3)
    running.out.clear()
    running.signal(signal.SIGHUP)
    for _ in range(3):
        running.wait_for("end")
    lines = [line.split() for line in running.out]
    assert [word for word, _ in lines] == ["begin", "end"] * 3
    assert sorted(number for word, number in lines if word == "end") == ["0", "1", "2"]
    (tmp_path / "broken").touch()
    running.out.clear()
    running.signal(signal.SIGHUP)
    running.wait_for("end")
    time.sleep(0.2)
    assert len(running.out) == 2, "the others were asked although the first could not"
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_a_worker_has_its_own_descriptors_only_and_the_first_of_all_announces(play: Play) -> None:
    script = """
open_files = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]
records = {os.stat(file).st_ino for file in open_files if "nano-trio-turn" in os.readlink(file)}
worker.ready()
say("ready", worker.welcome["worker"], len(records), worker.welcome["announce"])
worker.serve_until_drained()
"""
    running = play(script, workers=3)
    _ready(running, 3)
    told = sorted(line.split()[1:] for line in running.out)
    assert told == [["0", "1", "True"], ["1", "1", "False"], ["2", "1", "False"]]
    running.out.clear()
    for worker in workers_of(running):
        worker.kill()
    _ready(running, 3)
    told = sorted(line.split()[1:] for line in running.out)
    assert told == [["0", "1", "False"], ["1", "1", "False"], ["2", "1", "False"]]
    running.signal(signal.SIGTERM)
    running.end()


@pytest.mark.parametrize("how", ["closes it", "dies"])
def test_a_place_is_closed_when_no_worker_listens_there_any_more(play: Play, how: str) -> None:
    """Where one has died and its successor does not ask for it, when that serves."""
    script = """
import socket
from pathlib import Path
place = {"scheme": "http", "host": "127.0.0.1", "port": 0}
if worker.life == 1:
    worker.channel.send("open", id=1, addresses=[[socket.AF_INET, ["127.0.0.1", 0]]], backlog=5, leaving=[], **place)
    with socket.socket(fileno=worker.next("opened")["fds"][0]) as ours:
        Path("port").write_text(str(ours.getsockname()[1]))
address = "127.0.0.1", int(Path("port").read_text())
socket.create_connection(address).close()
worker.ready()
if worker.life == 1:
    if os.environ["HOW"] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    worker.channel.send("close", id=None, **place)
while True:
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        break
say("closed")
worker.serve_until_drained()
"""
    running = play(script, HOW=how)
    running.wait_for("closed")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_each_worker_is_replaced_by_itself(play: Play) -> None:
    running = play(ROLLING, workers=3)
    _ready(running, 3)
    before = {worker.pid for worker in workers_of(running)}
    assert len(before) == 3
    victim = next(iter(before))
    os.kill(victim, signal.SIGKILL)
    running.wait_for("ready")
    after = {worker.pid for worker in workers_of(running)}
    assert len(after) == 3
    assert before - after == {victim}
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_the_log_is_json_where_the_worker_s_is(play: Play) -> None:
    running = play("worker.ready(log_format='json'); say('ready', worker.life); worker.serve_until_drained()")
    running.wait_for("ready 1")
    worker_of(running).kill()
    running.wait_for("ready 2")
    running.signal(signal.SIGTERM)
    running.end()
    (line,) = running.err
    told = json.loads(line)
    assert (told["level"], told["event"]) == ("error", "a worker process was killed by SIGKILL")
    assert told["pid"] > 1
    # As a worker's lines begin.
    assert line.startswith('{"timestamp": "2')


def test_a_worker_that_was_starting_when_all_reloaded_does_it_afterwards(play: Play) -> None:
    running = play(
        """
me = worker.welcome["worker"]
if me == 1:
    say("starting")
    time.sleep(0.3)
worker.ready()
say("ready", me)
while True:
    match worker.next()["type"]:
        case "reload": say("reload", me); worker.channel.send("reloaded", ok=True)
        case "drain": sys.exit(0)
""",
        workers=2,
    )
    running.wait_for("starting")
    running.signal(signal.SIGHUP)
    running.wait_for("reload 1")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


SHARED = """
me = worker.welcome["worker"]
worker.ready()
say("ready", me)
while True:
    message = worker.next()
    match message["type"]:
        case "reload":
            say("reads" if not message["kept"] else "gets", me)
            if os.path.exists("dies"): os.unlink("dies"); os.kill(os.getpid(), signal.SIGKILL)
            if not message["kept"]: worker.channel.send("keep", configuration=f"of {me}")
            worker.channel.send("kept", id=1)
            say("it is", worker.next("kept")["configuration"])
            worker.channel.send("reloaded", ok=True)
            say("reloaded", me)
            if os.path.exists("changes"): worker.channel.send("turn", id=7)
        case "turn":
            if os.path.exists("changes"):
                os.unlink("changes")
                os.kill(os.getpid(), signal.SIGKILL)
            worker.channel.send("over", id=7)
        case "drain": sys.exit(0)
"""


def test_what_one_worker_has_read_the_others_get(play: Play, tmp_path: Path) -> None:
    running = play(SHARED, workers=3)
    _ready(running, 3)
    running.out.clear()
    running.signal(signal.SIGHUP)
    for _ in range(3):
        running.wait_for("reloaded")
    (reader,) = [line.split()[1] for line in running.out if line.startswith("reads")]
    assert sum(line.startswith("gets") for line in running.out) == 2
    assert [line for line in running.out if line.startswith("it is")] == [f"it is of {reader}\n"] * 3
    # One that dies over it has read nothing for the others.
    (tmp_path / "dies").touch()
    running.out.clear()
    running.signal(signal.SIGHUP)
    for _ in range(2):
        running.wait_for("reloaded")
    assert sum(line.startswith("reads") for line in running.out) == 2
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_whoever_dies_in_the_middle_of_a_change_leaves_all_alike(play: Play, tmp_path: Path) -> None:
    running = play(SHARED, workers=2)
    _ready(running, 2)
    (tmp_path / "changes").touch()
    running.signal(signal.SIGHUP)  # after which one of them takes the turn, and dies
    for _ in range(3):  # both, and then once more at least
        running.wait_for("reloaded")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0
    assert "killed by SIGKILL" in "".join(running.err)
