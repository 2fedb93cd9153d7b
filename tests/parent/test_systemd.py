"""systemd's side, played by the test: a notification socket, and listening sockets that are passed on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nano_trio.parent.systemd import Notifier
from tests.cli.conftest import Running, Start, environment, get
from tests.ports import free_port
from tests.readme.document import REPOSITORY

from .conftest import Play, worker_of


class Systemd:
    """What the service tells."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.settimeout(30)
        self._sock.bind(address.replace("@", "\0"))

    def hear(self) -> list[str]:
        return self._sock.recv(4096).decode().splitlines()

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    heard = Systemd(str(tmp_path / "notify"))
    yield heard
    heard.close()


def test_ready_and_stopping(start: Start, app: Path, systemd: Systemd) -> None:
    running = start("serve", "--app", "app", "--port", "0", NOTIFY_SOCKET=systemd.address)
    assert systemd.hear() == ["READY=1", "STATUS=Serving"]
    assert get(running.port()) == (200, "hello"), "ready means that it serves"
    assert "NOTIFY_SOCKET" not in worker_of(running).environ()
    worker_of(running).kill()
    assert systemd.hear() == ["STATUS=A worker process was killed by SIGKILL; the next one starts"]
    assert systemd.hear() == ["READY=1", "STATUS=Serving"]
    running.signal(signal.SIGTERM)
    assert systemd.hear() == ["STOPPING=1", "STATUS=Draining"]
    assert running.end().code == 0


def test_reloading(play: Play, systemd: Systemd) -> None:
    running = play(
        "worker.ready(); worker.next('reload'); worker.channel.send('reloaded', ok=True); worker.serve_until_drained()",
        NOTIFY_SOCKET=systemd.address,
    )
    assert systemd.hear()[0] == "READY=1"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    running.signal(signal.SIGHUP)
    first, second = systemd.hear()
    assert first == "RELOADING=1"
    name, _, microseconds = second.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(microseconds) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert systemd.hear() == ["READY=1"]


def test_the_watchdog_is_fed(play: Play) -> None:
    heard = Systemd(f"@nano-trio-test-{os.getpid()}")
    try:
        play("worker.ready(); worker.serve_until_drained()", NOTIFY_SOCKET=heard.address, WATCHDOG_USEC="100000")
        lines = [heard.hear() for _ in range(5)]
        assert lines.count(["WATCHDOG=1"]) >= 4
    finally:
        heard.close()


def test_another_process_s_watchdog_is_not_ours() -> None:
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1", "OTHER": "x"}
    notifier = Notifier(environ)
    assert notifier.watchdog_s is None
    assert environ == {"OTHER": "x"}
    notifier("READY=1")  # nobody listens there; that is no reason to fail


def activated(folder: Path, sock: socket.socket, *arguments: str) -> Running:
    """Start the server as systemd does: the socket as descriptor 3, and variables that say so."""
    command = f'exec 3<&{sock.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$0" -m nano_trio "$@"'
    os.set_inheritable(sock.fileno(), True)
    return Running(
        folder,
        ["-c", command, sys.executable, "serve", *arguments],
        {"PYTHONPATH": str(REPOSITORY)},
        ["bash"],
        close_fds=False,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_sockets_of_systemd_are_used(app: Path, tmp_path: Path, host: str) -> None:
    with socket.create_server((host, 0)) if host == "127.0.0.1" else dual_stack() as sock:
        port = sock.getsockname()[1]
        running = activated(tmp_path, sock, "--app", "app", "--host", host, "--port", str(port))
        try:
            assert running.port() == port
            assert get(port) == (200, "hello")
            running.signal(signal.SIGTERM)
            assert running.end().code == 0
            # It stays systemd's, and clients wait in it for the next start.
            socket.create_connection(("127.0.0.1", port)).close()
        finally:
            running.process.kill()
            running.end()


def dual_stack() -> socket.socket:
    """``ListenStream=PORT``."""
    return socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)


def test_a_socket_that_the_configuration_does_not_know_is_an_error(app: Path, tmp_path: Path) -> None:
    other = free_port()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        result = activated(tmp_path, sock, "--app", "app", "--port", str(other)).end()
    assert result.code == 1
    assert (
        f"systemd passed 127.0.0.1:{port} (web), where the configuration does not listen; it listens on http://127.0.0.1:{other}"
        in result.err
    )


def test_a_socket_for_every_address_is_none_for_one(app: Path, tmp_path: Path) -> None:
    with dual_stack() as sock:
        port = sock.getsockname()[1]
        result = activated(tmp_path, sock, "--app", "app", "--port", str(port)).end()
    assert result.code == 1
    assert "in use" in result.err


def test_the_sample_units_are_well_formed(tmp_path: Path) -> None:
    units = sorted((REPOSITORY / "docs" / "systemd").iterdir())
    assert [unit.name for unit in units] == ["nano-trio.service", "nano-trio.socket"]
    for unit in units:
        text = unit.read_text()
        assert all(not line or line[0] in "#[" or "=" in line for line in text.splitlines())
        # Its programs need not be installed here.
        (tmp_path / unit.name).write_text(text.replace("/opt/nano-trio/bin/nano-trio", "/bin/true"))
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in units)],
            capture_output=True,
            text=True,
            check=False,
            env=environment({}),
        )
        assert "nano-trio" not in done.stderr, done.stderr


def test_the_sample_unit_lets_through_what_is_called() -> None:
    """A call that a filter does not name ends the process: each that is made at times only must be let through."""
    if shutil.which("systemd-analyze") is None:
        return
    listed = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    sets = {name: members.split("\n") for name, members in re.findall(r"^(@\S+)\n((?: +.*\n)*)", listed, re.MULTILINE)}

    def calls(names: list[str]) -> set[str]:
        found: set[str] = set()
        for name in map(str.strip, names):
            found |= calls(sets[name]) if name in sets else {name}
        return found

    allowed: set[str] = set()
    for line in (REPOSITORY / "docs/systemd/nano-trio.service").read_text().splitlines():
        key, _, value = line.partition("=")
        if key == "SystemCallFilter":
            allowed = allowed - calls(value[1:].split()) if value[0] == "~" else allowed | calls(value.split())
    assert "setuid" not in allowed, "what is taken away is not read"
    # nice(2) of long cryptography; the death of the parent; whole slabs given back; --workers auto.
    assert {"setpriority", "prctl", "madvise", "sched_getaffinity"} <= allowed
