"""A real environment for specification files: an isolate with the platform, on a clock that jumps when all wait."""

from __future__ import annotations

import json
from typing import Any

import trio
import trio.testing

from nano_trio.engine.errors import JavaScriptError, below
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, Turn
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment


class _Bench(NoRequests):
    def loaded(self) -> None: ...
    def load_failed(self, text: str, stack: str) -> None: ...
    def evaluated(self, text: str | None) -> None: ...


class App(_Bench):
    """What an environment is of, and its log."""

    def __init__(self) -> None:
        self.logs: list[tuple[str, str]] = []
        self.exceptions: list[tuple[str, str]] = []

    def line(self, level: str, text: str) -> None:
        self.logs.append((level, text))

    def exception(self, error: JavaScriptError) -> None:
        self.exceptions.append((error.text, f"{error.trace}\n"))


class Bench(App):
    """An environment that outlives its runs. ``run(source)`` evaluates an async function body and returns its result."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = trio.testing.MockClock(autojump_threshold=0)
        self._environment: Environment = self._in_trio(self._make)
        self.context = self._environment.isolate.context

    def _in_trio(self, work: Any, *args: Any) -> Any:
        return trio.run(work, *args, clock=self._clock)

    async def _make(self) -> Environment:
        self._scheduler = CpuScheduler()
        return Environment(self._scheduler, self, self, limits=Limits(turn_ms=60_000, memory_bytes=1 << 30))

    def pass_by(self, seconds: float) -> None:
        """Its clock goes on by so much."""
        self._clock.jump(seconds)

    @property
    def rejections(self) -> list[str]:
        """What was logged of rejections that nothing handled."""
        prefix = "Uncaught (in promise) "
        return [text.removeprefix(prefix) for text, _ in self.exceptions if text.startswith(prefix)]

    @property
    def slices(self) -> int:
        """How many were granted so far."""
        return self._environment.isolate.account.slices

    def run(self, source: str) -> Any:
        """The result as Python data (through JSON). A throw, and a promise that can never settle, fail the test."""
        return self._in_trio(self._run, source)

    async def _run(self, source: str) -> Any:
        outcome: list[tuple[Any, ...]] = []
        over = trio.Event()

        def done(*args: Any) -> None:
            outcome.append(args)
            over.set()

        def begin() -> None:
            self.context.set("__done", done)
            self.context.eval(
                "(async()=>{" + source + "\n})().then(v=>__done(true,JSON.stringify({v})),"
                "e=>__done(false,String(e),String(e&&e.stack)))",
                "test.js",
            )

        def idle() -> None:
            if self._environment.pending == 0:
                over.set()

        isolate = self._environment.isolate
        async with trio.open_nursery() as nursery:
            await nursery.start(self._scheduler.run)
            await nursery.start(self._environment.run)
            isolate.on_idle = idle
            turn = Turn(begin, ())
            isolate.submit(turn)
            await over.wait()
            # The turn that settled it may still have microtasks to run.
            while isolate.busy:
                await trio.lowlevel.checkpoint()
            isolate.on_idle = None
            nursery.cancel_scope.cancel()
        if isinstance(turn.result, Exception):
            text = str(turn.result)
            raise AssertionError(f"{text}\n{below(text, getattr(turn.result, 'js_stack', ''))}")
        if not outcome:
            raise AssertionError(f"the promise never settles ({isolate.stopped}); exceptions: {self.exceptions!r}")
        if not outcome[0][0]:
            _, text, stack = outcome[0]
            raise AssertionError(f"{text}\n{below(text, stack)}")
        return json.loads(outcome[0][1]).get("v")

    def heap(self) -> int:
        """The heap's size in bytes, without garbage."""
        isolate = self._environment.isolate
        # What the first collection finalizes may be all that holds something else.
        isolate.collect_garbage()
        isolate.collect_garbage()
        return isolate.read_memory()

    def heap_with_garbage(self) -> int:
        """The heap's size in bytes as it is."""
        return self._environment.isolate.read_memory()

    def drain(self) -> None:
        """Run the microtasks that a test queued through ``context``."""
        while self.context.execute_pending_job():
            pass

    def close(self) -> None:
        self._environment.close()
