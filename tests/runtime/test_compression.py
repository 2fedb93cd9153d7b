"""CompressionStream and DecompressionStream, against the codecs themselves."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from collections.abc import Callable
from typing import Any

import brotli
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .harness import Bench

RunJs = Callable[[str], Any]

FORMATS = ["gzip", "deflate", "deflate-raw", "brotli", "zstd"]
TEXT = b"Readable streams, writable streams, transform streams. " * 40

HELPERS = """
const collect = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};
const bytesOf = (chunks) => {
  const all = [];
  for (const chunk of chunks) for (const byte of chunk) all.push(byte);
  return all;
};
const feed = async (stream, ...chunks) => {
  const writer = stream.writable.getWriter();
  const writes = chunks.map((chunk) => writer.write(chunk));
  writes.push(writer.close());
  return Promise.allSettled(writes);
};
const through = (stream, ...chunks) => { feed(stream, ...chunks); return collect(stream.readable); };
const failure = (promise) => promise.then(() => "none", (error) => error.constructor.name);
"""


def compress(kind: str, data: bytes) -> bytes:
    if kind == "brotli":
        return bytes(brotli.compress(data, quality=1))
    if kind == "zstd":
        return zstd.compress(data)
    compressor = zlib.compressobj(wbits={"gzip": 31, "deflate": 15, "deflate-raw": -15}[kind])
    return compressor.compress(data) + compressor.flush()


def decompress(kind: str, data: bytes) -> bytes:
    if kind == "brotli":
        return bytes(brotli.decompress(data))
    if kind == "zstd":
        return zstd.decompress(data)
    return zlib.decompress(data, {"gzip": 31, "deflate": 15, "deflate-raw": -15}[kind])


def as_js(data: bytes) -> str:
    return f"new Uint8Array({list(data)})"


@pytest.mark.parametrize("kind", FORMATS)
def test_compresses_what_the_codec_reads(run_js: RunJs, kind: str) -> None:
    compressed = run_js(
        HELPERS + f"return bytesOf(await through(new CompressionStream('{kind}'), {as_js(TEXT)}, {as_js(TEXT)}))"
    )
    assert len(compressed) < len(TEXT) / 4
    assert decompress(kind, bytes(compressed)) == TEXT * 2


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_decompresses_however_the_input_is_cut(run_js: RunJs, kind: str, step: int) -> None:
    data = compress(kind, TEXT)
    chunks = ",".join(as_js(data[at : at + step]) for at in range(0, len(data), step))
    got = run_js(HELPERS + f"return bytesOf(await through(new DecompressionStream('{kind}'), {chunks}))")
    assert bytes(got) == TEXT


@pytest.mark.parametrize("kind", FORMATS)
def test_empty_input(run_js: RunJs, kind: str) -> None:
    compressed = run_js(HELPERS + f"return bytesOf(await through(new CompressionStream('{kind}')))")
    assert decompress(kind, bytes(compressed)) == b""
    empty = as_js(compress(kind, b""))
    assert run_js(HELPERS + f"return await through(new DecompressionStream('{kind}'), {empty})") == []


@pytest.mark.parametrize("kind", FORMATS)
def test_close_of_an_empty_compression_does_not_wait_for_a_reader(run_js: RunJs, kind: str) -> None:
    assert run_js(f"await new CompressionStream('{kind}').writable.getWriter().close(); return 1") == 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("together", [True, False])
def test_trailing_data_is_a_type_error_after_the_output(run_js: RunJs, kind: str, together: bool) -> None:
    data = compress(kind, TEXT)
    chunks = as_js(data + b"x") if together else f"{as_js(data)}, {as_js(b'x')}"
    got = run_js(
        HELPERS
        + f"""
        const stream = new DecompressionStream('{kind}');
        const written = feed(stream, {chunks});
        const reader = stream.readable.getReader();
        const output = await reader.read();
        return [[...output.value], await failure(reader.read()), await failure(reader.closed),
                (await written).at(-1).status];"""
    )
    assert bytes(got[0]) == TEXT
    assert got[1:] == ["TypeError", "TypeError", "rejected"]


def test_output_before_trailing_data_comes_once(run_js: RunJs) -> None:
    """Of what Brotli cannot compress no piece gives all of its output at a time."""
    data = random.Random(3).randbytes(65_537)
    packed = brotli.compress(data, quality=3)
    assert len(packed) > len(data)
    chunks = [base64.b64encode(each).decode() for each in (packed[:65_536], packed[65_536:] + b"garbage")]
    size, same, error = run_js(
        HELPERS
        + f"""const [first, second] = {chunks}.map((text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
        const stream = new DecompressionStream("brotli"), got = [];
        feed(stream, first, second);
        const error = await (async () => {{ for await (const chunk of stream.readable) got.push(...chunk) }})().catch((error) => error.name);
        const text = got.map((byte) => String.fromCharCode(byte)).join("");
        return [got.length, btoa(text), error]"""
    )
    assert (size, error) == (len(data), "TypeError")
    assert base64.b64decode(same) == data


def test_a_second_gzip_member_is_trailing_data(run_js: RunJs) -> None:
    data = gzip.compress(b"one") + gzip.compress(b"two")
    assert (
        run_js(HELPERS + f"return await failure(through(new DecompressionStream('gzip'), {as_js(data)}))")
        == "TypeError"
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_input_is_a_type_error(run_js: RunJs, kind: str) -> None:
    data = compress(kind, TEXT)
    for part in (data[:-1], data[: len(data) // 2], b""):
        chunk = as_js(part) if part else ""
        assert (
            run_js(HELPERS + f"return await failure(through(new DecompressionStream('{kind}'), {chunk}))")
            == "TypeError"
        )


@pytest.mark.parametrize("kind", FORMATS)
def test_corrupt_input_is_a_type_error(run_js: RunJs, kind: str) -> None:
    junk = as_js(b"\xff" * 64)
    assert run_js(HELPERS + f"return await failure(through(new DecompressionStream('{kind}'), {junk}))") == "TypeError"


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_a_wrong_checksum_is_a_type_error(run_js: RunJs, kind: str) -> None:
    data = bytearray(compress(kind, TEXT))
    data[-5 if kind == "gzip" else -1] ^= 1
    assert (
        run_js(HELPERS + f"return await failure(through(new DecompressionStream('{kind}'), {as_js(bytes(data))}))")
        == "TypeError"
    )


@pytest.mark.parametrize("name", ["CompressionStream", "DecompressionStream"])
def test_chunks_must_be_buffer_sources(run_js: RunJs, name: str) -> None:
    chunks = ["undefined", "null", "3", "'text'", "{}", "[1]", "new SharedArrayBuffer(4)"]
    chunks.append("new Uint8Array(new SharedArrayBuffer(4))")
    for chunk in chunks:
        got = run_js(
            HELPERS
            + f"""
            const stream = new {name}('gzip');
            const writer = stream.writable.getWriter(), reader = stream.readable.getReader();
            const write = writer.write({chunk});
            return [await failure(reader.read()), await failure(write), await failure(writer.closed)];"""
        )
        assert got == ["TypeError"] * 3, chunk


def test_views_are_read_where_they_lie(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        const buffer = new Uint8Array([9, 9, 1, 2, 3, 4, 9, 9]).buffer;
        const views = [new DataView(buffer, 2, 2), new Uint16Array(buffer, 4, 1)];
        const chunks = [...views, new Uint8Array(0), new ArrayBuffer(1)];
        const packed = await through(new CompressionStream('gzip'), ...chunks);
        return bytesOf(await through(new DecompressionStream('gzip'), ...packed));"""
    )
    assert got == [1, 2, 3, 4, 0]


def test_interface(run_js: RunJs) -> None:
    got = run_js(
        """
        const thrown = (f) => { try { f(); return "none" } catch (error) { return error.constructor.name } };
        return [CompressionStream, DecompressionStream].map((Class) => {
          const stream = new Class({ toString: () => "deflate" });
          const readable = Object.getOwnPropertyDescriptor(Class.prototype, "readable");
          return [
            Class.length, Class.name, String(stream), stream.readable === stream.readable,
            stream.writable instanceof WritableStream, stream.readable instanceof ReadableStream,
            readable.enumerable, thrown(() => readable.get.call({})),
            thrown(() => new Class()), thrown(() => new Class("lzma")), thrown(() => new Class("GZIP")),
            thrown(() => Class("gzip")),
          ];
        });"""
    )
    for name, row in zip(["CompressionStream", "DecompressionStream"], got, strict=True):
        assert row == [1, name, f"[object {name}]", True, True, True, True, *["TypeError"] * 5]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_arrives_in_pieces_as_they_are_read(run_js: RunJs, kind: str) -> None:
    """16 MB of zeros, of which a reader takes three pieces, then cancels."""
    bomb = as_js(compress(kind, bytes(16 << 20)))
    got = run_js(
        HELPERS
        + f"""
        const stream = new DecompressionStream('{kind}');
        const written = feed(stream, {bomb});
        const reader = stream.readable.getReader();
        const sizes = [];
        for (let i = 0; i < 3; i++) sizes.push((await reader.read()).value.length);
        let isWritten = false;
        written.then(() => (isWritten = true));
        for (let i = 0; i < 100; i++) await null;
        const before = isWritten;
        await reader.cancel("enough");
        await written;
        return [Math.max(...sizes), before];"""
    )
    assert got[0] <= 4 * 65536
    assert got[1] is False


@pytest.mark.parametrize("kind", FORMATS)
def test_a_long_repetition_comes_whole(run_js: RunJs, kind: str) -> None:
    """Its few bytes of input are taken long before all of the output has been given."""
    packed = as_js(compress(kind, bytes(4 << 20)))
    got = run_js(
        HELPERS
        + f"""
        const stream = new DecompressionStream('{kind}');
        const written = feed(stream, {packed});
        const {{ byteLength }} = await new Response(stream.readable).arrayBuffer();
        await written;
        return byteLength;"""
    )
    assert got == 4 << 20


def test_a_bomb_is_delivered_whole_in_bounded_memory(bench: Bench) -> None:
    bomb = base64.b64encode(compress("gzip", bytes(32 << 20))).decode()
    got = bench.run(
        HELPERS
        + f"""
        const packed = Uint8Array.from(atob({json.dumps(bomb)}), (c) => c.charCodeAt(0));
        const stream = new DecompressionStream('gzip');
        feed(stream, packed);
        let total = 0, most = 0;
        for await (const chunk of stream.readable) {{ total += chunk.length; most = Math.max(most, chunk.length); }}
        return [total, most];"""
    )
    assert got == [32 << 20, 65536]
    assert bench.context.runtime.compute_memory_usage()["malloc_size"] < 8 << 20


def test_a_large_chunk_lets_other_turns_pass(run_js: RunJs) -> None:
    """Compressing 1 MB is at least sixteen turns; a timer fires in between."""
    got = run_js(
        HELPERS
        + """
        let ticks = 0, isDone = false;
        const tick = () => { ticks++; if (!isDone) setTimeout(tick, 0); };
        const data = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 13);
        const stream = new CompressionStream('deflate');
        feed(stream, data);
        const packed = await collect(stream.readable);
        isDone = true;
        const back = bytesOf(await through(new DecompressionStream('deflate'), ...packed));
        return [packed.length > 1, back.length, back.every((byte, i) => byte === data[i])];"""
    )
    assert got == [True, 1 << 20, True]


def test_patched_builtins_change_nothing(run_js: RunJs) -> None:
    got = run_js(
        HELPERS
        + """
        await null;
        const stream = new CompressionStream('gzip'), back = new DecompressionStream('gzip');
        const { then } = Promise.prototype;
        Promise.prototype.then = () => { throw 1; };
        Object.defineProperty(Object.prototype, "transform", { get() { throw 2; }, configurable: true });
        globalThis.Uint8Array = null;
        Array.prototype.push = () => { throw 3; };
        const reader = stream.readable.pipeThrough(back).getReader();
        const writer = stream.writable.getWriter();
        writer.write(new Int8Array([1, 2, 3]));
        writer.close();
        const { value } = await reader.read();
        Promise.prototype.then = then;
        return value.length;"""
    )
    assert got == 3


@given(
    kind=st.sampled_from(FORMATS),
    pieces=st.lists(st.binary(max_size=200), max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_data_comes_back(run_js: RunJs, kind: str, pieces: list[bytes], cuts: list[int]) -> None:
    got = run_js(
        HELPERS
        + f"""
        const packed = bytesOf(await through(new CompressionStream('{kind}'), {", ".join(map(as_js, pieces))}));
        const cuts = {cuts}, chunks = [];
        for (let at = 0, i = 0; at < packed.length; at += cuts[i++ % cuts.length]) {{
          chunks.push(new Uint8Array(packed.slice(at, at + cuts[i % cuts.length])));
        }}
        return bytesOf(await through(new DecompressionStream('{kind}'), ...chunks));"""
    )
    assert bytes(got) == b"".join(pieces)


@given(kind=st.sampled_from(FORMATS), data=st.binary(max_size=60), flip=st.integers(0, 2**31), bit=st.integers(0, 7))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_damaged_data_never_fails_but_with_a_type_error(
    run_js: RunJs, kind: str, data: bytes, flip: int, bit: int
) -> None:
    damaged = bytearray(compress(kind, data))
    damaged[flip % len(damaged)] ^= 1 << bit
    stream = f"through(new DecompressionStream('{kind}'), {as_js(bytes(damaged))})"
    assert run_js(HELPERS + f"return await failure({stream})") in ("none", "TypeError")
