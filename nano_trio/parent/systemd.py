"""systemd's protocols, without its library: notification (sd_notify(3)), socket activation (sd_listen_fds(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import MutableMapping

__all__ = ["InheritedSocket", "Notifier", "inherited_sockets"]

_FIRST_FD = 3


class Notifier:
    """Tells systemd how the service does; without NOTIFY_SOCKET, nobody. Takes its variables out of ``environ``."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.pop("WATCHDOG_USEC", "")
        for_us = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s: float | None = None
        """How often WATCHDOG=1 is to be sent, in seconds: twice as often as systemd wants; None: never."""
        if self._address and for_us and microseconds.isdigit() and int(microseconds) > 0:
            self.watchdog_s = int(microseconds) / 2e6

    def __call__(self, *lines: str) -> None:
        """Send assignments such as ``READY=1``. What cannot be sent is nobody's fault here: never raises."""
        if self._address:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.sendto("\n".join(lines).encode(), self._address)

    def reloading(self) -> None:
        """``Type=notify-reload`` wants to know when the reload began, by the monotonic clock."""
        self("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


class InheritedSocket:
    """A socket that systemd opened, and the name that its unit gave it."""

    def __init__(self, sock: socket.socket, name: str) -> None:
        self.sock = sock
        self.name = name


def inherited_sockets(environ: MutableMapping[str, str], first_fd: int = _FIRST_FD) -> list[InheritedSocket]:
    """The sockets passed to this process. Takes the variables out of ``environ``: workers have no use for them."""
    pid, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    called = names.split(":") if names else []
    found = []
    for index in range(int(count)):
        fd = first_fd + index
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        found.append(InheritedSocket(sock, called[index] if index < len(called) else "unknown"))
    return found
