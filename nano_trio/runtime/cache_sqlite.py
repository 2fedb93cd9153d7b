"""Cached responses in SQLite: a database file for each app, or one in memory where there is no state directory.

Theory of operation. A lock makes the methods take turns. What the event loop must say without waiting (``release``,
``discard``, ``forget``) only appends to a queue that the next call works off first. ``put`` removes what
the new entries replace, makes room, and inserts, all in one transaction. Loose bodies that a crash left behind are
swept when the file is opened.

The size limit is on the database's pages in use. Room is made by removing what has expired, then what was used least
recently; uses are noted in memory and written down when room is needed. Held bodies whose entries are gone are removed
last of all: their readers get :class:`BodyGone`, as they do where another process removes what they read.

Responses expire by the clock of the wall, which several processes and their successors share, and which somebody may
set back. What was used later than it says was stored, or found, before that: nobody knows how old it is. So what was
stored later is taken to have expired, and all of it to have been used just now, before anything is looked for.

A file that SQLite finds damaged is set aside as ``….damaged`` and begun anew.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from nano_trio.runtime.cache_store import (
    CHUNK,
    DEFAULT_CACHE,
    BodyGone,
    CacheBroken,
    CacheFull,
    DuplicateEntry,
    Entry,
    NewEntry,
    Query,
    without_search,
)
from nano_trio.runtime.descriptors import are_free, for_caches

__all__ = ["SqliteStore"]

T = TypeVar("T")

_VERSION = 2
_BUSY_S = 5.0
_ABANDONED_S = 3600.0
_DATA_AT_ONCE = 1 << 20
_MOST_TOUCHES = 1000
_AHEAD_S = 60.0
"""By more than that the clock is ahead only where it was set back since: whoever works in a thread has been waiting."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL = "the disk is full"
_STALE_TOO = float("-inf")
_SCHEMA = f"""
CREATE TABLE cache (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE entry (
  id INTEGER PRIMARY KEY AUTOINCREMENT, cache INTEGER NOT NULL, base TEXT NOT NULL, url TEXT NOT NULL,
  request TEXT NOT NULL, response TEXT NOT NULL, vary TEXT NOT NULL,
  body INTEGER, size INTEGER, expires REAL, used REAL NOT NULL,
  stored REAL NOT NULL DEFAULT 0);
CREATE INDEX entry_place ON entry (cache, base, url);
CREATE INDEX entry_used ON entry (used);
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE TABLE body (id INTEGER PRIMARY KEY AUTOINCREMENT, loose_since REAL);
CREATE TABLE chunk (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version = {_VERSION};
"""
_CHUNK_BITS = 20
"""A chunk's id is its body's, shifted, and its index."""


