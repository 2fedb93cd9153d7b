"""Streams in both directions: back-pressure, bounded memory, clients that leave, bodies that break."""

from __future__ import annotations

import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
import trio.testing

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web import request_body
from tests.web.apps import (
    CHUNK,
    App,
    Client,
    begun,
    connected,
    counting_app,
    gone,
    read_body,
    repeated,
    running,
    streaming,
    text,
)
from tests.web.test_direct_wait import Passes

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_stream_is_chunked_and_the_connection_goes_on() -> None:
    app, _ = streaming(repeated(3, b"abc"))
    async with running(app) as server, connected(server) as client:
        for _ in range(3):
            reply = await client.get()
            assert reply["transfer-encoding"] == "chunked"
            assert reply.body == b"abcabcabc"


async def test_the_head_leaves_before_the_first_chunk() -> None:
    proceed = trio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        await proceed.wait()
        yield b"late"

    app, _ = streaming(chunks)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        head = await client.head()
        assert head.status == 200
        proceed.set()
        assert await client.exactly(len(b"4\r\nlate\r\n0\r\n\r\n")) == b"4\r\nlate\r\n0\r\n\r\n"


async def test_a_client_that_does_not_read_stops_the_pulling() -> None:
    app, streams = streaming(repeated(10_000))
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await client.head()
        pulled = 0
        while streams[0].pulled != pulled:
            pulled = streams[0].pulled
            await trio.testing.wait_all_tasks_blocked(0.02)
        assert pulled < 500
        await client.exactly(5_000_000)
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert streams[0].pulled > pulled


@pytest.mark.parametrize("headers", [(), (("content-length", str(300 * len(CHUNK))),)], ids=["chunked", "length"])
async def test_a_large_download_takes_no_memory(headers: tuple[tuple[str, str], ...]) -> None:
    app, _ = streaming(repeated(300), *headers)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        head = await client.head()
        received = len(client.buffer)
        tracemalloc.start()
        while received < 300 * len(CHUNK):
            received += len(await client.stream.receive_some(65536))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert ("content-length" in head) == bool(headers)
        assert peak < 1_500_000


