"""WebSocket servers that misbehave: each fault gives the app a clear event and leaves no task and no socket."""

from __future__ import annotations

import os
import zlib
from collections.abc import Generator
from contextlib import suppress
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.frames import Opcode as ServerOpcode
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed, RsvBits

from nano_trio.runtime import websocket_client
from nano_trio.runtime.net_connect import Connected, Origin
from nano_trio.runtime.websocket_client import Binary, Text, WebSocketClient
from nano_trio.runtime.websocket_deflate import BadExtension, Deflate

from .fetching import fetching
from .websocket_server import Peer, accept_key, frame, read_head, serving

# Resolves with [what failed, close event, messages] once the connection is over.
OUTCOME = """
const ws = new WebSocket(url, typeof protocols === "undefined" ? [] : protocols), messages = [];
let failure = null;
ws.onmessage = (e) => messages.push(e.data);
ws.onerror = (e) => { failure = [e.message.replace(/^.*failed: /, ""), e.error instanceof Error, ws.readyState]; };
const over = new Promise((resolve) => { ws.onclose = (e) => resolve([failure?.[0] ?? null, `${e.wasClean} ${e.code} ${e.reason}`.trimEnd(), messages, ws.readyState]); });
"""
FAILED, LOST = "false 1006", "false 1006"


async def outcome(handler: Any, source: str = "return over;", *, accept: bool = True, **values: Any) -> Any:
    serve = {name: values.pop(name) for name in ("deflate",) if name in values}
    async with serving(handler, accept=accept, **serve) as server, fetching() as js:
        result = await js.run(OUTCOME + source, url=server.url, **values)
        await server.settled()
        failure, close, messages, state = result
        assert state == 3
        return failure, close, messages


HEAD = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n"
)


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (HEAD.replace("101 Switching Protocols", "200 OK") + "\r\n", "the server answered with the status 200 instead of 101"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "the server answered with the status 404 instead of 101"),
        ("HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", "the server answered with the status 302 instead of 101"),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", "the server answered with the status 103 instead of 101"),
        (HEAD.replace("Upgrade: websocket\r\n", "") + "\r\n", "the server's response does not upgrade to websocket"),
        (HEAD.replace("websocket", "other", 1) + "\r\n", "the server's response does not upgrade to websocket"),
        (HEAD.replace("Connection: Upgrade", "Connection: close") + "\r\n", "the server's response does not upgrade the connection"),
        (HEAD.replace("{key}", "x") + "\r\n", "the server's Sec-WebSocket-Accept does not match the key"),
        (HEAD.replace("Sec-WebSocket-Accept: {key}\r\n", "") + "\r\n", "the server's Sec-WebSocket-Accept does not match the key"),
        (HEAD + "Sec-WebSocket-Accept: {key}\r\n\r\n", "the server's response has sec-websocket-accept twice"),
        (HEAD + "Sec-WebSocket-Protocol: other\r\n\r\n", 'the server chose the protocol "other", which was not asked for'),
        (HEAD + "\r\n", "the server chose none of the protocols that were asked for"),
        (HEAD + "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: x-other\r\n\r\n", "the server chose extensions that were not offered"),
        (HEAD + "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n\r\n", "the server chose extensions that were not offered"),
        ("nonsense\r\n\r\n", "the server's response is no HTTP"),
        (HEAD + "X: " + "x" * 100_000, "the server's response is no HTTP"),
        ("", "the server closed the connection without a response"),
        ("HTTP/1.1 101 Switch", "the server closed the connection without a response"),
    ],
)  # fmt: skip
async def test_bad_handshakes(response: str, why: str) -> None:
    async def handler(peer: Peer) -> None:
        head = await read_head(peer)
        await peer.raw(response.replace("{key}", accept_key(head["sec-websocket-key"])).encode())
        if why != "the server closed the connection without a response":
            await peer.gone()

    assert await outcome(handler, accept=False, protocols=["a"]) == (why, FAILED, [])


async def test_nobody_listens_and_no_such_host() -> None:
    async with serving(Peer.gone) as server:
        closed = server.url
    async with fetching() as js:
        result = await js.run(OUTCOME + "return over;", url=closed)
        assert result[0].startswith(f"connecting to {closed.removeprefix('ws://')}: ")
        assert result[0].endswith("connection refused")
        assert result[1] == FAILED
        result = await js.run(OUTCOME + "return over;", url="ws://no-such-host.invalid/")
        assert result[1] == FAILED
        assert "no-such-host.invalid" in result[0]


