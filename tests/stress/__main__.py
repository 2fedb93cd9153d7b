"""``python -m tests.stress``: hostile and ordinary programs in many isolates at once; exit code 1 on any problem.

The run happens in a child process. When the child dies of a signal, the ledger says whose slice was running.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["main", "stress"]


def stress(kind: str, seconds: float, seed: int, isolates: int) -> dict[str, Any]:
    """Run the child and return its tally; what went wrong is in ``problems``."""
    with tempfile.TemporaryDirectory() as folder:
        ledger, result = Path(folder, "ledger"), Path(folder, "tally.json")
        options = [f"--kind={kind}", f"--seconds={seconds}", f"--seed={seed}", f"--isolates={isolates}"]
        child = subprocess.run(
            [sys.executable, "-m", "tests.stress", *options, f"--ledger={ledger}", f"--result={result}"], check=False
        )
        tally: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {"seed": seed, "problems": []}
        if child.returncode != 0 or not result.exists():
            code = child.returncode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            culprit, others = _read_ledger(ledger, isolates)
            running = "\n".join(f"    {text}" for text in others if text)
            tally["problems"].append(
                f"the child died: {how}, seed {seed}, kind {kind}\n  in: {culprit or 'no slice'}\n  all:\n{running}"
            )
        return tally


def _read_ledger(path: Path, isolates: int) -> tuple[str | None, list[str]]:
    from tests.stress.ledger import Ledger

    if not path.exists():
        return None, []
    ledger = Ledger(path, isolates)
    try:
        return ledger.read()
    finally:
        ledger.close()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--kind", choices=("engine", "platform", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=None, help="by default drawn from the clock")
    parser.add_argument("--isolates", type=int, default=40, help="how many at a time")
    parser.add_argument("--ledger", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--result", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--outcomes", action="store_true", help="how often each program ended how")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    if options.ledger is not None:
        return _child(options, seed)
    tally = stress(options.kind, options.seconds, seed, options.isolates)
    problems, outcomes = tally.pop("problems"), tally.pop("outcomes", {})
    if options.outcomes:
        for name in sorted(outcomes):
            print(f"  {name}: {outcomes[name]}")
    for name in ("rss_start", "rss_end"):
        tally[name] = f"{tally.get(name, 0) / (1 << 20):.0f} MB"
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in tally.items()))
    for problem in problems:
        print(f"PROBLEM {problem}")
    return 1 if problems else 0


def _child(options: argparse.Namespace, seed: int) -> int:
    from tests.stress.run import run

    faulthandler.enable()
    # A child that hangs says where.
    faulthandler.dump_traceback_later(options.seconds * 1.5 + 60, exit=True)
    tally = run(options.kind, options.seconds, seed, options.isolates, options.ledger)
    faulthandler.cancel_dump_traceback_later()
    options.result.write_text(json.dumps(tally.as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
