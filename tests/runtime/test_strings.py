"""Long strings cross between Python and an isolate as they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime import strings


@pytest.fixture(scope="module")
def context() -> Iterator[quickjs.Context]:
    with quickjs.Runtime() as runtime, runtime.new_context() as context:
        yield context


LENGTHS = [0, 1, 63, 64, 127, 4095, 4096, 8191, 8192, 70000, 2_100_000]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("character", ["a", "\xff", "\u4e00", "\U0001f600"])
def test_to_javascript_and_back(context: quickjs.Context, character: str, length: int) -> None:
    text = character * length
    near = context.eval("[]")
    context.set("boxed", strings.box(text, near))
    assert context.eval("(typeof boxed === 'string' ? boxed : boxed[0]).length") == len(text.encode("utf-16-le")) // 2
    assert strings.unbox(context.eval("typeof boxed === 'string' ? [boxed] : boxed")) == text
    assert strings.unbox(text) == text


@given(st.text(st.characters(codec="utf-8")))
def test_any_string(text: str) -> None:
    with quickjs.Runtime() as runtime, runtime.new_context() as context:
        context.set("text", text)
        assert strings.unbox(context.eval("[text + '']")) == text


def test_character_codes(context: quickjs.Context) -> None:
    assert strings.unbox_bytes(context.eval("['a\\xff']")) == (False, b"a\xff")
    assert strings.unbox_bytes(context.eval("['a\\u4e00']")) == (True, b"a\x00\x00\x4e")
    assert strings.unbox_bytes(context.eval("['\\ud800']")) == (True, b"\x00\xd8")


def test_strings_that_were_put_together(context: quickjs.Context) -> None:
    # Above 8,192 characters the engine keeps them as trees.
    assert strings.unbox(context.eval("['x'.repeat(9000) + '\\u4e00'.repeat(9000)]")) == "x" * 9000 + "\u4e00" * 9000


def test_codes_become_a_string(context: quickjs.Context) -> None:
    codes = bytes(range(256)) * 40
    context.set("boxed", strings.box_latin1(codes, context.eval("[]")))
    assert context.eval("[...boxed[0]].every((c, i) => c.charCodeAt(0) === i % 256)") is True
