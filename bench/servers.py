"""The servers under test: each peer's command line, started on the server's core and stopped again.

A peer that cannot be had raises :class:`Absent`; the tables name it as absent.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import machine, workerd
from bench.peers import NANO, Absent, binary, hypercorn_python, package

__all__ = [
    "HANDLERS",
    "NANO",
    "PEERS",
    "Absent",
    "Server",
    "all_started",
    "get",
    "hello_over_tls",
    "nano_config",
    "start",
    "start_module",
    "start_nano",
    "start_node_http2",
    "start_node_https",
    "start_websocket",
    "start_workerd",
    "started",
]

HERE = Path(__file__).parent
HANDLERS = HERE / "handlers"

PEERS = ("workerd", "node", "deno", "bun")
"""Those that run the same handler files. ``node http`` and ``hypercorn`` have handlers of their own."""


@dataclass
class Server:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    """Ports by worker, where there are several."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def secure_port(self) -> int:
        """The HTTPS port, from what the server printed."""
        found = re.search(r"listening on https://127\.0\.0\.1:(\d+)", (self.folder / "log").read_text(errors="replace"))
        assert found is not None, self.log()
        return int(found[1])

    def cpu_s(self) -> float:
        """CPU seconds of the server's processes so far."""
        return sum(machine.cpu_s(process.pid) for process in machine.tree(self.pid))

    @property
    def worker_pid(self) -> int:
        """The process that does the work: the one that has used most CPU time."""
        return max((process.pid for process in machine.tree(self.pid)), key=machine.cpu_s, default=self.pid)

    def log(self) -> str:
        """The end of what the server wrote."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def drain(self) -> None:
        """Have it end as one that is told to, so that it does what it has put off. Raises subprocess.TimeoutExpired."""
        self.process.terminate()
        self.process.wait(60)

    def stop(self) -> None:
        """End it at once, with its worker processes."""
        for process in machine.tree(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def get(port: int, path: str = "/", *, host: str = "localhost", timeout: float = 10) -> tuple[int, bytes]:
    """One request on a new connection. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _launch(
    name: str,
    command: Sequence[str],
    port: int | None,
    folder: Path,
    env: dict[str, str],
    *,
    server_core: bool = True,
) -> Server:
    """Start a server, on the server's core or the load's; with no ``port``, its own line says which it took."""
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        machine.pinned(list(command), server=server_core),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # Python's own bytecode is kept, as it is where a package was installed, whatever this shell says.
        env={**os.environ, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "", **env},
        cwd=folder,
    )
    log.close()
    server = Server(name, process, port or 0, folder)
    deadline = time.monotonic() + 60
    while True:
        text = server.log()
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise Absent(f"did not start: {text.strip()[-300:]}")
        if not server.port:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", (folder / "log").read_text(errors="replace"))
            if found:
                server.port = int(found[1])
        if server.port:
            try:
                socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
                return server
            except OSError:
                pass
        time.sleep(0.005)


def nano_config(folder: Path, apps: list[dict[str, Any]], **keys: Any) -> Path:
    """Write a configuration for ``nano-trio serve --config``."""
    path = folder / "bench.json"
    path.write_text(json.dumps({"port": 0, **keys, "apps": apps}))
    return path


