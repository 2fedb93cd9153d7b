"""Where cryptography is computed: in the turn that asks for it, on a worker thread, or in a process of its own.

Theory of operation. A host function says what is to be computed and how heavy it is (:class:`Weight`):

- ``LIGHT`` work (a digest of short data, HMAC, AES, one elliptic-curve signature) is done at once, for as long as the
  app has not spent more than ``_BUDGET_S`` so in a few milliseconds: native code is not polled, so a loop of such calls
  would otherwise hold the process for long. Beyond that budget it is put aside; of all light work put aside by all
  apps, one piece is done in each pass of the Trio loop. (A thread takes longer to wake than such work takes.)
- ``HEAVY`` work runs on one of Trio's worker threads. An app has two at a time, and all apps as many as there are
  cores, so an app that asks for a thousand keys delays its neighbour's signature by no more than its share.
- ``ENDLESS`` work (PBKDF2 with billions of iterations) cannot be stopped on a thread; it runs in a process that is
  killed when the app no longer waits, one at a time for an app. Where the server is killed it ends itself.

:meth:`Work.run` answers with the result, with a string ``"Name\\nmessage"`` for an error, or with None: the work has
been put aside and JavaScript starts it as an operation, :meth:`Work.proceed`. The operation settles without a value;
:meth:`Work.take` then hands out the result, which so never passes through a promise that app code could look into.
A defect of ours is an OperationError to the app, and logged.

Where an app wants the result at once (``scryptSync``), :meth:`Work.wait` has its turn wait, suspended, for the same
thread or process. That one's CPU time is the turn's: it is looked at while a thread works, and a process has a timer of
its own that ends it. A thread that nobody waits for any more goes on to its end, which what is ``HEAVY`` soon comes to,
and keeps its place among those that all apps may have. A turn waits for no other work of its app: that may be endless.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import pickle
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sized
from typing import IO, Any, Final, TypeVar

import structlog
import trio

from nano_trio.engine.pauses import CannotWait
from nano_trio.engine.threads import NoThread, in_thread
from nano_trio.runtime.host import HostError, Services
from nano_trio.runtime.large import Lent
from nano_trio.runtime.pieces import LARGE, Pieces

__all__ = ["BIG", "Operations", "Weight", "Work", "by_data", "light", "threads"]

BIG = 65536
"""From how many bytes of data work is heavy."""

_BUDGET_S = 0.001
_WINDOW_S = 0.01
_PER_APP = 2
_ALLOWANCE = 4 << 20
"""Bytes that the work of an app may hold outside its heap before they count as the app's memory."""
_log = structlog.get_logger("nano_trio")

_FAILED = "The operation failed for an operation-specific reason."

_Own = TypeVar("_Own")


def _of_loop(make: Callable[[], _Own]) -> Callable[[], _Own]:
    """One for each event loop: a process may have several, and none gets back what a thread had when its loop ended."""
    kept: trio.lowlevel.RunVar[_Own] = trio.lowlevel.RunVar("cryptographic work")

    def find() -> _Own:
        try:
            return kept.get()
        except LookupError:
            kept.set(make())
            return kept.get()

    return find


def _limiter() -> trio.CapacityLimiter:
    return trio.CapacityLimiter(max(2, os.cpu_count() or 2))


threads = _of_loop(_limiter)
"""For what takes long, of all apps."""
_processors = _of_loop(_limiter)
"""For processes that turns wait for."""
_pass = _of_loop(trio.Lock)
"""Held by the one piece of light work of this pass."""


class Weight(enum.Enum):
    """How heavy a piece of work is, which decides where it is done."""

    LIGHT = enum.auto()
    HEAVY = enum.auto()
    ENDLESS = enum.auto()

    @staticmethod
    def of(*data: Sized) -> Weight:
        """The weight of one pass over ``data``."""
        return Weight.HEAVY if sum(map(len, data)) > BIG else Weight.LIGHT


Operations = dict[str, tuple[Callable[..., Any], Callable[..., Weight]]]
"""What a kind of key can do: ``compute(key, *arguments)`` and the weight of that, ``weigh(key, *arguments)``."""


def light(*_: Any) -> Weight:
    """For work that takes less than a millisecond, whatever it is given."""
    return Weight.LIGHT


def by_data(key: Any, data: Sized, *_: Any) -> Weight:
    """For work that takes the longer, the more data there is."""
    return Weight.of(data)


class _Job:
    """Work put aside. ``size``: the bytes it holds outside the app's heap, which are to count as the app's."""

    __slots__ = ("compute", "present", "result", "size", "weight")

    def __init__(self, weight: Weight, size: int, compute: Callable[[], Any], present: Callable[[Any], Any]) -> None:
        self.weight = weight
        self.size = size
        self.compute = compute
        self.present = present
        self.result: Any = None


