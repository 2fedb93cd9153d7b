"""HTMLRewriter: what handlers may do with elements, text, comments and the rest, and what becomes of the response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .harness import Bench
from .html_documents import rewrite

HTML = "{ html: true }"


def on(selector: str, body: str, kind: str = "element") -> str:
    return f'rewriter.on("{selector}", {{ {kind}(e) {{ {body} }} }});'


P = "1<p a='b'>2<b>3</b>4</p>5"
CASES: dict[str, tuple[str, str, str]] = {
    # name: the setup, the document, what becomes of it
    "before": (on("p", f"e.before('<i>').before('<u>', {HTML})"), P, "1&lt;i&gt;<u><p a='b'>2<b>3</b>4</p>5"),
    "after": (on("p", f"e.after('<i>').after('<u>', {HTML})"), P, "1<p a='b'>2<b>3</b>4</p><u>&lt;i&gt;5"),
    "prepend": (on("p", f"e.prepend('&').prepend('<u>', {HTML})"), P, "1<p a='b'><u>&amp;2<b>3</b>4</p>5"),
    "append": (on("p", f"e.append('&').append('<u>', {HTML})"), P, "1<p a='b'>2<b>3</b>4&amp;<u></p>5"),
    "replace": (on("p", f"e.replace('x').replace('<u>', {HTML})"), P, "1<u>5"),
    "remove": (on("p", "e.remove()"), P, "15"),
    "removeAndKeepContent": (on("p", "e.removeAndKeepContent()"), P, "12<b>3</b>45"),
    "setInnerContent": (on("p", "e.append('no').setInnerContent('no').setInnerContent('<')"), P, "1<p a='b'>&lt;</p>5"),
    "setInnerContent and more": (
        on("p", "e.setInnerContent('x').prepend('(').append(')').before('[').after(']')"),
        P,
        "1[<p a='b'>(x)</p>]5",
    ),
    "remove with surroundings": (on("p", "e.remove().before('[').after(']')"), P, "1[]5"),
    "replace with surroundings": (on("p", "e.before('[').after(']').replace('x')"), P, "1[x]5"),
    "kept content with surroundings": (
        on("p", "e.before('[').after(']').prepend('(').append(')').removeAndKeepContent()"),
        P,
        "1[(2<b>3</b>4)]5",
    ),
    "removed": (on("p", "log.push(e.removed); e.remove(); log.push(e.removed)"), P, "15"),
    "content becomes a string": (
        on("p", "e.before(1).before(null).before({ toString: () => 'o' })"),
        "<p>",
        "1nullo<p>",
    ),
    "content beyond ASCII": (on("p", "e.before('é日😀\\ud800')"), "ü<p>", "üé日😀\ufffd<p>"),
    # Elements without content
    "void elements": (
        on("br", "e.before('1').after('2').prepend('no').append('no').setInnerContent('no').after('3')"),
        "a<br>b<br/>c",
        "a1<br>32b1<br/>32c",
    ),
    "void elements removed": (on("br", "e.remove()"), "a<br>b</br>", "ab</br>"),
    "void elements replaced": (on("img", "e.replace('x')"), "<img><img/>", "xx"),
    "void elements kept": (on("br", "e.removeAndKeepContent()"), "a<br>b", "ab"),
    "self-closing in SVG": (
        on("path", "e.after('x')"),
        "<svg><path/><path>a</path></svg>",
        "<svg><path/>x<path>a</path>x</svg>",
    ),
    "self-closing in HTML is open": (on("p", "e.append('x')"), "<p/>a</p>", "<p/>ax</p>"),
    # Names and attributes
    "tagName": (
        on("p", "log.push(e.tagName); e.tagName = 'DIV'; log.push(e.tagName)"),
        "<P\tA=1 >x</P >",
        "<DIV A=1>x</DIV>",
    ),
    "setAttribute": (
        on("p", "e.setAttribute('B', 'c\"d&<').setAttribute('e', 'f').setAttribute('g', '')"),
        "<p  a=1 b='2'\n/ E x='&amp;'>",
        '<p a=1 b="c&quot;d&<" e="f" x=\'&amp;\' g="">',
    ),
    "setAttribute of a self-closing element": (on("p", "e.setAttribute('a', 1)"), "<p b=c />", '<p b=c a="1" />'),
    "removeAttribute": (on("p", "e.removeAttribute('A').removeAttribute('x')"), "<p a=1 b A=2 c>", "<p b c>"),
    "removeAttribute that is not there": (on("p", "e.removeAttribute('x')"), "<p  a>", "<p  a>"),
    "getAttribute": (
        on(
            "p",
            "log.push(e.getAttribute('A'), e.getAttribute('b'), e.getAttribute('x'), e.hasAttribute('B'), e.hasAttribute('y'))",
        ),
        "<p a='&lt;é' b>",
        "<p a='&lt;é' b>",
    ),
    "attributes": (
        on("p", "e.setAttribute('c', 3); for (const [k, v] of e.attributes) log.push(k, v)"),
        "<p a=1 B>",
        '<p a=1 B c="3">',
    ),
    "namespaceURI": (on("svg", "log.push(e.namespaceURI)"), "<svg>", "<svg>"),
    # End tags
    "onEndTag": (
        on("p", f"e.onEndTag((t) => {{ log.push(t.name); t.before('<').after('<u>', {HTML}).after('>'); }})"),
        "<p>x</P>y",
        "<p>x&lt;</P>&gt;<u>y",
    ),
    "onEndTag and the element's": (
        on("p", "e.append('1').after('4').onEndTag((t) => { t.before('2').after('3'); })"),
        "<p>x</p>y",
        "<p>x12</p>34y",
    ),
    "onEndTag remove": (on("p", "e.onEndTag((t) => { t.remove().before('.'); })"), "<p>x</p>y", "<p>x.y"),
    "onEndTag name": (on("p", "e.onEndTag((t) => { t.name = 'q'; log.push(t.name); })"), "<p>x</p>y", "<p>x</q>y"),
    "the last onEndTag counts": (
        on("p", "e.onEndTag((t) => { t.before('1'); }); e.onEndTag((t) => { t.before('2'); })"),
        "<p>x</p>",
        "<p>x2</p>",
    ),
    "an implied end": (
        on("li", "e.append('.').after('|').onEndTag((t) => { log.push(t.name); t.remove().before(',') })"),
        "<ul><li>a<li>b</li></ul>",
        "<ul><li>a<li>b.,|.,|</ul>",
    ),
    "removed until an implied end": (on("li", "e.remove()"), "<ul><li>a<b>b</b></ul>c", "<ul></ul>c"),
    "the end of the document": (
        on("p", "e.append('.').after('|').onEndTag(() => { log.push('never') })")
        + "rewriter.onDocument({ end(e) { e.append('!') } });",
        "<p>a<p>b",
        "<p>a<p>b.|.|!",
    ),
    "removed until the end of the document": (on("p", "e.remove()"), "a<p>b<!-- c", "a"),
    # Within what is removed
    "within what is removed": (
        on("p", "e.remove()")
        + on("b", "log.push(e.tagName); e.before('no').after('no')")
        + on("b", "log.push(e.text); e.replace('no')", "text"),
        "1<p>2<b>3</b>4</p>5",
        "15",
    ),
    "removed within removed": (on("p", "e.remove()") + on("b", "e.remove()"), "1<p>2<b>3</b>4</p>5<b>6</b>7", "157"),
    # Text
    "text": (
        on("p", "log.push([e.text, e.lastInTextNode])", "text"),
        "a<p>é&amp;<b>c</b></p>d",
        "a<p>é&amp;<b>c</b></p>d",
    ),
    "text before, after": (
        on("p", "if (e.text) e.before('<').after('1').after('2')", "text"),
        "<p>x</p>",
        "<p>&lt;x21</p>",
    ),
    "text replace": (
        on("p", f"if (e.text) e.replace('<i>', {HTML}); log.push(e.removed)", "text"),
        "<p>x</p>",
        "<p><i></p>",
    ),
    "text remove": (on("p", "e.remove()", "text"), "<p>x<b>y</b></p>z", "<p><b></b></p>z"),
    "the end of a text": (
        on("p", "if (e.lastInTextNode) e.before('1').after('2')", "text"),
        "<p>x<b>y</b></p>z",
        "<p>x12<b>y12</b></p>z",
    ),
    "text of the document": (
        "rewriter.onDocument({ text(t) { if (t.lastInTextNode) t.after('$'); } });",
        "a<p>b</p><!-- -->c",
        "a$<p>b$</p><!-- -->c$",
    ),
    "text replaced at its end": (
        "rewriter.onDocument({ text(t) { t.replace(t.lastInTextNode ? '!' : ''); } });",
        "a<p>b",
        "!<p>!",
    ),
    "script text": (
        on("script", "if (e.text) e.replace('a<b', { html: true })", "text"),
        "<script>x</script>",
        "<script>a<b</script>",
    ),
    # Comments
    "comment": (
        on("p", "log.push(e.text); e.text += '!'", "comments"),
        "<!--a--><p><!--b--><?c></p>",
        "<!--a--><p><!--b!--><!--?c!--></p>",
    ),
    "comment before, after": (
        on("p", "e.before('<').after('>')", "comments"),
        "<p><!--b--></p>",
        "<p>&lt;<!--b-->&gt;</p>",
    ),
    "comment replace": (on("p", "e.replace('&')", "comments"), "<p><!--b--></p>", "<p>&amp;</p>"),
    "comment remove": (
        "rewriter.onDocument({ comments(c) { c.remove(); log.push(c.removed); } });",
        "a<!--b-->c",
        "ac",
    ),
    # The document
    "doctype": (
        "rewriter.onDocument({ doctype(d) { log.push(d.name, d.publicId, d.systemId); } });",
        "<!DOCTYPE Html PUBLIC 'a' 'b'>",
        "<!DOCTYPE Html PUBLIC 'a' 'b'>",
    ),
    "end": (f"rewriter.onDocument({{ end(e) {{ e.append('<').append('<i>', {HTML}); }} }});", "a", "a&lt;<i>"),
    "end of nothing": ("rewriter.onDocument({ end(e) { e.append('x'); } });", "", "x"),
    # Several handlers
    "several handlers": (
        on("p", "e.setAttribute('a', e.getAttribute('a') + 1); log.push(1)")
        + on(".x", "e.setAttribute('a', e.getAttribute('a') + 2); log.push(2)")
        + on("*", "log.push(3); e.before(String(e.removed)).remove()"),
        "<p class=x a=0>y</p>",
        "false",
    ),
    "handlers of the document come last, as on Workers": (
        "rewriter.onDocument({ text(t) { log.push(3); }, comments(c) { log.push(4); c.before('d'); c.after('D'); } });"
        + on("p", "log.push(1)", "text")
        + on("p", "log.push(2); e.before('e'); e.after('E')", "comments"),
        "<p>x<!-- --></p>",
        "<p>xed<!-- -->DE</p>",
    ),
    "the ends of the document are handled from the last to the first": (
        "for (const n of [1, 2, 3]) rewriter.onDocument({ end(e) { log.push(n); e.append(`<${n}>`, { html: true }); } });",
        "x",
        "x<3><2><1>",
    ),
    "once for a list": (
        on("p, .x, *", "log.push(1)") + on("p, p", "log.push(2)", "text"),
        "<p class=x>y</p>",
        "<p class=x>y</p>",
    ),
    "nested": (on("b", "log.push(e.text)", "text"), "<b>1<b>2</b>3</b>4", "<b>1<b>2</b>3</b>4"),
    "this": (
        "rewriter.on('p', new (class { n = 5; element(e) { e.before(this.n); } })());",
        "<p>",
        "5<p>",
    ),
    # Asynchronous handlers
    "async": (
        on("p", "return (async () => { e.before('1'); await null; e.before(await Promise.resolve('2')); })()")
        + on("p", "log.push(1); return { then(f) { log.push(2); f(); } }", "text")
        + "rewriter.onDocument({ async end(e) { await new Promise((f) => setTimeout(f, 5)); e.append('!'); } });",
        "a<p>b",
        "a12<p>b!",
    ),
    "async end tag": (on("p", "e.onEndTag(async (t) => { await null; t.before('.'); })"), "<p>x</p>", "<p>x.</p>"),
    # Streams as content
    "a response as content": (
        on("p", f"e.before(new Response('<é&')).replace(new Response('<i>'), {HTML}); e.after(new Response())"),
        "1<p>2</p>3",
        "1&lt;é&amp;<i>3",
    ),
    "a stream as content": (
        "const make = () => new ReadableStream({ n: 3, async pull(c) { await null; if (this.n-- === 0) c.close(); "
        "else c.enqueue(new TextEncoder().encode('<' + this.n)); } });"
        + on(
            "p",
            f"e.prepend('(').prepend(make()).append(make(), {HTML}).append(')'); e.onEndTag((t) => {{ t.after(make()); }})",
        ),
        "1<p>2</p>3",
        "1<p>&lt;2&lt;1&lt;0(2<2<1<0)</p>&lt;2&lt;1&lt;03",
    ),
}
LOGGED: dict[str, list[Any]] = {
    "removed": [False, True],
    "tagName": ["p", "DIV"],
    "getAttribute": ["&lt;é", "", None, True, False],
    "attributes": ["a", "1", "b", "", "c", "3"],
    "namespaceURI": ["http://www.w3.org/2000/svg"],
    "onEndTag": ["p"],
    "onEndTag name": ["q"],
    "an implied end": ["li", "li"],
    "within what is removed": ["b", "3", ""],
    "text": [["é&amp;", False], ["", True], ["c", False], ["", True]],
    "text replace": [True, False],
    "comment": ["b", "?c"],
    "comment remove": [True],
    "doctype": ["html", "a", "b"],
    "several handlers": [1, 2, 3],
    "handlers of the document come last, as on Workers": [1, 3, 1, 3, 2, 4],
    "the ends of the document are handled from the last to the first": [3, 2, 1],
    "once for a list": [1, 2, 2],
    "nested": ["1", "", "2", "", "3", ""],
    "async": [1, 2, 1, 2],
}


@pytest.mark.parametrize("name", CASES)
def test_rewriting(bench: Bench, name: str) -> None:
    setup, document, expected = CASES[name]
    output, log = rewrite(bench, document, setup)
    assert output.decode() == expected
    assert log == LOGGED.get(name, [])
    assert rewrite(bench, document, setup, range(len(document)))[0].decode() == expected


ERRORS = {
    "e.tagName = ''": "Failed to set 'tagName' on 'Element': '' is no name of a tag.",
    "e.tagName = 'a b'": "Failed to set 'tagName' on 'Element': 'a b' is no name of a tag.",
    "e.tagName = '1'": "Failed to set 'tagName' on 'Element': '1' is no name of a tag.",
    "e.setAttribute('', 'x')": "Failed to execute 'setAttribute' on 'Element': '' is no name of an attribute.",
    "e.setAttribute('a=', 'x')": "Failed to execute 'setAttribute' on 'Element': 'a=' is no name of an attribute.",
    "e.setAttribute('a')": "Failed to execute 'setAttribute' on 'Element': 2 arguments required, but only 1 present.",
    "e.before()": "Failed to execute 'before' on 'Element': 1 argument required, but only 0 present.",
    "e.append(Symbol())": "Failed to execute 'append' on 'Element': Cannot convert a Symbol value to a string.",
    "e.after('', 1)": "Failed to execute 'after' on 'Element': The value cannot be converted to ContentOptions: it is not an object.",
    "e.onEndTag({})": "Failed to execute 'onEndTag' on 'Element': Argument 1: The value is not a function.",
    "const r = new Response('x'); r.text(); e.replace(r)": "Failed to execute 'replace' on 'Element': "
    "The response's body has been used already or is locked.",
    "const { body } = new Response('x'); body.getReader(); e.replace(body)": "Failed to execute 'replace' on 'Element': "
    "The stream is locked or was read from already.",
    "new e.constructor()": "Illegal constructor",
}


@pytest.mark.parametrize("code", ERRORS)
def test_errors(bench: Bench, code: str) -> None:
    setup = on("p", f"try {{ {code} }} catch (x) {{ log.push(x.name, x.message) }}")
    assert rewrite(bench, "<p>", setup) == (b"<p>", ["TypeError", ERRORS[code]])


def test_elements_without_content_have_no_end_tag(bench: Bench) -> None:
    setup = on("br", "try { e.onEndTag(() => 0) } catch (x) { log.push(x.name, x.message) }")
    assert rewrite(bench, "<br>", setup)[1] == [
        "TypeError",
        "Failed to execute 'onEndTag' on 'Element': <br> has no content and so no end tag.",
    ]


@pytest.mark.parametrize("text", ["-->", "a--!>b", ">", "->x"])
def test_a_comment_cannot_be_ended_by_its_text(bench: Bench, text: str) -> None:
    setup = on("p", f"try {{ e.text = '{text}' }} catch (x) {{ log.push(x.message) }}", "comments")
    output, log = rewrite(bench, "<p><!--a-->", setup)
    assert output == b"<p><!--a-->"
    assert log == ["Failed to set 'text' on 'Comment': The text would end the comment."]


USES = [
    *("element.tagName", "element.tagName = 'x'", "element.attributes", "element.namespaceURI", "element.removed"),
    *(
        "element.getAttribute('a')",
        "element.setAttribute('a', 'b')",
        "element.removeAttribute('a')",
        "element.hasAttribute('a')",
    ),
    *(f"element.{m}('x')" for m in ("before", "after", "prepend", "append", "replace", "setInnerContent")),
    *("element.remove()", "element.removeAndKeepContent()", "element.onEndTag(() => 0)", "iterator.next()"),
    *(
        "text.text",
        "text.lastInTextNode",
        "text.removed",
        "text.before('')",
        "text.after('')",
        "text.replace('')",
        "text.remove()",
    ),
    *("comments.text", "comments.text = ''", "comments.removed", "comments.before('')", "comments.after('')"),
    *(
        "comments.replace('')",
        "comments.remove()",
        "doctype.name",
        "doctype.publicId",
        "doctype.systemId",
        "end.append('')",
    ),
    *("tag.name", "tag.name = 'x'", "tag.before('')", "tag.after('')", "tag.remove()"),
]


def test_what_is_kept_beyond_its_handler_throws(run_js: Callable[[str], Any]) -> None:
    uses = ", ".join(f"() => {use}" for use in USES)
    errors = run_js(f"""
        let element, iterator, text, comments, doctype, end, tag;
        const rewriter = new HTMLRewriter()
          .on("p", {{
            async element(e) {{ element = e; await null; e.tagName; iterator = e.attributes; e.onEndTag((t) => {{ tag = t; }}); }},
            text(t) {{ text = t; }}, comments(c) {{ comments = c; }},
          }})
          .onDocument({{ doctype(d) {{ doctype = d; }}, end(e) {{ end = e; }} }});
        await rewriter.transform(new Response("<!doctype html><p a>x<!-- --></p>")).text();
        return [{uses}].map((use) => {{ try {{ use(); }} catch (e) {{ return `${{e.name}}: ${{e.message}}`; }} }});
    """)
    message = (
        "TypeError: This content token is no longer valid. "
        "Content tokens are only valid during the execution of the relevant content handler."
    )
    assert dict(zip(USES, errors, strict=True)) == dict.fromkeys(USES, message)


def test_each_handler_has_its_own_object_for_the_same_element(run_js: Callable[[str], Any]) -> None:
    assert (
        run_js("""
        let kept;
        const rewriter = new HTMLRewriter()
          .on("p", { element(e) { kept = e; e.setAttribute("a", 1); } })
          .on("p", { element(e) { let error; try { kept.tagName } catch (x) { error = x.name }
                                  e.before([e === kept, error, e.getAttribute("a")]); } });
        return await rewriter.transform(new Response("<p>")).text();
    """)
        == 'false,TypeError,1<p a="1">'
    )


def test_the_response(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        const original = new Response("<p>", { status: 404, statusText: "Gone", headers: [
          ["Content-Length", "3"], ["Content-Type", "text/html"], ["Set-Cookie", "a=b"], ["Set-Cookie", "c=d"], ["X-Y", "z"]] });
        const response = new HTMLRewriter().on("p", { element(e) { e.append("x"); } }).transform(original);
        response.headers.set("x-new", "1");
        return [response instanceof Response, response === original, response.status, response.statusText, [...response.headers],
                original.bodyUsed, response.bodyUsed, await response.text(), response.bodyUsed, original.headers.get("x-new")];
    """) == [
        *(True, False, 404, "Gone"),
        [["content-type", "text/html"], ["set-cookie", "a=b"], ["set-cookie", "c=d"], ["x-new", "1"], ["x-y", "z"]],
        *(True, False, "<p>x", True, None),
    ]


