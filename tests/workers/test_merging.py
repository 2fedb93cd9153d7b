"""What several workers count, added up."""

from __future__ import annotations

from typing import Any

import attrs

from nano_trio.actors.counts import Snapshot
from nano_trio.web.merging import Figures, Ledger, merge_figures

_KINDS: dict[str, Any] = {
    "str": "",
    "int": 0,
    "float": 0.0,
    "tuple[int, ...]": (0,),
    "dict[str, int]": {},
    "str | None": None,
}


def figures(process: int, cpu_s: float, **counts: int) -> Figures:
    """A worker's, whose one app has computed so long."""
    nothing = {field.name: _KINDS[str(field.type)] for field in attrs.fields(Snapshot)}
    app = Snapshot(**{**nothing, "app": "one", "state": "awake", "starts": 1, "cpu_s": cpu_s, **counts})
    return Figures(process, {"one": app}, [])


def test_a_sum_does_not_fall_where_its_order_changes() -> None:
    ledger = Ledger()

    def cpu_s(*workers: Figures) -> float:
        every = dict(enumerate(workers))
        ledger.take(every)
        return merge_figures(every, ledger.missing(every)).apps["one"].cpu_s

    assert 0.1 + 0.2 + 0.3 > 0.0 + 0.2 + 0.3 + 0.1
    assert cpu_s(figures(10, 0.1), figures(11, 0.2), figures(12, 0.3)) == 0.6
    assert cpu_s(figures(13, 0.0), figures(11, 0.2), figures(12, 0.3)) == 0.6


def test_what_was_in_flight_in_a_worker_that_ended_was_abandoned() -> None:
    """Begun = answered + abandoned + in flight: also then, and by what the replacement of the one that asks remembers."""

    def counts(ledger: Ledger, *workers: Figures) -> tuple[int, int, int]:
        every = dict(enumerate(workers))
        ledger.take(every)
        found = merge_figures(every, ledger.missing(every)).apps["one"]
        return found.requests, found.abandoned, found.in_flight

    ledger, successor = Ledger(), Ledger()
    living = figures(10, 0.0, requests=5, abandoned=1, in_flight=0)
    assert counts(ledger, living, figures(11, 0.0, requests=7, abandoned=0, in_flight=2)) == (12, 1, 2)
    assert counts(ledger, living) == (12, 1, 2)  # it may merely not have answered
    successor.inherit(ledger.document())
    for each in (ledger, successor):
        assert counts(each, living, figures(12, 0.0, requests=1, abandoned=0, in_flight=1)) == (13, 3, 1)
        assert counts(each, living, figures(12, 0.0, requests=1, abandoned=0, in_flight=0)) == (13, 3, 0)
