"""HTTP/1.1 requests from bytes (RFC 9110, RFC 9112), without sockets.

Theory of operation
-------------------
Request smuggling lives where two readers disagree on where a message ends. So exactly one piece of code here decides
that, and it is strict; the two engines (``parser_httptools``, ``parser_h11``) only take a head apart. A head passes
three stations, the same for both engines:

1. **The gate**: one regular expression over the whole head, from the request line to the empty line. It knows the
   grammar of RFC 9112 sections 3 and 5 and no leniency: CRLF line ends only, one space between the parts of the request
   line, no folding, no space before a colon, no control characters. What fails is examined again to name the fault.
2. **The engine** splits the head into method, target and fields. The gate's language is a subset of what either engine
   accepts, so the engines cannot disagree about a head that passed.
3. **The meaning** (:func:`make_head`): the target's form, Host, and how the body is framed. Transfer-Encoding with
   Content-Length, two Content-Lengths, any coding but ``chunked``: refused.

:class:`RequestReader` holds the bytes that arrived and goes around: head, body, head, body. ``next_head`` and
``next_body`` return None when they need more bytes. Bodies are cut by ``http1_framing``, never by an engine; the
engines see complete heads only and keep no state between them, so one engine serves every connection of the process.

Equal heads parse equally: keep-alive clients repeat theirs byte for byte, so each engine keeps a small memo. Heads are
therefore shared and must not be modified.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

import attrs

from nano_trio.actors import request_ids
from nano_trio.actors.trace import TraceContext
from nano_trio.actors.trace import parse as parse_trace
from nano_trio.runtime.http1_framing import Body, ChunkedBody, LengthBody, ProtocolError
from nano_trio.runtime.http_syntax import FIELD_CHARACTER, TOKEN_CHARACTER, is_authority, is_token, members
from nano_trio.web.clients import TrustedProxies
from nano_trio.web.forwarded import FORWARDING, seen_through, split_forwarding
from nano_trio.web.settings import Limits

__all__ = [
    "Engine",
    "Head",
    "HeadParser",
    "ProtocolError",
    "RequestReader",
    "as_sent",
    "make_head",
    "refuse",
]

_TOKEN = TOKEN_CHARACTER.encode()
_GATE = re.compile(
    rb"%b++ [!-~]++ HTTP/1\.[01]\r\n(?:%b++:%b*+\r\n)*+\r\n" % (_TOKEN, _TOKEN, FIELD_CHARACTER.encode())
).fullmatch
_REQUEST_LINE = re.compile(rb"(%b+) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN).fullmatch
_FIELD_NAME = re.compile(rb"%b+" % _TOKEN).fullmatch
_BARE_LF = re.compile(rb"(?<!\r)\n").search
_BARE_CR = re.compile(rb"\r(?!\n|\Z)").search
_NOT_IN_LINE = re.compile(rb"[^ -~]").search
_ABSOLUTE = re.compile(r"https?://([^/?#@]*)([/?][^#]*)?", re.IGNORECASE).fullmatch
_ORIGIN = re.compile(r"/[^#]*").fullmatch
_DIGITS = re.compile(r"[0-9]+").fullmatch

_METHODS = frozenset(
    re.findall(
        r"[A-Z-]+",
        """GET HEAD POST PUT DELETE OPTIONS PATCH QUERY COPY LOCK MKCOL MOVE PROPFIND PROPPATCH UNLOCK SEARCH ACL BIND
        REBIND UNBIND REPORT MKACTIVITY CHECKOUT MERGE MKCALENDAR LINK UNLINK M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE
        PURGE""",
    )
)
"""The methods that both engines know, but for CONNECT and TRACE, which apps never see (forbidden by Fetch)."""
_TRACE = ("traceparent", "tracestate")
_SPECIAL = FORWARDING | {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "x-request-id",
    *_TRACE,
}
_NO_FIELDS: Sequence[tuple[str, str]] = ()

_MEMO_HEADS = 256
_MEMO_BYTES = 1024


@attrs.define
class Head:
    """A request head that passed all three stations. Shared between equal requests, which cannot change it."""

    method: str
    target: str
    """Path and query, beginning with ``/`` (or empty for ``OPTIONS *``), ready to append to ``http://host``."""
    headers: tuple[tuple[str, str], ...]
    """Names in lower case; values without surrounding whitespace, one character an octet."""
    minor: int
    """0 for HTTP/1.0, 1 for HTTP/1.1."""
    host: str
    """The Host field or the absolute target's authority, verbatim; ``""`` in HTTP/1.0 without Host."""
    keep_alive: bool
    expect_continue: bool
    content_length: int | None
    chunked: bool
    has_body: bool
    """Whether framing announces a body, even an empty one."""
    websocket: bool = False
    """Whether ``Upgrade`` asks for a WebSocket."""
    forwarding: Sequence[tuple[str, str]] = ()
    """The fields by which proxies speak of the client (``forwarded.FORWARDING``); they are not among ``headers``."""
    trace: TraceContext | None = None
    """The trace that the request is part of."""
    request_id: str | None = None
    """A valid X-Request-Id, which only a trusted proxy's word makes the request's."""
    joined: str | None = attrs.field(init=False)
    """The headers' names and values by turns, joined by line feeds; None where there are none."""
    fields: int = attrs.field(init=False)
    """How many fields the client sent."""
    urls: dict[str, str] = attrs.field(init=False, factory=dict, eq=False, repr=False)
    """The URL of requests with this head, by how their clients speak (``https://``), from the first of them on."""
    persistent: bool = attrs.field(init=False)
    """Whether the head lets the response have its content, and the connection go on behind it, as HTTP/1.1 has it."""

    def url_of(self, scheme: str, address: str) -> str:
        """The request's URL. ``address``: the host that a client which names none has asked, ``name:port``."""
        url = f"{scheme}{self.host or address}{self.target}"
        if self.host:
            self.urls[scheme] = url
        return url

    def as_last(self) -> Head:
        """The same of a connection that closes behind the response."""
        return attrs.evolve(self, keep_alive=False)

    @joined.default
    def _join(self) -> str | None:
        return "\n".join([part for field in self.headers for part in field]) if self.headers else None

    @fields.default
    def _count(self) -> int:
        return len(self.headers) + len(self.forwarding)

    @persistent.default
    def _persists(self) -> bool:
        return self.keep_alive and self.minor > 0 and self.method != "HEAD"


