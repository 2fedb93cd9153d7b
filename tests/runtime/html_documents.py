"""For the tests of HTMLRewriter: rewriting from Python, and strategies for documents."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from .harness import Bench

REWRITE = """
const pieces = %s.map((piece) => Uint8Array.fromBase64(piece));
const log = [];
const rewriter = new HTMLRewriter();
%s;
const response = rewriter.transform(new Response(new ReadableStream({
  pull(controller) {
    if (pieces.length === 0) controller.close();
    else controller.enqueue(pieces.shift());
  },
})));
return [(await response.bytes()).toBase64(), log];
"""


def rewrite(bench: Bench, document: bytes | str, setup: str, cuts: Sequence[int] = ()) -> tuple[bytes, list[Any]]:
    """Rewrite a document that arrives in pieces, cut at ``cuts``: the output, and what ``setup`` pushed to ``log``."""
    data = document.encode() if isinstance(document, str) else document
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(bounds) if b > a]
    encoded = json.dumps([base64.b64encode(piece).decode() for piece in pieces])
    output, log = bench.run(REWRITE % (encoded, setup))
    return base64.b64decode(output), log


OBSERVE = """
let text = null;
const end = () => { if (text !== null) log.push(["text", text]); text = null; };
rewriter.onDocument({
  doctype(d) { log.push(["doctype", d.name, d.publicId, d.systemId]); },
  comments(c) { log.push(["comment", c.text]); },
  text(t) { text = (text ?? "") + t.text; if (t.lastInTextNode) end(); },
  end() { log.push(["end"]); },
}).on("*", {
  element(e) {
    log.push(["start", e.tagName, [...e.attributes], e.namespaceURI.slice(-4)]);
    try { e.onEndTag((t) => { log.push(["stop", t.name]); }); } catch {}
  },
})
"""
"""A setup that logs all that handlers see, text in whole nodes, and changes nothing."""

NAMES = ["a", "b", "div", "p", "br", "script", "style", "textarea", "title", "svg", "math", "mi", "desc", "xmp", "x-y"]
PARTS = [
    *(f"<{name}>" for name in NAMES),
    *(f"</{name}>" for name in NAMES),
    *(
        '<a href="x">',
        "<a b='\">' c=d/>",
        "<br/>",
        "<p a=1 a=2 A=3>",
        "<svg/>",
        "<mi a>",
        "<DIV ID=x>",
        '<a b="c"d>',
        "< a>",
    ),
    *("<!--", "-->", "--!>", "<!-->", "<!--->", "<!-- a -- b -->", "<!doctype html>", "<!DOCTYPE a PUBLIC 'b' \"c\">"),
    *("<![CDATA[", "]]>", "]]", "<?pi?>", "</>", "</ x>", "<!x>", "<script><!--<script>", "</script", "</SCRIPT >"),
    *("<", ">", "/", "!", "-", "=", "'", '"', "&amp;", " ", "\n", "text", "é", "日本", "\N{GRINNING FACE}", "\0"),
]
markup = st.lists(st.sampled_from(PARTS), max_size=25).map("".join)
"""What looks like HTML, mostly malformed."""
anything = st.binary(max_size=60) | st.builds(
    lambda a, b, c: a.encode() + b + c.encode(), markup, st.binary(max_size=5), markup
)
