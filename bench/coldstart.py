"""coldstart: the first byte from an app that is not loaded.

Measured: over 1,000 apps in one process, one at a time, from another process: from the request on an open connection
to the first byte of the answer; then a second request to the same app, for what of it is not the start. Twice: with an
empty bytecode cache (the first start of that source ever) and, by a new server process, with a filled one. No two apps
have the same source.

The server's own CPU time is read before the request and after the answer was read. A client that is kept from running
meanwhile reads it late, and the server uses that time to prepare the next starts, for which nobody waits. So of what
was used no more counts than the time until the answer came to the client's socket, as the kernel notes it: the server
has one core.

Unfair would be: the same source a thousand times (compiled once); a new connection for each request; a warm-up of the
apps that count (a few others are asked before). Node's figure is a process' start until it answers.
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import machine, servers
from bench.cpu_clock import cpu_clock
from bench.fleet import cache_folder, start_fleet
from bench.report import Options, Outcome, Table, percentile, promises
from bench.servers import Absent, Server

__all__ = ["run"]

WARM_UP = 5
_SO_TIMESTAMPNS = 35
"""Linux's, for a note beside what is received of when it came; Python's module lacks the name."""


def run(options: Options) -> Outcome:
    outcome = Outcome("coldstart")
    count = 200 if options.quick else 1000
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        runs = {}
        for what in ("never compiled before", "compiled before"):
            print(f"bench: coldstart: {count} apps, {what}", file=sys.stderr)
            server = start_fleet(Path(name), count + WARM_UP)
            try:
                runs[what] = _measure(server, count)
                # Asked without a pause it has had no time to write what it has compiled.
                server.drain()
            finally:
                server.stop()
            kept = sum(1 for _ in cache_folder(Path(name)).iterdir())
            if kept < count:
                raise RuntimeError(f"{count} apps were asked, and of {kept} files the bytecode is kept")
    node = _node()
    table = Table(
        f"time to first byte, ms, {count} apps",
        ["", "p50", "p99", "slowest", "its own CPU: p50", "p99", "second request p50", "stolen"],
        note=f"node: a process until it answers: {node}",
    )
    for what, seen in runs.items():
        figures = [seen[key] for key in ("p50", "p99", "max", "cpu_p50", "cpu_p99", "again_p50")]
        table.rows.append([what, *(f"{figure:.2f}" for figure in figures), f"{seen['stolen']:.0%}"])
    outcome.absolute = [table]
    outcome.data = {"runs": runs, "node": node}
    seen = runs["compiled before"]
    disturbed = max(seen["stolen"], seen["kept_waiting"]) > 0.02
    value = seen["cpu_p99"] if disturbed else seen["p99"]
    note = " of its own CPU (the machine is disturbed)" if disturbed else ""
    outcome.verdicts = promises(
        f"cold start, p99 over {count} apps", value, f"{value:.2f} ms{note}", "<", unit="ms", must=3, aim=1
    )
    return outcome


def _measure(server: Server, count: int) -> dict[str, Any]:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if sys.platform.startswith("linux"):
        connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    clock = cpu_clock(server.worker_pid)
    cold, again, cpu = [], [], []
    for number in range(count, count + WARM_UP):
        _first_byte(connection, number)
    disturbance = machine.Disturbance(server.pid)
    for number in range(count):
        used = clock()
        seen, came = _first_byte(connection, number)
        cpu.append(min((clock() - used) * 1e3, came))
        cold.append(seen)
        again.append(_first_byte(connection, number)[0])
    connection.close()
    return {
        "p50": percentile(cold, 0.5),
        "p99": percentile(cold, 0.99),
        "max": max(cold),
        "cpu_p50": percentile(cpu, 0.5),
        "cpu_p99": percentile(cpu, 0.99),
        "again_p50": percentile(again, 0.5),
        "ms": cold,
        **disturbance.shares(),
    }


def _first_byte(connection: socket.socket, number: int) -> tuple[float, float]:
    """Milliseconds until the answer's first byte was read, and until it came to the socket."""
    start, sent = time.perf_counter(), time.time_ns()
    connection.sendall(f"GET / HTTP/1.1\r\nHost: app{number}\r\n\r\n".encode())
    data, notes, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
    seen = came = (time.perf_counter() - start) * 1e3
    for _, kind, note in notes:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", note)
            came = (seconds * 10**9 + nanoseconds - sent) / 1e6
    if not data.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"app{number}: {data[:80]!r}")
    while not data.endswith(b"!\n"):
        part = connection.recv(65536)
        if not part:
            raise RuntimeError("the connection ended")
        data += part
    return seen, came


def _node() -> str:
    times = []
    try:
        for _ in range(5):
            start = time.perf_counter()
            server = servers.start("node", "hello")
            try:
                servers.get(server.port)
                times.append((time.perf_counter() - start) * 1e3)
            finally:
                server.stop()
    except Absent as reason:
        return f"absent: {reason}"
    return f"{statistics.median(times):.0f} ms"
