"""The command: ``python -m tests.wpt [PATTERN …]``."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
from collections import Counter, defaultdict
from pathlib import Path

from tests.wpt import fetch_wpt
from tests.wpt.execution import Outcome
from tests.wpt.expectations import UNREVIEWED, Expectations, failing, revisions_of
from tests.wpt.manifest import Test, area_of, discover
from tests.wpt.pool import run_all
from tests.wpt.subset import CI_SUBSET

MEASURED = Path(__file__).with_name("measured.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.wpt", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="beginnings of paths, or globs: url, streams/*")
    parser.add_argument("--wpt", type=Path, default=fetch_wpt.default_folder(), metavar="DIR", help="a WPT checkout")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: cores)")
    parser.add_argument("--update", action="store_true", help="write the expectations anew from this run")
    parser.add_argument("--list-failures", action="store_true", help="print every subtest that does not pass")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every result to FILE")
    parser.add_argument(
        "--record", action="store_true", help="of a whole run: write what the documentation shows of it"
    )
    parser.add_argument("--subset", choices=["ci"], help="only a chosen list of files")
    return parser.parse_args()


def _rows(outcomes: dict[str, Outcome]) -> dict[str, Counter[str]]:
    """What is counted of each area, and of all under "total"."""
    rows: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for test, outcome in outcomes.items():
        for row in (rows[area_of(test)], rows["total"]):
            row["files"] += 1
            row["passed"] += sum(status == "pass" for status, _ in outcome.subtests.values())
            row["total"] += len(outcome.subtests)
            row[outcome.status] += 1
    return rows


def _record(outcomes: dict[str, Outcome]) -> None:
    areas = {
        area: {key: row[key] for key in ("files", "passed", "total")} for area, row in sorted(_rows(outcomes).items())
    }
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    MEASURED.write_text(json.dumps({"date": day, "areas": areas}, indent=1) + "\n", "utf-8")


def _print_table(outcomes: dict[str, Outcome], areas: dict[str, str]) -> None:
    rows = _rows(outcomes)
    print(f"{'area':<22}{'files':>6}{'passed':>8}{'failed':>8}{'total':>8}{'errors':>8}{'time-outs':>11}{'crashes':>9}")
    for area in [*sorted(set(rows) - {"total"}), *({"total"} & set(rows))]:
        row = rows[area]
        figures = (row["files"], row["passed"], row["total"] - row["passed"], row["total"])
        print(f"{area:<22}{figures[0]:>6}{figures[1]:>8}{figures[2]:>8}{figures[3]:>8}", end="")
        print(f"{row['error']:>8}{row['timeout']:>11}{row['crash']:>9}")
    for area, reason in areas.items():
        print(f"{area:<22}not run: {reason}")


def _print_list(title: str, entries: list[str], limit: int | None = None) -> None:
    if not entries:
        return
    print(f"\n{title} ({len(entries)}):")
    for entry in entries[:limit]:
        print("  " + entry.replace("\n", " ")[:400].encode("utf-8", "backslashreplace").decode())
    if limit is not None and len(entries) > limit:
        print(f"  … and {len(entries) - limit} more (--list-failures shows all)")


def run(root: Path, tests: list[Test], jobs: int) -> dict[str, Outcome]:
    """Run ``tests``; the outcome of each by its name."""
    outcomes: dict[str, Outcome] = {}
    is_terminal = sys.stderr.isatty()
    for test, outcome in run_all(root, tests, jobs):
        outcomes[test.name] = outcome
        if is_terminal:
            print(f"\r\x1b[K{len(outcomes)}/{len(tests)} {test.name}", end="", file=sys.stderr, flush=True)
    if is_terminal:
        print("\r\x1b[K", end="", file=sys.stderr)
    return outcomes


def main() -> int:
    arguments = _arguments()
    try:
        root = fetch_wpt.ensure(arguments.wpt)
    except fetch_wpt.FetchError as error:
        print(f"tests.wpt: {error}", file=sys.stderr)
        return 2
    expectations = Expectations()
    patterns = list(arguments.patterns) + (CI_SUBSET if arguments.subset == "ci" else [])
    # What is named is run, also where it is expected to fail as a whole.
    tests = discover(root, patterns, set() if arguments.patterns else set(expectations.areas))
    if not tests:
        print(f"tests.wpt: nothing below {root} matches", file=sys.stderr)
        return 2
    if arguments.record and patterns:
        print("tests.wpt: --record is for a whole run", file=sys.stderr)
        return 2
    outcomes = run(root, tests, arguments.jobs)
    _print_table(outcomes, {} if patterns else expectations.areas)
    if arguments.json:
        arguments.json.write_text(
            json.dumps({name: o.plain() for name, o in sorted(outcomes.items())}, indent=1), "utf-8"
        )
    if arguments.record:
        _record(outcomes)
    if arguments.list_failures:
        wrong = [f"{test}: {n}: {what}" for test, o in sorted(outcomes.items()) for n, what in failing(o).items()]
        _print_list("failures", wrong)
    if arguments.update:
        expectations.update(outcomes, None if patterns else revisions_of(root))
    comparison = expectations.compare(outcomes)
    _print_list("unexpected passes", comparison.unexpected_passes, 40)
    _print_list("regressions", comparison.regressions, 40)
    _print_list(f"known failures with the reason {UNREVIEWED!r}", comparison.unreviewed, 40)
    if comparison.failed and (note := expectations.differences(root)):
        print(f"\n{note}")
    return 1 if comparison.failed else 0


if __name__ == "__main__":
    sys.exit(main())