Engine = Callable[[bytes], Head]
"""Takes a complete head that passed the gate; raises :class:`ProtocolError`."""


def refuse(block: bytes) -> NoReturn:
    """Raise the :class:`ProtocolError` that fits a head which the gate or an engine did not accept."""
    lines = block[:-4].split(b"\r\n")
    if _BARE_LF(block) or _BARE_CR(block):
        raise ProtocolError(400, "bare CR or LF in the request head")
    match = _REQUEST_LINE(lines[0])
    if match is None:
        raise ProtocolError(400, "malformed request line")
    if match[3] != b"1" or match[4] not in b"01":
        raise ProtocolError(505, "this server speaks HTTP/1.0 and HTTP/1.1")
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if line[:1] in (b" ", b"\t"):
            raise ProtocolError(400, "folded header line")
        if not colon or _FIELD_NAME(name) is None:
            raise ProtocolError(400, "malformed header name")
        if any((octet < 32 and octet != 9) or octet == 127 for octet in value):
            raise ProtocolError(400, "control character in a header value")
    make_head(*_split_head(block))
    raise ProtocolError(400, "malformed request head")


def _split_head(block: bytes) -> tuple[str, str, int, list[tuple[str, str]]]:
    """Take apart a head that passed the gate, in plain Python: method, target, minor version, fields."""
    lines = block[:-4].decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    fields = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields.append((name.lower(), value.strip(" \t")))
    return method, target, int(version[-1]), fields


