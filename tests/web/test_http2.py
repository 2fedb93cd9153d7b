"""HTTP/2 over TLS: choosing it, exchanges and routes. Raw frames over real sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web.certificates import Certificates, TLSSettings
from nano_trio.web.router import Route, Router
from nano_trio.web.settings import AccessRecord
from tests.web.apps import App, connected, echo_app, repeated, streaming, text
from tests.web.http2_client import client_settings, h2_connected
from tests.web.secure import client_context, encrypted, secured, written

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
