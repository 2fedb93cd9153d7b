"""Brings the set of Web Platform Tests that Debian's nodejs source package carries into a cache folder.

The set has url, encoding, streams, WebCryptoAPI, FileAPI, dom, html/webappapis, hr-time, user-timing, webmessaging,
console, webidl. It is downloaded once (29 MB) through apt's own sources; nothing of it is ever committed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

__all__ = ["FetchError", "default_folder", "ensure", "is_checkout"]

_PREFIX = re.compile(r"^[^/]+/test/fixtures/wpt/(.+)$")
_SOURCES = Path("/etc/apt")
_PACKAGE = "nodejs"
_APT_HELPER = "/usr/lib/apt/apt-helper"
_ATTEMPTS = 3


class FetchError(Exception):
    """The set could not be had; the message says why."""


def default_folder() -> Path:
    """``$NANO_WPT``, else ``nano-trio/wpt`` in the user's cache."""
    if chosen := os.environ.get("NANO_WPT"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nano-trio" / "wpt"


def is_checkout(folder: Path) -> bool:
    return (folder / "resources" / "testharness.js").is_file()


def ensure(folder: Path) -> Path:
    """``folder`` if a set lies there; else the set is brought there. Raises FetchError."""
    if is_checkout(folder):
        return folder
    missing = [tool for tool in ("apt-get", "apt-cache", _APT_HELPER) if shutil.which(tool) is None]
    if missing:
        raise FetchError(f"no Web Platform Tests in {folder}, and no {missing[0]} to bring them")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _bring(folder)
            return folder
        except (FetchError, OSError, tarfile.TarError, subprocess.SubprocessError) as error:
            if attempt == _ATTEMPTS:
                raise FetchError(
                    f"no Web Platform Tests in {folder}, and they could not be brought: {error}"
                ) from error
            print(f"tests.wpt: {error}; trying again", file=sys.stderr)
            time.sleep(2 * attempt)
    raise AssertionError


def _source_lists(parts: Path) -> None:
    """Write apt's configured sources into ``parts`` as sources of source packages."""
    for file in (_SOURCES / "sources.list.d").glob("*.sources"):
        text = re.sub(r"^Types:.*$", "Types: deb-src", file.read_text("utf-8"), flags=re.MULTILINE)
        (parts / file.name).write_text(text, "utf-8")
    for file in [_SOURCES / "sources.list", *(_SOURCES / "sources.list.d").glob("*.list")]:
        if file.is_file():
            lines = re.sub(r"^deb\s", "deb-src ", file.read_text("utf-8"), flags=re.MULTILINE)
            (parts / f"{file.stem}-src.list").write_text(lines, "utf-8")


def _apt(program: str, options: list[str], *arguments: str, cwd: Path) -> str:
    command = [program, *options, *arguments]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        name = program.rsplit("/", 1)[-1]
        raise FetchError(f"{name} {arguments[0]}: {(result.stderr or result.stdout).strip()[-500:]}")
    return result.stdout


def _download(options: list[str], work: Path) -> Path:
    """The upstream archive of the package, of the first version that the mirror really has."""
    versions = re.findall(r"^Version: (\S+)$", _apt("apt-cache", options, "showsrc", _PACKAGE, cwd=work), re.MULTILINE)
    archive = work / "archive.tar"
    problem = FetchError(f"apt's sources know no package {_PACKAGE}")
    for version in reversed(versions):
        # Only this one of the package's files is needed.
        uris = _apt("apt-get", options, "source", "--print-uris", f"{_PACKAGE}={version}", cwd=work)
        for uri, checksum in re.findall(r"^'([^']+)' \S+\.orig\.tar\.\w+ \d+ (\S+)$", uris, re.MULTILINE):
            try:
                _apt(_APT_HELPER, options, "download-file", uri, str(archive), checksum, cwd=work)
                return archive
            except FetchError as error:
                problem = error
    raise problem


def _bring(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nano-trio-wpt-") as name:
        work = Path(name)
        # apt drops its privileges for downloads where it can; it must be able to write here.
        work.chmod(0o755)
        parts, lists = work / "parts", work / "lists"
        parts.mkdir()
        (lists / "partial").mkdir(parents=True)
        _source_lists(parts)
        options = [
            "-oDir::Etc::SourceList=/dev/null",
            f"-oDir::Etc::SourceParts={parts}",
            f"-oDir::State::Lists={lists}",
            f"-oDir::Cache={work / 'cache'}",
            "-oAPT::Sandbox::User=root",
            "-oAcquire::Retries=3",
        ]
        print("tests.wpt: bringing the Web Platform Tests from Debian's nodejs source package", file=sys.stderr)
        _apt("apt-get", options, "update", cwd=work)
        downloaded = _download(options, work)
        # Unpacked beside the folder, then renamed, so that a broken download leaves nothing half done.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="wpt-") as fresh:
            target = Path(fresh) / "wpt"
            with tarfile.open(downloaded) as archive:
                for member in archive:
                    if (match := _PREFIX.match(member.name)) and (member.isfile() or member.isdir()):
                        member.name = match[1]
                        archive.extract(member, target, filter="data")
            if not is_checkout(target):
                raise FetchError("Debian's nodejs source package carries no Web Platform Tests")
            if not folder.exists():
                target.rename(folder)
            elif not is_checkout(folder):
                shutil.copytree(target, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    try:
        print(ensure(Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder()))
    except FetchError as problem:
        sys.exit(f"tests.wpt: {problem}")
