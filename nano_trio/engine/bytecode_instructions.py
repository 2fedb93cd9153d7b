"""A function's instructions one by one, and back: so that some can be put between others.

An instruction is its operation (a byte) and what it works with. Jumps say how far from that it is to where they go, in
one, two or four bytes; here they refer to the instruction itself, and get as many bytes as they turn out to need. The
table of lines says for which instructions' offsets a line and a column hold (``find_line_num``); it is taken apart and
put together likewise.

The operations are those of QuickJS 2025-09-13 (``quickjs-opcode.h``), as they are in finished bytecode.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from nano_trio.engine.bytecode_format import Reader, UnknownBytecode, encode_number
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces

__all__ = [
    "GOTOS",
    "Handlers",
    "Instruction",
    "Line",
    "Operation",
    "assemble",
    "encode_lines",
    "let_go",
    "read_instructions",
    "read_lines",
    "reckon",
]


class Operation:
    """Those that matter here, by the engine's names."""

    FCLOSURE = 3
    UNDEFINED = 6
    DROP = 14
    NIP = 15
    NIP1 = 16
    DUP = 17
    SWAP = 27
    ROT3R = 30
    CALL_CONSTRUCTOR, CALL, TAIL_CALL, CALL_METHOD, TAIL_CALL_METHOD, ARRAY_FROM = range(33, 39)
    RETURN, RETURN_UNDEF = 40, 41
    RETURN_ASYNC = 47
    THROW, THROW_ERROR, EVAL = 48, 49, 50
    GET_FIELD2 = 62
    PUT_LOC, SET_LOC = 86, 87
    SET_LOC_UNINITIALIZED = 94
    CLOSE_LOC = 103
    IF_FALSE, IF_TRUE, GOTO, CATCH, GOSUB, RET, NIP_CATCH = range(104, 111)
    WITH_GET_VAR, WITH_PUT_VAR, WITH_DELETE_VAR, WITH_MAKE_REF, WITH_GET_REF = range(113, 118)
    FOR_OF_START, FOR_AWAIT_OF_START = 123, 124
    FOR_AWAIT_OF_NEXT, ITERATOR_CHECK_OBJECT, ITERATOR_GET_VALUE_DONE, ITERATOR_CLOSE = range(127, 131)
    AWAIT = 137
    IS_UNDEFINED_OR_NULL = 174
    FCLOSURE8 = 190
    PUT_LOC8, SET_LOC8 = 193, 194
    PUT_LOC0, SET_LOC3 = 199, 206
    IF_FALSE8, IF_TRUE8, GOTO8, GOTO16 = range(232, 236)
    CALL0 = 236
    CALL3 = 239


# Of each operation three digits: its size in bytes, in hexadecimal; how many values it takes from the stack, and how
# many it leaves there.
_SHAPES = """
100501501501501501101101101101101101201301110121132112123124136123134145133144155122144133133144155321311310321320301
331110100112100101122120110110600511321121111121301301310310123130511512520121130131121122123130131140521511122121122
132132233621231622633301310311301310311301310311300301310311310301301310310300510510500501500110121111111A10A21A10A10
A10702702702502111113113113235134111123130144245100112112112111111111111111112112200200210111111111121501121121121121
121121121121121121121121121121121121121121121121121121111121501100101101101101101101101101101201301201201101201210211
101101101101110110110110111111111111101101101101110110110110111111111111101101101101110110110110111111111111111210210
200300111111111111111111111111
""".replace("\n", "")
_SIZES, _TAKEN, _LEFT = ([int(digit, 16) for digit in _SHAPES[of::3]] for of in range(3))

_WITH = range(Operation.WITH_GET_VAR, Operation.WITH_GET_REF + 1)
_FAR = dict.fromkeys(range(Operation.IF_FALSE, Operation.GOSUB + 1), 1) | dict.fromkeys(_WITH, 5)
"""Jumps of four bytes, with where in the instruction these are."""
_NEAR = {
    Operation.IF_FALSE8: (1, Operation.IF_FALSE),
    Operation.IF_TRUE8: (1, Operation.IF_TRUE),
    Operation.GOTO8: (1, Operation.GOTO16),
    Operation.GOTO16: (2, Operation.GOTO),
}
"""Jumps of fewer bytes: how many, and what says the same with more."""
_COUNTED = {*range(Operation.CALL_CONSTRUCTOR, Operation.ARRAY_FROM + 1), Operation.EVAL}
"""What takes as many arguments besides as its operand says."""
_LAST = {
    Operation.TAIL_CALL,
    Operation.TAIL_CALL_METHOD,
    Operation.RETURN,
    Operation.RETURN_UNDEF,
    Operation.RETURN_ASYNC,
    Operation.THROW,
    Operation.THROW_ERROR,
    Operation.RET,
}
GOTOS = {Operation.GOTO, Operation.GOTO8, Operation.GOTO16}
_STARTS = {Operation.FOR_OF_START, Operation.FOR_AWAIT_OF_START}
# What a `with` whose object has the variable leaves more or less than where it has not.
_MORE_OF_WITH = (1, -1, 1, 2, 2)

