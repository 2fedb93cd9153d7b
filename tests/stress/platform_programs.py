"""The platform's mix: what apps do with the Web platform. Each source is an async function; results are in Python."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.stress.program import Ending, Program, lcg

__all__ = ["PLATFORM_PROGRAMS", "logged"]


def one(*sizes: int) -> Any:
    return lambda rng: (sizes[min(int(rng.expovariate(1.2)), len(sizes) - 1)],)


def few(*sizes: int) -> Any:
    return lambda rng: (*one(*sizes)(rng), rng.randrange(1, 5))


def logged(n: int) -> list[str]:
    """What ``console_flood`` logs."""
    return [f"line {i} {{ i: {i}, list: [ 1, 2 ] }}" for i in range(n)]


def _bytes(n: int, seed: int) -> bytes:
    return bytes(x >> 8 & 255 for x in lcg(n, seed))


def _text(n: int, seed: int) -> str:
    return "".join("aé€😀"[x >> 8 & 3] for x in lcg(n, seed))


def _base64(n: int, seed: int) -> str:
    return base64.b64encode(_bytes(n, seed)).decode()


PLATFORM_PROGRAMS = [
    Program(
        "url",
        """async (n) => { const seen = [];
          for (let i = 0; i < n; i++) { const url = new URL(`../x${i}/./y?a=${i}&b=%20`, "https://user@EXAMPLE.com:443/one/two/three#h");
            url.searchParams.append("c", "é&" + i); url.hash = ""; url.port = String(8000 + i); if (i === n - 1) seen.push(url.href, url.origin); }
          seen.push(URL.canParse("http://["), new URL("http://xn--bcher-kva.example/").hostname);
          try { new URL("nope"); } catch (e) { seen.push(e.name); } return seen; }""",
        one(5, 100, 500),
        lambda n: [
            f"https://user@example.com:{7999 + n}/one/x{n - 1}/y?a={n - 1}&b=+&c=%C3%A9%26{n - 1}",
            f"https://example.com:{7999 + n}",
            False,
            "xn--bcher-kva.example",
            "TypeError",
        ],
    ),
    Program(
        "search_params",
        """async (n) => { const p = new URLSearchParams(); for (let i = n; i > 0; i--) p.append("k" + (i % 7), i); p.sort(); p.delete("k0");
          return [p.size, p.getAll("k3").map(Number).reduce((a, b) => a + b, 0), [...p].length, p.toString().length]; }""",
        one(20, 200, 1000),
        lambda n: [
            n - n // 7,
            sum(i for i in range(1, n + 1) if i % 7 == 3),
            n - n // 7,
            sum(len(f"k{i % 7}={i}&") for i in range(1, n + 1) if i % 7) - 1,
        ],
    ),
    Program(
        "text_codecs",
        """async (n, seed) => { const text = numbers(n, seed).map((x) => ["a", "é", "€", "😀"][(x >> 8) & 3]).join("");
          const bytes = new TextEncoder().encode(text); const decoder = new TextDecoder(); let again = "";
          for (let i = 0; i < bytes.length; i += 5) again += decoder.decode(bytes.subarray(i, i + 5), { stream: true });
          again += decoder.decode(); let fatal; try { new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([255])); } catch (e) { fatal = e.name; }
          const wide = new Uint8Array(Array.from(text.slice(0, 100)).flatMap((c) => [c.charCodeAt(0) & 255, c.charCodeAt(0) >> 8]));
          return [again === text, bytes.length, fatal, new TextDecoder("windows-1252").decode(new Uint8Array([128, 233])), new TextDecoder("utf-16le").decode(wide).length > 0]; }""",
        few(50, 1000, 5000),
        lambda n, seed: [True, len(_text(n, seed).encode()), "TypeError", "€é", True],
    ),
    Program(
        "response_bodies",
        """async (n) => { let sum = 0; for (let i = 0; i < n; i++) {
            sum += (await Response.json({ i }).json()).i; sum += (await new Response("x".repeat(i)).text()).length;
            const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([1, 2])); c.enqueue(new Uint8Array([i & 255])); c.close(); } });
            sum += new Uint8Array(await new Response(stream).arrayBuffer()).reduce((a, b) => a + b);
            const response = new Response("body", { status: 201, headers: { "X-A": "1" } }), copy = response.clone();
            if ((await response.text()) !== (await copy.text()) || !response.bodyUsed || copy.headers.get("x-a") !== "1") sum = NaN;
            try { await response.text(); sum = NaN; } catch (e) { sum += e instanceof TypeError ? 1 : NaN; } }
          return [sum, (await (await new Response("a=1&b=%C3%A9", { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData()).get("b"))]; }""",
        one(2, 20, 80),
        lambda n: [sum(i + i + 3 + (i & 255) + 1 for i in range(n)), "é"],
    ),
    Program(
        "streams",
        """async (n) => { let sent = 0, ended = "";
          const source = () => new ReadableStream({ pull(c) { if (sent++ < n) c.enqueue(sent); else c.close(); } }, { highWaterMark: 3 });
          const double = () => new TransformStream({ transform(x, c) { c.enqueue(x * 2); }, flush() { ended += "f"; } });
          let sum = 0; await source().pipeThrough(double()).pipeTo(new WritableStream({ async write(x) { await null; sum += x; }, close() { ended += "c"; } }));
          sent = 0; const [a, b] = source().tee(); const all = async (s) => { let t = 0; for await (const x of s) t += x; return t; };
          const both = await Promise.all([all(a), all(b.pipeThrough(double()))]);
          sent = 0; let why; try { await source().pipeTo(new WritableStream({ write(x) { if (x === 3) throw new RangeError("three"); } })); } catch (e) { why = e.message; }
          return [sum, ended, both, why]; }""",
        one(5, 60, 300),
        lambda n: [n * (n + 1), "fcf", [n * (n + 1) // 2, n * (n + 1)], "three"],
    ),
    Program(
        "byte_streams",
        """async (n) => { let left = n; const stream = new ReadableStream({ type: "bytes", autoAllocateChunkSize: 100, pull(c) {
            const view = c.byobRequest.view; const count = Math.min(view.byteLength, left); new Uint8Array(view.buffer, view.byteOffset, count).fill(7); left -= count;
            if (count === 0) { c.close(); c.byobRequest.respond(0); } else c.byobRequest.respond(count); } });
          const reader = stream.getReader({ mode: "byob" }); let sum = 0; for (;;) { const { value, done } = await reader.read(new Uint8Array(64)); if (done) break; for (const x of value) sum += x; }
          return sum; }""",
        one(100, 1000, 8000),
        lambda n: 7 * n,
    ),
    Program(
        "structured_clone",
        """async (n) => { const data = { list: [], map: new Map(), set: new Set(), date: new Date(5), re: /a+/gi, big: 2n ** 70n, error: new RangeError("e"), bytes: new Uint8Array([1, 2, 3]).subarray(1) };
          for (let i = 0; i < n; i++) { data.list.push({ i, up: data }); data.map.set("k" + i, i); data.set.add(i); }
          const copy = structuredClone(data); const buffer = new ArrayBuffer(n); const moved = structuredClone(buffer, { transfer: [buffer] }); let name;
          try { structuredClone(() => {}); } catch (e) { name = e.name + e.code; }
          return [copy !== data && copy.list.at(-1).up === copy, copy.map.size + copy.set.size, copy.date.getTime(), String(copy.re), String(copy.big), copy.error.name, copy.bytes.join(), moved.byteLength, buffer.byteLength, name]; }""",
        one(5, 200, 1000),
        lambda n: [True, 2 * n, 5, "/a+/gi", str(2**70), "RangeError", "2,3", n, 0, "DataCloneError25"],
    ),
    Program(
        "timers",
        """async (n) => { const order = []; const after = (ms) => new Promise((r) => setTimeout(() => { order.push(ms); r(); }, ms));
          const cleared = setTimeout(() => order.push("never"), 1); clearTimeout(cleared); let ticks = 0;
          const ticking = new Promise((r) => { const id = setInterval(() => { if (++ticks === n) { clearInterval(id); r(); } }, 0); });
          await Promise.all([after(0), after(15), after(30)]); await ticking; return [order, ticks]; }""",
        one(1, 5, 20),
        lambda n: [[0, 15, 30], n],
    ),
    Program(
        "abort",
        """async (n) => { const seen = []; const c = new AbortController(); let heard = 0; for (let i = 0; i < n; i++) c.signal.addEventListener("abort", () => heard++, { once: i % 2 === 0 });
          const any = AbortSignal.any([c.signal, new AbortController().signal]); any.onabort = (e) => seen.push(e.type); c.abort(new Error("why")); c.abort();
          seen.push(any.aborted, any.reason.message, heard); try { AbortSignal.abort().throwIfAborted(); } catch (e) { seen.push(e.name); }
          const timed = AbortSignal.timeout(2); await new Promise((r) => timed.addEventListener("abort", r)); seen.push(timed.reason.name); return seen; }""",
        one(1, 50, 500),
        lambda n: ["abort", True, "why", n, "AbortError", "TimeoutError"],
    ),
    Program(
        "console_flood",
        "async (n) => { for (let i = 0; i < n; i++) { console.log('line %d', i, { i, list: [1, 2] }); console.debug(); } console.error(new Error('e')); return n; }",
        one(5, 50, 400),
        lambda n: n,
    ),
    Program(
        "microtasks",
        "(n) => new Promise((r) => { let left = n; const again = () => { if (--left > 0) queueMicrotask(again); else r(left); }; queueMicrotask(again); })",
        one(10, 1000, 5000),
        lambda n: 0,
    ),
    Program(
        "events",
        """async (n) => { const target = new EventTarget(); let sum = 0; target.addEventListener("x", (e) => { sum += e.detail; e.preventDefault(); }); target.addEventListener("x", { handleEvent(e) { if (e.detail % 10 === 0) e.stopImmediatePropagation(); } });
          target.addEventListener("x", () => sum++); let prevented = 0; for (let i = 0; i < n; i++) if (!target.dispatchEvent(new CustomEvent("x", { detail: i, cancelable: true }))) prevented++; return [sum, prevented]; }""",
        one(10, 300, 2000),
        lambda n: [n * (n - 1) // 2 + n - (n + 9) // 10, n],
    ),
    Program(
        "blobs",
        """async (n) => { const blob = new Blob(Array.from({ length: n }, (_, i) => (i % 2 ? "é" : new Uint8Array([65, 66]))), { type: "text/plain" });
          const part = blob.slice(2, 6); const file = new File([part, blob], "f.txt"); const form = new FormData(); form.append("f", file); form.append("t", "v\\n");
          const back = await new Response(form).formData(); return [blob.size, await part.text(), back.get("f").size, back.get("f").name, back.get("t"), (await blob.text()).length]; }""",
        one(4, 50, 400),
        lambda n: [2 * n, "éAB", 2 * n + 4, "f.txt", "v\r\n", n // 2 + 2 * (n - n // 2)],
    ),
    Program(
        "headers",
        """async (n) => { const h = new Headers([["b", "2"], ["A", "1"]]); for (let i = 0; i < n; i++) { h.append("x" + (i % 5), String(i)); h.append("set-cookie", "c" + i); } let bad; try { h.set("é", "1"); } catch (e) { bad = e.name; }
          const r = new Request("https://e.test/", { method: "POST", body: "x", headers: h }); return [h.get("x0").split(", ").length, h.getSetCookie().length, [...h.keys()].slice(0, 2), bad, r.headers.get("a"), r.clone().method]; }""",
        one(5, 50, 300),
        lambda n: [(n + 4) // 5, n, ["a", "b"], "TypeError", "1", "POST"],
    ),
    Program(
        "base64",
        """async (n, seed) => { const bytes = numbers(n, seed).map((x) => (x >> 8) & 255); const text = btoa(String.fromCharCode(...bytes)); const back = atob(text); let name; try { atob("*"); } catch (e) { name = e.name; }
          return [text, back.length, back.charCodeAt(n - 1) === bytes[n - 1], name]; }""",
        few(10, 300, 1500),
        lambda n, seed: [_base64(n, seed), n, True, "InvalidCharacterError"],
    ),
    Program(
        "digest",
        """async (n, seed) => { const bytes = Uint8Array.from(numbers(n, seed), (x) => (x >> 8) & 255); const hex = (b) => new Uint8Array(b).toHex();
          const [a, b] = await Promise.all([crypto.subtle.digest("SHA-256", bytes), crypto.subtle.digest("SHA-1", bytes)]);
          return [hex(a), hex(b), crypto.randomUUID().length, crypto.getRandomValues(new Uint8Array(9)).length]; }""",
        few(10, 500, 5000),
        lambda n, seed: [hashlib.sha256(_bytes(n, seed)).hexdigest(), hashlib.sha1(_bytes(n, seed)).hexdigest(), 36, 9],
    ),
    Program(
        "compression",
        """async (n, seed) => { const bytes = Uint8Array.from(numbers(n, seed), (x) => (x >> 8) & 15); let same = 0;
          for (const format of ["gzip", "deflate", "deflate-raw"]) { const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream(format));
            const back = new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream(format))).arrayBuffer()); if (back.length === n && back.every((x, i) => x === bytes[i])) same++; }
          let bad; try { await new Response(new Blob(["no"]).stream().pipeThrough(new DecompressionStream("gzip"))).text(); } catch (e) { bad = e.name; } return [same, bad]; }""",
        few(10, 1000, 8000),
        lambda n, seed: [3, "TypeError"],
    ),
    Program(
        "messages",
        """async (n) => { const { port1, port2 } = new MessageChannel(); let sum = 0; const over = new Promise((r) => { port2.onmessage = (e) => { sum += e.data.x; if (e.data.x === n - 1) r(); }; });
          for (let i = 0; i < n; i++) port1.postMessage({ x: i }); await over; port1.close(); return sum; }""",
        one(1, 20, 100),
        lambda n: n * (n - 1) // 2,
    ),
    Program(
        "uncaught",
        """async (n) => { for (let i = 0; i < n; i++) { setTimeout(() => { throw new Error("in a timer"); }); queueMicrotask(() => { throw new TypeError("in a microtask"); }); Promise.reject(new RangeError("unhandled")); }
          reportError(new Error("reported")); await new Promise((r) => setTimeout(r, 5)); return n; }""",
        one(1, 10, 50),
        lambda n: n,
    ),
    Program(
        "rejections",
        """async (n) => { const seen = [0, 0], ignore = () => {}, fails = async (x) => { if (x % 2) await null; throw new Error(`e${x}`); };
          addEventListener("unhandledrejection", (e) => { e.preventDefault(); if (++seen[0] % 3 === 0) setTimeout(() => e.promise.catch(ignore)); });
          addEventListener("rejectionhandled", () => { seen[1]++; });
          for (let i = 0; i < n; i++) { fails(i); const kept = [fails(i), fails(i)]; try { await fails(i); } catch {} await Promise.allSettled(kept); if (i % 50 === 49) await new Promise((r) => setTimeout(r)); }
          while (seen[0] < n || seen[1] < Math.floor(n / 3)) await new Promise((r) => setTimeout(r, 1)); return seen; }""",
        one(10, 100, 2000),
        lambda n: [n, n // 3],
    ),
    Program(
        "patched_builtins",
        """async (n) => { const push = Array.prototype.push; Array.prototype.push = () => { throw new Error("patched"); }; Object.prototype.then = undefined; Map.prototype.get = () => "patched";
          const text = await new Response(new ReadableStream({ start(c) { for (let i = 0; i < n; i++) c.enqueue(new TextEncoder().encode("ab")); c.close(); } })).text();
          Array.prototype.push = push; return [text.length, new URL("https://e.test/?a=1").searchParams.get("a")]; }""",
        one(1, 10, 100),
        lambda n: [2 * n, "1"],
    ),
    Program("hung", "() => new Promise(() => {})", expected=lambda: "!no answer"),
    Program(
        "throws",
        "async () => { structuredClone(Symbol()); }",
        expected=lambda: "!DataCloneError: Symbol() could not be cloned.",
    ),
    Program(
        "overflow",
        "async () => { const deep = () => new URL('https://e.test/' + deep()).href; return deep(); }",
        expected=lambda: "!RangeError: Maximum call stack size exceeded",
    ),
    Program(
        "endless_loop",
        "async () => { for (;;) new URL('https://e.test/').searchParams.append('a', 'b'); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_streams",
        "async () => { const s = new ReadableStream({ pull(c) { c.enqueue(1); } }); for await (const x of s.pipeThrough(new TransformStream())); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_microtasks",
        "async () => { const again = () => queueMicrotask(again); again(); await new Promise(() => {}); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_logging",
        "async () => { for (;;) console.log({ a: [1, 2, { b: new Map([[1, 2]]) }] }, 'x%s', 'y'); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_bodies",
        "async () => { for (;;) await (await new Response(new Blob(['x'.repeat(999)])).clone()).text(); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_clones",
        "async () => { const o = Array.from({ length: 500 }, (_, i) => ({ i })); for (;;) structuredClone(o); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "grows_queue",
        "async () => { let c; new ReadableStream({ start(x) { c = x; } }); for (;;) c.enqueue(new Uint8Array(1000)); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_headers",
        "async () => { const h = new Headers(); for (let i = 0; ; i++) h.append('x-' + (i % 50), 'v'.repeat(100)); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_timers",
        "async () => { for (;;) { const data = new Array(50).fill(1); setTimeout(() => data, 1e6); } }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_turn_by_turn",
        "async () => { const kept = []; setInterval(() => kept.push(new Array(20000).fill(kept.length)), 0); await new Promise(() => {}); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_listeners",
        "async () => { const t = new EventTarget(); for (;;) t.addEventListener('x', () => t); }",
        ending=Ending.GROWS,
    ),
]
