"""Freed memory that shows: whoever uses it afterwards ends the process."""

from __future__ import annotations

import ctypes

import quickjs

from nano_trio.engine.polling import address_of

__all__ = ["spoil_what_is_freed"]

_kept: list[object] = []


def spoil_what_is_freed(runtime: quickjs.Runtime) -> None:
    """From now on the runtime's blocks are filled when they are freed, and never handed out again.

    For a process of its own, which must end by :func:`os._exit`: what the runtime holds is not freed in order.
    """
    # A runtime begins with its functions for memory: to allocate, free, reallocate and tell a block's size.
    functions = (ctypes.c_void_p * 4).from_address(address_of(runtime))
    size_of = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p)(functions[3])

    def free(state: int, block: int) -> None:
        if block:  # ctypes gives None for a null pointer
            ctypes.memset(block, 0xFF, size_of(block))

    freeing = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(free)
    _kept.append(freeing)
    functions[1] = ctypes.cast(freeing, ctypes.c_void_p).value
