"""The server's own answers: plain error pages, and the ids that connect a page with its line in the log."""

from __future__ import annotations

import traceback
from http import HTTPStatus

from nano_trio.actors import request_ids
from nano_trio.actors.messages import OutgoingResponse

__all__ = ["error_page", "new_request_id", "stack_of"]


def new_request_id() -> str:
    """A new request id as text."""
    return request_ids.text(request_ids.new_id())


def stack_of(error: BaseException) -> str:
    """The error's Python stack as text, for error pages in dev mode."""
    return "".join(traceback.format_exception(error))


def error_page(
    status: int,
    message: str = "",
    *,
    request_id: str = "",
    retry_after: int | None = None,
    stack: str | None = None,
) -> OutgoingResponse:
    """Make an error response in plain text, so that nothing in it needs escaping for HTML.

    ``retry_after`` is in seconds (RFC 9110 section 10.2.3). ``stack`` is for dev mode only.
    """
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Error"
    text = f"{status} {phrase}\n"
    if message:
        text += f"\n{message}\n"
    if stack:
        text += f"\n{stack}\n"
    headers = [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ]
    if retry_after is not None:
        headers.append(("retry-after", str(retry_after)))
    if request_id:
        text += f"\nrequest id: {request_id}\n"
        headers.append(("x-request-id", request_id))
    return OutgoingResponse(status, "", headers, text.encode("utf-8", "backslashreplace"))
