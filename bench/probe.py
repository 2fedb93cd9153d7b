"""A client that probes on a fixed schedule: ``python -m bench.probe PORT HOST PATH RATE SECONDS TIMEOUT [PID]``.

Probe k is due at start + k / RATE, whether or not the one before was answered in time, and its latency counts from when
it was due. So a stall of a second shows in as many probes as were due in it (no coordinated omission). Waits for a line
on standard input, then starts; prints one line of JSON: ``due`` (seconds on the monotonic clock) and ``ms``; a probe
that is not answered within TIMEOUT seconds ends the run and is listed as null.

With PID, the server's process, ``cpu_ms`` says how much CPU time that process used between due and answered. A server
that never idles makes its clients wait exactly that long; the rest of the latency is what other processes took from it
(for what a hypervisor takes see cpu_clock.py). Where the probe itself was late though it waited for nothing, that
counts from when it sent; a probe during which this process was kept from running for more than 0.2 ms is null in
``cpu_ms``, and so are those that became due before such a one was answered.
"""

from __future__ import annotations

import bisect
import gc
import json
import math
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import apart
from bench.cpu_clock import cpu_clock

__all__ = ["Probe", "Seen"]


@dataclass(frozen=True)
class Seen:
    """What a probe saw. Latencies in ms; infinite where no answer came."""

    due: list[float]
    ms: list[float]
    cpu_ms: list[float | None]
    """CPU time of the server in the same spans; empty where it was not asked for."""

    def between(self, start: float, end: float) -> Seen:
        """The probes due in that span of the monotonic clock."""
        inside = [index for index, due in enumerate(self.due) if start <= due < end]
        cpu_ms = [self.cpu_ms[index] for index in inside if index < len(self.cpu_ms)]
        return Seen([self.due[index] for index in inside], [self.ms[index] for index in inside], cpu_ms)

    @property
    def server_ms(self) -> list[float]:
        """``cpu_ms`` of the probes that were not kept from running themselves."""
        return [ms for ms in self.cpu_ms if ms is not None]


class Probe:
    """A probe in a process of its own. ``start()`` when the stage is set, ``result()`` to wait for its end."""

    def __init__(
        self,
        port: int,
        *,
        host: str,
        path: str = "/",
        rate: float,
        seconds: float,
        timeout: float = 5,
        pid: int | None = None,
    ) -> None:
        self._seconds = seconds
        self._timeout = timeout
        of_server = [] if pid is None else [pid]
        self._process = apart.start("bench.probe", port, host, path, rate, seconds, timeout, *of_server)

    def start(self) -> None:
        apart.go(self._process)

    def result(self) -> Seen:
        out, _ = self._process.communicate(timeout=self._seconds + self._timeout + 30)
        seen = json.loads(out)
        return Seen(seen["due"], [math.inf if ms is None else ms for ms in seen["ms"]], seen["cpu_ms"])


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
        if apart.is_complete(data):
            return True


def _run_queue_wait_ns() -> int:
    """How long this thread has been ready while another had the core; 0 where unknown."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def main() -> None:
    port, host, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    rate, seconds, timeout = map(float, sys.argv[4:7])
    cpu: Callable[[], float] = cpu_clock(int(sys.argv[7])) if len(sys.argv) > 7 else lambda: 0.0
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
    read_at, cpu_read, sent_at, kept = [clock()], [cpu()], [], [False]
    waited = _run_queue_wait_ns()
    start = clock() + 0.01
    for number in range(int(rate * seconds)):
        at = start + number / rate
        # Sleep most of the way and spin the rest: a sleep alone overshoots by as much as what is measured.
        while (left := at - clock()) > 0:
            if left > 0.0005:
                time.sleep(left - 0.0004)
        due.append(at)
        read_at.append(clock())
        cpu_read.append(cpu())
        # The probe's own lateness: it waited for no answer, and yet did not send in time.
        sent_at.append(read_at[-1] if read_at[-2] <= at else at)
        connection.sendall(request)
        if not _answered(connection):
            latencies.append(None)
            break
        read_at.append(clock())
        cpu_read.append(cpu())
        before, waited = waited, _run_queue_wait_ns()
        kept.append(waited - before > 200_000 or (kept[-1] and read_at[-3] > at))
        latencies.append((read_at[-1] - at) * 1e3)
    cpu_ms: list[float | None] = []
    for at, sent, ms, disturbed in zip(due, sent_at, latencies, kept[1:], strict=False):
        if ms is not None:
            used = _at(at + ms / 1e3, read_at, cpu_read) - _at(sent, read_at, cpu_read)
            cpu_ms.append(None if disturbed else used * 1e3)
    print(json.dumps({"due": due, "ms": latencies, "cpu_ms": cpu_ms if len(sys.argv) > 7 else []}))


def _at(moment: float, read_at: list[float], values: list[float]) -> float:
    """The value at ``moment``, interpolated between readings."""
    after = bisect.bisect_left(read_at, moment)
    if after == 0 or after == len(read_at):
        return values[min(after, len(values) - 1)]
    before = after - 1
    share = (moment - read_at[before]) / max(1e-9, read_at[after] - read_at[before])
    return values[before] + share * (values[after] - values[before])


if __name__ == "__main__":
    main()
