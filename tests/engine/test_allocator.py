"""The allocator of JavaScript heaps: driven as the engine drives it, and under heaps that come and go."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import shutil
from pathlib import Path

import pytest
import quickjs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from nano_trio.engine import allocator
from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.native import engine_functions, open_library
from nano_trio.engine.polling import address_of
from nano_trio.engine.scheduler import CpuScheduler
from tests.allocations import bytes_of_libc

from .conftest import NewIsolate, heaps_freed, held_at_first

NO_LIMIT = (1 << 64) - 1
LARGEST_OF_SLABS = 1024


class State(ctypes.Structure):
    """``struct JSMallocState`` of the engine."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("count", "size", "limit", "opaque")]


STATE_AT = 32
"""``struct JSRuntime`` begins with four addresses of functions; the state lies behind them."""
RUNTIME_SIZE = 2000

LIBC = ctypes.PyDLL(None)
LIBC.calloc.restype = ctypes.c_void_p
LIBC.malloc_usable_size.restype = ctypes.c_size_t


def prototyped(library: ctypes.PyDLL) -> ctypes.PyDLL:
    library.heap_malloc.restype = library.heap_realloc.restype = ctypes.c_void_p
    library.heap_usable_size.restype = library.heap_held.restype = ctypes.c_size_t
    return library


def functions() -> ctypes.PyDLL:
    assert allocator.in_use(), "heaps use the C library: in a source tree, run `python hatch_build.py`"
    found = open_library("allocator")
    assert found is not None
    return prototyped(found)


class Heap:
    """A heap's blocks, each filled with bytes of its own, so that no two can share any unseen."""

    def __init__(self, limit: int = NO_LIMIT, calls: ctypes.PyDLL | None = None) -> None:
        self.calls = calls or functions()
        # The engine allocates the runtime itself before that gets our functions.
        self.runtime: int = LIBC.calloc(1, RUNTIME_SIZE)
        self.state = State.from_address(self.runtime + STATE_AT)
        self.state.count, self.state.limit = 1, limit
        self.state.size = self.empty = LIBC.malloc_usable_size(ctypes.c_void_p(self.runtime)) + 8
        self.blocks: dict[int, tuple[int, bytes]] = {}

    def _fill(self, address: int, size: int, kept: bytes = b"") -> None:
        contents = kept[:size] + os.urandom(size - len(kept[:size]))
        ctypes.memmove(address, contents, size)
        self.blocks[address] = size, contents

    def take(self, size: int) -> int | None:
        address: int | None = self.calls.heap_malloc(ctypes.byref(self.state), ctypes.c_size_t(size))
        if address is not None:
            assert address not in self.blocks
            assert self.usable(address) >= size
            self._fill(address, size)
        return address

    def resize(self, address: int, size: int) -> int | None:
        self.check(address)
        moved: int | None = self.calls.heap_realloc(
            ctypes.byref(self.state), ctypes.c_void_p(address), ctypes.c_size_t(size)
        )
        if size == 0:
            del self.blocks[address]
        elif moved is not None:
            before, contents = self.blocks.pop(address)
            assert moved not in self.blocks
            assert ctypes.string_at(moved, min(before, size)) == contents[:size]
            self._fill(moved, size, contents)
        return moved

    def give_back(self, address: int) -> None:
        self.check(address)
        del self.blocks[address]
        self.calls.heap_free(ctypes.byref(self.state), ctypes.c_void_p(address))

    def check(self, address: int) -> None:
        size, contents = self.blocks[address]
        assert ctypes.string_at(address, size) == contents

    def usable(self, address: int) -> int:
        return int(self.calls.heap_usable_size(ctypes.c_void_p(address)))

    @property
    def used(self) -> int:
        return int(self.state.size) - self.empty

    def close(self) -> None:
        for address in list(self.blocks):
            self.give_back(address)
        assert (self.state.count, self.used) == (1, 0)
        self.end()

    def end(self) -> None:
        """The runtime goes, and its state with it: the engine makes a copy for that."""
        state = State.from_buffer_copy(self.state)
        self.calls.heap_free(ctypes.byref(state), ctypes.c_void_p(self.runtime))