async def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "HANDSHAKE_S", 0.2)
    assert await outcome(Peer.gone, accept=False) == ("the server did not answer within 0.2 s", FAILED, [])


BROKEN = "the server violated the WebSocket protocol"
UNREADABLE = "the server sent data that cannot be decoded"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame(3), BROKEN),
        (frame(11), BROKEN),
        (frame(1, b"x", first=0xC0), BROKEN),
        (frame(1, b"x", first=0x90), BROKEN),
        (frame(9, b"x", first=0x00), BROKEN),
        (frame(9, b"x" * 126), BROKEN),
        (frame(0, b"x"), BROKEN),
        (frame(1, b"x", first=0x00) + frame(2, b"y"), BROKEN),
        (b"\x81\x81\0\0\0\0x", BROKEN),
        (b"\x81\x7e\x00\x05hello", BROKEN),
        (b"\x81\x7f\x80\0\0\0\0\0\0\0", BROKEN),
        (frame(8, b"x"), BROKEN),
        (frame(8, b"\x03\xed"), BROKEN),
        (frame(8, b"\x00\x00"), BROKEN),
        (frame(8, b"\x13\x88"), BROKEN),
        *((frame(8, code.to_bytes(2, "big")), BROKEN) for code in (999, 1004, 1006, 1015, 1016, 2999)),
        (frame(8, b"\x03\xe8\xff"), UNREADABLE),
        (frame(8, b"\x03\xf6\xff"), UNREADABLE),
        (frame(1, b"\xff"), UNREADABLE),
        (frame(1, b"\xed\xa0\x80"), UNREADABLE),
        (frame(1, b"\xe2\x82"), UNREADABLE),
        (frame(1, b"a\xe2", first=0x00) + frame(0, b"\x82"), UNREADABLE),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", BROKEN),
    ],
)
async def test_bad_frames(data: bytes, why: str) -> None:
    codes: list[int | None] = []

    async def handler(peer: Peer) -> None:
        await peer.raw(frame(1, b"before") + data + frame(1, b"after"))
        await peer.receive()
        codes.append(peer.protocol.close_rcvd.code if peer.protocol.close_rcvd else None)

    assert await outcome(handler) == (why, FAILED, ["before"])
    assert codes == [1007 if why == UNREADABLE else 1002]


async def test_a_close_frame_may_be_empty_and_ends_what_is_heard() -> None:
    async def handler(peer: Peer) -> None:
        await peer.raw(frame(8) + frame(1, b"after") + b"\xff\xff")
        await peer.receive()

    assert await outcome(handler) == (None, "true 1005", [])


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 4999])
async def test_the_codes_that_a_server_may_send(code: int) -> None:
    """RFC 6455 section 7.4.1, and those that were registered since."""
    answers: list[bytes] = []

    async def handler(peer: Peer) -> None:
        await peer.raw(frame(8, code.to_bytes(2, "big") + "grüß".encode()))
        answers.append(bytes(await peer.stream.receive_some(8)))

    assert await outcome(handler) == (None, f"true {code} grüß", [])
    (answer,) = answers
    assert answer[:2] == b"\x88\x82"
    assert bytes(a ^ b for a, b in zip(answer[6:], answer[2:], strict=False)) == code.to_bytes(2, "big")


@pytest.mark.parametrize("after", [b"", frame(1, b"hel", length=5), frame(1, b"part", first=0)])
async def test_the_connection_is_lost(after: bytes) -> None:
    async def handler(peer: Peer) -> None:
        await peer.raw(frame(1, b"one") + after)

    assert await outcome(handler) == (None, LOST, ["one"])


async def test_a_server_that_closes_at_once_after_its_close_frame() -> None:
    async def handler(peer: Peer) -> None:
        await peer.close(4000)

    assert await outcome(handler) == (None, "true 4000", [])


async def test_messages_that_are_too_large() -> None:
    async def announced(peer: Peer) -> None:
        await peer.raw(frame(2, bytes(1 << 20), length=1 << 40))
        while True:
            await peer.raw(bytes(1 << 20))

    async def fragmented(peer: Peer) -> None:
        await peer.raw(frame(2, bytes(1 << 20), first=0))
        while True:
            await peer.raw(frame(0, bytes(1 << 20), first=0))

    for handler in (announced, fragmented):
        assert await outcome(handler) == ("the server sent a message that is too large", FAILED, [])


