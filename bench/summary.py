"""What a whole run says in the end: every promise on a line of its own, and one table of ratios to all peers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.report import Table, Verdict, spread
from bench.rivals import ratios_to

__all__ = ["RATES", "foot", "head", "missed", "ratios", "verdicts"]

RATES = {
    "hello": "requests_per_s",
    "json": "requests_per_s",
    "hono": "requests_per_s",
    "stream": "mb_per_s",
    "proxy": "mb_per_s",
}
"""The benchmarks that measure a rate of every peer, and its key."""
_PEERS = ("workerd", "node http", "node", "deno", "bun", "hypercorn")


def head(report: dict[str, Any]) -> str:
    """The machine, the peers and what is missing."""
    facts = report["machine"]
    lines = [f"{report['when']}  {facts['cpu']}, {facts['cores']} cores, load average {facts['load_average_1min']}"]
    if facts["server_core"] is None:
        lines.append("nothing is pinned: taskset or a second core is missing")
    else:
        lines.append(f"servers on core {facts['server_core']}, load from cores {facts['loader_cores']}")
    lines.append("  ".join(f"{name}: {version}" for name, version in report["versions"].items()))
    return "\n".join([*lines, *report["missing"], ""])


def verdicts(report: dict[str, Any]) -> Iterator[tuple[str, Verdict]]:
    """Each verdict of a report with its benchmark's name."""
    for name, found in report["benchmarks"].items():
        for verdict in found.get("verdicts", ()):
            yield name, Verdict(**verdict)


def missed(report: dict[str, Any]) -> bool:
    """Whether a must was missed or a benchmark failed."""
    failed = any("failed" in found for found in report["benchmarks"].values())
    return failed or any(each.kind == "must" and each.holds is False for _, each in verdicts(report))


def ratios(report: dict[str, Any]) -> Table:
    """How many times the peers' rates nano-trio reached, by benchmark and peer."""
    table = Table("rates of nano-trio as multiples of its peers': median of the rounds (lowest–highest)", ["", *_PEERS])
    for name, key in RATES.items():
        rounds = report["benchmarks"].get(name, {}).get("data", {}).get("rounds")
        if rounds:
            table.rows.append([name, *(spread(ratios_to(rounds, "nano-trio", peer, key)) for peer in _PEERS)])
    return table


def foot(report: dict[str, Any]) -> str:
    """All promises together, and the ratios to all peers."""
    parts = ["== summary ".ljust(100, "="), "  must: required; aim: hoped for; own: an aim of this bench", ""]
    found = list(verdicts(report))
    for kind in ("must", "aim", "own"):
        lines = [f"{verdict.render()}  [{name}]" for name, verdict in found if verdict.kind == kind]
        parts += [*lines, ""] if lines else []
    table = ratios(report)
    if table.rows:
        parts += [table.render(), ""]
    for name, each in report["benchmarks"].items():
        if "failed" in each:
            parts.append(f"  FAILED        {name}: {each['failed']}")
    return "\n".join(parts)
