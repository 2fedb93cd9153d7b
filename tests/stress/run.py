"""The child's side: so many lives at a time until the time is over, then the tally."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import trio
import trio.testing

from nano_trio.engine.runners import parked
from nano_trio.engine.scheduler import CpuScheduler
from tests.stress.ledger import Ledger
from tests.stress.life import World, engine_life
from tests.stress.platform_life import platform_life
from tests.stress.restless import Peak
from tests.stress.tally import Tally, alive

__all__ = ["run"]

_Life = Callable[[World, Random, int], Awaitable[None]]


def run(kind: str, seconds: float, seed: int, isolates: int, ledger_path: Path) -> Tally:
    """Run the stress in this process."""
    tally = Tally(seed, kind)
    ledger = Ledger(ledger_path, isolates)
    started = time.monotonic()
    trio.run(_stress, tally, ledger, kind, seconds, isolates)
    tally.seconds = round(time.monotonic() - started, 1)
    _look_for_leaks(tally)
    tally.finish()
    tally.rss_end = tally.sample()
    ledger.close()
    return tally


async def _stress(tally: Tally, ledger: Ledger, kind: str, seconds: float, isolates: int) -> None:
    both: list[_Life] = [engine_life, platform_life]
    lives = {"engine": both[:1], "platform": both[1:]}.get(kind, both)
    scheduler = CpuScheduler()
    world = World(scheduler, ledger, tally, Peak(), trio.current_time() + seconds)
    async with trio.open_nursery() as services:
        await services.start(scheduler.run)
        services.start_soon(_watch, tally)
        await trio.testing.wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            for slot in range(isolates):
                nursery.start_soon(_live_again, world, lives[slot % len(lives)], Random(f"{tally.seed} {slot}"), slot)
        left = trio.lowlevel.current_statistics().tasks_living
        if left != tasks:
            tally.problem(f"tasks leak: {tasks} before, {left} after")
        with trio.move_on_after(20):
            while scheduler.ends:  # what is left of those that were closed
                await trio.lowlevel.checkpoint()
        if scheduler.waiting:
            tally.problem(f"{scheduler.waiting} isolates wait for slices though all are closed")
        services.cancel_scope.cancel()
    tally.beyond_mb, tally.of_room = round(world.peak.beyond / (1 << 20), 1), round(world.peak.of_room, 3)
    if world.peak.of_room >= 1:
        tally.problem("a heap reached the engine's own limit")


async def _live_again(world: World, life: _Life, rng: Random, slot: int) -> None:
    while not world.over:
        await life(world, rng, slot)
        await trio.lowlevel.checkpoint()


async def _watch(tally: Tally) -> None:
    tally.rss_start = tally.sample()
    while True:
        await trio.sleep(1)
        tally.sample()


def _look_for_leaks(tally: Tally) -> None:
    gc.collect()
    greenlets, isolates = alive()
    # The one of this thread, and those that wait to run further turns.
    most = 1 + len(parked.greenlets)
    if greenlets > most:
        tally.problem(f"greenlets leak: {greenlets} alive, {most} expected")
    if isolates:
        tally.problem(f"isolates leak: {isolates} alive after all were closed")
