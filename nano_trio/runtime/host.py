"""What host functions may ask of the isolate they serve.

Host functions are the Python side of the specifications in ``runtime/js``. Each module beside this one that has a
``namespace(services)`` function offers its functions to the JavaScript file of the same name through
``host("name")``; what another function of it offers is ``host("name.function")``. The rules (DESIGN section 1): a host
function never blocks, never awaits, never raises (but for :class:`Exhausted`, and what the binding raises itself where
it is asked for a copy, :data:`NO_ROOM`: JavaScript gets the same), and holds no strong reference to the context. What
failed is said in the return value; work that takes time is handed to :meth:`Services.operation` and answers in a later
turn. Where an app cannot wait for that its turn can, suspended: :meth:`Services.wait`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import quickjs

from nano_trio.engine.polling import poll_counter

if TYPE_CHECKING:
    from nano_trio.engine.modules import AppCode
    from nano_trio.runtime.cache import CacheSession
    from nano_trio.runtime.dispatch import AppHost
    from nano_trio.runtime.fetch import Fetches
    from nano_trio.runtime.large import Large
    from nano_trio.runtime.net_connect import Network
    from nano_trio.runtime.pace import Pace
    from nano_trio.runtime.service import Service

__all__ = [
    "NO_ROOM",
    "Exhausted",
    "HostError",
    "Namespace",
    "Services",
    "array_of",
    "headers_of",
    "in_pairs",
    "poll_after",
    "text_of",
]

Namespace = Mapping[str, Callable[..., Any] | int]
"""Host functions by name, and constants."""


text_of = str
"""A string that JavaScript passed: the binding hands long concatenations over as a Value."""


def array_of(context: quickjs.Context, items: Sequence[Any]) -> quickjs.Value:
    """An array, for what JavaScript is told in one: nested lists become arrays too. Only inside a turn.

    Of a list the binding itself makes an array by assignment: where an app has put an accessor for an index on
    ``Object.prototype``, that is told the item, and JavaScript reads what it gives instead. No host function returns a
    list, a tuple or a dictionary.
    """
    try:
        array: quickjs.Value = context.new_array()
        for index, item in enumerate(items):
            array.define_property(index, array_of(context, item) if isinstance(item, list | tuple) else item)
    except NO_ROOM as error:
        raise Exhausted(error) from None
    return array


def in_pairs(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Headers that crossed as names and values by turns. A name without a value is left out: JavaScript's lists have
    such only in an app that has setters for indices on ``Object.prototype``, or whose heap was full."""
    return zip(parts[::2], parts[1::2], strict=False)


def headers_of(lines: str) -> list[tuple[str, str]]:
    """Headers that crossed as one string of names and values by turns. A character that is no octet, which JavaScript
    has refused unless accessors for indices gave it another list afterwards, is a question mark."""
    if not lines.isascii():
        lines = lines.encode("latin-1", "replace").decode("latin-1")
    return list(in_pairs(lines.split("\n")))


def poll_after(value: quickjs.Value) -> None:
    """Have the engine poll once the present host function is over, for what it did took a good part of a slice: there
    the turn may be suspended. ``value`` is any of the isolate's."""
    counter = poll_counter(value.context)
    if counter is not None:
        counter.value = 1


NO_ROOM = (quickjs.JSError, SystemError)
"""What the binding raises where the isolate's heap is full; the latter, of Python's, where it forgets to raise."""

STACK_IS_USED_UP = "Maximum call stack size exceeded"
"""The message of a RangeError (``binding_errors.c``)."""


class Exhausted(Exception):
    """What a host function raises where the isolate's heap or stack has no room for what it does: JavaScript gets the
    error that the engine throws for that."""

    def __init__(self, error: Exception) -> None:
        # The engine may come out of reading bytecode without having said why.
        kind, _, why = str(error).partition(": ")
        super().__init__(why if kind == "InternalError" or why == STACK_IS_USED_UP else "out of memory")


