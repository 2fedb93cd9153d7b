"""Content codings of responses (RFC 9110 section 8.4), undone piece by piece as the app reads.

Servers decide what comes, and they may be the app's own. So a step takes a little input and gives a little output,
whatever the input consists of, and asks the app's pace for its turn. What a decoder has of the data, 17 MB at most,
counts as the app's memory; where there is no room for more of that, the body fails and not the app.
"""

from __future__ import annotations

import abc
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import brotli

from nano_trio.runtime.compression import DECODER_ERRORS, DECODER_STATES, PIECE
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.held import Held
from nano_trio.runtime.pace import Pace

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ACCEPT_ENCODING", "Decoding", "codings_of", "decoded_at_once"]

ACCEPT_ENCODING = b"gzip, deflate, br, zstd"
_MOST_CODINGS = 5
_ZSTD_WINDOW = 23
"""RFC 9659: 8 MiB."""
_BITE = 16384
"""Bytes of input that a decoder is given at once. What follows the end of a stream in them is copied, and a stream may
end after nine bytes."""
_BITES = 2
_STREAMS = 16
"""What a step that gives no output takes: so much input, or as many beginnings of streams."""
_KNOWN = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "br": "br", "zstd": "zstd"}
_STATES: Final = {
    "gzip": DECODER_STATES["zlib"],
    "deflate": DECODER_STATES["zlib"],
    "br": DECODER_STATES["brotli"],
    "zstd": attrs.evolve(DECODER_STATES["zstd"], most=1 << _ZSTD_WINDOW),
}

Receive = Callable[[], Awaitable[bytes]]


def codings_of(field: str) -> list[str]:
    """The codings in the order in which to undo them; none where one is unknown, so that the body stays as it is.

    Raises :class:`FetchError` for more than anybody means.
    """
    names = [name.strip(" \t").lower() for name in field.split(",")]
    names = [name for name in names if name and name != "identity"]
    if len(names) > _MOST_CODINGS:
        raise FetchError("ERR_CONTENT_DECODING", f"the response has more than {_MOST_CODINGS} content codings")
    if not all(name in _KNOWN for name in names):
        return []
    return [_KNOWN[name] for name in reversed(names)]


def decoded_at_once(data: bytes, codings: list[str]) -> bytes | None:
    """All of a short body, where it is sound, in one coding at most, and becomes no more than some 64 KiB; else None,
    and :class:`Decoding` tells what is wrong with it."""
    if not codings:
        return data
    if len(codings) > 1:
        return None
    decoder = _DECODERS[codings[0]]()
    try:
        decoder.feed(data)
        output = decoder.more()
        return output if output is not None and decoder.more() == b"" and not decoder.is_incomplete else None
    except DECODER_ERRORS:
        return None


class Decoding:
    """Undoes one coding of what ``receive`` gives. ``held`` counts what that takes."""

    def __init__(self, coding: str, receive: Receive, pace: Pace, held: Held) -> None:
        self._receive = receive
        self._pace = pace
        self._decode = _DECODERS[coding]()
        self._state = _STATES[coding]
        self._held = held
        self._volume = 0
        self._ended = False

    async def receive(self) -> bytes:
        """The next non-empty piece, at most some 64 KiB; ``b""`` at the end. Raises :class:`FetchError`."""
        while True:
            try:
                output = self._decode.more()
            except DECODER_ERRORS as error:
                raise FetchError(
                    "ERR_CONTENT_DECODING", f"the response's compressed body is invalid: {error}"
                ) from None
            if output is None:
                await self._pace.turn()
                continue
            if output:
                self._volume += len(output)
                self._count()
                await self._pace.turn()
                return output
            if self._ended:
                self._held.resize(0)
                return b""
            data = await self._receive()
            if data:
                self._decode.feed(data)
                self._count()
            else:
                self._ended = True
                if self._decode.is_incomplete:
                    raise FetchError("ERR_CONTENT_DECODING", "the response's compressed body ends too early")

    def _count(self) -> None:
        size = self._state.after(self._volume) + self._decode.waiting
        if not self._held.may_be(size):
            raise FetchError("ERR_BODY", "the bodies that are decompressed at this time take more than memory_mb")
        self._held.resize(size)