_FORGOTTEN = 8
"""As many at a time."""

# Lines: where the short form of an entry begins, and what it can say.
_LINE_BASE, _LINE_RANGE, _FIRST_SHORT = -1, 5, 1
_LONGEST_SHORT = (255 - _FIRST_SHORT) // _LINE_RANGE

Line = tuple[int, int, int]
"""An offset, and the line and the column, both from 0, of what begins there."""


class Instruction:
    """One instruction. ``at``: its offset; of a new one -1."""

    __slots__ = ("at", "operand", "operation", "target")

    def __init__(self, operation: int, operand: bytes = b"", target: Instruction | None = None, at: int = -1) -> None:
        self.operation = operation
        self.operand = operand
        """As it is written; of a jump without how far it goes."""
        self.target = target
        """Where a jump goes."""
        self.at = at

    @property
    def size(self) -> int:
        """In bytes."""
        return _SIZES[self.operation]


@enters
def read_instructions(code: bytes) -> list[Instruction]:
    """All instructions of a function. Raises :class:`UnknownBytecode`."""
    found: dict[int, Instruction] = {}
    jumps: list[tuple[Instruction, int]] = []
    at = 0
    for _ in in_pieces(itertools.count()):
        if at >= len(code):
            break
        operation = code[at]
        if operation == 0 or operation >= len(_SIZES):
            raise UnknownBytecode(f"no operation has the number {operation}")
        end = at + _SIZES[operation]
        operand = code[at + 1 : end]
        if operation in _FAR:
            begin, width = at + _FAR[operation], 4
        elif operation in _NEAR:
            begin, width = at + 1, _NEAR[operation][0]
        else:
            begin, width = at, 0
        instruction = found[at] = Instruction(operation, operand, at=at)
        if width:
            far = int.from_bytes(code[begin : begin + width], "little", signed=True)
            jumps.append((instruction, begin + far))
            instruction.operand = operand[: begin - at - 1] + operand[begin - at - 1 + width :]
        at = end
    if at != len(code):
        raise UnknownBytecode("the last instruction is cut off")
    for instruction, place in in_pieces(jumps):
        if place not in found:
            raise UnknownBytecode(f"a jump goes to {place}, where no instruction begins")
        instruction.target = found[place]
    return list(found.values())


@enters
def assemble(instructions: Sequence[Instruction]) -> tuple[bytes, dict[Instruction, int]]:
    """Their code, and their offsets in it. Jumps that are too short are made longer ones.

    One that becomes longer may make another too short, and so on through all of a function: each round is generous with
    twice as many bytes as the one before, so there are few.
    """
    for rounds in itertools.count():
        spare = (1 << rounds) - 1
        offsets: dict[Instruction, int] = {}
        at = 0
        for instruction in in_pieces(instructions):
            offsets[instruction] = at
            at += instruction.size
        has_changed = False
        for instruction in in_pieces(instructions):
            if instruction.target is None or instruction.operation not in _NEAR:
                continue
            width, longer = _NEAR[instruction.operation]
            far = offsets[instruction.target] - offsets[instruction] - 1
            if not spare - (1 << 8 * width - 1) <= far < (1 << 8 * width - 1) - spare:
                instruction.operation = longer
                has_changed = True
        if not has_changed:
            break
    code = bytearray()
    for instruction in in_pieces(instructions):
        operand = instruction.operand
        if instruction.target is not None:
            before = _FAR.get(instruction.operation, 1) - 1
            width = 4 if instruction.operation in _FAR else _NEAR[instruction.operation][0]
            far = offsets[instruction.target] - offsets[instruction] - 1 - before
            operand = operand[:before] + far.to_bytes(width, "little", signed=True) + operand[before:]
        code.append(instruction.operation)
        code += operand
    return bytes(code), offsets


@enters
def let_go(instructions: list[Instruction]) -> None:
    """Forget them, some at a time: all at once takes milliseconds where they are many."""
    for _ in in_pieces(range(0, len(instructions), _FORGOTTEN)):
        del instructions[-_FORGOTTEN:]


@enters
def read_lines(table: bytes) -> list[Line]:
    """The table of lines; the first entry is where the function itself begins, at the offset 0.

    Raises :class:`UnknownBytecode`.
    """
    reader = Reader(table)
    try:
        line, column, at = reader.leb128(), reader.leb128(), 0
        lines = [(at, line, column)]
        for _ in in_pieces(itertools.count()):
            if reader.at >= len(table):
                break
            short = reader.byte()
            if short:
                further, down = divmod(short - _FIRST_SHORT, _LINE_RANGE)
                at += further
                line += down + _LINE_BASE
            else:
                at += reader.leb128()
                line += _signed(reader)
            column += _signed(reader)
            lines.append((at, line, column))
    except IndexError:
        raise UnknownBytecode("the table of lines ends early") from None
    return lines


