"""What servers send over HTTP/1.1, read by us and by h11: wherever it is cut, both find the same."""

from __future__ import annotations

from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_messages import MAX_HEADERS
from nano_trio.runtime.http1_responses import ResponseReader

Found = list[Any]
"""Heads as (status, reason, fields), the body, and how it ended: "end", or an error's code."""


def read(parts: list[bytes], method: str = "GET") -> tuple[Found, ResponseReader]:
    """By ours: each part is given when what came before is used up; then the connection closes."""
    reader = ResponseReader()
    reader.begin(method)
    coming = [*parts, b""]
    found: Found = []
    body = b""
    is_body = False
    try:
        while True:
            if is_body:
                piece = reader.piece()
                if piece == b"":
                    return [*found, body, "end"], reader
                body += piece or b""
                taken = piece is not None
            else:
                head = reader.head()
                taken = head is not None
                if head is not None:
                    found.append((head.status, head.reason, head.headers))
                    is_body = head.status >= 200
            if not taken:
                reader.feed(coming.pop(0))
    except FetchError as error:
        return [*found, body, error.code], reader


def read_by_h11(data: bytes, method: str = "GET") -> Found:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    connection.send(h11.EndOfMessage())
    found: Found = []
    body = b""
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(b"")
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.InformationalResponse | h11.Response):
                found.append((event.status_code, bytes(event.reason), [(bytes(n), bytes(v)) for n, v in event.headers]))
            elif isinstance(event, h11.EndOfMessage):
                return [*found, body, "end"]
            else:
                return [*found, body, "ECONNRESET"]
    except h11.RemoteProtocolError as error:
        text = str(error)
        is_incomplete = "without sending complete message body" in text or "incomplete chunked read" in text
        return [*found, body, "ERR_INCOMPLETE_BODY" if is_incomplete else "ERR_PROTOCOL"]


_LINE_ENDS = st.sampled_from([b"\r\n"] * 6 + [b"\n"])
_TEXT = st.text(st.sampled_from('ab1 \t,;="\x80\xe9\x01'), max_size=6).map(
    lambda text: text.strip(" \t").encode("latin-1")
)
_FIELD = st.one_of(
    st.tuples(st.sampled_from([b"a", b"X-Y", b"set-cookie", b"Date"]), _TEXT),
    st.tuples(st.just(b"Connection"), st.sampled_from([b"close", b"keep-alive", b"Upgrade, CLOSE"])),
)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A head that is well-formed, or nearly."""
    end = draw(_LINE_ENDS)
    status = draw(st.sampled_from([b"200"] * 4 + [b"204", b"304", b"404", b"100", b"103", b"999"]))
    reason = draw(st.sampled_from([b" OK", b" ", b" Not so good", b" \xe9"]))
    lines = [draw(st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0"])) + b" " + status + reason]
    for name, value in draw(st.lists(_FIELD, max_size=4)):
        space = draw(st.sampled_from([b" ", b"", b"\t "]))
        lines.append(name + b":" + space + value + draw(st.sampled_from([b"", b"", b" "])))
        if draw(st.integers(0, 15)) == 0:
            lines.append(b" folded")
    return end.join(lines) + end


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response, perhaps with interim ones before it, perhaps cut short or with a byte that is wrong."""
    interim = draw(
        st.lists(st.sampled_from([b"HTTP/1.1 103 Early\r\nlink: a\r\n\r\n", b"HTTP/1.1 100 \r\n\r\n"]), max_size=2)
    )
    body = draw(st.binary(max_size=12))
    framing = draw(st.sampled_from(["length", "length", "chunked", "chunked", "none", "lengths", "short", "odd"]))
    fields = {
        "length": b"content-length: %d\r\n" % len(body),
        "lengths": b"Content-Length: %d, %d\r\nContent-Length: %d\r\n" % (len(body), len(body), len(body)),
        "short": b"content-length: %d\r\n" % (len(body) + 3),
        "odd": draw(
            st.sampled_from([b"content-length: -1\r\n", b"content-length: 1, 2\r\n", b"transfer-encoding: gzip\r\n"])
        ),
        "chunked": b"Transfer-Encoding: Chunked\r\n",
        "none": b"",
    }[framing]
    if framing == "chunked":
        sizes = draw(st.lists(st.integers(1, 5), max_size=4))
        content = b"".join(
            b"%x%b\r\n%b\r\n" % (size, draw(st.sampled_from([b"", b"", b" "])), b"x" * size) for size in sizes
        )
        body = content + b"0\r\n" + draw(st.sampled_from([b"", b"", b"trailer: 1\r\n"])) + b"\r\n"
    data = b"".join(interim) + draw(heads()) + fields + b"\r\n" + body
    match draw(st.integers(0, 5)):
        case 0:
            data = data[: draw(st.integers(0, len(data)))]
        case 1:
            at = draw(st.integers(0, len(data) - 1))
            data = (
                data[:at]
                + draw(st.sampled_from([b"", b" ", b"\0", b"\n", b"\r", b":", b"f", b"\x0b"]))
                + data[at + 1 :]
            )
        case _:
            pass
    return data


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(1, max(len(data) - 1, 1)), max_size=6)))
    return [part for begin, end in zip([0, *places], [*places, len(data)], strict=True) if (part := data[begin:end])]


