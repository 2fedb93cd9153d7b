"""Where a key stands in its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.config.positions import positions

TOML = '''# a comment with [brackets] and "quotes
title = """
[not.a.table]
x = 1"""
"quoted key" = 'a # b' # c

[http]
parser="h11"
limits.max = 3

[[apps]]
name = "a"
env = { A = [1, { B = 2 }], "b c" = 1979-05-27 07:32:00 }

[[apps]]
name = "b"
hostname = [
  "one", # [
  "two",
]

[apps.tls]
port = 1

[a.b.c]
'''


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("title",), (2, 1)),
        (("quoted key",), (5, 1)),
        (("http",), (7, 1)),
        (("http", "parser"), (8, 1)),
        (("http", "limits", "max"), (9, 1)),
        (("apps", 0), (11, 1)),
        (("apps", 0, "env", "A", 1, "B"), (13, 19)),
        (("apps", 0, "env", "b c"), (13, 29)),
        (("apps", 1, "hostname", 1), (19, 3)),
        (("apps", 1, "tls", "port"), (23, 1)),
        (("apps", 1, "path"), (15, 1)),
        (("apps",), (11, 1)),
        (("a",), (25, 1)),
        (("a", "b"), (25, 1)),
        (("nowhere",), (1, 1)),
    ],
)
def test_toml(tmp_path: Path, path: tuple[Any, ...], place: tuple[int, int]) -> None:
    file = tmp_path / "nano.toml"
    file.write_text(TOML)
    assert positions(file).find(path) == place


KEYS = st.text(max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@given(document=VALUES, indent=st.sampled_from([None, 1]))
def test_json(tmp_path_factory: pytest.TempPathFactory, document: Any, indent: int | None) -> None:
    file = tmp_path_factory.getbasetemp() / "positions.json"
    text = json.dumps(document, indent=indent)
    file.write_text(text)
    found = positions(file)
    for path in places(document):
        line, column = found.find(path)
        rest = "\n".join(text.split("\n")[line - 1 :])[column - 1 :]
        if path and isinstance(path[-1], str):
            assert rest.startswith(json.dumps(path[-1]) + ":")
        else:
            item = document
            for step in path:
                item = item[step]
            assert json.JSONDecoder().raw_decode(rest)[0] == item
