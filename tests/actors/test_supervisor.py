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
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nano_trio.actors.child import ChildSpec, Restart
from nano_trio.actors.supervisor import Strategy, Supervisor

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


def supervised(strategy: Strategy, three: dict[str, Toy], **keys: Any) -> Supervisor:
    return Supervisor("top", [toy.spec() for toy in three.values()], strategy=strategy, jitter=lambda: 0, **keys)


async def settle() -> None:
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize(
    ("strategy", "after"),
    [
        (Strategy.ONE_FOR_ONE, ["crash b", "start b"]),
        (Strategy.REST_FOR_ONE, ["crash b", "stop c", "start b", "start c"]),
        (Strategy.ONE_FOR_ALL, ["crash b", "stop c", "stop a", "start a", "start b", "start c"]),
    ],
)
async def test_who_starts_again_and_in_which_order(strategy: Strategy, after: list[str]) -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(strategy, three)) as supervisor:
        assert log == [("start", "a"), ("start", "b"), ("start", "c")]
        log.clear()
        three["b"].tell("crash")
        await settle()
        assert [" ".join(entry) for entry in log] == after
        assert supervisor.restarts == sum(what.startswith("start") for what in after)
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


async def test_too_many_restarts_stop_all_for_a_while(autojump_clock: trio.testing.MockClock) -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(Strategy.ONE_FOR_ONE, three, max_restarts=1, window_s=10)) as supervisor:
        for pause in (1, 2, 4):
            while supervisor.state.value == "running":
                three["b"].tell("crash")
                await settle()
            assert [toy.lives for toy in three.values()] == [0, 0, 0]
            assert log[-2:] == [("stop", "c"), ("stop", "a")]
            failed = trio.current_time()
            await trio.sleep(pause - 0.01)
            assert supervisor.state.value == "failed"
            await trio.sleep(0.02)
            assert [toy.lives for toy in three.values()] == [1, 1, 1]
            assert log[-3:] == [("start", "a"), ("start", "b"), ("start", "c")]
            assert trio.current_time() - failed < pause + 0.1


async def test_apart_one_that_fails_waits_alone(autojump_clock: trio.testing.MockClock) -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(Strategy.ONE_FOR_ONE, three, max_restarts=0, apart=True)) as supervisor:
        three["b"].tell("crash")
        await settle()
        assert [toy.lives for toy in three.values()] == [1, 0, 1]
        assert [child["state"] for child in supervisor.tree()["children"]] == ["running", "waiting", "running"]
        await trio.sleep(1.1)
        assert [toy.lives for toy in three.values()] == [1, 1, 1]
        assert log[3:] == [("crash", "b"), ("start", "b")]
    with pytest.raises(ValueError, match="apart"):
        Supervisor("top", strategy=Strategy.ONE_FOR_ALL, apart=True)


async def test_a_group_whose_start_fails_is_started_anew() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    async with running(supervised(Strategy.REST_FOR_ONE, three)):
        log.clear()
        three["b"].fails_to_start = 2
        three["b"].tell("crash")
        await settle()
        expected = ["crash b", "stop c", "fail b", "fail b", "start b", "start c"]
        assert [" ".join(entry) for entry in log] == expected


async def test_what_fails_at_the_first_start_is_raised() -> None:
    log: list[tuple[str, str]] = []
    three = toys("abc", log)
    three["c"].fails_to_start = 1
    with pytest.RaisesGroup(Boom, flatten_subgroups=True):
        async with running(supervised(Strategy.ONE_FOR_ONE, three)):
            raise AssertionError("it has not started")
    assert log[-2:] == [("stop", "b"), ("stop", "a")]


