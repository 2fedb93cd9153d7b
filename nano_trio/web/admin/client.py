"""A client of the admin listener, over its WebSocket. What ``nano-trio admin`` and ``nano-trio top`` use."""

from __future__ import annotations

import itertools
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import attrs
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

__all__ = ["AdminClient", "AdminError", "Items", "Subscription", "connect"]

_CONNECT_S = 10.0
_CLOSE_S = 1.0
_MAX_MESSAGE = 64 * 1024 * 1024
_WAITING = 256
_UNAUTHORIZED = -32001
_TOKEN = re.compile(r"[!-~]+")
_NEEDS_TOKEN = "this server wants a token: --token TOKEN, NANO_ADMIN_TOKEN, or --config FILE that has it"


class AdminError(Exception):
    """The text is for the person at the terminal."""


@attrs.frozen
class Items:
    """What came of a subscription."""

    items: list[dict[str, Any]]
    lost: int
    """How many were dropped before these, because they were not taken in time."""


class Subscription:
    """What comes of one; an async iterator of :class:`Items`, which ends with the connection."""

    def __init__(self, number: int, receive: trio.MemoryReceiveChannel[Items]) -> None:
        self.number = number
        self._receive = receive

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Items:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


class AdminClient:
    """A connection; :func:`connect` makes it."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._answers: dict[int, trio.MemorySendChannel[dict[str, Any]]] = {}
        self._streams: dict[int, trio.MemorySendChannel[Items]] = {}
        self._early: dict[int, list[Items]] = {}

    async def call(self, method: str, **params: Any) -> Any:
        """The result of an operation. Raises :class:`AdminError`, also where the connection ends first."""
        number = next(self._numbers)
        send, receive = trio.open_memory_channel[dict[str, Any]](1)
        self._answers[number] = send
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        try:
            await self._connection.send_message(json.dumps(message))
            answer = await receive.receive()
        except (ConnectionClosed, trio.EndOfChannel):
            raise AdminError("the server closed the connection") from None
        finally:
            self._answers.pop(number, None)
        if "error" in answer and answer["error"]["code"] == _UNAUTHORIZED:
            raise AdminError(_NEEDS_TOKEN)
        if "error" in answer:
            raise AdminError(_text(answer["error"]))
        return answer["result"]

    async def subscribe(self, name: str, **params: Any) -> Subscription:
        """Begin a subscription. Raises :class:`AdminError`."""
        number = (await self.call(f"{name}.subscribe", **params))["subscription"]
        send, receive = trio.open_memory_channel[Items](_WAITING)
        self._streams[number] = send
        # The first items may come in the same breath as the answer.
        for items in self._early.pop(number, ()):
            send.send_nowait(items)
        return Subscription(number, receive)

    async def run(self) -> None:
        """Take in what comes, until the connection ends."""
        try:
            while True:
                message = json.loads(await self._connection.get_message())
                for part in message if isinstance(message, list) else [message]:
                    await self._take(part)
        except ConnectionClosed:
            pass
        finally:
            for answers in self._answers.values():
                answers.close()
            for items in self._streams.values():
                items.close()

    async def _take(self, message: dict[str, Any]) -> None:
        if "method" in message:
            params = message["params"]
            number, items = params["subscription"], Items(params["items"], params.get("lost", 0))
            if number in self._streams:
                await self._streams[number].send(items)
            else:
                self._early.setdefault(number, []).append(items)
        elif message.get("id") in self._answers:
            self._answers[message["id"]].send_nowait(message)


def _text(error: dict[str, Any]) -> str:
    data = error.get("data")
    if isinstance(data, dict) and data.get("problems"):
        return "\n".join(data["problems"])
    return str(data["detail"]) if isinstance(data, dict) and data.get("detail") else str(error["message"])


@asynccontextmanager
async def connect(url: str, token: str | None) -> AsyncIterator[AdminClient]:
    """Connect to the admin listener at ``url`` (http or https). Raises :class:`AdminError`, which says what to do."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise AdminError(f"expected a URL such as http://127.0.0.1:9000, got {url!r}")
    if token is not None and not _TOKEN.fullmatch(token):
        raise AdminError("a token is visible ASCII characters without spaces; this one is not")
    secure = parts.scheme == "https"
    headers = [] if token is None else [(b"authorization", b"Bearer " + token.encode())]
    failure: AdminError | None = None
    try:
        with trio.fail_after(_CONNECT_S):
            plain = await trio.open_tcp_stream(host, port or (443 if secure else 80))
    except (OSError, trio.TooSlowError):
        raise AdminError(_nobody(url)) from None
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = plain
    if secure:
        stream = trio.SSLStream(plain, ssl.create_default_context(), server_hostname=host)
    try:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(_CONNECT_S):
                connection = await wrap_client_stream(
                    nursery, stream, parts.netloc, "/admin/ws", extra_headers=headers, max_message_size=_MAX_MESSAGE
                )
            client = AdminClient(connection)
            nursery.start_soon(client.run)
            try:
                yield client
            except AdminError as error:  # raised below: a nursery would make it a group
                failure = error
            with trio.move_on_after(_CLOSE_S):
                await connection.aclose()
            nursery.cancel_scope.cancel()
    except* ConnectionRejected as rejected:
        failure = AdminError(_rejection(_first(rejected), url))
    except* (HandshakeError, ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError):
        failure = AdminError(f"{url} does not answer as an admin listener does")
    finally:
        # Where the server closes first, trio-websocket leaves this to whoever gave it the stream.
        await trio.aclose_forcefully(stream)
    if failure is not None:
        raise failure


def _first(group: BaseExceptionGroup[ConnectionRejected]) -> ConnectionRejected:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _nobody(url: str) -> str:
    return (
        f"nothing listens at {url}.\n"
        'Is the server running, with "admin": {"port": …} in its configuration, or `serve --admin-port PORT`?\n'
        "Say where it is with --config FILE or --url URL."
    )


def _rejection(rejected: ConnectionRejected, url: str) -> str:
    try:
        detail = json.loads(rejected.body or b"")["detail"]
    except (ValueError, KeyError, TypeError):
        return f"{url} is no admin listener: it answered with status {rejected.status_code}"
    if rejected.status_code == 401:
        return f"{detail}; {_NEEDS_TOKEN}"
    return str(detail)
