"""``for await`` as ECMA-262 has it: who leaves such a loop waits for what its iterator does at the end.

Theory of operation
-------------------
The engine's parser makes of ``break``, ``return`` and exceptions in a ``for await`` what it makes of them in any
``for of``: a plain call of the iterator's ``return``, whose promise nobody awaits (AsyncIteratorClose, ECMA-262
7.4.13, steps 4 to 8). What comes behind the loop so runs before a generator's ``finally`` is done, and what is thrown
there is an unhandled rejection. It calls ``return`` also where the iterator has come to its own end, which nothing does
elsewhere. So code that has such loops is changed when it has been compiled, before it is kept; code that apps make of
text (``eval``, ``new Function``) stays the engine's.

A loop's three values on the stack are the iterator, its ``next``, and a *handler*, a number that says where an
exception goes. The engine's ``iterator_close`` takes them away and closes; the handler of a loop is 0, which has the
engine do the same where an exception passes. What is put in their places, with the stack in brackets:

- Before the body, which begins with the value: a handler of our own. ``nip, catch H, swap``:
  [iterator next 0 value] -> [iterator next H value].
- At the iterator's own end: all four values are dropped, and nothing is closed.
- Where it is left (``break``, ``continue`` of a loop further out): ``return`` is got, called if there is any, and
  awaited; that the result is no object is told after that.
- Where ``return`` leaves it, likewise, below the value that is returned. (In an async generator the engine awaits of
  itself, but looks first whether the promise is an object.)
- At H, behind the function's end, [iterator next exception]: the same, but whatever goes wrong in it is forgotten, and
  the exception goes on.

Which ``iterator_close`` is whose, the handlers say that are on the stack there. A function that is not as it is known
here, or too long, stays as it is. What the engine does with the result, a proof has shown once in each process.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cache

import quickjs

from nano_trio.engine.bytecode_format import UnknownBytecode, encode_number
from nano_trio.engine.bytecode_functions import Function, Place, functions_of, value_at
from nano_trio.engine.bytecode_instructions import (
    Handlers,
    Instruction,
    Line,
    Operation,
    assemble,
    encode_lines,
    read_instructions,
    read_lines,
    reckon,
)
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["awaits_ends"]

_VERSION = "2025-09-13"
_ASYNC = (2, 3)
_LONGEST = 128 << 10
"""Bytes of a function's instructions, beyond which it stays as it is: one by one they take some hundred times as much
memory."""
_PIECE = 1 << 18
"""Bytes that are looked through between two pauses."""

_NEXT = (
    Operation.FOR_AWAIT_OF_NEXT,
    Operation.AWAIT,
    Operation.ITERATOR_GET_VALUE_DONE,
    Operation.IF_FALSE,
    Operation.DROP,
    Operation.ITERATOR_CLOSE,
)
_LOOP = bytes(_NEXT[:3])
"""What every loop has, and little else."""
_RETURN = (Operation.NIP_CATCH, Operation.ROT3R, Operation.UNDEFINED, Operation.ITERATOR_CLOSE)
_RETURN_OF_GENERATOR = (
    Operation.NIP_CATCH,
    Operation.NIP,
    Operation.SWAP,
    Operation.GET_FIELD2,
    Operation.DUP,
    Operation.IS_UNDEFINED_OR_NULL,
    Operation.IF_TRUE,
    Operation.CALL_METHOD,
    Operation.ITERATOR_CHECK_OBJECT,
    Operation.AWAIT,
)
_LONG = {Operation.IF_FALSE8: Operation.IF_FALSE, Operation.IF_TRUE8: Operation.IF_TRUE}

# Of the proof: who comes to its end, and who leaves, in each way.
_PROOF = """
(() => {
  const said = [];
  const many = (name) => ({
    at: 0,
    [Symbol.asyncIterator]() { return this; },
    async next() { return { value: ++this.at, done: this.at > 2 }; },
    async return() { said.push(name, "("); await null; await null; said.push(")"); return {}; },
  });
  const leave = async (name) => { for await (const x of many(name)) if (x > 1) return said.push(name); };
  const leap = async function* (name) {
    for await (const x of many(name)) { yield x; if (x > 1) return said.push(name); }
  };
  (async () => {
    for await (const x of many("a")) said.push(x);
    for await (const x of many("b")) break;
    await leave("c"), said.push("c");
    outer: for (const y of "de") for await (const x of many(y)) continue outer;
    try { for await (const x of many("f")) throw x; } catch (error) { said.push(error); }
    for await (const x of leap("g")) said.push(x);
    said.push("end");
  })().catch((error) => said.push(String(error)));
  return said;
})()
"""
_SAID = "1,2,b,(,),c,c,(,),c,d,(,),e,(,),f,(,),1,1,2,g,g,(,),end"


@enters
def awaits_ends(code: bytes, value_at: Callable[[bytes], int]) -> bytes:
    """The same bytecode, with loops that wait for their iterators' ends. ``value_at``: tells where its value begins."""
    if not _has_loops(code) or not _is_proved():
        return code
    try:
        return _changed(code, value_at(code))
    except UnknownBytecode:
        return code


