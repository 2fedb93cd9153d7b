"""Bodies that stream: back-pressure from the socket into the app's stream and back, and flat memory."""

from __future__ import annotations

import contextlib
import gc
import json
import socket

import psutil
import trio

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

CHUNKS = """
let pulled = 0, cancelled = null, aborted = null;
export default {
  fetch(request) {
    const url = new URL(request.url);
    if (url.pathname === "/state") return Response.json({ pulled, cancelled, aborted });
    const size = Number(url.searchParams.get("size")), count = Number(url.searchParams.get("count"));
    request.signal.addEventListener("abort", () => { aborted = request.signal.reason.name; });
    let left = count;
    return new Response(new ReadableStream({
      pull(controller) {
        pulled++;
        if (left-- === 0) controller.close();
        else controller.enqueue(new Uint8Array(size).fill(97));
      },
      cancel(reason) { cancelled = String(reason); },
    }));
  },
};
"""


async def test_a_streamed_response_arrives_whole(serve: SiteMaker) -> None:
    async with serve({"app": CHUNKS}) as site:
        answer = await site.get("app", "/?size=1000&count=50")
        assert answer.body == b"a" * 50_000
        assert answer.headers["transfer-encoding"] == "chunked"


async def test_what_a_stream_has_at_once_takes_no_turn_for_each_chunk(serve: SiteMaker) -> None:
    source = """
      export default { fetch() {
        return new Response(new ReadableStream({ start(controller) {
          for (let i = 0; i < 5000; i++) controller.enqueue(new Uint8Array([48 + i % 10]));
          controller.close();
        } }));
      } };
    """
    async with serve({"app": source}) as site:
        await site.get("app")
        account = site.app("app").account
        turns = account.turns
        assert (await site.get("app")).body == b"0123456789" * 500
        assert account.turns - turns < 1000


