"""Apps that break what the platform's code stands on harm themselves, and see nothing of Python."""

from __future__ import annotations

import json

import pytest

from tests.actors.conftest import HouseMaker

SOURCE = """
const made = { headers: { a: "b", c: "d", e: "f" } };
const works = {
  response: () => new Response("a", made),
  appended() { const headers = new Headers(); for (const name of "abc") headers.append(name, "x"); return new Response("a", { headers }); },
  fetch: (env) => env.CALM.fetch("http://calm/", made),
  cache: async () => { await (await caches.open("x")).put("http://calm/", new Response("a", made)); return new Response("a"); },
  upgrade: (env, ctx, request) => ctx.upgrade(request, made),
};
export default {
  async fetch(request, env, ctx) {
    const index = new URL(request.url).searchParams.get("index"), name = new URL(request.url).pathname.slice(1);
    Object.defineProperty(Object.prototype, index, { get: () => "got", set() {}, configurable: true });
    try { return await works[name](env, ctx, request); } finally { delete Object.prototype[index]; }
  },
  websocket: { message() {} },
};
"""


ARMED = """
export default { async fetch(request) {
  const [index, count] = new URL(request.url).pathname.slice(1).split("-");
  let reads = 0;
  Object.defineProperty(Object.prototype, index, { get: () => (reads++ < count ? "x" : "\\u4e00"), set() {}, configurable: true });
  try { return new Response("a", { headers: [["a", "b"], ["c", "d"], ["e", "f"]] }); }
  finally { queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => delete Object.prototype[index]))); }
} };
"""
CALLER = """
export default { async fetch(request, env) {
  const told = [];
  for (let index = 0; index < 6; index++) for (let count = 0; count < 30; count++) {
    told.push((await env.ARMED.fetch(`http://armed/${index}-${count}`)).status);
  }
  return Response.json(told);
} };
"""


async def test_a_header_that_changes_after_it_was_looked_at_harms_no_caller(house: HouseMaker) -> None:
    async with house({"armed": ARMED, "caller": {"source": CALLER, "services": {"ARMED": "armed"}}}) as home:
        answer = await home.ask("caller")
        assert answer.status == 200
        assert isinstance(answer.body, bytes)
        assert {200, 500} == set(json.loads(answer.body))
        assert not [line for line in home.logs if "internal error" in line["event"]]


@pytest.mark.parametrize("work", ["response", "appended", "fetch", "cache", "upgrade"])
async def test_setters_for_indices_do_not_reach_the_host(house: HouseMaker, work: str) -> None:
    """Headers are lists of names and values by turns; with such a setter one ends in a name."""
    calm = "export default { fetch: () => new Response('calm') };"
    async with house({"app": {"source": SOURCE, "services": {"CALM": "calm"}}, "calm": calm}) as home:
        for index in range(6):
            await home.ask("app", f"/{work}?index={index}", upgrade="websocket")
        assert "InternalError" not in home.logged("app")
        assert not [line for line in home.logs if "internal error" in line["event"]]
        assert (await home.ask("calm")).body == b"calm"
