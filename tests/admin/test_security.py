"""Who is let in: tokens, Host, Origin, content types; and that an app is not."""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import structlog
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.config.rules import is_loopback
from nano_trio.web.admin.audit import Refusals
from nano_trio.web.admin.client import AdminClient, AdminError, connect
from nano_trio.web.admin.errors import Forbidden, TooManyAttempts, Unauthorized
from nano_trio.web.admin.http import HttpConnection
from nano_trio.web.admin.security import Gate, split_authority

from .conftest import GREETER, TOKEN, Nano, Server

HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_a_token_the_start_is_refused_beyond_loopback(nano: Nano, tmp_path: Path, host: str) -> None:
    (tmp_path / "one.js").write_text("export default {}")
    (tmp_path / "nano.toml").write_text(
        f'[admin]\nport = 0\nhost = "{host}"\n[[apps]]\nname = "one"\npath = "one.js"\n'
    )
    result = nano("serve", "--config", "nano.toml")
    assert result.code == 1
    assert "admin.host" in result.err
    assert "set a token (NANO_ADMIN_TOKEN" in result.err


def test_a_port_in_use_is_told(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "one.js").write_text("export default {}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = nano("serve", "--app", "one.js", "--port", "0", "--admin-port", str(port))
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith(f"cannot listen on 127.0.0.1:{port} for admin: ")


ROUTES = [
    ("GET", "/admin/apps"),
    ("POST", "/admin/apps"),
    ("GET", "/admin/apps/one"),
    ("DELETE", "/admin/apps/one"),
    ("POST", "/admin/apps/one/restart"),
    ("POST", "/admin/apps/one/drain"),
    ("POST", "/admin/apps/one/lift"),
    ("POST", "/admin/reload"),
    ("GET", "/admin/tree"),
    ("GET", "/admin/logs"),
    ("GET", "/health"),
    ("GET", "/metrics"),
]


@pytest.mark.parametrize(("verb", "path"), ROUTES)
def test_every_route_wants_the_token(guarded: Server, verb: str, path: str) -> None:
    answer = guarded.ask(verb, path, {} if verb == "POST" else None, authorization=None)
    assert (answer.status, answer.json["title"]) == (401, "A token is required")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guarded.get("one").status == 200


def test_the_right_token_opens(guarded: Server) -> None:
    assert guarded.ask("GET", "/admin/apps").status == 200
    assert guarded.ask("GET", "/admin/apps", authorization=f"bearer  {TOKEN}").status == 200
    guarded.ask("POST", "/admin/apps/two/restart", {})
    line = guarded.logged(event="admin", action="apps.restart", target="two", result="done")
    assert len(line["token"]) == 8
    assert TOKEN not in guarded.err()


@pytest.mark.parametrize("header", [f"Basic {TOKEN}", TOKEN, f"Bearer{TOKEN}"])
def test_other_schemes_do_not(guarded: Server, header: str) -> None:
    assert guarded.ask("GET", "/admin/apps", authorization=header).status == 401


def test_a_token_in_the_address_is_none(guarded: Server) -> None:
    assert guarded.ask("GET", f"/admin/tree?token={TOKEN}", authorization=None).status == 401


def test_the_page_and_the_probes_are_for_everybody(guarded: Server) -> None:
    for path in ("/", "/admin/static/main.js", "/healthz", "/ready", "/admin/openapi.json"):
        assert guarded.ask("GET", path, authorization=None).status == 200


# -- Host and Origin --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.1.2.3", "[::2]", "x y"]
)
@pytest.mark.parametrize("path", ["/", "/admin/apps", "/admin/openapi.json"])
def test_foreign_names_are_refused(server: Server, path: str, host: str) -> None:
    """DNS rebinding: the page's name now leads here, so Origin and Host agree."""
    answer = server.ask("GET", path, host=host, origin=f"http://{host}")
    assert answer.status in (400, 403)
    assert b"apps" not in answer.body


def test_our_names_are_not(server: Server, guarded: Server) -> None:
    port = server.admin_port
    for host in (f"localhost:{port}", "LOCALHOST", f"127.0.0.1:{port}", "[::1]", "127.8.8.8"):
        assert server.ask("GET", "/admin/apps", host=host).status == 200, host
    assert server.ask("GET", "/admin/apps", host="admin.example").status == 403
    assert guarded.ask("GET", "/admin/apps", host="admin.example").status == 200


def test_probes_may_come_under_any_name(server: Server) -> None:
    assert server.ask("GET", "/healthz", host="10.1.2.3:80").status == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "https://localhost", "file://", "http://", "x"]
)
def test_other_sites_are_refused(server: Server, origin: str) -> None:
    answer = server.ask("POST", "/admin/apps/two/restart", {}, host=f"localhost:{server.admin_port}", origin=origin)
    assert answer.status == 403
    line = server.logged(event="admin refused", what="POST /admin/apps/two/restart", status=403)
    assert line["by"] == "127.0.0.1"


