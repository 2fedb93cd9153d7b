"""A fetch that is given up at any of its steps leaves nothing open.

What is given up while it waits is woken by that; what had been woken already (its bytes are there) goes on, and hears of
it only where it looks. An instrument gives up just before each single step of the fetch's task, which is both.
"""

from __future__ import annotations

import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
import trustme

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime import fetch_pool, pace
from nano_trio.runtime.environment import Environment
from nano_trio.runtime.fetch_client import Fetch, FetchClient, FetchRequest
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.pace import Pace

from .fetching import OPEN
from .harness import App
from .upstream import Upstream, running
from .upstream_http2 import Http2Upstream, running_http2

_MOST_STEPS = 100
GIVEN_UP = FetchError("ERR_TEST", "given up")


class _BeforeStep(trio.abc.Instrument):
    """Call ``interrupt`` just before the step of that number of ``owner`` and its children, in order."""

    def __init__(self, owner: trio.lowlevel.Task, number: int, interrupt: Callable[[], None]) -> None:
        self._owner = owner
        self._left = number
        self._interrupt = interrupt
        self.reached = False

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        nursery = task.parent_nursery
        if task is not self._owner and (nursery is None or nursery.parent_task is not self._owner):
            return
        if self._left == 0:
            self.reached = True
            self._interrupt()
        self._left -= 1


async def _two_addresses(host: str, port: int) -> list[str]:
    return ["127.0.0.1", "127.0.0.2"]


@contextlib.asynccontextmanager
async def _client(network: Network) -> AsyncIterator[FetchClient]:
    def report(error: Exception) -> None:
        raise error

    scheduler = CpuScheduler()
    app = App()
    environment = Environment(scheduler, app, app)
    client = FetchClient(network, Pace(scheduler), lambda fetch: None, lambda: None, report, environment.held)
    async with trio.open_nursery() as nursery:
        await nursery.start(scheduler.run)
        nursery.start_soon(client.run)
        yield client
        nursery.cancel_scope.cancel()
    environment.close()


async def _assert_nothing_stays_at_any_step(
    client: FetchClient, upstream: Upstream | Http2Upstream, path: str, how: str
) -> None:
    """Fetch again and again, given up one step later each time, until it ends before.

    A socket that the collector had to close is a warning, which would be the test's failure.
    """
    for number in range(_MOST_STEPS):
        fetch = client.begin(number)
        scope = trio.CancelScope()

        def interrupt(fetch=fetch, scope=scope) -> None:  # type: ignore[no-untyped-def]
            if how == "abort":
                fetch.abort(GIVEN_UP)
            else:
                scope.cancel()

        probe = _BeforeStep(trio.lowlevel.current_task(), number, interrupt)
        outcome = ""
        trio.lowlevel.add_instrument(probe)
        try:
            with scope:
                try:
                    await fetch.start(FetchRequest("GET", f"{upstream.url}{path}", [], "follow"), 5)
                    outcome = "responded"
                    if await fetch.receive():
                        outcome = "read"
                    fetch.close()
                except FetchError as error:
                    outcome = error.code
        finally:
            trio.lowlevel.remove_instrument(probe)
        if not probe.reached:
            assert outcome == "read"
            assert number > 3
            return
        if how == "abort":
            assert outcome == "ERR_TEST"
        assert fetch.number not in client.fetches
        idle = client.pool._idle()
        assert len(idle) == client.pool.size
        await upstream.settled(kept=len(idle))
    raise AssertionError("the fetch has more steps than this test goes")


@pytest.mark.parametrize("how", ["abort", "cancel"])
@pytest.mark.parametrize("path", ["/some", "/text", "/redirect?to=/some"])
async def test_http1(path: str, how: str) -> None:
    async with running() as upstream, _client(OPEN) as client:
        await _assert_nothing_stays_at_any_step(client, upstream, path, how)


@pytest.mark.parametrize("how", ["abort", "cancel"])
async def test_a_host_with_several_addresses(how: str) -> None:
    async with running() as upstream, _client(attrs.evolve(OPEN, resolve=_two_addresses)) as client:
        upstream.url = f"http://many.example:{upstream.port}"
        await _assert_nothing_stays_at_any_step(client, upstream, "/some", how)


async def test_who_gives_up_waiting_for_a_connection_leaves_it_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_pool, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(pace, "_PASS_NS", 0)  # every pass is full: who is woken waits for another
    async with running() as upstream, _client(OPEN) as client:
        numbers = itertools.count()

        async def start(fetch: Fetch) -> None:
            await fetch.start(FetchRequest("GET", f"{upstream.url}/some", [], "follow"), 5)

        async def give_up(fetch: Fetch, step: int) -> None:
            probe = _BeforeStep(trio.lowlevel.current_task(), step, lambda: fetch.abort(GIVEN_UP))
            trio.lowlevel.add_instrument(probe)
            with contextlib.suppress(FetchError):
                await start(fetch)
            trio.lowlevel.remove_instrument(probe)
            fetch.close()
            reached.append(probe.reached)

        reached = [True]
        for step in range(_MOST_STEPS):
            holder, impatient, patient = (client.begin(next(numbers)) for _ in range(3))
            await start(holder)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(give_up, impatient, step)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(start, patient)
                await trio.testing.wait_all_tasks_blocked()
                holder.close()
            patient.close()
            if not reached[-1]:
                assert step > 5
                return
        raise AssertionError("the fetch has more steps than this test goes")


@pytest.mark.parametrize("how", ["abort", "cancel"])
@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
async def test_tls(protocol: str, how: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    network = attrs.evolve(OPEN, extra_ca_certs=(tmp_path / "ca.pem",))
    if protocol == "HTTP/1.1":
        async with running(context) as upstream, _client(network) as client:
            await _assert_nothing_stays_at_any_step(client, upstream, "/some", how)
        return
    async with running_http2(context) as upstream2, _client(network) as client:
        await _assert_nothing_stays_at_any_step(client, upstream2, "/text", how)
