"""A server that may open few files: what apps and clients take leaves enough for what it opens itself."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nano_trio.runtime import descriptors
from tests.cli.conftest import COMMAND, Running, end_all, get
from tests.parent.conftest import until

_FETCHES = 100
_GREEDY = """
const failed = [];
export default { fetch(request, env) {
  if (request.url.endsWith("/take")) for (let i = 0; i < FETCHES; i++) fetch(env.UP).catch((e) => failed.push(String(e)));
  return Response.json(failed);
} };
"""
# Each line is code of the platform, of Python or of the app that nobody has opened yet.
_LATE = """
export default { async fetch() {
  const { join } = await import("node:path");
  const found = new URLPattern({ pathname: "/:name" }).exec("http://late/x").pathname.groups.name;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(found));
  const day = new Intl.DateTimeFormat("en-US", { timeZone: "Europe/Berlin" }).format(0);
  await caches.default.put("http://late/", new Response("kept"));
  const kept = await (await caches.default.match("http://late/")).text();
  return Response.json([join("a", found), digest.byteLength, day, kept]);
} };
"""


@contextlib.contextmanager
def running(folder: Path, *, files: int | None = None, limit: str = "-n", **keys: object) -> Iterator[Running]:
    """A server of this very process, which may open so many files; ``limit``: which of the limits that is."""
    (folder / "nano.json").write_text(json.dumps({"port": 0, "state_dir": "state", "log": {"format": "json"}, **keys}))
    limited = () if files is None else ("sh", "-c", f'ulimit {limit} {files}; exec "$@"', "sh")
    started = Running(folder, ["serve", "--no-parent", "--config", "nano.json"], {}, (*limited, *COMMAND))
    try:
        yield started
        started.signal(signal.SIGTERM)
        ended = started.end()
        assert ended.code == 0
        assert "Traceback" not in ended.err
    finally:
        end_all([started])


def app(folder: Path, name: str, source: str, **keys: object) -> dict[str, object]:
    (folder / name).mkdir()
    (folder / name / "index.js").write_text(source)
    return {"name": name, "path": name, **keys}


@contextlib.contextmanager
def upstream() -> Iterator[tuple[int, list[socket.socket]]]:
    """Whoever connects is in the list, and waits for ever."""
    came: list[socket.socket] = []

    def accept() -> None:
        while len(came) < _FETCHES:
            try:
                came.append(listening.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0), backlog=_FETCHES) as listening:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listening.getsockname()[1], came
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for each in came:
                each.close()


def test_what_apps_fetch_leaves_descriptors_to_the_process(tmp_path: Path) -> None:
    with upstream() as (port, came):
        greedy = {"env": {"UP": f"http://127.0.0.1:{port}/"}, "allow_net": ["loopback"]}
        apps = [app(tmp_path, "greedy", _GREEDY.replace("FETCHES", str(_FETCHES)), **greedy)]
        apps += [app(tmp_path, "late", _LATE)]
        with running(tmp_path, files=64, apps=apps) as server:
            port = server.port()
            assert get(port, "/take", "greedy")[0] == 200

            def failed() -> list[str]:
                errors: list[str] = json.loads(get(port, "/", "greedy")[1])
                return errors if len(errors) + len(came) == _FETCHES else []

            errors = until(failed)
            assert {error.rpartition(": ")[2] for error in errors} == {"too many open files"}
            for _ in range(2):
                status, text = get(port, "/", "late")
                assert (status, text) == (200, '["a/x",32,"1/1/1970","kept"]')


def test_clients_leave_descriptors_to_the_process(tmp_path: Path) -> None:
    """Also where more of them are allowed than there are descriptors. Who finds no place waits for one."""
    apps = [app(tmp_path, "late", _LATE)]
    http = {"max_connections": 1000}
    with running(tmp_path, files=64, apps=apps, http=http) as server, contextlib.ExitStack() as stack:
        port = server.port()
        first = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        first.sendall(b"GET / HTTP/1.1\r\n")
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20)) for _ in range(100)]
        for each in crowd:
            each.sendall(b"GET / HTTP/1.1\r\n")  # they are not idle
        server.wait_for("accepting pauses: nearly all files that the system allows are open")
        first.sendall(b"Host: late\r\n\r\n")
        assert first.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
        for each in crowd:
            each.sendall(b"Host: late\r\nConnection: close\r\n\r\n")
        assert all(each.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n") for each in crowd)
        assert sum("accepting pauses" in line for line in server.err) == 1


@pytest.mark.parametrize("limit", [64, 100, 256, 1024])
def test_each_leaves_enough_to_those_behind_it(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Whoever comes late: a watcher of the files takes three, a cache as many, what is read just now one each."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    apps, clients, caches = (
        each.__wrapped__() for each in (descriptors.for_apps, descriptors.for_clients, descriptors.for_caches)
    )
    assert clients - apps >= 5
    assert caches - clients >= 3 + 1 + 4  # a watcher, the last client, and files
    assert limit - caches >= 3 + 4


@contextlib.contextmanager
def left(server: Running, number: int) -> Iterator[None]:
    """The server can open just so many files in here."""
    pid = server.process.pid
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = (each for each in itertools.count() if each not in taken)
    limit = next(itertools.islice(free, number, None))
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def test_admin_waits_for_a_descriptor(tmp_path: Path) -> None:
    with running(tmp_path, apps=[app(tmp_path, "app", _LATE)], watch=False, admin={"port": 0}) as server:
        port = int(server.wait_for("  admin: ").rstrip("/\n").rpartition(":")[2])
        with contextlib.ExitStack() as stack:
            with left(server, 0):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                line = json.loads(server.wait_for("cannot accept admin connections"))
                assert (line["level"], os.strerror(errno.EMFILE) in line["reason"]) == ("error", True)
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_files_are_polled_where_there_is_no_descriptor_for_a_watcher(tmp_path: Path) -> None:
    """Nor does a process get one beyond ``fs.inotify.max_user_instances`` of all processes of its user together."""
    apps = [app(tmp_path, "app", "export default () => new Response('one');", preload=True)]
    with running(tmp_path, apps=apps) as server:
        port = server.port()

        def becomes(text: str) -> None:
            (tmp_path / "app" / "index.js").write_text(f"export default () => new Response('{text}');")
            until(lambda: get(port) == (200, text))

        becomes("two")
        numbers = itertools.count()
        with contextlib.ExitStack() as stack:

            def refused() -> bool:
                # A watcher takes three. What is open now may be closed by and by, an old watcher for one.
                stack.enter_context(left(server, 1))
                (tmp_path / "app" / f"more{next(numbers)}").mkdir()
                return any("files cannot be watched; they are polled instead" in line for line in server.err)

            until(refused)
        becomes("three")


def test_more_clients_are_let_in_than_the_shell_has_files_for(tmp_path: Path) -> None:
    """The process raises its limit to what the system lets it have."""
    with running(
        tmp_path, files=64, limit="-Sn", apps=[app(tmp_path, "app", "export default { fetch: () => new Response() };")]
    ) as server:
        port = server.port()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 30)) for _ in range(200)]
            for _ in range(2):
                for client in clients:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
                    assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
