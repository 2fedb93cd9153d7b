"""turns: what the engine itself costs, in this process, without HTTP and without the Web platform.

Measured, each as the best of several batches (others on the machine can only add):

- a turn of a Python function that does nothing, and of a JavaScript function that does nothing: submit, greenlet, back;
- the same when no parked greenlet can be used again, so that each turn makes one;
- a slice more: one suspension and one resume, from a loop that is preempted: its time with slices of 0.2 ms against its
  time with slices so long that none ends, divided by the suspensions;
- the same between 500 isolates that are all suspended and take turns, where each switch also copies its stack;
- call(): a turn that a Trio task waits for.

Unfair would be: reading a suspension's cost off a profile (the profiler's clock readings are dearer than the switch),
or counting the pass of the Trio loop between two grants as the suspension's: it is shown on its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import trio

from bench.report import Options, Outcome, Table, Verdict
from nano_trio.engine import runners
from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn

__all__ = ["run"]

LOOP = "(function (n) { let x = 0; for (let i = 0; i < n; i++) x += i & 7; return x; })"
LIMITS = Limits(turn_ms=600_000)


def run(options: Options) -> Outcome:
    print("bench: turns", file=sys.stderr)
    return trio.run(_main, 10 if options.quick else 40)


def _best(batches: int, count: int, work: Callable[[], object]) -> float:
    """µs per call: the best of ``batches`` batches of ``count`` calls."""
    best = float("inf")
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(count):
            work()
        best = min(best, (time.perf_counter() - start) / count)
    return best * 1e6


async def _main(batches: int) -> Outcome:
    costs: dict[str, float] = {}
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        isolate = Isolate(scheduler, limits=LIMITS)
        nothing = isolate.context.eval("(function () {})")

        def turn(function: Callable[..., object]) -> Callable[[], None]:
            def once() -> None:
                scheduler.used_ns = 0  # a pass of its own for each turn
                isolate.submit(Turn(function, ()))

            return once

        def fresh() -> None:
            runners.parked.greenlets.clear()
            scheduler.used_ns = 0
            isolate.submit(Turn(nothing, ()))

        costs["short turn, Python"] = _best(batches, 2000, turn(lambda: None))
        costs["short turn, JavaScript"] = _best(batches, 2000, turn(nothing))
        costs["short turn in a new greenlet"] = _best(batches, 500, fresh)
        await trio.lowlevel.checkpoint()
        costs["call() from a task"] = await _calls(batches, isolate, nothing)
        nothing = None
        isolate.close()
        nursery.cancel_scope.cancel()
    costs["pass of the Trio loop"] = await _passes(batches)
    alone, wall = await _suspensions(1, batches)
    many, _ = await _suspensions(500, max(5, batches // 4))
    costs["suspension and resume, 1 isolate"] = alone
    costs["suspension and resume, 500 isolates in turns"] = many
    outcome = Outcome("turns", data={"us": costs, "slices_of_ms": wall})
    table = Table("cost, µs, best of the batches", ["", "µs"])
    table.rows = [[name, f"{value:.2f}"] for name, value in costs.items()]
    outcome.absolute = [table]
    short = costs["short turn, JavaScript"]
    dear = max(alone, many)
    outcome.verdicts = [
        Verdict("a short turn", "< 5 µs", f"{short:.2f} µs", short < 5, kind="own"),
        Verdict(
            "a suspension and resume with its pass, of a slice of 500 µs",
            "< 10 %",
            f"{dear / 5:.0f} %",
            dear / 5 < 10,
            kind="own",
        ),
    ]
    return outcome


async def _calls(batches: int, isolate: Isolate, function: Callable[..., object]) -> float:
    best = float("inf")
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(200):
            await call(isolate, function)
        best = min(best, (time.perf_counter() - start) / 200)
    return best * 1e6


async def _passes(batches: int) -> float:
    best = float("inf")
    for _ in range(batches):
        start = time.perf_counter()
        for _ in range(500):
            await trio.lowlevel.checkpoint()
        best = min(best, (time.perf_counter() - start) / 500)
    return best * 1e6


async def _suspensions(isolates: int, batches: int) -> tuple[float, float]:
    """µs of CPU that a suspension with its pass and its resume adds, and the slice's length as it came out, in ms."""
    iterations = 2_000_000 if isolates == 1 else 120_000
    whole = cut = float("inf")
    slices = 0
    for _ in range(batches):
        whole = min(whole, (await _run_loops(isolates, iterations, slice_ms=60_000))[0])
        passed, suspended = await _run_loops(isolates, iterations, slice_ms=0.2)
        if passed < cut:
            cut, slices = passed, suspended
    return (cut - whole) / max(1, slices) * 1e6, whole / max(1, slices) * 1e3


async def _run_loops(isolates: int, iterations: int, *, slice_ms: float) -> tuple[float, int]:
    """CPU seconds and suspensions for a loop in each isolate."""
    scheduler = CpuScheduler(slice_ms=slice_ms, pass_budget_slices=2)
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        made = [Isolate(scheduler, limits=LIMITS) for _ in range(isolates)]
        loops = [isolate.context.eval(LOOP) for isolate in made]
        await call(made[0], loops[0], 1000)
        start = time.thread_time()
        async with trio.open_nursery() as calls:
            for isolate, loop in zip(made, loops, strict=True):
                calls.start_soon(call, isolate, loop, iterations)
        passed = time.thread_time() - start
        slices = sum(isolate.account.slices for isolate in made)
        loops.clear()
        for isolate in made:
            isolate.close()
        nursery.cancel_scope.cancel()
    return passed, slices
