"""RFC 6455 and RFC 7692 by raw frames, in the categories of the Autobahn test suite.

Each case is what a client sends after the handshake and every frame that an echo server must answer with, to the last
one before it closes the connection. All cases that are not long are sent twice: at once, and octet by octet.
"""

from __future__ import annotations

import zlib

import attrs
import pytest
import trio

from nano_trio.actors.messages import SocketLimits
from tests.web.apps import running
from tests.web.sockets import DEFLATE, SocketApp, SocketClient, deflated, inflated, masked, opened

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
MAX = 200_000


def text(payload: bytes | str) -> bytes:
    return masked(FIN | TEXT, payload.encode() if isinstance(payload, str) else payload)


def binary(payload: bytes) -> bytes:
    return masked(FIN | BINARY, payload)


def part(opcode: int, payload: bytes, *, fin: bool = False) -> bytes:
    return masked((FIN if fin else 0) | opcode, payload)


def ping(payload: bytes = b"") -> bytes:
    return masked(FIN | PING, payload)


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return masked(FIN | CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def Text(payload: bytes | str) -> tuple[int, bytes]:
    return FIN | TEXT, payload.encode() if isinstance(payload, str) else payload


def Binary(payload: bytes) -> tuple[int, bytes]:
    return FIN | BINARY, payload


def Pong(payload: bytes = b"") -> tuple[int, bytes]:
    return FIN | PONG, payload


def Closed(code: int | None) -> tuple[int, bytes]:
    """Reasons are not compared."""
    return FIN | CLOSE, b"" if code is None else code.to_bytes(2, "big")


@attrs.frozen
class Case:
    name: str
    sent: bytes
    expected: list[tuple[int, bytes]]
    deflate: str = ""
    clean: bool = True
    """Whether it ends with a Close of the client's."""

    @property
    def dribbles(self) -> bool:
        return len(self.sent) <= 600


def fine(name: str, sent: bytes, *expected: tuple[int, bytes], deflate: str = "") -> Case:
    """All is well: the client closes afterwards, and is answered."""
    return Case(name, sent + close(), [*expected, Closed(1000)], deflate)


def bad(name: str, code: int, sent: bytes, *expected: tuple[int, bytes], deflate: str = "") -> Case:
    """The server fails the connection; what follows is not looked at."""
    return Case(name, sent + text("not read"), [*expected, Closed(code)], deflate, clean=False)


SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 131072)
FRAMING = [
    *(fine(f"text of {size}", text(b"*" * size), Text(b"*" * size)) for size in SIZES),
    *(fine(f"binary of {size}", binary(b"\xfe" * size), Binary(b"\xfe" * size)) for size in SIZES),
    fine("many messages at once", b"".join(text(f"{n}") for n in range(300)), *(Text(f"{n}") for n in range(300))),
    fine("a mask of zeros", masked(FIN | TEXT, b"plain", mask=bytes(4)), Text("plain")),
    fine("a length in more bytes than needed", b"\x81\xfe\0\5" + bytes(4) + b"hello", Text("hello")),
    fine("a length in eight bytes", b"\x81\xff" + (5).to_bytes(8, "big") + bytes(4) + b"hello", Text("hello")),
    bad("unmasked text", 1002, b"\x81\x05hello"),
    bad("unmasked empty binary", 1002, b"\x82\x00" + bytes(8)),
    bad("unmasked ping", 1002, b"\x89\x00" + bytes(8)),
    bad("unmasked close", 1002, b"\x88\x02\x03\xe8" + bytes(8)),
    bad("unmasked after a message", 1002, text("a") + b"\x81\x05hello", Text("a")),
    bad("a length of 64 bits", 1002, b"\x82\xff" + b"\xff" * 8 + bytes(4)),
]

