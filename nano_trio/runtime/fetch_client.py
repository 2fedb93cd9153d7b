"""An app's HTTP client: Fetch's "HTTP fetch", its redirects, and the responses that are open.

https://fetch.spec.whatwg.org/#http-fetch , #http-redirect-fetch and #http-network-or-cache-fetch, from where the
request is a method, a URL, headers and a body. A :class:`Fetch` lives from the request to the end of the response's
body. While its head is awaited the app's operation runs it; afterwards whoever reads the body runs it, so nothing is
read from the socket that nobody asked for. :meth:`FetchClient.run` owns the connections; it closes what is left lying,
and everything when the app ends.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import can_ada
import trio

from nano_trio import __version__
from nano_trio.runtime.fetch_decoding import ACCEPT_ENCODING, Decoding, codings_of, decoded_at_once
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import RequestBody, Response, WireRequest
from nano_trio.runtime.fetch_pool import ConnectionPool
from nano_trio.runtime.held import Held
from nano_trio.runtime.http_syntax import HOP_BY_HOP
from nano_trio.runtime.net_connect import Connector, Network, Origin
from nano_trio.runtime.pace import Pace
from nano_trio.runtime.pieces import Pieces
from nano_trio.runtime.service import Service, ServiceRequest
from nano_trio.runtime.url import has_endless_host
from nano_trio.runtime.url_path import resolve

__all__ = ["IDLE_BODY_S", "MOST_FETCHES", "Fetch", "FetchClient", "FetchRequest"]

MOST_FETCHES = 1000
"""Fetches of an app that may be open at a time."""
IDLE_BODY_S = 120.0
"""How long a response's body may lie unread."""
BODY_TIMEOUT_S = 300.0
"""The longest wait for the next piece of a body."""
_SWEEP_S = 5.0
_MOST_REDIRECTS = 20
_LONGEST_REDIRECT = 32768
"""Of a Location and the URL that it is relative to. To resolve more would take too long, and each redirect may add to
the last; servers take no such targets."""
_ATTEMPTS = 3
"""Connections that a request is tried on where servers close those they had kept open."""
_DRAIN_BYTES = 16384
_DRAIN_S = 1.0

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_NULL_BODY = frozenset((204, 205, 304))
# Framing and persistence are ours, the Host is the URL's.
_OURS = HOP_BY_HOP | {"content-length", "expect", "host", "http2-settings"}
_BODY_HEADERS = frozenset(
    ("content-encoding", "content-language", "content-length", "content-location", "content-type")
)
_CREDENTIALS = frozenset(("authorization", "cookie", "proxy-authorization"))
_REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"))
_NO_CACHE = {
    "no-cache": [("cache-control", "max-age=0")],
    "no-store": [("pragma", "no-cache"), ("cache-control", "no-cache")],
    "reload": [("pragma", "no-cache"), ("cache-control", "no-cache")],
}
_USERINFO = re.compile(r"[a-z]+://[^/?#]*@")

HeaderList = list[tuple[str, str]]


@attrs.define
class FetchRequest:
    """What JavaScript asks for. ``url`` is a serialization; header names are in lower case, values in Latin-1."""

    method: str
    url: str
    headers: HeaderList
    redirect: str
    cache: str = "default"
    body: RequestBody | None = None
    service: Service | None = None
    """Another app, which answers instead of a server."""
    cause: Any = None


