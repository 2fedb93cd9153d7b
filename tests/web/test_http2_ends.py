"""HTTP/2: how streams and connections end: resets, clients that leave, draining."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from tests.web.apps import App, Pausing, Stream, echo_app, gone, let, text
from tests.web.http2_client import h2_connected, raw
from tests.web.secure import secured

# ---- ends ----


async def test_a_reset_aborts_one_request_alone(tmp_path: Path) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        first, second = await client.begin("/1"), await client.begin("/2")
        await client.ping()
        await client.reset(first)
        await app.exchanges[0].disconnected.wait()
        assert app.exchanges[0].left == ["the client reset the stream"]
        assert (await client.get("/quick")).text == "quick"
        assert not app.exchanges[1].left
        pausing.proceed.set()
        assert (await client.over(second)).text == "finished"
        assert not client.answer(first).headers
        assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


async def test_a_reset_ends_a_body_and_a_stream(tmp_path: Path) -> None:
    broken: list[str] = []

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        body = incoming.body
        if body is None or isinstance(body, bytes):
            return text("fine")

        async def chunks() -> AsyncIterator[bytes]:
            try:
                while piece := await body.receive():
                    yield piece
            except BodyBroken as error:
                broken.append(str(error))

        return OutgoingResponse(200, "", [], Stream(chunks()))

    app = App(handler)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin(method="POST", end=False)
        await client.data(number, b"ping")
        await client.until(lambda: client.answer(number).body == b"ping")
        await client.reset(number)
        await app.exchanges[0].disconnected.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert app.exchanges[0].finished == 1
        assert broken == ["the client reset the stream"]
        assert (await client.get()).text == "fine"


@pytest.mark.parametrize("how", ["close_notify", "end of file", "reset"])
async def test_the_client_leaves_with_requests_in_flight(tmp_path: Path, how: str) -> None:
    app = App(lambda incoming: trio.sleep_forever)  # type: ignore[arg-type,return-value]
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        for _ in range(3):
            await client.begin()
        await client.ping()
        assert isinstance(client.stream, trio.SSLStream)
        transport = client.stream.transport_stream
        assert isinstance(transport, trio.SocketStream)
        with trio.fail_after(5):
            if how == "close_notify":
                await client.stream.aclose()
            elif how == "end of file":
                await transport.send_eof()
            else:
                transport.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER
                transport.socket.close()
            for exchange in app.exchanges:
                await exchange.disconnected.wait()
        await gone(server)
        assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


# ---- draining ----


async def test_draining_finishes_what_has_begun(tmp_path: Path) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        slow = await client.begin("/slow")
        await client.ping()
        nursery.start_soon(server.drain)
        first = await client.goaway()
        assert (first.last_stream_id, first.error_code) == (2**31 - 1, 0)
        await client.until(lambda: len(client.goaways) == 2)
        assert client.goaways[1].last_stream_id == slow
        late = await client.begin("/late")
        assert (await client.over(late)).reset is ErrorCodes.REFUSED_STREAM
        pausing.proceed.set()
        assert (await client.over(slow)).text == "finished"
        assert not await client.more()
        await client.stream.aclose()
    assert len(app.requests) == 1


async def test_what_begins_before_the_client_knows_is_served(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(server.drain)
        await trio.testing.wait_all_tasks_blocked(0.01)
        number = await client.begin("/raced")  # sent before the GOAWAY is read
        assert (await client.over(number)).text == "GET https://app/raced "
        while await client.more():
            pass
        assert client.goaways[-1].last_stream_id == number
        await client.stream.aclose()


async def test_a_client_that_answers_no_ping_is_let_go(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(server.drain, 1000.0)
        await let(mock_clock, 4)
        assert server.connections == 0
        await client.ended(ErrorCodes.NO_ERROR)
        assert [frame.last_stream_id for frame in client.goaways] == [2**31 - 1, 0]


async def test_requests_that_do_not_end_are_aborted_at_the_drain_deadline(tmp_path: Path) -> None:
    app = App(lambda incoming: trio.sleep_forever)  # type: ignore[arg-type,return-value]
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.begin()
        await client.ping()
        await server.drain(0.05)
        await app.exchanges[0].disconnected.wait()
        await gone(server)
        assert app.exchanges[0].finished == 1


async def test_streams_go_on_in_both_directions_after_goaway(tmp_path: Path) -> None:
    """And a PING is answered. When they are over the connection ends, with close_notify."""
    async with (
        secured(App(_upper), tmp_path) as server,
        h2_connected(server) as client,
        trio.open_nursery() as nursery,
    ):
        numbers = [await client.begin(method="POST", end=False) for _ in range(2)]
        for number in numbers:
            await client.data(number, b"before ")
            await client.until(lambda number=number: client.answer(number).text == "BEFORE ")
        nursery.start_soon(server.drain)
        await client.until(lambda: len(client.goaways) == 2)
        await client.ping()
        for number in numbers:
            await client.data(number, b"after ")
            await client.until(lambda number=number: client.answer(number).text == "BEFORE AFTER ")
        await client.ping()
        for number in numbers:
            await client.data(number, b"end", end=True)
            assert (await client.over(number)).text == "BEFORE AFTER END"
        assert not await client.more()
        assert [frame.last_stream_id for frame in client.goaways] == [2**31 - 1, numbers[-1]]
        await client.stream.aclose()


def _upper(incoming: IncomingRequest) -> OutgoingResponse:
    body = incoming.body
    assert body is not None
    assert not isinstance(body, bytes)

    async def chunks() -> AsyncIterator[bytes]:
        while piece := await body.receive():
            yield piece.upper()

    return OutgoingResponse(200, "", [], Stream(chunks()))


async def test_an_upload_that_nobody_reads_may_end_after_goaway(tmp_path: Path) -> None:
    """A client that sends all of its request before it reads the answer finds nothing broken."""
    size = 3_000_000
    async with secured(App(lambda incoming: text("enough")), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/", ("content-length", str(size)), method="POST", end=False)
        assert (await client.over(number)).text == "enough"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain)
            await client.until(lambda: len(client.goaways) == 2)
            for start in range(0, size, 10_000):
                await client.data(number, bytes(10_000), end=start + 10_000 == size)
            await client.ended(ErrorCodes.NO_ERROR)
            await client.stream.aclose()


async def test_goaway_never_promises_more_than_before(tmp_path: Path) -> None:
    pausing = Pausing()
    async with (
        secured(App(pausing), tmp_path) as server,
        h2_connected(server) as client,
        trio.open_nursery() as nursery,
    ):
        slow = await client.begin("/slow")
        await client.ping()
        nursery.start_soon(server.drain)
        await client.until(lambda: len(client.goaways) == 2)
        assert (await client.get("/late")).reset is ErrorCodes.REFUSED_STREAM
        await client.send(raw(0xA - 1, 0, slow))  # CONTINUATION of nothing
        await client.ended(ErrorCodes.PROTOCOL_ERROR)
        assert [frame.last_stream_id for frame in client.goaways] == [2**31 - 1, slow, slow]


async def test_what_an_app_says_of_its_connection_ends_none(tmp_path: Path) -> None:
    """One that is going away says ``Connection: close``; the connection carries the requests for others as well."""
    pausing = Pausing()

    def handler(incoming: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        return text("bye", 503, ("connection", "close")) if incoming.url.endswith("/bye") else pausing(incoming)

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        slow = await client.begin("/slow")
        answer = await client.get("/bye")
        assert (answer.status, "connection" in answer) == (503, False)
        await client.ping()
        pausing.proceed.set()
        assert (await client.over(slow)).text == "finished"
        assert (await client.get("/quick")).text == "quick"
        assert not client.goaways


async def test_a_client_that_says_goaway_gets_its_answers(tmp_path: Path) -> None:
    pausing = Pausing()
    async with secured(App(pausing), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        await client.send(goaway())
        await client.ping()
        pausing.proceed.set()
        assert (await client.over(number)).text == "finished"
        assert not await client.more()


def goaway() -> bytes:
    return GoAwayFrame(0, last_stream_id=0, error_code=0).serialize()
