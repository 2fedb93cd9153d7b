"""Requests that come from the host, responses that go to it, and bodies on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.runtime import platform
from nano_trio.runtime.host import HostError

from .harness import Bench

Run = Callable[[str], Any]


class Wire:
    """The host's side of a body that is still on the wire."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = [b"hello ", b"wire"]
        self.calls: list[str] = []
        self.is_broken = False

    def namespace(self, services: Bench) -> dict[str, Callable[..., None]]:
        async def next_chunk() -> bytes | None:
            if self.is_broken:
                raise HostError("TypeError", "the client left")
            return self.chunks.pop(0) if self.chunks else None

        async def rest() -> bytes:
            if self.is_broken:
                raise HostError("TypeError", "the client left")
            chunks, self.chunks = self.chunks, []
            return b"".join(chunks)

        def read(body: int, operation: int) -> None:
            self.calls.append(f"read {body}")
            services.operation(operation, next_chunk)

        def read_all(body: int, operation: int, is_text: bool) -> None:
            self.calls.append(f"readAll {body} {is_text}")
            services.operation(operation, rest)

        def cancel(body: int) -> None:
            self.calls.append(f"cancel {body}")

        return {"read": read, "readAll": read_all, "cancel": cancel}


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def run(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run_js`` with the platform's internals in ``request`` and ``response``, ``incoming(body)``, and ``send(response)``.

    What is sent is what the host is told of a handler's answer: [status, statusText, headers, kind, body], or why not.
    """
    specification, module = platform._specification, platform._module
    # queueMicrotask, which nothing here needs, lends its place to the object that specification files get.
    probe = platform._cache().script("((platform) => ({ __proto__: null, queueMicrotask: platform }))", "probe.js")
    monkeypatch.setattr(platform, "_specification", lambda name: probe if name == "microtask" else specification(name))
    monkeypatch.setattr(platform, "_module", lambda name: wire if name == "body" else module(name))
    bench = Bench()
    prelude = """
      const { load, isLoaded: loaded, entries, host } = queueMicrotask;
      const request = load("request"), response = load("response");
      const incoming = (body, headers = "a\\n1\\nb\\n2\\na\\n3") =>
        request.fromHost(7, "POST", "http://a.example/?q#f", headers, body);
      let answer, told;
      const dispatcher = {
        loaded() {},
        respond(id, status, reason, headers, ...body) {
          told = [status, reason, headers === null ? null : headers.split("\\n"), ...body];
        },
        failed(id, text) { told = text; },
      };
      queueMicrotask.host = (name) => (name === "dispatch" || name === "dispatch.failures" ? dispatcher : host(name));
      load("dispatch");
      entries.take({ default: () => answer });
      entries.load(Promise.resolve(), "{}", "[]");
      await null;
      const send = (response) => {
        answer = response;
        entries.fetch(8, "GET", "http://a.example/", null, null);
        return told;
      };
    """
    return lambda source: bench.run(prelude + source)


class TestIncomingRequest:
    def test_is_a_request_with_the_given_head(self, run: Run) -> None:
        assert run("""
          const r = incoming(null);
          return [r instanceof Request, r.method, r.url, r.headers.get("a"), [...r.headers.keys()], r.body, r.redirect];
        """) == [True, "POST", "http://a.example/?q#f", "1, 3", ["a", "b"], None, "manual"]

    def test_headers_are_immutable_and_those_of_a_copy_are_not(self, run: Run) -> None:
        assert run("""
          const r = incoming(null);
          let thrown = [];
          for (const f of [(h) => h.set("x", "y"), (h) => h.append("x", "y"), (h) => h.delete("a")]) {
            try { f(r.headers); } catch (e) { thrown.push(e.constructor.name); }
          }
          try { r.clone().headers.set("x", "y"); } catch (e) { thrown.push("clone " + e.constructor.name); }
          const copy = new Request(r);
          copy.headers.set("a", "new");
          return [thrown, copy.headers.get("a"), r.headers.get("a")];
        """) == [["TypeError", "TypeError", "TypeError", "clone TypeError"], "new", "1, 3"]

    def test_a_small_body_needs_no_streams(self, run: Run) -> None:
        assert run("""
          const body = await incoming(new Uint8Array([0x7b, 0x7d]).buffer).json();
          return [body, loaded("streams_readable"), loaded("abort"), loaded("headers"), loaded("blob")];
        """) == [{}, False, False, False, False]

    def test_the_signal_is_aborted_when_it_exists(self, run: Run) -> None:
        assert run("""
          const r = incoming(null), events = [];
          r.signal.onabort = () => events.push("aborted");
          request.abortFromHost(r, "gone");
          return [r.signal.aborted, r.signal.reason, events, r.signal === r.signal];
        """) == [True, "gone", ["aborted"], True]

    def test_an_abort_before_anyone_looked_is_remembered(self, run: Run) -> None:
        assert run("""
          const r = incoming(null), clone = r.clone(), copy = new Request(r);
          request.abortFromHost(r, "gone");
          return [loaded("abort"), copy.signal.reason, clone.signal.reason, r.signal.reason];
        """) == [False, "gone", "gone", "gone"]

    def test_what_was_made_of_it_follows_its_signal(self, run: Run) -> None:
        assert run("""
          const r = incoming(null), copy = new Request(r);
          const before = copy.signal.aborted;
          request.abortFromHost(r, "gone");
          return [before, copy.signal.aborted];
        """) == [False, True]


class TestWireBody:
    @pytest.mark.parametrize(
        ("read", "expected", "is_text"),
        [
            ("text()", "hello wire", True),
            ("arrayBuffer().then((b) => b.byteLength)", 10, False),
            ("bytes().then((b) => b[0])", 104, False),
            ("blob().then((b) => b.text())", "hello wire", False),
        ],
    )
    def test_is_read_whole_by_the_host(self, run: Run, wire: Wire, read: str, expected: Any, is_text: bool) -> None:
        result = run(
            f"const r = incoming(true); const p = r.{read}; return [r.bodyUsed, await p, loaded('streams_readable')]"
        )
        assert result == [True, expected, False]
        assert wire.calls == [f"readAll 7 {is_text}"]

    def test_its_stream_pulls_a_chunk_at_a_time(self, run: Run, wire: Wire) -> None:
        assert run("""
          const r = incoming(true), reader = r.body.getReader();
          const first = await reader.read();
          return [first.value.length, r.bodyUsed];
        """) == [6, True]
        assert wire.calls == ["read 7"]

    def test_its_stream_ends(self, run: Run, wire: Wire) -> None:
        assert (
            run("""
          let text = "";
          for await (const chunk of incoming(true).body) text += String.fromCharCode(...chunk);
          return text;
        """)
            == "hello wire"
        )
        assert wire.calls == ["read 7"] * 3

    def test_its_stream_fills_the_apps_buffers(self, run: Run) -> None:
        assert run("""
          const reader = incoming(true).body.getReader({ mode: "byob" });
          const lengths = [];
          for (;;) {
            const { value, done } = await reader.read(new Uint8Array(4));
            if (done) return [lengths, value.byteLength];
            lengths.push(value.byteLength);
          }
        """) == [[4, 2, 4], 0]

    def test_cancelling_its_stream_tells_the_host(self, run: Run, wire: Wire) -> None:
        run("await incoming(true).body.cancel()")
        assert wire.calls == ["cancel 7"]

    @pytest.mark.parametrize("read", ["r.text()", "r.body.getReader().read()", "r.clone().text()"])
    def test_a_client_that_left_is_a_type_error(self, run: Run, wire: Wire, read: str) -> None:
        wire.is_broken = True
        assert run(
            f"const r = incoming(true); try {{ await {read} }} catch (e) {{ return [e.constructor.name, e.message] }}"
        ) == [
            "TypeError",
            "the client left",
        ]

    def test_both_sides_of_a_clone_can_be_read(self, run: Run) -> None:
        assert run("""
          const r = incoming(true), clone = r.clone();
          return [await r.text(), await clone.text()];
        """) == ["hello wire", "hello wire"]

    def test_moves_into_a_request_made_of_it(self, run: Run, wire: Wire) -> None:
        assert run("""
          const r = incoming(true), copy = new Request(r);
          const used = [r.bodyUsed, copy.bodyUsed];
          const text = await copy.text();
          const error = await r.text().catch((e) => e.constructor.name);
          return [used, text, error, loaded("streams_readable")];
        """) == [[True, False], "hello wire", "TypeError", False]

    def test_passes_through_a_response_without_a_copy(self, run: Run, wire: Wire) -> None:
        assert run("""
          const r = incoming(true), passed = new Response(r.body);
          return [...send(passed).slice(3), r.bodyUsed, passed.bodyUsed, r.body.locked];
        """) == [4, 7, True, True, True]
        assert wire.calls == []

    def test_a_stream_that_was_read_from_does_not_pass_through(self, run: Run) -> None:
        assert (
            run("""
          const r = incoming(true), reader = r.body.getReader();
          await reader.read();
          reader.releaseLock();
          try { new Response(r.body); } catch (e) { return e.constructor.name; }
        """)
            == "TypeError"
        )


class TestOutgoingResponse:
    @pytest.mark.parametrize(
        ("make", "expected"),
        [
            ('new Response("hi")', [200, None, ["content-type", "text/plain;charset=UTF-8"], 1, "hi"]),
            ("new Response()", [200, None, None, 0, None]),
            ('new Response(null, {status: 404, statusText: "No"})', [404, "No", None, 0, None]),
            ("Response.json({a: 1})", [200, None, ["content-type", "application/json"], 1, '{"a":1}']),
            ("new Response(new Uint8Array([1, 2]))", [200, None, None, 2, "[object Uint8Array]"]),
            (
                'new Response(new Blob(["x"], {type: "a/b"}))',
                [200, None, ["content-type", "a/b"], 2, "[object Uint8Array]"],
            ),
            ("new Response(new ReadableStream())", [200, None, None, 3, "[object Null]"]),
            ('new Response(new Response("again").body)', [200, None, None, 1, "again"]),
            (
                'new Response("x", {headers: [["Set-Cookie", "a"], ["set-cookie", "b"], ["Content-Type", "q/r"]]})',
                [200, None, ["set-cookie", "a", "set-cookie", "b", "content-type", "q/r"], 1, "x"],
            ),
        ],
    )
    def test_parts(self, run: Run, make: str, expected: list[Any]) -> None:
        assert (
            run(f"""
          const [status, statusText, headers, kind, body] = send({make});
          return [status, statusText, headers, kind, kind > 1 ? Object.prototype.toString.call(body) : body];
        """)
            == expected
        )

    def test_changed_headers_are_those_that_leave(self, run: Run) -> None:
        assert run("""
          const r = new Response("x");
          r.headers.delete("content-type");
          r.headers.set("X-A", "1");
          return send(r)[2];
        """) == ["x-a", "1"]

    @pytest.mark.parametrize(
        "make",
        [
            'const r = new Response("x"); await r.text(); return r',
            'const r = new Response("x"); r.body.getReader(); return r',
            'const r = new Response("x"); send(r); return r',
            "const r = new Response(new ReadableStream()); send(r); return r",
            "return Response.error()",
        ],
    )
    def test_what_cannot_be_sent_is_a_type_error(self, run: Run, make: str) -> None:
        assert (
            run(f"""
          const r = await (async () => {{ {make} }})();
          return send(r).split(":")[0];
        """)
            == "TypeError"
        )

    def test_is_used_afterwards(self, run: Run) -> None:
        assert run("""
          const r = new Response("x"), stream = r.body;
          send(r);
          return [r.bodyUsed, stream.locked, await r.text().catch((e) => e.constructor.name)];
        """) == [True, True, "TypeError"]

    def test_only_real_responses_are_recognised(self, run: Run) -> None:
        assert run("""
          const isResponse = (value) => response.stateOrNull(value) !== null;
          return [new Response(), new (class extends Response {})(), Object.create(Response.prototype), {}, null, "x",
                  new Proxy(new Response(), {})].map(isResponse);
        """) == [True, True, False, False, False, False, False]

    def test_the_common_response_loads_nothing_more(self, run: Run) -> None:
        assert (
            run("""
          send(new Response("hello", { status: 201, headers: { "x-a": "b" } }));
          return ["headers", "streams_readable", "blob", "formdata", "url", "abort", "body_source", "body_consume",
                  "request_init"].filter((name) => loaded(name));
        """)
            == []
        )


class TestFetchedResponse:
    def test_has_what_the_host_says(self, run: Run) -> None:
        assert run("""
          const r = response.fromHost(200, "Fine", ["a", "b"], { from: "body", id: 9 }, "http://a/b#c", true);
          let immutable = false;
          try { r.headers.set("a", "c"); } catch { immutable = true; }
          return [r.status, r.statusText, r.headers.get("a"), r.url, r.redirected, r.type, immutable, await r.text()];
        """) == [200, "Fine", "b", "http://a/b", True, "basic", True, "hello wire"]

    def test_passes_through_untouched(self, run: Run, wire: Wire) -> None:
        assert run("""
          const r = response.fromHost(200, "", [], { from: "body", id: 9 });
          return send(r).slice(3);
        """) == [4, 9]
        assert wire.calls == []


class TestHardening:
    def test_a_then_on_every_object_does_not_reach_bodies(self, run: Run) -> None:
        assert run("""
          const seen = [];
          const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([104, 105])); c.close(); } });
          const read = [new Response(stream), new Response("hi"), incoming(true)].map((r) => r.text());
          const then = { configurable: true, get() { seen.push(this); return undefined; } };
          Object.defineProperty(Object.prototype, "then", then);
          const texts = [];
          try { for (let i = 0; i < 3; i++) texts[i] = await read[i]; } finally { delete Object.prototype.then; }
          return [texts, seen.filter((value) => value instanceof Uint8Array && value.length === 2).length];
        """) == [["hi", "hi", "hello wire"], 0]

    def test_patched_builtins_change_nothing(self, run: Run) -> None:
        assert (
            run("""
          const broken = () => { throw new Error("patched"); };
          const { stringify } = JSON, targets = [], file = new File(["f"], "name");
          const classes = [Array, Map, WeakMap, Promise, RegExp];
          for (const P of [JSON, ...classes.map((C) => C.prototype)]) {
            for (const name of Object.getOwnPropertyNames(P)) {
              const isMethod = typeof Object.getOwnPropertyDescriptor(P, name).value === "function";
              if (isMethod && name !== "constructor" && name !== "then") targets.push([P, name]);
            }
          }
          for (let i = 0, { length } = targets; i < length; i++) targets[i][0][targets[i][1]] = broken;
          Array.prototype[Symbol.iterator] = broken;
          String.prototype.toLowerCase = String.prototype.charCodeAt = String.prototype.slice = broken;
          Object.defineProperty = Object.keys = Reflect.ownKeys = broken;
          const r = new Response("a", { status: 201, headers: { "X-Y": " z " } });
          r.headers.append("q", "w");
          const clone = r.clone();
          const form = new FormData();
          form.append("n", file);
          const sent = await (await new Response(form).formData()).get("n").text();
          JSON.stringify = stringify;
          return r.headers.get("x-y") + (await clone.text()) + (await incoming(true).text()) + sent;
        """)
            == "zahello wiref"
        )
