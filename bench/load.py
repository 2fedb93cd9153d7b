"""The load: wrk where it is installed, else our own raw-socket client.

Both keep connections alive, and on each wait for the answer before they send the next request.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import machine

__all__ = ["Load", "generator", "load"]

HERE = Path(__file__).parent
_LONGEST_S = 30.0


@dataclass(frozen=True)
class Load:
    """What a run of the load generator saw; times in ms."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    quantiles: tuple[tuple[float, float], ...] = ()
    """Pairs of a share of the requests (0 to 1) and the latency, in ms, that so many did not exceed."""
    cpu_s: float = 0.0
    """The generator's own CPU time, in seconds."""

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.seconds


def generator() -> str:
    """Which load generator is used."""
    if shutil.which("wrk"):
        return "wrk"
    return "bench.client (in Python, so it may be the bottleneck; better: apt-get install wrk)"


def load(port: int, *, connections: int, seconds: float, requests: Path | None = None, scheme: str = "http") -> Load:
    """Load ``http://127.0.0.1:port/`` from the loader's cores. https needs wrk.

    ``requests``: a file with a request on each line, ``METHOD PATH`` and, where there is one, the JSON body; they are
    sent in turns. Without it all are ``GET /``.

    A time without any answer is none in which the server was measured: a machine whose host takes it away for a second
    or two gives none. It is said, and measured again for twice as long. Raises RuntimeError where that does not help.
    """
    url = f"{scheme}://127.0.0.1:{port}/"
    while not (seen := _generate(url, port, connections, seconds, requests))["requests"]:
        if seen["errors"] or seconds >= _LONGEST_S:
            raise RuntimeError(f"{url} answered nothing in {seconds:g} s; {seen['errors']} errors")
        print(f"bench: no answer in {seconds:g} s; measured again for twice as long", file=sys.stderr)
        seconds *= 2
    return Load(
        seen["requests"],
        seen["us"] / 1e6,
        seen["p50"] / 1e3,
        seen["p99"] / 1e3,
        seen["max"] / 1e3,
        seen["errors"],
        tuple((share, us / 1e3) for share, us in seen["quantiles"]),
        seen["cpu_s"],
    )


def _generate(url: str, port: int, connections: int, seconds: float, requests: Path | None) -> dict[str, Any]:
    """What the load generator prints."""
    if shutil.which("wrk"):
        threads = max(1, min(2, len(machine.LOADER_CORES)))
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        command += ["-s", str(HERE / "wrk.lua"), url, *(["--", str(requests)] if requests else [])]
    else:
        command = [sys.executable, "-m", "bench.client", str(port), str(connections), str(seconds)]
        command += [str(requests)] if requests else []
    cpu = _children_cpu_s()
    done = subprocess.run(
        machine.pinned(command, server=False),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        cwd=HERE.parent,
        check=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found | {"cpu_s": _children_cpu_s() - cpu}


def _children_cpu_s() -> float:
    """CPU time of the processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system