class HostError(Exception):
    """An operation failed in a way the specification names.

    ``name`` is ``TypeError``, ``RangeError``, ``SyntaxError`` or a DOMException name such as ``AbortError``.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class Services(Protocol):
    """The isolate's surroundings, given to each host module's ``namespace``. Held strongly: it must hold no context."""

    def now_ms(self) -> float:
        """Milliseconds since the isolate's time origin, monotonic (HR-Time section 4)."""

    def time_origin_ms(self) -> float:
        """The time origin in milliseconds since the Unix epoch."""

    def log(self, level: str, text: str) -> None:
        """Write a line to the app's log. ``level``: ``debug``, ``log``, ``info``, ``warn`` or ``error``."""

    def exception(self, text: str, stack: str) -> None:
        """An exception that nothing in the app caught: ``text`` as String(error), ``stack`` as error.stack."""

    def set_timer(self, timer: int, delay_ms: float) -> None:
        """Call the entry ``timer`` with the number ``timer`` once, in a turn after ``delay_ms``."""

    def clear_timer(self, timer: int) -> None:
        """Forget a timer; unknown numbers are ignored."""

    @property
    def turns(self) -> int:
        """Another number in each turn."""

    @property
    def cause(self) -> Any:
        """The number of the request on whose behalf the present turn runs, or None: of those that began it, the one
        whose operation or timer led here."""

    def operation(self, operation: int, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run ``await work(*args)`` in the app's nursery; its result settles the JavaScript operation of that number.

        A :class:`HostError` rejects the operation's promise with the error it names.
        """

    def succeeded(self, operation: int, value: Any) -> None:
        """The JavaScript operation of that number has its result here and now; it is settled by a turn of its own."""

    def background(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``await work()`` in the app's nursery until the app ends. Nobody waits for it."""

    def wait(self, work: Callable[[int], Awaitable[tuple[Any, int]]]) -> Any:
        """Suspend the turn that calls this until ``await work(limit_ns)`` has ended in the app's nursery; the first of
        what that gives. ``limit_ns`` is the CPU time that the turn may still use, and the second what the work took.

        Raises :class:`~nano_trio.engine.pauses.Stopped` where the turn must stop, and
        :class:`~nano_trio.engine.pauses.CannotWait` where there is none.
        """

    def enter(self, entry: str, *args: Any) -> None:
        """Submit a turn that calls an entry."""

    def array(self, items: Sequence[Any]) -> quickjs.Value:
        """What a host function returns for a list (:func:`array_of`)."""

    @property
    def code(self) -> AppCode | None:
        """The app's code."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The app's ``env``, as it is configured."""

    @property
    def bindings(self) -> Mapping[str, Service]:
        """Other apps that this one may call, by the names of the bindings."""

    def arrange_ticks(self) -> None:
        """JavaScript has ticks: have the present turn call the entry ``ticks``, before it runs microtasks and each time
        that none is left."""

    def hold(self, size: int) -> None:
        """So many bytes more, or fewer, are held for the app outside of its heap
        (:class:`nano_trio.runtime.held.Held`). May be called at any time."""

    def may_hold(self, size: int) -> bool:
        """Whether so many bytes more may be held."""

    def heap_room(self, *, collected: bool) -> int:
        """Bytes by which the app's heap may grow yet. ``collected``: the garbage in it first. Only in a turn."""

    def collect_garbage(self) -> None:
        """Submit a turn that runs the collector, and what it finds to finalize."""

    @property
    def app(self) -> AppHost:
        """Who receives what the app's handlers answer."""

    @property
    def max_buffer_bytes(self) -> int:
        """The most bytes a body reader may gather (``max_buffer_size_mb``)."""

    @property
    def pace(self) -> Pace:
        """Meters what the host does for the app."""

    @property
    def network(self) -> Network:
        """What the app may reach outside."""

    @property
    def fetches(self) -> Fetches:
        """The app's fetches."""

    @property
    def caches(self) -> CacheSession:
        """The isolate's part in the app's caches."""

    @property
    def large(self) -> Large:
        """The isolate's large bodies that are on their way."""
