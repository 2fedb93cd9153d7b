"""stream: large bodies through the app, chunk by chunk.

Measured: 100 MB of a ReadableStream whose `pull` makes a chunk of 64 KB each time (handlers/stream.js), read by one
raw socket from another process: MB/s, servers in turns within a round. Then 1 GB down and 1 GB up (the app counts the
bytes of `request.body`) while the memory (RSS) of nano-trio's processes is sampled every 20 ms: the growth over what
it had after a first small transfer.

Unfair would be: one chunk that is enqueued again and again (nothing need be copied then) or a client that is slower
than the server; a memory figure taken after the transfer, when it may have been freed.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

from bench import machine, servers
from bench.report import Options, Outcome, Table, Verdict, spread
from bench.servers import PEERS, Server, started
from bench.transfer import running, transfer

__all__ = ["run"]

MB = 1 << 20
MUST_GROW_MB = 32


def run(options: Options) -> Outcome:
    outcome = Outcome("stream")
    size = (20 if options.quick else 100) * MB
    peers = [peer for peer in PEERS if peer != "node http"]
    rates: dict[str, list[float]] = {}
    with started(["nano-trio", *peers], "stream") as (running_servers, absent):
        for server in running_servers:
            transfer("down", server.port, 4 * MB)
        for number in range(options.rounds):
            for server in running_servers:
                print(f"bench: stream: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                seen = transfer("down", server.port, size)
                rates.setdefault(server.name, []).append(seen["bytes"] / MB / seen["seconds"])
    table = Table("ratios to node: MB/s, median of the rounds' ratios (lowest–highest)", ["", "ratio"])
    absolute = Table(f"absolute: {size // MB} MB in chunks of 64 KB", ["", "MB/s"])
    for name, values in rates.items():
        base = rates.get("node") or next(iter(rates.values()))
        table.rows.append([name, spread([ours / theirs for ours, theirs in zip(values, base, strict=True)])])
        absolute.rows.append([name, spread(values, "{:.0f}".format)])
    table.rows += [[name, f"absent: {why[:60]}"] for name, why in absent.items()]

    server = servers.start("nano-trio", "stream")
    try:
        whole = (100 if options.quick else 1024) * MB
        growth = {way: _growth(server, way, whole) for way in ("down", "up")}
    finally:
        server.stop()
    memory = Table(
        f"memory of the server's processes during {whole // MB} MB", ["", "MB/s", "before MB", "grew by at most MB"]
    )
    for way, seen in growth.items():
        figures = (seen["mb_per_s"], seen["before_mb"], seen["grew_mb"])
        memory.rows.append([way, *(f"{figure:.1f}" for figure in figures)])
    outcome.ratios, outcome.absolute = [table], [absolute, memory]
    outcome.data = {"rates": rates, "memory": growth, "absent": absent}
    against = rates.get("node")
    ratio = statistics.median(rates["nano-trio"]) / statistics.median(against) if against else None
    outcome.verdicts = [
        Verdict(
            f"memory grows, {whole // MB} MB {way}",
            f"< {MUST_GROW_MB} MB",
            f"{seen['grew_mb']:.1f} MB",
            seen["grew_mb"] < MUST_GROW_MB,
        )
        for way, seen in growth.items()
    ]
    if ratio is not None:
        outcome.verdicts.append(
            Verdict("MB/s against node (an aim of this bench)", "≥ 0.3 ×", f"{ratio:.2f} ×", ratio >= 0.3)
        )
    return outcome


def _growth(server: Server, way: str, size: int) -> dict[str, Any]:
    """Transfer ``size`` bytes and watch the server's memory."""
    print(f"bench: stream: {size // MB} MB {way}", file=sys.stderr)
    transfer(way, server.port, 16 * MB)
    before = most = machine.resident_bytes(server.pid)
    start = time.monotonic()
    process = running(way, server.port, size)
    while process.poll() is None:
        most = max(most, machine.resident_bytes(server.pid))
        if time.monotonic() > start + 600:
            process.kill()
            break
        time.sleep(0.02)
    seconds = time.monotonic() - start
    if process.returncode != 0:
        raise RuntimeError(f"{way}: the transfer failed; the server says: {server.log()[-500:]}")
    return {"mb_per_s": size / MB / seconds, "before_mb": before / MB, "grew_mb": (most - before) / MB}
