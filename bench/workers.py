"""workers: `--workers N` against one process, with the hello app and with that of `hono`.

Measured: requests a second of `nano-trio serve --workers 4` over those of one process, side by side, loaded in turns.
The load generator needs cores as well. Where the machine has twice the workers' cores, server and load have their own,
and the ratio says how well workers scale. Where it has fewer, as with four workers on four cores, everything shares all
cores: the load's CPU time is taken from the workers, and the ratio is a lower bound. A note says how much could be had
at all: what workers that lose nothing by each other would reach beside such a load. The cheaper a request, the less
that is. So hello, the cheapest there is, has an app beside it that does something: Hono's, with its mix of requests.

The table also tells how many cores the server really had, and what a request cost in CPU time with several workers
against one: that is what workers lose by each other (shared accept, caches), without what the load costs. Some of that
is the machine's: the control (`cores.py`) tells what processes that have nothing in common lose by each other, in the
same rounds.

There a second pair says what the first cannot: as many workers as leave one core to the load, against one worker, each
with a core of its own.

Unfair would be: pinning four workers to one core, or the load to a core that a worker needs, and calling the result
scaling; a load that cannot fill the workers (`bench.client`, which is Python: install wrk); one app alone, chosen for
what it makes of the ratio.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import hono, machine
from bench import load as loading
from bench.cores import efficiency
from bench.peers import Absent, binary, package
from bench.report import Options, Outcome, Table, Verdict, ratio_promises, spread
from bench.rivals import ratios_to
from bench.servers import HANDLERS, Server, start_nano

__all__ = ["bound", "run"]

CONNECTIONS = 64
_Rounds = dict[str, list[dict[str, Any]]]
"""What was measured of one worker, then of several, by name and round."""


@dataclass(frozen=True)
class _App:
    """What is served, and how it is asked: as :func:`bench.load.load` takes it."""

    name: str
    module: Path
    requests: Path | None = None
    suffix: str = ""
    """Of its keys in the results."""


def run(options: Options) -> Outcome:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    workers = min(4, len(cores))
    apart = len(cores) >= 2 * workers
    server_cores, load_cores = (cores[-workers:], cores[:-workers]) if apart else (cores, cores)
    where = "servers and load on cores of their own" if apart else f"servers and load share {len(cores)} cores"
    outcome = Outcome("workers")
    outcome.data = {"cores": cores, "apart": apart, "generator": loading.generator()}
    hello = _App("hello", HANDLERS / "hello.js")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for app in (hello, _hono(Path(name))):
            if isinstance(app, Absent):
                outcome.verdicts.append(Verdict("hono: requests/s of workers", "≥ 3 ×", f"absent: {app}", None))
                continue
            control: list[float] = []
            between = partial(_control, control, server_cores, 0.5 if options.quick else 1)
            rounds = _rounds(options, app, workers, server_cores, load_cores, between)
            outcome.data |= {f"rounds{app.suffix}": rounds, f"control{app.suffix}": control}
            speed, table = _table(rounds, f"{app.name}: {CONNECTIONS} connections; {where}")
            table.note += (
                f"\ncontrol: of {workers} processes that only compute each does {spread(control)} × what one does alone"
            )
            if not apart:
                table.note += "\n" + bound(rounds, workers, len(cores))
            outcome.verdicts += ratio_promises(
                f"{app.name}: requests/s of {workers} workers against one ({where})",
                speed if workers == 4 else [],
                "≥",
                must=3,
                aim=3.6,
            )
            outcome.absolute.append(table)
    if not apart and len(cores) > 2:
        fewer = len(cores) - 1
        where = f"{fewer} cores for workers, one for the load"
        outcome.data["rounds_with_fewer"] = rounds = _rounds(options, hello, fewer, cores[:-1], cores[-1:])
        speed, table = _table(rounds, f"hello: {CONNECTIONS} connections; {where}")
        outcome.verdicts += ratio_promises(
            f"hello: requests/s of {fewer} workers against one ({where})", speed, "≥", own=0.9 * fewer
        )
        outcome.absolute.append(table)
    return outcome


def _hono(folder: Path) -> _App | Absent:
    try:
        module = hono.bundle(folder, binary("esbuild"), package("hono").parent)
    except Absent as reason:
        return reason
    requests = folder / "requests"
    requests.write_text("\n".join(hono.MIX) + "\n")
    return _App("hono", module, requests, "_of_hono")


def bound(rounds: _Rounds, workers: int, cores: int) -> str:
    """What workers that lose nothing by each other would reach: a request takes the cores for as long as one worker and
    the load take for it.
    """
    one, several = rounds.values()
    load = [each["cpu_s"] * 1e6 / max(1, each["requests"]) for each in several]
    bounds = [
        min(workers, cores * 1e6 / (alone["cpu_us_per_request"] + us) / alone["requests_per_s"])
        for alone, us in zip(one, load, strict=True)
    ]
    of_load = spread(load, "{:.1f}".format)
    return f"with workers that lose nothing by each other: {spread(bounds)} ×; the load takes {of_load} µs a request"


def _control(seen: list[float], cores: Sequence[int], seconds: float) -> None:
    seen.append(efficiency(cores, seconds))


def _rounds(
    options: Options,
    app: _App,
    workers: int,
    server_cores: Sequence[int],
    load_cores: Sequence[int],
    between: Callable[[], object] = lambda: None,
) -> _Rounds:
    """What one worker and ``workers`` do in turns; ``between``: called at the end of each round."""
    arguments = ["--app", str(app.module), "--port", "0", "--log-format", "text"]
    rounds: _Rounds = {}
    servers: list[Server] = []
    try:
        for count in (1, workers):
            server = start_nano([*arguments, "--workers", str(count)], name=f"{count} worker{'s'[: count - 1]}")
            servers.append(server)
            _spread_out(server, server_cores, count)
            _load(server, app, load_cores, 1 if options.quick else 2)
        for number in range(options.rounds):
            for server in servers:
                print(
                    f"bench: workers: {app.name}: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr
                )
                rounds.setdefault(server.name, []).append(_one(server, app, load_cores, options.seconds))
            between()
    finally:
        for server in servers:
            server.stop()
    return rounds


def _table(rounds: _Rounds, title: str) -> tuple[list[float], Table]:
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


def _load(server: Server, app: _App, cores: Sequence[int], seconds: float) -> loading.Load:
    kept = machine.LOADER_CORES[:]
    machine.LOADER_CORES[:] = cores
    try:
        return loading.load(server.port, connections=CONNECTIONS, seconds=seconds, requests=app.requests)
    finally:
        machine.LOADER_CORES[:] = kept


def _one(server: Server, app: _App, cores: Sequence[int], seconds: float) -> dict[str, Any]:
    cpu = server.cpu_s()
    seen = _load(server, app, cores, seconds)
    cpu = server.cpu_s() - cpu
    return {
        **asdict(seen),
        "requests_per_s": seen.requests_per_s,
        "cpu_us_per_request": cpu * 1e6 / max(1, seen.requests),
        "cores": cpu / seen.seconds,
    }
