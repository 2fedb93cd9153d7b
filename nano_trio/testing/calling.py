"""Calling an app without a network, on Trio."""

from __future__ import annotations

import base64
import contextlib
import json as jsons
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urljoin

import attrs
import trio

from nano_trio.actors.app import App as Actor
from nano_trio.actors.messages import BodyBroken, IncomingRequest, SocketHandler, SocketLimits
from nano_trio.actors.registry import Registry
from nano_trio.actors.request_ids import new_id
from nano_trio.config import App as Settings
from nano_trio.config import single_app
from nano_trio.runtime.close_codes import ABNORMAL
from nano_trio.testing.websocket import WebSocket

__all__ = ["AsyncApp", "Headers", "Response", "WebSocketRefused", "open_app"]

_ORIGIN = "http://localhost/"
_SETTLED_POLL_S = 0.002


class Headers(Mapping[str, str]):
    """A response's headers by name, in any case. Values of equal names are joined by ``", "``."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.pairs = [(name.lower(), value) for name, value in pairs]
        """Names in lower case and values, in their order."""

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(dict(self.pairs))

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def get_all(self, name: str) -> list[str]:
        """The values of a name, one for each time that it was sent: ``set-cookie``, say."""
        return [value for each, value in self.pairs if each == name.lower()]


@attrs.frozen
class Response:
    """What the app answered, whole."""

    status: int
    headers: Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 200 to 299."""
        return 200 <= self.status <= 299

    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises :class:`ValueError`."""
        return jsons.loads(self.body)


class WebSocketRefused(Exception):
    """The app answered a request for a WebSocket with something else."""

    def __init__(self, response: Response) -> None:
        said = response.text().strip()
        super().__init__(f"the app answered {response.status}, not 101{f': {said}' if said else ''}")
        self.response = response
        """The answer."""


class AsyncApp:
    """An app that runs; :func:`open_app` makes it."""

    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.settings = settings
        """As it is configured (:class:`nano_trio.config.App`)."""
        self._registry = registry
        self._sockets: set[WebSocket] = set()

    @property
    def registry(self) -> Registry:
        """Where the app runs."""
        return self._registry

    @property
    def _actor(self) -> Actor:
        return self._registry.apps[self.settings.name]

    @property
    def last_error(self) -> str | None:
        """Why the app last crashed or could not be loaded."""
        return self._actor.last_error

    async def fetch(
        self,
        url: str = "/",
        *,
        method: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        params: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        data: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request to the app and wait for the whole response.

        ``url`` may be a path, which is one of ``http://localhost``. The body is one of ``body``, ``json`` and ``data``
        (a form's fields); the method is then POST where none is given. ``params`` are added to the query.

        Raises :class:`ValueError` for more than one body, and :class:`nano_trio.actors.messages.BodyBroken` where the
        response breaks off. Errors of the app are responses, as they are for clients.
        """
        pairs = _pairs(headers)
        content, kind = _content(body, json, data)
        if kind is not None and "content-type" not in dict(pairs):
            pairs.append(("content-type", kind))
        if content is not None:
            pairs.append(("content-length", str(len(content))))
        response = await self._call(
            (method or ("GET" if content is None else "POST")).upper(), url, pairs, params, content
        )
        if response.socket is not None:
            response.socket.closed(ABNORMAL, "", False)
        return response.whole

    async def connect(
        self,
        url: str = "/",
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        protocols: Iterable[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> WebSocket:
        """Open a WebSocket to the app. ``protocols``: the subprotocols to offer.

        Raises :class:`WebSocketRefused` where the app answers with anything but a WebSocket, and :class:`ValueError`
        where it chooses a subprotocol that was not offered.
        """
        offered = list(protocols)
        pairs = [*_pairs(headers), ("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]
        pairs.append(("sec-websocket-key", base64.b64encode(os.urandom(16)).decode()))
        if offered:
            pairs.append(("sec-websocket-protocol", ", ".join(offered)))
        response = await self._call("GET", url, pairs, params, None)
        if response.socket is None:
            raise WebSocketRefused(response.whole)
        chosen = response.whole.headers.get("sec-websocket-protocol", "")
        if chosen and chosen not in offered:
            response.socket.closed(ABNORMAL, "", False)
            raise ValueError(f'the app chose the subprotocol "{chosen}", which was not offered')
        socket = WebSocket(response.socket, chosen, response.limits)
        self._sockets.add(socket)

        async def live() -> None:
            try:
                await socket.run()
            finally:
                self._sockets.discard(socket)

        self._registry.spawn(live)
        return socket

    async def _call(
        self,
        method: str,
        url: str,
        pairs: list[tuple[str, str]],
        params: Mapping[str, str] | None,
        content: bytes | None,
    ) -> _Answer:
        url = urljoin(_ORIGIN, url)
        if params:
            url += ("&" if "?" in url else "?") + urlencode(params)
        if "host" not in dict(pairs):
            pairs.insert(0, ("host", url.split("/")[2]))
        request = IncomingRequest(method, url, pairs, content, "127.0.0.1", new_id())
        await trio.lowlevel.checkpoint()
        exchange = self._actor.begin(request)
        try:
            response = await exchange.wait()
            chunks: list[bytes] = []
            if isinstance(response.body, bytes):
                chunks.append(response.body)
            elif response.body is not None:
                while chunk := await response.body.receive():
                    chunks.append(chunk)
        except (trio.Cancelled, BodyBroken):
            exchange.disconnect("the test gave up")
            raise
        finally:
            exchange.finish()
        whole = Response(response.status, Headers(response.headers), b"".join(chunks))
        return _Answer(whole, response.socket, response.socket_limits)

    async def settled(self) -> None:
        """Wait until the app has nothing in progress: no request, no promise of ``waitUntil``, no timer, no fetch."""
        await trio.lowlevel.checkpoint()
        while self._actor.busy or any(socket.busy for socket in self._sockets):  # noqa: ASYNC110  # an event would cost every request of every server
            await trio.sleep(_SETTLED_POLL_S)


@attrs.frozen
class _Answer:
    """A response, and the app's end of the WebSocket that it opens, if it does."""

    whole: Response
    socket: SocketHandler | None
    limits: SocketLimits


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    given = headers.items() if isinstance(headers, Mapping) else headers
    return [(name.lower(), value) for name, value in given]


def _content(body: bytes | str | None, json: Any, data: Mapping[str, str] | None) -> tuple[bytes | None, str | None]:
    """A body and its type."""
    if sum(given is not None for given in (body, json, data)) > 1:
        raise ValueError("give one of body, json and data")
    if json is not None:
        return jsons.dumps(json).encode(), "application/json"
    if data is not None:
        return urlencode(data).encode(), "application/x-www-form-urlencoded;charset=UTF-8"
    if isinstance(body, str):
        return body.encode(), "text/plain;charset=UTF-8"
    return body, None


@contextlib.asynccontextmanager
async def open_app(
    path: str | os.PathLike[str] | Settings, *, env: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[AsyncApp]:
    """Run an app for as long as the context lasts.

    ``path``: a folder, a file, or an app of a configuration. ``env`` and ``settings`` are keys of the configuration's
    app (``timeout_ms``, ``memory_mb`` …). Raises :class:`nano_trio.config.ConfigError`.
    """
    if isinstance(path, Settings):
        app = path if env is None else attrs.evolve(path, env={**path.env, **env})
    else:
        given = settings if env is None else {**settings, "env": dict(env)}
        app = single_app(path, settings=given, environ={}).apps[0]
    registry = Registry([app], dev=True)
    async with trio.open_nursery() as nursery:
        await nursery.start(registry.run)
        try:
            yield AsyncApp(app, registry)
        finally:
            nursery.cancel_scope.cancel()
