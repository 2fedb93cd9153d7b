"""Run bytes through a :class:`RequestReader` and say what it read."""

from __future__ import annotations

from collections.abc import Iterable

from nano_trio.web.http1 import Head, HeadParser, ProtocolError, RequestReader
from nano_trio.web.settings import Limits


class Reading:
    """The requests read (head and body), the error's status (0: none), and whether a message was left unfinished."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []
        self.error = 0
        self.message = ""
        self.unfinished = False

    @property
    def requests(self) -> list[tuple[str, str, bytes]]:
        return [(head.method, head.target, body) for head, body in zip(self.heads, self.bodies, strict=False)]


def read(parse_head: HeadParser, pieces: Iterable[bytes], limits: Limits | None = None) -> Reading:
    reader = RequestReader(parse_head, limits or Limits())
    reading = Reading()
    body: list[bytes] | None = None
    try:
        for piece in pieces:
            reader.feed(piece)
            while True:
                if body is None:
                    if not reader.buffered():
                        break
                    head = reader.next_head()
                    if head is None:
                        break
                    reading.heads.append(head)
                    body = []
                chunk = reader.next_body()
                if chunk is None:
                    break
                if chunk:
                    body.append(chunk)
                else:
                    reading.bodies.append(b"".join(body))
                    body = None
    except ProtocolError as error:
        reading.error = error.status
        reading.message = error.message
    reading.unfinished = not reading.error and (body is not None or reader.buffered() > 0)
    return reading
