"""Real servers in processes of their own, with an admin listener; and clients for it."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from nano_trio.web.admin.client import AdminClient, connect
from tests.browser.fixture import browser, kept_browser
from tests.cli.conftest import COMMAND, Nano, environment, nano

__all__ = ["Nano", "browser", "kept_browser", "nano"]

PATIENCE_S = 30.0
TOKEN = "correct-horse-battery-staple"

GREETER = """
export default { async fetch(request) {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/log") {
    for (let i = 0; i < Number(searchParams.get("times") ?? 1); i++)
      console[searchParams.get("level") ?? "log"](`${searchParams.get("text") ?? "a line"} ${i}`);
  }
  if (pathname === "/long") {
    const text = "x".repeat(15000);
    for (let i = 0; i < Number(searchParams.get("times")); i++) console.log(text);
  }
  if (pathname === "/held") await request.text();
  if (pathname === "/throw") throw new Error("thrown on purpose");
  return new Response("hello from " + new URL(request.url).hostname);
} };
"""
BROKEN = 'throw new Error("the database is not there");'


@attrs.frozen
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running ``nano-trio serve``."""

    def __init__(
        self,
        folder: Path,
        *,
        admin: dict[str, Any],
        apps: dict[str, str],
        workers: int = 1,
        drain_timeout_s: float = 5,
        **environ: str,
    ) -> None:
        self.folder = folder
        self.token: str | None = admin.get("token") or environ.get("NANO_ADMIN_TOKEN")
        document = {
            "port": 0,
            "state_dir": "state",
            "drain_timeout_s": drain_timeout_s,
            "watch": False,
            "log": {"format": "json"},
            "admin": {"port": 0, **admin},
            "apps": [{"name": name, "path": f"{name}.js"} for name in apps],
        }
        for name, source in apps.items():
            (folder / f"{name}.js").write_text(source)
        self.file = folder / "nano.json"
        self.write(document)
        self._err = (folder / "err").open("w")
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--config", "nano.json", "--workers", str(workers)],
            cwd=folder,
            env=environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._err,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if " listening on http://" in line:
                self.port = int(line.rpartition(":")[2])
            if line.startswith("  admin: "):
                self.url = line.split()[1].rstrip("/")
                self.admin_port = int(self.url.rpartition(":")[2])
                break
        else:
            raise AssertionError(self.err())
        # The pipe must not fill up.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    @property
    def worker(self) -> psutil.Process:
        """The process that serves; the other is its parent."""
        [worker] = psutil.Process(self.process.pid).children()
        return worker

    def write(self, document: dict[str, Any]) -> None:
        self.document = document
        self.file.write_text(json.dumps(document))

    def err(self) -> str:
        return (self.folder / "err").read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The log, so far."""
        return [json.loads(line) for line in self.err().splitlines() if line.endswith("}")]

    def logged(self, **fields: Any) -> dict[str, Any]:
        """Wait for a log line with these fields."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            for line in self.lines():
                if fields.items() <= line.items():
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no {fields} in:\n{self.err()}")

    @contextlib.contextmanager
    def held(self, app: str) -> Iterator[Callable[[], None]]:
        """A request in flight (``GREETER``) until it is let go, which waits for its answer."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(f"POST /held HTTP/1.1\r\nHost: {app}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

            def let_go() -> None:
                client.sendall(b"0\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")

            yield let_go

    def ask(self, verb: str, path: str, body: Any = None, **headers: str | None) -> Answer:
        """A request to the admin listener; with the right token, and JSON, unless ``headers`` say otherwise."""
        fields: dict[str, str | None] = {}
        if self.token is not None:
            fields["authorization"] = f"Bearer {self.token}"
        if verb != "GET" and not isinstance(body, bytes):
            fields["content-type"] = "application/json"
        fields.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.send(verb, path, body, {name: value for name, value in fields.items() if value is not None})

    def send(self, verb: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE_S)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            connection.request(verb, path, data, headers)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def get(self, app: str, path: str = "/") -> Answer:
        """A request to an app."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={"Host": app})
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[AdminClient]:
        async with connect(self.url, self.token) as client:
            yield client

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._err.close()
        assert self.process.stdout is not None
        self.process.stdout.close()


APPS = {"one": GREETER, "two": GREETER, "broken": BROKEN}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for the tests of a file, which leave it as they find it: apps one, two and broken, no token."""
    server = Server(tmp_path_factory.mktemp("server"), admin={}, apps=APPS)
    yield server
    server.end()
    assert "Traceback" not in server.err()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same with a token, open to other machines."""
    folder = tmp_path_factory.mktemp("guarded")
    server = Server(folder, admin={"token": TOKEN, "host": "0.0.0.0", "hostnames": ["admin.example"]}, apps=APPS)
    yield server
    server.end()
    assert "Traceback" not in server.err()
