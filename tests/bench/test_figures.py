"""What is made of measurements: verdicts, drawings, and the documentation site's page."""

from __future__ import annotations

import itertools
import json
import math
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from bench import neighbour, plots, publish, summary, svg, workers
from bench.report import Verdict, percentile, promises, ratio_promises

PUBLISHED: dict[str, Any] = json.loads(publish.DATA.read_text())
NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawing).iter(f"{NAMESPACE}text")]


def test_each_bound_has_a_line_of_its_own() -> None:
    must, aim = promises("wait", 2.0, "2.00 ms", "<", unit="ms", must=5, aim=1)
    assert must.render() == "  holds         must  wait: 2.00 ms (< 5 ms)"
    assert aim.render() == "  MISSED        aim   wait: 2.00 ms (< 1 ms)"
    (unknown,) = ratio_promises("speed", [], "≥", must=1.5)
    assert unknown.render() == "  not measured  must  speed: – (≥ 1.5 ×)"
    (unseen,) = promises("wait", percentile([], 0.99), "nan ms", "<", unit="ms", must=5)
    assert unseen.render() == "  not measured  must  wait: – (< 5 ms)"


def test_a_bound_is_held_to_the_median_and_exactly() -> None:
    assert ratio_promises("speed", [1.0, 1.5, 9.0], "≥", must=1.5)[0].holds is True
    assert ratio_promises("speed", [1.0, 1.4999, 9.0], "≥", must=1.5)[0].holds is False
    assert promises("wait", 5.0, "5", "<", must=5)[0].holds is False
    assert promises("wait", 5.0, "5", "≤", must=5)[0].holds is True
    assert promises("grew by", 0.0, "0", "<", must=5)[0].holds is True


@pytest.mark.parametrize(
    ("benchmark", "missed"),
    [
        ({"verdicts": [vars(Verdict("a", "≥ 1 ×", "0.5 ×", False, "must"))]}, True),
        ({"verdicts": [vars(Verdict("a", "≥ 1 ×", "0.5 ×", False, "aim"))]}, False),
        ({"verdicts": [vars(Verdict("a", "≥ 1 ×", "–", None, "must"))]}, False),
        ({"failed": "no disk"}, True),
    ],
)
def test_a_run_fails_by_what_it_must_hold(benchmark: dict[str, Any], missed: bool) -> None:
    report = {"benchmarks": {"hello": benchmark}}
    assert summary.missed(report) is missed
    if "failed" in benchmark:
        assert "no disk" in summary.foot(report)


def test_what_no_probe_has_seen_of_hogs_is_not_measured() -> None:
    """On a machine that is too busy a window may have no probe that counts."""
    seen = {hogs: {"disturbed": True, "p99": 900.0, "cpu_p99": 0.3} for hogs in neighbour.HOGS}
    seen[neighbour.MOST]["cpu_p99"] = math.nan
    held = {verdict.what: verdict.holds for verdict in neighbour.wait_verdicts(seen, 0.1) if verdict.kind == "must"}
    assert list(held.values()) == [True, True, True, None, None]
    (burst,) = neighbour.burst_verdicts({"loaded": {"cpu_max": math.nan, "max": 953.0}})
    assert (burst.holds, burst.measured, burst.kind) == (None, "–", "own")


