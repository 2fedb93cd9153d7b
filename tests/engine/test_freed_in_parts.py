"""A heap that is closed gives its memory back to the system in parts: others wait for one of them and not for all."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import trio

from nano_trio.engine.scheduler import CpuScheduler

from .conftest import NewIsolate

MOST = 0.2
"""In parts it is up to a tenth, in one piece half and more."""


async def longest_part(begin: Callable[[], None], goes_on: Callable[[], bool]) -> float:
    """What share of the thread's CPU time the longest pass of the loop took, as long as it goes on."""
    longest, first = 0, time.thread_time_ns()
    last = first
    begin()
    while goes_on():
        await trio.lowlevel.checkpoint()
        now = time.thread_time_ns()
        longest, last = max(longest, now - last), now
    return longest / (last - first)


@pytest.mark.usefixtures("no_collections")
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

    assert await longest_part(close, lambda: bool(scheduler.ends)) < MOST