@enters
def _has_loops(code: bytes) -> bool:
    """Whether bytecode may have a ``for await``."""
    for begin in range(0, len(code), _PIECE):
        if code.find(_LOOP, begin, begin + _PIECE + len(_LOOP) - 1) >= 0:
            return True
        pause()
    return False


@enters
def _changed(code: bytes, at: int) -> bytes:
    """As :func:`awaits_ends`, without a proof. Raises :class:`UnknownBytecode`."""
    parts: list[bytes] = []
    after = 0
    for function in functions_of(code, at):
        begin, end = function.code
        if function.kind not in _ASYNC or end - begin > _LONGEST or code.find(_LOOP, begin, end) < 0:
            continue
        for (begin, end), new in _changes(code, function):
            parts += [code[after:begin], new]
            after = end
    return b"".join([*parts, code[after:]])


@enters
def _changes(code: bytes, function: Function) -> list[tuple[Place, bytes]]:
    """What is to stand in a function where something else does. Raises :class:`UnknownBytecode`."""
    instructions = read_instructions(code[slice(*function.code)])
    handlers, deepest = reckon(instructions)
    if deepest != function.stack_size:
        raise UnknownBytecode(f"its stack would hold {deepest} values, not {function.stack_size}")
    changed, loops = _mended(instructions, handlers)
    if reckon(changed)[1] > deepest:
        # What is put in takes no more than was there: the next result, with the loop's three values, is five.
        raise UnknownBytecode("its stack would be too small")
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


@enters
def _mended(
    instructions: list[Instruction], handlers: dict[Instruction, Handlers]
) -> tuple[list[Instruction], list[tuple[Instruction, Instruction]]]:
    """Those of a function whose loops close as they should; and where they go at an exception, with the loop's start.

    Raises :class:`UnknownBytecode`.
    """
    targets: set[Instruction | None] = set()
    for instruction in in_pieces(instructions):
        targets.add(instruction.target)
    # What is put before and behind an instruction.
    before: dict[Instruction, list[Instruction]] = {}
    behind: dict[Instruction, list[Instruction]] = {}
    end: list[Instruction] = []
    loops: list[tuple[Instruction, Instruction]] = []
    for index, instruction in in_pieces(enumerate(instructions)):
        if instruction.operation == Operation.FOR_AWAIT_OF_NEXT and (around := handlers.get(instruction)) is not None:
            sequence = instructions[index : index + len(_NEXT)]
            if not _is(sequence, _NEXT):
                raise UnknownBytecode("a loop goes on otherwise")
            again, drop = sequence[3:5]
            assert again.target is not None
            handler = _handler()
            end += handler
            loops.append((handler[0], around[0]))
            prologue = [
                Instruction(Operation.NIP),
                Instruction(Operation.CATCH, target=handler[0]),
                Instruction(Operation.SWAP),
            ]
            if again.target in before:
                raise UnknownBytecode("two loops begin at the same place")
            before[again.target] = prologue
            again.target = prologue[0]
            beyond = instructions[index + len(_NEXT)]
            behind[drop] = [*_drops(3), Instruction(Operation.GOTO8, target=beyond)]
        elif instruction.operation == Operation.ITERATOR_CLOSE and instruction in handlers:
            beyond = instructions[index + 1]
            sequence = instructions[max(0, index - 3) : index + 1]
            if not _is(sequence, _RETURN):
                if _awaits(handlers[instruction]):
                    instruction.operation = Operation.DROP
                    behind[instruction] = [*_drops(1), *_close(beyond)]
            elif _awaits(handlers[sequence[0]]):
                if not targets.isdisjoint(sequence[1:]):
                    raise UnknownBytecode("there is a jump into the midst of a return")
                sequence[2].operation = Operation.DROP
                first, *others = _close(beyond)
                instruction.operation, instruction.operand = first.operation, first.operand
                behind[instruction] = others
        elif instruction.operation == Operation.NIP_CATCH and _awaits(handlers.get(instruction)):
            sequence = instructions[index : index + len(_RETURN_OF_GENERATOR)]
            if _is(sequence, _RETURN_OF_GENERATOR):
                check, wait = sequence[-2:]
                check.operation, wait.operation = wait.operation, check.operation
    changed: list[Instruction] = []
    for instruction in in_pieces(instructions):
        changed += [*before.get(instruction, ()), instruction, *behind.get(instruction, ())]
    return changed + end, loops


