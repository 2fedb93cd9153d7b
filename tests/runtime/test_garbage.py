"""What an app has let go of leaves its heap: what a request leaves behind would end an app in an hour."""

from __future__ import annotations

import pytest

from tests.allocations import allocated

from .harness import Bench

DROPPED = {
    "a body's stream": "new Response('text').body",
    "a body's stream of bytes": "new Response(new Uint8Array(100)).body",
    "a request's stream": "new Request('http://a/', { method: 'POST', body: 'text' }).body",
    "a response made of another": "const r = new Response('text'); new Response(r.body, r).headers.set('a', 'b')",
    "a body that was read": "await new Response(new Response('text').body).text()",
    "a clone of a stream": "const r = new Response('text'); r.body; r.clone()",
    "a stream that was left": "new ReadableStream({ pull(c) { c.enqueue(1); } }).getReader().read()",
    "a broken off iteration": "for await (const x of new ReadableStream({ pull(c) { c.enqueue(1); } })) break",
    "a pipe": "await new Response('text').body.pipeThrough(new TextDecoderStream()).pipeTo(new WritableStream())",
    "a signal that depends": "AbortSignal.any([new AbortController().signal])",
    "a listener that holds its target": "const t = new EventTarget(); t.addEventListener('a', () => t)",
    "a URL and its parameters": "new URL('http://a/?b=c').searchParams.append('d', 'e')",
    "a blob's stream": "await new Blob(['text']).stream().getReader().read()",
    "a form": "const f = new FormData(); f.set('a', new Blob(['text'])); await new Response(f).formData()",
    "a copy": "structuredClone({ a: new Map([[1, new Set([2])]]) })",
    "a timer": "clearTimeout(setTimeout(() => {}, 1e6))",
    "a timer behind another": "globalThis.other ??= setTimeout(() => {}, 1e5); clearTimeout(setTimeout(() => {}, 1e6))",
    "a timer that ended": "await new Promise((resolve) => setTimeout(resolve, 1))",
    "an interval that ended itself": (
        "await new Promise((resolve) => { const id = setInterval(() => { clearInterval(id); resolve(); }, 1); })"
    ),
    "a digest": "await crypto.subtle.digest('SHA-256', new Uint8Array(9))",
    "a fetch that fails": "await fetch('http://127.0.0.1:1/').catch(() => {})",
    "a fetch that was aborted": "await fetch('http://127.0.0.1:1/', { signal: AbortSignal.abort() }).catch(() => {})",
    "a WebSocket that fails": "await new Promise((over) => { new WebSocket('ws://127.0.0.1:1/').onclose = over; })",
    "a compression": "await new Response('a').body.pipeThrough(new CompressionStream('gzip')).getReader().read()",
    "a digest's stream": "const s = new crypto.DigestStream('SHA-1'); await s.getWriter().close(); await s.digest",
    "what was rewritten": "await new HTMLRewriter().on('p', {}).transform(new Response('<p>a')).text()",
    "a message": "const { port1, port2 } = new MessageChannel(); port1.postMessage(1); port1.close()",
}


@pytest.mark.parametrize("code", DROPPED.values(), ids=DROPPED)
def test_what_is_dropped_is_freed(bench: Bench, code: str) -> None:
    loop = f"for (let i = 0; i < 500; i++) {{ {code}; }}"
    bench.run(loop)
    before, of_host = bench.heap(), allocated()
    bench.run(loop)
    bench.run(loop)
    assert bench.heap() - before < 50_000
    assert allocated().blocks - of_host.blocks < 300


ACYCLIC = {
    "a body's stream": "new Response('text').body",
    "a response made of another": "const r = new Response('text'); new Response(r.body, r).headers.set('a', 'b')",
    "a request's JSON": "await new Request('http://a/', { method: 'POST', body: '{}' }).json()",
    "JSON": "await Response.json({}).json()",
    "headers": "for (const [name] of new Headers({ a: 'b' })) name",
}


@pytest.mark.parametrize("code", ACYCLIC.values(), ids=ACYCLIC)
def test_what_each_request_may_do_waits_for_no_collection(bench: Bench, code: str) -> None:
    """Few enough times for the engine not to collect by itself."""
    loop = f"for (let i = 0; i < 50; i++) {{ {code}; }}"
    bench.run(loop)
    before = bench.heap()
    bench.run(loop)
    assert bench.heap_with_garbage() - before < 10_000
