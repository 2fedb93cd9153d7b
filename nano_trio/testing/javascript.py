"""Running ``*.test.js`` and ``*.test.ts``: each file in an isolate of its own, several by turns.

Theory of operation. The module ``nano:test`` (``js/``) collects the tests of a file and runs them one after the other;
it reports the start and the end of each. A test that waits too long fails there, by a timer. One that computes too
long, or outgrows its memory, cannot be helped from inside: the isolate is stopped, the test that was running has
failed, and the file is loaded anew into a fresh isolate that goes on behind it. The app under test runs beside, as it
would for clients, in an isolate of its own; test files reach it by a service binding.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import attrs
import trio

from nano_trio.actors.messages import BodyBroken
from nano_trio.actors.services import AppService
from nano_trio.actors.settings import limits
from nano_trio.config import App
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, ModuleError, load_module
from nano_trio.engine.resolution import TYPESCRIPT
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import StopReason
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.dispatch import NoRequests
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import Response
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy
from nano_trio.runtime.platform import BUILTIN_MODULES
from nano_trio.runtime.service import Service, ServiceRequest
from nano_trio.testing.calling import AsyncApp, WebSocketRefused, open_app
from nano_trio.testing.websocket import WebSocket, WebSocketClosed

__all__ = ["Failure", "FileResult", "Outcome", "TestOptions", "find_tests", "run_tests"]

_JS = Path(__file__).parent / "js"
_FILES_AT_ONCE = 8
_SKIPPED_FOLDERS = {"node_modules", ".git"}
SUFFIXES = tuple(f".test{suffix}" for suffix in (".js", ".mjs", *TYPESCRIPT))


@attrs.frozen
class TestOptions:
    """How to run. Times are milliseconds."""

    __test__ = False  # pytest takes the name for a class of tests

    timeout_ms: float = 5000
    """For each test and hook: time passed, and CPU time of a turn."""
    memory_mb: float = 256
    filter: str = ""
    """Only tests whose names contain this, in any case."""


@attrs.frozen
class Failure:
    """Why a test failed."""

    text: str
    expected: str | None = None
    """With ``actual``, both values as text of several lines."""
    actual: str | None = None


@attrs.define
class Outcome:
    """One test."""

    name: tuple[str, ...]
    """Its suites' names and its own."""
    status: str
    """passed, failed, skipped or todo"""
    ms: float = 0.0
    failures: list[Failure] = attrs.Factory(list)


@attrs.define
class FileResult:
    """One file."""

    file: str
    """Its path below the folder."""
    outcomes: list[Outcome] = attrs.Factory(list)
    errors: list[Failure] = attrs.Factory(list)
    """What went wrong outside tests."""
    output: list[tuple[str, str]] = attrs.Factory(list)
    """Lines of its console, with their levels."""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.errors) or any(outcome.status == "failed" for outcome in self.outcomes)


def find_tests(folder: Path) -> list[str]:
    """The test files below a folder, by their paths in it."""
    found = []
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if path.name.endswith(SUFFIXES) and path.is_file() and not _SKIPPED_FOLDERS.intersection(inside.parts):
            found.append(inside.as_posix())
    return sorted(found)


@cache
def _builtins() -> dict[str, str]:
    own = {"nano:test": "test.js", "nano:test/expect": "expect.js", "nano:test/websocket": "websocket.js"}
    return {**BUILTIN_MODULES, **{name: (_JS / file).read_text("utf-8") for name, file in own.items()}}


class _Empty(Response):
    """The answer of :class:`_Settled`."""

    status = 204
    reason = b""

    def __init__(self) -> None:
        self.headers = []

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return b""

    def close(self) -> None:
        """Nothing is held."""


@attrs.frozen
class _Settled(Service):
    """``app.settled()``: answers when the app has nothing in progress."""

    app: AsyncApp

    async def fetch(self, request: ServiceRequest) -> Response:
        """Wait for it."""
        await self.app.settled()
        return _Empty()


