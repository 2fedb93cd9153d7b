"""The parent's log lines, in the formats of :mod:`nano_trio.logs`; structlog alone would double the parent's size."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

__all__ = ["Log"]

_LEVELS = ("debug", "info", "warning", "error")


class Log:
    """Writes to standard error. The worker tells format and level once it has read the configuration."""

    def __init__(self, level: str = "info", format_: str = "text") -> None:
        self.level = level
        self.format = format_

    def __call__(self, level: str, event: str, **fields: Any) -> None:
        """Log ``event``; ``fields`` that are None are left out. Never raises."""
        if _LEVELS.index(level) < _LEVELS.index(self.level):
            return
        fields = {key: value for key, value in fields.items() if value is not None}
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}Z"
        if self.format == "json":
            line = json.dumps({**fields, "event": event, "level": level, "timestamp": stamp}, ensure_ascii=False)
        else:
            app = fields.pop("app", None)
            rest = "".join(f" {key}={value}" for key, value in fields.items())
            line = f"{stamp[11:23]} {level:<7} {f'{app}: ' if app else ''}{event}{rest}"
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass  # nobody reads: no reason to end
