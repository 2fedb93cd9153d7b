"""Ten thousand configured apps cost what those cost that are awake."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpcore
import trio

from nano_trio.config import from_document
from nano_trio.web.hosting import Hosting
from nano_trio.web.startup import host

APPS = 10_000


@asynccontextmanager
async def hosting(folder: Path) -> AsyncIterator[Hosting]:
    (folder / "app.js").write_text("export default (request) => new Response(new URL(request.url).hostname);")
    apps = [{"name": f"app-{number}", "path": str(folder / "app.js")} for number in range(APPS)]
    config = from_document({"port": 0, "state_dir": str(folder / "state"), "apps": apps}, environ={})
    async with trio.open_nursery() as nursery:
        yield await nursery.start(host, config)
        nursery.cancel_scope.cancel()


async def test_those_that_sleep_cost_next_to_nothing(tmp_path: Path) -> None:
    files, tasks = len(os.listdir("/proc/self/fd")), trio.lowlevel.current_statistics().tasks_living
    tracemalloc.start()
    try:
        async with hosting(tmp_path) as running, httpcore.AsyncConnectionPool() as pool:
            taken, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            # Their configuration, their place in the routes, their counts.
            assert taken / APPS < 8_000
            assert len(os.listdir("/proc/self/fd")) - files < 20
            assert trio.lowlevel.current_statistics().tasks_living - tasks < 40
            for number in (0, 5_000, APPS - 1):
                response = await pool.request("GET", running.urls[0], headers={"Host": f"app-{number}"})
                assert response.content == f"app-{number}".encode()
            awake = {app.name for app in running.registry.stirring}
            assert awake == {"app-0", "app-5000", f"app-{APPS - 1}"}
            text = (await running.metrics.exposition()).decode()
            assert {line.split('"')[1] for line in text.splitlines() if '{app="' in line} == awake
    finally:
        tracemalloc.stop()
