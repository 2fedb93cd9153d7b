"""HTTP/2: bodies of requests and responses, and the windows that bound them."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web import http2_unwanted
from nano_trio.web.settings import Limits
from tests.web.apps import App, Stream, echo_app, holding, read_body, repeated, streaming, text
from tests.web.http2_client import client_settings, h2_connected
from tests.web.secure import secured

# ---- bodies of requests ----


async def test_trailers_are_tolerated(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        for more in [(), (("content-length", "4"),)]:
            number = await client.begin("/", *more, method="POST", end=False)
            await client.data(number, b"body")
            await client.send(client.headers(number, [("x-checksum", "1")]))
            assert (await client.over(number)).text == "POST https://app/ body"


@pytest.mark.parametrize("size", [10, 100_000])
async def test_expect_continue(tmp_path: Path, size: int) -> None:
    read = trio.Event()

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            await read.wait()
            return text(f"got {len(await read_body(incoming))}")

        return answer

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        expect = ("expect", "100-continue"), ("content-length", str(size))
        number = await client.begin("/", *expect, method="POST", end=False)
        await client.ping()
        assert client.answer(number).informed == []
        read.set()
        await client.until(lambda: client.answer(number).informed == [100])
        for start in range(0, size, 10_000):
            await client.data(number, bytes(min(10_000, size - start)), end=start + 10_000 >= size)
        answer = await client.over(number)
        assert (answer.text, answer.informed) == (f"got {size}", [100])


async def test_a_bearable_body_that_nobody_reads_is_let_in_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_unwanted, "_PATIENCE_S", 600.0)
    app = App(lambda incoming: text("no", 403))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        size = 3_000_000
        number = await client.begin("/", ("content-length", str(size)), method="POST", end=False)
        answer = await client.over(number)
        # What it was allowed until now suffices: it need read nothing more.
        for start in range(0, size, 10_000):
            await client.data(number, bytes(10_000), end=start + 10_000 >= size)
        assert (await client.get()).status == 403
        assert (answer.status, answer.ended, answer.reset) == (403, True, None)


async def test_an_answer_before_the_body_needs_no_continue(tmp_path: Path) -> None:
    app = App(lambda incoming: text("no", 403))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/", ("expect", "100-continue"), method="POST", end=False)
        answer = await client.over(number)
        assert (answer.status, answer.informed) == (403, [])
        await client.until(lambda: answer.reset is not None)
        assert (answer.ended, answer.reset) == (True, ErrorCodes.NO_ERROR)
        await client.data(number, bytes(1000))  # was on its way
        assert (await client.get()).status == 403


async def test_what_no_app_reads_holds_up_nothing_else(tmp_path: Path) -> None:
    app, events = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        full = [await client.begin(f"/{which}", method="POST", end=False) for which in range(20)]
        for number in full:
            for _ in range(3):
                await client.data(number, bytes(16384))
            await client.data(number, bytes(65535 - 3 * 16384))
        await client.ping()
        assert all(number not in client.credit for number in full), "a window was opened that no app asked for"
        # 1.3 MB lie unread, more than the connection's window: another stream's megabytes pass them all the same.
        number = await client.begin("/reads", method="POST", end=False)
        await client.ping()
        events["reads"].set()
        left, window, sent = 3_000_000, 65535, 0
        spent = 20 * 65535
        while left:
            size = min(16384, left, window + client.credit.get(number, 0) - sent)
            size = min(size, client.credit[0] + 65535 - spent)
            if size <= 0:
                assert await client.more()
                continue
            left, sent, spent = left - size, sent + size, spent + size
            await client.data(number, bytes(size), end=not left)
        assert (await client.over(number)).text == "3000000"
        events["7"].set()
        await client.until(lambda: client.credit.get(full[7], 0) > 0)
        await client.data(full[7], bytes(1000), end=True)
        assert (await client.over(full[7])).text == str(65535 + 1000)


async def test_who_reads_has_a_large_window_and_small_pieces(tmp_path: Path) -> None:
    """The first of a connection's streams has half of what windows may grow by, the next half of the rest. When they
    are over it is there again."""
    pieces: dict[str, list[bytes]] = {}
    proceed: dict[str, trio.Event] = {}

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        assert incoming.body is not None
        assert not isinstance(incoming.body, bytes)
        body, name = incoming.body, incoming.url.rpartition("/")[2]
        seen, go_on = pieces.setdefault(name, []), proceed.setdefault(name, trio.Event())

        async def answer() -> OutgoingResponse:
            seen.append(await body.receive())
            await go_on.wait()
            while piece := await body.receive():
                seen.append(piece)
            return text(str(sum(map(len, seen))))

        return answer

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        for time in range(2):
            numbers: list[int] = []
            for count in range(7):
                number = await client.begin(f"/{time}-{count}", method="POST", end=False)
                numbers.append(number)
                # One by one: which reads first of those that arrive together is left to Trio.
                if count < 5:
                    await client.until(lambda number=number: number in client.credit)
                await client.ping()
            grown = [client.credit.get(number, 0) for number in numbers]
            assert grown == [1 << 20, 1 << 19, 1 << 18, 1 << 17, 1 << 16, 0, 0]
            first = numbers[0]
            content = bytes(range(256)) * 4096
            for at in range(0, len(content), 16_384):
                await client.data(first, content[at : at + 16_384])
            await client.ping()
            for number in numbers:
                await client.data(number, b"end", end=True)
            for event in proceed.values():
                event.set()
            assert (await client.over(first)).text == str((1 << 20) + 3)
            for number in numbers[1:]:
                assert (await client.over(number)).text == "3"
            assert b"".join(pieces[f"{time}-0"]) == content + b"end"
            assert max(map(len, pieces[f"{time}-0"])) == 256 * 1024


async def test_a_client_that_ignores_the_window_is_cut_off(tmp_path: Path) -> None:
    app, _ = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/x", method="POST", end=False)
        for _ in range(4):  # one octet too many
            await client.data(number, bytes(16384))
        await client.ended(ErrorCodes.FLOW_CONTROL_ERROR)
        await app.exchanges[0].disconnected.wait()
        assert len(app.exchanges[0].left) == 1, "the app was not told once that its client is gone"


async def test_unread_bodies_take_their_bytes_and_no_more(tmp_path: Path) -> None:
    """One octet a frame must not cost an object each."""
    app, _ = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        numbers = [await client.begin(f"/{which}", method="POST", end=False) for which in range(10)]
        await client.ping()
        tracemalloc.start()
        for number in numbers:
            await client.send(*[raw_data(number, b"xy") for _ in range(500)])
        await client.ping()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 500_000


def raw_data(number: int, data: bytes) -> bytes:
    return DataFrame(number, data=data).serialize()


async def test_a_body_larger_than_the_limit(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path, limits=Limits(body=1000)) as server, h2_connected(server) as client:
        number = await client.begin("/", ("content-length", "1001"), method="POST", end=False)
        assert (await client.over(number)).status == 413


async def test_a_body_that_grows_beyond_the_limit(tmp_path: Path) -> None:
    seen: list[str] = []

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                await read_body(incoming)
            except BodyBroken as error:
                seen.append(str(error))
                return text("broken", 500)
            return text("whole")

        return answer

    limits = Limits(body=1000)
    async with secured(App(handler), tmp_path, limits=limits) as server, h2_connected(server) as client:
        number = await client.begin("/", method="POST", end=False)
        await client.data(number, bytes(600))
        await client.data(number, bytes(600))
        assert (await client.over(number)).status == 413
        assert seen == ["malformed request body: request body too large"]
        assert (await client.get(method="POST")).text == "whole"


# ---- bodies of responses ----


@pytest.mark.parametrize("late", [False, True])
async def test_a_head_does_not_wait_for_content(tmp_path: Path, late: bool) -> None:
    """Events of which the first comes in an hour: where the app took a moment to answer, nothing was sent until then."""
    decide, proceed = trio.Event(), trio.Event()

    async def events() -> AsyncIterator[bytes]:
        await proceed.wait()
        yield b"event"

    async def decided() -> OutgoingResponse:
        await decide.wait()
        return OutgoingResponse(200, "", [], Stream(events()))

    app = App(lambda incoming: decided if late else OutgoingResponse(200, "", [], Stream(events())))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        if late:
            await client.ping()
        decide.set()
        with trio.fail_after(30):
            await client.until(lambda: client.answer(number).status == 200)
        assert client.answer(number).text == ""
        proceed.set()
        assert (await client.over(number)).text == "event"


async def test_a_large_download_takes_no_memory(tmp_path: Path) -> None:
    app, _ = streaming(repeated(300))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        answer = client.answer(number)
        await client.until(lambda: bool(answer.headers))
        total = 0
        tracemalloc.start()
        while not answer.ended:
            await client.more()
            total += len(answer.body)
            answer.body = b""
            client.frames.clear()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == 300 * 65536
        assert peak < 4_000_000


async def test_content_as_bytes_is_sent_as_the_window_opens(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    app = App(lambda incoming: OutgoingResponse(200, "", [], content))
    async with secured(app, tmp_path) as server, h2_connected(server, windows=False) as client:
        number = await client.begin()
        answer = client.answer(number)
        await client.until(lambda: len(answer.body) == 65535)
        await client.open_window(0, 1000)
        await client.ping()
        assert len(answer.body) == 65535, "the stream's window was ignored"
        await client.open_window(number, 500)
        await client.ping()
        assert len(answer.body) == 65535 + 500
        await client.open_window(number, 1_000_000)
        await client.ping()
        assert len(answer.body) == 65535 + 1000, "the connection's window was ignored"
        await client.open_window(0, 1_000_000)
        assert (await client.over(number)).body == content


async def test_a_stream_without_a_window_pulls_nothing_and_stops_nobody(tmp_path: Path) -> None:
    app, streams = streaming(repeated(1000))
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client,
    ):
        stalled = await client.begin("/stalled")
        await client.open_window(0, 1 << 30)
        await client.ping()
        assert streams[0].pulled == 1, "pulled although nothing could be sent"
        other = await client.begin("/other")
        await client.open_window(other, 1_000_000)
        await client.until(lambda: len(client.answer(other).body) == 1_000_000)
        await client.ping()
        assert streams[0].pulled == 1
        assert streams[1].pulled <= 17
        # The windows of all streams grow with the setting.
        await client.send(client_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100_000}))
        await client.until(lambda: len(client.answer(stalled).body) == 100_000)


async def test_streams_that_send_take_turns(tmp_path: Path) -> None:
    """RFC 7540's priorities and RFC 9218's hints change nothing about it."""
    app = App(lambda incoming: OutgoingResponse(200, "", [], bytes(400_000)))
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    async with secured(app, tmp_path) as server, h2_connected(server, windows=False, settings=settings) as client:
        numbers = [await client.begin(f"/{which}", ("priority", f"u={which}")) for which in range(4)]
        await client.ping()
        for number in numbers:  # what 65535 octets of the first window brought
            client.answer(number).body = b""
        client.frames.clear()
        await client.open_window(0, 1 << 20)
        await client.until(lambda: all(len(client.answer(number).body) > 200_000 for number in numbers))
        order = [frame.stream_id for frame in client.frames if isinstance(frame, DataFrame)][:40]
        assert all(8 <= order.count(number) <= 12 for number in numbers), order


async def test_a_stream_that_breaks_is_reset(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise BodyBroken("the app's stream failed")

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(200, "", [], Stream(chunks())) if incoming.url.endswith("/bad") else text("fine")

    app = App(handler)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get("/bad")
        assert (answer.status, answer.body, answer.ended, answer.reset) == (
            200,
            b"half",
            False,
            ErrorCodes.INTERNAL_ERROR,
        )
        assert app.exchanges[0].left
        assert app.exchanges[0].finished == 1
        assert (await client.get("/good")).text == "fine"


@pytest.mark.parametrize("promised", [3, 5])
async def test_a_content_length_that_is_not_kept_is_a_reset(tmp_path: Path, promised: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(200, "", [("content-length", str(promised))], Stream(chunks()))

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        answer = await client.get()
        assert (answer.ended, answer.reset) == (False, ErrorCodes.INTERNAL_ERROR)
