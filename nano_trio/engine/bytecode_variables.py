"""Bytecode without descriptions of variables that nobody asks for.

The engine keeps 12 bytes for each argument and local variable of a function, for ``eval``, for error messages and to
know where those lie that inner functions capture. Code for an isolate that has no names of variables
(:mod:`nano_trio.engine.bytecode_debug`) needs only the last, and so the functions of which nothing is captured need
none: the engine reads and runs such as have none. In the platform's core that is a tenth of the functions' records,
and of the time to read them.

What comes out is read and written by the engine once more, and is taken only if that changes nothing.
"""

from __future__ import annotations

import quickjs

from nano_trio.engine.bytecode_format import UnknownBytecode
from nano_trio.engine.bytecode_functions import functions_of, value_at

__all__ = ["leave_out_variables"]


def leave_out_variables(code: bytes) -> bytes:
    """The same script without them; ``code`` itself where it is not as it is known here."""
    try:
        functions = list(functions_of(code, value_at(code)))
    except UnknownBytecode:
        return code
    if any(function.lines is not None for function in functions):
        return code
    parts = []
    after = 0
    for function in functions:
        if function.captured == 0:
            begin, end = function.variables
            parts += [code[after:begin], b"\0"]
            after = end
    shorter = b"".join(parts) + code[after:]
    return shorter if _is_kept(shorter) else code


def _is_kept(code: bytes) -> bool:
    try:
        written: bytes = quickjs.Context().read_object(code).write_object()
    except quickjs.JSError:
        return False
    return written == code
