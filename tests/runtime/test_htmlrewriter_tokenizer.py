"""HTMLRewriter: what of the source is which token, in whatever pieces it arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .harness import Bench
from .html_documents import OBSERVE, anything, rewrite


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.context = None
    bench.close()


def start(name: str, *attributes: tuple[str, str], ns: str = "html") -> list[object]:
    return ["start", name, [list(a) for a in attributes], {"html": "html", "svg": "/svg", "math": "thML"}[ns]]


T, C = "text", "comment"
CASES: dict[str, list[list[object]]] = {
    "": [],
    "a < b <3 > c <": [[T, "a < b <3 > c <"]],
    "<p>x</p>": [start("p"), [T, "x"], ["stop", "p"]],
    "<P\nCLASS = 'a b' ID=\"c\" x=y/z d >": [start("p", ("class", "a b"), ("id", "c"), ("x", "y/z"), ("d", ""))],
    "<p a=1 a=2 A=3>": [start("p", ("a", "1"), ("a", "2"), ("a", "3"))],
    "<a =b c==d e='>' f=\"'\">": [start("a", ("=b", ""), ("c", "=d"), ("e", ">"), ("f", "'"))],
    "<a b='c'd e/f / g>": [start("a", ("b", "c"), ("d", ""), ("e", ""), ("f", ""), ("g", ""))],
    "<a b=>c": [start("a", ("b", "")), [T, "c"]],
    "<a b=c/>d": [start("a", ("b", "c/")), [T, "d"]],
    "<a<b>x": [start("a<b"), [T, "x"]],
    "<a b\"c'd<e=f>": [start("a", ("b\"c'd<e", "f"))],
    "<a b=c\"d'e=f`g<h>": [start("a", ("b", "c\"d'e=f`g<h"))],
    "<a title='&amp;&quot;'>": [start("a", ("title", "&amp;&quot;"))],
    "<br><br/></br>": [start("br"), start("br")],
    "<div/>x</div>": [start("div"), [T, "x"], ["stop", "div"]],
    "</p></>x</ y></": [[T, "x"], [C, " y"], [T, "</"]],
    "x<p y": [[T, "x"]],
    "x<p y='": [[T, "x"]],
    "x</p": [[T, "x"]],
    "<!-- a -->": [[C, " a "]],
    "<!----><!--><!--->x": [[C, ""], [C, ""], [C, ""], [T, "x"]],
    "<!--a--!>b<!--!>c-->": [[C, "a"], [T, "b"], [C, "!>c"]],
    "<!---!>a--><!--a--->": [[C, "-!>a"], [C, "a-"]],
    "<!--a--b->c": [[C, "a--b->c"]],
    "<!a><!><?b?><!-c>": [[C, "a"], [C, ""], [C, "?b?"], [C, "-c"]],
    "<!a": [[C, "a"]],
    "<!doctype html>": [["doctype", "html", None, None]],
    "<!DOCTYPE HTML PUBLIC \"-//W3C\" 'http://x'>": [["doctype", "html", "-//W3C", "http://x"]],
    "<!DocType x SYSTEM 'about:legacy'>": [["doctype", "x", None, "about:legacy"]],
    "<!doctype><!doctypex": [["doctype", None, None, None], ["doctype", "x", None, None]],
    "<!doctype a public 'b>c": [["doctype", "a", "b", None], [T, "c"]],
    # Text that ends at its own end tag only
    "<title><p>&lt;</title >x": [start("title"), [T, "<p>&lt;"], ["stop", "title"], [T, "x"]],
    "<textarea></textareax></TEXTAREA/>x": [start("textarea"), [T, "</textareax>"], ["stop", "textarea"], [T, "x"]],
    "<style><!--</style>-->": [start("style"), [T, "<!--"], ["stop", "style"], [T, "-->"]],
    "<xmp><b></xm</xmp>": [start("xmp"), [T, "<b></xm"], ["stop", "xmp"]],
    "<noscript><b></noscript>": [start("noscript"), [T, "<b>"], ["stop", "noscript"]],
    "<iframe><b></iframe><noembed><i></noembed><noframes><u></noframes>": [
        *(start("iframe"), [T, "<b>"], ["stop", "iframe"], start("noembed"), [T, "<i>"], ["stop", "noembed"]),
        *(start("noframes"), [T, "<u>"], ["stop", "noframes"]),
    ],
    "<plaintext></plaintext>": [start("plaintext"), [T, "</plaintext>"]],
    "<script>a</script x>b": [start("script"), [T, "a"], ["stop", "script"], [T, "b"]],
    "<script/>a</script>": [start("script"), [T, "a"], ["stop", "script"]],
    "<script><!--a</script>b": [start("script"), [T, "<!--a"], ["stop", "script"], [T, "b"]],
    "<script><!--<script>a</script>b--></script>c": [
        *(start("script"), [T, "<!--<script>a</script>b-->"], ["stop", "script"], [T, "c"]),
    ],
    "<script><!--<script>a--></script>c": [start("script"), [T, "<!--<script>a-->"], ["stop", "script"], [T, "c"]],
    "<script><!--><script></script>c": [start("script"), [T, "<!--><script>"], ["stop", "script"], [T, "c"]],
    "<script><!---><script></script>c": [start("script"), [T, "<!---><script>"], ["stop", "script"], [T, "c"]],
    "<script><!--<scripty></script>c": [start("script"), [T, "<!--<scripty>"], ["stop", "script"], [T, "c"]],
    "<script><!--<script ></script ></script>c": [
        *(start("script"), [T, "<!--<script ></script >"], ["stop", "script"], [T, "c"]),
    ],
    # Foreign content
    "<svg><![CDATA[a<b>]]]>c</svg>": [start("svg", ns="svg"), [T, "a<b>]c"], ["stop", "svg"]],
    "<p><![CDATA[a]]>": [start("p"), [C, "[CDATA[a]]"]],
    "<svg><style><a/></style></svg>": [
        *(start("svg", ns="svg"), start("style", ns="svg"), start("a", ns="svg"), ["stop", "style"], ["stop", "svg"]),
    ],
    "<svg><desc><b>x</b><style><i></style></desc><path/></svg><i>": [
        *(start("svg", ns="svg"), start("desc", ns="svg"), start("b"), [T, "x"], ["stop", "b"], start("style")),
        *([T, "<i>"], ["stop", "style"], ["stop", "desc"], start("path", ns="svg"), ["stop", "svg"], start("i")),
    ],
    "<svg><g><div><style><i></style>": [
        *(start("svg", ns="svg"), start("g", ns="svg"), start("div"), start("style"), [T, "<i>"], ["stop", "style"]),
    ],
    "<svg><font></font><font color=red><xmp><i>": [
        *(start("svg", ns="svg"), start("font", ns="svg"), ["stop", "font"]),
        *(start("font", ("color", "red")), start("xmp"), [T, "<i>"]),
    ],
    "<math><mi><xmp><i></xmp></mi><mo/></math>": [
        *(start("math", ns="math"), start("mi", ns="math"), start("xmp"), [T, "<i>"], ["stop", "xmp"]),
        *(["stop", "mi"], start("mo", ns="math"), ["stop", "math"]),
    ],
    "<math><annotation-xml encoding=Text/HTML><p></annotation-xml><mn>": [
        *(start("math", ns="math"), start("annotation-xml", ("encoding", "Text/HTML"), ns="math"), start("p")),
        *(["stop", "p"], ["stop", "annotation-xml"], start("mn", ns="math")),
    ],
    "<svg/><xmp><i>": [start("svg", ns="svg"), start("xmp"), [T, "<i>"]],
    # Nesting: an end tag ends what is open within its element; without an element it is nothing
    "<ul><li>a<li>b</ul></li>": [
        *(start("ul"), start("li"), [T, "a"], start("li"), [T, "b"], ["stop", "li"], ["stop", "li"], ["stop", "ul"]),
    ],
    "<b><i>x</b></i>": [start("b"), start("i"), [T, "x"], ["stop", "i"], ["stop", "b"]],
}


@pytest.mark.parametrize("document", CASES)
def test_tokens(shared: Bench, document: str) -> None:
    expected = [*CASES[document], ["end"]]
    output, log = rewrite(shared, document, OBSERVE)
    assert log == expected
    assert output == document.encode()
    # One byte at a time
    output, log = rewrite(shared, document, OBSERVE, range(len(document)))
    assert log == expected
    assert output == document.encode()


@settings(max_examples=150)
@given(document=anything, cuts=st.lists(st.integers(0, 150), max_size=12))
def test_without_changes_every_byte_is_kept_and_pieces_do_not_matter(
    shared: Bench, document: bytes, cuts: list[int]
) -> None:
    assert rewrite(shared, document, "", cuts) == (document, [])
    output, whole = rewrite(shared, document, OBSERVE)
    assert output == document
    output, log = rewrite(shared, document, OBSERVE, cuts)
    assert output == document
    assert log == whole


CHANGE = """
rewriter.on("a", { element(e) { e.setAttribute("b", "é").before("<").append("日").onEndTag((t) => { t.after("|"); }); } })
  .on("p", { element(e) { e.setInnerContent("<inner>", { html: true }); } })
  .on("br", { element(e) { e.replace("-"); } })
  .on("div", { element(e) { e.removeAndKeepContent(); }, comments(c) { c.replace("c"); } })
  .on("svg", { element(e) { e.remove(); }, text(t) { log.push(t.removed); } })
  .on("script", { element(e) { e.tagName = "style"; } })
  .onDocument({ text(t) { t.lastInTextNode ? t.after("$") : t.remove(); }, end(e) { e.append("end"); } });
