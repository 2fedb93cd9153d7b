"""A small stand for specification files: a context with the platform, virtual time, jobs drained at once."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from typing import Any

import quickjs
import trio

from nano_trio.runtime import platform
from nano_trio.runtime.host import HostError


class Bench:
    """A context with the platform installed. ``run(source)`` evaluates an async function body and returns its result."""

    def __init__(self) -> None:
        self.logs: list[tuple[str, str]] = []
        self.exceptions: list[tuple[str, str]] = []
        self._now = 0.0
        self._timers: list[tuple[float, int, int]] = []
        self._cleared: set[int] = set()
        self._sequence = 0
        self._operations: list[tuple[int, Callable[..., Awaitable[Any]], tuple[Any, ...]]] = []
        self.max_buffer_bytes = 64 << 20
        self.context = quickjs.Runtime().new_context()
        result = platform.install(self, self)
        self._enter = result.get("enter")

    def now_ms(self) -> float:
        return self._now

    def time_origin_ms(self) -> float:
        return 1_700_000_000_000.0

    def log(self, level: str, text: str) -> None:
        self.logs.append((level, text))

    def exception(self, text: str, stack: str) -> None:
        self.exceptions.append((text, stack))

    def set_timer(self, timer: int, delay_ms: float) -> None:
        self._sequence += 1
        self._cleared.discard(timer)
        heapq.heappush(self._timers, (self._now + delay_ms, self._sequence, timer))

    def clear_timer(self, timer: int) -> None:
        self._cleared.add(timer)

    def operation(self, operation: int, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        self._operations.append((operation, work, args))

    def cancel_operation(self, operation: int) -> None:
        self._operations = [entry for entry in self._operations if entry[0] != operation]

    def drain(self) -> None:
        while self.context.execute_pending_job():
            pass

    def enter(self, entry: str, *args: Any) -> Any:
        result = self._enter(entry, *args)
        self.drain()
        return result

    def step(self) -> bool:
        """Settle one operation or fire the next timer; False when nothing is pending."""
        self.drain()
        if self._operations:
            number, work, args = self._operations.pop(0)
            try:

                async def run() -> Any:
                    return await work(*args)

                self.enter("settle", number, True, trio.run(run))
            except HostError as error:
                self.enter("settle", number, False, error.name, error.message)
            return True
        while self._timers:
            due, _, timer = heapq.heappop(self._timers)
            if timer in self._cleared:
                self._cleared.discard(timer)
                continue
            self._now = max(self._now, due)
            self.enter("timer", timer)
            return True
        return False

    def run(self, source: str, max_steps: int = 100_000) -> Any:
        outcome: list[Any] = []
        self.context.set("__done", lambda *args: outcome.append(args))
        # The value crosses as JSON where it is plain data, so that tests compare Python values.
        self.context.eval(
            "(async()=>{" + source + "\n})().then(v=>__done(true,JSON.stringify({v})),"
            "e=>__done(false,String(e),String(e&&e.stack)))",
            "test.js",
        )
        self.drain()
        while not outcome and max_steps and self.step():
            max_steps -= 1
        if not outcome:
            raise AssertionError("the promise never settles; exceptions: " + repr(self.exceptions))
        if not outcome[0][0]:
            raise AssertionError(f"{outcome[0][1]}\n{outcome[0][2]}")
        return self.context.parse_json(outcome[0][1]).to_python().get("v") if outcome[0][1] != "{}" else None
