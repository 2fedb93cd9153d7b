"""Apps over HTTP/2, with clients that nobody here wrote: curl, nghttp2's, Node's; and with the fetch of other apps."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import trio
from h2.errors import ErrorCodes

from tests.web.http2_client import Http2Client, raw, request
from tests.web.sockets import code_of, masked
from tests.web.tunnels import sharing

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed
from .test_websocket_apps import CHAT, left
from .test_websocket_apps import client as websocket

APP = """
let state = "";
export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/hello": return new Response("Hello, world!");
      case "/later": await new Promise((resolve) => setTimeout(resolve, 5)); return new Response("later");
      case "/echo": return new Response(request.body, { headers: { "x-length": request.headers.get("content-length") } });
      case "/count": return new Response(String((await request.arrayBuffer()).byteLength));
      case "/headers": return Response.json([...request.headers]);
      case "/stream": {
        let left = Number(searchParams.get("n"));
        return new Response(new ReadableStream({
          pull(controller) { left-- > 0 ? controller.enqueue(new Uint8Array(50000).fill(97)) : controller.close(); },
        }));
      }
      case "/dies": {
        let first = true;
        return new Response(new ReadableStream({
          pull(controller) { if (!first) throw new Error("dies"); first = false; controller.enqueue(new Uint8Array(9)); },
        }));
      }
      case "/throws": throw new Error("thrown");
      case "/hog": for (;;);
      case "/hangs":
        request.signal.addEventListener("abort", () => { state = "aborted"; });
        state = "hanging";
        return new Promise(() => setTimeout(() => {}, 60000));
      case "/state": return new Response(state);
    }
    return new Response("no " + pathname, { status: 404 });
  },
};
"""


@contextlib.asynccontextmanager
async def secure(serve: SiteMaker, tmp_path: Path, **more: Any) -> AsyncIterator[tuple[Site, str, str]]:
    """A site with HTTPS, its URL and its authority's file."""
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    app = {"source": APP, "default": True, **more}
    async with serve({"app": app, "neighbour": NEIGHBOUR}, tls=tls) as site:
        port = site.hosting.server.secure_port_of(None)
        yield site, f"https://localhost:{port}", str(tmp_path / "certs" / "ca.pem")


async def ran(*command: str, stdin: bytes = b"") -> tuple[str, str, int]:
    with trio.fail_after(60):
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, stdin=stdin or subprocess.DEVNULL
        )
    return done.stdout.decode(), done.stderr.decode(), done.returncode


async def test_curl(serve: SiteMaker, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(3_000_000))
    async with secure(serve, tmp_path, max_body_mb=4) as (_, url, ca):

        async def curl(*arguments: str) -> tuple[str, int]:
            out, _, code = await ran("curl", "-s", "--http2", "--cacert", ca, *arguments)
            return out, code

        assert (await curl(f"{url}/hello", "-w", " %{http_version}")) == ("Hello, world! 2", 0)
        assert (await curl(f"{url}/hello", "--http1.1", "-w", " %{http_version}")) == ("Hello, world! 1.1", 0)
        assert (await curl(f"{url}/hello", "--no-alpn", "-w", " %{http_version}")) == ("Hello, world! 1.1", 0)
        head, _ = await curl("-I", f"{url}/hello")
        assert head.startswith("HTTP/2 200")
        assert "content-length: 13" in head
        assert await curl(f"{url}/count", "-T", str(body), "-X", "POST") == ("3000000", 0)
        assert await curl(f"{url}/count", "-T", str(body), "-H", "Expect: 100-continue") == ("3000000", 0)
        assert await curl(f"{url}/count", "-d", "small") == ("5", 0)
        large = b"x" * 5_000_000  # without a length
        out, _, _ = await ran("curl", "-s", "--http2", "--cacert", ca, f"{url}/count", "-T", "-", stdin=large)
        assert out.startswith("413 ")
        echoed, code = await curl(f"{url}/echo", "--data-binary", f"@{body}")
        assert (len(echoed), code) == (3_000_000, 0)
        streamed, code = await curl(f"{url}/stream?n=40")
        assert (len(streamed), code) == (2_000_000, 0)
        _, code = await curl(f"{url}/dies")
        assert code == 92  # CURLE_HTTP2_STREAM
        out, _ = await curl(f"{url}/throws", "-w", "%{http_code}")
        assert out.endswith("500")
        out, _ = await curl(f"{url}/headers", "-H", "x-one: 1", "-b", "a=1; b=2")
        headers = dict(json.loads(out))
        assert (headers["x-one"], headers["cookie"], headers["host"]) == ("1", "a=1; b=2", url.partition("//")[2])


