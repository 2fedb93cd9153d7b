"""Bytecode is mended piece by piece: between two of them others go on."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable

import pytest
import quickjs

from nano_trio.engine import bytecode_mends, pauses
from nano_trio.engine.bytecode_functions import value_at
from nano_trio.engine.bytecode_instructions import Instruction, Operation, let_go
from nano_trio.engine.bytecode_mends import mended
from nano_trio.engine.native_calls import begins

AGAIN = "function f(y) { for (;;) try { const x = y; g(() => x); throw 1; } catch {} }"


class Pauses:
    """A turnstile that nobody waits at. ``callers``: who was on the way there, of each pause."""

    def __init__(self) -> None:
        self.callers: list[set[str]] = []

    def pause(self) -> None:
        frame, names = sys._getframe(1), set[str]()
        while frame.f_back is not None and frame.f_code is not begun.__code__:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        self.callers.append(names)


@begins
def begun(turnstile: Pauses, work: Callable[[bytes, Callable[[bytes], int]], bytes], code: bytes) -> bytes:
    return work(code, value_at)


@pytest.fixture
def due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "_due_ns", 0)


def compiled(source: str) -> bytes:
    code: bytes = quickjs.Context().compile(source, "a.js").write_object()
    return code


def test_others_go_on_between_small_functions(due: None) -> None:
    turnstile, code = Pauses(), compiled(AGAIN * 100)
    assert begun(turnstile, mended, code) != code
    assert len(turnstile.callers) >= 100


def test_others_go_on_in_the_midst_of_a_proof(due: None) -> None:
    turnstile, code = Pauses(), compiled(AGAIN)
    bytecode_mends._is_proved.cache_clear()
    assert begun(turnstile, mended, code) != code
    assert sum("_is_proved" in names for names in turnstile.callers) >= 3


def test_many_instructions_are_forgotten_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    instructions = [Instruction(Operation.UNDEFINED) for _ in range(5000)]
    left = [len(instructions)]

    def look() -> int:
        left.append(len(instructions))
        return 0

    monkeypatch.setattr(pauses, "_clock", look)
    let_go(instructions)
    assert instructions == []
    assert max(before - after for before, after in itertools.pairwise([*left, 0])) < 1000
