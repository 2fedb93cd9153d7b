"""Apps that fetch, behind real listeners: proxies, the wall's configuration, and neighbours that notice nothing."""

from __future__ import annotations

import contextlib
import gzip
import ssl
from pathlib import Path
from typing import Any

import psutil
import pytest
import trio
import trustme

from tests.runtime.upstream import TEXT, Upstream, running

from .conftest import NEIGHBOUR, Site, SiteMaker, unnoticed

PROXY = (
    "export default { fetch: (request, env) => fetch(new URL(new URL(request.url).search.slice(1), env.UP), request) };"
)


def app(source: str, upstream: Upstream, **keys: Any) -> dict[str, Any]:
    return {"source": source, "env": {"UP": upstream.url}, "allow_net": ["loopback"], **keys}


def handler(body: str) -> str:
    return f"export default {{ async fetch(request, env, ctx) {{ {body} }} }};"


async def test_a_reverse_proxy_passes_everything_on(serve: SiteMaker) -> None:
    async with running() as upstream, serve({"app": app(PROXY, upstream)}) as site:
        answer = await site.get(
            "app", "/?/echo", method="PUT", body=b"x" * 300_000, headers={"X-Mine": "yes", "TE": "x"}
        )
        assert answer.status == 200
        assert answer.headers["x-two"] == "1, 2"
        method, _, headers, body = upstream.requests[0]
        assert (method, len(body), headers["x-mine"]) == ("PUT", 300_000, "yes")
        assert headers["host"] == f"127.0.0.1:{upstream.port}"
        assert headers["content-length"] == "300000"
        assert (await site.get("app", "/?/status?code=404")).status == 404
        moved = await site.get("app", "/?/redirect?to=/text")
        assert (moved.status, moved.headers["location"]) == (302, "/text")
        head = await site.get("app", "/?/text", method="HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "4", b"")
        assert (await site.get("app", "/?/status?code=204")).status == 204
        assert (await site.get("app", "/?/until-close")).text == "read me until I close"


@pytest.mark.parametrize(
    "body",
    [
        "return fetch(env.UP + '/big?mb=100');",
        "const r = await fetch(env.UP + '/big?mb=100'); return new Response(r.body, r);",
        "const r = await fetch(env.UP + '/big?mb=100'); return new Response(r.body, { headers: { a: 'b' } });",
    ],
)
async def test_a_hundred_megabytes_cost_no_javascript(serve: SiteMaker, body: str) -> None:
    async with running() as upstream, serve({"app": app(handler(body), upstream), "neighbour": NEIGHBOUR}) as site:
        account = site.app("app").account
        turns, before = account.turns, psutil.Process().memory_info().rss
        size, most = 0, 0
        async with unnoticed(site), await trio.open_tcp_stream("127.0.0.1", site.port) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")
            while piece := await stream.receive_some(65536):
                size += len(piece)
                most = max(most, psutil.Process().memory_info().rss)
        assert 0 <= size - (100 << 20) < 1 << 20  # the head, and the chunks' framing where there is no length
        assert account.turns - turns <= 5
        assert most - before < 16 << 20


async def test_an_upload_costs_no_javascript(serve: SiteMaker) -> None:
    body = "return fetch(env.UP + '/count', { method: 'POST', body: request.body, duplex: 'half' });"

    async def content() -> Any:
        for _ in range(400):
            yield bytes(1 << 17)

    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        for headers in ({}, {"Content-Length": str(400 << 17)}):
            turns = site.app("app").account.turns
            answer = await site.get("app", method="POST", body=content(), headers=headers)
            assert (answer.status, answer.text) == (200, str(400 << 17))
            assert site.app("app").account.turns - turns <= 6
            assert ("content-length" in upstream.requests[-1][2]) == bool(headers)


async def test_a_request_comes_back_as_the_response(serve: SiteMaker) -> None:
    async with serve({"app": handler("return new Response(request.body);")}) as site:
        data = bytes(range(256)) * 4096
        before = site.app("app").account.turns
        answer = await site.get("app", method="POST", body=data)
        assert answer.body == data
        assert site.app("app").account.turns - before <= 5


async def raw(site: Site, head: str, body: bytes = b"", *, leave_after: float = 30) -> bytes:
    """Send a request as it is, and at the same time read what comes until the server closes."""
    received = bytearray()
    async with await trio.open_tcp_stream("127.0.0.1", site.port) as stream, trio.open_nursery() as nursery:

        async def send() -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await stream.send_all(head.replace("\n", "\r\n").encode() + b"\r\n" + body)

        nursery.start_soon(send)
        with trio.move_on_after(leave_after), contextlib.suppress(trio.BrokenResourceError):
            while piece := await stream.receive_some(65536):
                received += piece
        nursery.cancel_scope.cancel()
    return bytes(received)


async def test_both_ways_at_once(serve: SiteMaker) -> None:
    body = "return fetch(env.UP + '/mirror', { method: 'POST', body: request.body, duplex: 'half' });"
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        data = bytes(range(256)) * 40960
        head = f"POST / HTTP/1.1\nHost: app\nConnection: close\nContent-Length: {len(data)}\n"
        with trio.fail_after(10):
            answer = await raw(site, head, data)
        assert b"200 OK" in answer[:100]
        assert len(answer) > len(data)
        assert answer.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize(
    ("body", "coded"),
    [
        ("return fetch(env.UP + '/coded?as=gzip');", True),
        ("const r = await fetch(env.UP + '/coded?as=gzip'); return new Response(r.body, r);", True),
        ("return new Response((await fetch(env.UP + '/coded?as=gzip')).body);", False),
        ("const r = new Response((await fetch(env.UP + '/coded?as=gzip')).body, { headers: { 'content-length': '7' } }); return r;", False),
        ("const r = await fetch(env.UP + '/coded?as=gzip'); return new Response(await r.text(), r);", False),
        ("const r = await fetch(env.UP + '/coded?as=gzip'); return Response.json(await r.text(), r);", False),
        ("const r = await fetch(env.UP + '/coded?as=gzip'); return new Response((await r.text()).repeat(20), r);", False),
    ],
)  # fmt: skip
async def test_compressed_bodies_stay_what_their_headers_say(serve: SiteMaker, body: str, coded: bool) -> None:
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        answer = await site.get("app")
        assert (answer.headers.get("content-encoding") == "gzip") == coded
        content = gzip.decompress(answer.body) if coded else answer.body
        assert TEXT in content
        assert int(answer.headers.get("content-length", len(answer.body))) == len(answer.body)


async def test_the_client_leaves_and_what_it_caused_ends(serve: SiteMaker) -> None:
    body = """
      const { pathname } = new URL(request.url);
      if (pathname === "/seen") return Response.json(globalThis.seen);
      globalThis.seen = "began";
      request.signal.addEventListener("abort", () => { globalThis.seen = request.signal.reason.name; });
      return fetch(env.UP + pathname, request);
    """
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        for path in ("/forever", "/never", "/head-only"):
            await raw(site, f"GET {path} HTTP/1.1\nHost: app\n", leave_after=0.2)
            await upstream.settled()
            assert (await site.get("app", "/seen")).text == '"AbortError"'


@pytest.mark.parametrize("fault", ["close-early", "reset", "bad-chunk", "huge-headers", "never", "loop", "bad-status"])
async def test_a_fault_upstream_is_the_apps_error_and_no_neighbours(serve: SiteMaker, fault: str) -> None:
    # Twenty redirects may take long where others have the machine.
    within = ", { signal: AbortSignal.timeout(300) }" if fault == "never" else ""
    body = f"""
      if (new URL(request.url).pathname === "/fine") return new Response("fine");
      try {{ return await (await fetch(env.UP + "/{fault}"{within})).text(); }}
      catch (error) {{ return new Response(`${{error.name}} ${{error.cause?.code}}`, {{ status: 502 }}); }}
    """
    apps = {}
    async with running() as upstream:
        apps = {"app": app(handler(body), upstream), "neighbour": NEIGHBOUR}
        async with serve(apps) as site, unnoticed(site):
            await site.get("app", "/fine")
            before = psutil.Process().num_fds()
            with trio.fail_after(5):
                answer = await site.get("app")
            assert answer.status == 502
            assert (
                answer.text == "TimeoutError undefined" if fault == "never" else answer.text.startswith("TypeError E")
            )
            if fault == "loop":
                assert upstream.open == 1  # its responses were sound
            else:
                await upstream.settled()
            assert (await site.get("app", "/fine")).text == "fine"
            # The test's own client may have opened one more connection, of which both ends are in this process.
            assert psutil.Process().num_fds() <= before + 2 + 2 * upstream.open


@pytest.mark.parametrize("fault", ["short", "cut-chunk", "bad-chunk"])
async def test_a_piped_body_that_breaks_breaks_for_the_client(serve: SiteMaker, fault: str) -> None:
    async with running() as upstream, serve({"app": app(PROXY, upstream)}) as site:
        answer = await raw(site, f"GET /?/{fault} HTTP/1.1\nHost: app\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"200 OK" in head
        if b"content-length" in head:
            assert len(body) < 100
        else:
            assert not body.endswith(b"0\r\n\r\n")
        assert (await site.get("app", "/?/text")).text == "text"


async def test_the_requests_time_bounds_its_fetches(serve: SiteMaker) -> None:
    body = "return fetch(env.UP + '/never');"
    async with running() as upstream, serve({"app": app(handler(body), upstream, request_timeout_ms=200)}) as site:
        with trio.fail_after(3):
            assert (await site.get("app")).status in (500, 504)
        await upstream.settled()


async def test_a_fetch_that_waits_is_no_hang(serve: SiteMaker) -> None:
    body = "await (await fetch(env.UP + '/drip')).body.getReader().read(); return new Response('one');"
    async with running() as upstream, serve({"app": app(handler(body), upstream)}) as site:
        assert (await site.get("app")).text == "one"


async def test_the_app_ends_and_with_it_its_fetches(serve: SiteMaker) -> None:
    body = "globalThis.kept = await fetch(env.UP + '/forever'); return new Response('kept');"
    async with running() as upstream:
        async with serve({"app": app(handler(body), upstream)}) as site:
            assert (await site.get("app")).text == "kept"
            assert upstream.open == 1
        await upstream.settled()


async def blocked(site: Site, name: str) -> bool:
    return (await site.get(name)).text == "ERR_BLOCKED"


TRY = handler("""
  try { return new Response(await (await fetch(env.UP + "/text")).text()); }
  catch (error) { return new Response(error.cause.code); }
""")


async def test_the_configuration_opens_the_wall_for_one_app(serve: SiteMaker) -> None:
    async with running() as upstream:
        closed = {"source": TRY, "env": {"UP": upstream.url}}
        apps = {"closed": closed, "open": {**closed, "allow_net": f"127.0.0.1:{upstream.port}"}}
        async with serve(apps) as site:
            assert await blocked(site, "closed")
            assert (await site.get("open")).text == "text"
        async with serve({"closed": closed}, defaults={"allow_net": ["loopback"]}) as site:
            assert (await site.get("closed")).text == "text"


async def test_development_opens_loopback(serve: SiteMaker) -> None:
    async with running() as upstream:
        app = {"source": TRY, "env": {"UP": upstream.url}}
        async with serve({"app": app}, dev=True) as site:
            assert (await site.get("app")).text == "text"
        metadata = {"source": TRY, "env": {"UP": "http://169.254.169.254"}}
        async with serve({"app": metadata}, dev=True) as site:
            assert await blocked(site, "app")


async def test_authorities_of_ones_own(serve: SiteMaker, tmp_path: Path) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    async with running(context) as upstream:
        trusting = app(TRY, upstream, extra_ca_certs=str(tmp_path / "ca.pem"))
        async with serve({"app": trusting, "other": app(TRY, upstream)}) as site:
            assert (await site.get("app")).text == "text"
            assert (await site.get("other")).text == "ERR_TLS_CERTIFICATE"
