"""Who reaches the admin's port and has no token: what they send is read a little at a time, and not for long."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from unittest.mock import Mock

import h11
import pytest
import trio
import trio.testing
from wsproto import WSConnection

from nano_trio.config import Admin
from nano_trio.web.admin import http, session
from nano_trio.web.admin.http import HttpConnection
from nano_trio.web.admin.listener import AdminServer

from .conftest import TOKEN
from .test_security import HANDSHAKE

UPGRADE = (
    b"GET /admin/ws HTTP/1.1\r\nhost: localhost\r\n%b\r\n"
    % "".join(f"{name}: {value}\r\n" for name, value in HANDSHAKE.items()).encode()
)
PING = b"\x89\x80abcd"


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """The port of an admin listener that wants a token."""
    async with trio.open_nursery() as nursery:
        server = AdminServer(Admin(port=0, token=TOKEN), Mock(), nursery)
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(server.accept, listener)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def upgraded(port: int) -> trio.SocketStream:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(UPGRADE)
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        seen += await stream.receive_some(1)
    assert seen.startswith(b"HTTP/1.1 101 ")
    return stream


async def until_closed(stream: trio.SocketStream) -> bytes:
    """What came before."""
    seen = b""
    with contextlib.suppress(trio.BrokenResourceError):
        while data := await stream.receive_some():
            seen += data
    return seen


class Passes:
    """Bytes that WebSockets are given in a pass of the loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = self.total = self._now = 0
        original = WSConnection.receive_data

        def receive_data(connection: WSConnection, data: bytes | None) -> None:
            self._now += len(data or b"")
            original(connection, data)

        monkeypatch.setattr(WSConnection, "receive_data", receive_data)

    async def watch(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            self.most, self.total, self._now = max(self.most, self._now), self.total + self._now, 0


async def test_frames_before_a_token_are_read_in_small_pieces_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    passes = Passes(monkeypatch)
    async with listening() as port, trio.open_nursery() as nursery:
        nursery.start_soon(passes.watch)

        async def flood() -> None:
            async with await upgraded(port) as stream:
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(PING * 10_000)
                await until_closed(stream)

        with trio.fail_after(30):
            async with trio.open_nursery() as floods:
                for _ in range(3):
                    floods.start_soon(flood)
        nursery.cancel_scope.cancel()
    # Trio runs the tasks of a pass in any order: two passes' worth.
    assert passes.most <= 2 * http._STRANGERS_PIECE
    assert 20_000 < passes.total <= 3 * http._STRANGERS_MOST


async def test_a_long_message_before_a_token_ends_the_connection() -> None:
    async with listening() as port, await upgraded(port) as stream:
        size = session._STRANGERS_MESSAGE + 1
        await stream.send_all(b"\x81\xfe" + size.to_bytes(2, "big") + bytes(4) + b"[" + b"1," * (size // 2))
        with trio.fail_after(30):
            assert b"a message before the token is short" in await until_closed(stream)


async def test_chunks_of_a_byte_come_one_in_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """h11 takes as long for each as for one of thousands, and a body is read before anybody asks for a token."""
    now = most = total = 0
    original = h11.Connection.next_event

    def next_event(connection: h11.Connection) -> object:
        nonlocal now
        event = original(connection)
        now += isinstance(event, h11.Data)
        return event

    async def watch() -> None:
        nonlocal now, most, total
        while True:
            await trio.lowlevel.checkpoint()
            most, total, now = max(most, now), total + now, 0

    monkeypatch.setattr(h11.Connection, "next_event", next_event)
    async with listening() as port, trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        head = b"POST /admin/reload HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(head + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n")
            with trio.fail_after(30):
                assert b" 401 " in await stream.receive_some()
        nursery.cancel_scope.cancel()
    assert total == 2000
    assert most <= 2


@pytest.mark.parametrize("before", [b"", b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n"], ids=["first", "second"])
async def test_a_head_must_be_whole_in_time(mock_clock: trio.testing.MockClock, before: bytes) -> None:
    """Each line comes while the connection might still be idle; all of them together do not come in time."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        operations = Mock()
        server = AdminServer(Admin(port=0, token=TOKEN), operations, nursery)
        nursery.start_soon(HttpConnection(server, theirs, "127.0.0.1", "127.0.0.1").run)  # type: ignore[arg-type]
        if before:
            await ours.send_all(before)
            assert b"HTTP/1.1 " in await ours.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(40)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(3):
            await ours.send_all(b"GET / HTTP/1.1\r\n" if not number else b"x: y\r\n")
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(4)
        with trio.fail_after(1):
            assert await ours.receive_some() == b""
        nursery.cancel_scope.cancel()