def _agree(ours: Found, theirs: Found) -> bool:
    """h11 lowers a Transfer-Encoding, keeps the place of a repeated length, and looks at the framing of interim heads,
    which have none. It does not tell a head that was cut short from one that is malformed."""
    *our_heads, our_body, our_end = ours
    *their_heads, their_body, their_end = theirs
    if our_end != "end" and their_end != "end":
        shorter = min(len(our_heads), len(their_heads))
        return _normal(our_heads[:shorter]) == _normal(their_heads[:shorter])
    return (_normal(our_heads), our_body, our_end) == (_normal(their_heads), their_body, their_end)


def _normal(heads: Found) -> Found:
    """Interim heads without their fields."""

    def value_of(name: bytes, value: bytes) -> bytes:
        return value.lower() if name == b"transfer-encoding" else value

    return [
        (status, reason, sorted((name, value_of(name, value)) for name, value in fields if status >= 200))
        for status, reason, fields in heads
    ]


@settings(max_examples=1000, deadline=None)
@given(st.data(), responses(), st.sampled_from(["GET", "GET", "HEAD"]))
def test_h11_finds_the_same(data: st.DataObject, response: bytes, method: str) -> None:
    theirs = read_by_h11(response, method)
    ours, _ = read(data.draw(cut(response)), method)
    whole, _ = read([response], method)
    assert ours == whole, "where it is cut matters to nobody"
    assert _agree(ours, theirs), (ours, theirs)


_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"transfer-encoding: chunked\r\n\r\n"
_FIELDS = b"a:\r\n"