async def test_children_come_and_go_by_name() -> None:
    log: list[tuple[str, str]] = []
    async with running(Supervisor("top")) as supervisor:
        toy = Toy("a", log)
        assert await supervisor.start_child(toy.spec()) == "a"
        with pytest.raises(ValueError, match="already"):
            await supervisor.start_child(toy.spec())
        assert await supervisor.restart_child("a")
        assert [what for what, _ in log] == ["start", "stop", "start"]
        assert await supervisor.terminate_child("a")
        assert toy.lives == 0
        assert not await supervisor.terminate_child("a")
        assert not await supervisor.restart_child("a")
        toy.fails_to_start = 1
        with pytest.raises(Boom):
            await supervisor.start_child(toy.spec())
        assert "a" not in supervisor
        supervisor.add(toy.spec())
        await settle()
        assert toy.lives == 1
    with pytest.raises(RuntimeError, match="does not run"):
        supervisor.add(toy.spec())
    with pytest.raises(RuntimeError, match="does not run"):
        await supervisor.terminate_child("a")


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
        await supervisor.terminate_child("willing")
        assert (log[-1], trio.current_time() - begun) == (("return", "willing"), 0)
        await supervisor.terminate_child("deaf")
        assert (log[-1], trio.current_time() - begun) == (("stop", "deaf"), 3)
        await supervisor.terminate_child("stubborn")
        assert trio.current_time() - begun == 8
        assert (stubborn.lives, supervisor.tree()["hung"]) == (1, {"stubborn": 1})
        await trio.sleep(96)
        assert (stubborn.lives, "hung" in supervisor.tree()) == (0, False)


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
    st.tuples(st.sampled_from(["crash", "return", "end", "restart", "linger", "unstartable"]), st.integers(0, 4)),
    st.tuples(st.just("sleep"), st.floats(0.01, 30)),
    st.tuples(st.just("add"), st.integers(0, 2)),
)


@settings(max_examples=150)
@given(
    strategy=st.sampled_from(Strategy),
    kinds=st.lists(st.sampled_from(Restart), min_size=1, max_size=5),
    max_restarts=st.integers(0, 3),
    apart=st.booleans(),
    actions=st.lists(_ACTIONS, max_size=25),
)
@example(  # what is added while another one waits for those below it
    strategy=Strategy.REST_FOR_ONE,
    kinds=[Restart.TRANSIENT, Restart.PERMANENT],
    max_restarts=1,
    apart=False,
    actions=[("crash", 1), ("unstartable", 1), ("add", 0), ("return", 0), ("add", 0)],
)
def test_whatever_happens(
    strategy: Strategy, kinds: list[Restart], max_restarts: int, apart: bool, actions: list[tuple[str, Any]]
) -> None:
    story = Story(strategy, kinds, max_restarts, apart and strategy is Strategy.ONE_FOR_ONE)
    trio.run(functools.partial(story.play_and_check, actions), clock=trio.testing.MockClock(autojump_threshold=0))


class Story:
    """One supervisor with toys, and what must hold of it at every moment and at the end."""

    def __init__(self, strategy: Strategy, kinds: list[Restart], max_restarts: int, apart: bool) -> None:
        self.strategy = strategy
        self.log = Watched(self)
        self.toys: list[Toy] = []
        self.kinds: dict[str, Restart] = {}
        self.gone: set[str] = set()
        self.by_hand = False
        self.ended_at: dict[str, float] = {}
        self.at_once: list[float] = []
        """When a child was started again in the moment in which it had ended."""
        self.names = itertools.count()
        self.max_restarts = max_restarts
        self.apart = apart
        self.supervisor = Supervisor(
            "top",
            [self.toy(kind) for kind in kinds],
            strategy=strategy,
            max_restarts=max_restarts,
            window_s=10,
            apart=apart,
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
            if self.strategy is Strategy.ONE_FOR_ONE and not self.apart:
                for begin in self.at_once:
                    assert sum(begin <= at < begin + 10 for at in self.at_once) <= self.max_restarts + 1
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
            case "end":
                await self.supervisor.terminate_child(toy.name)
                self.gone.add(toy.name)
            case "restart":
                toy.fails_to_start = 0
                self.by_hand = True
                await self.supervisor.restart_child(toy.name)
                self.by_hand = False
            case "linger":
                toy.linger_s = 1.5
            case "unstartable":
                toy.fails_to_start = 2

    def happened(self, what: str, name: str) -> None:
        """Called at each event, with the toys as they are then."""
        toy = next(toy for toy in self.toys if toy.name == name)
        assert toy.lives <= 1, "two lives at once"
        later = [other for other in self.toys[self.toys.index(toy) + 1 :] if other.lives]
        if what == "start" and self.strategy is not Strategy.ONE_FOR_ONE:
            # Those that start after it stand on it: they must not run when it begins.
            assert not later or self.by_hand, f"{name} starts below {later}"
        now = trio.current_time()
        if what in ("crash", "return", "fail"):
            self.ended_at[name] = now
        elif what == "start" and self.ended_at.pop(name, None) == now and not self.by_hand:
            self.at_once.append(now)

    def check_end(self) -> None:
        tree = {child["id"]: child for child in self.supervisor.tree()["children"]}
        for toy in self.toys:
            kind = self.kinds[toy.name]
            if toy.name in self.gone:
                assert toy.name not in tree
                assert toy.lives == 0
            elif kind is PERMANENT:
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
