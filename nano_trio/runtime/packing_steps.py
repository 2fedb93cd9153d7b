"""The steps in which ``node:zlib`` compresses and decompresses: zlib (RFC 1950 to 1952) and Brotli (RFC 7932).

Each format is a generator: a step takes at most some :data:`PIECE` of input when compressing, and gives at most as much
output when decompressing. It gives output, perhaps empty, or None where it wants more input. It ends with the bytes of
input that were used, or raises one of :data:`ERRORS` where the input is wrong (:func:`answer_of`).

What is told of wrong input is what Node tells, and in the same order, which depends on how it calls zlib: after the end
of a text of gzip's another one may follow, or zeros; all else that follows an end is nothing.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import Any, Final

import attrs
import brotli

from nano_trio.runtime.brotli_errors import what_is_wrong

__all__ = [
    "ERRORS", "PIECE", "Input", "Order", "Output", "Steps", "answer_of", "brotli_compressed", "brotli_decompressed",
    "brotli_streamed", "deflated", "inflated", "too_large",
]  # fmt: skip

PIECE: Final = 65536
_MAGIC: Final = b"\x1f\x8b"
# zlib.h
_Z_NO_FLUSH, _Z_FINISH = 0, 4
_Z_NEED_DICT, _Z_DATA_ERROR, _Z_BUF_ERROR = 2, -3, -5
_CODES: Final = {
    2: "Z_NEED_DICT", -1: "Z_ERRNO", -2: "Z_STREAM_ERROR", -3: "Z_DATA_ERROR", -4: "Z_MEM_ERROR", -5: "Z_BUF_ERROR",
    -6: "Z_VERSION_ERROR",
}  # fmt: skip
_ZLIB_ERROR: Final = re.compile(r"Error (-?\d+) (.*?)(?:: (.*))?", re.DOTALL)
_NOT_BROTLI: Final = "Decompression failed"
_LARGEST_WINDOW: Final = 32768
# brotli/encode.h
_FLUSH, _FINISH = 1, 2
_FAST_WINDOW: Final = 18
"""Bits of the least window of Brotli's qualities 0 and 1."""
_KEPT: Final = 4 * PIECE
_SEARCHED: Final = 256
"""Bytes in which the end of what Brotli has compressed is looked for first."""

Steps = Generator[bytes | None, None, int]


# -- what comes in, what goes out, what is wrong ----------------------------------------------------------------------


@attrs.frozen
class Order:
    """To give all there is so far, by an operation of zlib's or Brotli's; and to go on by other settings of zlib's."""

    flush: int
    settings: tuple[int, int] | None = None
    """Level and strategy."""


class Input:
    """What there is to be read so far. ``is_over``: nothing will be added."""

    def __init__(self, pieces: Iterable[bytes] = (), *, is_over: bool = False) -> None:
        self._pieces = deque(pieces)
        self._at = 0
        self.is_over = is_over
        self.size = sum(map(len, self._pieces))
        """Bytes that have come so far."""
        self._order: Order | None = None

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)

    def order(self, what: Order) -> None:
        """What is to be done once all is read that has come so far."""
        self._order = what

    def ordered(self) -> Order | None:
        """That, once."""
        found, self._order = self._order, None
        return found

    def next(self, most: int) -> bytes | None:
        """At most so many bytes of the next piece, or None: there is none."""
        while self._pieces:
            piece = self._pieces[0]
            part = piece[self._at : self._at + most]
            self._at += len(part)
            if self._at >= len(piece):
                self._pieces.popleft()
                self._at = 0
            if part:
                return part
        return None

    def joined(self, size: int) -> bytes | None:
        """So many bytes, a power of two that the pieces are parts of, or have; or what is left, or None."""
        parts: list[bytes] = []
        left = size
        while left > 0 and (part := self.next(left)) is not None:
            parts.append(part)
            left -= len(part)
        return b"".join(parts) if parts else None

    def copy(self) -> Input:
        """Another reader, from where this one is."""
        other = Input(self._pieces, is_over=self.is_over)
        other._at = self._at
        return other


