"""Servers that send what is little to send and much to read: nobody else waits for that."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio

from nano_trio.runtime import fetch_decoding, fetch_http1, pace
from nano_trio.runtime.http1_responses import ResponseReader

from .fetching import Fetching, fetching

_TINY = b"1\r\nx\r\n"
_FIELDS = b"a:\r\n"


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """The URL of a server that sends this, whatever it is asked, and no more until the client leaves."""

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.receive_some(65536)
            await stream.send_all(answer)
            while await stream.receive_some(65536):
                pass

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


class Counted:
    """How often something was done between two passes of the loop, and in all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        self.total = self.most = 0
        self._before = 0
        original: Callable[..., Any] = getattr(owner, name)

        def counting(*args: Any, **named: Any) -> Any:
            self.total += 1
            return original(*args, **named)

        monkeypatch.setattr(owner, name, counting)

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, self.total - self._before)
            self._before = self.total
            await trio.lowlevel.checkpoint()


async def _run(js: Fetching, counted: Counted, source: str, url: str) -> Any:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(counted.watch)
        result = await js.run(source, url=url)
        nursery.cancel_scope.cancel()
    return result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("return (await (await fetch(url)).text()).length;", 40_000),
        ("let n = 0; for await (const piece of (await fetch(url)).body) n += piece.length; return n;", 40_000),
        (
            "const reader = (await fetch(url)).body.getReader(); const { value } = await reader.read();"
            " await reader.cancel(); return value.length > 0;",
            True,
        ),
    ],
    ids=["whole", "streamed", "given up"],
)
async def test_chunks_of_a_byte(source: str, result: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + _TINY * 40_000 + b"0\r\n\r\n"
    steps = Counted(monkeypatch, ResponseReader, "piece")
    async with answering(answer) as url, fetching() as js:
        assert await _run(js, steps, source, url) == result
        assert js.open_fetches == 0
    # Trio runs the tasks of a pass in any order: two passes' worth.
    assert steps.most <= 2 * pace._MOST_STEPS * fetch_http1._UNPACED


async def test_chunks_that_came_together_are_one_piece() -> None:
    answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + _TINY * 12 + b"0\r\n\r\n"
    async with answering(answer) as url, fetching() as js:
        source = "const sizes = []; for await (const { length } of (await fetch(url)).body) sizes.push(length); return sizes;"
        assert await js.run(source, url=url) == [12]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\n" + _FIELDS * 2001 + b"\r\n", "ERR_HEADERS_TOO_LARGE"),
        (b"HTTP/1.1 103 \r\n" + _FIELDS * 2001 + b"\r\n", "ERR_HEADERS_TOO_LARGE"),
        (b"HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\n" + _FIELDS * 2001 + b"\r\n", "ERR_HEADERS_TOO_LARGE"),
        (b"HTTP/1.1 200 OK\n" + b"a:\n" * 2001 + b"\n", "ERR_HEADERS_TOO_LARGE"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + _FIELDS * 10_000 + b"\r\n", "ERR_PROTOCOL"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"a" * 40_000 + b"\r\nx\r\n", "ERR_PROTOCOL"),
    ],
    ids=["a head", "a head before it", "a head behind one", "lines without returns", "trailers", "an extension"],
)
async def test_what_is_read_in_one_is_bounded(answer: bytes, code: str) -> None:
    async with answering(answer) as url, fetching() as js:
        source = "const response = await fetch(url); return [await response.text(), response.status];"
        assert (await js.failure(source, url=url))[2] == code
        assert js.connections == 0


@pytest.mark.parametrize(("length", "is_followed"), [(32_000, True), (33_000, False), (200_000, False)])
async def test_where_a_redirect_leads_is_bounded(length: int, is_followed: bool) -> None:
    target = b"/" + b"x/../" * (length // 5)
    answer = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nconnection: close\r\nlocation: " + target + b"\r\n\r\n"
    async with answering(answer) as url, fetching() as js:
        failure = await js.failure("return await fetch(url)", url=url)
        assert failure[2] == ("ERR_TOO_MANY_REDIRECTS" if is_followed else "ERR_INVALID_REDIRECT")
        if not is_followed:
            why = "a redirect and the URL that it comes from have more than 32768 characters"
            assert failure[1] == f"fetch failed: {why}"


async def test_redirects_that_add_up_are_bounded() -> None:
    answer = (
        b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nconnection: close\r\nlocation: .x" + b"/" * 10_000 + b".a\r\n\r\n"
    )
    async with answering(answer) as url, fetching() as js:
        assert (await js.failure("return await fetch(url)", url=url))[2] == "ERR_INVALID_REDIRECT"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 \r\n\r\n" * 31 + b"HTTP/1.1 200 OK\r\n" + _FIELDS * 1990 + b"content-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9002\r\n\r\nok" + b"\n" * 9000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;"
        + b"a" * 9000
        + b"\r\nok\r\n0\r\n"
        + _FIELDS * 900
        + b"\r\n",
    ],
    ids=["heads", "lines of a body", "trailers"],
)
@pytest.mark.parametrize("piece", [1 << 20, 7], ids=["at once", "in pieces"])
async def test_what_is_within_the_bounds_is_read(answer: bytes, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_http1, "_READ_BYTES", piece)
    async with answering(answer) as url, fetching() as js:
        source = "const response = await fetch(url); return [(await response.text()).trim(), response.status];"
        assert await js.run(source, url=url) == ["ok", 200]


_NOTHING_BY_ZSTD = bytes.fromhex("28b52ffd2000010000")
_EMPTY_BLOCKS = gzip.compress(b"")[:10] + b"\x00\x00\x00\xff\xff" * 30_000 + b"\x03" + bytes(9)


@pytest.mark.parametrize(
    ("coding", "module", "name", "body"),
    [
        ("gzip", fetch_decoding.zlib, "decompressobj", gzip.compress(b"") * 10_000),
        ("zstd", fetch_decoding.zstd, "ZstdDecompressor", _NOTHING_BY_ZSTD * 20_000),
    ],
)
async def test_streams_of_nothing_one_after_the_other(
    coding: str, module: Any, name: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding.encode(), len(body)) + body
    )
    begun = Counted(monkeypatch, module, name)
    async with answering(answer) as url, fetching() as js:
        assert await _run(js, begun, "return await (await fetch(url)).text();", url) == ""
    assert begun.total >= 10_000
    assert begun.most <= 3 * pace._MOST_STEPS * fetch_decoding._STREAMS


async def test_of_input_that_gives_nothing_little_is_taken_at_once() -> None:
    decoder = fetch_decoding._Gzip()
    decoder.feed(_EMPTY_BLOCKS)
    assert len(_EMPTY_BLOCKS) > 8 * fetch_decoding._BITE
    pauses = 0
    while (piece := decoder.more()) is None:
        pauses += 1
    assert piece == b""
    assert pauses >= 4
    assert not decoder.is_incomplete