SIZES = st.one_of(st.integers(1, 200), st.integers(1, 2 * LARGEST_OF_SLABS), st.integers(1, 200_000))


class AnyOrder(RuleBasedStateMachine):
    """Two heaps that share slabs take, resize and give back in any order."""

    blocks: Bundle[tuple[int, int]] = Bundle("blocks")

    def __init__(self) -> None:
        super().__init__()
        self.before = allocator.held()
        self.heaps = Heap(), Heap()

    @rule(target=blocks, heap=st.integers(0, 1), size=SIZES)
    def take(self, heap: int, size: int) -> tuple[int, int]:
        address = self.heaps[heap].take(size)
        assert address is not None
        return heap, address

    @rule(target=blocks, block=consumes(blocks), size=SIZES)
    def resize(self, block: tuple[int, int], size: int) -> tuple[int, int]:
        address = self.heaps[block[0]].resize(block[1], size)
        assert address is not None
        return block[0], address

    @rule(block=consumes(blocks))
    def give_back(self, block: tuple[int, int]) -> None:
        self.heaps[block[0]].give_back(block[1])

    @rule(block=consumes(blocks))
    def resize_to_nothing(self, block: tuple[int, int]) -> None:
        assert self.heaps[block[0]].resize(block[1], 0) is None

    @rule()
    def trim(self) -> None:
        allocator.trim()

    @invariant()
    def accounts_are_true(self) -> None:
        for heap in self.heaps:
            assert heap.state.count == 1 + len(heap.blocks)
            assert heap.used >= sum(size for size, _ in heap.blocks.values())

    def teardown(self) -> None:
        for heap in self.heaps:
            heap.close()
        assert allocator.held() == self.before


class TestAnyOrder(AnyOrder.TestCase):  # type: ignore[misc,name-defined]
    settings = settings(max_examples=60, stateful_step_count=60)

    def setUp(self) -> None:
        held_at_first()


