"""The host half of ``cache.js``: an app's caches, on worker threads.

:class:`AppCache` belongs to an app and outlives its isolates; each isolate has a :class:`CacheSession` with the
responses it is storing and the bodies it is reading. All work on the store is done by one thread at a time for each
app, so a slow disk makes that app's caches wait and nothing else.

Heads cross as one string with line feeds, which no URL, header or reason phrase can hold. A stored request is its URL
and headers; a stored response its status, reason, type, whether it was redirected, URL and headers.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog
import trio

from nano_trio.engine.threads import in_thread
from nano_trio.runtime.cache_http import (
    NEVER,
    ByteRange,
    combined,
    expiry,
    is_not_modified,
    requested_range,
    varying,
    withheld,
)
from nano_trio.runtime.cache_store import (
    CHUNK,
    DEFAULT_CACHE,
    BodyGone,
    CacheBroken,
    CacheFull,
    CacheStore,
    DuplicateEntry,
    Entry,
    NewEntry,
    Query,
)
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import HostError, Namespace, Services, in_pairs, text_of
from nano_trio.runtime.large import Lent, deliver, gather, too_large

__all__ = ["AppCache", "CacheSession", "CachedBody", "cache_file", "namespace"]

T = TypeVar("T")

_DEFAULT_MAX_BYTES = 256 << 20
_IGNORE_SEARCH = 1
_IGNORE_VARY = 2
_CHUNKS_AT_ONCE = 4
_FULL = "QuotaExceededError"
_TOLD_EVERY_S = 60.0
_HEAD_FIELDS = 5
"""Lines of a response's head before its headers."""


def cache_file(state_dir: Path, app: str) -> Path:
    """Where an app's caches are kept; names that make no file name are escaped."""
    name = re.sub(r"[^A-Za-z0-9._-]|^\.", lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), app)
    if len(name) > 200:
        name = f"{name[:160]}%{hashlib.sha256(app.encode()).hexdigest()[:32]}"
    return state_dir / "cache" / f"{name}.sqlite3"