async def test_nghttp_and_h2load(serve: SiteMaker, tmp_path: Path) -> None:
    async with secure(serve, tmp_path) as (_, url, _):
        out, _, code = await ran("nghttp", "-v", f"{url}/hello", f"{url}/later", f"{url}/stream?n=3")
        assert code == 0
        assert "Hello, world!" in out
        assert out.count(":status: 200") == 3
        assert "RST_STREAM" not in out
        assert set(re.findall(r"error_code=(\w+)", out)) <= {"NO_ERROR"}
        for path, streams in [("/hello", 32), ("/later", 100), ("/stream?n=4", 10)]:
            out, _, code = await ran("h2load", "-n", "500", "-c", "3", "-m", str(streams), f"{url}{path}")
            assert code == 0
            assert "500 succeeded, 0 failed, 0 errored" in out, out
            assert "500 2xx" in out
        out, _, _ = await ran("h2load", "-n", "200", "-c", "4", "-m", "9", "-d", __file__, f"{url}/count")
        assert "200 succeeded" in out, out
        out, _, _ = await ran("h2load", "--h1", "-n", "200", "-c", "4", f"{url}/hello")
        assert "200 succeeded" in out, out


NODE = """
const http2 = require("node:http2"), fs = require("node:fs");
const [, , url, ca] = process.argv;
const session = http2.connect(url, { ca: fs.readFileSync(ca) });
session.on("error", (error) => { console.log(String(error)); process.exit(1); });
function ask(path, { method = "GET", body = null, cancel = 0 } = {}) {
  return new Promise((resolve) => {
    const stream = session.request({ ":path": path, ":method": method });
    const chunks = [];
    let status = 0;
    stream.on("response", (headers) => { status = headers[":status"]; });
    stream.on("data", (chunk) => {
      chunks.push(chunk);
      if (cancel && chunks.length === cancel) stream.close(http2.constants.NGHTTP2_CANCEL);
    });
    stream.on("error", (error) => resolve([path, error.code]));
    stream.on("close", () => resolve([path, status, Buffer.concat(chunks).length, stream.rstCode]));
    body ? stream.end(body) : stream.end();
  });
}
(async () => {
  const answers = await Promise.all([
    ask("/hello"), ask("/later"), ask("/stream?n=60"), ask("/stream?n=1000000", { cancel: 3 }),
    ask("/count", { method: "POST", body: Buffer.alloc(2000000) }), ask("/echo", { method: "POST", body: "x".repeat(300000) }),
    ask("/hello", { method: "HEAD" }), ask("/nothing"), ask("/dies"), ask("/hello", { method: "POST", body: Buffer.alloc(400000) }),
    ...Array.from({ length: 50 }, () => ask("/later")),
  ]);
  await new Promise((resolve) => session.ping(resolve));
  console.log(JSON.stringify(answers));
  session.close();
})();
"""


