"""A module or a piece of code that runs to its end, outside any app: ``nano-trio run`` and ``nano-trio eval``.

It ends when nothing is pending any more: no turn, no timer, no operation. The first uncaught exception ends it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import quickjs
import trio

from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError, render_error
from nano_trio.engine.modules import AppCode, load_app
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.host import text_of
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy
from nano_trio.runtime.platform import BUILTIN_MODULES

__all__ = ["ScriptError", "evaluate", "run_module"]

Write = Callable[[str, str], None]
"""Called with a console level and a line."""

_CODE_NAME = "<eval>"
# What a wrapper adds before the code, on its first line.
_AWAIT_EXPRESSION = ("(async()=>(", "\n))()")
_AWAIT_STATEMENTS = ("(async()=>{", "\n})()")


class ScriptError(Exception):
    """The script failed; the text is the error with its place."""


class _Script(NoRequests):
    """Implements AppHost and LogSink for one script."""

    def __init__(self, write: Write, code: AppCode | None, memory_mb: float) -> None:
        self._write = write
        self._ended = trio.Event()
        self._settled = False
        self._error: str | None = None
        self.value: str | None = None
        self.scheduler = CpuScheduler()
        limits = Limits(turn_ms=1e12, memory_bytes=int(memory_mb * (1 << 20)))
        self.environment = Environment(
            self.scheduler, self, self, limits=limits, network=Network(NetPolicy.unrestricted()), code=code
        )
        self.environment.isolate.on_idle = self._idle
        self.environment.isolate.on_stopped = self._stopped

    async def run(self, start: Callable[[], None]) -> None:
        """Run what ``start`` submits until nothing is pending. Raises :class:`ScriptError`."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.scheduler.run)
                await nursery.start(self.environment.run)
                start()
                await self._ended.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.environment.close()
        if self._error is not None:
            raise ScriptError(self._error)

    def _fail(self, text: str) -> None:
        if self._error is None:
            self._error = text
        self.environment.isolate.stop()
        self._ended.set()

    def _idle(self) -> None:
        if self.environment.pending == 0:
            if not self._settled:
                self._error = self._error or "a top-level await waits for nothing that could still happen"
            self._ended.set()

    def _stopped(self, reason: StopReason) -> None:
        if reason is StopReason.MEMORY:
            limit = self.environment.isolate.limits.memory_bytes / (1 << 20)
            # The stop unwinds the code as an error, which is not the reason.
            self._error = f"the script outgrew its memory limit of {limit:g} MB"
        elif reason is StopReason.FAULT:
            self._error = f"the script was stopped: {reason.value}"
        self._ended.set()

    # -- LogSink, AppHost --------------------------------------------------------------------------------------------

    def line(self, level: str, text: str) -> None:
        self._write(level, text)

    def exception(self, error: JavaScriptError) -> None:
        self._fail(str(error))

    def loaded(self) -> None:
        self._settled = True

    def load_failed(self, text: str, stack: str) -> None:
        self._settled = True
        self._fail(str(self.environment.render(text, stack)))

    def load_failed_at(self, error: JavaScriptError) -> None:
        """Like :meth:`load_failed`, for code that is no module."""
        self._settled = True
        self._fail(str(error))

    def evaluated(self, text: str | None) -> None:
        self._settled = True
        self.value = None if text is None else text_of(text)


async def run_module(
    path: Path, arguments: list[str], write: Write, cache: BytecodeCache, *, memory_mb: float = 1024
) -> None:
    """Run a module until nothing is pending. ``arguments`` are its global ``scriptArgs``.

    Raises :class:`ScriptError`, and :class:`nano_trio.engine.modules.ModuleError` or :class:`JavaScriptError` where the
    module cannot be loaded.
    """
    code = load_app(path, cache, BUILTIN_MODULES, Tools(own=True))
    script = _Script(write, code, memory_mb)
    script.environment.set_global("scriptArgs", arguments)
    await script.run(script.environment.run_module)


async def evaluate(code: str, write: Write, *, memory_mb: float = 1024) -> str | None:
    """Evaluate a script and return its value as the console shows it, None for undefined. ``await`` may be used.

    Raises :class:`ScriptError`.
    """
    script = _Script(write, None, memory_mb)
    isolate = script.environment.isolate

    def start() -> None:
        isolate.submit(Turn(begin, ()))

    def begin() -> None:
        script.environment.install_entries("dispatch_script")
        attempts = [("", "")]
        if "await" in code:
            attempts += [_AWAIT_EXPRESSION, _AWAIT_STATEMENTS]
        first: quickjs.JSError | None = None
        for before, after in attempts:
            try:
                value = isolate.context.eval(before + code + after, _CODE_NAME)
            except quickjs.JSError as error:
                if isolate.stopping:
                    return
                first = first or error
                if str(error).startswith("SyntaxError"):
                    continue
                first = error
                break
            script.environment.call_entry("evaluated", value)
            return
        assert first is not None
        stack = getattr(first, "js_stack", "") or ""
        script.load_failed_at(render_error(str(first), stack, lambda file: code if file == _CODE_NAME else None))

    await script.run(start)
    return script.value
