"""Where in bytecode its functions stand, and what of each.

The layout is the engine's own writer's (``JS_WriteFunctionTag``, format version 5): flags, numbers, variables, the
instructions, what debugging needs, and then the constants, among them the functions within this one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import attrs

from nano_trio.engine.bytecode_format import FORMAT, Reader, Tag, UnknownBytecode
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces

__all__ = [
    "FUNCTIONS",
    "IS_LEXICAL",
    "IS_OF_BLOCK",
    "KIND",
    "Function",
    "Place",
    "captured_variables",
    "functions_of",
    "value_at",
]

Place = tuple[int, int]
"""Where something begins and ends, in bytes from the start of the bytecode."""

_KIND_AT, _KINDS = 4, 3
_HAS_DEBUG = 1 << 10

# How a variable is described.
KIND = 15
"""What says its kind."""
FUNCTIONS = (1, 2)
"""The kinds of functions that are declared in blocks."""
IS_LEXICAL, _IS_CAPTURED, IS_OF_BLOCK = (1 << bit for bit in range(5, 8))


@attrs.frozen
class Function:
    """A function's record."""

    kind: int
    """0: a plain one; 1: a generator; 2: an async function; 3: an async generator."""
    arguments: int
    captured: int
    """How many of its variables inner functions use."""
    stack_size: int
    """How many values its stack holds at most."""
    code_size: Place
    variables: Place
    """The descriptions of its variables, with their number."""
    code: Place
    """The instructions."""
    lines: tuple[Place, Place] | None
    """The size of the table of lines, and the table; None where it is not for debugging."""


@enters
def value_at(code: bytes) -> int:
    """Where the value of bytecode begins, behind the table of names. Raises :class:`UnknownBytecode`."""
    reader = Reader(code)
    try:
        if reader.byte() != FORMAT:
            raise UnknownBytecode(f"format version {code[0]}")
        for _ in in_pieces(range(reader.leb128())):
            reader.skip_string()
    except IndexError:
        raise UnknownBytecode("it ends early") from None
    return reader.at


@enters
def functions_of(code: bytes, at: int) -> Iterator[Function]:
    """Those of the value that begins at ``at``, and ends with ``code``, in their order.

    Raises :class:`UnknownBytecode`.
    """
    reader = Reader(code, at)
    # Values still to come, of what holds them, and whether each has a name before it.
    left = [(1, False)]
    try:
        for _ in in_pieces(itertools.count()):
            if not left:
                break
            values, named = left.pop()
            if values == 0:
                continue
            left.append((values - 1, named))
            if named:
                reader.leb128()
            tag = reader.byte()
            if tag == Tag.FUNCTION:
                function, constants = _read_function(reader)
                yield function
                left.append((constants, False))
            elif tag == Tag.STRING:
                reader.skip_string()
            elif tag == Tag.INTEGER:
                reader.leb128()
            elif tag == Tag.NUMBER:
                reader.at += 8
            elif tag == Tag.BIG_INTEGER:
                reader.skip_bytes()
            elif tag in (Tag.ARRAY, Tag.TEMPLATE):
                # Behind a template's strings is the array of those as they are written.
                left.append((reader.leb128() + (tag == Tag.TEMPLATE), False))
            elif tag == Tag.OBJECT:
                left.append((reader.leb128(), True))
            elif tag not in Tag.WITHOUT_VALUE:
                raise UnknownBytecode(f"a value has the tag {tag}")
    except IndexError:
        raise UnknownBytecode("it ends early") from None
    if reader.at != len(code):
        raise UnknownBytecode("it goes on behind its value")


@enters
def captured_variables(code: bytes, function: Function) -> dict[int, int]:
    """By number the variables of a function, arguments left out, that inner functions use: how they are described."""
    reader = Reader(code, function.variables[0])
    found = {}
    for number in in_pieces(range(-function.arguments, reader.leb128() - function.arguments)):
        for _ in range(3):
            reader.leb128()
        description = reader.byte()
        if description & _IS_CAPTURED and number >= 0:
            found[number] = description
    return found


@enters
def _read_function(reader: Reader) -> tuple[Function, int]:
    """It, and how many constants follow."""
    flags = reader.byte() | reader.byte() << 8
    reader.at += 1  # its mode
    reader.leb128()  # its name
    arguments = reader.leb128()
    # Its variables, arguments that count.
    for _ in range(2):
        reader.leb128()
    stack_size, captured, outer, constants = (reader.leb128() for _ in range(4))
    begin = reader.at
    size = reader.leb128()
    code_size = begin, reader.at
    begin = reader.at
    for _ in in_pieces(range(reader.leb128())):
        for _ in range(3):
            reader.leb128()
        reader.at += 1
    variables = begin, reader.at
    for _ in in_pieces(range(outer)):
        reader.leb128()
        reader.leb128()
        reader.at += 2
    code = reader.at, reader.at + size
    reader.at += size
    lines = None
    if flags & _HAS_DEBUG:
        reader.leb128()  # its file's name
        begin = reader.at
        length = reader.leb128()
        lines = (begin, reader.at), (reader.at, reader.at + length)
        reader.at += length
        reader.skip_bytes()  # its source
    kind = flags >> _KIND_AT & _KINDS
    return Function(kind, arguments, captured, stack_size, code_size, variables, code, lines), constants