@attrs.frozen
class _NoApp(Service):
    """In the place of the app of a folder that has none."""

    why: str

    async def fetch(self, request: ServiceRequest) -> Response:
        """Tell why."""
        raise FetchError("ERR_SERVICE", self.why)


class _Attempt(NoRequests):
    """One isolate with the file's tests. Implements AppHost, LogSink and RunnerHost."""

    def __init__(
        self,
        result: FileResult,
        code: AppCode,
        scheduler: CpuScheduler,
        options: TestOptions,
        app: AsyncApp | str,
        services: dict[str, Service],
        done: int,
    ) -> None:
        self.done = done
        """How many tests have ended, in this attempt and those before."""
        self.running: Outcome | None = None
        self.ended = trio.Event()
        self.finished = False
        self._result = result
        self._options = options
        network = Network(NetPolicy.unrestricted())
        self.environment = Environment(
            scheduler,
            self,
            self,
            limits=limits(options.timeout_ms, options.memory_mb),
            network=network,
            code=code,
            bindings=services,
        )
        self.environment.isolate.on_stopped = self._stopped
        self.environment.isolate.on_idle = self._idle
        self._loaded = False
        self._app = app
        self._sockets: dict[int, WebSocket] = {}

    async def run(self) -> None:
        """Run tests until the last has ended or the isolate is stopped."""
        environment = self.environment
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(environment.run)
                environment.read_code()
                environment.install_entries("testing")
                environment.isolate.context.eval('import "nano:test";', "./nano:setup", module=True)
                environment.run_module()
                await self.ended.wait()
                nursery.cancel_scope.cancel()
        finally:
            environment.close()
            for socket in self._sockets.values():
                socket.close_soon()

    def _error(self, failure: Failure) -> None:
        if self.running is not None:
            self.running.failures.append(failure)
        else:
            self._result.errors.append(failure)

    def _failure(self, described: dict[str, Any]) -> Failure:
        diff = described.get("diff") or {}
        error = self.environment.render(described["text"], described["stack"])
        return Failure(str(error), diff.get("expected"), diff.get("actual"))

    def _idle(self) -> None:
        if not self._loaded and self.environment.pending == 0 and not self.ended.is_set():
            self._error(Failure("a top-level await waits for nothing that could still happen"))
            self.finished = True
            self.ended.set()

    def _stopped(self, reason: StopReason) -> None:
        options = self._options
        why = f"was stopped: {reason.value}"
        if reason is StopReason.CPU:
            why = f"computed for more than {options.timeout_ms:g} ms"
        elif reason is StopReason.MEMORY:
            why = f"outgrew {options.memory_mb:g} MB"
        if self.running is None:
            self._result.errors.append(Failure(f"the file {why} outside its tests"))
            self.finished = True
        else:
            self.running.status = "failed"
            self.running.failures.append(Failure(f"the test {why}"))
            self.done += 1
        self.ended.set()

    def report(self, text: str) -> None:
        """What ``nano:test`` says."""
        event = json.loads(text)
        kind = event["type"]
        if kind == "start":
            self.running = Outcome(tuple(event["name"]), "failed")
            self._result.outcomes.append(self.running)
        elif kind == "end":
            outcome, self.running = self.running, None
            if outcome is None:
                outcome = Outcome(tuple(event["name"]), event["status"])
                self._result.outcomes.append(outcome)
            outcome.failures += map(self._failure, event.get("errors", ()))
            outcome.status = "failed" if outcome.failures else event["status"]
            outcome.ms = event["ms"]
            self.done = event["number"] + 1
        elif kind == "error":
            self._error(self._failure(event))
        else:
            self.finished = True
            self.ended.set()

    # -- RunnerHost --------------------------------------------------------------------------------------------------

    async def connect(self, url: str, headers: list[tuple[str, str]], protocols: list[str]) -> list[Any]:
        """Open a WebSocket to the app."""
        if isinstance(self._app, str):
            return [0, self._app]
        try:
            socket = await self._app.connect(url, headers=headers, protocols=protocols)
        except (WebSocketRefused, ValueError, BodyBroken) as error:
            return [0, str(error)]
        number = len(self._sockets) + 1
        self._sockets[number] = socket
        return [number, socket.protocol]

    async def next(self, number: int) -> list[Any]:
        """The next event of a WebSocket."""
        try:
            return ["message", await self._sockets[number].receive()]
        except WebSocketClosed as end:
            return ["closed", end.code, end.reason]

    def send(self, number: int, message: str | bytes) -> None:
        """Queue a message for the app."""
        self._sockets[number].send_soon(message)

    def close(self, number: int, code: int | None, reason: str) -> None:
        """Queue a WebSocket's end."""
        self._sockets[number].close_soon(code, reason)

    # -- LogSink, AppHost --------------------------------------------------------------------------------------------

    def line(self, level: str, text: str) -> None:
        """A line of the file's console."""
        self._result.output.append((level, text))

    def exception(self, error: JavaScriptError) -> None:
        """Something threw that no test waited for."""
        self._error(Failure(str(error) if error.text.startswith("Uncaught ") else f"uncaught: {error}"))

    def loaded(self) -> None:
        """All tests are known."""
        self._loaded = True
        self.environment.enter("run_tests", self.done, self._options.filter, self._options.timeout_ms)

    def load_failed(self, text: str, stack: str) -> None:
        """The file itself threw."""
        self._result.errors.append(Failure(str(self.environment.render(text, stack))))
        self.finished = True
        self.ended.set()

    def evaluated(self, text: str | None) -> None:
        """Never called: a file is a module."""


