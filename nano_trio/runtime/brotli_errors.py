"""What is wrong with data that Brotli did not compress: the number and name of the error (``brotli/decode.h``).

The binding says only that its decoder failed. But it exports the library's functions, as far as they are linked so that
they can be found, and with these the data is decompressed once more, up to where it is wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Iterable
from functools import cache
from typing import Final

import brotli

__all__ = ["what_is_wrong"]

_ROOM: Final = 65536
_ERROR, _NEEDS_MORE_OUTPUT = 0, 3


@cache
def _library() -> ctypes.CDLL | None:
    """The binding's; None where it exports nothing."""
    try:
        library = ctypes.CDLL(brotli._brotli.__file__)
        size, pointer = ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_void_p)
        create, destroy = library.BrotliDecoderCreateInstance, library.BrotliDecoderDestroyInstance
        create.restype, create.argtypes = ctypes.c_void_p, [ctypes.c_void_p] * 3
        destroy.restype, destroy.argtypes = None, [ctypes.c_void_p]
        library.BrotliDecoderDecompressStream.argtypes = [ctypes.c_void_p, size, pointer, size, pointer, size]
        library.BrotliDecoderGetErrorCode.argtypes = [ctypes.c_void_p]
        library.BrotliDecoderErrorString.restype = ctypes.c_char_p
    except (AttributeError, OSError):
        return None
    return library


def what_is_wrong(pieces: Iterable[bytes]) -> Generator[None, None, tuple[int, str] | None]:
    """In steps of some 64 KB of output. None where nothing is, or it cannot be told."""
    library = _library()
    decoder = None if library is None else library.BrotliDecoderCreateInstance(None, None, None)
    if library is None or not decoder:
        return None
    room = ctypes.create_string_buffer(_ROOM)
    try:
        for piece in pieces:
            given = ctypes.create_string_buffer(piece, len(piece))
            left, at = ctypes.c_size_t(len(piece)), ctypes.c_void_p(ctypes.addressof(given))
            result = _NEEDS_MORE_OUTPUT
            while result == _NEEDS_MORE_OUTPUT:
                free, into = ctypes.c_size_t(_ROOM), ctypes.c_void_p(ctypes.addressof(room))
                result = library.BrotliDecoderDecompressStream(decoder, left, at, free, into, None)
                yield None
            if result == _ERROR:
                number = library.BrotliDecoderGetErrorCode(decoder)
                return number, library.BrotliDecoderErrorString(number).decode("ascii")
    finally:
        library.BrotliDecoderDestroyInstance(decoder)
    return None
