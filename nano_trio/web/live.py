"""Live reload for development: pages load themselves again when the app that made them has changed.

A page has the script ``/.nano-trio/live.js``, which listens at ``/.nano-trio/live`` (server-sent events) for as long as
the page is open. The script carries the number of the version that made the page: had the app changed before the
script listened, or the server been restarted meanwhile, it is told at once. Error pages of development always have the
script; other pages get it where ``live_reload`` says so, at their end, for that is where anything may follow.

Both paths are answered here, for every app (:class:`DevelopmentTarget`). Nothing of this exists outside development.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import trio

from nano_trio.actors.app import App
from nano_trio.actors.development import LIVE_SCRIPT, failure_page
from nano_trio.actors.messages import BodyStream, Exchange, IncomingRequest, OutgoingResponse
from nano_trio.runtime.pieces import Pieces
from nano_trio.web.answered import Answered

if TYPE_CHECKING:
    from nano_trio.web.compression import Transform

__all__ = ["DevelopmentTarget", "LiveReload", "PageScript"]

_EVENTS = "/.nano-trio/live"
_SCRIPT = """\
const seen = new URL(document.currentScript.src).searchParams.get("seen") ?? %(seen)s;
const events = new EventSource("%(events)s?seen=" + seen);
events.addEventListener("reload", () => { events.close(); location.reload(); });
addEventListener("pagehide", () => events.close());
"""


class LiveReload:
    """What the open pages wait for."""

    def __init__(self) -> None:
        # Never one that an earlier process had.
        self.version = time.time_ns() // 1_000_000
        self.closed = False
        self._event = trio.Event()

    def changed(self) -> None:
        """The apps' code is another: pages are to be loaded again."""
        self.version += 1
        self._wake()

    def close(self) -> None:
        """The server ends, and would wait for its open responses."""
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        event, self._event = self._event, trio.Event()
        event.set()

    async def wait(self, seen: int) -> bool:
        """Wait for another version than ``seen``. False at the end."""
        while self.version == seen and not self.closed:
            await self._event.wait()
        return not self.closed


class _Events:
    """The stream of one page: implements BodyStream."""

    def __init__(self, live: LiveReload, seen: int) -> None:
        self._live = live
        self._seen = seen
        self._begun = False

    async def receive(self) -> bytes:
        """What keeps the connection open, then one event."""
        if not self._begun:
            self._begun = True
            await trio.lowlevel.checkpoint()
            return b"retry: 300\n\n"
        if not await self._live.wait(self._seen):
            return b""
        self._seen = self._live.version
        return b"event: reload\ndata:\n\n"

    def cancel(self, reason: str) -> None:
        """The page is closed; whoever waits in :meth:`receive` is cancelled."""


class DevelopmentTarget:
    """An app in development: implements Target. A version that does not load is shown instead of the old one."""

    def __init__(self, app: App, live: LiveReload) -> None:
        self.name = app.name
        self._app = app
        self._live = live

    @property
    def prompt(self) -> bool:
        """The app's."""
        return self._app.prompt

    @property
    def max_body(self) -> int | None:
        """The app's."""
        return self._app.max_body

    def begin(self, request: IncomingRequest) -> Exchange:
        """Hand the request to the app, unless it is for us."""
        path, query = urlsplit(request.url)[2:4]
        if path == _EVENTS:
            number = query.removeprefix("seen=")
            stream = _Events(self._live, int(number) if number.isdecimal() and len(number) < 20 else 0)
            headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")]
            return Answered(OutgoingResponse(200, "", headers, stream))
        if path == LIVE_SCRIPT:
            text = _SCRIPT % {"seen": self._live.version, "events": _EVENTS}
            headers = [("content-type", "text/javascript; charset=utf-8"), ("cache-control", "no-store")]
            return Answered(OutgoingResponse(200, "", headers, text.encode()))
        if (error := self._app.last_reload_error) is not None:
            title = "The app as it is now does not load"
            return Answered(failure_page(request, 503, title, error, self._app.settings.path, ("retry-after", "1")))
        return self._app.begin(request)


class PageScript:
    """Adds the script to pages, then does what else is to be done with responses."""

    def __init__(self, live: LiveReload, then: Transform | None) -> None:
        self._live = live
        self._then = then

    def apply(
        self, method: str, request_headers: Sequence[tuple[str, str]], response: OutgoingResponse
    ) -> OutgoingResponse:
        """The response to send instead of an app's."""
        if _is_page(request_headers, response):
            response = self._with_script(method, response)
        return response if self._then is None else self._then.apply(method, request_headers, response)

    def _with_script(self, method: str, response: OutgoingResponse) -> OutgoingResponse:
        script = f'<script src="{LIVE_SCRIPT}?seen={self._live.version}"></script>\n'.encode()
        body = response.body
        if isinstance(body, Pieces):
            body = bytes(body)
        if isinstance(body, bytes):
            if LIVE_SCRIPT.encode() in body or (method == "HEAD" and not body):
                return response
            body += script
        elif body is not None:
            body = _Followed(body, script)
        else:
            return response
        headers = [pair for pair in response.headers if pair[0].lower() != "content-length"]
        return attrs.evolve(response, headers=headers, body=body)


def _is_page(request_headers: Sequence[tuple[str, str]], response: OutgoingResponse) -> bool:
    if response.socket is not None or response.status < 200 or response.status in (204, 205, 206, 304):
        return False
    # What a script of the page fetches is no page, where the browser says so.
    destination = next((value for name, value in request_headers if name == "sec-fetch-dest"), "document")
    if destination not in ("document", "iframe", "frame"):
        return False
    fields = {name.lower(): value for name, value in response.headers}
    return fields.get("content-type", "").lower().startswith("text/html") and "content-encoding" not in fields


class _Followed:
    """A stream with something after its end."""

    def __init__(self, source: BodyStream, last: bytes) -> None:
        self._source = source
        self._last = last
        self._ended = False

    async def receive(self) -> bytes:
        if not self._ended:
            piece = await self._source.receive()
            if piece:
                return piece
            self._ended = True
        last, self._last = self._last, b""
        return last

    def cancel(self, reason: str) -> None:
        self._source.cancel(reason)