def test_a_response_without_body_is_left_alone(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        const response = new Response(null, { status: 204 });
        const rewriter = new HTMLRewriter().onDocument({ end(e) { throw 1; } });
        return [rewriter.transform(response) === response, await response.text()];
    """) == [True, ""]


def test_what_transform_refuses(run_js: Callable[[str], Any]) -> None:
    assert (
        run_js("""
        const used = new Response("x"), locked = new Response("x");
        used.text();
        locked.body.getReader();
        const r = new HTMLRewriter();
        const uses = [() => HTMLRewriter(), () => r.transform(), () => r.transform("x"), () => r.transform(new Request("http://x")),
          () => r.transform(used), () => r.transform(locked), () => r.on("a"), () => r.on("a", null), () => r.on("a", { element: 1 }),
          () => r.onDocument(), () => r.onDocument({ end: {} }), () => r.on.call({}, "a", {})];
        return uses.map((use) => { try { use(); } catch (e) { return e.name; } });
    """)
        == ["TypeError"] * 12
    )


def test_a_rewriter_transforms_several_responses_at_once(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        const rewriter = new HTMLRewriter().on("p > b, b", { async element(e) { await null; e.append("!"); } });
        const responses = ["1", "2", "3"].map((n) => rewriter.transform(new Response(`<p><b>${n}</b></p>`)));
        rewriter.on("p", { element(e) { throw 1; } }); // too late for those
        return await Promise.all(responses.map((r) => r.text()));
    """) == [f"<p><b>{n}!</b></p>" for n in "123"]


