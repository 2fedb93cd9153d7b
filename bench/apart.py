"""Clients in a process of their own, so that what they measure is not what they do: ``python -m bench.NAME ARGUMENT…``.

Such a process prints a line when it is ready, and waits for one on standard input.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bench import machine

__all__ = ["go", "is_complete", "start"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """Start it, and wait until it is ready."""
    process = subprocess.Popen(
        machine.pinned([sys.executable, "-m", module, *map(str, arguments)], server=False),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def go(process: subprocess.Popen[str]) -> None:
    """What it waits for."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def is_complete(data: bytes) -> bool:
    """Whether that is a whole answer; without a Content-Length it has no body."""
    head, end, body = data.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    return bool(end) and len(body) >= int(found[1] if found else 0)
