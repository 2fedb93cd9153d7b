"""``python -m tests.soak``: a hundred apps, clients of every kind, and chaos; exit code 1 on any problem."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import attrs

from tests.soak.run import Result, soak

__all__ = ["main"]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="by default drawn from the clock")
    parser.add_argument("--folder", type=Path, help="for configuration, apps and log; by default a temporary one")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--verbose", action="store_true", help="tell on standard error what happens")
    options = parser.parse_args()

    def say(text: str) -> None:
        if options.verbose:
            print(time.strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)

    seed = options.seed if options.seed is not None else time.time_ns() % 1_000_000
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        result = soak(options.minutes * 60, seed, options.folder, say)
    else:
        with tempfile.TemporaryDirectory(prefix="nano-trio-soak-") as folder:
            result = soak(options.minutes * 60, seed, Path(folder), say)
    if options.json:
        print(json.dumps(attrs.asdict(result), indent=1))
    else:
        _print(result)
    return 1 if result.problems else 0


def _print(result: Result) -> None:
    did = {name: count for name, count in result.totals.items() if name.startswith("did: ")}
    asked = {name: count for name, count in result.totals.items() if name not in did}
    print(f"soak: seed {result.seed}, {result.seconds / 60:g} minutes")
    print("  asked    " + ", ".join(f"{count} {name}" for name, count in sorted(asked.items())))
    print("  done     " + ", ".join(f"{count} × {name[5:]}" for name, count in sorted(did.items())))
    print(
        f"  killed   {result.kills} workers, "
        + ", ".join(f"{n} {kind}" for kind, n in result.excused.items())
        + " on their connections"
    )
    for name, line in result.trends.items():
        print(f"  {name:<13} {line.first:.1f} → {line.last:.1f} over the last half, ± {line.spread:.1f}")
    print(f"  log      {result.log_lines} lines; exit code {result.exit_code} after {result.ended_in_s} s")
    for problem in result.problems:
        print(f"PROBLEM {problem}")
    print(f"{len(result.problems)} problems")


if __name__ == "__main__":
    sys.exit(main())
