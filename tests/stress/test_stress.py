"""The stress run, for some seconds. ``make stress`` runs it for five minutes."""

from __future__ import annotations

import pytest

from tests.stress.__main__ import stress
from tests.stress.life import CRASH


@pytest.mark.parametrize(("kind", "seed"), [("engine", 1), ("platform", 2)])
def test_hostile_programs_harm_nothing(kind: str, seed: int) -> None:
    seen = ("turns", "suspensions", "isolates", "cancellations", "closed_in_turn", "cpu_stops", "memory_stops")
    # On a busy machine the same programs come less far: what is to be seen is then waited for.
    for seconds in (2, 8, 32, 64):
        tally = stress(kind, seconds, seed, 20)
        assert tally["problems"] == []
        assert tally["wrong"] == 0
        if all(tally[name] for name in seen) and tally["isolates"] > 20:
            break
    for name in seen:
        assert tally[name] > 0, name
    assert tally["isolates"] > 20
    assert tally["suspensions"] > tally["turns"]


def test_a_crash_names_the_program_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CRASH, "1")
    tally = stress("engine", 2, 3, 4)
    (problem,) = tally["problems"]
    assert "signal SIGABRT, seed 3, kind engine" in problem
    assert "in: isolate" in problem
