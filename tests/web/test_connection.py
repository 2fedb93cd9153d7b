"""What a client notices of one connection: keep-alive, pipelining, framing both ways, errors."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import parsedate_to_datetime

import pytest
import trio

from nano_trio.actors.messages import BodyBroken, IncomingRequest, OutgoingResponse
from nano_trio.web.router import Route, Router
from nano_trio.web.settings import AccessRecord, Limits
from tests.web.apps import App, Stream, begun, connected, echo_app, read_body, running, text


async def test_hello_with_date_and_length(http: str) -> None:
    app = App(lambda request: text("hello", 200, ("content-type", "text/plain")))
    async with running(app, http=http) as server, connected(server) as client:
        for _ in range(3):
            reply = await client.get("/a?b")
            assert (reply.status, reply.reason, reply.body) == (200, "OK", b"hello")
            assert reply["content-length"] == "5"
            assert reply["content-type"] == "text/plain"
            assert reply["date"].endswith(" GMT")
            assert "connection" not in reply
        request = app.requests[0]
        assert request.url == "http://app/a?b"
        assert list(request.headers) == [("host", "app")]
        assert request.remote_address == "127.0.0.1"
        assert request.body is None
        assert len({request.id for request in app.requests}) == 3
        assert [exchange.finished for exchange in app.exchanges] == [1, 1, 1]


async def test_headers_arrive_in_order_lower_case_and_latin_1(http: str) -> None:
    app = echo_app()
    async with running(app, http=http) as server, connected(server) as client:
        await client.send("GET / HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a:  é \r\nX-B: 2\r\n\r\n".encode("latin-1"))
        await client.reply()
        assert list(app.requests[0].headers) == [("host", "a"), ("x-b", "1"), ("x-a", "é"), ("x-b", "2")]


async def test_changing_the_headers_of_one_request_leaves_the_next_alone() -> None:
    def handler(request: IncomingRequest) -> OutgoingResponse:
        assert isinstance(request.headers, tuple)
        assert request.joined == "\n".join(part for field in request.headers for part in field)
        request.headers = [*request.headers, ("x-added", "1")]
        assert request.joined is None
        return text(str(len(request.headers)))

    async with running(App(handler)) as server, connected(server) as client:
        assert [(await client.get()).text for _ in range(3)] == ["2", "2", "2"]


async def test_pipelined_requests_are_answered_in_order(http: str) -> None:
    def handler(request: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def slowly() -> OutgoingResponse:
            for _ in range(5):
                await trio.lowlevel.checkpoint()
            return text(request.url)

        return slowly if int(request.url.rpartition("/")[2]) % 3 == 0 else text(request.url)

    async with running(App(handler), http=http) as server, connected(server) as client:
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % index for index in range(100)))
        urls = [(await client.reply()).text for _ in range(100)]
        assert urls == [f"http://a/{index}" for index in range(100)]


async def test_a_pipeline_does_not_hog_the_loop() -> None:
    app = echo_app()
    async with running(app) as server, connected(server) as hog, connected(server) as other:
        await hog.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2000)
        await other.send(b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
        await other.reply()
        before = [request.url for request in app.requests].index("http://a/other")
        assert before < 1900
        for _ in range(2000):
            assert (await hog.reply()).status == 200


async def test_head_has_the_length_and_no_content() -> None:
    app = App(lambda request: text("hello"))
    async with running(app) as server, connected(server) as client:
        reply = await client.get(method="HEAD")
        assert (reply["content-length"], reply.body) == ("5", b"")
        assert (await client.get()).body == b"hello"


async def test_head_of_a_stream_never_pulls_it() -> None:
    streams: list[Stream] = []

    def handler(request: IncomingRequest) -> OutgoingResponse:
        streams.append(Stream(forever()))
        return OutgoingResponse(200, "", [], streams[-1])  # type: ignore[arg-type]

    async with running(App(handler)) as server, connected(server) as client:
        reply = await client.get(method="HEAD")
        assert reply["transfer-encoding"] == "chunked"
        await trio.testing.wait_all_tasks_blocked()
        assert streams[0].pulled == 0
        assert streams[0].cancelled
        assert (await client.get(method="HEAD")).status == 200


async def forever() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 1000


@pytest.mark.parametrize("content", [b"must not be seen", b"", None])
@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_content(status: int, content: bytes | None) -> None:
    app = App(lambda request: OutgoingResponse(status, "", [("x-a", "1")], content))
    async with running(app) as server, connected(server) as client:
        for _ in range(2):
            reply = await client.get()
            assert reply.status == status
            assert "content-length" not in reply
            assert "transfer-encoding" not in reply


async def test_reset_content_says_so() -> None:
    async with running(App(lambda request: text("x", 205))) as server, connected(server) as client:
        assert (await client.get())["content-length"] == "0"
        assert (await client.get()).status == 205


async def test_no_body_is_an_empty_one() -> None:
    app = App(lambda request: OutgoingResponse(301, "", [("location", "/b")], None))
    async with running(app) as server, connected(server) as client:
        for _ in range(2):
            reply = await client.get()
            assert (reply.status, reply["location"], reply["content-length"]) == (301, "/b", "0")


async def test_reason_phrases_and_unknown_statuses() -> None:
    answers = iter([OutgoingResponse(200, "Fine", [], b""), OutgoingResponse(299, "", [], b"")])
    async with running(App(lambda request: next(answers))) as server, connected(server) as client:
        assert (await client.get()).reason == "Fine"
        assert (await client.get()).status == 299


@pytest.mark.parametrize(
    "field",
    [
        ("x", "a\r\nset-cookie: b"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "a\x01b"),
        ("x", "€"),
        ("x\r\ny", "a"),
        ("x y", "a"),
        ("x:", "a"),
        ("", "a"),
        ("é", "a"),
    ],
)
async def test_a_header_that_would_inject_is_answered_500(field: tuple[str, str]) -> None:
    answers = iter([text("x", 200, field), text("x", 200, field), text("next")])
    async with running(App(lambda request: next(answers))) as server, connected(server) as client:
        for _ in range(2):
            reply = await client.get()
            assert reply.status == 500
            assert "set-cookie" not in reply
            assert "request id" in reply.text
        assert (await client.get()).body == b"next"


@pytest.mark.parametrize("response", [OutgoingResponse(200, "a\r\nb", [], b""), OutgoingResponse(101, "", [], None)])
async def test_a_response_that_cannot_be_sent_is_answered_500(response: OutgoingResponse) -> None:
    async with running(App(lambda request: response)) as server, connected(server) as client:
        assert (await client.get()).status == 500


async def test_framing_is_ours_whatever_the_app_sets() -> None:
    fields = (
        ("Transfer-Encoding", "chunked"),
        ("content-length", "99"),
        ("keep-alive", "timeout=9"),
        ("connection", "upgrade"),
        ("upgrade", "h2c"),
    )
    async with running(App(lambda request: text("hello", 200, *fields))) as server, connected(server) as client:
        for _ in range(2):
            reply = await client.get()
            assert reply.body == b"hello"
            assert reply["content-length"] == "5"
            assert not {"transfer-encoding", "keep-alive", "connection", "upgrade"} & {
                name for name, _ in reply.headers
            }


async def test_each_response_of_a_connection_tells_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(lambda request: text("x"))
    async with running(app) as server, connected(server) as client:
        for at in (784111777.5, 784111778.25, 784111777.75, 784115377.0):
            monkeypatch.setattr(time, "time", lambda at=at: at)
            assert parsedate_to_datetime((await client.get())["date"]).timestamp() == int(at)


async def test_equal_heads_are_of_the_url_that_their_connection_and_host_make() -> None:
    app = App(lambda request: text("x"))
    async with running(app) as server, connected(server) as client:
        for host, version in (("a", 1), ("b", 1), ("a", 1), ("", 0)):
            line = f"Host: {host}\r\n" if host else "Connection: keep-alive\r\n"
            await client.send(f"GET /x HTTP/1.{version}\r\n{line}\r\n".encode())
            await client.reply()
        address = f"127.0.0.1:{server.port}"
        assert [request.url for request in app.requests] == [f"http://{host}/x" for host in ("a", "b", "a", address)]


async def test_the_app_may_close_and_date_its_responses() -> None:
    app = App(lambda request: text("x", 200, ("Connection", "close"), ("Date", "yesterday")))
    async with running(app) as server, connected(server) as client:
        reply = await client.get()
        assert reply["connection"] == "close"
        assert reply["date"] == "yesterday"
        assert await client.closed()


async def test_set_cookie_is_never_joined() -> None:
    app = App(lambda request: text("", 200, ("set-cookie", "a=1"), ("set-cookie", "b=2")))
    async with running(app) as server, connected(server) as client:
        for _ in range(2):
            cookies = [value for name, value in (await client.get()).headers if name == "set-cookie"]
            assert cookies == ["a=1", "b=2"]


async def test_connection_close_is_honoured(http: str) -> None:
    async with running(echo_app(), http=http) as server, connected(server) as client:
        reply = await client.get(headers="Connection: Close\r\n")
        assert reply["connection"] == "close"
        assert await client.closed()


async def test_http_1_0_closes_unless_asked(http: str) -> None:
    async with running(echo_app(), http=http) as server:
        async with connected(server) as client:
            await client.send(b"GET /x HTTP/1.0\r\n\r\n")
            reply = await client.reply()
            assert reply.text == f"GET http://127.0.0.1:{server.port}/x "
            assert await client.closed()
        async with connected(server) as client:
            for _ in range(2):
                await client.send(b"GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
                assert (await client.reply())["connection"] == "keep-alive"


async def test_http_1_0_streams_until_close() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    app = App(lambda request: OutgoingResponse(200, "", [], Stream(chunks())))
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        reply = await client.reply()
        assert "transfer-encoding" not in reply
        assert (reply["connection"], reply.body) == ("close", b"ab")


@pytest.mark.parametrize("size", [0, 1, 1000, 65536])
async def test_small_bodies_come_as_bytes(http: str, size: int) -> None:
    app = echo_app()
    async with running(app, http=http) as server, connected(server) as client:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size
        for pieces in ([head + b"x" * size], [head, b"x" * (size // 2), b"x" * (size - size // 2)]):
            for piece in pieces:
                await client.send(piece)
                await trio.testing.wait_all_tasks_blocked()
            assert len((await client.reply()).body) == len("POST http://a/ ") + size
            assert app.requests[-1].body == b"x" * size


async def test_small_chunked_bodies_come_as_bytes(http: str) -> None:
    app = echo_app()
    async with running(app, http=http) as server, connected(server) as client:
        await client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
            b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert (await client.reply()).text == "POST http://a/ abcd"
        assert (await client.reply()).text == "GET http://a/next "
        assert app.requests[0].body == b"abcd"


async def test_large_and_slow_bodies_are_pulled(http: str) -> None:
    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            return text(str(len(await read_body(request))))

        return answer

    async with running(App(handler), http=http) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
        assert (await client.reply()).text == "3000000"
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
        await trio.testing.wait_all_tasks_blocked()
        await client.send(b"cde\r\n0\r\n\r\n")
        assert (await client.reply()).text == "5"


async def test_continue_is_sent_when_the_app_pulls() -> None:
    asked = trio.Event()
    proceed = trio.Event()

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            asked.set()
            await proceed.wait()
            return text((await read_body(request)).decode())

        return answer

    async with running(App(handler)) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        await asked.wait()
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01):
            await client.head()
            pytest.fail("100 before the app pulled")
        proceed.set()
        assert (await client.reply()).status == 100
        await client.send(b"abc")
        assert (await client.reply()).text == "abc"
        assert (await client.get(method="PUT", headers="Content-Length: 0\r\n")).status == 200


async def test_a_final_answer_instead_of_continue_closes() -> None:
    async with running(App(lambda request: text("no", 403))) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
        reply = await client.reply()
        assert (reply.status, reply["connection"]) == (403, "close")
        assert await client.closed()


async def test_an_unread_small_body_is_thrown_away(http: str) -> None:
    async def later() -> OutgoingResponse:
        return text("done")

    async with running(App(lambda request: later), http=http) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
        assert (await client.reply()).text == "done"
        await client.send(b"cde\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await client.reply()).text == "done"


async def test_an_unread_large_body_closes_the_connection() -> None:
    async with running(App(lambda request: text("no"))) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 100_000)
        reply = await client.reply()
        assert (reply.body, reply["connection"]) == (b"no", "close")
        assert await client.closed()


async def test_an_endless_unread_chunked_body_closes_the_connection() -> None:
    async with running(App(lambda request: text("no"))) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await client.reply()).body == b"no"
        with pytest.raises(trio.BrokenResourceError):
            await client.send((b"400\r\n" + b"x" * 1024 + b"\r\n") * 20_000)


async def test_malformed_chunks_reach_the_app_as_a_broken_body_and_the_client_as_400() -> None:
    seen: list[str] = []

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            try:
                await read_body(request)
            except BodyBroken as error:
                seen.append(str(error))
            return text("the handler threw", 500)

        return answer

    app = App(handler)
    async with running(app) as server, connected(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
        await begun(app)
        await client.send(b"cdeXXX")
        reply = await client.reply()
        assert (reply.status, reply["connection"]) == (400, "close")
        assert await client.closed()
        assert "chunk" in seen[0]


async def test_a_body_above_the_limit_is_refused() -> None:
    limits = Limits(body=1000)
    async with running(echo_app(), limits=limits) as server:
        async with connected(server) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
            assert (await client.reply()).status == 413
        async with connected(server) as client:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n")
            assert (await client.reply()).status == 413


async def test_begin_that_raises_is_a_500_and_the_server_goes_on() -> None:
    def handler(request: IncomingRequest) -> OutgoingResponse:
        if "bad" in request.url:
            raise RuntimeError("the secret reason")
        return text("good")

    async with running(App(handler)) as server, connected(server) as client:
        reply = await client.get("/bad")
        assert reply.status == 500
        assert "secret" not in reply.text
        assert (await client.get()).text == "good"
    async with running(App(handler), dev=True) as server, connected(server) as client:
        assert "the secret reason" in (await client.get("/bad")).text


async def test_wait_that_raises_closes_only_its_connection() -> None:
    async def broken() -> OutgoingResponse:
        raise RuntimeError("a bug")

    app = App(lambda request: broken if "bad" in request.url else text("good"))
    async with running(app) as server:
        async with connected(server) as client:
            await client.send(b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n")
            assert await client.closed()
        async with connected(server) as client:
            assert (await client.get()).text == "good"
        assert app.exchanges[0].finished == 1
        assert app.exchanges[0].left


async def test_unknown_host_is_named_and_the_connection_goes_on() -> None:
    router = Router([Route(echo_app(), ("known",))])
    async with running(router) as server, connected(server) as client:
        reply = await client.get(host="Unknown.example:80")
        assert reply.status == 404
        assert "Unknown.example" in reply.text
        assert reply["content-type"].startswith("text/plain")
        assert (await client.get(host="known")).status == 200
        assert "(none)" not in reply.text


async def test_access_records() -> None:
    records: list[AccessRecord] = []

    async def later() -> OutgoingResponse:
        return text("later")

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        raise BodyBroken("gone")

    def handler(request: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        if "later" in request.url:
            return later
        return OutgoingResponse(200, "", [], Stream(chunks())) if "broken" in request.url else text("hello")

    async with running(App(handler, "hello"), access_log=records.append) as server:
        async with connected(server) as client:
            await client.get("/a", method="POST")
            await client.get("/later")
            await client.send(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
            await client.rest()
        async with connected(server) as client:
            await client.send(b"rubbish\r\n\r\n")
            await client.rest()
    seen = [(r.method, r.url, r.status, r.bytes, r.app, r.remote, r.complete) for r in records[:3]]
    assert seen == [
        ("POST", "http://app/a", 200, 5, "hello", "127.0.0.1", True),
        ("GET", "http://app/later", 200, 5, "hello", "127.0.0.1", True),
        ("GET", "http://a/broken", 200, 3, "hello", "127.0.0.1", False),
    ]
    assert records[3].status == 400
    assert all(0 <= record.duration < 60 and record.id for record in records)


async def test_an_access_log_that_raises_harms_nobody() -> None:
    def broken(record: AccessRecord) -> None:
        raise RuntimeError

    async with running(echo_app(), access_log=broken) as server, connected(server) as client:
        assert (await client.get()).status == 200
        assert (await client.get()).status == 200


async def test_large_bytes_reach_a_slow_client_whole() -> None:
    body = bytes(range(256)) * 40_000
    app = App(lambda request: OutgoingResponse(200, "", [], body))
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.reply()).body == body
        assert (await client.reply()).body == body


async def test_many_medium_answers_to_a_client_that_reads_late() -> None:
    body = b"x" * 30_000
    app = App(lambda request: OutgoingResponse(200, "", [], body))
    async with running(app) as server, connected(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 400)
        await trio.testing.wait_all_tasks_blocked()
        assert len(app.requests) < 400
        for _ in range(400):
            assert (await client.reply()).body == body


async def test_an_exchange_whose_finish_raises_costs_one_connection() -> None:
    app = echo_app()
    begin = app.begin

    def faulty(request: IncomingRequest) -> object:
        exchange = begin(request)
        if "bad" in request.url:
            exchange.finish = lambda: 1 / 0  # type: ignore[method-assign, assignment, return-value]
        return exchange

    app.begin = faulty  # type: ignore[method-assign, assignment]
    async with running(app) as server:
        async with connected(server) as client:
            await client.get("/bad")
            assert await client.closed()
        async with connected(server) as client:
            assert (await client.get("/good")).status == 200


@pytest.mark.parametrize("host", ["1.2.3.4.5", "300.1.1.1", "[::1::2]", "0x.1.x.9999999999"])
async def test_a_host_that_makes_no_url_is_refused(host: str) -> None:
    async with running(echo_app()) as server, connected(server) as client:
        assert (await client.get(host=host)).status == 400
        assert await client.closed()
