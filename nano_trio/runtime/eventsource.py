"""The host half of ``eventsource.js``: parsing event streams (HTML 9.2.6, "Interpreting an event stream")."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

import attrs
import quickjs

from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["EventStreamParser", "StreamEvent", "TooLong", "namespace"]

_LINE_END = re.compile("\r\n|\r|\n")
_DIGITS = re.compile("[0-9]+")
_LONGEST_MS = 2**31 - 1
_BITE = 1024
"""Bytes that are parsed at once, each of which may be a line."""


class TooLong(Exception):
    """An event is larger than an app may gather."""


@attrs.frozen
class StreamEvent:
    """An event to dispatch."""

    type: str
    data: str
    last_event_id: str


class EventStreamParser:
    """Parses the bytes of one stream as they come. ``limit``: the most characters that an event may have."""

    def __init__(self, last_event_id: str = "", limit: int = 64 << 20) -> None:
        self.last_event_id = last_event_id
        """That of the last block that ended, whether or not it was an event."""
        self.retry_ms: int | None = None
        """The reconnection time that the stream asked for, where it did."""
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._line: list[str] = []
        self._after_cr = False
        self._size = 0
        self._data: list[str] = []
        self._type = ""
        self._id = last_event_id

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that the chunk completes. Raises :class:`TooLong`."""
        text = self._decoder.decode(chunk)
        if not text:
            return []
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text.endswith("\r") if text else False
        self._size += len(text)
        lines = _LINE_END.split(text)
        self._line.append(lines[0])
        events: list[StreamEvent] = []
        if len(lines) > 1:
            lines[0] = "".join(self._line)
            self._line = [lines.pop()]
            for line in lines:
                if line:
                    self._field(line)
                else:
                    self._dispatch(events)
        if self._size > self._limit:
            raise TooLong
        return events

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                self._data.append(value)
            case "event":
                self._type = value
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if _DIGITS.fullmatch(value):
                self.retry_ms = min(int(value), _LONGEST_MS) if len(value) < 20 else _LONGEST_MS

    def _dispatch(self, events: list[StreamEvent]) -> None:
        self.last_event_id = self._id
        data = "\n".join(self._data)
        # A data buffer of a single empty line is not empty: it holds that line's end.
        if self._data:
            events.append(StreamEvent(self._type or "message", data, self._id))
        self._data = []
        self._type = ""
        self._size = sum(map(len, self._line))


class _Streams:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parsers: dict[int, EventStreamParser] = {}
        self._chunks: dict[int, Iterator[bytes]] = {}
        """Of each stream, what has not been parsed of the last chunk."""
        self._last = 0

    def open(self, last_event_id: Any) -> int:
        self._last += 1
        self._parsers[self._last] = EventStreamParser(text_of(last_event_id), self._limit)
        return self._last

    def feed(self, number: int, chunk: Any) -> None:
        """A chunk has come; :meth:`parse` it."""
        data = chunk.to_bytes()
        self._chunks[number] = (data[at : at + _BITE] for at in range(0, len(data), _BITE))

    def parse(self, number: int) -> list[Any] | None:
        """The events that the next part of the chunk completes: [reconnection time or None, last event ID, whether that
        was all of the chunk, type, data, ID, type, …]; None where an event is too long."""
        parser = self._parsers[number]
        bite = next(self._chunks[number], None)
        try:
            events = [] if bite is None else parser.feed(bite)
        except TooLong:
            return None
        flat = [part for event in events for part in (event.type, event.data, event.last_event_id)]
        return [parser.retry_ms, parser.last_event_id, bite is None, *flat]

    def forget(self, number: int) -> None:
        self._parsers.pop(number, None)
        self._chunks.pop(number, None)


def isomorphic(text: Any) -> str:
    """UTF-8 as a ByteString."""
    return text_of(text).encode("utf-8", "replace").decode("latin-1")


def namespace(services: Services) -> Namespace:
    """The functions that ``eventsource.js`` calls."""
    streams = _Streams(services.max_buffer_bytes)

    def parse(number: int) -> quickjs.Value | None:
        found = streams.parse(number)
        return None if found is None else services.array(found)

    return {
        "open": streams.open,
        "feed": streams.feed,
        "parse": parse,
        "forget": streams.forget,
        "isomorphic": isomorphic,
    }
