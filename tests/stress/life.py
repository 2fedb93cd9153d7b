"""One life of an isolate: made, given programs, disturbed or left alone, and dropped.

Every life draws its programs, limits and fate from its own random numbers. The fates of a turn: it is left to end (and
its outcome compared), stopped after some passes of the loop, closed in the middle, or the task that waits for it is
cancelled. Which stops may happen follows from the limits that were drawn; any other stop is a problem.
"""

from __future__ import annotations

import enum
import json
import os
from random import Random
from typing import Any

import attrs
import trio

from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import IsolateClosed, Limits, StopReason, Turn
from tests.stress.engine_programs import ENGINE_PROGRAMS
from tests.stress.ledger import Ledger
from tests.stress.program import PRELUDE, Ending, Program, host_functions, load_module, read_outcome, reference
from tests.stress.restless import Peak, RestlessIsolate
from tests.stress.tally import Tally

__all__ = ["CRASH", "Fate", "Plan", "World", "a_while", "draw_plan", "engine_life", "judge"]

CRASH = "NANO_STRESS_CRASH"
"""Set in the environment, this makes the first answer end the process, to test how a crash is reported."""
_AMPLE_MS = 30_000
_GRACE_S = 1
"""How long turns may go on beyond the end; then their isolates are closed."""


@attrs.frozen
class World:
    """What all lives share."""

    scheduler: CpuScheduler
    ledger: Ledger
    tally: Tally
    peak: Peak
    ends_at: float

    @property
    def over(self) -> bool:
        return trio.current_time() >= self.ends_at


class Fate(enum.Enum):
    """What is done to a turn."""

    LEFT = "left"
    STOPPED = "stopped"
    CLOSED = "closed"
    CANCELLED = "cancelled"


_FATES = [Fate.LEFT] * 6 + [Fate.STOPPED, Fate.CLOSED, Fate.CANCELLED]


@attrs.frozen
class Plan:
    """The programs of a life, and its limits."""

    programs: list[tuple[Program, tuple[Any, ...], Fate]]
    limits: Limits
    may_stop: frozenset[StopReason]

    def __str__(self) -> str:
        calls = ", ".join(f"{p.name}{json.dumps(a)[:80]} {fate.value}" for p, a, fate in self.programs)
        return f"{calls}; {self.limits.turn_ms:g} ms, {self.limits.memory_bytes / (1 << 20):.1f} MB"


def draw_plan(rng: Random, programs: list[Program]) -> Plan:
    """Draw programs and limits that fit them: an endless one needs a CPU limit."""
    drawn = []
    for _ in range(rng.randint(1, 6)):
        program = rng.choice(programs)
        drawn.append((program, program.arguments(rng), rng.choice(_FATES)))
        if program.ending is not Ending.ANSWERS:
            break
    endings = {program.ending for program, _, _ in drawn}
    turn_ms: float = _AMPLE_MS
    memory_bytes = max(program.heap_mb for program, _, _ in drawn) << 20
    may_stop = set()
    if Ending.ENDLESS in endings or rng.random() < 0.1:
        turn_ms = rng.uniform(0.5, 60)
        may_stop.add(StopReason.CPU)
    if Ending.GROWS in endings or rng.random() < 0.1:
        memory_bytes = int(rng.uniform(1, 16) * (1 << 20))
        may_stop.add(StopReason.MEMORY)
    return Plan(drawn, Limits(turn_ms=turn_ms, memory_bytes=memory_bytes), frozenset(may_stop))


