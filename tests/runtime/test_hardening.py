"""The platform calls no builtin that an app may have replaced: every builtin is instrumented, then each API is used.

One exception is known: the engine itself compiles template literals to calls of ``String.prototype.concat``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

INSTRUMENT = r"""
const { defineProperty, getOwnPropertyDescriptor, getPrototypeOf } = Object;
const { apply, ownKeys } = Reflect;
const BareError = Error, isIn = RegExp.prototype.test, test = (pattern, text) => apply(isIn, pattern, [text]);
const hits = { __proto__: null };
let isArmed = false;
// The stack's first line is note(), the second the replaced function, the third its caller.
const BY_PLATFORM = /^(?:.*\n){2}\s*at .*nano:/;
const note = (label) => {
  if (!isArmed || label in hits) return;
  isArmed = false;
  const stack = `${new BareError().stack}`;
  if (test(BY_PLATFORM, stack)) hits[label] = stack;
  isArmed = true;
};
const TypedArray = getPrototypeOf(Uint8Array);
const owners = {
  "Array.prototype": Array.prototype, "String.prototype": String.prototype, "Map.prototype": Map.prototype,
  "Set.prototype": Set.prototype, "WeakMap.prototype": WeakMap.prototype, "WeakSet.prototype": WeakSet.prototype,
  "WeakRef.prototype": WeakRef.prototype, "Promise.prototype": Promise.prototype, "RegExp.prototype": RegExp.prototype,
  "Function.prototype": Function.prototype, "Object.prototype": Object.prototype, "Number.prototype": Number.prototype,
  "Date.prototype": Date.prototype, "TypedArray.prototype": TypedArray.prototype, "DataView.prototype": DataView.prototype,
  "ArrayBuffer.prototype": ArrayBuffer.prototype, "Symbol.prototype": Symbol.prototype, "Error.prototype": Error.prototype,
  "ArrayIterator.prototype": getPrototypeOf([][Symbol.iterator]()), "MapIterator.prototype": getPrototypeOf(new Map().keys()),
  Array, String, Object, Reflect, JSON, Math, Number, Date, TypedArray, ArrayBuffer, Promise, Symbol, BigInt, Error,
};
const KEPT = /^(constructor|prototype|name|length|__proto__|caller|arguments)$/;
const KEPT_SYMBOLS = /species|toStringTag|hasInstance|toPrimitive|unscopables/;
for (const owner in owners) {
  const object = owners[owner], keys = ownKeys(object);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i], text = typeof key === "symbol" ? key.description : key;
    const descriptor = getOwnPropertyDescriptor(object, key);
    if (!descriptor.configurable || test(typeof key === "symbol" ? KEPT_SYMBOLS : KEPT, text)) continue;
    const label = owner + "." + text, { value, get } = descriptor;
    if (label === "Object.prototype.toString") continue;
    if (typeof value === "function") {
      descriptor.value = function (...args) {
        note(label);
        return new.target ? new value(...args) : apply(value, this, args);
      };
    } else if (get) {
      descriptor.get = function () {
        note(label);
        return apply(get, this, []);
      };
    }
    defineProperty(object, key, descriptor);
  }
}
isArmed = true;
"""

_STREAM = 'new ReadableStream({ start(c) { c.enqueue("a"); c.close(); } })'
SCENARIOS = {
    "headers": """
        const h = new Headers({ b: "1", A: "2" });
        h.append("c", "3"); h.get("a"); h.set("b", "x"); h.delete("c"); h.has("q"); h.getSetCookie(); h.forEach(() => {});
        const it = h.entries();
        it.next();
        new Headers(h);
    """,
    "response: text": 'await new Response("hello", { status: 201, headers: { a: "b" } }).text();',
    "response: json": "await Response.json({ a: 1 }).json();",
    "response: bytes": "await new Response(new Uint8Array([1, 2])).arrayBuffer();",
    "response: stream": 'const r = new Response("x").body.getReader(); await r.read(); await r.read();',
    "response: clone": 'const r = new Response("x"), c = r.clone(); await r.text(); await c.text();',
    "response: statics": 'Response.redirect("https://e.com/", 301); Response.error();',
    "response: multipart": """
        const f = new FormData();
        f.append("a", "b"); f.append("c", new Blob(["x"]));
        await new Response(f).formData();
    """,
    "response: urlencoded": 'await new Response(new URLSearchParams("a=b")).formData();',
    "response: blob": 'await new Response(new Blob(["x", "y"], { type: "a/b" })).blob();',
    "request": """
        const r = new Request("https://e.com/x?y", { method: "post", body: "x", headers: { a: "b" } });
        r.url; r.signal;
        await new Request(r).text();
    """,
    "url": """
        const u = new URL("../x?a=b#c", "https://e.com/d/");
        u.searchParams.append("x", "y"); u.hash = "z"; u.host = "q.com:8"; u.href; u.toJSON(); URL.canParse("x");
    """,
    "urlsearchparams": """
        const p = new URLSearchParams("a=b&c=d");
        p.append("e", "f"); p.sort(); p.toString(); p.delete("a"); p.has("c"); p.set("c", "1"); p.getAll("c"); p.size;
        p.keys().next();
    """,
    "urlpattern": """
        const p = new URLPattern({ pathname: "/a/:b(\\\\d+)/*" });
        p.exec("https://e.com/a/1/2").pathname.groups.b; p.test({ pathname: "/x" });
    """,
    "disposables": """
        const s = new DisposableStack(), a = new AsyncDisposableStack(), fail = () => { throw 1; };
        s.use({ [Symbol.dispose]: fail }); s.adopt(1, fail); s.defer(fail);
        try { s.move().dispose(); } catch {}
        a.use({ [Symbol.dispose]() {} }); a.use(null); a.adopt(1, fail); a.defer(async () => {});
        await a.move().disposeAsync().catch(() => {});
        new SuppressedError(1, 2, "text");
        try { s.use(s); } catch {}
        await Array.fromAsync([1], (x) => x); await Array.fromAsync({ length: 1, 0: 2 });
    """,
    "encoding": """
        new TextDecoder().decode(new TextEncoder().encode("hé"));
        new TextEncoder().encodeInto("x", new Uint8Array(3));
        const d = new TextDecoder("euc-jp");
        d.decode(new Uint8Array([0xa4]), { stream: true }); d.decode(new Uint8Array([0xa2]));
    """,
    "encoding streams": """
        const e = new TextEncoderStream(), w = e.writable.getWriter();
        w.write("a"); w.close();
        await e.readable.getReader().read();
        const d = new TextDecoderStream(), v = d.writable.getWriter();
        v.write(new Uint8Array([97])); v.close();
        await d.readable.getReader().read();
    """,
    "base64": 'atob(btoa("hello"));',
    "events": """
        const t = new EventTarget();
        t.addEventListener("x", () => {}, { once: true }); t.dispatchEvent(new Event("x"));
        t.dispatchEvent(new CustomEvent("x", { detail: 1 })); t.removeEventListener("x", () => {});
    """,
    "abort": """
        const c = new AbortController();
        c.signal.addEventListener("abort", () => {});
        AbortSignal.any([c.signal]).aborted; c.abort(); AbortSignal.timeout(1); c.signal.reason.name;
        try { c.signal.throwIfAborted(); } catch {}
    """,
    "timers": """
        await new Promise((r) => setTimeout(r, 1, "a"));
        clearInterval(setInterval(() => {}, 1)); clearTimeout(setTimeout(() => {}, 5)); queueMicrotask(() => {});
    """,
    "structured clone": """
        structuredClone({ a: [1, { b: new Map([[1, 2]]) }], d: new Date(0), r: /x/g, s: new Set([1]), u: new Uint8Array(2),
          e: new Error("x") });
    """,
    "message channel": """
        const c = new MessageChannel(), received = new Promise((r) => { c.port2.onmessage = r; });
        c.port1.postMessage({ a: 1 });
        await received;
        c.port1.close();
    """,
    "performance": """
        performance.now(); performance.mark("a"); performance.measure("b", "a"); performance.getEntries();
        performance.clearMarks(); performance.toJSON();
    """,
    "console": """
        console.log("x %s", 1, { a: [1, 2], m: new Map([[1, 2]]) }); console.table([{ a: 1 }]); console.group();
        console.groupEnd(); console.count(); console.error(new Error("x"));
    """,
    "streams: read": f"const r = {_STREAM}.getReader(); await r.read(); await r.read();",
    "streams: tee": f"const t = {_STREAM}.tee(); await t[0].getReader().read(); await t[1].getReader().read();",
    "streams: pipe": f"await {_STREAM}.pipeThrough(new TransformStream()).pipeTo(new WritableStream());",
    "streams: bytes": """
        const s = new ReadableStream({ type: "bytes", start(c) { c.enqueue(new Uint8Array([1, 2, 3])); c.close(); } });
        const r = s.getReader({ mode: "byob" });
        await r.read(new Uint8Array(2));
        r.releaseLock();
        await s.cancel();
    """,
    "streams: iteration": f"const it = {_STREAM}[Symbol.asyncIterator](); await it.next(); await it.next();",
    "blob": """
        const b = new Blob(["a", new Uint8Array(2)]);
        await b.text(); await b.slice(1).arrayBuffer(); await b.stream().getReader().read(); new File(["x"], "n").name;
        URL.revokeObjectURL(URL.createObjectURL(b));
    """,
    "formdata": """
        const f = new FormData();
        f.append("a", "b"); f.set("c", "d"); f.getAll("a"); f.forEach(() => {}); f.entries().next();
    """,
    "compression": """
        const c = new CompressionStream("gzip"), w = c.writable.getWriter();
        w.write(new Uint8Array([1])); w.close();
        await c.readable.getReader().read();
    """,
    "crypto": "crypto.getRandomValues(new Uint8Array(4)); crypto.randomUUID();",
    "html rewriter": """
        const r = new HTMLRewriter()
          .on("p[a].x:not(.y):nth-child(1), svg > b", {
            async element(e) {
              e.setAttribute("b", "ü").removeAttribute("a").before(e.getAttribute("b")).append("<").prepend(new Response("é"));
              e.attributes.next(); e.tagName = "q"; e.onEndTag((t) => { t.before("x"); });
            },
            text(t) { t.text; t.after("é"); }, comments(c) { c.text += "é"; },
          })
          .onDocument({ doctype(d) { d.name; }, end(e) { e.append("x"); } });
        const page = "<!doctype html><p a=é class='x z'>té<br><!-- é --></p><svg><b/><![CDATA[x]]></svg><script><!--x</script>";
        const reader = r.transform(new Response(page, { headers: { "content-type": "text/html;charset=latin1" } })).body.getReader();
        while (!(await reader.read()).done);
        try { r.on("a:hover", {}); } catch {}
    """,
    "domexception": 'new DOMException("a", "AbortError").code;',
    "intl": """
        (1234.5).toLocaleString(["de", "en"], { notation: "compact" }); 12n.toLocaleString();
        new Intl.NumberFormat("en-US", { style: "currency", currency: "EUR" }).formatToParts("-1e3");
        new Intl.NumberFormat().resolvedOptions(); Intl.getCanonicalLocales("EN-latn-us");
        new Date(0).toLocaleString("en", { timeZone: "Europe/Paris", timeZoneName: "short" });
        new Intl.DateTimeFormat("en", { timeZone: "+05:30" }).formatToParts(new Date(0));
        "é1".localeCompare("É02", "en", { numeric: true, sensitivity: "base" }); "a".localeCompare("b");
        new Intl.Collator("en", { ignorePunctuation: true }).compare("æ-", "ª");
        new Intl.PluralRules("en", { type: "ordinal" }).select(11); new Intl.RelativeTimeFormat("en").format(-2, "days");
        new Intl.RelativeTimeFormat("en").formatToParts(1, "day");
    """,
    "cache": """
        const url = "https://e.com/?a", c = await caches.open("n");
        await c.put(url, new Response("x", { headers: { vary: "accept, x" } }));
        const body = new ReadableStream({ start(controller) { controller.enqueue(new Uint8Array(9)); controller.close(); } });
        await caches.default.put("https://e.com/2", new Response(body));
        await (await c.match(url, { ignoreSearch: true })).text();
        (await c.keys())[0].headers.get("accept");
        await c.matchAll(); await c.delete(url); await caches.match(url); await caches.has("n"); await caches.keys();
        await caches.delete("n");
    """,
    "websocket": """
        const ws = new WebSocket("ws://127.0.0.1:1/", ["a", "b"]);
        ws.onerror = () => {};
        await new Promise((resolve) => ws.addEventListener("close", resolve));
        ws.send("x"); ws.send(new Uint8Array(1)); ws.close(1000, "x"); ws.bufferedAmount;
        new CloseEvent("close", { code: 1 }).code;
    """,
    "websocket_pair": """
        const { 0: a, 1: b } = new WebSocketPair();
        a.send === b.send; a.accept(); a.subscribe("r"); a.isSubscribed("r"); a.publish("r", "x"); a.unsubscribe("r");
        a.serializeAttachment({ a: [1] }); a.deserializeAttachment();
        a.send("x"); a.send(new Uint8Array(3).subarray(1)); a.send("x".repeat(1000));
        new Response(null, { status: 101, webSocket: b }).webSocket;
        const closed = new Promise((resolve) => { b.onmessage = () => {}; a.addEventListener("close", resolve); });
        b.accept(); b.close(1011, "x");
        await closed;
    """,
    "rooms": """
        const { publish, members, count } = WeakRef["nano:modules"].rooms;
        publish("r", "x"); publish("r", new ArrayBuffer(2)); members("r"); count("r");
    """,
    "eventsource": """
        const es = new EventSource("http://127.0.0.1:1/", { withCredentials: true });
        await new Promise((resolve) => { es.onerror = resolve; });
        es.close();
    """,
    "report": 'addEventListener("error", (e) => e.preventDefault()); reportError(new Error("x"));',
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_replaced_builtins_are_not_called(name: str, run_js: Callable[[str], Any]) -> None:
    body = f"{INSTRUMENT}try {{ await (async () => {{{SCENARIOS[name]}}})(); }} finally {{ isArmed = false; }} return hits;"
    called = run_js(body)
    called.pop("String.prototype.concat", None)
    assert called == {}
