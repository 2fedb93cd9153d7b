"""What is served: a hundred apps in a folder, and the real processes that serve them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import attrs
import psutil

from tests.cli.conftest import COMMAND, environment
from tests.serving.test_crash_isolation import WAYS

__all__ = ["APPS", "Site", "edited", "greeter", "named"]

PATIENCE_S = 60.0
_INSIDE = Path(__file__).with_name("inside")
DRAIN_TIMEOUT_S = 8

PLAIN = """
export default { async fetch(request, env, ctx) {
  const { pathname } = new URL(request.url);
  if (pathname === "/json") return Response.json({ app: NAME, method: request.method });
  if (pathname === "/echo") return new Response(await request.arrayBuffer());
  if (pathname === "/later") { await new Promise((resolve) => setTimeout(resolve, 20)); return new Response(NAME); }
  if (pathname === "/stream") {
    let n = 0;
    return new Response(new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 3));
        controller.enqueue(new TextEncoder().encode(`${n}\\n`));
        if (++n === 20) controller.close();
      },
    }));
  }
  if (pathname === "/for-ever") return new Response(new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      controller.enqueue(new Uint8Array(4096));
    },
  }));
  return new Response(NAME);
} };
"""

ROOM = """
export default {
  fetch(request, env, ctx) {
    const id = new URL(request.url).searchParams.get("id");
    return id === null ? new Response(NAME) : ctx.upgrade(request, { data: { id } });
  },
  websocket: {
    open(ws) { ws.subscribe("all"); },
    message(ws, text) { ws.publish("all", `${ws.data.id} ${text}`); ws.send(`sent ${text}`); },
  },
};
"""

CRASHER = """
export default { fetch(request) {
  if (new URL(request.url).pathname === "/spin") for (;;);
  return new Response("VERSION");
} };
"""

_LIMITS = {"timeout_ms": 50, "memory_mb": 16, "request_timeout_ms": 400, "max_restarts": 4, "max_log_lines_per_s": 20}


def greeter(name: str) -> str:
    """An app that says its name."""
    return PLAIN.replace("NAME", json.dumps(name))


def edited(version: int) -> str:
    """A version of an app that says which it is."""
    return f"export default () => new Response('{version}');"


def _apps() -> dict[str, tuple[str, dict[str, Any]]]:
    apps: dict[str, tuple[str, dict[str, Any]]] = {}
    for number in range(36):
        apps[f"plain-{number:02}"] = greeter(f"plain-{number:02}"), {}
    for number in range(6):
        apps[f"room-{number}"] = ROOM.replace("NAME", f'"room-{number}"'), {}
    for number in range(10):
        apps[f"edited-{number}"] = edited(1), {"preload": True, "timeout_ms": 500}
    for number in range(6):
        apps[f"sleeper-{number}"] = greeter(f"sleeper-{number}"), {"idle_timeout_s": 1}
    for number in range(5):
        apps[f"left-{number}"] = greeter(f"left-{number}"), {}
    for number in range(3):
        apps[f"drained-{number}"] = greeter(f"drained-{number}"), {}
    apps["crasher-0"] = CRASHER, {"timeout_ms": 600_000}
    for number, (way, source) in enumerate(sorted(WAYS.items())):
        for copy in range(2):
            apps[f"hostile-{number:02}-{copy}-{re.sub('[^a-z]+', '-', way)}"] = source, _LIMITS
    apps["spare-0"] = greeter("spare-0"), {"preload": True}
    return apps


APPS = _apps()
"""Sources and further keys, by name; the kind of an app stands before the first dash."""


def named(kind: str) -> list[str]:
    """The apps of a kind."""
    return [name for name in APPS if name.startswith(kind + "-")]


@attrs.define
class Line:
    """What stood on standard error."""

    at: float
    text: str


class Site:
    """The processes, and the files that they serve."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "nano.json"
        self.document: dict[str, Any] = {
            "port": 0,
            "state_dir": "state",
            "drain_timeout_s": DRAIN_TIMEOUT_S,
            "log": {"format": "json"},
            "tls": {"port": 0},
            "admin": {"port": 0},
            "apps": [{"name": name, "path": f"apps/{name}", **keys} for name, (_, keys) in APPS.items()],
        }
        for name, (source, _) in APPS.items():
            self.code(name, source)
        self.write()
        self.lines: list[Line] = []
        self.draining = ""
        """The line that says that it was told to end: by us, last of all, or by whoever ends processes by a name."""
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--config", "nano.json"],
            cwd=folder,
            env=environment(
                {
                    "XDG_CACHE_HOME": str(folder / "cache"),
                    "SOAK_IN_USE": str(folder),
                    "PYTHONPATH": os.pathsep.join(filter(None, [str(_INSIDE), os.environ.get("PYTHONPATH")])),
                }
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.parent = psutil.Process(self.process.pid)
        self._readers = [threading.Thread(target=self._read_log, daemon=True)]
        self._readers[0].start()
        self.port, self.secure_port, self.admin_url = self._announced()

    def _announced(self) -> tuple[int, int, str]:
        port = secure = 0
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if " listening on http://" in line:
                port = int(line.rpartition(":")[2])
            elif " listening on https://" in line:
                secure = int(line.rpartition(":")[2])
            elif line.startswith("  admin: "):
                # The pipe must not fill up.
                self._readers.append(threading.Thread(target=self.process.stdout.read, daemon=True))
                self._readers[-1].start()
                return port, secure, line.split()[1].rstrip("/")
        raise AssertionError("it does not start:\n" + "\n".join(line.text for line in self.lines))

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(Line(time.monotonic(), line.rstrip("\n")))
            if '"draining"' in line and '"signal"' in line:
                self.draining = line.rstrip("\n")

    def code(self, name: str, source: str) -> None:
        """Write an app's code, replacing the file in one step as deployments do."""
        folder = self.folder / "apps" / name
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / ".new"
        fresh.write_text(source)
        os.replace(fresh, folder / "index.js")

    def write(self, text: str | None = None) -> None:
        """Write the configuration: the document, or any text."""
        fresh = self.folder / ".nano.new"
        fresh.write_text(json.dumps(self.document) if text is None else text)
        os.replace(fresh, self.file)

    @property
    def worker(self) -> psutil.Process | None:
        """The process that serves, if one lives at this moment."""
        children = self.parent.children()
        return next((child for child in children if child.status() != psutil.STATUS_ZOMBIE), None)

    def held(self, worker: psutil.Process) -> tuple[int, int]:
        """Bytes and Python's blocks in use, as ``inside/sitecustomize.py`` told within the last second."""
        bytes_, blocks = json.loads((self.folder / f"in-use-{worker.pid}").read_text())
        return bytes_, blocks

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def end(self, timeout_s: float) -> int | None:
        """SIGTERM, and the exit code; None where it did not end and was killed."""
        code: int | None = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        for reader in self._readers:
            reader.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def kill(self) -> None:
        """End everything at once."""
        if self.process.poll() is None:
            worker = self.worker
            self.process.kill()
            self.process.wait()
            if worker is not None and worker.is_running():
                worker.kill()
