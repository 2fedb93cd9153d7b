"""workers: `--workers N` against one process, hello app.

Measured: requests a second of `nano-trio serve --workers 4` over those of one process, side by side, loaded in turns.
The load generator needs cores as well. Where the machine has twice the workers' cores, server and load have their own,
and the ratio says how well workers scale. Where it has fewer, as with four workers on four cores, everything shares all
cores: the load's CPU time is taken from the workers, and the ratio is a lower bound. So the table also tells how many
cores the server really had, and what a request cost in CPU time with several workers against one: that is what workers
lose by each other (shared accept, caches), without what the load costs. Some of that is the machine's: the control
(`cores.py`) tells what processes that have nothing in common lose by each other, in the same rounds.

There a second pair says what the first cannot: as many workers as leave one core to the load, against one worker, each
with a core of its own.

Unfair would be: pinning four workers to one core, or the load to a core that a worker needs, and calling the result
scaling; a load that cannot fill the workers (`bench.client`, which is Python: install wrk).
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bench import load as loading
from bench import machine
from bench.cores import efficiency
from bench.report import Options, Outcome, Table, ratio_promises, spread
from bench.rivals import ratios_to
from bench.servers import HANDLERS, Server, start_nano

__all__ = ["run"]

CONNECTIONS = 64


def run(options: Options) -> Outcome:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    workers = min(4, len(cores))
    apart = len(cores) >= 2 * workers
    server_cores, load_cores = (cores[-workers:], cores[:-workers]) if apart else (cores, cores)
    where = "servers and load on cores of their own" if apart else f"servers and load share {len(cores)} cores"
    outcome = Outcome("workers")
    control: list[float] = []
    rounds = _rounds(
        options, workers, server_cores, load_cores, lambda: control.append(_control(options, server_cores[:workers]))
    )
    speed, table = _table(rounds, f"{CONNECTIONS} connections; {where}")
    table.note += (
        f"\ncontrol: of {workers} processes that only compute each does {spread(control)} × what one does alone"
    )
    outcome.verdicts = ratio_promises(
        f"requests/s of {workers} workers against one ({where})", speed if workers == 4 else [], "≥", must=3, aim=3.6
    )
    outcome.absolute.append(table)
    outcome.data = {
        "rounds": rounds,
        "control": control,
        "cores": cores,
        "apart": apart,
        "generator": loading.generator(),
    }
    if not apart and len(cores) > 2:
        fewer = len(cores) - 1
        where = f"{fewer} cores for workers, one for the load"
        outcome.data["rounds_with_fewer"] = rounds = _rounds(options, fewer, cores[:-1], cores[-1:])
        speed, table = _table(rounds, f"{CONNECTIONS} connections; {where}")
        outcome.verdicts += ratio_promises(
            f"requests/s of {fewer} workers against one ({where})", speed, "≥", own=0.9 * fewer
        )
        outcome.absolute.append(table)
    return outcome


def _control(options: Options, cores: Sequence[int]) -> float:
    return efficiency(cores, 0.5 if options.quick else 1)


def _rounds(
    options: Options,
    workers: int,
    server_cores: Sequence[int],
    load_cores: Sequence[int],
    between: Callable[[], object] = lambda: None,
) -> dict[str, list[dict[str, Any]]]:
    """What one worker and ``workers`` do in turns; ``between``: called at the end of each round."""
    arguments = ["--app", str(HANDLERS / "hello.js"), "--port", "0", "--log-format", "text"]
    rounds: dict[str, list[dict[str, Any]]] = {}
    servers: list[Server] = []
    try:
        for count in (1, workers):
            server = start_nano([*arguments, "--workers", str(count)], name=f"{count} worker{'s'[: count - 1]}")
            servers.append(server)
            _spread_out(server, server_cores, count)
            _load(server, load_cores, 1 if options.quick else 2)
        for number in range(options.rounds):
            for server in servers:
                print(f"bench: workers: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                rounds.setdefault(server.name, []).append(_one(server, load_cores, options.seconds))
            between()
    finally:
        for server in servers:
            server.stop()
    return rounds


def _table(rounds: dict[str, list[dict[str, Any]]], title: str) -> tuple[list[float], Table]:
    """How many times as much the second does as the first, round by round, and all that was measured."""
    one, several = rounds
    cost = ratios_to(rounds, several, one, "cpu_us_per_request")
    table = Table(
        title,
        ["", "requests/s", "p99 ms", "CPU µs/request", "cores that the server used"],
        note=f"CPU/request with {several}: {spread(cost)} × that of one",
    )
    for name, measured in rounds.items():
        figures = [
            f"{statistics.median(each[key] for each in measured):,.{digits}f}"
            for key, digits in (("requests_per_s", 0), ("p99_ms", 2), ("cpu_us_per_request", 1), ("cores", 2))
        ]
        table.rows.append([name, *figures])
    return ratios_to(rounds, several, one, "requests_per_s"), table


def _spread_out(server: Server, cores: Sequence[int], workers: int) -> None:
    """The harness starts servers on one core; these may use all of theirs, when all workers are there."""
    deadline = time.monotonic() + 30
    while len(machine.tree(server.pid)) < 1 + workers and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in machine.tree(server.pid):
        if hasattr(process, "cpu_affinity"):
            process.cpu_affinity(list(cores))


def _load(server: Server, cores: Sequence[int], seconds: float) -> loading.Load:
    kept = machine.LOADER_CORES[:]
    machine.LOADER_CORES[:] = cores
    try:
        return loading.load(server.port, connections=CONNECTIONS, seconds=seconds)
    finally:
        machine.LOADER_CORES[:] = kept


def _one(server: Server, cores: Sequence[int], seconds: float) -> dict[str, Any]:
    cpu = server.cpu_s()
    seen = _load(server, cores, seconds)
    cpu = server.cpu_s() - cpu
    return {
        **asdict(seen),
        "requests_per_s": seen.requests_per_s,
        "cpu_us_per_request": cpu * 1e6 / max(1, seen.requests),
        "cores": cpu / seen.seconds,
    }
