"""What Node does at once and what takes long: the turn of the app that asks for it waits, and nobody else does."""

from __future__ import annotations

import contextlib
import hashlib
import math
import threading
import zlib
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import trio
import trio.testing

from nano_trio.runtime import crypto_work
from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.derivation import pbkdf2_weight, scrypt_weight

from .conftest import HouseMaker, answer

NEIGHBOUR = "export default { fetch: () => new Response('hello') };"
# A second's work of a thread; and what would take a core half an hour, for which there is a process.
ON_A_THREAD, IN_A_PROCESS = (
    "scryptSync('p', 's', 64, { N: 1024, p: 400 })",
    "pbkdf2Sync('p', 's', 2 ** 31 - 1, 64, 'sha512')",
)
# One is found in 20 ms, another in a second.
KEY_PAIRS = "for (let i = 0; i < 8; i++) generateKeyPairSync('rsa', { modulusLength: 4096 })"
ENTROPY = "brotliCompressSync(Buffer.concat(Array.from({ length: 16 }, () => randomBytes(65536))))"
KEY = "scryptSync('secret', 'salt', 8, { N: 1024 }).toString('hex')"


def app(body: str, before: str = "", **keys: Any) -> dict[str, Any]:
    source = f"""
      import {{ generateKeyPairSync, pbkdf2Sync, randomBytes, scryptSync }} from "node:crypto";
      import {{ brotliCompressSync, gzipSync }} from "node:zlib";
      {before}
      export default {{ async fetch(request) {{
        if (request.url.endsWith("/fine")) return new Response("fine");
        {body}
      }} }};
    """
    return {"source": source, **keys}