def make_head(method: str, target: str, minor: int, headers: list[tuple[str, str]]) -> Head:
    """Decide what a well-formed head means (RFC 9112 sections 3.2 and 6.3). Raises :class:`ProtocolError`."""
    if method not in _METHODS:
        raise ProtocolError(501, f"the method {method[:40]} is not implemented")
    host: str | None = None
    length: str | None = None
    coding: str | None = None
    connection = ""
    expect = ""
    websocket = False
    forwarding = _NO_FIELDS
    is_forwarded = False
    trace: dict[str, list[str]] = {}
    request_id: str | None = None
    for name, value in headers:
        if name not in _SPECIAL:
            continue
        if name == "host":
            if host is not None:
                raise ProtocolError(400, "more than one Host header")
            host = value
        elif name == "content-length":
            if length is not None:
                raise ProtocolError(400, "more than one Content-Length header")
            length = value
        elif name == "transfer-encoding":
            if coding is not None:
                raise ProtocolError(400, "more than one Transfer-Encoding header")
            coding = value.lower()
        elif name == "connection":
            connection += "," + value.lower()
        elif name == "upgrade":
            websocket = websocket or "websocket" in members(value.lower())
        elif name == "x-request-id":
            request_id = value if request_id is None and request_ids.is_valid(value) else ""
        elif name in _TRACE:
            trace.setdefault(name, []).append(value)
        elif name == "expect":
            expect += "," + value.lower()
        else:
            is_forwarded = True
    if host is None:
        if minor:
            raise ProtocolError(400, "HTTP/1.1 requires a Host header")
        host = ""
    elif not is_authority(host):
        raise ProtocolError(400, "invalid Host header")
    if _ORIGIN(target) is None:
        target, host, headers = _unusual_target(method, target, host, headers)
    if coding is not None:
        if length is not None:
            raise ProtocolError(400, "Transfer-Encoding and Content-Length together")
        if not minor:
            raise ProtocolError(400, "Transfer-Encoding in HTTP/1.0")
        if coding != "chunked":
            _refuse_coding(coding)
    content_length = None
    if length is not None:
        if _DIGITS(length) is None:
            raise ProtocolError(400, "invalid Content-Length")
        if len(length) > 18:
            raise ProtocolError(413, "Content-Length beyond every limit")
        content_length = int(length)
    keep_alive = bool(minor)
    if connection:
        options = members(connection)
        keep_alive = "close" not in options and (keep_alive or "keep-alive" in options)
    expect_continue = False
    if expect and minor:
        if set(members(expect)) != {"100-continue"}:
            raise ProtocolError(417, "the only expectation known is 100-continue")
        expect_continue = True
    has_body = content_length is not None or coding is not None
    if is_forwarded:
        headers, forwarding = split_forwarding(headers)
    head = Head(
        method,
        target,
        tuple(headers),
        minor,
        host,
        keep_alive,
        expect_continue,
        content_length,
        coding is not None,
        has_body,
        websocket,
        forwarding,
    )
    if trace:
        head.trace = parse_trace(trace.get("traceparent", ()), trace.get("tracestate", ()))
    head.request_id = request_id or None
    return head


def as_sent(head: Head, trusted: TrustedProxies, peer: str, scheme: str, address: str) -> tuple[Head, str, str]:
    """The head as the client sent it to the outermost trusted proxy, the client's address, and its ``https://``.

    ``peer``, ``scheme`` and ``address`` (of the listener, for requests without Host) are the connection's own. Raises
    :class:`ProtocolError`.
    """
    host = head.host or address
    facts, headers = seen_through(trusted, peer, scheme, host, head.headers, head.forwarding)
    host = head.host if facts.host == host else facts.host
    return attrs.evolve(head, host=host, headers=headers), facts.client, f"{facts.scheme}://"


