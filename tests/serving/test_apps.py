"""What an app may be and do: its shapes, env, ctx, how it starts, sleeps and restarts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

from .conftest import NEIGHBOUR, SiteMaker, unnoticed

SHAPES = {
    "object": "export default { fetch(request, env, ctx) { return new Response(`${request.method} ${env.X} ${typeof ctx.waitUntil}`); } };",
    "async": "export default { async fetch(request, env, ctx) { await null; return new Response(`${request.method} ${env.X} ${typeof ctx.waitUntil}`); } };",
    "function": "export default (request, env, ctx) => new Response(`${request.method} ${env.X} ${typeof ctx.waitUntil}`);",
    "class": "class App { fetch(request, env, ctx) { return this.answer(request, env, ctx); } answer(r, e, c) { return new Response(`${r.method} ${e.X} ${typeof c.waitUntil}`); } } export default new App();",
    "listener": "addEventListener('fetch', (event) => event.respondWith(new Response(`${event.request.method} 1 ${typeof event.waitUntil}`)));",
    "async listener": "addEventListener('fetch', (event) => event.respondWith((async () => { await null; return new Response(`${event.request.method} 1 ${typeof event.waitUntil}`); })()));",
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_the_shapes_of_an_app(serve: SiteMaker, shape: str) -> None:
    async with serve({"app": {"source": SHAPES[shape], "env": {"X": 1}}}) as site:
        for _ in range(2):
            assert (await site.get("app", method="PUT")).text == "PUT 1 function"


async def test_this_of_a_handler_is_its_object(serve: SiteMaker) -> None:
    source = "export default { name: 'me', fetch() { return new Response(this.name); } };"
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == "me"


@pytest.mark.parametrize(
    ("source", "logged"),
    [
        ("addEventListener('fetch', () => {});", "no fetch listener called event.respondWith()"),
        (
            "addEventListener('fetch', (e) => { e.respondWith(new Response('1')); e.respondWith(new Response('2')); });",
            "already called",
        ),
        ("addEventListener('fetch', (e) => { throw new Error('in listener'); });", "in listener"),
        ("addEventListener('fetch', (e) => e.respondWith(Promise.reject(new Error('rejected'))));", "Error: rejected"),
        ("addEventListener('fetch', (e) => e.respondWith(5));", "returned 5"),
    ],
)
async def test_listeners_that_do_it_wrong(serve: SiteMaker, source: str, logged: str) -> None:
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        await site.get("app")
        assert logged in site.logged("app")


async def test_what_a_request_looks_like(serve: SiteMaker) -> None:
    source = """
      export default { fetch(request) {
        const { method, url, headers } = request;
        return Response.json({ method, url, headers: [...headers], instance: request instanceof Request, body: request.body });
      } };
    """
    async with serve({"app": source}) as site:
        answer = await site.get(
            "app", "/a%20b/../c?x=1&y=%C3%A9#no", method="DELETE", headers={"X-Twice": "1", "Accept": "text/html"}
        )
        request = json.loads(answer.text)
        assert request["method"] == "DELETE"
        assert request["url"] == "http://app/c?x=1&y=%C3%A9"
        assert ["x-twice", "1"] in request["headers"]
        assert request["headers"] == sorted(request["headers"])
        assert request["instance"] is True
        assert request["body"] is None


async def test_what_a_response_may_be(serve: SiteMaker) -> None:
    source = """
      const made = {
        "/string": () => new Response("é→", { status: 201, statusText: "Made", headers: { "X-A": "1", "Set-Cookie": "a=1" } }),
        "/cookies": () => { const r = new Response(null); r.headers.append("Set-Cookie", "a=1"); r.headers.append("Set-Cookie", "b=2"); return r; },
        "/json": () => Response.json({ a: [1, null] }),
        "/redirect": () => Response.redirect("https://example.com/x", 303),
        "/bytes": () => new Response(new Uint8Array([0, 255, 10])),
        "/part": () => new Response(new Uint8Array([0, 1, 2, 3]).subarray(1, 3)),
        "/params": () => new Response(new URLSearchParams({ a: "1 2" })),
        "/blob": () => new Response(new Blob(["blob"], { type: "text/x" })),
        "/empty": () => new Response(),
        "/204": () => new Response(null, { status: 204 }),
        "/304": () => new Response(null, { status: 304 }),
        "/long": () => { let s = ""; for (let i = 0; i < 2000; i++) s += "line " + i + "\\n"; return new Response(s); },
        "/clone": () => new Response("cloned").clone(),
        "/surrogate": () => new Response("a\\ud800b"),
      };
      export default { fetch: (request) => made[new URL(request.url).pathname]() };
    """
    async with serve({"app": source}) as site:
        string = await site.get("app", "/string")
        assert (string.status, string.text, string.headers["x-a"]) == (201, "é→", "1")
        assert string.headers["content-type"] == "text/plain;charset=UTF-8"
        assert (await site.get("app", "/cookies")).headers["set-cookie"] == "a=1, b=2"
        answer = await site.get("app", "/json")
        assert (answer.text, answer.headers["content-type"]) == ('{"a":[1,null]}', "application/json")
        redirect = await site.get("app", "/redirect")
        assert (redirect.status, redirect.headers["location"]) == (303, "https://example.com/x")
        assert (await site.get("app", "/bytes")).body == b"\x00\xff\n"
        assert (await site.get("app", "/part")).body == b"\x01\x02"
        assert (await site.get("app", "/params")).text == "a=1+2"
        blob = await site.get("app", "/blob")
        assert (blob.text, blob.headers["content-type"]) == ("blob", "text/x")
        assert (await site.get("app", "/empty")).body == b""
        assert (await site.get("app", "/204")).status == 204
        assert (await site.get("app", "/304")).status == 304
        assert (await site.get("app", "/long")).text == "".join(f"line {i}\n" for i in range(2000))
        assert (await site.get("app", "/clone")).text == "cloned"
        assert (await site.get("app", "/surrogate")).text == "a\ufffdb"
        head = await site.get("app", "/string", method="HEAD")
        assert (head.body, head.headers["content-length"]) == (b"", str(len("é→".encode())))


async def test_wait_until_keeps_work_alive_after_the_response(
    serve: SiteMaker, autojump_clock: trio.testing.MockClock
) -> None:
    source = """
      let done = 0;
      export default { fetch(request, env, ctx) {
        if (request.url.endsWith("/done")) return new Response(String(done));
        ctx.waitUntil(new Promise((resolve) => setTimeout(() => { done++; resolve(); }, 5000)));
        ctx.waitUntil(Promise.reject(new Error("in the background")));
        return new Response("early");
      } };
    """
    async with serve({"app": {"source": source, "idle_timeout_s": 2}}) as site:
        app = site.app("app")
        start = trio.current_time()
        exchange = app.begin(_request("/"))
        assert (await exchange.wait()).body == b"early"
        exchange.finish()
        assert trio.current_time() - start < 1
        drained = trio.Event()

        async def drain() -> None:
            await app._current.drain()
            drained.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await trio.sleep(4)
            assert not drained.is_set()
            await trio.sleep(2)
            assert drained.is_set()
        done = app.begin(_request("/done"))
        assert (await done.wait()).body == b"1"
        assert "in the background" in site.logged("app")


def _request(path: str) -> Any:
    from nano_trio.actors.messages import IncomingRequest

    return IncomingRequest("GET", f"http://app{path}", [("host", "app")], None, "127.0.0.1", "test-1")


async def test_an_app_is_loaded_by_its_first_request_or_by_preload(serve: SiteMaker) -> None:
    source = "console.log('loading'); export default () => new Response('x');"
    async with serve({"lazy": source, "eager": {"source": source, "preload": True}}) as site:
        assert "loading" in site.logged("eager")
        assert "loading" not in site.logged("lazy")
        assert site.app("lazy").state.value == "asleep"
        await site.get("lazy")
        assert "loading" in site.logged("lazy")
        assert site.app("lazy").state.value == "awake"


async def test_requests_wait_for_a_top_level_await(serve: SiteMaker) -> None:
    source = "const x = await new Promise((r) => setTimeout(r, 50, 'loaded')); export default () => new Response(x);"
    async with serve({"app": source}) as site:
        answers: list[str] = []

        async def ask() -> None:
            answers.append((await site.get("app")).text)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        assert answers == ["loaded"] * 5


async def test_an_idle_app_sleeps_and_comes_back(serve: SiteMaker, autojump_clock: trio.testing.MockClock) -> None:
    source = "let n = 0; export default () => new Response(String(++n));"
    async with serve({"app": {"source": source, "idle_timeout_s": 10}}) as site:
        app = site.app("app")

        async def ask() -> bytes:
            exchange = app.begin(_request("/"))
            response = await exchange.wait()
            exchange.finish()
            assert isinstance(response.body, bytes)
            return response.body

        assert await ask() == b"1"
        await trio.sleep(8)
        assert await ask() == b"2"
        await trio.sleep(8)
        assert app.state.value == "awake"
        await trio.sleep(5)
        assert app.state.value == "asleep"
        assert app.memory_used == 0
        assert await ask() == b"1"


async def test_a_preloaded_app_is_restarted_at_once(serve: SiteMaker) -> None:
    source = "console.log('loading'); export default () => { for (;;); };"
    async with serve({"app": {"source": source, "preload": True, "timeout_ms": 30}}) as site:
        assert (await site.get("app")).status == 503
        with trio.fail_after(5):
            while site.logged("app").count("loading") < 2:
                await trio.lowlevel.checkpoint()
        assert site.app("app").state.value == "awake"


@pytest.mark.parametrize(
    "source",
    [
        "console.log('loading'); export default { fetsh() {} };",
        "console.log('loading'); throw new Error('boom');",
        "console.log('loading'); await new Promise(() => {});",
    ],
)
async def test_a_preloaded_app_that_does_not_load_waits_for_the_next_request(
    serve: SiteMaker, tmp_path: Path, source: str
) -> None:
    """Nothing but other code would help: to start it again at once says the same some more times."""
    async with serve({"app": {"source": source, "preload": True}}) as site:
        app = site.app("app")
        await trio.testing.wait_all_tasks_blocked()
        assert (app.counts.crashes, app.state.value) == (1, "asleep")
        assert (await site.get("app")).status == 503
        await trio.testing.wait_all_tasks_blocked()
        assert (app.counts.crashes, app.state.value) == (2, "asleep")
        (tmp_path / "app" / "index.js").write_text("export default () => new Response('mended');")
        assert (await site.get("app")).text == "mended"


async def test_a_preloaded_app_whose_start_depends_on_others_is_restarted_at_once(serve: SiteMaker) -> None:
    """What it waited for may be there the next time, and an app of timers alone gets no requests."""
    source = "await new Promise((resolve) => setTimeout(resolve, 1)); throw new Error('not there yet');"
    async with serve({"app": {"source": source, "preload": True, "max_restarts": 2}}) as site:
        with trio.fail_after(5):
            while site.app("app").state.value != "failed":
                await trio.lowlevel.checkpoint()
        assert site.app("app").counts.crashes == 3


async def test_timers_run_between_requests_and_end_with_the_app(serve: SiteMaker) -> None:
    source = """
      let ticks = 0; setInterval(() => { ticks++; console.log("tick"); }, 5);
      export default { fetch: () => new Response(String(ticks)) };
    """
    async with serve({"app": source}) as site:
        first = int((await site.get("app")).text)
        with trio.fail_after(5):
            while int((await site.get("app")).text) < first + 3:
                await trio.lowlevel.checkpoint()
        await site.app("app").drain()
        ticks = site.logged("app").count("tick")
        assert ticks >= 3
        await trio.sleep(0.05)
        assert site.logged("app").count("tick") == ticks, "a timer outlived its app"


async def test_timers_that_are_due_together_let_others_in_between(serve: SiteMaker) -> None:
    source = """
      const many = 50_000;
      export default { async fetch() {
        let fired = 0, ordered = true;
        await caches.has("nothing"); // its first use makes a file, for which the disk may take longer than all timers
        await new Promise((resolve) => {
          setTimeout(resolve, 1);
          for (let i = 0; i < many; i++) setTimeout(() => { ordered &&= fired++ === i; }, 1);
        });
        await caches.has("nothing");
        const meanwhile = fired;
        await new Promise((resolve) => setTimeout(resolve, 1));
        return Response.json([meanwhile < many, fired === many, ordered]);
      } };
    """
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == "[true,true,true]"


async def test_an_exception_in_a_timer_is_logged_and_harms_nobody(serve: SiteMaker) -> None:
    source = """
      export default { async fetch() {
        setTimeout(() => { throw new TypeError("in a timer"); }, 0);
        queueMicrotask(() => { throw new RangeError("in a microtask"); });
        await new Promise((resolve) => setTimeout(resolve, 5));
        return new Response("fine");
      } };
    """
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == "fine"
        assert "TypeError: in a timer" in site.logged("app")
        assert "index.js:3:47" in site.logged("app")
        assert "RangeError: in a microtask" in site.logged("app")


async def test_console_goes_to_the_log_with_its_level(serve: SiteMaker) -> None:
    source = """
      export default { fetch() {
        console.log("plain", { a: [1, "x"] }); console.warn("careful"); console.error(new Error("bad")); console.debug("detail");
        return new Response("x");
      } };
    """
    async with serve({"app": source}) as site:
        await site.get("app")
        lines = [(entry["log_level"], entry["event"]) for entry in site.logs if entry.get("console")]
        assert lines[0] == ("info", "plain { a: [ 1, 'x' ] }")
        assert lines[1] == ("warning", "careful")
        assert lines[2][0] == "error"
        assert lines[2][1].startswith("Error: bad\n")
        assert lines[3] == ("debug", "detail")


async def test_flooding_the_log_or_the_heap_of_timers_starves_nobody(serve: SiteMaker) -> None:
    source = """
      export default { fetch(request) {
        if (request.url.endsWith("/log")) for (let i = 0; i < 20000; i++) console.log("line " + i);
        if (request.url.endsWith("/timers")) for (let i = 0; i < 20000; i++) setTimeout(() => {}, i % 50);
        return new Response("done");
      } };
    """
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        assert (await site.get("app", "/log")).text == "done"
        assert (await site.get("app", "/timers")).text == "done"
        assert (await site.get("app", "/")).text == "done"


async def test_an_app_that_breaks_iteration_and_then_itself_is_still_explained(serve: SiteMaker) -> None:
    source = "Array.prototype[Symbol.iterator] = () => { throw 1; }; throw new Error('at load');"
    async with serve({"app": source}) as site:
        assert (await site.get("app")).status == 503
        assert "Error: at load" in site.logged("app")


async def test_hostile_prototypes_do_not_reach_the_platform(serve: SiteMaker) -> None:
    source = """
      const types = [Array, Promise, String, Map, Set, WeakMap, RegExp, Function, Object];
      for (let i = 0; i < types.length; i++) {
        const type = types[i], keys = Reflect.ownKeys(type.prototype);
        for (let j = 0; j < keys.length; j++) {
          const key = keys[j];
          // The engine itself calls concat for template literals: an app that replaces it changes its own syntax.
          if (key === "constructor" || key === "concat" || typeof Reflect.getOwnPropertyDescriptor(type.prototype, key).value !== "function") continue;
          try { type.prototype[key] = () => { throw new Error("patched " + String(key)); }; } catch {}
        }
      }
      Object.prototype.then = undefined;
      JSON.stringify = JSON.parse = () => { throw new Error("patched"); };
      export default { async fetch(request, env) {
        request.headers; request.signal;
        const text = await request.text();
        return new Response(text + env.X, { headers: { "x-a": request.method } });
      } };
    """
    async with serve({"app": {"source": source, "env": {"X": "!"}}}) as site:
        answer = await site.get("app", method="POST", body=b"still works")
        assert (answer.status, answer.text, answer.headers["x-a"]) == (200, "still works!", "POST")
