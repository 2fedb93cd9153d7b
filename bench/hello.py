"""hello: the smallest app under 32 keep-alive connections.

Measured: requests a second and the slowest request of a run, for one server process on one core, from a load generator
on other cores. Each server runs handlers/hello.js; `node http` is Node's own http module without Request and Response.

Unfair would be: letting a server use several cores (workerd and Deno have helper threads: the core is pinned, not the
thread count); measuring Node without its Workers adapter only; a run so short that one garbage collection decides
about the slowest request.
"""

from __future__ import annotations

import statistics

from bench.report import Options, Outcome, Verdict, spread
from bench.rivals import compare, ratios_to

__all__ = ["run"]

CONNECTIONS = 32


def run(options: Options) -> Outcome:
    outcome = compare("hello", "hello", options, connections=CONNECTIONS)
    rounds = outcome.data["rounds"]
    speed = ratios_to(rounds, "nano-trio", "workerd", "requests_per_s")
    slowest = ratios_to(rounds, "nano-trio", "workerd", "max_ms")
    outcome.verdicts = [
        Verdict(
            "requests/s against workerd",
            "≥ 1.5 ×",
            f"{spread(speed)} ×",
            statistics.median(speed) >= 1.5 if speed else None,
        ),
        Verdict(
            "slowest request against workerd",
            "≤ 0.1 ×",
            f"{spread(slowest)} ×",
            statistics.median(slowest) <= 0.1 if slowest else None,
        ),
    ]
    return outcome
