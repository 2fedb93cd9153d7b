"""Properties of the request reader: splitting changes nothing, and both engines accept and refuse the same."""

from __future__ import annotations

import itertools
import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nano_trio.web.forwarded import FORWARDING
from nano_trio.web.http1 import HeadParser
from nano_trio.web.parser_h11 import h11_parser
from nano_trio.web.parser_httptools import httptools_parser
from tests.web.malformed import CASES
from tests.web.reading import Reading, read

HTTPTOOLS: HeadParser = httptools_parser()
H11: HeadParser = h11_parser()

tokens = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~", min_size=1, max_size=20)
values = st.text([chr(code) for code in (9, *range(32, 127), *range(128, 256))], max_size=40)
targets = st.text([chr(code) for code in range(33, 127) if chr(code) != "#"], max_size=40).map(lambda path: "/" + path)
reserved = FORWARDING | {"host", "content-length", "transfer-encoding", "connection", "expect"}
fields = st.lists(st.tuples(tokens.filter(lambda name: name.lower() not in reserved), values), max_size=8)
methods = st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "M-SEARCH", "PROPFIND"])
connections = st.sampled_from(["", "Connection: close\r\n", "connection: Keep-Alive, x\r\n", "Connection: upgrade\r\n"])


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, tuple[str, str, list[tuple[str, str]], bytes]]:
    """A valid request, and what must be read from it."""
    method, target, others = draw(methods), draw(targets), draw(fields)
    body = draw(st.binary(max_size=200))
    head = f"{method} {target} HTTP/1.1\r\nHost: example.com\r\n{draw(connections)}"
    head += "".join(f"{name}:{draw(st.sampled_from(['', ' ', ' ' * 3]))}{value}\r\n" for name, value in others)
    if draw(st.booleans()):
        framed, rest = b"", body
        while rest:
            size = draw(st.integers(1, len(rest)))
            extension = draw(st.sampled_from([b"", b";a=b", b";"]))
            framed += b"%x%b\r\n%b\r\n" % (size, extension, rest[:size])
            rest = rest[size:]
        framed += b"0\r\n" + draw(st.sampled_from([b"", b"X-Sum: 1\r\n"])) + b"\r\n"
        head += "Transfer-Encoding: chunked\r\n"
    else:
        framed = body
        head += f"Content-Length: {len(body)}\r\n"
    expected = [(name.lower(), value.strip(" \t")) for name, value in others]
    return (head + "\r\n").encode("latin-1") + framed, (method, target, expected, body)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted({point % (len(data) + 1) for point in points}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def essence(reading: Reading) -> object:
    return reading.heads, reading.bodies, bool(reading.error), reading.unfinished


@settings(max_examples=200)
@given(st.lists(requests(), min_size=1, max_size=3), st.lists(st.integers(0, 5000), max_size=12))
def test_a_valid_pipeline_reads_as_it_was_written_however_it_is_split(
    pipeline: list[tuple[bytes, tuple[str, str, list[tuple[str, str]], bytes]]], points: list[int]
) -> None:
    raw = b"".join(request for request, _ in pipeline)
    for engine in (HTTPTOOLS, H11):
        reading = read(engine, cut(raw, points))
        assert (reading.error, reading.unfinished) == (0, False), reading.message
        assert len(reading.heads) == len(pipeline)
        for head, body, (_, (method, target, others, content)) in zip(
            reading.heads, reading.bodies, pipeline, strict=True
        ):
            assert (head.method, head.target, body) == (method, target, content)
            assert [field for field in head.headers if field[0] not in reserved] == others


@settings(max_examples=60)
@given(requests())
def test_split_at_every_byte(request: tuple[bytes, tuple[str, str, list[tuple[str, str]], bytes]]) -> None:
    raw, _ = request
    whole = essence(read(HTTPTOOLS, [raw]))
    for point in range(1, len(raw)):
        assert essence(read(HTTPTOOLS, [raw[:point], raw[point:]])) == whole


mutations = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "delete", "double"]),
        st.integers(0, 5000),
        st.sampled_from([bytes([code]) for code in b"\r\n\0\t :;,x0\x7f\x80\x0b"] + [b"\r\n", b"\n\n", b"\r\n\r\n"]),
    ),
    min_size=1,
    max_size=4,
)


def mutate(raw: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for kind, position, octets in changes:
        position %= len(raw) + 1
        before, after = raw[:position], raw[position:]
        if kind == "insert":
            raw = before + octets + after
        elif kind == "replace":
            raw = before + octets + after[len(octets) :]
        elif kind == "delete":
            raw = before + after[1:]
        else:
            raw = before + after[:20] + after
    return raw


@settings(max_examples=600)
@given(requests(), mutations, st.lists(st.integers(0, 5000), max_size=4))
def test_both_engines_agree_on_mutated_requests(
    request: tuple[bytes, tuple[str, str, list[tuple[str, str]], bytes]],
    changes: list[tuple[str, int, bytes]],
    points: list[int],
) -> None:
    raw = mutate(request[0], changes)
    first, second = read(HTTPTOOLS, [raw]), read(H11, [raw])
    assert (first.requests, first.error, first.message) == (second.requests, second.error, second.message)
    assert first.heads == second.heads
    assert essence(read(HTTPTOOLS, cut(raw, points)))[1:] == essence(first)[1:]


@settings(max_examples=300)
@given(st.sampled_from([raw for _, raw, _ in CASES if len(raw) < 2000]), mutations)
def test_both_engines_agree_on_mutated_malformed_requests(raw: bytes, changes: list[tuple[str, int, bytes]]) -> None:
    raw = mutate(raw, changes)
    first, second = read(HTTPTOOLS, [raw]), read(H11, [raw])
    assert (first.heads, first.bodies, first.error) == (second.heads, second.bodies, second.error)


@settings(max_examples=300)
@given(st.binary(max_size=300))
@example(b"\r\n\r\n\r\n")
@example(b"GET / HTTP/1.1\r\n\r")
def test_any_bytes_give_a_request_a_wait_or_a_refusal(raw: bytes) -> None:
    for engine in (HTTPTOOLS, H11):
        reading = read(engine, [raw])
        assert reading.error in (0, 400, 408, 413, 414, 417, 431, 501, 505)