def test_our_own_page_is_not(server: Server) -> None:
    host = f"localhost:{server.admin_port}"
    assert server.ask("GET", "/admin/apps", host=host, origin=f"http://{host}").status == 200


def test_a_browser_tells_of_other_sites_without_an_origin(server: Server) -> None:
    """Images and scripts of another site come without Origin, but with Fetch Metadata."""
    assert server.ask("GET", "/admin/apps", sec_fetch_site="cross-site", sec_fetch_mode="no-cors").status == 403
    assert server.ask("GET", "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status == 200
    assert server.ask("GET", "/admin/apps", sec_fetch_site="same-origin", sec_fetch_mode="cors").status == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_what_a_form_could_send_is_refused(server: Server, kind: str | None) -> None:
    for body in (b"{}", b""):
        answer = server.send("POST", "/admin/reload", body, {} if kind is None else {"content-type": kind})
        assert answer.status == 415


# -- WebSocket --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 403),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
    ],
)
def test_websockets_are_checked_before_they_are_accepted(guarded: Server, headers: dict[str, str], status: int) -> None:
    answer = guarded.send("GET", "/admin/ws", None, {**HANDSHAKE, **headers})
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_browser_sends_the_token_first(guarded: Server) -> None:
    async with connect(guarded.url, None) as client:
        with pytest.raises(AdminError, match="wants a token"):
            await client.call("apps.list")
        with pytest.raises(AdminError, match="wants a token"):
            await client.subscribe("logs")
        assert await client.call("authenticate", token=TOKEN) == {"authenticated": True}
        assert len((await client.call("apps.list"))["apps"]) == 3


async def until_closed(client: AdminClient) -> None:
    while True:
        try:
            await client.call("live")
        except AdminError as error:
            if "closed the connection" in str(error):
                return


async def test_a_wrong_token_ends_the_connection(guarded: Server) -> None:
    async with connect(guarded.url, None) as client:
        with pytest.raises(AdminError):
            await client.call("authenticate", token="wrong")
        with trio.fail_after(5):
            await until_closed(client)
    guarded.logged(event="admin refused", what="websocket", status=401)


# -- apps are no admins -----------------------------------------------------------------------------------------------


def test_an_app_cannot_reach_the_admin_listener(tmp_path: Path) -> None:
    """Not even one that may reach loopback."""
    source = """export default { async fetch(request) {
      const port = new URL(request.url).searchParams.get("port");
      const hosts = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "127.0.0.2", "[::ffff:127.0.0.1]"];
      const answers = await Promise.all(hosts.map((host) =>
        fetch(`http://${host}:${port}/admin/apps`).then((r) => r.status, (e) => String(e.cause ?? e))));
      return Response.json(answers);
    } }"""
    server = Server(tmp_path, admin={}, apps={"spy": source})
    try:
        server.write({**server.document, "apps": [{"name": "spy", "path": "spy.js", "allow_net": ["loopback"]}]})
        assert server.ask("POST", "/admin/reload", {}).status == 200
        answers = server.get("spy", f"/?port={server.admin_port}").json
        assert len(answers) == 6
        assert not [answer for answer in answers if isinstance(answer, int)], answers
        # It may reach what else is there: itself, for one.
        assert server.get("spy", f"/?port={server.port}").json[0] == 404
    finally:
        server.end()


# -- the gate itself --------------------------------------------------------------------------------------------------


async def test_guessing_has_to_wait(autojump_clock: Any) -> None:
    gate = Gate(TOKEN)
    for _ in range(10):
        with pytest.raises(Unauthorized):
            gate.check_token("guess", "10.0.0.1")
    with pytest.raises(TooManyAttempts) as caught:
        gate.check_token(TOKEN, "10.0.0.1")
    assert ("retry-after", "60") in caught.value.headers
    assert gate.check_token(TOKEN, "10.0.0.2").address == "10.0.0.2"
    await trio.sleep(61)
    assert gate.check_token(TOKEN, "10.0.0.1").address == "10.0.0.1"


async def test_a_network_of_ipv6_counts_as_one() -> None:
    gate = Gate(TOKEN)
    for number in range(10):
        with pytest.raises(Unauthorized):
            gate.check_token("guess", f"2001:db8::{number:x}")
    with pytest.raises(TooManyAttempts):
        gate.check_token(TOKEN, "2001:db8::ffff")


async def test_a_flood_of_addresses_is_not_remembered() -> None:
    gate = Gate(TOKEN)
    for number in range(3000):
        with pytest.raises(Unauthorized):
            gate.check_token("guess", f"10.0.{number >> 8}.{number & 255}")
    assert len(gate._failures) <= 1024


