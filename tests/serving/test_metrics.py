"""What is counted of real traffic: every request ends once, every failure has its kind, and the text is Prometheus's."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest
import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families

from nano_trio import logs
from nano_trio.actors.counts import BUCKETS, ErrorKind, Snapshot, quantile
from nano_trio.web import metrics
from nano_trio.web.load import Load
from nano_trio.web.metrics import Metrics
from tests.readme.document import REPOSITORY

from .conftest import NEIGHBOUR, Site, SiteMaker

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(site: Site) -> Series:
    """All series of the exposition; each family and each series may stand there once."""
    text = (await site.hosting.metrics.exposition()).decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    series: Series = {}
    for family in families:
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in series, key
            series[key] = sample.value
    return series


def of(series: Series, name: str, **labels: str) -> float:
    """The value of one series."""
    return series[name, frozenset(labels.items())]


def by_label(series: Series, name: str, label: str, **labels: str) -> dict[str, float]:
    """A family's values by one label, where the others are as given."""
    found = {}
    for (each, pairs), value in series.items():
        values = dict(pairs)
        if each == name and label in values and all(values.get(key) == wanted for key, wanted in labels.items()):
            found[values[label]] = value
    return found


MIXED = """
export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/throw": throw new Error("no");
    case "/nothing": return 5;
    case "/hang": await new Promise(() => {});
    case "/slow": await new Promise((resolve) => setTimeout(resolve, 60000)); return new Response("late");
    case "/status": return new Response("gone", { status: 410 });
    case "/stream": {
      let count = 0;
      return new Response(new ReadableStream({ pull(controller) {
        controller.enqueue(new Uint8Array(1000));
        if (++count === 5) controller.close();
      } }));
    }
    case "/broken": {
      let count = 0;
      return new Response(new ReadableStream({ pull(controller) {
        if (++count === 2) throw new Error("broken");
        controller.enqueue(new Uint8Array(1000));
      } }));
    }
    case "/endless": return new Response(new ReadableStream({ pull(controller) {
      controller.enqueue(new Uint8Array(1000));
    } }));
    case "/echo": return new Response(await request.text());
    case "/unsendable": return new Response("x", { status: 200, statusText: "\\u0100" });
    case "/uncaught": setTimeout(() => { throw new Error("later"); }, 0); return new Response("ok");
    default: return new Response("hello");
  }
} };
"""


async def gone(site: Site, path: str, *, after: bytes = b"") -> None:
    """A client that asks and leaves: at once when its request has begun, or when ``after`` has come."""
    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
    async with stream:
        await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: app\r\n\r\n".encode())
        if after:
            seen = b""
            while after not in seen:
                seen += await stream.receive_some()
        else:
            await site.begun("app")


async def settled(site: Site, name: str = "app") -> Any:
    """The app's counts when nothing is in flight."""
    with trio.fail_after(5):
        while True:
            snapshot = site.hosting.metrics.snapshots()[name]
            if not snapshot.in_flight:
                return snapshot
            await trio.testing.wait_all_tasks_blocked(0.01)


async def test_every_request_ends_once(serve: SiteMaker) -> None:
    asked = {
        "/": 200, "/echo": 200, "/status": 410, "/stream": 200, "/throw": 500, "/nothing": 500, "/hang": 500,
        "/uncaught": 200,
    }  # fmt: skip
    async with serve({"app": {"source": MIXED, "request_timeout_ms": 60000}, "neighbour": NEIGHBOUR}) as site:
        for path, status in asked.items():
            assert (await site.get("app", path)).status == status
        assert (await site.get("app", "/stream", method="HEAD")).status == 200
        assert (await site.get("app", "/echo", method="POST", body=b"x" * 300)).text == "x" * 300
        assert (await site.get("app", "/echo", method="POST", body=b"y" * 200_000)).status == 200
        with pytest.raises(Exception, match=r"(?i)peer|incomplete|closed"):
            await site.get("app", "/broken")
        await gone(site, "/slow")
        await gone(site, "/endless", after=b"\0" * 1000)
        assert (await site.get("nobody")).status == 404

        snapshot = await settled(site)
        assert snapshot.requests == len(asked) + 6
        assert snapshot.answered == len(asked) + 3
        assert snapshot.abandoned == 3
        assert sum(snapshot.buckets) == snapshot.answered
        assert snapshot.errors == {
            ErrorKind.EXCEPTION: 1,
            ErrorKind.NO_RESPONSE: 1,
            ErrorKind.HUNG: 1,
            ErrorKind.STREAM: 1,
            ErrorKind.UNCAUGHT: 1,
        }
        assert snapshot.bytes_in == 200_300
        assert 0 < snapshot.cpu_s < 5
        assert snapshot.turns > snapshot.requests
        assert snapshot.memory > 50_000
        assert snapshot.isolates == 1

        series = await scrape(site)
        assert of(series, "nano_trio_requests_begun_total", app="app") == snapshot.requests
        assert by_label(series, "nano_trio_requests_total", "status", app="app") == {"2xx": 7, "4xx": 1, "5xx": 3}
        assert of(series, "nano_trio_requests_abandoned_total", app="app") == 3
        assert of(series, "nano_trio_requests_in_flight", app="app") == 0
        assert of(series, "nano_trio_request_duration_seconds_count", app="app") == snapshot.answered
        assert by_label(series, "nano_trio_errors_total", "kind", app="app") == snapshot.errors
        assert of(series, "nano_trio_request_body_bytes_total", app="app") == 200_300
        assert of(series, "nano_trio_response_body_bytes_total", app="app") == snapshot.bytes_out > 206_000
        assert of(series, "nano_trio_http_requests_total", version="1.1") == snapshot.requests
        assert of(series, "nano_trio_http_unknown_hosts_total") == 1
        # An app that nobody asked for has no series, but it is known.
        assert not by_label(series, "nano_trio_requests_begun_total", "app").keys() - {"app"}
        assert by_label(series, "nano_trio_apps", "state") == {"awake": 1, "asleep": 1}


