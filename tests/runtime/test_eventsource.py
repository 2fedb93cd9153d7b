"""EventSource: HTML section 9.2, its parser against a model, and over real sockets."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from nano_trio.runtime.eventsource import EventStreamParser, TooLong, namespace
from nano_trio.runtime.net_policy import NetPolicy
from tests.ports import free_port

from .fetching import OPEN, Fetching, fetching
from .open_connections import OpenConnections

# -- the parser -----------------------------------------------------------------------------------------------------------

Parsed = tuple[list[tuple[str, str, str]], str, int | None]


def model(stream: bytes, last_event_id: str = "") -> Parsed:
    """The specification's steps, word by word, over the whole stream."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events = []
    data = kind = ""
    buffered = last_event_id
    retry = None
    *lines, _ = re.split("\r\n|\n|\r", text)
    for line in lines:
        if line == "":
            last_event_id = buffered
            if data:
                events.append((kind or "message", data[:-1], last_event_id))
            data = kind = ""
        elif line[0] != ":":
            field, colon, value = line.partition(":")
            if colon and value[:1] == " ":
                value = value[1:]
            if field == "event":
                kind = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                buffered = value
            elif field == "retry" and value and all(c in "0123456789" for c in value):
                retry = int(value)
    return events, last_event_id, retry


def parse(chunks: list[bytes], last_event_id: str = "") -> Parsed:
    parser = EventStreamParser(last_event_id)
    events = [(e.type, e.data, e.last_event_id) for chunk in chunks for e in parser.feed(chunk)]
    return events, parser.last_event_id, parser.retry_ms


PIECES = st.sampled_from(
    ["data", "id", "event", "retry", "x", "", ":", ": ", "::", " ", "\n", "\r", "\r\n", "\n\n", "\r\r", "\0", "é€😀", "\u2028", "\x85", "7", "010", "-1", "\ufeff"]
)  # fmt: skip
STREAMS = st.lists(PIECES).map(lambda pieces: "".join(pieces).encode()) | st.binary(max_size=30)


@given(stream=STREAMS, cuts=st.lists(st.integers(1, 5)), last=st.sampled_from(["", "before"]))
@example(stream=b"\xef\xbb\xbfdata: a\r\n\r\n", cuts=[1, 1, 1, 5, 1, 1, 1], last="")
@example(stream=b"data\r\rdata: b\r\n\r\n", cuts=[5, 1, 1], last="")
def test_any_stream_in_any_pieces(stream: bytes, cuts: list[int], last: str) -> None:
    chunks, at = [], 0
    for cut in cuts:
        chunks.append(stream[at : at + cut])
        at += cut
    assert parse([*chunks, stream[at:]], last) == model(stream, last)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        ("data: a\n\n", ["a"]),
        ("data:a\ndata: b\ndata:  c\n\n", ["a\nb\n c"]),
        ("data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (":comment\n\ndata: x\n:\n\n", ["x"]),
        ("data: unfinished\n", []),
        ("event: only\n\ndata: next\n\n", ["next"]),
        ("Data: no\n data: no\ndata : no\n\n", []),
        ("data: a\u2028b\n\n", ["a\u2028b"]),
        ("\n\ndata: a\n\n", ["a"]),
    ],
)
def test_examples(stream: str, events: list[str]) -> None:
    assert [event[1] for event in parse([stream.encode()])[0]] == events


def test_types_and_ids() -> None:
    stream = "id: 1\nevent: add\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: x\0y\ndata: d\n\nid: 9\n\nid: lost\ndata: e"
    assert parse([stream.encode()]) == (
        [("add", "a", "1"), ("message", "b", "1"), ("message", "c", ""), ("message", "d", "")],
        "9",
        None,
    )


@pytest.mark.parametrize(
    ("value", "expected"), [("5", 5), ("010", 10), ("", None), ("1s", None), ("-1", None), ("1.5", None), ("9" * 40, 2**31 - 1), ("٣", None)]
)  # fmt: skip
def test_retry(value: str, expected: int | None) -> None:
    assert parse([f"retry: {value}\n".encode()])[2] == expected


def test_an_event_without_end_is_too_long() -> None:
    parser = EventStreamParser(limit=1000)
    for _ in range(100):
        parser.feed(b"data: " + b"x" * 100 + b"\n\n")
    for piece in (b"x" * 100, b"data: " + b"x" * 94 + b"\n"):
        parser = EventStreamParser(limit=1000)
        for _ in range(9):
            parser.feed(piece)
        with pytest.raises(TooLong):
            parser.feed(piece * 2)


