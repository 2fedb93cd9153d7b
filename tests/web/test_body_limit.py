"""The size of request bodies, limited app by app: 413, however the body comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web.router import Route, Router
from tests.web.apps import App, connected, echo_app, read_body, running, text

LIMIT = 100_000


def limited(limit: int | None) -> App:
    """Reads the body whole and says how long it was; 500 where it breaks."""

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                return text(str(len(await read_body(request))))
            except BodyBroken as error:
                return text(str(error), 500)

        return answer

    app = App(handler)
    app.max_body = limit
    return app


def length(size: int) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)


def chunked(size: int) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (part, bytes(part)) for part in (size // 2, size - size // 2) if part)
    return b"POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("framed", [length, chunked])
@pytest.mark.parametrize(
    ("limit", "size", "status"),
    [
        (LIMIT, LIMIT, 200),
        (LIMIT, LIMIT + 1, 413),
        (LIMIT, 5 * LIMIT, 413),
        (1000, 1000, 200),
        (1000, 1001, 413),
        (0, 1, 413),
        (0, 0, 200),
        (None, 20 * LIMIT, 200),
    ],
)
async def test_bodies(http: str, framed: Callable[[int], bytes], limit: int | None, size: int, status: int) -> None:
    async with (
        running(limited(limit), http=http) as server,
        connected(server) as client,
        trio.open_nursery() as nursery,
    ):

        async def send() -> None:
            try:
                await client.send(framed(size))
            except trio.BrokenResourceError:
                assert status == 413

        nursery.start_soon(send)
        reply = await client.reply()
        assert reply.status == status, reply.text
        if status == 200:
            assert reply.text == str(size)


async def test_an_app_is_not_asked_where_the_length_says_enough() -> None:
    app = limited(10)
    async with running(app) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n")
        reply = await client.reply()
        assert (reply.status, reply["connection"], app.requests) == (413, "close", [])
        assert "10 bytes" in reply.text
        assert await client.closed()


async def test_each_app_has_its_own_limit() -> None:
    small, large = echo_app(), echo_app()
    small.max_body = 2
    router = Router([Route(small, ("small",)), Route(large, ("large",))])
    async with running(router) as server, connected(server) as client:
        for host, status in (("small", 413), ("large", 200)):
            await client.send(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc".encode())
            assert (await client.reply()).status == status
