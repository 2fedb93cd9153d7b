"""The command: ``python -m bench [NAME…] [--rounds N] [--seconds S] [--json FILE] [--quick]``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from bench import machine, servers
from bench.report import Options, Outcome

BENCHMARKS = {
    "hello": "bench.hello",
    "https": "bench.https",
    "workers": "bench.workers",
    "http2": "bench.http2",
    "websocket": "bench.websocket",
    "neighbour": "bench.neighbour",
    "json": "bench.json_body",
    "stream": "bench.stream",
    "memory": "bench.memory",
    "coldstart": "bench.coldstart",
    "turns": "bench.turns",
    "platform": "bench.platform_apis",
    "outside": "bench.outside",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="nano-trio beside other servers")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of alternating servers (default 5)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    parser.add_argument("--quick", action="store_true", help="two short rounds: shows that it works, no more")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    options = Options(
        rounds=max(1, arguments.rounds or (2 if arguments.quick else 5)),
        seconds=max(1.0, arguments.seconds or (1.0 if arguments.quick else 5.0)),
        quick=arguments.quick,
    )
    report: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(),
        "versions": {peer: servers.version(peer) for peer in ("nano-trio", "workerd", "node", "deno", "bun")},
        "options": vars(arguments) | {"json": None},
        "benchmarks": {},
    }
    _head(report)
    failed = False
    for name in arguments.names or BENCHMARKS:
        try:
            outcome: Outcome = importlib.import_module(BENCHMARKS[name]).run(options)
        except Exception as error:  # one benchmark that fails must not cost the others
            traceback.print_exc()
            print(f"== {name}: FAILED: {error}\n")
            report["benchmarks"][name] = {"failed": str(error)}
            failed = True
            continue
        print(outcome.render(), flush=True)
        failed |= any(verdict.holds is False for verdict in outcome.verdicts)
        report["benchmarks"][name] = {
            "verdicts": [vars(verdict) for verdict in outcome.verdicts],
            "data": outcome.data,
        }
        _write(report, arguments.json)
    print(f"load average at the end: {machine.describe()['load_average_1min']}")
    _write(report, arguments.json)
    return 1 if failed else 0


def _head(report: dict[str, Any]) -> None:
    facts = report["machine"]
    print(f"{report['when']}  {facts['cpu']}, {facts['cores']} cores, load average {facts['load_average_1min']}")
    if facts["server_core"] is None:
        print("nothing is pinned: taskset or a second core is missing")
    else:
        print(f"servers on core {facts['server_core']}, load from cores {facts['loader_cores']}")
    print("  ".join(f"{name}: {version}" for name, version in report["versions"].items()) + "\n", flush=True)


def _write(report: dict[str, Any], extra: Path | None) -> None:
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    text = json.dumps(report, indent=1, default=str)
    (folder / f"{report['when'].replace(':', '')}.json").write_text(text)
    if extra is not None:
        extra.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
