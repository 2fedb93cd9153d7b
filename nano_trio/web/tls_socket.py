"""TLS over a non-blocking socket, with the methods of a socket.

Theory of operation
-------------------
:class:`TLSSocket` offers what ``Connection`` and ``Service`` use of a plain socket (``recv``, ``send``, ``sendmsg``,
``shutdown``, ``close``, ``fileno``), so that neither of them knows of TLS and plain connections pay nothing for it.
Beneath lie the socket, OpenSSL without a socket (``ssl.SSLObject``) and two buffers between them (``MemoryBIO``).

Three things must hold, or a level-triggered poll of the descriptor would miss something:

1. *Nothing decrypted is left behind.* ``recv`` takes ciphertext from the socket and returns all the plaintext in it.
   What OpenSSL keeps is at most the beginning of a record, whose rest is still to come and will make the socket
   readable.
2. *Nothing encrypted is forgotten.* Ciphertext that the socket did not take stays with us, and its plaintext does not
   count as sent: ``send`` raises BlockingIOError (or returns what went before), and counts it when it is called with
   the same bytes again and the rest has left. Back-pressure thus reaches the app as over plain TCP; 64 KiB are ours.
3. *An end is an end.* The client's close_notify shuts the reading half of the socket too, so that the poll reports it
   as it reports a plain client's FIN.

OpenSSL's buffers never shrink, so they are fed by at most a record's worth at a time and stay small for ever.

Records may come without end that bring nothing. A KeyUpdate has 27 bytes, costs OpenSSL as much as a small request
costs an app, and wants an answer, which would wait here for a client that reads none. So of what is received one byte
in ``_YIELD`` must be plaintext, far less than of a client that has a record for each byte; who is behind that by more
than any record is long is cut off, and who does not take what OpenSSL answers, too.

A connection ends with close_notify if it ended well, and without one if it was reset (SO_LINGER), so that the
client can tell a whole response from a broken one. After our close_notify nothing is decrypted any more.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import sys
from collections.abc import Callable, Sequence

__all__ = ["TLSSocket"]

_RECORD = 16 * 1024
_FLIGHT = 4 * _RECORD
_AT_ONCE = 512 * 1024
_YIELD = 256
_MOST_BARREN = 2 * _RECORD
_MOST_UNSENT = 2 * _FLIGHT

Buffer = bytes | memoryview


def _unraisable(before: Callable[[sys.UnraisableHookArgs], object], told: sys.UnraisableHookArgs) -> None:
    """A server name that is not ASCII cannot be told to ``sni_callback``, so OpenSSL is told to refuse it. Nobody needs
    to hear more of it; ``ssl`` would write a traceback to standard error for each such client."""
    if not (isinstance(told.exc_value, UnicodeDecodeError) and isinstance(told.object, bytes)):
        before(told)


class TLSSocket:
    """The server's end of a TLS connection. Takes over ``sock``, which does not block."""

    __slots__ = ("_barren", "_ended", "_incoming", "_object", "_outgoing", "_owed", "_shut", "_sock", "_unsent")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = sock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._unsent: Buffer = b""
        """Ciphertext that the socket has yet to take."""
        self._owed = b""
        """The plaintext of a ``send`` that is in ``_unsent`` and was not counted."""
        self._barren = 0
        """Bytes received, less what their plaintext allows."""
        self._ended = False
        self._shut = False

    def fileno(self) -> int:
        """The socket's descriptor, -1 when it is closed."""
        return self._sock.fileno()

    # ---- the handshake ----

    def shake(self, data: bytes) -> bool:
        """Take what the client sent, answer it; True when the handshake is complete.

        Raises ``ssl.SSLError`` when it failed (the alert is sent), OSError when the client is gone. Bytes that follow
        the handshake are kept for :meth:`recv`, which must be called then: the poll will not report them. Where the
        socket does not take the whole answer, :meth:`flush` is to be called when it is writable.
        """
        self._incoming.write(data)
        hook = sys.unraisablehook
        sys.unraisablehook = functools.partial(_unraisable, hook)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            sys.unraisablehook = hook
            self._flush()
        return True

    @property
    def protocol(self) -> str | None:
        """The protocol that ALPN chose (RFC 7301), None where the client offered none of ours."""
        return self._object.selected_alpn_protocol()

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for (SNI), None if it named none."""
        name: str | None = getattr(self._object, "server_name", None)
        return name

    def peer_certificate(self) -> bytes | None:
        """The client's certificate (DER), verified, if it gave one."""
        return self._object.getpeercert(binary_form=True)

    # ---- receiving ----

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return plaintext, ``b""`` at the client's end. Raises BlockingIOError for more bytes, else OSError.

        ``size`` bounds what is taken from the socket. With ``flags`` (MSG_PEEK) it looks at ciphertext: to tell whether
        the client is gone, no more.
        """
        if self._shut or flags:
            return self._sock.recv(size, flags)
        incoming = self._incoming
        plain = self._decrypt() if incoming.pending else b""
        if not plain:
            data = self._sock.recv(size)
            if not data:
                return data
            if len(data) <= _RECORD:
                plain = self._take(data)
            else:
                view = memoryview(data)
                pieces = []
                for start in range(0, len(data), _RECORD):
                    pieces.append(self._take(view[start : start + _RECORD]))
                plain = b"".join(pieces)
        # A KeyUpdate was asked for where something is pending.
        if self._outgoing.pending and not self._flush() and len(self._unsent) > _MOST_UNSENT:
            raise ssl.SSLError("the client does not take what it asked for")
        if plain or self._ended:
            return plain
        raise BlockingIOError

    def _take(self, data: Buffer) -> bytes:
        """The plaintext that these bytes, at most a record's worth, complete. Raises OSError where too little does."""
        self._incoming.write(data)
        plain = self._decrypt()
        barren = self._barren + len(data) - _YIELD * len(plain)
        self._barren = barren if barren > 0 else 0
        if barren > _MOST_BARREN:
            raise ssl.SSLError("the client sends records without content")
        return plain

    def _decrypt(self) -> bytes:
        """All the plaintext that is here; ``b""`` if there is none."""
        incoming = self._incoming
        connection = self._object
        pieces: list[bytes] = []
        try:
            while True:
                plain = connection.read(_RECORD)
                if not plain:
                    self._end()
                    break
                if not incoming.pending and not connection.pending():
                    if not pieces:
                        return plain
                    pieces.append(plain)
                    break
                pieces.append(plain)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end()
        except ssl.SSLError:
            self._flush()
            raise
        return b"".join(pieces)

    def _end(self) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)

    # ---- sending ----

    def send(self, data: Buffer) -> int:
        """Encrypt and send; return how many bytes of ``data`` have left for the socket.

        Raises BlockingIOError when none could: call it with the same bytes again when the socket is writable.
        """
        taken = 0
        if self._unsent or self._owed:
            if not self._flush():
                raise BlockingIOError
            owed, self._owed = self._owed, b""
            if owed and owed == bytes(data[: len(owed)]):
                taken = len(owed)
        elif len(data) <= _RECORD:
            # Nearly every response: one record, one call.
            self._object.write(data)
            if self._flush():
                return len(data)
            self._owed = bytes(data)
            raise BlockingIOError
        total = min(len(data), _AT_ONCE)
        view = memoryview(data)
        while taken < total:
            flight = view[taken : taken + _FLIGHT]
            records = []
            for start in range(0, len(flight), _RECORD):
                self._object.write(flight[start : start + _RECORD])
                records.append(self._outgoing.read())
            if not self._flush(b"".join(records)):
                self._owed = bytes(flight)
                if taken:
                    return taken
                raise BlockingIOError
            taken += len(flight)
        return taken

    def sendmsg(self, buffers: Sequence[Buffer]) -> int:
        """As :meth:`send`, for several buffers; a small one does not become a record of its own."""
        pieces: list[Buffer] = []
        size = 0
        for buffer in buffers:
            pieces.append(memoryview(buffer)[: _AT_ONCE - size])
            size += len(pieces[-1])
            if size == _AT_ONCE:
                break
        return self.send(b"".join(pieces))

    def flush(self) -> bool:
        """Send ciphertext that waits; True when none does any more. Raises OSError when the client is gone."""
        return self._flush()

    def _flush(self, more: bytes = b"") -> bool:
        """Send ciphertext: what waits, what OpenSSL made, and ``more``. True when all has left."""
        data: Buffer = self._unsent
        if more or self._outgoing.pending:
            made = self._outgoing.read()
            data = b"".join((data, made, more)) if data or (made and more) else made or more
        if not data:
            return True
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent == len(data):
            self._unsent = b""
            return True
        self._unsent = memoryview(data)[sent:]
        return False

    # ---- the end ----

    def shutdown(self, how: int) -> None:
        """Say that nothing follows (close_notify) and shut the sending half. What still comes is not decrypted."""
        self._say_goodbye()
        self._sock.shutdown(how)

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        """Set an option of the socket. After SO_LINGER, :meth:`close` is a reset: it sends no close_notify."""
        if option == socket.SO_LINGER:
            self._shut = True
        self._sock.setsockopt(level, option, value)

    def close(self) -> None:
        """End the connection and close the socket."""
        self._say_goodbye()
        self._sock.close()

    def _say_goodbye(self) -> None:
        if self._shut:
            return
        self._shut = True
        with contextlib.suppress(OSError, ValueError):
            with contextlib.suppress(ssl.SSLError):
                self._object.unwrap()  # it raises, for want of the client's close_notify; ours is made
            self._flush()
