"""Quantiles of a quiet app's latency over windows of a second, those left out in which others disturbed the machine.

What `neighbour` and `kinds` measure by. Probes come on a fixed schedule (see probe.py). A window in which the
hypervisor or another process took more than 2 % of a core that is measured on says nothing of the server and is left
out, as long as three remain.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

from bench import machine
from bench.probe import Probe, Seen
from bench.report import percentile
from bench.servers import Server

__all__ = ["CPU_KEYS", "KEYS", "RATE", "measure", "probe", "summary"]

RATE = 200
"""Probes a second."""
QUIET = 0.02
"""The largest share of a core that others may take in a window that counts."""
KEYS, CPU_KEYS = ("p50", "p99", "max"), ("cpu_p50", "cpu_p99", "cpu_max")


def measure(server: Server, count: int, *, most: int) -> dict[str, Any]:
    """The median quantiles, in ms, of ``count`` windows, or ``most`` where others disturb some: those are left out.

    ``windows``: all; ``counted``: those that were not left out; ``disturbed``: fewer than three were not, so all count.
    Of the server's own CPU time NaN where others kept each probe from running.
    """
    seen: list[dict[str, Any]] = []
    for number in range(most):
        cpu, start, disturbance = server.cpu_s(), time.monotonic(), machine.Disturbance(server.pid)
        seen.append(summary(probe(server, 1.0)) | disturbance.shares())
        seen[-1]["cpu_share"] = (server.cpu_s() - cpu) / (time.monotonic() - start)
        calm = [window for window in seen if max(window["kept_waiting"], window["stolen"]) <= QUIET]
        if number + 1 >= count and len(calm) >= 3:
            break
    used = calm if len(calm) >= 3 else seen
    medians = {key: _median([window[key] for window in used]) for key in (*KEYS, *CPU_KEYS, "cpu_share")}
    return {
        **medians,
        "windows": seen,
        "counted": used,
        "left_out": len(seen) - len(used),
        "disturbed": used is seen and used != calm,
    }


def _median(values: Sequence[float]) -> float:
    """Of those windows that say something."""
    return statistics.median([value for value in values if not math.isnan(value)] or [math.nan])


def probe(server: Server, seconds: float) -> Seen:
    """What the app ``quiet`` shows on the schedule."""
    watching = Probe(server.port, host="quiet", rate=RATE, seconds=seconds, pid=server.worker_pid)
    watching.start()
    return watching.result()


def summary(seen: Seen) -> dict[str, Any]:
    """Quantiles in ms, by the wall clock and of the server's own CPU time."""
    return {
        "p50": percentile(seen.ms, 0.5),
        "p99": percentile(seen.ms, 0.99),
        "max": max(seen.ms, default=math.nan),
        "cpu_p50": percentile(seen.server_ms, 0.5),
        "cpu_p99": percentile(seen.server_ms, 0.99),
        "cpu_max": max(seen.server_ms, default=math.nan),
        "probes": len(seen.ms),
    }
