"""What the child is doing right now, in a file that outlives it: a crash's parent reads whose slice was running."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

__all__ = ["Ledger"]

_SLOT = 512
_NOBODY = -1


class Ledger:
    """A mapped file: the number of the slot whose slice runs (or -1), then one text a slot."""

    def __init__(self, path: Path, slots: int) -> None:
        self._slots = slots
        if not path.exists():
            path.write_bytes(struct.pack("<q", _NOBODY) + bytes(_SLOT * slots))
        self._file = path.open("r+b")
        self._map = mmap.mmap(self._file.fileno(), 0)

    def write(self, slot: int, text: str) -> None:
        """Say what the isolate of this slot is about."""
        start = 8 + slot * _SLOT
        self._map[start : start + _SLOT] = text.encode("utf-8", "replace")[:_SLOT].ljust(_SLOT, b"\0")

    def enter(self, slot: int) -> int:
        """A slice of this slot begins (or an operation on its heap). Returns what :meth:`leave` needs."""
        before: int = struct.unpack_from("<q", self._map)[0]
        struct.pack_into("<q", self._map, 0, slot)
        return before

    def leave(self, before: int) -> None:
        """The slice is over."""
        struct.pack_into("<q", self._map, 0, before)

    def read(self) -> tuple[str | None, list[str]]:
        """The text of the slot whose slice was running, or None, and those of all slots."""
        texts = []
        for slot in range(self._slots):
            start = 8 + slot * _SLOT
            texts.append(self._map[start : start + _SLOT].rstrip(b"\0").decode("utf-8", "replace"))
        current = struct.unpack_from("<q", self._map)[0]
        return (texts[current] if 0 <= current < self._slots else None), texts

    def close(self) -> None:
        """Unmap the file; it stays."""
        self._map.close()
        self._file.close()
