"""Ticks (process.nextTick): whatever they do they are part of a turn, and end with it. Their order: tests/npm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from nano_trio.engine.calls import call
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn
from nano_trio.runtime.environment import Environment

from .harness import App

ENDLESS = "let n = 0; process.nextTick(function again() { n++; process.nextTick(again); });"


@asynccontextmanager
async def _environment(app: App, turn_ms: float = 60_000) -> AsyncIterator[Environment]:
    async with trio.open_nursery() as nursery:
        scheduler = CpuScheduler()
        await nursery.start(scheduler.run)
        environment = Environment(scheduler, app, app, limits=Limits(turn_ms=turn_ms))
        await nursery.start(environment.run)
        try:
            yield environment
        finally:
            environment.close()
            nursery.cancel_scope.cancel()


def _turn(environment: Environment, source: str) -> Turn:
    turn = Turn(environment.isolate.context.eval, (source,))
    environment.isolate.submit(turn)
    return turn


async def test_endless_ticks_have_slices_as_any_turn_and_end_at_its_limit() -> None:
    app = App()
    async with _environment(app, turn_ms=50) as environment:
        turn = _turn(environment, ENDLESS)
        assert environment.isolate.busy
        while environment.isolate.busy:
            await trio.lowlevel.checkpoint()
        assert turn.stopped is environment.isolate.stopped is StopReason.CPU
        assert environment.isolate.account.slices > 3


@pytest.mark.parametrize("first", ["", "Promise.resolve().then(() => process.nextTick(() => { for (;;); }));"])
async def test_what_an_interrupt_leaves_of_ticks_is_dropped(first: str) -> None:
    """The owner at the keyboard goes on in the same heap, where later ticks run as ever."""
    app = App()
    async with _environment(app) as environment:
        isolate = environment.isolate
        source = f"globalThis.seen = []; {first or 'process.nextTick(() => { for (;;); });'} process.nextTick(() => seen.push('late'))"
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            before = isolate.account.slices
            turn = _turn(environment, source)
            while isolate.account.slices < before + 2:
                await trio.lowlevel.checkpoint()
            assert isolate.interrupt()
            while isolate.busy:
                await trio.lowlevel.checkpoint()
            assert turn.stopped is StopReason.INTERRUPTED
            _turn(environment, "process.nextTick((x) => seen.push(x), 1); Promise.resolve().then(() => seen.push(2))")
            while isolate.busy:
                await trio.lowlevel.checkpoint()
            assert await call(isolate, isolate.context.eval, "seen.join()") == ("late,1,2" if first else "1,2")


async def test_an_environment_is_closed_in_the_midst_of_ticks() -> None:
    async with _environment(App()) as environment:
        turn = _turn(environment, ENDLESS)
        assert environment.isolate.busy
        environment.close()
        assert turn.stopped is StopReason.CANCELLED


async def test_what_a_tick_throws_is_reported_and_the_next_one_runs() -> None:
    app = App()
    async with _environment(app) as environment:
        _turn(
            environment,
            "process.nextTick(() => { throw new Error('in a tick') }); process.nextTick(() => console.log('next'))",
        )
        while environment.isolate.busy:
            await trio.lowlevel.checkpoint()
    assert [text for text, _ in app.exceptions] == ["Error: in a tick"]
    assert app.logs == [("log", "next")]


def test_prototypes_of_an_app_are_not_asked(run_js: Callable[[str], Any]) -> None:
    assert (
        run_js("""
      const seen = [];
      for (const key of ["0", "1", "2"]) {
        Object.defineProperty(Object.prototype, key, { set(value) { seen.push(typeof value); }, configurable: true });
        Object.defineProperty(Array.prototype, key, { set(value) { seen.push(typeof value); }, configurable: true });
      }
      await new Promise((resolve) => process.nextTick(resolve));
      for (const key of ["0", "1", "2"]) { delete Object.prototype[key]; delete Array.prototype[key]; }
      return seen;
    """)
        == []
    )


def test_a_large_number_of_ticks_is_given_back(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
      let order = 0, wrong = 0;
      for (let i = 0; i < 50_000; i++) process.nextTick((n) => { if (n !== order++) wrong++; }, i);
      await new Promise((resolve) => setTimeout(resolve, 1));
      return [order, wrong];
    """) == [50_000, 0]
