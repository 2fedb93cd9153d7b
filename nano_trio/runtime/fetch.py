"""The host half of ``fetch.js``.

A fetch has the number of the JavaScript operation that awaits its head. Failures reach JavaScript as
``HostError("fetch", number, code and message by line feeds)``, of which ``fetch.js`` makes a TypeError with a cause, or
the reason of the signal that aborted it.

How the bodies of requests cross: :mod:`nano_trio.runtime.body_kinds`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
import trio

from nano_trio.runtime.body_kinds import AHEAD, BYTES, NONE, OF_CACHE, OF_REQUEST, STREAM, TEXT
from nano_trio.runtime.fetch_client import Fetch, FetchClient, FetchRequest
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_integrity import matches
from nano_trio.runtime.fetch_messages import RequestBody
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import HostError, Namespace, Services, headers_of, text_of
from nano_trio.runtime.large import Lent, deliver, gather
from nano_trio.runtime.pieces import Pieces

__all__ = ["Fetches", "namespace"]

_MUCH = 4096
"""Bytes of a body below which the fetch itself takes more of the heap than the body takes elsewhere."""


def host_error(number: int, error: FetchError) -> HostError:
    """The error as JavaScript gets it."""
    return HostError("fetch", f"{number}\n{error.code}\n{error.message}")


async def _received(receive: Callable[[], Awaitable[bytes | None]]) -> bytes:
    """The next piece of a body of the host that a request hands on, ``b""`` at the end. Raises :class:`FetchError`."""
    try:
        return await receive() or b""
    except HostError as error:
        raise FetchError("ERR_BODY", error.message) from None


class _Upload:
    """A request body that JavaScript streams: each :meth:`receive` is a turn that reads one chunk."""

    def __init__(self, services: Services, number: int) -> None:
        self._services = services
        self._number = number
        self._pieces = Pieces(())
        """Of the last chunk, which may be large."""
        self._held = Held(services)
        self._ended = False
        self._failed = False
        self._arrived = trio.Event()

    async def receive(self) -> bytes:
        if self._pieces.left:
            # The rest of a large chunk: whoever gathers it lets others run.
            await trio.lowlevel.checkpoint()
        while not (piece := self._pieces.next()):
            self._held.resize(0)
            self._arrived = trio.Event()
            self._services.enter("upload", self._number)
            await self._arrived.wait()
            if self._failed:
                raise FetchError("ERR_BODY", "the request's body failed")
            if self._ended:
                break
        return piece

    def put(self, chunk: Pieces | None, *, failed: bool = False) -> None:
        """A chunk from JavaScript, None at the end."""
        if chunk is None:
            self._ended = True
        else:
            self._pieces = chunk
            self._held.resize(len(chunk))
        self._failed = failed
        self._arrived.set()


class Fetches:
    """The fetches of one isolate."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._client: FetchClient | None = None
        self._uploads: dict[int, _Upload] = {}

    def start(
        self,
        number: int,
        method: str,
        url: str,
        headers: str | None,
        redirect: str,
        cache: str,
        integrity: str,
        kind: int,
        body: Any,
        service: str | None,
    ) -> None:
        """Fetch, by the service binding of that name where there is one.

        The operation is settled with [status, reason, headers, has a body, URL, redirected].
        """
        client = self._client
        if client is None or client.ended:
            client = self._client = FetchClient(
                self._services.network,
                self._services.pace,
                self._closed,
                self._services.collect_garbage,
                _report,
                partial(Held, self._services),
            )
            self._services.background(client.run)
        fields = [] if headers is None else headers_of(text_of(headers))
        cause = self._services.cause
        self._services.app.pass_on(cause, fields)
        request = FetchRequest(method, text_of(url), fields, redirect, cache)
        request.cause = cause
        try:
            if service is not None:
                request.service = self._services.bindings[service]
            request.body = self._body(number, kind, body)
            fetch = client.begin(number)
            fetch.cause = request.cause
        except FetchError as error:
            self._services.operation(number, _raise, host_error(number, error))
            return
        self._services.operation(number, self._run, fetch, request, text_of(integrity))

    async def _run(self, fetch: Fetch, request: FetchRequest, integrity: str) -> list[Any]:
        try:
            await fetch.start(request, self._services.network.timeout_s)
            if integrity and fetch.has_body:
                body = await self._gather_in_time(fetch)
                if not await matches(body, integrity):
                    raise FetchError("ERR_INTEGRITY", "the response does not match the request's integrity")
                fetch.reopen(body)
        except FetchError as error:
            raise host_error(fetch.number, error) from None
        finally:
            if not fetch.status:
                self._uploads.pop(fetch.number, None)
        flat = [part for pair in fetch.headers for part in pair]
        return [fetch.status, fetch.reason, flat, fetch.has_body, fetch.url, fetch.redirected]

    def _body(self, number: int, kind: int, body: Any) -> RequestBody | None:
        if kind == NONE:
            return None
        if kind == TEXT:
            return self._whole(text_of(body).encode("utf-8", "replace"))
        if kind == BYTES:
            return self._whole(body.to_bytes())
        if kind == AHEAD:
            return self._whole(self._services.large.take())
        if kind == STREAM:
            upload = self._uploads[number] = _Upload(self._services, number)
            return RequestBody(receive=upload.receive, length=None if body is None else int(body))
        if kind == OF_REQUEST:
            return self._body_of_request(body)
        if kind == OF_CACHE:
            return self._cached_body(body)
        source = self.take(body)
        if source is None:
            raise FetchError("ERR_BODY", "the body has been used")
        return RequestBody(receive=source.receive)

    def _whole(self, content: bytes | Pieces) -> RequestBody:
        size = len(content)
        if size < _MUCH:
            return RequestBody(content)
        if not self._services.may_hold(size):
            raise FetchError("ERR_BODY", "the bodies that the app sends at this time take more than memory_mb")
        return RequestBody(content, held=Held(self._services, size))

    def _body_of_request(self, request: int) -> RequestBody:
        found = self._services.app.request_body(request)
        if found is None:
            raise FetchError("ERR_BODY", "the request is over; its body is gone")
        length, receive_chunk = found
        return RequestBody(receive=partial(_received, receive_chunk), length=length)

    def _cached_body(self, number: int) -> RequestBody:
        cached = self._services.caches.take(number)
        if cached is None:
            raise FetchError("ERR_BODY", "the body has been used")
        return RequestBody(receive=partial(_received, cached.receive), length=cached.length)

    def take(self, number: int) -> Fetch | None:
        """The fetch of that number, for somebody on the host's side to read its body; None where it is over."""
        fetch = self._known(number)
        if fetch is not None:
            fetch.taken = True
        return fetch

    # -- what JavaScript calls ---------------------------------------------------------------------------------------

    def read(self, number: int, operation: int) -> None:
        """Settle ``operation`` with the next piece of a response's body, as :func:`deliver` has it, or None at
        its end."""
        self._services.operation(operation, self._read, number)

    async def _read(self, number: int) -> str | bytes | Lent | None:
        try:
            fetch = self._open(number)
            piece = b"" if fetch is None else await fetch.receive()
        except FetchError as error:
            raise host_error(number, error) from None
        return deliver(Pieces([piece]), text=False) if piece else None

    def read_all(self, number: int, operation: int, text: bool) -> None:
        """Settle ``operation`` with all that remains of a response's body, as :func:`deliver` has it."""
        fetch = self.take(number)
        body = None if fetch is None else fetch.take_whole()
        if body is not None and len(body) <= self._services.max_buffer_bytes:
            self._services.succeeded(operation, deliver(Pieces([body]), text=text))
        else:
            self._services.operation(operation, self._read_all, number, text)

    async def _read_all(self, number: int, text: bool) -> bytes | str | Lent:
        try:
            fetch = self._open(number)
            body = Pieces(()) if fetch is None else await self._gather_in_time(fetch)
        except FetchError as error:
            raise host_error(number, error) from None
        return deliver(body, text=text)

    async def _gather_in_time(self, fetch: Fetch) -> Pieces:
        timeout = self._services.network.timeout_s
        try:
            with trio.move_on_after(timeout):
                return await gather(fetch.receive, self._services.max_buffer_bytes, Held(self._services))
        finally:
            fetch.close()
        raise FetchError("ETIMEDOUT", f"the body did not end within {timeout:g} s")

    def release(self) -> None:
        """The isolate is gone. The client ends by itself."""
        self._client = None

    def abort_caused_by(self, cause: Any, why: str) -> None:
        """The request on whose behalf they were begun is over before its time: stop its fetches."""
        if self._client is not None:
            for fetch in list(self._client.fetches.values()):
                if fetch.cause == cause:
                    fetch.abort(FetchError("ERR_ABORTED", why))

    def _open(self, number: int) -> Fetch | None:
        """The fetch while its body has not ended. Raises :class:`FetchError` where it broke off."""
        client = self._client
        if client is None:
            return None
        if number in client.failed:
            raise client.failed[number].again()
        return client.fetches.get(number)

    def cancel(self, number: int) -> None:
        """The app wants no more of a response."""
        fetch = self._known(number)
        if fetch is not None:
            fetch.abort(FetchError("ERR_CLOSED", "the response was given up"))

    def drop(self, number: int, release: bool) -> bool:
        """JavaScript has lost the last reference to a response's body. True where the host still reads it.

        ``release``: then the entry ``release`` is called at the end.
        """
        if self._client is not None:
            self._client.failed.pop(number, None)
        fetch = self._known(number)
        if fetch is None:
            return False
        if fetch.taken or fetch.is_reading:
            fetch.release = release
            return True
        fetch.close()
        return False

    def _closed(self, fetch: Fetch) -> None:
        if self._uploads.pop(fetch.number, None) is not None and fetch.status:
            # It was answered before its body was sent to the end, and now is over.
            self._services.enter("unsent", fetch.number)
        if fetch.release:
            self._services.enter("release", fetch.number)

    def _known(self, number: int) -> Fetch | None:
        return None if self._client is None else self._client.fetches.get(number)

    def chunk(self, number: int, data: Any) -> None:
        """The next chunk of a streamed request body: bytes, or True for one that was just handed over in pieces; None
        at the end."""
        chunk = None if data is None else self._services.large.take() if data is True else Pieces([data.to_bytes()])
        upload = self._uploads.get(number)
        if upload is not None:
            upload.put(chunk)
        if data is None:
            self._uploads.pop(number, None)

    def upload_failed(self, number: int) -> None:
        """A request body's stream errored, or gave something that is no bytes."""
        upload = self._uploads.pop(number, None)
        if upload is not None:
            upload.put(None, failed=True)


async def _raise(error: HostError) -> None:
    raise error


def _report(error: Exception) -> None:
    structlog.get_logger("nano_trio").error("internal error in fetch", exc_info=error)


def namespace(services: Services) -> Namespace:
    """The functions that ``fetch.js`` calls, and those with which ``body.js`` reads a body that comes from a fetch."""
    fetches = services.fetches
    return {
        "start": fetches.start,
        "abort": fetches.cancel,
        "read": fetches.read,
        "readAll": fetches.read_all,
        "cancel": fetches.cancel,
        "drop": fetches.drop,
        "chunk": fetches.chunk,
        "uploadFailed": fetches.upload_failed,
    }
