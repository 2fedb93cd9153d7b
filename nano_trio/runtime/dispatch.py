"""The host half of ``dispatch.js``: what the app's handlers answer goes to whoever hosts the isolate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from nano_trio.runtime.host import Namespace, Services
from nano_trio.runtime.websocket_server import NoSockets, SocketHost

__all__ = ["AppHost", "Client", "NoRequests", "WireBody", "namespace"]

WireBody = tuple[int | None, Callable[[], Awaitable[bytes | None]]]
"""The length of a body on the wire where it is known, and what reads its next piece (None at the end)."""


class Client(Protocol):
    """Who sent a request."""

    @property
    def remote_address(self) -> str:
        """The address, without a port."""

    @property
    def certificate(self) -> bytes | None:
        """The certificate that the client gave (DER), verified."""


class AppHost(Protocol):
    """Receives what an app's JavaScript says. Every method is called inside a turn: it must neither block nor raise."""

    def loaded(self) -> None:
        """The entry module was evaluated (and offers a handler, where one is needed)."""

    def load_failed(self, text: str, stack: str) -> None:
        """The entry module threw, could not be linked, or offers no handler (then ``stack`` is empty)."""

    def evaluated(self, text: str | None) -> None:
        """A script's value, inspected; None for undefined."""

    def respond(self, request: int, status: int, reason: str | None, headers: str | None, kind: int, body: Any) -> None:
        """The response of a request. ``reason``: None where the app says none. ``headers``: names and values by turns,
        joined by line feeds, or None for none. ``kind`` and what ``body`` then is: :mod:`nano_trio.runtime.body_kinds`.
        """

    def failed(self, request: int, text: str, stack: str) -> None:
        """The handler threw or rejected, or its response could not be used."""

    def no_response(self, request: int, text: str) -> None:
        """The handler returned something that is no Response; ``text`` says what."""

    def chunk(self, request: int, data: Any) -> bool:
        """The next chunk of a streamed response body: a Value with bytes, or True for one that was just handed over in
        pieces. Whether the one after it is read at once; else a ``pull`` entry asks for it."""

    def stream_ended(self, request: int) -> None:
        """A streamed response body ended well."""

    def stream_failed(self, request: int, text: str, stack: str) -> None:
        """A streamed response body ended with an error."""

    def extend(self, request: int) -> None:
        """``waitUntil`` was called with a promise."""

    def settled(self, request: int) -> None:
        """A promise of ``waitUntil`` settled."""

    def read_body(self, request: int, operation: int) -> None:
        """Settle ``operation`` with the next chunk of the request's body, or None at its end."""

    def read_whole_body(self, request: int, operation: int, text: bool) -> None:
        """Settle ``operation`` with all that remains of the request's body, as :func:`nano_trio.runtime.large.deliver`
        has it: bytes, or where ``text`` a string."""

    def cancel_body(self, request: int) -> None:
        """The app wants no more of the request's body."""

    def client(self, request: int) -> Client | None:
        """Who sent a request; None where it is over."""

    def request_body(self, request: int) -> WireBody | None:
        """The request's body for a fetch to send on; None where the request is over."""

    def keep(self, request: int) -> None:
        """Something was begun on the request's behalf that may outlive it: remember who it was."""

    def pass_on(self, request: int | None, headers: list[tuple[str, str]]) -> None:
        """Add to a fetch's headers (names in lower case) what is told of the request on whose behalf it is made."""

    @property
    def sockets(self) -> SocketHost:
        """The WebSockets that clients opened."""


def client(services: Services) -> Namespace:
    """What ``ctx`` tells of the client."""
    app = services.app

    def remote_address(request: int) -> str | None:
        client = app.client(request)
        return (client.remote_address or None) if client is not None else None

    def client_certificate(request: int) -> str | None:
        client = app.client(request)
        if client is None or client.certificate is None:
            return None
        # Its library is large, and few ask.
        from nano_trio.runtime.client_certificate import describe

        return describe(client.certificate)

    return {"remote_address": remote_address, "client_certificate": client_certificate}


class NoRequests:
    """The part of :class:`AppHost` about requests, for isolates that get none: scripts."""

    def respond(self, request: int, status: int, reason: str | None, headers: str | None, kind: int, body: Any) -> None:
        """Never called, like all below: without requests there are no handlers."""

    def failed(self, request: int, text: str, stack: str) -> None: ...
    def no_response(self, request: int, text: str) -> None: ...
    def chunk(self, request: int, data: Any) -> bool:
        return False

    def stream_ended(self, request: int) -> None: ...
    def stream_failed(self, request: int, text: str, stack: str) -> None: ...
    def extend(self, request: int) -> None: ...
    def settled(self, request: int) -> None: ...
    def read_body(self, request: int, operation: int) -> None: ...
    def read_whole_body(self, request: int, operation: int, text: bool) -> None: ...
    def cancel_body(self, request: int) -> None: ...
    def client(self, request: int) -> Client | None: ...
    def request_body(self, request: int) -> WireBody | None: ...
    def keep(self, request: int) -> None: ...
    def pass_on(self, request: int | None, headers: list[tuple[str, str]]) -> None: ...
    @property
    def sockets(self) -> SocketHost:
        return NoSockets()


def namespace(services: Services) -> Namespace:
    """The functions that ``dispatch.js`` calls. What few apps need has namespaces of its own: each function takes 400
    bytes of an isolate."""
    return {"loaded": services.app.loaded, "respond": services.app.respond}


def failures(services: Services) -> Namespace:
    """The functions that ``dispatch.js`` calls where something went wrong."""
    app = services.app
    return {"load_failed": app.load_failed, "failed": app.failed, "no_response": app.no_response}


def streams(services: Services) -> Namespace:
    """The functions that ``dispatch_streams.js`` calls."""
    app = services.app
    return {"chunk": app.chunk, "stream_ended": app.stream_ended, "stream_failed": app.stream_failed}


def lifetime(services: Services) -> Namespace:
    """The functions that ``lifetime.js`` calls."""
    return {"extend": services.app.extend, "settled": services.app.settled}


def script(services: Services) -> Namespace:
    """The functions that ``dispatch_script.js`` calls."""
    app = services.app
    return {"loaded": app.loaded, "load_failed": app.load_failed, "evaluated": app.evaluated}
