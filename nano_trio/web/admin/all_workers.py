"""Admin over all workers of a server: one of them answers for all.

Theory of operation. The first worker has the admin listener, whose socket the parent keeps; where that worker dies, its
replacement takes over, and clients wait in the socket meanwhile. It asks the others over the bus
(:mod:`nano_trio.web.workers.calls`):

- what is *looked at* is asked of all at once and merged; who does not answer within :data:`_LOOK_S` is left out, and
  named where there is a place for it (tree, health);
- a *change* is made here first, and where it fails it has failed. Then the others make it, one after another, while no
  other change is made anywhere (the parent's turn). Where one of them cannot, the answer says so, and which. An app's
  drain is the exception: all do that at once, for it may take its time;
- what all had counted at a scrape goes to all others before it is answered: the first worker's replacement asks for it,
  or counters would fall;
- every worker sends its log lines and lifecycle events to the first, which has them in its taps like its own.

What was added and removed is one file (``Overlay``), written by the worker that has the turn; the others read it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import structlog
import trio

from nano_trio import logs
from nano_trio.actors.counts import Snapshot
from nano_trio.logs.tap import missed, offer
from nano_trio.web.admin.encoding import encode
from nano_trio.web.admin.errors import NotEverywhere, OperationError
from nano_trio.web.admin.hosted import HostedOperations
from nano_trio.web.admin.operations import AppStatus, ProcessFigures
from nano_trio.web.merging import (
    Figures,
    Ledger,
    has_lived,
    merge_figures,
    merge_snapshots,
    most_telling,
    snapshot_of,
)
from nano_trio.web.workers.calls import CallFailed, Calls
from nano_trio.web.workers.mesh import FIRST

if TYPE_CHECKING:
    from nano_trio.web.hosting import Hosting

__all__ = ["AllWorkers", "answer_first", "gather_lines", "send_lines"]

log = structlog.get_logger("nano_trio.admin")

_LOOK_S = 2.0
_CHANGE_S = 60.0
_LINES = "log lines"
_LEDGER = "ledger"
_LINES_AT_ONCE = 100
_APPS_AT_ONCE = 100

T = TypeVar("T", AppStatus, Snapshot)


class AllWorkers:
    """Implements :class:`nano_trio.web.admin.operations.Operations` for all workers, in the first."""

    def __init__(self, hosting: Hosting, here: HostedOperations, calls: Calls) -> None:
        self._hosting = hosting
        self._here = here
        self._calls = calls
        self._ledger = Ledger()
        self._scrapes: int | None = None
        """Number the copies of the ledger, over the lives of this worker; None before the first scrape of this one."""
        self._copying = trio.Lock()
        self._copy = b""

    # -- looking -----------------------------------------------------------------------------------------------------

    async def _look(self, what: str, given: Any = None) -> dict[int, Any]:
        answers, _ = await self._calls.ask_all(what, given, within_s=_LOOK_S)
        return dict(sorted(answers.items()))

    async def apps(self) -> Iterator[AppStatus]:
        by_name: dict[str, list[AppStatus]] = {}
        for statuses in (await self._look("apps")).values():
            for each in statuses:
                by_name.setdefault(each["name"], []).append(AppStatus(**each))
        return (_merged(status, by_name.get(status.name, ())) for status in await self._here.apps())

    async def app(self, name: str) -> AppStatus:
        here = await self._here.app(name)
        others = await self._look("app", name)
        return _merged(here, [AppStatus(**each) for each in others.values() if each is not None])

    async def tree(self) -> dict[str, Any]:
        here = await self._here.tree()
        answers, failures = await self._calls.ask_all("tree", within_s=_LOOK_S)
        trees = {self._me: here, **answers}
        children = [{**tree, "id": f"worker {worker}"} for worker, tree in sorted(trees.items())]
        children += [
            {"id": f"worker {worker}", "kind": "supervisor", "strategy": "one_for_one", "state": why, "since": None}
            | {"restarts": 0, "last_error": None, "children": []}
            for worker, why in sorted(failures.items())
        ]
        return {**here, "children": children}

    async def health(self) -> dict[str, Any]:
        health = await self._here.health()
        answers, failures = await self._calls.ask_all("health", within_s=_LOOK_S)
        problems = list(health["problems"])
        for worker, answer in sorted(answers.items()):
            problems += [f"worker {worker}: {text}" for text in answer["problems"] if text not in health["problems"]]
        problems += [f"worker {worker} {why}" for worker, why in sorted(failures.items())]
        assert self._hosting.link is not None
        absent = self._hosting.link.workers - 1 - len(answers) - len(failures)
        if absent > 0:
            problems.append(f"{absent} of {self._hosting.link.workers} workers do not run at this moment")
        status = health["status"]
        return {
            **health,
            "status": "degraded" if problems and status == "ok" else status,
            # Workers come and go: the server is as old as the oldest.
            "uptime_s": max(each["uptime_s"] for each in (health, *answers.values())),
            "apps": self._by_state(each["states"] for each in answers.values()),
            "problems": problems,
        }

    def _by_state(self, others: Iterable[Mapping[str, str]]) -> Counter[str]:
        """How many apps are in which state; of one that is in several, the one that somebody should look at."""
        states = [self._here.states(), *others]
        apps = Counter(most_telling(each[name] for each in states if name in each) for name in set().union(*states))
        if asleep := len(self._hosting.registry.apps) - apps.total():
            apps["asleep"] = asleep
        return apps

    @property
    def ready(self) -> bool:
        return self._here.ready

    async def exposition(self) -> bytes:
        await self._inherit()
        metrics = self._hosting.metrics
        figures = {self._me: await metrics.figures()}
        figures |= {worker: Figures.of(each) for worker, each in (await self._look("figures")).items()}
        self._ledger.take(figures)
        await self._leave_copy()
        merged = merge_figures(figures, self._ledger.missing(figures))
        apps = {name: each for name, each in merged.apps.items() if name in self._hosting.registry.apps}
        return await metrics.exposition(attrs.evolve(merged, apps=apps))

    async def _inherit(self) -> None:
        """Go on with the ledger of this worker's predecessor."""
        async with self._copying:
            if self._scrapes is None:
                copies = [json.loads(text) for text in (await self._look("ledger")).values() if text]
                self._scrapes, ledger = max(copies, key=lambda copy: int(copy[0]), default=(0, None))
                if ledger is not None:
                    self._ledger.inherit(ledger)
                assert self._hosting.mesh is not None
                self._hosting.mesh.watch(self._came, lambda worker: None)

    def _came(self, worker: int) -> None:
        """It may be the only one that is left when this one dies, before the next scrape."""
        assert self._hosting.mesh is not None
        if self._copy:
            self._hosting.mesh.send(worker, _LEDGER, self._copy)

    async def _leave_copy(self) -> None:
        assert self._hosting.mesh is not None
        assert self._scrapes is not None
        async with self._copying:
            self._scrapes += 1
            self._copy = (await encode([self._scrapes, self._ledger.document()])).encode()
            self._hosting.mesh.publish(_LEDGER, self._copy)
        # It leaves in the next pass. What is told to whoever scrapes must not be forgotten after that.
        for _ in range(2):
            await trio.lowlevel.checkpoint()

    async def snapshots(self) -> Iterator[Snapshot]:
        by_name: dict[str, list[Snapshot]] = {}
        for snapshots in (await self._look("snapshots")).values():
            for each in snapshots:
                by_name.setdefault(each["app"], []).append(snapshot_of(each))
        here = {snapshot.app: snapshot for snapshot in await self._here.snapshots()}
        registry = self._hosting.registry
        for name in by_name:
            # Asleep here, and so left out where there are many.
            if name not in here and name in registry.apps:
                here[name] = registry.apps[name].snapshot()
        return (merge_snapshots(each, by_name.get(each.app, ())) for each in here.values())

    async def process(self) -> ProcessFigures:
        here = await self._here.process()
        others = (await self._look("process")).values()
        lags = [each["loop_lag_ms"] for each in others if each["loop_lag_ms"] is not None]
        return ProcessFigures(
            connections=here.connections + sum(each["connections"] for each in others),
            cpu_s=here.cpu_s + sum(each["cpu_s"] for each in others),
            resident_bytes=here.resident_bytes + sum(each["resident_bytes"] for each in others),
            loop_lag_ms=max(lags, default=None) if here.loop_lag_ms is None else max(here.loop_lag_ms, *lags, 0.0),
            apps=self._by_state(each["states"] for each in others),
        )

    def recent_lines(self, app: str | None) -> Sequence[Mapping[str, Any]]:
        return self._here.recent_lines(app)

    # -- changes -----------------------------------------------------------------------------------------------------

    async def add_app(self, document: dict[str, Any]) -> AppStatus:
        async with self._hosting.turn():
            status = await self._here.add_app(document)
            await self._everywhere("follow")
        return status

    async def remove_app(self, name: str) -> None:
        async with self._hosting.turn():
            await self._here.remove_app(name)
            await self._everywhere("follow")

    async def restart_app(self, name: str) -> AppStatus:
        async with self._hosting.turn():
            await self._here.restart_app(name)
            await self._everywhere("restart", name)
        return await self.app(name)

    async def drain_app(self, name: str) -> AppStatus:
        await self._here.app(name)
        within_s = self._hosting.config.drain_timeout_s + _LOOK_S
        failures: dict[int, str] = {}

        async def others() -> None:
            failures.update((await self._calls.ask_all("drain", name, within_s=within_s))[1])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            await self._here.drain_app(name)
        _complain(failures)
        return await self.app(name)

    async def lift_quarantine(self, name: str) -> AppStatus:
        # The parent tells all workers.
        return await self._here.lift_quarantine(name)

    async def reload(self) -> dict[str, Any]:
        async with self._hosting.turn():
            report = await self._here.reload()
            answers = await self._everywhere("reload")
        for each in answers.values():
            report["failed"] = {**each["failed"], **report["failed"]}
        return report

    async def _everywhere(self, what: str, given: Any = None) -> dict[int, Any]:
        answers, failures = await self._calls.ask_each(what, given, within_s=_CHANGE_S)
        _complain(failures)
        return answers

    @property
    def _me(self) -> int:
        assert self._hosting.mesh is not None
        return self._hosting.mesh.me


