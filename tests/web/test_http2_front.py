"""What stands before apps stands before those asked by HTTP/2 too: trusted proxies, rates, body sizes, compression."""

from __future__ import annotations

from pathlib import Path

import brotli

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.web.compression import CompressionSettings, Compressor
from nano_trio.web.settings import Limits
from tests.web.apps import App, echo_app
from tests.web.http2_client import h2_connected
from tests.web.secure import secured
from tests.web.test_body_limit import limited

BODY = b"all work and no play makes jack a dull boy\n" * 100


async def test_without_trust_such_headers_never_reach_an_app(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get("/x", ("x-forwarded-for", "9.9.9.9"), ("forwarded", "for=9.9.9.9;host=evil"))
        assert answer.text == "GET https://app/x "
        assert [name for name, _ in app.requests[0].headers if "forwarded" in name] == []
        assert app.requests[0].remote_address == "127.0.0.1"


async def test_behind_a_trusted_proxy(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path, trusted_proxies=["loopback"]) as server, h2_connected(server) as client:
        sent = [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "http")]
        assert (await client.get("/x", *sent)).text == "GET http://app/x "
        assert app.requests[0].remote_address == "9.9.9.9"
        assert dict(app.requests[0].headers)["x-forwarded-for"] == "9.9.9.9"
        assert (await client.get("/y")).text == "GET https://app/y "
        assert app.requests[1].remote_address == "127.0.0.1"


async def test_rates(tmp_path: Path) -> None:
    limits = Limits(requests_per_s=0.001, request_burst=2)
    async with secured(echo_app(), tmp_path, limits=limits) as server, h2_connected(server) as client:
        answers = [await client.get() for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert int(answers[2]["retry-after"]) > 100


async def test_body_sizes(tmp_path: Path) -> None:
    async with secured(limited(10), tmp_path) as server, h2_connected(server) as client:
        for size, status in ((10, 200), (11, 413)):
            number = await client.begin("/", method="POST", end=False)
            await client.data(number, bytes(size), end=True)
            assert (await client.over(number)).status == status


async def test_compression(tmp_path: Path) -> None:
    app = App(lambda request: OutgoingResponse(200, "", [("content-type", "text/plain")], BODY))
    compression = Compressor(CompressionSettings(encodings=("br",)))
    async with secured(app, tmp_path, compression=compression) as server, h2_connected(server) as client:
        answer = await client.get("/", ("accept-encoding", "br"))
        assert (answer["content-encoding"], answer["vary"]) == ("br", "accept-encoding")
        assert brotli.decompress(answer.body) == BODY
        assert (await client.get()).body == BODY
