"""However the network cuts and joins what a TLS client sends, it is answered: nothing is left lying on the way from the
handshake to HTTP/1.1, HTTP/2 or WebSocket. Nothing but the bytes' arrival wakes the server: a byte that is left lying
hangs the client.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import hpack
import pytest
import trio
from hyperframe.frame import DataFrame, Frame, HeadersFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.web.certificates import Certificates, Pair
from nano_trio.web.router import Route, Router
from nano_trio.web.server import Server
from tests.web.apps import echo_app
from tests.web.http2_client import PREFACE, request
from tests.web.secure import client_context, port_of, secured, written
from tests.web.sockets import KEY, SocketApp, masked
from tests.web.test_properties import cut

_AT_ONCE = 32
_HUNG_S = 60


@attrs.frozen
class Kind:
    """What a client says when its handshake is done, all at once, and how it knows that all of it is answered."""

    protocol: str
    said: bytes
    answered: Callable[[bytes], bool]


def _http2() -> bytes:
    encoder = hpack.Encoder()
    frames = (
        SettingsFrame(0),
        HeadersFrame(1, data=encoder.encode(request("/1", authority="echo")), flags=["END_HEADERS", "END_STREAM"]),
        HeadersFrame(3, data=encoder.encode(request("/3", method="POST", authority="echo")), flags=["END_HEADERS"]),
        DataFrame(3, data=b"body", flags=["END_STREAM"]),
    )
    return PREFACE + b"".join(frame.serialize() for frame in frames)


def _frames(data: bytes) -> Iterator[Frame]:
    while len(data) >= 9:
        frame, length = Frame.parse_frame_header(memoryview(data[:9]))
        if len(data) < 9 + length:
            return
        frame.parse_body(memoryview(data[9 : 9 + length]))
        yield frame
        data = data[9 + length :]


def _http2_answered(received: bytes) -> bool:
    bodies = {1: b"", 3: b""}
    ended = set()
    for frame in _frames(received):
        if isinstance(frame, DataFrame):
            bodies[frame.stream_id] += frame.data
            if "END_STREAM" in frame.flags:
                ended.add(frame.stream_id)
    return ended == {1, 3} and bodies == {1: b"GET https://echo/1 ", 3: b"POST https://echo/3 body"}


KINDS = {
    "http1": Kind(
        "http/1.1",
        b"POST /1 HTTP/1.1\r\nHost: echo\r\nContent-Length: 4\r\n\r\nbody"
        b"POST /2 HTTP/1.1\r\nHost: echo\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
        b"GET /3 HTTP/1.1\r\nHost: echo\r\n\r\n",
        lambda received: received.count(b"https://echo/") == 3 and received.endswith(b"GET https://echo/3 "),
    ),
    "http2": Kind("h2", _http2(), _http2_answered),
    "websocket": Kind(
        "http/1.1",
        b"GET / HTTP/1.1\r\nHost: socket\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY.encode() + b"\r\n\r\n" + masked(0x81, b"early"),
        lambda received: received.startswith(b"HTTP/1.1 101 ") and received.endswith(b"\x81\x05early"),
    ),
}


@functools.cache
def context_for(protocol: str, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols([protocol])
    return context


async def let_the_server_see() -> None:
    """What was sent is reported by the next look at the outside world, and dealt with before the one after it."""
    for _ in range(2):
        await trio.lowlevel.checkpoint()


@attrs.frozen
class Client:
    """``cuts``: where each flight is cut, modulo its length; ``records``: the same for what is said into records.

    ``pauses``: before which pieces the server gets to see what has come, in turns.
    """

    kind: str
    tls: ssl.TLSVersion
    cuts: list[int]
    records: list[int] = attrs.field(factory=list)
    pauses: list[bool] = attrs.field(factory=lambda: [True])

    async def visit(self, port: int) -> None:
        kind = KINDS[self.kind]
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context_for(kind.protocol, self.tls).wrap_bio(incoming, outgoing, server_hostname="localhost")
        pauses = itertools.cycle(self.pauses or [False])
        async with await trio.open_tcp_stream("127.0.0.1", port) as wire:
            shaken = False
            while not shaken:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    shaken = True
                    # With the end of the handshake, where it is the client that ends it.
                    for record in cut(kind.said, self.records):
                        tls.write(record)
                for piece in cut(outgoing.read(), self.cuts):
                    if next(pauses):
                        await let_the_server_see()
                    await wire.send_all(piece)
                if not shaken:
                    incoming.write(await wire.receive_some())
            received = b""
            while not kind.answered(received):
                with contextlib.suppress(ssl.SSLWantReadError):
                    while data := tls.read(65536):
                        received += data
                if not kind.answered(received):
                    data = await wire.receive_some()
                    assert data, received
                    incoming.write(data)


async def visit_all(server: Server, clients: list[Client]) -> None:
    """All of them, some at a time."""
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def visit(client: Client) -> None:
        async with limit:
            try:
                with trio.fail_after(_HUNG_S):
                    await client.visit(port_of(server))
            except trio.TooSlowError:
                raise AssertionError(f"no answer: {client}") from None

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(visit, client)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return written(tmp_path_factory.mktemp("certificates"), "localhost", "echo", "socket")


def serving(pair: Pair) -> contextlib.AbstractAsyncContextManager[Server]:
    router = Router([Route(echo_app(), ("echo",)), Route(SocketApp(), ("socket",))])
    return secured(router, Path(), certificates=Certificates(pair))


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize("kind", KINDS)
async def test_each_flight_cut_in_two_at_every_place(kind: str, version: ssl.TLSVersion, pair: Pair) -> None:
    """Of the first hundred bytes, in which the handshake ends, and at some of those behind."""
    places = [*range(1, 128), *range(128, 600, 19)]
    async with serving(pair) as server:
        await visit_all(server, [Client(kind, version, [place]) for place in places])


segments = st.builds(
    Client,
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(VERSIONS),
    st.lists(st.integers(0, 700), max_size=12),
    st.lists(st.integers(0, 300), max_size=6),
    st.lists(st.booleans(), min_size=1, max_size=8),
)


@settings(max_examples=40)
@given(st.lists(segments, min_size=1, max_size=12))
async def test_flights_cut_anyhow(pair: Pair, clients: list[Client]) -> None:
    async with serving(pair) as server:
        await visit_all(server, clients)
