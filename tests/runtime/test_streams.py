"""The Streams Standard as an app meets it, and what it means for an app that patches builtins.

The Web Platform Tests (`python -m tests.wpt streams`) go through the standard sentence by sentence; here is what they
do not ask: large queues, hardening, what a lazily made promise must not change, and the helpers for other files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

RunJs = Callable[[str], Any]

HELPERS = """
const collect = async (stream) => { const all = []; for await (const chunk of stream) all.push(chunk); return all; };
const counting = (n, strategy) => {
  let i = 0;
  return new ReadableStream({ pull(c) { if (i < n) c.enqueue(i++); else c.close(); } }, strategy);
};
const failure = (promise) => promise.then(() => "none", (error) => error?.constructor?.name ?? error);
"""


def test_chunks_arrive_in_order_and_the_stream_closes(run_js: RunJs) -> None:
    assert run_js(HELPERS + "return collect(counting(5))") == [0, 1, 2, 3, 4]


def test_a_large_queue_is_read_in_linear_time(run_js: RunJs) -> None:
    """Fifty thousand chunks: a queue that moves its rest at each shift would take minutes."""
    got = run_js(
        HELPERS
        + """
        const n = 50000;
        const stream = new ReadableStream({
          start(c) { for (let i = 0; i < n; i++) c.enqueue(i); c.close(); }
        });
        let sum = 0;
        for await (const chunk of stream) sum += chunk;
        return sum === n * (n - 1) / 2;"""
    )
    assert got is True


def test_many_pending_reads_are_answered_in_order(run_js: RunJs) -> None:
    got = run_js(
        """
        let controller;
        const reader = new ReadableStream({ start(c) { controller = c; } }).getReader();
        const reads = [];
        for (let i = 0; i < 2000; i++) reads.push(reader.read());
        for (let i = 0; i < 2000; i++) controller.enqueue(i);
        const results = await Promise.all(reads);
        return results.every((result, i) => result.value === i && result.done === false);"""
    )
    assert got is True


def test_back_pressure_stops_pulling(run_js: RunJs) -> None:
    got = run_js(
        """
        const log = [];
        const stream = new ReadableStream({ pull(c) { log.push(c.desiredSize); c.enqueue("x"); } }, { highWaterMark: 3 });
        for (let i = 0; i < 50; i++) await null;
        const idle = [...log];
        const reader = stream.getReader();
        await reader.read();
        for (let i = 0; i < 50; i++) await null;
        return [idle, log.length];"""
    )
    assert got == [[3, 2, 1], 4]


def test_desired_size_follows_the_strategy(run_js: RunJs) -> None:
    got = run_js(
        """
        let controller;
        const size = (chunk) => chunk.length;
        const stream = new ReadableStream({ start(c) { controller = c; } }, { highWaterMark: 10, size });
        const sizes = [controller.desiredSize];
        controller.enqueue("abc"); sizes.push(controller.desiredSize);
        controller.enqueue("0123456789"); sizes.push(controller.desiredSize);
        const reader = stream.getReader();
        await reader.read(); sizes.push(controller.desiredSize);
        controller.close(); sizes.push(controller.desiredSize);
        await reader.read(); sizes.push(controller.desiredSize);
        const failing = new ReadableStream({ start(c) { controller = c; } });
        controller.error(1); sizes.push(controller.desiredSize);
        return sizes;"""
    )
    assert got == [10, 7, -3, 0, 0, 0, None]


def test_lazily_made_promises_keep_their_identity(run_js: RunJs) -> None:
    got = run_js(
        """
        const stream = new ReadableStream();
        const reader = stream.getReader();
        const closed = reader.closed;
        const same = closed === reader.closed;
        reader.releaseLock();
        const rejected = await closed.then(() => "fulfilled", (error) => error.name);
        const afterRelease = reader.closed === closed;
        const done = new ReadableStream({ start(c) { c.close(); } }).getReader();
        const before = done.closed;
        await before;
        done.releaseLock();
        const replaced = done.closed !== before && done.closed === done.closed;
        const replacedRejects = await done.closed.then(() => "fulfilled", (error) => error.name);
        return [same, rejected, afterRelease, replaced, replacedRejects];"""
    )
    assert got == [True, "TypeError", True, True, "TypeError"]


def test_ready_is_renewed_under_back_pressure(run_js: RunJs) -> None:
    got = run_js(
        """
        let finish;
        const writer = new WritableStream({ write: () => new Promise((r) => { finish = r; }) }).getWriter();
        const first = writer.ready;
        await first;
        const write = writer.write(1);
        const second = writer.ready;
        let isReady = false;
        second.then(() => { isReady = true; });
        for (let i = 0; i < 10; i++) await null;
        const wasReady = isReady, size = writer.desiredSize;
        finish();
        await write;
        await second;
        return [first !== second, wasReady, size, writer.desiredSize, second === writer.ready];"""
    )
    assert got == [True, False, 0, 1, True]


def test_writes_are_sequential_and_close_waits(run_js: RunJs) -> None:
    got = run_js(
        """
        const log = [];
        const writer = new WritableStream({
          async write(chunk) { log.push("begin " + chunk); await null; log.push("end " + chunk); },
          close() { log.push("close " + arguments.length); },
        }).getWriter();
        writer.write(1); writer.write(2);
        await writer.close();
        return log;"""
    )
    assert got == ["begin 1", "end 1", "begin 2", "end 2", "close 0"]


def test_abort_signals_the_sink(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        let controller;
        const log = [];
        const stream = new WritableStream({
          start(c) { controller = c; },
          write() { return new Promise((_, reject) => controller.signal.addEventListener("abort", () => reject("stop"))); },
          abort(reason) { log.push("abort " + reason); },
        });
        const writer = stream.getWriter();
        const write = failure(writer.write(1));
        await null; await null;
        await failure(writer.abort("why"));
        const late = new WritableStream({ start(c) { controller = c; } });
        await late.abort("early");
        return [log, await write, controller.signal.aborted, controller.signal.reason, controller.signal === controller.signal];"""
    )
    assert got == [["abort why"], "String", True, "early", True]