def _is(instructions: Sequence[Instruction], operations: Sequence[int]) -> bool:
    return [_LONG.get(each.operation, each.operation) for each in instructions] == list(operations)


def _awaits(handlers: Handlers | None) -> bool:
    """Whether the innermost handler is that of a ``for await``."""
    return handlers is not None and handlers[0].operation == Operation.FOR_AWAIT_OF_START


def _drops(count: int) -> list[Instruction]:
    return [Instruction(Operation.DROP) for _ in range(count)]


def _call(absent: Instruction) -> list[Instruction]:
    """[iterator] -> [what its ``return`` comes to]; where there is none, to ``absent`` with [iterator undefined]."""
    return [
        Instruction(Operation.GET_FIELD2, _return_name()),
        Instruction(Operation.DUP),
        Instruction(Operation.IS_UNDEFINED_OR_NULL),
        Instruction(Operation.IF_TRUE8, target=absent),
        Instruction(Operation.CALL_METHOD, bytes(2)),
        Instruction(Operation.AWAIT),
    ]


def _close(beyond: Instruction) -> list[Instruction]:
    """[iterator] -> [], at ``beyond``."""
    absent = _drops(2)
    return [
        *_call(absent[0]),
        Instruction(Operation.ITERATOR_CHECK_OBJECT),
        Instruction(Operation.DROP),
        Instruction(Operation.GOTO8, target=beyond),
        *absent,
    ]


def _handler() -> list[Instruction]:
    """[iterator next exception] -> the exception goes on."""
    absent = [*_drops(3), Instruction(Operation.THROW)]
    failed = [*_drops(1), Instruction(Operation.THROW)]
    return [
        Instruction(Operation.NIP),
        Instruction(Operation.SWAP),
        Instruction(Operation.CATCH, target=failed[0]),
        Instruction(Operation.SWAP),
        *_call(absent[0]),
        *_drops(2),
        Instruction(Operation.THROW),
        *absent,
        *failed,
    ]


@cache
def _return_name() -> bytes:
    """How instructions write the name ``return``, which is built in. Raises :class:`UnknownBytecode`."""
    code = quickjs.Context().compile("(a) => a.return()", "a.js").write_object()
    *_, function = functions_of(code, value_at(code))
    for instruction in read_instructions(code[slice(*function.code)]):
        if instruction.operation == Operation.GET_FIELD2:
            return instruction.operand
    raise UnknownBytecode("a method is got otherwise")


@cache
def _is_proved() -> bool:
    """Whether loops that are changed do what they should, in an engine of the version that this was written for."""
    if quickjs.quickjs_version != _VERSION:
        return False
    context = quickjs.Context()
    code = context.compile(_PROOF, "a.js").write_object()
    try:
        changed = _changed(code, value_at(code))
    except UnknownBytecode:
        return False
    said = context.eval_function(context.read_object(changed))
    while context.execute_pending_job():
        pass
    return [str(each) for each in said.to_python()] == _SAID.split(",")
