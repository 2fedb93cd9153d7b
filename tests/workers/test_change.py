"""Changes with several workers: one after another, under load, and the ports that come and go with them."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.conftest import Start
from tests.ports import free_port

from .conftest import Running, get, until, workers_of


class Site:
    """A server of several workers whose configuration changes."""

    def __init__(self, start: Start, folder: Path, *, workers: int = 2, **settings: Any) -> None:
        self.folder = folder
        self.document: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": free_port(),
            "watch": False,
            "apps": [{"name": "app", "path": "app.js", "preload": True}],
            **settings,
        }
        self.port: int = self.document["port"]
        self.code("one")
        self.write()
        self.running: Running = start("serve", "--config", "nano.json", "--workers", str(workers))
        self.wait_for_listeners(workers)

    def wait_for_listeners(self, number: int) -> None:
        """Until so many workers, of those that ever were, have said that they listen."""
        until(lambda: sum("listening" in line and f":{self.port}" in line for line in self.running.err) == number)

    def write(self, **changes: Any) -> None:
        self.document.update(changes)
        new = self.folder / "nano.new"
        new.write_text(json.dumps(self.document))
        new.replace(self.folder / "nano.json")

    def code(self, text: str) -> None:
        (self.folder / "app.js").write_text(f"export default () => new Response('{text}')")

    def reload(self) -> None:
        self.running.signal(signal.SIGHUP)

    def listeners(self) -> set[tuple[str, int]]:
        """Where the parent listens."""
        found = psutil.Process(self.running.process.pid).net_connections("tcp")
        return {(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN}

    def kill_workers(self) -> None:
        """And wait until they are gone: a dying one may still accept."""
        workers = workers_of(self.running)
        for worker in workers:
            worker.kill()
        psutil.wait_procs(workers, 30)

    def end(self) -> None:
        self.running.signal(signal.SIGTERM)
        assert self.running.end().code == 0


@contextlib.contextmanager
def load(port: int) -> Iterator[list[object]]:
    """Clients that ask without a pause, each time by a new connection; what they got."""
    got: list[object] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                got.append(get(port))
            except Exception as error:
                got.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield got
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("watch", [False, True])
def test_a_rolling_reload_loses_nothing(start: Start, tmp_path: Path, watch: bool) -> None:
    site = Site(start, tmp_path, watch=watch)
    with load(site.port) as got:
        until(lambda: len(got) > 20)
        for version in ("two", "three", "four"):
            site.code(version)
            if not watch:
                site.reload()
            until(lambda version=version: got[-40:].count((200, version)) == 40)
    assert {answer for answer in got if not isinstance(answer, tuple) or answer[0] != 200} == set()
    site.end()


def test_ports_come_and_go_with_the_configuration(start: Start, tmp_path: Path) -> None:
    site = Site(start, tmp_path)
    own = free_port()
    apps = site.document["apps"]
    site.write(apps=[*apps, {"name": "own", "path": "app.js", "port": own}])
    site.reload()
    until(lambda: sum(f":{own} " in line for line in site.running.err) == 2)
    site.kill_workers()
    assert get(own, host="own") == (200, "one"), "the parent held it meanwhile"
    until(lambda: sum(f":{own} " in line for line in site.running.err) == 4)
    site.write(apps=apps)
    site.reload()
    until(lambda: site.listeners() == {("127.0.0.1", site.port)})
    with pytest.raises(ConnectionRefusedError):
        get(own)
    site.end()


def test_another_host_on_the_same_port(start: Start, tmp_path: Path) -> None:
    """The second worker still listens at the old place when the first goes to the new."""
    site = Site(start, tmp_path)
    for host in ("0.0.0.0", "127.0.0.1", "localhost", "0.0.0.0"):
        site.write(host=host)
        site.running.err.clear()
        site.reload()
        until(lambda: sum(f":{site.port} " in line for line in site.running.err) >= 2)
        assert get(site.port) == (200, "one")
        assert not [line for line in site.running.err if "cannot" in line or "not changed" in line]
    until(lambda: site.listeners() == {("0.0.0.0", site.port)})
    # And the port is ours alone.
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            other.bind(("0.0.0.0", site.port))
    site.kill_workers()
    assert get(site.port) == (200, "one")
    site.end()


def test_an_address_that_is_given_up_under_load_loses_nobody(start: Start, tmp_path: Path) -> None:
    """The last worker to leave it takes along who waits there."""
    site = Site(start, tmp_path)
    with load(site.port) as got:
        until(lambda: len(got) > 20)
        for host in ("0.0.0.0", "127.0.0.1") * 4:
            site.write(host=host)
            site.running.err.clear()
            site.reload()
            until(lambda host=host: site.listeners() == {(host, site.port)})
            seen = len(got)
            until(lambda seen=seen: len(got) > seen + 20)
    assert {answer for answer in got if answer != (200, "one")} == set()
    site.end()


def test_a_port_that_goes_from_an_app_to_the_server_stays_open(start: Start, tmp_path: Path) -> None:
    """Of the two workers the second to change is the last to leave it as what it was."""
    own = free_port()
    apps = [{"name": "app", "path": "app.js"}, {"name": "own", "path": "app.js", "port": own}]
    site = Site(start, tmp_path, apps=apps)
    until(lambda: sum(f":{own} " in line for line in site.running.err) == 2)
    site.write(port=own)
    site.reload()
    until(lambda: site.listeners() == {("127.0.0.1", own)})
    assert [get(own, host=host) for host in ("app", "own") * 20] == [(200, "one")] * 40
    site.kill_workers()
    assert get(own) == (200, "one"), "the parent held it meanwhile"
    site.end()


def test_a_port_that_would_go_to_the_server_stays_with_the_app_where_the_change_cannot_be_made(
    start: Start, tmp_path: Path
) -> None:
    own = free_port()
    apps = [{"name": "app", "path": "app.js"}, {"name": "own", "path": "app.js", "port": own}]
    site = Site(start, tmp_path, workers=1, apps=apps)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.write(port=own, apps=[*apps, {"name": "other", "path": "app.js", "port": port}])
        site.reload()
        assert f"cannot listen on 127.0.0.1:{port}" in site.running.wait_for("the running one stays")
    assert get(site.port) == (200, "one")
    assert get(own, host="own") == (200, "one")
    site.end()


def test_an_address_that_somebody_else_has_leaves_all_workers_as_they_were(start: Start, tmp_path: Path) -> None:
    """It cannot be had with the old one closed either, and that is known before anything has changed."""
    site = Site(start, tmp_path)
    with socket.create_server(("127.0.0.2", site.port)):
        site.code("two")
        site.write(host="0.0.0.0")
        site.reload()
        assert f"cannot listen on 0.0.0.0:{site.port}" in site.running.wait_for("the running one stays")
        assert [get(site.port) for _ in range(40)] == [(200, "one")] * 40
        assert site.listeners() == {("127.0.0.1", site.port)}
    site.reload()
    until(lambda: site.listeners() == {("0.0.0.0", site.port)})
    assert [get(site.port) for _ in range(40)] == [(200, "two")] * 40
    site.end()


class Gate(http.server.ThreadingHTTPServer):
    """Holds a version of the app, which asks it for leave as it is loaded, until it is opened."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Leave)
        self.opened = threading.Event()

    def held(self, site: Site) -> list[dict[str, Any]]:
        """The apps of a configuration with that version."""
        (site.folder / "two.js").write_text(
            f"""
            console.log("loading");
            await fetch("http://127.0.0.1:{self.server_port}/");
            export default () => new Response("two");
            """
        )
        return [{"name": "app", "path": "two.js", "preload": True, "allow_net": ["127.0.0.1"]}]