def test_pipe_to_moves_everything_and_closes(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const log = [];
        const sink = new WritableStream({ async write(chunk) { await null; log.push(chunk); }, close() { log.push("closed"); } });
        await counting(4).pipeTo(sink);
        return log;"""
    )
    assert got == [0, 1, 2, 3, "closed"]


def test_pipe_to_stops_by_its_signal(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const log = [];
        const abort = new AbortController();
        const source = new ReadableStream({ cancel(reason) { log.push("cancel " + reason); } });
        const sink = new WritableStream({ abort(reason) { log.push("abort " + reason); } });
        const pipe = source.pipeTo(sink, { signal: abort.signal });
        abort.abort("enough");
        const reason = await pipe.then(() => "none", (error) => error);
        return [log, reason, source.locked, sink.locked];"""
    )
    assert got == [["abort enough", "cancel enough"], "enough", False, False]


def test_a_pipe_writes_what_it_has_read_before_it_reports_an_error(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const log = [];
        let controller;
        const source = new ReadableStream({ start(c) { controller = c; } });
        const sink = new WritableStream({ async write(chunk) { await null; await null; log.push(chunk); } });
        const pipe = source.pipeTo(sink, { preventAbort: true });
        for (let i = 0; i < 5; i++) await null;
        controller.enqueue("last");
        await null; await null;
        controller.error("broken");
        return [await pipe.catch((error) => error), log];"""
    )
    assert got == ["broken", ["last"]]


def test_transforms_chain(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const twice = new TransformStream({ transform(chunk, c) { c.enqueue(chunk); c.enqueue(chunk * 10); } });
        const summing = () => {
          let sum = 0;
          return new TransformStream({ async transform(chunk) { sum += chunk; }, flush(c) { c.enqueue(sum); } });
        };
        return collect(counting(4).pipeThrough(new TransformStream()).pipeThrough(twice).pipeThrough(summing()));"""
    )
    assert got == [66]


def test_a_transform_is_cancelled_from_either_side(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const log = [];
        const make = (label) => new TransformStream({ cancel(reason) { log.push(label + reason); } });
        const first = make("readable "), second = make("writable "), third = make("never ");
        await first.readable.cancel("a");
        await second.writable.abort("b");
        const writing = third.writable.close();
        await third.readable.cancel("c").catch(() => {});
        await writing.catch(() => {});
        const failing = new TransformStream({ cancel() { throw "no"; } });
        return [log.slice(0, 2), await failure(failing.readable.cancel()), await failure(failing.writable.getWriter().closed)];"""
    )
    assert got == [["readable a", "writable b"], "String", "String"]


def test_tee_gives_both_branches_everything_and_cancels_once(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const [a, b] = counting(4).tee();
        const both = await Promise.all([collect(a), collect(b)]);
        const reasons = [];
        const [c, d] = new ReadableStream({ cancel(reason) { reasons.push(reason); } }).tee();
        const first = c.cancel(1);
        await Promise.all([first, d.cancel(2)]);
        return [both, reasons];"""
    )
    assert got == [[[0, 1, 2, 3], [0, 1, 2, 3]], [[1, 2]]]


