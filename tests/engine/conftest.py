from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from nano_trio.engine import allocator, poll_timer
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Limits

PROGRAMS = """
function hi(name) { return "hi " + name; }
function spin() { for (;;); }
async function spinInMicrotasks() { for (;;) await null; }
function spinInPromises() { (function again() { Promise.resolve().then(again); })(); }
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function work(n) { let x = 0; for (let i = 0; i < n; i++) x = (x + i * i) % 1000003; return x; }
const kept = []; function hoard() { for (;;) kept.push("x".repeat(100) + kept.length); }
function churn(n) { for (let i = 0; i < n; i++) ({ i, a: [i, i] }); return "done"; }
function deep() { return deep() + 1; }
function tryDeep() { try { return deep(); } catch (error) { return error.constructor.name + ": " + error.message; } }
let answered = []; function later(x) { Promise.resolve(x).then((v) => answered.push(v)); }
"""

NewIsolate = Callable[..., Isolate]


@pytest.fixture
async def scheduler(nursery: trio.Nursery) -> CpuScheduler:
    cpu = CpuScheduler()
    await nursery.start(cpu.run)
    return cpu


@pytest.fixture
def compiled() -> None:
    """Native calls are suspended here."""
    assert poll_timer.in_use(), "there is no timer: in a source tree, run `python hatch_build.py`"
    assert poll_timer.suspends_native_calls(), "the engine is not as it is known: native calls hold up neighbours"


def held_at_first() -> int:
    """What heaps hold before a test: without those that are garbage of Python's by now, which may be collected any time."""
    gc.collect()
    return allocator.held()


async def heaps_freed(scheduler: CpuScheduler) -> None:
    """Wait until those that were closed are gone: large ones are freed in slices."""
    while scheduler.ends:
        await trio.lowlevel.checkpoint()


@pytest.fixture
async def new_isolate(scheduler: CpuScheduler) -> AsyncIterator[NewIsolate]:
    made: list[Isolate] = []

    def make(*, account: Account | None = None, source: str = PROGRAMS, **limits: float) -> Isolate:
        isolate = Isolate(scheduler, account, Limits(**limits))  # type: ignore[arg-type]
        isolate.context.eval(source)
        made.append(isolate)
        return isolate

    yield make
    for isolate in made:
        isolate.close()


@pytest.fixture
def cache(tmp_path: Path) -> BytecodeCache:
    return BytecodeCache(tmp_path / "bytecode")
