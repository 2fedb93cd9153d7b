"""Runs one test in an isolate of its own. The only file that knows how an isolate is made."""

from __future__ import annotations

import json
import mimetypes
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import quickjs

from tests.runtime.harness import Bench
from tests.wpt.manifest import Test

__all__ = ["MEMORY_LIMIT", "Outcome", "execute", "time_limit"]

MEMORY_LIMIT = 512 << 20
_ENVIRONMENT = Path(__file__).with_name("environment.js")
_ORIGIN = "http://web-platform.test:8000"
# A WPT server answers these paths with other files.
_ALIASES = {"/resources/WebIDLParser.js": "/resources/webidl2/lib/webidl2.js"}
_STATUSES = ("pass", "fail", "timeout", "not run", "precondition failed")
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
    """Seconds a test may take, as WPT gives them: 10, or 60 where it says ``timeout=long``."""
    return 60.0 if test.is_long else 10.0


class _RealTimeBench(Bench):
    """The stand-in isolate with a real clock."""

    def __init__(self, deadline: float) -> None:
        self._start = time.monotonic()
        super().__init__()
        runtime = self.context.runtime
        runtime.set_memory_limit(MEMORY_LIMIT)
        runtime.set_interrupt_handler(lambda: time.monotonic() > deadline)

    def now_ms(self) -> float:
        return (time.monotonic() - self._start) * 1000

    def set_timer(self, timer: int, delay_ms: float) -> None:
        self._now = self.now_ms()
        super().set_timer(timer, delay_ms)

    def wait_and_step(self, deadline: float) -> bool:
        """As ``step``, after sleeping until the next timer is due; False when nothing is pending or time is up."""
        self.drain()
        if not self._operations and self._timers:
            due = self._start + self._timers[0][0] / 1000
            time.sleep(max(0.0, min(due, deadline) - time.monotonic()))
        return time.monotonic() < deadline and self.step()


def execute(root: Path, test: Test) -> Outcome:
    """Run ``test`` of the checkout ``root`` in a fresh isolate."""
    begin = time.monotonic()
    deadline = begin + time_limit(test)
    bench = _RealTimeBench(deadline)
    context = bench.context
    outcome = Outcome("timeout")
    completed: list[bool] = []

    def result(text: str) -> None:
        name, status, message = json.loads(text)
        # A file may give one name to several subtests; each counts.
        unique, number = name, 1
        while unique in outcome.subtests:
            number += 1
            unique = f"{name} ({number})"
        outcome.subtests[unique] = (_STATUSES[status], message or "")

    def complete(text: str) -> None:
        status, message = json.loads(text)
        outcome.status, outcome.message = _HARNESS_STATUSES[status], message or ""
        completed.append(True)

    def read(path: str) -> bytes | None:
        file = (root / _ALIASES.get(path, path).lstrip("/")).resolve()
        return file.read_bytes() if file.is_relative_to(root.resolve()) and file.is_file() else None

    def load(path: str) -> None:
        source = read(path)
        if source is None:
            raise FileNotFoundError(path)
        context.eval(source.decode("utf-8"), path)

    def resolve(base: str, url: str) -> str | None:
        joined = urljoin(base, url)
        return joined if joined.startswith("http") else None

    def content_type(path: str) -> str:
        return mimetypes.guess_type(path)[0] or "text/plain"

    href = f"{_ORIGIN}/{test.path}{test.variant}"
    parts = urlsplit(href)
    settings = {
        "href": href,
        "isWorkerFile": test.path.endswith(".worker.js"),
        "isInterfaceTest": test.path.endswith("idlharness.any.js"),
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

    def read_text(path: str) -> str | None:
        data = read(path)
        return data.decode("utf-8") if data is not None else None

    host = {
        "readText": read_text,
        "result": result,
        "complete": complete,
        "read": read,
        "load": load,
        "resolve": resolve,
        "type": content_type,
    }
    try:
        # Everything is evaluated before any microtask runs: the harness takes the first microtask as "all is loaded".
        report_results = context.eval(_ENVIRONMENT.read_text("utf-8"), "environment.js")(host, settings)
        load("/resources/testharness.js")
        report_results()
        for script in test.scripts:
            load(urlsplit(urljoin(f"/{test.path}", script)).path)
        load(f"/{test.path}")
        while not completed and bench.wait_and_step(deadline):
            pass
        if not completed:
            _give_up(bench, bench.exceptions, outcome)
    except (quickjs.QuickJSError, OSError) as error:
        outcome.status = "timeout" if time.monotonic() > deadline else "error"
        outcome.message = str(error)
    outcome.seconds = time.monotonic() - begin
    return outcome


def _give_up(bench: _RealTimeBench, exceptions: list[tuple[str, str]], outcome: Outcome) -> None:
    """Nothing more will happen: let the harness say which subtests did not finish."""
    bench.context.runtime.set_interrupt_handler(None)
    bench.context.eval("timeout()")
    bench.drain()
    outcome.status = "timeout"
    outcome.message = outcome.message or "; ".join(text for text, _ in exceptions)
