"""The frame decoder against another one (wsproto's), and against itself however the bytes are cut. No sockets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol, Opcode, ParseFailed

from nano_trio.web.websocket_compression import agree, compress, parse_extensions
from nano_trio.web.websocket_frames import (
    AGAIN,
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Control,
    Decoder,
    Violation,
    close_frame,
    frame,
)
from tests.web.sockets import deflated, inflated, masked

Seen = tuple[object, ...]
LIMIT = 400


def decode(pieces: list[bytes], *, deflate: bool = False, limit: int = 1 << 20) -> list[Seen]:
    """What the decoder finds: messages, control frames, and at the end perhaps a violation."""
    decoder = Decoder(limit, deflate=deflate)
    found: list[Seen] = []
    for piece in pieces:
        message = decoder.whole(piece)
        if message is not None:
            found.append((message,))
            continue
        decoder.feed(piece)
        while True:
            try:
                event = decoder.next()
            except Violation as violation:
                return [*found, ("violation", violation.code)]
            if event is None:
                break
            if event is AGAIN:
                continue
            if isinstance(event, Control):
                if event.opcode == CLOSE:
                    return [*found, ("close", event.code, event.reason)]
                found.append((event.opcode, event.payload))
            else:
                found.append((event,))
    return found


def decode_by_wsproto(data: bytes) -> list[Seen]:
    protocol = FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(data)
    found: list[Seen] = []
    parts: list[str | bytes] = []
    try:
        for received in protocol.received_frames():
            payload = received.payload
            if received.opcode is Opcode.CLOSE:
                assert isinstance(payload, tuple)
                return [*found, ("close", int(payload[0]), payload[1] or "")]
            if received.opcode in (Opcode.PING, Opcode.PONG):
                found.append((int(received.opcode), bytes(payload)))  # type: ignore[arg-type]
                continue
            assert isinstance(payload, str | bytes | bytearray)
            parts.append(payload if isinstance(payload, str) else bytes(payload))
            if received.message_finished:
                empty = "" if isinstance(parts[0], str) else b""
                found.append((empty.join(parts),))  # type: ignore[arg-type]
                parts = []
    except ParseFailed as error:
        return [*found, ("violation", int(error.code))]
    return found


payloads = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=20).map(str.encode),
    st.sampled_from([b"x" * 125, b"x" * 126, b"y" * 65535, b"z" * 65536, b"\xed\xa0\x80", b"\xf0\x9f"]),
    st.integers(0, 5000).map(lambda code: code.to_bytes(2, "big")),
)
first_bytes = st.one_of(
    st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88]),
    st.sampled_from([0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
    st.integers(0, 255),
)
frames = st.builds(masked, first_bytes, payloads, mask=st.binary(min_size=4, max_size=4))
streams = st.lists(frames, max_size=12).map(b"".join)


@given(streams)
@settings(max_examples=500)
def test_it_reads_what_wsproto_reads(data: bytes) -> None:
    assert decode([data]) == decode_by_wsproto(data)


@given(streams, st.binary(max_size=30))
@settings(max_examples=200)
def test_rubbish_raises_nothing_but_violations(data: bytes, rubbish: bytes) -> None:
    found = decode([data, rubbish])
    assert found[: len(sound := decode([data]))] == sound, "what came before was read otherwise"
    assert not any(event[0] in ("violation", "close") for event in found[:-1]), "it read on behind the end"


@given(streams, st.lists(st.integers(0, 500), max_size=20))
@settings(max_examples=300)
def test_how_bytes_are_cut_does_not_matter(data: bytes, cuts: list[int]) -> None:
    whole = decode([data], limit=LIMIT)
    places = sorted(cut for cut in cuts if cut < len(data))
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decode(pieces, limit=LIMIT) == whole
    assert decode([data[at : at + 1] for at in range(min(len(data), 3000))] + [data[3000:]], limit=LIMIT) == whole


@given(st.lists(st.binary(max_size=3000) | st.binary(max_size=8).map(lambda data: data * 400), max_size=6), st.data())
@settings(max_examples=200)
def test_compressed_messages_of_wsproto_and_ours(messages: list[bytes], data: st.DataObject) -> None:
    """A client by wsproto and this server understand each other, in both directions."""
    extension = PerMessageDeflate(client_no_context_takeover=True, server_no_context_takeover=True)
    offer = extension.offer()
    assert isinstance(offer, str)
    agreed = agree(parse_extensions(f"permessage-deflate; {offer}"))
    assert agreed is not None
    extension.finalize(agreed.answer)
    client = FrameProtocol(client=True, extensions=[extension])
    sent = bytearray()
    for message in messages:
        cut = data.draw(st.integers(0, len(message)))
        sent += client.send_data(message[:cut], fin=False)
        sent += client.send_data(message[cut:], fin=True)
    step = data.draw(st.integers(1, 2000))
    pieces = [bytes(sent[at : at + step]) for at in range(0, len(sent), step)]
    assert decode(pieces, deflate=True) == [(message,) for message in messages]
    back = b"".join(frame(BINARY, compress(message, agreed.window_bits), compressed=True) for message in messages)
    client.receive_bytes(back)
    received = [bytes(each.payload) for each in client.received_frames()]  # type: ignore[arg-type]
    assert received == messages


@given(st.binary(max_size=200_000), st.integers(9, 15))
@settings(max_examples=50)
def test_what_is_compressed_inflates(payload: bytes, bits: int) -> None:
    assert inflated(compress(payload, bits)) == payload


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, PONG])
@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_are_what_wsproto_reads(opcode: int, size: int) -> None:
    if opcode in (PING, PONG) and size > 125:
        return
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(frame(opcode, b"x" * size))
    (received,) = client.received_frames()
    expected = "x" * size if opcode == TEXT else b"x" * size
    assert (int(received.opcode), received.payload) == (opcode, expected)


@given(st.one_of(st.none(), st.sampled_from([1000, 1001, 1011, 3000, 4999])), st.text(max_size=200))
def test_close_frames_are_what_wsproto_reads(code: int | None, reason: str) -> None:
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(close_frame(code, reason))
    (received,) = client.received_frames()
    assert isinstance(received.payload, tuple)
    if code is None:
        assert int(received.payload[0]) == 1005
    else:
        assert received.payload[0] == code
        assert reason.startswith(received.payload[1] or "")


def test_a_step_is_small_whatever_comes() -> None:
    """A bomb, empty fragments, endless final blocks: no call of ``next`` takes long, nor gathers much."""
    bomb = masked(0xC2, deflated(bytes(1 << 26)))
    empties = masked(0x01) + masked(0x00) * 10_000
    blocks = masked(0xC2, b"\x03\0" * 20_000)
    for data, at_least in ((bomb, (1 << 24) // (1 << 17)), (empties, 10_000), (blocks, 20_000)):
        decoder = Decoder(1 << 24, deflate=True)
        steps = 0
        for at in range(0, len(data), 65536):
            decoder.feed(data[at : at + 65536])
            try:
                while decoder.next() is not None:
                    steps += 1
            except Violation:  # the bomb, in the end
                break
        assert steps >= at_least
