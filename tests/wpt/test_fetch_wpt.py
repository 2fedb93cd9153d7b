"""How the set is brought, and what is said of one that is not that of the expectations. Without network."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.wpt import fetch_wpt
from tests.wpt.expectations import Expectations, revisions_of

_FILES = {
    "node-v18/test/fixtures/wpt/resources/testharness.js": "harness",
    "node-v18/test/fixtures/wpt/url/a.any.js": "test",
    "node-v18/test/fixtures/wpt/../../../outside.js": "outside",
    "node-v18/lib/fs.js": "not of the set",
}


def configure(folder: Path, name: str, text: str) -> None:
    """Have apt configured with just one list of sources, in ``folder``."""
    shutil.rmtree(folder / "apt", ignore_errors=True)
    file = folder / "apt" / "sources.list.d" / name
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive that stands for the recorded one, on the last of the mirrors that apt is configured with."""
    path = tmp_path / "mirror" / "pool" / "node.tar.xz"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:xz") as tar:
        for name, text in _FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("node-v18/test/fixtures/wpt/url/link.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    monkeypatch.setattr(fetch_wpt, "RECORDED", ("pool/node.tar.xz", hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(fetch_wpt, "_SOURCES", tmp_path / "apt")
    configure(
        tmp_path, "debian.sources", f"Types: deb\nURIs: {(tmp_path / 'none').as_uri()}\n {path.parents[1].as_uri()}/\n"
    )
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return path


def test_the_recorded_set_is_unpacked(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "wpt"
    assert fetch_wpt.ensure(folder) == folder
    cache = tmp_path / "cache"
    brought = {file.relative_to(cache).as_posix() for file in cache.rglob("*") if not file.is_dir()}
    assert brought == {"wpt/resources/testharness.js", "wpt/url/a.any.js"}
    assert not list(tmp_path.glob("outside*"))
    archive.unlink()
    assert fetch_wpt.ensure(folder) == folder, "what is there is not brought again"


@pytest.mark.parametrize("line", ["deb {} bookworm main", "deb-src [arch=amd64 signed-by=/k.gpg] {}/ bookworm main"])
def test_a_mirror_in_the_older_form_is_found(archive: Path, tmp_path: Path, line: str) -> None:
    lines = [
        "# deb https://commented.invalid/ x",
        "deb cdrom:[Debian]/ bookworm main",
        line.format(archive.parents[1].as_uri()),
    ]
    configure(tmp_path, "mirror.list", "\n".join(lines) + "\n")
    assert fetch_wpt.is_checkout(fetch_wpt.ensure(tmp_path / "wpt"))


@pytest.mark.parametrize("fault", ["missing", "another file", "no mirror"])
def test_what_cannot_be_had_is_said(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "missing":
        archive.unlink()
    elif fault == "another file":
        archive.write_bytes(archive.read_bytes() + b"\0")
    else:
        configure(tmp_path, "cdrom.list", "deb cdrom:[Debian]/ bookworm main\n")
    monkeypatch.setenv("PATH", "")
    folder = tmp_path / "cache" / "wpt"
    expected = {
        "missing": "mirror/pool/node.tar.xz: .*No such file",
        "another file": "mirror/pool/node.tar.xz is another file, its SHA-256 ",
        "no mirror": "no mirror that could have pool/node.tar.xz",
    }
    with pytest.raises(fetch_wpt.FetchError, match=f"{expected[fault]}.* no apt-get to bring others"):
        fetch_wpt.ensure(folder)
    assert not folder.exists()


def _set(folder: Path, **commits: str) -> Path:
    folder.mkdir()
    (folder / "versions.json").write_text(
        json.dumps({part: {"commit": c, "path": part} for part, c in commits.items()})
    )
    return folder


def test_a_set_of_other_revisions_is_told_from_a_regression(tmp_path: Path) -> None:
    recorded = _set(tmp_path / "recorded", url="1" * 40, streams="2" * 40, **{"dom/abort": "3" * 40})
    other = _set(tmp_path / "other", url="1" * 40, streams="4" * 40)
    path = tmp_path / "expectations.json"
    Expectations(path).update({}, revisions_of(recorded))
    expectations = Expectations(path)
    assert expectations.differences(recorded) == ""
    assert expectations.differences(other, "url/") == ""
    assert "streams of 4444444444 instead of 2222222222." in expectations.differences(other, "streams/piping/")
    assert "dom/abort of an unknown instead of 3333333333." in expectations.differences(other, "dom/")
    assert str(other) in expectations.differences(other)
    assert "streams of an unknown instead" in expectations.differences(tmp_path), "a checkout that does not say"


def test_the_expectations_name_their_revisions() -> None:
    assert {"url", "streams", "dom/abort", "FileAPI", "WebCryptoAPI"} <= set(Expectations().revisions)