class Fetch:
    """One fetch, from its start to the end of the response's body."""

    def __init__(self, client: FetchClient, number: int) -> None:
        self._client = client
        self.number = number
        self.status = 0
        self.reason = ""
        self.headers: HeaderList = []
        self.url = ""
        self.redirected = False
        self.has_body = False
        self.taken = False
        """Somebody on the host's side reads it: it no longer matters whether JavaScript knows it."""
        self.release = False
        """JavaScript no longer knows it, and wants to be told when it is over."""
        self.cause: Any = None
        """On whose behalf it was begun."""
        self.touched = 0.0
        self._response: Response | None = None
        self._codings: list[str] = []
        self._decoded: Callable[[], Awaitable[bytes]] | None = None
        self.failure: FetchError | None = None
        """Why it broke off."""
        self._scope: trio.CancelScope | None = None

    async def start(self, request: FetchRequest, timeout_s: float) -> None:
        """Send the request and wait for the response's head. Raises :class:`FetchError`; it is closed then."""
        scope = self._scope = trio.CancelScope(deadline=trio.current_time() + timeout_s)
        try:
            with scope:
                if self.failure is None:
                    await self._client.ready()
                    self._response = await self._follow(request)
        except FetchError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise self._client.unexpected(error) from error
        except BaseException:
            self.close()
            raise
        finally:
            self._scope = None
        # Whoever aborted may have found this task woken already, by the head: then no cancellation stopped it.
        if self.failure is not None or self._response is None:
            self.close()
            if self.failure is not None:
                raise self.failure.again()
            raise FetchError("ETIMEDOUT", f"no response within {timeout_s:g} s")
        self.touched = trio.current_time()
        self._describe(request, self._response)

    # -- the request -------------------------------------------------------------------------------------------------

    async def _follow(self, request: FetchRequest) -> Response:
        """ "HTTP fetch" with "HTTP-redirect fetch": the response that is no redirect to follow."""
        redirects = 0
        while True:
            response = await self._send(request)
            try:
                location = _to_follow(request, response)
                if location is None:
                    self.url = request.url
                    return response
                redirects += 1
                if redirects > _MOST_REDIRECTS:
                    raise FetchError("ERR_TOO_MANY_REDIRECTS", f"more than {_MOST_REDIRECTS} redirects")
                _redirect(request, response.status, location)
                await _drain(response)
            finally:
                if self.url == "":
                    response.close()
            self.redirected = True

    async def _send(self, request: FetchRequest) -> Response:
        """ "HTTP-network fetch". Tries again where a kept connection had just been closed by the server."""
        if request.service is not None:
            return await request.service.fetch(
                ServiceRequest(request.method, request.url, request.headers, request.body, request.cause)
            )
        wire, origin = _to_wire(request)
        body = request.body
        is_repeatable = body is None or body.receive is None
        for attempt in range(_ATTEMPTS):
            await self._client.pace.turn()
            connection = await self._client.pool.acquire(origin)
            was_used = connection.exchanges > 0
            try:
                return await connection.exchange(wire)
            except FetchError as error:
                is_refused = error.code == "ERR_STREAM_REFUSED"
                is_stale = error.code in ("ECONNRESET", "EPIPE") and not connection.answered
                may_repeat = is_refused or (is_stale and request.method in _REPEATABLE)
                if not (was_used and is_repeatable and may_repeat) or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("the last attempt returns or raises")

    # -- the response ------------------------------------------------------------------------------------------------

    def _describe(self, request: FetchRequest, response: Response) -> None:
        self.status = response.status
        self.reason = response.reason.decode("latin-1")
        pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers]
        self.headers = [(name, value) for name, value in pairs if name not in HOP_BY_HOP]
        self.has_body = request.method != "HEAD" and response.status not in _NULL_BODY
        if not self.has_body:
            self.close()
            return
        try:
            self._codings = codings_of(self.content_encoding)
        except FetchError:
            self.close()
            raise
        whole = b"" if ("content-length", "0") in self.headers else response.at_hand()
        if whole is not None:
            # The connection need not wait for the app to read it.
            response.close()
            self._response = _Whole(whole)
            if not whole:
                self.reopen(Pieces(()))

    def take_whole(self) -> bytes | None:
        """All of the body, decoded, where it is there and was not yet asked for; it is closed then."""
        if self._decoded is not None or self.failure is not None or self._scope is not None:
            return None
        coded = self._response.at_hand() if isinstance(self._response, _Whole) else None
        body = None if coded is None else decoded_at_once(coded, self._codings)
        if body is not None:
            self.close()
        return body

    @property
    def content_encoding(self) -> str:
        """The field's value, empty where there is none."""
        return ", ".join(value for name, value in self.headers if name == "content-encoding")

    async def receive(self) -> bytes:
        """The next non-empty piece of the body, decoded; ``b""`` at the end. Raises :class:`FetchError`."""
        if self._decoded is None:
            receive: Callable[[], Awaitable[bytes]] = self._receive
            for coding in self._codings:
                receive = Decoding(coding, receive, self._client.pace, self._client.new_held()).receive
            self._decoded = receive
        return await self._guarded(self._decoded)

    async def receive_raw(self) -> bytes:
        """Like :meth:`receive`, as it came. Only one of the two may be used."""
        return await self._guarded(self._receive)

    async def _receive(self) -> bytes:
        if self._response is None:
            return b""
        return await self._response.receive()

    async def _guarded(self, receive: Callable[[], Awaitable[bytes]]) -> bytes:
        if self.failure is not None:
            raise self.failure.again()
        scope = self._scope = trio.CancelScope(deadline=trio.current_time() + BODY_TIMEOUT_S)
        try:
            with scope:
                piece = await receive()
        except FetchError as error:
            self.failure = self.failure or error.again()
            self.close()
            raise self.failure.again() from None
        except Exception as error:
            self.failure = self._client.unexpected(error)
            self.close()
            raise self.failure.again() from error
        except BaseException:
            self.close()
            raise
        finally:
            self._scope = None
            self.touched = trio.current_time()
        if scope.cancelled_caught and self.failure is None:
            self.failure = FetchError("ETIMEDOUT", f"the server sent nothing for {BODY_TIMEOUT_S:g} s")
        if self.failure is not None:
            self.close()
            raise self.failure.again()
        if not piece:
            self.close()
        return piece

    def reopen(self, body: Pieces) -> None:
        """The body was read for its integrity: give it again."""

        async def receive() -> bytes:
            await trio.lowlevel.checkpoint()
            return body.next()

        self._codings = []
        self._response = None
        self._decoded = receive
        self._client.fetches[self.number] = self

    @property
    def is_reading(self) -> bool:
        return self._scope is not None

    def abort(self, error: FetchError) -> None:
        """Stop: whoever waits for it or reads it gets ``error``. Never blocks, idempotent."""
        if self.failure is None:
            self.failure = error
        self.close()

    def close(self) -> None:
        """Want no more of it. Never blocks, idempotent."""
        if self._scope is not None:
            self._scope.cancel()
        if self._response is not None:
            self._response.close()
        if self._decoded is not None:
            self._decoded = _ended
        self._client.closed(self)


