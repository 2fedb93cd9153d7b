"""Content codings of responses (RFC 9110 section 8.4), undone piece by piece as the app reads."""

from __future__ import annotations

import abc
import sys
import zlib
from collections.abc import Awaitable, Callable

import brotli
import trio

from nano_trio.runtime.compression import DECODER_ERRORS, PIECE
from nano_trio.runtime.fetch_errors import FetchError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["ACCEPT_ENCODING", "Decoding", "codings_of", "decoded_at_once"]

ACCEPT_ENCODING = b"gzip, deflate, br, zstd"
_MOST_CODINGS = 5
_ZSTD_WINDOW = 23
"""RFC 9659: 8 MiB."""
_KNOWN = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate", "br": "br", "zstd": "zstd"}

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
        return None if decoder.more() or decoder.is_incomplete else output
    except DECODER_ERRORS:
        return None


class Decoding:
    """Undoes one coding of what ``receive`` gives."""

    def __init__(self, coding: str, receive: Receive) -> None:
        self._receive = receive
        self._decode = _DECODERS[coding]()
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
            if output:
                await trio.lowlevel.checkpoint()
                return output
            if self._ended:
                return b""
            data = await self._receive()
            if data:
                self._decode.feed(data)
            else:
                self._ended = True
                if self._decode.is_incomplete:
                    raise FetchError("ERR_CONTENT_DECODING", "the response's compressed body ends too early")


class _Decoder(abc.ABC):
    """Decompression in bounded pieces: ``feed`` input, then take output by ``more`` until it gives none."""

    is_incomplete = False
    """Input has come, and its end has not."""

    @abc.abstractmethod
    def feed(self, data: bytes) -> None:
        """Take a piece of compressed input."""

    @abc.abstractmethod
    def more(self) -> bytes:
        """The next piece of output; ``b""`` where there is none before further input."""


class _Gzip(_Decoder):
    """Members one after another are one body (RFC 1952 section 2.2); what follows them is ignored, as browsers do."""

    _window = 31

    def __init__(self) -> None:
        self._decoder: zlib._Decompress | None = None
        self._input = b""
        self._is_first = True
        self._over = False

    def _new(self, first: int) -> zlib._Decompress:
        return zlib.decompressobj(31)

    def feed(self, data: bytes) -> None:
        self._input += data

    def more(self) -> bytes:
        while not self._over:
            if self._decoder is None:
                if not self._input:
                    return b""
                if not self._is_first and not self._continues(self._input[0]):
                    self._over = True
                    break
                self._decoder = self._new(self._input[0])
                self._is_first = False
                self.is_incomplete = True
            output = self._decoder.decompress(self._input, PIECE)
            if not self._decoder.eof:
                self._input = self._decoder.unconsumed_tail
                return output
            self._input = self._decoder.unused_data
            self._decoder = None
            self.is_incomplete = False
            if output:
                return output
        self._input = b""
        return b""

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
        self._decoder = brotli.Decompressor()
        self._input = b""
        self._has_more = False

    def feed(self, data: bytes) -> None:
        if not self._decoder.is_finished():
            self._input = data
            self._has_more = self.is_incomplete = True

    def more(self) -> bytes:
        if not self._has_more:
            return b""
        data, self._input = self._input, b""
        output: bytes = self._decoder.process(data, output_buffer_limit=PIECE)
        self.is_incomplete = not self._decoder.is_finished()
        self._has_more = self.is_incomplete and output != b""
        return output


class _Zstd(_Decoder):
    """Frames one after another are one body (RFC 8878 section 3.1)."""

    def __init__(self) -> None:
        self._decoder: zstd.ZstdDecompressor | None = None
        self._input = b""

    def feed(self, data: bytes) -> None:
        self._input += data

    def more(self) -> bytes:
        while True:
            if self._decoder is None:
                if not self._input:
                    return b""
                self._decoder = zstd.ZstdDecompressor(
                    options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
                )
                self.is_incomplete = True
            elif not self._input and self._decoder.needs_input:
                return b""
            data, self._input = self._input, b""
            output = self._decoder.decompress(data, PIECE)
            if self._decoder.eof:
                self._input = self._decoder.unused_data
                self._decoder = None
                self.is_incomplete = False
            if output:
                return output


_DECODERS: dict[str, Callable[[], _Decoder]] = {"gzip": _Gzip, "deflate": _Deflate, "br": _Brotli, "zstd": _Zstd}
