"""The runner itself, with a small stand-in for testharness.js."""

from __future__ import annotations

from pathlib import Path

import pytest

from nano_trio.engine.turn import Limits
from tests.wpt import execution
from tests.wpt.execution import Outcome, execute
from tests.wpt.expectations import Expectations
from tests.wpt.manifest import area_of, discover

_HARNESS = """
let onResult, onComplete, pending = 0, isLoaded = false;
const add_result_callback = (callback) => { onResult = callback; };
const add_completion_callback = (callback) => { onComplete = callback; };
const finish = (status) => onComplete([], { status, message: null });
const settle = (name, status, message) => {
  onResult({ name, status, message });
  if (--pending === 0 && isLoaded) finish(0);
};
const test = (body, name) => {
  pending++;
  try { body(); settle(name, 0, null); } catch (error) { settle(name, 1, String(error)); }
};
const promise_test = (body, name) => {
  pending++;
  Promise.resolve().then(body).then(() => settle(name, 0, null), (error) => settle(name, 1, String(error)));
};
const timeout = () => finish(2);
const same = (a, b) => { if (a !== b) throw new Error(`${a} is not ${b}`); };
Promise.resolve().then(() => { isLoaded = true; if (pending === 0) finish(0); });
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "testharness.js").write_text(_HARNESS, "utf-8")
    return tmp_path


def run(root: Path, source: str, path: str = "area/case.any.js") -> list[Outcome]:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(source, "utf-8")
    return [execute(root, test) for test in discover(root, [path], set())]


def test_results_are_gathered(root: Path) -> None:
    [outcome] = run(
        root, 'test(() => {}, "good"); test(() => same(1, 2), "bad"); promise_test(async () => {}, "later");'
    )
    assert outcome.status == "ok"
    assert outcome.subtests == {"good": ("pass", ""), "bad": ("fail", "Error: 1 is not 2"), "later": ("pass", "")}


def test_two_subtests_of_one_name_count_twice(root: Path) -> None:
    [outcome] = run(root, 'test(() => {}, "x"); test(() => {}, "x");')
    assert list(outcome.subtests) == ["x", "x (2)"]


def test_meta_scripts_are_loaded_relative_and_absolute(root: Path) -> None:
    (root / "common").mkdir()
    (root / "common" / "a.js").write_text("const a = 1;", "utf-8")
    (root / "area").mkdir()
    (root / "area" / "b.js").write_text("const b = a + 1;", "utf-8")
    source = '// META: script=/common/a.js\n// META: title=x\n// META: script=b.js\n\ntest(() => same(b, 2), "b");'
    assert run(root, source)[0].subtests == {"b": ("pass", "")}


def test_each_variant_is_a_run_with_its_search(root: Path) -> None:
    source = "// META: variant=?one\n// META: variant=?two\ntest(() => {}, location.search + self.location.pathname);"
    assert [list(outcome.subtests) for outcome in run(root, source)] == [
        ["?one/area/case.any.js"],
        ["?two/area/case.any.js"],
    ]


def test_fetch_reads_the_servers_files_only(root: Path) -> None:
    (root / "area").mkdir()
    (root / "area" / "data.json").write_text('{"x": 1}', "utf-8")
    source = """
    promise_test(async () => same((await (await fetch("data.json")).json()).x, 1), "relative");
    promise_test(async () => same((await fetch("/area/data.json?q#f")).status, 200), "absolute");
    promise_test(async () => same((await fetch("/../../../../etc/passwd")).status, 404), "outside");
    promise_test(async () => same((await fetch("none")).status, 404), "missing");
    """
    assert {status for status, _ in run(root, source)[0].subtests.values()} == {"pass"}


def test_a_script_that_throws_is_an_error_of_the_run(root: Path) -> None:
    [outcome] = run(root, 'test(() => {}, "before"); throw new TypeError("no");')
    assert (outcome.status, outcome.message) == ("error", "TypeError: no")
    assert run(root, "this is no script")[0].status == "error"
    assert run(root, "// META: script=missing.js\n")[0].message == "/area/missing.js"


def test_an_endless_loop_is_a_timeout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "time_limit", lambda test: 0.2)
    assert run(root, 'test(() => {}, "a"); for (;;);')[0].status == "timeout"


def test_an_endless_loop_is_a_timeout_where_others_have_the_cpu(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is up long before it has used so much of the CPU's."""
    monkeypatch.setattr(execution, "time_limit", lambda test: 0.2)
    monkeypatch.setattr(execution, "_LAST_WORD_S", 0.1)
    monkeypatch.setattr(
        execution, "Limits", lambda turn_ms, memory_bytes: Limits(memory_bytes=memory_bytes, turn_ms=1e6)
    )
    assert run(root, 'test(() => {}, "a"); for (;;);')[0].status == "timeout"


def test_a_promise_that_nobody_settles_is_a_timeout_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waited for its time to be up would wait for a day."""
    monkeypatch.setattr(execution, "time_limit", lambda test: 86_400)
    [outcome] = run(root, 'promise_test(() => new Promise(() => {}), "never");')
    assert outcome.status == "timeout"


def test_a_timer_that_is_too_late_is_a_timeout(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "time_limit", lambda test: 0.2)
    assert run(root, 'promise_test(() => new Promise((r) => setTimeout(r, 60000)), "late");')[0].status == "timeout"


def test_a_heap_that_outgrows_its_limit_is_stopped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MEMORY_LIMIT", 4 << 20)
    [outcome] = run(root, "const all = []; for (;;) all.push(new Array(100).fill(all.length));")
    assert (outcome.status, outcome.message) == ("error", "stopped: memory")


def test_areas() -> None:
    assert area_of("url/historical.any.js") == "url"
    assert area_of("dom/abort/event.any.js") == "dom/abort"
    assert area_of("encoding/streams/x.any.js") == "encoding"


def test_expectations_tell_regressions_and_unexpected_passes(tmp_path: Path) -> None:
    path = tmp_path / "expectations.json"
    expectations = Expectations(path)
    first = {"t": Outcome("ok", "", {"a": ("pass", ""), "b": ("fail", "why")}), "u": Outcome("crash", "signal")}
    assert expectations.compare(first).regressions == ["t: b: fail: why", "u: (harness): crash: signal"]
    expectations.update(first)
    known = Expectations(path)
    assert known.compare(first).regressions == []
    assert known.compare(first).failed, "nobody has given a reason yet"
    path.write_text(path.read_text().replace("unreviewed", "a good reason"))
    reviewed = Expectations(path)
    assert not reviewed.compare(first).failed
    second = {"t": Outcome("ok", "", {"a": ("fail", "now"), "b": ("pass", "")}), "u": Outcome("ok")}
    comparison = reviewed.compare(second)
    assert comparison.regressions == ["t: a: fail: now"]
    assert comparison.unexpected_passes == ["t: b", "u: (harness)"]
    reviewed.update(second)
    assert Expectations(path).failures == {"t": [{"reason": "unreviewed", "subtests": ["a"]}]}