async def test_a_bomb() -> None:
    """A hundred megabytes in a hundred kilobytes, for an app that takes 8 MB."""
    compressor = zlib.compressobj(wbits=-15)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(100)) + compressor.flush(zlib.Z_SYNC_FLUSH)

    async def handler(peer: Peer) -> None:
        await peer.raw(frame(2, bomb[:-4], first=0xC0))
        await peer.gone()

    assert await outcome(handler, deflate=True) == ("the server sent a message that is too large", FAILED, [])


async def test_deflated_nonsense() -> None:
    async def handler(peer: Peer) -> None:
        await peer.raw(frame(2, b"\xff" * 100, first=0xC0))
        await peer.gone()

    assert await outcome(handler, deflate=True) == (UNREADABLE, FAILED, [])


async def test_a_server_that_does_not_answer_the_close_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "CLOSE_S", 0.2)

    async def handler(peer: Peer) -> None:
        while await peer.stream.receive_some(65536):
            pass

    assert await outcome(handler, "ws.onopen = () => ws.close(); return over;") == (None, "false 1006", [])


async def test_a_server_that_does_not_close_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "LINGER_S", 0.2)

    async def handler(peer: Peer) -> None:
        await peer.close(4005)
        await peer.gone()

    assert await outcome(handler) == (None, "true 4005", [])


async def test_a_server_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_client, "CLOSE_S", 0.3)
    left = trio.Event()

    async def handler(peer: Peer) -> None:
        await left.wait()

    async with serving(handler) as server, fetching() as js:
        source = """
            ws.onopen = () => { for (let i = 0; i < 6; i++) ws.send(new Uint8Array(1 << 20)); setTimeout(() => ws.close(), 100); };
            const result = await over;
            return [...result, ws.bufferedAmount > 1 << 20];"""
        result = await js.run(OUTCOME + source, url=server.url)
        left.set()
        await server.settled()
        assert result == [None, "false 1006", [], 3, True]


async def test_more_is_sent_than_can_wait() -> None:
    left = trio.Event()

    async def handler(peer: Peer) -> None:
        await left.wait()

    async with serving(handler) as server, fetching() as js:
        source = """
            ws.onopen = () => { for (let i = 0; i < 9; i++) ws.send(new Uint8Array(1 << 20)); };
            const result = await over;
            return [...result, ws.bufferedAmount >= 1 << 20];"""
        result = await js.run(OUTCOME + source, url=server.url)
        left.set()
        await server.settled()
        assert result == ["more was sent than the connection can take", FAILED, [], 3, True]


async def test_many_that_are_opened_in_one_turn_begin_a_few_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = 0
    begun: list[int] = []

    class Begun(websocket_client.Handshake):
        def __init__(self, *args: Any) -> None:
            begun.append(passes)
            super().__init__(*args)

    class Passes(trio.abc.Instrument):
        """A task that counted them would be before the others in one pass, and after them in the next."""

        def before_io_wait(self, timeout: float) -> None:
            nonlocal passes
            passes += 1

    monkeypatch.setattr(websocket_client, "Handshake", Begun)
    trio.lowlevel.add_instrument(Passes())
    async with fetching() as js:
        source = """
            const open = () => { const ws = new WebSocket("ws://127.0.0.1:1/"); return new Promise((resolve) => { ws.onclose = resolve; }); };
            await Promise.all(Array.from({ length: 200 }, open));"""
        await js.run(source)
    assert len(begun) == 200
    assert max(map(begun.count, begun)) <= 4


async def test_what_waits_to_be_sent_counts_as_the_apps_memory() -> None:
    """Each of a thousand connections may have as much."""
    left = trio.Event()

    async def handler(peer: Peer) -> None:
        await left.wait()

    async with serving(handler) as server, fetching() as js:
        isolate = js.environment.isolate
        source = """
            globalThis.all = Array.from({ length: 5 }, () => new WebSocket(url));
            await Promise.all(all.map((ws) => new Promise((resolve) => { ws.onopen = resolve; })));
            for (const ws of all) for (let i = 0; i < 6; i++) ws.send(new Uint8Array(1 << 20));"""
        await js.run(source, url=server.url)
        assert isolate.outside > 20 << 20
        left.set()
        await js.run(
            "await Promise.all(all.map((ws) => new Promise((resolve) => { ws.onclose = resolve; }))); all = null;"
        )
        await server.settled()
        assert isolate.outside == 0


