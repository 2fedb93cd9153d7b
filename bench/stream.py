"""stream: large bodies through the app, chunk by chunk.

Measured: 100 MB of a ReadableStream whose `pull` makes a chunk of 64 KB each time (handlers/stream.js), read by one
raw socket from another process: MB/s and the server's CPU time per MB, servers in turns within a round. Node runs that
same handler by its adapter, which reads the stream and writes its chunks, and waits for `drain`; `node http` has no
ReadableStream: it pipes a `stream.Readable` that makes the same chunks, and is there for comparison only.

Then 1 GB down and 1 GB up (the app counts the bytes of `request.body`) while the memory (RSS) of nano-trio's processes
is sampled every 20 ms: the growth over what it had after a first small transfer.

Unfair would be: one chunk that is enqueued again and again (nothing need be copied then) or a client that is slower
than the server; a memory figure taken after the transfer, when it may have been freed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from bench import machine, servers
from bench.downloads import MB, download, tables
from bench.report import Options, Outcome, Table, promises, ratio_promises
from bench.rivals import ratios_to
from bench.servers import Server, started
from bench.transfer import running, transfer

__all__ = ["run"]

NAMES = ("nano-trio", "node", "node http", "workerd", "deno", "bun")
MUST_GROW_MB = 32


def run(options: Options) -> Outcome:
    outcome = Outcome("stream")
    size = (20 if options.quick else 100) * MB
    with started(options.among(NAMES), "stream") as (running_servers, absent):
        rounds = download("stream", running_servers, size, options)
    ratios, absolute = tables(rounds, absent, "node", f"{size // MB} MB in chunks of 64 KB")

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
    outcome.ratios, outcome.absolute = [ratios], [absolute, memory]
    outcome.data = {"rounds": rounds, "memory": growth, "absent": absent, "bytes": size}
    speed = ratios_to(rounds, "nano-trio", "node", "mb_per_s")
    outcome.verdicts = ratio_promises("MB/s against node", speed, "≥", must=0.4, aim=1)
    for way, seen in growth.items():
        outcome.verdicts += promises(
            f"memory grows, {whole // MB} MB {way}",
            seen["grew_mb"],
            f"{seen['grew_mb']:.1f} MB",
            "<",
            unit="MB",
            must=MUST_GROW_MB,
        )
    return outcome


def _growth(server: Server, way: str, size: int) -> dict[str, Any]:
    """Transfer ``size`` bytes and watch the server's memory."""
    print(f"bench: stream: {size // MB} MB {way}", file=sys.stderr)
    transfer(way, server.port, 16 * MB)
    before = most = machine.resident_bytes(server.pid)
    start = time.monotonic()
    with running(way, server.port, size) as process:
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
