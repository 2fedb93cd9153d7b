"""The parsers of form bodies, on what senders really send, and on anything at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime.formdata import namespace, read_multipart, read_urlencoded
from nano_trio.runtime.large import Large


def one_part(headers: str, content: bytes = b"value") -> bytes:
    return b"--B\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n--B--\r\n"


def parse(data: bytes, boundary: str = "B") -> list[Any] | None:
    """Parts as (name, text) or (name, file name, type, bytes)."""
    parts: list[Any] = []
    fields: Any = iter(
        [item for part in read_multipart(data, boundary) for item in (part if part is not None else [...])]
    )
    for name in fields:
        if name is ...:
            assert next(fields, None) is None
            return None
        text = next(fields)
        if text is not None:
            parts.append((name, text))
        else:
            filename, content_type, start, end = (next(fields) for _ in range(4))
            assert isinstance(start, int)
            assert isinstance(end, int)
            parts.append((name, filename, content_type, data[start:end]))
    return parts


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ('Content-Disposition: form-data; name="a"', ("a", "value")),
        ('content-disposition:form-data; name="a"', ("a", "value")),
        ("Content-Disposition: form-data; name=a", ("a", "value")),
        ('Content-Disposition: Form-Data ; NAME = "a"', ("a", "value")),
        ('Content-Disposition: form-data; name="a"\r\nX-Other: ignored; "', ("a", "value")),
        ('Content-Disposition: form-data; name=""', ("", "value")),
        ('Content-Disposition: form-data; name="é ü"', ("é ü", "value")),
        ('Content-Disposition: form-data; name="a%22b%0D%0a%41"', ('a"b\r\n%41', "value")),
        ('Content-Disposition: form-data; name="a\\"', ("a\\", "value")),
        ('Content-Disposition: form-data; name="a;b"', ("a;b", "value")),
        ('Content-Disposition: form-data; name="a"; filename="f"', ("a", "f", "text/plain", b"value")),
        ('Content-Disposition: form-data; filename="f"; name="a"', ("a", "f", "text/plain", b"value")),
        ('Content-Disposition: form-data; name="a"; filename=""', ("a", "", "text/plain", b"value")),
        (
            'Content-Type: image/png \r\nContent-Disposition: form-data; name="a"; filename="f"',
            ("a", "f", "image/png", b"value"),
        ),
        (
            'Content-Disposition: form-data; name="a"; filename="f"\r\nContent-Type: é/x',
            ("a", "f", "", b"value"),
        ),
        (
            'Content-Disposition: form-data; name="a"; filename="plain"; filename*=UTF-8\'\'%e2%82%ac.txt',
            ("a", "€.txt", "text/plain", b"value"),
        ),
        (
            "Content-Disposition: form-data; name=\"a\"; filename*=iso-8859-1'en'%A3",
            ("a", "£", "text/plain", b"value"),
        ),
        (
            'Content-Disposition: form-data; name="a"; filename="f"; filename*=koi8-r\'\'%A3',
            ("a", "f", "text/plain", b"value"),
        ),
    ],
)
def test_part_headers(headers: str, expected: tuple[Any, ...]) -> None:
    assert parse(one_part(headers)) == [expected]


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "X: y",
        "Content-Disposition: form-data",
        'Content-Disposition: attachment; name="a"',
        'Content-Disposition: form-data; name="a',
        'Content-Disposition: form-data; name="a"b',
        'Content-Disposition: form-data; name="a"\r\nno colon',
        'Content-Disposition: form-data; name="a"\r\nb d: c',
        'Content-Disposition: form-data; name="a"\nX: y',
    ],
)
def test_malformed_part_headers_fail(headers: str) -> None:
    assert parse(one_part(headers)) is None


HEAD = b'Content-Disposition: form-data; name="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"--B--", []),
        (b"--B--\r\n", []),
        (b"--B\r\n" + HEAD + b"\r\n--B--", [("a", "")]),
        (b"--B \t\r\n" + HEAD + b"x\r\n--B--", [("a", "x")]),
        (b"\r\n\r\n--B\r\n" + HEAD + b"x\r\n--B--\r\nepilogue", [("a", "x")]),
        (b"pre\r\n\r\namble\r\n--B\r\n" + HEAD + b"x\r\n--B--", [("a", "x")]),
        (b"--Bx\r\n--B--x\r\n--B \r\n" + HEAD + b"x\r\n--B--", [("a", "x")]),
        (b"pre--B\r\n" + HEAD + b"x\r\n--B--", None),
        (b"pre\n--B\r\n" + HEAD + b"x\r\n--B--", None),
        (b"\r\n\r\n--B--", []),
        (b"--B\r\n" + HEAD + b"x\r\n--B-- \t", [("a", "x")]),
        (b"--B\r\n" + HEAD + b"x\r\n--B-- \t\r\nepilogue\r\n--B\r\n", [("a", "x")]),
        (b"--B\r\n" + HEAD + b"x\r\n--B--epilogue", None),
        (b"--B\r\n" + HEAD + b"x\r\n--B--y\r\n--B--", [("a", "x\r\n--B--y")]),
        (b"--B\r\n" + HEAD + b"1\r\n--B\r\n" + HEAD + b"2\r\n--B--", [("a", "1"), ("a", "2")]),
        # What only resembles a boundary belongs to the content.
        (b"--B\r\n" + HEAD + b"\r\n--Bx\r\n--\r\n-B --B\r\n--B--", [("a", "\r\n--Bx\r\n--\r\n-B --B")]),
        (b"--B\r\n" + HEAD + b"\xef\xbb\xbfx\xff\r\n--B--", [("a", "\ufeffx\ufffd")]),
        (b"", None),
        (b"--C--", None),
        (b"--B", None),
        (b"--B-", None),
        (b"--B--x", None),
        (b"--Bx\r\n" + HEAD + b"\r\n--B--", None),
        (b"x\r\n--B--", None),
        (b"--B\r\n" + HEAD + b"x", None),
        (b"--B\r\n" + HEAD + b"x\n--B--", None),
        (b"--B\r\n" + HEAD[:-2], None),
    ],
)
def test_framing(data: bytes, expected: list[Any] | None) -> None:
    assert parse(data) == expected


@given(st.lists(st.tuples(st.text(), st.one_of(st.text(), st.tuples(st.text(), st.binary())))))
def test_what_is_written_is_read(entries: list[tuple[str, Any]]) -> None:
    def escaped(text: str) -> bytes:
        text = text.encode("utf-8", "replace").decode()
        return text.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22").encode()

    boundary = "----boundary of nobody's text 4711"
    data = b""
    expected: list[Any] = []
    for name, value in entries:
        data += b"--" + boundary.encode() + b'\r\nContent-Disposition: form-data; name="' + escaped(name) + b'"'
        plain = escaped(name).decode().replace("%0A", "\n").replace("%0D", "\r").replace("%22", '"')
        if isinstance(value, str):
            content = value.encode("utf-8", "replace")
            expected.append((plain, content.decode()))
        else:
            filename, content = value
            data += b'; filename="' + escaped(filename) + b'"\r\nContent-Type: a/b'
            file = escaped(filename).decode().replace("%0A", "\n").replace("%0D", "\r").replace("%22", '"')
            expected.append((plain, file, "a/b", content))
        data += b"\r\n\r\n" + content + b"\r\n"
    assert parse(data + b"--" + boundary.encode() + b"--\r\n", boundary) == expected


@given(st.lists(st.sampled_from([b"--B", b"--", b"\r\n", b"\r", b"\n", HEAD, b'"', b"x", b"; filename=", b" ", b":"])))
def test_anything_parses_or_fails(pieces: list[bytes]) -> None:
    data = b"--B\r\n" + b"".join(pieces)
    parts = parse(data)
    assert parts is None or all(part[0] is not None for part in parts)


def test_a_large_file_is_found_quickly(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
      const big = new Uint8Array(8 << 20).fill(13);
      const form = new FormData();
      form.append("big", new File([big], "b.bin"));
      form.append("after", "x");
      const back = await new Response(form).formData();
      const bytes = new Uint8Array(await back.get("big").arrayBuffer());
      return [bytes.length, bytes.every((byte) => byte === 13), back.get("after")];
    """) == [8 << 20, True, "x"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"a=1&b=2", ["a", "1", "b", "2"]),
        (b"a&=b&&c==", ["a", "", "", "b", "c", "="]),
        (b"a+b=%41%2B+", ["a b", "A+ "]),
        (b"%zz=%e4%bd%a0&%ff=\xe4\xbd\xa0", ["%zz", "你", "\ufffd", "你"]),
        (b"?a=1", ["?a", "1"]),
        (b"\xef\xbb\xbfa=1", ["\ufeffa", "1"]),
    ],
)
def test_urlencoded(data: bytes, expected: list[str]) -> None:
    assert [item for part in read_urlencoded(data) for item in part] == expected