def _unusual_target(
    method: str, target: str, host: str, headers: list[tuple[str, str]]
) -> tuple[str, str, list[tuple[str, str]]]:
    """The absolute form, whose authority replaces Host, and the asterisk form (RFC 9112 sections 3.2.2 and 3.2.4)."""
    if target == "*" and method == "OPTIONS":
        return "", host, headers
    match = _ABSOLUTE(target)
    if match is None:
        raise ProtocolError(400, "invalid request target")
    authority, path = match[1], match[2] or "/"
    if not is_authority(authority):
        raise ProtocolError(400, "invalid authority in the request target")
    headers = [(name, authority if name == "host" else value) for name, value in headers]
    return path if path[0] == "/" else "/" + path, authority, headers


def _refuse_coding(coding: str) -> NoReturn:
    """A transfer coding other than ``chunked``: faulty framing is 400, an unknown coding 501 (RFC 9112 section 6.1)."""
    codings = [item.strip(" \t") for item in coding.split(",")]
    if codings[-1] != "chunked" or codings.count("chunked") != 1 or not all(map(is_token, codings)):
        raise ProtocolError(400, "chunked must be the last and only transfer coding")
    raise ProtocolError(501, "the only transfer coding implemented is chunked")


class HeadParser:
    """An engine with the gate before it, and a small memo before both. One serves any number of connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._memo: dict[bytes, Head] = {}
        self.known = self._memo.get
        """The meaning of a complete head that was parsed before, else None."""

    def parse(self, block: bytes) -> Head:
        """The meaning of a complete head. Raises :class:`ProtocolError`."""
        head = self.known(block)
        if head is not None:
            return head
        if _GATE(block) is None:
            refuse(block)
        head = self._engine(block)
        if len(block) <= _MEMO_BYTES and not head.websocket:  # whose key is never the same
            if len(self._memo) >= _MEMO_HEADS:
                self._memo.clear()
            self._memo[block] = head
        return head


class RequestReader:
    """The incoming half of one connection: bytes in, heads and body chunks out.

    After ``next_head`` returned a head with ``has_body``, ``next_body`` must be called until it returns ``b""``;
    otherwise the next call is ``next_head`` again. A :class:`ProtocolError` from either is final.
    """

    __slots__ = ("_blank", "_body", "_limits", "_line_seen", "_parser", "_partial", "_position", "_scanned", "buffer")

    def __init__(self, parser: HeadParser, limits: Limits) -> None:
        self._parser = parser
        self._limits = limits
        self.buffer = b""
        """What arrived, until all of it is consumed: then it is empty. Where ``next_head`` has returned a head, nothing
        else is buffered."""
        self._position = 0
        self._partial: bytearray | None = None
        self._scanned = 0
        self._line_seen = False
        self._blank = False
        self._body: Body | None = None

    def buffered(self) -> int:
        """Bytes that arrived and nobody has consumed."""
        return len(self.buffer) - self._position + (len(self._partial) if self._partial is not None else 0)

    @property
    def in_body(self) -> bool:
        """Whether the end of a body is still to be read."""
        return self._body is not None

    @property
    def body_remaining(self) -> int | None:
        """Bytes of the body still to be read, None when its framing does not say."""
        return self._body.remaining if self._body is not None else 0

    def limit_body(self, limit: int) -> bool:
        """Let the body that is being read hold at most ``limit`` bytes; False when it is known to hold more."""
        return self._body is None or self._body.set_limit(limit)

    def feed(self, data: bytes) -> None:
        """Append what arrived."""
        if self._partial is not None:
            self._partial += data
        elif self._position < len(self.buffer):
            self.buffer = self.buffer[self._position :] + data
            self._position = 0
        else:
            self.buffer = data
            self._position = 0

    def take_rest(self) -> bytes:
        """Hand over what is not consumed: the connection speaks another protocol from here on."""
        rest = self.buffer[self._position :] + bytes(self._partial or b"")
        self.buffer = b""
        self._position = 0
        self._partial = None
        return rest

    def next_head(self, data: bytes = b"") -> Head | None:
        """Append ``data`` and return the next complete head, or None. Raises :class:`ProtocolError`."""
        if self._partial is not None:
            self._partial += data
            return self._continue_partial()
        head = None
        if not self.buffer and len(data) <= _MEMO_BYTES:
            # Mostly it is one head and nothing else, and one that was seen before.
            head = self._parser.known(data)
        if head is None:
            block = self._cut_head(data)
            if block is None:
                return self._continue_partial()
            head = self._parser.parse(block)
        limits = self._limits
        if head.fields > limits.headers:
            raise ProtocolError(431, "too many header fields")
        if head.has_body:
            length = head.content_length
            if length is None:
                self._body = ChunkedBody(limits.body, limits.head)
            elif length > limits.body:
                raise ProtocolError(413, "request body too large")
            elif length:
                self._body = LengthBody(length)
        self._blank = False
        return head

    def _cut_head(self, data: bytes) -> bytes | None:
        """The next complete head's bytes, of what is buffered and ``data``. None: it is a partial one from now on."""
        if self.buffer:
            if data:
                self.feed(data)
            data = self.buffer
        position = self._position
        end = data.find(b"\r\n\r\n", position) + 4
        if end < 4 or data[position] == 13:
            self.buffer = b""
            self._position = 0
            self._partial = bytearray(data[position:] if position else data)
            return None
        if end == len(data):
            self.buffer = b""
            self._position = 0
            if position:
                data = data[position:]
        else:
            self.buffer = data
            self._position = end
            data = data[position:end]
        if len(data) > 2048:
            self._check_size(data)
        return data

    def _check_size(self, data: bytes | bytearray) -> None:
        line = data.find(b"\r\n", 0, self._limits.request_line + 2)
        if line < 0 and len(data) > self._limits.request_line:
            raise ProtocolError(414, "request line too long")
        if len(data) > self._limits.head:
            raise ProtocolError(431, "request head too large")

    def _continue_partial(self) -> Head | None:
        """A head that has not arrived whole, or that an empty line precedes (one is ignored: RFC 9112 section 2.2).

        Faults are found as soon as they are there. Every byte is looked at once, however small the pieces.
        """
        data = self._partial
        assert data is not None
        if self._scanned < 2 and data[:1] == b"\r":
            if len(data) == 1:
                return None
            if data[1] != 10:
                raise ProtocolError(400, "bare CR in the request head")
            if self._blank:
                raise ProtocolError(400, "empty lines before the request line")
            self._blank = True
            del data[:2]
        end = data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end >= 0 and data[0] != 13:
            self.buffer = bytes(data)
            self._partial = None
            self._scanned = 0
            self._line_seen = False
            return self.next_head()
        if data[:1] == b"\r" and len(data) > 1:
            return self._continue_partial()
        start = max(0, self._scanned - 1)
        if _BARE_LF(data, start) or _BARE_CR(data, start):
            raise ProtocolError(400, "bare CR or LF in the request head")
        self._check_size(data)
        if not self._line_seen:
            line, complete, _ = data.partition(b"\r\n")
            if complete:
                self._line_seen = True
                match = _REQUEST_LINE(line)
                if match is None:
                    raise ProtocolError(400, "malformed request line")
                if match[3] != b"1" or match[4] not in b"01":
                    raise ProtocolError(505, "this server speaks HTTP/1.0 and HTTP/1.1")
            elif _NOT_IN_LINE(line.removesuffix(b"\r"), start):
                raise ProtocolError(400, "malformed request line")
        self._scanned = len(data)
        return None

    def whole_body(self, length: int) -> bytes | None:
        """Return the body, of this Content-Length, where all of it is here; else None, and ``next_body`` reads it."""
        start, end = self._position, self._position + length
        buffer = self.buffer
        if end < len(buffer):
            self._position = end
        elif end == len(buffer):
            self.buffer = b""
            self._position = 0
        else:
            return None
        self._body = None
        return buffer[start:end]

    def next_body(self) -> bytes | None:
        """Return a piece of the body, ``b""`` at its end, or None for more bytes. Raises :class:`ProtocolError`."""
        body = self._body
        if body is None:
            return b""
        chunk, self._position = body.take(self.buffer, self._position)
        if self._position >= len(self.buffer):
            self.buffer = b""
            self._position = 0
        if chunk == b"":
            self._body = None
        return chunk
