"""Who may have which of the descriptors that the system allows, so that some are left to the process itself.

Theory of operation. Clients, and what apps fetch, open connections without number, and the process opens files as it
goes: code of the platform that an app is the first to touch, Python's modules, the configuration, certificates.
What watches the apps' files may be begun when clients are there already, and takes three for good.
Where connections took the last descriptor, requests that had been let in were answered 500 for a file that could not be
read, and a module that failed to load so had failed for as long as its isolate lived. So each leaves some to those who
come after it here: apps' connections to clients, clients to caches, and these to all the rest.

The system hands out the lowest number that is free. So a number tells how many are in use, and need not be counted.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache

__all__ = ["EXHAUSTED", "are_free", "for_apps", "for_caches", "for_clients", "give_back"]

EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
"""The system has nothing left to accept a connection with: that may pass."""


@cache
def for_apps() -> int:
    """Connections that apps open have descriptors below this number."""
    return _but(128, 3)


@cache
def for_clients() -> int:
    """Clients' connections have descriptors below this number, but the last that is accepted."""
    return _but(32, 4)


@cache
def for_caches() -> int:
    """Databases, of some descriptors each, are opened while there is one below this number."""
    return _but(16, 8)


def _but(most: int, part: int) -> int:
    """What the system allows, without so many or such a part of it. The limit is looked at once."""
    try:
        import resource
    except ImportError:  # no such limit (Windows)
        return sys.maxsize
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else files - min(most, files // part)


def are_free(below: int) -> bool:
    """Whether there is a descriptor below that number, and one more."""
    if below == sys.maxsize:
        return True
    try:
        free = os.pipe()
    except OSError:
        return False
    for number in free:
        os.close(number)
    return min(free) < below


def give_back(number: int, first: int) -> None:
    """Raise OSError, as the system does where there is none, for a descriptor that is not below ``first``."""
    if number >= first:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
