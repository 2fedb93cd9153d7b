"""HTMLRewriter: which elements a selector selects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .harness import Bench
from .html_documents import rewrite


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.context = None
    bench.close()


def matches(bench: Bench, selector: str, document: str) -> str:
    """The `n` attributes of the elements that match, in the order of the document."""
    setup = f"rewriter.on({json.dumps(selector)}, {{ element(e) {{ log.push(e.getAttribute('n')); }} }})"
    return "".join(rewrite(bench, document, setup)[1])


DOCUMENT = """
<body n=A><DIV n=B id=One class='x  y-z' Lang=en-US>
<p n=C class="X">1</p><p n=D class=x>2<b n=E>3</b></p><i n=F></i><p n=G data-é=ü>4</p>
</div><ul n=H title="one two"><li n=I><li n=J type=TEXT></ul><img n=K src=a.png alt=""><a:b n=L class="1 é"></a:b>
<svg n=M type=TEXT><linearGradient n=N /><rect n=O /></svg></body>
"""
SELECTED = {
    "*": "ABCDEFGHIJKLMNO",
    "p": "CDG",
    "P": "CDG",
    "div": "B",
    "lineargradient": "N",
    "a\\:b": "L",
    "p, b ,img": "CDEGK",
    "p, p": "CDG",
    ".x": "BD",
    ".X": "C",
    ".y-z.x": "B",
    ".y": "",
    ".\\31": "L",
    ".\\31 .é": "L",
    ".\\E9": "L",
    "#One": "B",
    "#one": "",
    "div#One.x[lang]": "B",
    "[id]": "B",
    "[ID]": "B",
    "[ data-é ]": "G",
    "[data-é=ü]": "G",
    "[title]": "H",
    "[title='one two']": "H",
    '[title="one"]': "",
    "[title~=two]": "H",
    "[title~='one two']": "",
    "[title^='one t']": "H",
    "[title^='']": "",
    "[title$=wo]": "H",
    "[title*='e t']": "H",
    "[title*='']": "",
    "[alt='']": "K",
    "[lang|=en]": "B",
    "[lang|=e]": "",
    "[lang|='en-US']": "B",
    "[lang=EN-us]": "B",
    "[lang=EN-us s]": "",
    "[title=ONE]": "",
    "[title='ONE TWO' i]": "H",
    "[title='ONE TWO'I]": "H",
    "[title^=ONE i]": "H",
    "[type=text]": "J",
    "[type=text s]": "",
    "[type=TEXT s]": "JM",
    "[type=text i]": "JM",
    "[src$='.png' ]": "K",
    "div p": "CDG",
    "body p b": "E",
    "body > p": "",
    "body>div>p": "CDG",
    "div > p > b": "E",
    "div b": "E",
    "div > b": "",
    "body b, div > i": "EF",
    "* * * b": "E",
    "* > * > * > b": "E",
    "* * * * b": "",
    "p:first-child": "C",
    ":first-child": "ABCEIJN",
    "p:nth-child(2)": "D",
    "p:nth-child(4)": "G",
    "p:nth-of-type(3)": "G",
    "i:first-of-type": "F",
    "div > :nth-child(odd)": "CF",
    "div > :nth-child(EVEN)": "DG",
    "div > :nth-child(2n+1)": "CF",
    "div > :nth-child( 2N - 1 )": "CF",
    "div > :nth-child(n+3)": "FG",
    "div > :nth-child(-n+2)": "CD",
    "div > :nth-child(+3)": "F",
    "div > :nth-child(n)": "CDFG",
    "div > :nth-child(0n+1)": "C",
    "div > :nth-child(-n)": "",
    "p:not(.x)": "CG",
    "p:not(.x, .X)": "G",
    "div > :not(p)": "F",
    "div > :not(:first-child)": "DFG",
    "div p:not([data-é])": "CD",
    "p:not(:not(.x))": "D",
    ":not(*)": "",
    "ul :not(ul)": "IJ",
    "li li": "J",
    " p ": "CDG",
}


@pytest.mark.parametrize("selector", SELECTED)
def test_selected(shared: Bench, selector: str) -> None:
    assert matches(shared, selector, DOCUMENT) == SELECTED[selector]


REFUSED = {
    "": "a selector expected, but it ends at character 1",
    "a,": "a selector expected, but it ends at character 3",
    ",a": "a selector expected instead of ',' at character 1",
    "a + b": "the combinator '+' at character 3",
    "a~b": "the combinator '~' at character 2",
    "a > > b": "a selector expected instead of '>' at character 5",
    "a >": "a selector expected, but it ends at character 4",
    "a:hover": "the pseudo-class ':hover' at character 2",
    "a:last-child": "the pseudo-class ':last-child' at character 2",
    "a:nth-last-child(1)": "the pseudo-class ':nth-last-child()' at character 2",
    "a:has(b)": "the pseudo-class ':has()' at character 2",
    "a:is(b)": "the pseudo-class ':is()' at character 2",
    "a:not": "the pseudo-class ':not' at character 2",
    "a::before": "a pseudo-element at character 2",
    "a:nth-child(x)": "no An+B at character 13",
    "a:nth-child(2": "no An+B at character 13",
    "a:not(b c)": "a combinator within :not() at character 9",
    "a:not(b": "')' expected, but it ends at character 8",
    "a:not()": "a selector expected instead of ')' at character 7",
    "[": "the name of an attribute expected, but it ends at character 2",
    "[a": "']' or an operator expected, but it ends at character 3",
    "[a=": "a value expected, but it ends at character 4",
    "[a=b": "']' expected, but it ends at character 5",
    "[a=b x]": "']' expected instead of 'x' at character 6",
    "[a!=b]": "']' or an operator expected instead of '!' at character 3",
    "[a='b]": "a value expected instead of ''' at character 4",
    "svg|a": "a namespace at character 4",
    "*|a": "a namespace at character 2",
    "[x|a]": "a namespace at character 3",
    "#1": "an id expected instead of '1' at character 2",
    ".": "a class expected, but it ends at character 2",
    "a}": "a combinator or a comma expected instead of '}' at character 2",
    "5": "a selector expected instead of '5' at character 1",
}


@pytest.mark.parametrize("selector", REFUSED)
def test_refused(shared: Bench, selector: str) -> None:
    name, message = shared.run(
        f"try {{ new HTMLRewriter().on({json.dumps(selector)}, {{}}); }} catch (e) {{ return [e.name, e.message]; }}"
    )
    assert name == "TypeError"
    assert message == (
        f"Failed to execute 'on' on 'HTMLRewriter': '{selector}' is no selector that is supported: {REFUSED[selector]}."
    )


# A tree, and selectors by the book: from right to left


@attrs.define(eq=False)
class Node:
    name: str
    attributes: dict[str, str]
    children: list[Node]
    parent: Node | None = None
    number: int = 0


@attrs.define
class Condition:
    text: str
    check: Callable[[Node], bool]


def siblings(node: Node) -> list[Node]:
    return node.parent.children if node.parent else [node]


def nth(step: int, offset: int, of_type: bool) -> Condition:
    def check(node: Node) -> bool:
        alike = [s for s in siblings(node) if not of_type or s.name == node.name]
        position = alike.index(node) + 1
        return any(step * n + offset == position for n in range(100))

    return Condition(f":nth-{'of-type' if of_type else 'child'}({step}n{offset:+d})", check)


names = st.sampled_from(["a", "b", "i"])
words = st.sampled_from(["x", "y", "xy"])
simple = st.one_of(
    words.map(lambda w: Condition(f".{w}", lambda n: w in n.attributes.get("class", "").split())),
    words.map(lambda w: Condition(f"#{w}", lambda n: n.attributes.get("id") == w)),
    words.map(lambda w: Condition(f"[class*={w}]", lambda n: w in n.attributes.get("class", ""))),
    st.just(Condition("[id]", lambda n: "id" in n.attributes)),
    st.builds(nth, st.integers(-2, 3), st.integers(-2, 4), st.booleans()),
)


def conjunction(name: str | None, tests: list[Condition]) -> Condition:
    return Condition(
        (name or "*") + "".join(test.text for test in tests),
        lambda node: (name is None or node.name == name) and all(test.check(node) for test in tests),
    )


plain = st.builds(conjunction, st.none() | names, st.lists(simple, max_size=2))
negation = st.lists(plain, min_size=1, max_size=2).map(
    lambda tests: Condition(f":not({','.join(t.text for t in tests)})", lambda n: not any(t.check(n) for t in tests))
)
compounds = st.builds(conjunction, st.none() | names, st.lists(simple | negation, max_size=2))


def matches_complex(node: Node, parts: list[Condition], combinators: list[str]) -> bool:
    if not parts[-1].check(node):
        return False
    if len(parts) == 1:
        return True
    above = node.parent
    while above is not None:
        if matches_complex(above, parts[:-1], combinators[:-1]):
            return True
        if combinators[-1] == ">":
            return False
        above = above.parent
    return False


@st.composite
def selectors(draw: Any) -> Condition:
    parts = draw(st.lists(compounds, min_size=1, max_size=3))
    combinators = draw(st.lists(st.sampled_from([" ", ">"]), min_size=len(parts) - 1, max_size=len(parts) - 1))
    text = parts[0].text + "".join(c + p.text for c, p in zip(combinators, parts[1:], strict=True))
    return Condition(text, lambda node: matches_complex(node, parts, combinators))


attributes = st.fixed_dictionaries({}, optional={"class": st.sampled_from(["x", "x y", "xy", " y\tx "]), "id": words})
trees = st.recursive(
    st.builds(Node, names, attributes, st.just([])),
    lambda children: st.builds(Node, names, attributes, st.lists(children, max_size=4)),
    max_leaves=15,
)


def render(node: Node, parent: Node | None, nodes: list[Node]) -> str:
    node.parent, node.number = parent, len(nodes)
    nodes.append(node)
    written = "".join(f' {name}="{value}"' for name, value in node.attributes.items())
    inner = "".join(render(child, node, nodes) for child in node.children)
    return f"<{node.name} n={node.number}{written}>{inner}</{node.name}>"


@settings(max_examples=200)
@given(tree=trees, lists=st.lists(st.lists(selectors(), min_size=1, max_size=2), min_size=1, max_size=3))
def test_selection_is_that_of_a_tree_walk(shared: Bench, tree: Node, lists: list[list[Condition]]) -> None:
    nodes: list[Node] = []
    document = render(tree, None, nodes)
    setup = "".join(
        f"rewriter.on({json.dumps(','.join(s.text for s in selected))}, "
        f"{{ element(e) {{ log.push([{index}, +e.getAttribute('n')]); }} }});\n"
        for index, selected in enumerate(lists)
    )
    expected = [
        [index, node.number]
        for node in nodes
        for index, selected in enumerate(lists)
        if any(test.check(node) for test in selected)
    ]
    assert rewrite(shared, document, setup)[1] == expected
