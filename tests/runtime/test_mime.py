"""MIME types and data: URLs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime.dataurl import forgiving_base64_decode, split

Run = Callable[[str], Any]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/plain", "text/plain"),
        ("TEXT/Plain; Charset=UTF-8", "text/plain;charset=utf-8"),
        (' a/b ; c="d e" ;; f= ;g=h', 'a/b;c="d e";g=h'),
        ('a/b;c="x\\"y\\\\z', 'a/b;c="x\\"y\\\\z"'),
        ("a/b;c=1;C=2", "a/b;c=1"),
        ('a/b;c=""', 'a/b;c=""'),
        ("a/b;c", "a/b"),
        ("a/b;=c;d e=f;é=x", "a/b"),
        ("a/b;c= d", 'a/b;c=" d"'),
        ("a", ""),
        ("/b", ""),
        ("a/", ""),
        ("a /b", ""),
        ("a/b c", ""),
        ("é/b", ""),
        ("", ""),
        # Several values: the last that parses counts, and inherits the charset of its like.
        ("text/html;charset=gbk, text/html", "text/html;charset=gbk"),
        ("text/html;charset=gbk, text/plain", "text/plain"),
        ("text/html;charset=gbk, text/html;charset=x", "text/html;charset=x"),
        ("text/html, */*, nonsense", "text/html"),
        ('text/html;x="a,b", text/plain;y=","', 'text/plain;y=","'),
        ('text/html;x="a\\",b"', 'text/html;x="a\\",b"'),
        (",,text/plain,,", "text/plain"),
    ],
)
def test_extraction(run_js: Run, header: str, expected: str) -> None:
    source = f'new Response("", {{ headers: {{ "content-type": {header!r} }} }})'
    assert run_js(f"return (await ({source}).blob()).type") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:,Hello%2C%20World", ("", b"Hello, World")),
        ("data:text/html;charset=utf-8,<p>#frag", ("text/html;charset=utf-8", b"<p>")),
        ("data:;base64,aGk=", ("", b"hi")),
        ("data: text/plain ; BASE64,aG%6B", ("text/plain ", b"hi")),
        ("data:;base64,a%20G%0Ak", ("", b"hi")),
        ("data:;x;base64 ,YQ", (";x", b"a")),
        ("data:;base64;x,YQ", (";base64;x", b"YQ")),
        ("data:,%zz%4", ("", b"%zz%4")),
        ("data:a,b,c", ("a", b"b,c")),
        ("data:,", ("", b"")),
        ("data:;base64,a", None),
        ("data:;base64,a=", None),
        ("data:;base64,ab=c", None),
        ("data:;base64,ab==", ("", b"i")),
        ("data:;base64,ab===", None),
        ("data:;base64,!!!!", None),
        ("data:text/plain", None),
    ],
)
def test_data_urls(url: str, expected: tuple[str, bytes] | None) -> None:
    assert split(url) == expected


@given(st.binary())
def test_base64_round_trip(data: bytes) -> None:
    from base64 import b64encode

    encoded = b64encode(data)
    assert forgiving_base64_decode(encoded) == data
    assert forgiving_base64_decode(b" " + encoded.rstrip(b"=") + b"\n") == data
