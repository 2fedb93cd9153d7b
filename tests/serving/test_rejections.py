"""Promises that an app rejects and nothing handles: its log names them, and everybody goes on."""

from __future__ import annotations

from typing import Any

import trio

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

APP = """
async function fails() { throw new RangeError("nobody waits"); }
const ways = {
  "/forgotten": () => { fails(); },
  "/later": async () => { await new Promise((resolve) => setTimeout(resolve, 5)); fails(); },
  "/listened": () => { addEventListener("unhandledrejection", (event) => { heard.push(event.reason.message); event.preventDefault(); }); fails(); },
  "/caught": async () => { try { await fails(); } catch {} fails().catch(() => {}); },
  "/background": (request, ctx) => { ctx.waitUntil(fails()); },
  "/throws": () => fails(),
  "/rejects": () => Promise.reject(new RangeError("of the request")),
  "/many": () => { for (let i = 0; i < 50; i++) fails(); },
};
const heard = [];
export default {
  async fetch(request, env, ctx) {
    const path = new URL(request.url).pathname;
    if (path === "/heard") return Response.json(heard);
    return (await ways[path](request, ctx)) ?? new Response("fine");
  },
};
"""


def reported(site: Site, app: str = "app") -> list[Any]:
    return [e for e in site.logs if e.get("app") == app and "(in promise)" in str(e.get("error"))]


async def told(site: Site, count: int) -> list[Any]:
    """The lines in the log, once there are so many: a response leaves before its turn has ended."""
    with trio.fail_after(5):
        while len(reported(site)) < count or site.app("app")._current._environment.isolate.busy:
            await trio.lowlevel.checkpoint()
    return reported(site)


async def test_a_forgotten_rejection_is_in_the_log_with_its_place_and_request(serve: SiteMaker) -> None:
    async with serve({"app": APP, "neighbour": NEIGHBOUR}) as site, unnoticed(site):
        for path in ("/forgotten", "/later"):
            answer = await site.get("app", path)
            assert (answer.status, answer.text) == (200, "fine")
            [line] = await told(site, 1)
            assert line["log_level"] == "error"
            assert line["event"] == "uncaught exception"
            first, excerpt, *_ = line["error"].splitlines()
            assert first == "index.js:2:46: Uncaught (in promise) RangeError: nobody waits"
            assert "async function fails()" in excerpt
            assert "at fails (index.js:2:46)" in line["error"]
            assert line["request_id"] == answer.headers["x-request-id"]
            site.logs.clear()  # type: ignore[attr-defined]


async def test_what_the_app_or_the_request_answers_for_is_not_told_twice(serve: SiteMaker) -> None:
    async with serve({"app": APP}) as site:
        for path, status, lines in [
            ("/caught", 200, 0),
            ("/background", 200, 1),
            ("/throws", 500, 1),
            ("/rejects", 500, 1),
        ]:
            assert (await site.get("app", path)).status == status
            assert await told(site, 0) == []
            errors = [entry for entry in site.logs if entry["log_level"] == "error"]
            assert len(errors) == lines, path
            site.logs.clear()  # type: ignore[attr-defined]


async def test_a_listener_has_it_instead_of_the_log(serve: SiteMaker) -> None:
    async with serve({"app": APP}) as site:
        await site.get("app", "/listened")
        await site.get("app", "/forgotten")
        assert (await site.get("app", "/heard")).text == '["nobody waits","nobody waits"]'
        assert await told(site, 0) == []


async def test_each_is_an_uncaught_exception_to_the_counts(serve: SiteMaker) -> None:
    async with serve({"app": APP}) as site:
        await site.get("app", "/many")
        assert len(await told(site, 50)) == 50
        assert site.app("app").counts.errors["uncaught"] == 50


async def test_a_flood_of_them_costs_the_app_and_nobody_else(serve: SiteMaker) -> None:
    flood = """export default { fetch(request) {
      if (request.url.endsWith("/flood")) for (;;) Promise.reject(new Error("x"));
      return new Response("fine");
    } };"""
    async with (
        serve({"app": {"source": flood, "memory_mb": 16, "timeout_ms": 2000}, "neighbour": NEIGHBOUR}) as site,
        unnoticed(site),
    ):
        assert (await site.get("app", "/flood")).status == 503
        assert reported(site) == []
        assert (await site.get("app")).text == "fine"


async def test_one_of_the_entry_module_is_told_while_the_app_starts(serve: SiteMaker) -> None:
    source = 'Promise.reject(new Error("at the start")); export default () => new Response("fine");'
    async with serve({"app": source}) as site:
        assert (await site.get("app")).text == "fine"
        assert [line["error"].splitlines()[0] for line in await told(site, 1)] == [
            "index.js:1:25: Uncaught (in promise) Error: at the start"
        ]
