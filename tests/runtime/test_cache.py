"""Cache and CacheStorage as an app sees them: Service Workers section 5.4 and 5.5, and what Workers add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.runtime.cache import AppCache
from tests.runtime.harness import Bench

Run = Callable[[str], Any]

_HELPERS = """
const U = "https://example.com/", text = (r) => r && r.text();
const put = (c, path, body, headers, requestHeaders) =>
  c.put(new Request(U + path, { headers: requestHeaders }), new Response(body, { headers }));
const get = async (c, path, options, headers) => text(await c.match(new Request(U + path, { headers }), options));
const fails = async (promise) => { try { await promise; } catch (e) { return e.name; } return "nothing"; };
const c = await caches.open("c");
"""


@pytest.fixture
def run(run_js: Run) -> Run:
    return lambda source: run_js(_HELPERS + source)


def cache_of(bench: Bench) -> AppCache:
    return bench._environment.caches._cache


def test_what_is_put_is_matched(run: Run) -> None:
    assert run("""
        const response = new Response("body", { status: 203, statusText: "Fine", headers: { "X-A": "1", "x-b": "é" } });
        const undefinedIsReturned = await c.put(U + "a#fragment", response);
        const found = await c.match(U + "a#other");
        return [undefinedIsReturned === undefined, response.bodyUsed, found instanceof Response, found.status, found.statusText,
          [...found.headers], found.type, found.url, found.redirected, await found.text(), found === await c.match(U + "a")];
    """) == [
        True, True, True, 203, "Fine", [["content-type", "text/plain;charset=UTF-8"], ["x-a", "1"], ["x-b", "é"]],
        "default", "", False, "body", False,
    ]  # fmt: skip


def test_nothing_is_undefined_and_empty_bodies_differ_from_none(run: Run) -> None:
    assert run("""
        await c.put(U + "null", new Response(null, { status: 204 }));
        await c.put(U + "empty", new Response(""));
        const [a, b] = [await c.match(U + "null"), await c.match(U + "empty")];
        return [await c.match(U) === undefined, a.status, a.body === null, b.body === null, await b.text()];
    """) == [True, 204, True, False, ""]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        ("'é'.repeat(1000)", 2000),
        ("new Uint8Array(262144).fill(7)", 262144),
        ("new Uint8Array(262145).fill(7)", 262145),
        ("new Blob(['x'.repeat(500000), new Uint8Array(3)])", 500003),
        ("new URLSearchParams('a=b c')", 5),
        ("stream(['x'])", 1),
        ("stream(['x'.repeat(262144), 'y', 'z'.repeat(262143), ''])", 524288),
        ("stream(Array.from({ length: 3000 }, (_, i) => String(i % 10).repeat(300)))", 900000),
        ("stream([])", 0),
    ],
)
def test_bodies_of_all_kinds_and_sizes(run: Run, make: str, size: int) -> None:
    assert run(f"""
        const encoder = new TextEncoder();
        const stream = (parts) => new ReadableStream({{ pull(controller) {{
          if (parts.length) controller.enqueue(encoder.encode(parts.shift())); else controller.close(); }} }});
        const expected = await new Response({make}).bytes();
        await c.put(U, new Response({make}));
        const whole = await (await c.match(U)).bytes();
        let streamed = [];
        for await (const chunk of (await c.match(U)).body) streamed.push(chunk);
        const copy = await c.match(U), clone = copy.clone();
        const same = (bytes) => bytes.length === expected.length && bytes.every((byte, i) => byte === expected[i]);
        const blob = await (await c.match(U)).blob();
        return [expected.length, same(whole), same(await new Blob(streamed).bytes()), same(await copy.bytes()),
          same(await clone.bytes()), same(await blob.bytes())];
    """) == [size, True, True, True, True, True]


def test_a_matched_response_is_passed_on_unread(run: Run) -> None:
    assert run("""
        await c.put(U + "1", new Response(new Uint8Array(600000).fill(65)));
        await c.put(U + "2", await c.match(U + "1"));
        const again = await c.match(U + "2"), reader = (await c.match(U + "2")).body.getReader();
        await reader.read();
        await reader.cancel();
        return [(await new Response(again.body).text()).length, (await (await c.match(U + "2")).text()).length];
    """) == [600000, 600000]


def test_the_body_is_used_as_soon_as_it_is_put(run: Run) -> None:
    assert run("""
        const response = new Response("x"), promise = c.put(U, response);
        const used = response.bodyUsed, locked = response.body.locked;
        await promise;
        return [used, locked, await fails(response.text()), await fails(c.put(U, response)), await get(c, "")];
    """) == [True, True, "TypeError", "TypeError", "x"]


def test_headers_of_a_match_are_immutable(run: Run) -> None:
    assert run("""
        await put(c, "", "x");
        const response = await c.match(U), request = (await c.keys())[0];
        return [await fails((async () => response.headers.set("a", "b"))()), await fails((async () => request.headers.set("a", "b"))())];
    """) == ["TypeError", "TypeError"]


@pytest.mark.parametrize(
    "call",
    [
        "c.put(new Request(U, { method: 'POST' }), new Response())",
        "c.put(new Request(U, { method: 'HEAD' }), new Response())",
        "c.put('ftp://example.com/', new Response())",
        "c.put('data:,x', new Response())",
        "c.put('nonsense', new Response())",
        "c.put('https://user:secret@example.com/', new Response())",
        "c.put(U, new Response('part', { status: 206 }))",
        "c.put(U, new Response('', { headers: { vary: '*' } }))",
        "c.put(U, new Response('', { headers: { vary: 'accept, *' } }))",
        "c.put(U, {})",
        "c.put(U)",
        "c.put()",
        "c.match()",
        "c.match('nonsense')",
        "c.matchAll('nonsense')",
        "c.keys('nonsense')",
        "c.delete()",
        "c.delete('nonsense')",
        "c.match(U, 7)",
        "c.add()",
        "c.add('nonsense')",
        "c.add(new Request(U, { method: 'POST' }))",
        "c.add('data:,x')",
        "c.addAll()",
        "c.addAll(U)",
        "c.addAll([new Request(U, { method: 'POST' })])",
        "c.addAll(['nonsense'])",
        "caches.open()",
        "caches.has()",
        "caches.delete()",
        "caches.open(Symbol())",
        "caches.match()",
        "caches.match('nonsense')",
        "Cache.prototype.match.call({}, U)",
        "CacheStorage.prototype.keys.call({})",
    ],
)
def test_what_is_refused_rejects_with_a_type_error(run: Run, call: str) -> None:
    assert run(f"return [await fails({call}), (await c.keys()).length];") == ["TypeError", 0]


def test_a_body_that_fails_stores_nothing_and_rejects_with_its_error(run: Run) -> None:
    assert run("""
        await put(c, "", "old");
        const broken = new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(300000)); },
          pull(controller) { controller.error(new RangeError("broken")); } });
        const strange = new ReadableStream({ start(controller) { controller.enqueue("text"); } });
        return [await fails(c.put(U, new Response(broken))), await fails(c.put(U, new Response(strange))), await get(c, "")];
    """) == ["RangeError", "TypeError", "old"]


def test_requests_match_by_url_method_and_search(run: Run) -> None:
    assert run("""
        await put(c, "a?x=1", "1"); await put(c, "a?x=2", "2"); await put(c, "a", "0"); await put(c, "b?", "b");
        const s = { ignoreSearch: true }, head = new Request(U + "a", { method: "HEAD" });
        const urls = (list) => Promise.all(list.map(text));
        return [await get(c, "a?x=1"), await get(c, "a?x=3") ?? null, await get(c, "a?x=3", s), await urls(await c.matchAll(U + "a", s)),
          await get(c, "b") ?? null, await get(c, "b", s), await get(c, "A") ?? null,
          await text(await c.match(head)) ?? null, await text(await c.match(head, { ignoreMethod: true })),
          (await c.matchAll(head)).length, (await c.keys(head)).length, await c.delete(head),
          (await c.matchAll()).length, Object.isFrozen(await c.matchAll()), Object.isFrozen(await c.keys())];
    """) == ["1", None, "1", ["1", "2", "0"], None, "b", None, None, "0", 0, 0, False, 4, True, True]


def test_vary(run: Run) -> None:
    assert run("""
        await put(c, "", "en", { vary: "Accept-Language" }, { "accept-language": "en" });
        await put(c, "", "de", { vary: "Accept-Language" }, { "accept-language": "de" });
        await put(c, "", "none", { vary: "Accept-Language, X-Other" });
        const by = (language, options) => get(c, "", options, language ? { "Accept-Language": language } : {});
        const before = [await by("en"), await by("de"), await by("fr") ?? null, await by(), await by("fr", { ignoreVary: true })];
        await put(c, "", "EN", { vary: "Accept-Language" }, { "accept-language": "en" });
        const all = (await c.matchAll(U, { ignoreVary: true })).length;
        const deleted = await c.delete(new Request(U, { headers: { "accept-language": "de" } }));
        return [before, await by("en"), all, deleted, await by("de") ?? null, (await c.keys()).length];
    """) == [["en", "de", None, "none", "en"], "EN", 3, True, None, 2]


def test_keys_give_requests_in_order_of_insertion(run: Run) -> None:
    assert run("""
        await put(c, "2", ""); await put(c, "1", "", {}, { "X-A": "v" }); await put(c, "3#f", ""); await put(c, "2", "again");
        const keys = await c.keys();
        return [keys.map((r) => r.url), keys.every((r) => r instanceof Request && r.method === "GET" && r.body === null),
          [...keys[0].headers], keys[0].redirect, keys[0].mode, (await c.keys(U + "3")).map((r) => r.url)];
    """) == [
        [f"https://example.com/{x}" for x in ("1", "3#f", "2")], True, [["x-a", "v"]], "follow", "cors",
        ["https://example.com/3#f"],
    ]  # fmt: skip


def test_delete(run: Run) -> None:
    assert run("""
        await put(c, "a?1", ""); await put(c, "a?2", ""); await put(c, "b", "");
        return [await c.delete(U + "a"), await c.delete(U + "a", { ignoreSearch: true }), await c.delete(U + "a?1"), (await c.keys()).length];
    """) == [False, True, False, 1]


def test_caches_by_name(run: Run) -> None:
    assert run(r"""
        const odd = "a\uD800", names = ["", "ü\n\0", odd, "default"];
        for (const name of names) await put(await caches.open(name), "", "of " + names.indexOf(name));
        const has = [await caches.has(odd), await caches.has("a\uFFFD"), await caches.has("x")];
        const keys = await caches.keys();
        const found = [await text(await caches.match(U)), await text(await caches.match(U, { cacheName: "default" })),
          await caches.match(U, { cacheName: "none" }) === undefined, await caches.match(U + "none") === undefined];
        return [has, keys.length, keys.slice(1).every((name, i) => name === names[i]), found, await caches.delete(odd), await caches.delete(odd),
          await caches.has(odd), (await caches.keys()).length, (await caches.open("")) === (await caches.open("")), await get(await caches.open(""), "")];
    """) == [[True, False, False], 5, True, ["of 0", "of 3", True, True], True, False, False, 4, False, "of 0"]


def test_a_deleted_cache_lives_on_for_those_who_hold_it(run: Run) -> None:
    assert run("""
        await put(c, "", "old");
        await caches.delete("c");
        const fresh = await caches.open("c");
        await put(fresh, "2", "new");
        await put(c, "3", "still");
        return [await get(c, ""), (await c.keys()).length, (await fresh.keys()).length, await caches.match(U) === undefined];
    """) == ["old", 2, 1, True]


def test_the_default_cache_has_no_name(run: Run) -> None:
    assert run("""
        await put(caches.default, "", "of default");
        return [caches.default instanceof Cache, caches.default === caches.default, await caches.keys(), await get(caches.default, ""),
          await caches.delete("default"), await text(await caches.match(U))];
    """) == [True, True, ["c"], "of default", False, "of default"]


def test_a_body_being_read_survives_its_removal(run: Run) -> None:
    assert run("""
        const big = (byte) => new Response(new Uint8Array(1500000).fill(byte));
        await c.put(U, big(1));
        const found = await c.match(U), unread = await c.match(U), reader = found.body.getReader();
        let size = (await reader.read()).value.length;
        await c.put(U, big(2));
        await c.delete(U);
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          if (value.some((byte) => byte !== 1)) return "mixed";
          size += value.length;
        }
        return [size, (await unread.bytes()).every((byte) => byte === 1), await c.match(U) === undefined];
    """) == [1500000, True, True]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": "public, max-age=60, s-maxage=120"}, 120),
        ({"Cache-Control": "max-age=60", "Age": "20"}, 40),
        ({"Expires": "Thu, 01 Jan 1970 00:17:40 GMT"}, 60),
        ({"Expires": "Thu, 01 Jan 1970 00:17:40 GMT", "Date": "Thu, 01 Jan 1970 00:17:30 GMT"}, 10),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT", "Cache-Control": "max-age=5"}, 5),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "private, max-age=60"}, 0),
        ({"Cache-Control": "no-cache"}, 0),
        ({"Cache-Control": "max-age=0"}, 0),
        ({"Cache-Control": "s-maxage=0, max-age=60"}, 0),
        ({"Expires": "0"}, 0),
        ({"Expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"Set-Cookie": "a=1"}, 0),
        ({"Set-Cookie": "a=1", "Cache-Control": "private=Set-Cookie"}, None),
        ({}, None),
        ({"Cache-Control": "public"}, None),
    ],
)
def test_freshness(bench: Bench, headers: dict[str, str], seconds: float | None) -> None:
    now = 1000.0
    cache_of(bench).clock = lambda: now
    source = f"const headers = {headers};" + _HELPERS
    bench.run(source + "return put(caches.default, '', 'x', headers)")
    look = _HELPERS + (
        "const d = caches.default, found = await d.match(U);"
        "return [await text(found) ?? null, (await d.keys()).length, (await d.matchAll(U)).length, found?.headers.get('set-cookie') ?? null];"
    )
    there, gone = ["x", 1, 1, None], [None, 0, 0, None]
    if seconds is None:
        now += 1e9
        assert bench.run(look) == there
    elif seconds == 0:
        assert bench.run(look) == gone
    else:
        now = 1000 + seconds - 0.1
        assert bench.run(look) == there
        now = 1000.0 + seconds
        assert bench.run(look) == gone


def test_what_must_not_be_stored_leaves_what_is_and_its_stream_is_cancelled(run: Run) -> None:
    assert run("""
        await put(c, "", "old");
        let cancelled = false;
        const body = new ReadableStream({ cancel() { cancelled = true; } });
        const response = new Response(body, { headers: { "cache-control": "no-store" } });
        await c.put(U, response);
        return [cancelled, response.bodyUsed, await get(c, "")];
    """) == [True, True, "old"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"v1"'}, 304),
        ({"If-None-Match": 'W/"v1"'}, 304),
        ({"If-None-Match": '"v0", "v1"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"v2"'}, 200),
        ({"If-None-Match": '"v2"', "If-Modified-Since": "Sun, 01 Jan 2023 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "Sun, 01 Jan 2023 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Mon, 02 Jan 2023 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Sat, 31 Dec 2022 23:59:59 GMT"}, 200),
        ({"If-Modified-Since": "nonsense"}, 200),
    ],
)
def test_conditional_requests(run: Run, headers: dict[str, str], status: int) -> None:
    assert run(f"""
        const stored = {{ etag: '"v1"', "last-modified": "Sun, 01 Jan 2023 00:00:00 GMT", "cache-control": "max-age=9" }};
        await put(c, "", new Uint8Array(300000), stored);
        const found = await c.match(new Request(U, {{ headers: {headers} }}));
        return [found.status, found.headers.get("etag"), found.headers.get("cache-control"), (await found.text()).length,
          found.status === 304 && found.body !== null];
    """) == [status, '"v1"', "max-age=9", 0 if status == 304 else 300000, False]


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-9", 0, 9), ("bytes=262140-262150", 262140, 262150), ("bytes=599990-", 599990, 599999),
     ("bytes=-5", 599995, 599999), ("bytes=0-9999999", 0, 599999), ("bytes=-9999999", 0, 599999), ("Bytes = 1 - 1", 1, 1)],
)  # fmt: skip
def test_ranges(run: Run, header: str, start: int, end: int) -> None:
    assert run(f"""
        const bytes = new Uint8Array(600000).map((_, i) => i * 31 + (i >> 8));
        await c.put(U, new Response(bytes, {{ headers: {{ "content-length": "600000", "x-a": "1" }} }}));
        const found = await c.match(new Request(U, {{ headers: {{ range: "{header}" }} }}));
        const part = await found.bytes(), expected = bytes.slice({start}, {end + 1});
        return [found.status, found.headers.get("content-range"), found.headers.get("content-length"), found.headers.get("x-a"),
          part.length === expected.length && part.every((byte, i) => byte === expected[i])];
    """) == [206, f"bytes {start}-{end}/600000", str(end - start + 1), "1", True]


def test_ranges_of_small_bodies_and_those_that_are_none(run: Run) -> None:
    assert run("""
        await put(c, "", "0123456789", { etag: '"e"' });
        await put(c, "404", "0123456789");
        await c.put(U + "404", new Response("0123456789", { status: 404 }));
        const ask = async (range, more, path = "") => {
          const r = await c.match(new Request(U + path, { headers: { range, ...more } }));
          return [r.status, await r.text(), r.headers.get("content-range")];
        };
        return [await ask("bytes=2-4"), await ask("bytes=10-"), await ask("bytes=5-2"), await ask("bytes=0-1,3-4"), await ask("lines=1-2"),
          await ask("bytes=0-1", { "if-range": '"e"' }), await ask("bytes=0-1", { "if-range": '"f"' }), await ask("bytes=-0"), await ask("bytes=0-1", {}, "404")];
    """) == [
        [206, "234", "bytes 2-4/10"], [416, "", "bytes */10"], [200, "0123456789", None], [200, "0123456789", None],
        [200, "0123456789", None], [206, "01", "bytes 0-1/10"], [200, "0123456789", None], [416, "", "bytes */10"],
        [404, "0123456789", None],
    ]  # fmt: skip


def test_a_body_larger_than_a_reader_may_gather_can_be_streamed(bench: Bench) -> None:
    bench._environment._host.max_buffer_bytes = 300_000
    assert bench.run(_HELPERS + """
        await c.put(U, new Response(new Uint8Array(400000)));
        let size = 0;
        for await (const chunk of (await c.match(U)).body) size += chunk.length;
        return [await fails((await c.match(U)).text()), size];
    """) == ["RangeError", 400000]  # fmt: skip


def test_interfaces(run: Run) -> None:
    assert run("""
        const shape = (C) => Object.fromEntries(Object.getOwnPropertyNames(C.prototype).filter((name) => name !== "constructor")
          .map((name) => [name, C.prototype.__lookupGetter__(name) ? "get" : C.prototype[name].length]));
        return [String(caches), String(c), shape(Cache), shape(CacheStorage), await fails((async () => new Cache())()),
          await fails((async () => new CacheStorage())()), Object.getPrototypeOf(caches) === CacheStorage.prototype];
    """) == [
        "[object CacheStorage]", "[object Cache]",
        {"match": 1, "matchAll": 0, "add": 1, "addAll": 1, "put": 2, "delete": 1, "keys": 0},
        {"default": "get", "match": 1, "has": 1, "open": 1, "delete": 1, "keys": 0}, "TypeError", "TypeError", True,
    ]  # fmt: skip