async def test_chunks_that_take_long_are_turns_of_their_own(serve: SiteMaker) -> None:
    """Each has the CPU time of a turn, and others' turns run in between."""
    source = """
      let begun = 0;
      export default { fetch(request) {
        if (new URL(request.url).pathname === "/begun") return new Response(String(begun));
        let left = 8;
        return new Response(new ReadableStream({ pull(controller) {
          if (left-- === 0) return controller.close();
          begun++;
          for (const end = performance.now() + 60; performance.now() < end; );
          controller.enqueue(new Uint8Array(10));
        } }, { highWaterMark: 0 }));
      } };
    """
    async with serve({"app": {"source": source, "timeout_ms": 250}}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        begun, received = [], b""
        while part := await stream.receive_some():
            received += part
            begun.append(int((await site.get("app", "/begun")).text))
        await stream.aclose()
        assert received.endswith(b"0\r\n\r\n")
        assert begun[0] < 8


async def test_a_large_response_keeps_memory_flat(serve: SiteMaker) -> None:
    """200 MB through a stream of 64 KB chunks (a gigabyte in `make bench`)."""
    process = psutil.Process()
    async with serve({"app": CHUNKS, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        await site.get("app", "/?size=65536&count=100")
        gc.collect()
        before = process.memory_info().rss
        size = peak = 0
        async with site.pool.stream("GET", site.url("/?size=65536&count=3200"), headers={"Host": "app"}) as response:
            async for chunk in response.stream:
                size += len(chunk)
                if size % (16 << 20) < 65536:
                    peak = max(peak, process.memory_info().rss)
        assert size == 3200 * 65536
        assert peak - before < 32 << 20


async def test_a_client_that_stops_reading_stops_the_apps_pull(serve: SiteMaker) -> None:
    async with serve({"app": CHUNKS, "neighbour": NEIGHBOUR}) as site:
        stream = await site.connect()
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await stream.send_all(b"GET /?size=65536&count=100000 HTTP/1.1\r\nHost: app\r\n\r\n")
        await stream.receive_some(1000)

        async def pulled() -> int:
            return int(json.loads((await site.get("app", "/state")).text)["pulled"])

        last, now = -1, await pulled()
        while now != last:  # until the socket's buffers are full
            for _ in range(20):
                await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked(0.01)
            last, now = now, await pulled()
        async with unnoticed(site):
            for _ in range(20):
                assert await pulled() == now
        assert now < 400  # 25 MB of the 6.5 GB
        for _ in range(40):
            await stream.receive_some(65536)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert await pulled() > now


async def test_a_client_that_leaves_cancels_the_stream_and_aborts_the_signal(serve: SiteMaker) -> None:
    async with serve({"app": CHUNKS, "neighbour": NEIGHBOUR}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET /?size=65536&count=100000 HTTP/1.1\r\nHost: app\r\n\r\n")
        await stream.receive_some(1000)
        await stream.aclose()
        async with unnoticed(site):
            with trio.fail_after(5):
                while '"cancelled":null' in (text := (await site.get("app", "/state")).text):
                    await trio.lowlevel.checkpoint()
        assert "client disconnected" in text
        assert '"aborted":"AbortError"' in text


async def test_a_client_that_leaves_aborts_a_request_in_progress(serve: SiteMaker) -> None:
    source = """
      let aborted = "no", timers = 0;
      export default {
        async fetch(request) {
          if (request.url.endsWith("/state")) return new Response(aborted);
          request.signal.onabort = () => { aborted = request.signal.reason.name; };
          await new Promise((resolve) => setTimeout(resolve, 3_600_000));
        },
      };
    """
    async with serve({"app": source}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        await site.begun("app")
        await stream.aclose()
        with trio.fail_after(5):
            while (await site.get("app", "/state")).text == "no":
                await trio.lowlevel.checkpoint()
        assert (await site.get("app", "/state")).text == "AbortError"


UPLOADS = """
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/text") return new Response(await request.text());
    if (pathname === "/json") return Response.json((await request.json()).a.map((x) => x * 2));
    if (pathname === "/count") {
      let size = 0, chunks = 0;
      for await (const chunk of request.body) { size += chunk.length; chunks++; }
      return new Response(`${size} ${chunks > 1}`);
    }
    if (pathname === "/first") {
      const reader = request.body.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return new Response(String(value.length > 0));
    }
    if (pathname === "/echo") return new Response(request.body);
    if (pathname === "/form") { const form = await request.formData(); return new Response([...form].map(([k, v]) => `${k}=${v.name ?? v}`).join("&")); }
    return new Response("ignored");
  },
};
"""


async def test_uploads_of_all_sizes_and_framings(serve: SiteMaker) -> None:
    async def pieces(count: int, size: int):  # type: ignore[no-untyped-def]
        for _ in range(count):
            yield b"b" * size

    async with serve({"app": UPLOADS}) as site:
        for size in (0, 1, 1000, 65536, 65537, 3_000_000):
            body = b"x" * size
            assert (await site.get("app", "/text", method="POST", body=body)).body == body
            assert (await site.get("app", "/echo", method="POST", body=body)).body == body
        assert (await site.get("app", "/text", method="POST", body=pieces(30, 10_000))).body == b"b" * 300_000
        assert (await site.get("app", "/json", method="POST", body=b'{"a":[1,2]}')).text == "[2,4]"
        assert (await site.get("app", "/text", method="POST", body="é→😀".encode())).text == "é→😀"
        form = (
            await site.get(
                "app",
                "/form",
                method="POST",
                body=b"a=1&b=x%20y",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
        ).text
        assert form == "a=1&b=x y"
        assert await _post_and_read(site, "/other", 3_000_000) == "ignored"
        assert await _post_and_read(site, "/first", 3_000_000) == "true"


async def _post_and_read(site: Site, path: str, size: int) -> str:
    """The answer to a request that the server need not read to its end: it may close before all is sent."""
    stream = await site.connect()

    async def send() -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(
                b"POST %b HTTP/1.1\r\nHost: app\r\nContent-Length: %d\r\n\r\n" % (path.encode(), size)
            )
            await stream.send_all(b"y" * size)

    data = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while b"\r\n\r\n" not in data or not data.partition(b"\r\n\r\n")[2]:
            data += await stream.receive_some()
        nursery.cancel_scope.cancel()
    return data.partition(b"\r\n\r\n")[2].decode()


async def test_a_large_upload_keeps_memory_flat(serve: SiteMaker) -> None:
    process = psutil.Process()
    peak = 0

    async def pieces():  # type: ignore[no-untyped-def]
        nonlocal peak
        data = b"c" * 65536
        for number in range(3200):
            if number % 256 == 0:
                peak = max(peak, process.memory_info().rss)
            yield data

    async with serve({"app": UPLOADS, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        await site.get("app", "/count", method="POST", body=b"z" * 1_000_000)
        gc.collect()
        before = process.memory_info().rss
        answer = await site.get("app", "/count", method="POST", body=pieces())
        assert answer.text == f"{3200 * 65536} true"
        assert peak - before < 32 << 20


async def test_a_body_beyond_the_buffer_limit(serve: SiteMaker) -> None:
    source = """
      export default { async fetch(request) {
        try { await request.arrayBuffer(); return new Response("read"); } catch (error) { return new Response(`${error.name}: ${error.message}`); }
      } };
    """
    async with serve({"app": {"source": source, "max_buffer_size_mb": 1}}) as site:
        assert (await site.get("app", "/", method="POST", body=b"x" * (1 << 20))).text == "read"
        answer = await site.get("app", "/", method="POST", body=b"x" * ((1 << 20) + 1))
        assert answer.text == "RangeError: the body is larger than max_buffer_size_mb (1 MB)"


async def test_a_stream_that_errors_breaks_the_response(serve: SiteMaker) -> None:
    source = """
      export default { fetch(request) {
        let n = 0;
        return new Response(new ReadableStream({ pull(c) { if (n++ < 3) c.enqueue(new Uint8Array(10)); else throw new Error("midway"); } }));
      } };
    """
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        data = b""
        try:
            while part := await stream.receive_some():
                data += part
        except trio.BrokenResourceError:
            pass  # a reset says it as well
        assert data.startswith(b"HTTP/1.1 200")
        assert not data.endswith(b"0\r\n\r\n")
        assert "midway" in site.logged("app")


async def test_a_stream_of_something_else_than_bytes(serve: SiteMaker) -> None:
    source = "export default () => new Response(ReadableStream.from(['text', 1]));"
    async with serve({"app": source}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
        data = b""
        try:
            while part := await stream.receive_some():
                data += part
        except trio.BrokenResourceError:
            pass
        assert not data.endswith(b"0\r\n\r\n")
        assert "chunks must be Uint8Arrays" in site.logged("app")


async def test_a_stream_that_waits_for_other_requests_stays_open(serve: SiteMaker) -> None:
    """Server-sent events: what one client sends, all that listen receive. Between messages nothing is pending."""
    source = """
      const listeners = new Set(), encoder = new TextEncoder();
      export default { async fetch(request) {
        if (request.method === "POST") {
          const message = encoder.encode(`data: ${await request.text()}\\n\\n`);
          for (const listener of listeners) listener.enqueue(message);
          return new Response(String(listeners.size));
        }
        let self;
        const body = new ReadableStream({ start(c) { listeners.add(self = c); }, cancel() { listeners.delete(self); } });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      } };
    """
    async with serve({"app": source}) as site:
        streams = [await site.connect() for _ in range(3)]
        for stream in streams:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
            assert b"text/event-stream" in await stream.receive_some()
        for text in (b"one", b"two"):
            assert (await site.get("app", method="POST", body=text)).text == "3"
            for stream in streams:
                assert b"data: " + text in await stream.receive_some()
        await streams[0].aclose()
        with trio.fail_after(5):
            while (await site.get("app", method="POST", body=b"x")).text != "2":
                await trio.lowlevel.checkpoint()
