"""How large an isolate's heap may grow, and when its garbage is collected.

Memory has two limits. Above ``memory_bytes``, checked at every poll and at a turn's end, the turn is stopped by us. The
engine's own limit lies at twice that plus 32 MiB: QuickJS is memory-unsafe where many small allocations fail, and there
only a single large one can. Where the heap's size cannot be read directly (:mod:`nano_trio.engine.heap_size`) the
engine walks the heap for it: then it is read as often as costs 2 % of the app's CPU time, or as its growth demands.

Cycles are looked for where the limit is, at polls and at a turn's end, when the heap has grown enough since the last
time. Where its size cannot be read directly the engine decides.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nano_trio.engine.heap_size import next_collection
from nano_trio.engine.native_calls import enters

if TYPE_CHECKING:
    from nano_trio.engine.isolate import Isolate
    from nano_trio.engine.turnstile import Turnstile

__all__ = ["POLLS_LATE_NS", "outgrown"]

_clock = time.perf_counter_ns
POLLS_LATE_NS = 100_000
"""A slice is over for so long, and no poll has told so: the turn is in a native call."""


@enters
def outgrown(isolate: Isolate, turnstile: Turnstile) -> bool:
    """Whether the heap is above its limit, without the cycles that nobody holds any more: where it has grown, those
    are collected."""
    limit = isolate.limits.memory_bytes
    if turnstile.heap is None:
        return _outgrown_by_walk(isolate, turnstile)
    isolate.memory_used = turnstile.heap.value
    if isolate.memory_used <= turnstile.heap_trigger:
        return False
    isolate.collect_garbage()
    isolate.memory_used = used = turnstile.heap.value
    trigger = next_collection(used)
    # A heap that is all but full must not be collected at every poll.
    turnstile.heap_trigger = trigger if trigger <= limit else max(limit, used + limit // 8)
    return bool(used > limit) or isolate.outside > limit


@enters
def _outgrown_by_walk(isolate: Isolate, turnstile: Turnstile) -> bool:
    if isolate.account.cpu_ns < turnstile.walk_due_ns and isolate.may_hold(0):
        return False
    limit, before, start = isolate.limits.memory_bytes, isolate.memory_used, _clock()
    used = isolate.heap_size()
    if used > limit or isolate.outside > limit:
        isolate.collect_garbage()
        used = isolate.heap_size()
    isolate.memory_used = used
    pause, grown = 50 * (_clock() - start), used - before
    if grown > 0:
        # At the present rate the heap must not come near the engine's own limit before the next look.
        room = (isolate.limits.hard_memory_bytes - used) // 4
        pause = min(pause, (isolate.account.cpu_ns - turnstile.walked_ns) * room // grown)
    turnstile.walked_ns = isolate.account.cpu_ns
    turnstile.walk_due_ns = turnstile.walked_ns + pause
    return bool(used > limit) or isolate.outside > limit
