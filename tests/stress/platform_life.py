"""One life of an environment: an isolate with the whole Web platform, its timers and operations."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from unittest.mock import patch

import trio

from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn
from nano_trio.runtime import environment as environment_module
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment
from tests.stress.life import Fate, World, a_while, draw_plan, judge
from tests.stress.platform_programs import PLATFORM_PROGRAMS, logged
from tests.stress.program import PRELUDE
from tests.stress.restless import RestlessIsolate

__all__ = ["platform_life"]


class _NoApp(NoRequests):
    """Programs are evaluated, not loaded."""

    def loaded(self) -> None: ...
    def load_failed(self, text: str, stack: str) -> None: ...
    def evaluated(self, text: str | None) -> None: ...


class _Sink:
    """Receives the log of one life."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.exceptions = 0

    def line(self, level: str, text: str) -> None:
        if level == "log" and len(self.lines) < 1000:
            self.lines.append(text)

    def exception(self, error: JavaScriptError) -> None:
        self.exceptions += 1


async def platform_life(world: World, rng: Random, slot: int) -> None:
    """An environment from its making to its close. Its programs run one after the other, in fresh environments."""
    plan = draw_plan(rng, PLATFORM_PROGRAMS)
    for program, arguments, fate in plan.programs:
        world.ledger.write(slot, f"environment {world.tally.isolates}: {program.name}{json.dumps(arguments)} of {plan}")
        await _live(world, rng, slot, plan, program, arguments, fate)
        if world.over:
            break


def _environment(world: World, rng: Random, slot: int, limits: Limits, sink: _Sink) -> tuple[Environment, Account]:
    account = Account()

    def restless(scheduler: CpuScheduler) -> RestlessIsolate:
        # With its limits from the start: the isolate's polls look at them.
        return RestlessIsolate(scheduler, account, limits, rng, world.ledger, slot, world.peak)

    before = world.ledger.enter(slot)
    with patch.object(environment_module, "Isolate", restless):
        environment = Environment(world.scheduler, _NoApp(), sink, account=account, limits=limits)
    world.ledger.leave(before)
    world.tally.isolates += 1
    return environment, account


async def _live(
    world: World, rng: Random, slot: int, plan: Any, program: Any, arguments: tuple[Any, ...], fate: Fate
) -> None:
    tally, sink = world.tally, _Sink()
    environment, account = _environment(world, rng, slot, plan.limits, sink)
    isolate = environment.isolate
    over = trio.Event()
    answers: list[str] = []

    def idle() -> None:
        if answers or environment.pending == 0:
            over.set()

    def stopped(reason: StopReason) -> None:
        over.set()

    context = isolate.context
    context.set("answer", answers.append)
    context.eval(f"{PRELUDE};programs.it={program.source}")
    begin = context.get("begin")
    del context
    isolate.on_idle, isolate.on_stopped = idle, stopped
    turn = Turn(begin, ("it", json.dumps(arguments)))
    del begin
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(environment.run)
            isolate.submit(turn)
            if fate is Fate.LEFT:
                with trio.move_on_at(world.ends_at + 1):
                    await over.wait()
            else:
                await a_while(rng, isolate)
                if isolate.busy:
                    tally.outcomes[fate.value] += 1
                if fate is Fate.STOPPED:
                    tally.cancellations += isolate.busy
                    isolate.stop()
                elif fate is Fate.CLOSED:
                    tally.closed_in_turn += isolate.busy
                    environment.close()
                else:
                    tally.cancellations += isolate.busy
            if fate is Fate.LEFT and over.is_set() and not isolate.busy:
                if isolate.stopped is not None:
                    turn.stopped = isolate.stopped
                judge(world, plan, program, arguments, fate, turn, answers)
                if program.name == "console_flood" and answers and turn.stopped is None:
                    tally.compare("the log", logged(arguments[0]), sink.lines)
                if program.name == "uncaught" and answers and turn.stopped is None:
                    tally.compare("exceptions", 3 * arguments[0] + 1, sink.exceptions)
            nursery.cancel_scope.cancel()
    finally:
        isolate.on_idle = isolate.on_stopped = None
        environment.close()
        tally.suspensions += account.slices
