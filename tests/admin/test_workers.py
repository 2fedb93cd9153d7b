"""The admin listener and the processes of a server: workers that die, apps in quarantine, several workers."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.parent.conftest import stop_in_turn

from .conftest import GREETER, PATIENCE_S, Answer, Nano, Server

HOG = "export default { fetch(request) { if (request.url.endsWith('/spin')) for (;;); return new Response('calm') } }"


def until(look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def answers(ask: Callable[[], Answer], status: int) -> bool:
    """Whether that is the answer; False where nobody answers just now."""
    try:
        return ask().status == status
    except OSError:
        return False


def crash_in_turn(server: Server, app: str) -> None:
    """Have the worker die by SIGSEGV in the middle of a turn of ``app``."""
    worker = server.worker
    asking = threading.Thread(target=lambda: answers(lambda: server.get(app, "/spin"), 200), daemon=True)
    asking.start()
    stop_in_turn(worker, app)
    worker.send_signal(signal.SIGSEGV)
    worker.resume()
    asking.join(PATIENCE_S)
    until(lambda: worker_pid(server) not in (None, worker.pid))
    until(lambda: answers(lambda: server.ask("GET", "/ready"), 200))


def worker_pid(server: Server) -> int | None:
    children = psutil.Process(server.process.pid).children()
    return children[0].pid if children and children[0].status() != psutil.STATUS_ZOMBIE else None


def test_a_quarantined_app_is_shown_and_lifted(tmp_path: Path, nano: Nano) -> None:
    """The worker that dies is replaced, and admin is at the same port as before."""
    server = Server(tmp_path, admin={}, apps={"hog": HOG, "calm": GREETER})
    try:
        crash_in_turn(server, "hog")
        crash_in_turn(server, "hog")
        app = server.ask("GET", "/admin/apps/hog").json
        assert app["state"] == "quarantined"
        assert "killed by SIGSEGV, 2 times" in app["quarantine"]
        assert [app["name"] for app in server.ask("GET", "/admin/apps?state=quarantined").json["apps"]] == ["hog"]
        assert server.ask("GET", "/admin/apps/calm").json["quarantine"] is None
        assert server.get("hog").status == 503
        assert server.get("calm").status == 200
        health = server.ask("GET", "/health").json
        assert health["status"] == "degraded"
        assert health["apps"]["quarantined"] == 1
        assert health["problems"][0].startswith("hog: quarantined: ")
        refused = server.ask("POST", "/admin/apps/hog/restart", {})
        assert refused.status == 409
        assert "lift that first" in refused.json["detail"]
        assert "quarantined" in nano("top", "--url", server.url, "--once", "--interval", "0.25").out
        assert nano("admin", "--url", server.url, "lift", "hog").out == "hog may run again\n"
        assert server.get("hog").body == b"calm"
        assert server.ask("GET", "/health").json["status"] == "ok"
        server.logged(event="admin", action="apps.lift", target="hog", result="done")
    finally:
        server.end()


def test_of_several_workers_all_follow(tmp_path: Path) -> None:
    """The first has the admin listener; what it changes reaches the others."""
    server = Server(tmp_path, admin={}, apps={"one": GREETER}, workers=2)
    try:
        (tmp_path / "two.js").write_text("export default () => new Response('two')")
        assert server.ask("POST", "/admin/apps", {"name": "two", "path": "two.js"}).status == 201
        # Each of these is a new connection, which either worker may take.
        until(lambda: all(server.get("two").status == 200 for _ in range(20)))
        assert server.ask("DELETE", "/admin/apps/two").status == 200
        until(lambda: all(server.get("two").status != 200 for _ in range(20)))
    finally:
        server.end()


def test_while_the_server_drains_it_says_so(tmp_path: Path) -> None:
    """Admin outlives the listeners: it tells how the end goes."""
    server = Server(tmp_path, admin={}, apps={"one": GREETER}, drain_timeout_s=600)
    try:
        with server.held("one") as let_go:
            until(lambda: server.ask("GET", "/admin/apps/one").json["state"] == "awake")
            server.process.send_signal(signal.SIGTERM)
            until(lambda: server.ask("GET", "/ready").status == 503)
            assert server.ask("GET", "/healthz").status == 200
            health = server.ask("GET", "/health")
            assert (health.status, health.json["status"]) == (503, "draining")
            let_go()
        assert server.process.wait(PATIENCE_S) == 0
    finally:
        server.end()
