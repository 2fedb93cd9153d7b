"""One WebSocket of the admin: JSON-RPC calls come in, answers and subscriptions' items go out.

Theory of operation. Each message is answered by a task of its own, a few at a time, so that a drain that takes its
time holds up nothing else; when all are busy, no further message is read. Each subscription is a task that waits for
items and hands them to the writer, one message at a time. What is not sent piles up nowhere but in the subscription's
own bounded place (a log tap, or the latest sample), which drops and counts. Only the writer writes messages, so ending
a subscription never leaves half of one on the wire. A client that takes nothing of a message for 30 s, or answers no
ping, is cut off.

A client that sent no token with its handshake, as a browser cannot, may do nothing but ``authenticate`` within 10 s.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from nano_trio import logs
from nano_trio.runtime.close_codes import POLICY_VIOLATION
from nano_trio.web.admin import rpc
from nano_trio.web.admin.audit import perform
from nano_trio.web.admin.encoding import encode
from nano_trio.web.admin.errors import Invalid, OperationError, Unauthorized
from nano_trio.web.admin.methods import LEVELS, METHODS, SUBSCRIPTIONS, accept, rank
from nano_trio.web.admin.security import Caller

if TYPE_CHECKING:
    from nano_trio.web.admin.listener import AdminServer

__all__ = ["Session"]

log = structlog.get_logger("nano_trio.admin")

_CALLS_AT_ONCE = 8
_SUBSCRIPTIONS = 64
_AUTHENTICATE_S = 10.0
_SEND_S = 30.0
_PING_S = 20.0
_LINES_AT_ONCE = 100
_STRANGERS_MESSAGE = 4096
"""Characters or bytes of a message before a token."""

_METHODS = {method.name: method for method in METHODS}
_STREAMS = {f"{subscription.name}.subscribe": subscription for subscription in SUBSCRIPTIONS}
_KNOWN = sorted([*_METHODS, *_STREAMS, "authenticate", "unsubscribe"])


class Session:
    """``caller`` is None where the handshake brought no token and one is needed."""

    def __init__(
        self, server: AdminServer, connection: WebSocketConnection, address: str, caller: Caller | None
    ) -> None:
        self._server = server
        self._connection = connection
        self._address = address
        self._caller = caller
        self._authenticated = trio.Event()
        self._parting = ""
        """Why the connection is to be closed as soon as its calls are answered."""
        self._free = trio.CapacityLimiter(_CALLS_AT_ONCE)
        self._subscriptions: dict[int, trio.CancelScope] = {}
        self._last = 0
        self._outgoing, self._to_write = trio.open_memory_channel[str](0)
        self._nursery: trio.Nursery
        if caller is not None:
            self._authenticated.set()

    async def run(self) -> None:
        """Serve until the client or the server closes. Never raises what a client can cause."""
        async with trio.open_nursery() as self._nursery:
            self._server.sessions.add(self)
            self._nursery.start_soon(self._write)
            self._nursery.start_soon(self._ping)
            self._nursery.start_soon(self._expect_token)
            try:
                while True:
                    message = await self._connection.get_message()
                    token = object()
                    await self._free.acquire_on_behalf_of(token)
                    self._nursery.start_soon(self._handle, message, token)
            except ConnectionClosed:
                pass
            finally:
                self._server.sessions.discard(self)
            self._nursery.cancel_scope.cancel()

    def is_known(self) -> bool:
        """Whether a token was shown, or none is needed."""
        return self._authenticated.is_set()

    def turn_out(self) -> None:
        """The token is another one now: finish what is being answered, do nothing more, and close."""
        if self._caller is None:
            return  # it has yet to show one
        self._caller, self._parting = None, "the token is another one now"
        for scope in self._subscriptions.values():
            scope.cancel()
        if not self._free.borrowed_tokens:
            self._nursery.start_soon(self._outgoing.send, "")

    def _cut_off(self, reason: str) -> None:
        """In the middle of a frame there is no way back."""
        log.debug("admin client cut off", by=self._address, reason=reason)
        self._nursery.cancel_scope.cancel()

    async def _write(self) -> None:
        try:
            async for text in self._to_write:
                if not text:
                    await self._connection.aclose(POLICY_VIOLATION, self._parting)
                    return
                with trio.fail_after(_SEND_S):
                    await self._connection.send_message(text)
        except trio.TooSlowError:
            self._cut_off("it takes nothing")
        except ConnectionClosed:
            self._nursery.cancel_scope.cancel()

    async def _ping(self) -> None:
        while True:
            await trio.sleep(_PING_S)
            try:
                with trio.fail_after(_SEND_S + _PING_S):
                    await self._connection.ping()
            except trio.TooSlowError:
                self._cut_off("it answers no ping")
            except ConnectionClosed:
                return

    async def _expect_token(self) -> None:
        with trio.move_on_after(_AUTHENTICATE_S):
            await self._authenticated.wait()
            return
        await self._connection.aclose(POLICY_VIOLATION, "no token came in time")

    # -- calls -------------------------------------------------------------------------------------------------------

    async def _handle(self, message: str | bytes, token: object) -> None:
        try:
            if not self.is_known() and len(message) > _STRANGERS_MESSAGE:
                self._parting = "a message before the token is short"
                message = ""
            calls, batch = rpc.parse(message)
            answers = [answer for call in calls if (answer := await self._answer(call)) is not None]
            if answers:
                await self._outgoing.send(await encode(answers if batch else answers[0]))
            if self._parting:
                # Behind the answer: the writer takes this when that is written.
                await self._outgoing.send("")
        finally:
            self._free.release_on_behalf_of(token)

    async def _answer(self, call: rpc.Call | rpc.Malformed) -> dict[str, Any] | None:
        if isinstance(call, rpc.Malformed):
            return rpc.failure(call)
        try:
            if call.method not in _METHODS and call.method not in _STREAMS and call.method not in _KNOWN:
                answer = rpc.unknown_method(call, _KNOWN)
            else:
                answer = rpc.result(call, await self._call(call))
        except OperationError as error:
            answer = rpc.failure(call, error)
        except Exception:
            log.exception("internal error in an admin operation", action=call.method)
            answer = rpc.internal_error(call)
        return answer if call.wants_answer else None

    async def _call(self, call: rpc.Call) -> Any:
        if call.params is None:
            raise Invalid(["parameters are given by name: an object, not a list"])
        if call.method == "authenticate":
            return self._authenticate(call.params)
        if self._caller is None:
            raise Unauthorized('call "authenticate" with the "token" first')
        if call.method == "unsubscribe":
            return self._unsubscribe(call.params)
        if call.method in _STREAMS:
            return self._subscribe(call.method, accept(_STREAMS[call.method].params, call.params))
        method = _METHODS[call.method]
        return await perform(self._server.operations, method, call.params, self._caller, "websocket")

    def _authenticate(self, params: Mapping[str, Any]) -> Any:
        token = params.get("token")
        if not isinstance(token, str) or len(params) > 1:
            raise Invalid(["token: expected a string, and nothing else"])
        try:
            self._caller = self._server.gate.check_token(token, self._address)
        except OperationError as error:
            self._server.refusals.tell(error, self._address, "websocket")
            self._parting = "the token was refused"
            raise
        self._authenticated.set()
        return {"authenticated": True}

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def _subscribe(self, method: str, params: dict[str, Any]) -> Any:
        if len(self._subscriptions) >= _SUBSCRIPTIONS:
            raise Invalid([f"a connection has at most {_SUBSCRIPTIONS} subscriptions"])
        kind = method.partition(".")[0]
        self._last += 1
        scope = self._subscriptions[self._last] = trio.CancelScope()
        work = {
            "logs": self._logs,
            "events": self._events,
            "metrics": self._metrics,
            "tree": self._tree,
        }[kind]
        self._nursery.start_soon(self._stream, scope, functools.partial(work, self._last, params))
        return {"subscription": self._last}

    def _unsubscribe(self, params: Mapping[str, Any]) -> Any:
        number = params.get("subscription")
        scope = self._subscriptions.pop(number, None) if isinstance(number, int) else None
        if scope is None or len(params) > 1:
            raise Invalid(["subscription: expected the number of one of this connection's, and nothing else"])
        scope.cancel()
        return {"unsubscribed": True}

    async def _stream(self, scope: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
        with scope:
            await work()

    async def _deliver(self, kind: str, number: int, items: list[str], lost: int) -> None:
        await self._outgoing.send(rpc.notification(kind, number, items, lost))

    async def _logs(self, number: int, params: dict[str, Any]) -> None:
        least = LEVELS.index(params["level"])
        await self._tapped("logs", number, params["app"], lambda item: rank(item) >= least)

    async def _events(self, number: int, params: dict[str, Any]) -> None:
        await self._tapped("events", number, params["app"], lambda item: True)

    async def _tapped(
        self, kind: str, number: int, app: str | None, wanted: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        with logs.tap(app, lines=kind == "logs", lifecycle=kind == "events") as tap:
            while True:
                items = await tap.receive_many(_LINES_AT_ONCE)
                texts = [json.dumps(item, default=str) for item in items if wanted(item)]
                lost = tap.take_lost()
                if texts or lost:
                    await self._deliver(kind, number, texts, lost)

    async def _metrics(self, number: int, params: dict[str, Any]) -> None:
        feed = self._server.figures(params["interval_s"])
        await feed.follow(lambda item, lost: self._deliver("metrics", number, [item], lost), current=True)

    async def _tree(self, number: int, params: dict[str, Any]) -> None:
        await self._server.tree.follow(lambda item, lost: self._deliver("tree", number, [item], lost), current=True)
