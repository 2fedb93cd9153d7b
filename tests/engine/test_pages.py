"""The allocator of JavaScript heaps on systems whose pages are larger than 4 KB, as some have with ARM."""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from nano_trio.engine import allocator

from .test_allocator import Heap, prototyped

_FOLDER = Path(allocator.__file__).parent

# What such a system does with advice on memory: none where its beginning is in the midst of a page, and else up to the
# end of its last page.
_SYSTEM = """
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
static long sysconf_there(int name) { return name == _SC_PAGESIZE ? PAGES : sysconf(name); }
static int madvise_there(void *at, size_t size, int advice) {
  if ((uintptr_t)at % PAGES == 0) return madvise(at, (size + PAGES - 1) / PAGES * PAGES, advice);
  errno = EINVAL;
  return -1;
}
#define sysconf sysconf_there
#define madvise madvise_there
"""


@pytest.fixture(params=[4096, 16384, 65536])
def calls(request: pytest.FixtureRequest, tmp_path: Path) -> ctypes.PyDLL:
    """The allocator as it is compiled, on a system with such pages."""
    system, library = tmp_path / "system.h", tmp_path / "liballocator.so"
    system.write_text(_SYSTEM)
    compiler = shlex.split(os.environ.get("CC") or "cc")
    options = ["-O1", "-fPIC", "-shared", "-D_GNU_SOURCE=", f"-DPAGES={request.param}", "-include", str(system)]
    sources = map(str, sorted(_FOLDER.glob("allocator*.c")))
    subprocess.run([*compiler, *options, "-o", str(library), *sources], check=True)
    found = prototyped(ctypes.PyDLL(str(library)))
    assert found.heap_start()
    return found


def test_memory_that_goes_back_takes_nothing_with_it(calls: ctypes.PyDLL) -> None:
    """Empty slabs do, those of small heaps and of one that ends, while others are beside them."""
    heap, ending = Heap(calls=calls), Heap(calls=calls)
    held = []
    for _ in range(20):
        for each, kept in ((heap, held), (ending, None), (heap, None), (heap, held)):
            addresses = [each.take(1000) for _ in range(16)]
            if kept is not None:
                kept += addresses
    for address in set(heap.blocks) - set(held):
        heap.give_back(address)
    ending.close()
    calls.heap_trim()
    for address in held:
        heap.check(address)
    heap.close()


def test_pages_of_a_heap_that_is_left_are_its_own(calls: ctypes.PyDLL) -> None:
    """It stays for ever, but for the pages that nobody else has a part of."""
    heap, left = Heap(calls=calls), Heap(calls=calls)
    for size in [*[1000] * 3000, *range(5000, 150_000, 1000), 3 << 20]:
        for each in (heap, left):
            assert each.take(size) is not None
    slab = ctypes.c_size_t()
    while calls.heap_give_back(ctypes.c_void_p(left.runtime), ctypes.byref(slab)):
        pass
    for address in heap.blocks:
        heap.check(address)
    # Nothing else has a part of a block that is larger than that.
    assert not ctypes.string_at(max(left.blocks, key=lambda at: left.blocks[at][0]) + (1 << 20), 1 << 20).strip(b"\0")
    heap.close()
