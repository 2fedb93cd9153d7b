"""HTTPS over real sockets: what holds for plain connections holds for encrypted ones."""

from __future__ import annotations

import contextlib
import math
import random
import socket
import ssl
import tracemalloc
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpcore
import pytest
import trio
import trio.testing
import trustme

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web.certificates import Certificates, TLSSettings
from nano_trio.web.server import Server
from nano_trio.web.settings import Limits
from tests.web.apps import (
    App,
    Pausing,
    Stream,
    connected,
    counting_app,
    echo_app,
    gone,
    let,
    read_body,
    repeated,
    streaming,
    text,
)
from tests.web.secure import authority, client_context, encrypted, port_of, secured, written


async def test_the_url_is_https_and_the_connection_goes_on(tmp_path: Path, http: str) -> None:
    app = echo_app()
    async with secured(app, tmp_path, http=http) as server, encrypted(server) as client:
        for path in ("/", "/a?b=c"):
            reply = await client.get(path)
            assert reply.text == f"GET https://app{path} "
        await client.send(b"POST /p HTTP/1.1\r\nHost: app\r\nContent-Length: 4\r\n\r\nbody")
        assert (await client.reply()).text == "POST https://app/p body"
        await client.send(b"GET /old HTTP/1.0\r\n\r\n")
        assert (await client.reply()).text == f"GET https://127.0.0.1:{port_of(server)}/old "
    assert {request.remote_address for request in app.requests} == {"127.0.0.1"}


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, encrypted(server) as client:
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: app\r\n\r\n" % number for number in range(100)))
        for number in range(100):
            assert (await client.reply()).text == f"GET https://app/{number} "