async def test_node(serve: SiteMaker, tmp_path: Path) -> None:
    script = tmp_path / "client.cjs"
    script.write_text(NODE)
    async with secure(serve, tmp_path) as (_, url, ca):
        out, errors, code = await ran("node", str(script), url, ca)
    assert (errors, code) == ("", 0)
    answers = json.loads(out)
    assert answers[0] == ["/hello", 200, 13, 0]
    assert answers[1] == ["/later", 200, 5, 0]
    assert answers[2] == ["/stream?n=60", 200, 3_000_000, 0]
    assert answers[3][1] == 200
    assert answers[3][3] == 8
    assert answers[4] == ["/count", 200, 7, 0]
    assert answers[5] == ["/echo", 200, 300_000, 0]
    assert answers[6] == ["/hello", 200, 0, 0]
    assert answers[7] == ["/nothing", 404, 11, 0]
    assert answers[8] == ["/dies", "ERR_HTTP2_STREAM_ERROR"]
    assert answers[9] == ["/hello", 200, 13, 0], "an answer before the body's end is an answer"
    assert answers[10:] == [["/later", 200, 5, 0]] * 50


async def test_the_fetch_of_another_app(serve: SiteMaker, tmp_path: Path) -> None:
    caller = """
    export default {
      async fetch(request) {
        const base = new URL(request.url).searchParams.get("base");
        const names = ["/hello", "/later", "/stream?n=20", ...Array.from({ length: 40 }, () => "/hello")];
        const sizes = await Promise.all(names.map(async (n) => (await (await fetch(base + n)).arrayBuffer()).byteLength));
        const body = new Uint8Array(500000);
        const echo = await (await fetch(base + "/echo", { method: "POST", body })).arrayBuffer();
        const dies = await (await fetch(base + "/dies")).text().catch((error) => error.name);
        return Response.json([sizes.slice(0, 3), new Set(sizes.slice(3)).size, echo.byteLength, dies]);
      },
    };
    """
    async with secure(serve, tmp_path) as (_, url, ca):
        # A second site, for the authority must exist before its app is configured.
        app = {"source": caller, "allow_net": ["loopback"], "extra_ca_certs": [ca]}
        other = SiteMaker(tmp_path / "other")
        (tmp_path / "other").mkdir()
        async with other({"caller": app}) as site:
            answer = await site.get("caller", f"/?base={url}")
        assert answer.status == 200, answer.text
        assert json.loads(answer.text) == [[13, 5, 1_000_000], 1, 500_000, "TypeError"]
        assert site.port


async def test_the_package_h2_as_a_client(serve: SiteMaker, tmp_path: Path) -> None:
    """What h2 holds of our frames: it checks more than most clients do."""
    async with secure(serve, tmp_path) as (_, url, ca):
        port = int(re.sub(r".*:", "", url))
        async with await raw_h2(port, ca) as stream:
            client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
            client.initiate_connection()
            sizes: dict[int, int] = {}
            ended: set[int] = set()
            for turn in range(60):
                number = client.get_next_available_stream_id()
                path = ["/hello", "/later", "/stream?n=3", "/nothing"][turn % 4]
                fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
                client.send_headers(number, fields, end_stream=True)
                sizes[number] = 0
            await stream.send_all(client.data_to_send())
            with trio.fail_after(20):
                while len(ended) < 60:
                    for event in client.receive_data(await stream.receive_some()):
                        if isinstance(event, h2.events.DataReceived):
                            sizes[event.stream_id] += len(event.data)
                            client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        elif isinstance(event, h2.events.StreamEnded):
                            ended.add(event.stream_id)
                    await stream.send_all(client.data_to_send())
            assert list(sizes.values()) == [13, 5, 150_000, 11] * 15


async def raw_h2(port: int, ca: str) -> trio.SSLStream[trio.SocketStream]:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    raw = await trio.open_tcp_stream("127.0.0.1", port)
    stream = trio.SSLStream(raw, context, server_hostname="localhost", https_compatible=True)
    await stream.do_handshake()
    return stream


async def test_a_reset_aborts_the_apps_signal(serve: SiteMaker, tmp_path: Path) -> None:
    async with secure(serve, tmp_path) as (_, url, ca):
        port = int(re.sub(r".*:", "", url))
        async with await raw_h2(port, ca) as stream:
            client = Http2Client(stream)
            await client.greet()
            hanging = await client.begin("/hangs", authority="localhost")
            assert (await client.get("/state", authority="localhost")).text == "hanging"
            await client.reset(hanging)
            assert (await client.get("/state", authority="localhost")).text == "aborted"


