"""The turn of a WebSocket's message, or of several messages that came together.

Theory of operation. The beginning and the end of a turn (a greenlet there and back, clocks, accounts, limits) take
more than an echo's JavaScript. So messages that come in one pass of the reactor, of several connections or of one, wait
for each other (:meth:`nano_trio.actors.app_socket.AppSocket.gather`) and share a turn. The app cannot see that: each
message is an entry of its own, on behalf of its own connection, and begins when the microtasks of the last have run
(:attr:`Entry.more`).

It is as fair as turns of their own are. As many are gathered as are likely to take half a slice, going by those before
them; where they take longer all the same, those that are left get another turn. Where they have to wait for it, or one
of them is suspended, they count as messages that wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nano_trio.engine.native_calls import enters
from nano_trio.engine.turn import Entry
from nano_trio.runtime import strings
from nano_trio.runtime.large import Lent
from nano_trio.runtime.pieces import LargeMessage

if TYPE_CHECKING:
    from nano_trio.actors.app_socket import AppSocket
    from nano_trio.actors.messages import SocketMessage
    from nano_trio.actors.sockets import Sockets

__all__ = ["Messages"]

_MOST_TOGETHER = 32
"""Messages in one turn."""
_TOGETHER_NS = 250_000
"""What they may take: half a slice, for a turn that uses up a whole one counts as a long one."""


class Messages(Entry):
    """The turn of a message, or of several, one after the other: to the app each has one of its own."""

    __slots__ = ("_messages", "_sockets", "_used_ns", "_waited", "is_over", "more")

    def __init__(self, sockets: Sockets, messages: list[tuple[AppSocket, SocketMessage]]) -> None:
        self.cause = self.result = self.stopped = None
        self.cpu_ns = 0
        self._sockets = sockets
        self._messages = messages
        self.more = messages[::-1]
        """Those that are left, the next one last."""
        self.is_over = False
        self._used_ns = 0
        """CPU time of the messages before."""
        self._waited = False
        """Whether their connections count them among those that wait."""

    @enters
    def run(self) -> None:
        """Call the app's handler with the next message."""
        if self.cpu_ns:  # each may take as long as a turn
            self._used_ns += self.cpu_ns
            self.cpu_ns = 0
        socket, data = self.more.pop()
        self.cause = socket
        if socket.peer is None and socket.wire is not None:  # closing, by one that came together with this one
            return
        sockets = self._sockets
        sockets.message_size = size = len(data)
        entry = sockets.enter_message
        if size < 4096:
            entry(socket.number, data)
        elif type(data) is LargeMessage:
            number = sockets.large.tell(Lent(data, text=data.is_text))
            entry(socket.number, number, "text" if data.is_text else "bytes")
        elif type(data) is str and not data.isascii():
            # Long texts cross boxed. Characters beyond ASCII are what the plain way is slow at.
            entry(socket.number, strings.box(data, entry), "boxed")
        else:
            entry(socket.number, data)

    def wait(self) -> None:
        """It could not be run at once, or not to its end."""
        self._waited = True
        for socket, data in self._messages:
            socket.wait_for(len(data))

    def ended(self) -> None:
        """The turn is over."""
        sockets = self._sockets
        if self.more and self.stopped is None and sockets.isolate.stopped is None:
            sockets.submit(self)
            return
        self.is_over = True
        sockets.message_size = 0
        if sockets.incarnation.settings.max_messages_per_s is None:
            used_ns = self._used_ns + self.cpu_ns
            sockets.together = min(len(self._messages) * _TOGETHER_NS // (used_ns or 1), _MOST_TOGETHER)
        if self._waited:
            for socket, data in self._messages:
                socket.waited_for(len(data))
        if sockets.isolate.stopped is not None:
            sockets.turn_ended(self)