class AppCache:
    """The caches of one app: in ``path``, or in memory; at most ``max_bytes``."""

    def __init__(
        self,
        path: Path | None = None,
        max_bytes: int = _DEFAULT_MAX_BYTES,
        *,
        log: Any = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.max_bytes = max_bytes
        self.clock = clock
        """The time in seconds since the epoch, by which responses expire."""
        self._path = path
        self._log = log if log is not None else structlog.get_logger("nano_trio.app")
        self._sessions = 0
        self._told_at = -math.inf

    # Few apps ever touch their caches, and few servers have one that does.
    @functools.cached_property
    def store(self) -> CacheStore:
        from nano_trio.runtime.cache_sqlite import SqliteStore

        return SqliteStore(self._path, self.max_bytes, on_damage=functools.partial(_damaged, self._log))

    @functools.cached_property
    def _limiter(self) -> trio.CapacityLimiter:
        return trio.CapacityLimiter(1)

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Call ``work`` on a worker thread. Raises :class:`HostError` for what the store raises."""
        try:
            return await in_thread(self._work, work, *args, limiter=self._limiter, abandon_on_cancel=True)
        except CacheFull as error:
            text = str(error) or f"the response does not fit into cache_max_mb ({self.max_bytes / (1 << 20):g} MB)"
            raise HostError(_FULL, f"the cache is full: {text}") from None
        except CacheBroken as error:
            self._log.error("the cache failed", error=str(error))
            raise HostError("UnknownError", f"the cache failed: {error}") from None
        except BodyGone:
            raise HostError("TypeError", "the cached body was removed before it was read") from None
        except DuplicateEntry:
            raise HostError("InvalidStateError", "two of the requests are answered by the same response") from None

    def tell_of_miss(self, why: str) -> None:
        """Log that a lookup found nothing for a reason of ours; once a minute, for there may be thousands."""
        now = time.monotonic()
        if now >= self._told_at + _TOLD_EVERY_S:
            self._told_at = now
            self._log.warning("caches.match finds nothing", error=why)

    def _work(self, work: Callable[..., T], *args: Any) -> T:
        try:
            return work(*args)
        finally:
            if self._sessions == 0:
                # Its isolate has ended, and the files may have been closed before this opened them.
                self.store.close()

    def limit(self, max_bytes: int) -> None:
        """Another limit. What there is above it goes when something is added."""
        self.max_bytes = max_bytes
        if "store" in vars(self):
            self.store.max_bytes = max_bytes

    def begin(self) -> None:
        """An isolate uses the caches until :meth:`end`."""
        self._sessions += 1

    def end(self) -> None:
        """Close the files where no isolate uses them any more. Does not wait for it."""
        self._sessions -= 1
        if self._sessions == 0:
            trio.lowlevel.start_thread_soon(self.store.close, lambda _: None, "close cache")


def _damaged(log: Any, text: str) -> None:
    log.warning("the cache was damaged and is begun anew", error=text)


class _Upload:
    """A response being stored."""

    def __init__(self, request: str, response: str, expires: float | None) -> None:
        self.request = request
        self.response = response
        self.expires = expires
        self.has_body = False
        self.buffer = bytearray()
        self.written = 0
        self.body: int | None = None


class CachedBody:
    """A stored body being read: bytes ``at`` to ``end`` of it."""

    def __init__(self, cache: AppCache, body: int, at: int, end: int) -> None:
        self._cache = cache
        self._body = body
        self._at = at
        self._end = end
        self._is_open = True
        self.taken = False
        """Somebody reads it: it no longer matters whether JavaScript knows it."""

    @property
    def length(self) -> int:
        """Bytes still to be read."""
        return self._end - self._at

    async def receive(self) -> bytes:
        """The next piece, ``b""`` at the end. Raises :class:`HostError`."""
        if not self._is_open:
            return b""
        index, skip = divmod(self._at, CHUNK)
        data = await self._cache.run(self._cache.store.read, self._body, index, 1)
        piece = data[skip : skip + self.length]
        self._at += len(piece)
        if self.length == 0:
            self.close()
        return piece

    def close(self) -> None:
        """It is not read any further. Idempotent, never blocks."""
        if self._is_open:
            self._is_open = False
            self._cache.store.release(self._body)


class CacheSession:
    """What one isolate does with its app's caches."""

    def __init__(self, services: Services, cache: AppCache) -> None:
        self._services = services
        self._cache = cache
        self._store = cache.store
        self._uploads: dict[int, _Upload] = {}
        self._bodies: dict[int, CachedBody] = {}
        self._last = 0
        self._opened: list[int] = []
        services.background(self._until_closed)

    async def _until_closed(self) -> None:
        # Not earlier: an isolate that fails in its first turn ends without any task, nor does it use what it opened.
        self._cache.begin()
        try:
            await trio.sleep_forever()
        finally:
            for body in self._bodies.values():
                body.close()
            for upload in self._uploads.values():
                if upload.body is not None:
                    self._store.discard(upload.body)
            for cache in self._opened:
                self._store.forget(cache)
            self._cache.end()

    def _start(self, operation: int, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        self._services.operation(operation, work, *args)

    # -- caches by name ----------------------------------------------------------------------------------------------

    def open(self, operation: int, name: Any) -> None:
        self._start(operation, self._open, text_of(name))

    async def _open(self, name: str) -> int:
        number = await self._cache.run(self._store.open_cache, name)
        self._opened.append(number)
        return number

    def has(self, operation: int, name: Any) -> None:
        self._start(operation, self._has, text_of(name))

    async def _has(self, name: str) -> bool:
        return await self._cache.run(self._store.find_cache, name) is not None

    def delete_cache(self, operation: int, name: Any) -> None:
        self._start(operation, self._cache.run, self._store.delete_cache, text_of(name))

    def names(self, operation: int) -> None:
        self._start(operation, self._cache.run, self._store.names)

    # -- looking up --------------------------------------------------------------------------------------------------

    def match(self, operation: int, cache: Any, request: Any, flags: int) -> None:
        """Settle with the first response, or None. ``cache``: a number, a name, or None for all."""
        # Numbers beyond 31 bits come as floats.
        where = int(cache) if isinstance(cache, int | float) else cache if cache is None else text_of(cache)
        self._start(operation, self._match, where, text_of(request), flags)

    async def _match(self, cache: int | str | None, request: str, flags: int) -> list[Any] | None:
        query = _query(request, flags)

        def work() -> list[Entry]:
            if isinstance(cache, int):
                numbers: Sequence[int] = [cache]
            elif cache is None:
                numbers = [*self._store.numbers(), DEFAULT_CACHE]
            else:
                number = self._store.find_cache(cache)
                numbers = [] if number is None else [number]
            return self._store.find(numbers, query, self._cache.clock(), first=True, heads=False)

        try:
            found = await self._find(work)
        except HostError as error:
            if error.name != _FULL:
                raise
            # Even a look needs room, where the file was not open. To the app a cache that has nothing is an everyday
            # matter, and it goes on without.
            self._cache.tell_of_miss(error.message)
            return None
        return self._answer(found[0], query) if found else None

    def match_all(self, operation: int, cache: float, request: Any, flags: int) -> None:
        """Settle with all responses; ``request`` None: of the whole cache."""
        self._start(operation, self._match_all, int(cache), None if request is None else text_of(request), flags)

    async def _match_all(self, cache: int, request: str | None, flags: int) -> list[list[Any]]:
        query = None if request is None else _query(request, flags)

        def work() -> list[Entry]:
            return self._store.find([cache], query, self._cache.clock(), first=False, heads=False)

        return [self._whole(entry) for entry in await self._find(work)]

    def keys(self, operation: int, cache: float, request: Any, flags: int) -> None:
        """Settle with the requests, each as its lines."""
        self._start(operation, self._keys, int(cache), None if request is None else text_of(request), flags)

    async def _keys(self, cache: int, request: str | None, flags: int) -> list[str]:
        query = None if request is None else _query(request, flags)

        def work() -> list[Entry]:
            return self._store.find([cache], query, self._cache.clock(), first=False, heads=True)

        return [entry.request for entry in await self._cache.run(work)]

    def remove(self, operation: int, cache: float, request: Any, flags: int) -> None:
        query = _query(text_of(request), flags)
        self._start(operation, self._cache.run, self._store.remove, int(cache), query, self._cache.clock())

    async def _find(self, work: Callable[[], list[Entry]]) -> list[Entry]:
        """Entries with their bodies; those that are held are released where the isolate does not get them."""
        unclaimed: deque[list[Entry]] = deque()
        abandoned = False

        def release_unclaimed() -> None:
            with suppress(IndexError):
                self._release(unclaimed.pop())

        def find() -> None:
            unclaimed.append(work())
            if abandoned:
                release_unclaimed()

        try:
            await self._cache.run(find)
        except BaseException:
            abandoned = True
            release_unclaimed()
            raise
        return unclaimed.pop()

    def _release(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.body is not None:
                self._store.release(entry.body)

    def _answer(self, entry: Entry, query: Query) -> list[Any]:
        """The response to a request that may be conditional, or want a part (Workers, cache.match)."""
        status, *_ = entry.response.split("\n", 1)
        if status != "200" or query.headers.keys().isdisjoint(_CONDITIONS):
            return self._whole(entry)
        stored = combined(entry.response.split("\n")[_HEAD_FIELDS:])
        if is_not_modified(query.headers, stored):
            self._release([entry])
            return self._changed(entry, 304, "Not Modified", {}, None)
        part = None if entry.size is None else requested_range(query.headers, stored, entry.size)
        if part is None:
            return self._whole(entry)
        if not part.satisfiable:
            self._release([entry])
            return self._changed(entry, 416, "Range Not Satisfiable", {"content-range": f"bytes */{entry.size}"}, None)
        fields = {
            "content-range": f"bytes {part.start}-{part.end - 1}/{entry.size}",
            "content-length": str(part.end - part.start),
        }
        return self._changed(entry, 206, "Partial Content", fields, part)

    def _whole(self, entry: Entry) -> list[Any]:
        status, reason, type_, redirected, url, *headers = entry.response.split("\n")
        body = None if entry.size is None else self._body(entry, ByteRange(0, entry.size))
        return [int(status), reason, type_, redirected == "1", url, headers, body]

    def _changed(
        self, entry: Entry, status: int, reason: str, fields: dict[str, str], part: ByteRange | None
    ) -> list[Any]:
        """The stored response with another status, other fields, and a part of its body."""
        _, _, type_, redirected, url, *headers = entry.response.split("\n")
        dropped = _LENGTHS if part is not None else _OF_CONTENT
        kept = [text for pair in in_pairs(headers) if pair[0] not in dropped for text in pair]
        body = None if part is None else self._body(entry, part)
        return [status, reason, type_, redirected == "1", url, [*kept, *(t for f in fields.items() for t in f)], body]

    def _body(self, entry: Entry, part: ByteRange) -> bytes | int:
        """Bytes, or the number by which JavaScript reads them."""
        if entry.data is not None:
            return entry.data[part.start : part.end]
        assert entry.body is not None
        self._last += 1
        self._bodies[self._last] = CachedBody(self._cache, entry.body, part.start, part.end)
        return self._last

    # -- reading bodies ----------------------------------------------------------------------------------------------

    def take(self, number: int) -> CachedBody | None:
        """The body of that number, for somebody on the host's side to read; None where it is over."""
        body = self._bodies.get(number)
        if body is not None:
            body.taken = True
        return body

    def read(self, number: int, operation: int) -> None:
        """Settle ``operation`` with the next piece of a body, None at its end."""
        self._start(operation, self._read, number)

    async def _read(self, number: int) -> bytes | None:
        body = self._bodies.get(number)
        piece = b"" if body is None else await body.receive()
        if body is not None and body.length == 0:
            self.cancel(number)
        return piece or None

    def read_all(self, number: int, operation: int, text: bool) -> None:
        """Settle ``operation`` with all that remains of a body, as :func:`deliver` has it."""
        self.take(number)
        self._start(operation, self._read_all, number, text)

    async def _read_all(self, number: int, text: bool) -> bytes | str | Lent:
        body = self._bodies.get(number)
        limit = self._services.max_buffer_bytes
        if body is not None and body.length > limit:
            self.cancel(number)
            raise too_large(limit)

        async def receive() -> bytes:
            return await self._read(number) or b""

        return deliver(await gather(receive, limit, Held(self._services)), text=text)

    def cancel(self, number: int) -> None:
        """The body is not read any further."""
        body = self._bodies.pop(number, None)
        if body is not None:
            body.close()

    def drop_body(self, number: int) -> None:
        """JavaScript has lost the last reference to a body."""
        body = self._bodies.get(number)
        if body is not None and not body.taken:
            self.cancel(number)

    # -- storing -----------------------------------------------------------------------------------------------------

    def upload(self, request: Any, response: Any, has_body: bool) -> int:
        """Begin to store a response; the number of the upload, or 0 where the response must not be stored."""
        status, reason, type_, redirected, url, *headers = text_of(response).split("\n")
        fields = combined(headers)
        expires = expiry(fields, self._cache.clock())
        if expires == NEVER:
            return 0
        left_out = withheld(fields)
        if type_ == "basic" and "content-encoding" in fields:
            left_out |= _OF_CODING  # what comes from a fetch is decoded
        if left_out:
            pairs = in_pairs(headers)
            headers = [part for pair in pairs if pair[0] not in left_out for part in pair]
        head = "\n".join((status, reason, type_, redirected, url, *headers))
        self._last += 1
        upload = self._uploads[self._last] = _Upload(text_of(request), head, expires)
        upload.has_body = has_body
        return self._last

    def write(self, number: int, data: Any) -> bool:
        """Add some bytes to a body; is it time to ``flush``?"""
        upload = self._uploads.get(number)
        if upload is None:
            return False
        upload.buffer += data.to_bytes()
        return len(upload.buffer) >= CHUNK

    def flush(self, operation: int, number: int) -> None:
        self._start(operation, self._flush, number)

    async def _flush(self, number: int) -> None:
        upload = self._uploads.get(number)
        if upload is None:
            return
        if upload.written + len(upload.buffer) > self._cache.max_bytes:
            self.discard(number)
            await self._cache.run(_too_large)
        while len(upload.buffer) > CHUNK:
            size = min(len(upload.buffer) // CHUNK, _CHUNKS_AT_ONCE) * CHUNK
            with memoryview(upload.buffer) as view:
                chunks = [bytes(view[at : at + CHUNK]) for at in range(0, size, CHUNK)]
            del upload.buffer[:size]
            try:
                await self._append(upload, chunks)
            except HostError:
                self.discard(number)
                raise
            if number not in self._uploads and upload.body is not None:
                # It was given up meanwhile, perhaps before there was a body to discard.
                self._store.discard(upload.body)
                return

    async def _append(self, upload: _Upload, chunks: list[bytes]) -> None:
        now, index = self._cache.clock(), upload.written // CHUNK
        upload.body = await self._cache.run(self._store.append, upload.body, index, chunks, now)
        upload.written += sum(map(len, chunks))

    def discard(self, number: int) -> None:
        """Give up storing a response."""
        upload = self._uploads.pop(number, None)
        if upload is not None and upload.body is not None:
            self._store.discard(upload.body)

    def put(self, operation: int, cache: float, numbers: Any) -> None:
        """Store what was uploaded, all or none. ``numbers``: joined by commas."""
        self._start(operation, self._put, int(cache), [int(number) for number in text_of(numbers).split(",")])

    async def _put(self, cache: int, numbers: list[int]) -> None:
        entries = []
        try:
            for number in numbers:
                await self._flush(number)
                entries.append(_new_entry(self._uploads[number]))
            await self._cache.run(self._store.put, cache, entries, self._cache.clock())
        except BaseException:
            for number in numbers:
                self.discard(number)
            raise
        for number in numbers:
            del self._uploads[number]


_CONDITIONS = ("if-none-match", "if-modified-since", "range")
_LENGTHS = ("content-length", "content-range")
_OF_CODING = frozenset(("content-encoding", "content-length"))
_OF_CONTENT = ("content-length", "content-range", "content-type", "content-encoding", "content-language")


def _too_large() -> None:
    raise CacheFull


def _query(request: str, flags: int) -> Query:
    url, *headers = request.split("\n")
    return Query(
        url.partition("#")[0],
        combined(headers),
        ignore_search=bool(flags & _IGNORE_SEARCH),
        ignore_vary=bool(flags & _IGNORE_VARY),
    )


def _new_entry(upload: _Upload) -> NewEntry:
    url, *headers = upload.request.split("\n")
    request = combined(headers)
    response = combined(upload.response.split("\n")[_HEAD_FIELDS:])
    return NewEntry(
        url=url.partition("#")[0],
        request=upload.request,
        response=upload.response,
        request_headers=request,
        vary=varying(response, request),
        expires=upload.expires,
        size=upload.written + len(upload.buffer) if upload.has_body else None,
        tail=bytes(upload.buffer),
        body=upload.body,
    )


def namespace(services: Services) -> Namespace:
    """The functions that ``cache.js`` calls, and those with which ``body.js`` reads a cached body."""
    session = services.caches
    return {
        "open": session.open,
        "has": session.has,
        "deleteCache": session.delete_cache,
        "names": session.names,
        "match": session.match,
        "matchAll": session.match_all,
        "keys": session.keys,
        "remove": session.remove,
        "put": session.put,
        "upload": session.upload,
        "write": session.write,
        "flush": session.flush,
        "discard": session.discard,
        "read": session.read,
        "readAll": session.read_all,
        "cancel": session.cancel,
        "drop": session.drop_body,
    }
