"""The peers: programs from npm, and Hypercorn from PyPI, installed into the git-ignored folder ``bench/.peers``.

Nothing here is a dependency of the package. A peer that cannot be had raises :class:`Absent`, whose message says why.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.tools import DEBIAN, failure

__all__ = ["NANO", "Absent", "binary", "hypercorn_python", "missing_tools", "package", "version"]

HERE = Path(__file__).parent
FOLDER = HERE / ".peers"
NANO = ("nano-trio", "nano-trio h11")
HYPERCORN = (HERE / "hypercorn.txt").read_text().splitlines()
"""What pip installs for Hypercorn, with versions."""
_TOOLS = {
    "wrk": ("the load comes from bench.client instead, which is Python and may be the bottleneck", DEBIAN["wrk"]),
    "taskset": ("nothing is pinned to a core", "util-linux"),
    "h2load": ("http2 is not measured", DEBIAN["h2load"]),
    "node": ("node is not measured", "nodejs"),
    "npm": ("workerd, deno, bun and the Hono app are not measured", "npm"),
}


class Absent(Exception):
    """A peer or a tool that this machine does not have; the message says why."""


def missing_tools() -> list[str]:
    """One line for each program that is missing: what that means, and how to get it."""
    return [
        f"{tool} is missing: {consequence} (Debian, Ubuntu: apt-get install {package})"
        for tool, (consequence, package) in _TOOLS.items()
        if shutil.which(tool) is None
    ]


@functools.cache
def _install_from_npm() -> str | None:
    """Install what package.json names. Returns why that failed, or None."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing"
    FOLDER.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, FOLDER / name)
    print("bench: installing workerd, deno, bun, ws, hono and esbuild into bench/.peers", file=sys.stderr)
    return failure([npm, "install"], cwd=FOLDER)


@functools.cache
def _install_hypercorn() -> str | None:
    """Make an environment with Hypercorn in it. Returns why that failed, or None."""
    environment = FOLDER / "hypercorn"
    stamp = environment / ".installed"
    if stamp.exists() and stamp.read_text() == "\n".join(HYPERCORN):
        return None
    shutil.rmtree(environment, ignore_errors=True)
    print("bench: installing Hypercorn into bench/.peers/hypercorn", file=sys.stderr)
    python = environment / "bin" / "python"
    problem = failure([sys.executable, "-m", "venv", str(environment)]) or failure(
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *HYPERCORN]
    )
    if problem is None:
        stamp.write_text("\n".join(HYPERCORN))
    return problem


def package(name: str) -> Path:
    """The folder of a package of package.json, installed. Raises :class:`Absent`."""
    folder = FOLDER / "node_modules" / name
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]
    installed = folder / "package.json"
    if not installed.exists() or json.loads(installed.read_text())["version"] != wanted[name]:
        problem = _install_from_npm()
        if problem:
            raise Absent(problem)
    return folder


def hypercorn_python() -> str:
    """The Python that has Hypercorn, installed. Raises :class:`Absent`."""
    problem = _install_hypercorn()
    if problem:
        raise Absent(problem)
    return str(FOLDER / "hypercorn" / "bin" / "python")


@functools.cache
def binary(name: str) -> str:
    """The program ``node``, or one from npm: ``workerd``, ``deno``, ``bun``, ``esbuild``. Raises :class:`Absent`."""
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
        if peer == "hypercorn":
            command = [hypercorn_python(), "-c", "from importlib.metadata import version; print(version('hypercorn'))"]
        else:
            command = [binary(peer.split()[0]), "--version"]
    except Absent as reason:
        return f"absent: {reason}"
    out = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    return out.splitlines()[0].strip() if out else "?"
