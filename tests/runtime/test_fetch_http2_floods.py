"""Servers that flood their clients over HTTP/2, as clients do servers (``tests/web/test_http2_attacks.py``)."""

from __future__ import annotations

import contextlib
import itertools
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs
import hpack
import pytest
import trio
import trio.testing
import trustme
from hyperframe.frame import Frame

from nano_trio.runtime import fetch_http2, fetch_http2_gate, pace
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_http2_gate import Gate
from nano_trio.runtime.http2_hpack import FrugalDecoder
from nano_trio.runtime.http2_state import Http2State
from nano_trio.runtime.net_connect import Network

from .fetching import OPEN, Fetching, fetching
from .test_fetch_floods import Counted

Answering = Callable[[bytes], contextlib.AbstractAsyncContextManager[tuple[Fetching, str]]]
_DATA, _HEADERS, _PRIORITY, _RST, _SETTINGS, _PING, _GOAWAY, _WINDOW, _CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
_END_STREAM, _END_HEADERS = 1, 4
_OK = b"\x88"
"""A field block: status 200."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


@pytest.fixture
def answering(tmp_path: Path) -> Answering:
    """An app, and the URL of a server that sends SETTINGS and these frames, whatever it is asked."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(tls)
    tls.set_alpn_protocols(["h2"])
    network: Network = attrs.evolve(OPEN, extra_ca_certs=(tmp_path / "ca.pem",))

    @contextlib.asynccontextmanager
    async def start(frames: bytes) -> AsyncIterator[tuple[Fetching, str]]:
        async def serve(plain: trio.SocketStream) -> None:
            stream = trio.SSLStream(plain, tls, server_side=True, https_compatible=True)

            async def send() -> None:
                await stream.send_all(frame(_SETTINGS, 0, 0) + frame(_SETTINGS, 1, 0) + frames)

            try:
                seen = b""
                while b"\x00\x00\x00\x01" not in seen[33:]:  # the head of the request on stream 1
                    seen += await stream.receive_some(65536)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send)
                    while await stream.receive_some(65536):
                        pass
                    nursery.cancel_scope.cancel()
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the client left
            finally:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)

        async with trio.open_nursery() as nursery:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            await nursery.start(trio.serve_listeners, serve, listeners)
            async with fetching(network) as js:
                yield js, f"https://localhost:{listeners[0].socket.getsockname()[1]}/"
            nursery.cancel_scope.cancel()

    return start


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (frame(_PING, 0, 0, bytes(8)) * 20_000, "ERR_PROTOCOL"),
        (frame(_SETTINGS, 0, 0, struct.pack(">HI", 4, 70_000)) * 5_000, "ERR_PROTOCOL"),
        (frame(_SETTINGS, 0, 0, struct.pack(">HI", 0xFF00, 1) * 2_700), "ERR_PROTOCOL"),
        (frame(_WINDOW, 0, 0, struct.pack(">I", 1)) * 20_000, "ERR_PROTOCOL"),
        (frame(_PRIORITY, 0, 3, bytes(5)) * 20_000, "ERR_PROTOCOL"),
        (frame(0x77, 0, 1) * 20_000, "ERR_PROTOCOL"),
        (frame(_HEADERS, _END_HEADERS, 1, _OK) + frame(_DATA, 0, 1) * 20_000, "ERR_PROTOCOL"),
        (frame(_HEADERS, _END_HEADERS, 1, b"\x08\x03103") * 20_000, "ERR_PROTOCOL"),
        (frame(_HEADERS, 0, 1, _OK) + frame(_CONTINUATION, 0, 1, b"\x88") * 50, "ERR_HEADERS_TOO_LARGE"),
        (frame(_HEADERS, 0, 1, _OK) + frame(_CONTINUATION, 0, 1, bytes(16384)) * 5, "ERR_HEADERS_TOO_LARGE"),
        (frame(_HEADERS, _END_HEADERS, 1, _OK + b"\x00\x01a\x00" * 2001), "ERR_PROTOCOL"),
        (frame(_DATA, 0, 1, bytes(16385)), "ERR_PROTOCOL"),
    ],
    ids=[
        "pings",
        "settings",
        "entries of settings",
        "windows",
        "priorities",
        "unknown",
        "empty data",
        "heads before the head",
        "parts of a head",
        "a head in bytes",
        "a head in fields",
        "a frame",
    ],
)
async def test_floods(answering: Answering, frames: bytes, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Counted(monkeypatch, Frame, "parse_frame_header")
    async with answering(frames) as (js, url), trio.open_nursery() as nursery:
        nursery.start_soon(seen.watch)
        failure = await js.failure("return await (await fetch(url)).text();", url=url)
        nursery.cancel_scope.cancel()
    assert failure[2] == code
    # Trio runs the tasks of a pass in any order: two passes' worth.
    assert seen.most <= 2 * pace._MOST_STEPS * fetch_http2_gate._FRAMES_AT_ONCE
    assert seen.total < 3000


async def test_a_body_byte_by_byte(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Counted(monkeypatch, Frame, "parse_frame_header")
    body = frame(_DATA, 0, 1, b"x") * 20_000 + frame(_DATA, _END_STREAM, 1)
    async with (
        answering(frame(_HEADERS, _END_HEADERS, 1, _OK) + body) as (js, url),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(seen.watch)
        assert await js.run("return (await (await fetch(url)).text()).length;", url=url) == 20_000
        nursery.cancel_scope.cancel()
    assert seen.total > 20_000
    assert seen.most <= 2 * pace._MOST_STEPS * fetch_http2_gate._FRAMES_AT_ONCE


async def test_what_waits_to_be_read_counts_as_the_apps_memory(answering: Answering) -> None:
    body = frame(_DATA, 0, 1, bytes(1000)) * 500
    async with answering(frame(_HEADERS, _END_HEADERS, 1, _OK) + body) as (js, url):
        isolate = js.environment.isolate
        await js.run("globalThis.reader = (await fetch(url)).body.getReader();", url=url)
        with trio.fail_after(10):
            while isolate.outside < 500_000:
                await trio.lowlevel.checkpoint()
        assert isolate.outside == 500_000
        assert await js.run("return (await reader.read()).value.length;") == 16_000
        assert isolate.outside == 484_000
        await js.run("await reader.cancel();")
        assert isolate.outside == 0


async def test_where_there_is_no_room_for_more_the_body_fails(answering: Answering) -> None:
    body = frame(_DATA, 0, 1, bytes(1000)) * 500
    async with answering(frame(_HEADERS, _END_HEADERS, 1, _OK) + body) as (js, url):
        room = (256 << 20) - js.environment.isolate.outside
        js.environment.isolate.hold(room - 200_000)
        source = "const response = await fetch(url); for await (const _ of response.body) await new Promise((r) => setTimeout(r, 20));"
        name, message, code = await js.failure(source, url=url)
        assert (name, code) == ("TypeError", "ERR_BODY")
        assert "more than memory_mb" in message
        js.environment.isolate.hold(200_000 - room)
        assert js.environment.isolate.outside == 0


def test_an_account_refills_with_time_and_work() -> None:
    gate = Gate(0.0)
    ping, data = frame(_PING, 0, 0, bytes(8)), frame(_DATA, 0, 1, b"x")

    def goes_on(frames: bytes, now: float) -> bool:
        gate.feed(frames)
        try:
            while gate.take(now):
                pass
        except FetchError:
            return False
        return True

    assert goes_on(ping * 500, 0.0)
    assert goes_on(ping * 50, 1.0)
    assert goes_on(data * 100 + ping * 50, 1.0)
    gate.requested()
    gate.sent(1, cut=False)
    assert goes_on(ping * 5, 1.0)
    assert not goes_on(ping, 1.0)


def test_frames_are_whole_however_they_come() -> None:
    frames = frame(_HEADERS, _END_HEADERS, 1, _OK) + frame(_DATA, 0, 1, b"hello") + frame(_DATA, _END_STREAM, 1)
    gate = Gate(0.0)
    taken = []
    for octet in frames:
        gate.feed(bytes((octet,)))
        if piece := gate.take(0.0):
            taken.append(piece)
    assert [len(piece) for piece in taken] == [10, 14, 9]
    assert b"".join(taken) == frames


@pytest.mark.parametrize(("size", "at_once"), [(4096, 16384), (1024, 16384), (4096, 16 << 20)])
def test_windows_that_are_opened_for_what_was_sent_cost_nothing(size: int, at_once: int) -> None:
    """Some servers do so for each 4 KB and both windows, some long after it was sent."""
    gate, window = Gate(0.0), frame(_WINDOW, 0, 0, struct.pack(">I", size))
    taken = 0
    for _ in range((32 << 20) // at_once):
        for _ in range(at_once // 16384):
            gate.sent(16384, cut=False)
        gate.feed(window * (2 * at_once // size))
        while frames := gate.take(0.0):
            taken += len(frames) // len(window)
    assert taken == 2 * (32 << 20) // size


def test_a_window_of_one_octet_pays_for_none() -> None:
    gate, window = Gate(0.0), frame(_WINDOW, 0, 1, struct.pack(">I", 1))

    def opens() -> bool:
        gate.feed(window)
        try:
            gate.take(0.0)
        except FetchError:
            return False
        gate.sent(1, cut=True)
        return True

    assert sum(1 for _ in itertools.takewhile(lambda _: opens(), range(5000))) < 1100


_OPEN = frame(_SETTINGS, 0, 0, struct.pack(">HIHI", 4, (1 << 31) - 1, 5, (1 << 24) - 1)) + frame(
    _WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1 - 65535)
)
"""A server that takes all there is, and in frames of 16 MB."""


class Unsent:
    """The most that waited in h2 to be sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        original = Http2State._prepare_for_sending

        def watched(state: Http2State, frames: list[Frame]) -> None:
            original(state, frames)
            self.most = max(self.most, state.unsent)

        monkeypatch.setattr(Http2State, "_prepare_for_sending", watched)


@pytest.fixture
def deaf(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """Servers that read nothing after the head of the first request, until the test is over."""

    @contextlib.asynccontextmanager
    async def start(frames: bytes) -> AsyncIterator[tuple[Fetching, str]]:
        deafened: list[trio.SSLStream[trio.SocketStream]] = []
        over = trio.Event()
        receive = trio.SSLStream.receive_some

        async def receive_some(stream: trio.SSLStream[trio.SocketStream], size: int | None = None) -> bytes | bytearray:
            if stream in deafened:
                await over.wait()
            data = await receive(stream, size)
            if stream._ssl_object.server_side and b"\x00\x00\x00\x01" in bytes(data)[33:]:
                deafened.append(stream)
            return data

        monkeypatch.setattr(trio.SSLStream, "receive_some", receive_some)
        async with answering(frames) as started:
            yield started
            over.set()

    return start


async def test_an_upload_that_nobody_reads_stays_with_the_app(deaf: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    unsent = Unsent(monkeypatch)
    async with deaf(_OPEN) as (js, url):
        await js.run(
            """globalThis.pulled = 0;
            const body = new ReadableStream({ pull(c) { pulled++; c.enqueue(new Uint8Array(1 << 20)); } });
            globalThis.uploads = fetch(url, { method: "POST", body, duplex: "half" }).catch(() => {});""",
            url=url,
        )
        before = -1
        while before != (now := await js.run("return pulled;")) or now < 2:
            before = now
            await trio.testing.wait_all_tasks_blocked(0.2)
        assert before < 30  # what the sockets hold, and a few pieces
        assert unsent.most <= fetch_http2._MOST_UNSENT + fetch_http2._FRAME + 9


async def test_requests_that_nobody_reads_are_not_made(deaf: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    unsent = Unsent(monkeypatch)
    async with deaf(_OPEN) as (js, url):
        await js.run(
            """const headers = { "x-large": "a".repeat(100_000) };
            globalThis.requests = Array.from({ length: 90 }, () => fetch(url, { headers }).catch(() => {}));""",
            url=url,
        )
        await trio.testing.wait_all_tasks_blocked(0.2)
        assert unsent.most <= fetch_http2._MOST_UNSENT + 110_000
        assert await js.failure("await fetch(url, { signal: AbortSignal.timeout(50) })", url=url)


def head(*fields: tuple[bytes, bytes]) -> bytes:
    return hpack.Encoder().encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields], huffman=False)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [(b"x-a", b"b")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b"x-a", b"b"), (b":status", b"200")],
        [(b":status", b"")],
        [(b":status", b"0")],
        [(b":status", b"000")],
        [(b":status", b"20")],
        [(b":status", b"2000")],
        [(b":status", b"+20")],
        [(b":status", b"2_0")],
        [(b":status", b" 20")],
        [(b":status", b"OK!")],
        [(b":status", b"101")],
        [(b":status", b"1xx")],
        [(b":status", b"200"), (b":path", b"/")],
        [(b":status", b"200"), (b"X-A", b"b")],
        [(b":status", b"200"), (b"x-a", b"b\r\nx: y")],
        [(b":status", b"200"), (b"", b"b")],
        [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
        [(b":status", b"200"), (b"content-length", b"1_0")],
        [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2")],
    ],
)
async def test_responses_that_are_none(answering: Answering, fields: list[tuple[bytes, bytes]]) -> None:
    """They cost their stream, and the connection goes on."""
    async with answering(frame(_HEADERS, _END_HEADERS, 1, head(*fields))) as (js, url):
        name, message, code = await js.failure("await fetch(url);", url=url)
        assert (name, code) == ("TypeError", "ERR_PROTOCOL"), message
        assert js.open_fetches == 0
        assert js.connections == 1


@pytest.mark.parametrize(
    ("status", "length", "frames", "expected"),
    [
        (b"200", b"5", frame(_DATA, 0, 1, b"hel") + frame(_DATA, _END_STREAM, 1, b"lo"), "hello"),
        (b"200", b"5", frame(_DATA, 0, 1, b"hello") + frame(_DATA, 0, 1, b"!"), "ERR_PROTOCOL"),
        (b"200", b"5", frame(_DATA, _END_STREAM, 1, b"hell"), "ERR_INCOMPLETE_BODY"),
        (b"200", b"5", frame(_DATA, _END_STREAM, 1), "ERR_INCOMPLETE_BODY"),
        (b"304", b"5", frame(_DATA, _END_STREAM, 1), ""),
        (b"200", b"5, 5", frame(_DATA, _END_STREAM, 1, b"hello"), "hello"),
    ],
)
async def test_a_wrong_length_costs_its_stream(
    answering: Answering, status: bytes, length: bytes, frames: bytes, expected: str
) -> None:
    answer = frame(_HEADERS, _END_HEADERS, 1, head((b":status", status), (b"content-length", length)))
    async with answering(answer + frames) as (js, url):
        source = "try { return await (await fetch(url)).text(); } catch (error) { return error.cause.code; }"
        assert await js.run(source, url=url) == expected
        assert js.open_fetches == 0
        assert js.connections == 1


async def test_a_stream_that_a_server_resets_without_an_error_is_not_at_its_end(answering: Answering) -> None:
    half = frame(_HEADERS, _END_HEADERS, 1, _OK) + frame(_DATA, 0, 1, b"half")
    async with answering(half + frame(_RST, 0, 1, bytes(4))) as (js, url):
        assert (await js.failure("await (await fetch(url)).text();", url=url))[2] == "ECONNRESET"
        assert js.connections == 1


async def test_heads_before_the_head(answering: Answering) -> None:
    early = frame(_HEADERS, _END_HEADERS, 1, head((b":status", b"103"), (b"link", b"</a>"))) * 3
    final = frame(_HEADERS, _END_HEADERS, 1, head((b":status", b"299"), (b"x-a", b"b")))
    trailers = frame(_HEADERS, _END_HEADERS | _END_STREAM, 1, head((b"x-sum", b"1")))
    async with answering(early + final + frame(_DATA, 0, 1, b"hello") + trailers) as (js, url):
        source = 'const r = await fetch(url); return [r.status, r.headers.get("x-a"), r.headers.get("link"), await r.text()];'
        assert await js.run(source, url=url) == [299, "b", None, "hello"]


@pytest.mark.parametrize("field", [b"\x00\x01x\x00", b"\xbe"], ids=["literal", "indexed"])
async def test_heads_of_very_many_fields_come_one_at_a_time(
    answering: Answering, monkeypatch: pytest.MonkeyPatch, field: bytes
) -> None:
    steps: list[list[int]] = []
    decode, take = FrugalDecoder.decode, Gate.take

    def decoding(decoder: FrugalDecoder, data: bytes, raw: bool = True) -> list[object]:
        fields = decode(decoder, data, raw)
        steps[-1].append(len(fields))
        return fields

    def taking(gate: Gate, now: float) -> bytes:
        steps.append([])
        return take(gate, now)

    monkeypatch.setattr(FrugalDecoder, "decode", decoding)
    monkeypatch.setattr(Gate, "take", taking)
    early = frame(_HEADERS, _END_HEADERS, 1, b"\x48\x03103\x40\x01x\x00" + field * 1500)
    final = frame(_HEADERS, _END_HEADERS | _END_STREAM, 1, _OK)
    async with answering(early * 10 + final) as (js, url):
        assert await js.run("return (await fetch(url)).status;", url=url) == 200
    large = [step for step in steps if any(count > 1000 for count in step)]
    assert len(large) == 10
    assert all(len(step) == 1 for step in large)


@pytest.mark.parametrize("lasts", [[1], [(1 << 31) - 1], [(1 << 31) - 1, 1]])
async def test_a_server_that_goes_away_finishes_what_it_began(answering: Answering, lasts: list[int]) -> None:
    """As nginx does after so many requests, and everybody who is restarted."""
    farewell = b"".join(frame(_GOAWAY, 0, 0, struct.pack(">II", last, 0)) for last in lasts)
    first = frame(_HEADERS, _END_HEADERS, 1, _OK) + frame(_DATA, 0, 1, b"hello, ")
    async with answering(first + farewell + frame(_DATA, _END_STREAM, 1, b"world")) as (js, url):
        for _ in range(2):  # the second is for another connection
            assert await js.run("return await (await fetch(url)).text();", url=url) == "hello, world"
        assert js.connections == 0


async def test_a_goaway_for_what_was_begun_refuses_it(answering: Answering) -> None:
    async with answering(frame(_GOAWAY, 0, 0, struct.pack(">II", 0, 0))) as (js, url):
        assert (await js.failure("await fetch(url);", url=url))[2] == "ERR_STREAM_REFUSED"


async def test_goaways_without_end(answering: Answering) -> None:
    async with answering(frame(_GOAWAY, 0, 0, struct.pack(">II", 1, 0)) * 5000) as (js, url):
        assert (await js.failure("await fetch(url);", url=url))[2] == "ERR_PROTOCOL"


async def test_trailers_that_are_none(answering: Answering) -> None:
    trailers = frame(_HEADERS, _END_HEADERS | _END_STREAM, 1, head((b":status", b"200")))
    async with answering(frame(_HEADERS, _END_HEADERS, 1, _OK) + frame(_DATA, 0, 1, b"hello") + trailers) as (js, url):
        assert (await js.failure("await (await fetch(url)).text();", url=url))[2] == "ERR_PROTOCOL"
