"""neighbour: what an app waits for because others on the same server compute for ever.

Measured over HTTP from another process: probes of one quiet app on a fixed schedule (see probe.py), first alone, then
beside 1, 8, 64 and 500 apps each of which is in `for (;;);` with its client waiting. The wait that the hogs ADD is what
counts: a quantile with hogs minus the median without. Each quantile is the median of those of several windows of a
second, without those in which others disturbed the machine (see windows.py).

On a machine that is busy otherwise the server's own part is seen by its CPU clock: how much CPU time the server used
between the moment a probe was due and its answer. Beside hogs the server never idles, so this is the wait that it
causes, whoever else ran meanwhile. Where fewer than three windows are undisturbed, the verdict goes by that. The
control (sliced.py) is a server that computes in slices of 0.5 ms and does nothing else: the best that can be had, and a
gauge of the machine.

Two more phases: 500 hogs that begin within a moment, on apps that were loaded before and on apps that were not (the
slowest probe due in the second that follows); and hogs with a small CPU limit, each of which must be answered 503. Then
the neighbour's throughput beside 8 hogs (see neighbour_throughput.py). workerd, as a peer, gets one hog and one
neighbour, with a time-out.

Unfair would be: probing in a closed loop, which leaves out most of what is to be measured; hogs that end during the
measurement (their limit is ten minutes); a neighbour in the same process as the client; probes so frequent that the
neighbour is no longer quiet.
"""

from __future__ import annotations

import math
import socket
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench import machine, neighbour_throughput, servers, windows
from bench.crowd import connect, spin, start_crowd
from bench.probe import Probe
from bench.report import Options, Outcome, Table, Verdict, promises
from bench.servers import HANDLERS, Absent
from bench.windows import CPU_KEYS, KEYS, RATE

__all__ = ["run"]

HOGS = (1, 8, 64, 500)
MOST = HOGS[-1]


def run(options: Options) -> Outcome:
    outcome = Outcome("neighbour")
    steady, calm = _steady(options)
    control = _control(options)
    bursts = {"loaded": _burst(warm=True), "not loaded": _burst(warm=False)}
    ends = _ends()
    throughput = neighbour_throughput.measure(options)
    peer = _workerd() if options.among(["workerd"]) else {"problem": "not asked for"}
    outcome.data = {
        "steady": steady,
        "control": control,
        "burst": bursts,
        "ends": ends,
        "throughput": throughput,
        "workerd": peer,
    }

    added = Table(
        "wait added by hogs, ms: quantile with hogs minus the median without",
        ["hogs", "p50", "p99", "slowest", "its own CPU: p50", "p99", "slowest"],
    )
    absolute = Table(
        f"latency, ms, {RATE} probes/s: medians of the windows' quantiles (lowest–highest of all windows)",
        ["hogs", "p50", "p99", "slowest", "windows", "left out", "server CPU"],
        note="server CPU: share of one core; control: a server that only computes in slices of 0.5 ms",
    )
    for hogs, seen in [*steady.items(), ("control", control)]:
        if hogs:
            columns = [f"{seen[key] - calm:.2f}" for key in KEYS] + [f"{seen[key]:.2f}" for key in CPU_KEYS]
            added.rows.append([str(hogs), *columns])
        each = {key: [window[key] for window in seen["windows"]] for key in KEYS}
        row = [str(hogs), *(f"{seen[key]:.2f} ({min(each[key]):.2f}–{max(each[key]):.2f})" for key in KEYS)]
        absolute.rows.append([*row, str(len(seen["windows"])), str(seen["left_out"]), f"{seen['cpu_share']:.0%}"])
    if "problem" in peer:
        added.note = f"workerd: {peer['problem']}"
    elif peer["answered"]:
        added.note = f"workerd, 1 hog: {peer['answered']} probes answered, slowest {peer['slowest_ms']:.0f} ms"
    else:
        added.note = (
            f"workerd, 1 hog: no probe answered within {peer['timeout_s']} s (alone: {peer['alone_ms']:.2f} ms)"
        )
    begin = Table(
        f"{MOST} hogs begin at once: the probes due in the second after the first hog's request, ms",
        ["hogs' apps were", "p50", "p99", "slowest", "its own CPU: slowest", "sent within", "kept off", "stolen"],
    )
    for name, seen in bursts.items():
        row = [name, *(f"{seen[key]:.2f}" for key in (*KEYS, "cpu_max")), f"{seen['sending_ms']:.0f}"]
        begin.rows.append([*row, f"{seen['kept_waiting']:.0%}", f"{seen['stolen']:.0%}"])
    outcome.ratios.append(added)
    outcome.absolute += [absolute, begin, neighbour_throughput.table(throughput)]

    outcome.verdicts = [
        *wait_verdicts(steady, calm),
        *neighbour_throughput.verdicts(throughput),
        Verdict(
            "hogs answered 503 at their CPU limit",
            "all",
            f"{ends['ended_503']} of {ends['hogs']}",
            ends["ended_503"] == ends["hogs"],
        ),
        *burst_verdicts(bursts),
    ]
    return outcome