def _guard(function: Callable[..., Any], *args: Any) -> Any:
    """The result, or an error as a string, or the exception that a defect of ours raised. What OpenSSL refuses is an
    OperationError without details."""
    try:
        return function(*args)
    except HostError as error:
        return f"{error.name}\n{error.message}"
    except Exception as error:
        return f"OperationError\n{_FAILED}" if _is_refusal(error) else error


def _is_refusal(error: Exception) -> bool:
    """Whether OpenSSL, or what lies between it and us, says so that it does not do what was asked."""
    # Not imported: the library takes tens of milliseconds, and who is here for the threads alone has no use for it.
    return isinstance(error, ValueError | OverflowError | MemoryError) or (
        type(error).__module__ == "cryptography.exceptions"
    )


def _unavailable(error: OSError) -> str:
    """No thread, no process or no file was to be had."""
    _log.warning("an app's cryptography failed", reason=str(error))
    return f"OperationError\n{error.strerror or error}"


class Work:
    """The cryptographic work of one isolate."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._spent = 0.0
        self._window = 0.0
        self._threads = trio.Semaphore(_PER_APP)
        self._processes = trio.Semaphore(1)
        self._next: _Job | None = None
        self._finished: dict[int, _Job] = {}
        self._held = 0

    def run(
        self,
        weight: Weight,
        size: int,
        compute: Callable[[], Any],
        present: Callable[[Any], Any] = lambda result: result,
    ) -> Any:
        """Compute, now or later. ``present`` makes the result a value for JavaScript; it runs in the app's turn.

        A large result is the number by which JavaScript takes it (:meth:`nano_trio.runtime.large.Large.tell`).
        """
        if weight is Weight.LIGHT:
            begin = time.perf_counter()
            if begin - self._window > _WINDOW_S:
                self._window, self._spent = begin, 0.0
            if self._spent < _BUDGET_S:
                result = _guard(compute)
                self._spent += time.perf_counter() - begin
                return self._present(present, result)
        self._next = _Job(weight, size, compute, present)
        return None

    def wait(
        self,
        weight: Weight,
        compute: Callable[[], Any],
        present: Callable[[Any], Any] = lambda result: result,
    ) -> Any:
        """Compute, while the turn waits where that takes long. The answer is as that of :meth:`take`.

        Raises :class:`~nano_trio.engine.pauses.Stopped` where the turn must stop: its caller only lets that through.
        """
        if weight is Weight.LIGHT:
            return self._present(present, _guard(compute))
        try:
            return self._present(present, self._services.wait(functools.partial(_for_turn, weight, compute)))
        except CannotWait:
            return "InvalidStateError\nNothing can be waited for here."

    def proceed(self, operation: int) -> int:
        """Start what :meth:`run` has put aside; how many bytes it is to count for in the app's heap meanwhile."""
        job, self._next = self._next, None
        assert job is not None
        self._services.operation(operation, self._perform, operation, job)
        self._held += job.size
        return job.size if self._held > _ALLOWANCE else 0

    def take(self, operation: int) -> Any:
        """The result of an operation that has settled. Once."""
        job = self._finished.pop(operation)
        self._held -= job.size
        return self._present(job.present, job.result)

    def _present(self, present: Callable[[Any], Any], result: Any) -> Any:
        if not isinstance(result, str | Exception):
            result = _guard(present, result)
        if isinstance(result, Exception):
            _log.error("internal error in cryptographic work", exc_info=result)
            return f"OperationError\n{_FAILED}"
        if type(result) is bytes and len(result) > LARGE:
            result = Pieces((result,))
        if isinstance(result, list | tuple):
            return self._services.array(result)
        return self._services.large.tell(Lent(result, text=False)) if type(result) is Pieces else result

    def argument(self) -> Pieces:
        """The next of the large arguments of the host function that is called."""
        return self._services.large.held()

    async def _perform(self, operation: int, job: _Job) -> None:
        try:
            await self._compute(job)
        except OSError as error:
            job.result = _unavailable(error)
        self._finished[operation] = job
        # Another turn has begun or will: what it computes at once counts anew.
        self._spent = 0.0

    async def _compute(self, job: _Job) -> None:
        if job.weight is Weight.LIGHT:
            async with self._threads, _pass():
                await trio.lowlevel.checkpoint()
                job.result = _guard(job.compute)
        elif job.weight is Weight.ENDLESS:
            async with self._processes:
                job.result, _ = await _in_process(job.compute)
        else:
            async with self._threads:
                job.result = await in_thread(_guard, job.compute, limiter=threads(), abandon_on_cancel=True)