async def test_what_waits_for_the_app_counts_as_its_memory() -> None:
    """Each of a thousand connections may have a megabyte of that."""

    async def handler(peer: Peer) -> None:
        for _ in range(8):
            await peer.raw(frame(2, bytes(100_000)))
        await peer.receive()

    async with serving(handler) as server, fetching() as js:
        isolate = js.environment.isolate
        source = "globalThis.answer = await fetch(url, { headers: { Upgrade: 'websocket' } });"
        await js.run(source, url=server.url.replace("ws", "http", 1))
        with trio.fail_after(10):
            while isolate.outside < 800_000:
                await trio.lowlevel.checkpoint()
        source = """
            const ws = answer.webSocket;
            let count = 0;
            const all = new Promise((resolve) => ws.addEventListener("message", () => { if (++count === 8) resolve(); }));
            ws.accept();
            await all;"""
        await js.run(source)
        assert isolate.outside == 0


async def test_of_parts_of_nothing_none_are_kept() -> None:
    """A server may send any number of them, two octets each."""

    async def connect(origin: Origin) -> Connected:
        raise AssertionError

    async with fetching() as js:
        client = WebSocketClient(connect, "ws://localhost/", [], 1000, js.environment.held())
        for _ in range(10_000):
            assert client._handle(Opcode.TEXT, "", False)
        assert len(client._parts) == 1
        client._handle(Opcode.TEXT, "a", False)
        client._handle(Opcode.TEXT, "", True)
        assert await client.next_event() == Text("a")
        client._handle(Opcode.BINARY, b"", True)
        assert await client.next_event() == Binary(b"")


async def test_a_flood_of_pings_and_of_tiny_messages_delays_no_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    handled = longest = 0

    class Counting(websocket_client.Frames):
        def received_frames(self) -> Generator[Any, None, None]:
            nonlocal handled
            for each in super().received_frames():
                handled += 1
                yield each

    monkeypatch.setattr(websocket_client, "Frames", Counting)

    async def handler(peer: Peer) -> None:
        flood = frame(9, b"x") * 5_000 + frame(1, b"", first=0) + frame(0, b"", first=0) * 20_000 + frame(0, b"end")
        await peer.raw(flood)
        await peer.close()
        await peer.receive()

    async def watch() -> None:
        nonlocal longest
        while True:
            before = handled
            await trio.lowlevel.checkpoint()
            longest = max(longest, handled - before)

    async with serving(handler) as server, fetching() as js, trio.open_nursery() as nursery:
        source = "const result = await over; return result;"
        nursery.start_soon(watch)
        result = await js.run(OUTCOME + source, url=server.url)
        nursery.cancel_scope.cancel()
    assert result == [None, "true 1000", ["end"], 3]
    # Each pass of the loop handles 64 frames at most, and Trio runs the tasks of a pass in any order: two passes' worth.
    assert handled == 25_003
    assert longest <= 128


async def test_a_handler_that_throws_is_reported_and_the_connection_goes_on() -> None:
    async def handler(peer: Peer) -> None:
        await peer.send("one")
        await peer.send("two")
        await peer.close()
        await peer.receive()

    async with serving(handler) as server, fetching() as js:
        source = "ws.addEventListener('message', (e) => { throw new Error('mine ' + e.data); }); return over;"
        result = await js.run(OUTCOME + source, url=server.url)
        assert result == [None, "true 1000", ["one", "two"], 3]
        assert sum("mine" in line for line in js.logs) == 2


# -- permessage-deflate against another implementation of it ------------------------------------------------------------

AGREED = st.sampled_from(
    [
        (forgets, client, server, bits)
        for forgets in (0, 1)
        for client in (0, 1)
        for server in (0, 1)
        for bits in (8, 9, 12, 15)
    ]
)
MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 50, 1023, 1024, 5000]),
        st.integers(0, 255),
        st.lists(st.integers(1, 3000), max_size=3),
        st.booleans(),
    ),
    max_size=5,
)


