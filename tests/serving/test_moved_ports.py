"""Ports that go from one listener to another with a reload, and addresses that cannot be had."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio

from tests.ports import free_port
from tests.web.apps import Client, connected

from .places import Place, answers


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def ask(place: Place, port: int, host: str) -> str:
    """What a client gets by a new connection."""
    with trio.fail_after(30):
        async with connected(place.hosting.server, port) as client:
            return await answer(client, host)


async def answer(client: Client, host: str) -> str:
    reply = await client.get(host=host)
    assert reply.status == 200
    return reply.text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((0, 1), (1, 1), id="the app's becomes the main one"),
        pytest.param((1, 1), (0, 1), id="the main one becomes the app's"),
        pytest.param((0, 1), (1, 0), id="they change places"),
        pytest.param((0, 1), (1, 2), id="the app's becomes the main one, and it gets another"),
        pytest.param((0, 1), (2, 0), id="the main one becomes the app's, and there is another"),
    ],
)
async def test_a_port_that_goes_to_another_listener_serves_on(
    place: Place, before: tuple[int, int], after: tuple[int, int]
) -> None:
    """With nothing closed: who has a connection there keeps it, and is served as those are who come by new ones."""
    ports = [free_port() for _ in range(3)]

    def configure(main: int, own: int) -> None:
        place.document["port"] = ports[main]
        place.app("own", answers("own"), port=ports[own])

    place.app("main", answers("main"))
    configure(*before)
    async with place.serve():
        moved = ({*before} & {*after}).pop()
        old, new = ("own" if moved == there[1] else "main" for there in (before, after))
        async with connected(place.hosting.server, ports[moved]) as client:
            assert await answer(client, old) == old
            configure(*after)
            assert (await place.hosting.reload()).error is None
            for _ in range(3):
                assert await ask(place, ports[after[0]], "main") == "main"
                assert await ask(place, ports[after[1]], "own") == "own"
            assert await answer(client, new) == new
        for closed in {*before} - {*after}:
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", ports[closed])


async def test_an_address_that_somebody_else_has_changes_nothing(place: Place) -> None:
    """Which shows only when the old address is about to be given up."""
    port = free_port()
    place.app("one", answers("first"))
    place.document["port"] = port
    place.write()
    async with place.serve():
        assert await ask(place, port, "one") == "first"
        place.app("one", answers("second"))
        place.app("two", answers("two"), hostname="two.test")
        place.document |= {"host": "0.0.0.0", "tls": {"port": 0}}
        place.write()
        with socket.create_server(("127.0.0.2", port)):
            report = await place.hosting.reload()
            assert f"cannot listen on 0.0.0.0:{port}" in (report.error or "")
            server = place.hosting.server
            assert server.addresses == [("127.0.0.1", port)]
            assert server.secure_addresses == []
            assert server.certificate_faults == {}
            assert await ask(place, port, "one") == "first"
            assert set(place.hosting.registry.apps) == {"one"}
        assert (await place.hosting.reload()).error is None
        assert server.addresses == [("0.0.0.0", port)]
        assert len(server.secure_addresses) == 1
        assert await ask(place, port, "one") == "second"
