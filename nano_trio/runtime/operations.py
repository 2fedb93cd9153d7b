"""Operations: what an app's JavaScript waits for and the host does meanwhile. Each is a number, as a timer is.

Theory of operation. They run in the environment's nursery, and where that is not there yet begin with it. An operation
ends with a turn of its own, which calls the entry ``settle``. An app may begin a hundred thousand at a time: those of a
burst wait in a queue and begin a few a pass, at the app's :class:`~nano_trio.runtime.pace.Pace`; and above a number
they are begun in groups, each with a nursery of its own, so that they can be cancelled one group a pass.
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
import trio

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.threads import NoThread
from nano_trio.engine.turn import Turn
from nano_trio.runtime.host import HostError
from nano_trio.runtime.large import Large, Lent
from nano_trio.runtime.pace import Pace

if TYPE_CHECKING:
    from nano_trio.runtime.dispatch import AppHost
    from nano_trio.runtime.environment import Environment

__all__ = ["Operations"]

_CROWD = 100
"""Operations of an app above which the next are begun in groups: to cancel one takes some 15 microseconds."""
_GROUP = 50

_log = structlog.get_logger("nano_trio")

_Work = Callable[..., Awaitable[Any]]
_Deferred = tuple[int, _Work, tuple[Any, ...]]
"""An operation's number, what to run for it, and with which arguments."""


class Operations(ABC):
    """The operations of an environment: a part of its host, of which there is one for each isolate."""

    app: AppHost
    _environment: weakref.ref[Environment]
    groups: set[trio.Nursery] | None = None
    """Of operations, where there were many."""

    def __init__(self, scheduler: CpuScheduler) -> None:
        self.pace = Pace(scheduler)
        self.queued: deque[_Deferred] | None = None
        """Operations of a burst that are not begun; None where none had to wait: a deque takes 760 bytes."""
        self.operations: dict[int, Any] = {}
        """Those that have not ended: on whose behalf, or None."""
        self.nursery: trio.Nursery | None = None
        self.deferred: list[_Deferred] = []
        """Those that came before there was a nursery."""
        self.deferred_background: list[Callable[[], Awaitable[None]]] = []
        self.on_work: Callable[[], None] | None = None
        """To be called where there is something to run and no nursery; None where that was done."""

    @property
    @abstractmethod
    def cause(self) -> Any:
        """See :class:`nano_trio.runtime.host.Services`."""

    @property
    @abstractmethod
    def large(self) -> Large:
        """See :class:`nano_trio.runtime.host.Services`."""

    def succeeded(self, operation: int, value: Any) -> None:
        self._register(operation)
        self.settle(operation, True, value)

    def _register(self, operation: int) -> None:
        cause = self.operations[operation] = self.cause
        if cause is not None:
            self.app.keep(cause)

    def operation(self, operation: int, work: _Work, *args: Any) -> None:
        self._register(operation)
        if self.nursery is None:
            self.deferred.append((operation, work, args))
            self._ask_for_nursery()
        else:
            self._begin(operation, work, args)

    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        if self.nursery is None:
            self.deferred_background.append(work)
            self._ask_for_nursery()
        else:
            self.nursery.start_soon(work)

    def _ask_for_nursery(self) -> None:
        if self.on_work is not None:
            on_work, self.on_work = self.on_work, None
            on_work()

    def begin_deferred(self, nursery: trio.Nursery) -> None:
        """Begin what could not be begun before there was a nursery."""
        self.nursery, self.on_work = nursery, None
        background, self.deferred_background = self.deferred_background, []
        for task in background:
            nursery.start_soon(task)
        deferred, self.deferred = self.deferred, []
        for operation, work, args in deferred:
            self._begin(operation, work, args)

    def _begin(self, operation: int, work: _Work, args: tuple[Any, ...]) -> None:
        assert self.nursery is not None
        if not self.queued and len(self.operations) <= _CROWD and self.pace.claim():
            self.nursery.start_soon(self.run_operation, operation, work, args)
        else:
            if self.queued is None:
                self.queued = deque()
            self.queued.append((operation, work, args))
            if len(self.queued) == 1:
                self.nursery.start_soon(self._start_queued)

    async def _start_queued(self) -> None:
        """Start the operations of a burst, a few a pass."""
        begun = 0
        group: trio.Nursery | None = None
        full = trio.Event()
        while self.queued:
            await self.pace.turn()
            if len(self.operations) > _CROWD and begun % _GROUP == 0 and self.nursery is not None:
                full.set()
                full = trio.Event()
                group = await self.nursery.start(self._run_group, full)
            if self.queued and self.nursery is not None:
                begun += 1
                (group or self.nursery).start_soon(self.run_operation, *self.queued.popleft())
        full.set()

    async def _run_group(self, full: trio.Event, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Own some of many operations, which are cancelled together, and not with all others."""
        async with trio.open_nursery() as group:
            groups = self.groups = self.groups or set()
            groups.add(group)
            try:
                task_status.started(group)
                await full.wait()
                # It ends with the last of them.
            except BaseException:
                groups.discard(group)
                raise
        groups.discard(group)

    async def end_groups(self) -> None:
        """Cancel what groups there are, one a pass of the loop: an app may have a hundred thousand operations."""
        while self.groups:
            self.groups.pop().cancel_scope.cancel()
            await trio.lowlevel.checkpoint()

    async def run_operation(self, operation: int, work: _Work, args: tuple[Any, ...]) -> None:
        try:
            outcome: tuple[Any, ...] = (True, await work(*args))
        except HostError as error:
            outcome = (False, error.name, error.message)
        except (NoThread, BlockingIOError) as error:  # the other is fork's
            _log.warning("an operation of an app failed", reason=str(error))
            outcome = (False, "OperationError", str(error))
        except Exception as error:
            # A defect of ours: it costs this operation, not the app.
            _log.exception("internal error in an operation")
            outcome = (False, "OperationError", f"internal error ({type(error).__name__})")
        self.settle(operation, *outcome)

    def settle(self, operation: int, succeeded: bool, value: Any, message: str | None = None) -> None:
        """End an operation with a turn. Also for operations that no task of the nursery runs."""
        environment = self._environment()
        if environment is None:
            return

        number = None
        if type(value) is Lent:
            value = number = self.large.tell(value)

        def settled(_: Turn) -> None:
            self.operations.pop(operation, None)
            if number is not None:
                self.large.forget(number)

        cause = self.operations.get(operation)
        if isinstance(value, list | tuple):
            environment.isolate.submit(Turn(environment.settle_with_array, (operation, value), settled, cause))
        else:
            environment.enter("settle", operation, succeeded, value, message, on_end=settled, cause=cause)
