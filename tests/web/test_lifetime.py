"""What a server does behind its start."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
import trio
import trio.testing

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
