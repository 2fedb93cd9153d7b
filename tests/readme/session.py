"""Runs a README's blocks as a reader would, in a copy of what a clone has.

The conventions by which blocks are adapted, and nothing else is:

- A block with a file name after its language (```` ```js app/index.js ````) is first written to that file.
- ``sh`` blocks are run by bash, one after another, in that folder, with ``.venv/bin`` on the PATH as after activating it.
- A command that serves (``make serve``, ``nano-trio serve`` or ``dev``, without ``--help``) runs beside what follows; it
  ends, by Ctrl-C, where the next one begins or the section ends. Its exit code must be 0.
- Port 3000 becomes a free one: ``NANO_PORT`` says so to servers, ``:3000`` is replaced in commands. Port 3443 becomes a free
  one too: ``--tls-port`` is added to ``--tls``. And port 9000, for admin, wherever commands name it. In configuration files
  ``port = 3443`` and ``port = 9000`` are replaced.
- Node before version 22 is told to have WebSockets: ``--experimental-websocket``.
- ``make`` does not install (``-o install``): the environment that runs the tests is used. ``make`` of anything but
  ``serve`` is only asked what it would do (``--dry-run``): this test is part of ``make test``.
- A ``text`` block behind an ``sh`` block is part of what that printed: its lines occur there, in any order.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.ports import free_port

from .document import REPOSITORY, Block

__all__ = ["Session"]

_SERVES = re.compile(r"^(make serve|nano-trio (serve|dev))\b(?!.*--help)")
_START_S = 30.0


class Session:
    """A reader's folder and terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.secure_port, self.admin_port = free_port(), free_port(), free_port()
        for name in (
            "Makefile",
            "pyproject.toml",
            "hatch_build.py",
            "README.md",
            "nano_trio",
            "tests",
            "examples",
            "docs",
        ):
            (folder / name).symlink_to(REPOSITORY / name)
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(sys.executable)
        _script(programs / "python", f'exec "{sys.executable}" "$@"')
        _script(programs / "nano-trio", f'exec "{sys.executable}" -m nano_trio "$@"')
        if shutil.which("curl") is None:
            stand_in = Path(__file__).with_name("curl.py")
            _script(programs / "curl", f'exec "{sys.executable}" "{stand_in}" "$@"')
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("NANO_", "MAKE", "PYTEST_"))},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "NANO_PORT": str(self.port),
        }
        self._server: subprocess.Popen[str] | None = None
        self._log = folder / ".server.log"

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do what the blocks of one section say."""
        printed = ""
        try:
            for block in blocks:
                if block.file:
                    path = self.folder / block.file
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(self._with_free_ports(block.text) if path.suffix == ".toml" else block.text)
                elif block.language == "sh":
                    printed = self._run(block)
                elif block.language == "text" and printed:
                    for line in block.text.splitlines():
                        assert line in printed, f"{block.page}:{block.line}: {line!r} was not printed, but:\n{printed}"
        finally:
            self.end_server()

    def _run(self, block: Block) -> str:
        printed = ""
        for command in block.text.splitlines():
            command = self._adapt(command)
            if _SERVES.match(command):
                self._serve(command)
                continue
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", command],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )
            log = self._log.read_text() if self._log.exists() else ""
            assert done.returncode == 0, f"{block.page}:{block.line}: {command}\n{done.stdout}{done.stderr}{log}"
            printed += done.stdout
            if not done.stdout.endswith("\n"):
                printed += "\n"
        return printed

    def _with_free_ports(self, text: str) -> str:
        return text.replace("port = 3443", f"port = {self.secure_port}").replace(
            "port = 9000", f"port = {self.admin_port}"
        )

    def _adapt(self, command: str) -> str:
        command = command.replace(":3000", f":{self.port}").replace(":3443", f":{self.secure_port}")
        command = command.replace(" --tls", f" --tls --tls-port {self.secure_port}")
        command = command.replace(":9000", f":{self.admin_port}").replace("-port 9000", f"-port {self.admin_port}")
        if command.startswith("make ") and not command.startswith("make serve"):
            return command.replace("make", "make --dry-run", 1)
        command = re.sub(r"\bnode (?=\w)", lambda _: f"node {_node_flags()}", command)
        return command.replace("curl ", "curl -sS --max-time 20 ")

    def _serve(self, command: str) -> None:
        self.end_server()
        command = command.replace("make serve", f"make -o install serve TLS_PORT={self.secure_port}")
        with self._log.open("w") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", command],
                cwd=self.folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._server.stdout is not None
        end = time.monotonic() + _START_S
        for line in self._server.stdout:
            if "listening on http://" in line:
                return
            assert time.monotonic() < end
        raise AssertionError(f"{command} did not start: {self._log.read_text()}")

    def end_server(self) -> None:
        """As Ctrl-C in its terminal does: SIGINT to the whole process group."""
        server, self._server = self._server, None
        if server is None:
            return
        try:
            os.killpg(server.pid, signal.SIGINT)
            code = server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            raise
        finally:
            assert server.stdout is not None
            server.stdout.close()
        # make is interrupted too, and says so by its own code.
        assert code in (0, 2, 130, -signal.SIGINT), self._log.read_text()
        assert "Traceback" not in self._log.read_text()


def _script(path: Path, line: str) -> None:
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


@functools.cache
def _node_flags() -> str:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return "--experimental-websocket " if int(version.lstrip("v").partition(".")[0]) < 22 else ""
