"""Clients that take their responses slowly, or not at all: what waits for them is bounded, and costs no other."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web import slow_clients
from nano_trio.web.settings import Limits
from nano_trio.web.slow_clients import SlowClients
from tests.web.apps import App, connected, let, running, text
from tests.web.http2_client import Http2Client, h2_connected
from tests.web.secure import secured

PAGE = bytes(250_000)
MB = 1 << 20
CLOSED = {SettingCodes.INITIAL_WINDOW_SIZE: 0}
"""No stream of such a client may send anything."""


def pages(incoming: IncomingRequest) -> OutgoingResponse:
    return text("small") if incoming.url.endswith("/small") else OutgoingResponse(200, "", [], PAGE)


async def hundred(client: Http2Client) -> list[int]:
    numbers = [await client.begin() for _ in range(100)]
    await client.ping()
    return numbers


async def test_who_takes_nothing_has_little_made_for_it(tmp_path: Path) -> None:
    app = App(pages)
    async with secured(app, tmp_path) as server, h2_connected(server, settings=CLOSED, windows=False) as client:
        numbers = await hundred(client)
        assert len(app.requests) == 4 * MB // len(PAGE) + 1
        async with h2_connected(server) as other:
            assert (await other.get("/small")).text == "small"
        # What it takes makes room.
        await client.open_window(0, 1 << 30)
        for number in numbers:
            await client.open_window(number, 1 << 20)
        for number in numbers:
            answer = await client.over(number)
            assert (answer.status, answer.body) == (200, PAGE)
            answer.body = b""
    assert all(exchange.finished == 1 for exchange in app.exchanges)


async def test_who_takes_a_little_is_served_as_widely_as_ever(tmp_path: Path) -> None:
    """A page with a hundred pictures on a slow line: what is small must not wait for what is large."""
    app = App(pages)
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: MB}
    async with secured(app, tmp_path) as server, h2_connected(server, settings=settings, windows=False) as client:
        await hundred(client)
        while len(app.requests) < 100:
            await client.open_window(0, 16_384)
            await client.ping()
        assert sum(len(answer.body) for answer in client.answers.values()) < MB


async def test_a_stall_is_short_where_much_waits(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = App(pages)
    async with secured(app, tmp_path) as server, h2_connected(server, settings=CLOSED, windows=False) as client:
        numbers = await hundred(client)
        begun = len(app.requests)
        few = client.next()
        assert begun < 50
        await let(mock_clock, 9)
        await client.ping()
        assert len(app.requests) == begun
        await let(mock_clock, 3)
        await client.ping()
        assert [client.answer(number).reset for number in numbers[:begun]] == [ErrorCodes.CANCEL] * begun
        assert begun < len(app.requests) < few


async def test_a_stall_may_be_long_where_little_waits(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = App(pages)
    async with secured(app, tmp_path) as server, h2_connected(server, settings=CLOSED, windows=False) as client:
        number = await client.begin()
        await client.ping()
        await let(mock_clock, 50)
        await client.open_window(number, MB)
        await client.open_window(0, MB)
        assert (await client.over(number)).body == PAGE


async def test_what_waits_for_its_turn_may_be_given_up(tmp_path: Path) -> None:
    app = App(pages)
    async with secured(app, tmp_path) as server, h2_connected(server, settings=CLOSED, windows=False) as client:
        numbers = await hundred(client)
        begun = len(app.requests)
        for number in numbers[begun:]:
            await client.reset(number)
        await client.open_window(0, 1 << 30)
        for number in numbers[:begun]:
            await client.open_window(number, MB)
            await client.over(number)
        await client.ping()
        assert len(app.requests) == begun
        await client.open_window(await client.begin("/small"), 5)
        assert (await client.over(client.last)).text == "small"


async def test_a_trusted_proxys_clients_hold_up_none_of_the_others(tmp_path: Path) -> None:
    app = App(pages)
    async with (
        secured(app, tmp_path, trusted_proxies=("127.0.0.1",)) as server,
        h2_connected(server, settings=CLOSED, windows=False) as client,
    ):
        for _ in range(99):
            await client.begin()
        await client.open_window(await client.begin("/small"), 5)
        assert (await client.over(client.last)).text == "small"


async def test_of_all_clients_the_slowest_go(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Responses that come later than at once, so that no request waits: of 40 at once, all are made."""
    answered = trio.Event()

    def handler(incoming: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            await answered.wait()
            return pages(incoming)

        return answer

    app = App(handler)
    limits = Limits(waiting=20 * MB)
    async with (
        secured(app, tmp_path, limits=limits) as server,
        h2_connected(server, settings={SettingCodes.INITIAL_WINDOW_SIZE: MB}, windows=False) as honest,
        h2_connected(server, settings=CLOSED, windows=False) as first,
        h2_connected(server, settings=CLOSED, windows=False) as second,
    ):
        numbers = [await honest.begin() for _ in range(40)]
        for _ in range(40):
            await first.begin()
        await honest.ping()
        await first.ping()
        answered.set()
        await honest.open_window(0, 3 * MB)  # of 10 MB
        await honest.until(lambda: sum(len(one.body) for one in honest.answers.values()) > 3 * MB)
        await let(mock_clock, 2)
        for _ in range(40):
            await second.begin()
        await first.ended(ErrorCodes.ENHANCE_YOUR_CALM)
        await second.ping()
        async with h2_connected(server) as neighbour:
            assert (await neighbour.get("/small")).text == "small"
        await honest.open_window(0, 1 << 30)
        for number in numbers:
            assert (await honest.over(number)).body == PAGE
    assert len([exchange for exchange in app.exchanges if exchange.left]) >= 40


async def test_those_of_http_1_count_too() -> None:
    """One by one they may hold little, but they may be many."""
    app = App(
        lambda incoming: text("small") if incoming.url.endswith("/small") else OutgoingResponse(200, "", [], huge)
    )
    huge = bytes(12 * MB)  # of which sockets may hold 4 MB and 6 MB
    async with running(app, limits=Limits(waiting=20 * MB)) as server, contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            sock = trio.socket.socket()
            stack.callback(sock.close)
            await sock.connect(("127.0.0.1", server.port))
            await sock.send(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        while not any(exchange.left for exchange in app.exchanges):
            await trio.lowlevel.checkpoint()
        async with connected(server) as client:
            assert (await client.get("/small")).text == "small"


@attrs.define(eq=False)
class Client:
    left: list[str] = attrs.field(factory=list)

    def let_go(self, reason: str) -> None:
        self.left.append(reason)


async def test_the_worst_is_who_would_take_longest(autojump_clock: trio.testing.MockClock) -> None:
    slow = SlowClients(100 * MB)
    large, nothing, some = Client(), Client(), Client()
    slow.hold(large, 40 * MB)
    slow.hold(nothing, 20 * MB)
    slow.hold(some, 20 * MB)
    await trio.sleep(10)
    slow.hold(large, 39 * MB, 10 * MB)
    slow.hold(some, 20 * MB, MB)
    fresh = [Client() for _ in range(3)]
    for client in fresh:
        slow.hold(client, 8 * MB)
    # Three ends suffice for an eighth: those of whom nothing is known, with as much, stay behind one that proved slow.
    assert [len(client.left) for client in (nothing, some, large, *fresh)] == [1, 0, 0, 0, 0, 0]
    assert (slow.size, len(slow)) == (83 * MB, 5)
    slow.hold(nothing, 0)
    slow.hold(large, 0)
    assert slow.size == 44 * MB


def test_how_much_may_wait_is_told_by_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_clients, "_CGROUP_LIMIT", tmp_path / "memory.max")
    assert slow_clients.most_by_default() >= 64 * MB
    (tmp_path / "memory.max").write_text("max\n")
    assert slow_clients.most_by_default() >= 64 * MB
    (tmp_path / "memory.max").write_text(f"{2048 * MB}\n")
    assert slow_clients.most_by_default() == 128 * MB
