"""HTMLRewriter's long texts cross between host and JavaScript in pieces, and nobody sees a seam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("unit", ["é", "日", "😀", "a😀", "\x80", "日\x80\x80\x80\x80"])
def test_long_texts_are_decoded_and_encoded_as_short_ones(run_js: Callable[[str], Any], unit: str) -> None:
    """They cross in pieces, of which none ends in a character. Stray bytes are U+FFFD, each."""
    well_formed = unit.replace("\x80", "\ufffd")
    assert run_js(f"""
      const raw = new TextEncoder().encode({unit!r}.replaceAll("\\x80", "\\u0001")).map((byte) => (byte === 1 ? 0x80 : byte));
      const value = new Uint8Array(raw.length * 30001).map((_, i) => raw[i % raw.length]);
      const before = new TextEncoder().encode("<p a='x"), after = new TextEncoder().encode("'>");
      const document = new Blob([before, value, after]);
      const text = {well_formed!r}.repeat(30001);
      let same;
      const rewriter = new HTMLRewriter().on("p", {{ element(e) {{
        same = e.getAttribute("a") === "x" + text;
        e.after(text);
      }} }});
      const written = await rewriter.transform(new Response(document)).bytes();
      const expected = new Blob([document, text]);
      return [same, written.length, new TextDecoder().decode(written) === await expected.text()];
    """)[0::2] == [True, True]
