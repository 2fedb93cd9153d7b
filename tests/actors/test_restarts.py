"""Restart intensity as a pure state machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nano_trio.actors.restarts import RestartIntensity


def test_up_to_the_limit_restarts_are_immediate() -> None:
    restarts = RestartIntensity(3, 60)
    assert [restarts.crashed(now) for now in (0, 1, 2)] == [True, True, True]
    assert restarts.retry_in(2) == 0


def test_one_more_pauses_and_pauses_double_up_to_a_minute() -> None:
    restarts = RestartIntensity(1, 60, lambda: 0)
    now, pauses = 0.0, []
    assert restarts.crashed(now)
    for _ in range(9):
        assert not restarts.crashed(now)
        pauses.append(restarts.retry_in(now))
        now += pauses[-1]
        assert restarts.retry_in(now) == 0
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_crashes_far_apart_never_fail() -> None:
    restarts = RestartIntensity(2, 10)
    assert all(restarts.crashed(now) for now in range(0, 600, 6))


def test_a_quiet_window_forgets_everything() -> None:
    restarts = RestartIntensity(0, 10, lambda: 0)
    assert not restarts.crashed(0)
    assert not restarts.crashed(1)
    assert restarts.retry_in(1) == 2
    assert not restarts.crashed(20)
    assert restarts.retry_in(20) == 1


@given(st.integers(0, 5), st.floats(1, 100), st.lists(st.floats(0, 30), max_size=60))
def test_within_any_window_at_most_max_restarts_are_immediate(limit: int, window: float, gaps: list[float]) -> None:
    restarts = RestartIntensity(limit, window)
    now, immediate = 0.0, []
    for gap in gaps:
        now += gap + restarts.retry_in(now)
        if restarts.crashed(now):
            immediate.append(now)
            assert restarts.retry_in(now) == 0
        else:
            assert 0 < restarts.retry_in(now) <= 60
    for start in immediate:
        assert sum(start <= other < start + window for other in immediate) <= limit + 1
