"""Memory of closed heaps goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import psutil

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler

from .conftest import heaps_freed

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
    await heaps_freed(scheduler)
    assert resident() - before < grown / 2
    heaps[-1].close()


async def test_a_large_heap_gives_back_what_it_took_in_turns_with_others(scheduler: CpuScheduler) -> None:
    heaps = [Isolate(scheduler) for _ in range(8)]
    for heap in heaps:
        heap.context.eval(
            "globalThis.kept = []; globalThis.grow = () => { for (let i = 0; i < 20; i++) kept.push({ i }); }"
        )
    grows = [heap.context.get("grow") for heap in heaps]
    before = resident()
    for _ in range(4000):
        for grow in grows:
            grow()
    grown = resident() - before
    assert grown > 40 * MB
    del grow, grows
    for heap in heaps[:-1]:
        heap.close()
    await heaps_freed(scheduler)
    assert resident() - before < grown / 3
    heaps[-1].close()


async def test_a_heap_that_shrinks_gives_memory_back_while_it_lives(scheduler: CpuScheduler) -> None:
    heap = Isolate(scheduler)
    before = resident()
    heap.context.eval("globalThis.kept = Array.from({ length: 500000 }, (_, i) => ({ i }))")
    grown = resident() - before
    assert grown > 40 * MB
    heap.context.eval("kept = null")
    assert resident() - before < grown / 2
    heap.close()


def test_chunks_that_come_and_go_do_not_have_the_system_clear_their_pages_each_time() -> None:
    chunks = """
import resource
from nano_trio.engine import freed_memory
freed_memory.keep_some()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(1 << 18)
before = faults()
for _ in range(400):
    chunks = [bytearray(1 << 18) for _ in range(8)]
    del chunks
print(faults() - before)
"""
    run = subprocess.run([sys.executable, "-c", chunks], capture_output=True, text=True, check=True)
    # 2 MB once, and not four hundred times.
    assert int(run.stdout) < 2000