async def test_requests_in_flight(serve: SiteMaker) -> None:
    async with serve({"app": MIXED}) as site, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(site.get, "app", "/slow")
        await site.begun("app", 3)
        snapshot = site.hosting.metrics.snapshots()["app"]
        assert (snapshot.requests, snapshot.in_flight, snapshot.answered, snapshot.mailbox) == (3, 3, 0, 0)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("body", "keys", "kind", "status"),
    [
        ("for (;;);", {"timeout_ms": 30}, ErrorKind.CPU_LIMIT, "5xx"),
        ("const a = []; for (;;) a.push(new Array(1000).fill(1));", {"memory_mb": 8}, ErrorKind.MEMORY_LIMIT, "5xx"),
        ("await new Promise((r) => setTimeout(r, 9999));", {"request_timeout_ms": 50}, ErrorKind.TIMEOUT, "5xx"),
    ],
)
async def test_limits_have_their_kinds(
    serve: SiteMaker, body: str, keys: Mapping[str, Any], kind: str, status: str
) -> None:
    source = f"export default {{ async fetch(request) {{ {body} }} }};"
    async with serve({"app": {"source": source, **keys}}) as site:
        answer = await site.get("app")
        assert f"{answer.status // 100}xx" == status
        snapshot = await settled(site)
        assert snapshot.errors == {kind: 1}
        assert snapshot.requests == snapshot.answered == 1
        assert snapshot.crashes == (0 if kind == ErrorKind.TIMEOUT else 1)
        if kind == ErrorKind.CPU_LIMIT:
            assert snapshot.preemptions > 3
            assert snapshot.cpu_s >= 0.03


async def test_an_app_that_does_not_load(serve: SiteMaker) -> None:
    async with serve({"app": {"source": "syntax error", "max_restarts": 1}}) as site:
        assert [(await site.get("app")).status for _ in range(3)] == [503] * 3
        snapshot = await settled(site)
        assert snapshot.errors == {ErrorKind.LOAD: 1, ErrorKind.FAILED: 2}
        assert (snapshot.crashes, snapshot.starts, snapshot.state) == (2, 0, "failed")
        assert "index.js" in snapshot.last_error


async def test_restarts_and_evictions(serve: SiteMaker) -> None:
    source = "export default { fetch(r) { if (r.url.endsWith('/spin')) for (;;); return new Response('ok'); } };"
    async with serve({"app": {"source": source, "timeout_ms": 20, "idle_timeout_s": 0.001}}) as site:
        assert (await site.get("app", "/spin")).status == 503
        assert (await site.get("app")).status == 200
        with trio.fail_after(10):
            while (await settled(site)).state != "asleep":
                await trio.testing.wait_all_tasks_blocked(0.02)
        app = site.app("app")
        app.take(attrs.evolve(app.settings, idle_timeout_s=600))
        assert (await site.get("app")).status == 200
        snapshot = await settled(site)
        assert (snapshot.starts, snapshot.crashes, snapshot.restarts, snapshot.evictions) == (3, 1, 1, 1)


