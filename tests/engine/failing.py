"""Heaps that are full, and heaps in which one allocation fails: what several tests have happen to the engine."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import quickjs

from nano_trio.engine import allocator
from nano_trio.engine.polling import address_of

from .test_allocator import STATE_AT, State, functions

FILL = """
  const kept = [];
  kept.length = 3000;
  let count = 0;
  for (let size = 1 << 24; size > 1024; size >>= 1) {
    for (;;) { try { kept[count] = new ArrayBuffer(size); count++ } catch { break } }
  }
"""
"""JavaScript after which the heap has room for nothing but the smallest blocks."""


class Failing:
    """Functions of our allocator in a runtime; of their calls that ask for memory the n-th gets nothing."""

    def __init__(self, runtime: quickjs.Runtime) -> None:
        calls = functions()
        self.left = 0
        addresses = [ctypes.cast(calls[name], ctypes.c_void_p).value for name in allocator._FUNCTIONS]
        take = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        resize = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
        true_take, true_resize = take(addresses[0]), resize(addresses[2])
        self.kept = (
            take(lambda state, size: None if self.fails() else true_take(state, size)),
            resize(lambda state, block, size: None if size and self.fails() else true_resize(state, block, size)),
        )
        addresses[0], addresses[2] = (ctypes.cast(function, ctypes.c_void_p).value for function in self.kept)
        ctypes.memmove(address_of(runtime), (ctypes.c_void_p * 4)(*addresses), STATE_AT)
        self.state = State.from_address(address_of(runtime) + STATE_AT)

    def fails(self) -> bool:
        self.left -= 1
        return self.left == 0

    def taken(self, call: Callable[[], object]) -> int:
        """How many blocks a call asks for."""
        self.left = 0
        call()
        asked, self.left = -self.left, 0
        return asked

    def outcome(self, nth: int, call: Callable[[], object]) -> str:
        """What becomes of a call whose n-th block is refused: the error, or "made"; "done" where it asks for fewer."""
        self.left = nth
        try:
            call()
            return "done" if self.left > 0 else "made"
        except quickjs.JSError as error:
            return str(error)
        finally:
            self.left = 0


# A block that is free holds where the next one is, and a new object what the engine did not set in it. So blocks that were
# never used differ from those that were.
FRESH = "globalThis.kept = Array.from({ length: 999 }, () => ({}))"
LITTER = "() => { Array.from({ length: 99 }, () => ({})) }"
