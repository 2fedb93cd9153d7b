"""The parent's log lines, in the formats of :mod:`nano_trio.logs`; structlog alone would double the parent's size.

A thread writes them: a pipe that nobody reads would hold up the parent, which then neither replaced a worker that died
nor ended when it is told to. The thread is a daemon, so such a pipe does not keep the process from ending either.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import threading
import time
from collections import deque
from typing import Any

__all__ = ["Log"]

_LEVELS = ("debug", "info", "warning", "error")
_MOST_LINES = 1000
"""That wait to be written. What comes then is lost: of a server that cannot be read the first lines tell most."""
_RETRY_S = 0.02


class Log:
    """Writes to standard error. The worker tells format and level once it has read the configuration."""

    def __init__(self, level: str = "info", format_: str = "text") -> None:
        self.level = level
        self.format = format_
        self._change = threading.Condition()
        self._lines: deque[tuple[bytes, int]] = deque()
        """Those that are not written yet, the one that is being written among them, each with how many lines are lost
        where it is: one that tells of lost ones stands for all of these."""
        self._lost = 0
        self._thread: threading.Thread | None = None

    def __call__(self, level: str, event: str, **fields: Any) -> None:
        """Log ``event``; ``fields`` that are None are left out. Never raises, never waits for who reads."""
        if _LEVELS.index(level) < _LEVELS.index(self.level):
            return
        with self._change:
            if len(self._lines) >= _MOST_LINES:
                self._lost += 1
                return
            if self._lost:
                text = f"{self._lost} log lines lost: the output did not take them"
                self._lines.append((self._line("warning", text, {"lost": self._lost}), self._lost))
                self._lost = 0
            self._lines.append((self._line(level, event, fields), 1))
            self._change.notify_all()
        self._have_written()

    def _have_written(self) -> None:
        """Start the thread. Where the system allows no more of them, the lines wait until it does, or for the end."""
        if self._thread is None:
            thread = threading.Thread(target=self._write, name="log writer", daemon=True)
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def _line(self, level: str, event: str, fields: dict[str, Any]) -> bytes:
        fields = {key: value for key, value in fields.items() if value is not None}
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
        if self.format == "json":
            line = json.dumps({"timestamp": stamp, "level": level, "event": event, **fields}, ensure_ascii=False)
        else:
            app = fields.pop("app", None)
            rest = "".join(f" {key}={value}" for key, value in fields.items())
            line = f"{stamp[11:23]} {level:<7} {f'{app}: ' if app else ''}{event}{rest}"
        return f"{line}\n".encode("utf-8", "backslashreplace")

    def _write(self) -> None:
        cut = False
        while True:
            with self._change:
                self._change.wait_for(lambda: self._lines)
                line, stands_for = self._lines[0]
            rest = b"\n" + line if cut else line
            while rest:
                try:
                    rest = rest[os.write(sys.stderr.fileno(), rest) :]
                except BlockingIOError:
                    time.sleep(_RETRY_S)  # somebody made the descriptor non-blocking, for all who share it
                except (OSError, ValueError):
                    break  # the disk is full, or the reader gone: no reason to end
            with self._change:
                if rest:
                    cut = cut or len(rest) < len(line)
                    self._lost += stands_for
                else:
                    cut = False
                self._lines.popleft()
                self._change.notify_all()

    def flush(self, timeout_s: float = 1.0) -> None:
        """Wait until all is written, at most so long."""
        if self._lines:
            self._have_written()
        if self._thread is None:
            self._write_what_fits()
            return
        with self._change:
            self._change.wait_for(lambda: not self._lines, timeout_s)

    def _write_what_fits(self) -> None:
        """Write without the thread, as far as nobody waits for that: so much fits in a pipe that takes something."""
        for line, _ in self._lines:
            for start in range(0, len(line), select.PIPE_BUF):
                with contextlib.suppress(OSError, ValueError):
                    if select.select((), (sys.stderr.fileno(),), (), 0)[1]:
                        os.write(sys.stderr.fileno(), line[start : start + select.PIPE_BUF])
        self._lines.clear()