async def test_a_full_mailbox(serve: SiteMaker) -> None:
    source = "export default { async fetch(request) { for (let i = 0; i < 1e6; i++); return new Response('ok'); } };"
    async with serve({"app": {"source": source, "max_pending": 2}}) as site:
        assert (await site.get("app")).status == 200
        statuses = []

        async def ask() -> None:
            statuses.append((await site.get("app")).status)

        async with trio.open_nursery() as nursery:
            for _ in range(12):
                nursery.start_soon(ask)
        snapshot = await settled(site)
        assert snapshot.errors[ErrorKind.MAILBOX_FULL] == statuses.count(503) > 0
        assert snapshot.requests == snapshot.answered == 13


async def test_refused_before_an_app_is_asked(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR}) as site:
        for request in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
            b"GET /%b HTTP/1.1\r\n" % (b"x" * 9000),
        ):
            stream = await site.connect()
            await stream.send_all(request)
            while await stream.receive_some():
                pass
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.0\r\nHost: app\r\n\r\n")
        while await stream.receive_some():
            pass
        series = await scrape(site)
        assert by_label(series, "nano_trio_http_refused_total", "status") == {"400": 2, "414": 1}
        assert by_label(series, "nano_trio_http_requests_total", "version") == {"1.0": 1, "1.1": 0, "2": 0}
        assert of(series, "nano_trio_http_connections_accepted_total") == 4
        assert of(series, "nano_trio_requests_begun_total", app="app") == 1


async def test_calls_between_apps_count_for_the_called(serve: SiteMaker) -> None:
    caller = "export default { fetch(request, env) { return env.OTHER.fetch('http://other/'); } };"
    async with serve({"app": {"source": caller, "services": {"OTHER": "neighbour"}}, "neighbour": NEIGHBOUR}) as site:
        assert (await site.get("app")).text == "fine 1"
        for name in ("app", "neighbour"):
            snapshot = await settled(site, name)
            assert (snapshot.requests, snapshot.answered) == (1, 1)


async def test_the_loop_s_lag_shows(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR}) as site:
        await site.get("app")
        time.sleep(0.4)  # noqa: ASYNC251 - what no code here may do
        await trio.sleep(0.15)
        series = await scrape(site)
        late = of(series, "nano_trio_loop_lag_seconds_count") - of(
            series, "nano_trio_loop_lag_seconds_bucket", le="0.1"
        )
        assert late >= 1
        assert of(series, "nano_trio_loop_lag_seconds_sum") > 0.25


async def test_names_and_labels(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR, "other": NEIGHBOUR}) as site:
        for name in ("app", "other"):
            await site.get(name, "/some/path?query=1")
        text = (await site.hosting.metrics.exposition()).decode()
        assert "some/path" not in text
        for family in text_string_to_metric_families(text):
            # As promtool's linter has it: https://prometheus.io/docs/practices/naming/
            assert re.fullmatch(r"(nano_trio|process)_[a-z_]+", family.name)
            assert family.documentation
            assert not re.search(r"_(counter|gauge|histogram|summary|count|sum|bucket)(_|$)", family.name), family.name
            assert not re.search(
                r"_(ms|milliseconds|minutes|hours|kb|mb|kilobytes|megabytes|percent)(_|$)", family.name
            )
            samples = {sample.name for sample in family.samples}
            assert all(name.endswith("_total") is (family.type == "counter") for name in samples), samples
            if family.type == "histogram":
                assert {name.removeprefix(family.name) for name in samples} == {"_bucket", "_sum", "_count"}
            assert all(
                set(sample.labels) <= {"app", "status", "kind", "direction", "version", "le", "state", "python", "trio"}
                for sample in family.samples
            )
        assert "process_resident_memory_bytes" in text
        assert "nano_trio_build_info{" in text
        assert "process_open_fds" in text


async def test_a_removed_app_s_series_go(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR, "other": NEIGHBOUR}) as site:
        for name in ("app", "other"):
            await site.get(name)
        del site.hosting.registry.apps["other"]
        assert 'app="other"' not in (await site.hosting.metrics.exposition()).decode()


async def test_a_scrape_of_many_apps_does_not_stop_the_loop(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR}) as site:
        await site.get("app")
        snapshot = site.hosting.metrics.snapshots()["app"]

        class Thousands:
            runnable = 0

            def snapshots(self) -> Iterator[Snapshot]:
                return (attrs.evolve(snapshot, app=f"app{number}") for number in range(10_000))

        metrics = Metrics(Thousands(), site.hosting.server, Load())
        passes = 0

        async def count() -> None:
            nonlocal passes
            while True:
                passes += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            text = (await metrics.exposition()).decode()
            nursery.cancel_scope.cancel()
        assert passes > 20
        assert len(re.findall(r'^nano_trio_requests_begun_total\{app="app\d+"\} 1$', text, re.MULTILINE)) == 10_000


