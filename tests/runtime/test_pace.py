"""A burst of one app's host work takes a few steps a pass, in order, and everything in the end."""

from __future__ import annotations

import trio

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime.pace import Pace

from .fetching import fetching
from .upstream import running


async def test_steps_are_few_a_pass_and_in_order() -> None:
    scheduler = CpuScheduler()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        pace = Pace(scheduler)
        taken: list[tuple[int, int]] = []

        async def step(number: int) -> None:
            await pace.turn()
            taken.append((scheduler.pass_cpu_ns, number))

        async with trio.open_nursery() as steps:
            for number in range(100):
                steps.start_soon(step, number)
                await trio.lowlevel.checkpoint()
        passes = [began for began, _ in taken]
        assert max(map(passes.count, passes)) <= 4
        assert sorted(number for _, number in taken) == list(range(100))
        nursery.cancel_scope.cancel()


async def test_a_busy_pass_is_not_joined_but_no_step_waits_for_ever() -> None:
    scheduler = CpuScheduler()
    pace = Pace(scheduler)
    scheduler.pass_cpu_ns = -(10**12)  # as if this pass had run for long, and no other came
    assert not pace.claim()
    with trio.fail_after(1):
        await pace.turn()


async def test_who_gives_up_waiting_blocks_nobody() -> None:
    scheduler = CpuScheduler()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        pace = Pace(scheduler)
        ended = 0

        async def step(scope: trio.CancelScope) -> None:
            nonlocal ended
            with scope:
                await pace.turn()
            ended += 1

        scopes = [trio.CancelScope() for _ in range(60)]
        async with trio.open_nursery() as steps:
            for scope in scopes:
                steps.start_soon(step, scope)
            await trio.lowlevel.checkpoint()
            for scope in scopes[::2]:
                scope.cancel()
        assert ended == 60
        await trio.lowlevel.checkpoint()
        assert pace.claim()
        nursery.cancel_scope.cancel()


async def test_no_pass_grows_with_the_number_of_fetches() -> None:
    async with running() as upstream, fetching() as js:
        longest = 0
        watching = True

        async def watch() -> None:
            nonlocal longest
            while watching:
                steps = trio.lowlevel.current_statistics().tasks_runnable
                longest = max(longest, steps)
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await js.run(
                "await Promise.all(Array.from({ length: 500 }, async () => (await fetch(url)).text()))",
                url=f"{upstream.url}/text",
            )
            watching = False
        # The server's own tasks, one a connection, are of this loop as well.
        assert longest < 250
