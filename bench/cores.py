"""The control of `workers`: what a core does while others are busy too, of what it does alone.

Cores share caches and memory, and those of a virtual machine may be halves of one core. So as many processes as there
are cores, which have nothing to do with each other, get less than that many times what one gets: no server scales
better. ``python -m bench.cores SECONDS`` is one such process: JavaScript and Python in turns, as in a request. It
prints how many turns a second of CPU time it took.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import quickjs

from bench import machine
from bench.servers import HERE

__all__ = ["efficiency"]

_TURN = "(url) => ({ text: `Hello from ${url}`, fields: ['content-type', 'text/plain'] }).text"


def efficiency(cores: Sequence[int], seconds: float) -> float:
    """What one of these cores does while all are busy, of what one does alone: 1 where they have nothing in common."""
    return _each_does(cores, seconds) / _each_does(cores[:1], seconds)


def _each_does(cores: Sequence[int], seconds: float) -> float:
    command = [sys.executable, "-m", "bench.cores", str(seconds)]
    running = [
        subprocess.Popen(machine.on_cores(command, [core]), cwd=HERE.parent, stdout=subprocess.PIPE, text=True)
        for core in cores
    ]
    return statistics.fmean(float(process.communicate()[0]) for process in running)


def main() -> None:
    seconds = float(sys.argv[1])
    turn = quickjs.Context().eval(_TURN)
    kept: dict[int, str] = {}
    turns, ends, used = 0, time.perf_counter() + seconds, time.thread_time()
    while time.perf_counter() < ends:
        for number in range(500):
            kept[number & 63] = turn(f"https://app.example/{number}")
        turns += 500
    print(turns / (time.thread_time() - used))


if __name__ == "__main__":
    main()
