"""The host half of ``packing.js``: what ``node:zlib`` compresses and decompresses, by the steps of
:mod:`nano_trio.runtime.packing_steps`.

Theory of operation. What is done in one go is a :class:`_Job`. What takes a fraction of a slice is done at once. All
else is done in rounds on a thread, some milliseconds each: between two rounds its memory is counted as the app's
(:class:`~nano_trio.runtime.held.Held`), its CPU time is looked at, and whoever no longer wants it cancels it. Where the
app wants the result at once its turn waits for the rounds, suspended (:meth:`~nano_trio.runtime.host.Services.wait`),
and their time is the turn's; else they are an operation.

How much comes out of a job is bounded: by ``maxOutputLength``, which Node looks at after each chunk, and by what the
app's heap has room for. Of a decompression bomb no more than that is ever made.

An answer is the output, null where the job was put aside (``host_work.js``), or what is wrong: code, errno and message,
a line each.

A stream has a step function as :mod:`nano_trio.runtime.compression` tells of it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import quickjs
import trio

from nano_trio.engine.pauses import CannotWait
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.runtime.compression import DECODER_STATES, Step
from nano_trio.runtime.crypto_work import threads
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Namespace, Services, poll_after, text_of
from nano_trio.runtime.large import Lent
from nano_trio.runtime.packing_steps import (
    ERRORS,
    PIECE,
    Input,
    Order,
    Output,
    Steps,
    answer_of,
    brotli_compressed,
    brotli_decompressed,
    brotli_streamed,
    deflated,
    inflated,
    too_large,
)
from nano_trio.runtime.pieces import LARGE, Pieces

__all__ = ["namespace"]

_AT_ONCE: Final = 8192
"""Bytes that zlib compresses in some tenths of a millisecond, by a level of up to 6."""
_STEPS_AT_ONCE: Final = 3
_ROUND_NS: Final = 8_000_000
_PER_APP: Final = 2
_NO_ROOM: Final = ", and the app's memory_mb has no room for more"

_WINDOWS: Final = {
    "deflateRaw": -1,
    "inflateRaw": -1,
    "deflate": 0,
    "inflate": 0,
    "gzip": 16,
    "gunzip": 16,
    "unzip": 32,
}
"""What zlib is told of a format: with its window's bits (-1: the negative of these)."""
_COMPRESSES: Final = ("deflate", "gzip", "deflateRaw")
_INFLATER_STATE: Final = 48 << 10
_BROTLI_DECODER_STATE: Final = 1 << 20
_UNLIMITED: Final = 1 << 62
_BROTLI_QUALITY: Final = 5
"""The best one of a stream, whose steps are done in the turn."""
_PARAMS: Final = 8
_Z_SYNC_FLUSH: Final = 2
_Z_BLOCK: Final = 5


class _Job:
    """``held``: bytes that it takes besides its output. ``waits``: a turn waits for it."""

    def __init__(self, steps: Steps, output: Output, held: int, waits: bool) -> None:
        self.output = output
        self.held = held
        self.waits = waits
        self.memory: Held | None = None
        self.read = 0
        """Bytes of the input that were used, once it is over."""
        self._steps = steps
        self._failure: str | None = None
        self._is_over = False

    @property
    def rests(self) -> bool:
        """It is over, or has no room."""
        return self._is_over or self.output.has_no_room

    @property
    def needs_room(self) -> bool:
        return not self._is_over and self.output.has_no_room

    def step(self) -> None:
        output = self.output
        try:
            output.add(next(self._steps) or b"")
        except StopIteration as end:
            self.read = end.value
            self._end(too_large(output.most) if output.size > output.most else None)
        except ERRORS as error:
            told = answer_of(error)
            # The form with a callback is a stream in Node, and looks at what came before it hears that there is no end.
            is_too_much = not self.waits and told.startswith("Z_BUF_ERROR") and output.size > output.most
            self._end(too_large(output.most) if is_too_much else told)
        else:
            if output.is_too_large:
                self._end(too_large(output.most))

    def _end(self, failure: str | None) -> None:
        self._is_over, self._failure = True, failure
        self._steps.close()

    def round(self, limit_ns: int) -> int:
        """Some steps, on a thread; the CPU time in ns that they took."""
        began = time.thread_time_ns()
        while True:
            self.step()
            used_ns = time.thread_time_ns() - began
            if self.rests or used_ns >= min(limit_ns, _ROUND_NS):
                return used_ns

    def answer(self) -> str | bytes | Pieces:
        if self._failure is not None:
            return self._failure
        output = self.output
        if output.has_no_room or not self._is_over:
            return too_large(output.room, _NO_ROOM)
        return b"".join(output.pieces) if output.size <= LARGE else Pieces(output.pieces)


def _window(kind: str, bits: int) -> int:
    way = _WINDOWS[kind]
    return -bits if way < 0 else bits + way