class _Clock:
    """The CPU time that a thread takes for something, for others to read."""

    def __init__(self) -> None:
        self.runs = trio.Event()
        """There is something to read: before, others may have the threads for long."""
        self._loop = trio.lowlevel.current_trio_token()
        self._thread: int | None = None
        self._began = 0
        self._used: int | None = None

    def time(self, compute: Callable[[], Any]) -> Any:
        """Do it. Called in the thread."""
        self._began = time.thread_time_ns()
        # Where systems have no such clock it is known at the end.
        find: Callable[[int], int] | None = getattr(time, "pthread_getcpuclockid", None)
        self._thread = None if find is None else find(threading.get_ident())
        with contextlib.suppress(trio.RunFinishedError):
            self._loop.run_sync_soon(self.runs.set)
        try:
            return _guard(compute)
        finally:
            self._used = time.thread_time_ns() - self._began

    @property
    def used_ns(self) -> int:
        """So far."""
        if self._used is not None or self._thread is None:
            return self._used or 0
        return time.clock_gettime_ns(self._thread) - self._began


_MOMENT_S: Final = 0.001


async def _for_turn(weight: Weight, compute: Callable[[], Any], limit_ns: int) -> tuple[Any, int]:
    """The result, and the CPU time in ns that it took; where that is the limit there is no result."""
    if weight is Weight.ENDLESS:
        async with _processors():
            try:
                return await _in_process(compute, limit_ns)
            except OSError as error:
                return _unavailable(error), 0
    clock = _Clock()
    outcome: tuple[Any, int] = None, limit_ns
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_until, clock, limit_ns, nursery.cancel_scope)
        try:
            result = await in_thread(clock.time, compute, limiter=threads(), abandon_on_cancel=True)
            outcome = result, clock.used_ns
        except NoThread as error:
            outcome = _unavailable(error), 0
        nursery.cancel_scope.cancel()
    return outcome


async def _until(clock: _Clock, limit_ns: int, scope: trio.CancelScope) -> None:
    """Cancel it when so much CPU time is used."""
    await clock.runs.wait()
    while (left_ns := limit_ns - clock.used_ns) > 0:  # noqa: ASYNC110
        await trio.sleep(max(left_ns / 1e9, _MOMENT_S))
    scope.cancel()


async def _in_process(compute: Callable[[], Any], limit_ns: int = 0) -> tuple[Any, int]:
    """Compute in a process that is killed on cancellation: the result, and the CPU time in ns that it took.

    ``compute`` and its result must be picklable. Of ``limit_ns`` of CPU time, where that is not 0, it takes no more:
    then there is no result.
    """
    with await in_thread(_write_down, (compute, limit_ns)) as file:
        done = await trio.run_process(
            [sys.executable, "-P", "-m", "nano_trio.runtime.crypto_work"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=file,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            deliver_cancel=_kill,
            # Ctrl-C goes to the whole group at the terminal. The server drains then, and this is a part of what it has.
            process_group=0,
        )
    if limit_ns and done.returncode == -signal.SIGPROF:
        return None, limit_ns
    if done.returncode != 0:
        return ChildProcessError(f"the process ended with {done.returncode}: {done.stderr.decode(errors='replace')}"), 0
    result, used_ns = pickle.loads(done.stdout)
    return result, used_ns


def _write_down(job: tuple[Callable[[], Any], int]) -> IO[bytes]:
    """For the process to read. The pieces of what is large are written one by one, without Python's lock.

    Where the system has files in memory it is one: there are keys in it.
    """
    file: IO[bytes]
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("nano-trio-work"), "w+b")
    else:
        file = tempfile.TemporaryFile()  # noqa: SIM115
    pickle.dump(job, file)
    file.seek(0)
    return file


async def _kill(process: trio.Process) -> None:
    process.kill()


def _end_with_server() -> None:
    """A server that is killed cannot kill this: end where nobody is left to read the result."""
    result = select.poll()
    result.register(sys.stdout.fileno(), 0)  # of no events: an error is told all the same
    result.poll()
    os._exit(1)


def _main() -> None:
    # Others' turns come first, where the system lets a process say so.
    with contextlib.suppress(OSError):
        os.nice(5)
    threading.Thread(target=_end_with_server, daemon=True).start()
    compute, limit_ns = pickle.load(sys.stdin.buffer)
    began = time.process_time_ns()
    if limit_ns:
        signal.setitimer(signal.ITIMER_PROF, limit_ns / 1e9)
    result = _guard(compute)
    signal.setitimer(signal.ITIMER_PROF, 0)
    if isinstance(result, Exception):
        raise result
    sys.stdout.buffer.write(pickle.dumps((result, time.process_time_ns() - began)))


if __name__ == "__main__":
    _main()
