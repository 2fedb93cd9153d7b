"""Memory of closed heaps goes back to the system."""

from __future__ import annotations

import psutil

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler

MB = 1 << 20


def resident() -> int:
    size: int = psutil.Process().memory_info().rss
    return size


async def test_pages_between_living_heaps_are_given_back(scheduler: CpuScheduler) -> None:
    before = resident()
    heaps = [Isolate(scheduler) for _ in range(8)]
    for _ in range(60):  # in turns, so that the heaps lie among each other
        for heap in heaps:
            heap.context.eval("(globalThis.kept ??= []).push(Array.from({ length: 1000 }, (_, i) => ({ i })))")
    grown = resident() - before
    assert grown > 30 * MB
    for heap in heaps[:-1]:
        heap.close()
    assert resident() - before < grown / 2
    heaps[-1].close()