class Output:
    """What has been given so far, and how much may be."""

    def __init__(self, most: int, chunk: int) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.most = most
        self.room = 0
        """Bytes that the app may have, as far as is known."""
        self._ends = (most // chunk + 1) * chunk
        """Node has looked by then: whatever is wrong within the chunk is told before."""

    @property
    def wanted(self) -> int:
        """Bytes that the next step is to give at most."""
        return max(min(PIECE, self._ends - self.size, self.room + 1 - self.size), 1)

    def add(self, piece: bytes) -> None:
        if piece:
            self.pieces.append(piece)
            self.size += len(piece)

    @property
    def is_too_large(self) -> bool:
        return self.size >= self._ends

    @property
    def has_no_room(self) -> bool:
        return self.size > self.room


class _Failure(Exception):
    """What is wrong with the input: ``str()`` is the answer."""

    def __init__(self, number: int, message: str, code: str | None = None) -> None:
        super().__init__(f"{code or _CODES[number]}\n{number}\n{message}")


_TOO_EARLY: Final = partial(_Failure, _Z_BUF_ERROR, "unexpected end of file")
ERRORS: Final = (_Failure, zlib.error, brotli.error, MemoryError, ValueError)


def answer_of(error: Exception) -> str:
    """What JavaScript is told: ``code\\nerrno\\nmessage``, in Node's words."""
    if isinstance(error, zlib.error):
        error = _of_zlib(error)
    elif isinstance(error, brotli.error):
        error = _Failure(_Z_DATA_ERROR, _NOT_BROTLI)
    return str(error) if isinstance(error, _Failure) else "ERR_ZLIB_INITIALIZATION_FAILED\n0\nInitialization failed"


def _of_zlib(error: zlib.error) -> _Failure:
    """Python tells, say, "Error -3 while decompressing data: incorrect header check"."""
    told = _ZLIB_ERROR.fullmatch(str(error))
    if told is None or int(told[1]) not in _CODES:
        return _Failure(_Z_DATA_ERROR, str(error))
    if "zdict" in told[2]:
        return _Failure(_Z_NEED_DICT, "Bad dictionary")
    number = int(told[1])
    return _Failure(number, "Missing dictionary" if number == _Z_NEED_DICT else told[3] or "Zlib error")


def too_large(most: int, why: str = "") -> str:
    """What JavaScript is told where more than ``most`` bytes would come out."""
    return f"ERR_BUFFER_TOO_LARGE\n0\nCannot create a Buffer larger than {most} bytes{why}"


# -- zlib -------------------------------------------------------------------------------------------------------------


class _Deflater:
    """zlib's ``deflate()``; ``changes``: its level and strategy may change in the midst, for which Python has nothing.

    Behind a flush what is compressed ends with a whole byte, so another encoder goes on there: one without a head, that
    is told what was last as a dictionary. The end with its sum is ours then.
    """

    def __init__(
        self, window: int, level: int, memory: int, strategy: int, dictionary: bytes, *, changes: bool
    ) -> None:
        # gzip's format has no dictionary, and zlib refuses one.
        own = (dictionary,) if dictionary and window < 16 else ()
        self._encoder = zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy, *own)
        self._window, self._memory = window, memory
        self._is_another = self._is_over = False
        self._changes = changes
        self._last = b"".join(own)[-_LARGEST_WINDOW:] if changes else b""
        self._size = 0
        self._sum = zlib.crc32(b"") if window > 15 else zlib.adler32(b"")

    def compress(self, part: bytes) -> bytes:
        if self._changes:
            self._size += len(part)
            self._sum = (zlib.crc32 if self._window > 15 else zlib.adler32)(part, self._sum)
            self._last = (self._last + part if len(part) < _LARGEST_WINDOW else part)[-_LARGEST_WINDOW:]
        return self._encoder.compress(part)

    def obey(self, order: Order) -> bytes:
        if order.flush == _Z_FINISH:
            return self.finish()
        given = self._encoder.flush(order.flush) if order.flush != _Z_NO_FLUSH else b""
        if order.settings is not None and not self._is_over:
            level, strategy = order.settings
            # zlib has no narrower one without a head.
            bits = max(abs(self._window) & 15, 9)
            own = (self._last,) if self._last else ()
            self._encoder = zlib.compressobj(level, zlib.DEFLATED, -bits, self._memory, strategy, *own)
            self._is_another = True
        return given

    def finish(self, flush: int = _Z_FINISH) -> bytes:
        """Once: what an order has ended has ended."""
        if self._is_over or flush == _Z_NO_FLUSH:
            return b""
        given = self._encoder.flush(flush)
        if flush != _Z_FINISH:
            return given
        self._is_over = True
        if not self._is_another or self._window < 0:
            return given
        if self._window > 15:
            return given + self._sum.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")
        return given + self._sum.to_bytes(4, "big")


def deflated(
    source: Input,
    window: int,
    level: int,
    memory: int,
    strategy: int,
    dictionary: bytes,
    flush: int,
    piece: int = PIECE,
) -> Steps:
    """``window`` and the rest are zlib's; ``flush`` is how it ends."""
    encoder = _Deflater(window, level, memory, strategy, dictionary, changes=not source.is_over)
    read = 0
    while (part := source.next(piece)) is not None or not source.is_over:
        if part is not None:
            read += len(part)
            yield encoder.compress(part)
        elif (order := source.ordered()) is not None:
            yield encoder.obey(order)
        else:
            yield None
    yield encoder.finish(flush)
    return read


def inflated(source: Input, output: Output, window: int, dictionary: bytes, flush: int) -> Steps:
    """``window``: more than 15 where there is more than one compressed text, as gzip's may have it (RFC 1952, section
    2.2); more than 31 where that depends on how the first one begins."""
    own = (dictionary,) if dictionary else ()
    decoder = zlib.decompressobj(window, *own)
    head = b"" if window > 31 else _MAGIC
    read = 0
    while (part := source.next(PIECE)) is not None or not source.is_over:
        if part is None:
            yield None
            continue
        if len(head) < len(_MAGIC):
            head += part[: len(_MAGIC) - len(head)]
        rest = part
        while True:
            if decoder.eof:
                # Zeros are padding.
                if window < 16 or head != _MAGIC or not rest or rest[0] == 0:
                    break
                decoder = zlib.decompressobj(window, *own)
            wanted = output.wanted
            given = decoder.decompress(rest, wanted)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            yield given
            # A full piece may leave output inside zlib though all the input is taken.
            if not rest and (decoder.eof or len(given) < wanted):
                break
        read += len(part) - len(rest)
        if rest:
            yield from _passed_over(source)
            return read
    if not decoder.eof and flush == _Z_FINISH:
        raise _TOO_EARLY()
    return read


