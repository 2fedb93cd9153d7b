"""The parent's loop: signals, children, messages and deadlines, one after another. See the package's theory."""

from __future__ import annotations

import contextlib
import math
import os
import random
import selectors
import signal
import socket
import time
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial

from nano_trio import __version__
from nano_trio.parent.channel import VERSION, Channel, ChannelClosed, Message
from nano_trio.parent.log import Log
from nano_trio.parent.quarantine import Quarantine
from nano_trio.parent.shares import make_shares, withdraw
from nano_trio.parent.sockets import HeldSockets
from nano_trio.parent.systemd import Notifier, inherited_sockets
from nano_trio.parent.turns import Turns
from nano_trio.parent.worker import FAULTS, State, Worker, how_it_ended

__all__ = ["backoff", "supervise"]

_STOPS = (signal.SIGINT, signal.SIGTERM)
_GRACE_S = 4.0
"""How long after its deadline a worker that should have ended is killed."""
_LIVED_S = 1.0
"""A worker that has served for so long has lived: its successor starts at once."""
_SILENT_START_S = 60.0
"""How long a worker that starts may say nothing, or ``unresponsive_timeout_s`` where that is longer: it answers no ping
while it imports, and reads its configuration."""
_WHOLE_START_S = 600.0
"""How long a start may take that does."""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 30.0
_FAILED = 1
_LATE_S = 1.0
"""A parent that wakes up, or comes to an end with what it does, later than that was stopped itself (SIGSTOP, a paused
container)."""
_RELOAD = "reload"
"""Holds the turn while the parent lets workers reload."""


def supervise(command: Sequence[str], *, workers: int = 1, environ: MutableMapping[str, str] | None = None) -> int:
    """Keep ``workers`` processes of ``command`` until told to stop; returns the exit code to end with.

    ``command`` begins with a program's absolute path and has the argument ``{}`` where the descriptors of channel and
    record go. Installs signal handlers: for a process's main thread, once.
    """
    return _Supervisor(command, workers, os.environ if environ is None else environ).run()


def backoff(failures: int, chance: float) -> float:
    """Seconds to wait before the start that follows so many failures in a row; ``chance`` from 0 to 1 is the jitter."""
    if failures <= 0:
        return 0.0
    pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16))
    return pause * (0.5 + 0.5 * chance)


