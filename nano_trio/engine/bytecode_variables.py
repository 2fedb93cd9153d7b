"""Bytecode without descriptions of variables that nobody asks for.

The engine keeps 12 bytes for each argument and local variable of a function, for ``eval``, for error messages and to
know where those lie that inner functions capture. Code for an isolate that has no names of variables
(:mod:`nano_trio.engine.bytecode_debug`) needs only the last, and so the functions of which nothing is captured need
none: the engine reads and runs such as have none. In the platform's core that is a tenth of the functions' records,
and of the time to read them.

The layout is the engine's own writer's (``JS_WriteFunctionTag``). What comes out is read and written by the engine once
more, and is taken only if that changes nothing.
"""

from __future__ import annotations

import quickjs

from nano_trio.engine.bytecode_format import FORMAT, Reader, UnknownBytecode

__all__ = ["leave_out_variables"]

_INTEGER, _NUMBER, _STRING, _OBJECT, _ARRAY, _BIG_INTEGER, _TEMPLATE, _FUNCTION = range(5, 13)
_PLAIN_TAGS = (1, 2, 3, 4)  # null, undefined, false, true
_HAS_DEBUG = 1 << 10


def leave_out_variables(code: bytes) -> bytes:
    """The same script without them; ``code`` itself where it is not as it is known here."""
    reader = Reader(code)
    cuts: list[tuple[int, int]] = []
    try:
        if reader.byte() != FORMAT:
            return code
        for _ in range(reader.leb128()):
            reader.skip_string()
        _read_value(reader, cuts)
    except (IndexError, UnknownBytecode):
        return code
    parts = []
    after = 0
    for begin, end in cuts:
        parts += [code[after:begin], b"\0"]
        after = end
    shorter = b"".join(parts) + code[after:]
    return shorter if reader.at == len(code) and _is_kept(shorter) else code


def _is_kept(code: bytes) -> bool:
    try:
        written: bytes = quickjs.Context().read_object(code).write_object()
    except quickjs.JSError:
        return False
    return written == code


def _read_value(reader: Reader, cuts: list[tuple[int, int]]) -> None:
    tag = reader.byte()
    if tag == _FUNCTION:
        _read_function(reader, cuts)
    elif tag == _STRING:
        reader.skip_string()
    elif tag == _INTEGER:
        reader.leb128()
    elif tag == _NUMBER:
        reader.at += 8
    elif tag == _BIG_INTEGER:
        reader.at += reader.leb128()
    elif tag in (_ARRAY, _TEMPLATE):
        # Behind a template's strings is the array of those as they are written.
        for _ in range(reader.leb128() + (tag == _TEMPLATE)):
            _read_value(reader, cuts)
    elif tag == _OBJECT:
        for _ in range(reader.leb128()):
            reader.leb128()
            _read_value(reader, cuts)
    elif tag not in _PLAIN_TAGS:
        raise UnknownBytecode(f"a value has the tag {tag}")


def _read_function(reader: Reader, cuts: list[tuple[int, int]]) -> None:
    flags = reader.byte() | reader.byte() << 8
    if flags & _HAS_DEBUG:
        raise UnknownBytecode("it is for debugging")
    reader.at += 1  # its mode
    # Its name, arguments, variables, arguments that count, size of its stack.
    for _ in range(5):
        reader.leb128()
    captured, outer, constants, size = (reader.leb128() for _ in range(4))
    begin = reader.at
    for _ in range(reader.leb128()):
        for _ in range(3):
            reader.leb128()
        reader.at += 1
    if captured == 0:
        cuts.append((begin, reader.at))
    for _ in range(outer):
        reader.leb128()
        reader.leb128()
        reader.at += 2
    reader.at += size
    for _ in range(constants):
        _read_value(reader, cuts)
