"""The second engine: h11, in pure Python. Slower; chosen with ``--http h11``.

h11 folds equal Content-Length fields into one where this server refuses them, and lowers the transfer coding's name; so
these two are taken from the bytes.
"""

from __future__ import annotations

import re

import h11

from nano_trio.web.http1 import Head, HeadParser, make_head, refuse

__all__ = ["h11_parser"]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:([^\r]*)", re.IGNORECASE).findall
_CODING = re.compile(rb"\r\ntransfer-encoding:[ \t]*([^\r]*)", re.IGNORECASE).search


def h11_parser() -> HeadParser:
    """Return a head parser that uses h11. One serves any number of connections of one thread."""

    def parse(block: bytes) -> Head:
        lengths = _CONTENT_LENGTH(block)
        if len(lengths) > 1 or (lengths and b"," in lengths[0]):
            refuse(block)
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(block))
        connection.receive_data(block)
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            refuse(block)
        if not isinstance(event, h11.Request):
            refuse(block)
        headers = [(name.decode("latin-1"), value.decode("latin-1").strip(" \t")) for name, value in event.headers]
        if coding := _CODING(block):
            value = coding[1].decode("latin-1").strip(" \t")
            headers = [(name, value if name == "transfer-encoding" else other) for name, other in headers]
        minor = 1 if event.http_version == b"1.1" else 0
        return make_head(event.method.decode("ascii"), event.target.decode("latin-1"), minor, headers)

    return HeadParser(parse)
