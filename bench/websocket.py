"""websocket: echo on 32 connections, and one broadcast to all members of a room.

Measured: echoed messages a second, and the time from a member's order to broadcast 100 bytes until the last of 1,000
and of 10,000 members has them; for both, the server's CPU time. Each server is one process on one core. nano-trio runs
handlers/websocket.js, Bun does the same with its own rooms, Node with the package `ws`, which has no rooms and sends to
each client in turn.

Unfair would be: a load generator that decodes frames and is the bottleneck (websocket_load.mjs counts bytes); several
messages in flight on a connection, which tests how many fit into one system call; compression on one side; a broadcast
that counts as done when it is queued.
"""

from __future__ import annotations

import functools
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import machine
from bench.peers import Absent, binary
from bench.report import Options, Outcome, Table, Verdict, spread
from bench.rivals import ratios_to
from bench.servers import Server, all_started, start_websocket

__all__ = ["run"]

HERE = Path(__file__).parent
SERVERS = ("nano-trio", "node ws", "bun")
CONNECTIONS = 32
MESSAGE_BYTES = 32
ROOMS = (1_000, 10_000)


def run(options: Options) -> Outcome:
    outcome = Outcome("websocket")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in SERVERS}
    rooms = ROOMS if _allow_files(2 * max(ROOMS)) else tuple(size for size in ROOMS if size < 5_000)
    with all_started({name: functools.partial(start_websocket, name) for name in SERVERS}) as (servers, absent):
        for server in servers:
            _load(server, "echo", CONNECTIONS, 1.0, MESSAGE_BYTES)
        for number in range(options.rounds):
            for server in servers:
                print(f"bench: websocket: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                rounds[server.name].append(_measure(server, options.seconds, rooms))
    outcome.data = {"rounds": rounds, "absent": absent, "connections": CONNECTIONS, "message_bytes": MESSAGE_BYTES}
    outcome.verdicts = [
        _verdict("echo, messages/s, against node's ws", "echo", rounds, "node ws", 0.7),
        _verdict("echo, messages/s, against bun", "echo", rounds, "bun", 0.3),
        *(
            _verdict(f"broadcasts/s to {size:,}, against bun's publish", f"room {size}", rounds, "bun", 0.7)
            for size in rooms
        ),
    ]
    outcome.absolute.append(_table(rounds, rooms, absent))
    return outcome


def _verdict(what: str, key: str, rounds: dict[str, list[dict[str, Any]]], peer: str, least: float) -> Verdict:
    ratios = ratios_to(rounds, "nano-trio", peer, f"{key} per s")
    holds = statistics.median(ratios) >= least if ratios else None
    return Verdict(what, f"≥ {least} ×", f"{spread(ratios)} ×", holds, "own")


def _table(rounds: dict[str, list[dict[str, Any]]], rooms: tuple[int, ...], absent: dict[str, str]) -> Table:
    table = Table(
        f"absolute: echo of {MESSAGE_BYTES} bytes on {CONNECTIONS} connections; broadcasts of 100 bytes; medians "
        "(lowest–highest)",
        ["", "echoes/s", "CPU µs", "p99 ms", *(f"to {size:,}: ms, CPU µs a member" for size in rooms)],
    )
    for name, runs in rounds.items():
        if not runs:
            table.rows.append([name, f"absent: {absent.get(name, '')[:60]}", *[""] * (2 + len(rooms))])
            continue
        column = {key: [one[key] for one in runs] for key in runs[0]}
        cells = [
            spread(column["echo per s"], "{:,.0f}".format),
            spread(column["echo CPU us"], "{:.1f}".format),
            f"{statistics.median(column['echo p99']) / 1e3:.2f}",
        ]
        for size in rooms:
            took, cpu = column[f"room {size} p50"], column[f"room {size} CPU us"]
            cells.append(f"{spread([us / 1e3 for us in took], '{:.1f}'.format)}, {statistics.median(cpu):.1f}")
        table.rows.append([name, *cells])
    return table


def _measure(server: Server, seconds: float, rooms: tuple[int, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    tasks: list[tuple[str, int, tuple[object, ...]]] = [("echo", 1, ("echo", CONNECTIONS, seconds, MESSAGE_BYTES))]
    tasks += [(f"room {size}", size, ("room", size, seconds)) for size in rooms]
    for name, members, arguments in tasks:
        seen = _load(server, *arguments)
        found[f"{name} per s"] = seen["messages"] / members * 1e6 / seen["us"]
        found[f"{name} CPU us"] = seen["cpu_s"] * 1e6 / max(1, seen["messages"])
        found[f"{name} p50"] = seen["p50"]
        found[f"{name} p99"] = seen["p99"]
    return found


def _load(server: Server, *arguments: object) -> dict[str, float]:
    """Run the load; what it prints, and the server's CPU time from when all connections are open (``cpu_s``)."""
    command = [_runner(), str(HERE / "websocket_load.mjs"), str(server.port), *map(str, arguments)]
    cpu = 0.0
    with subprocess.Popen(
        machine.pinned(command, server=False), stdout=subprocess.PIPE, text=True, cwd=HERE.parent
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("OPEN"):
                cpu = server.cpu_s()
            elif line.startswith("RESULT "):
                seen: dict[str, float] = json.loads(line.removeprefix("RESULT "))
                return {**seen, "cpu_s": server.cpu_s() - cpu}
    raise RuntimeError(f"{server.name}: {''.join(lines).strip()[-200:]}")


def _runner() -> str:
    """What runs the load: bun, else node. Raises :class:`Absent`."""
    try:
        return binary("bun")
    except Absent:
        return binary("node")


def _allow_files(count: int) -> bool:
    """Let the processes started from here open so many files; False where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        return False
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    return True
