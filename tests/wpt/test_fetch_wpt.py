"""How the set is brought, and what is said of one that is not that of the expectations. Without network."""

from __future__ import annotations

import hashlib
import io
import json
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


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive that stands for the recorded one."""
    path = tmp_path / "node.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        for name, text in _FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("node-v18/test/fixtures/wpt/url/link.js")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    monkeypatch.setattr(fetch_wpt, "RECORDED", (path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest()))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    return path


def test_the_recorded_set_is_unpacked(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "wpt"
    assert fetch_wpt.ensure(folder) == folder
    brought = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if not file.is_dir()}
    assert brought == {"node.tar.xz", "cache/wpt/resources/testharness.js", "cache/wpt/url/a.any.js"}
    archive.unlink()
    assert fetch_wpt.ensure(folder) == folder, "what is there is not brought again"


@pytest.mark.parametrize("fault", ["missing", "another file"])
def test_what_cannot_be_had_is_said(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    if fault == "missing":
        archive.unlink()
    else:
        archive.write_bytes(archive.read_bytes() + b"\0")
    monkeypatch.setenv("PATH", "")
    folder = tmp_path / "cache" / "wpt"
    expected = "No such file" if fault == "missing" else "is another file, its SHA-256 "
    with pytest.raises(fetch_wpt.FetchError, match=f"node.tar.xz.*{expected}.* no apt-get to bring others"):
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
