"""Processes that need not import nano-trio anew: they are forked off one that has, and has done nothing else.

Importing is two thirds of what a short command takes, and the same each time; of a program that runs some JavaScript, and
may crash, it is more. All the rest is as when that is started: a process with its own arguments, folder, environment,
standard streams and exit code. One that comes to its end does all that Python does then, but that what was imported is not
taken down: that would write to most of the pages that a fork shares, which the kernel copies one by one, and took half of
what a short command takes. What is shown of a start itself, of its very end, of signals and terminals needs the command as
users start it, and ``tests/cli/test_usage.py`` starts each command so as well.

This file is also the program that forks. It imports nothing of the tests.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_IMPORTED = (
    "nano_trio.actors.scratch",
    "nano_trio.actors.script",
    "nano_trio.cli.commands",
    "nano_trio.config",
    "nano_trio.testing.javascript",
    "nano_trio.web.admin.client",
    "structlog",
    "trio.testing",
)
_COMMAND = "from nano_trio.cli import main; main(prog_name='nano-trio')"
_MOST_BYTES = 128 << 10
"""Of a request, which is one datagram."""


class Prefork:
    """Runs commands and programs, one at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def run(
        self, argv: Sequence[str], program: str, cwd: Path, environ: Mapping[str, str], stdin: bytes, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        ours, theirs = zip(*(os.pipe() for _ in range(2)), strict=True)
        request = json.dumps([[*argv], program, str(cwd), {**environ}]).encode()
        assert len(request) <= _MOST_BYTES
        source = _source(stdin)
        socket.send_fds(self._socket, [request], [source, *theirs])
        for fd in (source, *theirs):
            os.close(fd)
        texts = ["", ""]

        def read(number: int) -> None:
            with open(ours[number]) as stream:
                texts[number] = stream.read()

        pid = int(self._socket.recv(64))
        readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
        late = threading.Timer(timeout, os.kill, (pid, signal.SIGKILL))
        for thread in [*readers, late]:
            thread.start()
        code = int(self._socket.recv(64))
        late.cancel()
        for reader in readers:
            reader.join(timeout)
        return subprocess.CompletedProcess(argv, code, *texts)

    def end(self) -> None:
        """Its process ends with the connection to it."""
        self._socket.close()
        assert self._process.wait(30) == 0


def nano_trio(
    *arguments: str,
    cwd: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    stdin: str = "",
    timeout: float = 60.0,
) -> subprocess.CompletedProcess[str]:
    """Run ``nano-trio`` with these arguments, as :func:`subprocess.run` does; killed after ``timeout`` seconds.

    Variables that Python reads when it starts have no effect.
    """
    argv = ["nano-trio", *arguments]
    return _prefork().run(argv, _COMMAND, cwd or Path.cwd(), environ, stdin.encode(), timeout)


def python(code: str, *arguments: str, stdin: str = "", timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a program as ``python -c`` does, beside what is imported; killed after ``timeout`` seconds."""
    return _prefork().run(["-c", *arguments], code, Path.cwd(), os.environ, stdin.encode(), timeout)


@functools.cache
def _prefork() -> Prefork:
    """The one of this process and all its tests, none of which can change it."""
    it = Prefork()
    atexit.register(it.end)
    return it


def _source(stdin: bytes) -> int:
    """A descriptor to read that from."""
    if not stdin:
        return os.open(os.devnull, os.O_RDONLY)
    source, sink = os.pipe()
    assert len(stdin) <= 16 << 10, "more than any pipe takes at once"
    os.write(sink, stdin)
    os.close(sink)
    return source


def _serve(fd: int) -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=fd) as requests:
        while True:
            request, streams, *_ = socket.recv_fds(requests, _MOST_BYTES, 3)
            if not request:
                return
            pid = os.fork()
            if pid == 0:
                break
            for stream in streams:
                os.close(stream)
            requests.send(str(pid).encode())
            requests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    _run(request, streams)


def _run(request: bytes, streams: Sequence[int]) -> None:
    argv, program, cwd, environ = json.loads(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = argv
    sys.path[0] = os.getcwd()
    code = 0
    try:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        sys.exit(code)  # what went wrong is for Python to tell
    os._exit(code & 0xFF)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