async def test_records_may_arrive_byte_by_byte(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, encrypted(server, dribble=True) as client:
        assert (await client.get("/x")).text == "GET https://app/x "
        await client.send(b"POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert (await client.reply()).text == "POST https://app/ abc"


async def test_one_request_in_many_records(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, encrypted(server) as client:
        for octet in b"POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\nabc":
            await client.send(bytes((octet,)))
        assert (await client.reply()).text == "POST https://app/ abc"


@contextlib.asynccontextmanager
async def shaken(
    server: Server,
) -> AsyncIterator[tuple[trio.SocketStream, ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]]:
    """A connection and what a client has for TLS; the client's last word of the handshake waits in the last of them."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with await trio.open_tcp_stream("127.0.0.1", port_of(server)) as raw:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await raw.send_all(outgoing.read())
                incoming.write(await raw.receive_some())
        yield raw, tls, incoming, outgoing


async def test_a_chain_of_certificates_that_the_socket_does_not_take_at_once(tmp_path: Path) -> None:
    """As where the kernel is short of memory. The client waits for the rest, and sends nothing meanwhile."""
    pair = written(tmp_path, "localhost", "app")
    pair.cert.write_bytes(pair.cert.read_bytes() + authority.cert_pem.bytes() * 60)
    async with secured(echo_app(), tmp_path, certificates=Certificates(pair)) as server:
        for listener in server._all():  # what it accepts inherits this
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with trio.fail_after(60):
            async with shaken(server) as (raw, tls, incoming, outgoing):
                tls.write(b"GET /1 HTTP/1.1\r\nHost: app\r\n\r\n")
                await raw.send_all(outgoing.read())
                received = b""
                while not received.endswith(b"https://app/1 "):
                    incoming.write(await raw.receive_some())
                    with contextlib.suppress(ssl.SSLWantReadError):
                        while data := tls.read():
                            received += data


async def test_a_client_that_leaves_in_the_middle_of_such_a_chain(tmp_path: Path) -> None:
    pair = written(tmp_path, "localhost", "app")
    pair.cert.write_bytes(pair.cert.read_bytes() + authority.cert_pem.bytes() * 60)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        client_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    async with secured(echo_app(), tmp_path, certificates=Certificates(pair)) as server:
        for listener in server._all():
            listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        async with await trio.open_tcp_stream("127.0.0.1", port_of(server)) as raw:
            await raw.send_all(outgoing.read())
            await raw.receive_some(100)
            assert server.connections == 1
        await gone(server)


async def test_a_request_that_comes_with_the_end_of_the_handshake(tmp_path: Path) -> None:
    """TLS 1.3 clients may send both in one segment; the poll reports nothing after it."""
    async with secured(echo_app(), tmp_path) as server, shaken(server) as (raw, tls, incoming, outgoing):
        requests = b"GET /1 HTTP/1.1\r\nHost: app\r\n\r\n" * 40
        tls.write(requests)
        await raw.send_all(outgoing.read())
        received = b""
        with trio.fail_after(5):
            while received.count(b"GET https://app/1 ") < 40:
                try:
                    received += tls.read(65536)
                except ssl.SSLWantReadError:
                    incoming.write(await raw.receive_some())
        assert received.count(b"HTTP/1.1 200 OK\r\n") == 40


async def test_plain_http_on_the_tls_port_is_told_so(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server, connected(server, port_of(server)) as client:
        reply = await client.get()
        assert reply.status == 400
        assert "https://" in reply.text
        assert reply["connection"] == "close"
        await client.stream.send_eof()
        assert await client.closed()
        await gone(server)
    assert app.requests == []


async def test_tls_on_the_plain_port_is_refused(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path) as server:
        raw = await trio.open_tcp_stream("127.0.0.1", server.port)
        stream = trio.SSLStream(raw, client_context(), server_hostname="localhost")
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.do_handshake()
        assert "WRONG_VERSION_NUMBER" in str(caught.value.__cause__)
        await trio.aclose_forcefully(raw)
        await gone(server)
    assert app.requests == []


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02", b"\x00" * 50, b"\xff"])
async def test_garbage_costs_only_its_connection(tmp_path: Path, garbage: bytes) -> None:
    async with secured(echo_app(), tmp_path) as server:
        async with connected(server, port_of(server)) as client:
            await client.send(garbage)
            await client.stream.send_eof()
            await client.rest()
        async with encrypted(server) as good:
            assert (await good.get()).status == 200


def limited(maximum: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what this is about
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = maximum
    return context


async def test_versions(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server:
        with pytest.raises(trio.BrokenResourceError) as caught:
            async with encrypted(server, context=limited(ssl.TLSVersion.TLSv1_1)):
                pass
        assert "PROTOCOL_VERSION" in str(caught.value.__cause__)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            async with encrypted(server, context=limited(version)) as client:
                assert client.tls.version() == version.name.replace("_", ".")
                assert client.tls.selected_alpn_protocol() is None
                cipher = client.tls.cipher()
                assert "GCM" in cipher[0] or "CHACHA" in cipher[0]
                assert (await client.get()).status == 200
    async with secured(echo_app(), tmp_path, tls=TLSSettings(min_version="1.3")) as server:
        with pytest.raises(trio.BrokenResourceError):
            async with encrypted(server, context=limited(ssl.TLSVersion.TLSv1_2)):
                pass


async def test_old_ciphers_are_refused(tmp_path: Path) -> None:
    context = limited(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE+AES+SHA384:ECDHE+AES+SHA:AES256-GCM-SHA384:@SECLEVEL=0")
    async with secured(echo_app(), tmp_path) as server:
        with pytest.raises(trio.BrokenResourceError) as caught:
            async with encrypted(server, context=context):
                pass
        assert "HANDSHAKE_FAILURE" in str(caught.value.__cause__)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_sessions_are_resumed(tmp_path: Path, version: ssl.TLSVersion) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version

    def visit(port: int, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
        with (
            socket.create_connection(("127.0.0.1", port)) as raw,
            context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
        ):
            tls.sendall(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
            assert tls.recv(100).startswith(b"HTTP/1.1 200")
            return bool(tls.session_reused), tls.session

    async with secured(echo_app(), tmp_path) as server:
        reused, session = await trio.to_thread.run_sync(visit, port_of(server), None)
        assert not reused
        assert session is not None
        reused, _ = await trio.to_thread.run_sync(visit, port_of(server), session)
        assert reused


async def test_httpcore_with_the_authority_trusted(tmp_path: Path) -> None:
    async with (
        secured(echo_app(), tmp_path) as server,
        httpcore.AsyncConnectionPool(ssl_context=client_context()) as pool,
    ):
        for number in range(5):
            response = await pool.request("GET", f"https://localhost:{port_of(server)}/{number}")
            assert response.content.decode() == f"GET https://localhost:{port_of(server)}/{number} "


# ---- client certificates ----


def with_client_certificate(ca: trustme.CA) -> ssl.SSLContext:
    context = client_context()
    ca.issue_cert("someone@example.org").configure_cert(context)
    return context


@pytest.mark.parametrize("auth", ["none", "optional", "required"])
@pytest.mark.parametrize("given", ["none", "good", "foreign"])
async def test_client_certificates(tmp_path: Path, auth: str, given: str) -> None:
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    context = {
        "none": client_context,
        "good": lambda: with_client_certificate(ca),
        "foreign": lambda: with_client_certificate(trustme.CA()),
    }[given]()
    settings = TLSSettings(client_auth=auth, client_ca=tmp_path / "ca.pem")  # type: ignore[arg-type]
    welcome = auth == "none" or given == "good" or (auth == "optional" and given == "none")
    app = echo_app()
    async with secured(app, tmp_path, tls=settings) as server:
        if welcome:
            async with encrypted(server, context=context) as client:
                assert (await client.get()).status == 200
        else:
            # In TLS 1.3 the client learns of it only when it reads.
            with pytest.raises(trio.BrokenResourceError) as caught:
                async with encrypted(server, context=context) as client:
                    await client.get()
            expected = "CERTIFICATE_REQUIRED" if given == "none" else "UNKNOWN_CA"
            assert expected in str(caught.value.__cause__)
    assert len(app.requests) == welcome


# ---- time ----


@pytest.mark.parametrize("part", ["nothing", "one byte", "half a hello"])
async def test_a_slow_handshake_is_given_up_after_10_s(
    tmp_path: Path, part: str, mock_clock: trio.testing.MockClock
) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        client_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    hello = outgoing.read()
    async with secured(echo_app(), tmp_path) as server, connected(server, port_of(server)) as client:
        await client.send({"nothing": b"", "one byte": hello[:1], "half a hello": hello[: len(hello) // 2]}[part])
        await let(mock_clock, 9)
        assert server.connections == 1
        await let(mock_clock, 3)
        assert server.connections == 0
        assert await client.closed()


async def test_idle_connections_end_with_close_notify(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    async with secured(echo_app(), tmp_path) as server, encrypted(server) as client:
        assert (await client.get()).status == 200
        await let(mock_clock, 77)
        assert server.connections == 0
        assert await client.stream.receive_some() == b""


# ---- streams ----


@pytest.mark.parametrize("headers", [(), (("content-length", str(1000 * 65536)),)], ids=["chunked", "length"])
async def test_a_large_download_takes_no_memory(tmp_path: Path, headers: tuple[tuple[str, str], ...]) -> None:
    app, _ = streaming(repeated(1000), *headers)
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await client.head()
        tracemalloc.start()
        left = 1000 * 65536
        while left > 0:
            if "content-length" in head:
                left -= len(await client.exactly(min(left, 65536)))
            else:
                size = int(await client._until(b"\r\n"), 16)
                await client.exactly(size + 2)
                left -= size
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3_000_000


async def test_a_large_upload_takes_no_memory(tmp_path: Path) -> None:
    async with secured(counting_app(), tmp_path) as server, encrypted(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1000 * 65536))
        tracemalloc.start()
        for _ in range(1000):
            await client.send(bytes(65536))
        reply = await client.reply()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert reply.text == f"{1000 * 65536} {1000 * 65536}"
        assert peak < 4_000_000


async def test_random_bodies_both_ways_at_once(tmp_path: Path) -> None:
    """What comes back is what went out, whatever the sizes of chunks, buffers and records."""

    def handler(request: IncomingRequest) -> OutgoingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            assert request.body is not None
            assert not isinstance(request.body, bytes)
            while piece := await request.body.receive():
                yield piece

        return OutgoingResponse(200, "", [], Stream(chunks()))

    generator = random.Random(7)
    pieces = [generator.randbytes(generator.choice([1, 100, 16383, 16384, 16385, 70_000, 900_000])) for _ in range(40)]
    async with secured(App(handler), tmp_path) as server, encrypted(server) as client, trio.open_nursery() as nursery:

        async def upload() -> None:
            await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            await client.send(b"0\r\n\r\n")

        nursery.start_soon(upload)
        reply = await client.reply()
        assert reply.body == b"".join(pieces)


async def test_a_large_body_as_bytes_to_a_slow_client(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(12_000_000)
    app = App(lambda request: OutgoingResponse(200, "", [], content))
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        await trio.testing.wait_all_tasks_blocked(0.05)
        for _ in range(2):
            assert (await client.reply()).body == content


async def test_a_client_that_does_not_read_stops_the_pulling(tmp_path: Path) -> None:
    app, streams = streaming(repeated(10_000))
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await client.head()
        pulled = 0
        while streams[0].pulled != pulled:
            pulled = streams[0].pulled
            await trio.testing.wait_all_tasks_blocked(0.02)
        assert pulled < 500
        await client.exactly(5_000_000)
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert streams[0].pulled > pulled


async def test_100_continue(tmp_path: Path) -> None:

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            return text(f"got {len(await read_body(request))}")

        return answer

    async with secured(App(handler), tmp_path) as server, encrypted(server) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
        assert (await client.head()).status == 100
        await client.send(bytes(100_000))
        assert (await client.reply()).text == "got 100000"


# ---- ends ----


@pytest.mark.parametrize("how", ["close_notify", "end of file", "reset"])
async def test_the_client_leaves_while_the_app_works(tmp_path: Path, how: str) -> None:
    app = App(lambda request: trio.sleep_forever)
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with trio.fail_after(5):
            while not app.exchanges:
                await trio.lowlevel.checkpoint()
            transport = client.tls.transport_stream
            assert isinstance(transport, trio.SocketStream)
            if how == "close_notify":
                await client.stream.aclose()
            elif how == "end of file":
                await transport.send_eof()
            else:
                transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                transport.socket.close()
            await app.exchanges[0].disconnected.wait()
        await gone(server)
        assert app.exchanges[0].finished == 1


async def test_a_request_and_close_notify_in_one_segment(tmp_path: Path) -> None:
    """The end must be seen although the poll has nothing more to report."""
    async with secured(echo_app(), tmp_path) as server, shaken(server) as (raw, tls, incoming, outgoing):
        await raw.send_all(outgoing.read())
        await trio.testing.wait_all_tasks_blocked(0.02)
        tls.write(b"GET / HTTP/1.1\r\nHost: app\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            tls.unwrap()
        await raw.send_all(outgoing.read())
        received = b""
        with trio.fail_after(5):
            while data := await raw.receive_some():
                incoming.write(data)
                while incoming.pending:
                    try:
                        received += tls.read(65536)
                    except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                        break
        await gone(server)


async def test_a_response_that_ends_with_the_connection_ends_with_close_notify(tmp_path: Path) -> None:
    app, _ = streaming(repeated(3, b"abc"))
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        assert (await client.reply()).body == b"abcabcabc"


async def test_a_broken_response_ends_without_close_notify(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        raise RuntimeError("no more")

    app, _ = streaming(chunks)
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await client.reply()


async def test_malformed_http_gets_its_answer(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n")
        reply = await client.reply()
        assert (reply.status, reply["connection"]) == (400, "close")
        assert await client.rest() == b""


async def test_drain(tmp_path: Path) -> None:
    pausing = Pausing()
    async with (
        secured(App(pausing), tmp_path) as server,
        encrypted(server) as idle,
        encrypted(server) as busy,
        connected(server, port_of(server)) as shaking,
        trio.open_nursery() as nursery,
    ):
        await idle.get("/quick")
        await busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await shaking.send(b"\x16\x03")
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.start_soon(server.drain)
        assert await shaking.closed()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port_of(server))
        pausing.proceed.set()
        reply = await busy.reply()
        assert (reply.text, reply["connection"]) == ("finished", "close")
        assert await busy.rest() == b""
        assert await idle.rest() == b""


async def test_a_drain_deadline_aborts(tmp_path: Path) -> None:
    app = App(lambda request: trio.sleep_forever)
    async with secured(app, tmp_path) as server, encrypted(server) as client:
        await client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        with trio.fail_after(5):
            await server.drain(0.01)
            with pytest.raises(trio.BrokenResourceError):
                await client.reply()


# ---- redirects ----


async def test_redirects_keep_host_path_and_query(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path, redirect=True) as server, connected(server) as client:
        port = port_of(server)
        for host, path, location in [
            ("app", "/a/b?c=d&e=%20", f"https://app:{port}/a/b?c=d&e=%20"),
            ("app:80", "/", f"https://app:{port}/"),
            ("[::1]:3000", "//x", f"https://[::1]:{port}//x"),
            ("127.0.0.1", "/?http://x:1/", f"https://127.0.0.1:{port}/?http://x:1/"),
        ]:
            reply = await client.get(path, host=host)
            assert (reply.status, reply["location"]) == (308, location)
        await client.send(b"POST /p HTTP/1.1\r\nHost: app\r\nContent-Length: 3\r\n\r\nabc")
        assert (await client.reply()).status == 308
        reply = await client.get(method="HEAD")
        assert (reply.status, reply.body) == (308, b"")
        await client.send(b"GET /x HTTP/1.0\r\n\r\n")
        assert (await client.reply())["location"] == f"https://127.0.0.1:{port}/x"
        assert app.requests == []
        async with encrypted(server) as secure:
            assert (await secure.get()).status == 200


async def test_a_plain_listener_without_redirect_serves(tmp_path: Path) -> None:
    async with secured(echo_app(), tmp_path) as server, connected(server) as client:
        assert (await client.get()).text == "GET http://app/ "


# ---- many ----


async def test_handshakes_in_a_crowd(tmp_path: Path) -> None:
    limits = Limits(handshake_timeout=math.inf)
    async with secured(echo_app(), tmp_path, limits=limits) as server:
        done = 0

        async def visit() -> None:
            nonlocal done
            async with encrypted(server) as client:
                assert (await client.get()).status == 200
            done += 1

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(visit)
        assert done == 100
        await gone(server)


async def test_rsa_certificates_do_as_well(tmp_path: Path) -> None:
    pair = written(tmp_path, "localhost", key_type=trustme.KeyType.RSA)
    async with secured(echo_app(), tmp_path, certificates=Certificates(pair)) as server, encrypted(server) as client:
        assert (await client.get()).status == 200
