"""Responses of the house: what is answered in an app's place, in plain text."""

from __future__ import annotations

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.actors.outgoing import CONGESTED

__all__ = ["congested", "going_away", "mailbox_full", "plain_response"]


def plain_response(status: int, text: str, *headers: tuple[str, str]) -> OutgoingResponse:
    """``text`` and a line feed, with these headers beside its type."""
    # Parts of it may be an app's, and half a surrogate pair among them.
    content = f"{text}\n".encode("utf-8", "replace")
    return OutgoingResponse(status, "", [("content-type", "text/plain; charset=utf-8"), *headers], content)


def going_away() -> OutgoingResponse:
    """The app drains: another server, or this one later, may have the request."""
    return plain_response(503, "the app is going away", ("connection", "close"), ("retry-after", "1"))


def mailbox_full() -> OutgoingResponse:
    """``max_pending`` requests wait already."""
    return plain_response(503, "the app's mailbox is full", ("retry-after", "1"))


def congested() -> OutgoingResponse:
    """As many large bodies as may wait for the app's clients do."""
    return plain_response(503, f"Service Unavailable: {CONGESTED}", ("retry-after", "1"))
