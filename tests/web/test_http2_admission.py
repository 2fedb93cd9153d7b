"""What stands before apps, where HTTP/2 is different: many requests on one connection. The rest: test_http2_front."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse, SocketHandler, SocketPeer
from nano_trio.web.certificates import TLSSettings
from nano_trio.web.settings import AccessRecord, Limits
from tests.web.apps import App, Pausing, echo_app, let, read_body, text
from tests.web.http2_client import h2_connected
from tests.web.secure import secured

FORWARDED = (("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "public"))


async def test_a_trusted_proxy_speaks_for_each_request(tmp_path: Path) -> None:
    app = echo_app()
    records: list[AccessRecord] = []
    async with (
        secured(app, tmp_path, trusted_proxies=("127.0.0.1",), access_log=records.append) as server,
        h2_connected(server) as client,
    ):
        pausing = [await client.begin("/a", *FORWARDED), await client.begin("/b")]
        for number in pausing:
            await client.over(number)
    first, second = app.requests
    assert (first.remote_address, first.url) == ("203.0.113.7", "http://public/a")
    assert (second.remote_address, second.url) == ("127.0.0.1", "https://app/b")
    assert [one.remote for one in records] == ["203.0.113.7", "127.0.0.1"]


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [150, 200_000])
async def test_an_apps_limit_for_bodies(tmp_path: Path, size: int, announced: bool) -> None:
    def handler(incoming: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                return text(str(len(await read_body(incoming))))
            except BodyBroken:
                return text("broken", 500)

        return answer

    app = App(handler)
    app.max_body = 100
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        more = [("content-length", str(size))] if announced else []
        number = await client.begin("/", *more, method="POST", end=False)
        await client.data(number, bytes(150), end=size == 150)
        assert (await client.over(number)).status == 413
        number = await client.begin(method="POST", end=False)
        await client.data(number, bytes(100), end=True)
        assert (await client.over(number)).status == 200


async def test_client_certificates(tmp_path: Path) -> None:
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    tls = TLSSettings(client_auth="optional", client_ca=tmp_path / "ca.pem")
    app = echo_app()
    async with secured(app, tmp_path, tls=tls) as server:
        async with h2_connected(server) as client:
            await client.get()
        async with h2_connected(server, certificate=ca.issue_cert("someone@example.org")) as client:
            await client.get()
    assert app.requests[0].certificate is None
    assert app.requests[1].certificate is not None


async def test_a_full_server_lets_the_longest_idle_connection_go(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """And not the one that was opened first."""
    async with (
        secured(echo_app(), tmp_path, limits=Limits(connections=2)) as server,
        h2_connected(server) as one,
        h2_connected(server) as two,
        trio.open_nursery() as nursery,
    ):
        for client in (two, one):
            assert (await client.get()).status == 200
            await let(mock_clock, 2)

        async def come() -> None:
            async with h2_connected(server) as three:
                assert (await three.get()).status == 200

        nursery.start_soon(come)
        await let(mock_clock, 0)
        assert (await one.get()).status == 200
        assert one.goaways == []
        await two.goaway()
        await two.stream.aclose()
        await let(mock_clock, 1)  # then the server looks again whether there is room


class Refused:
    """A WebSocket's handler that notes its end."""

    def __init__(self) -> None:
        self.ends: list[Any] = []

    def opened(self, peer: SocketPeer) -> None:
        raise AssertionError("opened")

    def gather(self, data: str | bytes) -> None:
        """Every message for itself."""

    def message(self, data: str | bytes) -> bool:
        raise AssertionError("a message")

    def drained(self) -> None:
        raise AssertionError("drained")

    def closed(self, code: int, reason: str, clean: bool) -> None:
        self.ends.append((code, reason, clean))


async def test_a_websocket_that_nobody_asked_for_is_refused(tmp_path: Path) -> None:
    handler = Refused()
    socket: SocketHandler = handler

    def answer(incoming: IncomingRequest) -> OutgoingResponse:
        response = OutgoingResponse(101, "", [], None)
        response.socket = socket
        return response

    async with secured(App(answer), tmp_path) as server, h2_connected(server) as client:
        refusal = await client.get()
        assert refusal.status == 400
        assert "a WebSocket only" in refusal.text
        assert not any(name in ("upgrade", "connection") for name, _ in refusal.headers)
        assert handler.ends == [(1006, "", False)]


async def test_idle_connections_make_room(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    app = App(Pausing())
    limits = Limits(connections=2)
    async with (
        secured(app, tmp_path, limits=limits) as server,
        h2_connected(server) as busy,
        h2_connected(server) as idle,
        trio.open_nursery() as nursery,
    ):
        await busy.begin("/waits")
        assert (await idle.get("/quick")).status == 200
        await let(mock_clock, 2)

        async def leave() -> None:
            while await idle.more():
                pass
            await idle.stream.aclose()

        async def tick() -> None:
            while True:
                await trio.testing.wait_all_tasks_blocked(0.01)
                mock_clock.jump(0.1)

        nursery.start_soon(leave)
        nursery.start_soon(tick)
        async with h2_connected(server) as third:
            assert (await third.get("/quick")).status == 200
            assert (await busy.get("/quick")).status == 200
        assert [frame.error_code for frame in idle.goaways] == [0, 0]
        nursery.cancel_scope.cancel()


async def test_request_ids(tmp_path: Path) -> None:
    own = {"x-request-id": "the app's own"}
    app = App(lambda incoming: text("", 200, *(own.items() if incoming.url.endswith("/own") else ())))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answers = [await client.get("/", ("x-request-id", "a-clients")) for _ in range(5)]
        told = [answer["x-request-id"] for answer in answers]
        assert told == [one.id for one in app.requests]
        assert len(set(told)) == 5
        assert (await client.get("/own"))["x-request-id"] == "the app's own"
        refused = await client.get("/", ("expect", "much"))
        assert refused["x-request-id"] in refused.text
    async with secured(app, tmp_path, request_ids=False) as server, h2_connected(server) as client:
        assert "x-request-id" not in await client.get()
    async with secured(app, tmp_path, trusted_proxies=["loopback"]) as server, h2_connected(server) as client:
        for name in ("a-proxys", "another", "x" * 128):
            assert (await client.get("/", ("x-request-id", name)))["x-request-id"] == name
            assert app.requests[-1].id == name


async def test_traces(tmp_path: Path) -> None:
    app = echo_app()
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    records: list[AccessRecord] = []
    async with secured(app, tmp_path, access_log=records.append) as server, h2_connected(server) as client:
        await client.get("/", ("traceparent", parent))
        await client.get()
    spans = [one.span for one in app.requests]
    assert spans[0] is not None
    assert "4bf92f3577b34da6a3ce929d0e0e4736" in str(spans[0].traceparent)
    assert spans[1] is None
    assert [(one.version, one.span) for one in records] == [("HTTP/2.0", spans[0]), ("HTTP/2.0", None)]
