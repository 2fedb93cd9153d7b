"""Runs operations; every change, and every refusal to let somebody in, becomes a line in the log."""

from __future__ import annotations

import math
from typing import Any

import structlog
import trio

from nano_trio.web.admin.errors import Invalid, OperationError, Unavailable
from nano_trio.web.admin.methods import Method, accept
from nano_trio.web.admin.operations import Operations
from nano_trio.web.admin.security import Caller

__all__ = ["Refusals", "perform"]

log = structlog.get_logger("nano_trio.admin")

_REFUSALS_A_MINUTE = 60


async def perform(operations: Operations, method: Method, given: Any, caller: Caller, via: str) -> Any:
    """Check the parameters and run the operation. Raises :class:`OperationError`."""
    if not method.changes:
        return await _run(operations, method, given)
    # Not as the line's app: the audit is no part of what an app may log, and of what is dropped where it logs too much.
    subject = {"target": given["name"]} if isinstance(given, dict) and isinstance(given.get("name"), str) else {}
    who = {"by": caller.address, "token": caller.token, "via": via, "action": method.name, **subject}
    started = trio.current_time()
    try:
        result = await _run(operations, method, given)
    except OperationError as error:
        log.warning("admin", **who, result="refused", reason=str(error))
        raise
    except trio.Cancelled:
        log.warning("admin", **who, result="given up")
        raise
    except Exception:
        log.exception("admin", **who, result="failed")
        raise
    log.info("admin", **who, result="done", ms=round((trio.current_time() - started) * 1e3))
    return result


async def _run(operations: Operations, method: Method, given: Any) -> Any:
    if method.changes and not operations.ready:
        raise Unavailable("the server is shutting down, and changes nothing any more; ask the next one")
    if method.document:
        if not isinstance(given, dict) or not given:
            raise Invalid([f"expected an object: {_article(method.document)} as in the configuration"])
        return await method.run(operations, given)
    return await method.run(operations, accept(method.params, given))


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


class Refusals:
    """The lines that say who was not let in. Anybody can cause them: beyond so many a minute they are only counted."""

    def __init__(self) -> None:
        self._minute = -math.inf
        self._said = 0
        self._unsaid = 0

    def tell(self, error: OperationError, address: str, what: str) -> None:
        """Somebody was not let in."""
        now = trio.current_time()
        if now - self._minute >= 60:
            self._minute, self._said = now, 0
        if self._said >= _REFUSALS_A_MINUTE:
            self._unsaid += 1
            return
        self._said += 1
        more = {"not_logged_before": self._unsaid} if self._unsaid else {}
        self._unsaid = 0
        log.warning("admin refused", by=address, what=what, status=int(error.status), reason=str(error), **more)