async def test_a_scrape_looks_for_no_package(serve: SiteMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """That reads the folders of ``sys.path``, and remembers each state of theirs: the working directory is one."""

    def looked_for(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", looked_for)
    async with serve({"one": "export default () => new Response();"}) as site:
        versions = next(dict(labels) for name, labels in await scrape(site) if name == "nano_trio_build_info")
    assert versions["trio"] == trio.__version__


def test_quantiles() -> None:
    assert quantile((0,) * (len(BUCKETS) + 1), 0.5) is None
    buckets = [0] * (len(BUCKETS) + 1)
    buckets[3] = 100  # 0.5 to 1 ms
    assert quantile(tuple(buckets), 0.5) == pytest.approx(0.00075)
    assert quantile(tuple(buckets), 0.99) == pytest.approx(0.000995)
    buckets[-1] = 100
    assert quantile(tuple(buckets), 0.99) == BUCKETS[-1]


async def test_lifecycle_events_reach_a_tap(serve: SiteMaker) -> None:
    source = "export default { fetch(r) { if (r.url.endsWith('/spin')) for (;;); return new Response('ok'); } };"
    async with serve({"app": {"source": source, "timeout_ms": 20}, "neighbour": NEIGHBOUR}) as site:
        with logs.tap("app") as tap:
            assert (await site.get("neighbour")).status == 200
            assert (await site.get("app", "/spin")).status == 503
            assert (await site.get("app")).status == 200
            events = [(await tap.receive())["event"] for _ in range(3)]
        assert events == ["started", "crashed", "started"]


_NAMES = re.compile(r"\b(?:nano_trio|process)_[a-z_]+")
_IN_BRACES = re.compile(r"\{[^}]*\}|by \([^)]*\)")


async def test_the_grafana_dashboard_asks_for_what_there_is(serve: SiteMaker) -> None:
    dashboard = json.loads((REPOSITORY / "docs/grafana/nano-trio.json").read_text("utf-8"))
    panels = dashboard["panels"]
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations((panel["gridPos"] for panel in panels), 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
    targets = [target for panel in panels for target in panel.get("targets", ())]
    assert all(panel["type"] == "row" or panel["targets"] for panel in panels)

    async with serve({"app": MIXED}) as site:
        assert (await site.get("app", "/throw")).status == 500
        stream = await site.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        assert await stream.receive_some()
        text = (await site.hosting.metrics.exposition()).decode()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked: set[str] = set()
    for expression in [target["expr"] for target in targets]:
        assert set(re.findall(r"\$(\w+)", expression)) <= variables | {"__rate_interval"}
        names = _NAMES.findall(_IN_BRACES.sub("", expression))
        assert names, expression
        asked.update(names)
        used = set(re.findall(r"[a-z_]+(?==)", expression))
        used.update(name for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(", "))
        for name in names:
            assert used - {"instance"} <= labels[name], (expression, name)
    # And it leaves nothing out, but for what is derived from what it shows.
    shown = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in labels}
    unasked = {name for name in shown if name.startswith("nano_trio_")} - {
        name.removesuffix("_bucket") for name in asked
    }
    assert unasked == {"nano_trio_requests_begun_total"}


async def test_apps_that_come_and_go_are_told_of(serve: SiteMaker) -> None:
    async with serve({"app": NEIGHBOUR, "other": NEIGHBOUR}) as site:
        registry = site.hosting.registry
        await site.get("other")
        with logs.tap() as tap:
            await registry.let_go(registry.release("other"))
            registry.add(attrs.evolve(registry.apps["app"].settings, name="third"))
            registry.quarantine({"app": "it crashed the engine"})
            assert (await site.get("app")).status == 503
            assert (await settled(site)).errors == {ErrorKind.QUARANTINED: 1}
            registry.quarantine({})
            seen = [await tap.receive() for _ in range(5)]
        assert [(item["app"], item["event"]) for item in seen] == [
            ("other", "draining"),
            ("other", "removed"),
            ("third", "added"),
            ("app", "quarantined"),
            ("app", "released from quarantine"),
        ]
        assert seen[3]["reason"] == "it crashed the engine"


def test_what_the_process_takes_is_told_where_only_processes_are_seen(tmp_path: Path) -> None:
    """As under the systemd unit, whose ProcSubset=pid leaves no /proc/stat."""
    (tmp_path / "self").symlink_to("/proc/self")
    here, seen = ({each.name: each for each in metrics._Process(proc).collect()} for proc in ("/proc", str(tmp_path)))
    assert here.keys() == seen.keys() > {"process_resident_memory_bytes", "process_cpu_seconds", "process_open_fds"}
    started = seen["process_start_time_seconds"].samples[0].value
    assert abs(started - psutil.Process().create_time()) < 5
