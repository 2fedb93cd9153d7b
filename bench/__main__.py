"""The command ``python -m bench [NAME…]``; ``--help`` tells its options."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import machine, peers, summary, tools
from bench.plots import write_plots
from bench.report import Options, Outcome

BENCHMARKS = {
    "hello": "bench.hello",
    "json": "bench.json_body",
    "hono": "bench.hono",
    "stream": "bench.stream",
    "proxy": "bench.proxy",
    "memory": "bench.memory",
    "density": "bench.density",
    "coldstart": "bench.coldstart",
    "neighbour": "bench.neighbour",
    "kinds": "bench.kinds",
    "workers": "bench.workers",
    "https": "bench.https",
    "http2": "bench.http2",
    "websocket": "bench.websocket",
    "turns": "bench.turns",
    "hotpath": "bench.hot_path",
    "platform": "bench.platform_apis",
    "outside": "bench.outside",
}
PEERS = ("workerd", "node", "deno", "bun", "hypercorn")
RESULTS = Path(__file__).parent / "results"


def main(command: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="nano-trio beside other servers")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--rounds", type=int, help="rounds of alternating servers (default 5)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (default 5)")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, no more")
    parser.add_argument("--peers", metavar="A,B", help=f"only these of: {', '.join(PEERS)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where the plots go (default: beside the results)")
    arguments = parser.parse_args(command)
    for given, known, what in (
        (arguments.names, BENCHMARKS, "benchmark"),
        (arguments.peers.split(",") if arguments.peers else [], PEERS, "peer"),
    ):
        for name in given:
            if name not in known:
                parser.error(f"no {what} {name!r}; there are: {', '.join(known)}")
    options = Options(
        rounds=max(1, arguments.rounds or (1 if arguments.quick else 5)),
        seconds=max(1.0, arguments.seconds or (1.0 if arguments.quick else 5.0)),
        quick=arguments.quick,
        peers=tuple(arguments.peers.split(",")) if arguments.peers else None,
    )
    problem = tools.provide()
    if problem is not None:
        print(f"bench: {' and '.join(tools.DEBIAN)} cannot be provided: {problem}", file=sys.stderr)
    report: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine.describe(),
        "versions": {peer: peers.version(peer) for peer in ("nano-trio", *options.among(PEERS))},
        "missing": peers.missing_tools(),
        "options": {"rounds": options.rounds, "seconds": options.seconds, "quick": options.quick},
        "benchmarks": {},
    }
    print(summary.head(report), flush=True)
    for name in arguments.names or BENCHMARKS:
        report["benchmarks"][name] = _run(name, options)
        _write(report, arguments.json)
    print(summary.foot(report))
    print(f"load average at the end: {machine.describe()['load_average_1min']}")
    folder = arguments.plots or _results(report).with_suffix("")
    written = write_plots(report, folder)
    print(f"every measurement: {_results(report)}" + (f"\n{len(written)} plots: {folder}" if written else ""))
    return 1 if summary.missed(report) else 0


def _run(name: str, options: Options) -> dict[str, Any]:
    """Run a benchmark and print what it found; the same for the results' file."""
    begun = time.monotonic()
    try:
        outcome: Outcome = importlib.import_module(BENCHMARKS[name]).run(options)
    except Exception as error:  # one benchmark that fails must not cost the others
        traceback.print_exc()
        print(f"== {name}: FAILED: {error}\n", flush=True)
        return {"failed": str(error)}
    took = time.monotonic() - begun
    print(outcome.render() + f"\n  took {took:.0f} s\n", flush=True)
    return {"verdicts": [vars(verdict) for verdict in outcome.verdicts], "data": outcome.data, "took_s": took}


def _results(report: dict[str, Any]) -> Path:
    return RESULTS / f"{report['when'].replace(':', '')}.json"


def _write(report: dict[str, Any], extra: Path | None) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(report, indent=1, default=str)
    _results(report).write_text(text)
    if extra is not None:
        extra.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