class SqliteStore:
    """A :class:`CacheStore` in an SQLite database: ``path``, or in memory; of at most ``max_bytes``."""

    def __init__(
        self, path: Path | None, max_bytes: int, *, on_damage: Callable[[str], None] = lambda text: None
    ) -> None:
        self._path = path
        self.max_bytes = max_bytes
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None
        self._page_bytes = 4096
        self._errands: deque[tuple[str, int]] = deque()
        self._held: Counter[int] = Counter()
        self._doomed: set[int] = set()
        self._held_caches: Counter[int] = Counter()
        self._nameless: set[int] = set()
        self._touched: dict[int, float] = {}
        self._last_cache = 0

    # -- caches ------------------------------------------------------------------------------------------------------

    def open_cache(self, name: str) -> int:
        def work(db: sqlite3.Connection) -> int:
            number = _cache_number(db, name)
            if number is None:
                # Numbers are never used again, not even when the file is begun anew: isolates keep them.
                (newest,) = db.execute("SELECT ifnull(max(id), 0) FROM cache").fetchone()
                number = self._last_cache = max(time.time_ns() // 1000, self._last_cache + 1, newest + 1)
                db.execute("INSERT INTO cache (id, name) VALUES (?, ?)", (number, name))
            self._held_caches[number] += 1
            return number

        return self._change(work)

    def find_cache(self, name: str) -> int | None:
        return self._look(lambda db: _cache_number(db, name))

    def delete_cache(self, name: str) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            number = _cache_number(db, name)
            if number is None:
                return False
            db.execute("DELETE FROM cache WHERE id = ?", (number,))
            if self._held_caches[number]:
                self._nameless.add(number)
            else:
                self._drop_cache(db, number)
            return True

        return self._change(work)

    def names(self) -> list[str]:
        return self._look(lambda db: [name for (name,) in db.execute("SELECT name FROM cache ORDER BY id")])

    def numbers(self) -> list[int]:
        return self._look(lambda db: [number for (number,) in db.execute("SELECT id FROM cache ORDER BY id")])

    # -- entries -----------------------------------------------------------------------------------------------------

    def find(self, caches: Sequence[int], query: Query | None, now: float, *, first: bool, heads: bool) -> list[Entry]:
        def work(db: sqlite3.Connection) -> list[Entry]:
            entries: list[Entry] = []
            budget = 0 if heads else _DATA_AT_ONCE
            for cache in caches:
                for id_, body, size, request, response in self._matching(db, cache, query, now):
                    data: bytes | None = None
                    held = None
                    if size == 0:
                        data = b""
                    elif size is not None and not heads:
                        assert body is not None
                        if size <= min(CHUNK, budget):
                            try:
                                data = self._read(db, body, 0, 1)
                            except BodyGone:  # another process was faster
                                continue
                            budget -= size
                        else:
                            self._held[body] += 1
                            held = body
                    entries.append(Entry(id_, request, response, size, data, held))
                    if first:
                        self._touched[id_] = now
                        return entries
            return entries

        entries = self._look(work, now)
        if len(self._touched) > _MOST_TOUCHES:
            self._change(self._write_touches)
        return entries

    def _matching(
        self, db: sqlite3.Connection, cache: int, query: Query | None, now: float
    ) -> list[tuple[int, int | None, int | None, str, str]]:
        condition = "cache = ?"
        values: list[Any] = [cache]
        if query is not None:
            condition += " AND base = ?"
            values.append(without_search(query.url))
            if not query.ignore_search:
                condition += " AND url = ?"
                values.append(query.url)
        rows = db.execute(
            f"SELECT id, body, size, request, response, url, vary FROM entry WHERE {condition} "
            "AND (expires IS NULL OR expires > ?) ORDER BY id",
            [*values, now],
        )
        return [row[:5] for row in rows if query is None or query.matches(row[5], json.loads(row[6]))]

    def remove(self, cache: int, query: Query, now: float) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            found = self._matching(db, cache, query, now)
            for id_, body, *_ in found:
                self._drop_entry(db, id_, body)
            return bool(found)

        return self._change(work, now)

    def put(self, cache: int, entries: Sequence[NewEntry], now: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            for number, entry in enumerate(entries):
                query = Query(entry.url, entry.request_headers)
                if any(query.matches(other.url, other.vary) for other in entries[:number]):
                    raise DuplicateEntry
            for entry in entries:
                for id_, body, *_ in self._matching(db, cache, Query(entry.url, entry.request_headers), _STALE_TOO):
                    self._drop_entry(db, id_, body)
            self._make_room(
                db, sum(len(entry.tail) + len(entry.request) + len(entry.response) for entry in entries), now
            )
            for entry in entries:
                self._insert(db, cache, entry, now)

        self._change(work, now)

    def _insert(self, db: sqlite3.Connection, cache: int, entry: NewEntry, now: float) -> None:
        body = entry.body
        if body is not None:
            tied = db.execute("UPDATE body SET loose_since = NULL WHERE id = ? AND loose_since IS NOT NULL", (body,))
            if tied.rowcount == 0:
                raise BodyGone
        elif entry.tail:
            body = db.execute("INSERT INTO body (loose_since) VALUES (NULL)").lastrowid
        if entry.tail:
            assert body is not None
            assert entry.size is not None
            index = (entry.size - len(entry.tail)) // CHUNK
            db.execute("INSERT INTO chunk (id, data) VALUES (?, ?)", (body << _CHUNK_BITS | index, entry.tail))
        db.execute(
            "INSERT INTO entry (cache, base, url, request, response, vary, body, size, expires, used, stored) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                cache, without_search(entry.url), entry.url, entry.request, entry.response, json.dumps(entry.vary),
                body, entry.size, entry.expires, now, now,
            ),
        )  # fmt: skip

    # -- bodies ------------------------------------------------------------------------------------------------------

    def append(self, body: int | None, index: int, chunks: Sequence[bytes], now: float) -> int:
        def work(db: sqlite3.Connection) -> int:
            self._make_room(db, sum(map(len, chunks)), now)
            number = body
            if number is None:
                number = db.execute("INSERT INTO body (loose_since) VALUES (?)", (now,)).lastrowid
                assert number is not None
            elif db.execute("UPDATE body SET loose_since = ? WHERE id = ?", (now, number)).rowcount == 0:
                raise BodyGone
            rows = [(number << _CHUNK_BITS | index + i, chunk) for i, chunk in enumerate(chunks)]
            db.executemany("INSERT INTO chunk (id, data) VALUES (?, ?)", rows)
            return number

        return self._change(work)

    def read(self, body: int, index: int, count: int) -> bytes:
        return self._look(lambda db: self._read(db, body, index, count))

    def _read(self, db: sqlite3.Connection, body: int, index: int, count: int) -> bytes:
        first = body << _CHUNK_BITS | index
        rows = db.execute(
            "SELECT data FROM chunk WHERE id BETWEEN ? AND ? ORDER BY id", (first, first + count - 1)
        ).fetchall()
        if len(rows) != count:
            raise BodyGone
        return rows[0][0] if count == 1 else b"".join(data for (data,) in rows)

    def release(self, body: int) -> None:
        self._errands.append(("release", body))

    def discard(self, body: int) -> None:
        self._errands.append(("discard", body))

    def forget(self, cache: int) -> None:
        self._errands.append(("forget", cache))

    def _run_errands(self, db: sqlite3.Connection) -> None:
        """In a transaction of its own: what the event loop asked for since the last call."""
        while self._errands:
            errand, number = self._errands.popleft()
            if errand == "discard":
                self._drop_body(db, number)
            else:
                held = self._held if errand == "release" else self._held_caches
                held[number] -= 1
                if held[number] <= 0:
                    del held[number]
                    if errand == "release" and number in self._doomed:
                        self._drop_body(db, number)
                    elif errand == "forget" and number in self._nameless:
                        self._drop_cache(db, number)

    # -- removal -----------------------------------------------------------------------------------------------------

    def _drop_cache(self, db: sqlite3.Connection, cache: int) -> None:
        self._nameless.discard(cache)
        for id_, body in db.execute("SELECT id, body FROM entry WHERE cache = ?", (cache,)).fetchall():
            self._drop_entry(db, id_, body)

    def _drop_entry(self, db: sqlite3.Connection, id_: int, body: int | None) -> None:
        db.execute("DELETE FROM entry WHERE id = ?", (id_,))
        self._touched.pop(id_, None)
        if body is not None:
            if self._held[body]:
                self._doomed.add(body)
            else:
                self._drop_body(db, body)

    def _drop_body(self, db: sqlite3.Connection, body: int) -> None:
        self._doomed.discard(body)
        first = body << _CHUNK_BITS
        db.execute("DELETE FROM chunk WHERE id BETWEEN ? AND ?", (first, first + (1 << _CHUNK_BITS) - 1))
        db.execute("DELETE FROM body WHERE id = ?", (body,))

    def _room(self, db: sqlite3.Connection) -> int:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        return self.max_bytes - int(pages - free) * self._page_bytes

    def _make_room(self, db: sqlite3.Connection, size: int, now: float) -> None:
        """Inside a transaction: remove what is needed for ``size`` bytes more. Raises :class:`CacheFull`."""
        need = size + size // 64 + 4 * self._page_bytes
        if self._room(db) >= need:
            return
        if need > self.max_bytes:
            raise CacheFull
        self._write_touches(db)
        for order in ("WHERE expires <= ? ORDER BY expires", "WHERE ? IS NOT NULL ORDER BY used, id"):
            while rows := db.execute(f"SELECT id, body FROM entry {order} LIMIT 16", (now,)).fetchall():
                for id_, body in rows:
                    self._drop_entry(db, id_, body)
                    if self._room(db) >= need:
                        return
        for body in list(self._doomed):
            self._drop_body(db, body)
        if self._room(db) < need:
            raise CacheFull

    def _write_touches(self, db: sqlite3.Connection) -> None:
        db.executemany("UPDATE entry SET used = ? WHERE id = ?", [(at, id_) for id_, at in self._touched.items()])
        self._touched.clear()

    def _heed_clock(self, db: sqlite3.Connection, now: float) -> None:
        """The clock was set back, if anything was used later than it says."""
        latest = now + _AHEAD_S
        if db.execute("SELECT 1 FROM entry WHERE used > ? LIMIT 1", (latest,)).fetchone() is None:
            return
        self._touched = {id_: min(at, now) for id_, at in self._touched.items()}
        with _transaction(db):
            expired = "UPDATE entry SET expires = ? WHERE used > ? AND stored > ? AND expires > ?"
            db.execute(expired, (now, latest, latest, now))
            db.execute("UPDATE entry SET used = ? WHERE used > ?", (now, latest))

    # -- the database ------------------------------------------------------------------------------------------------

    def _look(self, work: Callable[[sqlite3.Connection], T], now: float | None = None) -> T:
        with self._lock:
            return self._attempt(work, now, changes=False)

    def _change(self, work: Callable[[sqlite3.Connection], T], now: float | None = None) -> T:
        with self._lock:
            return self._attempt(work, now, changes=True)

    def _attempt(self, work: Callable[[sqlite3.Connection], T], now: float | None, *, changes: bool) -> T:
        for last in (False, True):
            try:
                db = self._open()
                if self._errands:
                    with _transaction(db):
                        self._run_errands(db)
                if now is not None:
                    self._heed_clock(db, now)
                if not changes:
                    return work(db)
                with _transaction(db):
                    return work(db)
            except sqlite3.Error as error:
                if (
                    not last
                    and self._path is not None
                    and _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
                ):
                    self._set_aside(error)
                    continue
                raise _translated(error) from error
            except OSError as error:
                if error.errno in _NO_ROOM:
                    raise CacheFull(_FULL) from error
                raise CacheBroken(f"its folder cannot be used: {error.strerror or error}") from error
        raise AssertionError("unreachable")

    def _open(self) -> sqlite3.Connection:
        if self._database is not None:
            return self._database
        if self._path is not None:
            if not are_free(for_caches()):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        db = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        self._database = db
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL").fetchone()
        for pragma in ("synchronous = NORMAL", "cache_size = -512", "journal_size_limit = 4194304", "mmap_size = 0"):
            db.execute(f"PRAGMA {pragma}")
        with _transaction(db):
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 1:
                # It had all but this.
                db.execute("ALTER TABLE entry ADD COLUMN stored REAL NOT NULL DEFAULT 0")
                db.execute(f"PRAGMA user_version = {_VERSION}")
            elif version != _VERSION:
                _drop_tables(db)
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                # Readers keep the numbers of bodies; a file begun anew must not use them again.
                db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('body', ?)", (time.time_ns() // 1_000_000,))
            now = time.time()
            abandoned = "SELECT id FROM body WHERE loose_since < ? OR loose_since > ?"
            for (body,) in db.execute(abandoned, (now - _ABANDONED_S, now + _ABANDONED_S)).fetchall():
                self._drop_body(db, body)
            caches = "SELECT DISTINCT cache FROM entry WHERE cache != ? AND cache NOT IN (SELECT id FROM cache)"
            for (cache,) in db.execute(caches, (DEFAULT_CACHE,)).fetchall():
                if not self._held_caches[cache]:
                    self._drop_cache(db, cache)
            tied = "SELECT body FROM entry WHERE body IS NOT NULL"
            orphans = f"SELECT id FROM body WHERE loose_since IS NULL AND id NOT IN ({tied})"
            for (body,) in db.execute(orphans).fetchall():
                if not self._held[body]:
                    self._drop_body(db, body)
        (self._page_bytes,) = db.execute("PRAGMA page_size").fetchone()

    def _set_aside(self, error: sqlite3.Error) -> None:
        """The file is damaged: keep it under another name for whoever wants to look, and begin anew."""
        assert self._path is not None
        self._disconnect()
        for name in (f"{self._path}-wal", f"{self._path}-shm"):
            with suppress(FileNotFoundError):
                os.unlink(name)
        aside = f"{self._path}.damaged"
        with suppress(FileNotFoundError):
            os.replace(self._path, aside)
        # Bodies that readers hold are gone.
        self._held.clear()
        self._doomed.clear()
        self._touched.clear()
        self._errands.clear()
        self._on_damage(f"{error}; the damaged file is now {aside}")

    def _disconnect(self) -> None:
        if self._database is not None:
            database, self._database = self._database, None
            with suppress(sqlite3.Error):
                database.close()

    def close(self) -> None:
        with self._lock:
            if self._database is None:
                return
            with suppress(sqlite3.Error), _transaction(self._database):
                self._run_errands(self._database)
                self._write_touches(self._database)
            if self._path is not None:
                self._disconnect()

    def __del__(self) -> None:
        # A database in memory goes with the last who has it: closed, for Python 3.13 warns of those that are dropped.
        self._disconnect()


def _cache_number(db: sqlite3.Connection, name: str) -> int | None:
    row = db.execute("SELECT id FROM cache WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def _drop_tables(db: sqlite3.Connection) -> None:
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        db.execute(f'DROP TABLE "{name}"')


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _code(error: sqlite3.Error) -> int:
    """The primary result code."""
    code: Any = getattr(error, "sqlite_errorcode", None)
    return sqlite3.SQLITE_ERROR if code is None else int(code) & 0xFF


def _translated(error: sqlite3.Error) -> Exception:
    code = _code(error)
    # The second is what opening a database that is there meets: the file beside it has no room for what readers share.
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return CacheFull(_FULL)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CacheBroken(f"its database was locked for {_BUSY_S:g} s")
    return CacheBroken(str(error))
