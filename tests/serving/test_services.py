"""Service bindings: apps that call apps, mailbox to mailbox."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from nano_trio.config import ConfigError, from_document

from .conftest import NEIGHBOUR, SiteMaker, unnoticed
from .places import Place, answers

BACK = """
let aborted = "no";
export default { async fetch(request, env) {
  const url = new URL(request.url);
  if (url.pathname === "/redirect") return Response.redirect(url.origin + "/target", 302);
  if (url.pathname === "/boom") throw new Error("in the back");
  if (url.pathname === "/aborted") return new Response(aborted);
  if (url.pathname === "/hang") {
    request.signal.onabort = () => { aborted = request.signal.reason.name; };
    await new Promise((resolve) => setTimeout(resolve, 3_600_000));
  }
  if (url.pathname === "/upload") {
    let size = 0; for await (const chunk of request.body ?? []) size += chunk.length;
    return new Response(String(size));
  }
  if (url.pathname === "/stream") {
    let n = 0;
    return new Response(new ReadableStream({ pull(c) { if (n++ < 100) c.enqueue(new Uint8Array(65536).fill(n)); else c.close(); } }));
  }
  return Response.json({ method: request.method, url: request.url, body: await request.text(), x: request.headers.get("x-a") });
} };
"""


def front(body: str) -> dict[str, object]:
    return {"source": f"export default {{ async fetch(request, env) {{ {body} }} }};", "services": {"BACK": "back"}}


async def test_a_call_reaches_the_other_app_and_comes_back(serve: SiteMaker) -> None:
    body = """
      const answer = await env.BACK.fetch("http://any.example/path?q=1", { method: "POST", body: "hello", headers: { "X-A": "1" } });
      return new Response(await answer.text(), { status: answer.status, headers: { "x-type": answer.headers.get("content-type") } });
    """
    async with serve({"app": front(body), "back": BACK}) as site:
        answer = await site.get("app")
        assert json.loads(answer.text) == {
            "method": "POST", "url": "http://any.example/path?q=1", "body": "hello", "x": "1",
        }  # fmt: skip
        assert answer.headers["x-type"] == "application/json"


async def test_a_request_can_be_handed_on_as_it_is(serve: SiteMaker) -> None:
    async with serve({"app": front("return env.BACK.fetch(request);"), "back": BACK, "neighbour": NEIGHBOUR}) as site:
        answer = await site.get("app", "/x", method="PUT", body=b"payload", headers={"X-A": "2"})
        assert json.loads(answer.text) == {"method": "PUT", "url": "http://app/x", "body": "payload", "x": "2"}
        async with unnoticed(site):
            assert (await site.get("app", "/upload", method="POST", body=b"z" * 3_000_000)).text == "3000000"
            streamed = await site.get("app", "/stream")
        assert len(streamed.body) == 100 * 65536
        redirect = await site.get("app", "/redirect")
        assert (redirect.status, redirect.headers["location"]) == (302, "http://app/target")


async def test_bodies_stream_both_ways(serve: SiteMaker) -> None:
    body = """
      let n = 0;
      const up = new ReadableStream({ pull(c) { if (n++ < 50) c.enqueue(new Uint8Array(10000)); else c.close(); } });
      const sent = await (await env.BACK.fetch("http://b/upload", { method: "POST", body: up, duplex: "half" })).text();
      let size = 0;
      for await (const chunk of (await env.BACK.fetch("http://b/stream")).body) size += chunk.length;
      return new Response(sent + " " + size);
    """
    async with serve({"app": front(body), "back": BACK}) as site:
        assert (await site.get("app")).text == f"500000 {100 * 65536}"


async def test_failures_of_the_other_app_are_its_responses(serve: SiteMaker) -> None:
    apps = {
        "app": front(
            "const r = await env.BACK.fetch('http://b' + new URL(request.url).pathname); return new Response(String(r.status));"
        ),
        "back": BACK,
    }
    async with serve(apps) as site:
        assert (await site.get("app", "/boom")).text == "500"
        assert "in the back" in site.logged("back")
        assert "in the back" not in site.logged("app")


@pytest.mark.parametrize("around", [["a"], ["a", "b"], ["a", "b", "c"]])
async def test_circles_are_found(serve: SiteMaker, around: list[str]) -> None:
    source = """
      export default { async fetch(request, env) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        try { return await env.NEXT.fetch("http://x/"); } catch (error) { return new Response(error.cause.message); }
      } };
    """
    apps = {
        name: {"source": source, "services": {"NEXT": around[(index + 1) % len(around)]}}
        for index, name in enumerate(around)
    }
    async with serve({**apps, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        with trio.fail_after(5):
            answer = await site.get("a")
        assert answer.text == "service bindings lead in a circle: " + " → ".join([*around, "a"])


async def test_the_client_leaving_reaches_through(serve: SiteMaker) -> None:
    body = "return env.BACK.fetch('http://b' + new URL(request.url).pathname, { signal: request.signal });"
    async with serve({"app": front(body), "back": BACK}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET /hang HTTP/1.1\r\nHost: app\r\n\r\n")
        await site.begun("back")
        await stream.aclose()
        with trio.fail_after(5):
            while (await site.get("back", "/aborted")).text == "no":
                await trio.lowlevel.checkpoint()
        assert (await site.get("back", "/aborted")).text == "AbortError"


@pytest.mark.parametrize("extended", [False, True])
async def test_a_client_that_leaves_ends_what_was_fetched_for_it(serve: SiteMaker, extended: bool) -> None:
    """Without any signal handed on: the fetch belongs to the request, unless waitUntil says otherwise."""
    body = """
      if (request.url.endsWith("/other")) return new Response(String(globalThis.seen));
      await null;
      const call = env.BACK.fetch('http://b/hang').catch((error) => { globalThis.seen = error.cause.code; });
      if (EXTENDED) ctx.waitUntil(call);
      await call;
    """.replace("EXTENDED", "true" if extended else "false")
    app = {"source": f"export default {{ async fetch(request, env, ctx) {{ {body} }} }};", "services": {"BACK": "back"}}
    async with serve({"app": app, "back": BACK}) as site:
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        await site.begun("back")
        await stream.aclose()
        with trio.fail_after(5):
            while site.app("app")._current._exchanges:
                await trio.lowlevel.checkpoint()
        if extended:
            for _ in range(50):
                await trio.lowlevel.checkpoint()
            assert (await site.get("back", "/aborted")).text == "no"
            assert (await site.get("app", "/other")).text == "undefined"
        else:
            with trio.fail_after(5):
                while (await site.get("app", "/other")).text == "undefined":
                    await trio.lowlevel.checkpoint()
            assert (await site.get("app", "/other")).text == "ERR_ABORTED"
            assert (await site.get("back", "/aborted")).text == "AbortError"


async def test_what_a_binding_is(serve: SiteMaker) -> None:
    body = """
      let illegal = false; try { new env.BACK.constructor(); } catch { illegal = true; }
      const relative = await env.BACK.fetch("/relative").catch((error) => error.name);
      return Response.json({ kind: Object.prototype.toString.call(env.BACK), keys: Object.keys(env), illegal, relative, x: env.X });
    """
    async with serve({"app": {**front(body), "env": {"X": 1}}, "back": BACK}) as site:
        assert json.loads((await site.get("app")).text) == {
            "kind": "[object Fetcher]", "keys": ["X", "BACK"], "illegal": True, "relative": "TypeError", "x": 1,
        }  # fmt: skip


def test_a_binding_to_nowhere_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("")
    app = {"name": "front", "path": str(tmp_path / "a.js"), "env": {"B": 1}, "services": {"A": "bakc", "B": "back"}}
    with pytest.raises(ConfigError) as caught:
        from_document({"apps": [app, {"name": "back", "path": str(tmp_path / "a.js")}]}, environ={})
    assert str(caught.value).splitlines() == [
        'configuration: apps[0].services.A: there is no app "bakc"; did you mean "back"?',
        'configuration: apps[0].services.B: "env" has this name too',
    ]


@pytest.mark.parametrize(("apps", "status"), [(32, 200), (33, 500), (300, 500)])
async def test_a_chain_of_apps_has_an_end(serve: SiteMaker, apps: int, status: int) -> None:
    """And so has the way back, on which each lets go of the next one's response."""
    source = """export default { fetch: (request, env) => env.NEXT ? env.NEXT.fetch(request) : new Response(
      new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(1000)); controller.close(); } })) };"""
    chain = {
        f"a{i}": {"source": source, "services": {"NEXT": f"a{i + 1}"} if i + 1 < apps else {}} for i in range(apps)
    }
    async with serve(chain) as site:
        answer = await site.get("a0", "/")
        assert answer.status == status
        logs = str([dict(line) for line in site.logs])
        assert len(answer.text) == 1000 or "through more than 32 apps: a0 → a1 → a2 → … → a32" in logs
        assert "RecursionError" not in logs


