"""The store: it behaves like a list of responses, keeps its limit, survives damage, locks and full disks."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime import cache_sqlite
from nano_trio.runtime.cache import cache_file
from nano_trio.runtime.cache_sqlite import SqliteStore
from nano_trio.runtime.cache_store import (
    CHUNK,
    DEFAULT_CACHE,
    BodyGone,
    CacheBroken,
    CacheFull,
    DuplicateEntry,
    NewEntry,
    Query,
)

MB = 1 << 20
NOW = 1000.0


def entry(url: str, data: bytes | None = b"", *, body: int | None = None, **more: object) -> NewEntry:
    """An entry with that URL and body; ``more``: request_headers, vary, expires."""
    fields = {"request_headers": {}, "vary": {}, "expires": None, **more}
    tail = data or b""
    if body is not None:
        tail = b""
    return NewEntry(url, url, "200\n\n\n0\n", size=None if data is None else len(data), tail=tail, body=body, **fields)  # type: ignore[arg-type]


def urls(store: SqliteStore, cache: int = DEFAULT_CACHE, now: float = NOW) -> list[str]:
    return [found.request for found in store.find([cache], None, now, first=False, heads=True)]


def get(store: SqliteStore, url: str, now: float = NOW) -> bytes | None:
    found = store.find([DEFAULT_CACHE], Query(url), now, first=True, heads=False)
    if not found:
        return None
    (hit,) = found
    if hit.body is None:
        return hit.data
    assert hit.size is not None
    data = store.read(hit.body, 0, -(-hit.size // CHUNK))
    store.release(hit.body)
    return data


def put_large(store: SqliteStore, url: str, data: bytes, now: float = NOW) -> None:
    """As an upload does it: whole chunks first, then the entry with the rest."""
    whole = len(data) // CHUNK
    body = store.append(None, 0, [data[i * CHUNK : (i + 1) * CHUNK] for i in range(whole)], now)
    tail = data[whole * CHUNK :]
    store.put(DEFAULT_CACHE, [NewEntry(url, url, "200\n\n\n0\n", {}, {}, None, len(data), tail, body)], now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cache" / "app.sqlite3"


@pytest.fixture
def store(path: Path) -> SqliteStore:
    return SqliteStore(path, 4 * MB)


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "find", "reopen"]),
        st.sampled_from(["https://e/", "https://e/?a", "https://f/?a"]),
        st.sampled_from([None, "en", "de"]),
        st.booleans(),
        st.booleans(),
        st.binary(max_size=3) | st.none(),
    ),
    max_size=30,
)


@given(operations=OPERATIONS, in_memory=st.booleans())
def test_it_behaves_like_a_list(tmp_path_factory: pytest.TempPathFactory, operations: list, in_memory: bool) -> None:  # type: ignore[type-arg]
    path = None if in_memory else tmp_path_factory.mktemp("model") / "x.sqlite3"
    store = SqliteStore(path, MB)
    model: list[tuple[str, dict[str, str | None], bytes | None]] = []
    for operation, url, language, flag, other_flag, data in operations:
        headers = {} if language is None else {"accept-language": language}
        if operation == "put":
            vary = {"accept-language": language} if flag else {}
            query = Query(url, headers)
            model = [item for item in model if not query.matches(item[0], item[1])]
            model.append((url, vary, data))
            store.put(DEFAULT_CACHE, [entry(url, data, request_headers=headers, vary=vary)], NOW)
        elif operation == "reopen":
            store.close()
        else:
            query = Query(url, headers, ignore_search=flag, ignore_vary=other_flag)
            expected = [item for item in model if query.matches(item[0], item[1])]
            if operation == "remove":
                assert store.remove(DEFAULT_CACHE, query, NOW) == bool(expected)
                model = [item for item in model if item not in expected]
            else:
                found = store.find([DEFAULT_CACHE], query, NOW, first=False, heads=False)
                assert [(hit.request, hit.data) for hit in found] == [(item[0], item[2]) for item in expected]
    assert urls(store) == [item[0] for item in model]


def test_what_is_stored_outlives_the_process(path: Path, store: SqliteStore) -> None:
    number = store.open_cache('"v1"')
    store.put(number, [entry("https://e/1", b"one")], NOW)
    put_large(store, "https://e/2", bytes(range(256)) * 2500)
    store.close()
    again = SqliteStore(path, 4 * MB)
    assert again.names() == ['"v1"']
    assert again.open_cache('"v1"') == number
    assert urls(again, number) == ["https://e/1"]
    assert get(again, "https://e/2") == bytes(range(256)) * 2500
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_least_recently_used_goes_first(store: SqliteStore) -> None:
    for number in range(4):
        put_large(store, f"https://e/{number}", bytes([number]) * 900_000, NOW + number)
    assert get(store, "https://e/0", NOW + 10) is not None
    put_large(store, "https://e/new", b"n" * 900_000, NOW + 11)
    assert urls(store) == ["https://e/0", "https://e/2", "https://e/3", "https://e/new"]


def test_expired_goes_before_what_was_used_least_recently(store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/stays", b"x" * 200_000)], NOW)
    for number in range(15):
        store.put(DEFAULT_CACHE, [entry(f"https://e/{number}", b"x" * 240_000, expires=NOW + 5)], NOW + 1)
    assert get(store, "https://e/3", NOW + 5) is None
    put_large(store, "https://e/new", b"n" * 900_000, NOW + 6)
    assert urls(store, now=NOW + 6) == ["https://e/stays", "https://e/new"]


def test_what_was_stored_before_the_clock_was_set_back_is_not_fresh_for_longer(store: SqliteStore) -> None:
    day = 86_400.0
    store.put(DEFAULT_CACHE, [entry("https://e/before", b"0", expires=NOW + 3 * day)], NOW)
    store.put(DEFAULT_CACHE, [entry("https://e/ever", b"1")], NOW + day)
    store.put(DEFAULT_CACHE, [entry("https://e/ahead", b"2", expires=NOW + day + 60)], NOW + day)
    assert [get(store, f"https://e/{name}", NOW + day) for name in ("before", "ahead")] == [b"0", b"2"]
    back = NOW + 100
    assert get(store, "https://e/ahead", back) is None
    assert get(store, "https://e/before", back) == b"0"
    assert urls(store, now=back) == ["https://e/before", "https://e/ever"]
    # Nor again when the clock has come to where it was.
    assert get(store, "https://e/ahead", NOW + day + 1) is None
    # A step of moments, as between threads and processes, is none.
    store.put(DEFAULT_CACHE, [entry("https://e/now", b"3", expires=NOW + 2 * day)], NOW + day + 10)
    assert get(store, "https://e/now", NOW + day) == b"3"


def test_what_was_used_before_the_clock_was_set_back_makes_room_first(store: SqliteStore) -> None:
    for number in range(4):
        put_large(store, f"https://e/{number}", b"x" * 900_000, NOW + 1e6 + number)
    assert get(store, "https://e/0", NOW + 1e6 + 10) is not None
    for number in range(4, 7):
        put_large(store, f"https://e/{number}", b"x" * 900_000, NOW + number)
    assert urls(store, now=NOW + 10) == [f"https://e/{number}" for number in (3, 4, 5, 6)]


def test_caches_keep_their_order_though_the_clock_was_set_back(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.open_cache("first")
    store.close()
    monkeypatch.setattr(cache_sqlite.time, "time_ns", lambda: 10**12)
    again = SqliteStore(store._path, MB)
    again.open_cache("second")
    assert again.names() == ["first", "second"]
    again.close()


def test_a_file_of_the_version_before_is_taken_over(path: Path, store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/", b"x", expires=NOW + 9)], NOW)
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE entry DROP COLUMN stored")
        db.execute("PRAGMA user_version = 1")
    db.close()
    assert get(store, "https://e/", NOW) == b"x"
    store.put(DEFAULT_CACHE, [entry("https://e/2", b"y")], NOW)
    assert urls(store) == ["https://e/", "https://e/2"]


def test_the_limit_holds(path: Path, store: SqliteStore) -> None:
    for number in range(60):
        store.put(DEFAULT_CACHE, [entry(f"https://e/{number}", b"x" * (50_000 + number * 1000))], NOW + number)
        put_large(store, "https://e/large", b"y" * (1_500_000 + number), NOW + number)
    store.close()
    assert path.stat().st_size <= 4 * MB
    assert urls(store)[-1] == "https://e/large"


def test_small_entries_make_room_for_themselves(path: Path, store: SqliteStore) -> None:
    for number in range(150):
        store.put(DEFAULT_CACHE, [entry(f"https://e/{number}", b"x" * 50_000)], NOW + number)
    left = urls(store)
    assert left == [f"https://e/{number}" for number in range(150 - len(left), 150)]
    assert len(left) > 60
    store.close()
    assert path.stat().st_size <= 4 * MB


def test_what_can_never_fit_is_refused_and_removes_nothing(store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/", b"x")], NOW)
    with pytest.raises(CacheFull):
        store.append(None, 0, [bytes(CHUNK)] * 17, NOW)
    assert urls(store) == ["https://e/"]


def test_loose_bodies_are_tied_once_discarded_or_swept(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def chunks() -> int:
        return int(store._open().execute("SELECT count(*) FROM chunk").fetchone()[0])

    body = store.append(None, 0, [bytes(CHUNK)], NOW)
    assert store.append(body, 1, [bytes(CHUNK)], NOW) == body
    store.discard(body)
    with pytest.raises(BodyGone):
        store.put(DEFAULT_CACHE, [entry("https://e/", bytes(2 * CHUNK), body=body)], NOW)
    with pytest.raises(BodyGone):
        store.append(body, 2, [bytes(CHUNK)], NOW)
    body = store.append(None, 0, [bytes(CHUNK)], NOW)
    store.close()
    monkeypatch.setattr(cache_sqlite.time, "time", lambda: NOW + 3599)
    assert chunks() == 1
    store.close()
    monkeypatch.setattr(cache_sqlite.time, "time", lambda: NOW + 3601)
    assert chunks() == 0


def test_held_bodies_stay_until_they_are_released(store: SqliteStore) -> None:
    def chunks() -> int:
        store.names()
        return int(store._open().execute("SELECT count(*) FROM chunk").fetchone()[0])

    put_large(store, "https://e/", b"a" * 600_000)
    (hit,) = store.find([DEFAULT_CACHE], Query("https://e/"), NOW, first=True, heads=False)
    assert hit.body is not None
    assert store.remove(DEFAULT_CACHE, Query("https://e/"), NOW)
    assert store.read(hit.body, 2, 1) == b"a" * (600_000 - 2 * CHUNK)
    assert chunks() == 3
    store.release(hit.body)
    assert chunks() == 0
    with pytest.raises(BodyGone):
        store.read(hit.body, 0, 1)


def test_where_no_other_room_can_be_found_held_bodies_go_last(store: SqliteStore) -> None:
    put_large(store, "https://e/", b"a" * 2_000_000)
    (hit,) = store.find([DEFAULT_CACHE], Query("https://e/"), NOW, first=True, heads=False)
    assert hit.body is not None
    put_large(store, "https://e/2", b"b" * 3_000_000)
    with pytest.raises(BodyGone):
        store.read(hit.body, 0, 1)
    assert get(store, "https://e/2") == b"b" * 3_000_000


def test_several_are_put_all_or_none(store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/1", b"old")], NOW)
    with pytest.raises(DuplicateEntry):
        store.put(DEFAULT_CACHE, [entry("https://e/1", b"new"), entry("https://e/2"), entry("https://e/2")], NOW)
    assert urls(store) == ["https://e/1"]
    assert get(store, "https://e/1") == b"old"
    store.put(DEFAULT_CACHE, [entry("https://e/1", b"new"), entry("https://e/2", None)], NOW)
    assert urls(store) == ["https://e/1", "https://e/2"]


def test_deleted_caches(store: SqliteStore) -> None:
    held = store.open_cache('"a"')
    store.put(held, [entry("https://e/", b"x")], NOW)
    assert store.delete_cache('"a"')
    assert not store.delete_cache('"a"')
    assert store.find_cache('"a"') is None
    assert urls(store, held) == ["https://e/"]
    assert store.open_cache('"a"') != held
    store.forget(held)
    store.names()
    assert urls(store, held) == []
    assert store.find([], None, NOW, first=False, heads=True) == []


@pytest.mark.parametrize("damage", ["head", "middle", "nonsense", "truncated"])
def test_a_damaged_file_is_set_aside_and_begun_anew(path: Path, damage: str) -> None:
    store = SqliteStore(path, 16 * MB)
    for number in range(40):
        store.put(DEFAULT_CACHE, [entry(f"https://e/{number}", b"x" * 100_000)], NOW)
    store.close()
    content = bytearray(path.read_bytes())
    if damage == "head":
        content[:100] = b"\xff" * 100
    elif damage == "middle":
        content[4096:] = b"\xff" * (len(content) - 4096)
    elif damage == "nonsense":
        content = bytearray(b"this is no database at all")
    else:
        del content[5000:]
    path.write_bytes(content)
    told: list[str] = []
    again = SqliteStore(path, 16 * MB, on_damage=told.append)
    assert urls(again) == []
    again.put(DEFAULT_CACHE, [entry("https://e/", b"new")], NOW)
    assert get(again, "https://e/") == b"new"
    assert len(told) == 1
    assert path.with_name("app.sqlite3.damaged").read_bytes() == content


def test_a_file_of_another_version_is_begun_anew(path: Path, store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/", b"x")], NOW)
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert urls(store) == []


def test_a_lock_that_stays_is_an_error_and_one_that_goes_is_waited_for(
    path: Path, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_sqlite, "_BUSY_S", 0.2)
    store.put(DEFAULT_CACHE, [entry("https://e/1")], NOW)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(CacheBroken, match="locked"):
        store.put(DEFAULT_CACHE, [entry("https://e/2")], NOW)
    assert urls(store) == ["https://e/1"], "reading needs no lock"
    timer = threading.Timer(0.05, other.execute, ["ROLLBACK"])
    timer.start()
    store.put(DEFAULT_CACHE, [entry("https://e/2")], NOW)
    timer.join()
    other.close()
    assert urls(store) == ["https://e/1", "https://e/2"]


def test_a_full_disk_is_an_error_and_what_was_there_stays(store: SqliteStore) -> None:
    store.put(DEFAULT_CACHE, [entry("https://e/", b"x")], NOW)
    pages = store._open().execute("PRAGMA page_count").fetchone()[0]
    store._open().execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(CacheFull, match="disk"):
        put_large(store, "https://e/2", b"y" * 1_000_000)
    assert get(store, "https://e/") == b"x"
    store._open().execute("PRAGMA max_page_count = 1000000")
    put_large(store, "https://e/2", b"y" * 1_000_000)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = SqliteStore(tmp_path / "file" / "cache" / "x.sqlite3", MB)
    with pytest.raises(CacheBroken, match="folder"):
        store.names()
    (tmp_path / "file").unlink()
    assert store.names() == []


def test_two_processes_share_a_file(path: Path, store: SqliteStore) -> None:
    other = SqliteStore(path, 4 * MB)
    store.put(DEFAULT_CACHE, [entry("https://e/1")], NOW)
    other.put(DEFAULT_CACHE, [entry("https://e/2")], NOW)
    assert urls(store) == urls(other) == ["https://e/1", "https://e/2"]


def test_names_of_files(tmp_path: Path) -> None:
    names = ["app", "App.v1_x-y", "..", ".hidden", "a/b", "a\\b", "ä", "x" * 253, "x" * 252 + "y", "a%2Fb"]
    files = [cache_file(tmp_path, name) for name in names]
    assert len({str(file).lower() for file in files}) == len(names)
    assert all(file.parent == tmp_path / "cache" and len(file.name) < 240 for file in files)
    assert files[0].name == "app.sqlite3"


def test_no_descriptor_is_left_open(store: SqliteStore) -> None:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        folder = Path("/dev/fd")
    before = len(list(folder.iterdir()))
    for _ in range(50):
        store.put(DEFAULT_CACHE, [entry("https://e/")], NOW)
        store.close()
    assert len(list(folder.iterdir())) <= before
