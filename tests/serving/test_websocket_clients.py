"""WebSockets of a real app, with clients nobody here wrote: `websockets` and `wsproto` from PyPI (`ws`: tests/npm)."""

from __future__ import annotations

import contextlib
import functools
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate

from tests.web.secure import for_two_threads

from .conftest import SiteMaker
from .websocket_echo import EchoSite, closings, echo_site

LARGE = random.Random(7692).randbytes(3_000_000)
JSON = json.dumps([{"number": number, "name": f"häus {number}"} for number in range(5000)], ensure_ascii=False)


@pytest.fixture(params=["ws", "wss"])
def scheme(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# ---- websockets ----


def visited(site: EchoSite, scheme: str, visit: Callable[[ClientConnection], None], **options: object) -> None:
    context = for_two_threads(site.context) if scheme == "wss" else None
    with connect(site.url(scheme), ssl=context, max_size=None, **options) as client:  # type: ignore[arg-type]
        visit(client)


def _chat(client: ClientConnection, *, compressed: bool) -> None:
    assert bool(client.protocol.extensions) == compressed
    for message in ("hello", "", "ünïcödé 🚀", b"", b"\x00\xff", JSON, LARGE, LARGE[:100_000] + bytes(100_000)):
        client.send(message)
        assert client.recv(10) == message
    client.send(["frag", "ment", "", "ed"])
    assert client.recv(10) == "fragmented"
    assert client.ping("nano").wait(10)
    for number in range(500):
        client.send(str(number))
    assert [client.recv(10) for _ in range(500)] == [str(number) for number in range(500)]
    client.close(4000, "done")


@pytest.mark.parametrize("compression", ["deflate", None])
async def test_websockets_chats(serve: SiteMaker, tmp_path: Path, scheme: str, compression: str | None) -> None:
    async with echo_site(serve, tmp_path) as site:
        visit = functools.partial(_chat, compressed=compression is not None)
        await trio.to_thread.run_sync(functools.partial(visited, site, scheme, visit, compression=compression))
        assert await closings(site, 1) == [[4000, "done"]]


async def test_websockets_and_the_ways_to_end(serve: SiteMaker, tmp_path: Path, scheme: str) -> None:
    def closed_by_app(client: ClientConnection) -> None:
        client.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(10)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4321, "as you wish")

    def fault(client: ClientConnection) -> None:
        client.send("throw")
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1011

    def too_large(client: ClientConnection) -> None:
        with pytest.raises(ConnectionClosed) as caught:  # noqa: PT012 - whichever comes first
            client.send(bytes(2_000_000))
            client.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009

    def goodbye(client: ClientConnection) -> None:
        client.close(1001, "leaving")

    def lost(client: ClientConnection) -> None:
        client.socket.shutdown(2)

    def refused(client: ClientConnection) -> None:
        raise AssertionError("not refused")

    async with echo_site(serve, tmp_path, max_message_mb=1) as site:
        for visit in (closed_by_app, fault, too_large, goodbye, lost):
            with trio.fail_after(30):
                await trio.to_thread.run_sync(functools.partial(visited, site, scheme, visit, compression=None))
        found = await closings(site, 5)
        assert [code for code, _ in found] == [4321, 1011, 1009, 1001, 1006]
        with pytest.raises(InvalidStatus) as caught:
            await trio.to_thread.run_sync(
                functools.partial(
                    visited, EchoSite(f"{site.ws}/refused", f"{site.wss}/refused", site.ca, None), scheme, refused
                )
            )
        assert caught.value.response.status_code == 403


async def test_websockets_and_subprotocols(serve: SiteMaker, tmp_path: Path, scheme: str) -> None:
    def visit(client: ClientConnection) -> None:
        assert client.subprotocol == "chat.v2"

    async with echo_site(serve, tmp_path) as site:
        await trio.to_thread.run_sync(
            functools.partial(visited, site, scheme, visit, subprotocols=["chat.v1", "chat.v2"])
        )


# ---- wsproto ----


class Proto:
    """wsproto over a Trio stream."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def send(self, event: Event) -> None:
        await self._stream.send_all(self._connection.send(event))

    async def event(self) -> Event:
        while not self._events:
            self._connection.receive_data(await self._stream.receive_some(65536) or None)
            self._events.extend(self._connection.events())
        return self._events.pop(0)

    async def message(self) -> str | bytes:
        """A whole message."""
        parts: list[str | bytes] = []
        while True:
            event = await self.event()
            assert isinstance(event, TextMessage | BytesMessage)
            parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
            if event.message_finished:
                return ("" if isinstance(parts[0], str) else b"").join(parts)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def _proto(site: EchoSite, scheme: str, *extensions: Extension, path: str = "/") -> AsyncIterator[Proto]:
    host, _, port = site.url(scheme).partition("://")[2].rpartition(":")
    raw = await trio.open_tcp_stream("127.0.0.1", int(port))
    async with raw:
        stream: trio.abc.Stream = raw
        if scheme == "wss":
            stream = trio.SSLStream(raw, site.context, server_hostname=host)
        proto = Proto(stream)
        await proto.send(Request(host, path, extensions=list(extensions)))
        yield proto


@pytest.mark.parametrize("compress", [True, False])
async def test_wsproto_chats(serve: SiteMaker, tmp_path: Path, scheme: str, compress: bool) -> None:
    extensions = [PerMessageDeflate()] if compress else []
    async with echo_site(serve, tmp_path) as site, _proto(site, scheme, *extensions) as proto:
        accepted = await proto.event()
        assert isinstance(accepted, AcceptConnection)
        assert bool(accepted.extensions) == compress
        for message in ("hello", "", "ünïcödé 🚀", b"\x00\xff", JSON, LARGE[:500_000]):
            text = isinstance(message, str)
            await proto.send(TextMessage(message) if text else BytesMessage(message))  # type: ignore[arg-type]
            assert await proto.message() == message
        await proto.send(TextMessage("frag", message_finished=False))
        await proto.send(Ping(b"between"))
        pong = await proto.event()
        assert isinstance(pong, Pong)
        assert bytes(pong.payload) == b"between"
        await proto.send(TextMessage("mented"))
        assert await proto.message() == "fragmented"
        await proto.send(CloseConnection(3999, "farewell"))
        end = await proto.event()
        assert isinstance(end, CloseConnection)
        assert end.code == 3999
        assert await closings(site, 1) == [[3999, "farewell"]]


async def test_wsproto_is_closed_and_refused(serve: SiteMaker, tmp_path: Path, scheme: str) -> None:
    async with echo_site(serve, tmp_path) as site, _proto(site, scheme) as proto:
        assert isinstance(await proto.event(), AcceptConnection)
        await proto.send(TextMessage("close"))
        end = await proto.event()
        assert isinstance(end, CloseConnection)
        assert (end.code, end.reason) == (4321, "as you wish")
        await proto.send(end.response())
        assert await closings(site, 1) == [[4321, "as you wish"]]
        async with _proto(site, scheme, path="/refused") as other:
            refused = await other.event()
            assert isinstance(refused, RejectConnection)
            assert refused.status_code == 403
