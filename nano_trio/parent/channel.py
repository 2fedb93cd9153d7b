"""The channel between parent and worker: JSON messages, each with its length before it, and descriptors beside them.

No event loop is in here: both ends flush and receive when their own loop says that the socket is ready. Descriptors
travel with the first byte of their message (SCM_RIGHTS, unix(7)); the message says how many there are.

Worker to parent:

===========  ======================================================  =================================================
open         id, scheme, host, port, addresses, backlog, leaving     answered by ``opened``; ``leaving``: the places
                                                                     that it will close next
close        id (or null), scheme, host, port                        this worker listens there no longer but for what
                                                                     waits there; answered by ``closed``
signalled    signal                                                  it was sent one to end; answered by ``drain``
ready        drain_timeout_s, quarantine_window_s, unresponsive_timeout_s, it serves; again after a reload
             log_level, log_format, started_with                     (for ``welcome``, or null where that had it)
reloaded     ok                                                      the answer to ``reload``
keep         configuration                                           for ``welcome``, where the file cannot be used
kept         id                                                      what was kept last? Answered by ``kept``
lift         app                                                     lift the quarantine
doors        apps, closed                                            these apps take no requests until told otherwise;
                                                                     or again: for workers that start from now on
unfit        version, package                                        it cannot work with this ``welcome``, and ends: it
                                                                     is of another version of these messages
pong                                                                 the answer to ``ping``
turn         id                                                      wants to change something while no other does
over         id                                                      the change is made, or no longer wanted
meet         id                                                      wants new sockets to the others, for those before
                                                                     are lost: ``peer`` for each of them, then ``met``
===========  ======================================================  =================================================

Parent to worker:

===========  ======================================================  =================================================
welcome      version, package, worker, workers, announce,            the first message; ``package`` is the parent's
             quarantined, closed, configuration, started_with        version, ``configuration`` what was kept last,
                                                                     ``started_with`` what the first worker to serve
                                                                     said, or null; with several workers, the
                                                                     descriptor of their ``shares``
opened       id, and descriptors; or errno, message                  the answer to ``open``
closed       id                                                      the answer to ``close``: it is done
quarantined  apps: reasons by name                                   the quarantine has changed
doors        closed                                                  those of these apps: only to workers that do not
                                                                     serve yet, the others know from each other
drain        signal                                                  finish what is in flight, then end
end          signal                                                  end at once
reload       signal, kept                                            ``kept``: not from the file, for another worker has
                                                                     read that a moment ago, and what it read is kept
kept         id, configuration                                       the answer to ``kept``
ping
peer         worker, and a descriptor                                a socket to another worker, in place of any before
met          id                                                      the answer to ``meet``
turn         id                                                      it is this worker's turn, until ``over`` or its end
===========  ======================================================  =================================================
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

__all__ = ["VERSION", "Channel", "ChannelClosed", "Message"]

VERSION = 7
"""Of the messages: a package that is upgraded under a running parent brings workers that may speak otherwise."""

Message = dict[str, Any]
"""``type``, the fields of the table above, and ``fds``: the descriptors, now the receiver's.

There are none where the receiver has too many files open to take them, which is the receiver's to notice.
"""

_LENGTH = struct.Struct("!I")
_MOST_BYTES = 64 << 20
_MOST_FDS = 64
_RECEIVE = 64 * 1024


class ChannelClosed(Exception):
    """The other end is gone."""


class Channel:
    """One end. Takes over ``sock``, a connected stream of AF_UNIX."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._out: deque[tuple[memoryview, tuple[int, ...]]] = deque()
        self._in = bytearray()
        self._fds: deque[list[int]] = deque()
        """Those of each message that has any: they come with its first byte, and no two messages' at once."""

    def send(self, type_: str, fds: Sequence[int] = (), **fields: Any) -> None:
        """Queue a message and send what the socket takes. ``fds`` stay the caller's.

        What the other end does not take now goes out with :meth:`flush`; if it is gone, :meth:`receive` tells. Raises
        OSError, having sent nothing, only for descriptors that cannot be copied: too many files are open.
        """
        body = json.dumps({"type": type_, **({"fds": len(fds)} if fds else {}), **fields}).encode()
        # Copies: the caller may close its own before they are out.
        copies: list[int] = []
        try:
            for fd in fds:
                copies.append(os.dup(fd))
        except OSError:
            _close(copies)
            raise
        self._out.append((memoryview(_LENGTH.pack(len(body)) + body), tuple(copies)))
        self.flush()

    @property
    def pending(self) -> bool:
        """Whether something waits until the socket takes more."""
        return bool(self._out)

    def flush(self) -> None:
        """Send what the socket takes."""
        while self._out:
            data, fds = self._out[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                sent = self.sock.sendmsg([data], rights)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self._drop_out()
                # Gone, or out of memory for it: a channel that lost a message is of no use to either end.
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)
                return
            _close(fds)
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = (data[sent:], ())

    def receive(self) -> list[Message]:
        """What has arrived, maybe nothing. Raises :class:`ChannelClosed` when the other end is gone."""
        return self._messages() if self._fill() else []

    def receive_rest(self) -> list[Message]:
        """All that a process left behind that has ended. What is cut off is dropped. Never raises."""
        messages = []
        with contextlib.suppress(ChannelClosed):
            while self._fill():
                messages += self._messages()
        return messages

    def _fill(self) -> bool:
        """Take what the socket has, at most :data:`_RECEIVE` bytes. False where there is nothing."""
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(
                _RECEIVE, socket.CMSG_LEN(_MOST_FDS * 4), getattr(socket, "MSG_CMSG_CLOEXEC", 0)
            )
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            raise ChannelClosed(str(error)) from None
        came = array.array("i")
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                came.frombytes(content[: len(content) - len(content) % came.itemsize])
        if came or flags & socket.MSG_CTRUNC:
            self._fds.append(came.tolist())
        if not data:
            raise ChannelClosed("the other end is gone")
        self._in += data
        return True

    def _messages(self) -> list[Message]:
        messages = []
        while len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            if length > _MOST_BYTES:
                raise ChannelClosed(f"a message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._in) < end:
                break
            message: Message = json.loads(self._in[_LENGTH.size : end])
            del self._in[:end]
            message["fds"] = self._fds_of(message.get("fds", 0))
            messages.append(message)
        return messages

    def _fds_of(self, count: int) -> list[int]:
        """The descriptors of the message that was read last, which says how many they are: all of them, or none."""
        fds = self._fds.popleft() if count and self._fds else []
        if len(fds) < count:
            _close(fds)
            return []
        return fds

    def _drop_out(self) -> None:
        for _, fds in self._out:
            _close(fds)
        self._out.clear()

    def close(self) -> None:
        """Close this end and what lies in it. Idempotent."""
        self._drop_out()
        while self._fds:
            _close(self._fds.popleft())
        self.sock.close()


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)
