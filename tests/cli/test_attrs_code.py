"""What attrs writes is compiled once for an installation."""

from __future__ import annotations

import builtins
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import attr._make
import attrs
import pytest

from nano_trio.cli import attrs_code


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the code is kept."""
    monkeypatch.setattr(attrs_code, "__file__", str(tmp_path / "attrs_code.py"))
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    path = Path(f"{cache_from_source(str(tmp_path / 'attrs_code.py'))}.attrs")
    path.parent.mkdir()
    return path


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the texts that are compiled."""
    names: list[str] = []

    def note(text: str, name: str, mode: str) -> Any:
        names.append(name)
        return builtins.compile(text, name, mode)

    monkeypatch.setattr(attrs_code, "compile", note, raising=False)
    return names


def _make(*fields: str) -> Any:
    """A class of these fields, as a process makes it that has just begun: its text has the same name each time."""
    attr._make.linecache.cache.clear()
    with attrs_code.kept_code():
        return attrs.make_class("Made", fields, frozen=True)


def _works(made: Any) -> None:
    assert repr(made(1, 2)) == "Made(a=1, b=2)"
    assert made(1, 2) == made(1, 2) != made(1, 3)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made(1, 2).a = 3


def test_the_same_text_is_compiled_once(kept: Path, compiled: list[str]) -> None:
    _works(_make("a", "b"))
    assert compiled
    compiled.clear()
    _works(_make("a", "b"))
    assert not compiled


def test_so_it_is_where_python_hashes_otherwise(
    kept: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does in each process: the text has the hash of a name."""
    with monkeypatch.context() as other:
        other.setattr(attr._make, "hash", lambda name: -12345, raising=False)
        first = _make("a", "b")
    compiled.clear()
    second = _make("a", "b")
    assert not compiled
    for made in (first, second):
        _works(made)
        assert hash(made(1, 2)) == hash(made(1, 2)) != hash(made(1, 3))


def test_what_others_make_stays_kept(kept: Path, compiled: list[str]) -> None:
    """Commands do not make the same classes."""
    for _ in range(2):
        compiled.clear()
        _make("a", "b")
        _make("c")
    assert not compiled


def test_not_without_end(kept: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attrs_code, "_MOST", 1)
    _make("c")
    _make("a", "b")
    compiled.clear()
    _make("a", "b")
    assert not compiled
    _make("c")
    assert compiled


def test_another_text_is_compiled(kept: Path, compiled: list[str]) -> None:
    _make("a")
    compiled.clear()
    _works(_make("a", "b"))
    assert compiled


def test_nothing_is_changed_outside(kept: Path, compiled: list[str]) -> None:
    _make("a", "b")
    compiled.clear()
    _works(attrs.make_class("Made", ["a", "b"], frozen=True))
    assert not compiled


@pytest.mark.parametrize("damage", [b"", b"no marshal", b"\xe9\x00", b"i\x01\x00\x00\x00"])
def test_what_is_damaged_is_written_anew(kept: Path, compiled: list[str], damage: bytes) -> None:
    kept.write_bytes(damage)
    _works(_make("a", "b"))
    assert compiled
    compiled.clear()
    _works(_make("a", "b"))
    assert not compiled


def test_code_of_another_kind_of_python_is_not_run(
    kept: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(attrs_code, "MAGIC_NUMBER", b"other")
        _make("a", "b")
    compiled.clear()
    _works(_make("a", "b"))
    assert compiled


def test_where_nothing_can_be_kept_it_is_compiled_each_time(kept: Path, compiled: list[str]) -> None:
    kept.parent.rmdir()
    for _ in range(2):
        compiled.clear()
        _works(_make("a", "b"))
        assert compiled


def test_where_nothing_is_to_be_written_nothing_is(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    _works(_make("a", "b"))
    assert not any(kept.parent.iterdir())
