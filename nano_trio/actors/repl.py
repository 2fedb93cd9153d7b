"""A REPL's isolate: inputs are evaluated one after the other in one heap, while timers and fetches go on.

Ctrl-C interrupts the turn that runs (:meth:`nano_trio.engine.isolate.Isolate.interrupt`) and the heap is used on: its
only user is the one who interrupted. An input that waits is let go of; what it waits for may still happen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import quickjs
import trio

from nano_trio.actors.repl_source import NAMED, awaiting_sources, boxed_source, sync_source, without_imports
from nano_trio.actors.settings import limits_of_script
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError, render_error
from nano_trio.engine.modules import load_app, load_module
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import StopReason, Turn
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy
from nano_trio.runtime.platform import BUILTIN_MODULES
from nano_trio.runtime.service import Service

__all__ = ["Answer", "Repl"]

_CODE_NAME = "<repl>"
_MODULE_NAME = f"./{_CODE_NAME}"  # what inputs import is found from here


@attrs.frozen
class Answer:
    """What an input led to, besides what was written: its value, and what the console says."""

    error: str | None = None
    interrupted: bool = False


class Repl(NoRequests):
    """Implements AppHost, LogSink and ReplHost. ``write`` is called with a console level and a line, at any time, and
    with ``value`` and an input's value.

    ``app``: its modules can be imported, and its namespace is the global ``module``. ``service`` answers
    ``app.fetch(…)``. Raises what :func:`load_app` raises.
    """

    def __init__(
        self,
        write: Callable[[str, str], None],
        *,
        app: Path | None = None,
        service: Service | None = None,
        env: Any = None,
        scheduler: CpuScheduler | None = None,
        colors: bool = False,
        memory_mb: float = 1024,
    ) -> None:
        self._write = write
        self._colors = colors
        self._has_service = service is not None
        self._env = env
        cache = BytecodeCache(None)
        code = load_app(app, cache, BUILTIN_MODULES, Tools(own=True)) if app is not None else None
        self._main = None if code is None else code.main
        if code is None:
            code = load_module(os.getcwd(), "nano:empty", cache, {**BUILTIN_MODULES, "nano:empty": ""})
        self._own_scheduler = scheduler is None
        self.scheduler = scheduler or CpuScheduler()
        self.environment = Environment(
            self.scheduler,
            self,
            self,
            limits=limits_of_script(memory_mb),
            network=Network(NetPolicy.unrestricted()),
            bindings={} if service is None else {"app": service},
            code=code,
        )
        self.environment.isolate.on_stopped = self._stopped
        self._answer = Answer()
        self._answered = trio.Event()
        self._names: list[str] = []
        self._source = ""
        self.ended: str | None = None
        """Why no further input is possible."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the isolate until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                if self._own_scheduler:
                    await nursery.start(self.scheduler.run)
                await nursery.start(self.environment.run)
                self.environment.read_code()
                self.environment.install_entries("dispatch")
                self.environment.install_entries("repl")
                if self._has_service:
                    self.environment.call_entry("repl_app", json.dumps(self._env))
                if self._main is not None:
                    code = f"globalThis.module = await import({json.dumps(self._main)}); undefined"
                    if (answer := await self.evaluate(code)).error is not None:
                        self._write("error", answer.error)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self.environment.close()

    async def evaluate(self, code: str) -> Answer:
        """Evaluate an input and wait for its value. Never raises."""
        if self.ended is not None:
            return Answer(error=self.ended)
        self._answered = trio.Event()
        code = await trio.to_thread.run_sync(without_imports, code)
        first, source, is_awaited = "", await trio.to_thread.run_sync(sync_source, code), False
        boxed = await trio.to_thread.run_sync(boxed_source, source)
        source = boxed or source
        if "await" in code:
            context = quickjs.Runtime().new_context()
            try:
                context.eval(source, compile_only=True)
            except quickjs.JSError:
                first, source = await trio.to_thread.run_sync(awaiting_sources, code)
                is_awaited = True
        self._source = source
        isolate = self.environment.isolate

        def begin() -> None:
            try:
                if first:
                    isolate.context.eval(first, _MODULE_NAME)
                value = isolate.context.eval(source, _MODULE_NAME)
                is_boxed = boxed is not None
                if type(value) is int and NAMED.fullmatch(source):
                    # A bigint? So crosses it unchanged.
                    value, is_boxed = isolate.context.eval(f"[{source.rstrip('; ')}]", _MODULE_NAME), True
            except quickjs.JSError as error:
                if not isolate.stopping:
                    self.threw(str(error), getattr(error, "js_stack", "") or "")
                return
            self.environment.call_entry("repl_show", value, is_awaited, self._colors, is_boxed)

        def end(turn: Turn) -> None:
            if turn.stopped is StopReason.INTERRUPTED:
                self._finish(Answer(interrupted=True))

        isolate.submit(Turn(begin, (), end))
        await self._answered.wait()
        return self._answer

    def interrupt(self) -> None:
        """Ctrl-C: end the turn that runs, and let go of the input that waits."""
        self.environment.isolate.interrupt()
        self._finish(Answer(interrupted=True))

    async def complete(self, path: str) -> list[str]:
        """Names that continue ``path``, ``a.b.c`` say, found without calling any of the user's code: an object's own
        first, then those of its prototypes."""
        isolate = self.environment.isolate
        if isolate.busy or self.ended is not None:
            return []
        self._names = []
        done = trio.Event()
        self.environment.enter("repl_complete", path, on_end=lambda _: done.set())
        with trio.move_on_after(1):
            await done.wait()
        return self._names

    def _finish(self, answer: Answer) -> None:
        if not self._answered.is_set():
            self._answer = answer
            self._answered.set()

    def _stopped(self, reason: StopReason) -> None:
        limit = self.environment.isolate.limits.memory_bytes / (1 << 20)
        why = reason.value if reason is StopReason.FAULT else f"the heap outgrew its limit of {limit:g} MB"
        self.ended = f"{why}; what was defined is gone"
        self._finish(Answer(error=self.ended))

    def _render(self, text: str, stack: str) -> str:
        error = self.environment.render(text, stack)
        if not error.excerpt:
            error = render_error(text, stack, lambda file: self._source if file == _CODE_NAME else None)
        return str(error)

    # -- from JavaScript ---------------------------------------------------------------------------------------------

    def shown(self, text: str | None) -> None:
        """The value of the input: told here and now, before what a timer prints."""
        if text is not None and not self._answered.is_set():
            self._write("value", text)
        self._finish(Answer())

    def threw(self, text: str, stack: str) -> None:
        """The input failed."""
        self._finish(Answer(error=self._render(text, stack)))

    def completions(self, text: str) -> None:
        """What :meth:`complete` waits for."""
        self._names = json.loads(text)

    def line(self, level: str, text: str) -> None:
        """A line of the console."""
        self._write(level, text)

    def exception(self, error: JavaScriptError) -> None:
        """Something threw that nothing caught, in a timer say."""
        self._write("error", str(error) if error.text.startswith("Uncaught ") else f"Uncaught {error}")

    def loaded(self) -> None: ...
    def load_failed(self, text: str, stack: str) -> None: ...
    def evaluated(self, text: str | None) -> None: ...