@pytest.mark.parametrize(
    ("response", "method", "is_reusable"),
    [
        (_OK + b"content-length: 2\r\n\r\nok", "GET", True),
        (_OK + b"content-length: 2\r\n\r\n", "HEAD", True),
        (_OK + b"content-length: 2\r\n\r\nok", "HEAD", False),
        (_OK + b"content-length: 2\r\n\r\nok!", "GET", False),
        (_OK + b"content-length: 2\r\nconnection: x, Close\r\n\r\nok", "GET", False),
        (_OK + b"content-length: 2\r\nconnection: closer\r\n\r\nok", "GET", True),
        (_OK + b"content-length: 2, 2\r\n\r\nok", "GET", True),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", False),
        (b"HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok", "GET", True),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 2\r\n\r\nok", "GET", False),
        (b"HTTP/1.7 200 OK\r\ncontent-length: 2\r\n\r\nok", "GET", True),
        (b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET", False),
        (_CHUNKED + b"2\r\nok\r\n0\r\n\r\n", "GET", True),
        (_CHUNKED + b"2\r\nok\r\n0\r\n\r\nx", "GET", False),
        (_OK + b"content-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "GET", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "GET", True),
        (b"HTTP/1.1 304\r\ncontent-length: 7\r\n\r\n", "GET", True),
        (b"HTTP/1.1 204 No Content\r\n\r\nok", "GET", False),
    ],
)
def test_whether_the_connection_serves_for_another(response: bytes, method: str, is_reusable: bool) -> None:
    reader = ResponseReader()
    reader.begin(method)
    reader.feed(response)
    assert reader.head() is not None
    pieces = []
    while piece := reader.piece():
        pieces.append(piece)
    assert piece == b""
    assert pieces in ([], [b"ok"])
    assert reader.is_reusable == is_reusable


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    found, reader = read([_OK + b"\r\n", b"o", b"k"])
    assert found == [(200, b"OK", []), b"ok", "end"]
    assert not reader.is_reusable


def test_a_folded_line_is_one_field_and_stands_not_first() -> None:
    found, _ = read([_OK + b"a: b\r\n \t c\r\n\td\r\ncontent-length: 0\r\n\r\n"])
    assert found[0][2] == [(b"a", b"b c d"), (b"content-length", b"0")]
    assert read([_OK + b" a: b\r\n\r\n"])[0][-1] == "ERR_PROTOCOL"


def test_a_repeated_length_is_told_once() -> None:
    found, _ = read([_OK + b"content-length: 2, 2\r\ncontent-length: 2\r\nb: 1\r\n\r\nok"])
    assert found == [(200, b"OK", [(b"b", b"1"), (b"content-length", b"2")]), b"ok", "end"]


@pytest.mark.parametrize("length", [1 << 62, 10**19 - 1])
def test_a_length_beyond_everything(length: int) -> None:
    reader = ResponseReader()
    reader.feed(_OK + b"content-length: %d\r\n\r\nok" % length)
    reader.head()
    assert (reader.left, reader.piece(), reader.left) == (length, b"ok", length - 2)


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (_OK + _FIELDS * MAX_HEADERS + b"\r\n", "end"),
        (_OK + _FIELDS * (MAX_HEADERS + 1) + b"\r\n", "ERR_HEADERS_TOO_LARGE"),
        (_OK + _FIELDS * (MAX_HEADERS + 2), "ERR_HEADERS_TOO_LARGE"),
        (_OK + b"a: " + b"b" * (256 * 1024 - 24) + b"\r\n\r\n", "end"),
        (_OK + b"a: " + b"b" * (256 * 1024 - 23) + b"\r\n\r\n", "ERR_HEADERS_TOO_LARGE"),
        (_OK + b"a: " + b"b" * (256 * 1024), "ERR_HEADERS_TOO_LARGE"),
        (b"S", "ERR_PROTOCOL"),
        (b"SSH-2.0-x\r\n", "ERR_PROTOCOL"),
        (b"\r\n" + _OK, "ERR_PROTOCOL"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "ERR_PROTOCOL"),
        (b"HTTP/1.1 99 OK\r\n\r\n", "ERR_PROTOCOL"),
        (b"HTTP/1.1 200OK\r\n\r\n", "ERR_PROTOCOL"),
        (b"HTTP/1.1", "ERR_PROTOCOL"),
        (b"", "ECONNRESET"),
        (_OK + b"a : b\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"a\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"a: \0\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"transfer-encoding: gzip, chunked\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"content-length: +1\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"content-length:\r\n\r\n", "ERR_PROTOCOL"),
        (_OK + b"content-length: 12345678901234567890\r\n\r\n", "ERR_PROTOCOL"),
    ],
)
def test_heads_at_their_bounds_and_beyond(head: bytes, code: str) -> None:
    assert read([head])[0][-1] == code


@pytest.mark.parametrize("head", [b"S", b"HTTP/2", b"\n", _OK + _FIELDS * (MAX_HEADERS + 2)])
def test_who_speaks_something_else_is_not_waited_for(head: bytes) -> None:
    reader = ResponseReader()
    reader.feed(head)
    with pytest.raises(FetchError):
        reader.head()


def test_what_is_wrong_is_told_behind_what_came_before_it() -> None:
    reader = ResponseReader()
    reader.feed(_CHUNKED + b"2\r\nok\r\n1\r\n!\r\nz\r\n")
    reader.head()
    assert reader.whole(100) is None
    assert reader.piece() == b"ok!"
    for _ in range(2):
        with pytest.raises(FetchError, match=r"^the response is malformed: malformed chunk size$"):
            reader.piece()


def test_a_body_that_is_here_is_taken_whole_and_else_not_at_all() -> None:
    reader = ResponseReader()
    for most, first, behind, whole in [
        (2, _OK + b"content-length: 2\r\n\r\nok", b"", b"ok"),
        (1, _OK + b"content-length: 2\r\n\r\nok", b"", None),
        (2, _OK + b"content-length: 2\r\n\r\no", b"k", None),
        (9, _CHUNKED + b"2\r\nok\r\n0\r\n\r\n", b"", b"ok"),
        (9, _CHUNKED + b"1\r\no\r\n1\r\nk", b"\r\n0\r\n\r\n", None),
    ]:
        reader.begin("GET")
        reader.feed(first)
        reader.head()
        assert reader.whole(most) == whole
        if whole is None:
            body = reader.piece() or b""
            reader.feed(behind) if behind else None
            while piece := reader.piece():
                body += piece
            assert body == b"ok"
        assert reader.is_reusable


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1])
def test_a_size_line_of_the_greatest_length_wherever_it_is_cut(size: int) -> None:
    line = b"2;" + b"e" * (size - 2) + b"\r\n"
    for at in range(len(line) - 3, len(line) + 1):
        found, _ = read([_CHUNKED, line[:at], line[at:] + b"ok\r\n0\r\n\r\n"])
        assert found[-1] == ("end" if size == 16 * 1024 else "ERR_PROTOCOL")


def test_extensions_are_bounded_for_each_chunk_and_trailers_in_all() -> None:
    chunk = b"2;" + b"e" * 16_000 + b"\r\nok\r\n"
    assert read([_CHUNKED + chunk * 20 + b"0\r\n\r\n"])[0][-2:] == [b"ok" * 20, "end"]
    line = b"a: " + b"b" * 59 + b"\r\n"
    assert read([_CHUNKED + b"0\r\n" + line * 256 + b"\r\n"])[0][-1] == "end"
    assert read([_CHUNKED + b"0\r\n" + line * 257 + b"\r\n"])[0][-1] == "ERR_PROTOCOL"
    assert read([_CHUNKED + b"0\r\n" + b"a: b\r\n" * 1024 + b"\r\n"])[0][-1] == "end"
    assert read([_CHUNKED + b"0\r\n" + b"a: b\r\n" * 1025 + b"\r\n"])[0][-1] == "ERR_PROTOCOL"


def test_a_piece_is_of_so_many_chunks_that_others_have_their_turn() -> None:
    reader = ResponseReader()
    reader.feed(_CHUNKED + b"1\r\nx\r\n" * 40_000 + b"0\r\n\r\n")
    reader.head()
    sizes = []
    while piece := reader.piece():
        sizes.append(len(piece))
    assert sum(sizes) == 40_000
    assert max(sizes) < 100
