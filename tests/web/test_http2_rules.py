"""RFC 9113, rule by rule: what is refused, how, and what is not. Raw frames, as h2spec sends them."""

from __future__ import annotations

from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
)

from nano_trio.web.settings import AccessRecord, Limits
from tests.web.apps import App, Pausing, echo_app
from tests.web.http2_client import PREFACE, Fields, h2_connected, raw, request
from tests.web.secure import secured

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, PRIORITISED, ACK = 1, 4, 8, 0x20, 1

# ---- requests: section 8 ----

PSEUDO = {":method": "GET", ":scheme": "https", ":authority": "app", ":path": "/"}


def without(name: str) -> Fields:
    return [pair for pair in PSEUDO.items() if pair[0] != name]


def replaced(name: str, value: str) -> Fields:
    return [*(PSEUDO | {name: value}).items()]


MALFORMED: dict[str, Fields] = {
    "upper-case name": request("/", ("X-Upper", "1")),
    "empty name": request("/", ("", "1")),
    "colon in a name": request("/", ("a:b", "1")),
    "space in a name": request("/", ("a b", "1")),
    "control character in a name": request("/", ("a\x01b", "1")),
    "octet beyond ASCII in a name": request("/", ("caf\xe9", "1")),
    "CR in a value": request("/", ("x", "a\rb")),
    "LF in a value": request("/", ("x", "a\nb: c")),
    "NUL in a value": request("/", ("x", "a\0b")),
    "DEL in a value": request("/", ("x", "a\x7fb")),
    "value begins with a space": request("/", ("x", " a")),
    "value ends with a tab": request("/", ("x", "a\t")),
    "connection": request("/", ("connection", "close")),
    "keep-alive": request("/", ("keep-alive", "1")),
    "proxy-connection": request("/", ("proxy-connection", "close")),
    "transfer-encoding": request("/", ("transfer-encoding", "chunked")),
    "upgrade": request("/", ("upgrade", "websocket")),
    "te: gzip": request("/", ("te", "trailers, gzip")),
    "no :method": without(":method"),
    "no :scheme": without(":scheme"),
    "no :path": without(":path"),
    "empty :path": replaced(":path", ""),
    "empty :method": replaced(":method", ""),
    ":method with a space": replaced(":method", "GET /"),
    ":path without a slash": replaced(":path", "x"),
    ":path is absolute": replaced(":path", "https://app/"),
    ":path with a space": replaced(":path", "/a b"),
    ":path with CRLF": replaced(":path", "/ HTTP/1.1\r\nx: y"),
    ":path beyond ASCII": replaced(":path", "/caf\xe9"),
    "* without OPTIONS": replaced(":path", "*"),
    ":method twice": [*request(), (":method", "GET")],
    ":path twice": [(":path", "/"), *request()],
    ":authority twice": [(":authority", "app"), *request()],
    "pseudo after a field": [("x", "1"), *request()],
    ":status": [*request(), (":status", "200")],
    ":status 1xx": [(":status", "100"), *request()],
    ":protocol without CONNECT": [*request(), (":protocol", "websocket")],
    ":protocol that is no token": [*replaced(":method", "CONNECT"), (":protocol", "web socket")],
    "empty :protocol": [*replaced(":method", "CONNECT"), (":protocol", "")],
    ":protocol twice": [*replaced(":method", "CONNECT"), *[(":protocol", "websocket")] * 2],
    ":protocol without :path": [*without(":path")[1:], (":method", "CONNECT"), (":protocol", "websocket")],
    ":protocol without :scheme": [(":method", "CONNECT"), (":protocol", "websocket"), *without(":scheme")[1:]],
    ":protocol for *": [(":protocol", "websocket"), (":method", "CONNECT"), *replaced(":path", "*")[1:]],
    "unknown pseudo": [*request(), (":unknown", "1")],
    "CONNECT with :path": replaced(":method", "CONNECT"),
    "CONNECT without :authority": [(":method", "CONNECT")],
    "Host differs": request("/", ("host", "other")),
    "Host twice": [*without(":authority"), ("host", "app"), ("host", "other")],
    "empty Host": [*without(":authority"), ("host", "")],
    "two lengths": request("/", ("content-length", "0"), ("content-length", "0")),
    "length is no number": request("/", ("content-length", "-1")),
    "length is no digit": request("/", ("content-length", "\xb2")),
    "length without content": request("/", ("content-length", "1")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_costs_its_stream_alone(tmp_path: Path, fields: Fields) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        waiting = await client.begin("/waiting")
        number = client.next()
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        await client.send(HeadersFrame(number, data=client.block(encoded), flags=["END_HEADERS", "END_STREAM"]))
        answer = await client.over(number)
        assert (answer.reset, answer.headers) == (ErrorCodes.PROTOCOL_ERROR, [])
        pausing.proceed.set()
        assert (await client.over(waiting)).text == "finished"
        assert (await client.get("/quick")).text == "quick"
    assert len(app.requests) == 2


ANSWERED: dict[str, tuple[Fields, int]] = {
    "CONNECT": ([(":method", "CONNECT"), (":authority", "app:443")], 501),
    "CONNECT for another protocol": ([*replaced(":method", "CONNECT"), (":protocol", "connect-udp")], 501),
    "CONNECT for a WebSocket without version": ([*replaced(":method", "CONNECT"), (":protocol", "websocket")], 400),
    "unknown method": (replaced(":method", "BREW"), 501),
    "TRACE": (replaced(":method", "TRACE"), 501),
    "lower-case method": (replaced(":method", "get"), 501),
    "scheme http": (replaced(":scheme", "http"), 400),
    "no authority": (without(":authority"), 400),
    "userinfo": (replaced(":authority", "me@app"), 400),
    "port too large": (replaced(":authority", "app:65536"), 400),
    "invalid authority": (replaced(":authority", "a/b"), 400),
    "long authority": (replaced(":authority", "a" * 256), 400),
    "fragment": (replaced(":path", "/a#b"), 400),
    "long path": (replaced(":path", "/" + "a" * 9000), 414),
    "many fields": (request("/", *[(f"x-{number}", "") for number in range(101)]), 431),
    "large fields": (request("/", ("x", "a" * 66_000)), 431),
    "expectation": (request("/", ("expect", "the unexpected")), 417),
    "host instead of authority": ([*without(":authority"), ("host", "app")], 200),
    "host beside authority": (request("/", ("host", "APP")), 200),
    "te: trailers": (request("/", ("te", "trailers")), 200),
    "OPTIONS *": ([*(PSEUDO | {":method": "OPTIONS", ":path": "*"}).items()], 200),
    "pseudo in any order": (list(reversed(PSEUDO.items())), 200),
    "empty value": (request("/", ("x", "")), 200),
    "octets in a value": (request("/", ("x", "caf\xe9")), 200),
    "scheme in capitals": (replaced(":scheme", "HTTPS"), 200),
    "length 0": (request("/", ("content-length", "0")), 200),
}


@pytest.mark.parametrize(("fields", "status"), ANSWERED.values(), ids=ANSWERED.keys())
async def test_what_is_answered_as_in_http_1_1(tmp_path: Path, fields: Fields, status: int) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        number = client.next()
        block = client.block([(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields])
        first, rest = block[:16000], [block[start : start + 16000] for start in range(16000, len(block), 16000)]
        frames: list[HeadersFrame | ContinuationFrame] = [HeadersFrame(number, data=first, flags=["END_STREAM"])]
        frames += [ContinuationFrame(number, data=piece) for piece in rest]
        frames[-1].flags.add("END_HEADERS")
        await client.send(*frames)
        answer = await client.over(number)
        assert (answer.status, answer.ended) == (status, True)
        assert (await client.get()).status == 200


async def test_cookie_crumbs_are_joined(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.get("/", ("x", "1"), ("cookie", "a=1"), ("y", "2"), ("cookie", "b=2"), ("cookie", "c=3"))
    assert list(app.requests[0].headers) == [("host", "app"), ("x", "1"), ("cookie", "a=1; b=2; c=3"), ("y", "2")]


async def test_equal_blocks_mean_the_same_and_others_do_not(tmp_path: Path) -> None:
    """Blocks are remembered, until one changes what their octets stand for."""
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        for turn in range(9):
            await client.get("/", ("x-turn", str(turn // 3)), ("x-large", str(turn // 3) * 3000))
    seen = [dict(one.headers) for one in app.requests]
    assert [one["x-turn"] for one in seen] == [*"000111222"]
    assert [one["x-large"][0] for one in seen] == [*"000111222"]


@pytest.mark.parametrize(
    ("length", "frames"),
    [
        (3, [(b"abcd", True)]),
        (3, [(b"ab", True)]),
        (3, [(b"ab", False), (b"cd", False)]),
        (100_000, [(b"short", True)]),
        (0, [(b"x", True)]),
    ],
)
async def test_content_must_be_as_long_as_it_says(
    tmp_path: Path, length: int, frames: list[tuple[bytes, bool]]
) -> None:
    app = echo_app()
    records: list[AccessRecord] = []
    async with secured(app, tmp_path, access_log=records.append) as server, h2_connected(server) as client:
        number = await client.begin("/", ("content-length", str(length)), method="POST", end=False)
        for data, end in frames:
            await client.data(number, data, end=end)
        assert (await client.over(number)).reset is ErrorCodes.PROTOCOL_ERROR
        assert (await client.get()).status == 200
    assert all(not exchange.response for exchange in app.exchanges[:-1])


async def test_trailers_with_a_pseudo_field(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin(method="POST", end=False)
        await client.send(client.headers(number, [(":path", "/"), ("x", "1")]))
        assert (await client.over(number)).reset is ErrorCodes.PROTOCOL_ERROR
        assert (await client.get()).status == 200


# ---- frames: sections 4 to 6 ----

BROKEN: dict[str, tuple[bytes, ErrorCodes]] = {
    "DATA on stream 0": (raw(DATA, 0, 0, b"x"), ErrorCodes.PROTOCOL_ERROR),
    "DATA on an idle stream": (raw(DATA, 0, 99, b"x"), ErrorCodes.PROTOCOL_ERROR),
    "DATA with too much padding": (raw(DATA, PADDED, 1, b"\x05abc"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS on stream 0": (raw(HEADERS, END_HEADERS | END_STREAM, 0, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS on an even stream": (raw(HEADERS, END_HEADERS | END_STREAM, 2, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS with too much padding": (raw(HEADERS, END_HEADERS | PADDED, 3, b"\x09\x82"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS with a broken block": (raw(HEADERS, END_HEADERS | END_STREAM, 3, b"\xff\xff"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS with an unknown index": (raw(HEADERS, END_HEADERS | END_STREAM, 3, b"\xc6"), ErrorCodes.PROTOCOL_ERROR),
    "HEADERS with a table beyond the limit": (
        raw(HEADERS, END_HEADERS | END_STREAM, 3, b"\x3f\xe2\x3f"),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "CONTINUATION alone": (raw(CONTINUATION, END_HEADERS, 1, b"\x82"), ErrorCodes.PROTOCOL_ERROR),
    "CONTINUATION of another stream": (
        raw(HEADERS, END_STREAM, 3, b"\x82") + raw(CONTINUATION, END_HEADERS, 5, b"\x84"),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "PING within a block": (
        raw(HEADERS, END_STREAM, 3, b"\x82") + raw(PING, 0, 0, bytes(8)),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "an unknown frame within a block": (
        raw(HEADERS, END_STREAM, 3, b"\x82") + raw(0xEE, 0, 3, b"x"),
        ErrorCodes.PROTOCOL_ERROR,
    ),
    "PRIORITY on stream 0": (raw(PRIORITY, 0, 0, bytes(5)), ErrorCodes.PROTOCOL_ERROR),
    "PRIORITY of the wrong size": (raw(PRIORITY, 0, 1, bytes(4)), ErrorCodes.FRAME_SIZE_ERROR),
    "RST_STREAM on stream 0": (raw(RST_STREAM, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    "RST_STREAM of an idle stream": (raw(RST_STREAM, 0, 99, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    "RST_STREAM of the wrong size": (raw(RST_STREAM, 0, 1, bytes(3)), ErrorCodes.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (raw(SETTINGS, 0, 1), ErrorCodes.PROTOCOL_ERROR),
    "SETTINGS of the wrong size": (raw(SETTINGS, 0, 0, bytes(5)), ErrorCodes.FRAME_SIZE_ERROR),
    "SETTINGS ACK with content": (raw(SETTINGS, ACK, 0, bytes(6)), ErrorCodes.FRAME_SIZE_ERROR),
    "ENABLE_PUSH 2": (raw(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02"), ErrorCodes.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE 2**31": (raw(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0"), ErrorCodes.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE too small": (raw(SETTINGS, 0, 0, b"\0\x05\0\0\x3f\xff"), ErrorCodes.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE too large": (raw(SETTINGS, 0, 0, b"\0\x05\x01\0\0\0"), ErrorCodes.PROTOCOL_ERROR),
    "PUSH_PROMISE": (raw(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x82"), ErrorCodes.PROTOCOL_ERROR),
    "PING on a stream": (raw(PING, 0, 1, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
    "PING of the wrong size": (raw(PING, 0, 0, bytes(6)), ErrorCodes.FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (raw(GOAWAY, 0, 1, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
    "GOAWAY of the wrong size": (raw(GOAWAY, 0, 0, bytes(7)), ErrorCodes.FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": (raw(WINDOW_UPDATE, 0, 0, bytes(4)), ErrorCodes.PROTOCOL_ERROR),
    "WINDOW_UPDATE beyond 2**31-1": (raw(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), ErrorCodes.FLOW_CONTROL_ERROR),
    "WINDOW_UPDATE of an idle stream": (raw(WINDOW_UPDATE, 0, 99, b"\0\0\0\1"), ErrorCodes.PROTOCOL_ERROR),
    "WINDOW_UPDATE of the wrong size": (raw(WINDOW_UPDATE, 0, 0, bytes(3)), ErrorCodes.FRAME_SIZE_ERROR),
    "a frame beyond MAX_FRAME_SIZE": (raw(DATA, 0, 1, bytes(16385)), ErrorCodes.FRAME_SIZE_ERROR),
    "HTTP/1.1": (b"GET / HTTP/1.1\r\nHost: app\r\n\r\n", ErrorCodes.FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize(("frames", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_frame_ends_the_connection(tmp_path: Path, frames: bytes, code: ErrorCodes) -> None:
    app = App(Pausing())
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.begin(method="POST", end=False)
        await client.ping()
        await client.send(frames)
        await client.ended(code)
        assert client.goaways[0].last_stream_id in (1, 3)
        await app.exchanges[0].disconnected.wait()


async def test_streams_must_go_up(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.send(client.headers(5, request()))
        assert (await client.over(5)).status == 200
        await client.send(client.headers(3, request()))
        await client.ended(ErrorCodes.PROTOCOL_ERROR)
    assert len(app.requests) == 1


@pytest.mark.parametrize("what", ["DATA", "HEADERS"])
async def test_nothing_follows_a_streams_end(tmp_path: Path, what: str) -> None:
    async with secured(App(Pausing()), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/waiting")
        frame = DataFrame(number, data=b"x") if what == "DATA" else client.headers(number, request())
        await client.send(frame)
        answer = client.answer(number)
        await client.until(lambda: answer.over or client.goaways)
        code = answer.reset if answer.reset is not None else ErrorCodes(client.goaways[0].error_code)
        assert code is ErrorCodes.STREAM_CLOSED


async def test_a_window_that_overflows_resets_its_stream(tmp_path: Path) -> None:
    async with secured(App(Pausing()), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/waiting")
        await client.open_window(number, 2**31 - 1)
        assert (await client.over(number)).reset is ErrorCodes.FLOW_CONTROL_ERROR
        assert (await client.get("/quick")).text == "quick"


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: app\r\n\r\n", ErrorCodes.PROTOCOL_ERROR),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", ErrorCodes.PROTOCOL_ERROR),
        (PREFACE + raw(PING, 0, 0, bytes(8)), ErrorCodes.PROTOCOL_ERROR),
        (PREFACE + raw(SETTINGS, ACK, 0), ErrorCodes.PROTOCOL_ERROR),
        (PREFACE + raw(HEADERS, END_HEADERS | END_STREAM, 1, b"\x82\x84\x87"), ErrorCodes.PROTOCOL_ERROR),
    ],
    ids=["HTTP/1.1", "almost", "PING first", "ACK first", "HEADERS first"],
)
async def test_the_preface(tmp_path: Path, first: bytes, code: ErrorCodes) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server, greet=False) as client:
        await client.send(first)
        await client.ended(code)
    assert app.requests == []


async def test_what_is_allowed_is_not_refused(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        await client.send(raw(0xEE, 0xFF, 77, b"unknown types are ignored"))
        await client.send(raw(0x10, 0, 0, b"\0\0\0\1u=1"))  # PRIORITY_UPDATE (RFC 9218)
        await client.send(raw(SETTINGS, 0, 0, b"\x77\x77\0\0\0\1"))  # an unknown setting
        await client.send(PriorityFrame(77, depends_on=11, stream_weight=9), PriorityFrame(1))
        await client.send(raw(PING, 0xFE, 0, b"flagged!"))
        number = client.next()
        block = client.block(request("/split"))
        await client.send(
            raw(
                HEADERS, END_STREAM | PADDED | PRIORITISED, number, b"\x03" + bytes(4) + b"\x10" + block[:5] + bytes(3)
            ),
            raw(CONTINUATION, 0, number, block[5:9]),
            raw(CONTINUATION, 0, number, b""),
            raw(CONTINUATION, END_HEADERS, number, block[9:]),
        )
        assert (await client.over(number)).text == "GET https://app/split "
        number = await client.begin(method="POST", end=False)
        await client.send(DataFrame(number, data=b"padded", pad_length=255, flags=["PADDED"]))
        await client.send(DataFrame(number, data=b"", pad_length=0, flags=["PADDED", "END_STREAM"]))
        assert (await client.over(number)).text.endswith(" padded")
        await client.reset(number)
        await client.open_window(number, 1)
        assert (await client.get()).status == 200
    assert any(isinstance(frame, PingFrame) and frame.opaque_data == b"flagged!" for frame in client.frames)


async def test_frames_may_arrive_octet_by_octet(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server, greet=False) as client:
        number = client.next()
        wire = PREFACE + SettingsFrame(0).serialize() + client.headers(number, request("/slow")).serialize()
        for octet in wire:
            await client.send(bytes((octet,)))
        assert (await client.over(number)).text == "GET https://app/slow "


async def test_all_at_once(tmp_path: Path) -> None:
    """Preface, settings and many requests in one record."""
    async with secured(echo_app(), tmp_path) as server, h2_connected(server, greet=False) as client:
        numbers = [client.next() for _ in range(90)]
        heads = [client.headers(number, request(f"/{number}")).serialize() for number in numbers]
        await client.send(PREFACE, SettingsFrame(0), *heads)
        for number in numbers:
            assert (await client.over(number)).text == f"GET https://app/{number} "


async def test_what_the_server_says_first(tmp_path: Path) -> None:
    async with (
        secured(echo_app(), tmp_path, limits=Limits(head=20_000)) as server,
        h2_connected(server, greet=False) as client,
    ):
        await client.more()
        first = client.frames[0]
        assert isinstance(first, SettingsFrame)
        assert (first.settings[3], first.settings[6], first.settings[8]) == (100, 20_000, 1)
