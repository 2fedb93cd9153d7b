"""http2: hello over HTTP/2, and over HTTP/1.1 to the same HTTPS port, by nghttp2's h2load.

Measured: requests a second and the server's CPU time for one, with 32 requests under way on one connection, and with 8
on each of 4; then HTTP/1.1 with 32 connections. For nano-trio and for Node's `node:http2` (whose protocol is nghttp2,
in C; it serves both versions), one server process on one core each, with the same certificate.

Unfair would be: another generator for one of the versions; a connection for each request.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived

from bench import machine
from bench.report import Options, Outcome, Table, Verdict, spread
from bench.rivals import ratios_to
from bench.servers import Server, hello_over_tls, start_node_http2

__all__ = ["run"]

HERE = Path(__file__).parent
SERVERS = ("nano-trio", "node http2")
ADDED = "CPU time that HTTP/2 adds to a request, against the package h2 alone"
LOADS = {"one": ["-c1", "-m32"], "four": ["-c4", "-m8"], "http1": ["--h1", "-c32"]}


def run(options: Options) -> Outcome:
    outcome = Outcome("http2")
    if shutil.which("h2load") is None:
        outcome.verdicts = [Verdict(ADDED, "≤ 1 ×", "h2load is missing (nghttp2-client)", None, "own")]
        return outcome
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in SERVERS}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        hello_over_tls(Path(folder), "node http2", start_node_http2) as (servers, absent),
    ):
        for server in servers:
            _measure(server, 1.0)
        for number in range(options.rounds):
            for server in servers:
                print(f"bench: http2: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                rounds[server.name].append(_measure(server, options.seconds))
    outcome.data = {"rounds": rounds, "absent": absent}
    one, four, kept = (ratios_to(rounds, *SERVERS, key) for key in ("one", "four", "kept"))
    alone = outcome.data["h2_us"] = _h2_alone()
    added = [(run["one_us"] - run["http1_us"]) / alone for run in rounds["nano-trio"]]
    outcome.verdicts = [
        Verdict(
            ADDED,
            "≤ 1 ×",
            f"{spread(added)} ×",
            statistics.median(added) <= 1,
            kind="own",
        ),
    ]
    outcome.ratios.append(
        Table(
            "ratios to node http2",
            ["requests/s, 1 × 32 streams", "requests/s, 4 × 8 streams", "what HTTP/2 keeps of HTTP/1.1's speed"],
            rows=[[spread(one), spread(four), spread(kept)]],
        )
    )
    table = Table(
        "absolute: h2load; medians (lowest–highest)",
        ["", "1 × 32 streams/s", "4 × 8 streams/s", "HTTP/1.1 requests/s", "1 × 32 CPU µs", "HTTP/1.1 CPU µs"],
    )
    for name, runs in rounds.items():
        keys = ("one", "four", "http1", "one_us", "http1_us")
        cells = [spread([run[key] for run in runs], "{:.0f}".format) for key in keys] if runs else []
        table.rows.append([name, *(cells or [f"absent: {absent.get(name, '')[:60]}", *[""] * 4])])
    outcome.absolute.append(table)
    return outcome


def _measure(server: Server, seconds: float) -> dict[str, float]:
    seen: dict[str, float] = {}
    for name, options in LOADS.items():
        cpu = server.cpu_s()
        requests = _load(server.secure_port, options, seconds)
        seen[name] = requests / seconds
        seen[f"{name}_us"] = (server.cpu_s() - cpu) * 1e6 / max(1, requests)
    seen["kept"] = seen["one"] / seen["http1"] if seen["http1"] else 0.0
    return seen


def _load(port: int, options: list[str], seconds: float) -> int:
    """Requests that were answered with 200 in that time."""
    command = ["h2load", "-D", f"{seconds:g}", *options, f"https://localhost:{port}/"]
    done = subprocess.run(
        machine.pinned(command, server=False), capture_output=True, text=True, timeout=seconds + 60, check=True
    )
    found = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    if found is None:
        raise RuntimeError(f"h2load saw other answers: {done.stdout}")
    return int(found[1])


def _h2_alone(requests: int = 4000) -> float:
    """CPU µs that h2 takes for a request and its response at the server's end, as it comes, without a socket."""
    client = H2Connection(H2Configuration(client_side=True))
    server = H2Connection(H2Configuration(client_side=False))
    client.initiate_connection()
    server.initiate_connection()
    server.receive_data(client.data_to_send())
    request = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/"),
        ("user-agent", "x"),
    ]
    response = [(":status", "200"), ("date", "now"), ("content-type", "text/plain"), ("content-length", "14")]
    spent = 0.0
    for _ in range(requests):
        number = client.get_next_available_stream_id()
        client.send_headers(number, request, end_stream=True)
        arrived = client.data_to_send()
        started = time.process_time()
        server.receive_data(arrived)
        server.send_headers(number, response)
        server.send_data(number, b"Hello, world!\n", end_stream=True)
        sent = server.data_to_send()
        spent += time.process_time() - started
        for event in client.receive_data(sent):
            if isinstance(event, DataReceived):
                client.acknowledge_received_data(event.flow_controlled_length, number)
        server.receive_data(client.data_to_send())
    return spent * 1e6 / requests
