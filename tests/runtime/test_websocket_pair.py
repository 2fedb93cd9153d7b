"""WebSocketPair within one app, its interface, and the responses that carry WebSockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RunJS = Callable[[str], Any]

PAIR = """
    const pair = new WebSocketPair();
    const { 0: a, 1: b } = pair;
    const seen = [];
    const until = (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
"""


def test_messages_cross_between_two_accepted_ends(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        a.accept();
        a.send("before the other end was accepted");
        a.send(new Uint8Array([1, 2, 3]).subarray(1));
        b.addEventListener("message", (e) => {
          const { data } = e;
          seen.push(typeof data === "string" ? data : [data.constructor.name, ...new Uint8Array(data)].join());
        });
        b.accept();
        b.accept();
        seen.push("accepted");
        const bytes = new Uint8Array([7]);
        a.send(bytes);
        bytes[0] = 8;
        a.send(new Blob(["blob"]));
        a.send(5);
        a.binaryType = "blob";
        b.send(new ArrayBuffer(2));
        const event = await until(a, "message");
        while (seen.length < 6) await new Promise((resolve) => setTimeout(resolve));
        return [...seen, event.data instanceof Blob && event.data.size, event.isTrusted, event.origin];
        """
    ) == [
        "accepted",
        "before the other end was accepted",
        "ArrayBuffer,2,3",
        "ArrayBuffer,7",
        "ArrayBuffer,98,108,111,98",
        "5",
        2,
        True,
        "",
    ]


def test_closing_a_pair(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        a.accept(); b.accept();
        seen.push(a.readyState, b.readyState);
        b.onmessage = (e) => seen.push(e.data);
        a.send("last");
        a.close(1011, "why");
        a.close(3000, "again");
        a.send("lost");
        seen.push(a.readyState, a.bufferedAmount);
        const [of_b, of_a] = await Promise.all([until(b, "close"), until(a, "close")]);
        seen.push([of_b, of_a].map((e) => [e.code, e.reason, e.wasClean, e.isTrusted].join()), a.readyState, b.readyState);
        b.send("nothing");
        return seen;
        """
    ) == [1, 1, 2, 4, "last", ["1011,why,true,true", "1011,why,true,true"], 3, 3]


def test_the_interface(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        const name = (work) => { try { work(); return "none"; } catch (error) { return error.name; } };
        const text = (count) => "é".repeat(count);
        seen.push(Object.values(pair).length, Object.keys(pair).join(), String(pair), String(a), a instanceof WebSocket);
        seen.push(a.constructor === WebSocket, name(() => new WebSocket()), name(() => WebSocketPair()));
        seen.push(name(() => a.send("x")), name(() => a.close()), a.bufferedAmount, a.protocol, a.url, a.binaryType);
        a.accept();
        seen.push(name(() => a.send()), name(() => a.close(999)), name(() => a.close(1005)), name(() => a.close(5000)));
        seen.push(name(() => a.close(1000, text(62))), name(() => a.accept.call({})), name(() => a.subscribe("")));
        seen.push(name(() => a.send(Symbol())), name(() => a.close(3000, text(61) + "x")));
        return seen;
        """
    ) == [
        *[2, "0,1", "[object WebSocketPair]", "[object WebSocket]", True],
        *[True, "TypeError", "TypeError"],
        *["TypeError", "TypeError", 0, "", "", "arraybuffer"],
        *["TypeError", "InvalidAccessError", "InvalidAccessError", "InvalidAccessError"],
        *["SyntaxError", "TypeError", "TypeError"],
        *["TypeError", "none"],
    ]


def test_attachments_are_copies(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        const value = { list: [1] };
        seen.push(a.deserializeAttachment());
        a.serializeAttachment(value);
        value.list.push(2);
        a.deserializeAttachment().list.push(3);
        seen.push(a.deserializeAttachment(), b.deserializeAttachment());
        try { a.serializeAttachment(() => {}); } catch (error) { seen.push(error.name); }
        return seen;
        """
    ) == [None, {"list": [1]}, None, "DataCloneError"]


def test_responses_with_a_websocket(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        const name = (init, body = null) => { try { return new Response(body, init).status; } catch (error) { return error.name; } };
        const response = new Response(null, { status: 101, webSocket: a });
        seen.push(response.status, response.webSocket === a, response.body, new Response("x").webSocket);
        seen.push(name({ status: 101 }), name({ status: 200, webSocket: a }), name({ webSocket: a }));
        seen.push(name({ status: 101, webSocket: a }, "body"), name({ status: 101, webSocket: {} }));
        b.accept();
        seen.push(name({ status: 101, webSocket: b }), name({ status: 200, webSocket: null }), name({ status: 101, webSocket: a }));
        return seen;
        """
    ) == [
        *[101, True, None, None],
        *["RangeError", "RangeError", "RangeError"],
        *["TypeError", "TypeError"],
        *["TypeError", 200, 101],
    ]


def test_rooms_without_clients(run_js: RunJS) -> None:
    assert run_js(
        PAIR
        + """
        const { publish, members, count, rooms } = WeakRef["nano:modules"].rooms;
        a.accept();
        a.subscribe("r");
        seen.push(a.isSubscribed("r"), b.isSubscribed("r"), count("r"), members("r"), publish("r", "x"), a.publish("r", "x"));
        seen.push(rooms.publish === publish, Object.isFrozen(rooms), Object.keys(WeakRef).includes("nano:modules"));
        return seen;
        """
    ) == [True, False, 0, [], 0, 0, True, True, False]


def test_listeners_have_the_store_of_where_their_pair_was_made(run_js: RunJS) -> None:
    assert run_js(
        """
        const storage = new (process.getBuiltinModule("node:async_hooks").AsyncLocalStorage)(), seen = [];
        const { 0: a, 1: b } = storage.run("made", () => new WebSocketPair());
        await storage.run("listening", () => new Promise((resolve) => {
          for (const type of ["message", "close"]) {
            b.addEventListener(type, (event) => seen.push(`${event.type} ${storage.getStore()}`));
          }
          b.addEventListener("close", resolve);
          a.accept();
          b.accept();
          a.send("x");
          a.close(1000, "");
        }));
        return seen;
        """
    ) == ["message made", "close made"]
