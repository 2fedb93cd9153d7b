"""Requests that servers are known to read differently, each with the one reading that is right here.

An entry is (name, bytes, reading): a status that refuses it, or the list of (method, target, body) it legally is. A
refused entry may be preceded by legal requests: then the reading is (list, status).
"""

from __future__ import annotations

Requests = list[tuple[str, str, bytes]]
Reading = int | Requests | tuple[Requests, int]

_H = b"Host: a\r\n"
_MARKS = ("a" + "\u0300\u0316" * 2000).encode("punycode")
_GET: Requests = [("GET", "/", b"")]


def _get(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + _H + fields + b"\r\n"


def _post(fields: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + _H + fields + b"\r\n" + body


def _extended(count: int) -> bytes:
    """So many chunks with extensions of a kilobyte."""
    return (b"1;" + b"a" * 1022 + b"\r\nx\r\n") * count


_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

CASES: list[tuple[str, bytes, Reading]] = [
    # How the body is framed (RFC 9112 section 6)
    ("CL.TE", _post(b"Content-Length: 6\r\n" + _CHUNKED, b"0\r\n\r\nG"), 400),
    ("TE.CL", _post(_CHUNKED + b"Content-Length: 4\r\n", b"5c\r\n" + _SMUGGLED + b"\r\n0\r\n\r\n"), 400),
    ("two equal lengths", _post(b"Content-Length: 3\r\nContent-Length: 3\r\n", b"abc"), 400),
    ("two lengths", _post(b"Content-Length: 0\r\nContent-Length: 3\r\n", b"abc"), 400),
    ("list of equal lengths", _post(b"Content-Length: 3, 3\r\n", b"abc"), 400),
    ("list of lengths", _post(b"Content-Length: 3, 0\r\n", b"abc"), 400),
    ("length with plus", _post(b"Content-Length: +3\r\n", b"abc"), 400),
    ("negative length", _post(b"Content-Length: -3\r\n", b"abc"), 400),
    ("hexadecimal length", _post(b"Content-Length: 0x3\r\n", b"abc"), 400),
    ("length with underscore", _post(b"Content-Length: 1_0\r\n", b"abcdefghij"), 400),
    ("length with inner space", _post(b"Content-Length: 1 0\r\n", b"abcdefghij"), 400),
    ("length with Latin-1 digits", _post(b"Content-Length: \xb2\r\n", b"ab"), 400),
    ("empty length", _post(b"Content-Length: \r\n", b""), 400),
    ("length of a word", _post(b"Content-Length: three\r\n", b"abc"), 400),
    ("huge length", _post(b"Content-Length: 99999999999999999999\r\n", b"abc"), 413),
    ("length beyond 64 bits", _post(b"Content-Length: 18446744073709551619\r\n", b"abc"), 413),
    ("length with leading zeros", _post(b"Content-Length: 0003\r\n", b"abc"), [("POST", "/", b"abc")]),
    ("length with spaces around", _post(b"Content-Length: \t 3 \t\r\n", b"abc"), [("POST", "/", b"abc")]),
    ("length in capitals", _post(b"CONTENT-LENGTH: 3\r\n", b"abc"), [("POST", "/", b"abc")]),
    ("length in GET", _get(b"Content-Length: 3\r\n") + b"abc", [("GET", "/", b"abc")]),
    ("length zero, then a request", _post(b"Content-Length: 0\r\n", _get()), [("POST", "/", b""), *_GET]),
    ("no length in POST", _post(b"", _get()), [("POST", "/", b""), *_GET]),
    ("length with a space before the colon", _post(b"Content-Length : 3\r\n", b"abc"), 400),
    ("coding with a space before the colon", _post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    ("coding with a tab before the colon", _post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"), 400),
    ("coding xchunked", _post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), 400),
    ("coding in quotes", _post(b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"), 400),
    ("coding with vertical tab", _post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400),
    ("coding with form feed", _post(b"Transfer-Encoding: chunked\x0c\r\n", b"0\r\n\r\n"), 400),
    ("chunked not last", _post(b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n"), 400),
    ("chunked, identity", _post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), 400),
    ("chunked twice", _post(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), 400),
    ("two coding fields", _post(_CHUNKED + _CHUNKED, b"0\r\n\r\n"), 400),
    ("chunked hidden by a second field", _post(_CHUNKED + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"), 400),
    ("identity alone", _post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"), 400),
    ("empty coding", _post(b"Transfer-Encoding:\r\n", b"0\r\n\r\n"), 400),
    ("chunked with parameter", _post(b"Transfer-Encoding: chunked;q=1\r\n", b"0\r\n\r\n"), 400),
    ("unknown coding before chunked", _post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), 501),
    ("coding folded over lines", _post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400),
    ("coding in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\n" + _CHUNKED + b"\r\n0\r\n\r\n", 400),
    ("coding in odd case", _post(b"tRANSFER-eNCODING: ChUnKeD\r\n", b"0\r\n\r\n"), [("POST", "/", b"")]),
    # The chunked coding (RFC 9112 section 7.1)
    ("chunked", _post(_CHUNKED, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), [("POST", "/", b"abcde")]),
    ("chunked, then a request", _post(_CHUNKED, b"0\r\n\r\n" + _get()), [("POST", "/", b""), *_GET]),
    ("extensions are ignored", _post(_CHUNKED, b'3;a=b;c="d"\r\nabc\r\n0;x\r\n\r\n'), [("POST", "/", b"abc")]),
    ("trailers are ignored", _post(_CHUNKED, b"0\r\nHost: b\r\nContent-Length: 9\r\n\r\n"), [("POST", "/", b"")]),
    ("size with leading zeros", _post(_CHUNKED, b"0003\r\nabc\r\n00\r\n\r\n"), [("POST", "/", b"abc")]),
    ("size with prefix", _post(_CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"), 400),
    ("size with plus", _post(_CHUNKED, b"+3\r\nabc\r\n0\r\n\r\n"), 400),
    ("negative size", _post(_CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n"), 400),
    ("size with underscore", _post(_CHUNKED, b"1_0\r\nabc\r\n0\r\n\r\n"), 400),
    ("size with space before", _post(_CHUNKED, b" 3\r\nabc\r\n0\r\n\r\n"), 400),
    ("size with space after", _post(_CHUNKED, b"3 \r\nabc\r\n0\r\n\r\n"), 400),
    ("empty size", _post(_CHUNKED, b"\r\nabc\r\n0\r\n\r\n"), 400),
    ("size beyond 64 bits", _post(_CHUNKED, b"10000000000000003\r\nabc\r\n0\r\n\r\n"), 400),
    ("chunk longer than its size", _post(_CHUNKED, b"3\r\nabcd\r\n0\r\n\r\n"), 400),
    ("chunk ended by LF", _post(_CHUNKED, b"3\r\nabc\n0\r\n\r\n"), 400),
    ("size ended by LF", _post(_CHUNKED, b"3\nabc\r\n0\r\n\r\n"), 400),
    ("size ended by CR", _post(_CHUNKED, b"3\rabc\r\n0\r\n\r\n"), 400),
    ("LF in an extension", _post(_CHUNKED, b"3;a\nbc\r\nabc\r\n0\r\n\r\n"), 400),
    ("CR in an extension", _post(_CHUNKED, b"3;a\rbc\r\nabc\r\n0\r\n\r\n"), 400),
    ("NUL in an extension", _post(_CHUNKED, b"3;a\0b\r\nabc\r\n0\r\n\r\n"), 400),
    ("longest extension", _post(_CHUNKED, b"3;" + b"a" * 1022 + b"\r\nabc\r\n0\r\n\r\n"), [("POST", "/", b"abc")]),
    ("extension a byte too long", _post(_CHUNKED, b"3;" + b"a" * 1023 + b"\r\nabc\r\n0\r\n\r\n"), 400),
    ("long extension", _post(_CHUNKED, b"3;" + b"a" * 2000 + b"\r\nabc\r\n0\r\n\r\n"), 400),
    ("last chunk ended by LF", _post(_CHUNKED, b"0\n\n"), 400),
    ("longest trailer", _post(_CHUNKED, b"0\r\nA:" + b"b" * 8190 + b"\r\n\r\n"), [("POST", "/", b"")]),
    ("trailer a byte too long", _post(_CHUNKED, b"0\r\nA:" + b"b" * 8191 + b"\r\n\r\n"), 431),
    ("malformed trailer", _post(_CHUNKED, b"0\r\nno colon\r\n\r\n"), 400),
    ("request in the trailers", _post(_CHUNKED, b"0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"), 400),
    ("folded trailer", _post(_CHUNKED, b"0\r\nA: b\r\n c\r\n\r\n"), 400),
    # The request line (RFC 9112 section 3)
    ("two spaces after the method", _get(line=b"GET  / HTTP/1.1"), 400),
    ("two spaces before the version", _get(line=b"GET /  HTTP/1.1"), 400),
    ("tab between the parts", _get(line=b"GET\t/\tHTTP/1.1"), 400),
    ("space before the method", _get(line=b" GET / HTTP/1.1"), 400),
    ("space after the version", _get(line=b"GET / HTTP/1.1 "), 400),
    ("space in the target", _get(line=b"GET /a b HTTP/1.1"), 400),
    ("NUL in the target", _get(line=b"GET /\0 HTTP/1.1"), 400),
    ("raw UTF-8 in the target", _get(line="GET /é HTTP/1.1".encode()), 400),
    ("DEL in the target", _get(line=b"GET /\x7f HTTP/1.1"), 400),
    ("fragment in the target", _get(line=b"GET /a#b HTTP/1.1"), 400),
    ("target without a slash", _get(line=b"GET a HTTP/1.1"), 400),
    ("asterisk for GET", _get(line=b"GET * HTTP/1.1"), 400),
    ("asterisk for OPTIONS", _get(line=b"OPTIONS * HTTP/1.1"), [("OPTIONS", "", b"")]),
    ("empty target", _get(line=b"GET  HTTP/1.1"), 400),
    ("two slashes", _get(line=b"GET //evil/x HTTP/1.1"), [("GET", "//evil/x", b"")]),
    ("absolute target", _get(line=b"GET http://b/x?y HTTP/1.1"), [("GET", "/x?y", b"")]),
    ("absolute target with query only", _get(line=b"GET http://b?y HTTP/1.1"), [("GET", "/?y", b"")]),
    ("absolute target for OPTIONS", _get(line=b"OPTIONS http://b/x HTTP/1.1"), [("OPTIONS", "/x", b"")]),
    ("absolute target with user", _get(line=b"GET http://u@b/ HTTP/1.1"), 400),
    ("absolute target without host", _get(line=b"GET http:/// HTTP/1.1"), 400),
    ("absolute target of another scheme", _get(line=b"GET ftp://b/ HTTP/1.1"), 400),
    ("CONNECT", _get(line=b"CONNECT a:443 HTTP/1.1"), 501),
    ("TRACE", _get(line=b"TRACE / HTTP/1.1"), 501),
    ("unknown method", _get(line=b"BREW / HTTP/1.1"), 501),
    ("method in lower case", _get(line=b"get / HTTP/1.1"), 501),
    ("method that is no token", _get(line=b"G(T / HTTP/1.1"), 400),
    ("no version", b"GET /\r\n\r\n", 400),
    ("HTTP/0.9", _get(line=b"GET / HTTP/0.9"), 505),
    ("HTTP/1.2", _get(line=b"GET / HTTP/1.2"), 505),
    ("HTTP/2.0", _get(line=b"GET / HTTP/2.0"), 505),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("HTTP/1.10", _get(line=b"GET / HTTP/1.10"), 400),
    ("HTTP/01.1", _get(line=b"GET / HTTP/01.1"), 400),
    ("http in lower case", _get(line=b"GET / http/1.1"), 400),
    ("another protocol", _get(line=b"GET / RTSP/1.0"), 400),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 64, 400),
    ("one empty line before", b"\r\n" + _get(), _GET),
    ("two empty lines before", b"\r\n\r\n" + _get(), 400),
    ("empty line ended by LF before", b"\n" + _get(), 400),
    # Fields (RFC 9112 section 5)
    ("lines ended by LF", b"GET / HTTP/1.1\nHost: a\n\n", 400),
    ("one line ended by LF", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("head ended by LF", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("CR in a value", _get(b"X: a\rb\r\n"), 400),
    ("CR before CRLF", _get(b"X: a\r\r\n"), 400),
    ("field after a bare CR", _get(b"X: a\rContent-Length: 5\r\n"), 400),
    ("NUL in a value", _get(b"X: a\0b\r\n"), 400),
    ("control character in a value", _get(b"X: a\x01b\r\n"), 400),
    ("DEL in a value", _get(b"X: a\x7fb\r\n"), 400),
    ("tab and Latin-1 in a value", _get(b"X: a\tb\xe9\xff\r\n"), _GET),
    ("folded value", _get(b"X: a\r\n b\r\n"), 400),
    ("folded with tab", _get(b"X: a\r\n\tb\r\n"), 400),
    ("folding at the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("line of blanks", _get(b"X: a\r\n \r\n"), 400),
    ("empty name", _get(b": a\r\n"), 400),
    ("no colon", _get(b"X\r\n"), 400),
    ("space in a name", _get(b"X Y: a\r\n"), 400),
    ("NUL in a name", _get(b"X\0: a\r\n"), 400),
    ("Latin-1 in a name", _get(b"X\xe9: a\r\n"), 400),
    ("parenthesis in a name", _get(b"X(: a\r\n"), 400),
    ("empty value", _get(b"X:\r\nY: \r\n"), _GET),
    ("no space after the colon", _get(b"X:a\r\n"), _GET),
    ("every token character", _get(b"!#$%&'*+-.^_`|~09azAZ: a\r\n"), _GET),
    ("upgrade that nobody asked for", _get(b"Connection: upgrade\r\nUpgrade: h2c\r\n") + _get(), [*_GET, *_GET]),
    ("too many fields", _get(b"X: a\r\n" * 100), 431),
    ("as many fields as allowed", _get(b"X: a\r\n" * 99), _GET),
    ("head too large", _get(b"X: " + b"a" * 66000 + b"\r\n"), 431),
    ("request line too long", _get(line=b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 414),
    ("request line without end", b"GET /" + b"a" * 9000, 414),
    # Host (RFC 9112 section 3.2)
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("no Host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", _GET),
    ("two Hosts", _get(b"Host: a\r\n"), 400),
    ("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("Host with a user", b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("Host with a comma", b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400),
    ("Host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("Host with two ports", b"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
    ("Host with a word for a port", b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("Host with a port too large", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    ("Host that is an IPv6 literal", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", _GET),
    ("Host that is an open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
    ("Host as long as can be", b"GET / HTTP/1.1\r\nHost: " + b"a" * 255 + b":80\r\n\r\n", _GET),
    ("Host that is too long", b"GET / HTTP/1.1\r\nHost: " + b"a" * 256 + b"\r\n\r\n", 400),
    # To find out what this stands for takes a tenth of a second, and in a head of 64 KB two.
    ("Host that is long in Punycode", b"GET / HTTP/1.1\r\nHost: xn--" + _MARKS + b"\r\n\r\n", 400),
    ("target whose host is too long", b"GET http://" + b"a" * 256 + b"/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    # Expect (RFC 9110 section 10.1.1)
    ("unknown expectation", _get(b"Expect: a-pony\r\n"), 417),
    ("expectation in HTTP/1.0", b"GET / HTTP/1.0\r\nExpect: a-pony\r\n\r\n", _GET),
    # Pipelines
    ("good, then bad", _get() + _get(b"X : y\r\n"), (_GET, 400)),
    ("body, then rubbish", _post(b"Content-Length: 3\r\n", b"abcd\r\n\r\n"), ([("POST", "/", b"abc")], 400)),
]

LONG_CASES: list[tuple[str, bytes, Reading]] = [
    # Beyond what is read at a time, so that over a socket the app has long begun
    (
        "extensions as long as a head",
        _post(_CHUNKED, _extended(64) + b"0;" + b"a" * 63 + b"\r\n\r\n"),
        [("POST", "/", b"x" * 64)],
    ),
    ("extensions longer than a head", _post(_CHUNKED, _extended(64) + b"0;" + b"a" * 64 + b"\r\n\r\n"), 431),
    (
        "trailers as long as a head",
        _post(_CHUNKED, _extended(64) + b"0\r\na:" + b"b" * 60 + b"\r\n\r\n"),
        [("POST", "/", b"x" * 64)],
    ),
    ("trailers longer than a head", _post(_CHUNKED, _extended(64) + b"0\r\na:" + b"b" * 61 + b"\r\n\r\n"), 431),
]
