"""fetch(): content codings and streams over real sockets."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
from functools import partial

import brotli
import pytest
import trio
import trio.testing

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.fetch_decoding import Decoding, decoded_at_once
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_http1 import Http1Connection
from nano_trio.runtime.fetch_messages import WireRequest
from nano_trio.runtime.net_connect import Connected
from nano_trio.runtime.pace import Pace

from .fetching import fetching
from .harness import App
from .upstream import CODINGS, TEXT, running

# -- content codings ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip,br", "deflate,gzip,zstd"])
async def test_codings(coding: str) -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const response = await fetch(url);
            const streamed = await new Response((await fetch(url)).body.pipeThrough(new TransformStream())).text();
            return [await response.text(), streamed, response.headers.get("content-encoding")];
            """,
            url=f"{upstream.url}/coded?as={coding}",
        )
        assert result == [TEXT.decode(), TEXT.decode(), coding]
        assert upstream.connections <= 2


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip,br"])
async def test_a_long_repetition_comes_whole(coding: str) -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            "return (await (await fetch(url)).arrayBuffer()).byteLength", url=f"{upstream.url}/repeated?as={coding}"
        )
        assert result == 4 << 20


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/raw-deflate", TEXT.decode()),
        ("/label?as=unknown", "plain"),
        ("/label?as=identity", "plain"),
        ("/label?as=gzip,+unknown", "plain"),
        ("/coded?as=gzip&append=garbage", TEXT.decode()),
    ],
)
async def test_codings_as_browsers_take_them(path: str, text: str) -> None:
    async with running() as upstream, fetching() as js:
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}{path}") == text


@pytest.mark.parametrize(
    "path",
    [
        "/coded?as=gzip&cut=100",
        "/coded?as=br&cut=20",
        "/coded?as=zstd&cut=20",
        "/coded?as=deflate&cut=30",
        "/label?as=gzip",
        "/label?as=br",
        "/label?as=zstd",
        "/label?as=gzip,gzip,gzip,gzip,gzip,gzip",
    ],
)
async def test_codings_that_are_broken(path: str) -> None:
    async with running() as upstream, fetching() as js:
        failure = await js.failure("await (await fetch(url)).text()", url=f"{upstream.url}{path}")
        assert (failure[0], failure[2]) == ("TypeError", "ERR_CONTENT_DECODING")
        assert js.open_fetches == 0


async def test_a_bomb_is_bounded_by_what_is_read() -> None:
    async with running() as upstream, fetching() as js:
        name, message, _ = await js.failure("await (await fetch(url)).text()", url=f"{upstream.url}/bomb")
        assert name == "RangeError"
        assert "max_buffer_size_mb" in message
        size = await js.run(
            "const reader = (await fetch(url)).body.getReader(); return (await reader.read()).value.length",
            url=f"{upstream.url}/bomb",
        )
        assert size <= 65536


# -- large bodies ------------------------------------------------------------------------------------------------------

LARGE = """
const bytes = Uint8Array.from({ length: 1_000_003 }, (_, i) => i % 251);
const text = "-" + "\\u{1f600}".repeat(200_000);
const sameBytes = (answer) => answer.length === bytes.length && bytes.every((byte, i) => answer.charCodeAt(i) === byte);
const sameText = (answer) => new TextDecoder().decode(Uint8Array.from(answer, (c) => c.charCodeAt(0))) === text;
"""


@pytest.mark.parametrize("path", ["/echo", "/redirect?status=307&to=/echo"])
async def test_large_request_bodies(path: str) -> None:
    """They cross in pieces, have a length, and can be sent again after a redirect."""
    async with running() as upstream, fetching() as js:
        result = await js.run(
            LARGE
            + """
            const post = async (body) => (await fetch(url, { method: "POST", body, duplex: "half" })).json();
            const one = await post(bytes), two = await post(text), three = await post(new Blob([text]));
            return [[one, two, three].map(({ headers }) => headers["content-length"]),
              sameBytes(one.body), sameText(two.body), sameText(three.body)];
            """,
            url=f"{upstream.url}{path}",
        )
        assert result == [["1000003", "800001", "800001"], True, True, True]


