"""A worker's end of the channel to its parent process (:mod:`nano_trio.parent`)."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import structlog
import trio

from nano_trio import __version__
from nano_trio.config import Config, as_started, keep, kept
from nano_trio.parent.channel import VERSION, Channel, ChannelClosed, Message
from nano_trio.parent.shares import Shares
from nano_trio.parent.sockets import Key
from nano_trio.parent.turn_record import TurnRecord
from nano_trio.web.sockets import Scheme, resolve

__all__ = ["ParentError", "ParentLink"]

log = structlog.get_logger("nano_trio")

_WELCOME_S = 10.0
_PR_SET_PDEATHSIG = 1


class ParentError(Exception):
    """There is no parent to work with: the message says why."""


class ParentLink:
    """Implements :class:`nano_trio.web.sockets.SocketSource`. Takes over both descriptors.

    Raises :class:`ParentError` where the parent is gone or speaks otherwise. Blocks until it has said what there is to
    know: it has before the worker's first line of Python runs.
    """

    def __init__(self, channel_fd: int, record_fd: int) -> None:
        _end_with_parent()
        self._channel = Channel(socket.socket(fileno=channel_fd))
        self._early: list[Message] = []
        try:
            welcome = self._wait_for_welcome()
        except ParentError:
            self._channel.close()
            os.close(record_fd)
            raise
        self.turns = TurnRecord(record_fd)
        self.shares = Shares(welcome["fds"][0], welcome["worker"]) if welcome["fds"] else None
        """How many connections each of the workers has; None where there is one."""
        self.parents_package: str = welcome["package"]
        """The version of nano-trio that the parent is of."""
        self.worker: int = welcome["worker"]
        """Which of the workers this is, from 0."""
        self.workers: int = welcome["workers"]
        self.announce: bool = welcome["announce"]
        """Whether to tell people where the server listens: the first worker does, once."""
        self.quarantined: dict[str, str] = welcome["quarantined"]
        """The apps that are not to be served, and why."""
        self.closed: frozenset[str] = frozenset(welcome["closed"])
        """The apps that somebody drained, in whichever worker."""
        self.configuration: str | None = welcome.get("configuration")
        """What :meth:`keep` was told last, by this worker's predecessor or another one."""
        self.started_with: str | None = welcome.get("started_with")
        """The settings with which the first worker of all began, as :func:`nano_trio.config.keep` puts it; None in that
        one."""
        self.on_drain: Callable[[str], None] = _nothing
        """Called when the server is to stop, with the signal's name or what else is the cause. Idempotent."""
        self.on_end: Callable[[str], None] = _nothing
        """Called when the server is to stop at once."""
        self.on_reload: Callable[[bool], None] = _nothing
        """Called when the configuration is to be read again (True: to be what is :meth:`kept`); :meth:`reloaded` is the
        answer."""
        self.on_quarantine: Callable[[dict[str, str]], None] = _nothing
        """Called when the quarantine has changed, with all of it."""
        self.on_doors: Callable[[frozenset[str]], None] = _nothing
        """Called when what is :attr:`closed` has changed while this worker starts, with all of it."""
        self.on_peer: Callable[[int, socket.socket], None] = self._keep_peer
        """Called with another worker's number and a socket to it; see :meth:`meet`."""
        self._peers: list[tuple[int, socket.socket]] = []
        self._met = False
        self._numbers = itertools.count()
        self._answers: dict[int, trio.MemorySendChannel[Message]] = {}
        self._unsent = trio.Event()

    def _wait_for_welcome(self) -> Message:
        sock = self._channel.sock
        sock.settimeout(_WELCOME_S)
        try:
            while not self._early:
                self._early += self._channel.receive()
        except ChannelClosed:
            raise ParentError("the parent process is gone") from None
        finally:
            sock.setblocking(False)
        welcome = self._early.pop(0)
        if welcome["version"] != VERSION:
            self._channel.send("unfit", version=VERSION, package=__version__)
            raise ParentError("nano-trio was upgraded while it ran: its parent process must be restarted, too")
        return welcome

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen to the parent, for ever; when it is gone, drain."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._flush)
                task_status.started()
                await self._listen()
        finally:
            self._channel.close()

    async def _listen(self) -> None:
        messages, self._early = self._early, []
        while True:
            for message in messages:
                await self._take(message)
            await trio.lowlevel.wait_readable(self._channel.sock)
            try:
                messages = self._channel.receive()
            except ChannelClosed:
                self.on_drain("the parent process is gone")
                await trio.sleep_forever()

    async def _flush(self) -> None:
        while True:
            await self._unsent.wait()
            while self._channel.pending:
                await trio.lowlevel.wait_writable(self._channel.sock)
                self._channel.flush()
            self._unsent = trio.Event()

    def _send(self, type_: str, **fields: Any) -> None:
        self._channel.send(type_, **fields)
        if self._channel.pending:
            self._unsent.set()

    async def _take(self, message: Message) -> None:
        match message["type"]:
            case "ping":
                self._send("pong")
            case "opened" | "closed" | "met" | "turn" | "kept":
                answer = self._answers.pop(message["id"], None)
                if answer is not None:
                    answer.send_nowait(message)
                else:
                    _close(message["fds"])  # nobody waits any more
            case "drain":
                self.on_drain(message["signal"])
            case "end":
                self.on_end(message["signal"])
            case "reload":
                self.on_reload(message["kept"])
            case "quarantined":
                self.quarantined = message["apps"]
                self.on_quarantine(self.quarantined)
            case "doors":
                self.closed = frozenset(message["closed"])
                self.on_doors(self.closed)
            case "peer" if message["fds"]:
                self.on_peer(message["worker"], socket.socket(fileno=message["fds"][0]))
            case "peer":
                log.error("another worker cannot be reached: too many files are open", peer=message["worker"])

    def _keep_peer(self, worker: int, sock: socket.socket) -> None:
        self._peers.append((worker, sock))

    async def meet(self, on_peer: Callable[[int, socket.socket], None]) -> None:
        """Have this called with the other workers' numbers and sockets: those that came so far, and from now on.

        Called again, for another attempt to serve, it gets new sockets: those that came went to the first.
        """
        self.on_peer = on_peer
        if self._met:
            with self._answer() as (number, answer):
                self._send("meet", id=number)
                await answer.receive()
        self._met = True
        peers, self._peers = self._peers, []
        for worker, sock in peers:
            on_peer(worker, sock)

    # -- what the worker has to say ----------------------------------------------------------------------------------

    async def open(
        self, scheme: Scheme, host: str | None, port: int, backlog: int, leaving: Sequence[Key] = ()
    ) -> list[socket.socket]:
        """Have the parent listen there; it keeps the sockets, these are copies.

        Raises OSError, also where this process has too many files open to take them.
        """
        addresses = await resolve(host, port)
        with self._answer() as (number, receive):
            place = {"scheme": scheme, "host": host, "port": port, "addresses": addresses}
            self._send("open", id=number, **place, backlog=backlog, leaving=leaving)
            answer = await receive.receive()
        if "errno" in answer:
            raise OSError(answer["errno"], answer["message"])
        if not answer["fds"]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return [socket.socket(fileno=fd) for fd in answer["fds"]]

    async def leave(self, scheme: Scheme, host: str | None, port: int) -> None:
        """The configuration has this place no longer. When this returns, either another worker accepts there, or the
        parent has given it up: who waits there now is this worker's."""
        with self._answer() as (number, closed):
            self._send("close", id=number, scheme=scheme, host=host, port=port)
            await closed.receive()

    def close(self, scheme: Scheme, host: str | None, port: int) -> None:
        """Nobody listens there on this worker's behalf."""
        self._send("close", id=None, scheme=scheme, host=host, port=port)

    def end(self) -> None:
        """The parent knows: it has left all places before it said so, or it lives on and keeps them."""

    def signalled(self, name: str) -> None:
        """This process was sent a signal to end. ``on_drain`` follows: once the parent, which may have been sent it as
        well, has done what it must do first."""
        self._send("signalled", signal=name)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """While inside, no other worker is, nor does the parent let any reload."""
        with self._answer() as (number, begins):
            self._send("turn", id=number)
            try:
                await begins.receive()
                yield
            finally:
                self._send("over", id=number)

    @contextlib.contextmanager
    def _answer(self) -> Iterator[tuple[int, trio.MemoryReceiveChannel[Message]]]:
        """A number for a question, and where its answer comes."""
        number = next(self._numbers)
        send, receive = trio.open_memory_channel[Message](1)
        self._answers[number] = send
        try:
            yield number, receive
        finally:
            self._answers.pop(number, None)

    def as_started(self, config: Config) -> Config:
        """The configuration for this worker, which may take another one's place: what waits for a restart of the server
        waits on, or one worker would log, say, or keep added apps otherwise than the next."""
        first = None if self.started_with is None else kept(self.started_with)
        return config if first is None else as_started(config, first)

    def ready(self, started_with: Config, **settings: Any) -> None:
        """The worker serves, under these settings (see :mod:`nano_trio.parent.channel`); again where they change."""
        first = keep(attrs.evolve(started_with, apps=())) if self.started_with is None else None
        self.started_with = self.started_with or first
        self._send("ready", **settings, started_with=first)

    def reloaded(self, ok: bool) -> None:
        """The answer to a reload that the parent asked for: with False other workers are spared the attempt."""
        self._send("reloaded", ok=ok)

    def keep(self, configuration: str) -> None:
        """Have the parent keep this, for workers that start while the file cannot be used."""
        self._send("keep", configuration=configuration)

    async def kept(self) -> str | None:
        """What any worker told to :meth:`keep` last; None where that is nothing."""
        with self._answer() as (number, receive):
            self._send("kept", id=number)
            configuration: str | None = (await receive.receive())["configuration"]
            return configuration

    def doors(self, apps: Iterable[str], *, closed: bool) -> None:
        """Have workers that start take no requests for these apps, or take them again."""
        self._send("doors", apps=list(apps), closed=closed)

    def lift(self, app: str) -> None:
        """Ask for the app's release from quarantine; ``on_quarantine`` follows."""
        self._send("lift", app=app)


def _nothing(*_: Any) -> None:
    pass


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _end_with_parent() -> None:
    """Have the system send SIGTERM when the parent dies (prctl(2)); the channel's end says so elsewhere."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
