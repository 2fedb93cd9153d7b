"""The neighbour's throughput beside hogs, for `neighbour`.

Measured: requests a second of the quiet app under 32 connections, alone, and then beside 8 apps in ``for (;;);``, of a
new server in each round, for the hogs go on when their clients have left. How much CPU time the hogs took meanwhile is
what the server's own metrics say of them, so the share that was left to the neighbour is known; as its share of CPU
allows means: its throughput falls by no more than that.

Unfair would be: an idle second server on the same core; hogs that end during the measurement, or that go on while the
neighbour is measured alone (until 23 November 2026 all rounds but the first did that, and the ratio was given as 1.0);
one connection, which measures the wait and not the throughput.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import statistics
import sys
import time
from typing import Any

from bench.crowd import connect, spin, start_crowd
from bench.load import Load, load
from bench.report import Options, Table, Verdict, promises, ratio_promises, spread
from bench.servers import Server

__all__ = ["HOGS", "measure", "table", "verdicts"]

HOGS = 8
CONNECTIONS = 32
_CPU = re.compile(r'^nano_trio_cpu_seconds_total\{app="hog\d+"\} (\S+)$', re.MULTILINE)


def measure(options: Options) -> dict[str, Any]:
    """``rounds``: what each round saw; ``ratio`` and ``share`` of each."""
    rounds: list[dict[str, float]] = []
    for number in range(options.rounds):
        print(f"bench: neighbour: throughput, round {number + 1}/{options.rounds}", file=sys.stderr)
        server = start_crowd(HOGS, admin={"port": 0})
        try:
            load(server.port, connections=CONNECTIONS, seconds=1)
            alone = load(server.port, connections=CONNECTIONS, seconds=options.seconds)
            if _hogs_cpu_s(server):
                raise RuntimeError(f"a hog computes while the neighbour is measured alone: {server.log()}")
            beside, taken = _beside_hogs(server, options.seconds)
        finally:
            server.stop()
        rounds.append(
            {
                "alone": alone.requests_per_s,
                "beside": beside.requests_per_s,
                "ratio": beside.requests_per_s / alone.requests_per_s,
                "share": 1 - taken,
                "p99_alone_ms": alone.p99_ms,
                "p99_beside_ms": beside.p99_ms,
            }
        )
    return {"hogs": HOGS, "connections": CONNECTIONS, "rounds": rounds}


def _beside_hogs(server: Server, seconds: float) -> tuple[Load, float]:
    """The load beside hogs, and the share of the server's CPU time that those took. They go on afterwards."""
    with contextlib.ExitStack() as stack:
        for number, connection in enumerate(connect(server, HOGS)):
            spin(stack.enter_context(connection), number)
        time.sleep(0.5)  # until each hog's app is loaded and computes
        hogs, all_of_it = _hogs_cpu_s(server), server.cpu_s()
        seen = load(server.port, connections=CONNECTIONS, seconds=seconds)
        hogs, all_of_it = _hogs_cpu_s(server) - hogs, server.cpu_s() - all_of_it
    return seen, min(1.0, hogs / all_of_it)


def _hogs_cpu_s(server: Server) -> float:
    """CPU seconds of the hogs' JavaScript so far, from the server's metrics."""
    found = re.search(r"admin: http://127\.0\.0\.1:(\d+)/", (server.folder / "log").read_text(errors="replace"))
    assert found is not None, server.log()
    connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
    try:
        connection.request("GET", "/metrics")
        return sum(map(float, _CPU.findall(connection.getresponse().read().decode())))
    finally:
        connection.close()


def verdicts(seen: dict[str, Any]) -> list[Verdict]:
    rounds = seen["rounds"]
    ratios = [each["ratio"] for each in rounds]
    what = f"throughput beside {HOGS} hogs against alone"
    relative = [each["ratio"] / each["share"] for each in rounds]
    share = spread([each["share"] for each in rounds])
    return [
        *ratio_promises(what, ratios, "≥", must=0.4),
        *promises(
            f"{what}, against the share of CPU that the hogs left it ({share})",
            statistics.median(relative),
            f"{spread(relative)} ×",
            "≥",
            aim=1,
        ),
    ]


def table(seen: dict[str, Any]) -> Table:
    rounds = seen["rounds"]
    found = Table(
        f"throughput of the neighbour, {CONNECTIONS} connections; medians (lowest–highest)",
        ["", "requests/s", "p99 ms", "its share of the server's CPU"],
    )
    for name, key, share in (("alone", "alone", [1.0]), (f"{HOGS} hogs", "beside", [each["share"] for each in rounds])):
        found.rows.append(
            [
                name,
                spread([each[key] for each in rounds], "{:,.0f}".format),
                spread([each[f"p99_{key}_ms"] for each in rounds]),
                spread(share),
            ]
        )
    return found
