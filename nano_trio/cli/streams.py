"""The standard streams, whatever they are: closed from the start, a pipe that nobody reads, a full disk."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys

__all__ = ["end_where_output_is_lost", "hold_standard_streams", "tell"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def hold_standard_streams() -> None:
    """Open ``/dev/null`` in place of those that are closed (``2>&-``, some init systems).

    Else the next file or socket that is opened takes the number: what is then written to standard error, by libraries
    and child processes too, would go to a client, or to a database. And Python has None for such a stream.
    """
    for fd, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is this one, for those below are open.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False))  # noqa: SIM115


def tell(text: str) -> bool:
    """Write to standard output what it takes now. False where that is not all: whoever reads it has gone, or sleeps.

    Never waits and never raises: a server does not depend on somebody reading where it listens.
    """
    try:
        fd = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced, as by tests
        print(text, end="", flush=True)
        return True
    rest = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    try:
        sys.stdout.flush()
        # A pipe that takes anything takes so much without waiting (POSIX, write()). In whole lines: a log may go there.
        while rest and select.select((), (fd,), (), 0)[1]:
            lines = rest.rfind(b"\n", 0, select.PIPE_BUF) + 1
            rest = rest[os.write(fd, rest[: lines or select.PIPE_BUF]) :]
    except (OSError, ValueError):
        pass
    return not rest


def end_where_output_is_lost(error: OSError) -> None:
    """End the process with 1 where an error was met in writing to a standard stream, for good: nobody reads the pipe,
    or the disk is full, which is told on standard error. Returns for all other errors, which name a file, for one.
    """
    if error.filename is not None or not (isinstance(error, BrokenPipeError) or error.errno in _FULL):
        return
    if error.errno in _FULL:
        with contextlib.suppress(OSError):
            os.write(2, f"cannot write the output: {os.strerror(error.errno or 0).lower()}\n".encode())
    os._exit(1)  # what is buffered would be tried again
