"""Texts to UTF-8 and back, by whichever of the ways they go: the engine's memory at once, the host, or pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EDGES = "a\x7f\x80\xff\u07ff\u0800\ud7ff\ud800\udbff\udc00\udfff\ue000\uffff\U00010000\U0010ffff"
"""At the ends of UTF-8's lengths, and surrogates."""
texts = st.one_of(
    st.text(st.characters(max_codepoint=0x7F)),
    st.text(st.characters(max_codepoint=0xFF)),
    st.text(st.sampled_from(EDGES)),
)


def utf8(text: str) -> bytes:
    """Encoding, "UTF-8 encode" of a string of UTF-16's units."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


@given(st.lists(texts, min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_short_texts(run_js: Callable[[str], Any], several: list[str]) -> None:
    told = run_js(
        f"""
        const encoder = new TextEncoder(), decoder = new TextDecoder("utf-8", {{ ignoreBOM: true }});
        return {json.dumps(several)}.map((text) => {{
          const bytes = encoder.encode(text), within = new Uint8Array(bytes.length + 2);
          within.set(bytes, 1);
          const part = within.subarray(1, bytes.length + 1);
          return [bytes.toHex(), decoder.decode(bytes) === text.toWellFormed(), decoder.decode(part) === text.toWellFormed()];
        }});
        """
    )
    assert told == [[utf8(text).hex(), True, True] for text in several]


@pytest.mark.parametrize("unit", ["a", "a\xe9", "a\u20ac", "\U0001f600", "\ud800"])
@pytest.mark.parametrize("length", [2047, 2048, 32768, 65536, 131072, 262144, 1 << 20])
def test_long_texts(run_js: Callable[[str], Any], unit: str, length: int) -> None:
    """Just as long, and a unit more."""
    told = run_js(
        f"""
        const texts = [{json.dumps(unit)}.repeat({length}).slice(0, {length})];
        texts.push("b" + texts[0]);
        return Promise.all(texts.map(async (text) => {{
          const bytes = new TextEncoder().encode(text);
          const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
          return [bytes.length, digest.toHex(), new TextDecoder().decode(bytes) === text.toWellFormed()];
        }}));
        """
    )
    units = (unit * length).encode("utf-16-le", "surrogatepass")[: 2 * length]
    texts = [utf8(start + units.decode("utf-16-le", "surrogatepass")) for start in ("", "b")]
    assert told == [[len(text), hashlib.sha256(text).hexdigest(), True] for text in texts]


@pytest.mark.parametrize("piece", ["<li>item</li>", "<li>d\xe9j\xe0</li>", "<li>\u20ac \U0001f600</li>"])
def test_texts_that_grew_bit_by_bit(run_js: Callable[[str], Any], piece: str) -> None:
    told = run_js(
        f"""
        const piece = {json.dumps(piece)}, sizes = [];
        let text = "";
        for (let count = 0; count < 50_000; count++) {{
          text += piece;
          if (count % 10_000 === 7) sizes.push(new TextEncoder().encode(text).length);
        }}
        return [sizes, new TextDecoder().decode(new TextEncoder().encode(text)) === piece.repeat(50_000)];
        """
    )
    assert told == [[len(utf8(piece)) * (count + 8) for count in range(0, 50_000, 10_000)], True]


def test_bytes_wherever_they_are(run_js: Callable[[str], Any]) -> None:
    """Of an array that follows its buffer's length, not as many as there once were: others' memory is there now."""
    told = run_js(
        """
        const decoder = new TextDecoder(), bytes = new TextEncoder().encode("some text");
        const shared = new Uint8Array(new SharedArrayBuffer(9));
        shared.set(bytes);
        const buffer = new ArrayBuffer(9, { maxByteLength: 20 }), all = new Uint8Array(buffer), last = new Uint8Array(buffer, 5);
        all.set(bytes);
        const told = [shared, shared.subarray(5), all, last, new Uint8Array(bytes.buffer, 9)].map((each) => decoder.decode(each));
        const end = new Uint8Array(buffer, 5, 4);
        buffer.resize(6);
        told.push(decoder.decode(all), decoder.decode(last), decoder.decode(end));
        buffer.resize(8);
        told.push(decoder.decode(all), decoder.decode(end));
        bytes.buffer.transfer();
        return [...told, decoder.decode(bytes), decoder.decode(new Uint8Array())];
        """
    )
    assert told == ["some text", "text", "some text", "text", "", "some t", "t", "", "some t\0\0", "", "", ""]