class _Supervisor:
    def __init__(self, command: Sequence[str], workers: int, environ: MutableMapping[str, str]) -> None:
        self._command = command
        self._notify = Notifier(environ)
        self._sockets = HeldSockets(inherited_sockets(environ))
        self._environ: Mapping[str, str] = environ
        self._quarantine = Quarantine()
        self._closed: set[str] = set()
        """Apps that somebody drained."""
        self._log = Log()
        self._selector = selectors.DefaultSelector()
        self._workers = [Worker(index) for index in range(workers)]
        self._drain_timeout_s = 30.0
        self._patience_s: dict[State, float | None] = {State.STARTING: _SILENT_START_S, State.SERVING: None}
        """How long a worker may give no sign of life."""
        self._served = False
        """All workers have served at once before: from now on failures are not final."""
        self._announced = False
        self._stopping: str | None = None
        self._code = 0
        self._to_reload: list[Worker] = []
        self._reloading: Worker | None = None
        self._reload_read = False
        """One of them has read the configuration: the others get what it read."""
        self._reload_again = False
        self._configuration: str | None = None
        """The last that a worker could use; only workers can read it."""
        self._started_with: str | None = None
        """The settings with which the first worker served, so that its successors keep to those that wait for a restart
        of the server."""
        self._reload_waits = False
        self._reload_the_late = False
        self._turns = Turns()
        self._shares = make_shares(workers)
        self._next_watchdog = 0.0
        self._asleep_since = 0.0
        self._awake_by = math.inf
        """When the loop means to look at its deadlines again."""

    def run(self) -> int:
        wakeup, theirs = socket.socketpair()
        for end in (wakeup, theirs):
            end.setblocking(False)
        # First: a signal that is handled and told to nobody would be lost.
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        for number in (*_STOPS, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, _leave_it_to_the_loop)
        self._selector.register(wakeup, selectors.EVENT_READ, partial(self._signals, wakeup))
        try:
            while self._stopping is None or any(worker.alive for worker in self._workers):
                began = time.monotonic()
                self._tick(began)
                self._watch_channels()
                self._asleep_since = now = time.monotonic()
                if now - began > _LATE_S:
                    # Stopped in the midst of that: whoever was asked has had no time to answer, and was not heard.
                    self._postpone(now - began)
                pause = self._pause(now)
                self._awake_by = math.inf if pause is None else now + pause
                # Signals first: what a worker says of one that it was sent, too, holds with what that one does here.
                for key, _ in sorted(self._selector.select(pause), key=lambda ready: ready[0].fileobj is not wakeup):
                    key.data()
        finally:
            signal.set_wakeup_fd(-1)
            for number in (*_STOPS, signal.SIGHUP):
                # Python undoes a handler of its own before it ends: then one more would end it otherwise than well.
                signal.signal(number, signal.SIG_IGN)
            self._sockets.close_all()
            for worker in self._workers:
                # Left over only where this is an error of ours: the end of the channel lets it drain.
                if worker.channel is not None:
                    worker.channel.close()
            self._selector.close()
            wakeup.close()
            theirs.close()
            self._log.flush()
        return self._code

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        """Do what is due."""
        if now - self._awake_by > _LATE_S:
            self._postpone(now - self._asleep_since)
        for worker in self._workers:
            if self._may_start(worker) and now >= worker.due:
                self._start(worker)
            if worker.kill_at is not None and now >= worker.kill_at:
                worker.kill_at = None
                worker.overdue = True
                self._log("error", "a worker process does not end and is killed", pid=worker.pid)
                worker.kill(signal.SIGKILL)
            if worker.channel is not None:
                self._look_after(worker, worker.channel, now)
        if self._notify.watchdog_s is not None and now >= self._next_watchdog:
            self._next_watchdog = now + self._notify.watchdog_s
            self._notify("WATCHDOG=1")

    def _postpone(self, seconds: float) -> None:
        """Nobody heard the workers for so long, and they may have been stopped as well: that time does not count."""
        for worker in self._workers:
            worker.postpone(seconds)

    def _pause(self, now: float) -> float | None:
        """Seconds until something is due."""
        times = [worker.kill_at for worker in self._workers if worker.kill_at is not None]
        if self._stopping is None:
            times += [worker.due for worker in self._workers if self._may_start(worker)]
            for worker in self._workers:
                timeout_s = self._patience_s.get(worker.state)
                if timeout_s is not None and worker.channel is not None and not worker.hung:
                    times.append(self._ping_due(worker, timeout_s))
        if self._notify.watchdog_s is not None:
            times.append(self._next_watchdog)
        return max(0.0, min(times) - now) if times else None

    @staticmethod
    def _ping_due(worker: Worker, timeout_s: float) -> float:
        """When to ask, or to give up waiting for the answer."""
        return worker.heard_at + timeout_s / 2 if worker.asked_at is None else worker.asked_at + timeout_s

    def _look_after(self, worker: Worker, channel: Channel, now: float) -> None:
        timeout_s = self._patience_s.get(worker.state)
        if timeout_s is None or worker.hung or self._stopping is not None:
            return
        starts = worker.state is State.STARTING
        what = f"has not answered for {timeout_s:g} s"
        if starts and now >= worker.since + _WHOLE_START_S:
            what = f"does not serve after {_WHOLE_START_S:g} s"
        elif now < self._ping_due(worker, timeout_s):
            return
        elif worker.asked_at is None:
            worker.asked_at = now
            channel.send("ping")
            return
        worker.hung = True
        app = worker.running_app()
        place = {"worker": worker.index} if len(self._workers) > 1 else {}
        self._log(
            "error",
            f"a worker process {'that starts ' if starts else ''}{what} and is ended",
            pid=worker.pid,
            app=app,
            **place,
        )
        # SIGABRT leaves a core dump where those are wanted.
        worker.kill(signal.SIGABRT)
        worker.kill_at = now + _FIRST_PAUSE_S

    # -- starts and ends ---------------------------------------------------------------------------------------------

    def _may_start(self, worker: Worker) -> bool:
        """The first worker goes ahead: where it finds fault with the configuration, the others need not say so too."""
        if self._stopping is not None or worker.state is not State.WAITING:
            return False
        return worker.index == 0 or self._served or self._workers[0].state is State.SERVING

    def _start(self, worker: Worker) -> None:
        self._sockets.begin(worker.index)
        try:
            worker.start(self._command, self._environ)
        except OSError as error:
            self._log("error", "a worker process cannot be started", reason=str(error))
            worker.failures += 1
            self._again(worker, worker.failures)
            return
        assert worker.channel is not None
        self._selector.register(worker.channel.sock, selectors.EVENT_READ, partial(self._channel_ready, worker))
        worker.channel.send(
            "welcome",
            [self._shares] if len(self._workers) > 1 else (),
            version=VERSION,
            package=__version__,
            worker=worker.index,
            workers=len(self._workers),
            announce=worker.index == 0 and not self._announced,
            quarantined=self._quarantine.reasons,
            closed=sorted(self._closed),
            configuration=self._configuration,
            started_with=self._started_with,
        )
        self._introduce_to_others(worker, worker.channel)

    def _introduce_to_others(self, worker: Worker, channel: Channel) -> None:
        for other in self._workers:
            if other is not worker and other.channel is not None:
                try:
                    _introduce(worker, channel, other, other.channel)
                except OSError as error:
                    self._log("error", "two workers cannot reach each other", reason=str(error), pid=worker.pid)

    def _reap(self) -> list[tuple[Worker, int]]:
        """Take the exit codes of all children that have ended (as process 1 of a container also those of strangers)."""
        ended: list[tuple[Worker, int]] = []
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0] != 0:
                ended += [
                    (worker, os.waitstatus_to_exitcode(found[1])) for worker in self._workers if worker.pid == found[0]
                ]
        return ended

    def _ended(self, worker: Worker, code: int) -> None:
        if worker.channel is not None:
            self._selector.unregister(worker.channel.sock)
            for message in worker.channel.receive_rest():  # its last words
                self._take(worker, worker.channel, message)
        app, hung, overdue = worker.running_app(), worker.hung, worker.overdue
        pid, served = worker.pid, worker.state is State.SERVING
        worker.gone()
        withdraw(self._shares, worker.index)
        changing = self._turns.holder is worker
        self._turns.leave(worker)
        if self._reloading is worker:
            self._reload_next()
        how = "did not answer" if hung else how_it_ended(code)
        if self._stopping is not None:
            worker.state = State.ENDED
            self._code = self._code or _exit_code(code)
            if code < 0 and not overdue:
                self._log("error", f"a worker process {how_it_ended(code)} while it drained", app=app, pid=pid)
        elif not self._announced and not hung and (code >= 0 or app is None):
            # The very first start: the worker has said why, unless it was killed or told to end. Once another serves
            # there are clients, and the configuration is one with which it can be done.
            worker.state = State.ENDED
            if code <= 0:
                self._log("error", f"the worker process {how} before it served", pid=pid)
            self._stop(f"a worker {how}")
            self._code = _exit_code(code) or _FAILED
        else:
            self._replace(worker, how, app, pid, served=served)
            if app is not None and (hung or -code in FAULTS) and self._quarantine.crashed(app, how):
                self._log("error", "quarantined", app=app, reason=self._quarantine.reasons[app])
                self._tell_quarantine()
            if changing:
                # It may have changed some of the workers, and would have changed the others next.
                self._reload()

    def _replace(self, worker: Worker, how: str, app: str | None, pid: int | None, *, served: bool) -> None:
        """Have another start in the place of one that has ended, and say so."""
        lived = served and time.monotonic() - worker.since >= _LIVED_S
        worker.failures = 0 if lived else worker.failures + 1
        # One that did serve may die young once.
        self._again(worker, worker.failures - served)
        if worker.unfit is not None:
            how = f"is of nano-trio {worker.unfit}, installed while the server ran ({__version__})"
            if not any(each.alive for each in self._workers):
                # A server that looks alive and answers nobody is restarted by nobody.
                self._log("error", f"a worker process {how}, and there is no other: the server ends", app=app, pid=pid)
                self._code = _FAILED
                self._stop("no worker can serve")
                return
            # Until the old package is back, or this process restarted, each attempt ends so.
            worker.due = time.monotonic() + _LONGEST_PAUSE_S
            how += ": restart the server"
        pause = round(worker.due - time.monotonic(), 1)
        self._log("error", f"a worker process {how}", app=app, pid=pid, next_in_s=pause if pause > 0 else None)
        self._notify(f"STATUS=A worker process {how}; the next one starts")

    @staticmethod
    def _again(worker: Worker, failures: int) -> None:
        worker.state = State.WAITING
        worker.due = time.monotonic() + backoff(failures, random.random())

    def _tell_quarantine(self) -> None:
        for worker in self._workers:
            if worker.channel is not None:
                worker.channel.send("quarantined", apps=self._quarantine.reasons)

    # -- signals -----------------------------------------------------------------------------------------------------

    def _signals(self, wakeup: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            numbers = wakeup.recv(4096)
            ended = self._reap()
            # Who was killed was so before it was told to end: it failed at no drain. But a terminal's Ctrl-C reaches
            # the workers, too: of those that have ended by themselves, that they were asked to comes first.
            for worker, code in ended:
                if code < 0:
                    self._ended(worker, code)
            for number in numbers:
                if number in _STOPS:
                    self._stop(signal.Signals(number).name)
                elif number == signal.SIGHUP:
                    self._reload()
            for worker, code in ended:
                if code >= 0:
                    self._ended(worker, code)

    def _stop(self, why: str) -> None:
        now = time.monotonic()
        if self._stopping is None:
            self._stopping = why
            self._notify("STOPPING=1", "STATUS=Draining")
            self._sockets.close_all()
            self._to_reload.clear()
            for worker in self._workers:
                if worker.channel is not None:
                    worker.channel.send("drain", signal=why)
                worker.kill_at = now + self._drain_timeout_s + _GRACE_S if worker.alive else None
        else:
            for worker in self._workers:
                if worker.channel is not None:
                    worker.channel.send("end", signal=why)
                if worker.alive:
                    worker.kill_at = now + _GRACE_S

    # -- reload ------------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Let the workers reload, one at a time. What is asked for meanwhile comes afterwards, once."""
        if self._stopping is not None:
            return
        if self._turns.holder == _RELOAD:
            self._reload_again = True
        elif not self._reload_waits:
            self._reload_waits = True
            self._turns.ask(_RELOAD, 0, self._reload_now)

    def _reload_now(self) -> None:
        self._reload_waits = False
        if self._stopping is not None:
            return
        self._notify.reloading()
        # What those that start have read may be old by now.
        self._reload_the_late = any(worker.state is State.STARTING for worker in self._workers)
        self._to_reload = [worker for worker in self._workers if worker.state is State.SERVING]
        self._reload_read = False
        self._reload_next()

    def _reload_next(self) -> None:
        self._reloading = None
        while self._to_reload:
            worker = self._to_reload.pop(0)
            if worker.state is State.SERVING and worker.channel is not None:
                self._reloading = worker
                worker.channel.send("reload", signal="SIGHUP", kept=self._reload_read)
                return
        if self._stopping is None:
            self._notify("READY=1")
        self._turns.end(_RELOAD, 0)
        if self._reload_again:
            self._reload_again = False
            self._reload()

    # -- messages ----------------------------------------------------------------------------------------------------

    def _watch_channels(self) -> None:
        for worker in self._workers:
            if worker.channel is not None:
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.channel.pending else 0)
                key = self._selector.get_map().get(worker.channel.sock)
                if key is not None and key.events != events:
                    self._selector.modify(worker.channel.sock, events, key.data)

    def _channel_ready(self, worker: Worker) -> None:
        channel = worker.channel
        if channel is None:
            return
        channel.flush()
        try:
            messages = channel.receive()
        except ChannelClosed:
            # Its end is reported by SIGCHLD. One that closed its channel and lives on is of no use.
            self._selector.unregister(channel.sock)
            channel.close()
            worker.channel = None
            if worker.kill_at is None:
                worker.kill_at = time.monotonic() + _GRACE_S
            return
        for message in messages:
            self._take(worker, channel, message)

    def _take(self, worker: Worker, channel: Channel, message: Message) -> None:
        if worker.state is State.STARTING:
            # Whatever it says is a sign of life: it may do much before it serves.
            worker.asked_at = None
            worker.heard_at = time.monotonic()
        match message["type"]:
            case "open":
                self._open(worker, channel, message)
            case "close":
                self._sockets.close(worker.index, (message["scheme"], message["host"], message["port"]))
                if message["id"] is not None:
                    channel.send("closed", id=message["id"])
            case "signalled":
                if self._stopping is None:
                    channel.send("drain", signal=message["signal"])
            case "ready":
                self._ready(worker, message)
            case "reloaded":
                if self._reloading is worker:
                    self._reload_read = self._reload_read or message["ok"]
                    if not message["ok"]:
                        self._to_reload.clear()  # the others would fail as well
                    self._reload_next()
            case "keep":
                self._configuration = message["configuration"]
            case "kept":
                channel.send("kept", id=message["id"], configuration=self._configuration)
            case "lift":
                if self._quarantine.lift(message["app"]):
                    self._log("info", "the quarantine is lifted", app=message["app"])
                    self._tell_quarantine()
            case "unfit":
                worker.unfit = message["package"]
            case "doors":
                self._doors(message["apps"], message["closed"])
            case "pong":
                worker.asked_at = None
                worker.heard_at = time.monotonic()
            case "turn":
                self._turns.ask(worker, message["id"], partial(channel.send, "turn", id=message["id"]))
            case "over":
                self._turns.end(worker, message["id"])
            case "meet":
                self._introduce_to_others(worker, channel)
                channel.send("met", id=message["id"])

    def _doors(self, apps: Sequence[str], closed: bool) -> None:
        before = self._closed
        self._closed = before.union(apps) if closed else before.difference(apps)
        if self._closed == before:
            return
        for worker in self._workers:
            # Before it serves nobody else tells it, and its welcome said what was so then.
            if worker.state is State.STARTING and worker.channel is not None:
                worker.channel.send("doors", closed=sorted(self._closed))

    def _open(self, worker: Worker, channel: Channel, message: Message) -> None:
        if self._stopping is not None:
            return  # it will not wait for the answer: it has been told to end
        key = (message["scheme"], message["host"], message["port"])
        wanted = [(family, tuple(address)) for family, address in message["addresses"]]
        try:
            leaving = [(scheme, host, port) for scheme, host, port in message["leaving"]]
            sockets = self._sockets.open(worker.index, key, wanted, message["backlog"], leaving)
            channel.send("opened", [sock.fileno() for sock in sockets], id=message["id"])
        except OSError as error:
            channel.send("opened", id=message["id"], errno=error.errno or 0, message=error.strerror or str(error))

    def _ready(self, worker: Worker, message: Message) -> None:
        self._log.level, self._log.format = message["log_level"], message["log_format"]
        self._started_with = self._started_with or message["started_with"]
        self._drain_timeout_s = message["drain_timeout_s"]
        self._quarantine.window_s = message["quarantine_window_s"]
        timeout_s = message["unresponsive_timeout_s"]
        self._patience_s[State.SERVING] = timeout_s
        self._patience_s[State.STARTING] = None if timeout_s is None else max(_SILENT_START_S, timeout_s)
        if self._stopping is not None or worker.state is State.SERVING:
            return
        worker.state = State.SERVING
        worker.since = worker.heard_at = time.monotonic()
        self._announced = True
        self._sockets.settle(worker.index)
        if self._reload_the_late:
            self._reload()
        if not self._served and (unclaimed := self._sockets.unclaimed):
            self._log(
                "error",
                f"systemd passed {', '.join(unclaimed)}, where the configuration does not listen; "
                f"it listens on {', '.join(self._sockets.places)}",
            )
            self._code = _FAILED
            self._stop("a socket that nobody wants")
        elif all(each.state is State.SERVING for each in self._workers):
            self._served = True
            self._notify("READY=1", "STATUS=Serving")


def _exit_code(code: int) -> int:
    """What a shell would tell of a process that ended with ``code``, where a signal's number is negative."""
    return code if code >= 0 else 128 - code


def _leave_it_to_the_loop(number: int, frame: object) -> None:
    """The wakeup descriptor tells the loop. Handled, so that it interrupts system calls and is not inherited."""


def _introduce(one: Worker, its: Channel, other: Worker, others: Channel) -> None:
    """Give two workers a socket to each other."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for (channel, peer), end in zip(((its, other), (others, one)), ends, strict=True):
        with end:
            channel.send("peer", [end.fileno()], worker=peer.index)