def _complain(failures: Mapping[int, str]) -> None:
    if failures:
        raise NotEverywhere({f"worker {worker}": why for worker, why in sorted(failures.items())})


def _merged(here: AppStatus, others: Iterable[AppStatus]) -> AppStatus:
    every = [here, *others]
    return attrs.evolve(
        here,
        state=most_telling(each.state for each in every),
        restarts=sum(each.restarts for each in every),
        memory_bytes=sum(each.memory_bytes for each in every),
        last_error=next((each.last_error for each in every if each.last_error), None),
        last_reload_error=next((each.last_reload_error for each in every if each.last_reload_error), None),
    )


# -- in every worker -----------------------------------------------------------------------------------------------


def answer_first(calls: Calls, hosting: Hosting) -> None:
    """Answer what :class:`AllWorkers` asks, in a worker. Of apps only those are told that ever did anything."""
    here = HostedOperations(hosting)
    copy = b""

    def keep_ledger(sender: int, payload: bytes) -> None:
        nonlocal copy
        copy = payload

    assert hosting.mesh is not None
    hosting.mesh.subscribe(_LEDGER, keep_ledger)

    async def ledger(_: Any) -> Any:
        return copy.decode()

    async def apps(_: Any) -> Any:
        return await _some(await here.apps(), lambda each: each.state != "asleep" or each.restarts)

    async def app(name: Any) -> Any:
        return attrs.asdict(await here.app(name)) if name in hosting.registry.apps else None

    async def snapshots(_: Any) -> Any:
        return await _some(hosting.registry.snapshots(), lambda each: each.state != "asleep" or has_lived(each))

    async def figures(_: Any) -> Any:
        return (await hosting.metrics.figures(all_apps=False)).document()

    async def process(_: Any) -> Any:
        return {**attrs.asdict(await here.process()), "states": here.states()}

    async def tree(_: Any) -> Any:
        return await here.tree()

    async def health(_: Any) -> Any:
        return {**await here.health(), "states": here.states()}

    async def follow(_: Any) -> Any:
        await _told(hosting.follow())

    async def restart(name: Any) -> Any:
        await _told(here.restart_app(name))

    async def drain(name: Any) -> Any:
        await _told(here.drain_app(name))

    async def reload(_: Any) -> Any:
        return await _told(here.reload(kept=True))

    for answerer in (apps, app, snapshots, figures, process, tree, health, follow, restart, drain, reload, ledger):
        calls.answer(answerer.__name__, answerer)