class _Chunk:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def to_bytes(self) -> bytes:
        return self._data


def test_a_chunk_is_parsed_in_small_parts() -> None:
    """Each byte may be a line, and each few an event."""
    services: Any = types.SimpleNamespace(
        max_buffer_bytes=1 << 20, array=list, hold=lambda size: None, may_hold=lambda size: True
    )
    host: Any = namespace(services)
    stream = host["open"]("")
    host["feed"](stream, _Chunk(b"retry: 5\n" + b"data\n\n" * 9000 + b"id: 7\n\n" + b"\n" * 20000))
    events = 0
    while not (parsed := host["parse"](stream))[2]:
        assert len(parsed) < 600
        events += len(parsed) // 3 - 1
    assert parsed == [5, "7", True]
    assert events == 9000


# -- over sockets ---------------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class Client:
    """A connection: the request's fields, and what sends."""

    def __init__(self, stream: trio.SocketStream, number: int, fields: dict[str, str]) -> None:
        self.stream = stream
        self.number = number
        self.fields = fields

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def gone(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(65536):
                pass


class Source(OpenConnections):
    def __init__(self) -> None:
        super().__init__()
        self.url = ""
        self.clients: list[Client] = []


@contextlib.asynccontextmanager
async def sending(handler: Callable[[Client], Awaitable[None]]) -> AsyncIterator[Source]:
    """A server that answers each connection's request by ``handler``, then closes it."""
    source = Source()

    async def serve(stream: trio.SocketStream) -> None:
        with source.connected(), contextlib.suppress(trio.BrokenResourceError):
            async with stream:
                data = b""
                while b"\r\n\r\n" not in data:
                    received = bytes(await stream.receive_some(65536))
                    if not received:
                        return
                    data += received
                lines = (line.partition(": ") for line in data.decode("latin-1").split("\r\n")[1:] if line)
                client = Client(stream, len(source.clients), {name.lower(): value for name, _, value in lines})
                source.clients.append(client)
                await handler(client)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(functools.partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        source.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        yield source
        nursery.cancel_scope.cancel()


# `until(n)`: resolves when n entries were logged, with what was.
RECORD = """
const es = new EventSource(url), log = [];
let wake = () => {};
const add = (entry) => { log.push(entry); wake(); };
const until = async (count) => { while (log.length < count) await new Promise((resolve) => { wake = resolve; }); return log; };
es.onopen = (e) => add("open " + es.readyState);
es.onmessage = (e) => add(`message ${e.data} ${e.lastEventId}`.trimEnd());
es.onerror = (e) => add("error " + es.readyState);
"""


async def run(js: Fetching, source: str, **values: Any) -> Any:
    return await js.run(RECORD + source, **values)


async def test_events_as_they_come() -> None:
    async def handler(client: Client) -> None:
        await client.send(HEAD + b"data: one\n\n")
        await client.send(b"id: 7\nevent: other\ndata: {}\n\ndata: two\n\ndata: three\n\n")
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(
            js,
            """
            let other;
            es.addEventListener("other", (e) => { other = [e instanceof MessageEvent, e.isTrusted, e.type, e.data, e.origin + "/" === url, e.lastEventId, e.target === es]; });
            await until(4);
            es.close();
            return [log, other, es.url === url, es.readyState, es.withCredentials];
            """,
            url=source.url,
        ) == [
            ["open 1", "message one", "message two 7", "message three 7"],
            [True, True, "other", "{}", True, "7", True],
            True,
            2,
            False,
        ]
        await source.settled()
        fields = source.clients[0].fields
        assert fields["accept"] == "text/event-stream"
        assert "no-cache" in fields["cache-control"]
        assert "last-event-id" not in fields


async def test_reconnection_with_the_last_event_id() -> None:
    async def handler(client: Client) -> None:
        retry = b"retry: 20\n" if client.number == 0 else b""
        await client.send(
            HEAD + retry + b"id: \xc3\xa9%d\ndata: %d\n\nid: lost\ndata: lost" % (client.number, client.number)
        )
        if client.number == 2:
            await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(js, "await until(8); es.close(); return log;", url=source.url) == [
            "open 1", "message 0 é0", "error 0", "open 1", "message 1 é1", "error 0", "open 1", "message 2 é2",
        ]  # fmt: skip
        await source.settled()
        assert [client.fields.get("last-event-id") for client in source.clients] == [None, "\xc3\xa90", "\xc3\xa91"]


@pytest.mark.parametrize(
    "head",
    [
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\ndata: x\n\n",
        "HTTP/1.1 200 OK\r\n\r\ndata: x\n\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream, text/plain\r\n\r\ndata: x\n\n",
    ],
)
async def test_what_is_no_event_stream_fails_for_good(head: str) -> None:
    async def handler(client: Client) -> None:
        await client.send(head.encode())
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(
            js, "await until(1); await new Promise((r) => setTimeout(r, 50)); return log;", url=source.url
        ) == ["error 2"]
        await source.settled()
        assert len(source.clients) == 1


@pytest.mark.parametrize("type_", ["text/event-stream;charset=latin1", "TEXT/Event-Stream ; x=y"])
async def test_parameters_of_the_type_change_nothing(type_: str) -> None:
    async def handler(client: Client) -> None:
        await client.send(f"HTTP/1.1 200 OK\r\nContent-Type: {type_}\r\n\r\ndata: é\n\n".encode())
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(js, "await until(2); es.close(); return log[1];", url=source.url) == "message é"


async def test_a_server_that_cannot_be_reached_is_tried_again() -> None:
    async with fetching() as js:
        source = """
            let message;
            es.addEventListener("error", (e) => { message = e.message; }, { once: true });
            await until(1);
            es.close();
            return [log, es.readyState, message];"""
        log, state, message = await run(js, source, url=f"http://127.0.0.1:{free_port()}/")
        assert (log, state) == (["error 0"], 2)
        assert "refused" in message


async def test_the_wall_is_not_tried_again() -> None:
    async with sending(Client.gone) as source, fetching(attrs.evolve(OPEN, policy=NetPolicy())) as js:
        assert await run(js, "return until(1);", url=source.url) == ["error 2"]
        assert source.clients == []


async def test_pauses_grow_while_nothing_succeeds() -> None:
    times: list[float] = []

    async def handler(client: Client) -> None:
        times.append(trio.current_time())
        if client.number == 0:
            await client.send(HEAD + b"retry: 40\n\n")
        elif client.number == 5:
            await client.send(HEAD + b"data: at last\n\n")
            await client.gone()

    async with sending(handler) as source, fetching() as js:
        log = await run(js, "await until(8); es.close(); return log;", url=source.url)
        assert log == ["open 1", *["error 0"] * 5, "open 1", "message at last"]
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(pause >= least for pause, least in zip(pauses, (0.039, 0.039, 0.079, 0.159, 0.319), strict=True))


async def test_close_in_the_middle() -> None:
    async def handler(client: Client) -> None:
        await client.send(HEAD + b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(
            js,
            """
            es.addEventListener("message", (e) => { if (e.data === "2") { es.close(); es.close(); } });
            await until(3);
            await new Promise((r) => setTimeout(r, 50));
            return [log, es.readyState];
            """,
            url=source.url,
        ) == [["open 1", "message 1", "message 2"], 2]
        await source.settled()


async def test_close_before_it_is_open_and_while_it_waits() -> None:
    sources = 0
    arrived = trio.Event()

    async def handler(client: Client) -> None:
        nonlocal sources
        if client.fields["accept"] != "text/event-stream":
            # A fetch that is answered once the first source has asked, which is not.
            await arrived.wait()
            await client.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            return
        sources += 1
        if sources == 2:
            await client.send(HEAD + b"retry: 10\n\n")
        else:
            arrived.set()
            await client.gone()

    async with sending(handler) as source, fetching() as js:
        assert await run(js, "await fetch(url); es.close(); return [log, es.readyState];", url=source.url) == [[], 2]
        assert await run(
            js, "await until(2); es.close(); await new Promise((r) => setTimeout(r, 50)); return log;", url=source.url
        ) == ["open 1", "error 0"]
        await source.settled()
        assert sources == 2


async def test_each_event_in_a_task_of_its_own() -> None:
    async def handler(client: Client) -> None:
        await client.send(HEAD + b"".join(b"data: %d\n\n" % number for number in range(20)))
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        source_code = """
            const order = [];
            es.addEventListener("message", async (e) => { order.push(e.data); await null; await null; order.push(e.data); });
            await until(21);
            await null; await null; await null;
            es.close();
            return order;"""
        assert await run(js, source_code, url=source.url) == [str(n) for n in range(20) for _ in range(2)]


async def test_an_endless_event_fails() -> None:
    async def handler(client: Client) -> None:
        await client.send(HEAD)
        while True:
            await client.send(b"data: " + b"x" * 65536 + b"\n")

    async with sending(handler) as source, fetching() as js:
        assert await run(js, "return until(2);", url=source.url) == ["open 1", "error 2"]
        await source.settled()


async def test_what_is_gathered_counts_as_the_apps_memory_and_costs_the_connection() -> None:
    """Each of a thousand connections may gather as much as a body may have."""
    sent = trio.Event()

    async def handler(client: Client) -> None:
        await client.send(HEAD + b"data: " + b"x" * 65536 * 8)
        await sent.wait()
        await client.send(b"x" * 65536 * 8)
        await client.gone()

    async with sending(handler) as source, fetching() as js:
        isolate = js.environment.isolate
        source_code = """
            globalThis.es = new EventSource(url);
            globalThis.failed = new Promise((resolve) => { es.onerror = () => resolve(es.readyState); });"""
        await js.run(source_code, url=source.url)
        with trio.fail_after(10):
            while isolate.outside < 65536 * 8:
                await trio.lowlevel.checkpoint()
        held = (256 << 20) - isolate.outside - 65536
        isolate.hold(held)
        sent.set()
        assert await js.run("return failed;") == 2
        await source.settled()
        isolate.hold(-held)
        assert isolate.outside == 0


async def test_a_connection_that_breaks_in_the_middle() -> None:
    async def handler(client: Client) -> None:
        if client.number == 0:
            await client.send(
                HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
                + b"13\r\nretry: 10\ndata: x\n\n\r\n5\r\nda"
            )
        else:
            await client.send(HEAD + b"data: y\n\n")
            await client.gone()

    async with sending(handler) as source, fetching() as js:
        log = await run(js, "await until(5); es.close(); return log;", url=source.url)
        assert log == ["open 1", "message x", "error 0", "open 1", "message y"]


async def test_the_app_ends_and_so_do_its_connections() -> None:
    async def handler(client: Client) -> None:
        await client.send(HEAD)
        await client.gone()

    async with sending(handler) as source:
        async with fetching() as js:
            await run(js, "await until(1);", url=source.url)
            assert source.open == 1
        await source.settled()


async def test_interface() -> None:
    async with fetching() as js:
        assert await js.run("""
            const thrown = (f) => { try { f(); } catch (e) { return [e.name, e instanceof DOMException]; } };
            const es = new EventSource("http://Example.com:80/a b", { withCredentials: 1 });
            es.close();
            return [thrown(() => new EventSource()), thrown(() => new EventSource("/relative")), thrown(() => EventSource("http://x")),
              thrown(() => Object.create(EventSource.prototype).url), es.url, es.withCredentials, es.readyState, es instanceof EventTarget,
              String(es), [EventSource.CONNECTING, es.OPEN, EventSource.prototype.CLOSED], EventSource.length, es.onopen, Object.keys(EventSource.prototype).join()];
        """) == [
            ["TypeError", False], ["SyntaxError", True], ["TypeError", False], ["TypeError", False], "http://example.com/a%20b", True, 2, True,
            "[object EventSource]", [0, 1, 2], 1, None, "url,withCredentials,readyState,close,CONNECTING,OPEN,CLOSED,onopen,onmessage,onerror",
        ]  # fmt: skip


async def test_listeners_have_the_store_of_where_their_source_was_made() -> None:
    """As those of a MessagePort in Node.js; also behind the pause before the next attempt."""

    async def handler(client: Client) -> None:
        await client.send(HEAD + b"retry: 1\ndata: one\n\n")

    async with sending(handler) as source, fetching() as js:
        assert (
            await js.run(
                """
                const storage = new (process.getBuiltinModule("node:async_hooks").AsyncLocalStorage)(), log = [];
                const es = storage.run("made", () => new EventSource(url));
                await storage.run("listening", () => new Promise((resolve) => {
                  const add = (event) => {
                    log.push(`${event.type} ${storage.getStore()}`);
                    if (log.length === 6) resolve();
                  };
                  for (const type of ["open", "message", "error"]) es.addEventListener(type, add);
                }));
                es.close();
                return log;
                """,
                url=source.url,
            )
            == ["open made", "message made", "error made"] * 2
        )
