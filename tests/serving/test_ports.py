"""Ports that nobody chose, and ports that are given twice: every listener gets one, and each app is found on its own."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trio

from nano_trio.config import from_document
from nano_trio.parent.sockets import bind_all
from nano_trio.web.hosting import Hosting
from nano_trio.web.startup import host
from tests.ports import OURS, free_port

from .conftest import SiteMaker
from .places import answers


@pytest.fixture
def system_gives(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The system's next choices for whoever takes any port: the first of these that is free, then others."""
    given: list[int] = []

    bind = socket.socket.bind

    def choose(sock: socket.socket, address: Any) -> None:
        # A port that somebody has bound is not free, even where who asks for it would get it (SO_REUSEADDR).
        reuse = sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        for port in list(given) if address[1] == 0 else ():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            with contextlib.suppress(OSError):
                bind(sock, (address[0], port, *address[2:]))
                given.remove(port)
                return
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        bind(sock, address)

    monkeypatch.setattr(socket.socket, "bind", choose)
    return given.extend


def test_no_two_tests_are_given_the_same_port() -> None:
    ports = [free_port() for _ in range(len(OURS) // 2)]  # the others may be taken
    assert len(set(ports)) == len(ports) > 20


async def test_any_port_is_none_that_another_listener_is_configured_for(
    system_gives: Any, serve: SiteMaker, tmp_path: Path
) -> None:
    own, secure, admin = free_port(), free_port(), free_port()
    system_gives([own, secure, admin])
    app = {"source": answers("own"), "port": own, "tls": {"port": secure}}
    settings = {"tls": {"port": 0, "certs": str(tmp_path / "certs")}, "admin": {"port": admin}}
    async with serve({"main": answers("main"), "own": app}, **settings) as site:
        assert (await site.get("main")).text == "main"
        answer = await site.pool.request("GET", f"http://127.0.0.1:{own}/", headers={"Host": "own"})
        assert answer.content == b"own"
        assert site.hosting.server.secure_port_of(own) == secure
        assert site.hosting.admin is not None
        assert site.hosting.admin.addresses == [("127.0.0.1", admin)]
        ports = {site.port, site.hosting.server.secure_port_of(None), own, secure, admin}
        assert len(ports) == 5


async def test_any_port_may_be_taken_by_many_listeners(system_gives: Any, serve: SiteMaker, tmp_path: Path) -> None:
    system_gives([free_port()] * 3)
    settings = {"tls": {"port": 0, "certs": str(tmp_path / "certs")}, "admin": {"port": 0}}
    async with serve({"app": answers("fine")}, **settings) as site:
        assert (await site.get("app")).text == "fine"
        assert site.hosting.admin is not None
        assert len({site.port, site.hosting.server.secure_port_of(None), site.hosting.admin.addresses[0][1]}) == 3


def test_any_port_is_free_on_all_addresses(system_gives: Any) -> None:
    """Somebody else has what the system gives for the first of them."""
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        system_gives([port, free_port()])
        wanted = [(socket.AF_INET, (address, 0)) for address in ("127.0.0.1", "127.0.0.2")]
        sockets = bind_all(wanted, 5)
        names = [sock.getsockname() for sock in sockets]
        for sock in sockets:
            sock.close()
    assert names[0][1] == names[1][1] != port


@pytest.mark.parametrize("overridden", [False, True])
async def test_an_app_whose_port_is_the_servers_shares_its_listener(tmp_path: Path, overridden: bool) -> None:
    port = free_port()
    for name in ("a", "b"):
        (tmp_path / f"{name}.js").write_text(answers(name))
    apps = [{"name": "a", "path": "a.js"}, {"name": "b", "path": "b.js", "port": port}]
    document = {"port": 0 if overridden else port, "apps": apps, "state_dir": str(tmp_path / "state")}
    environ = {"NANO_PORT": str(port)} if overridden else {}
    config = from_document(document, folder=tmp_path, environ=environ)
    assert config.port_of(config.apps[1]) == port
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Hosting]) -> None:
            await host(config, task_status=task_status)

        hosting = await nursery.start(run)
        assert hosting.urls == [f"http://127.0.0.1:{port}"]
        async with httpcore.AsyncConnectionPool() as pool:
            for name in ("a", "b") * 3:
                headers = {"Host": name, "Connection": "close"}
                answer = await pool.request("GET", f"http://127.0.0.1:{port}/", headers=headers)
                assert (answer.status, answer.content) == (200, name.encode())
        assert hosting.urls_of(config.apps[1]) == [f"http://b:{port}"]
        nursery.cancel_scope.cancel()
