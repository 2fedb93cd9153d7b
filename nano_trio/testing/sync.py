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
from nano_trio.testing.calling import AsyncApp, Response, open_app

__all__ = ["App"]


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

    def settled(self) -> None:
        """See :meth:`nano_trio.testing.AsyncApp.settled`."""
        trio.from_thread.run(self._running().settled, trio_token=self._token)

    @property
    def last_error(self) -> str | None:
        """Why the app last crashed or could not be loaded."""
        return self._running().last_error
