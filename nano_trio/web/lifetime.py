"""A serving process from its start to its end: signals, and what its parent process tells it.

The first SIGINT or SIGTERM lets requests finish, the second ends at once; SIGHUP reloads. A parent says the same by
messages (:mod:`nano_trio.web.parent_link`), and Ctrl-C in a terminal comes both ways: a message counts as no second
signal.
"""

from __future__ import annotations

import functools
import gc
import importlib
import math
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import structlog
import trio

from nano_trio.actors.child import ChildSpec
from nano_trio.config import Config, Overlay
from nano_trio.engine import freed_memory
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.web.certificates import CertificateError
from nano_trio.web.file_watch import Digests, FileWatch
from nano_trio.web.hosting import Hosting
from nano_trio.web.parent_link import ParentLink
from nano_trio.web.startup import host

__all__ = ["serve_until_signal"]

log = structlog.get_logger("nano_trio")

_STOPS = (signal.SIGINT, signal.SIGTERM)
_THE_REST = ("nano_trio.runtime.fetch", "nano_trio.runtime.cache", "nano_trio.runtime.cache_sqlite", "websockets")
_QUIET_S = 0.25
_LOOK_S = 600.0
"""Between two looks at whether this process has written much bytecode."""


async def serve_until_signal(
    config: Config,
    *,
    dev: bool,
    access_log: bool,
    started: Callable[[Hosting], None],
    source: Callable[[], Config] | None = None,
    overlay: Overlay | None = None,
    watched: Sequence[Path] = (),
    seen: Digests | None = None,
    link: ParentLink | None = None,
    fallback: Config | None = None,
    fault: str | None = None,
) -> None:
    """Host until SIGINT or SIGTERM, or until the parent says so. See :func:`nano_trio.web.startup.host`.

    ``watched``: the configuration's files; ``seen``: their digests before they were read. ``fallback``: what to run
    with where this one cannot be, for its ports or certificates. ``fault``: why ``config`` is not what the file says.
    Raises OSError for a port in use.
    """
    async with trio.open_nursery() as nursery:
        life = _Life(nursery, link)
        with trio.open_signal_receiver(*_STOPS, signal.SIGHUP) as signals:
            nursery.start_soon(life.obey, signals)
            # A worker's parent holds them back until here. SIGHUP it keeps for itself, and lets workers take turns.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
            if link is not None:
                link.on_drain, link.on_end, link.on_reload = life.drain, life.end, life.reload
                await nursery.start(link.run)
            begin = functools.partial(
                host, dev=dev, access_log=access_log, source=source, overlay=overlay, link=link, fault=fault
            )
            hosting: Hosting
            try:
                hosting = await nursery.start(begin, config)
            except (CertificateError, OSError, ExceptionGroup) as error:
                cause = _first(error)
                if fallback is None or not isinstance(cause, CertificateError | OSError):
                    raise
                hosting = await nursery.start(functools.partial(begin, fault=_told(cause)), fallback)
            # Who was told to end meanwhile has nothing more to begin.
            await trio.lowlevel.checkpoint_if_cancelled()
            life.hosting = hosting
            _calm_garbage_collection()
            freed_memory.keep_some()
            _hurry_other_threads()
            started(hosting)
            hosting.tell_parent()
            # Before it looks at its files: by the time that it says one is broken, its successor has something to run
            # with.
            await hosting.keep()
            nursery.start_soon(_do_the_rest, hosting)
            await trio.lowlevel.checkpoint_if_cancelled()
            if hosting.started_with.watch:
                hosting.operations.add(ChildSpec(id="file watch", run=FileWatch(hosting, watched, seen).run))
            await trio.sleep_forever()


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _told(error: CertificateError | OSError) -> str:
    if isinstance(error, CertificateError):
        return str(error)
    place = f" on {error.filename}" if error.filename else ""
    return f"cannot listen{place}: {error.strerror or error}"


