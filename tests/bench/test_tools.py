"""Programs that the load comes from are unpacked where they are not installed. The packages come from a folder here."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bench import tools

CONTROL = """\
Package: {name}
Version: 1.0
Architecture: all
Maintainer: nobody <nobody@localhost>
Depends: {depends}
Description: made by a test
"""


def make_package(archive: Path, name: str, depends: str, files: dict[str, str]) -> None:
    """A package in ``archive``, and its entry in the list there."""
    root = archive / f"{name}.root"
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    (root / "DEBIAN").mkdir()
    control = CONTROL.format(name=name, depends=depends)
    (root / "DEBIAN" / "control").write_text(control)
    package = archive / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, package], check=True, capture_output=True)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    with (archive / "Packages").open("a") as entries:
        entries.write(f"{control}Filename: ./{package.name}\nSize: {package.stat().st_size}\nSHA256: {digest}\n\n")


@pytest.fixture
def apt_options(tmp_path: Path) -> list[str]:
    """What makes apt-get take packages from a folder that has the program ``zork``, and nothing else."""
    archive = tmp_path / "archive"
    archive.mkdir()
    if shutil.which("dpkg-deb"):
        script = '#!/bin/sh\necho "$1 $(ls $LD_LIBRARY_PATH)"\n'
        make_package(archive, "zork-tools", "libzork", {"usr/bin/zork": script})
        make_package(archive, "libzork", "", {"usr/lib/here/libzork.so.1": ""})
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] copy:{archive} ./\n")
    return ["-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=-"]


def test_a_missing_program_is_unpacked_and_found(
    tmp_path: Path, apt_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    folder = tmp_path / "tools"
    wanted = {"zork": "zork-tools", "sh": "no-such-package"}
    if shutil.which("apt-get") is None:
        assert tools.provide(wanted, folder, apt_options) == "there is no apt-get"
        return
    assert tools.provide(wanted, folder, apt_options) is None
    assert subprocess.run(["zork", "go"], capture_output=True, text=True, check=True).stdout == "go libzork.so.1\n"
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "root"]
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(os.pathsep)[2])
    shutil.rmtree(tmp_path / "archive")
    assert tools.provide(wanted, folder, apt_options) is None  # it is there already
    assert shutil.which("zork") == str(folder / "bin" / "zork")


def test_what_cannot_be_had_is_told(tmp_path: Path, apt_options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ["PATH"]
    problem = tools.provide({"zork": "no-such-package"}, tmp_path / "tools", apt_options)
    assert problem is not None
    assert os.environ["PATH"] == before
    if shutil.which("apt-get"):
        assert "no-such-package" in problem
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.provide({"zork": "zork-tools"}, tmp_path / "tools", apt_options) == "there is no apt-get"