class _Whole(Response):
    """What is left of a response whose body is there."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        body, self._body = self._body, b""
        return body

    def at_hand(self) -> bytes | None:
        return self._body or None

    def close(self) -> None:
        self._body = b""


class FetchClient:
    """The fetches and connections of one app. Start :meth:`run` in the app's nursery."""

    def __init__(
        self,
        network: Network,
        pace: Pace,
        on_closed: Callable[[Fetch], None],
        collect: Callable[[], None],
        report: Callable[[Exception], None],
        new_held: Callable[[], Held],
    ) -> None:
        self._network = network
        self.pace = pace
        self.new_held = new_held
        """Counts what is held for the app (a body that is decompressed)."""
        self._collect = collect
        self._on_closed = on_closed
        self._report = report
        self._running = trio.Event()
        self._work = trio.Event()
        self._looked_for = -math.inf  # bodies that have lain since then or longer were collected, if they were garbage
        self.fetches: dict[int, Fetch] = {}
        self.failed: dict[int, FetchError] = {}
        """Why bodies broke off that JavaScript still knows."""
        self.pool: ConnectionPool
        self.ended = False

    def begin(self, number: int) -> Fetch:
        """A new fetch. Raises :class:`FetchError` where too many are open."""
        if len(self.fetches) >= MOST_FETCHES:
            raise FetchError("ERR_TOO_MANY_FETCHES", f"more than {MOST_FETCHES} fetches are open")
        fetch = self.fetches[number] = Fetch(self, number)
        self._work.set()
        return fetch

    def closed(self, fetch: Fetch) -> None:
        """A fetch is over."""
        if self.fetches.pop(fetch.number, None) is None:
            return
        if fetch.has_body and fetch.failure is not None and not fetch.release:
            self.failed[fetch.number] = fetch.failure
        self._on_closed(fetch)

    def unexpected(self, error: Exception) -> FetchError:
        """What an app gets where a defect of ours shows."""
        self._report(error)
        return FetchError("ERR_INTERNAL", "an internal error")

    async def ready(self) -> None:
        """Wait until :meth:`run` runs."""
        await self._running.wait()

    async def run(self) -> None:
        """Own the connections until cancelled; close bodies and connections that lie idle."""
        try:
            async with trio.open_nursery() as nursery:
                self.pool = ConnectionPool(Connector(self._network), nursery, self.pace, self.new_held)
                self._running.set()
                while True:
                    if not self.fetches and not self.pool.size:
                        self._work = trio.Event()
                        await self._work.wait()
                    await trio.sleep(_SWEEP_S)
                    self._sweep()
        finally:
            self.ended = True
            for fetch in list(self.fetches.values()):
                fetch.abort(FetchError("ERR_CLOSED", "the app was stopped"))
            if self._running.is_set():
                self.pool.close()

    def _sweep(self) -> None:
        now = trio.current_time()
        lying = [fetch for fetch in self.fetches.values() if fetch.status and not fetch.is_reading and not fetch.taken]
        looked_for, self._looked_for = self._looked_for, now - _SWEEP_S
        if any(looked_for < fetch.touched <= self._looked_for for fetch in lying):
            # Perhaps nobody refers to them any more, which only the collector finds out.
            self._collect()
        for fetch in lying:
            if now - fetch.touched >= IDLE_BODY_S:
                fetch.abort(FetchError("ETIMEDOUT", f"the response's body lay unread for {IDLE_BODY_S:g} s"))
        self.pool.close_expired()