async def test_apps_that_fail_are_noticed_by_nobody_else(serve: SiteMaker, tmp_path: Path) -> None:
    """One connection, two apps: one spins, throws and dies in the middle of streams; the other goes on."""
    async with secure(serve, tmp_path, timeout_ms=200, hostname=["app", "localhost"]) as (site, url, ca):
        port = int(re.sub(r".*:", "", url))
        async with await raw_h2(port, ca) as stream, unnoticed(site):
            client = Http2Client(stream)
            await client.greet()
            dies = await client.begin("/dies", authority="localhost")
            throws = await client.begin("/throws", authority="localhost")
            hog = await client.begin("/hog", authority="localhost")
            assert (await client.over(throws)).status == 500
            assert (await client.over(dies)).reset == 2
            assert (await client.over(hog)).status == 503
            assert (await client.get("/hello", authority="localhost")).text == "Hello, world!"


async def test_http2_can_be_switched_off(serve: SiteMaker, tmp_path: Path) -> None:
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    async with serve({"app": {"source": APP, "default": True}}, tls=tls, http={"http2": False}) as site:
        url = f"https://localhost:{site.hosting.server.secure_port_of(None)}/hello"
        ca = str(tmp_path / "certs" / "ca.pem")
        out, _, _ = await ran("curl", "-s", "--http2", "--cacert", ca, url, "-w", " %{http_version}")
        assert out == "Hello, world! 1.1"


async def test_ids_traces_and_counts_are_those_of_any_request(serve: SiteMaker, tmp_path: Path) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    async with secure(serve, tmp_path) as (site, url, ca):

        async def curl(path: str, *arguments: str) -> str:
            out, _, _ = await ran("curl", "-s", "-i", "--http2", "--cacert", ca, f"{url}{path}", *arguments)
            return out

        ids = []
        for path in ("/hello", "/later", "/stream?n=2", "/throws"):
            traced = ("-H", f"traceparent: 00-{trace}-b7ad6b7169203331-01", "-H", "x-request-id: stranger")
            head = (await curl(path, *traced)).partition("\r\n\r\n")[0]
            ids += re.findall(r"^x-request-id: ([0-9a-f]{8}-[0-9a-f]+)\r?$", head, re.MULTILINE)
        assert len(set(ids)) == 4
        (failed,) = [line for line in site.logs if line.get("event") == "the handler failed"]
        assert (failed["request_id"], failed["trace_id"]) == (ids[3], trace)
        await curl("/dies")
        async with await raw_h2(int(re.sub(r".*:", "", url)), ca) as stream:
            client = Http2Client(stream)
            await client.greet()
            await client.begin("/hangs", authority="localhost")
            await site.begun("app")
        with trio.fail_after(30):
            while (snapshot := site.hosting.metrics.snapshots()["app"]).in_flight:
                await trio.lowlevel.checkpoint()
        assert (snapshot.requests, snapshot.answered, snapshot.abandoned, snapshot.in_flight) == (6, 4, 2, 0)
        assert snapshot.errors == {"exception": 1, "stream": 1}
        assert site.hosting.server.counts.versions == [0, 0, 6]


async def test_a_trusted_proxy_gives_the_id(serve: SiteMaker, tmp_path: Path) -> None:
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    app = {"source": APP, "default": True}
    async with serve({"app": app}, tls=tls, trusted_proxies=["127.0.0.1", "::1"]) as site:
        url = f"https://localhost:{site.hosting.server.secure_port_of(None)}/hello"
        out, _, _ = await ran("curl", "-sik", "--http2", url, "-H", "x-request-id: theirs")
        assert "x-request-id: theirs\r\n" in out