def test_byte_tee_serves_a_byob_branch_and_a_default_branch(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const stream = new ReadableStream({
          type: "bytes",
          start(c) { c.enqueue(new Uint8Array([1, 2, 3, 4])); c.enqueue(new Uint8Array([5])); c.close(); },
        });
        const [a, b] = stream.tee();
        const reader = a.getReader({ mode: "byob" });
        const mine = [];
        for (let view = new Uint8Array(3); ; ) {
          const { value, done } = await reader.read(view);
          if (done) break;
          mine.push([...value]);
          view = new Uint8Array(value.buffer);
        }
        return [mine.flat(), (await collect(b)).flatMap((chunk) => [...chunk])];"""
    )
    assert got == [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]


@pytest.mark.parametrize(
    "view",
    ["Uint8Array", "Int8Array", "Uint8ClampedArray", "Uint16Array", "Float32Array", "BigInt64Array", "DataView"],
)
def test_byob_reads_fill_views_of_every_kind(run_js: RunJs, view: str) -> None:
    got = run_js(
        f"""
        let fed = 0;
        const stream = new ReadableStream({{
          type: "bytes",
          pull(c) {{
            const request = c.byobRequest;
            new Uint8Array(request.view.buffer, request.view.byteOffset, 1)[0] = ++fed;
            request.respond(1);
          }},
        }});
        const reader = stream.getReader({{ mode: "byob" }});
        const buffer = new ArrayBuffer(16);
        const {{ value, done }} = await reader.read(new {view}(buffer));
        const size = {view}.BYTES_PER_ELEMENT ?? 1;
        return [value.constructor.name, value.byteLength === size, value.byteOffset, buffer.detached, done, fed === size];"""
    )
    assert got == [view, True, 0, True, False, True]


def test_byob_min_waits_for_that_much(run_js: RunJs) -> None:
    got = run_js(
        """
        let controller;
        const stream = new ReadableStream({ type: "bytes", start(c) { controller = c; } });
        const reader = stream.getReader({ mode: "byob" });
        const read = reader.read(new Uint8Array(8), { min: 3 });
        controller.enqueue(new Uint8Array([1, 2]));
        let isDone = false;
        read.then(() => { isDone = true; });
        for (let i = 0; i < 5; i++) await null;
        const early = isDone;
        controller.enqueue(new Uint8Array([3, 4]));
        return [early, [...(await read).value]];"""
    )
    assert got == [False, [1, 2, 3, 4]]


def test_resizable_and_shared_buffers_are_refused(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        let controller;
        const stream = new ReadableStream({ type: "bytes", start(c) { controller = c; } });
        const reader = stream.getReader({ mode: "byob" });
        const thrown = (f) => { try { f(); return "none"; } catch (error) { return error.constructor.name; } };
        const views = [new Uint8Array(new ArrayBuffer(4, { maxByteLength: 8 })), new Uint8Array(new SharedArrayBuffer(4))];
        const results = [];
        for (const view of views) results.push(await failure(reader.read(view)), thrown(() => controller.enqueue(view)));
        return results;"""
    )
    assert got == ["TypeError"] * 4


def test_from_reads_async_and_sync_iterables_and_closes_them(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const log = [];
        async function* numbers() { try { yield 1; yield 2; yield 3; } finally { log.push("closed"); } }
        const all = await collect(ReadableStream.from(numbers()));
        const reader = ReadableStream.from(numbers()).getReader();
        await reader.read();
        await reader.cancel();
        const sync = await collect(ReadableStream.from([Promise.resolve("a"), "b"]));
        const text = await collect(ReadableStream.from("hi"));
        let thrown;
        try { ReadableStream.from({}); } catch (error) { thrown = error.constructor.name; }
        return [all, log, sync, text, thrown, await failure(collect(ReadableStream.from([Promise.reject("bad")])))];"""
    )
    assert got == [[1, 2, 3], ["closed", "closed"], ["a", "b"], ["h", "i"], "TypeError", "String"]


def test_breaking_out_of_a_loop_cancels_unless_prevented(run_js: RunJs) -> None:
    got = run_js(
        """
        const log = [];
        const make = () => new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { log.push("cancel"); } });
        for await (const chunk of make()) break;
        const kept = make();
        for await (const chunk of kept.values({ preventCancel: true })) break;
        return [log, kept.locked];"""
    )
    assert got == [["cancel"], False]


def test_streams_are_transferable(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const source = counting(3);
        const moved = structuredClone({ source }, { transfer: [source] }).source;
        const isLocked = source.locked;
        const chunks = await collect(moved);
        const written = [];
        const sink = new WritableStream({ write(chunk) { written.push(chunk); }, close() { written.push("closed"); } });
        const writer = structuredClone(sink, { transfer: [sink] }).getWriter();
        await writer.write({ deep: [1] });
        await writer.close();
        await new Promise((resolve) => setTimeout(resolve, 5));
        const transform = new TransformStream({ transform(chunk, c) { c.enqueue(chunk + 1); } });
        const there = structuredClone(transform, { transfer: [transform] });
        const through = await collect(counting(2).pipeThrough(there));
        const uncloneable = new ReadableStream({ start(c) { c.enqueue(() => {}); } });
        const broken = structuredClone(uncloneable, { transfer: [uncloneable] });
        const name = await broken.getReader().read().catch((error) => error.name);
        let locked;
        try { structuredClone(source, { transfer: [source] }); } catch (error) { locked = error.name; }
        return [chunks, isLocked, written, there instanceof TransformStream, through, name, locked];"""
    )
    assert got == [[0, 1, 2], True, [{"deep": [1]}, "closed"], True, [1, 2], "DataCloneError", "DataCloneError"]


