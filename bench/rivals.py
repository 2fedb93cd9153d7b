"""What `hello`, `json` and `hono` share: servers side by side under the same closed-loop load.

All servers run during the whole benchmark, each on the server's core; only one is loaded at a time. A round loads each
server once, so that whatever else the machine does hits all alike, and ratios are taken within a round. Each server
gets a warm-up that does not count.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import machine
from bench.load import Load, generator, load
from bench.report import Options, Outcome, Table, spread
from bench.servers import NANO, PEERS, Server, started

__all__ = ["RIVALS", "compare", "ratios_to"]

RIVALS = (*NANO, *PEERS, "node http", "hypercorn")


def compare(
    name: str,
    handler: str | Path,
    options: Options,
    *,
    connections: int,
    requests: Path | None = None,
    names: Sequence[str] = RIVALS,
    check: Callable[[Sequence[Server]], None] = lambda servers: None,
) -> Outcome:
    """Load nano-trio and its rivals in turns. ``data["rounds"][server]`` lists what each round saw.

    ``requests``: see :func:`bench.load.load`. ``check`` sees all servers before the first load.
    """
    outcome = Outcome(name)
    rounds: dict[str, list[dict[str, Any]]] = {}
    with started(options.among(names), handler) as (servers, absent):
        check(servers)
        for server in servers:
            load(server.port, connections=connections, seconds=1 if options.quick else 2, requests=requests)
        for number in range(options.rounds):
            for server in servers:
                print(f"bench: {name}: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                rounds.setdefault(server.name, []).append(_one(server, connections, options.seconds, requests))
    outcome.data = {"rounds": rounds, "absent": absent, "generator": generator(), "connections": connections}
    outcome.ratios.append(_ratio_table(rounds, absent))
    outcome.absolute.append(_absolute_table(rounds, connections))
    return outcome


def _one(server: Server, connections: int, seconds: float, requests: Path | None) -> dict[str, Any]:
    cpu, disturbance = server.cpu_s(), machine.Disturbance(server.pid)
    seen: Load = load(server.port, connections=connections, seconds=seconds, requests=requests)
    cpu = server.cpu_s() - cpu
    return {
        **asdict(seen),
        "requests_per_s": seen.requests_per_s,
        "cpu_us_per_request": cpu * 1e6 / max(1, seen.requests),
        **disturbance.shares(),
    }


def ratios_to(rounds: dict[str, list[dict[str, Any]]], server: str, peer: str, key: str) -> list[float]:
    """``server``'s figure over ``peer``'s, one value a round."""
    pairs = zip(rounds.get(server, []), rounds.get(peer, []), strict=False)
    return [ours[key] / theirs[key] for ours, theirs in pairs if theirs[key]]


def _ratio_table(rounds: dict[str, list[dict[str, Any]]], absent: dict[str, str]) -> Table:
    base = "workerd" if "workerd" in rounds else next(iter(rounds))
    table = Table(
        f"ratios to {base}: median of the rounds' ratios (lowest–highest)",
        ["", "requests/s", "CPU/request", "slowest request"],
        note="more requests/s is better, less of the others",
    )
    for name in rounds:
        keys = ("requests_per_s", "cpu_us_per_request", "max_ms")
        table.rows.append([name, *(spread(ratios_to(rounds, name, base, key)) for key in keys)])
    table.rows += [[name, f"absent: {why[:60]}", "", ""] for name, why in absent.items()]
    return table


def _absolute_table(rounds: dict[str, list[dict[str, Any]]], connections: int) -> Table:
    table = Table(
        f"absolute: {connections} connections, {generator()}; medians (lowest–highest)",
        ["", "requests/s", "CPU µs/request", "p50 ms", "p99 ms", "slowest ms", "errors", "kept off", "stolen"],
        note="kept off: share of the run in which the server was ready and another process ran on its core;\n"
        "stolen: share for which the hypervisor took one of the cores",
    )
    for name, runs in rounds.items():
        column = {key: [run[key] for run in runs] for key in runs[0]}
        table.rows.append(
            [
                name,
                spread(column["requests_per_s"], "{:,.0f}".format),
                spread(column["cpu_us_per_request"], "{:.1f}".format),
                f"{statistics.median(column['p50_ms']):.2f}",
                f"{statistics.median(column['p99_ms']):.2f}",
                spread(column["max_ms"], "{:.1f}".format),
                str(sum(column["errors"])),
                f"{statistics.median(column['kept_waiting']):.0%}",
                f"{statistics.median(column['stolen']):.0%}",
            ]
        )
    return table
