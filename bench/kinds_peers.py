"""One app that sorts again and again, and its neighbour: nano-trio beside workerd and node, for `kinds`.

Measured: a quiet app's latency, on a fixed schedule, while one client has another app sort 600,000 numbers in each
request and asks again as soon as it is answered. The quiet app's clients do not wait for each other (open_loop.py): all
that come during a sort wait for its end alone, where a server answers in between. All run the same handler. workerd has
two workers in one process; node serves both paths by one handler, as a process of node has one event loop. In a round
each server is measured once.

Unfair would be: an app that never comes to an end, beside which these answer nobody (that is in `neighbour`); clients
on one connection, where each waits for those before; a process for each app, which is another product at another price
(see `memory`).
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from typing import Any

from bench import servers
from bench.closed_loop import Clients
from bench.crowd import start_crowd
from bench.machine import Disturbance
from bench.open_loop import Schedule
from bench.report import Options, Table, Verdict, percentile, ratio_promises, spread
from bench.rivals import ratios_to
from bench.servers import HANDLERS, Server

__all__ = ["measure", "table", "verdicts"]

RATE = 100
"""Requests of the quiet app, a second."""
_ROUNDS = 3
"""At most: a round takes the time of three servers."""
_STARTS: dict[str, Callable[[], Server]] = {
    "nano-trio": lambda: start_crowd(1, "kinds"),
    "workerd": lambda: servers.start_workerd({"quiet": HANDLERS / "hello.js", "hog0": HANDLERS / "kinds.js"}),
    "node": lambda: servers.start("node", "kinds"),
}


def measure(options: Options) -> dict[str, Any]:
    """``rounds``: by server what each round saw; ``absent``: why others were not measured."""
    rounds: dict[str, list[dict[str, Any]]] = {}
    wanted = {name: _STARTS[name] for name in options.among(list(_STARTS))}
    with servers.all_started(wanted) as (running, absent):
        for number in range(min(options.rounds, _ROUNDS)):
            for server in running:
                print(f"bench: kinds: one that sorts, round {number + 1}: {server.name}", file=sys.stderr)
                rounds.setdefault(server.name, []).append(_one(server, min(3.0, options.seconds)))
    return {"rounds": rounds, "absent": absent}


def _one(server: Server, seconds: float) -> dict[str, Any]:
    hog = server.ports.get("hog0", server.port)
    status, _ = servers.get(hog, "/sort/once", host="hog0", timeout=60)
    if status != 200:
        raise RuntimeError(f"{server.name}: the one that sorts answered {status}: {server.log()}")
    schedule = Schedule(server.ports.get("quiet", server.port), host="quiet", rate=RATE, seconds=seconds)
    with Clients(hog, "/sort/once", ["hog0"]) as clients:
        disturbance = Disturbance(server.pid)
        schedule.start()
        ms = schedule.result()
        others = disturbance.shares()
        answers = clients.stop()
    if answers.keys() - {"200"}:
        raise RuntimeError(f"{server.name}: the one that sorts was answered {answers}")
    return {
        "p50": percentile(ms, 0.5),
        "p99": percentile(ms, 0.99),
        "max": max(ms),
        "sorts": answers.get("200", 0),
        **others,
    }


def verdicts(seen: dict[str, Any]) -> list[Verdict]:
    what = "p99 of a neighbour beside one app that sorts, against"
    return [
        verdict
        for peer in ("workerd", "node")
        for verdict in ratio_promises(
            f"{what} {peer}", ratios_to(seen["rounds"], "nano-trio", peer, "p99"), "≤", own=0.1
        )
    ]


def table(seen: dict[str, Any]) -> Table:
    found = Table(
        "a neighbour's latency beside one app that sorts 600,000 numbers in each request, ms; medians (lowest–highest)",
        ["", "p50", "p99", "slowest", "p99 as ratio", "sorts"],
        note="p99 as ratio: nano-trio's over this one's, in the same round",
    )
    rounds = seen["rounds"]
    for name, runs in rounds.items():
        waits = [spread([each[key] for each in runs]) for key in ("p50", "p99", "max")]
        ratios = spread(ratios_to(rounds, "nano-trio", name, "p99"), "{:.3f}".format)
        found.rows.append([name, *waits, ratios, f"{statistics.median(each['sorts'] for each in runs):.0f}"])
    found.rows += [[name, f"absent: {why[:60]}", "", "", "", ""] for name, why in seen["absent"].items()]
    return found
