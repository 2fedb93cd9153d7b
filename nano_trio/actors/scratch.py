"""Loading an app only to see whether it loads: ``nano-trio check``.

The entry module is evaluated in an isolate of its own, with the app's limits and ``env``, but without a network, a
state folder or other apps; nothing is listened to and no handler is called. What it began is dropped with the isolate.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import attrs
import trio

from nano_trio.actors.settings import SupervisedSettings, in_bytes, limits
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, ModuleError, load_app
from nano_trio.engine.preparation import LOAD_MS, Means, OutOfMeans, Preparation
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.engine.turn import StopReason
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import Response
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy
from nano_trio.runtime.platform import BUILTIN_MODULES
from nano_trio.runtime.service import ServiceRequest

__all__ = ["LoadProblem", "try_load"]

_NO_NETWORK = "the network is off while the app is only checked"


@attrs.frozen
class LoadProblem:
    """Why an app does not load."""

    text: str
    file: str = ""
    """Below the app's folder; empty where no place is known."""
    line: int | None = None
    column: int | None = None
    stack: str = ""

    @classmethod
    def of(cls, error: JavaScriptError) -> LoadProblem:
        """An error of JavaScript, with its innermost place."""
        if not error.frames:
            return cls(error.text)
        frame = error.frames[0]
        return cls(error.text, frame.file, frame.line, frame.column, error.trace)


class _NowherePolicy(NetPolicy):
    def allows(self, host: str, port: int, address: str) -> bool:
        """Nothing."""
        return False


async def _resolve_nothing(host: str, port: int) -> Iterable[str]:
    raise FetchError("ERR_BLOCKED", f"connecting to {host}: {_NO_NETWORK}")


class _NoService:
    """Another app, which does not run: implements :class:`nano_trio.runtime.service.Service`."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def fetch(self, request: ServiceRequest) -> Response:
        """Refuse."""
        raise FetchError("ERR_BLOCKED", f"calling the app {self.name}: other apps do not run while this one is checked")


class _Scratch(NoRequests):
    """Implements AppHost and LogSink for an app that is only loaded."""

    def __init__(self, settings: SupervisedSettings, code: AppCode, scheduler: CpuScheduler) -> None:
        self.ended = trio.Event()
        self.problem: LoadProblem | None = None
        self._settings = settings
        self.environment = Environment(
            scheduler,
            self,
            self,
            limits=limits(settings.timeout_ms, settings.memory_mb),
            max_buffer_bytes=in_bytes(settings.max_buffer_size_mb),
            network=Network(_NowherePolicy(), resolve=_resolve_nothing),
            bindings={name: _NoService(target) for name, target in settings.services.items()},
            code=code,
        )
        self.environment.isolate.on_idle = self._idle
        self.environment.isolate.on_stopped = self._stopped

    def _end(self, problem: LoadProblem | None) -> None:
        if not self.ended.is_set():
            self.problem = problem
            self.ended.set()

    def _idle(self) -> None:
        if self.environment.pending == 0:
            self._end(LoadProblem("a top-level await waits for nothing that could still happen"))

    def _stopped(self, reason: StopReason) -> None:
        if reason is StopReason.CPU:
            limit = f"used more than timeout_ms ({self._settings.timeout_ms:g} ms) of CPU time"
        elif reason is StopReason.MEMORY:
            limit = f"outgrew memory_mb ({self._settings.memory_mb:g} MB)"
        else:
            limit = f"was stopped: {reason.value}"
        self._end(LoadProblem(f"loading the app {limit}"))

    # -- LogSink, AppHost --------------------------------------------------------------------------------------------

    def line(self, level: str, text: str) -> None:
        """What it logs is not wanted."""

    def exception(self, error: JavaScriptError) -> None:
        """Thrown by a callback that ran beside the entry module."""

    def loaded(self) -> None:
        self._end(None)

    def load_failed(self, text: str, stack: str) -> None:
        self._end(LoadProblem.of(self.environment.render(text, stack)))

    def evaluated(self, text: str | None) -> None:
        """Only scripts are evaluated."""


async def try_load(
    settings: SupervisedSettings, cache: BytecodeCache, esbuild: Path | None = None
) -> LoadProblem | None:
    """Load an app as ``serve`` would, and let it go again. Why it does not load, or None.

    Takes at most ``request_timeout_ms``, behind what it takes to compile the code. ``esbuild``: of the configuration.
    """
    scheduler = CpuScheduler()
    problem: LoadProblem | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        means = Means(scheduler, Account(), max(settings.timeout_ms, LOAD_MS), nursery.start_soon)
        reading = Preparation(means, partial(load_app, settings.path, cache, BUILTIN_MODULES, Tools(esbuild)))
        await reading.wait()
        try:
            code = reading.outcome()
        except ModuleError as error:
            problem = _of_import(Path(settings.path), str(error))
        except JavaScriptError as error:
            problem = LoadProblem.of(error)
        except OutOfMeans as error:
            problem = LoadProblem(str(error), (error.file or "").removeprefix("./"))
        else:
            problem = await _load(settings, code, scheduler)
        nursery.cancel_scope.cancel()
    return problem


async def _load(settings: SupervisedSettings, code: AppCode, scheduler: CpuScheduler) -> LoadProblem | None:
    scratch = _Scratch(settings, code, scheduler)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(scratch.environment.run)
            with trio.move_on_after(settings.request_timeout_ms / 1e3) as patience:
                scratch.environment.load(settings.env)
                await scratch.ended.wait()
            nursery.cancel_scope.cancel()
    finally:
        scratch.environment.close()
    if patience.cancelled_caught:
        return LoadProblem(f"loading took longer than request_timeout_ms ({settings.request_timeout_ms:g} ms)")
    return scratch.problem


_IMPORTED = re.compile(r"""\b(?:import|from)\s*\(?\s*(["'])(?P<name>[^"'\n]+)\1""")
_REFUSED = re.compile(r'cannot load "(?P<name>[^"]+)"(?: \(imported by (?P<importer>[^)\n]+)\))?: ')
_TOLD = (re.compile(r"invalid JSON: .*: line (\d+) column (\d+)"), re.compile(r"^ +\S+:(\d+):(\d+):$", re.MULTILINE))
"""How Python and esbuild tell places."""


def _of_import(path: Path, message: str) -> LoadProblem:
    """A module that cannot be had, at the import of it; or one that is no JSON or no TypeScript, at its mistake."""
    refused = _REFUSED.match(message)
    if refused is None:
        return LoadProblem(message)
    folder, name, importer = path if path.is_dir() else path.parent, refused["name"], refused["importer"]
    if importer is None:
        told = next(filter(None, (pattern.search(message) for pattern in _TOLD)), None)
        return LoadProblem(message, name, int(told[1]), int(told[2])) if told is not None else LoadProblem(message)
    try:
        text = (folder / importer).read_text("utf-8-sig", "replace")
    except OSError:
        return LoadProblem(message)
    for found in _IMPORTED.finditer(text):
        specifier = found["name"]
        target = os.path.normpath(os.path.join(os.path.dirname(importer), specifier))
        if name in (specifier, target) or f"node_modules/{specifier}/" in name:
            before = text[: found.start("name") - 1]
            return LoadProblem(message, importer, before.count("\n") + 1, len(before) - before.rfind("\n"))
    return LoadProblem(message, importer)
