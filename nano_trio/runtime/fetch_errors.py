"""What goes wrong on the way to a response: one exception with a code, as Node names them where it has a name."""

from __future__ import annotations

import errno
import os
import socket
import ssl

import trio

from nano_trio.engine.threads import NoThread

__all__ = ["FetchError", "NetworkErrors"]


class FetchError(Exception):
    """A fetch failed. ``code`` is for programs (``ECONNREFUSED``, ``ERR_BLOCKED`` …), the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def again(self) -> FetchError:
        """Another that says the same, to keep or to raise: one that was raised holds the frames that it went through,
        and who keeps it is in one of them."""
        return FetchError(self.code, self.message)


class NetworkErrors:
    """``with`` it, the errors of sockets, TLS and names become :class:`FetchError`; ``doing`` begins the message.

    No generator: what is thrown into one holds, from Python 3.12 on, the frame that threw it, and that frame holds it.
    A broken connection and all that it knows so waited for the collector.
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, (OSError, trio.BrokenResourceError, trio.ClosedResourceError, UnicodeError)):
            raise _translate(error, self._doing) from None


def _translate(error: Exception, doing: str) -> FetchError:
    cause: BaseException = error
    while isinstance(cause, trio.BrokenResourceError) and cause.__cause__ is not None:
        cause = cause.__cause__
    match cause:
        case ssl.SSLCertVerificationError():
            return FetchError(
                "ERR_TLS_CERTIFICATE", f"{doing}: the server's certificate is not valid: {cause.verify_message}"
            )
        case ssl.SSLError():
            return FetchError("ERR_TLS", f"{doing}: {_reason_of(cause)}")
        case socket.gaierror() if cause.errno == socket.EAI_AGAIN:
            return FetchError("EAI_AGAIN", f"{doing}: the name could not be resolved for now")
        case socket.gaierror() | UnicodeError():
            return FetchError("ENOTFOUND", f"{doing}: there is no such host")
        case NoThread():
            return FetchError("EAGAIN", f"{doing}: {cause}")
        case OSError(errno=int(number)):
            # The system's words: Trio's name the address again, as Python shows it.
            return FetchError(errno.errorcode.get(number, "ERR_NETWORK"), f"{doing}: {os.strerror(number).lower()}")
        case _:
            return FetchError("ECONNRESET", f"{doing}: the connection was closed")


def _reason_of(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
