"""An app may die in any way, any number of times: its neighbours answer, and nothing of it stays."""

from __future__ import annotations

import gc
import os

import pytest
import trio

from nano_trio.engine.isolate import Isolate

from .conftest import NEIGHBOUR, SiteMaker, unnoticed

_DEATHS = 6
"""More than ``max_restarts``, so that the app fails too, and comes back."""


def handler(body: str) -> str:
    return f"export default {{ async fetch(request) {{ {body} }} }};"


WAYS = {
    "throws at load": "throw new Error('at load');",
    "never ends at load": "for (;;);",
    "waits for nothing at load": "await new Promise(() => {}); export default () => new Response();",
    "cannot be compiled": "export default (",
    "loops": handler("for (;;);"),
    "loops in a promise": handler("await null; for (;;) await null;"),
    "grows": handler("const all = []; for (;;) all.push(new Array(1000).fill(all.length));"),
    "grows by texts": handler("let text = 'x'; const all = []; for (;;) { text += text.length; all.push(text + 'y'); }"),
    "overflows the stack": handler("const deeper = () => deeper() + 1; return new Response(deeper());"),
    "floods timers": handler("for (;;) setTimeout(() => {}, 1e6);"),
    "floods timers that run": handler("const more = () => { setTimeout(more); setTimeout(more); }; more(); for (;;) await new Promise((r) => setTimeout(r));"),
    "floods promises": handler("const all = []; for (;;) all.push(new Promise(() => {}));"),
    "floods microtasks": handler("const more = () => { queueMicrotask(more); queueMicrotask(more); }; more(); await new Promise(() => {});"),
    "floods the log": handler("for (;;) console.log('again '.repeat(100));"),
    "floods fetches": handler("for (;;) fetch('http://127.0.0.1:1/').catch(() => {});"),
    "throws always": handler("throw new Error('always');"),
}  # fmt: skip


def held() -> tuple[int, int, int]:
    """Isolates, file descriptors and tasks of this process."""
    gc.collect()
    isolates = sum(isinstance(thing, Isolate) for thing in gc.get_objects())
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return isolates, descriptors, trio.lowlevel.current_statistics().tasks_living


@pytest.mark.parametrize("way", WAYS)
async def test_an_app_dies_again_and_again(serve: SiteMaker, way: str) -> None:
    dying = {"source": WAYS[way], "timeout_ms": 40, "memory_mb": 16, "request_timeout_ms": 300, "max_restarts": 4}
    async with serve({"dying": dying, "neighbour": NEIGHBOUR}) as site:
        # What the client keeps open between requests is there before, and after.
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(site.get, "neighbour")
        await site.hosting.registry.blanks.wait_full()
        before = held()
        async with unnoticed(site):
            for _ in range(_DEATHS):
                answer = await site.get("dying")
                assert answer.status in (500, 503, 504)
        await site.hosting.remove_app("dying")
        with trio.move_on_after(30):
            while any(now > then for now, then in zip(held(), before, strict=True)):
                await trio.testing.wait_all_tasks_blocked(0.02)
        after = held()
        assert all(now <= then for now, then in zip(after, before, strict=True)), "isolates, descriptors, tasks"
        assert (await site.get("neighbour")).status == 200
