"""One admin listener for all workers: what it shows is gathered, what it changes reaches all."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio

from nano_trio.web.admin.client import connect
from tests.admin.conftest import Server

from .conftest import until

APP = """
const me = crypto.randomUUID();
export default { fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/log") console.log(`a line of ${me}`);
  if (pathname === "/throw") throw new Error("thrown on purpose");
  return new Response(me);
} };
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, admin={}, apps={"one": APP}, workers=2)
    until(lambda: sum(line["event"] == "listening" for line in server.lines()) == 2)
    yield server
    server.end()


def isolates(server: Server, app: str = "one", path: str = "/") -> set[str]:
    """What the app calls itself in all workers. Every request is a connection of its own, which any may take."""
    seen: set[str] = set()
    until(lambda: seen.add(server.get(app, path).body.decode()) or len(seen) >= 2)
    return seen


def sample(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    wanted = {f'{key}="{value}"' for key, value in labels.items()}
    return sum(float(value) for said, value in found if wanted <= set(said.split(",")))


def test_metrics_add_up_over_workers_and_over_their_deaths(server: Server) -> None:
    isolates(server)
    before = sample(server.ask("GET", "/metrics").body.decode(), "nano_trio_requests_total", app="one")
    statuses = [server.get("one", "/throw" if number % 4 == 0 else "/").status for number in range(40)]
    assert statuses.count(500) == 10
    text = server.ask("GET", "/metrics").body.decode()
    assert sample(text, "nano_trio_requests_total", app="one") == before + 40
    assert sample(text, "nano_trio_requests_total", app="one", status="5xx") == 10
    assert sample(text, "nano_trio_errors_total", app="one", kind="exception") == 10
    assert sample(text, "nano_trio_request_duration_seconds_count", app="one") == before + 40
    assert sample(text, "nano_trio_request_duration_seconds_bucket", app="one", le="+Inf") == before + 40
    assert len(re.findall('nano_trio_requests_total{app="one",status="2xx"}', text)) == 1
    assert sample(text, "nano_trio_http_requests_total", version="1.1") == before + 40
    assert sample(text, "nano_trio_isolates", app="one") == 2
    assert set(re.findall(r'nano_trio_http_connections{worker="(\d)"}', text)) == {"0", "1"}
    assert sample(text, "nano_trio_bus_messages_total", direction="in") > 0
    assert sample(text, "nano_trio_bus_messages_total", direction="out") > 0
    assert sample(text, "nano_trio_bus_messages_lost_total") == 0
    assert sample(text, "nano_trio_apps") == 1, "an app counts once"
    assert len(text.split("# TYPE nano_trio_loop_lag_seconds ")) == 2

    second = worker(server, 1)
    second.kill()
    until(lambda: "killed by SIGKILL" in server.err())
    # A counter that falls would be taken for a restart.
    assert sample(server.ask("GET", "/metrics").body.decode(), "nano_trio_requests_total", app="one") >= before + 40
    isolates(server)
    counted = sample(server.ask("GET", "/metrics").body.decode(), "nano_trio_requests_total", app="one")
    assert counted >= before + 42
    # Not even where the one dies that adds them up, again and again.
    for deaths in (2, 3):
        worker(server, 0 if deaths == 2 else 1).kill()
        until(lambda deaths=deaths: server.err().count("killed by SIGKILL") == deaths)
        before = server.ask("GET", "/metrics").body.decode()
        for name in ("nano_trio_requests_total", "nano_trio_request_duration_seconds_count"):
            assert sample(before, name, app="one") >= counted
        assert sample(before, "nano_trio_http_connections_accepted_total") >= counted
        until(lambda deaths=deaths: sum(line["event"] == "listening" for line in server.lines()) == deaths + 2)
    # Nor where all others that knew have died before it.
    worker(server, 0).kill()
    until(lambda: sum(line["event"] == "listening" for line in server.lines()) == 6)
    worker(server, 0).kill()
    until(lambda: server.err().count("killed by SIGKILL") == 5)
    assert sample(server.ask("GET", "/metrics").body.decode(), "nano_trio_requests_total", app="one") >= counted


def worker(server: Server, number: int) -> psutil.Process:
    """A worker's process: the parent starts the first one first."""
    children = sorted(psutil.Process(server.process.pid).children(), key=lambda child: child.create_time())
    return children[number]


def test_views_are_gathered(server: Server) -> None:
    one, two = isolates(server)
    tree = server.ask("GET", "/admin/tree").json
    assert [child["id"] for child in tree["children"]] == ["worker 0", "worker 1"]
    for child in tree["children"]:
        apps = next(each for each in child["children"] if each["id"] == "apps")
        assert "one" in [each["id"] for each in apps["children"]]
    app = server.ask("GET", "/admin/apps/one").json
    assert app["state"] == "awake"
    assert [each["name"] for each in server.ask("GET", "/admin/apps").json["apps"]] == ["one"]
    assert server.ask("GET", "/health").json["status"] == "ok"

    isolates(server, path="/log")

    def logged() -> bool:
        text = json.dumps(server.ask("GET", "/admin/logs?app=one").json)
        return all(f"a line of {each}" in text for each in (one, two))

    until(logged)

    async def follow() -> None:
        async with connect(server.url, None) as client:
            logs = await client.subscribe("logs", app="one")
            metrics = await client.subscribe("metrics", interval_s=0.25)
            seen: set[str] = set()
            with trio.fail_after(20):
                while len(seen) < 2:
                    await trio.to_thread.run_sync(server.get, "one", "/log")
                    with trio.move_on_after(0.1):
                        async for items in logs:
                            seen.update(item["event"] for item in items.items)
                asked = len(seen)
                async for items in metrics:
                    (figures,) = items.items[-1]["apps"]
                    if figures["requests"] > asked and items.items[-1]["states"] == {"awake": 1}:
                        break

    trio.run(follow)


def test_a_worker_that_hangs_is_named_and_holds_up_nobody(server: Server) -> None:
    isolates(server)
    second = worker(server, 1)
    second.suspend()
    try:
        tree = server.ask("GET", "/admin/tree").json
        assert tree["children"][1]["id"] == "worker 1"
        assert "has not answered" in tree["children"][1]["state"]
        health = server.ask("GET", "/health").json
        assert (health["status"], health["problems"]) == ("degraded", ["worker 1 has not answered for 2 s"])
    finally:
        second.resume()


def test_health_is_that_of_all_workers(server: Server) -> None:
    """Also what only another worker than that of the listener knows, and for how long the server has been there."""
    first, second = worker(server, 0), worker(server, 1)
    first.suspend()
    until(lambda: first.status() == psutil.STATUS_STOPPED)
    assert server.get("one").status == 200
    first.resume()
    health = server.ask("GET", "/health").json
    assert (health["status"], health["apps"]) == ("ok", {"awake": 1})
    age = health["uptime_s"]
    first.kill()
    psutil.wait_procs([first], 30)
    health = until(lambda: answered_health(server))
    assert health["uptime_s"] >= age
    assert second.is_running()


def answered_health(server: Server) -> Any:
    """None where there is no worker to answer, or not all."""
    try:
        health = server.ask("GET", "/health").json
    except (OSError, HTTPException):
        return None
    return health if health["status"] == "ok" else None


def test_changes_reach_all_workers(server: Server, tmp_path: Path) -> None:
    before = isolates(server)
    (tmp_path / "two.js").write_text(APP)
    assert server.ask("POST", "/admin/apps", {"name": "two", "path": "two.js"}).status == 201
    assert all(server.get("two").status == 200 for _ in range(20)), "when admin answers, all have done it"
    # Whoever takes a dead worker's place knows it too.
    worker(server, 1).kill()
    until(lambda: sum(line["event"] == "listening" for line in server.lines()) == 3)
    assert len(isolates(server, "two")) == 2

    (tmp_path / "one.js").write_text(APP.replace("Response(me)", "Response('new')"))
    assert server.ask("POST", "/admin/apps/one/restart", {}).status == 200
    assert {server.get("one").body for _ in range(20)} == {b"new"}
    assert before

    assert server.ask("POST", "/admin/apps/one/drain", {}).json["state"] == "draining"
    assert {server.get("one").status for _ in range(20)} == {503}
    assert server.ask("POST", "/admin/apps/one/restart", {}).json["state"] == "awake"
    assert {server.get("one").status for _ in range(20)} == {200}

    (tmp_path / "one.js").write_text(APP.replace("Response(me)", "Response('newer')"))
    report = server.ask("POST", "/admin/reload", {}).json
    assert report["replaced"] == ["one"]
    assert {server.get("one").body for _ in range(20)} == {b"newer"}

    assert server.ask("DELETE", "/admin/apps/two").status == 200
    assert all(server.get("two").status != 200 for _ in range(20))


def test_what_was_drained_stays_so_in_workers_that_start_later(server: Server) -> None:
    isolates(server)
    assert server.ask("POST", "/admin/apps/one/drain", {}).json["state"] == "draining"

    def replaced(number: int, serving: int) -> None:
        worker(server, number).kill()
        until(lambda: sum(line["event"] == "listening" for line in server.lines()) == serving)

    replaced(1, 3)
    assert {server.get("one").status for _ in range(20)} == {503}
    # Which of them had the admin listener makes no difference; nor does a reload.
    replaced(0, 4)
    replaced(0, 5)
    assert server.ask("POST", "/admin/reload", {}).status == 200
    assert {server.get("one").status for _ in range(20)} == {503}
    assert server.ask("GET", "/admin/apps/one").json["state"] == "draining"
    assert server.ask("POST", "/admin/apps/one/restart", {}).json["state"] == "awake"
    replaced(0, 6)
    assert len(isolates(server)) == 2
    assert {server.get("one").status for _ in range(20)} == {200}


def test_who_starts_answers_once_it_serves(server: Server) -> None:
    isolates(server)
    worker(server, 1).kill()
    until(lambda: "killed by SIGKILL" in server.err())
    serving = 2
    while serving == 2:
        # The new worker is asked from the moment of its start on.
        assert server.ask("GET", "/admin/apps/one").status == 200
        serving = sum(line["event"] == "listening" for line in server.lines())
    assert "internal error" not in server.err()


def test_a_change_reaches_all_workers_though_who_makes_it_dies(tmp_path: Path) -> None:
    server = Server(tmp_path, admin={}, apps={"one": APP}, workers=3)
    (tmp_path / "two.js").write_text(APP)
    try:
        until(lambda: sum(line["event"] == "listening" for line in server.lines()) == 3)
        first, second = worker(server, 0), worker(server, 1)
        # It is asked before the third, which therefore is not.
        second.suspend()
        with contextlib.suppress(OSError, HTTPException), ThreadPoolExecutor(1) as apart:
            asked = apart.submit(server.ask, "POST", "/admin/apps", {"name": "two", "path": "two.js"})
            until(lambda: list((tmp_path / "state" / "apps").glob("*.json")))
            first.kill()
            asked.result()
        second.resume()
        until(lambda: sum(line["event"] == "listening" for line in server.lines()) == 4)
        seen: set[bytes] = set()

        def all_serve_it() -> bool:
            answer = server.get("two")
            if answer.status == 200:
                seen.add(answer.body)
            return len(seen) == 3

        until(all_serve_it)
    finally:
        second.resume()
        server.end()


def test_a_port_that_comes_by_admin_outlives_workers_and_the_admin_s_comes_back(server: Server, tmp_path: Path) -> None:
    (tmp_path / "own.js").write_text("export default () => new Response('own')")
    refused = server.ask("POST", "/admin/apps", {"name": "own", "path": "own.js", "port": server.port})
    assert refused.status == 422
    first = worker(server, 0)
    first.kill()
    until(lambda: "killed by SIGKILL" in server.err())
    # Admin's socket was open all the time: whoever asks waits.
    assert server.ask("GET", "/admin/apps/one").json["name"] == "one"
    assert [child["id"] for child in server.ask("GET", "/admin/tree").json["children"]] == ["worker 0", "worker 1"]
