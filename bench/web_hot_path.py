"""How many hello requests a second ``web`` serves when the app costs nothing.

Serves a constant response and loads it with wrk (a small raw-socket client where wrk is missing)::

    python bench/web_hot_path.py [--http h11] [--connections 32] [--seconds 5] [--vary] [--pin] [--profile]

``--vary`` gives every request its own path
and so defeats the memo of equal heads. Prints requests/s, latencies (wrk) and the server's CPU time per request.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import os
import pstats
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Connection

import trio

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web.router import Route, Router
from nano_trio.web.server import serve
from nano_trio.web.settings import ServerSettings


class Constant:
    """An exchange that is answered before anyone asks."""

    def __init__(self, response: OutgoingResponse) -> None:
        self.response: OutgoingResponse | None = response

    async def wait(self) -> OutgoingResponse:
        assert self.response is not None
        return self.response

    def disconnect(self, reason: str) -> None: ...

    def finish(self) -> None: ...


class Hello:
    """The app."""

    name = "hello"

    def __init__(self) -> None:
        self.served = 0

    def begin(self, request: IncomingRequest) -> Constant:
        self.served += 1
        return Constant(OutgoingResponse(200, "", [("content-type", "text/plain;charset=UTF-8")], b"hello"))


def run_server(arguments: argparse.Namespace, report: Connection) -> None:
    """The server process: serves until SIGTERM, then reports requests and CPU seconds."""
    if arguments.pin:
        pin(0)
    app = Hello()

    async def main() -> None:
        settings = ServerSettings(host="127.0.0.1", port=0, http=arguments.http)
        async with trio.open_nursery() as nursery:
            server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
            report.send(server.port)
            with trio.open_signal_receiver(signal.SIGTERM) as signals:
                async for _ in signals:
                    break
            await server.drain(1)

    profiler = cProfile.Profile() if arguments.profile else None
    if profiler is not None:
        profiler.runcall(trio.run, main)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)
    else:
        trio.run(main)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    report.send((app.served, usage.ru_utime + usage.ru_stime))


def pin(core: int) -> None:
    """Keep this process on one core, if there are several."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core % len(cores)]})


def load_with_wrk(port: int, arguments: argparse.Namespace) -> None:
    command = ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if arguments.vary:
            script.write(
                "local n = 0\n"
                "request = function() n = n + 1; return wrk.format('GET', '/path/' .. n .. '?q=' .. n) end\n"
            )
            script.flush()
            command += ["-s", script.name]
        subprocess.run([*command, f"http://127.0.0.1:{port}/"], check=True, preexec_fn=lambda: arguments.pin and pin(1))


def load_with_sockets(port: int, arguments: argparse.Namespace) -> None:
    request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    counts = [0] * arguments.connections
    end = time.perf_counter() + arguments.seconds

    def client(index: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            while time.perf_counter() < end:
                sock.sendall(request)
                sock.recv(4096)
                counts[index] += 1

    threads = [threading.Thread(target=client, args=(index,)) for index in range(arguments.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"Requests/sec: {sum(counts) / arguments.seconds:.0f} (Python client: it is the limit)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--http", choices=["httptools", "h11"], default="httptools")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--vary", action="store_true", help="a new path for every request")
    parser.add_argument("--pin", action="store_true", help="server and client on a core each (for a quiet machine)")
    parser.add_argument("--profile", action="store_true", help="profile the server (slows it down)")
    arguments = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("fork").Process(target=run_server, args=(arguments, there))
    server.start()
    try:
        port = here.recv()
        (load_with_wrk if shutil.which("wrk") else load_with_sockets)(port, arguments)
    finally:
        server.terminate()
        served, cpu = here.recv()
        server.join()
    print(f"server: {served} requests, {cpu:.2f} s of CPU, {cpu / max(served, 1) * 1e6:.1f} us each", file=sys.stderr)


if __name__ == "__main__":
    main()
