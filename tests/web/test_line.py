"""Who is served next, where a pass has time for some."""

from __future__ import annotations

from nano_trio.web.line import Line


class Clients:
    """Connections of which some are of prompt apps."""

    def __init__(self, prompt: set[int]) -> None:
        self.prompt = prompt
        self.asked = 0
        self.line = Line(self.is_prompt)

    def is_prompt(self, number: int) -> bool:
        self.asked += 1
        return number in self.prompt

    def serve(self, ready: list[int], count: int) -> list[int]:
        """Those that a pass reaches that has time for so many."""
        arranged = self.line.arrange(ready)
        assert sorted(arranged) == sorted(ready)
        self.line.served(arranged, min(count, len(arranged)))
        return arranged[:count]


def test_nothing_is_arranged_nor_asked_while_passes_reach_all() -> None:
    clients = Clients({1})
    for _ in range(3):
        assert clients.serve([3, 1, 2], 3) == [3, 1, 2]
    assert clients.asked == 0
    assert not clients.line.has_others


def test_who_was_left_goes_first_then_who_came_then_who_was_served() -> None:
    clients = Clients(set())
    assert clients.serve([1, 2, 3, 4, 5], 2) == [1, 2]
    # 4 has hung up, 6 has come; the set has an order of its own.
    assert clients.serve([6, 5, 2, 1, 3], 9) == [3, 5, 1, 2, 6]
    assert clients.serve([6, 5, 2, 1, 3], 9) == [6, 5, 2, 1, 3]


def test_two_lines_by_turns_beginning_with_the_one_that_was_not_served_last() -> None:
    clients = Clients({7, 8, 9})
    everyone = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert clients.serve(everyone, 1) == [1]
    assert clients.serve(everyone, 4) == [7, 2, 8, 3]
    assert clients.line.has_others
    # The other line is next, and each goes on where it was.
    assert clients.serve(everyone, 4) == [9, 4, 7, 5]
    assert clients.serve(everyone, 3) == [8, 6, 9]
    assert clients.serve([7, 8, 9], 1) == [7]
    assert not clients.line.has_others


def test_who_has_changed_sides_when_it_was_served_stands_there() -> None:
    clients = Clients(set())
    assert clients.serve([1, 2, 3, 4], 1) == [1]
    clients.prompt.add(1)
    assert clients.serve([1, 2, 3, 4], 1) == [2]
    # 1 came to be prompt before it was served: it is asked when it is.
    assert clients.serve([1, 2, 3, 4], 3) == [3, 4, 1]
    assert clients.serve([1, 2, 3, 4], 2) == [2, 1]


def test_a_thousand_that_stand_are_not_asked_again_by_every_pass() -> None:
    clients = Clients(set(range(0, 1000, 2)))
    everyone = list(range(1000))
    served: list[int] = []
    for _ in range(200):
        served += clients.serve(everyone, 10)
    # 2,000 were served: each twice, to within one.
    assert {served.count(number) for number in everyone} <= {1, 2, 3}
    assert clients.asked <= 1000 + len(served)
