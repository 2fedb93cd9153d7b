"""node:zlib's codecs: where they compute, what they hold, and what an app may do with them. What Node makes of the same
is in tests/npm/node_programs/zlib_sync.mjs, and what others have of it in tests/actors/test_compression_at_once.py."""

from __future__ import annotations

import base64
import random
import threading
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest

from nano_trio.runtime.packing import _Job

from .harness import Bench

Run = Callable[[str], Any]
PRELUDE = """const zlib = WeakRef["nano:modules"].require("zlib"), { Buffer } = WeakRef["nano:modules"].require("buffer");
  const { packing } = WeakRef["nano:modules"].node;
  const noise = (size) => { const bytes = Buffer.alloc(size); for (let i = 0, x = 1; i < size; i++) bytes[i] = (x = (Math.imul(x, 48271) >>> 0) % 2147483647) >>> 9; return bytes };
"""


@pytest.mark.parametrize(
    ("call", "is_beside"),
    [
        ("gzipSync(Buffer.alloc(8192))", False),
        ("gzipSync(Buffer.alloc(8193))", True),
        ("gzipSync(Buffer.alloc(2049), { level: 9 })", True),
        ("brotliCompressSync(Buffer.alloc(200))", False),
        ("brotliCompressSync(Buffer.alloc(300))", True),
        ("brotliCompressSync(Buffer.alloc(500), { params: { 1: 4 } })", False),
        ("gunzipSync(zlib.gzipSync(Buffer.alloc(8000)))", False),
        ("gunzipSync(small)", True),
        ("brotliDecompressSync(zlib.brotliCompressSync(Buffer.alloc(200)))", False),
        ("inflateSync(zlib.deflateSync(noise(8000), { level: 0 }))", False),
        ("gunzipSync(many)", True),
    ],
)
def test_what_takes_long_is_not_computed_in_the_turn(
    run_js: Run, monkeypatch: pytest.MonkeyPatch, call: str, is_beside: bool
) -> None:
    threads: set[threading.Thread] = set()
    step = _Job.step

    def watch(job: _Job) -> None:
        threads.add(threading.current_thread())
        step(job)

    # Little input that becomes much, and so many members that each step gives next to nothing.
    prepared = """const encoded = new CompressionStream("gzip"), write = encoded.writable.getWriter();
      write.write(new Uint8Array(1 << 20)), write.close();
      const small = Buffer.from(await new Response(encoded.readable).arrayBuffer());
      const one = Buffer.from("1f8b080000000000000303000000000000000000", "hex"), many = Buffer.concat(Array(500).fill(one));
    """
    monkeypatch.setattr(_Job, "step", watch)
    assert run_js(f"{PRELUDE} {prepared} zlib.crc32('loaded'); return zlib.{call}.length") >= 0
    assert any(thread is not threading.current_thread() for thread in threads) is is_beside


def test_no_microtask_and_no_timer_of_the_app_runs_while_it_waits(run_js: Run) -> None:
    assert run_js(
        PRELUDE
        + """const log = [], data = noise(300_000);
        setTimeout(() => log.push("timer"), 0);
        Promise.resolve().then(() => log.push("microtask"));
        log.push(zlib.gunzipSync(zlib.gzipSync(data)).equals(data));
        await new Promise((resolve) => setTimeout(resolve, 1));
        return log;"""
    ) == [True, "microtask", "timer"]


def test_the_fast_ways_of_brotli_are_given_whole_windows(run_js: Run) -> None:
    """They compress each piece by itself: what they make depends on how it is cut."""
    data = bytes(b"abcdefgh "[(i * i + (i >> 5)) % 9] for i in range(700_001))
    for quality in (0, 1, 2, 5):
        for window in (16, 18, 19):
            packed = run_js(
                PRELUDE + "const data = Buffer.alloc(700_001); for (let i = 0; i < data.length; i++) data[i] = "
                f"'abcdefgh '.charCodeAt((i * i + (i >> 5)) % 9); return zlib.crc32(zlib.brotliCompressSync(data, "
                f"{{ params: {{ 1: {quality}, 2: {window} }} }}))"
            )
            assert packed == zlib.crc32(brotli.compress(data, quality=quality, lgwin=window))