async def engine_life(world: World, rng: Random, slot: int) -> None:
    """A bare isolate with host functions, from its making to its close."""
    tally = world.tally
    plan = draw_plan(rng, ENGINE_PROGRAMS)
    world.ledger.write(slot, f"isolate {tally.isolates}: {plan}")
    account = Account()
    before = world.ledger.enter(slot)
    isolate = RestlessIsolate(world.scheduler, account, plan.limits, rng, world.ledger, slot, world.peak)
    tally.isolates += 1
    answers: list[str] = []
    context = isolate.context
    for name, function in host_functions().items():
        context.set(name, function)
    context.set("answer", (lambda _: os.abort()) if os.environ.get(CRASH) else answers.append)
    context.set_module_loader(load_module)
    context.eval(PRELUDE)
    for program in {id(p): p for p, _, _ in plan.programs}.values():
        context.eval(f"programs[{json.dumps(program.name)}]={program.source}")
    begin = context.get("begin")
    del context
    world.ledger.leave(before)
    try:
        for program, arguments, fate in plan.programs:
            answers.clear()
            turn = await _run_turn(world, rng, isolate, begin, (program.name, json.dumps(arguments)), fate)
            if turn is not None and not isolate.busy:
                judge(world, plan, program, arguments, fate, turn, answers)
            if isolate.stopped is not None or world.over:
                break
            if rng.random() < 0.1:
                isolate.collect_garbage()
            elif rng.random() < 0.1:
                isolate.submit(Turn(isolate.collect_garbage, ()))
            if rng.random() < 0.1 and not isolate.busy:
                isolate.read_memory()
    finally:
        # In half of the lives the last reference goes before close(), which frees the heap at once; else after it.
        if rng.random() < 0.5:
            begin = turn = None
        isolate.close()
        tally.suspensions += account.slices
        begin = turn = None


async def _run_turn(
    world: World, rng: Random, isolate: RestlessIsolate, begin: Any, args: tuple[Any, ...], fate: Fate
) -> Turn | None:
    """Run a turn to whatever end its fate says. None where a cancelled task knows no more of it."""
    if fate is Fate.CANCELLED:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_quietly, isolate, begin, args)
                await a_while(rng, isolate)
                scope.cancel()
        return None
    ended = trio.Event()
    turn = Turn(begin, args, lambda _: ended.set())
    isolate.submit(turn)
    if fate is not Fate.LEFT:
        await a_while(rng, isolate)
        if isolate.busy:
            world.tally.outcomes[fate.value] += 1
            # At a limit, a turn may be suspended once more while its frames are freed. That reason stands.
            reasons = {StopReason.CANCELLED, StopReason.DISCARDED, isolate._turnstile.stop}
            if fate is Fate.STOPPED:
                isolate.stop()
            else:
                world.tally.closed_in_turn += 1
                isolate.close()
            if turn.stopped is None or turn.stopped not in reasons:
                world.tally.problem(f"a turn of {args} was {fate.value} in its middle, but ended as {turn.stopped}")
    with trio.move_on_at(world.ends_at + _GRACE_S):
        await ended.wait()
    return turn if ended.is_set() else None


async def _quietly(isolate: RestlessIsolate, begin: Any, args: tuple[Any, ...]) -> None:
    try:
        await call(isolate, begin, *args)
    except (IsolateClosed, Exception):
        return


async def a_while(rng: Random, isolate: Isolate) -> None:
    """Some passes of the loop, or some milliseconds, in most of which others run."""
    for _ in range(rng.randrange(4)):
        await trio.lowlevel.checkpoint()
    if isolate.busy and rng.random() < 0.7:
        await trio.sleep(rng.expovariate(10))


def judge(
    world: World, plan: Plan, program: Program, arguments: tuple[Any, ...], fate: Fate, turn: Turn, answers: list[str]
) -> None:
    """Compare a turn's end with what it should have been."""
    tally, what = world.tally, f"{program.name}{json.dumps(arguments)[:300]} ({plan})"
    if turn.stopped is not None:
        tally.stopped(turn.stopped)
        tally.outcomes[f"{program.name} {turn.stopped.value}"] += 1
        allowed = plan.may_stop if fate is Fate.LEFT else plan.may_stop | {StopReason.CANCELLED, StopReason.DISCARDED}
        if turn.stopped not in allowed:
            tally.problem(f"{what} was stopped: {turn.stopped.value}")
    elif program.ending is Ending.ANSWERS:
        tally.turns += 1
        tally.outcomes[program.name] += 1
        tally.compare(what, reference(program, arguments), read_outcome(answers, turn.result))
    elif program.may_run_out and str(turn.result) == "InternalError: out of memory":
        tally.outcomes[f"{program.name} out of memory"] += 1
    else:
        tally.wrong += 1
        tally.problem(f"{what} ended: {answers} {turn.result!r}")
