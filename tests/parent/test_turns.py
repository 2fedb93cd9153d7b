"""One at a time, in the order of asking."""

from __future__ import annotations

from nano_trio.parent.turns import Turns


def test_one_at_a_time_and_the_dead_stand_in_nobody_s_way() -> None:
    turns, begun = Turns(), list[str]()
    for number, who in enumerate("abcad"):
        turns.ask(who, number, lambda who=who, number=number: begun.append(f"{who}{number}"))
    assert (begun, turns.holder) == (["a0"], "a")
    turns.end("a", 3)  # no longer wanted
    turns.end("b", 0)  # not b's
    assert begun == ["a0"]
    turns.end("a", 0)
    assert begun == ["a0", "b1"]
    turns.leave("c")
    assert begun == ["a0", "b1"]
    turns.leave("b")
    assert (begun, turns.holder) == (["a0", "b1", "d4"], "d")
    turns.end("d", 4)
    assert turns.holder is None
    turns.ask("a", 5, lambda: begun.append("again"))
    assert begun[-1] == "again"