def _to_wire(request: FetchRequest) -> tuple[WireRequest, Origin]:
    url = can_ada.parse(request.url)
    scheme = url.protocol[:-1]
    given = {name for name, _ in request.headers}
    headers = [(name, value) for name, value in request.headers if name not in _OURS]
    for name, value in _NO_CACHE.get(request.cache, ()):
        if name not in given:
            headers.append((name, value))
    wire = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if "accept" not in given:
        wire.append((b"accept", b"*/*"))
    if "accept-encoding" not in given:
        wire.append((b"accept-encoding", b"identity" if "range" in given else ACCEPT_ENCODING))
    if "user-agent" not in given:
        wire.append((b"user-agent", _USER_AGENT))
    target = f"{url.pathname}{url.search}"
    if request.url.partition("#")[0].endswith("?") and not url.search:
        target += "?"
    return WireRequest(request.method, url.host, scheme, target, wire, request.body), Origin.of(url, scheme)


_USER_AGENT = f"nano-trio/{__version__}".encode()


def _to_follow(request: FetchRequest, response: Response) -> str | None:
    """Where to go on, None where the response is the answer. Raises :class:`FetchError`."""
    if response.status not in _REDIRECTS or request.redirect == "manual":
        return None
    if request.redirect == "error":
        raise FetchError("ERR_REDIRECT", f"{request.url} redirects, which the request does not allow")
    return _location(request.url, response)


def _location(url: str, response: Response) -> str | None:
    """ "Location URL": None where there is none. Raises :class:`FetchError` for one that is no URL."""
    values = [value for name, value in response.headers if name.lower() == b"location"]
    if not values:
        return None
    if len(values[0]) + len(url) > _LONGEST_REDIRECT:
        why = f"a redirect and the URL that it comes from have more than {_LONGEST_REDIRECT} characters"
        raise FetchError("ERR_INVALID_REDIRECT", why)
    try:
        text = values[0].decode("utf-8")
    except UnicodeDecodeError:
        text = values[0].decode("latin-1")
    try:
        if len(set(values)) > 1 or has_endless_host(text):
            raise ValueError
        location = resolve(text, url)
    except ValueError:
        raise FetchError("ERR_INVALID_REDIRECT", f"{url} redirects to something that is no URL") from None
    fragment = url.partition("#")[2]
    return f"{location}#{fragment}" if fragment and "#" not in location else location


def _redirect(request: FetchRequest, status: int, location: str) -> None:
    """ "HTTP-redirect fetch", steps 6 to 16: make ``request`` that for the new place. Raises :class:`FetchError`."""
    if not location.startswith(("http://", "https://")):
        raise FetchError("ERR_INVALID_REDIRECT", f"{request.url} redirects to {location}, which is not HTTP")
    if _USERINFO.match(location):
        raise FetchError("ERR_INVALID_REDIRECT", f"{request.url} redirects to a URL with credentials")
    if status != 303 and request.body is not None and request.body.receive is not None:
        raise FetchError("ERR_REDIRECT", f"{request.url} redirects, but a streamed body cannot be sent again")
    becomes_get = request.method == "POST" if status in (301, 302) else request.method not in ("GET", "HEAD")
    dropped: frozenset[str] = frozenset()
    if becomes_get and status in (301, 302, 303):
        request.method = "GET"
        request.body = None
        dropped |= _BODY_HEADERS
    if _origin_of(location) != _origin_of(request.url):
        dropped |= _CREDENTIALS
    if dropped:
        request.headers = [(name, value) for name, value in request.headers if name not in dropped]
    request.url = location


def _origin_of(url: str) -> str:
    return str(can_ada.parse(url).origin)


async def _ended() -> bytes:
    """The body of a fetch that is closed, which so holds itself no longer."""
    await trio.lowlevel.checkpoint()
    return b""


async def _drain(response: Response) -> None:
    """Read a redirect's body where it is short, so that its connection can be used again."""
    size = 0
    with trio.move_on_after(_DRAIN_S):
        try:
            while size <= _DRAIN_BYTES and (piece := await response.receive()):
                size += len(piece)
        except FetchError:
            return  # the redirect itself was sound
