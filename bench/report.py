"""Outcomes and how they are printed: verdicts and ratios first, absolute figures second."""

from __future__ import annotations

import math
import operator
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Options", "Outcome", "Table", "Verdict", "percentile", "promises", "ratio_promises", "spread"]

_HOLDS: dict[str, Callable[[float, float], bool]] = {"≥": operator.ge, "≤": operator.le, "<": operator.lt}


@dataclass(frozen=True)
class Options:
    """How thorough a run is."""

    rounds: int
    seconds: float
    quick: bool
    peers: tuple[str, ...] | None = None
    """The only peers to compare with; None: all."""

    def among(self, servers: Sequence[str]) -> list[str]:
        """``servers`` without the peers that were not asked for."""
        if self.peers is None:
            return list(servers)
        return [name for name in servers if name.startswith("nano-trio") or name.split()[0] in self.peers]


@dataclass
class Table:
    """Rows of text under a title."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    note: str = ""

    def render(self) -> str:
        cells = [list(self.header), *map(list, self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.header))]
        lines = [f"  {self.title}"]
        for index, row in enumerate(cells):
            first, *rest = (
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("    " + "  ".join([first, *rest]).rstrip())
            if index == 0:
                lines.append("    " + "  ".join("-" * width for width in widths))
        lines += [f"    {line}" for line in self.note.splitlines()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Verdict:
    """One figure that was promised and whether it held. ``holds`` is None where it could not be measured."""

    what: str
    bound: str
    measured: str
    holds: bool | None
    kind: Literal["must", "aim", "own"] = "must"
    """``must`` and ``aim``: of the project's requirements. ``own``: an aim of this bench, where those say nothing."""

    def render(self) -> str:
        word = {True: "holds", False: "MISSED", None: "not measured"}[self.holds]
        return f"  {word:<12}  {self.kind:<4}  {self.what}: {self.measured} ({self.bound})"


@dataclass
class Outcome:
    """What a benchmark found."""

    name: str
    ratios: list[Table] = field(default_factory=list)
    absolute: list[Table] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def render(self) -> str:
        parts = [f"== {self.name} ".ljust(100, "=")]
        parts += [verdict.render() for verdict in self.verdicts]
        parts += ["", *(table.render() + "\n" for table in [*self.ratios, *self.absolute])]
        return "\n".join(parts).rstrip() + "\n"


def promises(
    what: str,
    value: float | None,
    measured: str,
    relation: Literal["≥", "≤", "<"],
    *,
    unit: str = "×",
    must: float | None = None,
    aim: float | None = None,
    own: float | None = None,
) -> list[Verdict]:
    """A line for each bound that ``value`` is held to. ``value`` None, or NaN: not measured."""
    if value is not None and math.isnan(value):
        value = None
    bounds: dict[Literal["must", "aim", "own"], float | None] = {"must": must, "aim": aim, "own": own}
    return [
        Verdict(
            what,
            f"{relation} {bound:g} {unit}",
            "–" if value is None else measured,
            None if value is None else _HOLDS[relation](value, bound),
            kind,
        )
        for kind, bound in bounds.items()
        if bound is not None
    ]


def ratio_promises(
    what: str,
    ratios: Sequence[float],
    relation: Literal["≥", "≤", "<"],
    *,
    must: float | None = None,
    aim: float | None = None,
    own: float | None = None,
) -> list[Verdict]:
    """As :func:`promises`, of the median of the rounds' ratios."""
    value = statistics.median(ratios) if ratios else None
    return promises(what, value, f"{spread(ratios)} ×", relation, must=must, aim=aim, own=own)


def spread(values: Sequence[float], form: Callable[[float], str] = "{:.2f}".format) -> str:
    """The median with the range: ``1.62 (1.55–1.70)``."""
    if not values:
        return "–"
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}–{form(max(values))})"


def percentile(values: Sequence[float], quantile: float) -> float:
    """The value below which ``quantile`` (0 to 1) of all lie; NaN without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * quantile))] if ordered else float("nan")
