"""The clock, as far as an app can add up what it read."""

from __future__ import annotations

import itertools
import random

from .harness import Bench


def test_a_measure_ends_at_the_very_time_when_it_was_taken(bench: Bench) -> None:
    """Also one whose start no clock has read. Of steps of 5 microseconds some sums were a last bit off."""
    chance = random.Random(0)
    bench.run("performance.mark('a', { startTime: 123 }); performance.mark('b')")
    for _ in range(200):
        bench.pass_by(chance.random() / 100)
        assert bench.run("""
            return ["a", "b", undefined].map((mark) => {
              const before = performance.now(), { startTime, duration } = performance.measure("m", mark);
              return startTime + duration - before;
            });
        """) == [0, 0, 0]


def test_no_step_of_the_clock_is_shorter_than_five_microseconds(bench: Bench) -> None:
    """High Resolution Time, section 10.2. Nor longer than ten: apps measure by it."""
    read = set()
    for _ in range(300):
        bench.pass_by(1e-6)
        read.add(bench.run("return performance.now()"))
    times = sorted(read)
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert min(steps) >= 0.005
    assert max(steps) <= 0.01
