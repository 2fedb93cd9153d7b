"""Limits for each client and for all of them: request rates, connections, files."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.web.admission import ConnectionLimits, RequestRates, default_max_connections
from nano_trio.web.clients import TrustedProxies
from nano_trio.web.settings import Limits
from tests.web.apps import Client, connected, echo_app, let, running

ANYONE = TrustedProxies([])


def test_a_burst_and_then_the_rate() -> None:
    rates = RequestRates(2, 5)
    assert [rates.retry_after("192.0.2.1", 100.0) for _ in range(7)] == [0] * 5 + [1, 1]
    assert rates.retry_after("192.0.2.2", 100.0) == 0
    assert [rates.retry_after("192.0.2.1", 101.0) for _ in range(3)] == [0, 0, 1]
    assert [rates.retry_after("192.0.2.1", 200.0) for _ in range(6)] == [0] * 5 + [1]


def test_retry_after_says_when() -> None:
    rates = RequestRates(0.1, 1)
    assert rates.retry_after("192.0.2.1", 0.0) == 0
    assert rates.retry_after("192.0.2.1", 2.5) == 8
    assert rates.retry_after("192.0.2.1", 10.0) == 0


def test_a_64_is_one_client_and_unix_sockets_are_none() -> None:
    rates = RequestRates(1, 1)
    assert [rates.retry_after(f"2001:db8::{number}", 0.0) for number in (1, 2)] == [0, 1]
    assert rates.retry_after("2001:db8:0:1::1", 0.0) == 0
    assert [rates.retry_after("", 0.0) for _ in range(3)] == [0, 0, 0]


def test_the_table_is_bounded_and_swept() -> None:
    rates = RequestRates(1, 10, clients=100)
    for number in range(1000):
        assert rates.retry_after(f"10.0.{number >> 8}.{number & 255}", 0.0) == 0
    assert len(rates) == 100
    rates.sweep(0.5)
    assert len(rates) == 100
    rates.sweep(1.0)
    assert len(rates) == 0


@given(rate=st.floats(0.1, 100), burst=st.integers(1, 20), gaps=st.lists(st.floats(0, 2), min_size=1, max_size=60))
def test_never_more_than_the_rate_and_the_burst_allow(rate: float, burst: int, gaps: list[float]) -> None:
    rates = RequestRates(rate, burst)
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        if rates.retry_after("192.0.2.1", now) == 0:
            admitted.append(now)
    for index, start in enumerate(admitted):
        for count, end in enumerate(admitted[index:], 1):
            assert count <= burst + (end - start) * rate + 1e-3


async def test_requests_beyond_the_rate_are_answered_429(http: str, mock_clock: trio.testing.MockClock) -> None:
    app = echo_app()
    limits = Limits(requests_per_s=1, request_burst=3)
    async with running(app, http=http, limits=limits) as server, connected(server) as client:
        statuses = [(await client.get()).status for _ in range(3)]
        async with connected(server) as other:
            refused = await other.get()
        again = await client.get()
        assert (statuses, refused.status, again.status) == ([200] * 3, 429, 429)
        assert refused["retry-after"] == "1"
        assert len(app.requests) == 3
        await let(mock_clock, 2)
        assert (await client.get()).status == 200
        assert server.counts.refused[429] == 2


async def test_rates_count_the_client_and_not_its_proxy() -> None:
    limits = Limits(requests_per_s=0.001, request_burst=1)
    async with running(echo_app(), limits=limits, trusted_proxies=["loopback"]) as server, connected(server) as client:
        one, two = "X-Forwarded-For: 9.9.9.1\r\n", "X-Forwarded-For: 9.9.9.2\r\n"
        assert [(await client.get(headers=who)).status for who in (one, two, one, two)] == [200, 200, 429, 429]


async def closed(client: Client) -> bool:
    with trio.fail_after(5):
        return await client.closed()


async def test_connections_of_one_client() -> None:
    limits = Limits(connections_per_client=2)

    async def from_(address: str) -> Client:
        return Client(await trio.open_tcp_stream("127.0.0.1", server.port, local_address=address))

    async with running(echo_app(), host="0.0.0.0", limits=limits) as server:
        one, two, three, other = [await from_(f"127.0.0.{number}") for number in (1, 1, 1, 2)]
        assert await closed(three)
        assert [(await client.get()).status for client in (one, two, other)] == [200] * 3
        await one.stream.aclose()
        while server.connections > 2:
            await trio.testing.wait_all_tasks_blocked()
        four = await from_("127.0.0.1")
        assert (await four.get()).status == 200
        for client in (two, three, other, four):
            await client.stream.aclose()


async def test_a_trusted_proxy_may_have_any_number_of_connections() -> None:
    limits = Limits(connections_per_client=1)
    async with (
        running(echo_app(), limits=limits, trusted_proxies=["loopback"]) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        assert [(await one.get()).status, (await two.get()).status] == [200, 200]


async def test_connections_of_who_is_trusted_from_now_on_count_no_longer() -> None:
    async with running(echo_app(), limits=Limits(connections_per_client=2)) as server:
        limits = server._connection_limits
        async with connected(server) as one, connected(server) as two:
            assert [(await one.get()).status, (await two.get()).status] == [200, 200]
            assert limits.clients == 1
            limits.take(100, 2, TrustedProxies(["loopback"]))
            assert limits.clients == 0
            limits.take(100, 2, ANYONE)
            assert limits.clients == 1
            assert not limits.enter("127.0.0.1")


async def test_with_the_proxy_protocol_its_clients_count() -> None:
    limits = Limits(connections_per_client=1)
    settings = {"limits": limits, "trusted_proxies": ["loopback"], "proxy_protocol": True}
    async with (
        running(echo_app(), **settings) as server,
        connected(server) as one,
        connected(server) as two,
        connected(server) as three,
    ):
        for client, address in ((one, "9.9.9.1"), (two, "9.9.9.2"), (three, "9.9.9.1")):
            await client.send(f"PROXY TCP4 {address} 10.0.0.1 1 2\r\n".encode())
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert [(await one.get()).status, (await two.get()).status] == [200, 200]
        assert await closed(three)
        assert server.connections == 2


def test_counts_of_clients_leave_with_their_connections() -> None:
    limits = ConnectionLimits(100, 2, ANYONE)
    assert [limits.enter("2001:db8::1"), limits.enter("2001:db8::2"), limits.enter("2001:db8::3")] == [
        True,
        True,
        False,
    ]
    assert limits.clients == 1
    limits.leave("2001:db8::1")
    assert limits.enter("2001:db8::3")
    limits.leave("2001:db8::2")
    limits.leave("2001:db8::3")
    assert limits.clients == 0


async def test_a_full_server_lets_the_longest_idle_connection_go(mock_clock: trio.testing.MockClock) -> None:
    async with (
        running(echo_app(), limits=Limits(connections=3)) as server,
        connected(server) as one,
        connected(server) as two,
        connected(server) as three,
    ):
        for client in (two, one, three):
            assert (await client.get()).status == 200
            await let(mock_clock, 2)
        async with connected(server) as four:
            assert (await four.get()).status == 200
            assert await two.closed()
            assert server.connections == 3
            assert [(await one.get()).status, (await three.get()).status] == [200, 200]


async def test_a_server_full_of_busy_connections_has_others_wait(mock_clock: trio.testing.MockClock) -> None:
    async with (
        running(echo_app(), limits=Limits(connections=2)) as server,
        connected(server) as one,
        connected(server) as two,
    ):
        for client in (one, two):
            await client.send(b"GET / HTTP/1.1\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with connected(server) as three:
            await three.send(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.connections == 2
            await one.stream.aclose()
            await let(mock_clock, 1)
            assert (await three.reply()).status == 200


def test_the_default_follows_the_limit_of_open_files() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 8 <= default_max_connections() < max(files, 9)


@pytest.mark.parametrize("configured", ["", "[http]\nmax_connections = 1000\n"], ids=["default", "beyond the files"])
def test_the_process_survives_running_out_of_files(tmp_path: Path, configured: str) -> None:
    (tmp_path / "index.js").write_text("export default { fetch: () => new Response('fine') };")
    config = tmp_path / "nano.toml"
    config.write_text(f"port = 0\n{configured}[[apps]]\nname = 'a'\ndefault = true\npath = '.'\n")
    # Without a parent: this very process must survive.
    process = subprocess.Popen(
        [sys.executable, "-m", "nano_trio", "serve", "--no-parent", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80)),
    )
    try:
        assert process.stdout is not None
        port = 0
        for line in process.stdout:
            if " listening on http://" in line:
                port = int(line.rpartition(":")[2])
                break

        def ask(sock: socket.socket, rest: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> bytes:
            sock.settimeout(20)
            sock.sendall(rest)
            return sock.recv(4096)

        first = socket.create_connection(("127.0.0.1", port))
        assert b" 200 OK" in ask(first)
        first.sendall(b"GET / HTTP/1.1\r\n")  # nor is this one, however long the others take
        crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(120)]
        for sock in crowd:
            sock.sendall(b"GET / HTTP/1.1\r\n")  # half a request: these are not idle
        if configured:
            assert b" 200 OK" in ask(first, b"Host: a\r\n\r\n")  # who is in is served
        for sock in crowd:
            sock.close()
        with socket.create_connection(("127.0.0.1", port)) as late:
            assert b" 200 OK" in ask(late)
        first.close()
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