async def test_large_streamed_request_bodies() -> None:
    async with running() as upstream, fetching() as js:
        assert await js.run(
            LARGE
            + """
            const body = new ReadableStream({ start(c) { c.enqueue(bytes.slice(0, 999_000)); c.enqueue(bytes.slice(999_000)); c.close(); } });
            const answer = await (await fetch(url, { method: "POST", body, duplex: "half" })).json();
            return [answer.headers["content-length"] ?? null, sameBytes(answer.body)];
            """,
            url=f"{upstream.url}/echo",
        ) == [None, True]


async def test_integrity_of_large_bodies() -> None:
    body = bytes(range(250)) * 1400
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    async with running() as upstream, fetching() as js:
        read = "return (await (await fetch(url, { integrity })).bytes()).every((byte, i) => byte === i % 250)"
        assert await js.run(read, url=f"{upstream.url}/large", integrity=f"sha256-{digest}") is True
        failure = await js.failure(read, url=f"{upstream.url}/large", integrity="sha256-wrong")
        assert failure[2] == "ERR_INTEGRITY"


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_nothing_is_read_that_nobody_asks_for() -> None:
    async with running() as upstream, fetching() as js:
        await js.run(
            "globalThis.reader = (await fetch(url)).body.getReader(); await reader.read();",
            url=f"{upstream.url}/forever",
        )
        sent = -1
        with trio.fail_after(20):
            # The socket's buffers fill, on a busy machine not at once, and stay full.
            while upstream.sent != sent:
                sent = upstream.sent
                await trio.sleep(0.1)
        await js.run("await reader.cancel()")
        await upstream.settled()
        assert js.open_fetches == 0


@pytest.mark.parametrize(("method", "query", "connections"), [("GET", "", 1), ("HEAD", "", 1), ("GET", "close=1", 3)])
async def test_a_connection_is_kept_after_large_bodies(method: str, query: str, connections: int) -> None:
    async with running() as upstream, fetching() as js:
        found = await js.run(
            """
            const found = [];
            for (const each of ["GET", method, "GET"]) {
              const bytes = new Uint8Array(await (await fetch(url, { method: each })).arrayBuffer());
              found.push([bytes.length, bytes.every((byte, index) => byte === index % 250)]);
            }
            return found;
            """,
            url=f"{upstream.url}/large?{query}",
            method=method,
        )
        whole = [350_000, True]
        assert found == [whole, whole if method == "GET" else [0, True], whole]
        assert upstream.connections == connections


async def test_a_large_body_comes_in_pieces_as_large_as_its_reader_is_quick(mock_clock: trio.testing.MockClock) -> None:
    ours, server = trio.testing.memory_stream_pair()
    await server.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n" + bytes(32 << 20))
    async with trio.open_nursery() as nursery:
        connected = Connected(ours, trio.socket.socket(), http2=False)
        connection = Http1Connection(connected, nursery, Pace(CpuScheduler()), lambda _: None)
        response = await connection.exchange(WireRequest("GET", "example.com", "http", "/", [], None))

        async def sizes(wait_s: float) -> list[int]:
            found = []
            for _ in range(8):
                mock_clock.jump(wait_s)
                found.append(len(await response.receive()) >> 10)
            return found

        assert (await sizes(0.001))[-4:] == [1024] * 4
        assert (await sizes(0.1))[-4:] == [64] * 4
        assert (await sizes(0.001))[-2:] == [1024] * 2
        response.close()


async def test_a_large_body_that_is_given_up_takes_its_connection_along() -> None:
    async with running() as upstream, fetching() as js:
        await js.run(
            "const reader = (await fetch(url)).body.getReader(); await reader.read(); await reader.cancel();",
            url=f"{upstream.url}/big?mb=20",
        )
        await upstream.settled()
        assert js.connections == 0
        assert js.open_fetches == 0


async def test_an_upload_is_pulled_as_the_server_reads() -> None:
    async with running() as upstream, fetching() as js:
        pulled = await js.run(
            """
            let pulled = 0, begun;
            const beginning = new Promise((resolve) => { begun = resolve; });
            const body = new ReadableStream({ pull(controller) {
              pulled++;
              begun();
              controller.enqueue(new Uint8Array(1 << 20));
            } }, { highWaterMark: 0 });
            const controller = new AbortController();
            const promise = fetch(url, { method: "POST", body, duplex: "half", signal: controller.signal });
            promise.catch(() => {});
            await beginning;
            await new Promise((resolve) => setTimeout(resolve, 200));
            const after = pulled;
            controller.abort();
            return after;
            """,
            url=f"{upstream.url}/early-nothing?",
        )
        assert pulled > 0
        await upstream.settled()


