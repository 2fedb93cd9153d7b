"""The legacy multi-byte decoders, every sequence, against the index tables that the set carries for its HTML tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.runtime.harness import Bench
from tests.wpt import fetch_wpt

_REPLACEMENT = "\ufffd"
_BIG5_PAIRS = {1133: "\u00ca\u0304", 1135: "\u00ca\u030c", 1164: "\u00ea\u0304", 1166: "\u00ea\u030c"}


@pytest.fixture(scope="session")
def index() -> Callable[[str, int], str | None]:
    folder = fetch_wpt.ensure(fetch_wpt.default_folder()) / "encoding"
    files = {
        "jis0208": "legacy-mb-japanese/euc-jp/jis0208_index.js",
        "jis0212": "legacy-mb-japanese/euc-jp/jis0212_index.js",
        "euc-kr": "legacy-mb-korean/euc-kr/euckr_index.js",
        "big5": "legacy-mb-tchinese/big5/big5_index.js",
    }
    tables = {name: _table(folder / file) for name, file in files.items()}

    def look_up(table: str, pointer: int) -> str | None:
        code_points = tables[table]
        code_point = code_points[pointer] if 0 <= pointer < len(code_points) else None
        return None if code_point is None else chr(code_point)

    return look_up


def _table(file: Path) -> list[int | None]:
    match = re.search(r"=\s*(\[.*?\])", file.read_text("utf-8"), re.DOTALL)
    assert match is not None, file
    table: list[int | None] = json.loads(re.sub(r",\s*\]", "]", match[1]))
    return table


def _check(encoding: str, cases: Iterable[tuple[bytes, str | None]]) -> None:
    """Each case: a sequence, and the one character it stands for; None where it is malformed."""
    bench = Bench()
    cases = list(cases)
    source = json.dumps([list(sequence) for sequence, _ in cases])
    decoded = bench.run(
        f"const decoder = new TextDecoder('{encoding}'); return {source}.map((bytes) => decoder.decode(new Uint8Array(bytes)));"
    )
    wrong = []
    for (sequence, character), actual in zip(cases, decoded, strict=True):
        # A malformed sequence gives back an ASCII byte at its end.
        malformed = _REPLACEMENT + (chr(sequence[-1]) if sequence[-1] < 0x80 else "")
        if actual != (malformed if character is None else character):
            wrong.append((sequence.hex(), character, actual))
    assert wrong == []


def _pairs(leads: Iterable[int]) -> Iterable[tuple[int, int]]:
    return ((lead, trail) for lead in leads for trail in range(256))


def test_euc_kr(index: Callable[[str, int], str | None]) -> None:
    def character(lead: int, trail: int) -> str | None:
        return index("euc-kr", (lead - 0x81) * 190 + trail - 0x41) if 0x41 <= trail <= 0xFE else None

    _check("euc-kr", ((bytes(pair), character(*pair)) for pair in _pairs(range(0x81, 0xFF))))


def test_big5(index: Callable[[str, int], str | None]) -> None:
    def character(lead: int, trail: int) -> str | None:
        if not (0x40 <= trail <= 0x7E or 0xA1 <= trail <= 0xFE):
            return None
        pointer = (lead - 0x81) * 157 + trail - (0x40 if trail < 0x7F else 0x62)
        return _BIG5_PAIRS.get(pointer) or index("big5", pointer)

    _check("big5", ((bytes(pair), character(*pair)) for pair in _pairs(range(0x81, 0xFF))))


def test_shift_jis(index: Callable[[str, int], str | None]) -> None:
    def character(lead: int, trail: int) -> str | None:
        if not (0x40 <= trail <= 0x7E or 0x80 <= trail <= 0xFC):
            return None
        pointer = (lead - (0x81 if lead < 0xA0 else 0xC1)) * 188 + trail - (0x40 if trail < 0x7F else 0x41)
        return chr(0xE000 - 8836 + pointer) if 8836 <= pointer <= 10715 else index("jis0208", pointer)

    leads = [*range(0x81, 0xA0), *range(0xE0, 0xFD)]
    _check("shift_jis", ((bytes(pair), character(*pair)) for pair in _pairs(leads)))


def test_euc_jp(index: Callable[[str, int], str | None]) -> None:
    def character(lead: int, trail: int) -> str | None:
        if not 0xA1 <= trail <= 0xFE:
            return None
        if lead == 0x8E:
            return chr(0xFF61 - 0xA1 + trail) if trail <= 0xDF else None
        return index("jis0208", (lead - 0xA1) * 94 + trail - 0xA1)

    _check("euc-jp", ((bytes(pair), character(*pair)) for pair in _pairs([0x8E, *range(0xA1, 0xFF)])))


def test_euc_jp_three_bytes(index: Callable[[str, int], str | None]) -> None:
    pairs = [(lead, trail) for lead in range(0xA1, 0xFF) for trail in range(0xA1, 0xFF)]
    _check("euc-jp", ((bytes([0x8F, a, b]), index("jis0212", (a - 0xA1) * 94 + b - 0xA1)) for a, b in pairs))
