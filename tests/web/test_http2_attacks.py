"""Clients that mean harm, and clients that are merely slow: what they cost is bounded, and they cost only themselves."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web.http2_fields import FieldDecoder, ResponseFields
from nano_trio.web.http2_session import Session
from nano_trio.web.settings import Limits
from tests.web.apps import App, Pausing, echo_app, holding, let, repeated, streaming, text
from tests.web.http2_client import Http2Client, h2_connected, raw, request
from tests.web.secure import secured

HEADERS, CONTINUATION = 1, 9
CALM = ErrorCodes.ENHANCE_YOUR_CALM


async def pour(client: Http2Client, frames: Iterator[bytes], code: ErrorCodes = CALM) -> None:
    """Send for as long as the server takes it; it must end that with ``code``."""
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            try:
                while piece := b"".join(itertools.islice(frames, 200)):
                    await client.send(piece)
            except trio.BrokenResourceError:
                pass

        nursery.start_soon(send)
        with trio.fail_after(30):
            await client.goaway()
        assert ErrorCodes(client.goaways[-1].error_code) is code, client.goaways[-1].additional_data
        nursery.cancel_scope.cancel()


# ---- streams given up: CVE-2023-44487, CVE-2025-8671 ----


async def test_rapid_reset(tmp_path: Path) -> None:
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:

        def frames() -> Iterator[bytes]:
            for _ in range(20_000):
                number = client.next()
                yield client.headers(number, request()).serialize()
                yield RstStreamFrame(number, error_code=8).serialize()

        await pour(client, frames())
        assert len(app.requests) < 250
        assert all(exchange.finished == 1 for exchange in app.exchanges)


async def test_a_server_made_to_reset(tmp_path: Path) -> None:
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:

        def frames() -> Iterator[bytes]:
            for _ in range(20_000):
                number = client.next()
                yield client.headers(number, request()).serialize()
                yield raw(8, 0, number, b"\x7f\xff\xff\xff")  # WINDOW_UPDATE, too much for one stream

        await pour(client, frames())
        assert len(app.requests) < 250


async def test_malformed_requests_without_end(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await pour(client, (client.headers(client.next(), [("x", "1")]).serialize() for _ in range(20_000)))
        assert len(client.frames) < 2000
    assert app.requests == []


async def test_an_honest_client_may_change_its_mind(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """A page that is left: a hundred requests at once are given up. And again, later; and some among many answers."""
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        for _ in range(6):
            numbers = [await client.begin() for _ in range(100)]
            await client.ping()
            for number in numbers:
                await client.reset(number)
            await client.ping()
            await let(mock_clock, 5)
        for _ in range(300):
            number = await client.begin()
            assert (await client.get("/quick")).text == "quick"
            await client.reset(number)


# ---- floods of frames ----

FLOODS: dict[str, bytes] = {
    "PING": PingFrame(0, opaque_data=b"12345678").serialize(),
    "PING ACK": PingFrame(0, opaque_data=b"12345678", flags=["ACK"]).serialize(),
    "SETTINGS": SettingsFrame(0, settings={SettingCodes.INITIAL_WINDOW_SIZE: 70_000}).serialize(),
    "empty SETTINGS": SettingsFrame(0).serialize(),
    "SETTINGS ACK": SettingsFrame(0, flags=["ACK"]).serialize(),
    "PRIORITY": raw(2, 0, 99, bytes(5)),
    "WINDOW_UPDATE": raw(8, 0, 0, b"\0\0\0\1"),
    "WINDOW_UPDATE of a stream": raw(8, 0, 1, b"\0\0\0\1"),
    "empty DATA": DataFrame(1).serialize(),
    "DATA of padding": DataFrame(1, pad_length=3, flags=["PADDED"]).serialize(),
    "unknown": raw(0xEE, 0, 0, b"x"),
    "GOAWAY": raw(7, 0, 0, bytes(8)),
    "RST_STREAM": raw(3, 0, 1, bytes(4)),
}


@pytest.mark.parametrize("frame", FLOODS.values(), ids=FLOODS.keys())
async def test_floods(tmp_path: Path, frame: bytes) -> None:
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.begin(method="POST", end=False)
        await pour(client, itertools.repeat(frame, 50_000))
        assert len(client.frames) < 2000
        await app.exchanges[0].disconnected.wait()


async def test_settings_with_hundreds_of_entries(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        await client.send(raw(4, 0, 0, b"\x77\x77\0\0\0\1" * 65))
        await client.ended(CALM)
        assert client.goaways[-1].additional_data == b"too many settings"


async def test_continuation_without_end(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.send(raw(HEADERS, 1, 1, b""))
        await pour(client, itertools.repeat(raw(CONTINUATION, 0, 1, b""), 50_000))
    assert app.requests == []


async def test_a_block_without_end(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        tracemalloc.start()
        await client.send(raw(HEADERS, 1, 1, b"\x00\x01x\x00" * 4000))
        await pour(client, itertools.repeat(raw(CONTINUATION, 0, 1, b"\x00\x01x\x00" * 4000), 1000))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8_000_000  # the client's own buffers among them


async def test_an_hpack_bomb(tmp_path: Path) -> None:
    """One entry of 4 KB in the table, and thousands of octets that each refer to it."""
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        number = client.next()
        block = client.block([("x-bomb", "a" * 3900)]) + b"\xbe" * 12_000
        tracemalloc.start()
        await client.send(HeadersFrame(number, data=block, flags=["END_HEADERS", "END_STREAM"]))
        await client.ended(CALM)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


async def test_fields_without_length(tmp_path: Path) -> None:
    """CVE-2019-9516: names and values of nothing still take memory, so each counts 32 octets more."""
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        number = client.next()
        block = client.block(request()) + b"\x00\x01x\x00" * 3000
        await client.send(HeadersFrame(number, data=block, flags=["END_HEADERS", "END_STREAM"]))
        assert (await client.over(number)).status == 431
        number = client.next()
        await client.send(HeadersFrame(number, data=b"\x00\x00\x00" * 100, flags=["END_HEADERS", "END_STREAM"]))
        assert (await client.over(number)).reset is ErrorCodes.PROTOCOL_ERROR
        number = client.next()
        frames = [raw(HEADERS, 1, number, b"\x00\x00\x00" * 5000), raw(CONTINUATION, 4, number, b"\x00\x00\x00" * 5000)]
        await client.send(*frames)
        await client.ended(CALM)


async def test_more_streams_than_are_served_are_refused(tmp_path: Path) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        numbers = [await client.begin() for _ in range(105)]
        for number in numbers[100:]:
            assert (await client.over(number)).reset is ErrorCodes.REFUSED_STREAM
        assert len(app.requests) == 100
        pausing.proceed.set()
        for number in numbers[:100]:
            assert (await client.over(number)).text == "finished"
        assert (await client.get()).text == "finished"


async def test_a_packet_of_requests_holds_up_nobody(tmp_path: Path) -> None:
    served: list[str] = []

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        served.append(incoming.url.rpartition("/")[2])
        return text("")

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as crowd, h2_connected(server) as one:
        heads = b"".join(crowd.headers(crowd.next(), request("/crowd")).serialize() for _ in range(2000))
        assert len(heads) < 64 * 1024
        await crowd.send(heads)
        assert (await one.get("/one")).status == 200
        await crowd.ping()
    assert served.count("crowd") == 2000
    assert served.index("one") < 1000


async def test_a_packet_of_tiny_frames_holds_up_nobody(tmp_path: Path) -> None:
    """h2 takes 25 µs for a frame, and thousands come in one packet."""
    seen: list[int] = []
    received = 0

    def handler(incoming: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def upload() -> OutgoingResponse:
            nonlocal received
            assert incoming.body is not None
            assert not isinstance(incoming.body, bytes)
            while piece := await incoming.body.receive():
                received += len(piece)
            return text("")

        if incoming.method == "POST":
            return upload
        seen.append(received)
        return text("")

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as crowd, h2_connected(server) as one:
        number = await crowd.begin("/", end=False, method="POST")
        await crowd.send(DataFrame(number, data=b"x").serialize() * 6000)
        for _ in range(8):
            assert (await one.get("/one")).status == 200
        await crowd.data(number, b"", end=True)
        assert (await crowd.over(number)).status == 200
    assert received == 6000
    assert seen[4] < 2500


@pytest.mark.parametrize("field", [b"\xbe", b"\x00\x01x\x00", b"\x40\x01x\x00"], ids=["indexed", "literal", "stored"])
async def test_a_packet_of_fields_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: bytes
) -> None:
    """Each field takes time, however short it is: so a request with very many is the only one of its turn."""
    turns: list[list[int]] = []
    decode, process = FieldDecoder.decode, Session.process

    def decoding(decoder: FieldDecoder, data: bytes, raw: bool = True) -> list[object]:
        fields = decode(decoder, data, raw)
        turns[-1].append(len(decoder.block))
        return fields

    def processing(session: Session) -> bool:
        turns.append([])
        return process(session)

    monkeypatch.setattr(FieldDecoder, "decode", decoding)
    monkeypatch.setattr(Session, "process", processing)
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as crowd, h2_connected(server) as one:
        await crowd.send(crowd.headers(crowd.next(), [*request(), ("x", "")]).serialize())
        frames = []
        for _ in range(20):
            block = crowd.block(request()) + field * 1500
            frames.append(raw(HEADERS, 5, crowd.next(), block))
        await crowd.send(b"".join(frames))
        assert (await one.get()).status == 200
        assert (await crowd.over(crowd.last)).status == 431
    large = [turn for turn in turns if any(count > 1000 for count in turn)]
    assert len(large) == 20
    assert all(len(turn) <= 2 for turn in large)


async def test_answers_of_many_fields_hold_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[int] = []
    head, process = Session.head, Session.process

    def answering(session: Session, number: int, fields: ResponseFields) -> None:
        turns[-1] += len(fields.fields)
        head(session, number, fields)

    def processing(session: Session) -> bool:
        turns.append(0)
        return process(session)

    monkeypatch.setattr(Session, "head", answering)
    monkeypatch.setattr(Session, "process", processing)
    fields = [(f"x-{number}", "v") for number in range(2000)]
    async with (
        secured(App(lambda incoming: OutgoingResponse(204, "", fields, None)), tmp_path) as server,
        h2_connected(server) as client,
    ):
        client.decoder.max_header_list_size = 1 << 20
        numbers = [client.next() for _ in range(10)]
        await client.send(b"".join(client.headers(number, request()).serialize() for number in numbers))
        for number in numbers:
            assert (await client.over(number)).status == 204
    assert max(turns) < 2100


async def test_a_window_update_for_each_4_kb_is_no_attack(tmp_path: Path) -> None:
    """For both windows, and only when all has been read."""
    async with (
        secured(App(lambda incoming: text("x" * (12 << 20))), tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 16 << 20}) as client,
    ):
        await client.open_window(0, 16 << 20)
        answer = await client.get()
        assert len(answer.body) == 12 << 20
        number = await client.begin()
        await client.send((raw(8, 0, 0, b"\0\0\x10\0") + raw(8, 0, number, b"\0\0\x10\0")) * (12 << 8))
        assert len((await client.over(number)).body) == 12 << 20
        assert not client.goaways


async def test_a_window_of_one_octet_pays_for_none(tmp_path: Path) -> None:
    async with (
        secured(App(lambda incoming: text("x" * 100_000)), tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client,
    ):
        number = await client.begin()
        await pour(client, itertools.repeat(raw(8, 0, number, b"\0\0\0\1"), 50_000))
        assert len(client.answer(number).body) < 3000


async def test_what_a_client_does_not_read_is_not_made(tmp_path: Path) -> None:
    """Fields are under no window: so nothing more is read from a client that takes nothing."""

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(204, "", [("x-large", str(len(app.requests)) + "x" * 9000)], None)

    app = App(handler)
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server) as client,
        h2_connected(server) as other,
        trio.open_nursery() as nursery,
    ):

        async def ask() -> None:
            while True:
                await client.send(b"".join(client.headers(client.next(), request()).serialize() for _ in range(50)))

        nursery.start_soon(ask)
        before = -1
        while before != len(app.requests):
            before = len(app.requests)
            with trio.move_on_after(0.3):
                await trio.sleep_forever()
        assert before < 5000
        assert (await other.get()).status == 204
        nursery.cancel_scope.cancel()


# ---- time ----


async def test_a_client_that_opens_no_window_loses_its_stream(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    app, streams = streaming(repeated(100))
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client,
    ):
        stalled = await client.begin()
        for _ in range(5):
            await client.ping()
            await let(mock_clock, 11)
        other = await client.begin()
        await let(mock_clock, 8)
        assert (await client.over(stalled)).reset is ErrorCodes.CANCEL
        assert app.exchanges[0].left == ["the client stalled"]
        assert streams[0].cancelled
        assert not client.answer(other).over
        await client.open_window(0, 1 << 30)
        await client.open_window(other, 1 << 30)
        await client.over(other)
        assert len(client.answer(other).body) == 100 * 65536


async def test_a_window_of_one_octet_buys_no_time(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app, _ = streaming(repeated(100))
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1}) as client,
    ):
        number = await client.begin()
        for _ in range(70):
            await client.open_window(number, 1)
            await let(mock_clock, 1)
        answer = await client.over(number)
        assert answer.reset is ErrorCodes.CANCEL
        assert 50 < len(answer.body) < 70


async def test_a_slow_reader_is_no_attacker(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app, _ = streaming(repeated(3))
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client,
    ):
        number = await client.begin()
        await client.open_window(0, 1 << 30)
        for _ in range(16):
            await let(mock_clock, 40)
            await client.open_window(number, 12_288)
        answer = await client.over(number)
        assert len(answer.body) == 3 * 65536
        assert answer.reset is None


async def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app, streams = streaming(repeated(1000))
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: (1 << 31) - 1}
    async with secured(app, tmp_path) as server, h2_connected(server, windows=False, settings=settings) as client:
        await client.open_window(0, (1 << 31) - 1 - 65535)
        await client.begin()
        await let(mock_clock, 58)
        assert server.connections == 1
        assert streams[0].pulled < 500
        await let(mock_clock, 5)
        assert server.connections == 0
        assert app.exchanges[0].left == ["the client stalled"]


@pytest.mark.parametrize("what", ["nothing", "a length", "half a head", "a block"])
async def test_what_does_not_arrive_in_time(tmp_path: Path, what: str, mock_clock: trio.testing.MockClock) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        head = client.headers(1, request()).serialize()
        pieces = {
            "nothing": b"",
            "a length": head[:2],
            "half a head": head[:-5],
            "a block": raw(HEADERS, 1, 1, b"\x82"),
        }
        await client.send(pieces[what])
        for second in range(28):
            if what == "a block" and second % 7 == 6:
                await client.send(raw(CONTINUATION, 0, 1, b"\x84"))  # trickling buys no time
            await let(mock_clock, 1)
        assert server.connections == 1
        await let(mock_clock, 5 if what != "nothing" else 50)
        assert server.connections == 0
        await client.ended(ErrorCodes.NO_ERROR)


async def test_pings_do_not_keep_an_idle_connection(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        assert (await client.get()).status == 200
        for _ in range(7):
            await let(mock_clock, 10)
            await client.ping()
        assert server.connections == 1
        assert (await client.get()).status == 200
        await let(mock_clock, 70)
        assert server.connections == 1
        await let(mock_clock, 10)
        assert server.connections == 0
        await client.ended(ErrorCodes.NO_ERROR)


async def test_half_a_small_body_is_answered_408(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/", ("content-length", "5"), method="POST", end=False)
        await client.data(number, b"abc")
        await let(mock_clock, 28)
        assert not client.answer(number).over
        await let(mock_clock, 4)
        answer = await client.over(number)
        assert answer.status == 408
        assert app.requests == []
        assert (await client.get("/quick")).text == "quick"


async def test_a_body_that_stops_is_cut_off(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app, events = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        stops, waits = [await client.begin(path, method="POST", end=False) for path in ("/stops", "/waits")]
        await client.data(stops, b"a beginning")
        await client.ping()
        events["stops"].set()
        await let(mock_clock, 62)
        assert (await client.over(stops)).reset is ErrorCodes.CANCEL
        assert app.exchanges[0].left == ["the client stalled"]
        assert not client.answer(waits).over, "nobody waits for this one's body"


async def test_a_long_wait_for_the_app_is_no_stall(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    pausing = Pausing()
    async with secured(App(pausing), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        await let(mock_clock, 400)
        pausing.proceed.set()
        assert (await client.over(number)).text == "finished"


async def test_small_limits(tmp_path: Path) -> None:
    limits = Limits(head=500, headers=5, request_line=50)
    async with secured(echo_app(), tmp_path, limits=limits) as server, h2_connected(server) as client:
        assert (await client.get("/" + "a" * 50)).status == 414
        assert (await client.get("/", *[(f"x{number}", "") for number in range(6)])).status == 431
        assert (await client.get("/", ("x", "a" * 400))).status == 431
        assert (await client.get()).status == 200
        number = client.next()
        await client.send(client.headers(number, request("/", ("x", "a" * 3000))))
        await client.ended(CALM)