def children() -> list[list[str]]:
    """What processes of this one's compute cryptography. Other tests may have others."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found.append(child.cmdline())
    return [line for line in found if "nano_trio.runtime.crypto_work" in line]


class Gate:
    """What holds up threads that call a function of a module. ``call``: what does so in an app, and gives ``text``."""

    def __init__(self, module: Any, function: str, call: str, text: str) -> None:
        self.call, self.text = call, text.encode()
        self.module, self.function = module, function
        self._reached = threading.Event()
        self.opened = threading.Event()
        self._real: Callable[..., Any] = getattr(module, function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        self._reached.set()
        assert self.opened.wait(60), "nobody was served meanwhile"
        return self._real(*args, **options)

    async def is_reached(self) -> None:
        assert await trio.to_thread.run_sync(self._reached.wait, 60)


@pytest.fixture(params=["scrypt", "gzip"])
def gate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gate:
    if request.param == "scrypt":
        key = hashlib.scrypt(b"secret", salt=b"salt", n=1024, r=8, p=1, dklen=8).hex()
        gate = Gate(hashlib, "scrypt", KEY, key)
    else:
        gate = Gate(zlib, "compressobj", "gzipSync(Buffer.alloc(100_000, 'some text, ')).length < 1000", "true")
    monkeypatch.setattr(gate.module, gate.function, gate)
    return gate


def test_what_is_on_a_thread_and_what_in_a_process() -> None:
    assert scrypt_weight(1, 1, 1024, 8, 400, 64) is Weight.HEAVY
    assert pbkdf2_weight(1, 64, 2**31 - 1, 64) is Weight.ENDLESS


async def test_neighbours_are_answered_while_an_app_is_in_it(house: HouseMaker, gate: Gate) -> None:
    async with house({"app": app(f"return new Response({gate.call});"), "neighbour": NEIGHBOUR}) as home:
        exchange, behind = home.begin(), home.begin(path="/fine")
        await gate.is_reached()
        for _ in range(20):
            assert (await home.ask("neighbour")).body == b"hello"
        assert exchange.response is None
        # One turn at a time: it holds up its own app, as it does in Node.
        assert behind.response is None
        gate.opened.set()
        assert await answer(exchange) == (200, gate.text)
        assert await answer(behind) == (200, b"fine")


async def test_while_an_app_is_loaded_too(house: HouseMaker, gate: Gate) -> None:
    own = app("return new Response(made);", f"const made = {gate.call};")
    async with house({"app": own, "neighbour": NEIGHBOUR}) as home:
        exchange = home.begin()
        await gate.is_reached()
        assert (await home.ask("neighbour")).body == b"hello"
        assert exchange.response is None
        gate.opened.set()
        assert await answer(exchange) == (200, gate.text)


@pytest.mark.parametrize("call", [ON_A_THREAD, IN_A_PROCESS, KEY_PAIRS, ENTROPY])
@pytest.mark.parametrize("at_start", [False, True])
async def test_the_cpu_limit_reaches_it(house: HouseMaker, call: str, at_start: bool) -> None:
    long = f"try {{ {call}; }} catch (error) {{ console.log('caught'); }} console.log('went on');"
    own = app("", f"globalThis.times ??= 0; {long}") if at_start else app(f"{long} return new Response('done');")
    async with house({"app": {**own, "timeout_ms": 100}, "neighbour": NEIGHBOUR}) as home:
        exchange = home.begin()
        while exchange.response is None:
            assert (await home.ask("neighbour")).body == b"hello"
            await trio.sleep(0.001)
        status, _ = await answer(exchange)
        assert status == 503
        assert "went on" not in home.logged("app")
        assert "internal error" not in home.logged("app")
        # What it took is the app's.
        assert home.app("app").account.cpu_ns >= 100e6
        if not at_start:
            assert await answer(home.begin(path="/fine")) == (200, b"fine")
    assert children() == []


async def test_its_end_is_the_end_of_the_process(house: HouseMaker) -> None:
    """The server goes away while the app is in it."""
    assert children() == []
    async with house({"app": app(IN_A_PROCESS, timeout_ms=1_000_000)}) as home:
        exchange = home.begin()
        with trio.fail_after(60):
            while not children():  # noqa: ASYNC110
                await trio.sleep(0.001)
        assert exchange.response is None
    assert children() == []


async def test_a_drains_deadline_reaches_it(house: HouseMaker, gate: Gate) -> None:
    body = f"try {{ {gate.call}; }} finally {{ console.log('went on'); }}"
    async with house({"app": app(body), "neighbour": NEIGHBOUR}) as home:
        exchange = home.begin()
        await gate.is_reached()
        with trio.move_on_after(5):
            await home.registry.drain(0.01)
        assert (await answer(exchange))[0] == 503
        gate.opened.set()
        await home.settled()
        assert "went on" not in home.logged("app")


def test_nobody_looks_at_the_clock_of_what_waits_for_a_thread() -> None:
    """Hundreds of apps may, each with little CPU time left."""

    async def begin_later() -> tuple[Any, int]:
        threads, others = crypto_work.threads(), [object() for _ in range(int(crypto_work.threads().total_tokens))]
        for other in others:
            await threads.acquire_on_behalf_of(other)
        done: list[tuple[Any, int]] = []
        async with trio.open_nursery() as nursery:

            async def compute() -> None:
                done.append(await crypto_work._for_turn(Weight.HEAVY, bytes, 10**12))

            nursery.start_soon(compute)
            await trio.testing.wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline == math.inf
            for other in others:
                threads.release_on_behalf_of(other)
        return done[0]

    assert trio.run(begin_later)[0] == b""


def test_a_loop_that_ends_leaves_the_next_its_threads() -> None:
    """What is at work on a thread when its event loop ends has none to come back to."""
    opened, reached = threading.Event(), threading.Semaphore(0)

    def compute() -> bytes:
        reached.release()
        assert opened.wait(60)
        return b"done"

    async def leave() -> None:
        async with trio.open_nursery() as nursery:
            count = int(crypto_work.threads().total_tokens)
            for _ in range(count):
                nursery.start_soon(crypto_work._for_turn, Weight.HEAVY, compute, 10**12)
            for _ in range(count):
                assert await trio.to_thread.run_sync(reached.acquire, True, 60)
            nursery.cancel_scope.cancel()

    async def go_on() -> tuple[Any, int]:
        with trio.fail_after(60):
            return await crypto_work._for_turn(Weight.HEAVY, bytes, 10**12)

    trio.run(leave)
    try:
        assert trio.run(go_on)[0] == b""
    finally:
        opened.set()
