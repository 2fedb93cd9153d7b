"""A request's id and span, from what its head says and who sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nano_trio.actors import request_ids
from nano_trio.actors.trace import Span, new_trace

if TYPE_CHECKING:
    from nano_trio.web.http1 import Head
    from nano_trio.web.listener import Listener

__all__ = ["id_of", "span_of"]


def id_of(head: Head, listener: Listener, peer: str) -> int | str:
    """The id that a trusted proxy gave, else a new one."""
    if head.request_id is not None and listener.trusted is not None and peer in listener.trusted:
        return head.request_id
    return request_ids.new_id()


def span_of(head: Head, listener: Listener) -> Span | None:
    """A new span of the trace that the request is part of; of a new one where that is configured."""
    if head.trace is not None:
        return head.trace.span()
    return new_trace() if listener.start_traces else None
