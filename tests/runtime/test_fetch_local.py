"""fetch() without a network, and integrity."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from .fetching import fetching
from .upstream import running

# -- without a network -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("data:,hello%20world", [200, "OK", "text/plain;charset=US-ASCII", "hello world"]),
        ("data:text/html;base64,PGI+", [200, "OK", "text/html", "<b>"]),
        ("data:application/json,[1]#x", [200, "OK", "application/json", "[1]"]),
    ],
)
async def test_data_urls(code: str, expected: list[Any]) -> None:
    async with fetching() as js:
        code = f"const r = await fetch('{code}'); return [r.status, r.statusText, r.headers.get('content-type'), await r.text()]"
        assert await js.run(code) == expected


@pytest.mark.parametrize(
    ("head", "unit", "body"),
    [
        ("", "a%41%c3%a9", b"aA\xc3\xa9"),
        ("", "xyz", b"xyz"),
        ("text/html ; base64", "QUJD", b"ABC"),
        (";BASE64", "QU%4AD", b"AB\x43"),
        ("a/b;c=d", "%zz%", b"%zz%"),
    ],
)
async def test_long_data_urls(head: str, unit: str, body: bytes) -> None:
    """They are taken apart in JavaScript, and come to the same as short ones, which the host takes apart."""
    async with fetching() as js:
        results = [
            await js.run(
                f"const r = await fetch('data:{head},' + {unit!r}.repeat({count}) + '#f');"
                "const bytes = await r.bytes();"
                "return [r.headers.get('content-type'), bytes.length, bytes.subarray(0, 9).toHex(), bytes.subarray(-9).toHex()]"
            )
            for count in (1000, 30_001)
        ]
    short, long = results
    assert long[0] == short[0]
    assert [long[1], long[2:]] == [len(body) * 30_001, short[2:]]
    assert short[1] == len(body) * 1000


@pytest.mark.parametrize("call", ["fetch(url)", "caches.default.match(url)", "caches.default.put(url, new Response())"])
async def test_a_url_that_no_head_may_have(call: str) -> None:
    """It is refused before the host is told of it, which would take its time."""
    async with fetching() as js:
        name, message = (await js.failure(f"const url = 'http://127.0.0.1:1/?' + 'x'.repeat(131072); await {call}"))[:2]
        assert name == "TypeError"
        assert "request's head is too large: 0 headers, 131" in message


async def test_long_data_urls_that_are_none() -> None:
    async with fetching() as js:
        for url in (
            "data:,".replace(",", "x") + "a" * 9000,
            "data:;base64," + "A" * 20_001,
            "data:;base64,*" + "A" * 19_999,
        ):
            assert (await js.failure(f"await fetch({url!r})"))[0] == "TypeError"


async def test_data_urls_that_are_none() -> None:
    async with fetching() as js:
        assert (await js.failure("await fetch('data:text/plain')"))[0] == "TypeError"
        assert await js.run("return (await fetch('data:,x', { method: 'HEAD' })).body") is None


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        (None, [200, "hello world", None, "11"]),
        ("bytes=0-4", [206, "hello", "bytes 0-4/11", "5"]),
        ("bytes=6-", [206, "world", "bytes 6-10/11", "5"]),
        ("bytes=-3", [206, "rld", "bytes 8-10/11", "3"]),
        ("bytes=0-100", [206, "hello world", "bytes 0-10/11", "11"]),
        ("bytes=-100", [206, "hello world", "bytes 0-10/11", "11"]),
        ("bytes=11-", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=1-2,4-5", None),
    ],
)
async def test_blob_urls(range_: str | None, expected: list[Any] | None) -> None:
    async with fetching() as js:
        init = "{}" if range_ is None else json.dumps({"headers": {"Range": range_}})
        code = f"""
          const url = URL.createObjectURL(new Blob(["hello ", "world"], {{ type: "a/b" }}));
          const promise = fetch(url, {init});
          URL.revokeObjectURL(url);
          const r = await promise;
          return [r.status, await r.text(), r.headers.get("content-range"), r.headers.get("content-length")];
        """
        if expected is None:
            assert (await js.failure(code))[2] == "ERR_RANGE"
        else:
            assert await js.run(code) == expected


async def test_blob_urls_that_are_gone_or_of_another_method() -> None:
    async with fetching() as js:
        assert (await js.failure("await fetch('blob:null/nothing')"))[2] == "ERR_BLOB_NOT_FOUND"
        make = "const url = URL.createObjectURL(new Blob(['x']));"
        assert (await js.failure(f"{make} await fetch(url, {{ method: 'HEAD' }})"))[2] == "ERR_METHOD"


@pytest.mark.parametrize(
    ("integrity", "fits"),
    [
        ("sha256-mC2euMsZkU0E/nK5QdlZHsjL+LXuZfIjjw5Qk3VJ8wo=", None),
        ("sha256-wrong", False),
        ("md5-ignored", True),
        ("", True),
    ],
)
async def test_integrity(integrity: str, fits: bool | None) -> None:
    digest = base64.b64encode(hashlib.sha256(b"text").digest()).decode()
    strong = base64.b64encode(hashlib.sha512(b"text").digest()).decode()
    cases = [(integrity, fits)] if fits is not None else [
        (f"sha256-{digest}", True),
        (f"sha256-{digest} sha512-wrong", False),
        (f"sha256-wrong sha512-{strong}", True),
        (f"sha512-{strong}?option", True),
    ]  # fmt: skip
    async with running() as upstream, fetching() as js:
        for metadata, expected in cases:
            code = f"return (await fetch(url, {{ integrity: '{metadata}' }})).text()"
            if expected:
                assert await js.run(code, url=f"{upstream.url}/text") == "text"
            else:
                assert (await js.failure(code, url=f"{upstream.url}/text"))[2] == "ERR_INTEGRITY"
