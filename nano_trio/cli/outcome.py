"""How a command ends: by failing, or by Ctrl-C."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import trio

__all__ = ["fail", "until_interrupted"]


def fail(message: str) -> NoReturn:
    """Tell why on standard error, and end with 1."""
    print(message, file=sys.stderr, flush=True)
    sys.exit(1)


async def until_interrupted(work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work``; SIGINT cancels it, even in the middle of a loop of JavaScript, and ends the process with 130."""
    import trio

    interrupted = False
    failure: Exception | None = None

    async def watch(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal interrupted
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                interrupted = True
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(watch)
        try:
            await work()
        except Exception as error:  # raised below: a nursery would make it a group
            failure = error
        nursery.cancel_scope.cancel()
    if interrupted:
        sys.exit(130)
    if failure is not None:
        raise failure
