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
put into its variables where the exception goes. There, before all of these, the variables that closures use are taken
out of the frame, if it still has them: from the time of the exception nobody but closures has seen them. That is done
in functions that catch, where a block is in a loop.

Nor does ``continue`` take the variable of ``for (let i = 0; i < n; i++)`` out of the frame: it goes to what is behind
that, at the body's end, where the next round begins. So who jumps there jumps to what stands before. That is also done
for jumps behind other blocks, to whom it is nothing. Where there is no test, the update stands before the body, which
is skipped at first, when the variables have been taken out. There that is done again, for those who come back.

Not where one can tell no more from the instructions what was written:

- A body that never comes to its end, in a loop with a test: whatever stands before its next round may be its update, or
  the body's last statements.
- A loop without an update: who jumps to its beginning may go on with a loop that stands there in its body.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence

from nano_trio.engine.bytecode_functions import (
    FUNCTIONS,
    IS_LEXICAL,
    IS_OF_BLOCK,
    KIND,
    Function,
    captured_variables,
)
from nano_trio.engine.bytecode_instructions import GOTOS, Instruction, Operation
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["PROOF", "SAID", "begun_anew", "goes_on_anew", "may_close", "may_have_closures", "variables_of_blocks"]

_CATCH = re.compile(bytes([Operation.CATCH]) + rb"..[\0\1]\0", re.DOTALL)
_CLOSE = re.compile(re.escape(bytes([Operation.CLOSE_LOC])) + rb"(?=(..))", re.DOTALL)
_MAY_HAVE = re.compile(_CATCH.pattern + b"|" + bytes([Operation.CLOSE_LOC]) + rb".[\0-\x0f]", re.DOTALL)
_SIZE = 5
_PIECE = 1 << 18
"""Bytes that are looked through between two pauses."""
_CLOSURES = (Operation.FCLOSURE, Operation.FCLOSURE8)
_PUTS = {
    *(Operation.PUT_LOC, Operation.SET_LOC, Operation.PUT_LOC8, Operation.SET_LOC8),
    *range(Operation.PUT_LOC0, Operation.SET_LOC3 + 1),
}

_JUMPS = {*GOTOS, Operation.IF_FALSE, Operation.IF_FALSE8, Operation.IF_TRUE, Operation.IF_TRUE8}

PROOF = """
(() => {
  const seen = [];
  for (let i = 0; i < 4; i++) try {
    const x = i;
    let y;
    function late() { return [x, y]; }
    seen.push(late, () => y, () => late());
    y = x + 4;
    if (i % 2) throw i;
  } catch (error) { seen.push(() => error); }
  for (let i = 0; i < 2; i++) try { try { throw [i]; } catch ([x]) { seen.push(() => x); throw x; } } catch {}
  for (let i = 0; i < 2; i++) { seen.push(() => i); if (i < 1) continue; seen.push(i); }
  for (let i = 0; ; i++) { seen.push(() => i); if (i < 1) continue; if (i > 1) break; seen.push(() => i); }
  for (let i = 0; ; i++) { seen.push(() => i); if (i > 1) break; continue; }
  return seen.map((each) => typeof each === "function" ? each() : each);
})()
"""
SAID = "0,4,4,0,4,1,5,5,1,5,1,2,6,6,2,6,3,7,7,3,7,3,0,1,0,1,1,0,1,1,2,0,1,2"


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
    captured = captured_variables(code, function)
    for match in in_pieces(_CLOSE.finditer(code, *function.code)):
        if int.from_bytes(match[1], "little") in captured:
            return True
    return False


@enters
def variables_of_blocks(code: bytes, function: Function) -> dict[int, int]:
    """The variables of its blocks that closures use, of a function that may catch: how they are described."""
    found: dict[int, int] = {}
    if function.captured and _CATCH.search(code, *function.code):
        for variable, description in in_pieces(captured_variables(code, function).items()):
            if description & IS_OF_BLOCK:
                found[variable] = description
    return found


def _variable(instruction: Instruction) -> int:
    """Which one it is about."""
    if instruction.operation >= Operation.PUT_LOC0:
        return (instruction.operation - Operation.PUT_LOC0) % 4
    return int.from_bytes(instruction.operand, "little")


