"""The engine's mix: the language in all its corners, and what is hostile."""

from __future__ import annotations

import datetime
import functools
import math
from collections import Counter
from random import Random
from typing import Any

from tests.stress.program import Ending, Program, lcg

__all__ = ["ENGINE_PROGRAMS"]


def few(*sizes: int) -> Any:
    """Arguments (size, seed) of few kinds, so that expected results are computed once."""
    return lambda rng: (_small_first(rng, sizes), rng.randrange(1, 5))


def one(*sizes: int) -> Any:
    return lambda rng: (_small_first(rng, sizes),)


def _small_first(rng: Random, sizes: tuple[int, ...]) -> int:
    return sizes[min(int(rng.expovariate(1.2)), len(sizes) - 1)]


def _private_fields(n: int) -> list[int]:
    balance = refused = 0
    for i in range(n):
        if i % 3 == 2:
            if i > balance:
                refused += 1
            else:
                balance -= i
        else:
            balance += i % 17
    return [balance, refused, n]


def _primes(n: int) -> list[int]:
    return [p for p in range(2, n) if all(p % d for d in range(2, math.isqrt(p) + 1))]


def _bigint(n: int) -> list[str]:
    factorial = math.factorial(n)
    fibonacci, following = 0, 1
    for _ in range(n * 5):
        fibonacci, following = following, fibonacci + following
    return [
        str(factorial),
        str(pow(3, n * 7, 10**40 + 121)),
        str(fibonacci),
        str(-factorial // 7 + (factorial % 7 != 0)),
    ]


def _collatz(limit: int) -> list[int]:
    @functools.cache
    def length(n: int) -> int:
        steps = 1
        while n != 1:
            n = 3 * n + 1 if n & 1 else n >> 1
            steps += 1
        return steps

    best = max(range(1, limit), key=length)
    return [best, length(best)]


def _churn(n: int, seed: int) -> list[int]:
    kept: dict[int, int] = {}
    seen: set[int] = set()
    deleted = 0
    for i, x in enumerate(lcg(n, seed)):
        kept[x % 500] = i
        seen.add(x % 1000)
        if x % 3 == 0 and kept.pop(x % 77, None) is not None:
            deleted += 1
    return [len(kept), len(seen), deleted, sum(kept.values())]


def _rope(n: int) -> list[int]:
    left = right = ""
    for i in range(n):
        left += f"{i},"
        right = f"{i};" + right
    text = left + right
    return [len(text), functools.reduce(lambda h, c: (h * 31 + ord(c)) % 1000003, text, 7)]


def _destructure(n: int, seed: int) -> list[int]:
    a = b = c = 0
    for i, x in enumerate(lcg(n, seed)):
        first, rest = x % 10, [i % 5, i % 7, 9]
        a, b, c = b, (a + first) % 1009, c + sum(rest) + 5
    return [a, b, c]


def _text(n: int, seed: int) -> dict[str, Any]:
    words = [f"w{x % 23}" for x in lcg(n, seed)]
    text = " ".join(word.title() if i % 4 == 0 else word for i, word in enumerate(words))
    counts = sorted(Counter(text.lower().split()).items(), key=lambda item: (-item[1], item[0]))[:5]
    date = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(days=n, seconds=seed)
    return {
        "counts": [list(pair) for pair in counts],
        "date": date.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "padded": [str(i).rjust(5, "0") for i in range(20)],
        "reversed": text[::-1][:40],
    }


def _random_program(rng: Random) -> tuple[str]:
    """A program drawn at random: assignments, branches and loops on 32-bit integers and short strings."""
    draw = Random(rng.randrange(60))
    lines = []
    for _ in range(draw.randint(5, 14)):
        x, y, z = (draw.choice("abcd") for _ in range(3))
        operator = draw.choice(("+", "-", "^", "|", "&", "<<", ">>>", "*", "%"))
        lines.append(
            draw.choice(
                (
                    f"{x} = ({y} {operator} ({z} | 1)) | 0;",
                    f"if ({x} > {y}) {z} = ({z} + {draw.randrange(99)}) | 0; else {x} ^= {y};",
                    f"for (let i = 0; i < {draw.randrange(3000)}; i++) {x} = (Math.imul({x}, 31) + i ^ {y}) | 0;",
                    f"s += String.fromCharCode(97 + ({x} >>> 0) % 26); s = s.slice(-{draw.randint(5, 40)});",
                    f"list.push({x}, s); if (list.length > 30) list = list.slice({draw.randint(1, 20)}).reverse();",
                    f"try {{ if ({x} & 1) throw {y}; {z}--; }} catch (e) {{ {z} = e; }} finally {{ {x} = {x} + 1 | 0; }}",
                    f"{x} = [...s].reduce((sum, c) => sum * 33 + c.charCodeAt() | 0, {y});",
                    f"({{ {x}: {y}, ...o }} = {{ a, b, c, d, k: {z} }});",
                )
            )
        )
    return (
        f"let a=1,b=2,c=3,d=5,s='',list=[],o={{}};for(let r=0;r<9;r++){{{''.join(lines)}}}return [a,b,c,d,s,list];",
    )


ENGINE_PROGRAMS = [
    Program(
        "sort",
        "(n, seed) => numbers(n, seed).sort((x, y) => (x % 1000) - (y % 1000) || x - y).filter((_, i) => i % 50 === 0)",
        few(500, 2000, 6000),
        lambda n, seed: sorted(lcg(n, seed), key=lambda x: (x % 1000, x))[::50],
    ),
    Program(
        "private_fields",
        """(n) => {
          class Account {
            #balance = 0; static #made = 0; #refused = 0;
            constructor() { Account.#made++; }
            static get made() { return Account.#made; }
            #check(x) { if (x > this.#balance) { this.#refused++; throw new RangeError("too much"); } }
            pay(x) { this.#balance += x; return this; }
            take(x) { this.#check(x); this.#balance -= x; }
            get state() { return [this.#balance, this.#refused]; }
          }
          class Saved extends Account { #moves = 0; pay(x) { this.#moves++; return super.pay(x); }
            take(x) { this.#moves++; super.take(x); } get moves() { return #moves in this ? this.#moves : -1; } }
          const account = new Saved();
          for (let i = 0; i < n; i++) { if (i % 3 === 2) { try { account.take(i); } catch (e) { if (!(e instanceof RangeError)) throw e; } }
            else account.pay(i % 17); }
          return [...account.state, account.moves];
        }""",
        one(300, 5000, 20000),
        _private_fields,
    ),
    Program(
        "generators",
        """(n) => {
          function* from(i) { for (;;) yield i++; }
          function* sieve(source) { const { value: p } = source.next(); yield p; yield* sieve(function* () { for (const x of source) if (x % p) yield x; }()); }
          const found = []; for (const p of sieve(from(2))) { if (p >= n) break; found.push(p); } return found;
        }""",
        one(60, 150, 300),
        _primes,
    ),
    Program(
        "async_generators",
        """async (n) => {
          let ended = 0;
          async function* count(to) { try { for (let i = 0; i < to; i++) { await null; yield i; } } finally { ended++; } }
          async function* twice(source) { for await (const x of source) yield await Promise.resolve(x * 2); }
          let sum = 0; for await (const x of twice(count(n))) sum += x;
          for await (const x of count(n)) if (x > 10) break;
          // The engine does not wait for a generator's return() where a loop is left by break.
          for (let i = 0; i < 9; i++) await null;
          return [sum, ended];
        }""",
        one(20, 500, 3000),
        lambda n: [n * (n - 1), 2],
    ),
    Program(
        "proxies",
        """(n) => {
          const seen = { get: 0, set: 0, has: 0, ownKeys: 0, apply: 0 };
          const target = { x: 1 };
          const proxy = new Proxy(target, {
            get(t, k, r) { seen.get++; return Reflect.get(t, k, r); }, set(t, k, v) { seen.set++; t[k] = v; return true; },
            has(t, k) { seen.has++; return k in t; }, ownKeys(t) { seen.ownKeys++; return Reflect.ownKeys(t); } });
          const call = new Proxy((x) => x + 1, { apply(f, self, args) { seen.apply++; return Reflect.apply(f, self, args) * 2; } });
          let sum = 0;
          for (let i = 0; i < n; i++) { proxy.x = i; sum += proxy.x; if ("y" + i in proxy) sum = -1; sum += call(i); }
          Object.keys(proxy); const inherited = Object.create(proxy); sum += inherited.x;
          return { seen, sum };
        }""",
        one(100, 2000, 8000),
        lambda n: {
            "seen": {"get": n + 1, "set": n, "has": n, "ownKeys": 1, "apply": n},
            "sum": sum(i + 2 * (i + 1) for i in range(n)) + n - 1,
        },
    ),
    Program(
        "catastrophic_regexp",
        """(n) => [/^(a+)+$/.test("a".repeat(n) + "b"), /^(a|aa)+$/.exec("a".repeat(n)).index, "x".repeat(n).replace(/(x+x+)+y/, "")]""",
        one(10, 14, 17),
        lambda n: [False, 0, "x" * n],
    ),
    Program(
        "json",
        """(n) => {
          class Point { constructor(x) { this.x = x; } toJSON(key) { return { $point: this.x, key }; } }
          const data = Array.from({ length: n }, (_, i) => ({ p: new Point(i), t: "é\\u2028" + i, d: new Date(i * 1000), skip: undefined, f: i / 4 }));
          const text = JSON.stringify(data, (k, v) => (k === "f" ? v * 4 : v), 1);
          const back = JSON.parse(text, function (k, v) { return v && v.$point !== undefined ? v.$point + 1 : v; });
          let bad = 0; try { JSON.parse(text.slice(0, -3)); } catch (e) { bad = e.name; }
          const ring = {}; ring.self = ring; let cyclic; try { JSON.stringify(ring); } catch (e) { cyclic = e.name; }
          return [back.reduce((s, o) => s + o.p + o.f, 0), back.at(-1), bad, cyclic];
        }""",
        one(10, 300, 1200),
        lambda n: [
            sum(2 * i + 1 for i in range(n)),
            {
                "p": n,
                "t": f"é\u2028{n - 1}",
                "d": f"1970-01-01T00:{(n - 1) // 60:02}:{(n - 1) % 60:02}.000Z",
                "f": n - 1,
            },
            "SyntaxError",
            "TypeError",
        ],
    ),
    Program(
        "promise_flood",
        """async (n) => {
          const all = await Promise.all(Array.from({ length: n }, async (_, i) => { await null; if (i % 100 === 99) await Promise.resolve(); return i; }));
          const settled = await Promise.allSettled([Promise.reject(new Error("no")), 1]);
          const first = await Promise.race([new Promise(() => {}), Promise.resolve(7)]);
          const any = await Promise.any([Promise.reject(1), Promise.resolve(8)]);
          return [all.reduce((a, b) => a + b, 0), settled.map((s) => s.status), first, any];
        }""",
        one(10, 1000, 6000),
        lambda n: [n * (n - 1) // 2, ["rejected", "fulfilled"], 7, 8],
    ),
    Program(
        "microtask_flood",
        """(n) => new Promise((resolve) => {
          let left = n, order = 0;
          for (let i = 0; i < 10; i++) (function again() { if (--left > 0) Promise.resolve(i).then(again); else if (left === 0) resolve([left, "end"]); })();
        })""",
        one(100, 5000, 30000),
        lambda n: [0, "end"],
    ),
    Program(
        "deep_recursion",
        """(n) => { const sum = (k) => (k === 0 ? 0 : k + sum(k - 1)); const even = (k) => k === 0 || odd(k - 1), odd = (k) => k !== 0 && even(k - 1);
          const ackermann = (m, k) => (m === 0 ? k + 1 : k === 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, k - 1)));
          return [sum(n), even(n), ackermann(2, n % 50)]; }""",
        one(50, 400, 800),
        lambda n: [n * (n + 1) // 2, n % 2 == 0, 2 * (n % 50) + 3],
    ),
    Program(
        "overflow_caught",
        """(n) => { const deep = (k) => 1 + deep(k + 1); const seen = [];
          for (let i = 0; i < n; i++) { try { deep(0); } catch (e) { seen.push(e.name + ": " + e.message); } }
          const text = "[".repeat(200000); try { JSON.parse(text); } catch (e) { seen.push(e.message.includes("stack") ? "stack" : e.name); }
          return seen; }""",
        one(1, 3, 10),
    ),
    Program("overflow_uncaught", "() => { const deep = () => deep() + 1; return deep(); }", expected=None),
    Program("overflow_in_promise", "async () => { const deep = (x) => [deep([x])]; await null; return deep(); }"),
    Program(
        "bigint",
        """(n) => { let f = 1n; for (let i = 2n; i <= BigInt(n); i++) f *= i;
          let p = 1n; const m = 10n ** 40n + 121n; for (let i = 0; i < n * 7; i++) p = (p * 3n) % m;
          let a = 0n, b = 1n; for (let i = 0; i < n * 5; i++) [a, b] = [b, a + b];
          return [f, p, a, -f / 7n].map(String); }""",
        one(20, 150, 500),
        _bigint,
    ),
    Program(
        "host_calls",
        "(n) => { let s = 0; for (let i = 0; i < n; i++) s = hostAdd(s, i); return [s, hostText('é' + s)]; }",
        one(100, 3000, 10000),
        lambda n: [n * (n - 1) // 2, f"<é{n * (n - 1) // 2}>"],
    ),
    Program(
        "nested_host_calls",
        """(depth, rounds) => {
          const work = (k) => { let x = 0; for (let i = 0; i < 300; i++) x = (x + i * k) % 1000003; return x; };
          const nest = (k) => (k === 0 ? work(7) : hostCall((v) => nest(v) + work(v), k - 1));
          let sum = 0; for (let i = 0; i < rounds; i++) sum += nest(depth);
          let thrown; try { hostCall(() => { throw new TypeError("through"); }, 0); } catch (e) { thrown = String(e.message).includes("through"); }
          return [sum, thrown]; }""",
        lambda rng: (rng.choice((1, 5, 10)), rng.choice((1, 10, 40))),
    ),
    Program(
        "typed_arrays",
        """(n) => { const sieve = new Uint8Array(n).fill(1); let count = 0;
          for (let i = 2; i < n; i++) if (sieve[i]) { count++; for (let j = i * i; j < n; j += i) sieve[j] = 0; }
          const floats = Float64Array.from({ length: 100 }, (_, i) => i / 8); const view = new DataView(new ArrayBuffer(16));
          view.setInt32(1, -5, true); view.setFloat64(8, 0.1);
          const big = new BigInt64Array([1n, -(2n ** 63n)]); const buffer = new ArrayBuffer(8, { maxByteLength: 64 }); buffer.resize(40);
          return [count, floats.reduce((a, b) => a + b), new Uint8Array(view.buffer).join(), big.join(), new Uint16Array(buffer).length,
            new Uint8ClampedArray([300, -5, 1.5]).join(), buffer.transfer(4).byteLength, buffer.detached]; }""",
        one(1000, 20000, 60000),
        lambda n: [
            sum(bytearray(_sieve(n))),
            sum(i / 8 for i in range(100)),
            "0,251,255,255,255,0,0,0,63,185,153,153,153,153,153,154",
            "1,-9223372036854775808",
            20,
            "255,0,2",
            4,
            True,
        ],
    ),
    Program(
        "churn",
        """(n, seed) => { const kept = new Map(), seen = new Set(), weak = new WeakMap(), marks = new WeakSet(); let deleted = 0;
          const registry = new FinalizationRegistry(() => {}); const refs = [];
          numbers(n, seed).forEach((x, i) => { kept.set(x % 500, i); seen.add(x % 1000); const o = { x }; weak.set(o, i); marks.add(o);
            if (i % 7 === 0) { registry.register(o, i, o); refs.push(new WeakRef(o)); o.self = o; if (i % 2) registry.unregister(o); }
            if (x % 3 === 0 && kept.delete(x % 77)) deleted++; });
          for (const ref of refs) { const o = ref.deref(); if (o && o.self !== o) throw new Error("torn"); }
          return [kept.size, seen.size, deleted, [...kept.values()].reduce((a, b) => a + b, 0)]; }""",
        few(100, 3000, 10000),
        _churn,
    ),
    Program(
        "ropes",
        """(n) => { let left = "", right = ""; for (let i = 0; i < n; i++) { left += i + ","; right = i + ";" + right; }
          const text = left + right; let h = 7; for (let i = 0; i < text.length; i++) h = (h * 31 + text.charCodeAt(i)) % 1000003; return [text.length, h]; }""",
        one(50, 2000, 8000),
        _rope,
    ),
    Program(
        "destructuring",
        """(n, seed) => { let a = 0, b = 0, c = 0; const add = (...xs) => xs.reduce((s, x) => s + x, 0);
          numbers(n, seed).forEach((x, i) => { const { first, rest: [p, ...q], missing = 5 } = { first: x % 10, rest: [i % 5, i % 7, 9], ...{ k: 1 } };
            [a, b] = [b, (a + first) % 1009]; c += add(p, ...q, ...[missing]); }); return [a, b, c]; }""",
        few(100, 2000, 8000),
        _destructure,
    ),
    Program(
        "text",
        """(n, seed) => { const words = numbers(n, seed).map((x) => "w" + (x % 23));
          const text = words.map((w, i) => (i % 4 === 0 ? w.replace(/^./, (c) => c.toUpperCase()) : w)).join(" "); const counts = {};
          for (const [word] of text.toLowerCase().matchAll(/\\S+/g)) counts[word] = (counts[word] ?? 0) + 1;
          return { counts: Object.entries(counts).sort(([v, x], [w, y]) => y - x || (v < w ? -1 : 1)).slice(0, 5),
            date: new Date(Date.UTC(2000, 0, 1 + n, 0, 0, seed)).toISOString(), padded: Array.from({ length: 20 }, (_, i) => String(i).padStart(5, "0")),
            reversed: [...text].reverse().join("").slice(0, 40) }; }""",
        few(50, 500, 3000),
        _text,
    ),
    Program(
        "eval",
        """(n) => { let sum = 0; const offset = 3; for (let i = 0; i < n; i++) { sum += eval("i * 2 + offset"); sum += new Function("x", `return x + ${i % 10}`)(1); }
          let bad; try { eval("let = ;"); } catch (e) { bad = e.name; } try { new Function("return }")(); } catch (e) { bad += e.name; }
          return [sum, bad, (0, eval)("typeof offset")]; }""",
        one(10, 100, 400),
        lambda n: [sum(2 * i + 3 + 1 + i % 10 for i in range(n)), "SyntaxErrorSyntaxError", "undefined"],
    ),
    Program(
        "errors",
        """(n, depth) => { let caught = 0, frames = 0; class Odd extends Error {}
          const fall = (k) => { if (k === 0) throw new Odd("deep", { cause: new TypeError("why") }); try { fall(k - 1); } finally { frames++; } };
          for (let i = 0; i < n; i++) { try { if (i % 2) fall(depth); else null.x; } catch (e) { caught += e instanceof Odd ? 1 : e instanceof TypeError ? 1000 : NaN;
            if (typeof e.stack !== "string") caught = NaN; } }
          return [caught, frames]; }""",
        lambda rng: (rng.choice((10, 200, 1000)), rng.choice((1, 20, 60))),
        lambda n, depth: [n // 2 + 1000 * (n - n // 2), n // 2 * depth],
    ),
    Program(
        "dynamic_import",
        """async (n) => { const { sum, default: name } = await import("./sum.js"); let bad;
          try { await import("./broken.js"); } catch (e) { bad = e.name; } return [sum(n), name, bad, (await import("./square.js")).square(5)]; }""",
        one(10, 1000),
        lambda n: [sum(i * i for i in range(n)), "sum", "SyntaxError", 25],
    ),
    Program(
        "collatz",
        """(limit) => { let best = 0, most = 0; for (let i = 1; i < limit; i++) { let n = i, steps = 1;
          while (n !== 1) { n = n & 1 ? 3 * n + 1 : n / 2; steps++; } if (steps > most) { most = steps; best = i; } } return [best, most]; }""",
        one(100, 1000, 4000),
        _collatz,
    ),
    Program(
        "mandelbrot",
        """(n) => { let rows = []; for (let y = 0; y < n; y++) { let row = ""; for (let x = 0; x < n; x++) { let a = 0, b = 0, i = 0;
          const c = (x / n) * 3 - 2, d = (y / n) * 2 - 1; while (i < 40 && a * a + b * b < 4) { [a, b] = [a * a - b * b + c, 2 * a * b + d]; i++; } row += i.toString(36); } rows.push(row); }
          return rows.join("|"); }""",
        one(5, 20, 40),
    ),
    Program("random_program", "(body) => new Function(body)()", _random_program),
    Program(
        "huge_allocations",
        """(n) => { const seen = []; const attempt = (f) => { try { f(); seen.push("had it"); } catch (e) { seen.push(e === null ? "null" : e.name); } };
          for (let i = 0; i < n; i++) { attempt(() => new ArrayBuffer(1 << 30)); attempt(() => "x".repeat(2 ** 29)); attempt(() => new Float64Array(3e7));
            attempt(() => "ab".padEnd(2 ** 28)); attempt(() => new ArrayBuffer(-1)); attempt(() => new Array(2 ** 32)); attempt(() => 2n ** (2n ** 31n)); }
          return seen; }""",
        one(1, 5, 30),
        lambda n: (["InternalError"] * 4 + ["RangeError", "RangeError", "RangeError"]) * n,
    ),
    Program(
        "throws_at_once",
        "(n) => { throw new RangeError('thrown ' + n); }",
        one(1, 2),
        lambda n: f"!RangeError: thrown {n}",
    ),
    Program(
        "rejects",
        "async (n) => { await null; throw new TypeError('later ' + n); }",
        one(1),
        lambda n: f"!TypeError: later {n}",
    ),
    Program("endless_loop", "() => { for (;;); }", ending=Ending.ENDLESS),
    Program(
        "endless_clinging",
        "async () => { for (;;) { try { for (;;) { try { for (;;); } finally { continue; } } } catch { } finally { } } }",
        ending=Ending.ENDLESS,
    ),
    Program("endless_awaits", "async () => { for (;;) await null; }", ending=Ending.ENDLESS),
    Program(
        "endless_microtasks",
        "() => { (function again() { Promise.resolve().then(again); Promise.reject(1).catch(() => {}); })(); return new Promise(() => {}); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_generator",
        "() => { function* g() { for (let i = 0; ; i++) yield i; } let s = 0; for (const x of g()) s += x; }",
        ending=Ending.ENDLESS,
    ),
    Program("endless_regexp", "() => /^(a+)+$/.test('a'.repeat(60) + 'b')", ending=Ending.ENDLESS),
    Program(
        "endless_overflows",
        "() => { const deep = () => { try { deep(); } catch { deep(); } }; for (;;) { try { deep(); } catch {} } }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_native",
        "() => { const data = JSON.stringify(numbers(3000, 1)); for (;;) JSON.parse(data).sort().reverse().map(String).join().split(','); }",
        ending=Ending.ENDLESS,
    ),
    Program(
        "endless_getter",
        "() => { const o = new Proxy({}, { get: (t, k, r) => r }); let x = o; for (;;) x = x.y.z; }",
        ending=Ending.ENDLESS,
    ),
    Program("endless_host_calls", "() => { for (;;) hostCall((x) => hostAdd(x, 1), 1); }", ending=Ending.ENDLESS),
    Program("grows_objects", "() => { const kept = []; for (;;) kept.push({ a: 1, b: [2] }); }", ending=Ending.GROWS),
    Program(
        "grows_strings",
        "() => { const kept = []; for (;;) kept.push('x'.repeat(5000) + kept.length); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_rope",
        "() => { let text = 'x'; for (;;) text += text.slice(0, 9999) + 'y'; }",
        ending=Ending.GROWS,
        may_run_out=True,
    ),
    Program(
        "grows_map",
        "() => { const map = new Map(); for (let i = 0; ; i++) map.set('k' + i, new Set([i])); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_typed",
        "() => { const kept = []; for (;;) kept.push(new Uint8Array(1 + (kept.length % 7) * 3000).fill(1)); }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_in_microtasks",
        "async () => { const kept = []; for (;;) { await null; kept.push(new Promise(() => {}), () => kept, new Error('kept')); } }",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_catching",
        """() => { const kept = []; const more = (k) => { const o = { k, rest: [k] }; if (k === 0) throw new Error("full"); kept.push(o); more(k - 1); };
          for (;;) { try { more(50); } catch (e) { kept.push(e, e.stack); } } }""",
        ending=Ending.GROWS,
    ),
    Program(
        "grows_closures",
        "() => { let last = null; for (let i = 0; ; i++) { const held = last; last = Object.assign(() => held, { i }); last.self = last; } }",
        ending=Ending.GROWS,
    ),
]


def _sieve(n: int) -> list[int]:
    marks = [0, 0] + [1] * (n - 2)
    for i in range(2, math.isqrt(n) + 1):
        if marks[i]:
            marks[i * i :: i] = [0] * len(range(i * i, n, i))
    return marks
