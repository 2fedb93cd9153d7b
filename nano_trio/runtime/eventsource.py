"""The host half of ``eventsource.js``: parsing event streams (HTML 9.2.6, "Interpreting an event stream")."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Any

import attrs
import quickjs

from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["EventStreamParser", "StreamEvent", "TooLong", "namespace"]

_LINE_END = re.compile("\r\n|\r|\n")
_DIGITS = re.compile("[0-9]+")
_LONGEST_MS = 2**31 - 1
_BITE = 1024
"""Bytes that are parsed at once, each of which may be a line."""
_LINE_BYTES = 64
"""What a line takes beside its characters."""


class TooLong(Exception):
    """An event is larger than an app may gather, or takes the room that it has for all of them."""


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
        self.memory = 0
        """Bytes that what was gathered takes, about."""
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
        self.memory += (len(text) if text.isascii() else 2 * len(text)) + _LINE_BYTES * len(lines)
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
        self._size = self.memory = sum(map(len, self._line))


class _Stream:
    """A stream that is read: its parser, and what counts the memory of what it gathers."""

    __slots__ = ("_bites", "_chunk", "_held", "parser")

    def __init__(self, parser: EventStreamParser, held: Held) -> None:
        self.parser = parser
        self._held = held
        self._chunk = 0
        self._bites: Iterator[bytes] = iter(())

    def feed(self, data: bytes) -> None:
        self._chunk = len(data)
        self._bites = (data[at : at + _BITE] for at in range(0, len(data), _BITE))

    def parse(self) -> list[StreamEvent] | None:
        """The events of the next bite of the chunk; None where that was all of it. Raises :class:`TooLong`."""
        bite = next(self._bites, None)
        if bite is None:
            self._chunk = 0
        events = None if bite is None else self.parser.feed(bite)
        size = self.parser.memory + self._chunk
        # Who sends it may be anybody: it costs the connection, and not the app.
        if not self._held.may_be(size):
            raise TooLong
        self._held.resize(size)
        return events


class _Streams:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._streams: dict[int, _Stream] = {}
        self._last = 0

    def open(self, last_event_id: Any) -> int:
        self._last += 1
        parser = EventStreamParser(text_of(last_event_id), self._services.max_buffer_bytes)
        self._streams[self._last] = _Stream(parser, Held(self._services))
        return self._last

    def feed(self, number: int, chunk: Any) -> None:
        """A chunk has come; :meth:`parse` it."""
        self._streams[number].feed(chunk.to_bytes())

    def parse(self, number: int) -> list[Any] | None:
        """The events that the next part of the chunk completes: [reconnection time or None, last event ID, whether that
        was all of the chunk, type, data, ID, type, …]; None where an event is too long."""
        stream = self._streams[number]
        try:
            events = stream.parse()
        except TooLong:
            return None
        flat = [part for event in events or () for part in (event.type, event.data, event.last_event_id)]
        return [stream.parser.retry_ms, stream.parser.last_event_id, events is None, *flat]

    def forget(self, number: int) -> None:
        self._streams.pop(number, None)


def isomorphic(text: Any) -> str:
    """UTF-8 as a ByteString."""
    return text_of(text).encode("utf-8", "replace").decode("latin-1")


def namespace(services: Services) -> Namespace:
    """The functions that ``eventsource.js`` calls."""
    streams = _Streams(services)

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
