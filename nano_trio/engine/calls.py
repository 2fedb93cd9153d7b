"""One turn, for a task that waits for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import quickjs
import trio

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import IsolateClosed, Turn

__all__ = ["call"]


async def call(isolate: Isolate, function: Callable[..., Any], *args: Any) -> Any:
    """Run one turn and wait for its end; returns the function's result.

    Cancelling the wait stops the isolate. Raises :class:`IsolateClosed` where the turn was stopped, and
    :class:`quickjs.JSError` where the function threw.
    """
    ended = trio.Event()
    turn = Turn(function, args, lambda _: ended.set())
    isolate.submit(turn)
    try:
        await ended.wait()
    except trio.Cancelled:
        isolate.stop()
        raise
    if turn.stopped is not None:
        raise IsolateClosed(turn.stopped.value)
    if isinstance(turn.result, quickjs.JSError):
        raise turn.result
    return turn.result
