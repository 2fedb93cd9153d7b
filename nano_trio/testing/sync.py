"""Calling an app from tests that know nothing of Trio: it runs in a thread."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any

import trio

from nano_trio.engine.runners import leave_thread
from nano_trio.runtime.close_codes import NORMAL
from nano_trio.testing.calling import AsyncApp, Response, open_app
from nano_trio.testing.websocket import WebSocket, WebSocketClosed

__all__ = ["App", "SyncWebSocket"]


class SyncWebSocket:
    """A WebSocket to an app under test, for tests that know nothing of Trio; a context manager.

    The methods are those of :class:`nano_trio.testing.WebSocket`, and wait.
    """

    def __init__(self, socket: WebSocket, token: trio.lowlevel.TrioToken | None) -> None:
        self._socket = socket
        self._token = token

    @property
    def protocol(self) -> str:
        """The subprotocol that the app chose, or an empty string."""
        return self._socket.protocol

    def send(self, data: str | bytes) -> None:
        """See :meth:`nano_trio.testing.WebSocket.send`."""
        trio.from_thread.run(self._socket.send, data, trio_token=self._token)

    def receive(self, timeout: float = 5) -> str | bytes:
        """See :meth:`nano_trio.testing.WebSocket.receive`. Raises :class:`TimeoutError` after ``timeout`` seconds."""

        async def wait() -> str | bytes:
            with trio.move_on_after(timeout):
                return await self._socket.receive()
            raise TimeoutError(f"no message came within {timeout:g} s")

        return trio.from_thread.run(wait, trio_token=self._token)

    def close(self, code: int | None = None, reason: str = "") -> None:
        """See :meth:`nano_trio.testing.WebSocket.close`."""
        trio.from_thread.run(self._socket.close, code, reason, trio_token=self._token)

    def wait_closed(self) -> WebSocketClosed:
        """See :meth:`nano_trio.testing.WebSocket.wait_closed`."""
        return trio.from_thread.run(self._socket.wait_closed, trio_token=self._token)

    def __enter__(self) -> SyncWebSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(NORMAL)


class App:
    """An app that runs in a Trio thread of its own; a context manager.

    Takes what :func:`nano_trio.testing.open_app` takes; the methods are those of
    :class:`nano_trio.testing.AsyncApp`, and wait.
    """

    def __init__(self, path: str | os.PathLike[str], *, env: Mapping[str, Any] | None = None, **settings: Any) -> None:
        self._open = partial(open_app, path, env=env, **settings)
        self._thread: threading.Thread | None = None
        self._app: AsyncApp | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._end: trio.Event | None = None

    def __enter__(self) -> App:
        ready: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

        async def live() -> None:
            async with self._open() as self._app:
                self._token, self._end = trio.lowlevel.current_trio_token(), trio.Event()
                ready.put(None)
                await self._end.wait()

        def run() -> None:
            try:
                trio.run(live)
            except BaseException as error:
                ready.put(error)
            finally:
                leave_thread()

        self._thread = threading.Thread(target=run, name="nano_trio.testing.App", daemon=True)
        self._thread.start()
        failure = ready.get()
        if failure is not None:
            self._thread.join()
            raise failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None and self._end is not None and self._thread is not None:
            self._token.run_sync_soon(self._end.set)
            self._thread.join()
        self._app = self._token = None

    def _running(self) -> AsyncApp:
        if self._app is None:
            raise RuntimeError("the app does not run: use `with App(…) as app:`")
        return self._app

    def fetch(self, url: str = "/", **request: Any) -> Response:
        """See :meth:`nano_trio.testing.AsyncApp.fetch`."""
        return trio.from_thread.run(partial(self._running().fetch, url, **request), trio_token=self._token)

    def connect(self, url: str = "/", **request: Any) -> SyncWebSocket:
        """See :meth:`nano_trio.testing.AsyncApp.connect`."""
        token = self._token
        return SyncWebSocket(
            trio.from_thread.run(partial(self._running().connect, url, **request), trio_token=token), token
        )

    def settled(self) -> None:
        """See :meth:`nano_trio.testing.AsyncApp.settled`."""
        trio.from_thread.run(self._running().settled, trio_token=self._token)

    @property
    def last_error(self) -> str | None:
        """Why the app last crashed or could not be loaded."""
        return self._running().last_error
