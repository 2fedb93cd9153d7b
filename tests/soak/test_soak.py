"""The soak, for some seconds. ``make soak`` runs it for ten minutes."""

from __future__ import annotations

from pathlib import Path

from tests.soak.checks import trend
from tests.soak.run import soak


def test_nothing_of_it_is_noticed(tmp_path: Path) -> None:
    result = soak(14, 6, tmp_path)
    assert result.problems == []
    assert result.kills == 6
    assert result.totals["audits"] == 2
    for kind in ("kept", "fresh", "http2", "websockets", "messages", "broadcasts", "edited", "hostile", "vanished"):
        assert result.totals[kind] > 10, kind
    assert result.trends.keys() == {"worker MB", "worker files", "parent MB", "parent files"}


def test_a_line_that_climbs_is_told_from_noise() -> None:
    times = [float(at) for at in range(100)]
    flat = trend(times, [100 + (at * 7919 % 13) for at in range(100)])
    assert not flat.grows(0.02, 1)
    leak = trend(times, [100 + at * 0.2 + (at * 7919 % 13) for at in range(100)])
    assert leak.grows(0.1, 8)
    assert not leak.grows(0.3, 8)