@enters
def encode_lines(lines: Sequence[Line]) -> bytes:
    """As :func:`read_lines` reads it."""
    last_at, last_line, last_column = lines[0]
    table = bytearray(encode_number(last_line) + encode_number(last_column))
    for at, line, column in in_pieces(itertools.islice(lines, 1, None)):
        further, down = at - last_at, line - last_line
        if _LINE_BASE <= down < _LINE_BASE + _LINE_RANGE and further <= _LONGEST_SHORT:
            table.append(down - _LINE_BASE + further * _LINE_RANGE + _FIRST_SHORT)
        else:
            table += b"\0" + encode_number(further) + _encode_signed(down)
        table += _encode_signed(column - last_column)
        last_at, last_line, last_column = at, line, column
    return bytes(table)


def _signed(reader: Reader) -> int:
    value = reader.leb128()
    return value >> 1 ^ -(value & 1)


def _encode_signed(value: int) -> bytes:
    return encode_number(value << 1 if value >= 0 else (-value << 1) - 1)


Handlers = tuple[Instruction, int, "Handlers"] | None
"""What on the stack says where exceptions go: who put the innermost there, as the how-manieth value from 0, and those
further out."""


@enters
def reckon(instructions: Sequence[Instruction]) -> tuple[dict[Instruction, Handlers], int]:
    """What is there before each instruction that can be reached, and how many values the stack holds at most, as the
    engine reckons it (``compute_stack_size``).

    Raises :class:`UnknownBytecode` where two ways to an instruction leave different stacks.
    """
    following: dict[Instruction, Instruction] = {}
    for one, other in in_pieces(itertools.pairwise(instructions)):
        following[one] = other
    depths = {instructions[0]: 0}
    known: dict[Instruction, Handlers] = {instructions[0]: None}
    waiting = [instructions[0]]
    deepest = 0

    def reach(instruction: Instruction | None, depth: int, handlers: Handlers) -> None:
        nonlocal deepest
        deepest = max(deepest, depth)
        if instruction is None:
            raise UnknownBytecode("it goes on behind its end")
        if instruction not in known:
            depths[instruction], known[instruction] = depth, handlers
            waiting.append(instruction)
        elif depths[instruction] != depth or not _lie_alike(known[instruction], handlers):
            raise UnknownBytecode(f"the stack at {instruction.at} depends on the way there")

    for _ in in_pieces(itertools.count()):
        if not waiting:
            break
        instruction = waiting.pop()
        operation, target = instruction.operation, instruction.target
        depth, handlers = depths[instruction], known[instruction]
        taken = _TAKEN[operation]
        if operation in _COUNTED:
            taken += int.from_bytes(instruction.operand[:2], "little")
        elif Operation.CALL0 <= operation <= Operation.CALL3:
            taken += operation - Operation.CALL0
        if depth < taken:
            raise UnknownBytecode(f"at {instruction.at} the stack has less than is taken from it")
        after = depth + _LEFT[operation] - taken
        deepest = max(deepest, after)
        if operation in _LAST:
            continue
        if target is not None and operation not in GOTOS:
            more = 0
            if operation == Operation.GOSUB:
                more = 1
            elif operation in _WITH:
                more = _MORE_OF_WITH[operation - Operation.WITH_GET_VAR]
            elif operation == Operation.CATCH and _is_swap(following.get(instruction)):
                more = -1  # What is below the handler then will be above it, and so gone.
            reach(target, after + more, handlers)
        if operation == Operation.CATCH or operation in _STARTS:
            handlers = instruction, after - 1, handlers
        elif operation == Operation.NIP_CATCH:
            if handlers is None:
                raise UnknownBytecode(f"at {instruction.at} there is no handler to take away")
            after, handlers = handlers[1] + 1, handlers[2]
        elif operation == Operation.SWAP and handlers is not None and handlers[1] == after - 1:
            handlers = handlers[0], after - 2, handlers[2]
        elif handlers is not None and _takes_handler(operation, after, handlers[1]):
            handlers = handlers[2]
        reach(target if operation in GOTOS else following.get(instruction), after, handlers)
    return known, deepest


def _is_swap(instruction: Instruction | None) -> bool:
    return instruction is not None and instruction.operation == Operation.SWAP


def _lie_alike(some: Handlers, others: Handlers) -> bool:
    """Whether they are at the same places, whoever put them there."""
    while some is not others:
        if some is None or others is None or some[1] != others[1]:
            return False
        some, others = some[2], others[2]
    return True


def _takes_handler(operation: int, after: int, place: int) -> bool:
    """Whether an operation that leaves ``after`` values takes away the one at ``place``."""
    if operation == Operation.DROP:
        return place == after
    if operation == Operation.NIP:
        return place == after - 1
    if operation == Operation.NIP1:
        return place == after - 2
    return operation == Operation.ITERATOR_CLOSE and place == after + 2