@enters
def goes_on_anew(instructions: Sequence[Instruction]) -> list[Instruction] | None:
    """The same, with jumps to what takes variables out of the frame instead of behind it; None: there are none."""
    # What takes variables out directly before an instruction; and who goes, after that, directly before one to
    # somewhere behind it: what is skipped may be an update, and the body is there.
    before: dict[Instruction, list[Instruction]] = {}
    skipping: dict[Instruction, Instruction] = {}
    closing: list[Instruction] = []
    last = instructions[0]
    for instruction in in_pieces(instructions):
        if instruction.operation == Operation.CLOSE_LOC:
            closing.append(instruction)
        elif closing:
            before[instruction], closing = closing, []
        elif last in before and last.operation in GOTOS:
            skipping[instruction] = last
        last = instruction
    new: dict[Instruction, list[Instruction]] = {}
    has_changed = False
    for jump in in_pieces(instructions):
        target = jump.target
        if target is None or jump.operation not in _JUMPS:
            continue
        there = None
        if target.at > jump.at:
            there = before.get(target)
        elif target in skipping:
            body = skipping[target].target
            # An update without instructions begins where the body does. And who leaves a block before a loop goes
            # behind that: nobody jumps back from there.
            if body is not None and target.at < body.at <= jump.at:
                there = new.setdefault(target, [])
                if not there:
                    for each in in_pieces(before[skipping[target]]):
                        there.append(Instruction(each.operation, each.operand, at=target.at))
        if there is not None:
            jump.target = there[0]
            has_changed = True
    if not has_changed:
        return None
    changed: list[Instruction] = []
    for instruction in in_pieces(instructions):
        changed += new.get(instruction, ())
        changed.append(instruction)
    return changed


@enters
def begun_anew(instructions: Sequence[Instruction], variables: Mapping[int, int]) -> list[Instruction] | None:
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
        if first in caught:
            found += _caught(instructions, index, variables)
        if found and first_again <= first.at <= last_again:
            # Whoever jumps to the block's beginning is to come to what is put there.
            moved = Instruction(first.operation, first.operand, first.target)
            first.operation, first.operand, first.target = Operation.CLOSE_LOC, found[0].to_bytes(2, "little"), None
            changed.append(first)
            for each in in_pieces(itertools.islice(found, 1, None)):
                changed.append(Instruction(Operation.CLOSE_LOC, each.to_bytes(2, "little")))
            changed.append(moved)
            changed += instructions[index + 1 : end]
            has_changed = True
        else:
            changed += instructions[index:end]
        index = end
    return changed if has_changed else None


@enters
def _block(
    instructions: Sequence[Instruction],
    index: int,
    targets: Collection[Instruction | None],
    variables: Mapping[int, int],
) -> tuple[int, list[int]]:
    """Where a block's beginning ends, and which of the variables it has; else where the next instruction is."""
    end = index
    found: list[int] = []
    for _ in in_pieces(instructions):
        if end >= len(instructions) or (end > index and instructions[end] in targets):
            break
        operation = instructions[end].operation
        if operation == Operation.SET_LOC_UNINITIALIZED:
            variable = _variable(instructions[end])
            if variable in variables:
                found.append(variable)
            end += 1
        elif operation in _CLOSURES and _is_put(instructions, end + 1, targets):
            # Who puts something else into the variable of such a function later does that otherwise: it is checked.
            variable = _variable(instructions[end + 1])
            if variables.get(variable, 0) & KIND in FUNCTIONS:
                found.append(variable)
            end += 2
        else:
            break
    return max(end, index + 1), found


def _is_put(instructions: Sequence[Instruction], index: int, targets: Collection[Instruction | None]) -> bool:
    return index < len(instructions) and instructions[index].operation in _PUTS and instructions[index] not in targets


@enters
def _caught(instructions: Sequence[Instruction], index: int, variables: Mapping[int, int]) -> list[int]:
    """Into which of the variables it is put that something is caught."""
    first = instructions[index]
    if first.operation in _PUTS:
        variable = _variable(first)
        return [variable] if variable in variables else []
    found: list[int] = []
    if first.operation not in (Operation.DROP, Operation.GOSUB):
        # It is taken apart, until the block begins in which one catches what is to go through `finally`; where that
        # fails for certain, with a constant that is assigned to, no block is there.
        for instruction in in_pieces(itertools.islice(instructions, index, None)):
            if instruction.operation in (Operation.CATCH, Operation.THROW_ERROR):
                break
            if instruction.operation in _PUTS and variables.get(_variable(instruction), 0) & IS_LEXICAL:
                found.append(_variable(instruction))
    return found
