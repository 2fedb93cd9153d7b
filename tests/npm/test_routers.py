"""Routers from npm, unmodified, each behind a real server: what their users rely on works end to end."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from .conftest import Client


def test_text_and_the_middlewares_header(fetch: Client, app: str) -> None:
    answer = fetch("GET", "/")
    assert (answer.status, answer.text) == (200, f"Hello from {app}")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-router"] == app


def test_parameters_query_and_what_middleware_left(fetch: Client) -> None:
    assert fetch("GET", "/users/42").json() == {"id": "42", "q": None, "tags": [], "by": "middleware"}
    assert fetch("GET", "/users/7?q=a%20b%26c&tag=x&tag=y").json() == {
        "id": "7",
        "q": "a b&c",
        "tags": ["x", "y"],
        "by": "middleware",
    }
    assert fetch("GET", "/posts/2026/hello-world").json() == {"year": "2026", "slug": "hello-world"}


def test_wildcards(fetch: Client) -> None:
    assert fetch("GET", "/files/a/b/c.txt").text == "a/b/c.txt"


def test_json_bodies(fetch: Client) -> None:
    body = {"name": "Zoë", "nested": {"list": [1, 2.5, None, True]}, "emoji": "🦆"}
    answer = fetch("POST", "/users", json.dumps(body, ensure_ascii=False).encode(), content_type="application/json")
    assert (answer.status, answer.json()) == (201, {"created": body})
    answer = fetch("PUT", "/users/9", b'{"name":"x"}', content_type="application/json")
    assert (answer.status, answer.json()) == (200, {"id": "9", "name": "x"})


def test_malformed_json_is_the_clients_error(fetch: Client) -> None:
    answer = fetch("POST", "/users", b"{not json", content_type="application/json")
    assert (answer.status, answer.json()) == (400, {"error": "bad JSON"})


def test_no_content(fetch: Client) -> None:
    answer = fetch("DELETE", "/users/9")
    assert (answer.status, answer.body) == (204, b"")


def test_forms(fetch: Client) -> None:
    answer = fetch("POST", "/form", b"name=A+%26+B", content_type="application/x-www-form-urlencoded")
    assert answer.json() == {"name": "A & B", "file": None}
    multipart = (
        b'--XX\r\ncontent-disposition: form-data; name="name"\r\n\r\nAnn\r\n'
        b'--XX\r\ncontent-disposition: form-data; name="file"; filename="n.txt"\r\ncontent-type: text/plain\r\n\r\n'
        b"line\r\n--XX--\r\n"
    )
    answer = fetch("POST", "/form", multipart, content_type="multipart/form-data; boundary=XX")
    assert answer.json() == {"name": "Ann", "file": ["n.txt", "text/plain", "line"]}


def test_middleware_that_refuses(fetch: Client) -> None:
    assert fetch("GET", "/admin/panel").status == 401
    assert fetch("GET", "/admin/panel", authorization="Bearer wrong").status in (401, 403)
    answer = fetch("GET", "/admin/panel", authorization="Bearer secret")
    assert (answer.status, answer.text) == (200, "for admins")


def test_cross_origin_requests(fetch: Client) -> None:
    answer = fetch("OPTIONS", "/api/data", origin="https://site.example", access_control_request_method="PUT")
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://site.example"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    answer = fetch("GET", "/api/data", origin="https://site.example")
    assert answer.json() == [1, 2]
    assert answer.headers["access-control-allow-origin"] == "https://site.example"


def test_cookies(fetch: Client) -> None:
    answer = fetch("GET", "/login")
    assert answer.text == "welcome"
    session, theme = answer.cookies
    assert session.startswith(f"session={quote('a b;c')}; ")
    assert {part.strip().lower() for part in session.split(";")[1:]} == {"path=/", "httponly", "samesite=lax"}
    assert theme.startswith("theme=dark; ")
    assert "max-age=60" in theme.lower()
    sent = "; ".join(cookie.partition(";")[0] for cookie in answer.cookies)
    assert fetch("GET", "/whoami", cookie=sent).json() == {"session": "a b;c", "theme": "dark"}
    assert fetch("GET", "/whoami").json() == {"session": None, "theme": None}


def test_streamed_parts_arrive_as_they_are_written(fetch: Client) -> None:
    connection, response = fetch.open("GET", "/stream")
    try:
        assert response.status == 200
        assert response.getheader("content-length") is None
        for i in range(1, 6):
            # All but the first are written when they are asked for, which they are when those before them are here.
            assert i == 1 or fetch("GET", f"/ask/{i}").status == 200
            assert response.readline() == b"part %d\n" % i
        assert response.read() == b""
    finally:
        connection.close()


def test_server_sent_events(fetch: Client) -> None:
    answer = fetch("GET", "/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in event.split("\n")) for event in answer.text.strip().split("\n\n")]
    assert events == [{"event": "tick", "data": f"tick {i}", "id": str(i)} for i in (1, 2, 3)]


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_uploads_and_echoed_bodies(fetch: Client, size: int) -> None:
    body = bytes(i % 251 for i in range(min(size, 251))) * (size // 251 + 1)
    body = body[:size]
    expected = {"size": size, "last": body[-1]} if size else {"size": 0}
    assert fetch("POST", "/upload", body, content_type="application/octet-stream").json() == expected
    if size:
        answer = fetch("POST", "/echo", body, content_type="application/x-own")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-own")
        assert answer.body == body


def test_a_chunked_request_body(fetch: Client) -> None:
    connection, response = fetch.open("POST", "/upload", iter([b"abc", b"de", b"f"]), {"transfer-encoding": "chunked"})
    try:
        assert json.loads(response.read()) == {"size": 6, "last": ord("f")}
    finally:
        connection.close()


def test_redirect(fetch: Client) -> None:
    answer = fetch("GET", "/old")
    assert (answer.status, answer.headers["location"]) == (301, "/")


def test_unknown_paths_and_methods_are_404(fetch: Client, app: str) -> None:
    answer = fetch("GET", "/no/such/page?x=1")
    assert (answer.status, answer.json()) == (404, {"error": "Not Found", "path": "/no/such/page"})
    assert answer.headers["x-router"] == app
    assert fetch("POST", "/users/1", b"{}").status == 404


def test_the_error_handler_answers_for_what_a_route_throws(fetch: Client, app: str) -> None:
    answer = fetch("GET", "/boom")
    assert (answer.status, answer.json()) == (500, {"error": "boom"})
    answer = fetch("GET", "/teapot")
    assert (answer.status, answer.json()) == (418, {"error": "short and stout"})
    assert fetch("GET", "/").text == f"Hello from {app}"


def test_bindings(fetch: Client, app: str) -> None:
    assert fetch("GET", "/env").json() == {"greeting": f"hi {app}"}


def test_work_that_outlives_the_response(fetch: Client) -> None:
    before = fetch("GET", "/later").json()["finished"]
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and fetch("GET", "/later").json()["finished"] <= before:
        time.sleep(0.01)
    assert fetch("GET", "/later").json()["finished"] > before


def test_head_has_the_heads_fields_and_no_body(fetch: Client) -> None:
    answer = fetch("HEAD", "/")
    assert (answer.status, answer.body) in [(200, b""), (404, b"")]


def test_many_requests_at_once_do_not_mix(fetch: Client) -> None:
    def ask(number: int) -> bool:
        return bool(fetch("GET", f"/users/{number}?q=q{number}").json()["q"] == f"q{number}")

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


def test_one_connection_carries_many_requests(fetch: Client, app: str) -> None:
    connection, response = fetch.open("GET", "/users/0")
    try:
        response.read()
        for number in range(1, 20):
            connection.request("GET", f"/users/{number}", headers={"host": app})
            response = connection.getresponse()
            assert json.loads(response.read())["id"] == str(number)
    finally:
        connection.close()
