"""REST: each route, and what it says when something is wrong."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.parent.conftest import until

from .conftest import APPS, PATIENCE_S, Server


def problem(server: Server, verb: str, path: str, body: Any = None, **headers: str | None) -> tuple[int, str]:
    """Status and detail of an answer that is a problem."""
    answer = server.ask(verb, path, body, **headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == answer.status
    assert answer.json["type"].startswith("urn:nano-trio:problem:")
    assert answer.json["title"]
    return answer.status, answer.json["detail"]


def test_apps_are_listed(server: Server) -> None:
    assert server.get("one").body == b"hello from one"
    assert server.get("broken").status == 503
    apps = {app["name"]: app for app in server.ask("GET", "/admin/apps").json["apps"]}
    assert list(apps) == ["broken", "one", "two"]
    assert apps["one"]["state"] == "awake"
    assert apps["one"]["urls"] == [f"http://one:{server.port}"]
    assert apps["one"]["memory_bytes"] > 50_000
    assert apps["one"]["memory_limit_bytes"] == 128 << 20
    assert apps["one"]["last_error"] is None
    assert apps["two"]["state"] == "asleep"
    assert apps["two"]["memory_bytes"] == 0
    assert "the database is not there" in apps["broken"]["last_error"]
    asleep = server.ask("GET", "/admin/apps?state=asleep").json["apps"]
    assert "two" in [app["name"] for app in asleep]
    assert "one" not in [app["name"] for app in asleep]
    assert server.ask("GET", "/admin/apps/one").json["name"] == "one"


def test_an_app_comes_and_goes(server: Server) -> None:
    (server.folder / "three.js").write_text("export default (request, env) => new Response(env.WHO)")
    assert server.get("three").status == 404
    added = server.ask("POST", "/admin/apps", {"name": "three", "path": "three.js", "env": {"WHO": "me"}})
    assert (added.status, added.json["name"], added.json["state"]) == (201, "three", "asleep")
    assert added.headers["location"] == "/admin/apps/three"
    assert server.get("three").body == b"me"
    assert problem(server, "POST", "/admin/apps", {"name": "three", "path": "three.js"}) == (
        409,
        "there is an app 'three' already",
    )
    removed = server.ask("DELETE", "/admin/apps/three")
    assert (removed.status, removed.json) == (200, {"name": "three", "removed": True})
    assert server.get("three").status in (404, 503)
    assert problem(server, "DELETE", "/admin/apps/three")[0] == 404


def test_an_app_that_cannot_be_added(server: Server) -> None:
    answer = server.ask("POST", "/admin/apps", {"name": "x", "path": "nowhere", "memory_mb": "much"})
    assert answer.status == 422
    first, second = sorted(answer.json["problems"])
    assert 'memory_mb: expected a positive number, got "much"' in first
    assert '"nowhere" does not exist' in second
    assert problem(server, "POST", "/admin/apps", {})[0] == 400


def test_what_cannot_be_kept_is_not_done(server: Server) -> None:
    (server.folder / "four.js").write_text("export default () => new Response('four')")
    kept = server.folder / "state" / "apps"
    kept.mkdir(parents=True, exist_ok=True)
    aside = kept.rename(kept.with_name("aside"))
    kept.write_text("no folder")
    try:
        why = f"what is added and removed at run time cannot be kept in {kept}: file exists"
        assert problem(server, "POST", "/admin/apps", {"name": "four", "path": "four.js"}) == (422, why)
        assert problem(server, "DELETE", "/admin/apps/one") == (422, why)
    finally:
        kept.unlink()
        aside.rename(kept)
    assert server.get("four").status == 404
    assert server.get("one").body == b"hello from one"


def test_an_app_is_restarted(server: Server) -> None:
    (server.folder / "two.js").write_text("let n = 0; export default () => new Response(`first ${++n}`)")
    server.ask("POST", "/admin/apps/two/restart", {})
    assert [server.get("two").body for _ in range(2)] == [b"first 1", b"first 2"]
    (server.folder / "two.js").write_text("let n = 0; export default () => new Response(`second ${++n}`)")
    answer = server.ask("POST", "/admin/apps/two/restart", {})
    assert (answer.status, answer.json["state"]) == (200, "awake")
    assert server.get("two").body == b"second 1"


def test_an_app_that_does_not_load_is_not_restarted(server: Server) -> None:
    (server.folder / "two.js").write_text("export default () => new Response('fine')")
    server.ask("POST", "/admin/apps/two/restart", {})
    (server.folder / "two.js").write_text("export default (")
    status, detail = problem(server, "POST", "/admin/apps/two/restart", {})
    assert status == 422
    assert "cannot load" in detail
    assert server.get("two").body == b"fine"
    (server.folder / "two.js").write_text("export default () => new Response('two')")


def test_an_app_is_drained_until_it_is_restarted(server: Server) -> None:
    answer = server.ask("POST", "/admin/apps/one/drain", {})
    assert (answer.status, answer.json["state"]) == (200, "draining")
    assert server.get("one").status == 503
    assert server.ask("POST", "/admin/apps/one/restart", {}).json["state"] == "awake"
    assert server.get("one").status == 200


def test_what_is_not_quarantined_cannot_be_lifted(server: Server) -> None:
    assert problem(server, "POST", "/admin/apps/one/lift", {}) == (409, "one is not quarantined")


def test_the_configuration_is_reloaded(server: Server) -> None:
    before = server.document
    server.ask("POST", "/admin/reload", {})
    assert server.ask("POST", "/admin/reload", {}).json["changed"] is False
    (server.folder / "four.js").write_text("export default () => new Response('four')")
    server.write({**before, "apps": [*before["apps"], {"name": "four", "path": "four.js"}]})
    report = server.ask("POST", "/admin/reload", {}).json
    assert (report["changed"], report["added"], report["failed"]) == (True, ["four"], {})
    assert server.get("four").body == b"four"
    server.file.write_text('{"apps": 5}')
    status, detail = problem(server, "POST", "/admin/reload", {})
    assert (status, detail) == (422, "nano.json:1:2: apps: expected a list of apps, got 5")
    assert server.get("four").body == b"four"
    assert server.ask("GET", "/health").json["status"] == "degraded"
    server.write(before)
    assert server.ask("POST", "/admin/reload", {}).json["removed"] == ["four"]


def test_the_tree(server: Server) -> None:
    tree = server.ask("GET", "/admin/tree").json
    assert tree["id"] == "nano-trio"
    names = [child["id"] for child in tree["children"]]
    assert "apps" in names
    operations = next(child for child in tree["children"] if child["id"] == "operations")
    assert "admin" in [child["id"] for child in operations["children"]]


def test_the_last_log_lines(server: Server) -> None:
    server.ask("POST", "/admin/apps/one/restart", {})
    server.get("one", "/log?text=kept&times=3")
    server.get("one", "/log?text=mind&level=warn")
    lines = server.ask("GET", "/admin/logs?app=one&limit=4").json["lines"]
    assert [line["event"] for line in lines] == ["kept 0", "kept 1", "kept 2", "mind 0"]
    assert {line["app"] for line in lines} == {"one"}
    lines = server.ask("GET", "/admin/logs?app=one&level=warning").json["lines"]
    assert [line["event"] for line in lines][-1] == "mind 0"
    assert {line["level"] for line in lines} <= {"warning", "error"}


def test_health_liveness_and_readiness(server: Server) -> None:
    health = server.ask("GET", "/health").json
    assert health["version"]
    # In tenths of a second: it may have begun this moment.
    while server.ask("GET", "/health").json["uptime_s"] <= 0:
        pass
    assert sum(health["apps"].values()) == 3
    assert server.ask("GET", "/healthz").json == {"live": True}
    assert server.ask("GET", "/ready").json == {"ready": True}


def test_metrics(server: Server) -> None:
    server.get("one")
    answer = server.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    text = answer.body.decode()
    assert 'nano_trio_requests_total{app="one",status="2xx"}' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize(
    ("verb", "path", "status", "detail"),
    [
        ("GET", "/nothing", 404, "there is no '/nothing'; there are /, /admin/apps, "),
        ("PUT", "/admin/apps", 405, "PUT is not possible here; accepted: GET, HEAD, POST"),
        ("GET", "/admin/reload", 405, "GET is not possible here; accepted: POST"),
        ("GET", "/admin/ws", 426, "/admin/ws speaks JSON-RPC 2.0 over WebSocket"),
        ("GET", "/admin/apps/on", 404, "there is no app 'on'; did you mean 'one'?"),
        ("GET", "/admin/apps/a%20b", 400, "name: expected a name of letters, digits,"),
        ("GET", "/admin/apps?stat=x", 400, "stat: unknown parameter; accepted: state"),
        (
            "GET",
            "/admin/apps?state=dead",
            400,
            'state: expected "asleep", "awake", "failed", "draining" or "quarantined"',
        ),
        ("GET", "/admin/logs?limit=0", 400, "limit: expected a positive whole number, got 0"),
        ("GET", "/admin/logs?limit=many", 400, 'limit: expected a positive whole number, got "many"'),
        ("GET", "/admin/tree?deep=1", 400, "deep: unknown parameter; none is accepted"),
        ("POST", "/admin/apps/nobody/restart", 404, "there is no app 'nobody'"),
        ("POST", "/admin/apps/nobody/drain", 404, "there is no app 'nobody'"),
        ("POST", "/admin/apps/nobody/lift", 404, "there is no app 'nobody'"),
        ("DELETE", "/admin/apps/nobody", 404, "there is no app 'nobody'"),
    ],
)
def test_what_is_asked_wrongly(server: Server, verb: str, path: str, status: int, detail: str) -> None:
    found = problem(server, verb, path, {} if verb == "POST" else None)
    assert found[0] == status
    assert found[1].startswith(detail)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "the body is no JSON: "),
        (b"[]", "the body: expected an object"),
        (b'{"force": true}', "force: unknown parameter; accepted: name"),
        (b"[" * 100_000, "the body is no JSON: "),
    ],
)
def test_bodies_that_are_none(server: Server, body: bytes, detail: str) -> None:
    status, found = problem(server, "POST", "/admin/apps/one/restart", body, content_type="application/json")
    assert status == 400
    assert found.startswith(detail)


def test_a_large_body_is_refused(server: Server) -> None:
    status, detail = problem(
        server, "POST", "/admin/apps", b" " * 300_000, content_type="application/json; charset=utf-8"
    )
    assert (status, detail) == (413, "a body has at most 262144 bytes here")


def test_head_has_no_body(server: Server) -> None:
    answer = server.ask("HEAD", "/admin/apps")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def raw(server: Server, data: bytes) -> bytes:
    """What comes of some bytes, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.admin_port), timeout=PATIENCE_S) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_connections_are_kept_and_may_be_pipelined(server: Server) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert raw(server, one * 3).count(b'{"live":true}') == 3


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 60_000 + b"\r\n\r\n", b"431"),
        (b"POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", b"400"),
    ],
)
def test_what_is_no_http(server: Server, data: bytes, status: bytes) -> None:
    answer = raw(server, data)
    assert answer.startswith(b"HTTP/1.1 " + status + b" ")
    assert b"application/problem+json" in answer


