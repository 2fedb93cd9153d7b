"""platform: the Web platform's everyday operations, beside Node in the same run.

Measured: platform.js, the same file, by `nano-trio run` and by node (and deno, bun where there are), each a process on
the server's core, in turns; an operation's time is the best of several batches of about 12 ms, a ratio is taken within
a round, and the median of the rounds counts. Throughputs are given as ratios of rates: 0.5 means half as fast.

Unfair would be: timing the first call, when Node has not compiled and nano-trio has not loaded the specification's
file; results that nobody looks at (V8 removes the work); a TransformStream that moves no bytes. The engine is an
interpreter: the JavaScript in between is slower by what interpreters are, and no trick of ours changes that.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench import machine
from bench.peers import Absent, binary
from bench.report import Options, Outcome, Table, Verdict, spread

__all__ = ["compare_scripts", "run"]

HERE = Path(__file__).parent
MUST_TIME = {"new URL": 4.0, "Headers of 10": 6.0, "Response.json 1 KB": 5.0, "structuredClone 1 KB": 5.0}
"""The longest time that is allowed, as a multiple of Node's."""
MUST_RATE = 0.3
"""The lowest rate that is allowed for all others, as a share of Node's."""


def run(options: Options) -> Outcome:
    return compare_scripts("platform", "platform.js", options, longest=MUST_TIME, least_rate=MUST_RATE)


def compare_scripts(
    name: str,
    script: str,
    options: Options,
    *,
    longest: dict[str, float],
    least_rate: float,
    kind: Literal["must", "own"] = "must",
    arguments: Sequence[str] = (),
) -> Outcome:
    """Run a file of this folder by nano-trio and the peers in turns and compare the times of its operations.

    ``longest``: multiples of Node's time that an operation may take; ``least_rate``: the share of its rate for others.
    """
    outcome = Outcome(name)
    title = name
    commands: dict[str, list[str]] = {"nano-trio": [sys.executable, "-m", "nano_trio", "run"]}
    absent: dict[str, str] = {}
    arguments_of = {"node": [], "deno": ["run", "-A"], "bun": ["run"]}
    for peer in options.among(tuple(arguments_of)):
        try:
            commands[peer] = [binary(peer), *arguments_of[peer]]
        except Absent as reason:
            absent[peer] = str(reason)
    rounds: dict[str, list[dict[str, float | str]]] = {peer: [] for peer in commands}
    for number in range(options.rounds):
        for peer, command in commands.items():
            print(f"bench: {title}: round {number + 1}/{options.rounds}: {peer}", file=sys.stderr)
            rounds[peer].append(_times([*command, str(HERE / script)], arguments, quick=options.quick))
    outcome.data = {"ms": rounds, "absent": absent}
    if "node" not in rounds:
        outcome.verdicts.append(Verdict("times beside Node", "see the source", f"node is absent: {absent}", None))
        return outcome

    table = Table(
        "nano-trio against node: median of the rounds (lowest–highest)",
        ["", "must", "time ×", "rate ×", *(f"rate × {peer}" for peer in commands if peer not in ("nano-trio", "node"))],
    )
    absolute = Table("best time of an operation, µs", ["", *commands])
    for name in rounds["node"][0]:
        ratios = _ratios(rounds, name, "node")
        must = f"≤ {longest[name]:g} × time" if name in longest else f"≥ {least_rate} × rate"
        if not ratios:
            problem = next((run[name] for run in rounds["nano-trio"] if isinstance(run.get(name), str)), "no figure")
            outcome.verdicts.append(Verdict(name, must, str(problem), False, kind))
            continue
        time, rate = statistics.median(ratios), 1 / statistics.median(ratios)
        holds = time <= longest[name] if name in longest else rate >= least_rate
        shown = f"{time:.2f} × time" if name in longest else f"{rate:.2f} × rate"
        outcome.verdicts.append(Verdict(name, must, shown, holds, kind))
        inverse = [1 / ratio for ratio in ratios]
        others = [
            spread([1 / ratio for ratio in _ratios(rounds, name, peer)])
            for peer in commands
            if peer not in ("nano-trio", "node")
        ]
        table.rows.append([name, must, spread(ratios), spread(inverse), *others])
        absolute.rows.append([name, *(_best(rounds[peer], name) for peer in commands)])
    table.note = "\n".join(f"{peer}: absent: {why[:80]}" for peer, why in absent.items())
    outcome.ratios, outcome.absolute = [table], [absolute]
    return outcome


def _times(command: list[str], arguments: Sequence[str], *, quick: bool) -> dict[str, float | str]:
    whole = [*command, *(["quick"] if quick else []), *arguments]
    done = subprocess.run(
        machine.pinned(whole, server=True), capture_output=True, text=True, timeout=300, cwd=HERE.parent
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            times: dict[str, float | str] = json.loads(line.removeprefix("RESULT "))
            return times
    raise RuntimeError(f"{command[0]} gave no result: {done.stderr.strip()[-500:]}")


def _ratios(rounds: dict[str, list[dict[str, float | str]]], name: str, peer: str) -> list[float]:
    """nano-trio's time over the peer's, one value a round; none where either failed."""
    pairs = [(ours.get(name), theirs.get(name)) for ours, theirs in zip(rounds["nano-trio"], rounds[peer], strict=True)]
    return [ours / theirs for ours, theirs in pairs if isinstance(ours, float) and isinstance(theirs, float)]


def _best(runs: list[dict[str, float | str]], name: str) -> str:
    times = [time for run in runs if isinstance(time := run.get(name), float)]
    return f"{min(times) * 1e3:,.2f}" if times else "failed"
