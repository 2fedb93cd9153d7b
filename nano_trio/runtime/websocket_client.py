"""One WebSocket connection of an app: RFC 6455 over a Trio stream.

Theory of operation. :meth:`WebSocketClient.run` is the connection's life:

    CONNECTING ──handshake──► OPEN ──a Close frame sent or received, or a failure──► CLOSING ──► CLOSED

In OPEN and CLOSING two tasks share the stream. The reader assembles messages into a queue of events that the app takes
one by one; when the queue is long it stops reading, and TCP tells the server. The writer sends what the app queued, in
pieces, so that a pong never waits for a large message; when it has sent a Close frame it ends. After that, and after
any failure, a deadline ends what the server leaves open.

A *failure* ("fail the WebSocket connection") is anything but a proper closing handshake or a lost connection: the app
gets an error event before the close event.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import cast

import attrs
import trio
from wsproto.frame_protocol import CloseReason, Frame, FrameProtocol, Opcode, ParseFailed

from nano_trio.runtime.close_codes import BAD_GATEWAY
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.held import Held
from nano_trio.runtime.net_connect import Connected, Origin
from nano_trio.runtime.pieces import LARGE, PIECE, LargeMessage
from nano_trio.runtime.websocket_deflate import WORTH_IT, Deflate
from nano_trio.runtime.websocket_handshake import Accepted, Handshake, HandshakeFailed

__all__ = ["Binary", "Closed", "Closing", "Event", "Large", "Message", "Opened", "Text", "WebSocketClient"]

HANDSHAKE_S = 30.0
"""The longest wait for an open connection."""
CLOSE_S = 10.0
"""The longest wait for the server's part of the closing handshake, and for each piece that is sent before ours."""
LINGER_S = 2.0
"""The longest wait for the server to close the connection after the closing handshake."""

_RECEIVE_BYTES = 65536
_PIECE = 32768
# A deflated byte may become a thousand: smaller bites keep each step short.
_DEFLATED_BITE = 2048
_FRAMES_AT_ONCE = 64
_QUEUE_BYTES = 1 << 20
_QUEUE_EVENTS = 256

_REASONS = {
    CloseReason.PROTOCOL_ERROR: "the server violated the WebSocket protocol",
    CloseReason.INVALID_FRAME_PAYLOAD_DATA: "the server sent data that cannot be decoded",
    CloseReason.MESSAGE_TOO_BIG: "the server sent a message that is too large",
}


class Frames(FrameProtocol):
    """The frames of a client. wsproto lacks one of the codes in IANA's registry, and takes it for a violation."""

    def _process_close(self, frame: Frame) -> Frame:
        payload = cast(bytes, frame.payload)
        if payload[:2] != BAD_GATEWAY.to_bytes(2, "big"):
            return super()._process_close(frame)
        known = Frame(
            frame.opcode,
            CloseReason.TRY_AGAIN_LATER.to_bytes(2, "big") + payload[2:],
            frame.frame_finished,
            frame.message_finished,
        )
        _, reason = cast(tuple[int, str], super()._process_close(known).payload)
        return Frame(frame.opcode, (BAD_GATEWAY, reason), frame.frame_finished, frame.message_finished)


@attrs.frozen
class Opened:
    """The handshake succeeded."""

    protocol: str
    extensions: str


@attrs.frozen
class Text:
    """A text message."""

    data: str


@attrs.frozen
class Binary:
    """A binary message."""

    data: bytes


@attrs.frozen
class Large:
    """A message of more than ``LARGE`` bytes or characters."""

    parts: list[str] | list[bytes]
    size: int

    @property
    def is_text(self) -> bool:
        return isinstance(self.parts[0], str)


@attrs.frozen
class Closing:
    """The server began the closing handshake."""


@attrs.frozen
class Closed:
    """The connection is over. ``failure`` says why it was failed, where it was."""

    was_clean: bool
    code: int
    reason: str
    failure: str | None


Event = Opened | Text | Binary | Large | Closing | Closed
Message = str | bytes | LargeMessage
Connect = Callable[[Origin], Awaitable[Connected]]