log.push = () => 0;
"""


@settings(max_examples=150)
@given(document=anything, cuts=st.lists(st.integers(0, 150), max_size=12))
def test_with_changes_pieces_do_not_matter(shared: Bench, document: bytes, cuts: list[int]) -> None:
    assert rewrite(shared, document, CHANGE, cuts) == rewrite(shared, document, CHANGE)


@pytest.mark.parametrize(
    "template", ["<a b='%s'>x", "<a %s>x", "<!--%s-->x", "<!%s>x", "<%s>x", "</%s>x", "<a b=%s c>x", "<a>%s</a>"]
)
def test_long_tokens_in_small_pieces_cost_linear_time(shared: Bench, template: str) -> None:
    """300 KB in pieces of 100 bytes; looking at everything again for each piece would take minutes."""
    document = template % ("a" * 300_000)
    output, log = rewrite(shared, document, OBSERVE, range(0, len(document), 100))
    assert output == document.encode()
    assert log[-1] == ["end"]


def test_depth_and_names_without_end(shared: Bench) -> None:
    deep = "<a>" * 20_000 + "</b>" * 20_000 + "</a>" * 20_000
    assert rewrite(shared, deep, "")[0] == deep.encode()
    names = "".join(f"<x{i}></x{i}></y{i}>" for i in range(5_000))
    assert rewrite(shared, f"<p>{names}</p>", "rewriter.on('p', {element(e) { e.append('!') }})")[0].endswith(b"!</p>")
