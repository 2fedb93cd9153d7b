"""Texts that cross between the host and JavaScript: those in ASCII by C of ours, all others by the engine."""

from __future__ import annotations

import pytest
import quickjs

from tests.engine.failing import Failing

from .contexts import context_of

MOST = 1 << 20
"""Characters of a text that is made by ours."""


@pytest.mark.parametrize("length", [*range(1, 75), MOST, MOST + 1])
def test_they_are_the_same_on_either_side(length: int) -> None:
    """Wherever the one character stands that is not ASCII: octets are looked at eight and thirty-two at a time."""
    context = context_of(quickjs.Runtime())
    echo = context.eval("(text) => text")
    code_at = context.eval("(text, at) => text.length + ' ' + text.charCodeAt(at)")
    for other in ("x", "\0", "\x7f", "\x80", "\xff", "\u0100", "\uffff"):
        for at in {0, length // 2, length - 1}:
            text = "a" * at + other + "b" * (length - at - 1)
            assert echo(text) == text
            assert code_at(text, at) == f"{length} {ord(other)}"


def test_they_are_names_and_parts_of_others() -> None:
    context = context_of(quickjs.Runtime())
    named = context.eval(
        "(name, value) => { const made = { [name]: value, [`${name}-${value}`]: 1 }; return JSON.stringify(made) }"
    )
    for name in (
        "",
        "0",
        "12",
        "a",
        "length",
        "__proto__",
        "a long name, and longer than sixty-four octets, which is no atom yet",
    ):
        assert named(name, "value") == f'{{"{name}":"value","{name}-value":1}}'


def test_what_crossed_is_let_go_of_and_where_there_is_no_memory_an_error_says_so() -> None:
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    echo = context_of(runtime).eval("(text) => text")
    text = "a text in ASCII" * 20
    echo(text)
    before = failing.state.count
    for _ in range(3):
        assert echo(text) == text
        assert failing.outcome(1, lambda: echo(text)) == "InternalError: out of memory"
        assert echo(text) == text
    assert failing.state.count - before < 8  # what the first error of a context makes stays
