"""Caches of apps on a real server: what is kept, who sees it, and that a slow disk delays nobody else."""

from __future__ import annotations

import resource
import sqlite3
import threading
from pathlib import Path

import pytest
import trio

from nano_trio.runtime import cache_sqlite
from nano_trio.runtime.cache_sqlite import SqliteStore

from .conftest import NEIGHBOUR, SiteMaker, unnoticed

APP = """
export default { async fetch(request, env, ctx) {
  const url = new URL(request.url), cache = url.searchParams.has("named") ? await caches.open("named") : caches.default;
  const key = "https://e/" + url.pathname;
  try {
    if (request.method === "PUT") {
      const size = url.searchParams.get("size"), body = size ? new Blob([new Uint8Array(+size)]).stream() : request.body;
      await cache.put(key, new Response(body, { headers: request.headers }));
      return new Response("stored");
    }
    if (request.method === "DELETE") return new Response(String(await cache.delete(key)));
    return await cache.match(new Request(key, { headers: request.headers })) ?? new Response("none", { status: 404 });
  } catch (error) {
    return new Response(`${error.name}: ${error.message}`, { status: 500 });
  }
} };
"""


async def test_apps_keep_their_own_responses_across_restarts(serve: SiteMaker, tmp_path: Path) -> None:
    apps = {"a": APP, "A.b-c": {"source": APP, "hostname": "b"}}
    large = bytes(range(256)) * 8000
    async with serve(apps) as site:
        assert (await site.get("a", "/x", method="PUT", body=b"of a")).text == "stored"
        assert (await site.get("b", "/x", method="PUT", body=b"of b")).text == "stored"
        assert (await site.get("a", "/large?named", method="PUT", body=large)).text == "stored"
        assert (await site.get("a", "/x")).text == "of a"
        assert (await site.get("b", "/x")).text == "of b"
        assert (await site.get("b", "/large?named")).status == 404
    async with serve(apps) as site:
        assert (await site.get("a", "/x")).text == "of a"
        assert (await site.get("a", "/large?named")).body == large
        part = await site.get("a", "/large?named", headers={"Range": "bytes=1000000-1000009"})
        assert (part.status, part.body) == (206, large[1000000:1000010])
        assert (await site.get("b", "/x", method="DELETE")).text == "true"
        assert (await site.get("b", "/x")).status == 404
    files = {file.name for file in (tmp_path / "state" / "cache").iterdir()}
    assert {"a.sqlite3", "A.b-c.sqlite3"} <= files


async def test_a_body_that_does_not_fit_is_refused_with_an_error(serve: SiteMaker) -> None:
    async with serve({"a": {"source": APP, "cache_max_mb": 1}}) as site:
        assert (await site.get("a", "/small", method="PUT", body=b"x" * 100_000)).text == "stored"
        answer = await site.get("a", "/big?size=3000000", method="PUT")
        assert answer.status == 500
        assert answer.text.startswith(
            "QuotaExceededError: the cache is full: the response does not fit into cache_max_mb"
        )
        assert (await site.get("a", "/small", method="PUT", body=b"again")).text == "stored"
        assert (await site.get("a", "/small")).text == "again"


