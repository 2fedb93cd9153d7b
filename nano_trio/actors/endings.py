"""What an app's author is told of code that does not load, and of an incarnation that was stopped."""

from __future__ import annotations

from nano_trio.actors.settings import AppSettings
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.native_calls import LEFT
from nano_trio.engine.turn import StopReason

__all__ = ["NotLoaded", "load_failure", "stop_cause"]


class NotLoaded(Exception):
    """An app's code cannot be read, or its incarnation ended before it could serve; the text says why."""


def load_failure(why: object) -> str:
    """What is told of an app that does not load. Errors of imports begin with these words already."""
    text = str(why)
    return text if text.startswith("cannot load") else f"cannot load: {text}"


def stop_cause(reason: StopReason, isolate: Isolate, settings: AppSettings) -> str:
    """Why an isolate was stopped that had loaded: the limit of ``settings`` that it exceeded, with what it used."""
    if reason is StopReason.CPU:
        where = LEFT if isolate.left else ""
        return f"a turn used more than timeout_ms ({settings.timeout_ms:g} ms) of CPU time{where}"
    if reason is StopReason.MEMORY:
        is_heap = isolate.memory_used > isolate.limits.memory_bytes or isolate.outside == 0
        what, used = ("its heap", isolate.memory_used) if is_heap else ("what the host holds for it", isolate.outside)
        return f"{what} ({used / (1 << 20):.1f} MB) outgrew memory_mb ({settings.memory_mb:g} MB)"
    return str(reason.value)