class _Leave(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Gate)
        self.server.opened.wait(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as gate:
        thread = threading.Thread(target=gate.serve_forever)
        thread.start()
        yield gate
        gate.opened.set()
        gate.shutdown()
        thread.join()


@pytest.mark.parametrize("watch", [False, True])
def test_a_file_that_breaks_between_two_workers_leaves_one_version(
    start: Start, tmp_path: Path, gate: Gate, watch: bool
) -> None:
    """The second worker has its turn while the file is broken that the first has read."""
    site = Site(start, tmp_path, watch=watch)
    with load(site.port) as got:
        until(lambda: len(got) > 20)
        site.write(apps=gate.held(site))
        if not watch:
            site.reload()
        site.running.wait_for("loading")
        (tmp_path / "nano.json").write_text("{ broken")
        gate.opened.set()
        until(lambda: got[-60:].count((200, "two")) == 60)
        # Who is replaced now runs with it, too.
        site.kill_workers()
        until(lambda: sum(f":{site.port} " in line for line in site.running.err) == 4)
        until(lambda: got[-20:].count((200, "two")) == 20)
    answered = {answer for answer in got if isinstance(answer, tuple)}
    assert answered == {(200, "one"), (200, "two")}
    site.end()


def test_a_worker_that_dies_in_the_middle_of_a_reload_of_all_leaves_one_version(
    start: Start, tmp_path: Path, gate: Gate
) -> None:
    site = Site(start, tmp_path, admin={"port": free_port()})
    first = min(workers_of(site.running), key=lambda worker: worker.create_time())
    site.write(apps=gate.held(site))
    reloading = threading.Thread(target=lambda: reload_by_admin(site.document["admin"]["port"]))
    reloading.start()
    site.running.wait_for("loading")
    first.kill()
    gate.opened.set()
    reloading.join()
    with load(site.port) as got:
        until(lambda: got[-60:].count((200, "two")) == 60)
    assert {answer for answer in got if not isinstance(answer, tuple) or answer[0] != 200} == set()
    site.end()


def reload_by_admin(port: int) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        post(port, "/admin/reload", {})


def post(port: int, path: str, document: object) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())


def test_a_worker_that_takes_the_place_of_another_keeps_to_what_waits_for_a_restart(
    start: Start, tmp_path: Path
) -> None:
    admin = free_port()
    started = {"admin": {"port": admin}, "state_dir": "state", "log": {"format": "json"}}
    site = Site(start, tmp_path, **started)
    site.write(admin={"port": free_port()}, state_dir="elsewhere", log={"format": "text"})
    waits = ["state_dir", "log.format", "admin.port"]
    assert post(admin, "/admin/reload", {})["needs_restart"] == waits
    post(admin, "/admin/apps", {"name": "added", "path": "app.js"})
    site.kill_workers()
    site.wait_for_listeners(4)
    # Both have the folder in which it was kept that the app was added, and both say so where they did before.
    assert [get(site.port, host="added") for _ in range(20)] == [(200, "one")] * 20
    assert post(admin, "/admin/reload", {})["needs_restart"] == waits
    # With another restart all that is as the file has it.
    site.write(**started, drain_timeout_s=1)
    assert post(admin, "/admin/reload", {})["needs_restart"] == []
    site.end()
    lines = [json.loads(line) for line in site.running.err]
    assert "a worker process was killed by SIGKILL" in [line["event"] for line in lines]
