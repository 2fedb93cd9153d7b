"""What an isolate's kilobytes are, and where the start of an app spends its time: two tables for docs/architecture.md.

    python -m bench.isolate

A tool, no comparison. Memory is the engine's own count of the heap (``malloc_size`` after a collection), which does not
depend on what else the machine does: the core's files one after the other as each app loads them, then every other
specification alone in a fresh isolate, with what it loads in turn and the core does not have. Times are CPU times of
this thread, the median and the best of some hundred starts of apps with different sources.
"""

from __future__ import annotations

import functools
import gc
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
import trio.testing

from bench.fleet import write_apps
from nano_trio.actors import app as actor
from nano_trio.actors.incarnation import Incarnation
from nano_trio.actors.messages import IncomingRequest
from nano_trio.actors.registry import Registry
from nano_trio.actors.source import Source
from nano_trio.config import from_document
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime.environment import Blank, Environment
from nano_trio.runtime.platform import LAZY_GLOBALS

CORE = ("webidl_core", "body", "request", "response", "dispatch")
STARTS = 300


class _Nobody:
    """The app and the log of an isolate in which no app runs."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def _heap(isolate: Isolate) -> int:
    isolate.collect_garbage()
    return isolate.read_memory()


async def memory() -> list[tuple[str, float]]:
    """KB of each part of an isolate."""
    scheduler = CpuScheduler()
    blank = Blank(scheduler)
    blank.step()
    rows: list[tuple[str, float]] = []
    size = 0

    def grown(name: str, isolate: Isolate) -> None:
        nonlocal size
        before, size = size, _heap(isolate)
        rows.append((name, (size - before) / 1024))

    grown("the engine's empty context", blank.isolate)
    blank.finish(core=False)
    grown("bootstrap, bytecode of the core", blank.isolate)
    for name in CORE:
        blank.enter("require", name)
        grown(name, blank.isolate)
    rows.append(("the core in all", size / 1024))
    blank.close()
    others: list[tuple[str, float]] = []
    for name in LAZY_GLOBALS.keys() - set(CORE):
        environment = Environment(scheduler, _Nobody(), _Nobody())
        environment.install_entries("dispatch")
        size = _heap(environment.isolate)
        environment.install_entries(name)
        others.append((f"+ {name}", (_heap(environment.isolate) - size) / 1024))
        environment.close()
    return rows + sorted(others, key=lambda row: -row[1])


async def starts(folder: Path, *, stored: bool) -> dict[str, list[float]]:
    """µs of the parts of a start, for apps that are started from the store of isolates or without it."""
    spent: dict[str, list[float]] = {}

    def timed(owner: Any, name: str, label: str) -> Callable[[], None]:
        original = getattr(owner, name)

        def measure(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time_ns()
            try:
                return original(*args, **kwargs)
            finally:
                spent.setdefault(label, []).append((time.thread_time_ns() - start) / 1e3)

        setattr(owner, name, measure)
        return lambda: setattr(owner, name, original)

    paths = write_apps(folder, STARTS)
    config = from_document({"apps": [{"name": path.stem, "path": str(path)} for path in paths]}, environ={})
    restore = [
        timed(Source, "get", "read and link the app's bytecode"),
        timed(Blank, "finish", "the isolate with the core, where none is in store"),
        timed(Incarnation, "__init__", "take it over: limits, host functions, services"),
        timed(Incarnation, "load", "evaluate the app's module"),
        timed(Incarnation, "accept", "the request's turn"),
        timed(actor.App, "begin", "in all"),
    ]
    try:
        async with trio.open_nursery() as nursery:
            registry = Registry(config.apps, cache=BytecodeCache(folder / "bytecode"))
            if not stored:
                registry.blanks.size = 0
            await nursery.start(registry.run)
            gc.collect()
            gc.disable()
            for name, app in registry.apps.items():
                await registry.blanks.wait_full()
                await trio.testing.wait_all_tasks_blocked()
                exchange = app.begin(IncomingRequest("GET", f"http://{name}/", [], None, "192.0.2.1"))
                response = await exchange.wait()
                if response.status != 200:
                    raise RuntimeError(f"{name} answered {response.status}")
                exchange.finish()
            nursery.cancel_scope.cancel()
    finally:
        gc.enable()
        for undo in restore:
            undo()
    return spent


def main() -> None:
    print("memory, KB")
    for name, size in trio.run(memory):
        print(f"  {name:32} {size:7.1f}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        trio.run(functools.partial(starts, Path(folder), stored=False))  # what is compiled and imported once
        for stored, label in ((False, "nothing in store"), (True, "from the store")):
            print(f"start of an app, {label}: median and best CPU time, µs")
            spent = trio.run(functools.partial(starts, Path(folder), stored=stored))
            for part, times in spent.items():
                print(f"  {part:66} {statistics.median(times):7.0f} {min(times):7.0f}")


if __name__ == "__main__":
    main()
