"""The console's host half: the app's log, the clock of its timers, and what JavaScript cannot ask about a value."""

from __future__ import annotations

import unicodedata

import quickjs

from nano_trio.engine.errors import below
from nano_trio.engine.native_calls import enters
from nano_trio.runtime.host import Namespace, Services, array_of

__all__ = ["namespace"]


@enters  # what the reason's toString() calls may never end
def _promise_state(promise: quickjs.Value) -> quickjs.Value | None:
    """``["pending"]``, ``["fulfilled", value]`` or ``["rejected", text]``; None where it is no promise.

    A rejection's reason reaches Python only as text: ``String(reason)``, and the stack where it is an error.
    """
    state = promise.promise_state
    if state is None:
        return None
    if state == "pending":
        return array_of(promise.context, [state])
    try:
        told = promise.result()
    except quickjs.QuickJSError as error:
        text = str(error)
        stack = below(text, getattr(error, "js_stack", "")).rstrip()
        told = f"{text}\n{stack}" if stack else text
    return array_of(promise.context, [state, told])


def _width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: wide characters count two, combining ones none (UAX #11)."""
    width = 0
    for character in unicodedata.normalize("NFC", text):
        if unicodedata.east_asian_width(character) in "FW":
            width += 2
        elif unicodedata.category(character) not in ("Mn", "Me", "Cf", "Cc"):
            width += 1
    return width


def namespace(services: Services) -> Namespace:
    return {"log": services.log, "now": services.now_ms, "promiseState": _promise_state, "width": _width}
