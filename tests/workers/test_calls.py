"""Questions between workers: answers, and all the ways not to get one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from nano_trio.web.admin.all_workers import AllWorkers
from nano_trio.web.admin.errors import NotEverywhere
from nano_trio.web.workers.calls import CallFailed, Calls

from .test_mesh import join, meshes


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[list[Calls]]:
    async with meshes(count) as made, trio.open_nursery() as nursery:
        every = [Calls(mesh) for mesh in made]
        for calls in every:
            await nursery.start(calls.run)
            calls.begin()
        yield every
        nursery.cancel_scope.cancel()


async def test_answers_and_their_absence(autojump_clock: trio.testing.MockClock) -> None:
    async with workers(4) as (a, b, c, d):

        async def double(given: Any) -> Any:
            return given * 2

        async def cannot(given: Any) -> Any:
            raise CallFailed(f"{given} is too much")

        async def hang(given: Any) -> Any:
            await trio.sleep_forever()

        b.answer("double", double)
        c.answer("double", cannot)
        d.answer("double", hang)
        assert await a.ask(1, "double", 21, within_s=1) == 42
        with structlog.testing.capture_logs() as logged:
            b.answer("divide", lambda given: 1 / given)
            with pytest.raises(CallFailed, match="internal error"):
                await a.ask(1, "divide", 0, within_s=1)
        assert "ZeroDivisionError" in str(logged) or logged[0]["exc_info"]
        with pytest.raises(CallFailed, match="does not know 'dance'"):
            await a.ask(1, "dance", within_s=1)
        failures = {2: "21 is too much", 3: "has not answered for 5 s"}
        assert await a.ask_all("double", 21, within_s=5) == ({1: 42}, failures)
        assert await a.ask_each("double", 21, within_s=5) == ({1: 42}, failures)
        with pytest.raises(CallFailed, match="cannot be reached"):
            await a.ask(9, "double", 21, within_s=1)


async def test_who_dies_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    async with workers(1) as (a,), trio.open_nursery() as nursery:
        async with meshes(2) as (_, other):
            join(a._bus, other)  # type: ignore[arg-type]
            failed: list[str] = []

            async def ask() -> None:
                with pytest.raises(CallFailed) as caught:
                    await a.ask(1, "anything", within_s=1000)
                failed.append(str(caught.value))

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert failed == ["has ended"]
        assert trio.current_time() < 1000


async def test_one_at_a_time() -> None:
    async with workers(3) as (a, b, c):
        busy: list[int] = []
        most = 0

        async def work(given: Any) -> Any:
            nonlocal most
            busy.append(1)
            most = max(most, len(busy))
            await trio.sleep(0.001)
            busy.pop()

        b.answer("work", work)
        c.answer("work", work)
        assert await a.ask_each("work", within_s=20) == ({1: None, 2: None}, {})
        assert most == 1


class _Here:
    """Stands for this worker's own hosting and its operations: everything succeeds."""

    def __init__(self) -> None:
        self.removed: list[str] = []

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext()

    async def remove_app(self, name: str) -> None:
        self.removed.append(name)


async def test_a_change_that_not_all_can_make_says_which() -> None:
    async with workers(3) as (a, b, c):
        followed: list[int] = []

        async def follow(given: Any) -> Any:
            followed.append(1)

        async def cannot(given: Any) -> Any:
            raise CallFailed("cannot listen on 127.0.0.1:80: permission denied")

        b.answer("follow", cannot)
        c.answer("follow", follow)
        here = _Here()
        operations = AllWorkers(here, here, a)  # type: ignore[arg-type]
        with pytest.raises(NotEverywhere) as caught:
            await operations.remove_app("one")
        assert here.removed == ["one"]
        assert followed == [1], "the fault of one keeps no other from it"
        problem = caught.value.problem()
        assert problem["status"] == 500
        assert problem["workers"] == {"worker 1": "cannot listen on 127.0.0.1:80: permission denied"}
        assert "done, but not in all workers: worker 1: cannot listen" in problem["detail"]