async def _some(every: Iterable[T], wanted: Callable[[T], object]) -> list[dict[str, Any]]:
    """Those that are wanted, for JSON, in pieces with a pass of the loop in between."""
    found: list[dict[str, Any]] = []
    for number, each in enumerate(every, 1):
        if wanted(each):
            found.append(attrs.asdict(each))
        if number % _APPS_AT_ONCE == 0:
            await trio.lowlevel.checkpoint()
    return found


async def _told(change: Awaitable[Any]) -> Any:
    try:
        return await change
    except (OperationError, OSError) as error:
        raise CallFailed(str(error)) from None


async def send_lines(hosting: Hosting) -> None:
    """Send this worker's log lines and lifecycle events to the first, until cancelled; and what was lost of them."""
    mesh = hosting.mesh
    assert mesh is not None
    lost: Counter[tuple[str, str | None]] = Counter()
    with logs.tap() as tap:
        while True:
            items = await tap.receive_many(_LINES_AT_ONCE)
            lost += tap.take_losses()
            losses = [[*of, count] for of, count in lost.items()]
            if mesh.send(FIRST, _LINES, json.dumps([mesh.me, losses, items], default=str).encode()):
                lost.clear()
            else:
                lost.update((item["kind"], item.get("app")) for item in items)


def gather_lines(hosting: Hosting) -> None:
    """Have the lines of the other workers in this one's taps."""

    def take(sender: int, payload: bytes) -> None:
        worker, losses, items = json.loads(payload)
        for kind, app, count in losses:
            missed(kind, app, count)
        for item in items:
            kind = item.pop("kind")
            offer(kind, {"worker": worker, **item})

    assert hosting.mesh is not None
    hosting.mesh.subscribe(_LINES, take)