async def test_a_slow_disk_delays_its_own_app_alone(
    serve: SiteMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_sqlite, "_BUSY_S", 60.0)  # nobody gives up before the disk is quick again
    async with serve({"a": APP, "other": APP, "neighbour": NEIGHBOUR}) as site:
        await site.get("a", "/x", method="PUT", body=b"1")
        lock = sqlite3.connect(tmp_path / "state" / "cache" / "a.sqlite3", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        async with unnoticed(site), trio.open_nursery() as nursery:
            answers: list[str] = []

            async def put(number: int) -> None:
                answers.append((await site.get("a", f"/{number}", method="PUT", body=b"2")).text)

            for number in range(20):
                nursery.start_soon(put, number)
            await site.begun("a", 20)
            for number in range(20):
                assert (await site.get("other", f"/{number}", method="PUT", body=b"2")).text == "stored"
            assert answers == []
            lock.execute("ROLLBACK")
            lock.close()
        assert answers == ["stored"] * 20


def open_files() -> int:
    return sum("a.sqlite3" in str(link.resolve()) for link in Path("/proc/self/fd").iterdir() if link.exists())


async def nothing_open() -> None:
    with trio.fail_after(10):
        while open_files() > 0:  # noqa: ASYNC110
            await trio.sleep(0.02)


async def test_an_app_that_ends_leaves_nothing_open(serve: SiteMaker) -> None:
    async with serve({"a": {"source": APP, "idle_timeout_s": 0.01}}) as site:
        await site.get("a", "/x", method="PUT", body=b"x" * 600_000)
        held = await site.get("a", "/x")
        assert len(held.body) == 600_000
        assert open_files() > 0
        await nothing_open()
        assert site.app("a").state.value == "asleep"
        assert (await site.get("a", "/x")).body == held.body


async def test_a_version_that_uses_caches_and_does_not_load_keeps_nothing_open(
    serve: SiteMaker, tmp_path: Path
) -> None:
    broken = "caches.default.match('https://e/x'); throw new Error('broken');"
    async with serve({"a": {"source": broken, "idle_timeout_s": 0.01}}) as site:
        assert (await site.get("a", "/x")).status == 503
        (tmp_path / "a" / "index.js").write_text(APP)
        await site.hosting.restart_app("a")
        await site.get("a", "/x", method="PUT", body=b"x" * 600_000)
        assert open_files() > 0
        await nothing_open()


async def test_files_that_are_opened_when_the_isolate_has_ended_are_closed(
    serve: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was slow: the thread goes on when nobody waits any more."""
    begun, closed, go_on, over = (threading.Event() for _ in range(4))
    open_cache, close = SqliteStore.open_cache, SqliteStore.close

    def slow_open_cache(store: SqliteStore, name: str) -> int:
        begun.set()
        go_on.wait(10)
        number = open_cache(store, name)
        assert open_files() > 0
        over.set()
        return number

    def close_and_tell(store: SqliteStore) -> None:
        close(store)
        closed.set()

    monkeypatch.setattr(SqliteStore, "open_cache", slow_open_cache)
    monkeypatch.setattr(SqliteStore, "close", close_and_tell)
    async with serve({"a": APP}) as site:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(site.get, "a", "/x?named")
            assert await trio.to_thread.run_sync(begun.wait, 10)
            nursery.cancel_scope.cancel()
        await site.hosting.remove_app("a")
        assert await trio.to_thread.run_sync(closed.wait, 10)
        go_on.set()
        assert await trio.to_thread.run_sync(over.wait, 10)
        await nothing_open()


async def test_damage_is_logged_and_the_app_goes_on(serve: SiteMaker, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "cache"
    folder.mkdir(parents=True)
    (folder / "a.sqlite3").write_bytes(b"garbage" * 1000)
    async with serve({"a": APP}) as site:
        assert (await site.get("a", "/x")).status == 404
        assert (await site.get("a", "/x", method="PUT", body=b"1")).text == "stored"
        assert (await site.get("a", "/x")).text == "1"
        assert "the cache was damaged and is begun anew" in site.logged("a")


async def test_a_state_directory_that_cannot_be_used_is_an_error_of_the_app(serve: SiteMaker, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    async with serve({"a": APP}) as site:
        answer = await site.get("a", "/x")
        assert answer.text.startswith("UnknownError: the cache failed: its folder cannot be used")
        assert "the cache failed" in site.logged("a")


async def test_a_lookup_that_finds_no_room_on_the_disk_finds_nothing(serve: SiteMaker) -> None:
    async with serve({"a": APP}) as site:
        assert (await site.get("a", "/x", method="PUT", body=b"kept")).text == "stored"
    async with serve({"a": APP}) as site:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
        try:
            answers = [await site.get("a", "/x") for _ in range(2)]
            refused = await site.get("a", "/y", method="PUT", body=b"new")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        assert [answer.status for answer in answers] == [404, 404]
        assert refused.text == "QuotaExceededError: the cache is full: the disk is full"
        assert site.logged("a").count("caches.match finds nothing") == 1
        assert (await site.get("a", "/x")).text == "kept"
