"""What keeps an app's cached responses: the interface, and what crosses it.

Every method of a :class:`CacheStore` but three blocks, and is called on worker threads. A response is an entry of a
cache; its body, unless small, is written and read in chunks of :data:`CHUNK` bytes (the last may be shorter), so that
none is ever in memory whole. A large body is written before its entry: it is *loose* until ``put`` ties it to it.

Whoever is handed a body in chunks *holds* it until ``release``: should its entry go meanwhile, the chunks stay. A cache
that is deleted while somebody holds it keeps its entries too, without a name (Service Workers, section 5.5.4: a Cache
object outlives its place in the name to cache map).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

__all__ = [
    "CHUNK",
    "DEFAULT_CACHE",
    "BodyGone",
    "CacheBroken",
    "CacheFull",
    "CacheStore",
    "DuplicateEntry",
    "Entry",
    "NewEntry",
    "Query",
    "without_search",
]

CHUNK = 256 * 1024
"""Bytes in a chunk of a body."""
DEFAULT_CACHE = 0
"""The number of ``caches.default``, which has no name and cannot be deleted."""


class CacheFull(Exception):
    """There is no room, neither by the limit nor by removing other entries; or the disk is full."""


class CacheBroken(Exception):
    """The storage failed: it cannot be opened, read or written, or stays locked."""


class BodyGone(Exception):
    """The body was removed before it was read to its end."""


class DuplicateEntry(Exception):
    """Two entries of one ``put`` answer the same request."""


@attrs.frozen
class Query:
    """What to look for: "Query Cache" of the Service Workers specification, section 5.4."""

    url: str
    """Without fragment."""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    """Combined values by name in lower case."""
    ignore_search: bool = False
    ignore_vary: bool = False

    def matches(self, url: str, vary: Mapping[str, str | None]) -> bool:
        """ "Request matches cached item". ``vary``: the fields it varies on, with the values it was chosen for."""
        if self.ignore_search:
            if without_search(self.url) != without_search(url):
                return False
        elif self.url != url:
            return False
        return self.ignore_vary or all(self.headers.get(name) == value for name, value in vary.items())


def without_search(url: str) -> str:
    """A URL without its query."""
    return url.partition("?")[0]


@attrs.frozen
class NewEntry:
    """A response to store. Its body: None, or ``size`` bytes, of which ``tail`` follows what ``body`` holds already."""

    url: str
    request: str
    response: str
    request_headers: Mapping[str, str]
    vary: Mapping[str, str | None]
    expires: float | None
    size: int | None
    tail: bytes = b""
    body: int | None = None


@attrs.frozen
class Entry:
    """A stored response. ``data`` is its body where that is small; else it is held, to be released."""

    id: int
    request: str
    response: str
    size: int | None
    data: bytes | None
    body: int | None


class CacheStore(Protocol):
    """The storage of one app's caches. Methods block and may raise :class:`CacheBroken` or :class:`CacheFull`.

    ``release``, ``discard`` and ``forget`` neither block nor raise.
    """

    max_bytes: int
    """The most that it may take on disk; may be changed."""

    def open_cache(self, name: str) -> int:
        """The number of the cache of that name, made where there is none; it is held until ``forget``."""

    def find_cache(self, name: str) -> int | None: ...
    def delete_cache(self, name: str) -> bool: ...
    def names(self) -> list[str]:
        """The caches' names in the order of their creation."""

    def numbers(self) -> list[int]:
        """The numbers of the caches with names, in that order."""

    def find(self, caches: Sequence[int], query: Query | None, now: float, *, first: bool, heads: bool) -> list[Entry]:
        """The fresh entries that match, or all. ``first``: one at most, whose use is noted; ``heads``: no bodies."""

    def remove(self, cache: int, query: Query, now: float) -> bool:
        """Remove the entries that match; were there any?"""

    def put(self, cache: int, entries: Sequence[NewEntry], now: float) -> None:
        """Store the entries in place of those that answer the same requests, all or none.

        Raises :class:`DuplicateEntry`, :class:`BodyGone`.
        """

    def append(self, body: int | None, index: int, chunks: Sequence[bytes], now: float) -> int:
        """Write chunks of a loose body (None: a new one), the first with that index; the body's number."""

    def read(self, body: int, index: int, count: int) -> bytes:
        """``count`` chunks of a body one after the other. Raises :class:`BodyGone`."""

    def release(self, body: int) -> None:
        """A body that was found is no longer read."""

    def discard(self, body: int) -> None:
        """A loose body will not be put."""

    def forget(self, cache: int) -> None:
        """A cache is no longer held."""

    def close(self) -> None:
        """Write down what is in memory and close the files; the next call opens them again."""
