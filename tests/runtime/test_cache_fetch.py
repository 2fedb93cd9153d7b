"""add(), addAll() and what comes from or goes to a fetch, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from .fetching import fetching
from .upstream import TEXT, running

_FAILS = """const fails = async (promise) => { try { await promise; } catch (e) { return e.name; } return "nothing"; };
const c = await caches.open("c");
"""


async def run(source: str) -> Any:
    async with running() as upstream, fetching() as js:
        return await js.run(_FAILS + source, url=upstream.url)


async def test_add_and_add_all() -> None:
    assert await run("""
        const nothing = await c.add(url + "/text?text=1#f");
        await c.addAll([new Request(url + "/text?text=2", { headers: { "x-a": "b" } }), url + "/redirect?to=/text"]);
        await c.addAll([]);
        const [a, b, r] = [await c.match(url + "/text?text=1"), await c.match(url + "/text?text=2"), await c.match(url + "/redirect?to=/text")];
        return [nothing === undefined, a.type, a.url === url + "/text?text=1", await a.text(), await b.text(),
          r.url === url + "/text", r.redirected, await r.text(), (await c.keys())[1].headers.get("x-a")];
    """) == [True, "basic", True, "1", "2", True, True, "text", "b"]


@pytest.mark.parametrize(
    "bad", ["/status?code=404", "/status?code=500", "/status?code=206", "/label?as=x&text=y", "/reset"]
)
async def test_one_bad_response_and_none_is_stored(bad: str) -> None:
    expected = ["nothing", 2] if bad.startswith("/label") else ["TypeError", 0]
    source = f"return [await fails(c.addAll([url + '/text', url + '{bad}'])), (await c.keys()).length];"
    assert await run(source) == expected


async def test_the_same_request_twice_is_an_invalid_state() -> None:
    assert await run("""
        return [await fails(c.addAll([url + "/text", url + "/text"])), (await c.keys()).length];
    """) == ["InvalidStateError", 0]  # fmt: skip


async def test_a_failure_aborts_the_others() -> None:
    async with running() as upstream, fetching() as js:
        source = _FAILS + "return fails(c.addAll([url + '/never', url + '/status?code=404', url + '/forever']));"
        assert await js.run(source, url=upstream.url) == "TypeError"
        with trio.fail_after(5):
            while js.open_fetches or upstream.open > js.connections:  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_a_signal_aborts() -> None:
    async with running() as upstream, fetching() as js:
        source = """
            const controller = new AbortController(), request = new Request(url + "/forever", { signal: controller.signal });
            const promise = c.add(request);
            setTimeout(() => controller.abort(), 50);
            const early = new Request(url + "/text", { signal: AbortSignal.abort() });
            return [await fails(promise), await fails(c.add(early)), (await c.keys()).length];
        """
        assert await js.run(_FAILS + source, url=upstream.url) == ["AbortError", "AbortError", 0]
        await upstream.settled()


async def test_decoded_bodies_are_stored_without_their_coding() -> None:
    assert await run("""
        await c.put(url, await fetch(url + "/coded?as=gzip"));
        const found = await c.match(url);
        return [found.headers.get("content-encoding"), (await found.text()).length];
    """) == [None, len(TEXT)]  # fmt: skip


async def test_a_clone_is_stored_while_the_other_is_read() -> None:
    assert await run("""
        const response = await fetch(url + "/big?mb=2"), copy = response.clone();
        const [bytes] = await Promise.all([response.bytes(), c.put(url, copy)]);
        const stored = await (await c.match(url)).bytes();
        return [bytes.length, stored.length === bytes.length && stored.every((byte, i) => byte === bytes[i])];
    """) == [2 << 20, True]


async def test_a_stored_body_is_sent_unread() -> None:
    assert await run("""
        await c.put(url, new Response("0123456789".repeat(60000)));
        const found = await c.match(url), part = await c.match(new Request(url, { headers: { range: "bytes=300001-300010" } }));
        const send = async (body) => (await fetch(url + "/echo", { method: "POST", duplex: "half", body })).json();
        const echo = await send(found.body), { body } = await send(part.body);
        return [found.bodyUsed, echo.headers["content-length"], echo.body === "0123456789".repeat(60000), body];
    """) == [True, "600000", True, "1234567890"]


async def test_a_body_that_breaks_off_stores_nothing() -> None:
    assert await run("""
        return [await fails(c.add(url + "/short")), await fails(c.put(url, await fetch(url + "/short"))), (await c.keys()).length];
    """) == ["TypeError", "TypeError", 0]  # fmt: skip
