"""Source maps: decoded as they were encoded, and errors name the place where the code was written."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.modules import load_app
from nano_trio.engine.sourcemap import SourceMap, decode_mappings, find_url, from_data_url

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def vlq(number: int) -> str:
    value = -number << 1 | 1 if number < 0 else number << 1
    text = ""
    while True:
        digit, value = value & 31, value >> 5
        text += DIGITS[digit | (32 if value else 0)]
        if not value:
            return text


def encode(lines: list[list[tuple[int, ...]]]) -> str:
    source = line = column = 0
    parts = []
    for segments in lines:
        generated = 0
        texts = []
        for segment in segments:
            text = vlq(segment[0] - generated)
            generated = segment[0]
            if len(segment) == 4:
                text += vlq(segment[1] - source) + vlq(segment[2] - line) + vlq(segment[3] - column)
                source, line, column = segment[1:]
            texts.append(text)
        parts.append(",".join(texts))
    return ";".join(parts)


number = st.integers(0, 70_000)
segment = st.tuples(number) | st.tuples(number, st.integers(0, 3), number, number)
mapping = st.lists(
    st.lists(segment, max_size=6, unique_by=lambda s: s[0]).map(lambda s: sorted(s)), min_size=1, max_size=6
)


@given(mapping)
def test_decoding_undoes_encoding(lines: list[list[tuple[int, ...]]]) -> None:
    assert decode_mappings(encode(lines)) == lines


@given(mapping, st.integers(1, 7), st.integers(1, 70_001))
def test_a_place_is_that_of_the_last_mapping_before_it(
    lines: list[list[tuple[int, ...]]], line: int, column: int
) -> None:
    document = {"version": 3, "sources": ["a", "b", "c", "d"], "mappings": encode(lines)}
    found = SourceMap.parse(json.dumps(document))
    assert found is not None
    place = found.find(line, column)
    segments = lines[line - 1] if line <= len(lines) else []
    before = [s for s in segments if s[0] <= column - 1] or segments[:1]
    if not before or len(before[-1]) == 1:
        assert place is None
    else:
        assert place is not None
        assert ("abcd".index(place.file), place.line - 1, place.column - 1) == before[-1][1:]


@given(st.text(max_size=30) | st.text(DIGITS + ",;!", max_size=30))
def test_what_is_no_map_maps_nothing(text: str) -> None:
    SourceMap.parse(text)
    found = SourceMap.parse(json.dumps({"version": 3, "sources": ["a"], "mappings": text}))
    assert found is not None
    found.find(1, 1)


def test_sections() -> None:
    inner = {"version": 3, "sources": ["b.ts"], "mappings": encode([[(0, 0, 4, 2)]])}
    sections = [{"offset": {"line": 2, "column": 5}, "map": inner}]
    found = SourceMap.parse(json.dumps({"version": 3, "sections": sections}))
    assert found is not None
    assert found.find(2, 1) is None
    place = found.find(3, 9)
    assert place is not None
    assert (place.file, place.line, place.column) == ("b.ts", 5, 3)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("x;\n//# sourceMappingURL=x.js.map\n", "x.js.map"),
        ("x;\n/*# sourceMappingURL=x.map */", "x.map"),
        ("//# sourceMappingURL=a.map\n//@ sourceMappingURL=b.map", "b.map"),
        ('const s = "//# sourceMappingURL=no.map";', None),
        ("x;", None),
    ],
)
def test_finding_the_comment(text: str, url: str | None) -> None:
    assert find_url(text) == url


def test_data_urls() -> None:
    assert from_data_url("data:application/json;base64," + base64.b64encode("é".encode()).decode()) == "é"
    assert from_data_url("data:application/json,%7B%7D") == "{}"
    assert from_data_url("data:nothing") is None
    assert from_data_url("x.map") is None


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("contents", [True, False])
def test_errors_show_where_the_code_was_written(
    tmp_path: Path, cache: BytecodeCache, inline: bool, contents: bool
) -> None:
    source = "\n\nconst of = (value: unknown) =>\n  value.length;\n"
    document = {"version": 3, "sources": ["../src/of.ts"], "mappings": encode([[(0, 0, 2, 6), (8, 0, 3, 8)]])}
    if contents:
        document["sourcesContent"] = [source]
    (tmp_path / "src").mkdir()
    (tmp_path / "src/of.ts").write_text(source)
    (tmp_path / "dist").mkdir()
    encoded = json.dumps(document)
    url = "data:application/json;base64," + base64.b64encode(encoded.encode()).decode() if inline else "index.js.map"
    (tmp_path / "dist/index.js.map").write_text(encoded)
    (tmp_path / "dist/index.js").write_text(f"v=>v.x.length\n//# sourceMappingURL={url}")
    (tmp_path / "package.json").write_text('{"main": "dist/index.js"}')
    code = load_app(tmp_path, cache)
    error = code.render("TypeError: no", "    at of (./dist/index.js:1:9)\n    at <anonymous> (./dist/index.js:1:1)\n")
    assert str(error).splitlines() == [
        "src/of.ts:4:9: TypeError: no",
        "      value.length;",
        "            ^",
        "    at of (src/of.ts:4:9)",
        "    at <anonymous> (src/of.ts:3:7)",
    ]


def test_a_map_is_not_read_from_outside_the_app(tmp_path: Path, cache: BytecodeCache) -> None:
    (tmp_path / "x.map").write_text(
        json.dumps({"version": 3, "sources": ["y.ts"], "mappings": encode([[(0, 0, 9, 9)]])})
    )
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.js").write_text("f();\n//# sourceMappingURL=../x.map")
    error = load_app(app, cache).render("E", "    at f (./index.js:1:1)\n")
    assert error.frames[0].place == "index.js:1:1"


def test_a_map_that_is_no_file_is_not_waited_for(tmp_path: Path, cache: BytecodeCache) -> None:
    os.mkfifo(tmp_path / "x.map")
    (tmp_path / "index.js").write_text("f();\n//# sourceMappingURL=x.map")
    errors = []

    def render() -> None:
        errors.append(load_app(tmp_path, cache).render("E", "    at f (./index.js:1:1)\n"))

    reader = threading.Thread(target=render, daemon=True)
    reader.start()
    reader.join(10)
    assert [error.frames[0].place for error in errors] == ["index.js:1:1"]


def test_a_map_that_would_take_long_maps_nothing() -> None:
    def parsed(mappings: str, source: str) -> SourceMap | None:
        document = {"version": 3, "sources": ["a.ts"], "mappings": mappings, "sourcesContent": [source]}
        return SourceMap.parse(json.dumps(document))

    segment = "CAAC,"
    assert parsed(segment * 400_000, "") is not None
    assert parsed(segment * 420_000, "") is None
    assert parsed(segment, "x" * (15 << 20)) is not None
    assert parsed(segment, "x" * (16 << 20)) is None