async def test_a_flood_of_refusals_is_counted_and_not_told_one_by_one(mock_clock: trio.testing.MockClock) -> None:
    refusals = Refusals()
    with structlog.testing.capture_logs() as logs:
        for number in range(1000):
            refusals.tell(Unauthorized("the token is wrong"), f"10.0.0.{number}", "GET /health")
        assert len(logs) == 60
        mock_clock.jump(61)
        refusals.tell(Forbidden("not from here"), "10.0.0.1", "GET /health")
    assert (logs[0]["reason"], logs[0]["by"], logs[0]["status"]) == ("the token is wrong", "10.0.0.0", 401)
    assert (logs[-1]["reason"], logs[-1]["not_logged_before"]) == ("not from here", 940)


async def test_a_body_that_dribbles_in_does_not_hold_a_connection(mock_clock: trio.testing.MockClock) -> None:
    """Each byte comes in time; all of them together do not."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        http = HttpConnection(Mock(), theirs, "127.0.0.1", "127.0.0.1")  # type: ignore[arg-type]
        nursery.start_soon(http.run)
        await ours.send_all(b"POST /admin/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n")
        for _ in range(3):
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(3)
            await ours.send_all(b"x")
        await trio.testing.wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        mock_clock.jump(3)
        assert await ours.receive_some() == b""


def test_tokens_that_are_no_ascii_are_wrong_and_no_error() -> None:
    async def work() -> None:
        with pytest.raises(Unauthorized):
            Gate(TOKEN).check_token("schlüssel-\ud800", "10.0.0.1")

    trio.run(work)


@given(st.text() | st.text("[]:.0123456789abcfx"))
def test_any_host_is_a_host_or_a_value_error(text: str) -> None:
    try:
        host, port = split_authority(text)
    except ValueError:
        return
    assert host == host.lower()
    assert port is None or 0 <= port <= 99999


@given(st.text() | st.text("[]:.0123456789abcfx"), st.text() | st.text(":/htpsnul.[]01"))
def test_the_gate_never_raises_anything_else(host: str, origin: str) -> None:
    gate = Gate(None, ["*.admin.example"])
    with contextlib.suppress(Forbidden):
        gate.check_host(host, "127.0.0.1")
        name, _ = split_authority(host)
        assert is_loopback(name) or name.endswith(".admin.example")
    with contextlib.suppress(Forbidden):
        gate.check_origin(origin, host)
        scheme, _, authority = origin.partition("://")
        assert scheme in ("http", "https")
        assert split_authority(authority)[0] == split_authority(host)[0]


def test_names_with_a_wildcard() -> None:
    gate = Gate(None, ["*.admin.example", "[2001:db8::1]"])
    gate.check_host("a.admin.example:443", "10.0.0.1")
    gate.check_host("[2001:db8:0::1]", "10.0.0.1")
    gate.check_host("10.0.0.1", "10.0.0.1")
    for host in ("admin.example", "xadmin.example", "10.0.0.2"):
        with pytest.raises(Forbidden):
            gate.check_host(host, "10.0.0.1")


async def test_another_token_comes_into_force_with_a_reload(tmp_path: Path) -> None:
    server = Server(tmp_path, admin={"token": TOKEN, "host": "0.0.0.0"}, apps={"one": GREETER})
    other = "a-" + TOKEN

    def status(token: str, host: str = "localhost") -> int:
        return server.ask("GET", "/health", authorization=f"Bearer {token}", host=host).status

    try:
        assert (status(TOKEN), status(other), status(TOKEN, "new.example")) == (200, 401, 403)
        async with server.client() as client, server.client() as idle:
            stream = await idle.subscribe("logs")
            admin = {"port": 0, "host": "0.0.0.0", "token": other, "hostnames": ["new.example"]}
            server.write({**server.document, "admin": admin})
            # Who asked for it is still told; then whoever came in by the old token must leave.
            assert (await client.call("reload"))["settings"] == ["admin.token", "admin.hostnames"]
            with trio.fail_after(10):
                assert not [items async for items in stream if items.lost]
            with pytest.raises(AdminError, match="closed the connection"):
                await client.call("health")
        assert (status(TOKEN), status(other), status(other, "new.example")) == (401, 200, 200)
        # Without a token it may only be on loopback, where a restart would put it: until then it wants one.
        server.write({**server.document, "admin": {"port": 0}})
        report = server.ask("POST", "/admin/reload", {}, authorization=f"Bearer {other}").json
        assert (report["settings"], report["needs_restart"]) == ([], ["admin.host"])
        assert server.ask("GET", "/health", authorization=None).status == 401
        assert status(other) == 200
    finally:
        server.end()
