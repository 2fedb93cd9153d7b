"""proxy: a reverse proxy that hands on 100 MB.

Measured: MB/s and the proxy's CPU time per MB. The app is ``return fetch(upstream + path)`` (handlers/proxy.js) for all
but `node http`, which pipes node:http's incoming message into its response, with a keep-alive agent, as proxies on Node
are written; that one is what the promise is about. The upstream (upstream.py) copies from a file to the socket within
the kernel, on the load's cores; its own rate, asked without a proxy, stands beside. A proxy that comes near it is
measured too low.

Unfair would be: an upstream or a client slower than the fastest proxy; an app that reads the body (nobody's proxy
does); a new connection to the upstream for some and not for others.
"""

from __future__ import annotations

import statistics

from bench import servers
from bench.downloads import MB, download, tables
from bench.report import Options, Outcome, ratio_promises
from bench.rivals import ratios_to

__all__ = ["run"]

NAMES = ("nano-trio", "node http", "node", "workerd", "deno", "bun")
ITSELF = "without a proxy"


def run(options: Options) -> Outcome:
    outcome = Outcome("proxy")
    size = (20 if options.quick else 100) * MB
    upstream = servers.start_module("bench.upstream", server_core=False)
    upstream.name = ITSELF
    try:
        with servers.started(options.among(NAMES), "proxy", upstream=upstream.port) as (proxies, absent):
            rounds = download("proxy", [*proxies, upstream], size, options)
    finally:
        upstream.stop()
    ratios, absolute = tables(rounds, absent, "node http", f"{size // MB} MB handed on")
    rates = {name: statistics.median(run["mb_per_s"] for run in runs) for name, runs in rounds.items()}
    fastest = max((name for name in rates if name != ITSELF), key=lambda name: rates[name])
    absolute.note = (
        f"{fastest} reaches {rates[fastest] / rates[ITSELF]:.0%} of what the upstream can send and the client read"
    )
    outcome.ratios, outcome.absolute = [ratios], [absolute]
    outcome.data = {"rounds": rounds, "absent": absent, "bytes": size}
    outcome.verdicts = ratio_promises(
        "MB/s against node's http proxy", ratios_to(rounds, "nano-trio", "node http", "mb_per_s"), "≥", must=1, aim=2
    )
    return outcome