async def test_a_request_and_its_end_in_one_packet_leave_no_error(serve: SiteMaker, tmp_path: Path) -> None:
    """The app is asked, and the stream, or the connection, is over before its answer is waited for."""
    reset, fault = raw(3, 0, 1, (8).to_bytes(4)), raw(6, 0, 1, b"no ping.")
    async with secure(serve, tmp_path) as (site, url, ca):
        for end in (reset, fault):
            async with await raw_h2(int(re.sub(r".*:", "", url)), ca) as stream:
                client = Http2Client(stream)
                await client.greet()
                await client.send(client.headers(client.next(), request("/hangs", authority="localhost")), end)
                if end is fault:
                    await client.ended(ErrorCodes.PROTOCOL_ERROR)
                else:
                    await client.ping()
        counts = site.app("app").counts
        assert (counts.begun, counts.abandoned) == (2, 2)
        assert [entry for entry in site.logs if entry["log_level"] in ("warning", "error")] == []


NODE_SOCKETS = """
const http2 = require("node:http2"), fs = require("node:fs"), crypto = require("node:crypto");
const [, , url, ca] = process.argv;
const session = http2.connect(url, { ca: fs.readFileSync(ca) });
session.on("error", (error) => { console.log(String(error)); process.exit(1); });

function frame(opcode, payload) {
  const mask = crypto.randomBytes(4), size = payload.length;
  const head = size < 126 ? Buffer.from([0x80 | opcode, 0x80 | size]) : Buffer.alloc(size < 65536 ? 4 : 10);
  if (size >= 126) {
    head[0] = 0x80 | opcode;
    head[1] = 0x80 | (size < 65536 ? 126 : 127);
    if (size < 65536) head.writeUInt16BE(size, 2); else head.writeBigUInt64BE(BigInt(size), 2);
  }
  return Buffer.concat([head, mask, payload.map((octet, at) => octet ^ mask[at % 4])]);
}

class Socket {
  static open(path, headers = {}) {
    return new Promise((resolve) => new Socket(path, headers, resolve));
  }
  constructor(path, headers, opened) {
    const fields = { ":method": "CONNECT", ":protocol": "websocket", ":path": path, "sec-websocket-version": "13" };
    this.stream = session.request({ ...fields, authorization: "Bearer open", ...headers });
    this.buffer = Buffer.alloc(0);
    this.waiting = [];
    this.messages = [];
    this.over = new Promise((resolve) => this.stream.on("close", () => resolve(this.stream.rstCode)));
    this.stream.on("response", (headers) => { this.headers = headers; opened(this); });
    this.stream.on("data", (data) => { this.buffer = Buffer.concat([this.buffer, data]); this.take(); });
    this.stream.on("end", () => this.stream.end());
  }
  take() {
    for (;;) {
      const { buffer } = this;
      if (buffer.length < 2) return;
      let size = buffer[1], start = 2;
      if (size === 126) { if (buffer.length < 4) return; size = buffer.readUInt16BE(2); start = 4; }
      else if (size === 127) { if (buffer.length < 10) return; size = Number(buffer.readBigUInt64BE(2)); start = 10; }
      if (buffer.length < start + size) return;
      const payload = buffer.subarray(start, start + size), opcode = buffer[0] & 15;
      this.buffer = buffer.subarray(start + size);
      if (opcode === 8) this.stream.write(frame(8, payload));
      const told = opcode === 8 ? payload.readUInt16BE(0) : opcode === 1 ? payload.toString() : payload.length;
      const next = this.waiting.shift();
      if (next) next(told); else this.messages.push(told);
    }
  }
  next() { return this.messages.length ? this.messages.shift() : new Promise((resolve) => this.waiting.push(resolve)); }
  text(text) { this.stream.write(frame(1, Buffer.from(text))); }
}

session.once("remoteSettings", async ({ enableConnectProtocol }) => {
  const told = [enableConnectProtocol];
  const refused = await Socket.open("/", { authorization: "no" });
  told.push(refused.headers[":status"]);
  const ann = await Socket.open("/?name=ann", { "sec-websocket-protocol": "old, chat" });
  told.push(ann.headers[":status"], ann.headers["x-room"], ann.headers["sec-websocket-protocol"], await ann.next());
  const bob = await Socket.open("/?name=bob");
  told.push(await bob.next());
  ann.text("hello");
  told.push(await ann.next(), await bob.next());
  for (const size of [0, 70000, 3000000]) {
    bob.stream.write(frame(2, Buffer.alloc(size)));
    told.push(await bob.next());
  }
  bob.text("throw");
  told.push(await bob.next(), await bob.over, await ann.next());
  ann.text("bye");
  told.push(await ann.next(), await ann.over);
  console.log(JSON.stringify(told));
  session.close();
});
"""


