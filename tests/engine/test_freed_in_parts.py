"""A heap that is closed gives its memory back to the system in parts: others wait for one of them and not for all."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import trio

from nano_trio.engine import native_calls
from nano_trio.engine.scheduler import CpuScheduler

from .conftest import NewIsolate

pytestmark = pytest.mark.skipif(not native_calls.can_suspend(), reason="native calls are not suspended here")
MOST_MS = 6
"""In parts it is 1 to 3 ms, in one piece 12 to 40."""


async def longest_wait_ms(begin: Callable[[], None], goes_on: Callable[[], bool]) -> float:
    """The longest time, of this thread's CPU clock, from a pass of the loop to the next, as long as it goes on."""
    longest, last = 0, time.thread_time_ns()
    begin()
    while goes_on():
        await trio.lowlevel.checkpoint()
        now = time.thread_time_ns()
        longest, last = max(longest, now - last), now
    return longest / 1e6


@pytest.mark.parametrize("size", [4_000, 50_000, 300_000])
async def test_the_memory_of_a_closed_heap_goes_back_to_the_system_in_parts(
    new_isolate: NewIsolate, scheduler: CpuScheduler, size: int
) -> None:
    heaps = [new_isolate(source="", memory_bytes=300 << 20) for _ in range(2)]
    for part in range(1, 11):
        for heap in heaps:  # by turns, so that they lie among each other
            most = 16_000_000 * part // size
            heap.context.eval(
                f"globalThis.held ??= []; while (held.length < {most}) held.push('x'.repeat({size}) + held.length)"
            )

    def close() -> None:
        for heap in heaps:
            heap.close()

    assert await longest_wait_ms(close, lambda: bool(scheduler.ends)) < MOST_MS
