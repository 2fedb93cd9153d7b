"""Listeners, ports, draining, and what must never stop the accepting."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog
import trio
import trio.testing

from nano_trio.parent.sockets import Key
from nano_trio.web import listener as listener_module
from nano_trio.web import server as server_module
from nano_trio.web.reactor import Reactor, SelectorPoller
from nano_trio.web.router import Route, Router
from nano_trio.web.server import Server, serve
from nano_trio.web.settings import ServerSettings
from nano_trio.web.sockets import OwnSockets, Scheme
from tests.ports import free_port
from tests.web.apps import App, Client, Pausing, accepted, begun, connected, echo_app, gone, running, text
from tests.web.secure import encrypted, port_of, secured


class Given(OwnSockets):
    """A parent that has some sockets open."""

    def __init__(self, sockets: dict[int, Any]) -> None:
        super().__init__()
        self._sockets = sockets
        self.left: list[tuple[Scheme, str | None, int]] = []

    async def open(
        self, scheme: Scheme, host: str | None, port: int, backlog: int, leaving: Sequence[Key] = ()
    ) -> list[socket.socket]:
        if port in self._sockets:
            return [self._sockets[port]]
        return await super().open(scheme, host, port, backlog, leaving)

    async def leave(self, scheme: Scheme, host: str | None, port: int) -> None:
        self.left.append((scheme, host, port))


async def test_ipv4_and_ipv6_share_a_port() -> None:
    app = echo_app()
    async with running(app, host=None) as server:
        for address in ("127.0.0.1", "::1"):
            async with await trio.open_tcp_stream(address, server.port) as stream:
                assert (await Client(stream).get()).status == 200
    assert [request.remote_address for request in app.requests] == ["127.0.0.1", "::1"]


async def test_http_1_0_over_ipv6_has_a_bracketed_url() -> None:
    app = echo_app()
    async with running(app, host="::1") as server, await trio.open_tcp_stream("::1", server.port) as stream:
        client = Client(stream)
        await client.send(b"GET /x HTTP/1.0\r\n\r\n")
        await client.reply()
        assert app.requests[0].url == f"http://[::1]:{server.port}/x"


async def test_an_app_with_its_own_port_is_reached_under_any_host() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    router = Router([Route(echo_app("main"), ("main",)), Route(App(lambda request: text("own")), ("own",), port=port)])
    async with running(router, sockets=Given({port: free})) as server:
        async with connected(server, port) as client:
            assert (await client.get(host="whatever")).text == "own"
        async with connected(server) as client:
            assert (await client.get(host="own")).status == 404
        assert server.port_of(port) == port
        assert len(server.addresses) == 2


async def test_ports_come_and_go_with_the_routes() -> None:
    port = free_port()
    main = Route(echo_app("main"), ("main",))
    router = Router([main])
    sockets = Given({})
    async with running(router, sockets=sockets) as server:
        router.replace([main, Route(App(lambda request: text("own")), port=port)])
        await server.sync()
        async with connected(server, port) as client:
            assert (await client.get(host="whatever")).text == "own"
            router.replace([main])
            await server.sync()
            assert await client.closed()
            assert sockets.left == [("http", server.settings.host, port)]
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        async with connected(server) as client:
            assert (await client.get(host="main")).status == 200


async def test_sockets_of_a_parent_are_used() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    settings = ServerSettings(port=8080, sockets=Given({8080: socket.socket(fileno=sock.detach())}))
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, settings, Router([Route(echo_app(), default=True)]))
        assert server.port == port
        async with connected(server) as client:
            assert (await client.get()).status == 200
        nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_an_error_at_start() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    with sock:
        settings = ServerSettings(host="127.0.0.1", port=sock.getsockname()[1])
        with pytest.raises(ExceptionGroup) as caught:
            await serve(settings, Router())
        assert caught.group_contains(OSError, match="in use")


async def test_routes_change_between_requests_of_one_connection() -> None:
    first, second = Route(App(lambda request: text("1")), ("a",)), Route(App(lambda request: text("2")), ("a",))
    router = Router([first])
    async with running(router) as server, connected(server) as client:
        assert (await client.get(host="a")).text == "1"
        router.replace([second])
        assert (await client.get(host="a")).text == "2"
        router.remove(second.target)
        assert (await client.get(host="a")).status == 404


async def test_drain_finishes_what_is_in_flight() -> None:
    pausing = Pausing()
    app = App(pausing)
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        port = server.port
        async with connected(server) as idle, connected(server) as busy:
            await idle.get("/quick")
            await busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app, 2)
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", port)
            pausing.proceed.set()
            reply = await busy.reply()
            assert (reply.text, reply["connection"]) == ("finished", "close")
            assert await busy.closed()
            assert await idle.closed()
    assert nursery.cancel_scope.cancel_called is False


async def test_a_drain_closes_any_number_of_idle_connections() -> None:
    """Hundreds led to a call within a call for each, of which Python allows a thousand."""
    async with running(echo_app()) as server:
        clients = [Client(await trio.open_tcp_stream("127.0.0.1", server.port)) for _ in range(400)]
        for client in clients:
            assert (await client.get()).status == 200
        with trio.fail_after(30):
            await server.drain()
        assert server.connections == 0
        for client in clients:
            assert await client.closed()
            await client.stream.aclose()


async def test_a_drain_that_waits_for_a_handshake_alone(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """With the handshake, when its time is over, the idle connection is closed as well."""
    with structlog.testing.capture_logs() as logs:
        async with (
            secured(echo_app(), tmp_path) as server,
            encrypted(server) as idle,
            connected(server, port_of(server)) as shaking,
            trio.open_nursery() as nursery,
        ):
            await idle.get()
            await shaking.send(b"\x16\x03")
            await accepted(server, 2)
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert server.connections == 2
            mock_clock.jump(1.5)
            assert await shaking.closed()
            assert await idle.rest() == b""
    assert [line for line in logs if line["log_level"] not in ("debug", "info")] == []


async def test_a_request_that_begins_on_a_kept_connection_in_a_drain_is_answered_503() -> None:
    pausing = Pausing()
    app = App(pausing)
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as idle, connected(server) as silent, connected(server) as busy:
            assert (await idle.get("/quick")).status == 200
            await silent.get("/quick")
            await busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app, 3)
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            reply = await idle.get("/quick")
            assert (reply.status, reply["connection"], reply["retry-after"]) == (503, "close", "1")
            assert "the server is shutting down" in reply.text
            assert await idle.closed()
            pausing.proceed.set()
            assert (await busy.reply()).text == "finished"
            assert await silent.closed()
    assert len(app.requests) == 3


async def test_the_first_request_of_a_connection_accepted_before_a_drain_is_served() -> None:
    """It may well have been on its way: who opens a connection does so to ask."""
    pausing = Pausing()
    app = App(pausing)
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as fresh, connected(server) as busy:
            await busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app, 1)
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            reply = await fresh.get("/quick")
            assert (reply.status, reply.text, reply["connection"]) == (200, "quick", "close")
            assert await fresh.closed()
            pausing.proceed.set()
            assert (await busy.reply()).text == "finished"
    assert len(app.requests) == 2


@pytest.mark.parametrize("asks", [False, True])
async def test_who_waits_to_be_accepted_when_a_drain_begins_is_served(asks: bool) -> None:
    """The system has completed the connection, and would reset it with the end of the listening socket."""
    app = App(Pausing())
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as before:
            await before.get("/quick")
            # In one step of this task: the server has no chance to accept.
            waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
            for sock in waiting if asks else ():
                sock.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            server.stop()
            nursery.start_soon(server.drain)
            for sock in waiting:
                sock.setblocking(False)
                client = Client(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
                if not asks:
                    await client.send(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
                reply = await client.reply()
                assert (reply.status, reply["connection"]) == (200, "close")
                assert await client.closed()
                await client.stream.aclose()


async def test_who_waits_at_a_port_that_a_change_gives_up_is_served() -> None:
    async with running(App(Pausing())) as server:
        before, port = server.port, free_port()
        opening = await server.prepare(attrs.evolve(server.settings, port=port), set())
        # In one step of this task: the server has no chance to accept.
        waiting = [socket.create_connection(("127.0.0.1", before)) for _ in range(40)]
        for sock in waiting:
            sock.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        await server.commit(opening)
        assert server.port == port
        for sock in waiting:
            sock.setblocking(False)
            async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
                assert (await Client(stream).reply()).status == 200
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", before)


async def test_who_was_accepted_and_asks_for_nothing_holds_up_no_drain(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(echo_app(), default=True)]))
        async with connected(server) as silent:
            await accepted(server)
            began = trio.current_time()
            await server.drain()
            assert trio.current_time() - began < 2
            assert await silent.closed()


async def test_a_request_that_arrives_whole_only_while_draining_is_served() -> None:
    app = App(Pausing())
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as client:
            await client.send(b"GET /quick HTTP/1.1\r\n")
            await accepted(server)
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.start_soon(server.drain)
            await trio.testing.wait_all_tasks_blocked()
            await client.send(b"Host: a\r\n\r\nGET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            reply = await client.reply()
            assert (reply.status, reply["connection"]) == (200, "close")
            assert await client.closed()
    assert len(app.requests) == 1


async def test_a_request_that_has_arrived_when_the_drain_begins_is_served() -> None:
    """Nothing else is in flight: the connection looks idle, but its request is in the socket."""
    app = App(Pausing())
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as silent, connected(server) as client:
            await silent.get("/quick")
            await client.get("/quick")
            ours = client.stream.socket.getsockname()
            [theirs] = [one for one in server._all()[0].connections if one.sock.getpeername() == ours]
            # In one step of this task, however late the system delivers it: the server has no chance to read.
            os.write(client.stream.socket.fileno(), b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            assert select.select([theirs.sock], [], [], 30)[0]
            server.stop()
            nursery.start_soon(server.drain)
            reply = await client.reply()
            assert (reply.status, reply["connection"]) == (200, "close")
            assert await client.closed()
            assert await silent.closed()
    assert len(app.requests) == 3


async def test_the_drain_deadline_aborts_the_rest(autojump_clock: trio.testing.MockClock) -> None:
    app = App(Pausing())
    async with trio.open_nursery() as nursery:
        settings = ServerSettings(host="127.0.0.1", port=0, drain_timeout=30)
        server: Server = await nursery.start(serve, settings, Router([Route(app, default=True)]))
        async with connected(server) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app)
            began = trio.current_time()
            await server.drain()
            assert 29 < trio.current_time() - began < 33
            assert await client.closed()
    assert app.exchanges[0].finished == 1
    assert app.exchanges[0].left


async def test_cancelling_serve_ends_everything() -> None:
    app = App(Pausing())
    async with running(app) as server:
        client = Client(await trio.open_tcp_stream("127.0.0.1", server.port))
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun(app)
    assert await client.closed()
    await client.stream.aclose()
    assert app.exchanges[0].finished == 1


class Faulty:
    """A listening socket whose next accepts fail."""

    def __init__(self, sock: socket.socket, errors: list[int]) -> None:
        self._sock = sock
        self.errors = errors

    def accept(self) -> object:
        if self.errors:
            code = self.errors.pop(0)
            raise OSError(code, "injected")
        return self._sock.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.EPROTO, errno.ENOBUFS])
async def test_accepting_survives(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener_module, "_RETRY_S", 0.001)
    sock = socket.create_server(("127.0.0.1", 0))
    faulty = Faulty(sock, [code] * 3)
    async with running(echo_app(), sockets=Given({0: faulty})) as server, connected(server) as client:
        assert (await client.get()).status == 200
        assert faulty.errors == []


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPERM])
async def test_of_those_who_wait_when_a_drain_begins_one_that_fails_costs_nobody_else(code: int) -> None:
    """Who has left, say, or is kept out by a firewall."""
    faulty = Faulty(socket.create_server(("127.0.0.1", 0)), [])
    async with running(App(Pausing()), sockets=Given({0: faulty})) as server:
        async with connected(server) as before:
            await before.get("/quick")
        # In one step of this task: the server has no chance to accept.
        waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(5)]
        for sock in waiting:
            sock.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        faulty.errors = [code]
        server.stop()
        for sock in waiting:
            sock.setblocking(False)
            async with trio.SocketStream(trio.socket.from_stdlib_socket(sock)) as stream:
                assert (await Client(stream).reply()).status == 200


async def test_two_hundred_idle_connections_cost_no_tasks() -> None:
    async with running(echo_app()) as server:
        before = trio.lowlevel.current_statistics().tasks_living
        streams = [await trio.open_tcp_stream("127.0.0.1", server.port) for _ in range(200)]
        for stream in streams:
            assert (await Client(stream).get()).status == 200
        assert trio.lowlevel.current_statistics().tasks_living == before
        assert server.connections == 200
        for stream in streams:
            await stream.aclose()
        await gone(server)


async def test_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the selector cannot tell a hang-up from input, the same things happen."""
    monkeypatch.setattr(server_module, "Reactor", lambda: Reactor(SelectorPoller()))
    pausing = Pausing()
    app = App(pausing)
    async with running(app) as server:
        async with connected(server) as client:
            assert (await client.get("/quick")).text == "quick"
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app, 2)
            await client.send(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            await trio.testing.wait_all_tasks_blocked(0.05)
            pausing.proceed.set()
            assert (await client.reply()).text == "finished"
            assert (await client.reply()).text == "quick"
        pausing.proceed = trio.Event()
        async with connected(server) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await begun(app, 4)
        with trio.fail_after(5):
            await app.exchanges[-1].disconnected.wait()