def wait_verdicts(steady: Mapping[int, Mapping[str, Any]], calm: float) -> list[Verdict]:
    """What a neighbour waits longer. ``calm``: its p99 without hogs, in ms."""
    disturbed = any(steady[hogs]["disturbed"] for hogs in HOGS)
    by, less, note = ("cpu_p99", 0.0, " of its own CPU (the machine is disturbed)") if disturbed else ("p99", calm, "")
    waits = {hogs: steady[hogs][by] - less for hogs in HOGS}
    verdicts: list[Verdict] = []
    for hogs, wait in waits.items():
        verdicts += promises(
            f"added wait of a neighbour, p99, beside {hogs} hog{'s'[: hogs > 1]}",
            wait,
            f"{wait:.2f} ms{note}",
            "<",
            unit="ms",
            must=5,
            aim=1,
        )
    # Where one of them could not be measured nothing is known of the largest: max() passes a NaN over.
    growth = math.nan if any(map(math.isnan, waits.values())) else max(waits[hogs] for hogs in HOGS[1:]) - waits[1]
    return verdicts + promises(
        "independent of the number: the largest p99 beside more hogs over that beside 1",
        growth,
        f"{growth:+.2f} ms{note}",
        "<",
        unit="ms",
        must=1,
    )


def burst_verdicts(bursts: Mapping[str, Mapping[str, float]]) -> list[Verdict]:
    """What a neighbour waits where hogs begin at once."""
    return [
        verdict
        for name, seen in bursts.items()
        for verdict in promises(
            f"{MOST} hogs begin at once, apps {name}: slowest probe of that second",
            seen["cpu_max"],
            f"{seen['cpu_max']:.1f} ms of its own CPU, {seen['max']:.1f} ms in all",
            "<",
            unit="ms",
            own=50,
        )
    ]


def _steady(options: Options) -> tuple[dict[int, dict[str, Any]], float]:
    """Latencies beside 0, 1, 8 … hogs, and the median beside none."""
    count = max(3, round(options.seconds))
    server = start_crowd(MOST)
    connections: list[socket.socket] = []
    try:
        results: dict[int, dict[str, Any]] = {}
        windows.probe(server, 1.0)  # warm-up
        for hogs in (0, *HOGS):
            print(f"bench: neighbour: {hogs} hogs", file=sys.stderr)
            new = connect(server, hogs - len(connections))
            for number, connection in enumerate(new, start=len(connections)):
                spin(connection, number)
            connections += new
            time.sleep(0.5 + hogs / 100)  # until each hog's app is loaded and computes
            results[hogs] = windows.measure(server, count, most=count if options.quick else 2 * count)
        return results, results[0]["p50"]
    finally:
        for connection in connections:
            connection.close()
        server.stop()


def _control(options: Options) -> dict[str, Any]:
    print("bench: neighbour: control", file=sys.stderr)
    server = servers.start_module("bench.sliced")
    try:
        count = max(3, round(options.seconds))
        return windows.measure(server, count, most=count if options.quick else 2 * count)
    finally:
        server.stop()


def _burst(*, warm: bool) -> dict[str, Any]:
    """All hogs begin within a moment while a probe watches."""
    print(f"bench: neighbour: burst, apps {'' if warm else 'not '}loaded before", file=sys.stderr)
    server = start_crowd(MOST)
    connections: list[socket.socket] = []
    try:
        if warm:
            for number in range(MOST):
                status, _ = servers.get(server.port, host=f"hog{number}")
                assert status == 200, status
        connections = connect(server, MOST)
        probe = Probe(server.port, host="quiet", rate=RATE, seconds=4, timeout=20, pid=server.worker_pid)
        probe.start()
        time.sleep(1.5)
        start, disturbance = time.monotonic(), machine.Disturbance(server.pid)
        for number, connection in enumerate(connections):
            spin(connection, number)
        sent = time.monotonic()
        time.sleep(1)
        others = disturbance.shares()
        return windows.summary(probe.result().between(start, start + 1)) | others | {"sending_ms": (sent - start) * 1e3}
    finally:
        for connection in connections:
            connection.close()
        server.stop()


def _ends() -> dict[str, Any]:
    """How many of a few hogs with 200 ms of CPU time are answered 503."""
    print("bench: neighbour: hogs at their CPU limit", file=sys.stderr)
    hogs = 16
    server = start_crowd(hogs, timeout_ms=200)
    try:
        start = time.monotonic()
        with ThreadPoolExecutor(hogs) as pool:
            answers = pool.map(
                lambda number: servers.get(server.port, "/spin", host=f"hog{number}", timeout=60), range(hogs)
            )
            statuses = [status for status, _ in answers]
        return {"hogs": hogs, "ended_503": statuses.count(503), "seconds": time.monotonic() - start}
    finally:
        server.stop()


def _workerd() -> dict[str, Any]:
    """One hog and one neighbour in one workerd process."""
    print("bench: neighbour: workerd", file=sys.stderr)
    timeout = 3
    try:
        server = servers.start_workerd({"quiet": HANDLERS / "hello.js", "hog": HANDLERS / "hog.js"})
    except Absent as reason:
        return {"problem": f"absent: {reason}"}
    try:
        servers.get(server.ports["hog"])
        start = time.monotonic()
        servers.get(server.ports["quiet"])
        alone = (time.monotonic() - start) * 1e3
        hog = socket.create_connection(("127.0.0.1", server.ports["hog"]))
        hog.sendall(b"GET /spin HTTP/1.1\r\nHost: hog\r\n\r\n")
        time.sleep(0.3)
        probe = Probe(server.ports["quiet"], host="quiet", rate=10, seconds=2, timeout=timeout)
        probe.start()
        answered = [ms for ms in probe.result().ms if ms < math.inf]
        hog.close()
        return {
            "timeout_s": timeout,
            "alone_ms": alone,
            "answered": len(answered),
            "slowest_ms": max(answered, default=math.inf),
        }
    finally:
        server.stop()
