"""KeyUpdates of TLS 1.3, with OpenSSL's own client: Python's ssl sends none."""

from __future__ import annotations

import functools
from pathlib import Path
from subprocess import PIPE

import trio

from nano_trio.web.server import Server
from tests.web.apps import echo_app
from tests.web.secure import encrypted, port_of, secured

FLOOD = 2500


async def updated(server: Server, count: int, request: bytes = b"") -> tuple[int, bytes]:
    """Have a client send so many KeyUpdates that ask for one back, each but the last followed by a request of one
    line. How many it came to before the server closed, and what came back."""
    client = ["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(server)}", "-servername", "localhost", "-tls1_3"]
    run = functools.partial(trio.run_process, client, stdin=PIPE, stdout=PIPE, stderr=PIPE, check=False)
    told, answered, done = b"", b"", 0
    async with trio.open_nursery() as nursery:
        process = await nursery.start(run)
        for number in range(count):
            try:
                await process.stdin.send_all(b"K\n")
                while told.count(b"KEYUPDATE") <= number:
                    part = await process.stderr.receive_some()
                    if not part:
                        raise trio.BrokenResourceError
                    told += part
                done += 1
                if request:
                    await process.stdin.send_all(request)
                    while answered.count(b"HTTP/1.1 200 OK") < done:
                        part = await process.stdout.receive_some()
                        assert part
                        answered += part
            except trio.BrokenResourceError:
                break
        nursery.cancel_scope.cancel()
    return done, answered


async def test_a_flood_is_cut_off(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server:
        with trio.fail_after(60):
            done, _ = await updated(server, FLOOD)
        assert 1000 < done < FLOOD
        async with encrypted(server) as good:
            assert (await good.get()).status == 200


async def test_updates_among_requests_are_served(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server:
        with trio.fail_after(60):
            done, _ = await updated(server, 100, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert done == len(app.requests) == 100
