"""The PROXY protocol: its two versions, byte by byte, from whom, before what."""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.web.proxy_header import ProxyHeader, ProxyHeaderError, parse, wanted
from nano_trio.web.server import Server
from tests.web.apps import Client, connected, echo_app, let, running
from tests.web.secure import client_context, port_of, secured

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n"
V1 = b"PROXY TCP4 9.9.9.9 10.0.0.1 1234 80\r\n"


def v2(command: int = 0x21, family: int = 0x11, addresses: bytes | None = None, rest: bytes = b"") -> bytes:
    if addresses is None:
        addresses = socket.inet_aton("9.9.9.9") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 1234, 80)
    payload = addresses + rest
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(payload)) + payload


SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::9") * 2 + struct.pack("!HH", 1, 2)

GOOD: list[tuple[bytes, str | None]] = [
    (V1, "9.9.9.9"),
    (b"PROXY TCP6 2001:db8::9 ::1 0 65535\r\n", "2001:db8::9"),
    (b"PROXY TCP6 ::ffff:9.9.9.9 ::1 1 2\r\n", "9.9.9.9"),
    (b"PROXY UNKNOWN\r\n", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
    (b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n", None),
    (v2(), "9.9.9.9"),
    (v2(rest=b"\x04\x00\x02ab"), "9.9.9.9"),
    (v2(family=0x21, addresses=SIX), "2001:db8::9"),
    (v2(command=0x20, family=0, addresses=b""), None),
    (v2(command=0x20), None),
    (v2(family=0x00, addresses=b""), None),
    (v2(family=0x31, addresses=b"/run/x".ljust(108, b"\0") * 2), None),
]

BAD: list[bytes] = [
    GET,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdef",
    b"proxy TCP4 9.9.9.9 10.0.0.1 1 2\r\n",
    b"PROXY  TCP4 9.9.9.9 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 9.9.9.9 10.0.0.1 1\r\n",
    b"PROXY TCP4 9.9.9.9 10.0.0.1 1 2 3\r\n",
    b"PROXY TCP4 9.9.9.9 10.0.0.1 1 65536\r\n",
    b"PROXY TCP4 9.9.9.9 10.0.0.1 01 2\r\n",
    b"PROXY TCP4 9.9.9 10.0.0.1 1 2\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP6 9.9.9.9 ::1 1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP4 9.9.9.9 10.0.0.1 1 2\n" + b" " * 80,
    b"PROXY TCP4 9.9.9.9 10.0.0.1 1 2 \r\n",
    b"PROXY UDP4 9.9.9.9 10.0.0.1 1 2\r\n",
    b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    b"PROXY" + b"x" * 110,
    v2(command=0x11),
    v2(command=0x22),
    v2(family=0x12),
    v2(family=0x13),
    v2(family=0x41),
    v2(addresses=b"abc"),
    v2(family=0x21),
    v2(addresses=bytes(11)),
    v2(family=0x21, addresses=bytes(35)),
    v2(rest=b"x" * 5000),
    SIGNATURE[:-1] + b"x" + v2()[12:],
]


def drive(data: bytes) -> tuple[ProxyHeader | None, int]:
    """Take bytes as a connection does: never more than wanted; how many were taken."""
    taken = b""
    while True:
        count, look = wanted(taken)
        if look:
            ahead = data[len(taken) : len(taken) + count]
            end = (taken[-1:] + ahead).find(b"\r\n")
            count = end + 2 - 1 if end >= 0 else len(ahead)
        piece = data[len(taken) : len(taken) + count]
        if not piece:
            return None, len(taken)
        taken += piece
        header = parse(taken)
        if header is not None:
            return header, len(taken)


@pytest.mark.parametrize(("data", "source"), GOOD, ids=[repr(data[:40]) for data, _ in GOOD])
def test_headers(data: bytes, source: str | None) -> None:
    assert parse(data + GET) == ProxyHeader(source, len(data))
    assert drive(data + GET) == (ProxyHeader(source, len(data)), len(data))
    for end in range(len(data)):
        assert parse(data[:end]) is None
        assert drive(data[:end]) == (None, end)


@pytest.mark.parametrize("data", BAD, ids=[repr(data[:50]) for data in BAD])
def test_what_is_no_header(data: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        drive(data)


@settings(max_examples=400)
@given(st.sampled_from([data for data, _ in GOOD] + BAD), st.integers(0, 200), st.binary(max_size=6), st.booleans())
def test_damaged_headers_are_taken_whole_refused_or_waited_for(data: bytes, at: int, junk: bytes, insert: bool) -> None:
    at %= len(data) + 1
    damaged = data[:at] + junk + data[at if insert else at + len(junk) :]
    try:
        header, taken = drive(damaged)
    except ProxyHeaderError:
        return
    assert taken <= len(damaged)
    assert header is None or header.size == taken


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for sent in (data, SIGNATURE + data):
        with contextlib.suppress(ProxyHeaderError):
            header, taken = drive(sent)
            assert taken <= len(sent)
            assert header is None or header.size == taken


# ---- in the server ----


@contextlib.asynccontextmanager
async def proxied(*trusted: str, **more: object) -> AsyncIterator[tuple[Server, list[str]]]:
    app = echo_app()
    addresses: list[str] = []
    original = app.begin

    def begin(request: object) -> object:
        addresses.append(request.remote_address)  # type: ignore[attr-defined]
        return original(request)  # type: ignore[arg-type]

    app.begin = begin  # type: ignore[method-assign,assignment]
    async with running(app, proxy_protocol=True, trusted_proxies=trusted or ["loopback"], **more) as server:
        yield server, addresses


@pytest.mark.parametrize(("header", "source"), GOOD, ids=[repr(data[:40]) for data, _ in GOOD])
@pytest.mark.parametrize("pieces", ["whole", "bytes"])
async def test_the_client_is_the_one_that_the_header_names(header: bytes, source: str | None, pieces: str) -> None:
    async with proxied() as (server, addresses), connected(server) as client:
        if pieces == "whole":
            await client.send(header + GET)
        else:
            for octet in header + GET:
                await client.send(bytes((octet,)))
                await trio.testing.wait_all_tasks_blocked()
        assert (await client.reply()).status == 200
        assert (await client.get()).status == 200
        assert addresses == [source or "127.0.0.1"] * 2


@pytest.mark.parametrize("data", BAD, ids=[repr(data[:50]) for data in BAD])
async def test_a_malformed_header_closes_without_a_word(data: bytes) -> None:
    async with proxied() as (server, addresses), connected(server) as client:
        await client.send(data)
        with trio.fail_after(5):
            assert await client.closed()
        assert (addresses, server.connections) == ([], 0)


async def test_a_stranger_is_closed_at_once() -> None:
    async with proxied("10.0.0.0/8") as (server, addresses), connected(server) as client:
        with contextlib.suppress(trio.BrokenResourceError):
            await client.send(V1 + GET)
        with trio.fail_after(5):
            assert await client.closed()
        assert addresses == []


@pytest.mark.parametrize("count", [0, 5, 12, 20, len(V1) - 1])
async def test_a_proxy_that_leaves_in_the_middle_is_forgotten(count: int) -> None:
    async with proxied() as (server, _), connected(server) as client:
        await client.send(V1[:count])
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.connections == 1
        await client.stream.send_eof()
        with trio.fail_after(5):
            assert await client.closed()
        assert server.connections == 0


async def test_the_header_must_come_in_time(mock_clock: trio.testing.MockClock) -> None:
    async with proxied() as (server, _), connected(server) as silent, connected(server) as slow:
        await slow.send(V1[:20])
        await let(mock_clock, 28)
        assert server.connections == 2
        await let(mock_clock, 4)
        assert server.connections == 0
        assert await silent.closed()
        assert await slow.closed()


async def test_a_proxy_may_add_forwarded_fields_too() -> None:
    """The header's address is the peer: where that is a trusted proxy itself, its fields count."""
    async with proxied("loopback", "9.9.9.9") as (server, addresses), connected(server) as client:
        await client.send(V1 + GET[:-2] + b"X-Forwarded-For: 7.7.7.7\r\n\r\n")
        assert (await client.reply()).status == 200
        assert addresses == ["7.7.7.7"]


async def test_draining_closes_those_that_have_not_said_who_they_are() -> None:
    async with proxied() as (server, _), connected(server) as client:
        await client.send(V1[:20])
        await trio.testing.wait_all_tasks_blocked(0.01)
        with trio.fail_after(5):
            await server.drain()
        assert await client.closed()


async def test_before_tls(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path, proxy_protocol=True, trusted_proxies=["loopback"]) as server:
        raw = await trio.open_tcp_stream("127.0.0.1", port_of(server))
        await raw.send_all(v2(rest=b"\x04\x00\x02ab"))
        stream = trio.SSLStream(raw, client_context(), server_hostname="localhost", https_compatible=True)
        async with stream:
            await stream.do_handshake()
            reply = await Client(stream).get("/x")  # type: ignore[arg-type]
        assert reply.text == "GET https://app/x "
        assert app.requests[0].remote_address == "9.9.9.9"


async def test_curl_speaks_it() -> None:
    curl = shutil.which("curl")
    assert curl is not None, "this test needs curl"
    async with proxied() as (server, addresses):
        command = [curl, "--silent", "--haproxy-protocol", f"http://127.0.0.1:{server.port}/x"]
        done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
        assert done.stdout.startswith(b"GET http://127.0.0.1:")
        assert addresses == ["127.0.0.1"]
