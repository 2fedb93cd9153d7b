"""Blob and File beyond what the Web Platform Tests ask: sharing of bytes, streams, hardening."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ('["a", "b", 1, null, {}]', "ab1null[object Object]"),
        ('["é", new Uint8Array([226, 130, 172]), "\\ud800"]', "é€\ufffd"),
        ("[new DataView(new Uint8Array([97, 98, 99]).buffer, 1, 1), new Uint16Array([0x6161])]", "baa"),
        ('[new Blob(["x", new Blob(["y"])]), "", new ArrayBuffer(0), "z"]', "xyz"),
        ('"string"', None),
        ('new String("ok")', "ok"),
        ("null", None),
        ("[Symbol()]", None),
        ("[new Uint8Array(new SharedArrayBuffer(1))]", None),
    ],
)
def test_parts(run_js: Run, parts: str, text: str | None) -> None:
    result = run_js(f"try {{ return await new Blob({parts}).text(); }} catch (e) {{ return [e.constructor.name]; }}")
    assert result == (["TypeError"] if text is None else text)


def test_bytes_are_those_of_the_moment(run_js: Run) -> None:
    assert run_js("""
      const bytes = new Uint8Array([1, 2, 3]);
      const blob = new Blob([bytes]);
      bytes.fill(9);
      const first = await blob.bytes();
      first.fill(7);
      new Uint8Array(await blob.arrayBuffer()).fill(8);
      const chunk = (await blob.stream().getReader().read()).value;
      chunk.fill(6);
      return [[...(await blob.bytes())], [...(await blob.slice(1).bytes())]];
    """) == [[1, 2, 3], [2, 3]]


def test_slices_of_slices_share_the_bytes(run_js: Run) -> None:
    assert run_js("""
      let blob = new Blob([new Uint8Array(4 << 20), "end"]);
      for (let i = 0; i < 2000; i++) blob = new Blob([blob.slice(1), blob.slice(0, 1)]).slice(0, -1);
      return [blob.size, await blob.slice(-3).text()];
    """) == [(4 << 20) + 3 - 2000, "end"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", "0123456789"),
        ("2", "23456789"),
        ("-3", "789"),
        ("2, -2", "234567"),
        ("5, 2", ""),
        ("-100, 100", "0123456789"),
        ("NaN, Infinity", "0123456789"),
        ("-Infinity, 1.5", "01"),
        ("0.5, 2.5", "01"),
        ("undefined, null", ""),
        ("3, undefined", "3456789"),
        ('"4", "6"', "45"),
    ],
)
def test_slice(run_js: Run, arguments: str, text: str) -> None:
    assert run_js(f'return new Blob(["012", "3456", "789"]).slice({arguments}).text()') == text


def test_types_are_lower_case_ascii(run_js: Run) -> None:
    assert run_js("""
      const types = ["Text/PLAIN;X", "a\\u0000", "é", "\\u007f", " ", null, undefined];
      return types.map((type) => [new Blob([], { type }).type, new Blob().slice(0, 0, type).type]);
    """) == [["text/plain;x"] * 2, ["", ""], ["", ""], ["", ""], [" ", " "], ["null"] * 2, ["", ""]]


def test_native_line_endings(run_js: Run) -> None:
    assert run_js("""
      const parts = ["a\\r\\nb\\rc\\nd\\r", "\\ne", new Blob(["\\r\\n"]), new Uint8Array([13, 10])];
      return [await new Blob(parts, { endings: "native" }).text(), await new Blob(parts).text()];
    """) == ["a\nb\nc\nd\n\ne\r\n\r\n", "a\r\nb\rc\nd\r\ne\r\n\r\n"]


def test_a_stream_is_a_byte_stream_in_pieces(run_js: Run) -> None:
    assert run_js("""
      const blob = new Blob([new Uint8Array(100000).fill(1), "tail"]);
      const sizes = [];
      for await (const chunk of blob.stream()) sizes.push(chunk.length);
      const reader = blob.stream().getReader({ mode: "byob" });
      let total = 0;
      for (;;) {
        const { value, done } = await reader.read(new Uint8Array(30000));
        if (done) break;
        total += value.length;
      }
      const empty = await new Blob().stream().getReader().read();
      return [sizes, total, empty.done];
    """) == [[65536, 34464, 4], 100004, True]


def test_files(run_js: Run) -> None:
    assert run_js("""
      const f = new File(["x"], "a/b\\ud800", { type: "T/Y", lastModified: "12.9" });
      const before = Date.now(), g = new File([], "now");
      return [f.name, f.lastModified, f.type, f.size, f instanceof Blob, before <= g.lastModified && g.lastModified <= Date.now(),
              f.slice() instanceof File, Object.prototype.toString.call(f)];
    """) == ["a/b\ufffd", 12, "t/y", 1, True, True, False, "[object File]"]


def test_arguments_are_converted_in_order(run_js: Run) -> None:
    assert run_js("""
      const log = [];
      const part = (name) => ({ toString() { log.push(name); return name; } });
      const options = {};
      for (const key of ["type", "lastModified", "endings"]) {
        Object.defineProperty(options, key, { get() { log.push(key); return undefined; } });
      }
      new File([part("one"), part("two")], part("name"), options);
      return log;
    """) == ["one", "two", "name", "endings", "type", "lastModified"]


def test_promises_reject_on_a_wrong_receiver(run_js: Run) -> None:
    assert (
        run_js("""
      const results = [];
      for (const name of ["text", "arrayBuffer", "bytes"]) {
        results.push(await Blob.prototype[name].call({}).catch((e) => e.constructor.name));
      }
      try { Blob.prototype.stream.call({}); } catch (e) { results.push(e.constructor.name); }
      return results;
    """)
        == ["TypeError"] * 4
    )


def test_structured_clones(run_js: Run) -> None:
    assert run_js("""
      const { blob, file } = structuredClone({ blob: new Blob(["b"], { type: "x/y" }), file: new File(["f"], "n") });
      return [await blob.text(), blob.type, blob instanceof File, await file.text(), file.name];
    """) == ["b", "x/y", False, "f", "n"]


def test_blob_urls(run_js: Run) -> None:
    assert run_js("""
      const url = URL.createObjectURL(new Blob(["b"])), parsed = new URL(url);
      const errors = [[], [{}], ["x"], [null]].map((list) => {
        try { URL.createObjectURL(...list); } catch (e) { return e.constructor.name; }
      });
      const uuid = /^blob:null\\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(url);
      return [uuid, parsed.origin, parsed.protocol, url !== URL.createObjectURL(new File([], "f")), errors,
              URL.revokeObjectURL(url), URL.revokeObjectURL("nonsense")];
    """) == [True, "null", "blob:", True, ["TypeError"] * 4, None, None]