def _deflater_state(bits: int, memory: int) -> int:
    """Bytes that it takes (zlib's ``zconf.h``)."""
    return (1 << bits + 2) + (1 << memory + 9)


def _brotli_state(quality: int, window: int, size: int) -> int:
    """Bytes that Brotli's encoder takes for so many bytes. Measured."""
    tables = 1 if quality < 4 else 2 if quality < 7 else 8 if quality < 9 else 24 if quality == 9 else 20
    of_each = 4 if quality < 10 else 12
    return min(tables << 20, (1 << 20) + 1024 * size) + of_each * min(size, 1 << window)


# -- what JavaScript calls --------------------------------------------------------------------------------------------


class _Jobs:
    """The jobs of one isolate."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = trio.Semaphore(_PER_APP)
        self._next: _Job | None = None
        self._finished: dict[int, _Job] = {}
        self._read = 0

    def _given(self, argument: Any) -> list[bytes]:
        """The bytes of an argument, in pieces where it was handed over so."""
        return list(self._services.large.held()) if argument is True else [argument.to_bytes()]

    def zlib(
        self, waits: bool, kind: str, data: Any, dictionary: Any, level: int, memory: int, strategy: int, bits: int,
        flush: int, chunk: int, most: int,
    ) -> Any:  # fmt: skip
        kind = text_of(kind)
        given = self._given(data)
        words = b"" if dictionary is None else b"".join(self._given(dictionary))
        source, size, output = Input(given, is_over=True), sum(map(len, given)), Output(int(most), int(chunk))
        window = _window(kind, bits)
        if kind in _COMPRESSES:
            steps = deflated(source, window, level, memory, strategy, words, flush)
            state, at_once = _deflater_state(bits, memory), size <= (_AT_ONCE if level <= 6 else _AT_ONCE // 4)
        else:
            steps = inflated(source, output, window, words, flush)
            state, at_once = _INFLATER_STATE, size <= PIECE
        return self._begin(_Job(steps, output, size + len(words) + state, waits), at_once, data)

    def brotli(
        self, waits: bool, kind: str, data: Any, quality: int, mode: int, window: int, block: int, flush: int,
        chunk: int, most: int,
    ) -> Any:  # fmt: skip
        given = self._given(data)
        source, size, output = Input(given, is_over=True), sum(map(len, given)), Output(int(most), int(chunk))
        if text_of(kind) == "brotliCompress":
            steps = brotli_compressed(source, quality, mode, window, block, flush)
            cost = 1 if quality < 5 else 2 if quality < 8 else 16 if quality < 10 else 40
            state, at_once = _brotli_state(quality, window, size), size * cost <= _AT_ONCE
        else:
            steps = brotli_decompressed(source, output, flush)
            state, at_once = _BROTLI_DECODER_STATE, size <= PIECE
        return self._begin(_Job(steps, output, size + state, waits), at_once, data)

    def stream(self, kind: str, dictionary: Any, level: int, memory: int, strategy: int, bits: int, flush: int) -> Step:
        """A stream's step function, of zlib's formats."""
        kind, words = text_of(kind), b"" if dictionary is None else b"".join(self._given(dictionary))
        output, window = _unlimited(), _window(kind, bits)
        begin: Callable[[Input], Steps]
        if kind in _COMPRESSES:
            how: dict[str, Any] = {"level": level, "memory": memory, "strategy": strategy}
            piece = PIECE if level <= 6 else PIECE // 4
            begin = partial(deflated, window=window, dictionary=words, flush=flush, piece=piece, **how)
            state = 2 * _deflater_state(bits, memory)
        else:
            begin = partial(inflated, output=output, window=window, dictionary=words, flush=flush)
            state = _INFLATER_STATE
        size = state + len(words)
        return _Stream(begin, output, Held(self._services, size), lambda _: size).step

    def brotli_stream(self, kind: str, quality: int, mode: int, window: int, flush: int) -> Step:
        """The same, of Brotli's."""
        output = _unlimited()
        if text_of(kind) == "brotliCompress":
            quality = min(quality, _BROTLI_QUALITY)
            held = Held(self._services, _brotli_state(quality, window, 0))

            packs = partial(brotli_streamed, quality=quality, mode=mode, window=window, flush=flush)
            return _Stream(packs, output, held, partial(_brotli_state, quality, window)).step
        state = DECODER_STATES["brotli"].after
        held = Held(self._services, state(0))
        unpacks = partial(brotli_decompressed, output=output, flush=flush)
        return _Stream(unpacks, output, held, lambda _: state(output.size)).step

    def _begin(self, job: _Job, at_once: bool, data: Any) -> Any:
        job.output.room = self._room()
        if at_once:
            poll_after(data)
            for _ in range(_STEPS_AT_ONCE):
                if not job.rests:
                    job.step()
        if not job.rests:
            job.memory = Held(self._services)
            if not job.memory.may_be(job.held):
                told = f"this takes {job.held} bytes{_NO_ROOM}"
                return f"ERR_MEMORY_ALLOCATION_FAILED\n0\nFailed to allocate memory: {told}"
            job.memory.resize(job.held)
            if not job.waits:
                self._next = job
                return None
        try:
            self._wait(job)
            if job.needs_room:
                job.output.room = self._room(collected=True)
                self._wait(job)
        except CannotWait:
            return "ERR_INVALID_STATE\n0\nNothing can be waited for here"
        return self._answer(job)

    def _room(self, *, collected: bool = False) -> int:
        """Bytes that a result may have. Something is left, so that the app may go on."""
        room = self._services.heap_room(collected=collected)
        return max(room - room // 16, 0)

    def _answer(self, job: _Job) -> Any:
        self._read, job.memory = job.read, None
        answer = job.answer()
        return self._services.large.tell(Lent(answer, text=False)) if isinstance(answer, Pieces) else answer

    def _wait(self, job: _Job) -> None:
        """Have the turn wait until it rests."""
        if not job.rests:
            self._services.wait(partial(self._for_turn, job))

    async def _for_turn(self, job: _Job, limit_ns: int) -> tuple[None, int]:
        used_ns = 0
        while not job.rests and used_ns < limit_ns:
            used_ns += await self._round(job, limit_ns - used_ns)
        return None, used_ns

    async def _round(self, job: _Job, limit_ns: int) -> int:
        used_ns = await in_thread_or_here(job.round, limit_ns, limiter=threads(), abandon_on_cancel=True)
        size, memory = job.held + job.output.size, job.memory
        if memory is not None and memory.may_be(size):
            memory.resize(size)
        else:
            job.output.room = min(job.output.room, job.output.size - 1)
        return used_ns

    def proceed(self, operation: int) -> int:
        """Start what was put aside. It is counted, but not in the app's heap."""
        job, self._next = self._next, None
        assert job is not None
        self._services.operation(operation, self._perform, operation, job)
        return 0

    async def _perform(self, operation: int, job: _Job) -> None:
        async with self._threads:
            while not job.rests:
                await self._round(job, _ROUND_NS)
        self._finished[operation] = job

    def take(self, operation: int) -> Any:
        """The answer of an operation that has settled. Once."""
        job = self._finished.pop(operation)
        if not job.needs_room:
            # It is all there; what the app has may have grown meanwhile.
            job.output.room = self._room(collected=job.output.size > self._room())
        return self._answer(job)

    def read(self) -> int:
        """Bytes of its input that the last job used whose answer was given."""
        return self._read


def _unlimited() -> Output:
    output = Output(_UNLIMITED, PIECE)
    output.room = _UNLIMITED
    return output


class _Stream:
    """A stream's steps. ``state``: bytes that it takes besides its input, once so many were read."""

    def __init__(
        self, begin: Callable[[Input], Steps], output: Output, held: Held, state: Callable[[int], int]
    ) -> None:
        self._begin = begin
        self._output = output
        self._held = held
        self._state = state
        self._left = 0
        self._start()

    def _start(self) -> None:
        self._source = Input()
        self._steps = self._begin(self._source)
        self._output.size = 0

    def step(self, given: Any = quickjs.Undefined) -> bytes | str | None:
        """As a codec's of :mod:`nano_trio.runtime.compression`; and it is ordered by a number. A flush operation is its
        own, ``_PARAMS + 8 * (level + 1) + strategy`` changes these behind a flush, and -1 has all begin anew.
        """
        source = self._source
        try:
            if given is None:
                source.is_over = True
                return b"".join(piece for piece in self._steps if piece) or None
            if isinstance(given, int | float):
                if given < 0:
                    self._start()
                    return None
                source.order(_order_of(int(given)))
            elif given is not quickjs.Undefined:
                data = given.to_bytes()
                source.add(data)
                self._left = len(data)
            piece = next(self._steps, None)
        except ERRORS as error:
            return answer_of(error)
        if piece is None:
            self._left = 0
        else:
            self._output.size += len(piece)
        self._held.resize(self._state(source.size) + self._left)
        return piece


def _order_of(number: int) -> Order:
    if number < _PARAMS:
        return Order(min(number, _Z_BLOCK))
    level, strategy = divmod(number - _PARAMS, 8)
    return Order(_Z_SYNC_FLUSH, (min(level, 10) - 1, min(strategy, 4)))


def _crc32(data: quickjs.Value, value: int) -> int:
    """RFC 1952, section 8. ``value``: the sum of what came before."""
    poll_after(data)
    return zlib.crc32(data.to_bytes(), int(value))


def namespace(services: Services) -> Namespace:
    """The functions that ``packing.js`` calls."""
    jobs = _Jobs(services)
    return {
        "zlib": jobs.zlib,
        "brotli": jobs.brotli,
        "stream": jobs.stream,
        "brotli_stream": jobs.brotli_stream,
        "proceed": jobs.proceed,
        "take": jobs.take,
        "read": jobs.read,
        "crc32": _crc32,
    }
