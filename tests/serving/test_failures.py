"""The rows of the failure table (docs, reference) that are about apps; each time a neighbour app does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpcore
import pytest
import trio

from tests.engine.test_json_builtins import hostile

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

GOES_ON = """
  if (new URL(request.url).pathname === "/fine") return new Response("fine " + (globalThis.seen = (globalThis.seen ?? 0) + 1));
"""


def app(body: str, **keys: Any) -> dict[str, Any]:
    return {"source": f"export default {{ async fetch(request, env, ctx) {{ {GOES_ON} {body} }} }};", **keys}


CAUGHT = "return new Response(await read().catch(String));"


async def goes_on(site: Site, name: str = "app") -> int:
    """The app answers; the number of such answers from this isolate."""
    answer = await site.get(name, "/fine")
    assert answer.status == 200
    return int(answer.text.removeprefix("fine "))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("throw new TypeError('out of cheese');", "TypeError: out of cheese"),
        ("await null; throw new RangeError('later');", "RangeError: later"),
        ("return Promise.reject(new Error('rejected'));", "Error: rejected"),
        ("null.x;", "cannot read property 'x' of null"),
        ("throw 'a string';", "'a string'"),
        ("throw undefined;", "undefined"),
        ("throw Object.create(null);", "Uncaught"),
        ("throw { get message() { throw 1 }, toString() { throw 2 } };", "Uncaught"),
        ("throw new Proxy({}, { get() { throw 1 } });", "Uncaught"),
    ],
)
async def test_the_handler_throws_or_rejects(serve: SiteMaker, body: str, text: str) -> None:
    async with serve({"app": app(body), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        assert await goes_on(site) == 1
        answer = await site.get("app")
        assert answer.status == 500
        assert "request " in answer.text
        assert text not in answer.text  # details are for the log
        assert text in site.logged("app")
        assert await goes_on(site) == 2  # the same isolate


async def test_with_dev_the_page_shows_the_stack(serve: SiteMaker) -> None:
    async with serve({"app": app("\n  null.x;")}, dev=True) as site:
        answer = await site.get("app")
        assert answer.status == 500
        assert "index.js:4:7: TypeError" in answer.text
        assert "\n          ^\n" in answer.text
        assert "nano:" not in answer.text
        assert answer.headers["content-type"].startswith("text/plain")


async def test_with_dev_the_page_shows_texts_that_no_encoding_has(serve: SiteMaker) -> None:
    """Half a surrogate pair: of the handler's error, and of one that ends the app."""
    half = "throw new Error('half: \\ud800');"
    async with serve({"app": app(half), "unloaded": half, "neighbour": NEIGHBOUR}, dev=True) as site, unnoticed(site):
        for name, status in (("app", 500), ("unloaded", 503)):
            for accept in ("text/plain", "text/html"):
                answer = await site.get(name, headers={"accept": accept})
                assert answer.status == status
                assert "Error: half: ?" in answer.text
        assert not [line for line in site.logs if "exc_info" in line]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("undefined", "undefined"),
        ("'text'", "'text'"),
        ("42", "42"),
        ("({ status: 200 })", "{ status: 200 }"),
        ("null", "null"),
    ],
)
async def test_it_returns_something_that_is_no_response(serve: SiteMaker, value: str, shown: str) -> None:
    async with serve({"app": app(f"return {value};"), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        answer = await site.get("app")
        assert answer.status == 500
        assert f"returned {shown}; it must return a Response" in site.logged("app")
        assert await goes_on(site) == 1


@pytest.mark.parametrize(
    ("init", "shown"),
    [
        ("{ headers: Array.from({ length: 2001 }, (_, i) => [`x-${i}`, 'y']) }", "2002 headers, "),
        ("{ headers: { 'x-long': 'y'.repeat(131072) } }", "2 headers, 131"),
        ("{ statusText: 'y'.repeat(131073) }", "1 headers, 131"),
    ],
)
async def test_the_head_of_its_response_is_too_large(serve: SiteMaker, init: str, shown: str) -> None:
    """That is worked through in Python, while nobody else is served."""
    async with (
        serve({"app": app(f"return new Response('x', {init});"), "neighbour": NEIGHBOUR}) as site,
        unnoticed(site),
    ):
        answer = await site.get("app")
        assert answer.status == 500
        assert f"The response's head is too large: {shown}" in site.logged("app")
        assert "at most 2000 and 131072 are sent" in site.logged("app")
        assert await goes_on(site) == 1


@pytest.mark.parametrize(
    ("call", "whose"),
    [
        ("fetch('http://127.0.0.1:1/', { headers })", "request"),
        ("fetch('http://127.0.0.1:1/', { headers: { ...headers, upgrade: 'websocket' } })", "request"),
        ("caches.default.put(new Request('http://a/', { headers }), new Response('x'))", "request"),
        ("caches.default.put('http://a/', new Response('x', { headers }))", "response"),
    ],
)
async def test_the_head_of_a_request_or_of_what_it_stores_is_too_large(serve: SiteMaker, call: str, whose: str) -> None:
    source = app(f"""
      const headers = Object.fromEntries(Array.from({{ length: 2001 }}, (_, i) => [`x-${{i}}`, "y"]));
      try {{ await {call}; return new Response("taken"); }} catch (error) {{ return new Response(String(error)); }}
    """)
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        answer = await site.get("app")
        assert answer.text.startswith(f"TypeError: The {whose}'s head is too large: 200")
        assert "at most 2000 and 131072 are sent" in answer.text
        assert await goes_on(site) == 1


@pytest.mark.parametrize(("handler", "status"), [("return Response.json(await read());", 500), (CAUGHT, 200)])
async def test_keys_of_json_that_were_chosen_to_collide(serve: SiteMaker, handler: str, status: int) -> None:
    source = app(f"const read = () => request.json(); {handler}")
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        answer = await site.get("app", method="POST", body=hostile(20_000).encode())
        assert answer.status == status
        told = answer.text if status == 200 else site.logged("app")
        assert "RangeError: JSON.parse: too many keys have the same hash" in told
        assert await goes_on(site) == 1


async def test_a_response_that_was_used_before(serve: SiteMaker) -> None:
    source = """
      const once = new Response("once");
      export default () => once;
    """
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == "once"
        assert (await site.get("app")).status == 500
        assert "used" in site.logged("app")


@pytest.mark.parametrize(
    "body",
    [
        "await new Promise(() => {});",
        "return { then() {} };",
        "await new Response(new ReadableStream({})).text();",
        "const { promise } = Promise.withResolvers(); return promise;",
    ],
)
async def test_nothing_is_pending_and_no_response_can_ever_come(serve: SiteMaker, body: str) -> None:
    async with serve({"app": app(body), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        with trio.fail_after(5):
            answer = await site.get("app")
        assert answer.status == 500
        assert "will never generate a response" in site.logged("app")
        assert await goes_on(site) == 1


async def test_of_requests_that_hang_nothing_is_kept(serve: SiteMaker) -> None:
    """Each stayed in the heap for as long as the isolate lived, until that outgrew memory_mb."""
    source = """
      const refs = [];
      let aborted = 0;
      export default async (request) => {
        const { pathname } = new URL(request.url);
        const kept = refs.filter((ref) => ref.deref() !== undefined).length;
        if (pathname === "/kept") return Response.json([refs.length, kept, aborted]);
        refs.push(new WeakRef(request));
        if (pathname === "/signal") request.signal.addEventListener("abort", () => aborted++);
        return new Promise(() => {});
      };"""
    async with serve({"app": {"source": source}, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        for path in ("/", "/signal", "/"):
            assert (await site.get("app", path)).status == 500
        assert (await site.get("app", "/kept")).text == "[3,0,1]"


async def test_a_request_that_waits_for_another_is_not_hung(serve: SiteMaker) -> None:
    source = """
      let release, held = new Promise((resolve) => { release = resolve; });
      export default {
        async fetch(request) {
          const { pathname } = new URL(request.url);
          if (pathname === "/hold") { await held; return new Response("released"); }
          if (pathname === "/slow") { await new Promise((r) => setTimeout(r, 200)); release(); }
          return new Response("done");
        },
      };
    """
    async with serve({"app": source}) as site:
        answers: list[str] = []

        async def ask(path: str) -> None:
            answers.append((await site.get("app", path)).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "/slow")
            await trio.testing.wait_all_tasks_blocked(0.02)
            nursery.start_soon(ask, "/hold")
        assert answers.count("released") == 1


@pytest.mark.parametrize("loop", ["for (;;);", "for (;;) await null;", "(function f() { Promise.resolve().then(f) })(); await new Promise(() => {});", "try { for (;;); } catch { return new Response('caught'); }", "/(a+)+$/.exec('a'.repeat(40) + 'b');"])  # fmt: skip
async def test_a_turn_exceeds_its_cpu_limit(serve: SiteMaker, loop: str) -> None:
    apps = {"app": app(loop, timeout_ms=100), "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        assert await goes_on(site) == 1
        answer = await site.get("app")
        assert answer.status == 503
        assert "more than 100 ms of CPU time" in answer.text
        assert "timeout_ms" in site.logged("app")
        assert await goes_on(site) == 1  # a fresh isolate


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize(
    "call",
    [
        "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
        "try { Array.prototype.lastIndexOf.call({ length: 2 ** 53 - 1 }, 1) } finally { globalThis.seen = 5 }",
    ],
)
async def test_a_native_call_does_not_end(serve: SiteMaker, call: str) -> None:
    """It is left where it is, and its heap with it. Others are served all the while."""
    apps = {"app": app(f"{call};", timeout_ms=100), "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site) as others:
        assert await goes_on(site) == 1
        before = len(others)
        answers = [await site.get("app") for _ in range(2)]
        assert len(others) - before >= 20
        assert [answer.status for answer in answers] == [503, 503]
        assert "more than 100 ms of CPU time" in answers[0].text
        assert "in a native call that does not end: some of its memory stays until the process ends" in site.logged(
            "app"
        )
        assert await goes_on(site) == 1


async def test_a_native_call_takes_long_and_ends(serve: SiteMaker) -> None:
    source = """
      const numbers = Array.from({ length: 600_000 }, (_, i) => (i * 7919) % 600_011);
      export default (request) => new Response(request.url.endsWith("/fine") ? "fine 1" : numbers.sort().slice(0, 4).join());
    """
    async with serve({"app": source, "neighbour": NEIGHBOUR}) as site, unnoticed(site) as others:
        assert await goes_on(site) == 1
        before = len(others)
        assert (await site.get("app")).text == "0,1,10,100"
        assert len(others) - before >= 4


async def test_other_requests_of_a_stopped_isolate_are_answered(serve: SiteMaker) -> None:
    body = """
      if (request.url.endsWith("/spin")) for (;;);
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    """
    async with serve({"app": app(body, timeout_ms=100, request_timeout_ms=60_000), "neighbour": NEIGHBOUR}) as site:
        statuses: list[int] = []

        async def wait() -> None:
            statuses.append((await site.get("app", "/wait")).status)

        async with trio.open_nursery() as nursery, unnoticed(site):
            for _ in range(3):
                nursery.start_soon(wait)
            await site.begun("app", 3)
            assert (await site.get("app", "/spin")).status == 503
        assert statuses == [503, 503, 503]


async def test_the_app_outgrows_its_memory(serve: SiteMaker) -> None:
    body = "const kept = []; for (;;) kept.push(new Array(1000).fill(kept.length));"
    async with serve({"app": app(body, memory_mb=16), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        assert await goes_on(site) == 1
        answer = await site.get("app")
        assert answer.status == 503
        assert "memory limit of 16 MB" in answer.text
        assert "outgrew memory_mb" in site.logged("app")
        assert await goes_on(site) == 1


async def test_one_allocation_beyond_the_hard_limit(serve: SiteMaker) -> None:
    body = """
      const huge = () => new ArrayBuffer(2 ** 30);
      if (request.url.endsWith("/caught")) { try { huge(); } catch (error) { return new Response("caught " + error.name); } }
      huge();
    """
    async with serve({"app": app(body, memory_mb=16), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        assert (await site.get("app", "/caught")).text.startswith("caught ")
        assert (await site.get("app")).status == 500
        assert await goes_on(site) == 1
        assert await goes_on(site) == 2


async def test_stack_overflow(serve: SiteMaker) -> None:
    body = """
      const deep = () => deep() + 1;
      if (request.url.endsWith("/caught")) { try { deep(); } catch (error) { return new Response(error.message); } }
      deep();
    """
    async with serve({"app": app(body), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        assert (await site.get("app", "/caught")).text == "Maximum call stack size exceeded"
        assert (await site.get("app")).status == 500
        assert "RangeError: Maximum call stack size exceeded" in site.logged("app")
        assert await goes_on(site) == 1


async def test_more_restarts_than_allowed(serve: SiteMaker) -> None:
    apps = {"app": app("for (;;);", timeout_ms=20, max_restarts=2, restart_window_s=60), "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        for _ in range(3):
            assert (await site.get("app")).status == 503
        answer = await site.get("app", "/fine")
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert site.app("app").state.value == "failed"
        assert "too many crashes" in site.logged("app")


async def test_a_failed_app_is_tried_again_after_its_pause(
    serve: SiteMaker, autojump_clock: trio.testing.MockClock
) -> None:
    # Virtual time, and so no sockets in the way of it: the actor alone.
    async with serve({"app": app("for (;;);", timeout_ms=20, max_restarts=0)}) as site:
        target = site.app("app")
        request = make_request("/spin")
        assert (await target.begin(request).wait()).status == 503
        pause = int(dict((await target.begin(make_request("/fine")).wait()).headers)["retry-after"])
        await trio.sleep(pause)
        assert (await target.begin(make_request("/fine")).wait()).body == b"fine 1"
        # The next failure pauses longer.
        assert (await target.begin(request).wait()).status == 503
        longer = int(dict((await target.begin(make_request("/fine")).wait()).headers)["retry-after"])
        assert longer > pause


def make_request(path: str) -> Any:
    from nano_trio.actors.messages import IncomingRequest

    return IncomingRequest("GET", f"http://app{path}", [("host", "app")], None, "127.0.0.1", "test-1")


async def test_the_wall_clock_limit_of_a_request(serve: SiteMaker, autojump_clock: trio.testing.MockClock) -> None:
    body = """
      request.signal.addEventListener("abort", () => { globalThis.why = request.signal.reason.name; });
      if (request.url.endsWith("/why")) return new Response(globalThis.why);
      await new Promise((resolve) => setTimeout(resolve, 3_600_000));
    """
    async with serve({"app": app(body, request_timeout_ms=5000)}) as site:
        start = trio.current_time()
        answer = await site.app("app").begin(make_request("/slow")).wait()
        assert answer.status == 504
        assert b"5000 ms" in answer.body
        assert 5 <= trio.current_time() - start < 6
        why = await site.app("app").begin(make_request("/why")).wait()
        assert why.body == b"TimeoutError"


async def test_the_mailbox_is_full(serve: SiteMaker) -> None:
    body = "if (request.url.endsWith('/spin')) for (let i = 0; i < 5e6; i++); return new Response('ok');"
    async with serve({"app": app(body, max_pending=2), "neighbour": NEIGHBOUR}) as site:
        answers: list[Any] = []

        async def ask(path: str) -> None:
            answers.append(await site.get("app", path))

        async with unnoticed(site), trio.open_nursery() as nursery:
            nursery.start_soon(ask, "/spin")
            while not (site.app("app")._current and site.app("app")._current._environment.isolate.busy):
                await trio.lowlevel.checkpoint()
            for _ in range(6):
                nursery.start_soon(ask, "/")
        full = [answer for answer in answers if answer.status == 503]
        assert len(full) == 4
        assert all(answer.headers["retry-after"] == "1" for answer in full)
        assert [answer.text for answer in answers if answer.status == 200] == ["ok"] * 3
        assert await goes_on(site) == 1


async def test_draining(serve: SiteMaker) -> None:
    body = "await new Promise((resolve) => setTimeout(resolve, 150)); return new Response('finished');"
    async with serve({"app": app(body)}) as site:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await site.get("app"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await site.begun("app")
            nursery.start_soon(site.hosting.drain)
        assert answers[0].text == "finished"
        with pytest.raises((httpcore.ConnectError, httpcore.RemoteProtocolError, httpcore.ReadError)):
            await site.get("app")


async def test_a_removed_app_refuses_with_connection_close(serve: SiteMaker) -> None:
    async with serve({"app": app(""), "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        await goes_on(site)
        await site.app("app").drain()
        answer = await site.get("app", "/fine")
        assert answer.status == 503
        assert answer.headers["connection"] == "close"


async def test_no_app_for_that_host(serve: SiteMaker) -> None:
    async with serve({"app": app("")}) as site:
        answer = await site.get("nobody.example")
        assert answer.status == 404
        assert "nobody.example" in answer.text


@pytest.mark.usefixtures("short_grace")
@pytest.mark.parametrize(
    ("source", "logged"),
    [
        ("export default { fetch( { } }", "index.js:1:29: SyntaxError"),
        ("import './nope.js';", 'cannot load "nope.js" (imported by index.js): no such file'),
        ("import { nope } from './index.js';", "nope"),
        ("throw new Error('at load');", "index.js:1:16: Error: at load"),
        ("await null; throw new Error('later');", "Error: later"),
        ("await new Promise(() => {});", "top-level await waits for nothing"),
        ("export const fetch = () => {};", "no handler: its default export is missing. It must `export default {"),
        ("export default { fetsh() {} };", "no handler: its default export is an object without a method fetch."),
        ("export default null;", "no handler: its default export is null."),
        ("export default 5;", "no handler: its default export is a number."),
        ("export default class { fetch() { return new Response('never'); } }", "the default export is a class"),
        ("export default { get fetch() { throw new Error('no'); } };", "cannot load: index.js:1:47: Error: no"),
        ("for (;;);", "more than timeout_ms"),
        ("Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);", "in a native call that does not end"),
    ],
)
async def test_an_app_that_does_not_load(serve: SiteMaker, source: str, logged: str) -> None:
    apps = {"app": {"source": source, "timeout_ms": 100}, "neighbour": NEIGHBOUR}
    async with serve(apps) as site, unnoticed(site):
        assert (await site.get("app")).status == 503
        assert logged in site.logged("app")


async def test_a_mended_app_loads_at_the_next_request(serve: SiteMaker) -> None:
    async with serve({"app": "export default {"}) as site:
        assert (await site.get("app")).status == 503
        (Path(site.app("app").settings.path) / "index.js").write_text("export default () => new Response('mended');")
        assert (await site.get("app")).text == "mended"


async def test_two_apps_share_nothing_and_a_bad_third_stops_neither(serve: SiteMaker) -> None:
    source = """
      globalThis.count = (globalThis.count ?? 0) + 1;
      Object.prototype.leaked = "yes";
      export default { fetch(request, env) {
        globalThis.seen = [...(globalThis.seen ?? []), env.NAME];
        let frozen = true;
        try { env.NAME = "changed"; frozen = false; } catch {}
        try { env.nested.deep.push(1); frozen = false; } catch {}
        return Response.json({ name: env.NAME, seen: globalThis.seen, other: Object.keys(env), frozen });
      } };
    """
    apps = {
        "one": {"source": source, "env": {"NAME": "first", "nested": {"deep": [1]}}},
        "two": {"source": source, "env": {"NAME": "second", "SECRET": "s", "nested": {"deep": []}}},
        "three": "export default {\n  fetch() { return new Response('x' }\n};",
    }
    async with serve(apps) as site:
        for _ in range(2):
            one, two = await site.get("one"), await site.get("two")
        assert one.text == '{"name":"first","seen":["first","first"],"other":["NAME","nested"],"frozen":true}'
        assert '"second"' in two.text
        assert "first" not in two.text
        assert (await site.get("three")).status == 503
        assert "index.js:2:37: SyntaxError" in site.logged("three")
        assert "fetch() { return new Response('x' }" in site.logged("three")