async def test_the_answer_may_come_before_the_request_is_sent() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            let cancelled;
            const reason = new Promise((resolve) => { cancelled = resolve; });
            const body = new ReadableStream({
              pull(controller) { controller.enqueue(new Uint8Array(65536)); },
              cancel(reason) { cancelled(reason.cause.code); },
            });
            const response = await fetch(url, { method: "POST", body, duplex: "half" });
            return [response.status, await response.text(), await reason];
            """,
            url=f"{upstream.url}/refuse",
        )
        assert result == [413, "too big", "ERR_BODY_UNSENT"]
        result = await js.run(
            """
            const body = new Uint8Array(8 << 20).fill(7);
            const response = await fetch(url, { method: "POST", body });
            const bytes = await response.bytes();
            return [bytes.length, bytes[0], bytes.at(-1)];
            """,
            url=f"{upstream.url}/mirror",
        )
        assert result == [8 << 20, 7, 7]
        await upstream.settled()


@pytest.mark.parametrize(
    ("stream", "cause"),
    [
        ("{ pull(c) { c.error(new RangeError('mine')) } }", "RangeError: mine"),
        ("{ pull(c) { c.enqueue('text') } }", "TypeError"),
        ("{ pull() { throw new Error('thrown') } }", "Error: thrown"),
    ],
)
async def test_a_body_that_breaks(stream: str, cause: str) -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            f"""
            try {{ await fetch(url, {{ method: "POST", duplex: "half", body: new ReadableStream({stream}) }}); }}
            catch (error) {{ return [error.name, String(error.cause)]; }}
            """,
            url=f"{upstream.url}/count",
        )
        assert result[0] == "TypeError"
        assert cause in result[1]
        await upstream.settled()
        assert js.open_fetches == 0


async def test_another_fetchs_body_is_sent_on() -> None:
    async with running() as upstream, fetching() as js:
        turns = js.environment.isolate.account.turns
        result = await js.run(
            """
            const source = await fetch(url + "/big?mb=20");
            const response = await fetch(url + "/count", { method: "POST", body: source.body, duplex: "half" });
            return [await response.text(), source.bodyUsed];
            """,
            url=upstream.url,
        )
        assert result == [str(20 << 20), True]
        assert js.environment.isolate.account.turns - turns < 10


async def test_a_stream_of_fixed_length_is_sent_with_its_length() -> None:
    """As on Workers; other streams are sent in chunks. One that gives less fails the request."""
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const told = [];
            for (const length of [3, 3n, null]) {
              const { readable, writable } = length === null ? new IdentityTransformStream() : new FixedLengthStream(length);
              const sent = fetch(url, { method: "PUT", body: readable, duplex: "half" });
              const writer = writable.getWriter();
              await writer.write(new TextEncoder().encode("abc"));
              await writer.close();
              const { headers, body } = await (await sent).json();
              told.push([headers["content-length"] ?? headers["transfer-encoding"], body]);
            }
            const { readable, writable } = new FixedLengthStream(3);
            const sent = fetch(url, { method: "PUT", body: readable, duplex: "half" }).catch((error) => error.name);
            const writer = writable.getWriter();
            await writer.write(new Uint8Array(2));
            await writer.close().catch(() => {});
            writer.closed.catch(() => {});
            return [...told, await sent];
            """,
            url=f"{upstream.url}/echo",
        )
        assert result == [["3", "abc"], ["3", "abc"], ["chunked", "abc"], "TypeError"]


