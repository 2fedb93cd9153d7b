"""Time-outs, on a clock that the test moves."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web.connection import Connection
from tests.web.apps import App, Stream, connected, echo_app, gone, let, running, text


async def test_an_idle_connection_is_closed_after_75_s(mock_clock: trio.testing.MockClock) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        assert (await client.get()).status == 200
        await let(mock_clock, 70)
        assert (await client.get()).status == 200
        await let(mock_clock, 70)
        assert server.connections == 1
        await let(mock_clock, 8)
        assert server.connections == 0
        assert await client.closed()


async def test_one_whose_last_request_came_in_two_parts_is_as_idle(mock_clock: trio.testing.MockClock) -> None:
    """It is in the midst of no request, and so told nothing."""

    async def later() -> OutgoingResponse:
        return text("later")

    async with running(App(lambda request: later)) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        await let(mock_clock, 1)
        await client.send(b"cde")
        assert (await client.reply()).text == "later"
        await let(mock_clock, 78)
        assert server.connections == 0
        assert await client.rest() == b""


async def test_a_connection_that_never_sends_is_closed(mock_clock: trio.testing.MockClock) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        await let(mock_clock, 77)
        assert await client.closed()


@pytest.mark.parametrize(
    "part",
    [
        b"G",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
    ],
    ids=["first byte", "headers", "small body"],
)
async def test_half_a_request_is_answered_408(mock_clock: trio.testing.MockClock, http: str, part: bytes) -> None:
    async with running(echo_app(), http=http) as server, connected(server) as client:
        await client.send(part)
        await let(mock_clock, 28)
        assert server.connections == 1
        await let(mock_clock, 4)
        reply = await client.reply()
        assert (reply.status, reply["connection"]) == (408, "close")
        assert await client.closed()


async def test_trickling_bytes_does_not_buy_time(mock_clock: trio.testing.MockClock) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(31):
            await client.send(b"X: y\r\n")
            await let(mock_clock, 1)
        assert (await client.reply()).status == 408


async def test_a_lingering_connection_is_given_two_seconds(mock_clock: trio.testing.MockClock) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        await client.send(b"rubbish\r\n\r\n")
        assert (await client.reply()).status == 400
        assert server.connections == 1
        await let(mock_clock, 4)
        assert server.connections == 0


async def test_who_was_told_408_is_not_told_twice(mock_clock: trio.testing.MockClock) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\n")
        await let(mock_clock, 31)
        assert (await client.reply()).status == 408
        assert server.connections == 1
        await let(mock_clock, 4)
        assert server.connections == 0
        assert await client.rest() == b""


async def test_a_long_wait_for_the_app_is_no_stall(mock_clock: trio.testing.MockClock) -> None:
    async def slow() -> OutgoingResponse:
        await trio.sleep(500)
        return text("at last")

    async with running(App(lambda request: slow)) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await let(mock_clock, 502)
        assert (await client.reply()).text == "at last"


async def test_nor_is_one_after_a_body_that_was_awaited(mock_clock: trio.testing.MockClock) -> None:
    def handler(request: IncomingRequest) -> object:
        async def slow() -> OutgoingResponse:
            assert request.body is not None
            assert not isinstance(request.body, bytes)
            size = 0
            while piece := await request.body.receive():
                size += len(piece)
            await trio.sleep(500)
            return text(f"{size} at last")

        return slow

    async with running(App(handler)) as server, connected(server) as client:  # type: ignore[arg-type]
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        await let(mock_clock, 50)
        await client.send(bytes(99_997))
        await let(mock_clock, 502)
        assert (await client.reply()).text == "100000 at last"


async def test_a_client_that_takes_nothing_is_cut_off(mock_clock: trio.testing.MockClock) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    streams: list[Stream] = []

    def handler(request: IncomingRequest) -> OutgoingResponse:
        streams.append(Stream(endless()))
        return OutgoingResponse(200, "", [], streams[-1])

    app = App(handler)
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await let(mock_clock, 58)
        assert server.connections == 1
        await let(mock_clock, 5)
        assert server.connections == 0
        assert streams[0].cancelled
        assert app.exchanges[0].left == ["the client stalled"]


async def test_a_client_that_stops_in_the_middle_of_its_body_is_cut_off(mock_clock: trio.testing.MockClock) -> None:
    seen: list[str] = []

    async with trio.open_nursery() as nursery:

        async def pull(request: IncomingRequest) -> None:
            assert request.body is not None
            assert not isinstance(request.body, bytes)
            try:
                while await request.body.receive():
                    pass
            except BodyBroken as error:
                seen.append(str(error))

        async def never() -> OutgoingResponse:
            await trio.sleep_forever()
            raise AssertionError

        def handler(request: IncomingRequest) -> object:
            nursery.start_soon(pull, request)
            return never

        async with running(App(handler)) as server, connected(server) as client:  # type: ignore[arg-type]
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
            await let(mock_clock, 63)
            assert server.connections == 0
        assert seen == ["the client stalled"]


async def test_a_connection_whose_deadline_was_looked_at_is_not_kept(mock_clock: trio.testing.MockClock) -> None:
    """Not even by the sweeper, which has no other to look at."""
    gc.collect()
    gc.disable()
    try:
        async with running(echo_app()) as server:
            async with connected(server) as client:
                assert (await client.get()).status == 200
                await let(mock_clock, 2)
            await gone(server)
            await trio.testing.wait_all_tasks_blocked()
            assert not [thing for thing in gc.get_objects() if type(thing) is Connection]
    finally:
        gc.enable()
