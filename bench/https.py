"""https: hello over TLS 1.3, on connections that are kept alive, and with a handshake for every request.

Measured: requests a second and the server's CPU time for one, over HTTPS and over HTTP, for nano-trio and for Node's
own `https` and `http` modules (which have no Request and Response to make), one server process on one core each. Then
the CPU time of a handshake with one request: 16 clients that connect, ask once and leave. Both servers have the same
certificate (ECDSA P-256, made by nano-trio) and speak AES-256-GCM.

Unfair would be: an RSA key on one side; resumed sessions counted as handshakes; handshakes a second, where the load
generator is the bottleneck.
"""

from __future__ import annotations

import ssl
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import machine
from bench.load import generator, load
from bench.report import Options, Outcome, Table, Verdict, spread
from bench.rivals import ratios_to
from bench.servers import Server, hello_over_tls, start_node_https

__all__ = ["run"]

HERE = Path(__file__).parent
CONNECTIONS = 32
SERVERS = ("nano-trio", "node https")


def run(options: Options) -> Outcome:
    outcome = Outcome("https")
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in SERVERS}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        hello_over_tls(Path(folder), "node https", start_node_https) as (servers, absent),
    ):
        ca = Path(folder) / "certs" / "ca.pem"
        for server in servers:
            _measure(server, ca, 1.0)
        for number in range(options.rounds):
            for server in servers:
                print(f"bench: https: round {number + 1}/{options.rounds}: {server.name}", file=sys.stderr)
                rounds[server.name].append(_measure(server, ca, options.seconds))
    outcome.data = {"rounds": rounds, "absent": absent, "generator": generator(), "connections": CONNECTIONS}
    speeds, kept, shakes = (ratios_to(rounds, *SERVERS, key) for key in ("https", "kept", "shake_us"))
    outcome.verdicts = [
        Verdict(
            "HTTPS requests/s against node's https",
            "≥ 0.5 ×",
            f"{spread(speeds)} ×",
            statistics.median(speeds) >= 0.5 if speeds else None,
            kind="own",
        ),
        Verdict(
            "what HTTPS keeps of HTTP's speed (by CPU time), against node's https",
            "≥ 0.9 ×",
            f"{spread(kept)} ×",
            statistics.median(kept) >= 0.9 if kept else None,
            kind="own",
        ),
        Verdict(
            "CPU time of a handshake with a request, against node's https",
            "≤ 2 ×",
            f"{spread(shakes)} ×",
            statistics.median(shakes) <= 2 if shakes else None,
            kind="own",
        ),
    ]
    table = Table(
        f"absolute: {CONNECTIONS} connections, {generator()}; medians (lowest–highest)",
        ["", "HTTPS requests/s", "HTTP requests/s", "HTTPS CPU µs", "HTTP CPU µs", "handshake and request CPU µs"],
    )
    for name, runs in rounds.items():
        keys = ("https", "http", "https_us", "http_us", "shake_us")
        cells = [spread([one[key] for one in runs], "{:.0f}".format) for key in keys] if runs else []
        table.rows.append([name, *(cells or [f"absent: {absent.get(name, '')[:60]}", *[""] * 4])])
    outcome.absolute.append(table)
    return outcome


def _measure(server: Server, ca: Path, seconds: float) -> dict[str, float]:
    secure = server.secure_port
    cpu = [server.cpu_s()]
    https = load(secure, connections=CONNECTIONS, seconds=seconds, scheme="https")
    cpu.append(server.cpu_s())
    http = load(server.port, connections=CONNECTIONS, seconds=seconds)
    cpu.append(server.cpu_s())
    command = [sys.executable, "-m", "bench.https", str(secure), str(ca), str(seconds)]
    done = subprocess.run(
        machine.pinned(command, server=False), capture_output=True, text=True, check=True, cwd=HERE.parent
    )
    cpu.append(server.cpu_s())
    shakes = int(done.stdout)
    https_us = (cpu[1] - cpu[0]) * 1e6 / max(1, https.requests)
    http_us = (cpu[2] - cpu[1]) * 1e6 / max(1, http.requests)
    return {
        "https": https.requests_per_s,
        "http": http.requests_per_s,
        "https_us": https_us,
        "http_us": http_us,
        "kept": http_us / https_us if https_us else 0.0,
        "shake_us": (cpu[3] - cpu[2]) * 1e6 / max(1, shakes),
    }


def handshakes(port: int, ca: str, seconds: float) -> int:
    """Connect, ask, leave, for so many seconds; how often."""
    import trio

    context = ssl.create_default_context(cafile=ca)
    done = 0

    async def visit() -> None:
        nonlocal done
        while True:
            raw = await trio.open_tcp_stream("127.0.0.1", port)
            stream = trio.SSLStream(raw, context, server_hostname="localhost", https_compatible=True)
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            while await stream.receive_some():
                pass
            done += 1
            await trio.aclose_forcefully(stream)

    async def main() -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                for _ in range(16):
                    nursery.start_soon(visit)

    trio.run(main)
    return done


if __name__ == "__main__":
    print(handshakes(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
