"""json: a body of 1 KB read by ``await request.json()`` and answered by ``Response.json``.

Measured as `hello` is (see rivals.py), with POST requests whose body is an order of a few items; the app adds a sum.
`node http` parses and prints the same JSON without Request and Response.

Unfair would be: a body so small that only the head counts, or one that some clients send in several packets; an app
that never looks at what it parsed (an engine may then parse lazily).
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from bench.report import Options, Outcome, Verdict, spread
from bench.rivals import compare, ratios_to

__all__ = ["order", "run"]

CONNECTIONS = 32


def order() -> bytes:
    """About 1 KB of JSON."""
    items = [
        {
            "id": f"item-{number:04}",
            "name": f"A thing of kind {number}",
            "price": 3.25 + number,
            "count": number % 4 + 1,
        }
        for number in range(12)
    ]
    return json.dumps({"customer": "Ada Lovelace", "paid": True, "note": None, "items": items}).encode()


def run(options: Options) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        body = Path(folder) / "body.json"
        body.write_bytes(order())
        outcome = compare("json", "json", options, connections=CONNECTIONS, body=body)
    outcome.data["body_bytes"] = len(order())
    speed = ratios_to(outcome.data["rounds"], "nano-trio", "workerd", "requests_per_s")
    holds = statistics.median(speed) >= 1.2 if speed else None
    outcome.verdicts = [Verdict("requests/s against workerd", "≥ 1.2 ×", f"{spread(speed)} ×", holds)]
    return outcome
