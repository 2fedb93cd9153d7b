"""IdentityTransformStream and FixedLengthStream, as on Workers: what is expected is what workerd answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[[str], Any]


def test_bytes_and_text_pass_as_they_are(run_js: Run) -> None:
    assert run_js(
        """const { readable, writable } = new IdentityTransformStream();
        const writer = writable.getWriter(), text = new Response(readable).text();
        await writer.write(new Uint8Array([104, 101]));
        await writer.write(new DataView(new Uint8Array([0, 108, 108]).buffer, 1));
        await writer.write("ö");
        await writer.write(new Uint8Array());
        await writer.close();
        return [await text, readable.locked, new IdentityTransformStream() instanceof TransformStream];"""
    ) == ["hellö", True, True]


def test_what_is_written_stays_the_writers(run_js: Run) -> None:
    """Other pieces of the same buffer are written next, as HTTP clients do with a body."""
    assert run_js(
        """const told = [];
        for (const { readable, writable } of [new IdentityTransformStream(), new FixedLengthStream(4)]) {
          const writer = writable.getWriter(), all = new TextEncoder().encode("abcd"), text = new Response(readable).text();
          const first = writer.write(all.subarray(0, 2));
          await first;
          all[0] = 88;
          await writer.write(all.subarray(2).buffer.slice(2));
          await writer.close();
          told.push(await text, all.length);
        }
        return told;"""
    ) == ["abcd", 4, "abcd", 4]


def test_a_write_waits_until_it_is_read(run_js: Run) -> None:
    assert run_js(
        """const { readable, writable } = new IdentityTransformStream();
        const writer = writable.getWriter(), told = [];
        writer.write(new Uint8Array(3)).then(() => told.push("written"));
        await new Promise((resolve) => setTimeout(resolve, 1));
        told.push(writer.desiredSize);
        const reader = readable.getReader({ mode: "byob" });
        const first = await reader.read(new Uint8Array(2));
        const second = await reader.read(new Uint8Array(2));
        told.push(first.value.length, second.value.length);
        const last = reader.read(new Uint8Array(2));
        await writer.close();
        return [...told, (await last).done];"""
    ) == [0, "written", 2, 1, True]


def test_exactly_as_many_bytes_as_were_told(run_js: Run) -> None:
    outcome = run_js(
        """const outcomes = [];
        for (const [length, sizes] of [[5, [2, 3]], [5n, [5]], [0, []], [5, [3]], [5, [3, 3]]]) {
          const { readable, writable } = new FixedLengthStream(length);
          const writer = writable.getWriter(), told = [];
          const read = new Response(readable).arrayBuffer().then((all) => all.byteLength, (error) => error.name);
          writer.closed.catch(() => {});
          for (const size of sizes) await writer.write(new Uint8Array(size)).catch((error) => told.push(error.name));
          await writer.close().catch((error) => told.push(error.name));
          outcomes.push([await read, ...told]);
        }
        return outcomes;"""
    )
    assert outcome == [[5], [5], [0], ["TypeError"], ["TypeError", "TypeError", "TypeError"]]


def test_what_is_no_length_or_no_bytes(run_js: Run) -> None:
    assert run_js(
        """const told = [];
        for (const length of [-1, -1n, NaN, "x", 2 ** 64])
          try { told.push(String(new FixedLengthStream(length))) } catch (error) { told.push(error.name) }
        try { new FixedLengthStream() } catch (error) { told.push(error.message) }
        const { readable, writable } = new IdentityTransformStream(), writer = writable.getWriter();
        writer.closed.catch(() => {});
        const read = new Response(readable).text().catch((error) => error.name);
        told.push(await writer.write({}).catch((error) => error.name), await read);
        return told;"""
    ) == [
        *["TypeError"] * 5,
        "Failed to construct 'FixedLengthStream': 1 argument required, but only 0 present.",
        *["TypeError"] * 2,
    ]


def test_each_side_tells_the_other_that_it_is_given_up(run_js: Run) -> None:
    assert run_js(
        """const told = [];
        const one = new IdentityTransformStream(), writer = one.writable.getWriter();
        writer.closed.catch(() => {});
        const written = writer.write("x").catch((error) => told.push(error));
        await one.readable.cancel("no more");
        await written;
        await writer.write("y").catch((error) => told.push(error));
        const other = new IdentityTransformStream(), reader = other.readable.getReader();
        reader.closed.catch(() => {});
        await other.writable.abort("given up");
        await reader.read().catch((error) => told.push(error));
        return told;"""
    ) == ["no more", "no more", "given up"]
