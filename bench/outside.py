"""outside: crypto.subtle and outgoing fetches, beside Node and the others in the same run.

Measured: outside.js, the same file, by `nano-trio run` and by its peers, as in `platform`: SHA-256 and AES-GCM of 1 MB,
an ECDSA signature, and 1,000 fetches at 100 concurrent against one server (node's http, on the load generator's core).

Unfair would be: a server that cannot keep up with the fastest client, which would make all clients look alike;
counting the first connections, which every runtime then keeps.
"""

from __future__ import annotations

from bench.platform_apis import compare_scripts
from bench.report import Options, Outcome, Verdict
from bench.servers import started

__all__ = ["run"]

AIM_RATE = 0.3
"""No issue sets a number: this is an aim of this bench, as for `platform`."""


def run(options: Options) -> Outcome:
    with started(["node http"], "hello") as (servers, absent):
        if not servers:
            outcome = Outcome("outside")
            outcome.verdicts.append(Verdict("beside Node", "see the source", f"no server: {absent}", None))
            return outcome
        url = f"http://127.0.0.1:{servers[0].port}/"
        return compare_scripts(
            "outside", "outside.js", options, longest={}, least_rate=AIM_RATE, kind="own", arguments=[url]
        )
