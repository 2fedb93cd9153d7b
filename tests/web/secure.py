"""An authority, servers with its certificates, and clients that speak TLS. The authority is trustme's, not ours."""

from __future__ import annotations

import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import trio
import trustme

from nano_trio.web.certificates import Certificates, Pair, TLSSettings
from nano_trio.web.router import Router
from nano_trio.web.server import Server
from nano_trio.web.settings import Secure
from tests.web.apps import App, Client, running

authority = trustme.CA()


def written(
    folder: Path,
    *names: str,
    ca: trustme.CA = authority,
    key_type: trustme.KeyType | None = None,
    valid: tuple[datetime.datetime, datetime.datetime] | None = None,
) -> Pair:
    """A pair of files for these names; ``valid``: from when and until when."""
    begins, ends = valid or (None, None)
    leaf = ca.issue_cert(*names, key_type=key_type or trustme.KeyType.ECDSA, not_before=begins, not_after=ends)
    pair = Pair(folder / f"{names[0].replace('*', '_')}.pem", folder / f"{names[0].replace('*', '_')}.key")
    pair.cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    pair.key.write_bytes(leaf.private_key_pem.bytes())
    return pair


def client_context(ca: trustme.CA = authority) -> ssl.SSLContext:
    # Not the default context: to load the system's authorities takes longer than a handshake.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ca.configure_trust(context)
    return context


def for_two_threads(context: ssl.SSLContext) -> ssl.SSLContext:
    """For clients that read in one thread and write in another, as those of ``websockets.sync`` do.

    OpenSSL does not allow that, and Python 3.11 does nothing about it (python/cpython#143756). With TLS 1.3 the one thread
    reads the server's tickets while the other sends the first request: on a busy machine one client in some hundreds hangs
    then, whoever the server is (12 of 8,245 at websockets' own, with no line of ours; none of 7,745 where that sends no
    tickets, none of 7,488 with TLS 1.2).
    """
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextlib.asynccontextmanager
async def secured(
    app: App | Router,
    folder: Path,
    *,
    certificates: Certificates | None = None,
    tls: TLSSettings | None = None,
    redirect: bool = False,
    **settings: object,
) -> AsyncIterator[Server]:
    """A server with HTTP and HTTPS on free loopback ports."""
    if certificates is None:
        certificates = Certificates(written(folder, "localhost", "127.0.0.1", "app"), {}, tls)
    secure = Secure(port=0, certificates=certificates, redirect=redirect)
    async with running(app, secure={None: secure}, **settings) as server:
        yield server


def port_of(server: Server) -> int:
    port = server.secure_port_of(None)
    assert port is not None
    return port


class Dribble(trio.abc.HalfCloseableStream):
    """A transport that sends every byte on its own."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        for octet in bytes(data):
            await self.stream.send_all(bytes((octet,)))
            await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(7)

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


class SecureClient(Client):
    """A client whose ``stream`` is a TLS stream. The peer's end counts only with close_notify."""

    tls: trio.SSLStream[trio.abc.Stream]


@contextlib.asynccontextmanager
async def encrypted(
    server: Server, *, host: str = "localhost", context: ssl.SSLContext | None = None, dribble: bool = False
) -> AsyncIterator[SecureClient]:
    """A connection whose handshake is done."""
    raw = await trio.open_tcp_stream("127.0.0.1", port_of(server))
    async with raw:
        transport: trio.abc.Stream = Dribble(raw) if dribble else raw
        stream = trio.SSLStream(transport, context or client_context(), server_hostname=host, https_compatible=False)
        await stream.do_handshake()
        client = SecureClient(stream)  # type: ignore[arg-type]
        client.tls = stream
        yield client
