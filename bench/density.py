"""density: 10,000 configured apps, 100 of them awake.

Measured: from the start of the command `nano-trio serve` until the first 200 that one of the apps answers (asked on a
new connection every few milliseconds, so it includes reading the configuration, checking that all 10,000 files are
there, and a cold start); then 100 apps answer three requests each, and the PSS of all processes is read, that of the
parent process too. A second start is measured, as a deployment's would be, with compiled bytecode on disk; the first is
in the table. No two apps have the same source.

Unfair would be: apps that are one file under many names; "ready" read off a log line, or off a port that is bound
while nobody answers; the worker's memory without its parent's.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import machine, servers
from bench.fleet import configure_fleet, write_apps
from bench.report import Options, Outcome, Table, promises, spread
from bench.servers import Server

__all__ = ["run"]

MB = 1 << 20
CONFIGURED, AWAKE = 10_000, 100


def run(options: Options) -> Outcome:
    outcome = Outcome("density")
    configured, awake = (1_000, 10) if options.quick else (CONFIGURED, AWAKE)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        paths = write_apps(folder, configured)
        for number in range(1 + min(options.rounds, 3)):
            print(f"bench: density: {configured} apps, start {number + 1}", file=sys.stderr)
            runs.append(_start(folder, paths, awake))
    first, *later = runs
    ready = [run["ready_s"] for run in later]
    memory = [run["pss_mb"] for run in later]
    table = Table(
        f"{configured:,} apps, {awake} awake",
        ["", "ready s", "CPU until ready s", "PSS MB", "of that before any is awake", "awake apps"],
    )
    for what, group in (("first start ever", [first]), ("later starts", later)):
        column = {key: [run[key] for run in group] for key in first}
        table.rows.append(
            [
                what,
                *(spread(column[key]) for key in ("ready_s", "ready_cpu_s")),
                *(spread(column[key], "{:.1f}".format) for key in ("pss_mb", "asleep_mb")),
                str(awake),
            ]
        )
    outcome.absolute = [table]
    outcome.data = {"configured": configured, "awake": awake, "runs": runs}
    what = f"{configured:,} configured apps"
    outcome.verdicts = [
        *promises(
            f"{what}, {awake} awake, in all",
            statistics.median(memory),
            f"{spread(memory, '{:.1f}'.format)} MB",
            "≤",
            unit="MB",
            must=150,
        ),
        *promises(f"{what}, ready in", statistics.median(ready), f"{spread(ready)} s", "≤", unit="s", must=2, aim=0.5),
    ]
    return outcome


def _start(folder: Path, paths: list[Path], awake: int) -> dict[str, Any]:
    """One start of the server, and what it needs once ``awake`` of its apps have answered."""
    begun = time.perf_counter()
    server = configure_fleet(folder, paths)
    try:
        _until_answered(server)
        seen = {"ready_s": time.perf_counter() - begun, "ready_cpu_s": server.cpu_s()}
        seen["asleep_mb"] = _memory_mb(server)
        for number in range(awake):
            for _ in range(3):
                status, _body = servers.get(server.port, host=f"app{number}")
                if status != 200:
                    raise RuntimeError(f"app{number} answered {status}: {server.log()[-500:]}")
        return {**seen, "pss_mb": _memory_mb(server)}
    finally:
        server.stop()


def _until_answered(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if servers.get(server.port, host="app0", timeout=60)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.005)
    raise RuntimeError(f"no answer within a minute: {server.log()[-500:]}")


def _memory_mb(server: Server) -> float:
    return machine.resident_bytes(server.pid, proportional=True) / MB
