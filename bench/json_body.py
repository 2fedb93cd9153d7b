"""json: a body of 1 KB read by ``await request.json()`` and answered by ``Response.json``.

Measured as `hello` is (see rivals.py), with POST requests whose body is an order of a few items; the app adds a sum.
`node http` parses and prints the same JSON without Request and Response, `hypercorn` in Python.

Unfair would be: a body so small that only the head counts, or one that some clients send in several packets; an app
that never looks at what it parsed (an engine may then parse lazily).
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from bench.report import Options, Outcome, ratio_promises
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
        requests = Path(folder) / "requests"
        requests.write_text(f"POST / {order().decode()}\n")
        outcome = compare("json", "json", options, connections=CONNECTIONS, requests=requests)
    outcome.data["body_bytes"] = len(order())
    speed = ratios_to(outcome.data["rounds"], "nano-trio", "workerd", "requests_per_s")
    outcome.verdicts = ratio_promises("requests/s against workerd", speed, "≥", must=1.2, aim=2)
    return outcome
