"""Logging for people and machines: structlog in one of three formats, to standard error.

``text`` is for reading, ``json`` is one object a line, ``apache`` is like text with requests in the combined log
format. A leaf: any room may log; only the command line configures. The files:

- ``formats``: the shapes, with control characters escaped and long values cut;
- ``line_rates``: how many lines an app may log;
- ``tap``: live lines and lifecycle events for admin;
- ``writer``: a queue and a thread, so that no output can stop the event loop.
"""

from __future__ import annotations

import atexit
import datetime
import logging
import sys
from typing import Any

import structlog
import trio
from structlog.typing import EventDict

from nano_trio.logs.formats import JsonFormat, TextFormat, access_line, cut_long_values
from nano_trio.logs.line_rates import Rates, rates
from nano_trio.logs.tap import Tap, lifecycle, listening, offer, tap
from nano_trio.logs.writer import Writer

__all__ = [
    "Rates",
    "Tap",
    "access_line",
    "configure",
    "flush",
    "lifecycle",
    "lost_lines",
    "rates",
    "report_dropped",
    "tap",
]

_MAX_VALUE_BYTES = 16 << 10

_writer: Writer | None = None


def configure(
    level: str = "info",
    format_: str = "text",
    *,
    colors: bool | None = None,
    max_value_bytes: int = _MAX_VALUE_BYTES,
) -> None:
    """Send log lines of at least ``level`` to standard error as ``json``, ``text`` or ``apache``.

    ``max_value_bytes``: what a line's text and its values are cut to. What each app may log, it says itself
    (:attr:`rates`).
    """
    global _writer
    use_colors = sys.stderr.isatty() if colors is None else colors
    render = JsonFormat() if format_ == "json" else TextFormat(use_colors)

    def notice(count: int) -> str:
        now = datetime.datetime.now(datetime.UTC).isoformat().replace("+00:00", "Z")
        text = f"{count} log lines lost: the output did not take them"
        return render(None, "", {"timestamp": now, "level": "warning", "event": text, "lost": count})

    flush()
    _writer = Writer(sys.stderr, notice)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            rates.processor,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            cut_long_values(max_value_bytes),
            _to_taps,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_LoggerFactory(_writer),
        cache_logger_on_first_use=True,
    )


def _to_taps(_: Any, __: str, event: EventDict) -> EventDict:
    if listening():
        offer("line", event)
    return event


class _Logger:
    """Hands rendered lines to the writer, whatever their level."""

    def __init__(self, writer: Writer) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = self.msg = writer.line


class _LoggerFactory:
    def __init__(self, writer: Writer) -> None:
        self._logger = _Logger(writer)

    def __call__(self, *_: Any) -> _Logger:
        return self._logger


def lost_lines() -> int:
    """How many lines were dropped because standard error did not take them."""
    return 0 if _writer is None else _writer.lost


@atexit.register
def flush(timeout_s: float = 1.0) -> bool:
    """Wait until all lines are written, at most so long. At a normal exit it happens by itself."""
    return True if _writer is None else _writer.flush(timeout_s)


async def report_dropped() -> None:
    """Once a second, for ever: say which apps' lines were dropped, and how many."""
    while True:
        await trio.sleep(1)
        rates.report()