@settings(max_examples=60)
@given(agreed=AGREED, messages=MESSAGES)
def test_deflate_agrees_with_another_implementation(agreed: Any, messages: Any) -> None:
    _, client_forgets, server_forgets, bits = agreed
    accepted = "permessage-deflate"
    accepted += "; client_no_context_takeover" * client_forgets + "; server_no_context_takeover" * server_forgets
    accepted += f"; client_max_window_bits={bits}; server_max_window_bits=15"
    ours = Deflate(accepted, 1 << 20)
    client = FrameProtocol(client=True, extensions=[ours])
    # The other side sees the client's frames as a server does.
    theirs = PerMessageDeflate(bool(client_forgets), bool(server_forgets), max(bits, 9), 15)
    for size, seed, cuts, ping in messages:
        data = bytes((seed * i * i >> 3) & 255 for i in range(size))
        # A message from them, in fragments, with a ping in between.
        at = 0
        pieces = []
        for cut in [*cuts, size]:
            pieces.append(data[at : at + cut])
            at += cut
        pieces.append(data[at:])
        wire = b""
        for index, piece in enumerate(pieces):
            opcode = ServerOpcode.BINARY if index == 0 else ServerOpcode.CONT
            wire += Frame(opcode, piece, index == len(pieces) - 1).serialize(mask=False, extensions=[theirs])
            if ping:
                wire += Frame(ServerOpcode.PING, b"p").serialize(mask=False)
        client.receive_bytes(wire)
        got = b"".join(bytes(f.payload) for f in client.received_frames() if f.opcode is Opcode.BINARY)  # type: ignore[arg-type]
        assert got == data
        # And one to them.
        ours.compress = size >= 100 and ours.can_compress
        out = bytes(client.send_data(data, True))
        sent = _unmasked(out)
        assert bytes(theirs.decode(sent, max_size=1 << 20).data) == data


def _unmasked(data: bytes) -> Frame:
    size, at = data[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    mask, payload = data[at : at + 4], data[at + 4 : at + 4 + size]
    clear = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return Frame(ServerOpcode(data[0] & 15), clear, bool(data[0] & 128), bool(data[0] & 64))


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_whatever_raise_anything_but_a_parse_error(data: bytes, deflated: bool) -> None:
    frames = FrameProtocol(client=True, extensions=[Deflate("permessage-deflate", 1000)] if deflated else [])
    frames.receive_bytes(data)
    payloads: list[object] = []
    with suppress(ParseFailed):
        payloads += [received.payload for received in frames.received_frames()]
    # What was no error is text, bytes, or a code and a reason; and unless it was inflated, it came in those bytes.
    assert all(isinstance(payload, str | bytes | bytearray | tuple) for payload in payloads)
    if not deflated:
        assert sum(len(payload) for payload in payloads if isinstance(payload, str | bytes | bytearray)) <= len(data)


@pytest.mark.parametrize(
    "accepted",
    ["x", "permessage-deflate; x", "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
     "permessage-deflate; client_max_window_bits=16", "permessage-deflate; server_no_context_takeover=1", "permessage-deflate;",
     "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate, permessage-deflate"],
)  # fmt: skip
def test_extensions_that_were_not_offered(accepted: str) -> None:
    with pytest.raises(BadExtension):
        Deflate(accepted, 1000)


def test_random_data_is_not_lost_in_blocks_marked_as_last() -> None:
    data = os.urandom(5000)
    compressor = zlib.compressobj(wbits=-15)
    wire = compressor.compress(data) + compressor.flush(zlib.Z_FINISH) + b"\0"
    frames = FrameProtocol(client=True, extensions=[Deflate("permessage-deflate", 100_000)])
    for _ in range(2):
        frames.receive_bytes(frame(2, wire, first=0xC0))
        assert b"".join(bytes(f.payload) for f in frames.received_frames()) == data  # type: ignore[arg-type]


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_a_server_that_has_a_small_window_can_read_what_is_sent(bits: int) -> None:
    """No distance is longer than the window, however well that would compress."""
    deflate = Deflate(f"permessage-deflate; client_max_window_bits={bits}", 1 << 20)
    deflate.compress = True
    piece = os.urandom(3000)
    _, sent = deflate.frame_outbound(
        FrameProtocol(True, []), Opcode.BINARY, RsvBits(False, False, False), piece * 4, True
    )
    assert zlib.decompressobj(-bits).decompress(sent + b"\0\0\xff\xff") == piece * 4
    assert (len(sent) < 6000) == (bits >= 12)
