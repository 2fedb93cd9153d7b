"""SharedArrayBuffer: an app's memory ends where its buffer ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_shared_memory_is_as_long_as_it_was_made(run_js: Callable[[str], Any]) -> None:
    """The engine takes as much as a buffer begins with, and would let it grow over what is behind: others' memory."""
    told = run_js(
        """
        const told = [];
        for (let most = 4; most <= 512; most *= 2) {
          const buffer = new SharedArrayBuffer(2, { maxByteLength: most }), before = new Uint8Array(buffer);
          buffer.grow?.(most);
          for (const view of [before, new Uint8Array(buffer), new DataView(buffer)]) told.push(view.byteLength);
          told.push(buffer.byteLength, before.toHex(), buffer.slice(0).byteLength);
        }
        return [[...new Set(told)], Reflect.ownKeys(SharedArrayBuffer.prototype).filter((key) => typeof key === "string").join()];
        """
    )
    assert told == [[2, "0000"], "byteLength,slice,constructor"]
