"""The plots of a run, from its results: one SVG file for each figure that the benchmarks promise something about.

A benchmark that was not run, or failed, has no plot. The names of the files are those of the figures.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.rivals import ratios_to
from bench.svg import Bar, Line, bars, document, lines

__all__ = ["drawings", "write_plots"]

_COLOURS = {
    "nano-trio": 0,
    "workerd": 1,
    "node http": 2,
    "node": 3,
    "deno": 4,
    "bun": 5,
    "hypercorn": 6,
    "without a proxy": 7,
    "nano-trio h11": 7,
}
_Data = dict[str, Any]


def write_plots(report: _Data, folder: Path) -> list[Path]:
    """Draw what the report holds into ``folder``; the files, in order."""
    written = []
    for name, drawing in drawings(report).items():
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"{name}.svg")
        written[-1].write_text(document(drawing))
    return written


def drawings(report: _Data) -> dict[str, str]:
    """Name and SVG of each figure."""
    drawn = {}
    for name, (benchmark, draw) in _FIGURES.items():
        data = report["benchmarks"].get(benchmark, {}).get("data")
        if data:
            drawing = draw(data)
            if drawing:
                drawn[name] = drawing
    return drawn


def _rates(title: str, key: str, unit: str, base: str) -> Callable[[_Data], str]:
    """Bars: a rate of every server, the medians of the rounds with their range."""

    def draw(data: _Data) -> str:
        rows = []
        for name, rounds in data.get("rounds", {}).items():
            values = [each[key] for each in rounds]
            rows.append(Bar(name, statistics.median(values), min(values), max(values), _COLOURS.get(name, 7)))
        return bars(title, unit, sorted(rows, key=lambda row: -row.value), base=base) if rows else ""

    return draw


def _latencies(data: _Data) -> str:
    """Latency by share of requests: medians of the rounds, 1/(1 - share) on a logarithmic axis."""
    curves = []
    for name, rounds in data["rounds"].items():
        if name == "nano-trio h11" or not rounds[0].get("quantiles"):
            continue
        by_share = zip(*([ms for _, ms in each["quantiles"]] for each in rounds), strict=True)
        # The last one is the slowest request of a run: it stands at the share that one request is of all.
        requests = statistics.median(each["requests"] for each in rounds)
        shares = [share if share < 1 else 1 - 1 / requests for share, _ in rounds[0]["quantiles"]]
        points = [
            (1 / (1 - share), max(0.01, statistics.median(values)))
            for share, values in zip(shares, by_share, strict=True)
            if share >= 0.5
        ]
        curves.append(Line(name, sorted(points), _COLOURS.get(name, 7)))
    if not curves:
        return ""
    most = max(x for curve in curves for x, _ in curve.points)
    ticks = [(2, "50 %"), (10, "90 %"), (100, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %"), (1e6, "")]
    shown = [tick for index, tick in enumerate(ticks) if not index or ticks[index - 1][0] < most]
    return lines(
        "Latency of hello: so many requests took no longer (each curve ends with the slowest)",
        "share of the requests",
        "ms",
        curves,
        x_ticks=shown,
        x_log=True,
        y_log=True,
    )


def _waits(data: _Data) -> str:
    """The wait that hogs add, by their number."""
    steady = {int(hogs): seen for hogs, seen in data["steady"].items()}
    calm = steady[0]["p50"]
    numbers = [hogs for hogs in sorted(steady) if hogs]
    curves = [
        Line(name, [(hogs, max(0.01, steady[hogs][key] - less)) for hogs in numbers], series, dots=True)
        for name, key, less, series in (
            ("p99", "p99", calm, 0),
            ("p50", "p50", calm, 1),
            ("p99, CPU", "cpu_p99", 0.0, 2),
        )
        if math.isfinite(steady[numbers[0]][key])
    ]
    return lines(
        "Wait that apps in for (;;); add to a neighbour's request",
        "apps that compute for ever (CPU: the server's own time alone)",
        "ms",
        curves,
        x_ticks=[(hogs, str(hogs)) for hogs in numbers],
        x_log=True,
        y_log=True,
        limits=[(5, "must: 5 ms"), (1, "aim: 1 ms")],
    )


def _kinds(data: _Data) -> str:
    """Bars: the wait that hogs of each kind add, p99, with the range of the windows."""
    calm = data["alone"]["p50"]
    rows = []
    for name, seen in data["kinds"].items():
        if seen["problem"]:
            continue
        key, less = ("cpu_p99", 0.0) if seen["disturbed"] else ("p99", calm)
        each = [max(0.0, window[key] - less) for window in seen["counted"] if not math.isnan(window[key])]
        if not each:
            continue
        rows.append(Bar(name, max(0.0, seen[key] - less), min(each), max(each), 0 if name == "loop" else 1))
    title = f"Wait that {data['hogs']} apps add to a neighbour's request, p99, by what they are busy with"
    return bars(title, "ms; range: windows of a second", rows) if rows else ""


def _memory(data: _Data) -> str:
    """Bars: what one more app costs in each server."""
    ours = data["nano-trio"]
    rows = [Bar("nano-trio", *_range(ours["pss_kb"], ours["second_half_pss_kb"]), 0)]
    rows += [
        Bar(name, seen["pss_kb"], seen["pss_kb"], seen["pss_kb"], _COLOURS[name])
        for name, seen in data["peers"].items()
        if "pss_kb" in seen
    ]
    return bars("Memory of one more active app", "KB (PSS); node, deno, bun: a process", rows, base="nano-trio")


def _range(value: float, other: float) -> tuple[float, float, float]:
    return value, min(value, other), max(value, other)


def _cold_starts(data: _Data) -> str:
    """The share of first answers that came within a time."""
    curves = []
    for series, (name, seen) in enumerate(data["runs"].items()):
        times = sorted(seen["ms"])
        points = [(ms, 100 * (index + 1) / len(times)) for index, ms in enumerate(times)]
        thinned = [*points[:: max(1, len(points) // 200)], points[-1]]
        curves.append(
            Line(
                {"never compiled before": "never compiled", "compiled before": "compiled"}.get(name, name),
                thinned,
                series,
            )
        )
    return lines(
        "Cold start: the first byte from an app that was not loaded",
        "ms",
        "% of the apps",
        curves,
        x_log=True,
        y_ticks=[(share, str(share)) for share in (0, 25, 50, 75, 100)],
        limits=[(3, "must, p99: 3 ms"), (1, "aim: 1 ms")],
        along="x",
    )


def _throughput(data: _Data) -> str:
    rounds: Sequence[_Data] = data["throughput"]["rounds"]
    rows = []
    for name, key, series in (("alone", "alone", 1), (f"beside {data['throughput']['hogs']} hogs", "beside", 0)):
        values = [each[key] for each in rounds]
        rows.append(Bar(name, statistics.median(values), min(values), max(values), series))
    return bars("A neighbour's throughput beside apps in for (;;);", "requests/s", rows, base="alone")


def _workers(data: _Data) -> str:
    """What several workers do as a multiple of what one does, app by app."""
    rows, several = [], ""
    for series, (app, key) in enumerate((("hello", "rounds"), ("hono", "rounds_of_hono"))):
        if key not in data:
            continue
        one, several = data[key]
        ratios = ratios_to(data[key], several, one, "requests_per_s")
        rows.append(Bar(app, statistics.median(ratios), min(ratios), max(ratios), series))
    where = "servers and load on cores of their own" if data["apart"] else "servers and load share the cores"
    return bars(f"{several} against one ({where})", "× one worker's requests/s", rows)


_HELLO = "hello: the smallest app, 32 connections, one core"
_JSON = "json: 1 KB posted, parsed and answered"
_HONO = "hono: ten routes, middleware and parameters"
_STREAM = "stream: 100 MB of a ReadableStream in chunks of 64 KB"
_PROXY = "proxy: 100 MB handed on"
_FIGURES: dict[str, tuple[str, Callable[[_Data], str]]] = {
    "hello": ("hello", _rates(_HELLO, "requests_per_s", "requests/s", "workerd")),
    "hello-latency": ("hello", _latencies),
    "json": ("json", _rates(_JSON, "requests_per_s", "requests/s", "workerd")),
    "hono": ("hono", _rates(_HONO, "requests_per_s", "requests/s", "workerd")),
    "stream": ("stream", _rates(_STREAM, "mb_per_s", "MB/s", "node")),
    "proxy": ("proxy", _rates(_PROXY, "mb_per_s", "MB/s", "node http")),
    "neighbour-wait": ("neighbour", _waits),
    "neighbour-throughput": ("neighbour", _throughput),
    "kinds": ("kinds", _kinds),
    "memory": ("memory", _memory),
    "cold-start": ("coldstart", _cold_starts),
    "workers": ("workers", _workers),
}