# -- bodies that come with their heads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "coded"),
    [("identity", b"body"), ("gzip", gzip.compress(b"bo") + gzip.compress(b"dy")), ("br", brotli.compress(b"body"))],
    ids=["identity", "gzip", "br"],
)
async def test_a_short_body_that_nobody_reads_holds_no_connection(coding: str, coded: bytes) -> None:
    """And it can be read all the same, later."""
    connections = 0
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b"

    async def serve(stream: trio.SocketStream) -> None:
        nonlocal connections
        connections += 1
        async for data in stream:
            for _ in range(data.count(b"\r\n\r\n")):
                await stream.send_all(answer % (coding.encode(), len(coded), coded))

    async with trio.open_nursery() as nursery, fetching() as js:
        (listener,) = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
        found = await js.run(
            """
            const responses = [];
            for (let i = 0; i < 20; i++) responses.push(await fetch(url));
            return [
              await responses[0].text(),
              (await responses[1].arrayBuffer()).byteLength,
              await new Response(responses[2].body.pipeThrough(new TransformStream())).text(),
              await Promise.all([responses[3].clone().text(), responses[3].text()]),
            ];
            """,
            url=f"http://127.0.0.1:{listener.socket.getsockname()[1]}/",
        )
        assert found == ["body", 4, "body", ["body", "body"]]
        assert connections == 1
        nursery.cancel_scope.cancel()


_HEAD = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ([_HEAD + b"Content-Length: 5\r\n\r\nwhole"], b"whole"),
        ([_HEAD + b"Content-Length: 5\r\n\r\nwh", b"ole"], b"whole"),
        ([_HEAD + b"Content-Length: 40000\r\n\r\n" + bytes(40000)], bytes(40000)),
        ([_CHUNKED + b"2\r\nwh\r\n3\r\nole\r\n0\r\n\r\n"], b"whole"),
        ([_CHUNKED + b"2\r\nwh\r\n3\r\nole\r\n", b"0\r\n\r\n"], b"whole"),
        ([_CHUNKED + b"1\r\nx\r\n" * 100 + b"0\r\n\r\n"], b"x" * 100),
        ([_HEAD + b"Content-Length: 0\r\n\r\n"], b""),
    ],
    ids=["at once", "in halves", "long", "in chunks", "without its end", "in many chunks", "empty"],
)
async def test_a_body_is_the_same_however_much_of_it_comes_with_the_head(parts: list[bytes], body: bytes) -> None:
    ours, server = trio.testing.memory_stream_pair()
    released: list[Http1Connection] = []
    async with trio.open_nursery() as nursery:
        connected = Connected(ours, trio.socket.socket(), http2=False)
        connection = Http1Connection(connected, nursery, Pace(CpuScheduler()), released.append)
        for _ in range(2):
            await server.send_all(parts[0])
            response = await connection.exchange(WireRequest("GET", "example.com", "http", "/", [], None))
            found = response.at_hand()
            if found is None:
                for part in parts[1:]:
                    await server.send_all(part)
                found = b""
                while piece := await response.receive():
                    found += piece
            response.close()
            assert found == body
        assert released == [connection] * 2
        assert not connection.closed
        connection.close()


async def test_what_is_wrong_behind_the_first_chunk_is_told_where_it_is_read() -> None:
    ours, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connected = Connected(ours, trio.socket.socket(), http2=False)
        connection = Http1Connection(connected, nursery, Pace(CpuScheduler()), lambda _: None)
        await server.send_all(_CHUNKED + b"2\r\nwh\r\nnonsense\r\n")
        response = await connection.exchange(WireRequest("GET", "example.com", "http", "/", [], None))
        assert response.at_hand() is None
        assert await response.receive() == b"wh"
        with pytest.raises(FetchError, match="malformed"):
            await response.receive()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("how", ["whole", "cut", "long"])
async def test_what_is_decoded_at_once_is_what_is_decoded_piece_by_piece(coding: str, how: str) -> None:
    body = bytes(1 << 20) if how == "long" else TEXT[:9000]
    coded = CODINGS[coding](body)
    if how == "cut":
        coded = coded[:-5]
    at_once = decoded_at_once(coded, [coding])
    assert at_once == (body if how == "whole" else None)
    pieces = [coded]

    async def receive() -> bytes:
        await trio.lowlevel.checkpoint()
        return pieces.pop() if pieces else b""

    app, scheduler = App(), CpuScheduler()
    environment = Environment(scheduler, app, app)
    decoding, found = Decoding(coding, receive, Pace(scheduler), environment.held()), b""
    with pytest.raises(FetchError) if how == "cut" else contextlib.nullcontext():
        while piece := await decoding.receive():
            found += piece
    if how != "cut":
        assert found == body
    environment.close()
