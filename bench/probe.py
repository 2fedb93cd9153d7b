"""A client that probes on a fixed schedule: ``python -m bench.probe PORT HOST PATH RATE SECONDS TIMEOUT``.

Probe k is due at start + k / RATE, whether or not the one before was answered in time, and its latency counts from when
it was due. So a stall of a second shows in as many probes as were due in it (no coordinated omission). Waits for a line
on standard input, then starts; prints one line of JSON: ``due`` (seconds on the monotonic clock) and ``ms``; a probe
that is not answered within TIMEOUT seconds ends the run and is listed as null.
"""

from __future__ import annotations

import gc
import json
import math
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench import machine

__all__ = ["Probe", "Seen"]


@dataclass(frozen=True)
class Seen:
    """What a probe saw. Latencies in ms; infinite where no answer came."""

    due: list[float]
    ms: list[float]

    def between(self, start: float, end: float) -> list[float]:
        """Latencies of the probes due in that span of the monotonic clock."""
        return [ms for due, ms in zip(self.due, self.ms, strict=True) if start <= due < end]


class Probe:
    """A probe in a process of its own. ``start()`` when the stage is set, ``result()`` to wait for its end."""

    def __init__(
        self, port: int, *, host: str, path: str = "/", rate: float = 500, seconds: float, timeout: float = 5
    ) -> None:
        self._seconds = seconds
        self._timeout = timeout
        self._process = subprocess.Popen(
            machine.pinned(
                [sys.executable, "-m", "bench.probe", *map(str, (port, host, path, rate, seconds, timeout))],
                server=False,
            ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def result(self) -> Seen:
        out, _ = self._process.communicate(timeout=self._seconds + self._timeout + 30)
        seen = json.loads(out)
        return Seen(seen["due"], [math.inf if ms is None else ms for ms in seen["ms"]])


def _answered(connection: socket.socket) -> bool:
    """Read one answer with a Content-Length; False where the connection ended or timed out."""
    data = b""
    while True:
        try:
            part = connection.recv(65536)
        except TimeoutError:
            return False
        if not part:
            return False
        data += part
        at = data.find(b"\r\n\r\n")
        if at >= 0:
            head = data[:at].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(data) >= at + 4 + length:
                return True


def main() -> None:
    port, host, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    rate, seconds, timeout = map(float, sys.argv[4:7])
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(timeout)
    print("ready", flush=True)
    sys.stdin.readline()
    gc.disable()
    clock = time.monotonic
    due: list[float] = []
    latencies: list[float | None] = []
    start = clock() + 0.01
    for number in range(int(rate * seconds)):
        at = start + number / rate
        # Sleep most of the way and spin the rest: a sleep alone overshoots by as much as what is measured.
        while (left := at - clock()) > 0:
            if left > 0.0005:
                time.sleep(left - 0.0004)
        due.append(at)
        connection.sendall(request)
        if not _answered(connection):
            latencies.append(None)
            break
        latencies.append((clock() - at) * 1e3)
    print(json.dumps({"due": due, "ms": latencies}))


if __name__ == "__main__":
    main()
