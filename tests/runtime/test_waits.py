"""Nobody waits for what a platform API does in the host with large input: it is done in pieces, or in a thread.

What is asserted are shares: of all CPU time that the thread takes for a call, others wait for a small part in one piece.
Where the host did all in one it was an eighth at least, and mostly nearly all.
"""

from __future__ import annotations

import time

import pytest
import trio

from nano_trio.engine import poll_timer
from nano_trio.engine.native_calls import enters
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn
from nano_trio.runtime.environment import Environment

from .harness import App

_MOST = 1 / 10
"""Of a call's CPU time, that others wait for in one piece."""

_KEY = "crypto.subtle.importKey('raw', new Uint8Array(9), {0}, false, ['{1}'])"
_CIPHERS = (
    "const { createCipheriv, createDecipheriv } = WeakRef['nano:modules'].require('crypto');"
    " const key = new Uint8Array(32), iv = new Uint8Array(16);"
)
_FORM = "new Response({0}, {{ headers: {{ 'content-type': 'application/x-www-form-urlencoded' }} }}).formData()"

CASES = {
    "atob": ("const d = 'YWJj'.repeat(4e6);", "atob(d)"),
    "btoa": ("const d = 'abcd'.repeat(1e7);", "btoa(d)"),
    "btoa of UTF-16": ("const d = ('\u4e00' + 'abcd'.repeat(8e6)).slice(1);", "btoa(d)"),
    "encode": ("const d = '\u00e9'.repeat(16e6);", "new TextEncoder().encode(d)"),
    "encode of ASCII": ("const d = 'abcd'.repeat(16e6);", "new TextEncoder().encode(d)"),
    "encodeInto": (
        "const d = '\u00e9'.repeat(4e7), to = new Uint8Array(6e7);",
        "new TextEncoder().encodeInto(d, to)",
    ),
    "digest": ("const d = new Uint8Array(30e6).subarray(1);", "await crypto.subtle.digest('SHA-256', d)"),
    "HMAC with a long key": (
        "const d = new Uint8Array(20e6), about = { name: 'HMAC', hash: 'SHA-256' };",
        "const k = await crypto.subtle.importKey('raw', d, about, false, ['sign']);"
        " await crypto.subtle.sign('HMAC', k, new Uint8Array(1))",
    ),
    "HMAC of long data": (
        f"const k = await {_KEY.format('{ name: `HMAC`, hash: `SHA-256` }', 'sign')}, d = new Uint8Array(20e6);",
        "await crypto.subtle.sign('HMAC', k, d)",
    ),
    "a long JSON Web Key": (
        "const d = 'QUJD'.repeat(2e6), about = { name: 'HMAC', hash: 'SHA-256' };",
        "const k = await crypto.subtle.importKey('jwk', { kty: 'oct', k: d }, about, true, ['sign']);"
        " await crypto.subtle.exportKey('jwk', k)",
    ),
    "HKDF with long information": (
        f"const k = await {_KEY.format('`HKDF`', 'deriveBits')}, info = new Uint8Array(1e6);",
        "await crypto.subtle.deriveBits({ name: 'HKDF', hash: 'SHA-512', salt: info, info }, k, 64 * 8 * 20)",
    ),
    "timingSafeEqual": (
        "const d = new Uint8Array(8e7), e = new Uint8Array(8e7);",
        "crypto.subtle.timingSafeEqual(d, e)",
    ),
    "node:crypto's HMAC": (
        "const { begin, finish } = WeakRef['nano:modules'].node, own = {}, d = new Uint8Array(8e7).buffer;",
        "(begin(own, 'sha256', d), finish(own))",
    ),
    "node:crypto's ciphers": (
        f"{_CIPHERS} const d = new Uint8Array(8e7);",
        "createCipheriv('aes-256-cbc', key, iv).update(d)",
    ),
    "what a cipher authenticates": (
        f"{_CIPHERS} const d = new Uint8Array(8e7);",
        "createCipheriv('chacha20-poly1305', key, iv.subarray(4)).setAAD(d)",
    ),
    "a message of AES-CCM": (
        f"{_CIPHERS} const d = new Uint8Array(16e6);",
        "createDecipheriv('aes-256-ccm', key, iv.subarray(4), { authTagLength: 8 }).update(d)",
    ),
    "many ciphers": (
        f"{_CIPHERS} const d = new Uint8Array(6e4);",
        "for (let i = 0; i < 2e3; i++) createCipheriv('aes-256-cbc', key, iv).update(d)",
    ),
    "many new keys": (
        "const { generateKeyPairSync } = WeakRef['nano:modules'].require('crypto');",
        "for (let i = 0; i < 300; i++) generateKeyPairSync('ec', { namedCurve: 'P-521' })",
    ),
    "secrets in common": (
        "const { diffieHellman, generateKeyPairSync } = WeakRef['nano:modules'].require('crypto');"
        " const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });",
        "for (let i = 0; i < 500; i++) diffieHellman(pair)",
    ),
    "a URL's path": ("const d = 'http://a/' + 'xy z/'.repeat(1e6);", "new URL(d)"),
    "a URL's dot segments": ("const d = 'http://a/' + 'x/../'.repeat(1e5);", "new URL(d)"),
    "a URL's query": ("const d = 'http://a/?' + '\u4e00'.repeat(2e6);", "new URL(d)"),
    "an opaque path": ("const d = 'data:,' + 'x y'.repeat(1e6);", "new URL(d)"),
    "a relative URL": ("const d = '?' + 'x y'.repeat(1e6);", "new URL(d, 'http://a/')"),
    "a URL's base": ("const d = 'http://a/?' + 'x y'.repeat(1e6);", "new URL('b', d)"),
    "a setter's value": ("const d = 'x y'.repeat(1e6);", "new URL('http://a/').hash = d"),
    "a setter of a long URL": ("const u = new URL('http://a/?' + 'x'.repeat(2e7));", "u.port = '81'"),
    "a pattern's input": (
        "const d = 'http://a/?' + 'xyz'.repeat(4e5), p = new URLPattern({ search: 'no' });",
        "p.test(d)",
    ),
    "a request's URL": ("const d = 'http://a/?' + '\u4e00'.repeat(2e6);", "new Request(d)"),
    "a redirection's URL": ("const d = 'http://a/?' + '\u4e00'.repeat(2e6);", "Response.redirect(d)"),
    "a data: URL's body": (
        "const d = '%41'.repeat(2e6), r = () => fetch('data:,' + d);",
        "await (await r()).arrayBuffer()",
    ),
    "a form's value with escapes": ("const d = 'a=' + '%41'.repeat(1e6);", f"await {_FORM.format('d')}"),
    "a form's many values": (
        "const d = 'a='.concat('%41'.repeat(5e3), '&').repeat(200);",
        f"await {_FORM.format('d')}",
    ),
    "a stream's large chunk, inserted by HTMLRewriter": (
        "const d = new Uint8Array(2e7), s = () => new ReadableStream({ start(c) { c.enqueue(d); c.close(); } });",
        "const r = new HTMLRewriter().on('p', { element(e) { e.append(s(), { html: true }); } });"
        " for await (const _ of r.transform(new Response('<p>')).body);",
    ),
    "a stream's large chunk, cached": (
        "const d = new Uint8Array(2e7), s = () => new ReadableStream({ start(c) { c.enqueue(d); c.close(); } });"
        " const cache = await caches.open('a');",
        "await cache.put('http://a/', new Response(s()))",
    ),
    "a WebSocket's URL": ("const d = 'ws://127.0.0.1:1/' + 'x'.repeat(2e7);", "new WebSocket(d)"),
    "a WebSocket's protocol": ("const d = 'x'.repeat(5e6);", "new WebSocket('ws://127.0.0.1:1/', d)"),
    "a fetch's method": (
        "const d = 'X'.repeat(2e7);",
        "await fetch('http://127.0.0.1:1/', { method: d }).catch(() => {})",
    ),
    "a cache's name": ("", "await caches.open('\u4e00'.repeat(2e7)).catch(() => {})"),
    "a pattern's text": ("const d = '\u4e00'.repeat(3e5);", "try { new URLPattern({ pathname: d }) } catch {}"),
    "an RSA key's exponent": (
        "const publicExponent = new Uint8Array(8e7).fill(255), hash = 'SHA-256', modulusLength = 1024;",
        "await crypto.subtle.generateKey({ name: 'RSA-PSS', hash, modulusLength, publicExponent }, false, ['sign'])"
        ".catch(() => {})",
    ),
    "a rejection's reason, as text": (
        "const d = Array.from({ length: 4e5 }, Math.random), p = Promise.reject({ toString: () => `${d.slice().sort()[0]}` });"
        " p.catch(() => {});",
        "console.log(p)",
    ),
    "console.table": ("const d = { ['\u4e00'.repeat(3e5)]: 1 };", "console.table(d)"),
    "timers that are cleared": (
        "const ids = []; for (let i = 0; i < 1e5; i++) ids.push(setTimeout(() => {}, 1e8 + i));",
        "for (let i = 0; i < 49e3; i++) clearTimeout(ids[i]);"
        " for (let i = 0; i < 2; i++) await new Promise((r) => setTimeout(r, 1))",
    ),
}


