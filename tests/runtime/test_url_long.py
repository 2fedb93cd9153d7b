"""Long URLs come out of pieces as they would come out of one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.runtime import platform, url

from .harness import Bench

Call = tuple[str, list[str]]

_COMPONENTS = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"]
_BEGINNINGS = [
    "http://h",
    "HTTPS:\\\\u:p@h:81",
    "http:",
    "file:///",
    "foo:",
    "foo:/",
    "foo://h",
    "x:/.//",
    "blob:",
    "",
    "//",
]
_BASES = [
    *("http://h/a/b?q#f", "https://u:p@h:81/a//b/", "ftp://h?q", "foo://h", "foo://h/a/b?q", "foo:/a/b#f", "foo:opaque?q"),
    *("x:/.//a/b", "file:///a/b", "http:", "none"),
]  # fmt: skip
_PARTS = [
    *("a", "b.c", "/", "//", "..", ".", "?", "#", ":", "@", "%41", "%", " ", "\t", "é", "[::1]", "80", "\\", "|", "&"),
    *("%2e", ".%2E", "/../", "/./", "\n", "😀", "'", '"', "<", "`", "{", "}", "^", "C|", "http:", "x:", "longer-than-that"),
]  # fmt: skip


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Call]], list[str | None]]:
    """What ``url_long.js`` makes of each call, where the host is handed three characters at once."""
    monkeypatch.setattr(url, "_PIECE", 3)
    specification = platform._specification
    # queueMicrotask, which nothing here needs, lends its place to the object that specification files get.
    probe = platform._cache().script("((platform) => ({ __proto__: null, queueMicrotask: platform }))", "probe.js")
    monkeypatch.setattr(platform, "_specification", lambda name: probe if name == "microtask" else specification(name))
    bench = Bench()

    def call(calls: list[Call]) -> list[str | None]:
        result: list[str | None] = bench.run(
            f"const long = queueMicrotask.load('url_long');"
            f"return {json.dumps(calls)}.map(([name, args]) => long[name](...args));"
        )
        return result

    return call


@pytest.mark.parametrize("seed", range(8))
def test_pieces_make_no_difference(in_pieces: Callable[[list[Call]], list[str | None]], seed: int) -> None:
    services: Any = None
    host: Any = url.namespace(services)
    chance = random.Random(seed)

    def parts() -> str:
        return "".join(chance.choices(_PARTS, k=chance.randrange(9)))

    calls: list[Call] = []
    for _ in range(400):
        one = chance.choice(_BEGINNINGS) + parts()
        calls += [("parse", [one]), ("parseWithBase", [one, chance.choice(_BASES)])]
        href = host["parse"](one)
        if href is not None:
            calls += [("set", [href, component, parts()]) for component in _COMPONENTS]
    found = in_pieces(calls)
    wrong = [(call, host[call[0]](*call[1]), got) for call, got in zip(calls, found, strict=True)]
    assert [each for each in wrong if each[1] != each[2]] == []
