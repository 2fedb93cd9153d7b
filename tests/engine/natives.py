"""What tests of native calls have in common: calls that take long, and waiting in their midst."""

from __future__ import annotations

import trio

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import Turn

ENDLESS = "Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)"
SHUFFLED = "Array.from({ length: 300000 }, (_, i) => (i * 7919) % 300007)"
MANY = "Array.from({ length: 300000 }, (_, i) => ({ i }))"
MOST = "Array.from({ length: 2000000 }, (_, i) => ({ i }))"
"""So many that to free them, or to walk through them, takes many slices on quick machines, too."""


async def run(isolate: Isolate, code: str) -> tuple[Turn, int]:
    """A turn of that function, and how often somebody else ran meanwhile."""
    turn = Turn(isolate.context.eval(f"({code})"), ())
    isolate.submit(turn)
    others = 0
    while isolate.busy:
        await trio.lowlevel.checkpoint()
        others += 1
    return turn, others


async def until_in_native_call(isolate: Isolate, slices: int = 0) -> None:
    """Wait until it is suspended in the midst of one, after so many slices at least."""
    while isolate.account.slices < slices or not isolate.in_native_call:
        assert isolate.busy
        await trio.lowlevel.checkpoint()


async def in_the_midst(isolate: Isolate, code: str) -> Turn:
    """A turn of that function, which is suspended in a native call of its own: not while garbage is collected."""
    turn = Turn(isolate.context.eval(f"({code})"), ())
    isolate.submit(turn)
    while not isolate.in_native_call or isolate._turnstile.collecting:
        assert isolate.busy, "it was not suspended in a native call"
        await trio.lowlevel.checkpoint()
    return turn


async def end_of(isolate: Isolate) -> None:
    while isolate.busy:
        await trio.lowlevel.checkpoint()
