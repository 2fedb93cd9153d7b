"""Large bodies cross between host and JavaScript in pieces: clients and apps see no seam."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpcore
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import connect

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

MB = 1 << 20
APP = """
// What comes again and again is copied: a call for each byte takes longer than all that is done with it.
const counted = (n, first = 0) => {
  const bytes = Uint8Array.from({ length: Math.min(n, 251) }, (_, i) => (i + first) % 251), all = new Uint8Array(n);
  all.set(bytes);
  for (let done = 251; done < n; done *= 2) all.copyWithin(done, 0, done);
  return all;
};
const make = {
  bytes: (n) => counted(n),
  buffer: (n) => counted(n).buffer,
  view: (n) => counted(n + 7, 248).subarray(3, n + 3),
  ascii: (n) => "abcdefg".repeat(n / 7 + 1).slice(0, n),
  latin: (n) => "caf\\xe9".repeat(n / 4 + 1).slice(0, n),
  wide: (n) => "a\\u4e00".repeat(n / 2 + 1).slice(0, n),
  // Pairs of surrogates at even places, and at odd ones.
  pairs: (n) => "\\u{1f600}".repeat(n / 2),
  odd: (n) => "-" + "\\u{1f600}".repeat(n / 2),
  lone: (n) => "ab\\ud800cd\\udc00e".repeat(n / 7),
  // A tree, as the engine keeps what was put together.
  rope: (n) => { let text = ""; while (text.length < n) text += "\\u4e00 and ".repeat(1500); return text.slice(0, n); },
};
const read = {
  text: async (request) => await request.text(),
  json: async (request) => (await request.json()).text,
  arrayBuffer: async (request) => await request.arrayBuffer(),
  bytes: async (request) => await request.bytes(),
  blob: async (request) => await request.blob(),
  formData: async (request) => (await request.formData()).get("file"),
  stream: async (request) => {
    let text = ""; const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for await (const chunk of request.body) text += decoder.decode(chunk, { stream: true });
    return text + decoder.decode();
  },
};
export default { async fetch(request, env) {
  const { pathname, searchParams } = new URL(request.url);
  const [, what, kind] = pathname.split("/"), size = Number(searchParams.get("size"));
  switch (what) {
    case "give": return new Response(make[kind](size), { headers: { "content-type": "text/plain" } });
    case "json": return Response.json({ text: make[kind](size) });
    case "stream": return new Response(new ReadableStream({ start(controller) {
      for (const each of [size, 10, size]) controller.enqueue(make[kind](each));
      controller.close();
    } }));
    case "read": try { return new Response(await read[kind](request)); } catch (error) { return new Response(String(error)); }
    case "length": return new Response(String((await read[kind](request)).length));
    case "self": return env.self.fetch(new Request("http://self" + searchParams.get("path"), request));
    case "called": {
      const answer = await env.self.fetch("http://self" + searchParams.get("path"));
      return new Response(kind === "text" ? await answer.text() : await answer.arrayBuffer());
    }
    case "posts": {
      const body = make[kind](size);
      return env.self.fetch("http://self/read/bytes", { method: "POST", body });
    }
    case "streams": {
      const body = new ReadableStream({ start(controller) { controller.enqueue(make.bytes(size)); controller.close(); } });
      return env.self.fetch("http://self/read/arrayBuffer", { method: "POST", body, duplex: "half" });
    }
    case "cached": {
      await caches.default.put("http://cached/" + kind, new Response(make[kind](size)));
      const found = await caches.default.match("http://cached/" + kind);
      return new Response(searchParams.has("text") ? await found.text() : await found.bytes());
    }
    case "own": return new Response(await new Response(make[kind](size))[searchParams.get("as")]());
    case "coded": return new Response(new TextDecoder().decode(new TextEncoder().encode(make[kind](size))));
    case "strict": try {
      const bytes = new TextEncoder().encode(make[kind](size));
      bytes[bytes.length - 5] = 255;
      return new Response(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (error) { return new Response(error.name); }
  }
} };
"""
BOUND = 256 << 10
SIZES = [BOUND - 1, BOUND, BOUND + 1, BOUND + 2, 3 * (BOUND >> 1), MB + 1, 3 * MB]
BINARY = ["bytes", "buffer", "view"]
TEXTS = ["ascii", "latin", "wide", "pairs", "odd", "lone", "rope"]


def made(kind: str, size: int) -> bytes:
    """What ``make`` gives, in UTF-8."""
    if kind in BINARY:
        return bytes(i % 251 for i in range(251)) * (size // 251) + bytes(range(size % 251))
    match kind:
        case "ascii":
            text = ("abcdefg" * (size // 7 + 1))[:size]
        case "latin":
            text = ("caf\xe9" * (size // 4 + 1))[:size]
        case "wide":
            text = ("a\u4e00" * (size // 2 + 1))[:size]
        case "pairs":
            text = "\U0001f600" * (size // 2)
        case "odd":
            text = "-" + "\U0001f600" * (size // 2)
        case "lone":
            text = "ab\ufffdcd\ufffde" * (size // 7)
        case _:
            text = ("\u4e00 and " * (size // 6 + 1))[:size]
    return text.encode()


@contextlib.asynccontextmanager
async def running(serve: SiteMaker, **more: Any) -> AsyncIterator[Site]:
    settings = {key: more.pop(key) for key in ("tls", "compression") if key in more}
    app = {"source": APP, "services": {"self": "again"}, "default": True, **more}
    async with serve({"app": app, "again": {"source": APP, **more}, "neighbour": NEIGHBOUR}, **settings) as site:
        yield site


@pytest.mark.parametrize("kind", [*BINARY, *TEXTS])
async def test_responses_are_exact_and_as_long_as_they_say(serve: SiteMaker, kind: str) -> None:
    async with running(serve) as site:
        for size in SIZES:
            expected = made(kind, size)
            answer = await site.get("app", f"/give/{kind}?size={size}")
            assert answer.body == expected
            assert answer.headers["content-length"] == str(len(expected))
            assert "transfer-encoding" not in answer.headers
            head = await site.get("app", f"/give/{kind}?size={size}", method="HEAD")
            assert (head.body, head.headers["content-length"]) == (b"", str(len(expected)))


async def test_json(serve: SiteMaker) -> None:
    async with running(serve) as site:
        for kind in ("ascii", "wide", "odd"):
            assert (await site.get("app", f"/json/{kind}?size={MB}")).body == json.dumps(
                {"text": made(kind, MB).decode()}, ensure_ascii=False, separators=(",", ":")
            ).encode()


@pytest.mark.parametrize("size", [BOUND, BOUND + 1, MB + 3])
async def test_chunks_of_a_stream(serve: SiteMaker, size: int) -> None:
    async with running(serve) as site:
        answer = await site.get("app", f"/stream/bytes?size={size}")
        assert answer.body == made("bytes", size) + made("bytes", 10) + made("bytes", size)
        assert answer.headers["transfer-encoding"] == "chunked"


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("how", ["text", "stream", "arrayBuffer", "bytes", "blob"])
@pytest.mark.parametrize("size", SIZES)
async def test_requests_are_read_whole(serve: SiteMaker, how: str, size: int) -> None:
    async with running(serve) as site:
        for kind in ("bytes",) if how in ("arrayBuffer", "bytes", "blob") else ("ascii", "latin", "wide", "odd"):
            body = made(kind, size)
            assert (await site.get("app", f"/read/{how}", method="POST", body=body)).body == body
            # Chunked, in pieces that cut characters at all places.
            pieces = chunks(body, 4093)
            assert (await site.get("app", f"/read/{how}", method="POST", body=pieces)).body == body


async def test_forms_and_json(serve: SiteMaker) -> None:
    file = made("bytes", MB)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    form = head + file + b"\r\n--x--\r\n"
    async with running(serve) as site:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        assert (await site.get("app", "/read/formData", method="POST", body=form, headers=headers)).body == file
        for text in (made("wide", MB), b"\xef\xbb\xbf" + made("odd", BOUND), MALFORMED[0] + made("latin", BOUND >> 1)):
            form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + text + b"\r\n--x--\r\n"
            answer = await site.get("app", "/read/formData", method="POST", body=form, headers=headers)
            assert answer.text == text.decode("utf-8", "replace")
        text = made("wide", MB).decode()
        sent = json.dumps({"text": text}, ensure_ascii=False).encode()
        assert (await site.get("app", "/read/json", method="POST", body=sent)).text == text
        assert (await site.get("app", "/read/json", method="POST", body=b"\xef\xbb\xbf" + sent)).text == text
        assert (await site.get("app", "/read/json", method="POST", body=sent[:-1])).text.startswith("SyntaxError")


async def test_urlencoded_forms(serve: SiteMaker) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    async with running(serve) as site:
        for kind, size in (("odd", MB), ("wide", BOUND), ("ascii", BOUND), ("latin", 1000)):
            text = made(kind, size)
            for value in (text, quote(text, safe="").encode()):
                form = b"%66ile=" + value.replace(b" ", b"+") + b"&" + b"a=%26&" * 20_000
                answer = await site.get("app", "/read/formData", method="POST", body=form, headers=headers)
                assert answer.body == text


MALFORMED = [b"\xff", b"\xe4\xb8", b"\xed\xa0", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xc0\xaf"]


@pytest.mark.parametrize("malformed", MALFORMED)
async def test_malformed_text_is_replaced_wherever_it_is_cut(serve: SiteMaker, malformed: bytes) -> None:
    async with running(serve) as site:
        for before in ((64 << 10) - 1, (128 << 10) - 2, (256 << 10) - 3):
            body = b"a" * before + malformed + b"\xe4\xb8\x80" * 100_000 + malformed
            for sent in (body, chunks(body, (64 << 10) - 1)):
                answer = await site.get("app", "/read/text", method="POST", body=sent)
                assert answer.text == body.decode("utf-8", "replace")


async def test_one_byte_order_mark_is_no_part_of_a_text(serve: SiteMaker) -> None:
    mark = b"\xef\xbb\xbf"
    async with running(serve) as site:
        for rest in (b"", b"a", b"a" * 100_000, b"a" * MB):
            for body in (mark + rest, mark + mark + rest):
                for sent in (body, chunks(body, 1 if len(body) < 100 else 65_536)):
                    assert (await site.get("app", "/read/text", method="POST", body=sent)).body == body[3:]


@pytest.mark.parametrize("limit_mb", [1, 0.5])
async def test_what_is_larger_than_may_be_gathered_is_refused(serve: SiteMaker, limit_mb: float) -> None:
    async with running(serve, max_buffer_size_mb=limit_mb) as site:
        most = int(limit_mb * MB)
        for how in ("text", "bytes"):
            body = b"a" * most
            assert (await site.get("app", f"/read/{how}", method="POST", body=chunks(body, 50_000))).body == body
            for sent in (body + b"a", chunks(body + b"a", 50_000)):
                answer = await site.get("app", f"/read/{how}", method="POST", body=sent)
                assert answer.text == f"RangeError: the body is larger than max_buffer_size_mb ({limit_mb:g} MB)"


async def test_apps_that_call_apps(serve: SiteMaker) -> None:
    async with running(serve) as site:
        for kind in ("bytes", "odd"):
            expected = made(kind, 2 * MB)
            path = f"/give/{kind}?size={2 * MB}".replace("?", "%3F")
            assert (await site.get("app", f"/self/?path={path}")).body == expected
            assert (
                await site.get("app", f"/called/{'text' if kind == 'odd' else 'bytes'}?path={path}")
            ).body == expected
        for kind in ("view", "buffer", "lone", "pairs"):
            assert (await site.get("app", f"/posts/{kind}?size={2 * MB}")).body == made(kind, 2 * MB)
        assert (await site.get("app", f"/streams/?size={2 * MB}")).body == made("bytes", 2 * MB)


async def test_cached_bodies(serve: SiteMaker) -> None:
    async with running(serve) as site:
        for size in (BOUND - 1, BOUND + 1, 2 * MB):
            assert (await site.get("app", f"/cached/bytes?size={size}")).body == made("bytes", size)
            assert (await site.get("app", f"/cached/odd?size={size}&text")).body == made("odd", size)


async def test_bodies_that_never_leave_the_app(serve: SiteMaker) -> None:
    async with running(serve) as site:
        for size in (BOUND - 1, BOUND, BOUND + 1, MB):
            for kind in TEXTS:
                expected = made(kind, size)
                for how in ("text", "bytes", "arrayBuffer", "blob"):
                    assert (await site.get("app", f"/own/{kind}?size={size}&as={how}")).body == expected
                assert (await site.get("app", f"/coded/{kind}?size={size}")).body == expected
            assert (await site.get("app", f"/own/view?size={size}&as=bytes")).body == made("view", size)
            text = made("view", size).decode("utf-8", "replace")
            assert (await site.get("app", f"/own/view?size={size}&as=text")).text == text
            assert (await site.get("app", f"/strict/wide?size={size}")).text == "TypeError"


async def test_gzip(serve: SiteMaker) -> None:
    async with running(serve, compression={"encodings": "gzip"}) as site:
        for kind in ("odd", "ascii"):
            answer = await site.get("app", f"/give/{kind}?size={MB}", headers={"accept-encoding": "gzip"})
            assert answer.headers["content-encoding"] == "gzip"
            assert "content-length" not in answer.headers
            assert gzip.decompress(answer.body) == made(kind, MB)
            head = await site.get("app", f"/give/{kind}?size={MB}", method="HEAD", headers={"accept-encoding": "gzip"})
            assert (head.headers["content-encoding"], head.body) == ("gzip", b"")


async def test_http2(serve: SiteMaker, tmp_path: Path) -> None:
    async with running(serve, tls={"port": 0, "certs": str(tmp_path / "certs")}) as site:
        trust = ssl.create_default_context(cafile=str(tmp_path / "certs" / "ca.pem"))
        url = f"https://localhost:{site.hosting.server.secure_port_of(None)}"
        async with httpcore.AsyncConnectionPool(ssl_context=trust, http1=False, http2=True) as client:
            for kind, size in (("bytes", MB), ("odd", MB), ("bytes", BOUND + 1)):
                expected = made(kind, size)
                answer = await client.request("GET", f"{url}/give/{kind}?size={size}")
                assert (answer.extensions["http_version"], answer.status, answer.content) == (b"HTTP/2", 200, expected)
                assert (b"content-length", b"%d" % len(expected)) in answer.headers
                head = await client.request("HEAD", f"{url}/give/{kind}?size={size}")
                assert (head.status, head.content) == (200, b"")
                assert (b"content-length", b"%d" % len(expected)) in head.headers
                assert (await client.request("POST", f"{url}/read/bytes", content=expected)).content == expected


# -- WebSockets --------------------------------------------------------------------------------------------------------

ECHO = """
const large = new Uint8Array(8 << 20).fill(98);
export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/pair") {
      const { 0: theirs, 1: ours } = new WebSocketPair();
      ours.accept();
      ours.binaryType = "arraybuffer";
      ours.addEventListener("message", ({ data }) => ours.send(data));
      return new Response(null, { status: 101, webSocket: theirs });
    }
    return ctx.upgrade(request);
  },
  websocket: { message(ws, data) {
    if (data === "twice") { ws.send(large); ws.send("too much"); }
    else ws.send(data);
  } },
};
"""


@pytest.mark.parametrize("path", ["/", "/pair"])
@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_messages_of_websockets(serve: SiteMaker, path: str, compression: str | None) -> None:
    async with serve({"app": {"source": ECHO, "default": True, "max_buffered_mb": 8}}) as site:
        url = f"ws://127.0.0.1:{site.port}{path}"
        async with connect(url, compression=compression, max_size=None) as client:
            for kind in ("bytes", "ascii", "latin", "wide", "odd"):
                for size in (BOUND - 1, BOUND, BOUND + 1, 3 * MB):
                    body = made(kind, size)
                    message = body if kind == "bytes" else body.decode()
                    await client.send(message)
                    await client.send("next")
                    assert await client.recv() == message
                    assert await client.recv() == "next"
            text = made("odd", MB).decode()
            await client.send([text[at : at + 33_333] for at in range(0, len(text), 33_333)])
            assert await client.recv() == text


async def test_a_client_that_reads_nothing_gets_a_large_message_whole_before_it_is_cut_off(serve: SiteMaker) -> None:
    async with (
        serve({"app": {"source": ECHO, "default": True}, "neighbour": NEIGHBOUR}) as site,
        unnoticed(site),
        connect(f"ws://127.0.0.1:{site.port}/", max_size=None) as client,
    ):
        await client.send("twice")
        assert await client.recv() == b"b" * (8 << 20)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


# -- what goes wrong ---------------------------------------------------------------------------------------------------

ENDLESS = """
let begun = 0;
export default { fetch(request, env) {
  const { pathname } = new URL(request.url);
  if (pathname === "/begun") return new Response(String(begun));
  begun++;
  return new Response("\u4e00".repeat(Number(pathname.slice(1)) << 16));
} };
"""


async def test_a_client_that_leaves_midway_is_noticed_by_nobody(serve: SiteMaker) -> None:
    async with running(serve) as site, unnoticed(site):
        for _ in range(5):
            stream = await site.connect()
            await stream.send_all(f"GET /give/bytes?size={8 * MB} HTTP/1.1\r\nHost: app\r\n\r\n".encode())
            received = b""
            while len(received) < 300_000:
                received += await stream.receive_some(65536)
            await stream.aclose()
            # And one that leaves while the pieces are handed over, or earlier.
            stream = await site.connect()
            await stream.send_all(f"GET /give/odd?size={8 * MB} HTTP/1.1\r\nHost: app\r\n\r\n".encode())
            await trio.sleep(0.005)
            await stream.aclose()
        assert (await site.get("app", f"/give/bytes?size={MB}")).body == made("bytes", MB)
        app = site.app("app")
        with trio.fail_after(5):
            while app._current._exchanges:
                await trio.lowlevel.checkpoint()
        assert app._current._environment.large.take().next() == b"", "what nobody wants was kept"
        assert (app.counts.in_flight, app.counts.abandoned) == (0, 10)


async def test_an_app_that_reaches_its_limit_midway_is_stopped(serve: SiteMaker) -> None:
    # Far beyond what takes the one, and far below what takes the other, on any machine.
    apps = {"app": {"source": ENDLESS, "timeout_ms": 50, "memory_mb": 512}, "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        assert (await site.get("app", "/begun")).text == "0"
        assert len((await site.get("app", "/1")).body) == 3 << 16
        answer = await site.get("app", "/1024")
        assert (answer.status, "50 ms of CPU time" in answer.text) == (503, True)
        assert len((await site.get("app", "/1")).body) == 3 << 16
        assert (await site.get("app", "/begun")).text == "1"


@pytest.mark.parametrize("how", ["text", "bytes", "json"])
async def test_an_app_that_reads_more_than_it_has_memory_for_is_told_so(serve: SiteMaker, how: str) -> None:
    async with running(serve, memory_mb=16) as site, unnoticed(site):
        body = b'{"text": "' + b"a" * (60 * MB) + b'"}'
        stream = await site.connect()

        async def send() -> None:
            head = f"POST /read/{how} HTTP/1.1\r\nHost: app\r\nContent-Length: {len(body)}\r\n\r\n"
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await stream.send_all(head.encode() + body)

        # Before it has come, and fills the heap.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            told = b""
            with trio.fail_after(20):
                while not told.endswith(
                    b"\r\n\r\nRangeError: the bodies that the app reads whole at this time take more than memory_mb"
                ):
                    told += await stream.receive_some(1000)
            nursery.cancel_scope.cancel()
        await stream.aclose()
        assert site.app("app").counts.crashes == 0
        assert (await site.get("app", f"/read/{how}", method="POST", body=body[:20] + b'"}')).status == 200


async def test_what_waits_for_slow_clients_is_no_memory_of_the_app(serve: SiteMaker) -> None:
    source = """export default { fetch() { return new Response(new Uint8Array(6 << 20).fill(97)); } };"""
    async with serve({"app": {"source": source, "memory_mb": 24}}) as site:
        streams = []
        for _ in range(12):
            stream = await site.connect()
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            assert (await stream.receive_some(200)).startswith(b"HTTP/1.1 200 OK\r\n")
            streams.append(stream)
        isolate = site.app("app")._current._environment.isolate
        assert site.app("app").counts.crashes == 0
        while isolate.busy:  # its garbage is collected, say
            await trio.lowlevel.checkpoint()
        assert isolate.read_memory() < 12 * MB
        for stream in streams:
            size = 0
            while part := await stream.receive_some(1 << 20):
                size += len(part)
            assert size > (6 << 20) - 200
        assert site.app("app").counts.bytes_out == 12 * (6 << 20)
