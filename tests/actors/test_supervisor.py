"""Supervisors: what starts, restarts and stops, in which order and how often."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.actors.child import ChildSpec, Restart
from nano_trio.actors.supervisor import Supervisor

PERMANENT, TRANSIENT, TEMPORARY = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY


class Boom(Exception):
    """What a toy crashes with."""


@attrs.define(eq=False)
class Toy:
    """A child that does as it is told, and notes what happens to it in a common log."""

    name: str
    log: list[tuple[str, str]]
    linger_s: float = 0.0
    """How long it takes to end when it is cancelled."""
    fails_to_start: int = 0
    lives: int = 0
    _told: list[str] = attrs.field(factory=list)
    _wake: trio.Event = attrs.field(factory=trio.Event)

    async def run(self, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
        if self.fails_to_start:
            self.fails_to_start -= 1
            self.log.append(("fail", self.name))
            raise Boom("at start")
        self.lives += 1
        self.log.append(("start", self.name))
        task_status.started(self.name)
        how = "stop"
        try:
            while not self._told:
                self._wake = trio.Event()
                await self._wake.wait()
            how = self._told.pop(0)
            if how == "crash":
                raise Boom(self.name)
        except trio.Cancelled:
            if self.linger_s:
                with trio.CancelScope(shield=True):
                    await trio.sleep(self.linger_s)
            raise
        finally:
            self.lives -= 1
            self.log.append((how, self.name))

    def tell(self, how: str) -> None:
        self._told.append(how)
        self._wake.set()

    def spec(self, restart: Restart = PERMANENT, **keys: Any) -> ChildSpec:
        return ChildSpec(id=self.name, run=self.run, restart=restart, reports=True, **keys)


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[Supervisor]:
    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            yield supervisor
            nursery.cancel_scope.cancel()


def toys(names: str, log: list[tuple[str, str]]) -> dict[str, Toy]:
    return {name: Toy(name, log) for name in names}


def supervised(three: dict[str, Toy], **keys: Any) -> Supervisor:
    return Supervisor("top", [toy.spec() for toy in three.values()], jitter=lambda: 0, **keys)


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_one_that_crashes_starts_again_alone_and_all_stop_in_reverse_order() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(three)) as supervisor:
        assert log == [("start", "a"), ("start", "b"), ("start", "c")]
        log.clear()
        three["b"].tell("crash")
        await settle()
        assert log == [("crash", "b"), ("start", "b")]
        assert supervisor.restarts == 1
        assert supervisor.last_error == "b: Boom: b"
        log.clear()
    assert log == [("stop", "c"), ("stop", "b"), ("stop", "a")]


@pytest.mark.parametrize(
    ("restart", "how", "again", "known"),
    [
        (PERMANENT, "crash", True, True),
        (PERMANENT, "return", True, True),
        (TRANSIENT, "crash", True, True),
        (TRANSIENT, "return", False, True),
        (TEMPORARY, "crash", False, False),
        (TEMPORARY, "return", False, False),
    ],
)
async def test_whether_an_end_matters(restart: Restart, how: str, again: bool, known: bool) -> None:
    toy = Toy("a", [])
    async with running(Supervisor("top", [toy.spec(restart)])) as supervisor:
        toy.tell(how)
        await settle()
        assert toy.lives == int(again)
        assert ("a" in supervisor) is known


async def test_one_that_crashes_too_often_waits_alone(autojump_clock: trio.testing.MockClock) -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(three, max_restarts=1, window_s=10)) as supervisor:
        for pause in (1, 2, 4):
            while three["b"].lives:
                three["b"].tell("crash")
                await settle()
            crashed = trio.current_time()
            await trio.sleep(pause - 0.01)
            assert [toy.lives for toy in three.values()] == [1, 0, 1]
            assert [child["state"] for child in supervisor.tree()["children"]] == ["running", "waiting", "running"]
            await trio.sleep(0.02)
            assert [toy.lives for toy in three.values()] == [1, 1, 1]
            assert trio.current_time() - crashed < pause + 0.1
        assert {name for _, name in log[3:]} == {"b"}


async def test_one_that_fails_to_start_again_is_started_anew() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(three)):
        log.clear()
        three["b"].fails_to_start = 2
        three["b"].tell("crash")
        await settle()
        assert [" ".join(entry) for entry in log] == ["crash b", "fail b", "fail b", "start b"]


async def test_what_fails_at_the_first_start_is_raised() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    three["c"].fails_to_start = 1
    with pytest.RaisesGroup(Boom, flatten_subgroups=True):
        async with running(supervised(three)):
            raise AssertionError("it has not started")
    assert log[-2:] == [("stop", "b"), ("stop", "a")]


async def test_children_are_added_by_name() -> None:
    log: list[tuple[str, str]] = []
    async with running(Supervisor("top")) as supervisor:
        first, second, third = toys("abc", log).values()
        assert await supervisor.start_child(first.spec()) == "a"
        with pytest.raises(ValueError, match="already"):
            await supervisor.start_child(first.spec())
        with pytest.raises(ValueError, match="already"):
            supervisor.add(first.spec())
        second.fails_to_start = 1
        with pytest.raises(Boom):
            await supervisor.start_child(second.spec())
        await settle()
        assert "b" not in supervisor
        supervisor.add(third.spec())
        await settle()
        assert [toy.lives for toy in (first, second, third)] == [1, 0, 1]
    with pytest.raises(RuntimeError, match="does not run"):
        supervisor.add(second.spec())
    with pytest.raises(RuntimeError, match="does not run"):
        await supervisor.start_child(second.spec())


async def test_who_waits_for_a_start_is_told_that_it_stops() -> None:
    log: list[tuple[str, str]] = []

    async def never_starts(*, task_status: trio.TaskStatus[str]) -> None:
        await trio.sleep_forever()

    async def start(spec: ChildSpec) -> None:
        with pytest.raises(RuntimeError, match="the supervisor top has stopped"):
            await supervisor.start_child(spec)

    async with trio.open_nursery() as callers, running(Supervisor("top")) as supervisor:
        callers.start_soon(start, ChildSpec(id="never", run=never_starts, reports=True))
        await settle()
        callers.start_soon(start, Toy("behind it", log).spec())
        await settle()
    assert log == []


async def test_stopping_asks_then_cancels_then_leaves_behind(autojump_clock: trio.testing.MockClock) -> None:
    log: list[tuple[str, str]] = []
    willing, deaf, stubborn = Toy("willing", log), Toy("deaf", log), Toy("stubborn", log, linger_s=100)

    async def ask() -> None:
        willing.tell("return")

    async def ask_in_vain() -> None:
        pass

    supervisor = Supervisor(
        "top",
        [
            stubborn.spec(shutdown_s=5),
            deaf.spec(stop=ask_in_vain, shutdown_s=3),
            willing.spec(stop=ask, shutdown_s=1),
        ],
    )
    async with running(supervisor):
        begun = trio.current_time()
        await supervisor.stop()
        assert trio.current_time() - begun == 8
        assert log[3:] == [("return", "willing"), ("stop", "deaf")]
        assert (stubborn.lives, supervisor.tree()["hung"]) == (1, ["stubborn"])
    assert (stubborn.lives, trio.current_time() - begun) == (0, 103)


async def test_a_tree_stops_from_the_leaves() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    inner = Supervisor("inner", [three["b"].spec(), three["c"].spec()])
    outer = Supervisor("outer", [three["a"].spec(), ChildSpec.of(inner)])
    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            await nursery.start(outer.run)
            tree = outer.tree()
            assert [child["id"] for child in tree["children"]] == ["a", "inner"]
            assert [child["id"] for child in tree["children"][1]["children"]] == ["b", "c"]
            assert tree["children"][1]["kind"] == "supervisor"
            await outer.stop()
    assert log[3:] == [("stop", "c"), ("stop", "b"), ("stop", "a")]
    assert outer.state.value == "stopped"


async def test_what_is_no_exception_goes_through() -> None:
    """It ends everything: no child is restarted, and those that run are cancelled."""
    starts: list[str] = []
    ended: list[str] = []

    async def end() -> None:
        starts.append("a")
        raise SystemExit(3)

    async def stay() -> None:
        starts.append("b")
        try:
            await trio.sleep_forever()
        finally:
            ended.append("b")

    with pytest.RaisesGroup(SystemExit, flatten_subgroups=True) as raised:
        async with running(Supervisor("top", [ChildSpec(id="b", run=stay), ChildSpec(id="a", run=end)])):
            await trio.sleep_forever()
    assert raised.group_contains(SystemExit, match="3")
    assert (starts, ended) == (["b", "a"], ["b"])


# -- properties -------------------------------------------------------------------------------------------------------

_ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["crash", "return", "linger", "unstartable"]), st.integers(0, 4)),
    st.tuples(st.just("sleep"), st.floats(0.01, 30)),
    st.tuples(st.just("add"), st.integers(0, 2)),
)


@settings(max_examples=150)
@given(
    kinds=st.lists(st.sampled_from(Restart), min_size=1, max_size=5),
    max_restarts=st.integers(0, 3),
    actions=st.lists(_ACTIONS, max_size=25),
)
def test_whatever_happens(kinds: list[Restart], max_restarts: int, actions: list[tuple[str, Any]]) -> None:
    story = Story(kinds, max_restarts)
    trio.run(functools.partial(story.play_and_check, actions), clock=trio.testing.MockClock(autojump_threshold=0))


class Story:
    """One supervisor with toys, and what must hold of it at every moment and at the end."""

    def __init__(self, kinds: list[Restart], max_restarts: int) -> None:
        self.log = Watched(self)
        self.toys: list[Toy] = []
        self.kinds: dict[str, Restart] = {}
        self.ended_at: dict[str, float] = {}
        self.at_once: dict[str, list[float]] = {}
        """When a child was started again in the moment in which it had ended."""
        self.names = itertools.count()
        self.max_restarts = max_restarts
        self.supervisor = Supervisor(
            "top", [self.toy(kind) for kind in kinds], max_restarts=max_restarts, window_s=10, jitter=lambda: 0
        )

    def toy(self, kind: Restart) -> ChildSpec:
        toy = Toy(f"t{next(self.names)}", self.log)
        self.toys.append(toy)
        self.kinds[toy.name] = kind
        return toy.spec(kind, shutdown_s=2)

    async def play_and_check(self, actions: list[tuple[str, Any]]) -> None:
        async with running(self.supervisor):
            for what, value in actions:
                await self.act(what, value)
            await trio.sleep(300)  # longer than every pause
            for toy in self.toys:
                toy.fails_to_start = 0
            await trio.sleep(300)
            self.check_end()
            for times in self.at_once.values():
                for begin in times:
                    assert sum(begin <= at < begin + 10 for at in times) <= self.max_restarts
            await self.supervisor.stop()
            assert [toy.lives for toy in self.toys] == [0] * len(self.toys)

    async def act(self, what: str, value: Any) -> None:
        if what == "sleep":
            await trio.sleep(value)
            return
        if what == "add":
            await self.supervisor.start_child(self.toy(list(Restart)[value]))
            return
        toy = self.toys[value % len(self.toys)]
        match what:
            case "crash" | "return" if toy.lives:
                toy.tell(what)
            case "linger":
                toy.linger_s = 1.5
            case "unstartable":
                toy.fails_to_start = 2

    def happened(self, what: str, name: str) -> None:
        """Called at each event, with the toys as they are then."""
        toy = next(toy for toy in self.toys if toy.name == name)
        assert toy.lives <= 1, "two lives at once"
        now = trio.current_time()
        if what in ("crash", "return", "fail"):
            self.ended_at[name] = now
        elif what == "start" and self.ended_at.pop(name, None) == now:
            self.at_once.setdefault(name, []).append(now)

    def check_end(self) -> None:
        tree = {child["id"]: child for child in self.supervisor.tree()["children"]}
        for toy in self.toys:
            kind = self.kinds[toy.name]
            if kind is PERMANENT:
                assert toy.lives == 1, "a permanent child was lost"
                assert tree[toy.name]["state"] == "running"
            elif kind is TRANSIENT:
                assert tree[toy.name]["state"] == ("running" if toy.lives else "ended")
            else:
                assert (toy.name in tree) == bool(toy.lives)


class Watched(list[tuple[str, str]]):
    """A log that tells its story of each entry."""

    def __init__(self, story: Story) -> None:
        self._told: Callable[[str, str], None] = story.happened

    def append(self, entry: tuple[str, str]) -> None:
        super().append(entry)
        self._told(*entry)
