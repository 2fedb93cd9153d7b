"""Takes out of compiled scripts what only debugging needs: source text, line tables, the names of local variables.

QuickJS keeps every function's source text for ``Function.prototype.toString``: a nested function's text is kept once
for itself and once within each function around it. Besides, each function has a table of lines for stack traces, and
each variable its name. For the platform's own files, of which each isolate that touches them reads a copy, that is half
of their memory; and Web IDL's functions are to print as ``[native code]`` anyway, which is what the engine says of a
function without text. The engine can leave all that out itself (``JS_STRIP_DEBUG``), but its binding cannot ask for it.

The walk follows the engine's own writer (``JS_WriteObject``, format version 5): a function is its header, its
variables, its code, its debug information (file name, line table, source text), then its constants, among them further
functions. What is left is what the engine would have left. Whatever is not recognised leaves the code as it was: then
it only costs memory.
"""

from __future__ import annotations

__all__ = ["strip_debug"]

_FORMAT = 5
_HAS_DEBUG = 1 << 10
_NULL, _UNDEFINED, _FALSE, _TRUE, _INT32, _FLOAT64, _STRING = range(1, 8)
_ARRAY, _BIG_INT, _TEMPLATE, _FUNCTION = 9, 10, 11, 12
_CLOSURE_TYPE = 0b111
_OF_FUNCTIONS = 3
"""Closure variables of lower types belong to functions; the others are found by their names when the script runs."""


class _Unknown(Exception):
    """The code has something that the walk does not know."""


class _Walk:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._at = 0
        self._kept_from = 0
        self._parts: list[bytes] = []

    def strip(self) -> bytes:
        if self._byte() != _FORMAT:
            raise _Unknown
        for _ in range(self._leb128()):
            self._string()
        self._object()
        if self._at != len(self._code):
            raise _Unknown
        return b"".join([*self._parts, self._code[self._kept_from :]])

    def _replace(self, start: int, replacement: bytes) -> None:
        """What has been read from ``start`` on becomes this."""
        self._parts += (self._code[self._kept_from : start], replacement)
        self._kept_from = self._at

    def _byte(self) -> int:
        self._at += 1
        return self._code[self._at - 1]

    def _leb128(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _skip(self, count: int) -> None:
        self._at += count

    def _string(self) -> None:
        header = self._leb128()
        self._skip((header >> 1) * (2 if header & 1 else 1))

    def _object(self) -> None:
        tag = self._byte()
        if tag in (_NULL, _UNDEFINED, _FALSE, _TRUE):
            return
        if tag == _INT32:
            self._leb128()
        elif tag == _FLOAT64:
            self._skip(8)
        elif tag == _STRING:
            self._string()
        elif tag == _BIG_INT:
            self._skip(self._leb128())
        elif tag in (_ARRAY, _TEMPLATE):
            for _ in range(self._leb128()):
                self._object()
            if tag == _TEMPLATE:
                self._object()  # its `raw` array
        elif tag == _FUNCTION:
            self._function()
        else:
            raise _Unknown

    def _function(self) -> None:
        start = self._at
        flags = self._byte() | self._byte() << 8
        self._replace(start, (flags & ~_HAS_DEBUG).to_bytes(2, "little"))
        self._skip(1)  # js_mode
        self._leb128()  # name
        for _ in range(5):  # arguments, variables, declared arguments, stack, variable references
            self._leb128()
        closure_variables, constants, length = self._leb128(), self._leb128(), self._leb128()
        for _ in range(self._leb128()):
            self._unnamed()
            self._leb128()  # scope
            self._leb128()  # reference
            self._skip(1)  # flags
        for _ in range(closure_variables):
            start = self._at
            self._leb128()  # name
            name_ends = self._at
            self._leb128()  # index
            self._skip(2)  # flags
            if self._code[self._at - 2] & _CLOSURE_TYPE < _OF_FUNCTIONS:
                self._replace(start, b"\0" + self._code[name_ends : self._at])
        self._skip(length)
        if flags & _HAS_DEBUG:
            start = self._at
            self._leb128()  # file name
            self._skip(self._leb128())  # line table
            self._skip(self._leb128())  # source text
            self._replace(start, b"")
        for _ in range(constants):
            self._object()

    def _unnamed(self) -> None:
        start = self._at
        self._leb128()
        self._replace(start, b"\0")


def strip_debug(code: bytes) -> bytes:
    """The same compiled script without what only debugging needs; unchanged where it is of an unknown format.

    Not for scripts that call ``eval`` directly, which finds variables by their names.
    """
    try:
        return _Walk(code).strip()
    except (_Unknown, IndexError):
        return code
