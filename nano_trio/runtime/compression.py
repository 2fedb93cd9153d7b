"""The codecs of CompressionStream and DecompressionStream: zlib, Brotli and Zstandard.

A codec is one function, ``step``, that JavaScript calls until there is nothing more to do:

- ``step(bytes)`` hands over a chunk, ``step(None)`` says that the input ends, ``step()`` goes on with what is there;
- it answers with a piece of output (perhaps empty: call again), ``None`` where it wants more input, or a string that
  says why the input is invalid.

A step takes at most ``PIECE`` bytes of input when compressing and gives about ``PIECE`` bytes of output when
decompressing, so a large chunk or a decompression bomb is many short calls, and the caller may pause between them.

What a codec has of its data lies outside of the app's heap, and is counted (:class:`nano_trio.runtime.held.Held`). The
libraries do not tell how much that is; :data:`_ENCODER_STATES` and :data:`DECODER_STATES` are what was measured.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import attrs
import brotli
import quickjs
import trio

from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Namespace, Services

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["DECODER_ERRORS", "DECODER_STATES", "PIECE", "Step", "namespace"]

PIECE = 65536
"""Bytes of input (compressing) or output (decompressing) that one step deals with."""

_ZLIB_WINDOW = {"gzip": 31, "deflate": 15, "deflate-raw": -15}
_BROTLI_QUALITY = 5
DECODER_ERRORS = (zlib.error, brotli.error, zstd.ZstdError, EOFError, MemoryError, ValueError)

Step = Callable[..., Any]


@attrs.frozen
class _State:
    """Bytes that a codec has in memory: a new one, those that its first data adds, and one for each byte then, at most
    so many."""

    new: int
    first: int
    most: int

    def after(self, volume: int) -> int:
        """Once so many bytes have gone through it, uncompressed."""
        return self.new + (self.first + min(volume, self.most) if volume else 0)


_ZLIB_ENCODER = _State(264 << 10, 0, 0)
_ENCODER_STATES: Final = {"brotli": _State(8 << 10, 1536 << 10, 26 << 20), "zstd": _State(8 << 10, 1 << 20, 3 << 20)}
DECODER_STATES: Final = {
    "zlib": _State(8 << 10, 32 << 10, 0),
    "brotli": _State(8 << 10, 64 << 10, 17 << 20),
    "zstd": _State(96 << 10, 128 << 10, 128 << 20),
}


class _Encoder(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


class _BrotliEncoder:
    def __init__(self) -> None:
        compressor = brotli.Compressor(quality=_BROTLI_QUALITY)
        self.compress: Callable[[bytes], bytes] = compressor.process
        self.flush: Callable[[], bytes] = compressor.finish


def _encoder(kind: str) -> _Encoder:
    if kind == "brotli":
        return _BrotliEncoder()
    if kind == "zstd":
        return zstd.ZstdCompressor()
    return zlib.compressobj(wbits=_ZLIB_WINDOW[kind])


class _Decoder(Protocol):
    """Decompression in bounded pieces."""

    @property
    def is_finished(self) -> bool:
        """Whether the end of the compressed data has been reached."""

    @property
    def has_trailing_data(self) -> bool: ...

    def decompress(self, data: bytes) -> bytes:
        """At most about ``PIECE`` bytes of output. ``data`` must be empty until :meth:`wants_input`."""

    def wants_input(self) -> bool: ...


class _ZlibDecoder:
    def __init__(self, window: int) -> None:
        self._decoder = zlib.decompressobj(window)
        self._was_full = False

    def decompress(self, data: bytes) -> bytes:
        output = self._decoder.decompress(self._decoder.unconsumed_tail or data, PIECE)
        self._was_full = len(output) >= PIECE
        return output

    def wants_input(self) -> bool:
        # A full piece may leave output inside zlib though all the input is consumed.
        return not self._decoder.unconsumed_tail and not self._was_full

    @property
    def is_finished(self) -> bool:
        return self._decoder.eof

    @property
    def has_trailing_data(self) -> bool:
        return bool(self._decoder.unused_data)


class _ZstdDecoder:
    def __init__(self) -> None:
        self._decoder = zstd.ZstdDecompressor()

    def decompress(self, data: bytes) -> bytes:
        return self._decoder.decompress(data, PIECE)

    def wants_input(self) -> bool:
        return self._decoder.needs_input

    @property
    def is_finished(self) -> bool:
        return self._decoder.eof

    @property
    def has_trailing_data(self) -> bool:
        return bool(self._decoder.unused_data)


class _BrotliDecoder:
    """Brotli, whose binding fails without the last output where data follows the end of the stream.

    To give that output first, the input of a short stream is kept; when decoding fails, it is decoded once more, and
    the last piece bit by bit up to the end of the stream.
    """

    _KEEP = 4 * PIECE
    """How much input and output a short stream has."""
    _SEARCHED = 256
    """Bytes in which the end is looked for first."""

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()
        self._pieces: list[bytes] | None = []
        self._volume = 0
        self._given = 0
        self._has_more = False
        self.has_trailing_data = False

    def decompress(self, data: bytes) -> bytes:
        if data:
            self._given = 0
            self._volume += len(data)
            if self._pieces is not None:
                self._pieces.append(data)
        try:
            output: bytes = self._decoder.process(data, output_buffer_limit=PIECE)
        except brotli.error:
            rest = self._decode_again()
            if rest is None:
                raise
            self.has_trailing_data = True
            return rest
        self._has_more = output != b""
        self._given += len(output)
        self._volume += len(output)
        if self._volume > self._KEEP:
            self._pieces = None
        return output

    def _decode_again(self) -> bytes | None:
        """What the last piece still had to give, where the stream ends inside it."""
        if not self._pieces:
            return None
        *earlier, last = self._pieces
        at = 0
        for step in (self._SEARCHED, 1):
            self._decoder = brotli.Decompressor()
            for piece in earlier:
                self._drain(piece)
            output = [self._drain(last[:at])]
            for start in range(at, len(last), step):
                try:
                    output.append(self._drain(last[start : start + step]))
                except brotli.error:
                    at = start
                    break
                if self._decoder.is_finished():
                    return b"".join(output)[self._given :]
        return None

    def _drain(self, piece: bytes) -> bytes:
        """All that comes out of it: some of that may come in further pieces, however large the first may be."""
        output = [self._decoder.process(piece)]
        while output[-1] and not self._decoder.is_finished():
            output.append(self._decoder.process(b""))
        return b"".join(output)

    def wants_input(self) -> bool:
        # An empty piece says so; can_accept_more_data() is true once all input is taken, whatever is to come of it.
        return not self._has_more

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.is_finished())


def _compressor(services: Services, kind: str) -> Step:
    encoder = _encoder(kind)
    state = _ENCODER_STATES.get(kind, _ZLIB_ENCODER)
    held = Held(services, state.after(0))
    pending = b""
    at = volume = 0

    def step(source: Any = quickjs.Undefined) -> bytes | str | None:
        nonlocal pending, at, volume
        try:
            if source is None:
                return encoder.flush()
            if source is not quickjs.Undefined:
                pending, at = source.to_bytes(), 0
            if at >= len(pending):
                pending = b""
                held.resize(state.after(volume))
                return None
            piece = pending[at : at + PIECE]
            at += PIECE
            volume += len(piece)
            held.resize(state.after(volume) + len(pending))
            return encoder.compress(piece)
        except DECODER_ERRORS as error:
            return f"The data cannot be compressed: {error}"

    return step


def _decompressor(services: Services, kind: str) -> Step:
    decoder: _Decoder
    if kind == "brotli":
        decoder = _BrotliDecoder()
    elif kind == "zstd":
        decoder = _ZstdDecoder()
    else:
        decoder = _ZlibDecoder(_ZLIB_WINDOW[kind])
    state = DECODER_STATES.get(kind, DECODER_STATES["zlib"])
    held = Held(services, state.after(0))
    pending = b""
    at = volume = 0

    def step(source: Any = quickjs.Undefined) -> bytes | str | None:
        nonlocal pending, at, volume
        try:
            if source is None:
                return None if decoder.is_finished else "The compressed data ends too early."
            if source is not quickjs.Undefined:
                pending, at = source.to_bytes(), 0
            if decoder.is_finished:
                if decoder.has_trailing_data or at < len(pending):
                    return "Data follows the end of the compressed data."
                return None
            piece = b""
            if decoder.wants_input():
                if at >= len(pending):
                    pending = b""
                    held.resize(state.after(volume))
                    return None
                piece = pending[at : at + PIECE]
                at += PIECE
            output = decoder.decompress(piece)
            volume += len(output)
            held.resize(state.after(volume or 1) + len(pending))
            return output
        except DECODER_ERRORS as error:
            return f"The compressed data is invalid: {error}"

    return step


async def _pause() -> None:
    await trio.lowlevel.checkpoint()


def namespace(services: Services) -> Namespace:
    """``compressor(format)`` and ``decompressor(format)`` make a step function; ``pause`` lets others run."""
    return {
        "compressor": partial(_compressor, services),
        "decompressor": partial(_decompressor, services),
        "pause": lambda operation: services.operation(operation, _pause),
    }