@pytest.mark.parametrize("size", [70_000, 300_000])
@pytest.mark.parametrize("call", ["brotliDecompressSync(tailed)", "brotliDecompressSync(twice)"])
def test_what_follows_brotlis_end_costs_none_of_what_came_before(run_js: Run, size: int, call: str) -> None:
    for data in (f"noise({size})", f"Buffer.alloc({size})"):
        assert run_js(
            f"""{PRELUDE} const data = {data}, packed = zlib.brotliCompressSync(data, {{ params: {{ 1: 3 }} }});
            const tailed = Buffer.concat([packed, Buffer.from("garbage")]), twice = Buffer.concat([packed, packed]);
            return zlib.{call}.equals(data)"""
        )


@pytest.mark.parametrize("tail", ["packed", "Buffer.from('garbage')"])
def test_nor_does_it_give_a_stream_any_bytes_twice(run_js: Run, tail: str) -> None:
    """What Brotli cannot compress, in pieces of which none gives all of its output at a time."""
    packed = brotli.compress(random.Random(3).randbytes(65_537), quality=3)
    assert len(packed) > 65_537
    assert run_js(
        f"""{PRELUDE} const packed = Buffer.from("{base64.b64encode(packed).decode()}", "base64");
        const stream = zlib.createBrotliDecompress(), parts = [], data = zlib.brotliDecompressSync(packed);
        stream.on("data", (part) => parts.push(part));
        stream.write(packed.subarray(0, 65_536)), stream.end(Buffer.concat([packed.subarray(65_536), {tail}]));
        await new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
        return Buffer.concat(parts).equals(data)"""
    )


def test_large_dictionaries(run_js: Run) -> None:
    """Their check in the header is that of all of them."""
    assert run_js(
        PRELUDE
        + """const dictionary = noise(600_000), data = dictionary.subarray(-9000), other = Buffer.from(dictionary);
        other[0] ^= 1;
        const packed = zlib.deflateSync(data, { dictionary }), stream = zlib.createInflate({ dictionary }), parts = [];
        stream.on("data", (part) => parts.push(part)), stream.end(packed);
        await new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject));
        const told = [packed.length < 200, zlib.inflateSync(packed, { dictionary }).equals(data), Buffer.concat(parts).equals(data)];
        try { zlib.inflateSync(packed, { dictionary: other }) } catch (error) { told.push(error.message) }
        return told"""
    ) == [True, True, True, "Bad dictionary"]


def test_what_it_takes_is_given_back(bench: Bench) -> None:
    bench.run(
        f"""{PRELUDE} globalThis.run = async () => {{
          const data = noise(300_000), [one, two] = [zlib.gzipSync(data), zlib.brotliCompressSync(data, {{ params: {{ 1: 1 }} }})];
          try {{ zlib.gunzipSync(one, {{ maxOutputLength: 5 }}) }} catch {{}}
          const all = await Promise.all([one, two].map((packed, i) => new Promise((resolve) => zlib[i ? "brotliDecompress" : "gunzip"](packed, (_, result) => resolve(result.equals(data))))));
          return [...all, zlib.gunzipSync(one).equals(data), zlib.brotliDecompressSync(two).equals(data)];
        }};
        return run()"""
    )
    before = bench.heap()
    for _ in range(5):
        assert bench.run("return run();") == [True] * 4
    assert bench.heap() - before < 10_000
    assert bench._environment.isolate.outside == 0


def test_outside_of_a_turn_nothing_is_waited_for(bench: Bench) -> None:
    bench.run(f"{PRELUDE} globalThis.run = () => zlib.gzipSync(Buffer.alloc(1 << 20)); return 0;")
    told = bench.context.eval("try { run() } catch (error) { error.code + error.message }")
    assert told == "ERR_INVALID_STATENothing can be waited for here"


