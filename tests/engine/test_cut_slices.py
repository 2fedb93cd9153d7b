"""Whoever comes while an app computes waits for a part of that app's slice, not for its end."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
import trio
from trio.testing import MockClock

from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import SHORT_TURN_SLICES
from nano_trio.engine.turn import Turn

from .conftest import NewIsolate

pytestmark = pytest.mark.usefixtures("even_clock")

HOG = "function compute() { for (let i = 1; ; i++) step(i); }"


class Hog:
    """How far an app that computes has come, and what happens on its way. The clock is even: each step takes the same."""

    def __init__(self, isolate: Isolate) -> None:
        self.account = isolate.account
        self.done = 0
        self.at = -1
        self.call: Callable[[], object] = bool
        """Made at step ``at``."""
        isolate.context.set("step", self._step)
        isolate.submit(Turn(isolate.context.get("compute"), ()))

    def _step(self, number: int) -> None:
        self.done = number
        if number == self.at:
            self.call()

    async def slices(self, count: int) -> float:
        """Steps in each of the next so many slices."""
        steps, slices = self.done, self.account.slices
        while self.account.slices < slices + count:
            await trio.lowlevel.checkpoint()
        return (self.done - steps) / (self.account.slices - slices)


@pytest.fixture
async def hog(new_isolate: NewIsolate) -> Hog:
    """One whose turn has proved to be a long one."""
    hog = Hog(new_isolate(source=HOG))
    await hog.slices(2 * SHORT_TURN_SLICES)
    return hog


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


async def _waits(hog: Hog, call: Callable[[], object], called: Callable[[], Awaitable[None]]) -> list[float]:
    """For how much of a slice each of those waits who are called anywhere in one, long after the last."""
    whole = await hog.slices(40)
    hog.call = call
    waits = []
    for part in range(30):
        hog.at = at = hog.done + int(whole * (10 + part / 30))
        await called()
        waits.append((hog.done - at) / whole)
    return waits


async def test_input_in_the_middle_of_a_slice_is_served_before_its_end(
    hog: Hog, ends: tuple[socket.socket, socket.socket]
) -> None:
    async def read() -> None:
        await trio.lowlevel.wait_readable(ends[1])
        ends[1].recv(1)

    waits = await _waits(hog, lambda: ends[0].send(b"x"), read)
    assert max(waits) < 0.4, waits


async def test_a_timer_due_in_the_middle_of_a_slice_goes_off_before_its_end(hog: Hog, mock_clock: MockClock) -> None:
    async def sleep() -> None:
        await trio.sleep(10)

    waits = await _waits(hog, lambda: mock_clock.jump(10), sleep)
    assert max(waits) < 0.4, waits


async def test_who_computes_keeps_its_share_beside_somebody_who_always_comes(
    hog: Hog, ends: tuple[socket.socket, socket.socket]
) -> None:
    undisturbed = await hog.slices(100)
    ends[0].send(b"x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_always, ends[1])
        disturbed = await hog.slices(100)
        nursery.cancel_scope.cancel()
    assert 0.75 < disturbed / undisturbed < 0.95, disturbed / undisturbed


async def _always(end: socket.socket) -> None:
    while True:
        await trio.lowlevel.wait_readable(end)


async def test_a_turn_that_may_prove_to_be_short_keeps_its_slices(
    hog: Hog, new_isolate: NewIsolate, ends: tuple[socket.socket, socket.socket]
) -> None:
    whole = await hog.slices(40)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.lowlevel.wait_readable, ends[1])
        await hog.slices(2)
        newcomer = Hog(new_isolate(source=HOG))
        newcomer.at = newcomer.done + int(whole / 4)
        newcomer.call = lambda: ends[0].send(b"x")
        assert await newcomer.slices(1) > 0.9 * whole
        assert newcomer.done >= newcomer.at
