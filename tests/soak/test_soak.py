"""The soak, for some seconds. ``make soak`` runs it for ten minutes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.soak.chaos import Chaos
from tests.soak.checks import trend
from tests.soak.run import soak

_SECONDS = 12


def test_nothing_of_it_is_noticed(tmp_path: Path) -> None:
    options = [f"--minutes={_SECONDS / 60}", "--seed=6", f"--folder={tmp_path}", "--json"]
    done = subprocess.run([sys.executable, "-m", "tests.soak", *options], capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert result["problems"] == []
    assert done.returncode == 0
    assert result["exit_code"] == 0
    assert result["kills"] == 6
    totals = result["totals"]
    assert totals["audits"] == 2
    for kind in ("kept", "fresh", "http2", "websockets", "messages", "broadcasts", "edited", "hostile", "vanished"):
        assert totals[kind] > 10, kind


def test_whoever_ends_the_server_is_told_of_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients see much then: connections that drain in the middle of a response, 503, and nobody who listens."""

    async def end(self: Chaos, *_: object) -> None:
        self._site.process.send_signal(signal.SIGTERM)
        await trio.sleep_forever()

    monkeypatch.setattr(Chaos, "do", end)
    assert "SIGTERM" in soak(_SECONDS, 6, tmp_path).problems[0]


def test_a_line_that_climbs_is_told_from_noise() -> None:
    times = [float(at) for at in range(100)]
    flat = trend(times, [100 + (at * 7919 % 13) for at in range(100)])
    assert not flat.grows(0.02, 1)
    leak = trend(times, [100 + at * 0.2 + (at * 7919 % 13) for at in range(100)])
    assert leak.grows(0.1, 8)
    assert not leak.grows(0.3, 8)