def test_an_unknown_upgrade_is_not_taken_up(server: Server) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert b'{"live":true}' in raw(server, head)


def test_every_answer_is_for_this_origin_alone(server: Server) -> None:
    for path in ("/", "/admin/apps", "/nothing", "/metrics"):
        headers = server.ask("GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


def test_the_page(server: Server) -> None:
    page = server.ask("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert server.ask("GET", "/admin/").body == page.body
    script = server.ask("GET", "/admin/static/main.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert problem(server, "GET", "/admin/static/../http.py")[0] == 404


def test_changes_are_audited(server: Server) -> None:
    server.ask("POST", "/admin/apps/two/restart", {})
    line = server.logged(event="admin", action="apps.restart", target="two", result="done")
    assert (line["by"], line["token"], line["via"], line["level"]) == ("127.0.0.1", "none", "rest", "info")
    server.ask("POST", "/admin/apps/nobody/drain", {})
    line = server.logged(event="admin", action="apps.drain", target="nobody", result="refused")
    assert (line["level"], line["reason"]) == ("warning", "there is no app 'nobody'")
    secret = "do-not-log-this-value"
    server.ask("POST", "/admin/apps", {"name": "secret", "path": "one.js", "env": {"KEY": secret}})
    server.logged(event="admin", action="apps.add", target="secret", result="done")
    server.ask("DELETE", "/admin/apps/secret")
    server.logged(event="admin", action="apps.remove", target="secret", result="done")
    assert secret not in server.err()


def test_looking_is_not_audited(server: Server) -> None:
    server.ask("POST", "/admin/apps/before/drain", {})
    for path in ("/admin/tree", "/admin/apps", "/admin/apps/one", "/admin/logs", "/health", "/metrics"):
        assert server.ask("GET", path).status == 200
    server.ask("POST", "/admin/apps/after/drain", {})
    # The log is written by a thread; of other tests there may be lines before the first of these.
    server.logged(event="admin", target="after")
    targets = [line.get("target") for line in server.lines() if line["event"] == "admin"]
    assert targets[-2:] == ["before", "after"]


def test_nothing_is_changed_while_the_server_shuts_down(tmp_path: Path) -> None:
    """What was said to be served, then, nobody could reach."""
    server = Server(tmp_path, admin={}, apps=APPS, drain_timeout_s=600)
    try:
        with server.held("one") as let_go:
            until(lambda: b'requests_in_flight{app="one"} 1\n' in server.ask("GET", "/metrics").body)
            server.process.send_signal(signal.SIGTERM)
            server.logged(event="draining")
            for verb, path, body in (
                ("POST", "/admin/apps", {"name": "late", "path": "one.js"}),
                ("POST", "/admin/reload", {}),
                ("POST", "/admin/apps/one/restart", {}),
                ("DELETE", "/admin/apps/two", None),
            ):
                assert problem(server, verb, path, body) == (
                    503,
                    "the server is shutting down, and changes nothing any more; ask the next one",
                )
            assert server.ask("GET", "/health").json["status"] == "draining"
            let_go()
        assert server.process.wait(PATIENCE_S) == 0
        server.logged(event="admin", action="apps.add", target="late", result="refused")
    finally:
        server.end()