async def test_a_large_upload_takes_no_memory(http: str) -> None:
    size = 30 * 1024 * 1024
    async with (
        running(counting_app(), http=http) as server,
        connected(server) as client,
        trio.open_nursery() as nursery,
    ):
        tracemalloc.start()
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)

        async def upload() -> None:
            for _ in range(size // len(CHUNK)):
                await client.send(CHUNK)

        nursery.start_soon(upload)
        assert (await client.reply()).text == f"{size} {size}"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 3_000_000


async def test_chunks_of_one_octet_are_cut_a_few_hundred_at_a_time(http: str) -> None:
    """All that is here would take a tenth of a second, in which nobody is served."""
    pieces: list[int] = []

    def measure(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            assert request.body is not None
            assert not isinstance(request.body, bytes)
            while piece := await request.body.receive():
                pieces.append(len(piece))
            return text(str(sum(pieces)))

        return answer

    async with running(App(measure), http=http) as server, connected(server) as client:
        chunks = b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n"
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert (await client.reply()).text == "40000"
    assert max(pieces) <= 512


async def test_an_app_that_does_not_pull_stops_the_upload() -> None:
    async def never() -> OutgoingResponse:
        await trio.sleep_forever()
        raise AssertionError

    async with running(App(lambda request: never)) as server, connected(server) as client:
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n")
        sent = 0
        with trio.move_on_after(0.3):
            while sent < 100_000_000:
                await client.send(CHUNK)
                sent += len(CHUNK)
        assert sent < 20_000_000


async def test_an_echo_streams_both_ways_at_once() -> None:
    def handler(request: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(200, "", [], Echo(request))

    async with running(App(handler)) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.head()
        for word in (b"one", b"two2", b"three"):
            await client.send(b"%x\r\n%b\r\n" % (len(word), word))
            expected = b"%x\r\n%b\r\n" % (len(word), word)
            assert await client.exactly(len(expected)) == expected
        await client.send(b"0\r\n\r\n" + GET.replace(b"GET", b"HEAD"))
        assert await client.exactly(5) == b"0\r\n\r\n"
        assert (await client.head()).status == 200


class Echo:
    """A response stream that is the request's body."""

    def __init__(self, request: IncomingRequest) -> None:
        self._body = request.body

    async def receive(self) -> bytes:
        if self._body is None or isinstance(self._body, bytes):
            return b""
        return await self._body.receive()

    def cancel(self, reason: str) -> None:
        pass


@pytest.mark.parametrize("failure", [BodyBroken("the stream failed"), RuntimeError("a bug")])
async def test_a_stream_that_breaks_has_no_clean_end(failure: Exception) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        raise failure

    app, _ = streaming(chunks)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await client.head()
        assert await client.rest() == b"3\r\nabc\r\n"
        assert app.exchanges[0].finished == 1


async def test_a_stream_that_breaks_in_http_1_0_resets() -> None:
    proceed = trio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        await proceed.wait()
        raise BodyBroken("the stream failed")

    app, _ = streaming(chunks)
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        await client.head()
        assert await client.exactly(3) == b"abc"
        proceed.set()
        with pytest.raises(trio.BrokenResourceError):
            await client.rest()


@pytest.mark.parametrize(("length", "seen"), [("5", b"abc"), ("2", b"")], ids=["too few bytes", "too many"])
async def test_a_promised_length_is_enforced(length: str, seen: bytes) -> None:
    app, _ = streaming(repeated(1, b"abc"), ("content-length", length))
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        assert (await client.head())["content-length"] == length
        try:
            assert await client.rest() == seen
        except trio.BrokenResourceError:
            assert length == "2"


@pytest.mark.parametrize("value", ["-1", "3, 4", "abc", ""])
async def test_an_invalid_promised_length_is_ignored(value: str) -> None:
    app, _ = streaming(repeated(1, b"abc"), ("content-length", value))
    async with running(app) as server, connected(server) as client:
        reply = await client.get()
        assert (reply["transfer-encoding"], reply.body) == ("chunked", b"abc")
        assert "content-length" not in reply


async def leave(client: Client, how: str) -> None:
    if how == "reset":
        client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await client.stream.aclose()


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_while_its_head_is_awaited(how: str) -> None:
    cancelled = trio.Event()

    async def never() -> OutgoingResponse:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()
        raise AssertionError

    app = App(lambda request: never)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await begun(app)
        await leave(client, how)
        with trio.fail_after(5):
            await app.exchanges[0].disconnected.wait()
            await cancelled.wait()
        await gone(server)
        assert app.exchanges[0].finished == 1


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_with_pipelined_requests_behind(how: str) -> None:
    async def never() -> OutgoingResponse:
        await trio.sleep_forever()
        raise AssertionError

    app = App(lambda request: never)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await begun(app)
        await client.send(GET * 1000)
        await trio.testing.wait_all_tasks_blocked()
        await leave(client, how)
        with trio.fail_after(5):
            await app.exchanges[0].disconnected.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert len(app.exchanges) == 1


async def test_pipelined_bytes_wait_in_the_kernel_while_a_request_is_served() -> None:
    async def never() -> OutgoingResponse:
        await trio.sleep_forever()
        raise AssertionError

    app = App(lambda request: never)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await begun(app)
        sent = 0
        with trio.move_on_after(0.3):
            while sent < 100_000_000:
                await client.send(GET * 1000)
                sent += 1000 * len(GET)
        assert sent < 20_000_000


async def test_a_client_that_leaves_while_a_stream_waits() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        await trio.sleep_forever()

    app, streams = streaming(chunks)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await client.head()
        await client.exactly(len(b"3\r\nabc\r\n"))
        await client.stream.aclose()
        with trio.fail_after(5):
            await app.exchanges[0].disconnected.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert streams[0].cancelled
        assert app.exchanges[0].finished == 1


async def test_a_client_that_leaves_while_the_socket_is_full() -> None:
    app, streams = streaming(repeated(10_000))
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await client.head()
        await trio.testing.wait_all_tasks_blocked()
        await client.stream.aclose()
        with trio.fail_after(5):
            await app.exchanges[0].disconnected.wait()
        assert streams[0].cancelled


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_client_that_leaves_in_the_middle_of_its_body(how: str) -> None:
    seen: list[BaseException] = []
    left = trio.Event()

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                await read_body(request)
            except BaseException as error:
                seen.append(error)
                left.set()
                raise
            return text("never")

        return answer

    app = App(handler)
    async with running(app) as server, connected(server) as client:
        await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
        await begun(app)
        await leave(client, how)
        with trio.fail_after(5):
            await left.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert app.exchanges[0].left
        assert isinstance(seen[0], (BodyBroken, trio.Cancelled))


async def test_a_body_pulled_after_the_answer_is_broken() -> None:
    outcome: list[str] = []

    async with trio.open_nursery() as nursery:

        async def pull(request: IncomingRequest) -> None:
            try:
                await read_body(request)
            except BodyBroken as error:
                outcome.append(str(error))

        def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
            async def answer() -> OutgoingResponse:
                nursery.start_soon(pull, request)
                await trio.testing.wait_all_tasks_blocked()
                return text("early")

            return answer

        async with running(App(handler)) as server, connected(server) as client:
            await client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
            assert (await client.reply()).text == "early"
            assert await client.closed()
    assert outcome == ["the response is complete"]


async def test_a_stream_alone_costs_hardly_any_passes_of_the_loop(mock_clock: trio.testing.MockClock) -> None:
    passes, ended = Passes(), trio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        trio.lowlevel.add_instrument(passes)
        for _ in range(200):
            yield b"x"
        trio.lowlevel.remove_instrument(passes)
        ended.set()

    app, _ = streaming(chunks)
    async with running(app) as server, connected(server) as client:
        await client.send(GET)
        await ended.wait()
    assert passes.count < 100


async def test_a_body_that_is_read_alone_costs_hardly_any_passes_of_the_loop(
    mock_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "_RECEIVE", 1000)
    passes = Passes()

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            assert isinstance(request.body, request_body.WireBody)
            total = len(await request.body.receive())
            trio.lowlevel.add_instrument(passes)
            total += len(await read_body(request))
            trio.lowlevel.remove_instrument(passes)
            return text(str(total))

        return answer

    async with running(App(handler)) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        await client.send(bytes(200_000))
        assert (await client.reply()).body == b"200000"
    assert passes.count < 100