def _passed_over(source: Input) -> Iterator[None]:
    """What follows the end, of a stream."""
    while not source.is_over:
        while source.next(PIECE) is not None:
            pass
        yield None


# -- Brotli -----------------------------------------------------------------------------------------------------------


def brotli_compressed(source: Input, quality: int, mode: int, window: int, block: int, flush: int) -> Steps:
    """Of a source that is over."""
    encoder = brotli.Compressor(mode=mode, quality=quality, lgwin=window, lgblock=block)
    read = 0
    # The fast ones compress whatever they are given at a time by itself, up to a window.
    while part := source.next(PIECE) if quality > 1 else source.joined(1 << max(window, _FAST_WINDOW)):
        read += len(part)
        yield encoder.process(part)
    yield encoder.finish() if flush == _FINISH else encoder.flush() if flush == _FLUSH else b""
    return read


def brotli_streamed(source: Input, quality: int, mode: int, window: int, flush: int) -> Steps:
    """Of a source that is not over, by a quality of which a step takes no longer than one of zlib's."""
    encoder = brotli.Compressor(mode=mode, quality=quality, lgwin=window)
    read, is_over = 0, False
    while (part := source.next(PIECE)) is not None or not source.is_over:
        if part is not None:
            read += len(part)
            yield encoder.process(part)
        elif (order := source.ordered()) is not None:
            is_over = is_over or order.flush == _FINISH
            yield encoder.finish() if is_over else encoder.flush() if order.flush == _FLUSH else b""
        else:
            yield None
    if not is_over:
        yield encoder.finish() if flush == _FINISH else encoder.flush() if flush == _FLUSH else b""
    return read


def brotli_decompressed(source: Input, output: Output, flush: int) -> Steps:
    """``output`` has what was given before the next step.

    Of a source that is not over not all can be kept: what follows the end of a long one is told as what is wrong."""
    decoder = brotli.Decompressor()
    is_stream = not source.is_over
    kept = Input(is_over=True) if is_stream else source.copy()
    read = 0
    while (part := source.next(PIECE)) is not None or not source.is_over:
        if part is None:
            yield None
            continue
        if is_stream and read <= _KEPT:
            kept.add(part)
        try:
            yield from _fed(decoder, part, output)
        except brotli.error:
            if is_stream and read > _KEPT:
                raise
            try:
                read = yield from _up_to_the_end(kept, read, part, output)
            except brotli.error:
                raise (yield from _failure_of_brotli(kept)) from None
            yield from _passed_over(source)
            return read
        read += len(part)
        if decoder.is_finished():
            yield from _passed_over(source)
            return read
    if flush == _FINISH:
        raise _TOO_EARLY()
    return read


def _failure_of_brotli(whole: Input) -> Generator[bytes, None, _Failure]:
    steps = what_is_wrong(iter(lambda: whole.next(PIECE), None))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            number, name = end.value or (_Z_DATA_ERROR, None)
            return _Failure(number, _NOT_BROTLI, None if name is None else f"ERR_{name}")
        yield b""


def _fed(decoder: Any, part: bytes, output: Output) -> Iterator[bytes]:
    """What comes out of a part. An empty piece is the last."""
    given = decoder.process(part, output_buffer_limit=output.wanted)
    while given:
        yield given
        if decoder.is_finished():
            break
        given = decoder.process(b"", output_buffer_limit=output.wanted)


def _up_to_the_end(whole: Input, start: int, last: bytes, output: Output) -> Steps:
    """The rest, where something follows the end: the binding refuses the part that has both, and gives nothing of its
    last output. All is decompressed once more, and that part bit by bit.

    Raises ``brotli.error`` where what is compressed does not end in that part, which is at ``start``: it is wrong.
    """
    at = 0
    for step in (_SEARCHED, 1):
        decoder, passed, before = brotli.Decompressor(), 0, whole.copy()
        parts = [(part, 0) for part in _first(before, start)]
        if at:
            parts.append((last[:at], 0))
        parts += [(last[here : here + step], here) for here in range(at, len(last), step)]
        for part, here in parts:
            try:
                for given in _fed(decoder, part, output):
                    passed += len(given)
                    new = passed - output.size
                    yield given[-new:] if new > 0 else b""
            except brotli.error:
                if step == 1:
                    raise
                at = here
                break
            if decoder.is_finished():
                return start + here + len(part)
        else:
            break
    raise brotli.error


def _first(source: Input, size: int) -> list[bytes]:
    found: list[bytes] = []
    while size > 0 and (part := source.next(PIECE)):
        found.append(part)
        size -= len(part)
    return found
