"""JSON-RPC 2.0 over WebSocket: every method, and the specification's cases."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from nano_trio.web.admin.client import AdminClient, AdminError
from nano_trio.web.admin.methods import METHODS, SUBSCRIPTIONS
from nano_trio.web.admin.rpc import Call, Malformed, parse

from .conftest import GREETER, Server


async def test_everything_that_rest_does(server: Server) -> None:
    done: set[str] = set()
    async with server.client() as client:

        async def call(method: str, **params: Any) -> Any:
            done.add(method)
            return await client.call(method, **params)

        assert [app["name"] for app in (await call("apps.list"))["apps"]] == ["broken", "one", "two"]
        assert (await call("apps.get", name="one"))["name"] == "one"
        (server.folder / "three.js").write_text("export default () => new Response('three')")
        assert (await call("apps.add", name="three", path="three.js"))["state"] == "asleep"
        assert server.get("three").body == b"three"
        assert (await call("apps.drain", name="three"))["state"] == "draining"
        assert server.get("three").status == 503
        assert (await call("apps.restart", name="three"))["state"] == "awake"
        assert server.get("three").body == b"three"
        with pytest.raises(AdminError, match="three is not quarantined"):
            await call("apps.lift", name="three")
        assert await call("apps.remove", name="three") == {"name": "three", "removed": True}
        assert (await call("reload"))["failed"] == {}
        assert (await call("tree"))["id"] == "nano-trio"
        assert (await call("logs", limit=5))["lines"]
        assert (await call("health"))["version"]
        assert await call("live") == {"live": True}
        assert await call("ready") == {"ready": True}
        assert "nano_trio_requests" in (await call("metrics"))["text"]
    assert done == {method.name for method in METHODS}
    server.logged(event="admin", action="apps.remove", target="three", via="websocket", result="done")


async def test_errors_are_for_people(server: Server) -> None:
    async with server.client() as client:
        for method, params, text in (
            ("apps.get", {"name": "on"}, "there is no app 'on'; did you mean 'one'?"),
            ("apps.get", {}, "name: required, but missing; expected a name of letters, digits"),
            ("apps.get", {"name": 5}, "name: expected a name of letters, digits"),
            ("apps.list", {"stat": "x"}, "stat: unknown parameter; accepted: state"),
            ("logs.subscribe", {"level": "loud"}, 'level: expected "debug", "info", "warning" or "error", got "loud"'),
            ("metrics.subscribe", {"interval_s": 0}, "interval_s: expected a positive number, got 0"),
            ("unsubscribe", {"subscription": 77}, "subscription: expected the number of one of this connection's"),
            ("apps.rename", {}, "Method not found: apps.rename"),
        ):
            with pytest.raises(AdminError) as caught:
                await client.call(method, **params)
            assert str(caught.value).startswith(text)


@asynccontextmanager
async def socket(server: Server) -> AsyncIterator[WebSocketConnection]:
    async with await trio.open_tcp_stream("127.0.0.1", server.admin_port) as stream, trio.open_nursery() as nursery:
        connection = await wrap_client_stream(nursery, stream, "localhost", "/admin/ws")
        yield connection
        nursery.cancel_scope.cancel()


async def ask(server: Server, message: Any, *, answered: bool = True) -> Any:
    """What is answered to a message; None where nothing is before the next call is."""
    async with socket(server) as connection:
        await connection.send_message(message if isinstance(message, str | bytes) else json.dumps(message))
        await connection.send_message('{"jsonrpc":"2.0","id":"last","method":"live"}')
        with trio.fail_after(10):
            while True:
                answer = json.loads(await connection.get_message())
                if not isinstance(answer, dict) or answer.get("id") != "last":
                    return answer
                if not answered:
                    return None


LIVE = {"jsonrpc": "2.0", "id": 1, "method": "live"}
ANSWER = {"jsonrpc": "2.0", "id": 1, "result": {"live": True}}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", -32700),
        (b"\xff", -32700),
        ("", -32700),
        ("[" * 10_000, -32700),
        ('{"jsonrpc": "2.0", "method": "live, "params": "bar", "baz]', -32700),
        ([], -32600),
        ({}, -32600),
        (1, -32600),
        ("null", -32600),
        ({"jsonrpc": "1.0", "id": 1, "method": "live"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 1}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "live", "params": "bar"}, -32600),
        ({"jsonrpc": "2.0", "id": [], "method": "live"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "live"}, -32600),
        ('{"jsonrpc": "2.0", "id": NaN, "method": "live"}', -32700),
        ('{"jsonrpc": "2.0", "id": 1, "method": "apps.list", "params": {"state": Infinity}}', -32700),
        ('{"jsonrpc": "2.0", "id": 1e999, "method": "live"}', -32600),
        ([LIVE] * 101, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "foobar"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "rpc.discover"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "apps.get", "params": ["one"]}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "apps.get", "params": {"nom": "one"}}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "apps.get", "params": {"name": "nobody"}}, -32004),
        ({"jsonrpc": "2.0", "id": 1, "method": "apps.lift", "params": {"name": "one"}}, -32009),
        ({"jsonrpc": "2.0", "id": 1, "method": "apps.add", "params": {"name": "x"}}, -32022),
    ],
)
async def test_errors_have_the_codes_of_the_specification(server: Server, message: Any, code: int) -> None:
    answer = await ask(server, message)
    assert (answer["jsonrpc"], answer["error"]["code"]) == ("2.0", code)
    assert answer["id"] == (None if code in (-32700, -32600) else 1)
    assert "result" not in answer


@pytest.mark.parametrize("id", ["text", 0, -1, 1.5, None, ""])
async def test_the_id_comes_back_as_it_is(server: Server, id: Any) -> None:
    assert await ask(server, {**LIVE, "id": id}) == {**ANSWER, "id": id}


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "live"},
        {"jsonrpc": "2.0", "method": "nothing"},
        {"jsonrpc": "2.0", "method": "apps.get", "params": {"name": "nobody"}},
        [{"jsonrpc": "2.0", "method": "live"}, {"jsonrpc": "2.0", "method": "nothing"}],
    ],
)
async def test_notifications_are_not_answered(server: Server, message: Any) -> None:
    assert await ask(server, message, answered=False) is None


async def test_a_batch(server: Server) -> None:
    batch = [LIVE, {"jsonrpc": "2.0", "method": "live"}, 1, {"foo": "boo"}, {**LIVE, "id": "x", "method": "no"}]
    answers = await ask(server, batch)
    assert answers[0] == ANSWER
    assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, -32600, -32601]
    assert [answer["id"] for answer in answers] == [1, None, None, "x"]


async def test_a_slow_operation_holds_up_no_other(tmp_path: Path) -> None:
    """The drain waits for the request that is in progress."""
    server = Server(tmp_path, admin={}, apps={"two": GREETER}, drain_timeout_s=600)
    order: list[str] = []
    try:
        with server.held("two") as let_go:
            async with server.client() as client, trio.open_nursery() as nursery:

                async def drain() -> None:
                    await client.call("apps.drain", name="two")
                    order.append("drained")

                await until_busy(client)
                nursery.start_soon(drain)
                while (await client.call("apps.get", name="two"))["state"] != "draining":
                    pass
                order.append("asked")
                let_go()
    finally:
        server.end()
    assert order == ["asked", "drained"]


async def until_busy(client: AdminClient) -> None:
    async for items in await client.subscribe("metrics", interval_s=0.25):
        if next(app for app in items.items[0]["apps"] if app["name"] == "two")["in_flight"]:
            return


async def test_a_message_that_is_too_large_ends_the_connection(server: Server) -> None:
    async with socket(server) as connection:
        await connection.send_message(" " * 300_000)
        with trio.fail_after(10), pytest.raises(ConnectionClosed) as caught:
            await connection.get_message()
    assert caught.value.reason is not None
    assert caught.value.reason.code == 1009


async def test_a_connection_has_so_many_subscriptions(server: Server) -> None:
    async with server.client() as client:
        for _ in range(64):
            await client.subscribe("events")
        with pytest.raises(AdminError, match="at most 64 subscriptions"):
            await client.subscribe("events")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["2.0", "live"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["jsonrpc", "id", "method", "params", "x"]), inner, max_size=4)
    ),
)


@given(st.text() | st.binary() | JSON.map(json.dumps))
def test_any_message_is_calls_or_errors(message: str | bytes) -> None:
    calls, batch = parse(message)
    assert calls
    assert all(isinstance(call, Call | Malformed) for call in calls)
    assert batch or len(calls) == 1


def test_the_tables_agree() -> None:
    assert {stream.name for stream in SUBSCRIPTIONS} == {"logs", "metrics", "events", "tree"}
    assert len({(method.verb, method.path) for method in METHODS}) == len(METHODS)
    assert len({method.name for method in METHODS}) == len(METHODS)