def test_a_transferred_stream_arrives_by_a_message(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const { port1, port2 } = new MessageChannel();
        const message = new Promise((resolve) => { port2.onmessage = (event) => resolve(event.data); });
        const source = counting(2);
        port1.postMessage(source, [source]);
        return collect(await message);"""
    )
    assert got == [0, 1]


def test_cancelling_a_transferred_stream_reaches_its_source(run_js: RunJs) -> None:
    got = run_js(
        """
        let heard;
        const source = new ReadableStream({ cancel(reason) { heard = reason; } });
        await structuredClone(source, { transfer: [source] }).cancel("bye");
        await new Promise((resolve) => setTimeout(resolve, 5));
        return heard;"""
    )
    assert got == "bye"


def test_patched_builtins_change_nothing(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        await null;
        const { then } = Promise.prototype;
        const boom = () => { throw new Error("patched code ran"); };
        const define = (target, key) => Object.defineProperty(target, key, { get: boom, set: boom, configurable: true });
        const keys = ["state", "reader", "stream", "controller", "disturbed", "total", "object"];
        for (const key of keys) define(Object.prototype, key);
        for (const key of ["push", "shift", "slice", "splice"]) Array.prototype[key] = boom;
        Function.prototype.call = Function.prototype.apply = boom;
        Promise.prototype.then = boom;
        Promise.resolve = Promise.reject = boom;
        Reflect.apply = boom;
        ArrayBuffer.prototype.transfer = boom;
        globalThis.Uint8Array = boom;
        const log = [];
        let i = 0;
        const source = new ReadableStream({ pull(c) { if (i < 3) c.enqueue(i++); else c.close(); } });
        const [a, b] = source.tee();
        const piped = a.pipeThrough(new TransformStream()).pipeTo(new WritableStream({ write(x) { log[log.length] = x; } }));
        const reader = b.getReader();
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          log[log.length] = value;
        }
        await piped;
        Promise.prototype.then = then;
        for (const key of keys) delete Object.prototype[key];
        return log.length;"""
    )
    assert got == 6


def test_interfaces_have_their_shape(run_js: RunJs) -> None:
    got = run_js(
        """
        const shape = (Class) => [Class.name, Class.length, Class.prototype[Symbol.toStringTag]];
        const lengths = (Class, ...names) => names.map((name) => Class.prototype[name].length);
        return [
          [ReadableStream, ReadableStreamDefaultReader, ReadableStreamBYOBReader, ReadableByteStreamController,
            WritableStream, WritableStreamDefaultWriter, TransformStream, CountQueuingStrategy].map(shape),
          lengths(ReadableStream, "cancel", "getReader", "pipeThrough", "pipeTo", "tee", "values"),
          lengths(ReadableStreamBYOBReader, "read", "cancel", "releaseLock"),
          lengths(WritableStreamDefaultWriter, "write", "abort", "close"),
          ReadableStream.prototype.values === ReadableStream.prototype[Symbol.asyncIterator],
          ReadableStream.from.length,
        ];"""
    )
    assert got[0] == [
        ["ReadableStream", 0, "ReadableStream"],
        ["ReadableStreamDefaultReader", 1, "ReadableStreamDefaultReader"],
        ["ReadableStreamBYOBReader", 1, "ReadableStreamBYOBReader"],
        ["ReadableByteStreamController", 0, "ReadableByteStreamController"],
        ["WritableStream", 0, "WritableStream"],
        ["WritableStreamDefaultWriter", 1, "WritableStreamDefaultWriter"],
        ["TransformStream", 0, "TransformStream"],
        ["CountQueuingStrategy", 1, "CountQueuingStrategy"],
    ]
    assert got[1:] == [[0, 0, 1, 1, 0, 0], [1, 0, 0], [0, 0, 0], True, 1]
