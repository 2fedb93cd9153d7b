"""hello: the smallest app under 32 keep-alive connections.

Measured: requests a second and the slowest request of a run, for one server process on one core, from a load generator
on other cores. Each server runs handlers/hello.js; `node http` is Node's own http module without Request and Response,
and what is promised beside Node counts from that; `hypercorn` is a Python ASGI app on Trio.

Unfair would be: letting a server use several cores (workerd and Deno have helper threads: the core is pinned, not the
thread count); measuring Node with its Workers adapter only; a run so short that one garbage collection decides
about the slowest request.
"""

from __future__ import annotations

from bench.report import Options, Outcome, ratio_promises
from bench.rivals import compare, ratios_to

__all__ = ["run"]

CONNECTIONS = 32


def run(options: Options) -> Outcome:
    outcome = compare("hello", "hello", options, connections=CONNECTIONS)
    speed, slowest = (
        {peer: ratios_to(outcome.data["rounds"], "nano-trio", peer, key) for peer in ("workerd", "node http")}
        for key in ("requests_per_s", "max_ms")
    )
    outcome.verdicts = [
        *ratio_promises("requests/s against workerd", speed["workerd"], "≥", must=1.5, aim=2.5),
        *ratio_promises("requests/s against node http", speed["node http"], "≥", aim=0.6),
        *ratio_promises("slowest request against workerd", slowest["workerd"], "≤", must=0.1),
        *ratio_promises("slowest request against node http", slowest["node http"], "≤", aim=1),
    ]
    return outcome