def start_nano(
    arguments: Sequence[str],
    *,
    name: str = "nano-trio",
    env: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Server:
    """``nano-trio serve ARGUMENTS`` on a port of its own choice. ``folder`` goes when the server stops."""
    folder = folder or Path(tempfile.mkdtemp(prefix="bench-"))
    command = [sys.executable, "-m", "nano_trio", "serve", *arguments]
    root = str(HERE.parent)
    return _launch(name, command, None, folder, {"PYTHONPATH": root, **(env or {})})


def start_node_https(cert: Path, key: Path) -> Server:
    """Node's own https and http modules, with ``hello``."""
    command = [binary("node"), str(HERE / "adapters/node_https.mjs"), str(cert), str(key)]
    return _launch("node https", command, None, Path(tempfile.mkdtemp(prefix="bench-")), {"NODE_ENV": "production"})


def start_node_http2(cert: Path, key: Path) -> Server:
    """Node's own http2 module, with ``hello``, for HTTP/1.1 too."""
    command = [binary("node"), str(HERE / "adapters/node_http2.mjs"), str(cert), str(key)]
    return _launch("node http2", command, None, Path(tempfile.mkdtemp(prefix="bench-")), {"NODE_ENV": "production"})


def start_websocket(peer: str) -> Server:
    """``nano-trio``, ``node ws`` or ``bun``, doing what handlers/websocket.js does. Raises :class:`Absent`."""
    if peer in NANO:
        return start(peer, "websocket")
    port = _free_port()
    if peer == "bun":
        command = [binary("bun"), "run", str(HERE / "adapters/bun_websocket.mjs"), str(port)]
    else:
        command = [binary("node"), str(HERE / "adapters/node_websocket.mjs"), str(port), str(package("ws"))]
    return _launch(peer, command, port, Path(tempfile.mkdtemp(prefix="bench-")), {"NODE_ENV": "production"})


def start_module(module: str, *, server_core: bool = True) -> Server:
    """A server of our own that prints its address: ``python -m MODULE``."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    env = {"PYTHONPATH": str(HERE.parent)}
    return _launch(module, [sys.executable, "-m", module], None, folder, env, server_core=server_core)


def start(peer: str, handler: str | Path, *, upstream: int = 0) -> Server:
    """Start ``peer`` with ``handlers/<handler>.js``, or with the file ``handler``. Raises :class:`Absent`.

    ``upstream``: the port on this machine that a handler's placeholder ``http://127.0.0.1:1`` stands for.
    """
    source = handler if isinstance(handler, Path) else HANDLERS / f"{handler}.js"
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    if upstream:
        written = folder / source.name
        written.write_text(source.read_text().replace("http://127.0.0.1:1", f"http://127.0.0.1:{upstream}"))
        source = written
    if peer in NANO:
        parser = "h11" if peer.endswith("h11") else "httptools"
        app = {"name": "bench", "path": str(source), "default": True, "request_timeout_ms": 600_000, "preload": True}
        if upstream:
            app["allow_net"] = [f"loopback:{upstream}"]
        return start_nano(["--config", str(nano_config(folder, [app])), "--http", parser], name=peer, folder=folder)
    if peer == "workerd":
        return start_workerd({"bench": source}, folder=folder)
    port = _free_port()
    env = {"DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": str(folder / "deno"), "NODE_ENV": "production"}
    arguments = [str(source), str(port)]
    if peer == "deno":
        command = [binary("deno"), "run", "-A", str(HERE / "adapters/deno.mjs"), *arguments]
    elif peer == "bun":
        command = [binary("bun"), "run", str(HERE / "adapters/bun.mjs"), *arguments]
    elif peer == "node":
        command = [binary("node"), str(HERE / "adapters/node.mjs"), *arguments]
    elif peer == "node http":
        command = [binary("node"), str(HERE / "adapters/node_http.mjs"), source.stem, str(port), str(upstream)]
    elif peer == "hypercorn":
        command = [hypercorn_python(), str(HERE / "adapters/hypercorn_app.py"), source.stem, str(port)]
    else:
        raise ValueError(f"no peer {peer!r}")
    return _launch(peer, command, port, folder, env)


def start_workerd(
    workers: Mapping[str, Path],
    *,
    listen: Sequence[str] | None = None,
    bindings: Mapping[str, list[str]] | None = None,
    folder: Path | None = None,
) -> Server:
    """One workerd process with these workers; those in ``listen`` (default: all) get a port each."""
    program = binary("workerd")
    folder = folder or Path(tempfile.mkdtemp(prefix="bench-"))
    ports = {name: _free_port() for name in (workers if listen is None else listen)}
    config = workerd.write_config(folder, workers, ports, bindings)
    server = _launch("workerd", [program, "serve", str(config)], next(iter(ports.values())), folder, {})
    server.ports = ports
    return server


@contextlib.contextmanager
def all_started(starts: Mapping[str, Callable[[], Server]]) -> Iterator[tuple[list[Server], dict[str, str]]]:
    """Those, by name, that can be had, and why the others cannot. They stop on the way out."""
    servers: list[Server] = []
    absent: dict[str, str] = {}
    try:
        for name, begin in starts.items():
            try:
                servers.append(begin())
            except Absent as reason:
                absent[name] = str(reason)
        yield servers, absent
    finally:
        for server in servers:
            server.stop()


def started(
    peers: Sequence[str], handler: str | Path, *, upstream: int = 0
) -> contextlib.AbstractContextManager[tuple[list[Server], dict[str, str]]]:
    """All of ``peers``, as :func:`start` starts them."""
    return all_started({peer: functools.partial(start, peer, handler, upstream=upstream) for peer in peers})


def hello_over_tls(
    folder: Path, peer: str, start_peer: Callable[[Path, Path], Server]
) -> contextlib.AbstractContextManager[tuple[list[Server], dict[str, str]]]:
    """nano-trio over HTTP and HTTPS with hello, and a peer that is given the same certificate and its key."""
    from nano_trio.web.local_ca import LocalCertificates

    app = {"name": "bench", "path": str(HANDLERS / "hello.js"), "default": True, "preload": True}
    local = LocalCertificates(folder / "certs")
    local.ensure()
    config = nano_config(folder, [app], tls={"port": 0, "certs": str(local.folder)})
    pair = local.pair("localhost")
    return all_started(
        {
            "nano-trio": functools.partial(start_nano, ["--config", str(config)]),
            peer: functools.partial(start_peer, pair.cert, pair.key),
        }
    )
