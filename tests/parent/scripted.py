"""A worker that does what a test's script says, and a parent for it: ``python -m tests.parent.scripted N SCRIPT``."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Any

from nano_trio.parent import channel as channels
from nano_trio.parent import supervisor
from nano_trio.parent.channel import Channel, ChannelClosed, Message
from nano_trio.parent.turn_record import TurnRecord

SETTINGS: dict[str, Any] = {
    "drain_timeout_s": 30,
    "quarantine_window_s": 600,
    "unresponsive_timeout_s": None,
    "log_level": "info",
    "log_format": "text",
    "started_with": None,
}


class ScriptedWorker:
    """The worker's side, for scripts: welcomed when made."""

    def __init__(self) -> None:
        channel, record = map(int, sys.argv[1].split(","))
        self.channel = Channel(socket.socket(fileno=channel))
        self.turns = TurnRecord(record)
        self.waiting: deque[Message] = deque()
        self.welcome = self.next("welcome")
        self.life = self._count()
        """1 for the first process in its folder, 2 for the next."""

    @staticmethod
    def _count() -> int:
        with Path("lives").open("a") as file:
            file.write("x")
        return len(Path("lives").read_text())

    def next(self, type_: str | None = None, timeout: float | None = None) -> Message:
        """The next message, of that type. The end of the channel ends the process with 99."""
        while True:
            while self.waiting:
                message = self.waiting.popleft()
                if type_ in (None, message["type"]):
                    return message
            if not select.select([self.channel.sock], [], [], timeout)[0]:
                raise TimeoutError
            try:
                self.waiting.extend(self.channel.receive())
            except ChannelClosed:
                os._exit(99)

    def ready(self, **settings: Any) -> None:
        self.channel.send("ready", **{**SETTINGS, **settings})

    def serve_until_drained(self, code: int = 0) -> None:
        self.next("drain")
        sys.exit(code)


def say(*words: object) -> None:
    print(*words, flush=True)


def stop_after_ping() -> None:
    """Have this process stop itself in the midst of what it does: when it has asked a worker for the first time."""
    send = Channel.send

    def send_and_stop(channel: Channel, type_: str, *arguments: Any, **fields: Any) -> None:
        send(channel, type_, *arguments, **fields)
        if type_ == "ping":
            Channel.send = send  # type: ignore[method-assign]
            os.kill(os.getpid(), signal.SIGSTOP)

    Channel.send = send_and_stop  # type: ignore[method-assign]


if __name__ == "__main__":
    supervisor._SILENT_START_S = float(os.environ.get("STUB_SILENT_START", supervisor._SILENT_START_S))
    supervisor._WHOLE_START_S = float(os.environ.get("STUB_WHOLE_START", supervisor._WHOLE_START_S))
    channels._RECEIVE = int(os.environ.get("STUB_RECEIVE", channels._RECEIVE))
    if "STUB_STOPS_AT_WORK" in os.environ:
        stop_after_ping()
    sys.exit(supervisor.supervise([sys.executable, sys.argv[2], "{}"], workers=int(sys.argv[1])))
