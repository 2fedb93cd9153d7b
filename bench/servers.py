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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import machine, workerd

__all__ = [
    "NANO",
    "PEERS",
    "Absent",
    "Server",
    "binary",
    "get",
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
PEER_FOLDER = HERE / ".peers"

NANO = ("nano-trio", "nano-trio h11")
PEERS = ("workerd", "node", "node http", "deno", "bun")


class Absent(Exception):
    """A peer that this machine does not have; the message says why."""


@functools.cache
def _install_peers() -> str | None:
    """Install workerd, deno, bun and ws into a git-ignored folder. Returns why that failed, or None."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing"
    PEER_FOLDER.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, PEER_FOLDER / name)
    print("bench: installing workerd, deno, bun and ws into bench/.peers", file=sys.stderr)
    try:
        done = subprocess.run([npm, "install"], cwd=PEER_FOLDER, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "npm install took longer than ten minutes"
    return None if done.returncode == 0 else f"npm install failed: {done.stderr.strip()[-200:]}"


def package(name: str) -> Path:
    """The folder of a package of package.json, installed. Raises :class:`Absent`."""
    folder = PEER_FOLDER / "node_modules" / name
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    installed = folder / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted[name]:
        problem = _install_peers()
        if problem:
            raise Absent(problem)
    return folder


@functools.cache
def binary(name: str) -> str:
    """The program ``node``, ``workerd``, ``deno`` or ``bun``. Raises :class:`Absent`."""
    if name == "node":
        found = shutil.which("node")
        if found is None:
            raise Absent("node is not on the PATH")
        return found
    program = package(name).parent / ".bin" / name
    try:
        subprocess.run([str(program), "--version"], capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise Absent(f"does not run here: {error}") from None
    return str(program.resolve())


def version(peer: str) -> str:
    """The peer's version, or why it is absent."""
    if peer in NANO:
        from nano_trio import __version__

        return __version__
    try:
        program = binary(peer.split()[0])
    except Absent as reason:
        return f"absent: {reason}"
    out = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout
    return out.splitlines()[0].strip() if out else "?"


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
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

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
        total = 0.0
        for process in machine.tree(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    @property
    def worker_pid(self) -> int:
        """The process that does the work: the one that has used most CPU time."""
        used: dict[int, float] = {self.pid: 0.0}
        for process in machine.tree(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                used[process.pid] = sum(process.cpu_times()[:2])
        return max(used, key=lambda pid: used[pid])

    def log(self) -> str:
        """The end of what the server wrote."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

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


def _launch(name: str, command: Sequence[str], port: int | None, folder: Path, env: dict[str, str]) -> Server:
    """Start a server; with no ``port``, its own line says which it took."""
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        machine.pinned(list(command), server=True),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1", **env},
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
        time.sleep(0.02)


def nano_config(folder: Path, apps: list[dict[str, Any]], **keys: Any) -> Path:
    """Write a configuration for ``nano-trio serve --config``."""
    path = folder / "bench.json"
    path.write_text(json.dumps({"port": 0, **keys, "apps": apps}))
    return path


def start_nano(arguments: Sequence[str], *, name: str = "nano-trio", env: dict[str, str] | None = None) -> Server:
    """``nano-trio serve ARGUMENTS`` on a port of its own choice."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
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


def start_module(module: str) -> Server:
    """A server of our own that prints its address: ``python -m MODULE``."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    return _launch(module, [sys.executable, "-m", module], None, folder, {"PYTHONPATH": str(HERE.parent)})


def start(peer: str, handler: str) -> Server:
    """Start ``peer`` with ``handlers/<handler>.js``. Raises :class:`Absent`."""
    source = HANDLERS / f"{handler}.js"
    if peer in NANO:
        parser = "h11" if peer.endswith("h11") else "httptools"
        config_folder = Path(tempfile.mkdtemp(prefix="bench-"))
        app = {"name": "bench", "path": str(source), "default": True, "request_timeout_ms": 600_000, "preload": True}
        config = nano_config(config_folder, [app])
        try:
            return start_nano(["--config", str(config), "--http", parser], name=peer)
        finally:
            shutil.rmtree(config_folder, ignore_errors=True)
    if peer == "workerd":
        return start_workerd({"bench": source})
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    port = _free_port()
    env = {"DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": str(folder / "deno"), "NODE_ENV": "production"}
    if peer == "deno":
        command = [binary("deno"), "run", "-A", str(HERE / "adapters/deno.mjs"), str(source), str(port)]
    elif peer == "bun":
        command = [binary("bun"), "run", str(HERE / "adapters/bun.mjs"), str(source), str(port)]
    elif peer == "node http":
        command = [binary("node"), str(HERE / "adapters/node_http.mjs"), handler, str(port)]
    else:
        command = [binary("node"), str(HERE / "adapters/node.mjs"), str(source), str(port)]
    return _launch(peer, command, port, folder, env)


def start_workerd(
    workers: Mapping[str, Path],
    *,
    listen: Sequence[str] | None = None,
    bindings: Mapping[str, list[str]] | None = None,
) -> Server:
    """One workerd process with these workers; those in ``listen`` (default: all) get a port each."""
    program = binary("workerd")
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    ports = {name: _free_port() for name in (workers if listen is None else listen)}
    config = workerd.write_config(folder, workers, ports, bindings)
    server = _launch("workerd", [program, "serve", str(config)], next(iter(ports.values())), folder, {})
    server.ports = ports
    return server


@contextlib.contextmanager
def started(peers: Sequence[str], handler: str) -> Iterator[tuple[list[Server], dict[str, str]]]:
    """All of ``peers`` that can be had, and why the others cannot. They stop on the way out."""
    servers: list[Server] = []
    absent: dict[str, str] = {}
    try:
        for peer in peers:
            try:
                servers.append(start(peer, handler))
            except Absent as reason:
                absent[peer] = str(reason)
        yield servers, absent
    finally:
        for server in servers:
            server.stop()
