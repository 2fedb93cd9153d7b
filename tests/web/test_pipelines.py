"""Clients that send a hundred requests at once, and their neighbour, who sends one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable

import pytest
import trio

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web import reactor, soon

from .apps import App, accepted, connected, gone, running, text

_CLIENTS, _REQUESTS = 60, 100


@pytest.mark.parametrize("awaited", [False, True], ids=["answered at once", "awaited"])
async def test_pipelines_of_others_hold_up_nobody(awaited: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # A pass has time for one connection, however fast the machine is.
    for name in ("_PASS", "_PASS_WITH_OTHERS", "_HOLD"):
        monkeypatch.setattr(reactor, name, 0)
    monkeypatch.setattr(reactor, "_STAY", -1)  # and none is left out
    monkeypatch.setattr(soon, "_PASS", 0)
    before: list[int] = []

    async def later() -> OutgoingResponse:
        await trio.lowlevel.checkpoint()
        return text("later")

    def answer(request: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        if request.url.endswith("/neighbour"):
            before.append(len(app.requests))
            return text("neighbour")
        return later if awaited else text("hello")

    app = App(answer)
    async with running(app) as server, contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server)) for _ in range(_CLIENTS + 1)]
        await accepted(server, _CLIENTS + 1)
        *others, neighbour = (client.stream.socket.fileno() for client in clients)
        # All of it is there when the server looks.
        for other in others:
            os.write(other, b"GET / HTTP/1.1\r\nHost: app\r\n\r\n" * _REQUESTS)
        os.write(neighbour, b"GET /neighbour HTTP/1.1\r\nHost: app\r\n\r\n")
        assert (await clients[-1].reply()).text == "neighbour"
        # One of each, and of some a few more: not a sixth of what they sent.
        assert before[0] < 3 * _CLIENTS + 20
        for client in clients[:-1]:
            for _ in range(_REQUESTS):
                assert (await client.reply()).status == 200


async def test_a_connection_that_ends_while_its_next_requests_wait_is_forgotten() -> None:
    async def later() -> OutgoingResponse:
        await trio.lowlevel.checkpoint()
        return text("later", 200, ("connection", "close"))

    app = App(lambda request: later)
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n" * _REQUESTS)
        assert (await client.reply()).text == "later"
        assert await client.closed()
        assert len(app.requests) == 1
        client.stream.socket.close()
        await gone(server)