async def test_websockets_of_node(serve: SiteMaker, tmp_path: Path) -> None:
    script = tmp_path / "client.cjs"
    script.write_text(NODE_SOCKETS)
    async with secure(serve, tmp_path, source=CHAT) as (site, url, ca):
        out, errors, code = await ran("node", str(script), url, ca)
        assert (errors, code) == ("", 0)
        snapshot = site.hosting.metrics.snapshots()["app"]
        assert (snapshot.sockets, snapshot.requests, snapshot.errors) == (0, 3, {"websocket": 1})
        assert site.hosting.server.counts.versions == [0, 0, 3]
    told = [
        True,
        401,
        200,
        "lobby",
        "chat",
        "welcome ann",
        "welcome bob",
        "sent hello",
        "ann: hello",
        0,
        70_000,
        3_000_000,
    ]
    assert json.loads(out) == [*told, 1011, 0, "bob left 1011 ", 4001, 0]


async def test_one_room_for_websockets_of_either_protocol(serve: SiteMaker, tmp_path: Path) -> None:
    """A broadcast reaches them all; and the app's limit for connections is one for both."""
    async with secure(serve, tmp_path, source=CHAT, max_connections=3) as (site, url, ca):
        async with (
            await raw_h2(int(re.sub(r".*:", "", url)), ca) as stream,
            sharing(Http2Client(stream)) as client,
            websocket(site, "app", "/?name=one") as one,
        ):
            await client.greet()
            told = ("authorization", "Bearer open")
            two = await client.open("/?name=two", told, authority="localhost")
            assert await one.recv() == "welcome one"
            assert (await two.frame()).payload == b"welcome two"
            await one.send("hi")
            assert (await two.frame()).payload == b"one: hi"
            await two.send(masked(0x81, b"hello"))
            assert [await one.recv(), await one.recv()] == ["sent hi", "two: hello"]
            assert (await two.frame()).payload == b"sent hello"
            await client.open("/?name=three", told, authority="localhost")
            refusal = await client.over(await client.ask("/?name=four", told, authority="localhost"))
            assert refusal.status == 503
            assert site.app("app").snapshot().sockets == 3
        await left(site, "app")


async def test_a_stopped_turn_of_a_websocket_is_noticed_by_nobody_else(serve: SiteMaker, tmp_path: Path) -> None:
    """The isolate is replaced, and with it go the WebSockets of its app; the connection and the neighbour go on."""
    async with (
        secure(serve, tmp_path, source=CHAT, timeout_ms=200) as (site, url, ca),
        await raw_h2(int(re.sub(r".*:", "", url)), ca) as stream,
        sharing(Http2Client(stream)) as client,
        unnoticed(site),
    ):
        await client.greet()
        told = ("authorization", "Bearer open")
        spins, other = [await client.open("/", told, authority="localhost") for _ in range(2)]
        for socket in (spins, other):
            assert (await socket.frame()).payload == b"welcome null"
        await spins.send(masked(0x81, b"spin"))
        assert code_of((await spins.frame()).payload) == 1011
        assert code_of((await other.frame()).payload) == 1012
        again = await client.open("/?name=ann", told, authority="localhost")
        assert (await again.frame()).payload == b"welcome ann"