def test_transformed_again(run_js: Callable[[str], Any]) -> None:
    assert (
        run_js("""
        const add = (text) => new HTMLRewriter().on("p", { element(e) { e.append(text); } });
        return await add("2").transform(add("1").transform(new Response("<p>é</p>"))).text();
    """)
        == "<p>é12</p>"
    )


def test_chunks_are_rewritten_as_they_arrive_and_only_when_wanted(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        const log = [];
        let n = 0;
        const source = new ReadableStream({
          pull(c) { log.push("pull " + ++n); c.enqueue(new TextEncoder().encode(`<p>${n}</p><`)); },
          cancel(reason) { log.push("cancel " + reason); },
        }, { highWaterMark: 0 });
        const rewriter = new HTMLRewriter().on("p", { text(t) { log.push("text " + t.text); } });
        const reader = rewriter.transform(new Response(source)).body.getReader();
        const read = async () => log.push(new TextDecoder().decode((await reader.read()).value));
        await new Promise((f) => setTimeout(f, 1));
        log.push("read");
        await read();
        await read();
        await new Promise((f) => setTimeout(f, 1));
        await reader.cancel("enough");
        return log;
    """) == [
        *("read", "pull 1", "text 1", "text ", "<p>1</p>", "pull 2", "text 2", "text ", "<<p>2</p>", "cancel enough"),
    ]


def test_a_large_chunk_is_rewritten_in_pieces(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        let seen = 0;
        const rewriter = new HTMLRewriter().on("p", { element(e) { seen++; } });
        const reader = rewriter.transform(new Response("<p>".repeat(100000))).body.getReader();
        const { value } = await reader.read();
        const first = seen;
        let size = value.length;
        for (;;) {
          const { value, done } = await reader.read();
          if (done) return [first < 30000, seen, size];
          size += value.length;
        }
    """) == [True, 100000, 300000]


