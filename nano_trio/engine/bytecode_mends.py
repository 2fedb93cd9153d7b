"""What the engine compiles otherwise than ECMA-262 has it, mended in the bytecode.

Two things are (:mod:`nano_trio.engine.bytecode_loops`, :mod:`nano_trio.engine.bytecode_blocks`): each puts
instructions between others. Here the functions are found that have any of it; they are taken apart, changed and put
together, with their tables of lines. A function that is not as it is known here, or too long, stays as it is. What the
engine does with the result, a proof of each has shown once in each process.

Code that apps make of text (``eval``, ``new Function``) stays the engine's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from functools import cache

import quickjs

from nano_trio.engine import bytecode_blocks, bytecode_loops
from nano_trio.engine.bytecode_format import UnknownBytecode, encode_number
from nano_trio.engine.bytecode_functions import Function, Place, functions_of, value_at
from nano_trio.engine.bytecode_instructions import (
    Instruction,
    Line,
    assemble,
    encode_lines,
    let_go,
    read_instructions,
    read_lines,
    reckon,
)
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["mended"]

_VERSION = "2025-09-13"
_LONGEST = 128 << 10
"""Bytes of a function's instructions, beyond which it stays as it is: one by one they take some hundred times as much
memory."""


@enters
def mended(code: bytes, value_at: Callable[[bytes], int]) -> bytes:
    """The same bytecode, as it should be. ``value_at``: tells where its value begins."""
    loops, blocks = bytecode_loops.may_await(code), bytecode_blocks.may_have_closures(code)
    if quickjs.quickjs_version != _VERSION:
        return code
    loops = loops and _is_proved(bytecode_loops.PROOF, bytecode_loops.SAID)
    blocks = blocks and _is_proved(bytecode_blocks.PROOF, bytecode_blocks.SAID)
    if not loops and not blocks:
        return code
    try:
        return _changed(code, value_at(code), loops=loops, blocks=blocks)
    except UnknownBytecode:
        return code


@enters
def _changed(code: bytes, at: int, *, loops: bool, blocks: bool) -> bytes:
    """The same with ``for await`` loops mended, and blocks. Raises :class:`UnknownBytecode`."""
    result = bytearray()
    after = 0
    for function in functions_of(code, at):
        pause()
        begin, end = function.code
        if end - begin > _LONGEST:
            continue
        has_loops = loops and bytecode_loops.has_loops(code, function)
        variables = bytecode_blocks.variables_of_blocks(code, function) if blocks else {}
        closes = blocks and bytecode_blocks.may_close(code, function)
        if not has_loops and not variables and not closes:
            continue
        instructions = read_instructions(code[begin:end])
        for (begin, end), new in _changes(code, function, instructions, has_loops, variables, closes):
            result += code[after:begin]
            result += new
            after = end
        let_go(instructions)
    if not result:
        return code
    result += code[after:]
    return bytes(result)


@enters
def _changes(
    code: bytes,
    function: Function,
    instructions: list[Instruction],
    has_loops: bool,
    variables: dict[int, int],
    closes: bool,
) -> list[tuple[Place, bytes]]:
    """What is to stand in a function where something else does. Raises :class:`UnknownBytecode`."""
    changed, loops = instructions, list[tuple[Instruction, Instruction]]()
    if closes:
        changed = bytecode_blocks.goes_on_anew(changed) or changed
    if variables:
        changed = bytecode_blocks.begun_anew(changed, variables) or changed
    if has_loops:
        handlers, deepest = reckon(changed)
        if deepest != function.stack_size:
            raise UnknownBytecode(f"its stack would hold {deepest} values, not {function.stack_size}")
        changed, loops = bytecode_loops.awaiting(changed, handlers)
        if reckon(changed)[1] > deepest:
            # What is put in takes no more than was there: the next result, with the loop's three values, is five.
            raise UnknownBytecode("its stack would be too small")
    if changed is instructions:
        return []
    new, offsets = assemble(changed)
    changes = [(function.code_size, encode_number(len(new))), (function.code, new)]
    if function.lines is not None:
        size, table = function.lines
        moved: dict[int, int] = {}
        for instruction, at in in_pieces(offsets.items()):
            moved[instruction.at] = at
        lines = read_lines(code[slice(*table)])
        # Who is called at an exception is called from where the loop begins.
        after = [(offsets[handler], *lines[bisect_right(lines, loop.at, key=_at) - 1][1:]) for handler, loop in loops]
        for number, (at, line, column) in in_pieces(enumerate(lines)):
            if at not in moved:
                raise UnknownBytecode("a line begins within an instruction")
            lines[number] = moved[at], line, column
        written = encode_lines([*lines, *after])
        changes += [(size, encode_number(len(written))), (table, written)]
    return changes


def _at(line: Line) -> int:
    return line[0]


@cache
@enters
def _is_proved(program: str, said: str) -> bool:
    """Whether a program says that, in an engine of the version that this was written for, when it is mended."""
    context = quickjs.Context()
    pause()
    code = context.compile(program, "a.js").write_object()
    pause()
    try:
        changed = _changed(code, value_at(code), loops=True, blocks=True)
    except UnknownBytecode:
        return False
    pause()
    told = context.eval_function(context.read_object(changed))
    while context.execute_pending_job():
        pass
    context.eval("this").set("told", told)
    return str(context.eval("String(told)")) == said
