"""The table of requests that servers read differently, with both engines: as bytes, and over a socket."""

from __future__ import annotations

import pytest
import trio

from nano_trio.web.http1 import HeadParser
from tests.web.apps import Client, connected, echo_app, running
from tests.web.malformed import CASES, Reading, Requests
from tests.web.reading import read


def parts(reading: Reading) -> tuple[Requests, int]:
    if isinstance(reading, int):
        return [], reading
    return reading if isinstance(reading, tuple) else (reading, 0)


def test_the_table_is_large_and_names_are_unique() -> None:
    assert len(CASES) >= 60
    assert len({name for name, _, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("raw", "reading"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_reading(parse_head: HeadParser, raw: bytes, reading: Reading) -> None:
    requests, error = parts(reading)
    whole = read(parse_head, [raw])
    assert (whole.requests, whole.error, whole.unfinished) == (requests, error, False)


@pytest.mark.parametrize(("raw", "reading"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_byte_by_byte_reads_the_same(parse_head: HeadParser, raw: bytes, reading: Reading) -> None:
    requests, error = parts(reading)
    split = read(parse_head, [raw[index : index + 1] for index in range(len(raw))])
    assert split.requests == requests
    assert bool(split.error) == bool(error)
    assert not split.unfinished


async def test_over_a_socket(http: str) -> None:
    app = echo_app()
    async with running(app, http=http) as server:
        for name, raw, reading in CASES:
            app.requests.clear()
            requests, error = parts(reading)
            async with connected(server) as client:
                await client.send(raw)
                await client.stream.send_eof()
                statuses = await all_statuses(client)
            expected = [200] * len(requests) + ([error] if error else [])
            assert statuses == expected, name
            assert [request.method for request in app.requests] == [request[0] for request in requests], name


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