class _Gaps:
    """CPU time between two turns of somebody else's."""

    def __init__(self) -> None:
        self.total = self.longest = 0
        self._last = time.thread_time_ns()

    def look(self) -> None:
        now = time.thread_time_ns()
        self.total += now - self._last
        self.longest = max(self.longest, now - self._last)
        self._last = now


async def _run(environment: Environment, code: str) -> _Gaps:
    outcome: list[tuple[object, ...]] = []

    @enters
    def begin() -> None:
        context = environment.isolate.context
        context.set("__done", lambda *result: outcome.append(result))
        context.eval(f"(async () => {{ {code} }})().then(() => __done(null), (e) => __done(`${{e}} ${{e.stack}}`))")

    gaps = _Gaps()
    environment.isolate.submit(Turn(begin, ()))
    gaps.look()
    while not outcome or environment.isolate.busy:
        assert environment.isolate.stopped is None
        await trio.lowlevel.checkpoint()
        gaps.look()
    assert outcome == [(None,)]
    return gaps


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("name", CASES)
async def test_others_run_meanwhile(name: str) -> None:
    assert poll_timer.suspends_native_calls(), "native calls are not suspended here"
    before, code = CASES[name]
    app = App()
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        limits = Limits(turn_ms=60_000, memory_bytes=256 << 20)
        environment = Environment(scheduler, app, app, limits=limits)
        await nursery.start(environment.run)
        try:
            shares = []
            # What is loaded at its first use is loaded then, and what else the machine has to do comes on top.
            for _ in range(4):
                await _run(environment, f"{before} globalThis.call = async () => {{ {code} }};")
                gaps = await _run(environment, "await call();")
                shares.append(gaps.longest / gaps.total)
                if shares[-1] < _MOST:
                    break
        finally:
            environment.close()
            nursery.cancel_scope.cancel()
    assert min(shares) < _MOST


async def test_operations_of_an_app_that_ends_are_cancelled_a_few_a_pass() -> None:
    passes = begun = 0
    cancelled: list[int] = []

    async def wait() -> None:
        nonlocal begun
        begun += 1
        try:
            await trio.sleep_forever()
        finally:
            cancelled.append(passes)

    app = App()
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        environment = Environment(scheduler, app, app)
        async with trio.open_nursery() as home:
            await home.start(environment.run)
            for operation in range(1000):
                environment.begin_operation(operation, wait)
            while begun < 1000:
                await trio.lowlevel.checkpoint()
            environment.close()
            while home.child_tasks:
                await trio.lowlevel.checkpoint()
                passes += 1
        nursery.cancel_scope.cancel()
    assert len(cancelled) == 1000
    assert max(map(cancelled.count, set(cancelled))) < 200
