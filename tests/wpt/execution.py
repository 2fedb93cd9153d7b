"""Runs one test in an isolate of its own, with the real clock. The only file that knows how an isolate is made."""

from __future__ import annotations

import json
import mimetypes
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import quickjs
import trio

from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits, StopReason, Turn
from nano_trio.runtime.environment import Environment
from tests.wpt.manifest import Test

__all__ = ["MEMORY_LIMIT", "Outcome", "execute", "time_limit"]

MEMORY_LIMIT = 512 << 20
_ENVIRONMENT = Path(__file__).with_name("environment.js")
_ORIGIN = "http://web-platform.test:8000"
# These paths are answered with other files: by every WPT server, and by this one.
_ALIASES = {"/resources/WebIDLParser.js": "/resources/webidl2/lib/webidl2.js"}
_OWN = {"/common/sab.js": Path(__file__).with_name("sab.js")}
_STATUSES = ("pass", "fail", "timeout", "not run", "precondition failed")
_LAST_WORD_S = 2
_HARNESS_STATUSES = ("ok", "error", "timeout", "precondition failed")


@dataclass
class Outcome:
    """What became of a test: ``status`` of the whole run, and of each subtest by name: (status, message)."""

    status: str
    """``ok``, ``error`` (the harness or a script failed), ``timeout``, or ``crash`` (the process died)."""
    message: str = ""
    subtests: dict[str, tuple[str, str]] = field(default_factory=dict)
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def time_limit(test: Test) -> float:
    """Seconds a test may take: twice the 10, or 60 where it says ``timeout=long``, of WPT, for machines under load."""
    return 120.0 if test.is_long else 20.0


class _Sink:
    """Where the isolate's log goes: only exceptions are kept, to explain a test that never ends."""

    def __init__(self) -> None:
        self.exceptions: list[str] = []

    def line(self, level: str, text: str) -> None:
        pass

    def exception(self, error: JavaScriptError) -> None:
        self.exceptions.append(str(error))


class _Run:
    """One test in progress: the host functions of environment.js, and what they learn."""

    def __init__(self, root: Path, test: Test) -> None:
        self._root = root.resolve()
        self.test = test
        self.outcome = Outcome("timeout")
        self.finished = trio.Event()
        self.href = f"{_ORIGIN}/{test.path}{test.variant}"

    def host(self) -> dict[str, Any]:
        # These hold no context: the binding collects no cycles.
        return {
            "result": self._result,
            "complete": self._complete,
            "read": self._read,
            "source": lambda path: self._source(path),
            "resolve": _resolve,
            "type": lambda path: mimetypes.guess_type(path)[0] or "text/plain",
        }

    def settings(self) -> dict[str, Any]:
        parts = urlsplit(self.href)
        return {
            "href": self.href,
            "isWorkerFile": self.test.path.endswith(".worker.js"),
            "isInterfaceTest": self.test.path.endswith(("idlharness.any.js", "idlharness.https.any.js")),
            "parts": {
                # An app has an opaque origin, whatever server its tests come from.
                "origin": "null",
                "protocol": "http:",
                "host": parts.netloc,
                "hostname": parts.hostname,
                "port": str(parts.port),
                "pathname": parts.path,
                "search": f"?{parts.query}" if parts.query else "",
                "hash": "",
            },
        }

    def evaluate(self, context: Any) -> str | None:
        """Everything in one turn: the harness takes the first microtask as "all is loaded". Returns what failed."""
        try:
            report_results = context.eval(_ENVIRONMENT.read_text("utf-8"), "environment.js")(
                self.host(), self.settings()
            )
            self.load(context, "/resources/testharness.js")
            report_results()
            for script in self.test.scripts:
                self.load(context, urlsplit(urljoin(f"/{self.test.path}", script)).path)
            self.load(context, f"/{self.test.path}")
        except (quickjs.QuickJSError, OSError) as error:
            return str(error)
        return None

    def load(self, context: Any, path: str) -> None:
        """Evaluate a script of the server."""
        context.eval(self._source(path), path)

    def _source(self, path: str) -> str:
        source = self._read(path)
        if source is None:
            raise FileNotFoundError(path)
        return source.decode("utf-8")

    def _read(self, path: str) -> bytes | None:
        if path in _OWN:
            return _OWN[path].read_bytes()
        file = (self._root / _ALIASES.get(path, path).lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(self._root) and file.is_file() else None

    def _result(self, text: str) -> None:
        name, status, message = json.loads(text)
        # A file may give one name to several subtests; each counts.
        unique, number = name, 1
        while unique in self.outcome.subtests:
            number += 1
            unique = f"{name} ({number})"
        self.outcome.subtests[unique] = (_STATUSES[status], message or "")

    def _complete(self, text: str) -> None:
        status, message = json.loads(text)
        self.outcome.status, self.outcome.message = _HARNESS_STATUSES[status], message or ""
        self.finished.set()


def _resolve(base: str, url: str) -> str | None:
    joined = urljoin(base, url)
    return joined if joined.startswith("http") else None


def execute(root: Path, test: Test) -> Outcome:
    """Run ``test`` of the checkout ``root`` in a fresh isolate."""
    return trio.run(_execute, _Run(root, test))


async def _execute(run: _Run) -> Outcome:
    begin = time.monotonic()
    limit = time_limit(run.test)
    scheduler = CpuScheduler()
    sink = _Sink()
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        limits = Limits(turn_ms=limit * 1000, memory_bytes=MEMORY_LIMIT)
        environment = Environment(scheduler, None, sink, limits=limits)  # type: ignore[arg-type]
        await nursery.start(environment.run)
        isolate = environment.isolate
        nothing_left = trio.Event()

        def evaluated(turn: Turn) -> None:
            if turn.result is not None and turn.stopped is None:
                run.outcome.status, run.outcome.message = "error", str(turn.result)
                run.finished.set()

        def idle() -> None:
            if environment.pending == 0:
                nothing_left.set()

        def stopped(reason: StopReason) -> None:
            if run.finished.is_set():
                return  # the harness has reported, and close() met what still ran
            run.outcome.status = "timeout" if reason is StopReason.CPU else "error"
            run.outcome.message = f"stopped: {reason.value}"
            run.finished.set()

        isolate.on_idle, isolate.on_stopped = idle, stopped
        isolate.submit(Turn(run.evaluate, (isolate.context,), evaluated))
        with trio.move_on_after(limit):
            await _either(run.finished, nothing_left)
        if not run.finished.is_set():
            # Nothing more will happen, or not in time: let the harness say which subtests did not finish.
            run.outcome.message = "; ".join(sink.exceptions)
            isolate.submit(Turn(isolate.context.eval, ("timeout()",), None))
            with trio.move_on_after(_LAST_WORD_S):
                await run.finished.wait()
            run.outcome.status = "timeout"
            run.finished.set()  # close() may meet what still runs
        environment.close()
        nursery.cancel_scope.cancel()
    run.outcome.seconds = time.monotonic() - begin
    return run.outcome


async def _either(*events: trio.Event) -> None:
    async with trio.open_nursery() as nursery:

        async def watch(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(watch, event)
