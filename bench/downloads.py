"""What `stream` and `proxy` share: servers in turns, each sending one large body to one client.

The client is a process of its own that reads a raw socket and drops what it reads (transfer.py). A round asks each
server once; ratios are taken within a round. Each gets a small transfer first that does not count.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from bench import machine
from bench.report import Options, Table, spread
from bench.rivals import ratios_to
from bench.servers import Server
from bench.transfer import transfer

__all__ = ["MB", "download", "tables"]

MB = 1 << 20

Rounds = dict[str, list[dict[str, Any]]]


def download(name: str, servers: Sequence[Server], size: int, options: Options) -> Rounds:
    """``size`` bytes from each server, ``options.rounds`` times: what each round saw, by server."""
    rounds: Rounds = {}
    for server in servers:
        transfer("down", server.port, 4 * MB)
    for number in range(options.rounds):
        for server in servers:
            print(f"bench: {name}: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
            cpu, disturbance = server.cpu_s(), machine.Disturbance(server.pid)
            seen = transfer("down", server.port, size)
            others = disturbance.shares()
            megabytes = seen["bytes"] / MB
            rounds.setdefault(server.name, []).append(
                {
                    "mb_per_s": megabytes / seen["seconds"],
                    "cpu_ms_per_mb": (server.cpu_s() - cpu) * 1e3 / megabytes,
                    **others,
                }
            )
    return rounds


def tables(rounds: Rounds, absent: dict[str, str], base: str, what: str) -> tuple[Table, Table]:
    """Ratios to ``base`` (or to the first, without it), and absolute figures."""
    base = base if base in rounds else next(iter(rounds))
    ratios = Table(
        f"ratios to {base}: median of the rounds' ratios (lowest–highest)",
        ["", "MB/s", "CPU/MB"],
        note="more MB/s is better, less CPU",
    )
    absolute = Table(f"absolute: {what}; medians (lowest–highest)", ["", "MB/s", "CPU ms/MB", "kept off", "stolen"])
    for name, runs in rounds.items():
        column = {key: [run[key] for run in runs] for key in runs[0]}
        ratios.rows.append(
            [name, *(spread(ratios_to(rounds, name, base, key)) for key in ("mb_per_s", "cpu_ms_per_mb"))]
        )
        absolute.rows.append(
            [
                name,
                spread(column["mb_per_s"], "{:,.0f}".format),
                spread(column["cpu_ms_per_mb"]),
                f"{max(column['kept_waiting']):.0%}",
                f"{max(column['stolen']):.0%}",
            ]
        )
    ratios.rows += [[name, f"absent: {why[:60]}", ""] for name, why in absent.items()]
    return ratios, absolute
