"""Responses of apps that cannot be sent, and WebSockets that cannot be opened: the same for HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, SocketHandler
from nano_trio.runtime.close_codes import ABNORMAL
from nano_trio.web.errors import error_page, stack_of
from nano_trio.web.response_head import BadResponse

__all__ = ["give_up_socket", "page_instead"]

log = structlog.get_logger("nano_trio.web")


def page_instead(
    response: OutgoingResponse, error: BadResponse, request: IncomingRequest, about: Mapping[str, str], *, dev: bool
) -> OutgoingResponse:
    """The page that is sent in the place of an app's response; its author is told by the log, which names what it is
    ``about``."""
    log.error("invalid response", reason=str(error), **about)
    if response.body is not None and not isinstance(response.body, bytes):
        response.body.cancel("invalid response")
    return error_page(500, request_id=request.id, stack=stack_of(error) if dev else None)


def give_up_socket(handler: SocketHandler, about: Mapping[str, str]) -> None:
    """Tell the app's end of a WebSocket that there is no connection for it. Never raises."""
    try:
        handler.closed(ABNORMAL, "", False)
    except Exception:
        log.exception("a WebSocket's handler failed", **about)
