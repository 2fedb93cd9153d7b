"""Large bodies on their way between an isolate and the host, in pieces: the host half of ``large.js``.

Theory of operation. What crosses in one piece holds up all apps for as long, and that is up to 5 ms a megabyte. So
what is larger than :data:`~nano_trio.runtime.pieces.LARGE` crosses in pieces, each by a call of a host function that
has the engine poll after it: there the turn may be suspended, or stopped.

- Out: ``large.js`` hands the pieces over (:meth:`Large.put`), and then calls the host function that wants the body,
  which takes them all (:meth:`Large.take`). It is one turn's doing, in which none of the app's code runs: an isolate
  hands over one body at a time. So nothing waits in the app's heap for a client that is slow.
- In: what an operation results in may be :class:`Lent`. JavaScript is told its number where it is told small bodies
  themselves, and takes one piece after another (:meth:`Large.next`) in the turn in which it was told. What has not been
  taken when that ends is dropped, for here it counts for nobody's memory.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator

import quickjs

from nano_trio.runtime import strings
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import HostError, Namespace, Services, poll_after
from nano_trio.runtime.pieces import LARGE, LARGE_TEXT, PIECE, Pieces

__all__ = ["Large", "Lent", "deliver", "gather", "namespace", "too_large"]

_BACK = 0
_new_decoder = codecs.getincrementaldecoder("utf-8")


def too_large(limit: int) -> HostError:
    """What is told of a body that may not be gathered: it has more than ``limit`` bytes."""
    return HostError("RangeError", f"the body is larger than max_buffer_size_mb ({limit / (1 << 20):g} MB)")


async def gather(receive: Callable[[], Awaitable[bytes]], limit: int, held: Held) -> Pieces:
    """All that ``receive`` gives until ``b""``. Raises :class:`HostError` beyond ``limit`` bytes.

    ``held`` counts it while it comes, for thousands may come at once. Where all together are too much, the one that
    grows is given up, and not the app: who sends it may be any client.
    """
    pieces: list[bytes] = []
    size = small = joined = 0
    while piece := await receive():
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        pieces.append(piece)
        small += len(piece)
        if small >= PIECE:
            # A client that sends byte by byte would have us keep an object for each.
            pieces[joined:] = [b"".join(pieces[joined:])]
            joined, small = len(pieces), 0
            if not held.may_be(size):
                raise HostError(
                    "RangeError", "the bodies that the app reads whole at this time take more than memory_mb"
                )
            held.resize(size)
    return Pieces(pieces)


class Lent:
    """A large body for JavaScript."""

    __slots__ = ("pieces", "size")

    def __init__(self, body: Pieces, *, text: bool) -> None:
        self.size = len(body)
        self.pieces: Iterator[bytes] | Iterator[str] = _decoded(_cut(body, PIECE // 2)) if text else _cut(body, PIECE)

    @classmethod
    def of_text(cls, pieces: Iterable[str]) -> Lent:
        """One that is text already."""
        lent = cls(Pieces(()), text=True)
        lent.pieces = iter(pieces)
        return lent


def deliver(body: Pieces, *, text: bool) -> str | bytes | Lent:
    """A body as the result of an operation.

    ``text``: decoded as Encoding's "UTF-8 decode without BOM" does: a byte order mark is part of the text.
    """
    if len(body) > LARGE or (text and len(body) > LARGE_TEXT and not all(map(bytes.isascii, body))):
        return Lent(body, text=text)
    return bytes(body).decode("utf-8", "replace") if text else bytes(body)


class Large:
    """The large bodies of one isolate that are on their way."""

    def __init__(self) -> None:
        self._given: list[bytes] = []
        self._held: deque[Pieces] = deque()
        self._lent: dict[int, Lent] = {}
        self._last = 0

    # -- for the host ------------------------------------------------------------------------------------------------

    def take(self) -> Pieces:
        """The body that JavaScript has just handed over."""
        given, self._given = self._given, []
        return Pieces(given)

    def held(self) -> Pieces:
        """The next of the large arguments that JavaScript has just handed over."""
        return self._held.popleft()

    def tell(self, lent: Lent) -> int:
        """The number by which JavaScript takes a body."""
        self._last += 1
        self._lent[self._last] = lent
        return self._last

    # -- what JavaScript calls ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A body is handed over from here on, or what was handed over is not wanted."""
        self._given = []

    def put(self, piece: quickjs.Value) -> None:
        """Its next piece: bytes, or a boxed string (:mod:`nano_trio.runtime.strings`)."""
        self._given.append(strings.unbox_utf8(piece) if piece.is_array else piece.to_bytes())
        poll_after(piece)

    def turn(self) -> None:
        """What was handed over came from its last piece on."""
        self._given.reverse()

    def hold(self) -> None:
        """What was handed over is an argument of the host function that is called next, behind those held already."""
        self._held.append(self.take())

    def release(self) -> None:
        """That function is not called: JavaScript's heap is full."""
        self._held.clear()

    def back(self) -> int:
        """Lend what was handed over, which only was to be decoded: its number, always the same one."""
        self._lent[_BACK] = Lent(self.take(), text=True)
        return _BACK

    def size(self, number: int) -> int:
        """The bytes of a body that was lent."""
        return self._lent[number].size

    def forget(self, number: int) -> None:
        """Nobody takes that body any more. Idempotent."""
        self._lent.pop(number, None)

    def next(self, number: int, near: quickjs.Value) -> str | bytes | quickjs.Value | None:
        """The next piece of a body that was lent: bytes, or a string that may be boxed; None at the end.

        ``near`` is any object of the isolate.
        """
        piece = next(self._lent[number].pieces, None)
        if piece is None:
            del self._lent[number]
            return None
        poll_after(near)
        return strings.box(piece, near) if isinstance(piece, str) else piece


def _cut(body: Pieces, most: int) -> Iterator[bytes]:
    """The body in pieces of at most so many bytes. It is used up."""
    while piece := body.next():
        if len(piece) <= most:
            yield piece
            continue
        view = memoryview(piece)
        for at in range(0, len(piece), most):
            yield bytes(view[at : at + most])


def _decoded(pieces: Iterator[bytes]) -> Iterator[str]:
    decoder = _new_decoder("replace")
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", True)


def namespace(services: Services) -> Namespace:
    """The functions that ``large.js`` calls."""
    large = services.large
    return {
        "begin": large.begin,
        "put": large.put,
        "turn": large.turn,
        "back": large.back,
        "size": large.size,
        "next": large.next,
        "forget": large.forget,
        "hold": large.hold,
        "release": large.release,
    }
