"""An app's ends of WebSockets: both ways to write them, limits, errors, ends. The wire is one that records."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from nano_trio.actors import app_socket

from .conftest import HouseMaker, Wire

ECHO = """
export default {
  fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: { message: (ws, data) => { ws.send(data); } },
};
"""

PAIR = """
export default { fetch(request) {
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.addEventListener("message", (event) => server.send(event.data));
  return new Response(null, { status: 101, webSocket: client });
} };
"""


@pytest.mark.parametrize("source", [ECHO, PAIR], ids=["handlers", "pair"])
async def test_messages_come_back_as_they_went_in_order(house: HouseMaker, source: str) -> None:
    texts = ["", "a", "é\u4e00\U0001f600", "x" * 100_000, "é" * 5000, "\u4e00" * 5000, "\ufeffmark"]
    messages = [*texts, b"", b"\0\xff", bytes(range(256)) * 1000]
    async with house({"app": source}) as home:
        wire = await home.connect("app")
        for message in messages:
            wire.message(message)
        await home.settled()
        assert wire.take() == [("message", message) for message in messages]


async def test_what_a_handler_gets(house: HouseMaker) -> None:
    source = """
    export default {
      async fetch(request, env, ctx) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        const options = { data: { user: "ann" }, protocol: "chat", headers: { "X-Seen": "yes" } };
        return ctx.upgrade(request, options);
      },
      websocket: {
        open(ws, request) {
          ws.send(JSON.stringify([request.url, ws.data, ws.protocol, ws.remoteAddress, ws.readyState, this.mark]));
          ws.data = "mine";
        },
        message(ws, data) { ws.send(typeof data === "string" ? ws.data : Object.prototype.toString.call(data)); },
        mark: "this",
      },
    };
    """
    async with house({"app": source}) as home:
        wire = await home.connect("app", "/x?y", sec_websocket_protocol="old, chat ,new")
        await home.settled()
        assert wire.headers == {"x-seen": "yes", "sec-websocket-protocol": "chat"}
        opened = '["http://app/x?y",{"user":"ann"},"chat","192.0.2.7",1,"this"]'
        wire.message("t")
        wire.message(b"b")
        await home.settled()
        assert wire.take() == [("message", opened), ("message", "mine"), ("message", "[object ArrayBuffer]")]


async def test_an_app_may_refuse_and_a_protocol_must_have_been_offered(house: HouseMaker) -> None:
    source = """
    export default {
      fetch(request, env, ctx) {
        if (request.url.endsWith("/401")) return new Response("who are you?", { status: 401 });
        try { return ctx.upgrade(request, { protocol: "chat" }); } catch (error) { return new Response(String(error)); }
      },
      websocket: {},
    };
    """
    async with house({"app": source, "bare": "export default { fetch: (r, e, ctx) => ctx.upgrade(r) };"}) as home:
        refused = await home.ask("app", "/401")
        assert (refused.status, refused.socket) == (401, None)
        answer = await home.ask("app", "/", sec_websocket_protocol="talk")
        assert isinstance(answer.body, bytes)
        assert answer.body.startswith(b"TypeError: ")
        assert b"'chat' was not offered" in answer.body
        assert (await home.ask("bare")).status == 500
        assert "export default { fetch, websocket" in home.logged("bare")


async def test_what_was_sent_before_the_response_left_goes_first(house: HouseMaker) -> None:
    source = """
    export default { fetch() {
      const { 0: client, 1: server } = new WebSocketPair();
      const response = new Response(null, { status: 101, webSocket: client });
      server.accept();
      server.send("one");
      server.send(new Uint8Array([1, 2, 3]).subarray(1));
      const seen = [response.status, response.webSocket === client, server instanceof WebSocket];
      queueMicrotask(() => server.send(seen.join()));
      setTimeout(() => { server.close(4000, "bye"); console.log("closed"); }, 1);
      return response;
    } };
    """
    async with house({"app": source}) as home:
        response = await home.ask("app")
        with trio.fail_after(20):
            while "closed" not in home.logged("app"):  # noqa: ASYNC110 - nobody sets an event
                await trio.sleep(0.001)
        wire = Wire(response)
        messages = [("message", "one"), ("message", b"\2\3"), ("message", "101,true,true")]
        assert wire.take() == [*messages, ("close", (4000, "bye"))]


FAILING = """
export default {
  fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: {
    open(ws, request) { if (request.url.endsWith("/open")) throw new Error("in open"); },
    message(ws, data) {
      if (data === "throw") throw new Error("thrown");
      if (data === "reject") return Promise.resolve().then(() => { throw new Error("rejected"); });
      ws.send(data);
    },
    close(ws, code) { console.log("close", code); throw new Error("in close"); },
    error(ws, error) { ws.send("sorry: " + error.message); throw new Error("in error"); },
  },
};
"""


async def test_a_handler_that_fails_costs_its_connection_alone(house: HouseMaker) -> None:
    async with house({"app": FAILING}) as home:
        others = [await home.connect("app") for _ in range(3)]
        for text, why in (("throw", "thrown"), ("reject", "rejected")):
            wire = await home.connect("app")
            wire.message(text)
            wire.message("too late")
            await home.settled()
            assert wire.take() == [("message", f"sorry: {why}"), ("close", (1011, ""))]
            wire.end(1011, clean=True)
        opening = await home.connect("app", "/open")
        await home.settled()
        assert opening.take() == [("message", "sorry: in open"), ("close", (1011, ""))]
        for other in others:
            other.message("fine")
        await home.settled()
        assert [other.take() for other in others] == [[("message", "fine")]] * 3
        log = home.logged("app")
        assert all(f"Error: {why}" in log for why in ("thrown", "rejected", "in open", "in error", "in close"))
        assert "app.js:" in log
        assert log.count("close 1011") == 2
        assert home.app("app").snapshot().crashes == 0


async def test_a_listener_that_fails_costs_its_connection_alone(house: HouseMaker) -> None:
    source = PAIR.replace(
        "(event) => server.send(event.data)",
        """async (event) => {
      if (event.data === "reject") await Promise.reject(new Error("rejected"));
      server.send(event.data);
    });
    server.onclose = (event) => console.log("close", event.code, event.wasClean, server.readyState);
    server.addEventListener("message", (event) => { if (event.data === "throw") throw new Error("thrown"); }""",
    )
    async with house({"app": source}) as home:
        other = await home.connect("app")
        for text, why in (("throw", "thrown"), ("reject", "rejected")):
            wire = await home.connect("app")
            wire.message(text)
            await home.settled()
            assert wire.closing == (1011, "")
            assert f"Error: {why}" in home.logged("app")
            wire.end(1011, clean=True)
        other.message("fine")
        await home.settled()
        assert other.take() == [("message", "fine")]
        assert home.logged("app").count("close 1011 true 3") == 2


async def test_close_is_told_once_and_last(house: HouseMaker) -> None:
    source = ECHO.replace("message:", "close: (ws, code, reason) => console.log(`close ${code} ${reason}`), message:")
    source = source.replace("ws.send(data)", 'console.log(data); if (data === "end") ws.close(4001, "enough")')
    async with house({"app": source}) as home:
        lost, ended = await home.connect("app"), await home.connect("app")
        lost.message("one")
        lost.message("two")
        lost.end()
        ended.message("end")
        ended.message("dropped")
        await home.settled()
        assert ended.take() == [("close", (4001, "enough"))]
        ended.end(4001, "enough", clean=True)
        await home.settled()
        lines = [entry["event"] for entry in home.logs if entry.get("console")]
        assert sorted(lines) == sorted(["one", "two", "close 1006 ", "end", "close 4001 enough"])
        assert lines.index("two") < lines.index("close 1006 ")
        assert home.app("app").snapshot().sockets == 0


async def test_a_socket_that_never_opened_is_forgotten(house: HouseMaker) -> None:
    source = ECHO.replace("message:", 'close: () => console.log("close"), message:')
    pair = PAIR.replace("server.accept();", 'server.accept(); server.onclose = (e) => console.log("close", e.code);')
    async with house({"app": source, "pair": pair}) as home:
        for name in ("app", "pair"):
            response = await home.ask(name)
            assert response.socket is not None
            response.socket.closed(1006, "", False)
        await home.settled()
        assert "close" not in home.logged("app")
        assert "close 1006" in home.logged("pair")
        assert not home.app("app")._current.busy  # type: ignore[union-attr]


async def test_a_client_that_is_not_followed_is_held_back(even_clock: None, house: HouseMaker) -> None:
    """By the even clock no message's turn is interrupted, which would count its message a little later."""
    source = """
    let release; const gate = new Promise((resolve) => { release = resolve; });
    export default {
      fetch(request, env, ctx) {
        if (request.url.endsWith("/release")) { release(); return new Response("ok"); }
        return ctx.upgrade(request);
      },
      websocket: { message: (ws, data) => gate },
    };
    """
    async with house({"app": source}) as home:
        many, large, other = await home.connect("app"), await home.connect("app"), await home.connect("app")
        taken = 1
        while many.message("x"):
            taken += 1
            await home.settled()
        assert taken == app_socket.MOST_UNSETTLED
        taken = 1
        while large.message(b"x" * 1_000_000):
            taken += 1
            await home.settled()
        assert taken == app_socket.MOST_UNSETTLED_BYTES // 1_000_000 + 1
        assert other.message("x")
        assert many.events == large.events == []
        await home.ask("app", "/release")
        await home.settled()
        assert many.events == large.events == [("resume", None)]
        assert other.events == []


async def test_messages_that_wait_for_their_turn_are_bounded(house: HouseMaker) -> None:
    source = """
    export default {
      fetch: (request, env, ctx) => ctx.upgrade(request),
      websocket: { message(ws, data) { if (data === "busy") for (let i = 0; i < 1e6; i++); } },
    };
    """
    async with house({"app": source}) as home:
        busy, many, large = await home.connect("app"), await home.connect("app"), await home.connect("app")
        assert busy.message("busy")
        taken = 1
        while many.message("x"):
            taken += 1
        assert taken == app_socket.MOST_WAITING
        assert not large.message(b"x" * app_socket.MOST_WAITING_BYTES)
        await many.told("resume")
        await large.told("resume")
        assert many.events == large.events == [("resume", None)]


async def test_drain_is_told_to_those_who_asked(house: HouseMaker) -> None:
    source = ECHO.replace("message:", "drain: (ws) => { ws.send(`room: ${ws.bufferedAmount}`); }, message:")
    source = source.replace("ws.send(data)", "console.log(ws.send(data))")
    async with house({"app": source, "plain": ECHO}) as home:
        wire, plain = await home.connect("app", stuck=True), await home.connect("plain")
        wire.message("12345")
        wire.message(b"678")
        await home.settled()
        assert "'event': '5'" in home.logged("app")
        assert "'event': '8'" in home.logged("app")
        wire.take()
        wire.handler.drained()
        plain.handler.drained()
        await home.settled()
        assert wire.take() == [("message", "room: 8")]
        assert plain.take() == []


@pytest.mark.parametrize("how", ["cpu", "memory"])
async def test_a_limit_ends_the_isolate_and_says_who_was_at_fault(house: HouseMaker, how: str) -> None:
    source = """
    let count = 0;
    export default {
      fetch: (request, env, ctx) => ctx.upgrade(request),
      websocket: { message(ws, data) {
        if (data === "cpu") for (;;);
        if (data === "memory") { const all = []; for (;;) all.push(new Array(1000).fill(all.length)); }
        ws.send(String(++count));
      } },
    };
    """
    async with house({"app": {"source": source, "timeout_ms": 100, "memory_mb": 8}, "other": ECHO}) as home:
        culprit, victims = await home.connect("app"), [await home.connect("app") for _ in range(100)]
        stranger = await home.connect("other")
        culprit.message("x")
        culprit.message(how)
        culprit.message("never seen")
        for wire in (culprit, *victims):
            await wire.told("close")
        assert culprit.take() == [("message", "1"), ("close", (1011, "the app exceeded a limit"))]
        assert [victim.take() for victim in victims] == [[("close", (1012, "service restart"))]] * 100
        for wire in (culprit, *victims):
            wire.end(1006)
        fresh = await home.connect("app")
        fresh.message("x")
        stranger.message("fine")
        await home.settled()
        assert fresh.take() == [("message", "1")]
        assert stranger.take() == [("message", "fine")]
        assert home.app("app").snapshot().sockets == 1


async def test_draining_says_goodbye_and_waits_for_it(house: HouseMaker) -> None:
    source = ECHO.replace("message:", "close: (ws, code) => console.log(`close ${code}`), message:")
    async with house({"app": source}) as home:
        wires = [await home.connect("app") for _ in range(100)]
        drained = trio.Event()

        async def drain() -> None:
            await home.app("app").drain()
            drained.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            await home.settled()
            assert [wire.closing for wire in wires] == [(1001, "going away")] * 100
            assert (await home.ask("app")).status == 503
            for wire in wires:
                assert not drained.is_set()
                wire.end(1001, "going away", clean=True)
            await home.settled()
            assert drained.is_set()
        assert home.logged("app").count("close 1001") == 100


async def test_open_sockets_keep_an_app_awake(house: HouseMaker) -> None:
    source = ECHO.replace("export", "let count = 0; export").replace("ws.send(data)", "ws.send(String(++count))")
    async with house({"app": {"source": source, "idle_timeout_s": 0.001}}) as home:
        wire = await home.connect("app")
        wire.message("x")
        await home.settled()
        app = home.app("app")
        first = app._current
        for now in (1.0, 2.0, 3.0):
            app.sweep(trio.current_time() + now)
        assert app._current is first
        wire.end()
        await home.settled()
        for now in (4.0, 5.0, 6.0):
            app.sweep(trio.current_time() + now)
        assert app._current is None


async def test_a_request_may_wait_for_a_message(house: HouseMaker) -> None:
    source = """
    let tell; const said = new Promise((resolve) => { tell = resolve; });
    export default {
      fetch: (request, env, ctx) =>
        request.url.endsWith("/wait") ? said.then((text) => new Response(text)) : ctx.upgrade(request),
      websocket: { message: (ws, data) => tell(data) },
    };
    """
    async with house({"app": source}) as home, trio.open_nursery() as nursery:
        wire = await home.connect("app")
        answers = []

        async def ask() -> None:
            answers.append((await home.ask("app", "/wait")).body)

        nursery.start_soon(ask)
        await home.settled()
        assert answers == []
        wire.message("at last")
        await home.settled()
        assert answers == [b"at last"]


async def test_limits_of_the_configuration(house: HouseMaker, mock_clock: trio.testing.MockClock) -> None:
    """Within one moment: the clock stands still. A message that waits for its turn goes with who sends too many."""
    mock_clock.jump(1)
    async with house({"app": {"source": ECHO, "max_connections": 2, "max_messages_per_s": 5}}) as home:
        first, second = await home.connect("app"), await home.connect("app")
        third = await home.ask("app")
        assert (third.status, dict(third.headers)["retry-after"]) == (503, "1")
        for _ in range(5):
            first.message("x")
        await home.settled()
        first.message("x")
        second.message("x")
        await home.settled()
        assert first.take() == [("message", "x")] * 5 + [("close", (1008, "too many messages"))]
        assert second.take() == [("message", "x")]
        first.end(1008, clean=True)
        await home.connect("app")


async def test_an_app_that_replaces_builtins_changes_nothing(house: HouseMaker) -> None:
    source = """
    const evil = (name) => () => { throw new Error("replaced " + name); };
    let replaced = false;
    const define = Object.defineProperty;
    function replaceAll() {
      replaced = true;
      const all = [];
      for (const Type of [Array, Map, Set, Promise, String, Function]) {
        for (const name of Object.getOwnPropertyNames(Type.prototype)) {
          if (!/^(constructor|length|concat|caller|arguments)$/.test(name)) all.push([Type.prototype, name]);
        }
      }
      for (let i = 0; i < all.length; i++) define(all[i][0], all[i][1], { value: evil(all[i][1]) });
      Object.prototype.then = Object.prototype.get = evil("then");
    }
    export default {
      fetch(request, env, ctx) {
        if (!replaced) replaceAll();
        return ctx.upgrade(request, { data: 1, headers: { "x-a": "b" }, protocol: "p" });
      },
      websocket: {
        open(ws, request) { ws.subscribe("r"); ws.send(request.url); },
        message(ws, data) { ws.send(data); ws.publish("r", data); if (data === "boom") throw new Error("boom"); },
        close(ws) { ws.data.x; },
      },
    };
    """
    async with house({"app": source}) as home:
        one, two = [await home.connect("app", sec_websocket_protocol="q, p") for _ in range(2)]
        one.message("x" * 5000)
        one.message("boom")
        await home.settled()  # a turn that is interrupted publishes later, and who has left by then gets nothing
        two.end()
        await home.settled()
        mine = [("message", "http://app/"), ("message", "x" * 5000), ("message", "boom")]
        assert one.take() == [*mine, ("close", (1011, ""))]
        assert two.take() == mine
        assert "replaced" not in home.logged("app"), home.logged("app")


async def test_nothing_of_it_is_loaded_where_it_is_not_used(house: HouseMaker) -> None:
    source = """export default { fetch: () => new Response("x"), websocket: { message() {} } };"""
    async with house({"app": source}) as home:
        await home.ask("app")
        incarnation = home.app("app")._current
        assert incarnation is not None
        assert incarnation._sockets is None


async def test_a_new_version_takes_over_and_the_old_one_says_goodbye(house: HouseMaker) -> None:
    source = ECHO.replace("ws.send(data)", 'ws.subscribe("r"); ws.publish("r", "old"); ws.send(data)')
    async with house({"app": source}) as home:
        old = await home.connect("app")
        old.message("x")
        await home.settled()
        app = home.app("app")
        home.rewrite("app", source.replace('"old"', '"new"'))
        app.switch(await app.prepare(app.settings))
        await home.settled()
        assert old.take() == [("message", "x"), ("close", (1001, "going away"))]
        one, two = await home.connect("app"), await home.connect("app")
        two.message("x")
        one.message("y")
        await home.settled()
        assert two.take() == [("message", "x"), ("message", "new")]
        old.end(1001, clean=True)
        await home.settled()
        assert not app.leaving
