"""A worker that is told to end before each single step of its start, or of a reload: ``python -m tests.parent.endings``.

Arguments: how it is told (``message``, ``signal``, ``both``, ``gone``), what it is in the middle of (``start``,
``reload``), the number of workers. One run for each of the loop's steps, all in this process, with a thread as the parent.
A run that does not end hangs; one that a signal kills takes the process along. Prints the number of runs.
"""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import trio

from nano_trio import __version__
from nano_trio.cli.serving import serve_here
from nano_trio.parent.channel import VERSION, Channel, ChannelClosed, Message
from nano_trio.parent.sockets import bind_all
from nano_trio.parent.turn_record import make_record

_GREETING = b"\0\0\0\7\0welcome"
"""What another worker says on the bus to one that starts."""
_MOST_STEPS = 1000
_IDLE_S = 0.05


class Parent:
    """The other end, in a thread. Once it has told the worker to end it answers nothing, as a real one."""

    def __init__(self, workers: int) -> None:
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.theirs = theirs.detach()
        self.told = threading.Event()
        self.heard: set[str] = set()
        self._lock = threading.Lock()
        """Of the channel, which both threads write to."""
        self._neighbour, end = socket.socketpair()
        self._neighbour.sendall(_GREETING)
        welcome = {
            "version": VERSION,
            "package": __version__,
            "worker": workers - 1,
            "workers": workers,
            "announce": False,
            "quarantined": {},
            "closed": [],
        }
        self.channel.send("welcome", **welcome)
        with end:
            if workers > 1:
                self.channel.send("peer", [end.fileno()], worker=0)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while True:
            select.select([self.channel.sock], [], [])
            try:
                messages = self.channel.receive()
            except ChannelClosed:
                return
            for message in messages:
                self.heard.add(message["type"])
                with self._lock:
                    if not self.told.is_set():
                        self._answer(message)

    def _answer(self, message: Message) -> None:
        if message["type"] == "open":
            wanted = [(family, tuple(address)) for family, address in message["addresses"]]
            sockets = bind_all(wanted, message["backlog"])
            self.channel.send("opened", [sock.fileno() for sock in sockets], id=message["id"])
            for sock in sockets:
                sock.close()
        elif message["type"] == "close":
            self.channel.send("closed", id=message["id"])
        elif message["type"] in ("turn", "met"):
            self.channel.send(message["type"], id=message["id"])

    def reload(self) -> None:
        with self._lock:
            self.channel.send("reload", signal="SIGHUP", kept=False)

    def tell(self, how: str) -> None:
        with self._lock:
            self.told.set()
            if how in ("message", "both"):
                self.channel.send("drain", signal="SIGTERM")
        if how in ("signal", "both"):
            os.kill(os.getpid(), signal.SIGTERM)
        if how == "gone":
            self.channel.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._thread.join()
        self.channel.close()
        self._neighbour.close()


class Before(trio.abc.Instrument):
    """Tells the worker before that step, or when what it is in the middle of is over."""

    def __init__(self, step: int, parent: Parent, how: str, begin: Any, over: str) -> None:
        self._steps = step
        self._parent = parent
        self._how = how
        self._begin = begin
        self._over = over
        self.reached = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._begin is None and not self._parent.told.is_set():
            self._steps -= 1
            if self._steps == 0:
                self.reached = True
                self._parent.tell(self._how)

    def before_io_wait(self, timeout: float) -> None:
        if timeout < _IDLE_S or self._parent.told.is_set():
            return
        if self._begin is not None:
            if "ready" in self._parent.heard:
                begin, self._begin = self._begin, None
                begin()
        elif self._over in self._parent.heard:
            self._parent.tell(self._how)


def run(step: int, how: str, what: str, workers: int, folder: Path) -> bool:
    """One run. False where the start, or the reload, was over before that step."""
    (folder / "app.js").write_text("export default () => new Response('old')")
    document: dict[str, Any] = {"host": "127.0.0.1", "port": 0, "state_dir": "state", "watch": True}
    document["apps"] = [{"name": "app", "path": "app.js", "preload": True}]
    (folder / "nano.json").write_text(json.dumps(document))
    parent = Parent(workers)

    def reload() -> None:
        (folder / "app.js").write_text("export default () => new Response('new')")
        document["watch"] = False  # by this one reload alone
        document["host"] = "localhost"
        (folder / "nano.json").write_text(json.dumps(document))
        parent.reload()

    begin, over = (None, "ready") if what == "start" else (reload, "reloaded")
    before = Before(step, parent, how, begin, over)
    real = trio.run
    trio.run = functools.partial(real, instruments=[before])
    # As the parent holds them back.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        serve_here(
            None,
            folder / "nano.json",
            {},
            tls=False,
            access_log=None,
            dev=False,
            supervised=(parent.theirs, make_record()),
        )
    finally:
        trio.run = real
        parent.close()
    return before.reached


def main(how: str, what: str, workers: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for step in range(1, _MOST_STEPS):
            print(step, end=" ", flush=True, file=sys.stderr)
            if not run(step, how, what, int(workers), Path(folder)):
                print("runs:", step - 1)
                return
    sys.exit("it does not come to rest")


if __name__ == "__main__":
    main(*sys.argv[1:])
