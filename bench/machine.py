"""The machine: cores for server and loader, and what else keeps it busy."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

__all__ = ["LOADER_CORES", "SERVER_CORE", "Disturbance", "cpu_s", "describe"]
__all__ += ["on_cores", "pinned", "resident_bytes", "tree"]

_IS_LINUX = platform.system() == "Linux"


def _cores() -> tuple[int | None, list[int]]:
    """The server's core and the loader's cores. None and none where nothing can be pinned."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if shutil.which("taskset") is None or len(usable) < 2:
        return None, []
    # Core 0 serves most interrupts: nobody measures there when there are cores enough.
    loaders = usable[:-1] if len(usable) < 4 else usable[-3:-1]
    return usable[-1], loaders


SERVER_CORE, LOADER_CORES = _cores()


def pinned(command: list[str], *, server: bool) -> list[str]:
    """``command`` bound to the server's core or the loader's cores."""
    if SERVER_CORE is None:
        return command
    return on_cores(command, [SERVER_CORE] if server else LOADER_CORES)


def on_cores(command: list[str], cores: Sequence[int]) -> list[str]:
    """``command`` bound to these cores, where that can be done."""
    if shutil.which("taskset") is None:
        return command
    return ["taskset", "-c", ",".join(map(str, cores)), *command]


def describe() -> dict[str, object]:
    """Facts about the machine for the head of a report."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "server_core": SERVER_CORE,
        "loader_cores": LOADER_CORES,
        "load_average_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def stolen_by_core() -> dict[str, float]:
    """Seconds, so far, in which the hypervisor kept each core that is measured on from running."""
    stat = Path("/proc/stat")
    measured = {f"cpu{core}" for core in [SERVER_CORE, *LOADER_CORES]}
    stolen: dict[str, float] = {}
    for line in stat.read_text().splitlines() if stat.exists() else []:
        name, *fields = line.split()
        if name in measured and len(fields) > 7:
            stolen[name] = int(fields[7]) / os.sysconf("SC_CLK_TCK")
    return stolen


class Disturbance:
    """What others took from a server since :meth:`__init__`: other processes on its core, and the hypervisor."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._waited, self._stolen, self._start = run_queue_wait_s(pid), stolen_by_core(), time.monotonic()

    def shares(self) -> dict[str, float]:
        """``kept_waiting``: the server was ready and another process ran; ``stolen``: the hypervisor took a core."""
        passed = time.monotonic() - self._start
        now = stolen_by_core()
        stolen = max((now[core] - before for core, before in self._stolen.items() if core in now), default=0.0)
        return {
            "kept_waiting": max(0.0, run_queue_wait_s(self._pid) - self._waited) / passed,
            "stolen": stolen / passed,
        }


def tree(pid: int) -> list[psutil.Process]:
    """The process and its descendants: a server may watch a worker process."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used; 0 where it has ended.

    On Linux in nanoseconds; but some kernels bring the clock of another process that runs up to date at ticks alone.
    """
    try:
        if _IS_LINUX:
            return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3) for a process, as Linux encodes it
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
    except (OSError, psutil.NoSuchProcess):
        return 0.0


def resident_bytes(pid: int, *, proportional: bool = False) -> int:
    """RSS of the process tree, or its PSS (shared pages divided among those that share them)."""
    total = 0
    for process in tree(pid):
        try:
            total += process.memory_full_info().pss if proportional else process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def run_queue_wait_s(pid: int) -> float:
    """Seconds for which threads of the tree were ready but another process had the core; 0 where unknown."""
    total = 0
    for process in tree(pid):
        for file in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
            try:
                total += int(file.read_text().split()[1])
            except (OSError, IndexError, ValueError):
                continue
    return total / 1e9
