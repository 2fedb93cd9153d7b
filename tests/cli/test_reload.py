"""Reloads of a real process under load: no request is lost, none is answered by an older version than one before it."""

from __future__ import annotations

import json
import signal
import threading
from http.client import HTTPConnection
from pathlib import Path

from tests.cli.conftest import Start, get

_RELOADS = 200
_SOURCE = """
const version = VERSION;
export default async (request, env) => {
  if (request.url.endsWith("/slow")) await new Promise((resolve) => setTimeout(resolve, 5));
  return new Response(`${version + env.more}`);
};
"""


class Clients:
    """Threads that ask all the while. ``newest`` is the newest version that anybody was answered by."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.newest = 0
        self.answered = 0
        self.faults: list[str] = []
        self.stop = False
        self._lock = threading.Lock()
        self._pause = threading.Event()
        kinds = [(True, "/")] * 6 + [(True, "/slow")] * 2 + [(False, "/"), (False, "/slow")]
        self._threads = [threading.Thread(target=self._ask, args=kind) for kind in kinds]
        for thread in self._threads:
            thread.start()

    def _ask(self, keep_alive: bool, path: str) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while not self.stop:
                # What was answered before this request begins: nothing older may come now.
                floor = self.newest
                connection.request("GET", path, headers={"Host": "app"})
                response = connection.getresponse()
                text = response.read().decode()
                if response.status != 200 or int(text) < floor:
                    self.faults.append(f"{path}: {response.status} {text} after {floor}")
                    return
                if response.will_close and keep_alive:
                    self.faults.append(f"{path}: the connection was closed")
                    return
                with self._lock:
                    self.newest = max(self.newest, int(text))
                    self.answered += 1
                if not keep_alive:
                    connection.close()
                self._pause.wait(0.002)  # some hundred requests a second each: the machine has other work
        except Exception as error:
            self.faults.append(f"{path}: {error!r}")
        finally:
            connection.close()

    def end(self) -> None:
        self.stop = True
        for thread in self._threads:
            thread.join(30)


def test_two_hundred_reloads_lose_no_request(start: Start, tmp_path: Path) -> None:
    code, config = tmp_path / "app.js", tmp_path / "nano.json"

    def write(version: int) -> None:
        """Every third version comes by the configuration, the others by the code."""
        more = version // 3
        code.write_text(_SOURCE.replace("VERSION", str(version - more)))
        extra = [{"name": "extra", "path": "app.js", "env": {"more": 0}}] if version % 2 else []
        apps = [{"name": "app", "path": "app.js", "env": {"more": more}}, *extra]
        fresh = tmp_path / "nano.new"
        fresh.write_text(json.dumps({"port": 0, "apps": apps}))
        fresh.replace(config)

    write(1)
    server = start("serve", "--config", "nano.json", "--no-watch")
    port = server.port()
    assert get(port) == (200, "1")
    clients = Clients(port)
    try:
        for version in range(2, _RELOADS + 2):
            write(version)
            server.signal(signal.SIGHUP)
            while clients.newest < version and not clients.faults:
                assert server.process.poll() is None
                threading.Event().wait(0.001)
    finally:
        clients.end()
    assert clients.faults == []
    assert clients.newest == _RELOADS + 1
    assert clients.answered > _RELOADS
    server.signal(signal.SIGTERM)
    assert server.end().code == 0


def test_changed_files_come_into_force_by_themselves(start: Start, tmp_path: Path) -> None:
    code = tmp_path / "app.js"
    code.write_text("export default () => new Response('first');")
    server = start("serve", "--app", "app.js", "--port", "0")
    port = server.port()
    assert get(port) == (200, "first")
    code.write_text("export default (")
    server.wait_for("does not load")
    server.wait_for("SyntaxError")
    assert get(port) == (200, "first")
    code.write_text("export default () => new Response('second');")
    server.wait_for("reloaded")
    assert get(port) == (200, "second")