def joined(text: Any) -> str:
    """A text that is whole, or a list of its pieces."""
    return "".join(text)


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("unit", ["%E4%BD%A0", "你", "%zz", "%", "+%2B", "%ff"])
def test_long_urlencoded_values_are_decoded_as_in_one_piece(unit: str, shift: int, kind: Callable[..., bytes]) -> None:
    value = ("x" * shift + unit * 30000).encode()
    body = kind(b"n" + value + b"=" + value + b"&%41=%42&" + value)
    found = [tuple(map(joined, part)) for part in read_urlencoded(body) if part]
    expected = unquote_to_bytes(value.replace(b"+", b" ")).decode("utf-8", "replace")
    assert found == [("n" + expected, expected), ("A", "B"), (expected, "")]


SOME = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n'


@pytest.mark.parametrize(
    ("data", "form"),
    [
        ((SOME + b"v\r\n") * 50000 + b"--B--", True),
        (b"\r\n" * 1_000_000 + SOME, True),
        (SOME + b"\r\n--B " * 1_000_000, True),
        (SOME + b"\r\n--B" + b" " * 5_000_000, True),
        (SOME + (b"\r\n--B" + b" " * 60_000) * 200, True),
        (b"preamble" + (b"\r\n--B--" + b" " * 1020 + b"x") * 5000, True),
        ((SOME + b"\xe4\xb8\x80" * 40_000 + b"\r\n") * 100 + b"--B--", True),
        ((SOME + b"\xe4\xb8\x80" * 5000 + b"\r\n") * 500 + b"--B--", True),
        ((SOME.replace(b'"a"', b'"a"; filename="f"') + b"x" * 200_000 + b"\r\n") * 100 + b"--B--", True),
        (b"--B\r\n" + b"a: b\r\n" * 1_000_000, True),
        (b"--B\r\nContent-Disposition: form-data" + b"; a=b" * 1_000_000, True),
        (b'--B\r\nContent-Disposition: form-data; name="' + b"%22" * 1_000_000 + b'"\r\n\r\n', True),
        (b"--B\r\nContent-Disposition: form-data; name=a; filename*=utf-8''" + b"%22" * 1_000_000 + b"\r\n\r\n", True),
        (b"a=b&" * 1_000_000, False),
        (b"&" * 4_000_000, False),
        (b"a=" + b"%41" * 2_000_000, False),
        (b"a=" + b"\xe4\xb8\x80" * 6_000_000, False),
        ((b"a=" + b"\xe4\xb8\x80" * 5000 + b"&") * 500, False),
        (b"a" * 20_000_000, False),
        (b"%" * 4_000_000, False),
        ((b"%" * 5000 + b"&") * 1000, False),
        (b"--B\r\nContent-Disposition: form-data; name=a; filename*=utf-8''" + b"%" * 1_000_000 + b"\r\n\r\n", True),
    ],
)
@pytest.mark.usefixtures("no_collections")
def test_hostile_bodies_are_read_in_short_steps(data: bytes, form: bool) -> None:
    """A client made the process serve nobody for as long as such a body took: seconds."""
    # Whatever else the machine has to do makes one step longer, hardly the same each time.
    runs: list[list[float]] = []
    while not runs or (longest_of(runs) >= 0.02 and len(runs) < 5):
        runs.append(steps_of(data, form))
    assert longest_of(runs) < 0.02


