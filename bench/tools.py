"""Programs of Debian that the load comes from, for machines that do not have them: wrk and h2load.

Without wrk the load would come from a client in Python, which several workers outrun. So where apt-get is at hand the
packages are unpacked, with the libraries that this machine lacks, into the git-ignored folder ``bench/.peers/tools``,
and their programs are put on the PATH of this process and of those that it starts. Nothing is installed on the system,
and nobody need be root: apt-get is told to keep its lists and its downloads there too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["DEBIAN", "failure", "provide"]

DEBIAN = {"wrk": "wrk", "h2load": "nghttp2-client"}
"""Packages by program."""
_FOLDER = Path(__file__).parent / ".peers" / "tools"
_OPTIONS = ("-q", "-o", "Debug::NoLocking=1", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=1")
_FETCH = ("--yes", "--no-install-recommends", "--download-only", "install")


def provide(
    packages: Mapping[str, str] = DEBIAN, folder: Path = _FOLDER, apt_options: Sequence[str] = ()
) -> str | None:
    """Put those of the programs on the PATH that are not on it; why that could not be done, else None."""
    wanted = {program: package for program, package in packages.items() if shutil.which(program) is None}
    if not wanted:
        return None
    programs = folder / "bin"
    if not all((programs / program).exists() for program in wanted):
        if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
            return "there is no apt-get"
        print(f"bench: unpacking {' and '.join(wanted.values())} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        problem = _unpack(wanted, folder, apt_options)
        if problem is not None:
            return problem
    os.environ["PATH"] = os.pathsep.join([str(programs), *filter(None, [os.environ.get("PATH")])])
    return None


def _unpack(wanted: Mapping[str, str], folder: Path, apt_options: Sequence[str]) -> str | None:
    lists, cache, root, programs = (folder / name for name in ("lists", "cache", "root", "bin"))
    for inner in (lists / "partial", cache / "archives" / "partial", programs):
        inner.mkdir(parents=True)
    apt = ["apt-get", *_OPTIONS, "-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}", *apt_options]
    problem = failure([*apt, "update"]) or failure([*apt, *_FETCH, *wanted.values()])
    for archive in sorted((cache / "archives").glob("*.deb")):
        problem = problem or failure(["dpkg-deb", "--extract", str(archive), str(root)])
    if problem is not None:
        return problem
    libraries = os.pathsep.join(sorted({str(path.parent) for path in root.rglob("*.so*")}))
    for program in wanted:
        start = programs / program
        start.write_text(f"#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' exec '{root}/usr/bin/{program}' \"$@\"\n")
        start.chmod(0o755)
    for no_longer_needed in (lists, cache):
        shutil.rmtree(no_longer_needed)
    return None


def failure(command: Sequence[str], *, cwd: Path | None = None) -> str | None:
    """Run a command; why it failed, or None."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return f"{Path(command[0]).name} took longer than ten minutes"
    if done.returncode == 0:
        return None
    return f"{' '.join(map(os.path.basename, command[:3]))} failed: {(done.stderr or done.stdout).strip()[-200:]}"
