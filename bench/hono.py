"""hono: an app of the web framework Hono, with ten routes, middleware and parameters, under a mix of requests.

Measured as `hello` is (see rivals.py). handlers/hono.js with Hono as it comes from npm is bundled by esbuild into one
module, and every server runs that same file. The requests of `MIX` are sent in turns, so each route gets the same
share. Before the first load every server is asked each of them once, and all must answer alike: a server that fails
is quick.

Unfair would be: one route only, which a router's cache or a JIT would learn by heart; a bundle made for one runtime; a
framework patched to suit one. workerd, Node, Deno and Bun compile hot code to machine code, QuickJS never does: the
more JavaScript a request runs, the more that counts. That is no unfairness but the difference.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.json_body import order
from bench.peers import Absent, binary, package
from bench.report import Options, Outcome, Verdict, ratio_promises
from bench.rivals import compare, ratios_to
from bench.servers import HANDLERS, NANO, PEERS, Server

__all__ = ["MIX", "bundle", "check", "run"]

CONNECTIONS = 32
MIX = (
    "GET /",
    "GET /about",
    "GET /api/products?tag=group-3",
    "GET /api/products/7",
    "GET /api/products/12/tags/1",
    f"POST /api/orders {order().decode()}",
    f"PUT /api/orders/4711 {json.dumps({'paid': True, 'note': 'by the back door'})}",
    "DELETE /api/orders/4711",
    "GET /static/css/shop.css",
    "GET /old",
)
"""Requests, one for each route, as :func:`bench.load.load` takes them."""


def run(options: Options) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        requests = Path(name) / "requests"
        requests.write_text("\n".join(MIX) + "\n")
        try:
            module = bundle(Path(name), binary("esbuild"), package("hono").parent)
        except Absent as reason:
            return Outcome(
                "hono", verdicts=[Verdict("requests/s against workerd", "≥ 0.5 ×", f"absent: {reason}", None)]
            )
        outcome = compare(
            "hono",
            module,
            options,
            connections=CONNECTIONS,
            requests=requests,
            names=(*NANO, *PEERS),
            check=check,
        )
    outcome.data["mix"] = list(MIX)
    speed = ratios_to(outcome.data["rounds"], "nano-trio", "workerd", "requests_per_s")
    outcome.verdicts = ratio_promises("requests/s against workerd", speed, "≥", must=0.5, aim=1)
    return outcome


def bundle(folder: Path, esbuild: str, node_modules: Path) -> Path:
    """handlers/hono.js and Hono as one module in ``folder``, bundled for no runtime in particular."""
    module = folder / "hono.js"
    # esbuild looks for packages in the folders above the file that imports them, and then in NODE_PATH.
    command = [esbuild, str(HANDLERS / "hono.js"), "--bundle", "--format=esm", "--target=es2022", f"--outfile={module}"]
    done = subprocess.run(command, env={"NODE_PATH": str(node_modules)}, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"esbuild: {done.stderr.strip()[-500:]}")
    return module


def check(servers: Sequence[Server]) -> None:
    """Raises RuntimeError where the servers do not answer the requests of :data:`MIX` alike."""
    for line in MIX:
        answers = {server.name: _answer(server.port, line) for server in servers}
        expected = next(iter(answers.values()), None)
        for name, answer in answers.items():
            if answer != expected or answer[0] >= 400:
                raise RuntimeError(f"{line[:60]}: {name} answers {answer}, {servers[0].name} answers {expected}")


def _answer(port: int, line: str) -> tuple[int, bytes, str | None]:
    """Status, body, and a header that middleware sets."""
    method, path, *rest = line.split(" ", 2)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"} if rest else {}
        connection.request(method, path, body=rest[0] if rest else None, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(), response.getheader("x-served-by")
    finally:
        connection.close()