class _Decoder(abc.ABC):
    """Decompression in bounded pieces: ``feed`` input, then take output by ``more`` until it gives none."""

    is_incomplete = False
    """Input has come, and its end has not."""

    def __init__(self) -> None:
        self._input = b""
        self._at = 0

    @property
    def waiting(self) -> int:
        """Bytes of input that are here."""
        return len(self._input)

    def feed(self, data: bytes) -> None:
        """Take a piece of compressed input: not before ``more`` has given ``b""``."""
        self._input = data
        self._at = 0

    def _bite(self) -> bytes:
        bite = self._input[self._at : self._at + _BITE]
        self._at += len(bite)
        return bite

    def _used_up(self) -> bytes:
        """There is nothing more before further input."""
        self._input = b""
        self._at = 0
        return b""

    @abc.abstractmethod
    def more(self) -> bytes | None:
        """The next piece of output; ``b""`` where there is none before further input. None: call it again, but let
        others run before."""


class _Gzip(_Decoder):
    """Members one after another are one body (RFC 1952 section 2.2); what follows them is ignored, as browsers do."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder: zlib._Decompress | None = None
        self._may_have_more = False
        """The last piece was full: there may be more output without further input."""
        self._is_first = True
        self._over = False

    def _new(self, first: int) -> zlib._Decompress:
        return zlib.decompressobj(31)

    def more(self) -> bytes | None:
        streams = bites = 0
        while not self._over and (self._at < len(self._input) or self._may_have_more):
            if streams == _STREAMS or bites == _BITES:
                return None
            if self._decoder is None:
                first = self._input[self._at]
                if not self._is_first and not self._continues(first):
                    self._over = True
                    break
                self._decoder = self._new(first)
                self._is_first = False
                self.is_incomplete = True
                streams += 1
            output = self._decoder.decompress(self._bite(), PIECE)
            if self._decoder.eof:
                self._at -= len(self._decoder.unused_data)
                self._decoder = None
                self.is_incomplete = False
            else:
                self._at -= len(self._decoder.unconsumed_tail)
                bites += 1
            self._may_have_more = self._decoder is not None and len(output) == PIECE
            if output:
                return output
        return self._used_up()

    def _continues(self, first: int) -> bool:
        """Whether a further member begins with this byte."""
        return first == 0x1F


class _Deflate(_Gzip):
    """zlib's format, or the bare one that some servers send in its stead."""

    def _new(self, first: int) -> zlib._Decompress:
        is_zlib = first & 0x0F == 8 and first >> 4 <= 7
        return zlib.decompressobj(15 if is_zlib else -15)

    def _continues(self, first: int) -> bool:
        return False


class _Brotli(_Decoder):
    """There is more output until a piece is empty: ``can_accept_more_data`` is true once all input is taken, even if
    megabytes of a long repetition are still to come of it."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder = brotli.Decompressor()
        self._has_more = False

    def more(self) -> bytes | None:
        bites = 0
        while self._has_more or (self._at < len(self._input) and not self._decoder.is_finished()):
            if bites == _BITES:
                return None
            bites += 1
            self.is_incomplete = True
            output: bytes = self._decoder.process(b"" if self._has_more else self._bite(), output_buffer_limit=PIECE)
            self.is_incomplete = not self._decoder.is_finished()
            self._has_more = self.is_incomplete and output != b""
            if output:
                return output
        return self._used_up()


class _Zstd(_Decoder):
    """Frames one after another are one body (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        super().__init__()
        self._decoder: zstd.ZstdDecompressor | None = None

    def more(self) -> bytes | None:
        streams = bites = 0
        while self._at < len(self._input) or (self._decoder is not None and not self._decoder.needs_input):
            if streams == _STREAMS or bites == _BITES:
                return None
            if self._decoder is None:
                self._decoder = zstd.ZstdDecompressor(
                    options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
                )
                self.is_incomplete = True
                streams += 1
            output = self._decoder.decompress(self._bite() if self._decoder.needs_input else b"", PIECE)
            if self._decoder.eof:
                self._at -= len(self._decoder.unused_data)
                self._decoder = None
                self.is_incomplete = False
            else:
                bites += 1
            if output:
                return output
        return self._used_up()


_DECODERS: dict[str, Callable[[], _Decoder]] = {"gzip": _Gzip, "deflate": _Deflate, "br": _Brotli, "zstd": _Zstd}