def test_an_app_may_ask_for_anything(run_js: Run) -> None:
    """The platform's half checks for itself: it cannot know that it is node_zlib.js that calls."""
    told = run_js(
        PRELUDE
        + """const odd = [undefined, null, NaN, Infinity, -1, 1e30, "x", {}, [], { valueOf() { zlib.crc32("a"); return 5 } }], told = new Set();
        const kinds = ["deflate", "gzip", "deflateRaw", "inflate", "gunzip", "inflateRaw", "unzip", "no", "__proto__", 5];
        const attempt = (call) => { try { told.add(typeof call().bytes) } catch (error) { told.add(error.code ?? error.name) } };
        for (const value of odd) {
          for (const kind of kinds) {
            for (let at = 0; at < 7; at++) {
              const numbers = [6, 8, 0, 15, 4, 16384, 1e6];
              numbers[at] = value;
              attempt(() => packing.zlib(true, kind, new Uint8Array(9), null, ...numbers));
            }
            attempt(() => ({ bytes: typeof packing.stream(kind, null, value, value, value, value, value).readable }));
          }
          for (let at = 0; at < 7; at++) {
            const numbers = [5, 0, 22, 0, 2, 16384, 1e6];
            numbers[at] = value;
            attempt(() => packing.brotli(true, "brotliCompress", new Uint8Array(9), ...numbers));
            attempt(() => packing.brotli(true, "brotliDecompress", new Uint8Array(9), ...numbers));
          }
          for (let at = 0; at < 5; at++) {
            const given = ["brotliCompress", 5, 0, 22, 2];
            given[at] = value;
            attempt(() => ({ bytes: typeof packing.brotliStream(...given).reset() }));
          }
          attempt(() => ({ bytes: packing.paramsOf(value, value) }));
          attempt(() => ({ bytes: packing.crc32(new Uint8Array(5), value) }));
          attempt(() => packing.zlib(true, "deflate", value, null, 6, 8, 0, 15, 4, 16384, 1e6));
        }
        told.add(`${Object.isFrozen(packing)}`);
        return [...told].sort()"""
    )
    assert set(told) <= {"number", "object", "string", "TypeError", "true", "RangeError", "Z_BUF_ERROR", "Z_DATA_ERROR",
                         "ERR_BUFFER_TOO_LARGE", "ERR__ERROR_FORMAT_CL_SPACE"}  # fmt: skip
    assert {"object", "TypeError", "true"} <= set(told)


def test_what_the_app_changes_after_the_call_is_not_seen(run_js: Run) -> None:
    assert run_js(
        PRELUDE
        + """const data = Buffer.alloc(300_000, 1), dictionary = Buffer.alloc(9, 1);
        const packed = new Promise((resolve, reject) => zlib.deflate(data, { dictionary }, (e, r) => (e ? reject(e) : resolve(r))));
        data.fill(2), dictionary.fill(2);
        return zlib.inflateSync(await packed, { dictionary: Buffer.alloc(9, 1) }).equals(Buffer.alloc(300_000, 1))"""
    )


def test_what_is_wrong_with_brotlis_data_is_told_by_its_number(run_js: Run) -> None:
    """As far as all of it is still there."""
    told = run_js(
        PRELUDE
        + """const tell = (error) => `${error.code} ${error.errno} ${error.message}`;
        const streamed = (...parts) => new Promise((resolve) => {
          const stream = zlib.createBrotliDecompress().on("error", (error) => resolve(tell(error))).on("end", () => resolve("end")).resume();
          for (const part of parts) stream.write(part);
          stream.end();
        });
        const long = zlib.brotliCompressSync(Buffer.concat(Array.from({ length: 6 }, () => crypto.getRandomValues(Buffer.alloc(65536)))), { params: { 1: 0 } });
        const wrong = Buffer.from("<html>"), found = [];
        try { zlib.brotliDecompressSync(wrong) } catch (error) { found.push(tell(error)) }
        found.push(await new Promise((resolve) => zlib.brotliDecompress(wrong, (error) => resolve(tell(error)))), await streamed(wrong));
        const whole = Buffer.concat([long.subarray(0, -1), Buffer.from([255, 255, 255, 255])]);
        found.push(await streamed(whole.subarray(0, -65536), whole.subarray(-65536)), long.length > 390000);
        return found;"""
    )
    reserved = "ERR__ERROR_FORMAT_RESERVED -2 Decompression failed"
    assert told == [reserved, reserved, reserved, "Z_DATA_ERROR -3 Decompression failed", True]
