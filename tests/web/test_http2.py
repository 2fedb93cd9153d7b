"""HTTP/2 over TLS: what a client is to notice. Raw frames over real sockets."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, GoAwayFrame, SettingsFrame

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web.certificates import Certificates, TLSSettings
from nano_trio.web.router import Route, Router
from nano_trio.web.settings import AccessRecord, Limits
from tests.web.apps import App, Stream, connected, echo_app, read_body, text
from tests.web.http2_client import h2_connected
from tests.web.secure import client_context, encrypted, secured, written
from tests.web.test_deadlines import let
from tests.web.test_server import Pausing
from tests.web.test_streaming import repeated, streaming

# ---- ALPN ----


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["h2", "http/1.1"], "h2"),
        (["http/1.1", "h2"], "h2"),
        (["http/1.1"], "http/1.1"),
        (["spdy/3"], None),
        (None, None),
    ],
)
async def test_alpn_chooses_on_one_port(tmp_path: Path, offered: list[str] | None, chosen: str | None) -> None:
    context = client_context()
    if offered is not None:
        context.set_alpn_protocols(offered)
    async with secured(echo_app(), tmp_path) as server, encrypted(server, context=context) as client:
        assert client.tls.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert (await client.get("/x")).text == "GET https://app/x "


async def test_http2_can_be_switched_off(tmp_path: Path) -> None:
    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    tls = TLSSettings(http2=False)
    async with secured(echo_app(), tmp_path, tls=tls) as server, encrypted(server, context=context) as client:
        assert client.tls.selected_alpn_protocol() == "http/1.1"
        assert (await client.get("/x")).text == "GET https://app/x "


async def test_prior_knowledge_on_the_plain_port_is_refused(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, connected(server) as client:
        await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        reply = await client.reply()
        assert (reply.status, reply["connection"]) == (505, "close")


# ---- exchanges ----


async def test_requests_and_responses(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get("/a?b=c", ("x-one", "1"), ("accept", "*/*"))
        assert (answer.status, answer.text) == (200, "GET https://app/a?b=c ")
        assert answer["date"].endswith(" GMT")
        assert answer["content-length"] == str(len(answer.body))
        number = await client.begin("/p", ("content-length", "4"), method="POST", end=False)
        await client.data(number, b"body", end=True)
        assert (await client.over(number)).text == "POST https://app/p body"
        number = await client.begin("/p", method="POST", end=False)
        await client.data(number, b"no length")
        await client.data(number, b"", end=True)
        assert (await client.over(number)).text == "POST https://app/p no length"
        assert server.connections == 1
    first = app.requests[0]
    assert list(first.headers) == [("host", "app"), ("x-one", "1"), ("accept", "*/*")]
    assert first.remote_address == "127.0.0.1"
    assert len({one.id for one in app.requests}) == 3
    assert app.requests[1].body == b"body"
    assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


async def test_streams_are_answered_as_they_are_ready(tmp_path: Path) -> None:
    events = {str(number): trio.Event() for number in range(20)}

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        name = incoming.url.rpartition("/")[2]

        async def answer() -> OutgoingResponse:
            await events[name].wait()
            return text(name)

        return answer

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        numbers = {name: await client.begin(f"/{name}") for name in events}
        for name in reversed(events):
            await client.ping()
            assert not client.answer(numbers[name]).over
            events[name].set()
            assert (await client.over(numbers[name])).text == name


@pytest.mark.parametrize(
    ("method", "status", "body", "length"),
    [
        ("HEAD", 200, b"content", "7"),
        ("GET", 204, b"content", ""),
        ("GET", 304, b"", ""),
        ("GET", 205, b"", "0"),
        ("GET", 200, b"", "0"),
        ("GET", 200, None, "0"),
    ],
)
async def test_responses_without_content(
    tmp_path: Path, method: str, status: int, body: bytes | None, length: str
) -> None:
    app = App(lambda incoming: OutgoingResponse(status, "", [], body))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get(method=method)
        assert (answer.status, answer.body, answer["content-length"]) == (status, b"", length)
        assert not any(isinstance(frame, DataFrame) for frame in client.frames)


async def test_a_stream_as_the_answer_to_head_is_cancelled(tmp_path: Path) -> None:
    app, streams = streaming(repeated(10))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        assert (await client.get(method="HEAD")).body == b""
        assert streams[0].cancelled
        assert streams[0].pulled == 0


async def test_fields_of_a_response(tmp_path: Path) -> None:
    headers = [
        ("Content-Type", " text/plain "),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("Connection", "keep-alive, x-hop"),
        ("Keep-Alive", "timeout=5"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h3"),
        ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("x-octets", "caf\xe9"),
    ]
    app = App(lambda incoming: OutgoingResponse(418, "I'm a teapot", list(headers), b"x"))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        for _ in range(3):  # the second and the third come from memory
            answer = await client.get()
            names = [name for name, _ in answer.headers]
            assert names == [
                ":status",
                "content-type",
                "set-cookie",
                "set-cookie",
                "date",
                "x-octets",
                "content-length",
                "x-request-id",
            ]
            assert answer["set-cookie"] == "a=1, b=2"
            assert answer["content-type"] == "text/plain"
            assert answer["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
            assert answer["x-octets"] == "caf\xe9"


@pytest.mark.parametrize(
    "headers",
    [[("bad name", "x")], [("x", "a\r\nb")], [("x", "\0")], [("x", "€")]],
    ids=["name", "crlf", "nul", "euro"],
)
async def test_a_response_that_cannot_be_sent_is_a_500(tmp_path: Path, headers: list[tuple[str, str]]) -> None:
    app = App(lambda incoming: OutgoingResponse(200, "", headers, b"x"))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        assert (await client.get()).status == 500
        assert (await client.get()).status == 500


async def test_every_response_is_decoded_as_it_was_said(tmp_path: Path) -> None:
    """Whatever comes from memory, and whatever pushes what out of the compression's table."""
    values = iter(range(1000))

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        which = next(values)
        headers = [("x-same", "always"), ("x-turn", str(which // 3)), ("x-large", str(which % 7) * 600)]
        return OutgoingResponse(200, "", headers, str(which).encode())

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        for which in range(60):
            if which == 30:
                await client.send(client_settings({SettingCodes.HEADER_TABLE_SIZE: 100}))
            if which == 40:
                await client.send(client_settings({SettingCodes.HEADER_TABLE_SIZE: 0}))
                await client.send(client_settings({SettingCodes.HEADER_TABLE_SIZE: 1 << 30}))
            answer = await client.get()
            assert answer.text == str(which)
            assert answer["x-same"] == "always"
            assert answer["x-turn"] == str(which // 3)
            assert answer["x-large"] == str(which % 7) * 600
        assert client.decoder.header_table_size <= 4096


async def test_the_app_fails_at_once(tmp_path: Path) -> None:
    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        if incoming.url.endswith("/bad"):
            raise RuntimeError("a bug")
        return text("fine")

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        answer = await client.get("/bad")
        assert answer.status == 500
        assert "a bug" not in answer.text
        assert (await client.get("/good")).text == "fine"
    async with secured(App(handler), tmp_path, dev=True) as server, h2_connected(server) as client:
        assert "a bug" in (await client.get("/bad")).text


# ---- routes ----


async def test_routes_by_authority(tmp_path: Path) -> None:
    router = Router([Route(echo_app("one"), ("one",)), Route(App(lambda incoming: text("2")), ("two.test",))])
    async with secured(router, tmp_path) as server, h2_connected(server) as client:
        assert (await client.get(authority="One:8443")).text == "GET https://One:8443/ "
        assert (await client.get(authority="two.test")).text == "2"
        unknown = await client.get(authority="three")
        assert unknown.status == 404
        assert "'three'" in unknown.text
        assert unknown["x-request-id"]


async def test_another_hosts_request_is_misdirected(tmp_path: Path) -> None:
    """RFC 9110 section 15.5.20: a client that trusts too much in one connection is told to use another."""
    router = Router([Route(echo_app("one"), ("one.test", "www.one.test")), Route(echo_app("two"), ("two.test",))])
    one, two = written(tmp_path, "one.test", "www.one.test"), written(tmp_path, "two.test")
    names = {"one.test": one, "www.one.test": one, "two.test": two}
    certificates = Certificates(written(tmp_path, "localhost"), names)
    async with secured(router, tmp_path, certificates=certificates) as server:
        async with h2_connected(server, host="one.test") as client:
            for authority, status in [("one.test", 200), ("www.one.test:1", 200), ("two.test", 421), ("one.test", 200)]:
                assert (await client.get(authority=authority)).status == status
        async with h2_connected(server, host="two.test") as client:
            assert (await client.get(authority="one.test")).status == 421
            assert (await client.get(authority="two.test")).status == 200
        async with h2_connected(server, host=None) as client:  # it named none, and so could not choose
            assert (await client.get(authority="one.test")).status == 200
            assert (await client.get(authority="two.test")).status == 200


async def test_the_access_log(tmp_path: Path) -> None:
    records: list[AccessRecord] = []
    async with secured(echo_app(), tmp_path, access_log=records.append) as server, h2_connected(server) as client:
        ok = await client.get("/ok")
        await client.get("/nowhere", authority="a!b")
        await client.over(await client.begin("/bad", ("connection", "close")))
    seen = [(one.method, one.url, one.status, one.bytes, one.app, one.complete) for one in records]
    assert seen[0] == ("GET", "https://app/ok", 200, len(ok.body), "app", True)
    assert seen[1][2] == 400
    assert seen[2] == ("", "", 400, 0, "", False)
    assert all(one.remote == "127.0.0.1" and one.id for one in records)
    assert all(0 <= one.duration < 60 for one in records)


# ---- bodies of requests ----


async def test_trailers_are_tolerated(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client:
        for more in [(), (("content-length", "4"),)]:
            number = await client.begin("/", *more, method="POST", end=False)
            await client.data(number, b"body")
            await client.send(client.headers(number, [("x-checksum", "1")]))
            assert (await client.over(number)).text == "POST https://app/ body"


@pytest.mark.parametrize("size", [10, 100_000])
async def test_expect_continue(tmp_path: Path, size: int) -> None:
    read = trio.Event()

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            await read.wait()
            return text(f"got {len(await read_body(incoming))}")

        return answer

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        expect = ("expect", "100-continue"), ("content-length", str(size))
        number = await client.begin("/", *expect, method="POST", end=False)
        await client.ping()
        assert client.answer(number).informed == []
        read.set()
        await client.until(lambda: client.answer(number).informed == [100])
        for start in range(0, size, 10_000):
            await client.data(number, bytes(min(10_000, size - start)), end=start + 10_000 >= size)
        answer = await client.over(number)
        assert (answer.text, answer.informed) == (f"got {size}", [100])


async def test_a_bearable_body_that_nobody_reads_is_let_in_whole(tmp_path: Path) -> None:
    app = App(lambda incoming: text("no", 403))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        size = 3_000_000
        number = await client.begin("/", ("content-length", str(size)), method="POST", end=False)
        answer = await client.over(number)
        # What it was allowed until now suffices: it need read nothing more.
        for start in range(0, size, 10_000):
            await client.data(number, bytes(10_000), end=start + 10_000 >= size)
        assert (await client.get()).status == 403
        assert (answer.status, answer.ended, answer.reset) == (403, True, None)


async def test_an_answer_before_the_body_needs_no_continue(tmp_path: Path) -> None:
    app = App(lambda incoming: text("no", 403))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/", ("expect", "100-continue"), method="POST", end=False)
        answer = await client.over(number)
        assert (answer.status, answer.informed) == (403, [])
        await client.until(lambda: answer.reset is not None)
        assert (answer.ended, answer.reset) == (True, ErrorCodes.NO_ERROR)
        await client.data(number, bytes(1000))  # was on its way
        assert (await client.get()).status == 403


def holding() -> tuple[App, dict[str, trio.Event]]:
    """Reads the bodies of ``/name`` only when its event is set, and then counts."""
    events: dict[str, trio.Event] = {}

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        event = events.setdefault(incoming.url.rpartition("/")[2], trio.Event())

        async def answer() -> OutgoingResponse:
            await event.wait()
            return text(str(len(await read_body(incoming))))

        return answer

    return App(handler), events


async def test_what_no_app_reads_holds_up_nothing_else(tmp_path: Path) -> None:
    app, events = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        full = [await client.begin(f"/{which}", method="POST", end=False) for which in range(20)]
        for number in full:
            for _ in range(3):
                await client.data(number, bytes(16384))
            await client.data(number, bytes(65535 - 3 * 16384))
        await client.ping()
        assert all(number not in client.credit for number in full), "a window was opened that no app asked for"
        # 1.3 MB lie unread, more than the connection's window: another stream's megabytes pass them all the same.
        number = await client.begin("/reads", method="POST", end=False)
        await client.ping()
        events["reads"].set()
        left, window, sent = 3_000_000, 65535, 0
        spent = 20 * 65535
        while left:
            size = min(16384, left, window + client.credit.get(number, 0) - sent)
            size = min(size, client.credit[0] + 65535 - spent)
            if size <= 0:
                assert await client.more()
                continue
            left, sent, spent = left - size, sent + size, spent + size
            await client.data(number, bytes(size), end=not left)
        assert (await client.over(number)).text == "3000000"
        events["7"].set()
        await client.until(lambda: client.credit.get(full[7], 0) > 0)
        await client.data(full[7], bytes(1000), end=True)
        assert (await client.over(full[7])).text == str(65535 + 1000)


async def test_a_client_that_ignores_the_window_is_cut_off(tmp_path: Path) -> None:
    app, _ = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin("/x", method="POST", end=False)
        for _ in range(4):  # one octet too many
            await client.data(number, bytes(16384))
        await client.ended(ErrorCodes.FLOW_CONTROL_ERROR)
        await app.exchanges[0].disconnected.wait()


async def test_unread_bodies_take_their_bytes_and_no_more(tmp_path: Path) -> None:
    """One octet a frame must not cost an object each."""
    app, _ = holding()
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        numbers = [await client.begin(f"/{which}", method="POST", end=False) for which in range(10)]
        await client.ping()
        tracemalloc.start()
        for number in numbers:
            await client.send(*[raw_data(number, b"xy") for _ in range(500)])
        await client.ping()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 500_000


def raw_data(number: int, data: bytes) -> bytes:
    return DataFrame(number, data=data).serialize()


async def test_a_body_larger_than_the_limit(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path, limits=Limits(body=1000)) as server, h2_connected(server) as client:
        number = await client.begin("/", ("content-length", "1001"), method="POST", end=False)
        assert (await client.over(number)).status == 413


async def test_a_body_that_grows_beyond_the_limit(tmp_path: Path) -> None:
    seen: list[str] = []

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                await read_body(incoming)
            except BodyBroken as error:
                seen.append(str(error))
                return text("broken", 500)
            return text("whole")

        return answer

    limits = Limits(body=1000)
    async with secured(App(handler), tmp_path, limits=limits) as server, h2_connected(server) as client:
        number = await client.begin("/", method="POST", end=False)
        await client.data(number, bytes(600))
        await client.data(number, bytes(600))
        assert (await client.over(number)).status == 413
        assert seen == ["malformed request body: request body too large"]
        assert (await client.get(method="POST")).text == "whole"


# ---- bodies of responses ----


async def test_a_large_download_takes_no_memory(tmp_path: Path) -> None:
    app, _ = streaming(repeated(300))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        answer = client.answer(number)
        await client.until(lambda: bool(answer.headers))
        total = 0
        tracemalloc.start()
        while not answer.ended:
            await client.more()
            total += len(answer.body)
            answer.body = b""
            client.frames.clear()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert total == 300 * 65536
        assert peak < 4_000_000


async def test_content_as_bytes_is_sent_as_the_window_opens(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    app = App(lambda incoming: OutgoingResponse(200, "", [], content))
    async with secured(app, tmp_path) as server, h2_connected(server, windows=False) as client:
        number = await client.begin()
        answer = client.answer(number)
        await client.until(lambda: len(answer.body) == 65535)
        await client.open_window(0, 1000)
        await client.ping()
        assert len(answer.body) == 65535, "the stream's window was ignored"
        await client.open_window(number, 500)
        await client.ping()
        assert len(answer.body) == 65535 + 500
        await client.open_window(number, 1_000_000)
        await client.ping()
        assert len(answer.body) == 65535 + 1000, "the connection's window was ignored"
        await client.open_window(0, 1_000_000)
        assert (await client.over(number)).body == content


async def test_a_stream_without_a_window_pulls_nothing_and_stops_nobody(tmp_path: Path) -> None:
    app, streams = streaming(repeated(1000))
    async with (
        secured(app, tmp_path) as server,
        h2_connected(server, windows=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 0}) as client,
    ):
        stalled = await client.begin("/stalled")
        await client.open_window(0, 1 << 30)
        await client.ping()
        assert streams[0].pulled == 1, "pulled although nothing could be sent"
        other = await client.begin("/other")
        await client.open_window(other, 1_000_000)
        await client.until(lambda: len(client.answer(other).body) == 1_000_000)
        await client.ping()
        assert streams[0].pulled == 1
        assert streams[1].pulled <= 17
        # The windows of all streams grow with the setting.
        await client.send(client_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100_000}))
        await client.until(lambda: len(client.answer(stalled).body) == 100_000)


async def test_streams_that_send_take_turns(tmp_path: Path) -> None:
    """RFC 7540's priorities and RFC 9218's hints change nothing about it."""
    app = App(lambda incoming: OutgoingResponse(200, "", [], bytes(400_000)))
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20}
    async with secured(app, tmp_path) as server, h2_connected(server, windows=False, settings=settings) as client:
        numbers = [await client.begin(f"/{which}", ("priority", f"u={which}")) for which in range(4)]
        await client.ping()
        for number in numbers:  # what 65535 octets of the first window brought
            client.answer(number).body = b""
        client.frames.clear()
        await client.open_window(0, 1 << 20)
        await client.until(lambda: all(len(client.answer(number).body) > 200_000 for number in numbers))
        order = [frame.stream_id for frame in client.frames if isinstance(frame, DataFrame)][:40]
        assert all(8 <= order.count(number) <= 12 for number in numbers), order


async def test_a_stream_that_breaks_is_reset(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise BodyBroken("the app's stream failed")

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(200, "", [], Stream(chunks())) if incoming.url.endswith("/bad") else text("fine")

    app = App(handler)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get("/bad")
        assert (answer.status, answer.body, answer.ended, answer.reset) == (
            200,
            b"half",
            False,
            ErrorCodes.INTERNAL_ERROR,
        )
        assert app.exchanges[0].left
        assert app.exchanges[0].finished == 1
        assert (await client.get("/good")).text == "fine"


@pytest.mark.parametrize("promised", [3, 5])
async def test_a_content_length_that_is_not_kept_is_a_reset(tmp_path: Path, promised: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        return OutgoingResponse(200, "", [("content-length", str(promised))], Stream(chunks()))

    async with secured(App(handler), tmp_path) as server, h2_connected(server) as client:
        answer = await client.get()
        assert (answer.ended, answer.reset) == (False, ErrorCodes.INTERNAL_ERROR)


# ---- ends ----


async def test_a_reset_aborts_one_request_alone(tmp_path: Path) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        first, second = await client.begin("/1"), await client.begin("/2")
        await client.ping()
        await client.reset(first)
        await app.exchanges[0].disconnected.wait()
        assert app.exchanges[0].left == ["the client reset the stream"]
        assert (await client.get("/quick")).text == "quick"
        assert not app.exchanges[1].left
        pausing.proceed.set()
        assert (await client.over(second)).text == "finished"
        assert not client.answer(first).headers
        assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


async def test_a_reset_ends_a_body_and_a_stream(tmp_path: Path) -> None:
    broken: list[str] = []

    def handler(incoming: IncomingRequest) -> OutgoingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            assert incoming.body is not None
            assert not isinstance(incoming.body, bytes)
            try:
                while piece := await incoming.body.receive():
                    yield piece
            except BodyBroken as error:
                broken.append(str(error))

        return OutgoingResponse(200, "", [], Stream(chunks()))

    app = App(handler)
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        number = await client.begin(method="POST", end=False)
        await client.data(number, b"ping")
        await client.until(lambda: client.answer(number).body == b"ping")
        await client.reset(number)
        await app.exchanges[0].disconnected.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert app.exchanges[0].finished == 1
        assert (await client.get()).status == 200


@pytest.mark.parametrize("how", ["close_notify", "end of file", "reset"])
async def test_the_client_leaves_with_requests_in_flight(tmp_path: Path, how: str) -> None:
    app = App(lambda incoming: trio.sleep_forever)  # type: ignore[arg-type,return-value]
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        for _ in range(3):
            await client.begin()
        await client.ping()
        assert isinstance(client.stream, trio.SSLStream)
        transport = client.stream.transport_stream
        assert isinstance(transport, trio.SocketStream)
        with trio.fail_after(5):
            if how == "close_notify":
                await client.stream.aclose()
            elif how == "end of file":
                await transport.send_eof()
            else:
                transport.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER
                transport.socket.close()
            for exchange in app.exchanges:
                await exchange.disconnected.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.connections == 0
        assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


# ---- draining ----


async def test_draining_finishes_what_has_begun(tmp_path: Path) -> None:
    pausing = Pausing()
    app = App(pausing)
    async with secured(app, tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        slow = await client.begin("/slow")
        await client.ping()
        nursery.start_soon(server.drain)
        first = await client.goaway()
        assert (first.last_stream_id, first.error_code) == (2**31 - 1, 0)
        await client.until(lambda: len(client.goaways) == 2)
        assert client.goaways[1].last_stream_id == slow
        late = await client.begin("/late")
        assert (await client.over(late)).reset is ErrorCodes.REFUSED_STREAM
        pausing.proceed.set()
        assert (await client.over(slow)).text == "finished"
        assert not await client.more()
        await client.stream.aclose()
    assert len(app.requests) == 1


async def test_what_begins_before_the_client_knows_is_served(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(server.drain)
        await trio.testing.wait_all_tasks_blocked(0.01)
        number = await client.begin("/raced")  # sent before the GOAWAY is read
        assert (await client.over(number)).text == "GET https://app/raced "
        while await client.more():
            pass
        assert client.goaways[-1].last_stream_id == number
        await client.stream.aclose()


async def test_a_client_that_answers_no_ping_is_let_go(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with secured(echo_app(), tmp_path) as server, h2_connected(server) as client, trio.open_nursery() as nursery:
        nursery.start_soon(server.drain, 1000.0)
        await let(mock_clock, 4)
        assert server.connections == 0
        await client.ended(ErrorCodes.NO_ERROR)
        assert [frame.last_stream_id for frame in client.goaways] == [2**31 - 1, 0]


async def test_requests_that_do_not_end_are_aborted_at_the_drain_deadline(tmp_path: Path) -> None:
    app = App(lambda incoming: trio.sleep_forever)  # type: ignore[arg-type,return-value]
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        await client.begin()
        await client.ping()
        await server.drain(0.05)
        await app.exchanges[0].disconnected.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert app.exchanges[0].finished == 1
        assert server.connections == 0


async def test_connection_close_in_a_response_is_goaway(tmp_path: Path) -> None:
    app = App(lambda incoming: text("bye", 503, ("connection", "close")))
    async with secured(app, tmp_path) as server, h2_connected(server) as client:
        answer = await client.get()
        assert (answer.status, "connection" in answer) == (503, False)
        while await client.more():
            pass
        assert [frame.error_code for frame in client.goaways] == [0, 0]


async def test_a_client_that_says_goaway_gets_its_answers(tmp_path: Path) -> None:
    pausing = Pausing()
    async with secured(App(pausing), tmp_path) as server, h2_connected(server) as client:
        number = await client.begin()
        await client.send(goaway())
        await client.ping()
        pausing.proceed.set()
        assert (await client.over(number)).text == "finished"
        assert not await client.more()


def goaway() -> bytes:
    return GoAwayFrame(0, last_stream_id=0, error_code=0).serialize()


def client_settings(values: dict[int, int]) -> bytes:
    return SettingsFrame(0, settings=values).serialize()
