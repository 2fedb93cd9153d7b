"""What apps may be busy with: `kinds` does have them busy with it, and sees when not. Its figures are nobody's business."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench import kinds, kinds_peers, machine, plots, servers, windows
from bench.closed_loop import Clients
from bench.cpu_clock import cpu_clock
from bench.kinds import KINDS, Kind
from bench.open_loop import Schedule
from bench.probe import Seen
from bench.report import Options

OF = {kind.name: kind for kind in KINDS}


def seen(kind: Kind) -> dict[str, Any]:
    return kinds.measure(kind, 1, 1)


def test_hogs_that_never_end_are_not_answered_and_take_the_core() -> None:
    # Where others have the cores for all of a second no probe says what the server itself did.
    for _ in range(10):
        found = seen(OF["endless"])
        if not math.isnan(found["cpu_p50"]):
            break
    assert (found["problem"], found["answers"]) == ("", {})
    assert len(found["windows"]) == 1
    assert 0 < found["p50"] <= found["p99"] <= found["max"]
    assert 0 < found["cpu_p50"] <= found["cpu_p99"]


def test_hogs_that_are_asked_again_are_answered_as_their_kind_says() -> None:
    found = seen(OF["requests"])
    assert found["problem"] == ""
    assert set(found["answers"]) == {"200"}
    assert found["answers"]["200"] > kinds.HOGS


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (replace(OF["sort"], limits={"memory_mb": 20}), "answered {'503'"),
        (replace(OF["requests"], answered=None), "answered {'200'"),
        (Kind("loop", "nothing", how="once", answered="200"), "answered nothing"),
    ],
)
def test_hogs_that_do_something_else_are_not_measured(kind: Kind, told: str) -> None:
    found = seen(kind)
    assert told in found["problem"]
    verdicts = kinds._verdicts(kind, found, 0.1)
    assert [(verdict.holds, verdict.kind) for verdict in verdicts] == [(None, "own")]


def test_windows_in_which_others_had_the_cores_count_for_the_clock_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = [Seen([0.0], [3.0], [None]), Seen([0.0], [5.0], [0.7]), Seen([0.0], [4.0], [None])]
    monkeypatch.setattr(windows, "probe", lambda server, seconds: probes.pop())
    server = SimpleNamespace(pid=os.getpid(), cpu_s=lambda: 0.0)
    found = windows.measure(server, 3, most=3)  # type: ignore[arg-type]
    assert (found["p99"], found["cpu_p99"]) == (4.0, 0.7)
    probes = [Seen([0.0], [3.0], [None])]
    found = {**windows.measure(server, 1, most=1), "disturbed": True, "problem": ""}  # type: ignore[arg-type]
    assert [verdict.holds for verdict in kinds._verdicts(OF["sort"], found, 0.1)] == [None, None]


def test_hogs_that_leave_the_server_idle_are_not_measured_and_those_kept_off_by_others_are() -> None:
    def problem(cpu_share: float, kept_waiting: float) -> str:
        window = {"cpu_share": cpu_share, "kept_waiting": kept_waiting, "stolen": 0.0}
        return kinds._problem(OF["loop"], {"answers": {}, "windows": [window]})

    assert problem(0.95, 0.0) == problem(0.4, 0.55) == ""
    assert problem(0.4, 0.1) == "the hogs left the server idle for 50%"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_has_a_handler(kind: Kind) -> None:
    assert f"\n  {kind.name}" in (servers.HANDLERS / "kinds.js").read_text()


@pytest.mark.parametrize(("disturbed", "expected"), [(False, "2.90 ms"), (True, "0.70 ms of its own CPU")])
def test_verdicts_go_by_the_wall_clock_where_the_machine_is_quiet(disturbed: bool, expected: str) -> None:
    found = {"p99": 3.0, "cpu_p99": 0.7, "disturbed": disturbed, "problem": ""}
    five, one = kinds._verdicts(OF["sort"], found, 0.1)
    assert five.measured.startswith(expected)
    assert (five.bound, five.holds) == ("< 5 ms", True)
    assert (one.bound, one.holds) == ("< 1 ms", disturbed)


def test_the_drawing_has_a_bar_for_each_kind_that_was_measured() -> None:
    window = {"p99": 3.0, "cpu_p99": 0.7}
    found = {**window, "disturbed": False, "counted": [window], "problem": ""}
    unseen = {"p99": 3.0, "cpu_p99": math.nan}
    data = {
        "hogs": 8,
        "alone": {"p50": 0.5},
        "kinds": {
            "loop": found,
            "sort": {**found, "problem": "no"},
            "bytes": {**found, **unseen, "disturbed": True, "counted": [unseen]},
            "map": found,
        },
    }
    drawing = plots.drawings({"benchmarks": {"kinds": {"data": data}}})["kinds"]
    texts = [element.text for element in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")]
    assert {"loop", "map", "2.5"} <= set(texts)
    assert not {"sort", "bytes"} & {*texts}


def test_one_that_sorts_beside_node() -> None:
    found = kinds_peers.measure(Options(rounds=1, seconds=1, quick=True, peers=("node",)))
    assert set(found["rounds"]) == {"nano-trio", "node"}
    for (runs,) in found["rounds"].values():
        assert 0 < runs["p50"] <= runs["p99"] <= runs["max"]
    assert found["rounds"]["node"][0]["max"] > 50  # it sorted meanwhile
    assert "one app that sorts" in kinds_peers.table(found).render()
    assert [(verdict.kind, verdict.holds is None) for verdict in kinds_peers.verdicts(found)] == [
        ("own", True),
        ("own", False),
    ]


def test_clients_that_ask_again_count_answers_and_come_back() -> None:
    answers: dict[str, int] = {}
    with servers.started(["nano-trio"], "kinds") as ((server,), _):
        for seconds in (0.3, 1, 3, 9):  # as long as it takes where others have the machine
            with Clients(server.port, "/", ["bench"] * 2) as clients:
                time.sleep(seconds)
                answers = clients.stop()
            if answers.get("200", 0) > 2:
                break
    assert set(answers) == {"200"}
    assert answers["200"] > 2


def test_a_schedule_does_not_wait_for_answers() -> None:
    """While the app computes, all that are due wait at once; the later, the shorter."""
    with servers.started(["node"], "kinds") as (running, absent):
        if absent:
            assert "node" in absent
            return
        (server,) = running
        servers.get(server.port, "/map")
        schedule = Schedule(server.port, host="bench", rate=100, seconds=1)
        with Clients(server.port, "/map/once", ["bench"]) as clients:
            schedule.start()
            latencies = schedule.result()
            clients.stop()
    assert len(latencies) == 100
    assert 0 < min(latencies) < max(latencies)


def test_another_process_cpu_time() -> None:
    with subprocess.Popen([sys.executable, "-c", "for _ in iter(int, 1): pass"]) as busy:
        process = psutil.Process(busy.pid)

        def stop() -> None:
            """While it is stopped, neither time grows, and what it waited is counted: not only when it runs again."""
            process.suspend()
            while process.status() != psutil.STATUS_STOPPED:
                time.sleep(0.001)

        try:
            time.sleep(0.2)
            clock = cpu_clock(busy.pid)
            stop()
            start, waited = clock(), machine.run_queue_wait_s(busy.pid)
            before = time.monotonic()
            process.resume()
            begun = time.monotonic()
            time.sleep(0.3)
            ended = time.monotonic()
            stop()
            after = time.monotonic()
            used, waited = clock() - start, machine.run_queue_wait_s(busy.pid) - waited
        finally:
            busy.kill()
    assert used > 0
    assert ended - begun - 0.02 < used + waited < after - before + 0.02
