"""Logging for people and machines: structlog in one of three formats, to standard error.

``text`` is for reading, ``json`` is one object a line, ``apache`` is like text with requests in the combined log
format. A leaf: any room may log; only the command line configures.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any, ClassVar

import structlog

__all__ = ["access_line", "configure"]

_MOST_CHARACTERS = 16_384


def configure(level: str = "info", format_: str = "text", *, colors: bool | None = None) -> None:
    """Send log lines of at least ``level`` to standard error as ``json``, ``text`` or ``apache``."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _cut_long_values,
    ]
    if format_ == "json":
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    else:
        use_colors = sys.stderr.isatty() if colors is None else colors
        processors += [structlog.processors.format_exc_info, _TextRenderer(use_colors)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _cut_long_values(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
            event[key] = f"{value[:_MOST_CHARACTERS]}… ({len(value)} characters)"
    return event


class _TextRenderer:
    """``12:00:00.000 info  app: event key=value``; errors of several lines are indented below."""

    _COLORS: ClassVar = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "31"}

    def __init__(self, colors: bool) -> None:
        self._colors = colors

    def __call__(self, _: Any, __: str, event: dict[str, Any]) -> str:
        stamp = event.pop("timestamp", "")[11:23]
        level = event.pop("level", "info")
        message = str(event.pop("event", ""))
        if event.pop("raw", False):
            return message
        app = event.pop("app", None)
        event.pop("console", None)
        below = [str(event.pop(key)) for key in ("error", "exception", "stack") if event.get(key)]
        fields = "".join(f" {key}={value}" for key, value in event.items())
        name = f"{level:<7}"
        if self._colors:
            name = f"\x1b[{self._COLORS.get(level, '0')}m{name}\x1b[0m"
        head = f"{stamp} {name} {f'{app}: ' if app else ''}{message}{fields}"
        return "\n".join([head, *("    " + line for text in below for line in text.splitlines())])


def access_line(
    remote: str, method: str, url: str, status: int, size: int, user_agent: str = "-", referer: str = "-"
) -> str:
    """A request in the combined log format (Apache's ``%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"``)."""
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    return f'{remote} - - [{when}] "{method} {url} HTTP/1.1" {status} {size or "-"} "{referer}" "{user_agent}"'
