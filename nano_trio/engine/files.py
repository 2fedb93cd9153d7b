"""Small local files, read with as few calls of the system as that takes: a start of an app waits for two of them."""

from __future__ import annotations

import os
import stat

__all__ = ["read_file"]


def read_file(path: str, most: int) -> bytes:
    """What a file holds. Raises OSError, also for what is no regular file or has more than ``most`` bytes (whole MB).

    What is no file, or none any more, is not waited for.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "no file")
        if status.st_size > most:
            raise OSError(0, f"larger than {most >> 20} MB")
        # A byte more than there should be: where that is not had, this was the end.
        data = os.read(descriptor, status.st_size + 1)
        if len(data) != status.st_size:
            while piece := os.read(descriptor, 1 << 16):
                data += piece
        return data
    finally:
        os.close(descriptor)