@pytest.mark.parametrize(
    "handlers",
    [
        '.on("p", { element(e) { throw new RangeError("bad"); } })',
        '.on("p", { async element(e) { await null; throw new RangeError("bad"); } })',
        '.on("p", { text(t) { throw new RangeError("bad"); } })',
        '.on("p", { element(e) { e.onEndTag(() => { throw new RangeError("bad"); }); } })',
        '.onDocument({ end(e) { throw new RangeError("bad"); } })',
        '.on("p", { element(e) { e.append(new ReadableStream({ pull() { throw new RangeError("bad"); } })); } })',
    ],
)
def test_an_exception_breaks_the_body_off(run_js: Callable[[str], Any], handlers: str) -> None:
    assert run_js(
        f"const rewriter = new HTMLRewriter(){handlers};"
        + """
        let n = 0;
        const source = new ReadableStream({
          pull(c) { if (n++ === 3) c.close(); else c.enqueue(new TextEncoder().encode(["<i>", "<p>x</p>", "<b>"][n - 1])); },
        }, { highWaterMark: 0 });
        const reader = rewriter.transform(new Response(source)).body.getReader();
        const first = (await reader.read()).value.length;
        try { for (let i = 0; i < 9; i++) await reader.read(); } catch (e) { return [first, e.name, e.message]; }
    """
    ) == [3, "RangeError", "bad"]


