"""Files that a configuration is made of, or names: only regular ones. To open a pipe is to wait for whoever writes to
it, and a server that reads its configuration anew would wait for ever.
"""

import errno
import os
import stat
from pathlib import Path


def read_file(path: Path, most: int = -1) -> bytes:
    """What a regular file holds, or its first `most` bytes.

    Raises `OSError`, always with a text, and `ValueError` for what is no name of a file.
    """
    # Nobody waits for a pipe's other end; to regular files this flag means nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "no regular file")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(most)
    finally:
        os.close(descriptor)


def check_file(path: Path) -> None:
    """Raises `OSError` where `read_file` would."""
    read_file(path, 0)
