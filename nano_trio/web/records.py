"""What the access log is told of each request that has ended, whatever it came by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from nano_trio.actors.messages import IncomingRequest
from nano_trio.web.settings import AccessRecord

if TYPE_CHECKING:
    from nano_trio.web.listener import Listener

__all__ = ["record"]

log = structlog.get_logger("nano_trio.web")


def record(
    listener: Listener,
    request: IncomingRequest,
    app: str,
    status: int,
    sent: int,
    started: float,
    *,
    complete: bool,
    version: str = "HTTP/1.1",
) -> None:
    """Tell the access log about a finished request: ``sent`` in bytes of content, ``started`` on the clock of
    :func:`time.perf_counter`. Its errors are logged, never raised."""
    access_log = listener.access_log
    if access_log is None:
        return
    duration = time.perf_counter() - started
    told = AccessRecord(
        request.method,
        request.url,
        status,
        sent,
        duration,
        app,
        request.remote_address,
        request.id,
        complete,
        request.headers,
        version,
        request.span,
    )
    try:
        access_log(told)
    except Exception:
        log.exception("the access log failed")
