"""Apps over HTTPS: what they see, and that they notice a client that leaves."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import trio
import trustme

from nano_trio.web.admin.hosted import HostedOperations

from .conftest import NEIGHBOUR, SiteMaker, unnoticed

APP = """
let state = "waiting";
export default {
  async fetch(request) {
    const { pathname, protocol } = new URL(request.url);
    if (pathname === "/state") return new Response(state);
    if (pathname === "/url") return new Response(protocol);
    request.signal.addEventListener("abort", () => { state = "aborted"; });
    state = "begun";
    await new Promise(() => { setTimeout(() => {}, 60000); });
  },
};
"""


async def test_an_app_over_https(serve: SiteMaker, tmp_path: Path) -> None:
    async with serve({"app": APP}, tls={"port": 0, "certs": str(tmp_path / "certs")}) as site:
        port = site.hosting.server.secure_port_of(None)
        assert port is not None
        assert site.hosting.urls == [f"http://127.0.0.1:{site.port}", f"https://127.0.0.1:{port}"]
        assert site.hosting.urls_of(site.hosting.config.apps[0]) == [f"http://app:{site.port}", f"https://app:{port}"]
        context = ssl.create_default_context(cafile=str(tmp_path / "certs" / "ca.pem"))

        async def request(head: str) -> trio.SSLStream[trio.SocketStream]:
            raw = await trio.open_tcp_stream("127.0.0.1", port or 0)
            stream = trio.SSLStream(raw, context, server_hostname="app")
            await stream.send_all(f"{head} HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n".encode())
            return stream

        async def content(stream: trio.SSLStream[trio.SocketStream]) -> bytes:
            received = b""
            async with stream:
                while data := await stream.receive_some():
                    received += data
            return received.partition(b"\r\n\r\n")[2]

        assert await content(await request("GET /url")) == b"https:"
        waiting = await request("GET /wait")
        with trio.fail_after(10):
            while (await site.get("app", "/state")).text != "begun":
                await trio.lowlevel.checkpoint()
            await trio.aclose_forcefully(waiting)
            while (await site.get("app", "/state")).text != "aborted":
                await trio.lowlevel.checkpoint()


async def test_a_certificate_that_soon_expires_is_told_by_health(serve: SiteMaker, tmp_path: Path) -> None:
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=5)
    mine = trustme.CA().issue_cert("app", not_after=ends)
    cert, key = tmp_path / "app.pem", tmp_path / "app.key"
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    app = {"source": APP, "tls": {"cert": str(cert), "key": str(key)}}
    async with serve({"app": app}, tls={"port": 0, "certs": str(tmp_path / "certs")}) as site:
        port = site.hosting.server.secure_port_of(None)
        assert port is not None
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="app"
        ) as stream:
            await stream.do_handshake()
        with HostedOperations(site.hosting) as operations:
            health = await operations.health()
    assert (health["status"], health["problems"]) == (
        "degraded",
        [f"the certificate {cert} expires on {ends:%Y-%m-%d}"],
    )


async def test_a_certificate_that_breaks_is_told_by_health(serve: SiteMaker, tmp_path: Path) -> None:
    """Its renewal went wrong: the log said so once, and all seemed well until a worker was replaced."""
    mine = trustme.CA().issue_cert("app")
    cert, key = tmp_path / "app.pem", tmp_path / "app.key"
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    app = {"source": APP, "tls": {"cert": str(cert), "key": str(key)}}
    tls = {"port": 0, "certs": str(tmp_path / "certs")}
    async with serve({"app": app, "neighbour": NEIGHBOUR}, tls=tls) as site, unnoticed(site):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = site.hosting.server.secure_port_of(None)
        assert port is not None

        async def shown() -> bytes | None:
            stream = trio.SSLStream(await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="app")
            async with stream:
                await stream.do_handshake()
                return stream.getpeercert(binary_form=True)

        certificates = site.hosting.server.settings.secure[None].certificates
        before = await shown()
        cert.write_text("half of a certific")
        with HostedOperations(site.hosting) as operations:
            assert (await operations.health())["status"] == "ok"
            await certificates.refresh()
            health = await operations.health()
            assert (health["status"], health["problems"]) == (
                "degraded",
                [f"the certificate {cert} cannot be loaded: no PEM file with certificates (looked at {cert})"],
            )
            assert await shown() == before
            # Of the two files that one is named which will not do.
            mine.cert_chain_pems[0].write_to_path(cert)
            key.unlink()
            await certificates.refresh()
            assert certificates.faults == {str(cert): f"cannot be read: no such file or directory (looked for {key})"}
            trustme.CA().issue_cert("app").private_key_pem.write_to_path(key)
            await certificates.refresh()
            assert certificates.faults == {
                str(cert): f"not the key of the first certificate in {cert} (looked at {key})"
            }
            assert await shown() == before
            mine.private_key_pem.write_to_path(key)
            mine.cert_chain_pems[0].write_to_path(cert)
            await certificates.refresh()
            assert (await operations.health())["status"] == "ok"
