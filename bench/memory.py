"""memory: what one more active app costs, over 1,000 hello apps in one process.

Measured: PSS (and RSS) of the server's processes with all apps configured and none loaded; again after each app has
answered three requests; the difference divided by the number of apps, and the same between 500 and 1,000 apps (so that
what is paid once, like the compiled platform, does not count per app). workerd: one process with N workers behind a
dispatching worker, against one with a single worker; node, deno, bun are a process per app: the PSS of one that has
answered.

Unfair would be: comparing an app that never ran (workerd makes its isolates at the start, nano-trio at the first
request); counting the runtime itself for one server and not for the other; RSS for processes that share pages.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import machine, servers
from bench.fleet import start_fleet, write_apps
from bench.report import Options, Outcome, Table, promises
from bench.servers import Absent, Server

__all__ = ["run"]

KB = 1024


def run(options: Options) -> Outcome:
    outcome = Outcome("memory")
    count = 200 if options.quick else 1000
    ours = _nano(count)
    peers: dict[str, Any] = {name: _workerd(20 if options.quick else 100) for name in options.among(["workerd"])}
    for peer in options.among(("node", "deno", "bun")):
        peers[peer] = _process(peer)
    table = Table("memory of one more active app", ["", "KB (PSS)", "ratio to nano-trio"])
    table.rows.append(["nano-trio", f"{ours['pss_kb']:.0f}", "1"])
    for peer, seen in peers.items():
        if "problem" in seen:
            table.rows.append([peer, seen["problem"][:60], ""])
        else:
            table.rows.append(
                [f"{peer} ({seen['what']})", f"{seen['pss_kb']:.0f}", f"{seen['pss_kb'] / ours['pss_kb']:.1f}"]
            )
    absolute = Table("nano-trio, MB", ["apps active", "PSS", "RSS"])
    for active, (pss, rss) in ours["stages"].items():
        absolute.rows.append([str(active), f"{pss / KB / KB:.1f}", f"{rss / KB / KB:.1f}"])
    outcome.ratios, outcome.absolute = [table], [absolute]
    outcome.data = {"nano-trio": ours, "peers": peers}
    outcome.verdicts = promises(
        f"one more active app, of {count}",
        ours["pss_kb"],
        f"{ours['pss_kb']:.0f} KB",
        "≤",
        unit="KB",
        must=350,
        aim=200,
    )
    return outcome


def _nano(count: int) -> dict[str, Any]:
    print(f"bench: memory: {count} apps", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        server = start_fleet(Path(name), count)
        try:
            stages = {0: _memory(server)}
            for number in range(count):
                for _ in range(3):
                    status, _body = servers.get(server.port, host=f"app{number}")
                    if status != 200:
                        raise RuntimeError(f"app{number} answered {status}: {server.log()[-500:]}")
                if number + 1 in (count // 2, count):
                    stages[number + 1] = _memory(server)
        finally:
            server.stop()
    halves = stages[count][0] - stages[count // 2][0]
    return {
        "pss_kb": (stages[count][0] - stages[0][0]) / count / KB,
        "rss_kb": (stages[count][1] - stages[0][1]) / count / KB,
        "second_half_pss_kb": halves / (count - count // 2) / KB,
        "stages": stages,
    }


def _memory(server: Server) -> tuple[int, int]:
    return machine.resident_bytes(server.pid, proportional=True), machine.resident_bytes(server.pid)


def _workerd(count: int) -> dict[str, Any]:
    print(f"bench: memory: workerd with {count} workers", file=sys.stderr)
    try:
        one, many = _workerd_bytes(1), _workerd_bytes(count)
    except Absent as reason:
        return {"problem": f"absent: {reason}"}
    return {"pss_kb": (many - one) / (count - 1) / KB, "what": f"a worker, of {count}"}


def _workerd_bytes(count: int) -> int:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        workers = {f"w{number}": path for number, path in enumerate(write_apps(Path(name), count))}
        front = {"front": servers.HANDLERS / "dispatcher.js"}
        server = servers.start_workerd(front | workers, listen=["front"], bindings={"front": list(workers)})
        try:
            for number in range(count):
                for _ in range(3):
                    status, _body = servers.get(server.port, f"/{number}", timeout=60)
                    if status != 200:
                        raise RuntimeError(f"workerd answered {status}: {server.log()[-500:]}")
            return machine.resident_bytes(server.pid, proportional=True)
        finally:
            server.stop()


def _process(peer: str) -> dict[str, Any]:
    try:
        server = servers.start(peer, "hello")
    except Absent as reason:
        return {"problem": f"absent: {reason}"}
    try:
        for _ in range(3):
            servers.get(server.port)
        return {"pss_kb": machine.resident_bytes(server.pid, proportional=True) / KB, "what": "a process"}
    finally:
        server.stop()
