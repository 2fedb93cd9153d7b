"""What a server does behind its start."""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from nano_trio.engine import bytecode
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.web import lifetime


async def test_what_was_not_needed_for_the_start_is_imported_once_the_server_has_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "wanted_later.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(lifetime, "_THE_REST", ("wanted_later",))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifetime._import_the_rest)
        for _ in range(20):
            began = time.thread_time()
            while time.thread_time() - began < 0.01:
                pass
            await trio.sleep(0.1)
            assert "wanted_later" not in sys.modules
    assert sys.modules.pop("wanted_later")
    assert trio.current_time() < 3


async def test_bytecode_on_disk_is_bounded_while_it_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(bytecode, "_GROWTH_BYTES", 10 * 4096)
    looks = 0
    looked = trio.Event()

    class Small(BytecodeCache):
        def prune(self, most_bytes: int = 20 * 4096) -> None:
            nonlocal looks
            looks += 1
            super().prune(most_bytes)
            trio.from_thread.run_sync(looked.set)

    async def sleeps() -> None:
        while trio.lowlevel.current_statistics().seconds_to_next_deadline > 1000:
            await trio.lowlevel.checkpoint()

    cache = Small(tmp_path)
    versions = itertools.count()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifetime._prune, cache)
        await looked.wait()
        for times in range(1, 8):
            for _ in range(9):
                cache.script(f"{next(versions)}", "a.js")
            await sleeps()
            mock_clock.jump(700)
            await trio.testing.wait_all_tasks_blocked()
            assert looks == times, "it has not written so much that there is anything to look at"
            cache.script(f"{next(versions)}", "a.js")
            looked = trio.Event()
            await sleeps()
            mock_clock.jump(700)
            await looked.wait()
            assert len(os.listdir(tmp_path)) <= 20
        nursery.cancel_scope.cancel()