def test_an_exception_cancels_the_source(run_js: Callable[[str], Any]) -> None:
    assert (
        run_js("""
        let cancelled;
        const source = new ReadableStream({
          pull(c) { c.enqueue(new TextEncoder().encode("<p>")); }, cancel(reason) { cancelled = reason.message; } });
        const response = new HTMLRewriter().on("p", { element(e) { throw new Error("bad"); } }).transform(new Response(source));
        await response.text().catch(() => 0);
        return cancelled;
    """)
        == "bad"
    )


def test_an_error_of_the_source_arrives(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        const broken = new ReadableStream({ pull(c) { c.error(new Error("broken")); } });
        const strings = new ReadableStream({ pull(c) { c.enqueue("text"); } });
        return await Promise.all([broken, strings].map((s) =>
          new HTMLRewriter().transform(new Response(s)).text().catch((e) => e.message)));
    """) == ["broken", "The stream of a body gave a chunk that is no Uint8Array."]


@pytest.mark.parametrize(
    ("content_type", "document", "expected_type"),
    [
        ("text/html; charset=windows-1252", "caf\u00e9 <p>\u20ac</p>".encode("cp1252"), "text/html;charset=utf-8"),
        ("text/html;charset=Shift_JIS;x=y", "caf <p>日本</p>".encode("shift-jis"), "text/html;charset=utf-8;x=y"),
        ("text/html;charset=utf-16le", "caf\u00e9 <p>日</p>".encode("utf-16-le"), "text/html;charset=utf-8"),
        ("text/html; charset=UTF-8", "caf\u00e9 <p>日</p>".encode(), "text/html; charset=UTF-8"),
        ("text/html; charset=latin2!", "caf\u00e9 <p>日</p>".encode(), "text/html; charset=latin2!"),
        ("text/html", "caf\u00e9 <p>日</p>".encode(), "text/html"),
    ],
)
def test_encodings(run_js: Callable[[str], Any], content_type: str, document: bytes, expected_type: str) -> None:
    encoding = next((c for c in ("windows-1252", "shift_jis", "utf-16le") if c in content_type.lower()), "utf-8")
    text = document.decode({"windows-1252": "cp1252", "utf-16le": "utf-16-le"}.get(encoding, encoding))
    assert run_js(f"""
        const pieces = {[[byte] for byte in document]};
        const source = new ReadableStream({{ pull(c) {{
          if (pieces.length === 0) c.close(); else c.enqueue(new Uint8Array(pieces.shift())); }} }});
        const seen = [];
        const response = new HTMLRewriter().on("p", {{ text(t) {{ seen.push(t.text); }}, element(e) {{ e.append("ß"); }} }})
          .transform(new Response(source, {{ headers: {{ "content-type": "{content_type}" }} }}));
        return [response.headers.get("content-type"), await response.text(), seen.join("")];
    """) == [expected_type, text.replace("</p>", "ß</p>"), text.split("<p>")[1].split("<")[0]]


def test_shape(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
        HTMLRewriter;
        const d = Object.getOwnPropertyDescriptor(globalThis, "HTMLRewriter");
        const names = (o) => Object.getOwnPropertyNames(o).sort();
        const shapes = {};
        const note = (token) => { const p = Object.getPrototypeOf(token);
          shapes[Object.prototype.toString.call(token)] = names(p).filter((n) => n !== "constructor").join(" "); };
        await new HTMLRewriter().on("p", { element(e) { note(e); e.onEndTag((t) => note(t)); }, text: note, comments: note })
          .onDocument({ doctype: note, end: note }).transform(new Response("<!doctype html><p>a<!-- --></p>")).text();
        return [d.enumerable, d.writable, HTMLRewriter.length, names(HTMLRewriter.prototype), String(new HTMLRewriter()), shapes];
    """) == [
        *(False, True, 0),
        ["constructor", "on", "onDocument", "transform"],
        "[object HTMLRewriter]",
        {
            "[object Element]": "after append attributes before getAttribute hasAttribute namespaceURI onEndTag prepend remove "
            "removeAndKeepContent removeAttribute removed replace setAttribute setInnerContent tagName",
            "[object EndTag]": "after before name remove",
            "[object Text]": "after before lastInTextNode remove removed replace text",
            "[object Comment]": "after before remove removed replace text",
            "[object Doctype]": "name publicId systemId",
            "[object DocumentEnd]": "append",
        },
    ]