class _State(enum.Enum):
    CONNECTING = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


class WebSocketClient:
    """Connects to ``url``. ``max_bytes`` bounds a received message, and what waits to be sent.

    Both are ``held``, and so are messages that wait for the app.

    ``headers``: fields of the opening request besides the handshake's own.
    """

    def __init__(
        self,
        connect: Connect,
        url: str,
        protocols: Sequence[str],
        max_bytes: int,
        held: Held,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._connect = connect
        self._url = url
        self._protocols = protocols
        self._headers = headers
        self._max_bytes = max_bytes
        self._held = held
        self._state = _State.CONNECTING
        self.unsent = 0
        """Bytes of messages that the socket has not taken yet."""
        self._scope = trio.CancelScope()
        self._frames: FrameProtocol
        """While it talks."""
        self._deflate: Deflate | None = None
        # Coming in
        self._events: deque[Event] = deque()
        self._queued = 0
        self._arrived = trio.Event()
        self._room = trio.Event()
        self._parts: list[str | bytes] = []
        self._size = self._joined = self._small = 0
        # Going out
        self._messages: deque[Message] = deque()
        self._pong: bytes | None = None
        self._close: tuple[int | None, str] | None = None
        self._work = trio.Event()
        self._sending: trio.CancelScope | None = None
        self._close_sent = False
        self._close_received: tuple[int, str] | None = None
        self._failure: str | None = None

    # -- what the app does: none of it blocks ------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """Queue a message. Where too much waits already the connection is failed."""
        if self._state is not _State.OPEN or self._close is not None:
            return
        size = len(message.encode("utf-8", "replace")) if isinstance(message, str) else len(message)
        if self.unsent + size > self._max_bytes:
            self._fail("more was sent than the connection can take", None)
            self._scope.cancel()
            return
        self.unsent += size
        self._count()
        self._messages.append(message)
        self._work.set()

    def _count(self) -> None:
        unsent = 0 if self._state is _State.CLOSED else self.unsent
        self._held.resize(unsent + self._size + self._queued)

    def close(self, code: int | None, reason: str) -> None:
        """Begin the closing handshake once the queued messages are sent; while connecting, give up."""
        if self._state is _State.CONNECTING:
            self._fail("it was closed before it was open", None)
            self._scope.cancel()
        elif self._state is _State.OPEN and self._close is None:
            self._close = (code, reason)
            self._work.set()
            if self._sending is not None:
                self._sending.deadline = trio.current_time() + CLOSE_S

    async def next_event(self) -> Event:
        """The next event in order; :class:`Closed` is the last."""
        while not self._events:
            self._arrived = trio.Event()
            await self._arrived.wait()
        event = self._events.popleft()
        size = _size_of(event)
        if size:
            self._queued -= size
            self._count()
        self._room.set()
        return event

    def _tell(self, event: Event) -> None:
        self._events.append(event)
        size = _size_of(event)
        if size:
            self._queued += size
            self._count()
        self._arrived.set()

    # -- the connection's life ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and serve the connection to its end. Raises nothing but cancellation."""
        connected: Connected | None = None
        try:
            with self._scope:
                try:
                    with trio.fail_after(HANDSHAKE_S):
                        handshake = Handshake(self._url, self._protocols, self._max_bytes, self._headers)
                        connected = await self._connect(handshake.origin)
                        accepted = await self._shake_hands(handshake, connected.stream)
                    await self._talk(connected.stream, accepted)
                except trio.TooSlowError:
                    self._fail(f"the server did not answer within {HANDSHAKE_S:g} s", None)
                except (HandshakeFailed, FetchError) as error:
                    self._fail(str(error), None)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    if self._state is _State.CONNECTING:
                        self._fail("the connection was lost before it was open", None)
        finally:
            if connected is not None:
                connected.close()
            self._state = _State.CLOSED
            # Whoever still has this, a traceback say, has no more than this.
            self._messages.clear()
            self._parts = []
            self._size = 0
            self._count()
            self._tell(self._outcome())

    async def _shake_hands(self, handshake: Handshake, stream: trio.abc.Stream) -> Accepted:
        await stream.send_all(handshake.request)
        while True:
            accepted = handshake.receive(bytes(await stream.receive_some(_RECEIVE_BYTES)))
            if accepted is not None:
                return accepted

    async def _talk(self, stream: trio.abc.Stream, accepted: Accepted) -> None:
        self._deflate = accepted.deflate
        self._frames = Frames(client=True, extensions=[accepted.deflate] if accepted.deflate else [])
        try:
            await self._talk_in_frames(stream, accepted)
        finally:
            # It and the generator that it reads with hold each other.
            vars(self._frames).clear()

    async def _talk_in_frames(self, stream: trio.abc.Stream, accepted: Accepted) -> None:
        self._state = _State.OPEN
        self._tell(Opened(accepted.protocol, accepted.extensions))
        written = trio.Event()

        async def write() -> None:
            # Where the connection is lost, what the server sent before is still to be read.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._write(stream)
            written.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._read(stream, accepted.rest)
            if self._failure is not None or self._close_received is not None:
                # Tell the server why, or answer its Close frame, if it listens.
                with trio.move_on_after(LINGER_S):
                    await written.wait()
            nursery.cancel_scope.cancel()

    def _outcome(self) -> Closed:
        if self._close_received is not None and self._close_sent and self._failure is None:
            return Closed(True, *self._close_received, None)
        return Closed(False, CloseReason.ABNORMAL_CLOSURE, "", self._failure)

    def _fail(self, why: str, code: CloseReason | None) -> None:
        """ "Fail the WebSocket connection"; ``code`` is for the server's Close frame."""
        if self._failure is None:
            self._failure = why
        self._messages.clear()
        self._pong = None
        if self._state is _State.OPEN and self._close is None:
            self._close = (code, "")
        self._work.set()
        if self._state is _State.OPEN:
            self._state = _State.CLOSING

    def _end_within(self, seconds: float) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + seconds)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, stream: trio.abc.Stream, data: bytes) -> None:
        """Read until the connection is over or the server breaks the protocol."""
        while True:
            bite = _DEFLATED_BITE if self._deflate is not None else _RECEIVE_BYTES
            for at in range(0, len(data), bite):
                if not await self._take(data[at : at + bite]):
                    return
            while self._queued > _QUEUE_BYTES or len(self._events) > _QUEUE_EVENTS:
                self._room = trio.Event()
                await self._room.wait()
            data = bytes(await stream.receive_some(_RECEIVE_BYTES))
            if not data:
                return

    async def _take(self, data: bytes) -> bool:
        """Handle a bite; False where the connection is to be given up."""
        if self._server_closed():
            return True  # after its Close frame the server has nothing to say
        self._frames.receive_bytes(data)
        try:
            for number, frame in enumerate(self._frames.received_frames()):
                if not self._handle(frame.opcode, frame.payload, frame.message_finished):
                    return False
                if self._server_closed():
                    return True
                if number % _FRAMES_AT_ONCE == _FRAMES_AT_ONCE - 1:
                    await trio.lowlevel.checkpoint()
        except ParseFailed as error:
            self._fail(_REASONS.get(error.code, _REASONS[CloseReason.PROTOCOL_ERROR]), error.code)
            return False
        if self._deflate is not None:
            await trio.lowlevel.checkpoint()
        return True

    def _handle(self, opcode: Opcode, payload: object, is_finished: bool) -> bool:
        if isinstance(payload, tuple):
            self._received_close(*payload)
        elif opcode is Opcode.PING:
            assert isinstance(payload, bytes)
            self._pong = payload  # the last one is enough (RFC 6455, 5.5.3)
            self._work.set()
        elif opcode is not Opcode.PONG:
            assert isinstance(payload, str | bytes)
            self._size += len(payload)
            if self._size > self._max_bytes:
                self._fail(_REASONS[CloseReason.MESSAGE_TOO_BIG], CloseReason.MESSAGE_TOO_BIG)
                return False
            if payload or not self._parts:  # of nothing there may be any number of parts
                self._parts.append(payload)
            self._small += len(payload)
            if self._small >= PIECE:
                # A server that sends byte by byte would have us keep an object for each.
                self._parts[self._joined :] = [_join(self._parts[self._joined :])]
                self._joined, self._small = len(self._parts), 0
                self._count()
            if is_finished:
                self._received_message()
        return True

    def _server_closed(self) -> bool:
        return self._close_received is not None

    def _received_message(self) -> None:
        parts, self._parts = self._parts, []
        size, self._size = self._size, 0
        self._count()
        self._joined = self._small = 0
        if size > LARGE:
            self._tell(Large(cast(list[str] | list[bytes], parts), size))
        else:
            message = _join(parts)
            self._tell(Text(message) if isinstance(message, str) else Binary(message))

    def _received_close(self, code: int, reason: str) -> None:
        self._close_received = (int(code), reason)
        if self._state is _State.OPEN:
            self._state = _State.CLOSING
            self._tell(Closing())
        self._messages.clear()
        if self._close_sent:
            self._end_within(LINGER_S)
        else:
            self._close = (None if code == CloseReason.NO_STATUS_RCVD else int(code), "")
            self._end_within(CLOSE_S)
            self._work.set()

    # -- writing -----------------------------------------------------------------------------------------------------

    async def _write(self, stream: trio.abc.Stream) -> None:
        """Send what is queued; ends with a Close frame."""
        while True:
            if self._pong is not None:
                payload, self._pong = self._pong, None
                await stream.send_all(bytes(self._frames.pong(payload)))
            elif self._messages:
                await self._send_message(stream, self._messages.popleft())
            elif self._close is not None:
                code, reason = self._close
                await self._send_in_time(stream, bytes(self._frames.close(code, reason)))
                self._close_sent = True
                self._end_within(CLOSE_S if self._close_received is None else LINGER_S)
                return
            else:
                self._work = trio.Event()
                await self._work.wait()

    async def _send_message(self, stream: trio.abc.Stream, message: Message) -> None:
        if self._deflate is not None:
            self._deflate.compress = len(message) >= WORTH_IT and self._deflate.can_compress
        for piece, is_last in _cut(message):
            await self._send_in_time(stream, bytes(self._frames.send_data(piece, is_last)))
            self.unsent -= len(piece.encode("utf-8", "replace")) if isinstance(piece, str) else len(piece)
            self._count()
            if is_last:
                return
            if self._close is not None and self._state is _State.CLOSING:
                return  # the server closes, or was in breach: the rest is of no use to anybody
            if self._pong is not None:
                payload, self._pong = self._pong, None
                await stream.send_all(bytes(self._frames.pong(payload)))

    async def _send_in_time(self, stream: trio.abc.Stream, data: bytes) -> None:
        """Send; once the app has closed, a server that takes nothing is not waited for."""
        with trio.CancelScope() as scope:
            if self._close is not None:
                scope.deadline = trio.current_time() + CLOSE_S
            self._sending = scope
            await stream.send_all(data)
        self._sending = None
        if scope.cancelled_caught:
            self._scope.cancel()
            await trio.lowlevel.checkpoint()


def _size_of(event: Event) -> int:
    if isinstance(event, Large):
        return event.size
    return len(event.data) if isinstance(event, Text | Binary) else 0


def _join(parts: list[str | bytes]) -> str | bytes:
    """The parts of one message, or some of them."""
    if isinstance(parts[0], str):
        return "".join(cast(list[str], parts))
    return b"".join(cast(list[bytes], parts))


def _cut(message: Message) -> Iterator[tuple[str | bytes, bool]]:
    """What goes into a frame each, and whether it is the last."""
    parts: Iterable[str | bytes] = (message,) if isinstance(message, str | bytes) else message
    if isinstance(message, LargeMessage) and message.is_text:
        # Each is whole characters: it was made of some text.
        parts = (part.decode() for part in message)
    piece: str | bytes | None = None
    for part in parts:
        for at in range(0, max(len(part), 1), _PIECE):
            if piece is not None:
                yield piece, False
            piece = part[at : at + _PIECE]
    assert piece is not None
    yield piece, True
