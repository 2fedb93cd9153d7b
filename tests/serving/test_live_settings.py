"""Settings of the server itself that a reload brings into force, for connections that are open and for those to come."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from tests.web.apps import Client, Reply, connected

from .places import Place

FACTS = """
export default { fetch: (request, env, ctx) => Response.json({
  url: request.url, remote: ctx.remoteAddress, size: "x".repeat(2000),
}, { headers: { "x-logged": console.log("asked") ?? "" } }) };
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    place.app("app", FACTS)
    return place


async def reloaded(place: Place, *keys: str, **document: Any) -> None:
    """Reload with these keys; the report must name ``keys``, and nothing that waits for a restart."""
    place.document.update(document)
    place.write()
    report = await place.hosting.reload()
    assert (report.error, report.settings, report.needs_restart) == (None, keys, ())
    assert report.changed


@contextlib.asynccontextmanager
async def kept(place: Place) -> AsyncIterator[Client]:
    async with connected(place.hosting.server, place.site.port) as client:
        assert (await client.get()).status == 200
        yield client


async def json_of(client: Client, headers: str = "") -> dict[str, Any]:
    reply = await client.get(headers=headers)
    assert reply.status == 200
    told: dict[str, Any] = json.loads(reply.body)
    return told


FORWARDED = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n"


async def test_trusted_proxies(place: Place) -> None:
    async with place.serve(), kept(place) as client:
        assert (await json_of(client, FORWARDED))["remote"] == "127.0.0.1"
        await reloaded(place, "trusted_proxies", trusted_proxies=["loopback"])
        told = await json_of(client, FORWARDED)
        assert (told["remote"], told["url"]) == ("9.9.9.9", "https://app/")
        await reloaded(place, "trusted_proxies", trusted_proxies=[])
        told = await json_of(client)
        assert (told["remote"], told["url"]) == ("127.0.0.1", "http://app/"), "a proxy's word outlived its trust"


async def test_the_proxy_protocol(place: Place) -> None:
    async with place.serve(), kept(place) as before:
        await reloaded(place, "trusted_proxies", "proxy_protocol", trusted_proxies=["loopback"], proxy_protocol=True)
        assert (await json_of(before))["remote"] == "127.0.0.1"
        async with connected(place.hosting.server, place.site.port) as client:
            await client.send(b"PROXY TCP4 9.9.9.9 10.0.0.1 1234 80\r\n")
            assert (await json_of(client))["remote"] == "9.9.9.9"
        await reloaded(place, "proxy_protocol", proxy_protocol=False)
        async with kept(place) as client:
            assert (await json_of(client))["remote"] == "127.0.0.1"


async def test_requests_of_a_client(place: Place) -> None:
    async with place.serve(), kept(place) as client:
        limited = {"max_requests_per_s": 0.001, "max_request_burst": 2}
        await reloaded(place, "http.max_requests_per_s", "http.max_request_burst", http=limited)
        assert [(await client.get()).status for _ in range(3)] == [200, 200, 429]
        # More is allowed; what was used up stays used up.
        await reloaded(place, "http.max_request_burst", http={**limited, "max_request_burst": 3})
        assert [(await client.get()).status for _ in range(2)] == [200, 429]
        await reloaded(place, "http.max_requests_per_s", "http.max_request_burst", http={})
        assert [(await client.get()).status for _ in range(20)] == [200] * 20


async def test_connections(place: Place) -> None:
    async def served() -> bool:
        """Whether one connection more is."""
        async with connected(place.hosting.server, place.site.port) as client:
            try:
                return (await client.get()).status == 200
            except (EOFError, trio.BrokenResourceError):
                return False

    async with place.serve():
        async with kept(place), kept(place):
            await reloaded(place, "http.max_connections_per_client", http={"max_connections_per_client": 2})
            assert not await served(), "those that were open before do not count"
            await reloaded(place, "http.max_connections_per_client", http={"max_connections_per_client": 3})
            assert await served()
        # They have gone as they came: each counted once.
        await reloaded(place, "http.max_connections_per_client", http={"max_connections_per_client": 1})
        with trio.fail_after(5):
            while place.hosting.server.connections:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert place.hosting.server._connection_limits.clients == 0
        assert await served()


async def test_request_ids_traces_and_compression(place: Place) -> None:
    def facts(reply: Reply) -> tuple[bool, bool, str]:
        line = next(line for line in reversed(place.site.logs) if line["event"] == "asked")
        return "x-request-id" in reply, "trace_id" in line, reply["content-encoding"]

    async with place.serve(), kept(place) as client:
        assert facts(await client.get(headers="Accept-Encoding: gzip\r\n")) == (True, False, "")
        await reloaded(
            place,
            "http.request_id_header",
            "http.start_traces",
            http={"request_id_header": False, "start_traces": True},
        )
        assert facts(await client.get(headers="Accept-Encoding: gzip\r\n")) == (False, True, "")
        await reloaded(place, "compression.encodings", compression={"encodings": ["gzip"]})
        assert (await client.get(headers="Accept-Encoding: gzip\r\n"))["content-encoding"] == "gzip"


async def test_http2_and_certificates_of_clients(place: Place) -> None:
    place.app(
        "app",
        "export default (request, env, ctx) => new Response(ctx.clientCertificate?.subject ?? 'nobody');",
    )
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(place.folder / "clients.pem"))
    leaf = authority.issue_cert("client.example")
    place.document["tls"] = {"port": 0}
    place.write()

    async def asked() -> tuple[str | None, bytes]:
        """The chosen protocol, and what the app says, to a client that has a certificate."""
        port = place.hosting.server.secure_port_of(None)
        assert port is not None
        context = ssl.create_default_context(cafile=str(place.folder / "certs" / "ca.pem"))
        context.set_alpn_protocols(["h2", "http/1.1"])
        leaf.configure_cert(context)
        stream = trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", port), context, server_hostname="app", https_compatible=True
        )
        await stream.do_handshake()
        chosen = stream.selected_alpn_protocol()
        answer = b""
        if chosen == "http/1.1":
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            answer = b"".join([part async for part in stream]).rpartition(b"\r\n\r\n")[2]
        await trio.aclose_forcefully(stream)
        return chosen, answer

    async with place.serve():
        assert await asked() == ("h2", b"")
        await reloaded(place, "http.http2", http={"http2": False})
        assert await asked() == ("http/1.1", b"nobody")
        tls = {"port": 0, "client_auth": "optional", "client_ca": "clients.pem"}
        await reloaded(place, "tls.client_auth", "tls.client_ca", tls=tls)
        chosen, subject = await asked()
        assert chosen == "http/1.1"
        assert b"trustme" in subject.lower()