PINGS = [
    fine("empty", ping(), Pong()),
    fine("with text", ping(b"Hello, world!"), Pong(b"Hello, world!")),
    fine("with what is no UTF-8", ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), Pong(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
    fine("of 125 bytes", ping(b"\xfe" * 125), Pong(b"\xfe" * 125)),
    fine("ten in order", b"".join(ping(b"%d" % n) for n in range(10)), *(Pong(b"%d" % n) for n in range(10))),
    fine("an unsolicited pong", masked(FIN | PONG)),
    fine("an unsolicited pong with a payload, then a ping", masked(FIN | PONG, b"x") + ping(b"y"), Pong(b"y")),
    fine("between messages", text("a") + ping(b"b") + text("c"), Text("a"), Pong(b"b"), Text("c")),
    bad("of 126 bytes", 1002, ping(b"\xfe" * 126)),
    bad("a pong of 126 bytes", 1002, masked(FIN | PONG, b"\xfe" * 126)),
    bad("of 65536 bytes", 1002, ping(b"\xfe" * 65536)),
]

RESERVED_BITS = [
    *(
        bad(f"bits {bits >> 4} on {name}", 1002, text("first") + masked(FIN | bits | opcode, payload), Text("first"))
        for bits in (RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3)
        for name, opcode, payload in (
            ("text", TEXT, b"hello"),
            ("binary", BINARY, b""),
            ("ping", PING, b"x"),
            ("close", CLOSE, b"\x03\xe8"),
        )
    ),
    bad("bit 4 on a continuation", 1002, part(TEXT, b"a") + masked(FIN | RSV1, b"b")),
]

OPCODES = [
    *(bad(f"{opcode}", 1002, text("first") + masked(FIN | opcode, b"x"), Text("first")) for opcode in range(3, 8)),
    *(bad(f"{opcode}", 1002, text("first") + masked(FIN | opcode), Text("first")) for opcode in range(11, 16)),
    bad("3 in a fragment", 1002, masked(3, b"x")),
]

FRAGMENTS = [
    fine("text in two", part(TEXT, b"fragment1") + part(CONT, b"fragment2", fin=True), Text("fragment1fragment2")),
    fine("binary in three", part(BINARY, b"a") + part(CONT, b"b") + part(CONT, b"c", fin=True), Binary(b"abc")),
    fine("empty ones", part(TEXT, b"") + part(CONT, b"") + part(CONT, b"", fin=True), Text("")),
    fine("only the middle is not empty", part(TEXT, b"") + part(CONT, b"x") + part(CONT, b"", fin=True), Text("x")),
    fine(
        "pings between",
        part(TEXT, b"f1") + ping(b"p1") + part(CONT, b"f2") + ping(b"p2") + part(CONT, b"f3", fin=True),
        Pong(b"p1"),
        Pong(b"p2"),
        Text("f1f2f3"),
    ),
    fine("a pong between", part(TEXT, b"f1") + masked(FIN | PONG, b"p") + part(CONT, b"f2", fin=True), Text("f1f2")),
    fine("two messages in fragments", (part(TEXT, b"a") + part(CONT, b"b", fin=True)) * 2, Text("ab"), Text("ab")),
    fine(
        "a thousand of one byte",
        part(BINARY, b"") + part(CONT, b"x") * 1000 + part(CONT, b"", fin=True),
        Binary(b"x" * 1000),
    ),
    fine(
        "large ones", part(TEXT, b"a" * 70_000) + part(CONT, b"b" * 70_000, fin=True), Text("a" * 70_000 + "b" * 70_000)
    ),
    Case("a close between", part(TEXT, b"f1") + close() + part(CONT, b"f2", fin=True), [Closed(1000)]),
    bad("a continuation of nothing", 1002, part(CONT, b"x", fin=True)),
    bad("an unfinished continuation of nothing", 1002, part(CONT, b"x")),
    bad("a continuation after a whole message", 1002, text("a") + part(CONT, b"x", fin=True), Text("a")),
    bad("text within text", 1002, part(TEXT, b"a") + text("b")),
    bad("binary within text", 1002, part(TEXT, b"a") + binary(b"b")),
    bad("fragments within fragments", 1002, part(TEXT, b"a") + part(TEXT, b"b")),
    bad("a fragmented ping", 1002, part(PING, b"f1") + part(CONT, b"f2", fin=True)),
    bad("a fragmented pong", 1002, part(PONG, b"f1") + part(CONT, b"f2", fin=True)),
    bad("a fragmented close", 1002, part(CLOSE, b"\x03\xe8")),
]

VALID_TEXT = [
    "Hello-µ@ßöäüàá-UTF-8!!",
    "κόσμε",
    "\0\x7f",
    "\u0080\u07ff",
    "\u0800\uffff",
    "\U00010000\U0010ffff",
    "\ud7ff\ue000\ufffd",
    "\ufeffBOM",
    "\ufffe\ufdd0",
    "\U0001fffe\U0010fffe",
    "日本語 العربية 🚀👩‍🚀",
]
INVALID_TEXT = {
    "a lone continuation byte": b"\x80",
    "the last continuation byte": b"\xbf",
    "continuation bytes": b"\x80\xbf\x80\xbf\x80\xbf",
    "all continuation bytes": bytes(range(0x80, 0xC0)),
    "two-byte starts alone": b" ".join(bytes((n,)) for n in range(0xC0, 0xE0)) + b" ",
    "three-byte starts alone": b" ".join(bytes((n,)) for n in range(0xE0, 0xF0)) + b" ",
    "four-byte starts alone": b" ".join(bytes((n,)) for n in range(0xF0, 0xF8)) + b" ",
    "a five-byte sequence": b"\xf8\x88\x80\x80\x80",
    "a six-byte sequence": b"\xfc\x84\x80\x80\x80\x80",
    "0xfe and 0xff": b"\xfe\xfe\xff\xff",
    "one byte short of two": b"\xc3",
    "one byte short of three": b"\xe6\x97",
    "two bytes short of four": b"\xf0\x9f",
    "one byte short of four": b"\xf0\x9f\x9a",
    "overlong slash in two": b"\xc0\xaf",
    "overlong slash in three": b"\xe0\x80\xaf",
    "overlong slash in four": b"\xf0\x80\x80\xaf",
    "overlong nul": b"\xc0\x80",
    "the largest overlong in two": b"\xc1\xbf",
    "the largest overlong in three": b"\xe0\x9f\xbf",
    "the largest overlong in four": b"\xf0\x8f\xbf\xbf",
    "a high surrogate": b"\xed\xa0\x80",
    "a low surrogate": b"\xed\xbf\xbf",
    "a surrogate pair": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "good, then bad": "κόσμε".encode() + b"\xed\xa0\x80edited",
}
UTF8 = [
    *(fine(f"valid {index}", text(valid), Text(valid)) for index, valid in enumerate(VALID_TEXT)),
    *(
        fine(
            f"valid {index} in fragments of a byte",
            part(TEXT, b"")
            + b"".join(part(CONT, bytes((octet,))) for octet in valid.encode())
            + part(CONT, b"", fin=True),
            Text(valid),
        )
        for index, valid in enumerate(VALID_TEXT)
    ),
    *(bad(name, 1007, text(invalid)) for name, invalid in INVALID_TEXT.items()),
    *(
        bad(f"{name}, in fragments", 1007, part(TEXT, invalid[:1]) + part(CONT, invalid[1:], fin=True))
        for name, invalid in INVALID_TEXT.items()
    ),
    fine("anything in binary", binary(b"\xff\xfe\xed\xa0\x80"), Binary(b"\xff\xfe\xed\xa0\x80")),
    # Refused before the message is complete.
    bad("at the first bad byte", 1007, part(TEXT, b"abc\xff") + ping()),
    bad("at the first bad byte of a frame", 1007, masked(FIN | TEXT, b"abc\xff", length=MAX)),
]

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSING = [
    Case("without a code", close(None), [Closed(None)]),
    Case("after a message", text("a") + close(), [Text("a"), Closed(1000)]),
    Case("what follows is not read", close() + text("b") + ping(), [Closed(1000)]),
    Case("twice", close() + close(), [Closed(1000)]),
    Case("with rubbish behind", close() + b"\xff" * 40, [Closed(1000)]),
    Case("with a reason", close(1000, b"Hello World!"), [Closed(1000)]),
    Case("with a reason of 123 bytes", close(1000, b"*" * 123), [Closed(1000)]),
    Case("with a reason beyond ASCII", close(1000, "übel 🚀".encode()), [Closed(1000)]),
    bad("with a reason of 124 bytes", 1002, close(1000, b"*" * 124)),
    bad("with half a code", 1002, masked(FIN | CLOSE, b"\x03")),
    bad("with a reason that is no UTF-8", 1007, close(1000, b"\xff")),
    bad("with half a character for a reason", 1007, close(1000, b"\xe6\x97")),
    *(Case(f"with {code}", close(code), [Closed(code)]) for code in GOOD_CODES),
    *(bad(f"with {code}", 1002, close(code)) for code in BAD_CODES),
]

LIMITS = [
    fine("as large as can be", binary(b"x" * MAX), Binary(b"x" * MAX)),
    fine(
        "as large as can be, in fragments",
        part(BINARY, b"x" * (MAX // 2)) + part(CONT, b"x" * (MAX // 2), fin=True),
        Binary(b"x" * MAX),
    ),
    bad("too large is seen in the header", 1009, masked(FIN | BINARY, length=MAX + 1)),
    bad("much too large is seen in the header", 1009, masked(FIN | TEXT, length=1 << 40)),
    bad("too large by a fragment", 1009, part(BINARY, b"x" * MAX) + masked(CONT, length=1)),
    fine("the limit holds for each message", (binary(b"x" * MAX)) * 2, Binary(b"x" * MAX), Binary(b"x" * MAX)),
]

BIG = b"nano-trio " * 500


def z(payload: bytes, first: int = FIN | RSV1 | TEXT) -> bytes:
    return masked(first, payload)


def final_block(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush(zlib.Z_FINISH) + b"\0"


COMPRESSION = [
    fine("a small message", z(deflated(b"Hello")), Text("Hello"), deflate=DEFLATE),
    fine("RFC 7692 section 7.2.3.1", z(bytes.fromhex("f248cdc9c90700")), Text("Hello"), deflate=DEFLATE),
    fine(
        "RFC 7692 section 7.2.3.1, in fragments",
        masked(RSV1 | TEXT, bytes.fromhex("f248cd")) + part(CONT, bytes.fromhex("c9c90700"), fin=True),
        Text("Hello"),
        deflate=DEFLATE,
    ),
    fine(
        "RFC 7692 section 7.2.3.3: a stored block",
        z(bytes.fromhex("000500faff48656c6c6f00")),
        Text("Hello"),
        deflate=DEFLATE,
    ),
    fine("RFC 7692 section 7.2.3.4: BFINAL", z(bytes.fromhex("f348cdc9c9070000")), Text("Hello"), deflate=DEFLATE),
    fine(
        "RFC 7692 section 7.2.3.5: two blocks",
        z(bytes.fromhex("f248050000 00ffffcac9c90700")),
        Text("Hello"),
        deflate=DEFLATE,
    ),
    fine(
        "a message after BFINAL",
        z(final_block(b"one")) + z(deflated(b"two")),
        Text("one"),
        Text("two"),
        deflate=DEFLATE,
    ),
    fine("an empty message", z(b"\0"), Text(""), deflate=DEFLATE),
    fine("binary", z(deflated(b"\xff\xfe"), FIN | RSV1 | BINARY), Binary(b"\xff\xfe"), deflate=DEFLATE),
    fine("an answer that is worth it", z(deflated(BIG)), Text(BIG), deflate=DEFLATE),
    fine("uncompressed all the same", text(BIG) + text("small"), Text(BIG), Text("small"), deflate=DEFLATE),
    fine("a window of 512 bytes", z(deflated(BIG, bits=-9)), Text(BIG), deflate=DEFLATE),
    fine(
        "control frames between",
        masked(RSV1 | TEXT, deflated(b"Hello")[:3]) + ping(b"x") + part(CONT, deflated(b"Hello")[3:], fin=True),
        Pong(b"x"),
        Text("Hello"),
        deflate=DEFLATE,
    ),
    fine(
        "fragments of a byte",
        masked(RSV1 | TEXT) + b"".join(part(CONT, bytes((o,))) for o in deflated(BIG)) + part(CONT, b"", fin=True),
        Text(BIG),
        deflate=DEFLATE,
    ),
    fine("as large as can be", z(deflated(b"x" * MAX), FIN | RSV1 | BINARY), Binary(b"x" * MAX), deflate=DEFLATE),
    bad("too large inflated", 1009, z(deflated(b"x" * (MAX + 1))), deflate=DEFLATE),
    bad("a bomb", 1009, z(deflated(bytes(1 << 24))), deflate=DEFLATE),
    bad("a bomb in fragments", 1009, masked(RSV1 | BINARY, deflated(bytes(1 << 24))), deflate=DEFLATE),
    bad("what is no deflate", 1007, z(b"\xff\xff\xff\xff"), deflate=DEFLATE),
    bad("a distance beyond the window", 1007, z(b"\x4a\x04\x12\x12\x12\x00"), deflate=DEFLATE),
    bad("text that inflates to no UTF-8", 1007, z(deflated(b"\xff")), deflate=DEFLATE),
    bad("text that ends within a character", 1007, z(deflated("é".encode()[:1])), deflate=DEFLATE),
    bad("RSV1 on a continuation", 1002, masked(RSV1 | TEXT, b"\0") + masked(FIN | RSV1, b"\0"), deflate=DEFLATE),
    bad("RSV1 on a ping", 1002, masked(FIN | RSV1 | PING), deflate=DEFLATE),
    bad("RSV2", 1002, masked(FIN | RSV2 | TEXT), deflate=DEFLATE),
    bad("RSV1 and RSV2", 1002, masked(FIN | RSV1 | RSV2 | TEXT), deflate=DEFLATE),
    bad("RSV1 that was not agreed on", 1002, z(deflated(b"Hello"))),
]

CATEGORIES = {
    "framing": FRAMING,
    "pings": PINGS,
    "reserved bits": RESERVED_BITS,
    "opcodes": OPCODES,
    "fragments": FRAGMENTS,
    "utf-8": UTF8,
    "closing": CLOSING,
    "limits": LIMITS,
    "compression": COMPRESSION,
}
CASES = {f"{category}: {case.name}": case for category, cases in CATEGORIES.items() for case in cases}


def test_there_are_enough_cases() -> None:
    assert len(CASES) == sum(map(len, CATEGORIES.values())), "two cases have the same name"
    assert len(CASES) >= 200


async def _check(case: Case, *, dribble: bool) -> None:
    app = SocketApp(limits=SocketLimits(max_message=MAX))
    async with running(app) as server, opened(server, case.deflate) as client:
        await check(case, client, app, dribble=dribble)


async def check(case: Case, client: SocketClient, app: SocketApp, *, dribble: bool) -> None:
    """Of a connection that is open, the app's last."""
    recorder = app.sockets[-1]
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            # The server may have closed before it read all.
            try:
                pieces = [case.sent[at : at + 1] for at in range(len(case.sent))] if dribble else [case.sent]
                for piece in pieces:
                    await client.send(piece)
                    await trio.lowlevel.checkpoint()
            except trio.BrokenResourceError:
                pass

        nursery.start_soon(send)
        with trio.fail_after(20):
            frames = await client.frames()
            await recorder.over.wait()
    found = []
    for frame in frames:
        first, payload = frame.first, frame.payload
        if first & RSV1:
            assert case.deflate
            assert len(payload) < len(inflated(payload))
            first, payload = first & ~RSV1, inflated(payload)
        if frame.opcode == CLOSE:
            payload[2:].decode()
            payload = payload[:2]
        found.append((first, payload))
    assert found == case.expected
    ((code, _, clean),) = recorder.closings
    last = case.expected[-1][1]
    assert code == (int.from_bytes(last, "big") if last else 1005)
    assert clean is case.clean


@pytest.mark.parametrize("name", CASES)
async def test_a_server_answers_as_it_must(name: str) -> None:
    await _check(CASES[name], dribble=False)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.dribbles])
async def test_octet_by_octet_it_is_the_same(name: str) -> None:
    await _check(CASES[name], dribble=True)
