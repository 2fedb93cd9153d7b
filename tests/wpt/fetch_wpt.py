"""Brings the set of Web Platform Tests that Debian's nodejs source package carries into a cache folder.

The set has url, encoding, streams, WebCryptoAPI, FileAPI, dom, html/webappapis, hr-time, user-timing, webmessaging,
console, webidl. It is downloaded once (29 MB), and nothing of it is ever committed. It is the one that the expectations
belong to, where a mirror that apt is configured with has that; elsewhere the one of this system's own nodejs source
package, which may be of another revision.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

__all__ = ["FetchError", "default_folder", "ensure", "is_checkout"]

_PREFIX = re.compile(r"^[^/]+/test/fixtures/wpt/(.+)$")
_SOURCES = Path("/etc/apt")
_PACKAGE = "nodejs"
_APT_HELPER = "/usr/lib/apt/apt-helper"
_ATTEMPTS = 3
_TIMEOUT_S = 60.0
RECORDED = (
    "pool/main/n/nodejs/nodejs_18.20.4+dfsg.orig.tar.xz",
    "6ce58062c71eae37d9c5ac31eeaeff9c2d48561d21c2849179d056c9c1bd9ebc",
)
"""Where on a mirror of Debian's archive the set of the expectations is, and the archive's SHA-256."""


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


def _mirrors() -> list[str]:
    """The addresses that apt is configured with, in their order, each once. Most are mirrors of Debian's archive."""
    files = [*_SOURCES.glob("sources.list"), *sorted((_SOURCES / "sources.list.d").glob("*"))]
    text = "\n".join(file.read_text("utf-8") for file in files if file.suffix in (".list", ".sources"))
    stanzas = re.findall(r"^URIs:((?:.*\n[ \t])*.*)", text, re.MULTILINE)
    lines = re.findall(r"^deb(?:-src)?\s+(?:\[[^\]]*\]\s*)?(\S+)", text, re.MULTILINE)
    addresses = [address.rstrip("/") for address in " ".join([*stanzas, *lines]).split()]
    return [address for address in dict.fromkeys(addresses) if address.startswith(("https:", "http:", "file:"))]


def _download(work: Path) -> Path:
    """The archive: the recorded one, else that of this system's nodejs source package."""
    path, checksum = RECORDED
    archive = work / "archive.tar"
    problem = f"apt is configured with no mirror that could have {path}"
    for mirror in _mirrors():
        url = f"{mirror}/{path}"
        print(f"tests.wpt: bringing the Web Platform Tests from {url}", file=sys.stderr)
        try:
            found = _download_file(url, archive)
            if found == checksum:
                return archive
            problem = f"{url} is another file, its SHA-256 {found}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"{url}: {error}"
    missing = [tool for tool in ("apt-get", "apt-cache", _APT_HELPER) if shutil.which(tool) is None]
    if missing:
        raise FetchError(f"{problem}; and there is no {missing[0]} to bring others (NANO_WPT names a checkout)")
    print(f"tests.wpt: {problem}; bringing those of this system's nodejs source package", file=sys.stderr)
    return _download_by_apt(work)


def _download_file(url: str, target: Path) -> str:
    """Returns its SHA-256. Raises OSError, http.client.HTTPException."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, target.open("wb") as file:
        while piece := response.read(1 << 20):
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _download_by_apt(work: Path) -> Path:
    """The upstream archive of the package, of the first version that the mirror really has."""
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
    _apt("apt-get", options, "update", cwd=work)
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


def _unpack(downloaded: Path, target: Path) -> None:
    """Only files are made, below ``target``. (Debian 12's Python has no filters of extraction that would see to it.)"""
    with tarfile.open(downloaded) as archive:
        for member in archive:
            match = _PREFIX.match(member.name)
            if match is None or not member.isfile() or ".." in match[1].split("/"):
                continue
            content = archive.extractfile(member)
            assert content is not None
            file = target / match[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            with content, file.open("wb") as copy:
                shutil.copyfileobj(content, copy)


def _bring(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nano-trio-wpt-") as name:
        downloaded = _download(Path(name))
        # Unpacked beside the folder, then renamed, so that a broken download leaves nothing half done.
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="wpt-") as fresh:
            target = Path(fresh) / "wpt"
            _unpack(downloaded, target)
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
