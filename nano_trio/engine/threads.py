"""Work in threads, where the system may have no more of them: a container's limit of processes, ``RLIMIT_NPROC``.

It may pass, and must cost no app and no server. Work of some milliseconds, and what a server cannot do without, is done
here instead and holds up the loop meanwhile (:func:`in_thread_or_here`). Other work waits for a thread for a moment,
and then fails with an error that says why (:func:`in_thread`).
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

import trio

__all__ = ["NoThread", "in_thread", "in_thread_or_here"]

T = TypeVar("T")

_PATIENCE_S = 2.0
_FIRST_PAUSE_S = 0.02


class NoThread(OSError):
    """No thread was to be had."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "the system allows no more threads (a limit of processes, as of a container)")

    def __str__(self) -> str:
        return str(self.strerror)


async def in_thread(
    work: Callable[..., T],
    *args: object,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """As :func:`trio.to_thread.run_sync`. Raises :class:`NoThread` where there is none for two seconds."""
    pause = _FIRST_PAUSE_S
    end = trio.current_time() + _PATIENCE_S
    while True:
        try:
            return await _now(work, args, limiter, abandon_on_cancel)
        except NoThread:
            if trio.current_time() >= end:
                raise
        await trio.sleep(pause)
        pause *= 2


async def in_thread_or_here(
    work: Callable[..., T],
    *args: object,
    limiter: trio.CapacityLimiter | None = None,
    abandon_on_cancel: bool = False,
) -> T:
    """As :func:`trio.to_thread.run_sync`, or without a thread where there is none."""
    try:
        return await _now(work, args, limiter, abandon_on_cancel)
    except NoThread:
        await trio.lowlevel.checkpoint()
    return work(*args)


async def _now(
    work: Callable[..., T], args: tuple[object, ...], limiter: trio.CapacityLimiter | None, abandon_on_cancel: bool
) -> T:
    """In a thread. Raises :class:`NoThread` where there is none."""
    begun = False

    def run() -> T:
        nonlocal begun
        begun = True
        return work(*args)

    try:
        return await trio.to_thread.run_sync(run, limiter=limiter, abandon_on_cancel=abandon_on_cancel)
    except RuntimeError:
        if begun:
            raise
    raise NoThread