def longest_of(runs: list[list[float]]) -> float:
    return max(map(min, zip(*runs, strict=True)))


def steps_of(data: bytes, form: bool) -> list[float]:
    """What each step took, in seconds of CPU time."""

    class Source:
        def to_bytes(self) -> bytes:
            return data

    host = namespace(cast(Any, SimpleNamespace(large=Large(), array=list)))
    if form:
        host["beginMultipart"](Source(), "B")
    else:
        host["beginUrlencoded"](Source())
    near = quickjs.Runtime().new_context().eval("[]")
    took: list[float] = []
    flat = None
    while not isinstance(flat, bool):
        began = time.thread_time()
        flat = host["more"](near)
        took.append(time.thread_time() - began)
        assert isinstance(flat, bool) or len(flat) < 210
        assert isinstance(flat, bool) or sum(len(item) for item in flat if isinstance(item, str)) < 50_000
    return took


def test_cloned_and_sliced_parts_keep_their_bytes(run_js: Callable[[str], Any]) -> None:
    assert run_js("""
      const form = new FormData();
      form.append("f", new File(["0123456789"], "n", { type: "a/b", lastModified: 5 }));
      const response = new Response(form);
      const [one, two] = await Promise.all([response.clone().formData(), response.formData()]);
      const file = structuredClone(two.get("f"));
      return [await one.get("f").slice(2, 4).text(), await file.text(), file.name, file.type, file instanceof File];
    """) == ["23", "0123456789", "n", "a/b", True]
