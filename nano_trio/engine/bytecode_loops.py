"""``for await`` as ECMA-262 has it: who leaves such a loop waits for what its iterator does at the end.

Theory of operation
-------------------
The engine's parser makes of ``break``, ``return`` and exceptions in a ``for await`` what it makes of them in any
``for of``: a plain call of the iterator's ``return``, whose promise nobody awaits (AsyncIteratorClose, ECMA-262
7.4.13, steps 4 to 8). What comes behind the loop so runs before a generator's ``finally`` is done, and what is thrown
there is an unhandled rejection. It calls ``return`` also where the iterator has come to its own end, which nothing does
elsewhere. So functions that have such loops are changed when they have been compiled
(:mod:`nano_trio.engine.bytecode_mends`).

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

Which ``iterator_close`` is whose, the handlers say that are on the stack there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import quickjs

from nano_trio.engine.bytecode_format import UnknownBytecode
from nano_trio.engine.bytecode_functions import Function, functions_of, value_at
from nano_trio.engine.bytecode_instructions import (
    Handlers,
    Instruction,
    Operation,
    read_instructions,
)
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["PROOF", "SAID", "awaiting", "has_loops", "may_await"]

_ASYNC = (2, 3)
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
PROOF = """
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
SAID = "1,2,b,(,),c,c,(,),c,d,(,),e,(,),f,(,),1,1,2,g,g,(,),end"


@enters
def may_await(code: bytes) -> bool:
    """Whether bytecode may have a ``for await``."""
    for begin in range(0, len(code), _PIECE):
        if code.find(_LOOP, begin, begin + _PIECE + len(_LOOP) - 1) >= 0:
            return True
        pause()
    return False


def has_loops(code: bytes, function: Function) -> bool:
    """Whether a function may have a ``for await``."""
    return function.kind in _ASYNC and code.find(_LOOP, *function.code) >= 0


@enters
def awaiting(
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