async def _run_file(folder: Path, file: str, app: App | str, options: TestOptions, cache: BytecodeCache) -> FileResult:
    result = FileResult(file)
    begun = time.monotonic()
    try:
        load = partial(load_module, str(folder), f"./{file}", cache, _builtins(), Tools(own=True), mixed=True)
        code = await trio.to_thread.run_sync(load)
    except (ModuleError, JavaScriptError) as error:
        result.errors.append(Failure(str(error)))
        return result
    if isinstance(app, str):
        services: dict[str, Service] = {"app": _NoApp(app), "settled": _NoApp(app)}
        scheduler = CpuScheduler()
        async with trio.open_nursery() as nursery:
            await nursery.start(scheduler.run)
            await _attempts(result, code, scheduler, options, app, services)
            nursery.cancel_scope.cancel()
    else:
        async with open_app(app) as running:
            registry = running.registry
            services = {
                "app": AppService("test", app.name, registry.find, lambda cause: (), lambda cause: None),
                "settled": _Settled(running),
            }
            await _attempts(result, code, registry.scheduler, options, running, services)
    result.seconds = time.monotonic() - begun
    return result


async def _attempts(
    result: FileResult,
    code: AppCode,
    scheduler: CpuScheduler,
    options: TestOptions,
    app: AsyncApp | str,
    services: dict[str, Service],
) -> None:
    done = 0
    while True:
        attempt = _Attempt(result, code, scheduler, options, app, services, done)
        await attempt.run()
        if attempt.finished:
            return
        done = attempt.done


async def run_tests(
    folder: Path,
    files: Iterable[str],
    app: App | str,
    options: TestOptions,
    cache: BytecodeCache,
    ended: Callable[[FileResult], None],
) -> None:
    """Run test files of a folder (a real path), several at a time.

    ``ended`` is called with each result, in the files' order.
    ``app``: the folder's app, or why there is none: so ``app.fetch`` fails.
    """
    files = list(files)
    results: dict[str, FileResult] = {}
    waiting = list(files)
    limit = trio.CapacityLimiter(_FILES_AT_ONCE)

    async def one(file: str) -> None:
        async with limit:
            results[file] = await _run_file(folder, file, app, options, cache)
        while waiting and waiting[0] in results:
            ended(results.pop(waiting.pop(0)))

    async with trio.open_nursery() as nursery:
        for file in files:
            nursery.start_soon(one, file)
