from __future__ import annotations

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.engine.errors import render_error


def test_frames_have_function_file_line_and_column() -> None:
    stack = "    at inner (./lib/x.js:3:7)\n    at <anonymous> (./index.js:10:2)\n    at ./index.js:12:1\n"
    assert [(f.function, f.place) for f in render_error("Error", stack).frames] == [
        ("inner", "lib/x.js:3:7"),
        ("<anonymous>", "index.js:10:2"),
        ("", "index.js:12:1"),
    ]


def test_our_own_and_native_frames_are_left_out() -> None:
    stack = "    at map (native)\n    at fromHost\n    at touch (nano:bootstrap.js:3:1)\n    at <anonymous> (./nano:import:1:1)\n    at f (./a.js:1:2)\n"
    assert [f.place for f in render_error("Error", stack).frames] == ["a.js:1:2"]


def test_what_the_error_says_is_left_out_of_its_stack() -> None:
    for text in ("Error", "TypeError: no\nway", ""):
        error = render_error(text, f"{text}\n    at f (./a.js:1:2)")
        assert (error.text, error.trace, [f.place for f in error.frames]) == (text, "    at f (a.js:1:2)", ["a.js:1:2"])
    assert render_error("Error: no", "Error: no").trace == ""
    # What does not say the same stays, and the error its place.
    error = render_error("Error: no", "Error: node\n    at f (./a.js:1:2)")
    assert str(error) == "a.js:1:2: Error: no\nError: node\n    at f (a.js:1:2)"


def test_an_error_shows_its_line_with_a_caret() -> None:
    error = render_error("TypeError: no", "    at f (./a.js:2:9)\n", lambda file: "one\n\tconst x = y;\nthree")
    assert str(error) == ("a.js:2:9: TypeError: no\n    \tconst x = y;\n    \t       ^\n    at f (a.js:2:9)")


def test_recursion_is_folded() -> None:
    error = render_error("E", "    at f (./a.js:1:1)\n" * 900 + "    at g (./a.js:2:1)\n")
    assert error.trace.splitlines() == ["    at f (a.js:1:1)", "    … 899 times more", "    at g (a.js:2:1)"]


def test_causes_follow_with_their_stacks() -> None:
    error = render_error(
        "Error: a", "    at f (./a.js:2:9)\n    at g (nano:x.js:1:1)\n[cause] Error: b\n    at h (./b.js:1:1)\n"
    )
    assert [f.place for f in error.frames] == ["a.js:2:9"]
    assert error.trace == "    at f (a.js:2:9)\n[cause] Error: b\n    at h (b.js:1:1)"


def test_a_syntax_error_of_the_engine_has_its_place() -> None:
    source = "let a = 1;\nlet x ="
    try:
        quickjs.Context().eval(source, "./a.js")
    except quickjs.JSError as error:
        rendered = render_error(str(error), error.js_stack, {"a.js": source}.get)
    assert rendered.frames[0].place == "a.js:2:8"
    assert "    let x =\n           ^" in str(rendered)


def test_of_a_very_long_line_only_the_part_around_the_place_is_shown() -> None:
    line = "x" * 5000 + "HERE" + "y" * 5000
    error = render_error("Error: e", "    at f (./a.js:1:5001)\n", lambda file: line)
    first, caret = error.excerpt.split("\n")
    assert len(first) < 140
    assert first[caret.index("^") :].startswith("HERE")


@given(st.text(), st.text())
def test_no_stack_and_no_source_makes_it_raise(stack: str, source: str) -> None:
    assert render_error("Error: e", stack, lambda file: source).text == "Error: e"
    assert (
        render_error("Error: e", f"    at f (./a.js:3:{len(stack)})\n{stack}", lambda file: source).text == "Error: e"
    )


def test_code_that_breaks_off_is_said_to() -> None:
    context = quickjs.Runtime().new_context()
    with pytest.raises(quickjs.JSError) as caught:
        context.eval("f(", "./a.js", module=True)
    assert render_error(str(caught.value), "").text == "SyntaxError: unexpected end of the code"
