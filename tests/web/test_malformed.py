"""The table of requests that servers read differently, with both engines: as bytes, and over a socket."""

from __future__ import annotations

import pytest
import trio

from nano_trio.web.http1 import HeadParser
from tests.web.apps import Client, connected, echo_app, running
from tests.web.malformed import CASES, LONG_CASES, Reading, Requests
from tests.web.reading import read

ALL = CASES + LONG_CASES


def parts(reading: Reading) -> tuple[Requests, int]:
    if isinstance(reading, int):
        return [], reading
    return reading if isinstance(reading, tuple) else (reading, 0)


def test_the_table_is_large_and_names_are_unique() -> None:
    assert len(CASES) >= 60
    assert len({name for name, _, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("raw", "reading"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_one_reading(parse_head: HeadParser, raw: bytes, reading: Reading) -> None:
    requests, error = parts(reading)
    whole = read(parse_head, [raw])
    assert (whole.requests, whole.error, whole.unfinished) == (requests, error, False)


@pytest.mark.parametrize(("raw", "reading"), [case[1:] for case in ALL], ids=[case[0] for case in ALL])
def test_byte_by_byte_reads_the_same(parse_head: HeadParser, raw: bytes, reading: Reading) -> None:
    requests, error = parts(reading)
    split = read(parse_head, [raw[index : index + 1] for index in range(len(raw))])
    assert split.requests == requests
    assert bool(split.error) == bool(error)
    assert not split.unfinished


async def test_over_a_socket() -> None:
    """Both engines behind real sockets: what the client is answered, and all that the app is given, are the same."""
    async with running(echo := echo_app(), http="httptools") as one, running(other := echo_app(), http="h11") as two:
        for name, raw, reading in CASES:
            requests, error = parts(reading)
            outcomes = []
            for app, server in ((echo, one), (other, two)):
                app.requests.clear()
                async with connected(server) as client:
                    await client.send(raw)
                    await client.stream.send_eof()
                    statuses = await all_statuses(client)
                seen = [
                    (request.method, request.url.replace(str(server.port), "PORT"), list(request.headers))
                    for request in app.requests
                ]
                assert statuses == [200] * len(requests) + ([error] if error else []), name
                assert [method for method, _, _ in seen] == [request[0] for request in requests], name
                outcomes.append((seen, [exchange.response and exchange.response.status for exchange in app.exchanges]))
                app.exchanges.clear()
            assert outcomes[0] == outcomes[1], name


_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

AFTERWARDS: list[tuple[str, bytes, list[tuple[int, bytes]], bool]] = [
    ("close ends the pipeline", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + _SMUGGLED, [(200, b"GET http://a/ ")], False),
    ("close among other options", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n" + _SMUGGLED, [(200, b"GET http://a/ ")], False),
    ("HTTP/1.0 ends the pipeline", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n" + _SMUGGLED, [(200, b"GET http://a/ ")], False),
    (
        "HTTP/1.0 that keeps alive",
        b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc" + _SMUGGLED,
        [(200, b"POST http://a/ abc"), (200, b"GET http://a/smuggled ")],
        True,
    ),
    ("HTTP/1.0 with close and keep-alive", b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n" + _SMUGGLED, [(200, b"")], False),
    ("body as long as said, and no further", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(_SMUGGLED) + _SMUGGLED + b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n", [(200, b"POST http://a/ " + _SMUGGLED), (200, b"GET http://a/2 ")], True),
    ("request within a chunk", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_SMUGGLED), _SMUGGLED), [(200, b"POST http://a/ " + _SMUGGLED)], True),
    ("GET with a body of a request", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(_SMUGGLED) + _SMUGGLED, [(200, b"GET http://a/ " + _SMUGGLED)], True),
    ("the target's authority beats Host", b"GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n", [(200, b"GET http://b/x ")], True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "answers", "goes_on"), [case[1:] for case in AFTERWARDS], ids=[case[0] for case in AFTERWARDS]
)
async def test_where_a_request_ends(http: str, raw: bytes, answers: list[tuple[int, bytes]], goes_on: bool) -> None:
    async with running(echo_app(), http=http) as server, connected(server) as client:
        await client.send(raw)
        with trio.fail_after(5):
            for status, body in answers:
                reply = await client.reply()
                assert (reply.status, reply.body[: len(body)] if body else b"") == (status, body)
            if goes_on:
                assert (await client.get("/last")).text == "GET http://app/last "
            else:
                assert await client.closed()


async def all_statuses(client: Client) -> list[int]:
    """The statuses of all responses until the server closes; the last refusal must announce the close."""
    statuses = []
    with trio.fail_after(5):
        while True:
            try:
                reply = await client.reply()
            except EOFError:
                return statuses
            statuses.append(reply.status)
            if reply.status >= 400:
                assert reply["connection"] == "close"
                assert await client.closed()
                return statuses
