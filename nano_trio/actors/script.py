"""A module or a piece of code that runs to its end, outside any app: ``nano-trio run`` and ``nano-trio eval``.

It ends when nothing is pending any more: no turn, no timer, no operation. The first uncaught exception ends it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import quickjs
import trio

from nano_trio.actors.settings import limits_of_script
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError, render_error
from nano_trio.engine.modules import AppCode, load_app
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.scripts import evaluate as run_script
from nano_trio.engine.turn import StopReason, Turn
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
# What makes an async function of code with `await`, where the engine cannot take it as it is: where it begins like a
# block but is an object, and where it has a `return`. What comes before the code is on its first line.
_EXPRESSION = ("(async()=>(", "\n))()")
_STATEMENTS = ("(async()=>{", "\n})()")


def _ways(code: str) -> list[tuple[str, str] | None]:
    """How code may be evaluated, in this order: between two texts, or (None) as a script with a top-level ``await``."""
    plain = ("", "")
    if "await" not in code:
        return [plain]
    if code.lstrip().startswith("{"):
        return [plain, _EXPRESSION, None, _STATEMENTS]
    return [plain, None, _EXPRESSION, _STATEMENTS]


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
        self.source: str | None = None
        """The code, where it is no module."""
        self.scheduler = CpuScheduler()
        self.environment = Environment(
            self.scheduler,
            self,
            self,
            limits=limits_of_script(memory_mb),
            network=Network(NetPolicy.unrestricted()),
            code=code,
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
        error = self.environment.render(text, stack)
        if not error.excerpt and (source := self.source) is not None:
            error = render_error(text, stack, lambda file: source if file == _CODE_NAME else None)
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
    script.source = code
    isolate = script.environment.isolate

    def start() -> None:
        isolate.submit(Turn(begin, ()))

    def begin() -> None:
        script.environment.install_entries("dispatch_script")
        told: quickjs.JSError | None = None
        for wrapper in _ways(code):
            is_awaiting = wrapper is None
            before, after = wrapper or ("", "")
            try:
                boxed = run_script(isolate.context, before + code + after, _CODE_NAME, awaiting=is_awaiting)
                if boxed is None and is_awaiting:
                    continue
                value = isolate.context.eval(before + code + after, _CODE_NAME) if boxed is None else boxed
            except quickjs.JSError as error:
                if isolate.stopping:
                    return
                is_syntax = str(error).startswith("SyntaxError")
                # Where the code stands as it is, what is said of it is true; best where `await` is known.
                if told is None or is_awaiting or not is_syntax:
                    told = error
                if is_syntax:
                    continue
                break
            script.environment.call_entry("evaluated", value, boxed is not None, is_awaiting)
            return
        assert told is not None
        script.load_failed(str(told), getattr(told, "js_stack", "") or "")

    await script.run(start)
    return script.value
