"""Blocks and loops have new variables each time, also behind an exception or ``continue`` (ECMA-262 14.2.2, 14.7.4.3).

Theory of operation
-------------------
The engine keeps a function's variables in its frame, and a closure refers to the place there; who leaves a block takes
its variables out of the frame for those who refer to them (``close_loc``). But not who leaves it by an exception that
the function catches. So closures that were made in a ``try`` of a loop's second round changed what those of the first
round see:

    for (let attempt = 0; ; attempt++) try {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 1000);   // aborted the last attempt's, each time
      return await fetch(url, { signal: controller.signal });
    } catch {}

Each block begins with ``set_loc_uninitialized`` for its variables, between what makes its functions; what is caught is
put into its variable where the exception goes. There, before all of these, the variables that closures use are taken
out of the frame, if it still has them: from the time of the exception nobody but closures has seen them. That is done
in functions that catch, where a block is in a loop. A function that is declared in a block stays one for all rounds.

Nor does ``continue`` take the variable of ``for (let i = 0; ; i++)`` out of the frame: it goes to what is behind that,
at the body's end, where the next round begins. So who jumps there jumps to what stands before. That is also done for
jumps behind other blocks, to whom it is nothing. Where a body never comes to its end, and ``continue`` is the only way
on, nothing stands there: such a loop has one variable for those rounds, as before; and so has ``for (let i = 0;;)``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from nano_trio.engine.bytecode_functions import Function, captured_variables
from nano_trio.engine.bytecode_instructions import Instruction, Operation
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["PROOF", "SAID", "begun_anew", "goes_on_anew", "may_close", "may_have_closures", "variables_of_blocks"]

_CATCH = re.compile(bytes([Operation.CATCH]) + rb"..[\0\1]\0", re.DOTALL)
_CLOSE, _BEGIN = (
    re.compile(re.escape(bytes([operation])) + rb"(?=(..))", re.DOTALL)
    for operation in (Operation.CLOSE_LOC, Operation.SET_LOC_UNINITIALIZED)
)
_MAY_HAVE = re.compile(_CATCH.pattern + b"|" + bytes([Operation.CLOSE_LOC]) + rb".[\0-\x0f]", re.DOTALL)
_SIZE = 5
_PIECE = 1 << 18
"""Bytes that are looked through between two pauses."""
_FUNCTIONS = (Operation.FCLOSURE, Operation.FCLOSURE8)
_PUTS = {
    *(Operation.PUT_LOC, Operation.SET_LOC, Operation.PUT_LOC8, Operation.SET_LOC8),
    *range(Operation.PUT_LOC0, Operation.SET_LOC3 + 1),
}

_GOTOS = {Operation.GOTO, Operation.GOTO8, Operation.GOTO16}
_TESTS = {Operation.IF_FALSE, Operation.IF_FALSE8}
_JUMPS = {*_GOTOS, *_TESTS, Operation.IF_TRUE, Operation.IF_TRUE8}

PROOF = """
(() => {
  const seen = [];
  for (let i = 0; i < 4; i++) try {
    const x = i;
    let y;
    function late() { return [x, y]; }
    seen.push(late, () => y);
    y = x + 4;
    if (i % 2) throw i;
  } catch (error) { seen.push(() => error); }
  for (let i = 0; i < 2; i++) { seen.push(() => i); if (i < 1) continue; seen.push(i); }
  for (let i = 0; i < 2;) { seen.push(() => i); i += 1; if (i < 2) continue; seen.push(() => i); }
  for (let i = 0; ; i++) { seen.push(() => i); if (i < 1) continue; if (i > 1) break; seen.push(() => i); }
  return seen.map((each) => typeof each === "function" ? each() : each);
})()
"""
SAID = "0,4,4,1,5,5,1,2,6,6,3,7,7,3,0,1,1,1,2,2,0,1,1,2"


@enters
def may_have_closures(code: bytes) -> bool:
    """Whether bytecode may have blocks whose variables closures use."""
    for begin in range(0, len(code), _PIECE):
        if _MAY_HAVE.search(code, begin, begin + _PIECE + _SIZE - 1):
            return True
        pause()
    return False


@enters
def may_close(code: bytes, function: Function) -> bool:
    """Whether it may have blocks whose variables closures use, and that are left otherwise than by exceptions."""
    if function.captured == 0 or not _CLOSE.search(code, *function.code):
        return False
    return bool(_named(code, function, _CLOSE, captured_variables(code, function)))


@enters
def variables_of_blocks(code: bytes, function: Function) -> set[int]:
    """The variables of its blocks that closures use, of a function that may catch."""
    begin, end = function.code
    if function.captured == 0 or not _CATCH.search(code, begin, end):
        return set()
    captured = captured_variables(code, function)
    found = _named(code, function, _BEGIN, captured)
    for catch in in_pieces(_CATCH.finditer(code, begin, end)):
        at = catch.start() + 1
        target = at + int.from_bytes(code[at : at + 4], "little")
        # What looks like one may be something else, and go anywhere.
        if (
            target < end
            and code[target] in _PUTS
            and (put := _variable(code[target], code[target + 1 : target + 3])) in captured
        ):
            found.add(put)
    return found


@enters
def _named(code: bytes, function: Function, written: re.Pattern[bytes], captured: Collection[int]) -> set[int]:
    """Which of the variables some operation may be about."""
    found = set()
    for match in in_pieces(written.finditer(code, *function.code)):
        variable = int.from_bytes(match[1], "little")
        if variable in captured:
            found.add(variable)
    return found


def _variable(operation: int, operand: bytes) -> int:
    """Which one is put."""
    if operation >= Operation.PUT_LOC0:
        return (operation - Operation.PUT_LOC0) % 4
    return int.from_bytes(operand[: 1 if operation in (Operation.PUT_LOC8, Operation.SET_LOC8) else 2], "little")


@enters
def goes_on_anew(instructions: Sequence[Instruction]) -> bool:
    """Have jumps go to what takes variables out of the frame, instead of behind it. Whether there are such."""
    # Where variables are taken out before an instruction; who jumps back to it last, from a body's end, and where they
    # are taken out before that; and where one goes on if a test fails.
    before: dict[Instruction, Instruction] = {}
    ends: dict[Instruction, tuple[int, Instruction | None]] = {}
    beyond: set[Instruction] = set()
    first: Instruction | None = None
    for index, instruction in in_pieces(enumerate(instructions)):
        if instruction.operation == Operation.CLOSE_LOC:
            first = first or instruction
            continue
        if first is not None:
            before[instruction] = first
        target = instruction.target
        if target is not None and instruction.operation in _JUMPS:
            if target.at <= instruction.at:
                ends[target] = index, first
            elif instruction.operation in _TESTS:
                beyond.add(target)
        first = None
    has_changed = False
    for jump in in_pieces(instructions):
        target = jump.target
        if target is None or jump.operation not in _JUMPS:
            continue
        if target.at > jump.at:
            there = before.get(target)
            # Not from between the two.
            if there is not None and there.at <= jump.at:
                there = None
        else:
            end, there = ends[target]
            if jump is instructions[end] or instructions[end].operation not in _GOTOS:
                there = None
            # A loop without a test may begin where one within it does, which goes on as it is.
            if target in before and beyond.isdisjoint(instructions[end + 1 : end + 2]):
                there = None
        if there is not None:
            jump.target = there
            has_changed = True
    return has_changed


@enters
def begun_anew(instructions: Sequence[Instruction], variables: Collection[int]) -> list[Instruction] | None:
    """The same, with blocks in loops that begin without what closures have of these variables; None: there are none."""
    targets: set[Instruction | None] = set()
    caught: set[Instruction | None] = set()
    first_again, last_again = instructions[-1].at + 1, -1
    """The first place to which a jump goes back, and the last from which one does."""
    for instruction in in_pieces(instructions):
        target = instruction.target
        targets.add(target)
        if instruction.operation == Operation.CATCH:
            caught.add(target)
        if target is not None and target.at <= instruction.at:
            first_again, last_again = min(first_again, target.at), instruction.at
    changed: list[Instruction] = []
    has_changed = False
    index = 0
    for _ in in_pieces(instructions):
        if index >= len(instructions):
            break
        first = instructions[index]
        end, found = _block(instructions, index, targets, variables)
        if (
            first in caught
            and first.operation in _PUTS
            and (put := _variable(first.operation, first.operand)) in variables
        ):
            found = [put.to_bytes(2, "little")]
        if found and first_again <= first.at <= last_again:
            # Whoever jumps to the block's beginning is to come to what is put there.
            moved = Instruction(first.operation, first.operand, first.target)
            first.operation, first.operand, first.target = Operation.CLOSE_LOC, found[0], None
            changed += [first, *(Instruction(Operation.CLOSE_LOC, each) for each in found[1:]), moved]
            changed += instructions[index + 1 : end]
            has_changed = True
        else:
            changed += instructions[index:end]
        index = end
    return changed if has_changed else None


@enters
def _block(
    instructions: Sequence[Instruction], index: int, targets: Collection[Instruction | None], variables: Collection[int]
) -> tuple[int, list[bytes]]:
    """Where a block's beginning ends, and which of the variables it has, as they are written; else where the next
    instruction is."""
    end = index
    found: list[bytes] = []
    for _ in in_pieces(instructions):
        if end >= len(instructions) or (end > index and instructions[end] in targets):
            break
        operation = instructions[end].operation
        if operation == Operation.SET_LOC_UNINITIALIZED:
            if int.from_bytes(instructions[end].operand, "little") in variables:
                found.append(instructions[end].operand)
            end += 1
        elif operation in _FUNCTIONS and _is_put(instructions, end + 1, targets):
            end += 2
        else:
            break
    return max(end, index + 1), found


def _is_put(instructions: Sequence[Instruction], index: int, targets: Collection[Instruction | None]) -> bool:
    return index < len(instructions) and instructions[index].operation in _PUTS and instructions[index] not in targets
