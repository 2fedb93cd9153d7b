"""The bus between the processes of one server: what rooms, admin and whoever comes next may rely on.

It is deliberately little, so that a broker can be one as well: subjects with a payload, to one process or to all
others. What every bus does:

- at most once. What does not arrive is counted where it was dropped, never repeated;
- in order, between one sender and one receiver; nothing is said of the order between two senders;
- never waiting: a process that takes nothing costs the others a bounded queue, then only itself its messages.

:class:`nano_trio.web.workers.mesh.Mesh` joins the workers of one machine by sockets. Over a broker (NATS: a subject a
server, its processes found by what they announce) the same interface joins machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Bus", "Take"]

Take = Callable[[int, bytes], None]
"""Takes a message: who sent it, and its payload. Called from the event loop; neither blocks nor raises."""


class Bus(Protocol):
    """One process's end."""

    @property
    def others(self) -> list[int]:
        """The processes that can be reached at this moment."""

    def publish(self, subject: str, payload: bytes, of: str = "") -> None:
        """To all others. Never blocks, never raises.

        ``of``: the app that has it sent, if one does. What one app says costs no other app its messages, nor the server
        its own.
        """

    def send(self, to: int, subject: str, payload: bytes) -> bool:
        """To one. False where it is gone, or takes so little that the message was dropped. Never blocks or raises."""

    def subscribe(self, subject: str, take: Take) -> None:
        """Call ``take`` for each message of the subject from now on; one subscriber a subject."""

    def watch(self, came: Callable[[int], None], left: Callable[[int], None]) -> None:
        """Call these when another process can be reached, now those that can be already, and when it no longer can.

        What ``came`` sends to the process arrives before anything it has not been told by then.
        """