class _Life:
    """What signals and the parent's messages do."""

    def __init__(self, nursery: trio.Nursery, link: ParentLink | None) -> None:
        self.hosting: Hosting | None = None
        """None until it serves."""
        self._nursery = nursery
        self._link = link
        self._draining = False

    async def obey(self, signals: AsyncIterator[int]) -> None:
        """Do what signals ask for."""
        stopped = False
        async for number in signals:
            name = signal.Signals(number).name
            if number == signal.SIGHUP:
                log.info("reloading", signal=name)
                self.reload()
            elif stopped:
                self.end(name)
            else:
                stopped = True
                if self._link is None:
                    self.drain(name)
                else:
                    self._link.signalled(name)

    def drain(self, why: str) -> None:
        """Let requests finish, then end. Where nothing is served yet, end. Idempotent."""
        if self._draining:
            return
        self._draining = True
        if self.hosting is None:
            self._nursery.cancel_scope.cancel()
            return
        # Before it is said, so that who reads so may rely on it.
        self.hosting.stop()
        log.info("draining", signal=why, timeout_s=self.hosting.config.drain_timeout_s)
        self._nursery.start_soon(self._drain_then_end, self.hosting)

    async def _drain_then_end(self, hosting: Hosting) -> None:
        await hosting.drain()
        self._nursery.cancel_scope.cancel()

    def end(self, why: str) -> None:
        """End at once."""
        if not self._nursery.cancel_scope.cancel_called:
            log.warning("ending at once", signal=why)
            self._nursery.cancel_scope.cancel()

    def reload(self, kept: bool = False) -> None:
        """Read everything anew. Before it serves there is nothing to reload: what it reads is new."""
        if self.hosting is not None:
            self._nursery.start_soon(self._reload, self.hosting, kept)

    async def _reload(self, hosting: Hosting, kept: bool) -> None:
        report = await hosting.reload(kept=kept)
        if self._link is not None:
            self._link.reloaded(report.error is None)


async def _do_the_rest(hosting: Hosting) -> None:
    """What can wait until it serves."""
    try:
        await _import_the_rest()
    except (ImportError, OSError) as error:
        # Too many files are open: no reason to end. Who needs one of them first imports it.
        log.warning("modules are imported later, when they are needed", reason=str(error))
    await _prune(hosting.registry.bytecode)


async def _prune(bytecode: BytecodeCache) -> None:
    """Keep what lies on disk bounded, for as long as it serves: each version of an app's code leaves some."""
    await in_thread_or_here(bytecode.prune)
    while True:
        await trio.sleep(_LOOK_S)
        if bytecode.has_grown:
            await in_thread_or_here(bytecode.prune)


async def _import_the_rest() -> None:
    """What nobody needs before the first request: there it would hold up the start, and where it is first needed
    everybody's requests.

    It takes some 35 ms. In a thread it holds up nobody for long, but whoever has a request meanwhile waits for the
    interpreter each time: so first comes a quarter of a second in which this thread does next to nothing.
    """
    used = -math.inf
    while time.thread_time() - used > _QUIET_S / 20:
        used = time.thread_time()
        await trio.sleep(_QUIET_S)
    await in_thread_or_here(_import, _THE_REST)


def _import(names: Sequence[str]) -> None:
    for name in names:
        importlib.import_module(name)
    gc.freeze()


def _calm_garbage_collection() -> None:
    """What is here stays: keep the collector off it, and let it look at the rest less often (Python's ``gc``).

    A look at the newest objects stops everything for some 0.15 ms for each thousand. So it comes every thousand (an app
    that starts leaves a hundred), and looks once more at what is left of ten such, or of fewer where there is time
    (:mod:`nano_trio.actors.blanks`). Were there more of these, one app could have everybody wait: 18,000 operations are
    a million objects, and a look at them took 0.3 s. To those that are older it goes on once in a hundred million: that
    takes as long. All this is for what libraries leave: nothing of ours that ends is part of a cycle
    (tests/serving/test_leftovers.py), or a dead isolate would stay for hours. What imports left of garbage is frozen as
    well: it is 1 MB, and for its collection the first request would wait 40 ms, 80 with ten thousand apps.
    """
    gc.freeze()
    # Where the collector goes on in steps, from Python 3.14 on, the second number says how small these are.
    gc.set_threshold(1_000, 1_000 if sys.version_info >= (3, 14) else 10, 100_000)
    gc.enable()


def _hurry_other_threads() -> None:
    """Logs are written and files are read in threads: none keeps the interpreter for longer than a slice of JavaScript.

    Python's default is 5 ms, and every read of a file by the loop gives them the chance.
    """
    sys.setswitchinterval(0.0005)