FRONT = "export default async (request, env) => { await request.text(); return env.BACK.fetch('http://back/'); };"


@contextlib.asynccontextmanager
async def in_the_midst(folder: Path) -> AsyncIterator[tuple[Place, trio.Event]]:
    """An app that calls another once a request's body is over: one is begun, and over when the event is set.

    Its answer is to be that of the app that it was begun with.
    """
    place = Place(folder)
    place.app("front", FRONT, services={"BACK": "back"})
    place.app("back", answers("the old one"))
    async with place.serve():
        got: list[str] = []
        over = trio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"not yet"
            await over.wait()

        async def ask() -> None:
            got.append((await place.site.get("front", method="POST", body=body())).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await place.site.begun("front")
            yield place, over
        assert got == ["the old one"]


async def test_what_is_renamed_with_its_callers_answers_what_they_have_begun(tmp_path: Path) -> None:
    """A deployment that renames an app loses no request, in whichever order its parts end."""
    async with in_the_midst(tmp_path) as (place, over):
        place.document["apps"] = []
        place.app("fore", FRONT, hostname="front", services={"BACK": "rear"})
        place.app("rear", answers("the new one"))
        report = await place.hosting.reload()
        assert (report.error, report.removed) == (None, ("front", "back"))
        assert (await place.site.get("front", method="POST")).text == "the new one"
        # For clients it is gone; and it has never been asked by then.
        assert (await place.site.get("back")).status == 503
        over.set()
        with trio.fail_after(5):
            while (await place.site.get("back")).status != 404:
                await trio.lowlevel.checkpoint()
        assert place.hosting.registry.leaving == []


async def test_a_new_version_s_predecessor_still_finds_what_was_removed_with_it(tmp_path: Path) -> None:
    async with in_the_midst(tmp_path) as (place, over):
        place.drop("back")
        place.app("rear", answers("the new one"))
        place.app("front", services={"BACK": "rear"})
        assert (await place.hosting.reload()).replaced == ("front",)
        over.set()
