"""Compressed responses: negotiation, what is left alone, streams that are not delayed, and curl."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web.compression import CompressionSettings, Compressor, negotiate
from tests.web.apps import App, Reply, Stream, connected, running

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ALL = ("zstd", "br", "gzip")
COMPRESSOR = Compressor(CompressionSettings(encodings=ALL))
TEXT = ("content-type", "text/plain; charset=utf-8")
BODY = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(200))


def decoder(coding: str) -> Callable[[bytes], bytes]:
    """What decodes a stream piece by piece: all that can be decoded so far comes out."""
    if coding == "br":
        process: Callable[[bytes], bytes] = brotli.Decompressor().process
        return process
    return zstd.ZstdDecompressor().decompress if coding == "zstd" else zlib.decompressobj(31).decompress


ACCEPTS: list[tuple[str, str | None]] = [
    ("gzip", "gzip"),
    ("x-gzip", "gzip"),
    ("GZIP", "gzip"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("gzip, deflate, br", "br"),
    ("deflate", None),
    ("", None),
    ("identity", None),
    ("*", "zstd"),
    ("*;q=0", None),
    ("gzip, *;q=0", "gzip"),
    ("*, zstd;q=0", "br"),
    ("br;q=0.5, gzip;q=0.8, zstd;q=0.1", "gzip"),
    ("br;q=0.5, gzip;q=0.5", "br"),
    ("gzip;q=0", None),
    ("gzip;q=0.000", None),
    ("gzip;q=0.001", "gzip"),
    ("gzip;q=1.000", "gzip"),
    ("gzip; Q=0.5", "gzip"),
    ("gzip;q=1.5", None),
    ("gzip;q=0.0001", None),
    ("gzip;q=-1", None),
    ("gzip;q", None),
    ("gzip;level=9", None),
    ("gzip zstd, br", "br"),
    (" ,, gzip ,", "gzip"),
    ("gzip;q=0.5, identity", None),
    ("identity;q=0.5, gzip;q=0.5", "gzip"),
    ("identity;q=0, gzip;q=0.1", "gzip"),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTS)
def test_negotiation(accept: str, expected: str | None) -> None:
    assert negotiate(accept, ALL) == expected


@given(st.text("gzipbrstdenty*;q=.,01 \t", max_size=40) | st.text(max_size=20))
def test_any_accept_encoding(accept: str) -> None:
    assert negotiate(accept, ALL) in (*ALL, None)


def answering(response: Callable[[], OutgoingResponse]) -> App:
    return App(lambda request: response())


async def get(app: App, accept: str = "br", method: str = "GET") -> Reply:
    async with running(app, compression=COMPRESSOR) as server, connected(server) as client:
        reply = await client.get(method=method, headers=f"Accept-Encoding: {accept}\r\n" if accept else "")
        if reply["connection"] != "close":
            assert (await client.get(method="HEAD")).status  # the connection goes on
        return reply


@pytest.mark.parametrize("coding", ALL)
@pytest.mark.parametrize("size", [5_000, 30_000, 500_000])
async def test_bytes(coding: str, size: int, http: str) -> None:
    body = (BODY * 70)[:size]
    app = answering(lambda: OutgoingResponse(200, "", [TEXT, ("etag", '"x"'), ("accept-ranges", "bytes")], body))
    async with running(app, http=http, compression=COMPRESSOR) as server, connected(server) as client:
        for _ in range(2):
            reply = await client.get(headers=f"Accept-Encoding: {coding}\r\n")
            assert reply["content-encoding"] == coding
            assert (reply["vary"], reply["etag"]) == ("accept-encoding", 'W/"x"')
            assert "accept-ranges" not in reply
            assert len(reply.body) < size / 4
            assert decoder(coding)(reply.body) == body


@pytest.mark.parametrize("coding", ALL)
async def test_each_chunk_of_a_stream_leaves_at_once(coding: str) -> None:
    proceed = trio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        await proceed.wait()
        yield b"data: two\n\n"
        yield bytes(100_000)

    app = answering(lambda: OutgoingResponse(200, "", [("content-type", "text/event-stream")], Stream(chunks())))
    async with running(app, compression=COMPRESSOR) as server, connected(server) as client:
        await client.send(f"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {coding}\r\n\r\n".encode())
        head = await client.head()
        assert (head["content-encoding"], head["transfer-encoding"]) == (coding, "chunked")
        decode, seen = decoder(coding), b""

        async def chunk() -> bytes:
            size = int(await client._until(b"\r\n"), 16)
            data = await client.exactly(size)
            assert await client.exactly(2) == b"\r\n"
            return data

        with trio.fail_after(10):
            while seen != b"data: one\n\n":
                seen += decode(await chunk())
            proceed.set()
            while data := await chunk():
                seen += decode(data)
        assert seen == b"data: one\n\ndata: two\n\n" + bytes(100_000)


def response(*headers: tuple[str, str], status: int = 200, body: bytes = BODY) -> Callable[[], OutgoingResponse]:
    return lambda: OutgoingResponse(status, "", list(headers), body)


UNTOUCHED: list[tuple[str, Callable[[], OutgoingResponse]]] = [
    ("encoded already", response(TEXT, ("Content-Encoding", "gzip"))),
    ("no-transform", response(TEXT, ("cache-control", "public, No-Transform"))),
    ("partial", response(TEXT, ("content-range", "bytes 0-9/10"), status=206)),
    ("with a range", response(TEXT, ("content-range", "bytes */10"), status=416)),
    ("with a digest", response(TEXT, ("content-digest", "sha-256=:x:"))),
    ("another type", response(("content-type", "image/png"))),
    ("no type", response()),
    ("tiny", response(TEXT, body=BODY[:1023])),
]


@pytest.mark.parametrize("make", [make for _, make in UNTOUCHED], ids=[name for name, _ in UNTOUCHED])
async def test_what_is_left_alone(make: Callable[[], OutgoingResponse]) -> None:
    original = make()
    reply = await get(answering(make))
    assert reply.body == original.body
    assert [field for field in reply.headers if field[0] not in _EACH_ITS_OWN] == [
        (name.lower(), value) for name, value in original.headers
    ]


_EACH_ITS_OWN = {"date", "content-length", "x-request-id"}


async def test_what_does_not_shrink_is_sent_as_it_is() -> None:
    noise = random.Random(1).randbytes(5000)
    reply = await get(answering(response(TEXT, body=noise)))
    assert (reply.body, reply["vary"], "content-encoding" in reply) == (noise, "accept-encoding", False)


@pytest.mark.parametrize("accept", ["", "deflate", "br;q=0", "identity"])
async def test_clients_that_want_none_are_told_that_others_might(accept: str) -> None:
    reply = await get(answering(response(TEXT, ("etag", '"x"'))), accept)
    assert (reply.body, reply["vary"], reply["etag"]) == (BODY, "accept-encoding", '"x"')
    assert "content-encoding" not in reply


@pytest.mark.parametrize(
    ("vary", "expected"),
    [("Origin", "Origin, accept-encoding"), ("Origin, Accept-Encoding", "Origin, Accept-Encoding"), ("*", "*")],
)
async def test_vary_is_added_to(vary: str, expected: str) -> None:
    assert (await get(answering(response(TEXT, ("Vary", vary)))))["vary"] == expected


async def test_a_weak_etag_stays_as_it_is() -> None:
    assert (await get(answering(response(TEXT, ("ETag", 'W/"x"')))))["etag"] == 'W/"x"'


@pytest.mark.parametrize("status", [204, 304])
async def test_without_content_nothing_changes(status: int) -> None:
    reply = await get(App(lambda request: OutgoingResponse(status, "", [TEXT, ("etag", '"x"')], None)))
    assert (reply.status, reply["etag"], "content-encoding" in reply) == (status, '"x"', False)


@pytest.mark.parametrize("body", ["bytes", "large", "stream", "length"])
async def test_head_is_answered_like_get(body: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield BODY

    def handler(request: IncomingRequest) -> OutgoingResponse:
        headers = [TEXT, ("etag", '"x"')]
        if body == "bytes":
            return OutgoingResponse(200, "", headers, BODY)
        if body == "large":
            return OutgoingResponse(200, "", headers, BODY * 100)
        if body == "stream" or request.method != "HEAD":
            return OutgoingResponse(200, "", headers, Stream(chunks()))
        return OutgoingResponse(200, "", [*headers, ("content-length", str(len(BODY)))], None)

    def essence(reply: Reply) -> list[tuple[str, str]]:
        return [field for field in reply.headers if field[0] not in _EACH_ITS_OWN | {"transfer-encoding"}]

    got, head = await get(App(handler)), await get(App(handler), method="HEAD")
    assert essence(got) == essence(head)
    assert got["content-encoding"] == "br"
    assert head.body == b""


async def test_errors_of_the_app_are_compressed_too() -> None:
    reply = await get(answering(response(TEXT, status=500)))
    assert (reply.status, brotli.decompress(reply.body)) == (500, BODY)


async def test_a_stream_that_breaks_has_no_clean_end() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield BODY
        raise BodyBroken("the app's stream failed")

    app = answering(lambda: OutgoingResponse(200, "", [TEXT], Stream(chunks())))
    async with running(app, compression=COMPRESSOR) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        with pytest.raises(EOFError):
            await client.reply()


@pytest.mark.parametrize("promised", [len(BODY) - 1, len(BODY) + 1])
async def test_a_promised_length_is_still_enforced(promised: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield BODY

    headers = [TEXT, ("content-length", str(promised))]
    app = answering(lambda: OutgoingResponse(200, "", headers, Stream(chunks())))
    async with running(app, compression=COMPRESSOR) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        with pytest.raises(EOFError):
            await client.reply()


async def test_a_client_that_leaves_cancels_the_apps_stream() -> None:
    streams: list[Stream] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield b"x"
        await trio.sleep_forever()

    def handler(request: IncomingRequest) -> OutgoingResponse:
        streams.append(Stream(chunks()))
        return OutgoingResponse(200, "", [TEXT], streams[0])

    async with running(App(handler), compression=COMPRESSOR) as server:
        async with connected(server) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
            await client.head()
        with trio.fail_after(5):
            while not streams[0].cancelled:
                await trio.testing.wait_all_tasks_blocked()
        assert len(streams[0].cancelled) == 1
        assert streams[0].pulled == 2, "pulled on after the client was gone"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_curl_decodes_it(coding: str) -> None:
    curl = shutil.which("curl")
    assert curl is not None, "this test needs curl"
    only = Compressor(CompressionSettings(encodings=(coding,)))
    async with running(answering(response(TEXT, body=BODY * 100)), compression=only) as server:
        command = [curl, "--silent", "--compressed", "--dump-header", "-", f"http://127.0.0.1:{server.port}/"]
        done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    assert f"content-encoding: {coding}".encode() in head
    assert content == BODY * 100
