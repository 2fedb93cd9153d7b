"""An environment on the real clock, for fetches over real sockets."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import psutil
import trio

from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy

from .harness import _Bench

OPEN = Network(NetPolicy(["loopback"]), timeout_s=120)


class Fetching(_Bench):
    """``await run(source)`` evaluates the body of an async function and returns its result as Python data."""

    def __init__(self, network: Network) -> None:
        self.scheduler = CpuScheduler()
        self.logs: list[str] = []
        self.environment = Environment(
            self.scheduler, self, self, limits=Limits(memory_bytes=256 << 20), network=network, max_buffer_bytes=8 << 20
        )
        self._over: dict[int, trio.Event] = {}
        self._outcomes: dict[int, tuple[Any, ...]] = {}

    def line(self, level: str, text: str) -> None:
        self.logs.append(text)

    def exception(self, error: JavaScriptError) -> None:
        self.logs.append(str(error))

    @property
    def open_fetches(self) -> int:
        client = self.environment.fetches._client
        return 0 if client is None else len(client.fetches)

    @property
    def connections(self) -> int:
        client = self.environment.fetches._client
        return 0 if client is None else client.pool.size

    def wait_for_responses(self, timeout_s: float) -> None:
        """The longest wait for the head of a response, of fetches that begin from now on."""
        self.environment.take_limits(turn_ms=Limits().turn_ms, response_timeout_s=timeout_s)

    async def run(self, source: str, **values: Any) -> Any:
        """``values`` become constants of the code."""
        number = len(self._over)
        over = self._over[number] = trio.Event()

        def done(*outcome: Any) -> None:
            self._outcomes[number] = outcome
            over.set()

        constants = "".join(f"const {name}={json.dumps(value)};" for name, value in values.items())

        def begin() -> None:
            context = self.environment.isolate.context
            context.set("__done", done)
            context.eval(
                f"{{const done=globalThis.__done;(async()=>{{{constants}{source}\n}})()"
                ".then(v=>done(true,JSON.stringify({v})),e=>done(false,String(e),String(e&&e.stack)))}",
                "test.js",
            )

        turn = Turn(begin, ())
        self.environment.isolate.submit(turn)
        if isinstance(turn.result, Exception):
            raise AssertionError(str(turn.result))
        with trio.fail_after(20):
            await over.wait()
        outcome = self._outcomes[number]
        if not outcome[0]:
            raise AssertionError(f"{outcome[1]}\n{outcome[2]}")
        return json.loads(outcome[1]).get("v")

    async def failure(self, source: str, **values: Any) -> tuple[str, str, str]:
        """Run code that must throw: the error's name, its message, and its cause's code."""
        name, message, code = await self.run(
            f"""try {{ await (async () => {{ {source} }})() }} catch (error) {{
              return [error.name, error.message, String(error.cause?.code)];
            }}
            return ["nothing was thrown", "", ""];""",
            **values,
        )
        return name, message, code


@contextlib.asynccontextmanager
async def fetching(network: Network = OPEN) -> AsyncIterator[Fetching]:
    """An environment that leaves no task and no socket behind."""
    process = psutil.Process()
    before = process.num_fds(), len(_tasks())
    async with trio.open_nursery() as nursery:
        bench = Fetching(network)
        await nursery.start(bench.scheduler.run)
        await nursery.start(bench.environment.run)
        try:
            yield bench
        finally:
            bench.environment.close()
        nursery.cancel_scope.cancel()
    # Counted once for the check and its outcome: a name's lookup that was given up ends in its thread, which has
    # descriptors of its own for a moment (the system's resolver opens files and sockets).
    with trio.move_on_after(2):
        while left := _left(process, before):  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert not left, left


def _left(process: psutil.Process, before: tuple[int, int]) -> str:
    """What is open that was not; "" where nothing is."""
    descriptors, tasks = process.num_fds(), _tasks()
    if descriptors > before[0]:
        return f"sockets were left open: {descriptors} descriptors, {before[0]} before"
    return f"tasks were left running: {tasks}" if len(tasks) > before[1] else ""


def _tasks() -> list[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found = [root]
    for task in found:
        for nursery in task.child_nurseries:
            found += nursery.child_tasks
    return found
