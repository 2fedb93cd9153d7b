"""kinds: what an app waits for because others are busy, whatever it is that they are busy with.

Beside a loop of JavaScript others are easily served: it can be suspended at each branch. Apps may as well be in the
midst of native code, or have the engine collect garbage, free a heap, or take memory from the system. So: eight apps
that do one of these for ever, one kind after the other, each on a server of its own with one worker, and the wait that
they add for a quiet app, probed over HTTP on a fixed schedule as in `neighbour`: a quantile beside them minus the
median alone. Each quantile is the median of those of several windows of a second, without those in which others
disturbed the machine (see windows.py). Where fewer than three remain the verdict goes by the server's own CPU time
between due and answered.

Before the first probe each hog has answered a request in which it made what its kind needs (an array to sort, say).
After the last, what the hogs were answered must be what their kind says, nothing at all of most; and they must have
kept the server busy. Else the kind was not measured.

Beside ONE app that sorts again and again, a request each time, servers can answer that do not preempt: in between. So
the neighbour's wait is compared there with workerd's and node's (kinds_peers.py).

Unfair would be: hogs that fail at once, or end; kinds of which a piece takes less than a slice; memory that is not
written to, which the system has not given yet; apps that are suspended for their memory rather than their time; probes
in a closed loop.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench import kinds_peers, servers, windows
from bench.closed_loop import Clients
from bench.crowd import start_crowd
from bench.report import Options, Outcome, Table, Verdict, promises
from bench.windows import CPU_KEYS, KEYS

__all__ = ["KINDS", "Kind", "measure", "run"]

HOGS = 8
_IDLE = 0.2
"""The largest share of the time for which hogs leave the server with nothing to do."""
_NOT_IDLE = ("cpu_share", "kept_waiting", "stolen")
_SETTLED_S = 1.0
"""Until all hogs are at it."""


@dataclass(frozen=True)
class Kind:
    """What hogs do: see handlers/kinds.js."""

    name: str
    what: str
    how: str = "forever"
    answered: str | None = None
    """The status of all answers that they get; None: they get none."""
    limits: Mapping[str, float] = field(default_factory=lambda: {"memory_mb": 256})


KINDS = (
    Kind("loop", "for (;;);"),
    Kind("sort", "the sort of 600,000 numbers"),
    Kind("garbage", "cycles of garbage in a heap of 60 MB, in one turn"),
    Kind("requests", "the same in short requests", how="once", answered="200"),
    Kind("bytes", "Uint8Array: 100 MB made, filled, sliced"),
    Kind("strings", "strings: repeat and + of 40 MB"),
    Kind("bigint", "toString of a BigInt of 315,000 digits"),
    Kind("json", "JSON.parse(JSON.stringify()) of 20 MB"),
    Kind("regexp", "a regular expression that backtracks"),
    Kind("map", "a Map of 600,000, made and dropped"),
    Kind("endless", "indexOf in {length: 2 ** 53 - 1}"),
    Kind(
        "outgrow",
        "apps that outgrow 128 MB and are restarted",
        how="once",
        answered="503",
        limits={"memory_mb": 128, "max_restarts": 1_000_000},
    ),
)


def run(options: Options) -> Outcome:
    outcome = Outcome("kinds")
    count = max(3, min(4, round(options.seconds)))
    most = count if options.quick else count + 1
    alone = measure(None, count, most)
    kinds = {kind.name: measure(kind, count, most) for kind in KINDS}
    peers = kinds_peers.measure(options)
    outcome.data = {"hogs": HOGS, "alone": alone, "kinds": kinds, "peers": peers}
    calm = alone["p50"]
    added = Table(
        f"wait added by {HOGS} hogs, ms: quantile beside them minus the median alone ({calm:.2f})",
        ["busy with", "p50", "p99", "slowest", "its own CPU: p50", "p99", "slowest", "windows", "left out"],
    )
    for kind in KINDS:
        seen = kinds[kind.name]
        columns = [f"{seen[key] - calm:.2f}" for key in KEYS] + [f"{seen[key]:.2f}" for key in CPU_KEYS]
        added.rows.append([kind.what, *columns, str(len(seen["windows"])), str(seen["left_out"])])
        outcome.verdicts += _verdicts(kind, seen, calm)
    outcome.ratios += [added, kinds_peers.table(peers)]
    outcome.verdicts += kinds_peers.verdicts(peers)
    return outcome


def _verdicts(kind: Kind, seen: dict[str, Any], calm: float) -> list[Verdict]:
    what = f"added wait of a neighbour, p99, beside {HOGS} apps: {kind.what}"
    if seen["problem"]:
        return [Verdict(what, "< 5 ms", seen["problem"], None, "own")]
    by, less, note = (
        ("cpu_p99", 0.0, " of its own CPU (the machine is disturbed)") if seen["disturbed"] else ("p99", calm, "")
    )
    wait = seen[by] - less
    return [
        verdict
        for bound in (5, 1)
        for verdict in promises(what, wait, f"{wait:.2f} ms{note}", "<", unit="ms", own=bound)
    ]


def measure(kind: Kind | None, count: int, most: int) -> dict[str, Any]:
    """The quiet app's latencies beside hogs of a kind, or alone. ``problem``: why that says nothing of the kind."""
    print(f"bench: kinds: {'alone' if kind is None else kind.what}", file=sys.stderr)
    server = start_crowd(HOGS, "kinds", limits=None if kind is None else kind.limits)
    try:
        windows.probe(server, 0.5)  # warm-up
        if kind is None:
            return windows.measure(server, count, most=most)
        hosts = [f"hog{number}" for number in range(HOGS)]
        for host in hosts:
            status, _ = servers.get(server.port, f"/{kind.name}", host=host, timeout=60)
            if status != 200:
                raise RuntimeError(f"{kind.name}: a hog answered {status}: {server.log()}")
        with Clients(server.port, f"/{kind.name}/{kind.how}", hosts) as clients:
            time.sleep(_SETTLED_S)
            seen = windows.measure(server, count, most=most)
            seen["answers"] = clients.stop()
        seen["problem"] = _problem(kind, seen)
        return seen
    finally:
        server.stop()


def _problem(kind: Kind, seen: dict[str, Any]) -> str:
    """Why the hogs were not what they should be; empty if they were."""
    answers = seen["answers"]
    if answers.keys() != {kind.answered} - {None}:
        return f"the hogs were answered {answers or 'nothing'}"
    idle = statistics.median(1 - sum(window[key] for key in _NOT_IDLE) for window in seen["windows"])
    return "" if idle <= _IDLE else f"the hogs left the server idle for {idle:.0%}"
