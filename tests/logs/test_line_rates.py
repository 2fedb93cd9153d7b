"""How many lines an app may log."""

from __future__ import annotations

import pytest
import structlog

from nano_trio.logs import line_rates
from nano_trio.logs.line_rates import Rates


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(line_rates, "time", clock)
    return clock


def passed(rates: Rates, count: int, **event: object) -> int:
    """How many of ``count`` lines pass."""
    number = 0
    for _ in range(count):
        try:
            rates.processor(None, "info", {"event": "x", **event})
        except structlog.DropEvent:
            continue
        number += 1
    return number


def test_an_app_may_log_so_much_and_is_told_what_was_dropped(clock: Clock) -> None:
    rates = Rates()
    rates.limit("app", 10)
    assert passed(rates, 1000, app="app", console="log") == 50  # five seconds' worth at once
    clock.now += 1
    assert passed(rates, 1000, app="app", console="log") == 10
    assert (rates.written, rates.dropped) == ({"app": 60}, {"app": 1940})
    with structlog.testing.capture_logs() as lines:
        rates.report()
        rates.report()
    assert [(line["event"], line["app"], line["dropped"]) for line in lines] == [
        ("1940 console lines dropped", "app", 1940)
    ]
    clock.now += 100
    rates.report()
    assert passed(rates, 1000, app="app", console="log") == 50


def test_what_a_removed_app_dropped_is_told_without_a_rate(clock: Clock) -> None:
    rates = Rates()
    rates.limit("app", 1)
    passed(rates, 100, app="app", console="log")
    with structlog.testing.capture_logs() as lines:
        rates.report()
        passed(rates, 10, app="app", console="log")
        rates.forget("app")
        rates.report()
    assert [line.get("lines_per_s", "none") for line in lines] == [1, "none"]


def test_a_flood_of_console_lines_does_not_hide_what_is_said_of_the_app(clock: Clock) -> None:
    rates = Rates()
    rates.limit("app", 1)
    assert passed(rates, 100, app="app", console="log") == 5
    assert passed(rates, 100, app="app") == 5
    assert passed(rates, 100, app="other", console="log") == 100  # no limit was set
    assert passed(rates, 100) == 100  # not about an app
    assert passed(rates, 100, app="app", unlimited=True) == 100


def test_a_limit_below_one_a_second(clock: Clock) -> None:
    rates = Rates()
    rates.limit("app", 0.1)
    assert passed(rates, 10, app="app") == 1
    clock.now += 9
    rates.report()
    assert passed(rates, 10, app="app") == 0
    clock.now += 1.1
    assert passed(rates, 10, app="app") == 1


def test_limits_change_and_go(clock: Clock) -> None:
    rates = Rates()
    rates.limit("app", 1)
    assert passed(rates, 10, app="app") == 5
    rates.limit("app", 0)
    assert passed(rates, 10, app="app") == 10
    rates.forget("app")
    assert rates.written == rates.dropped == {}