def test_bars_have_whiskers_units_and_ratios() -> None:
    drawing = svg.bars(
        "speed", "requests/s", [svg.Bar("a & b", 200, 150, 260), svg.Bar("c", 100, 100, 100, 1)], base="c"
    )
    found = texts(drawing)
    assert {"speed", "requests/s", "a & b", "c", "c = 1×", "1×", "2×"} <= set(found)
    assert any(text.startswith("200") and "2×" in text for text in found)
    root = ET.fromstring(drawing)
    widths = [float(each.get("width", "0")) for each in root.iter(f"{NAMESPACE}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], rel=0.01)
    whiskers = [each for each in root.iter(f"{NAMESPACE}path") if each.get("class") == "whisker"]
    assert len(whiskers) == 1  # c has no range


def test_names_of_lines_do_not_lie_upon_each_other() -> None:
    curves = [svg.Line(f"line {number}", [(1, 5), (2, 5 + number / 100)], number) for number in range(5)]
    root = ET.fromstring(svg.lines("t", "x", "y", curves))
    places = sorted(
        float(each.get("y", "0")) for each in root.iter(f"{NAMESPACE}text") if (each.text or "").startswith("line ")
    )
    assert all(after - before >= 15 for before, after in itertools.pairwise(places))


@pytest.mark.parametrize("name", plots.drawings(PUBLISHED))
def test_published_drawings_are_whole_and_take_their_colours_from_the_page(name: str) -> None:
    drawing = plots.drawings(PUBLISHED)[name]
    root = ET.fromstring(svg.document(drawing))
    assert "prefers-color-scheme:dark" in (root.findtext(f"{NAMESPACE}style") or "")
    assert not re.search(r"#[0-9a-f]{6}|fill=|stroke=", drawing)
    assert "\n\n" not in drawing  # which would end the HTML within Markdown
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for element in root.iter():
        for key, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert 0 <= float(element.get(key, "0")) <= most, element.attrib
    if name in summary.RATES:
        for server in PUBLISHED["benchmarks"][name]["data"]["rounds"]:
            assert server in texts(drawing)


def test_the_site_shows_what_is_published() -> None:
    """To write it anew: ``python -m bench.publish``."""
    text = publish.PAGE.read_text("utf-8")
    assert publish.page(text, PUBLISHED) == text
    assert publish.STYLES.read_text() == svg.SITE_STYLE
    for _, verdict in summary.verdicts(PUBLISHED):
        assert verdict.kind == "own" or verdict.what in text


def test_later_runs_win_benchmark_by_benchmark() -> None:
    def report(when: str, **benchmarks: float) -> dict[str, Any]:
        return {"when": when, "versions": {when: "1.0"}, "benchmarks": benchmarks}

    merged = publish.merged([report("a", hello=1.23456789, json=2), report("b", hello=3)])
    assert merged == {"when": "b", "versions": {"a": "1.0", "b": "1.0"}, "benchmarks": {"hello": 3, "json": 2}}
    assert publish.merged([report("a", hello=1.23456789)])["benchmarks"] == {"hello": 1.235}


def test_a_busy_machine_is_admitted() -> None:
    text = publish.PAGE.read_text("utf-8")
    quiet = json.loads(json.dumps(PUBLISHED), object_hook=lambda found: {**found, **({"kept_waiting": 0.0, "stolen": 0.0} if "kept_waiting" in found else {})})  # fmt: skip
    assert "busy with other work" not in publish.page(text, quiet)
    busy = {**quiet, "benchmarks": {**quiet["benchmarks"], "extra": {"data": [{"kept_waiting": 0.4, "stolen": 0}]}}}
    assert "kept off its core for 40% of the time" in publish.page(text, busy)


def test_workers_are_drawn_as_multiples_of_one_and_held_to_what_the_load_leaves() -> None:
    def measured(rate: float, cpu_us: float) -> list[dict[str, float]]:
        return [{"requests_per_s": rate, "cpu_us_per_request": cpu_us, "cpu_s": 0.5, "requests": 50_000}]

    hello = {"1 worker": measured(100_000, 10.0), "4 workers": measured(150_000, 12.0)}
    # Each request takes 10 µs of a worker and 10 µs of the load: four cores have time for 200,000 a second.
    assert workers.bound(hello, 4, 4) == (
        "with workers that lose nothing by each other: 2.00 ×; the load takes 10.0 µs a request"
    )
    costly = {"1 worker": measured(1000, 1000.0), "4 workers": measured(3300, 1010.0)}
    assert "each other: 3.96 ×" in workers.bound(costly, 4, 4)
    assert "each other: 4.00 ×" in workers.bound(costly, 4, 8)
    data = {"rounds": hello, "rounds_of_hono": costly, "apart": False}
    shown = texts(plots.drawings({"benchmarks": {"workers": {"data": data}}})["workers"])
    assert shown[0] == "4 workers against one (servers and load share the cores)"
    for bar, ratio in (("hello", "1.5"), ("hono", "3.3")):
        assert shown[shown.index(bar) + 1] == ratio
