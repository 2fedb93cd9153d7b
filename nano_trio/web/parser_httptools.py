"""The default engine: llhttp (Node's parser) through httptools.

The callbacks run once per field of every request that the memo does not know, so they do nothing but append. llhttp
keeps state after a head (it waits for the body, or refuses bytes after ``Connection: close``); since bodies are cut
elsewhere, a parser that is not back at the start of a message is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httptools

from nano_trio.web.http1 import Head, HeadParser, make_head, refuse

__all__ = ["httptools_parser"]

_BLANK = (b" ", b"\t")


class _Fields:
    """What the callbacks gather of one head."""

    __slots__ = ("append", "names", "target")

    def __init__(self) -> None:
        self.target = b""
        self.append: Callable[[tuple[str, str]], None] = list[tuple[str, str]]().append
        self.names: dict[bytes, str] = {}

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        names = self.names
        known = names.get(name)
        if known is None:
            known = name.decode("latin-1").lower()
            if len(names) < 512 and len(name) < 64:
                names[name] = known
        text = value.decode("latin-1")
        self.append((known, text.rstrip(" \t") if value[-1:] in _BLANK else text))


def httptools_parser() -> HeadParser:
    """Return a head parser that uses httptools. One serves any number of connections of one thread."""
    fields = _Fields()
    engine: Any = httptools.HttpRequestParser(fields)

    def parse(block: bytes) -> Head:
        nonlocal engine
        headers: list[tuple[str, str]] = []
        fields.append = headers.append
        fields.target = b""
        try:
            engine.feed_data(block)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError:
            engine = httptools.HttpRequestParser(fields)
            refuse(block)
        method = engine.get_method().decode("ascii")
        minor = block[block.index(b"\r\n") - 1] - 48
        try:
            head = make_head(method, fields.target.decode("latin-1"), minor, headers)
        except BaseException:
            engine = httptools.HttpRequestParser(fields)
            raise
        if head.has_body or not head.keep_alive or engine.should_upgrade():
            engine = httptools.HttpRequestParser(fields)
        return head

    return HeadParser(parse)