def test_many_blocks_of_every_size_hold_what_was_put_there() -> None:
    """Enough for slabs to fill, to be left with gaps, and to come back for other sizes."""
    chance, before = random.Random(7), held_at_first()
    heap = Heap()
    for _ in range(4):
        for size in range(1, LARGEST_OF_SLABS + 40):
            for _ in range(8):
                heap.take(size)
        addresses = list(heap.blocks)
        chance.shuffle(addresses)
        for address in addresses[: len(addresses) * 3 // 4]:
            heap.give_back(address)
        for address in addresses[len(addresses) * 3 // 4 :: 2]:
            heap.resize(address, chance.randrange(1, 2 * LARGEST_OF_SLABS))
        allocator.trim()
    heap.close()
    assert allocator.held() == before


@pytest.mark.parametrize("size", [*range(1, LARGEST_OF_SLABS + 1, 13), LARGEST_OF_SLABS])
def test_little_of_a_block_is_unused(size: int) -> None:
    heap = Heap()
    heap.take(size)
    assert heap.used - size <= max(7, size // 8)
    heap.close()


@pytest.mark.parametrize("size", [100, LARGEST_OF_SLABS, LARGEST_OF_SLABS + 1, 5000])
def test_at_its_limit_a_heap_gets_nothing_more_and_keeps_what_it_has(size: int) -> None:
    """Small blocks go beyond it by a quarter."""
    heap = Heap()
    limit = heap.state.limit = heap.empty + 20 * size
    most = limit + limit // 4 if size <= LARGEST_OF_SLABS else limit
    addresses = []
    while (address := heap.take(size)) is not None:
        addresses.append(address)
    assert most - size - 100 <= heap.state.size <= most
    accounts = heap.state.count, heap.state.size
    assert heap.resize(addresses[0], 12 * size) is None
    assert (heap.state.count, heap.state.size) == accounts
    for address in addresses:
        heap.check(address)
    # A heap that is full may still make a block smaller.
    assert heap.resize(addresses[0], size // 4) is not None
    heap.close()


@pytest.mark.parametrize("size", [60, 1000])
def test_a_small_block_is_held_against_the_limit_as_large_as_it_is(size: int) -> None:
    """Of a slab it has up to an eighth more than asked."""
    heap = Heap()
    heap.take(size)
    more = heap.used
    assert more > size
    for room in range(size, more + 1):
        # The limit lies so that with its quarter there is as much room.
        heap.state.limit = (heap.state.size + room) * 4 // 5
        most = heap.state.limit + heap.state.limit // 4
        accounts, room = (heap.state.count, heap.state.size), most - heap.state.size
        if heap.take(size) is None:
            assert (heap.state.count, heap.state.size) == accounts
            assert room < more
        assert heap.state.size <= most
    heap.close()


@pytest.mark.parametrize("size", [LARGEST_OF_SLABS + 1, 5000, 200_000, 40 << 20])
def test_a_block_of_the_c_library_is_held_against_the_limit_as_large_as_it_is(size: int) -> None:
    """That library says how large only when it has made it, and each has our links and its own word besides."""
    heap = Heap()
    for room in range(size, size + 32):
        heap.state.limit = heap.state.size + room
        accounts = heap.state.count, heap.state.size
        assert heap.take(size) is None
        assert (heap.state.count, heap.state.size) == accounts
    heap.state.limit = heap.state.size + size + 10_000
    assert heap.take(size) is not None
    assert heap.state.size <= heap.state.limit
    heap.close()


@pytest.mark.parametrize("size", [LARGEST_OF_SLABS + 1, 5000, 200_000, 40 << 20])
def test_a_block_of_the_c_library_that_may_not_grow_stays_as_it_is(size: int) -> None:
    heap = Heap()
    small, large = heap.take(LARGEST_OF_SLABS), heap.take(size)
    assert small is not None
    assert large is not None
    for address, before in ((small, LARGEST_OF_SLABS), (large, heap.usable(large))):
        for room in range(1, 16):
            # Blocks of that library are a multiple of 16 large.
            heap.state.limit = heap.state.size + room
            accounts = heap.state.count, heap.state.size
            assert heap.resize(address, before + 1) is None
            assert (heap.state.count, heap.state.size) == accounts
            heap.check(address)
        heap.state.limit = heap.state.size + 10_000
        assert heap.resize(address, before + 1) is not None
        assert heap.state.size <= heap.state.limit
    heap.close()


@pytest.mark.parametrize("size", [32, LARGEST_OF_SLABS, 5000, 200_000, 40 << 20])
def test_in_a_heap_beyond_its_limit_a_block_may_be_made_smaller(size: int) -> None:
    heap = Heap()
    address = heap.take(size)
    heap.state.limit = 1000
    for smaller in (size - 1, size * 3 // 4, size // 3, size // 100 + 1):
        assert address is not None
        before = heap.state.size
        address = heap.resize(address, smaller)
        assert heap.state.size <= before
    assert address is not None
    heap.close()


def test_where_no_slabs_are_to_be_had_small_blocks_keep_to_the_same_limit(tmp_path: Path) -> None:
    # Another copy of the library has a region of its own, of which nothing is accessible yet.
    another = prototyped(ctypes.PyDLL(shutil.copy(functions()._name, tmp_path)))
    assert another.heap_start()
    heap = Heap(calls=another)
    large = heap.take(5000)
    assert large is not None
    spare = [bytes(1000) for _ in range(1000)]
    limits = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (4096, limits[1]))
    try:
        del spare  # what the C library has without the system
        limit = heap.state.limit = heap.state.size + 4000
        addresses = []
        while (address := heap.take(100)) is not None:
            addresses.append(address)
        assert limit + limit // 4 - 200 <= heap.state.size <= limit + limit // 4
        for room in range(100, 132):
            heap.state.limit = (heap.state.size + room) * 4 // 5
            assert heap.take(100) is None
        for address in addresses:
            assert heap.resize(address, 60) is not None
        heap.state.limit = 100
        assert heap.resize(large, 300) is not None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, limits)
    assert another.heap_held() == 0
    heap.close()


def test_a_size_beyond_all_memory_is_refused() -> None:
    heap = Heap(limit=NO_LIMIT >> 1)
    assert heap.take((1 << 63) - 100) is None
    block = heap.take(64)
    assert block is not None
    assert heap.resize(block, 1 << 62) is None
    heap.close()
    unlimited = Heap()
    large = unlimited.take(5000)
    assert large is not None
    for size in (NO_LIMIT, NO_LIMIT - 10, NO_LIMIT - 24):
        assert unlimited.take(size) is None
        assert unlimited.resize(large, size) is None
    unlimited.close()


def test_what_is_left_in_a_heap_goes_with_it() -> None:
    before, in_libc = held_at_first(), bytes_of_libc()
    other = Heap()
    for _ in range(200):
        other.take(64)
    beside = allocator.held()
    for is_trimmed in (False, True, False):
        heap = Heap()
        for size in (2 << 20, 5000, 40 << 20):
            heap.take(size)
        for size in (8, 64, 1000, 1024):
            for _ in range(3000):
                heap.take(size)
        for address in list(heap.blocks)[::3]:
            heap.give_back(address)
        heap.end()
        heap.blocks.clear()  # with what the test keeps of their contents
        if is_trimmed:
            allocator.trim()
        assert allocator.held() == beside
        assert bytes_of_libc() <= in_libc + (1 << 20)
    other.close()
    assert allocator.held() == before


def test_the_names_that_the_engine_knows_from_the_start_are_slabs_too() -> None:
    """They are made before the engine has this allocator: 240 blocks, to which only one table points."""
    functions()
    held, of_libc = held_at_first(), bytes_of_libc()
    runtime = quickjs.Runtime()
    plain = bytes_of_libc() - of_libc
    allocator.use_slabs(runtime)
    assert allocator.held() - held > 6000
    assert bytes_of_libc() - of_libc < plain - 8000
    context = runtime.new_context()
    assert (
        context.eval("Object.keys({ length: 1, [Symbol.iterator.description]: 2 }).join()") == "length,Symbol.iterator"
    )
    del context, runtime
    assert allocator.held() == held


async def test_a_closed_heap_has_given_everything_back(new_isolate: NewIsolate) -> None:
    before = held_at_first()
    isolate = new_isolate()
    assert await call(isolate, isolate.context.get("churn"), 20_000) == "done"
    assert allocator.held() - before > 50_000
    isolate.close()
    assert allocator.held() == before


async def test_heaps_that_come_and_go_leave_no_more_than_one_does(scheduler: CpuScheduler) -> None:
    grow = "globalThis.kept = Array.from({ length: 20000 }, (_, i) => ({ i, text: 'x' + i, list: [i] }))"
    before = held_at_first()
    for round in range(20):
        isolate = Isolate(scheduler)
        isolate.context.eval(grow)
        assert allocator.held() - before > 3_000_000
        isolate.close()
        await heaps_freed(scheduler)
        assert allocator.held() == before, round


def test_a_context_asks_the_slabs_at_once_and_where_they_cannot_serve_the_engine() -> None:
    """js_malloc is led to us, and is what it was: also in a heap of the C library's, and where an error is to be told."""
    calls = functions()
    found = engine_functions(["js_malloc", "js_free"])
    assert found is not None
    take = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(found[0] or 0)
    give_back = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(found[1] or 0)
    assert ctypes.cast(ctypes.PyDLL(quickjs._quickjs.__file__)["js_malloc"], ctypes.c_void_p).value != found[0]
    for is_of_slabs in (True, False):
        runtime = quickjs.Runtime()
        if is_of_slabs:
            allocator.use_slabs(runtime)
        context = runtime.new_context()
        state = State.from_address(address_of(runtime) + STATE_AT)
        before, held = (state.count, state.size), calls.heap_held()
        blocks = []
        for size in (1, 8, 9, 72, 1000, 1024, 1025, 3 << 20):
            blocks += [take(address_of(context), size) for _ in range(400 if size < 2000 else 1)]
            assert calls.heap_usable_size(ctypes.c_void_p(blocks[-1])) >= size
        assert state.count == before[0] + len(blocks)
        assert state.size - before[1] >= sum(calls.heap_usable_size(ctypes.c_void_p(block)) for block in blocks)
        assert (calls.heap_held() > held) == is_of_slabs
        for block in blocks:
            give_back(address_of(context), block)
        assert (state.count, state.size) == before
        runtime.set_memory_limit(state.size + (64 << 10))
        with pytest.raises(quickjs.JSError, match="out of memory"):
            context.eval("new ArrayBuffer(1 << 20)")
