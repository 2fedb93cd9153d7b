"""Connections of fetch() to servers: which are used again, who waits for one, and what an upload that breaks off does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.testing
import trustme

from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.runtime import pace
from nano_trio.runtime.fetch_errors import FetchError
from nano_trio.runtime.fetch_http1 import Http1Connection
from nano_trio.runtime.fetch_http2 import Http2Connection
from nano_trio.runtime.fetch_messages import WireRequest
from nano_trio.runtime.http1_responses import ResponseReader
from nano_trio.runtime.net_connect import Connected, Network

from .fetching import OPEN, fetching
from .test_fetch_floods import Counted, answering
from .upstream import running

_OK = b"HTTP/1.1 200 OK\r\n"


class _Corked(trio.abc.Stream):
    """A connection that sends what it was given when it is flushed, in one."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self.waiting: bytearray | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.waiting is None:
            await self._stream.send_all(data)
        else:
            self.waiting += data

    async def flush(self) -> None:
        waiting, self.waiting = self.waiting or b"", None
        await self._stream.send_all(waiting)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


_Answer = Callable[[trio.SSLStream[_Corked], _Corked], Any]


@contextlib.asynccontextmanager
async def _secure(folder: Path, answer: _Answer) -> AsyncIterator[tuple[Network, str, list[int]]]:
    """A server that speaks HTTP/1.1 over TLS: it answers the first request on its first connection so, all others with
    "right". With how many requests came on each connection."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(tls)
    tls.set_alpn_protocols(["http/1.1"])
    requests: list[int] = []

    async def serve(plain: trio.SocketStream) -> None:
        corked = _Corked(plain)
        stream = trio.SSLStream(corked, tls, server_side=True, https_compatible=True)
        number = len(requests)
        requests.append(0)
        with contextlib.suppress(trio.BrokenResourceError):
            while await stream.receive_some(65536):
                requests[number] += 1
                if requests == [1]:
                    await answer(stream, corked)
                else:
                    await stream.send_all(_OK + b"content-length: 5\r\n\r\nright")
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        url = f"https://localhost:{listeners[0].socket.getsockname()[1]}/"
        yield attrs.evolve(OPEN, extra_ca_certs=(folder / "ca.pem",)), url, requests
        nursery.cancel_scope.cancel()


async def test_what_tls_has_read_ahead_is_no_response(tmp_path: Path) -> None:
    has_head = trio.Event()

    async def answer(stream: trio.SSLStream[_Corked], corked: _Corked) -> None:
        await stream.send_all(_OK + b"content-length: 5\r\n\r\nhel")
        await has_head.wait()
        await stream.send_all(b"lo" + _OK + b"content-length: 6\r\n\r\npoison")

    async with _secure(tmp_path, answer) as (network, url, requests), fetching(network) as js:
        await js.run("globalThis.response = await fetch(url);", url=url)
        has_head.set()
        assert await js.run("return await response.text();") == "hello"
        assert await js.run("return await (await fetch(url)).text();", url=url) == "right"
        assert requests == [1, 1]


async def test_a_body_in_a_record_of_its_own_behind_a_head_that_has_none(tmp_path: Path) -> None:
    async def answer(stream: trio.SSLStream[_Corked], corked: _Corked) -> None:
        corked.waiting = bytearray()
        await stream.send_all(_OK + b"content-length: 6\r\n\r\n")
        await stream.send_all(b"poison")
        await corked.flush()

    async with _secure(tmp_path, answer) as (network, url, requests), fetching(network) as js:
        assert await js.run("return (await fetch(url, { method: 'HEAD' })).status;", url=url) == 200
        assert await js.run("return await (await fetch(url)).text();", url=url) == "right"
        assert requests == [1, 1]


async def test_a_sound_connection_over_tls_is_used_again(tmp_path: Path) -> None:
    async def answer(stream: trio.SSLStream[_Corked], corked: _Corked) -> None:
        await stream.send_all(_OK + b"content-length: 5\r\n\r\nright")

    async with _secure(tmp_path, answer) as (network, url, requests), fetching(network) as js:
        for _ in range(3):
            assert await js.run("return await (await fetch(url)).text();", url=url) == "right"
        assert requests == [3]


async def test_an_upload_whose_source_breaks_off_fails() -> None:
    """It has the code that a server has which takes no more; but that one answers, perhaps."""
    is_open = trio.Event()

    async def break_off(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        await stream.send_all(_OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await is_open.wait()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.aclose()

    async with trio.open_nursery() as nursery, running() as upstream, fetching() as js:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, break_off, listeners)
        source = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        await js.run("globalThis.response = await fetch(url);", url=source)
        is_open.set()
        post = "await (await fetch(url, { method: 'POST', body: response.body, duplex: 'half' })).text();"
        assert (await js.failure(post, url=f"{upstream.url}/echo"))[2] == "ECONNRESET"
        nursery.cancel_scope.cancel()


async def test_a_head_that_holds_more_than_it_should_is_not_sent() -> None:
    """Apps cannot make such; one line of defence is not enough."""
    ours, theirs = trio.testing.memory_stream_pair()
    left, right = trio.socket.socketpair()
    with left, right:
        async with trio.open_nursery() as nursery:
            connected = Connected(ours, left, False)
            for headers in (
                [(b"a", b"b\r\nhost: c")],
                [(b"a", b"b\nc")],
                [(b"a", b"\0")],
                [(b"a b", b"c")],
                [(b"", b"c")],
            ):
                connection = Http1Connection(connected, nursery, pace.Pace(CpuScheduler()), lambda _: None)
                with pytest.raises(FetchError, match="cannot be sent") as raised:
                    await connection.exchange(WireRequest("GET", "a", "http", "/", headers, None))
                assert raised.value.code == "ERR_INVALID_REQUEST"
            await ours.send_all(b".")
            assert await theirs.receive_some() == b"."


async def test_interim_heads_come_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = Counted(monkeypatch, ResponseReader, "head")
    answer = b"HTTP/1.1 103 \r\n\r\n" * 31 + _OK + b"content-length: 2\r\n\r\nok"
    async with answering(answer) as url, fetching() as js, trio.open_nursery() as nursery:
        nursery.start_soon(heads.watch)
        assert await js.run("return await (await fetch(url)).text();", url=url) == "ok"
        nursery.cancel_scope.cancel()
    assert heads.total >= 32
    # Trio runs the tasks of a pass in any order: two passes' worth.
    assert heads.most <= 2 * pace._MOST_STEPS


async def test_who_waits_for_an_attempt_shares_its_failure(autojump_clock: trio.testing.MockClock) -> None:
    """A host that does not answer costs ten seconds, however many ask for it at once."""

    async def resolve(host: str, port: int) -> list[str]:
        await trio.sleep_forever()
        raise AssertionError

    async with fetching(attrs.evolve(OPEN, resolve=resolve)) as js:
        fetches = "await Promise.allSettled(Array.from({ length: 40 }, () => fetch('https://dead.example/')))"
        before = trio.current_time()
        codes = await js.run(f"return ({fetches}).map((outcome) => outcome.reason.cause.code);")
        assert codes == ["ETIMEDOUT"] * 40
        assert trio.current_time() - before < 15
        # Who comes later asks anew.
        assert (await js.failure("await fetch('https://dead.example/')"))[2] == "ETIMEDOUT"
        assert trio.current_time() - before > 18


async def test_who_waited_to_begin_sees_that_a_server_takes_fewer() -> None:
    """Where its request was not sent it can be made again on another connection."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    left, right = trio.socket.socketpair()
    outcomes: list[str] = []

    async def exchange(connection: Http2Connection) -> None:
        headers = [(b"x-large", b"a" * 70_000)]
        try:
            await connection.exchange(WireRequest("GET", "a", "https", "/", headers, None))
        except FetchError as error:
            outcomes.append(error.code)

    with left, right:
        async with trio.open_nursery() as nursery:
            connection = Http2Connection(
                Connected(ours, left, True), nursery, pace.Pace(CpuScheduler()), _Unheld, lambda _: None
            )
            for _ in range(4):
                nursery.start_soon(exchange, connection)
            await trio.testing.wait_all_tasks_blocked()
            assert connection.has_room()
            fewer = struct.pack(">HI", 3, 1)
            await theirs.send_all(struct.pack(">I", len(fewer))[1:] + b"\4\0" + bytes(4) + fewer)
            await trio.testing.wait_all_tasks_blocked()
            assert outcomes == []
            with trio.move_on_after(1):
                while len(outcomes) < 3:
                    await theirs.receive_some()
            assert outcomes == ["ERR_STREAM_REFUSED"] * 3
            connection.close()


class _Unheld:
    def may_be(self, size: int) -> bool:
        return True

    def resize(self, size: int) -> None:
        pass
