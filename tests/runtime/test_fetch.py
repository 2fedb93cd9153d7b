"""fetch() over real sockets: what an app notices when servers behave."""

from __future__ import annotations

import pytest

from nano_trio import __version__

from .fetching import OPEN, fetching
from .upstream import running


async def test_a_get() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const response = await fetch(url + "/text?text=hello#fragment");
            const { status, statusText, ok, type, url: final, redirected, bodyUsed } = response;
            return [status, statusText, ok, type, final, redirected, bodyUsed, response.headers.get("content-type"),
              await response.text(), response.bodyUsed];
            """,
            url=upstream.url,
        )
        final = f"{upstream.url}/text?text=hello"
        assert result == [200, "Fine", True, "basic", final, False, False, "text/plain", "hello", True]
        method, target, headers, body = upstream.requests[0]
        assert (method, target, body) == ("GET", "/text?text=hello", b"")
        assert headers == {
            "host": f"127.0.0.1:{upstream.port}",
            "accept": "*/*",
            "accept-encoding": "gzip, deflate, br, zstd",
            "user-agent": f"nano-trio/{__version__}",
        }


@pytest.mark.parametrize(
    ("init", "method", "body", "headers"),
    [
        ("{ method: 'post', body: 'text' }", "POST", "text", {"content-length": "4", "content-type": "text/plain;charset=UTF-8"}),
        ("{ method: 'PUT', body: new Uint8Array([104, 105]) }", "PUT", "hi", {"content-length": "2"}),
        ("{ method: 'POST', body: new URLSearchParams({ a: 'b c' }) }", "POST", "a=b+c", {"content-length": "5"}),
        ("{ method: 'POST', body: new Blob(['blob'], { type: 'x/y' }) }", "POST", "blob", {"content-length": "4", "content-type": "x/y"}),
        ("{ method: 'POST' }", "POST", "", {"content-length": "0"}),
        ("{ method: 'DELETE' }", "DELETE", "", {}),
        ("{ method: 'PATCH', body: '' }", "PATCH", "", {"content-length": "0"}),
        ("{ method: 'custom', body: 'x' }", "custom", "x", {"content-length": "1"}),
        (
            "{ method: 'POST', duplex: 'half', body: new Blob(['stre', 'am']).stream() }",
            "POST",
            "stream",
            {"transfer-encoding": "chunked"},
        ),
        (
            "{ method: 'POST', duplex: 'half', body: new Blob(['pulled']).stream().pipeThrough(new TransformStream()) }",
            "POST",
            "pulled",
            {"transfer-encoding": "chunked"},
        ),
        ("{ headers: { 'X-A': 'b', Accept: 'text/html', 'User-Agent': 'mine', 'Accept-Encoding': 'br' } }", "GET", "", {"x-a": "b", "accept": "text/html", "user-agent": "mine", "accept-encoding": "br"}),
        ("{ headers: { Range: 'bytes=0-1' } }", "GET", "", {"range": "bytes=0-1", "accept-encoding": "identity"}),
        ("{ headers: [['x', 'é'], ['x', '2']] }", "GET", "", {"x": "2"}),
        ("{ cache: 'no-store' }", "GET", "", {"cache-control": "no-cache", "pragma": "no-cache"}),
        ("{ cache: 'no-cache' }", "GET", "", {"cache-control": "max-age=0"}),
    ],
)  # fmt: skip
async def test_what_is_sent(init: str, method: str, body: str, headers: dict[str, str]) -> None:
    async with running() as upstream, fetching() as js:
        seen = await js.run(f"return (await fetch(url, {init})).json()", url=f"{upstream.url}/echo")
        assert (seen["method"], seen["body"]) == (method, body)
        assert headers.items() <= seen["headers"].items()
        assert ("transfer-encoding" in seen["headers"]) == ("transfer-encoding" in headers)


async def test_a_form_with_a_file() -> None:
    async with running() as upstream, fetching() as js:
        seen = await js.run(
            """
            const form = new FormData();
            form.append("field", "value");
            form.append("file", new File(["content"], "name.txt"));
            return (await fetch(url, { method: "POST", body: form })).json();
            """,
            url=f"{upstream.url}/echo",
        )
        assert seen["headers"]["content-type"].startswith("multipart/form-data; boundary=")
        assert 'name="file"; filename="name.txt"' in seen["body"]
        assert int(seen["headers"]["content-length"]) == len(seen["body"])


async def test_framing_and_connection_headers_are_ours() -> None:
    async with running() as upstream, fetching() as js:
        seen = await js.run(
            """
            const headers = { Host: "evil.example", "Content-Length": "3", "Transfer-Encoding": "chunked", TE: "trailers",
              Connection: "close, x-secret", "Keep-Alive": "1", Upgrade: "websocket", Trailer: "x", Expect: "100-continue",
              "Proxy-Connection": "keep-alive", "X-Kept": "yes" };
            return (await fetch(url, { method: "POST", body: "longer than three", headers })).json();
            """,
            url=f"{upstream.url}/echo",
        )
        assert seen["body"] == "longer than three"
        assert seen["headers"]["host"] == f"127.0.0.1:{upstream.port}"
        assert seen["headers"]["content-length"] == "17"
        assert seen["headers"]["x-kept"] == "yes"
        gone = {
            "transfer-encoding",
            "connection",
            "keep-alive",
            "upgrade",
            "trailer",
            "expect",
            "te",
            "proxy-connection",
        }
        assert not gone & seen["headers"].keys()


async def test_a_request_object_and_its_body() -> None:
    async with running() as upstream, fetching() as js:
        seen = await js.run(
            """
            const request = new Request(url, { method: "POST", body: "once", headers: { "x-a": "b" } });
            const seen = await (await fetch(request)).json();
            let again;
            try { await fetch(request); } catch (error) { again = error.name; }
            const init = await (await fetch(new Request(url, { headers: { a: "b" } }), { method: "PUT", body: "i" })).json();
            return [seen.body, seen.headers["x-a"], request.bodyUsed, again, init.method, init.body, init.headers.a];
            """,
            url=f"{upstream.url}/echo",
        )
        assert seen == ["once", "b", True, "TypeError", "PUT", "i", "b"]


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        ("fetch()", "TypeError", "1 argument required"),
        ("fetch('no url')", "TypeError", "Failed to parse URL from no url"),
        ("fetch('http://user:secret@localhost/')", "TypeError", "credentials"),
        ("fetch(url, { method: 'GET', body: 'x' })", "TypeError", "GET or HEAD"),
        ("fetch(url, { method: 'CONNECT' })", "TypeError", "unsupported"),
        ("fetch(url, { method: 'a b' })", "TypeError", "not a valid HTTP method"),
        ("fetch(url, { headers: { 'a b': 'c' } })", "TypeError", "not a valid header name"),
        ("fetch(url, { headers: { a: 'b\\nc' } })", "TypeError", "line feed"),
        ("fetch(url, { headers: { a: '\\u0100' } })", "TypeError", ""),
        ("fetch(url, { method: 'POST', body: new ReadableStream() })", "TypeError", "duplex"),
        ("fetch(url, { redirect: 'sometimes' })", "TypeError", "RequestRedirect"),
        ("fetch(url, { signal: {} })", "TypeError", "AbortSignal"),
        ("fetch('ftp://localhost/')", "TypeError", "scheme"),
        ("fetch('file:///etc/passwd')", "TypeError", "scheme"),
        ("fetch('about:blank')", "TypeError", "scheme"),
        ("fetch(url, { cache: 'only-if-cached', mode: 'same-origin' })", "TypeError", "cache"),
    ],
)
async def test_what_cannot_be_fetched_rejects_and_sends_nothing(code: str, name: str, message: str) -> None:
    async with running() as upstream, fetching() as js:
        failure = await js.failure(
            f"const promise = {code}; if (!(promise instanceof Promise)) return 1; await promise;", url=upstream.url
        )
        assert failure[0] == name
        assert message in failure[1]
        assert upstream.requests == []


async def test_the_shape_of_the_function() -> None:
    async with fetching() as js:
        assert await js.run(
            """
            fetch;
            const { value, writable, configurable } = Object.getOwnPropertyDescriptor(globalThis, "fetch");
            let constructs = true;
            try { new fetch("data:,"); } catch { constructs = false; }
            return [typeof value, value.name, value.length, writable, configurable, constructs, "prototype" in fetch];
            """
        ) == ["function", "fetch", 1, True, True, False, False]


async def test_headers_of_a_response_are_read_only_and_complete() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const response = await fetch(url + "/status?code=200");
            let refused;
            try { response.headers.set("a", "b"); } catch (error) { refused = error.name; }
            const echo = await fetch(url + "/echo");
            await echo.text();
            return [response.headers.getSetCookie(), refused, echo.headers.get("x-two")];
            """,
            url=upstream.url,
        )
        assert result == [["a=1", "b=2"], "TypeError", "1, 2"]


@pytest.mark.parametrize("code", [204, 304])
async def test_a_status_without_a_body(code: int) -> None:
    async with running() as upstream, fetching() as js:
        for _ in range(2):
            result = await js.run(
                f"const r = await fetch(url + '/status?code={code}'); return [r.status, r.body, await r.text()]",
                url=upstream.url,
            )
            assert result == [code, None, ""]
        assert upstream.connections == 1


async def test_a_head_request() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            "const r = await fetch(url, { method: 'HEAD' }); return [r.status, r.body, await r.text()]",
            url=f"{upstream.url}/echo",
        )
        assert result == [200, None, ""]


async def test_bodies_by_every_reader() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const get = () => fetch(url + "/text?text=[1]");
            const chunks = [];
            for await (const chunk of (await get()).body) chunks.push(...chunk);
            return [await (await get()).json(), (await (await get()).arrayBuffer()).byteLength, await (await get()).text(),
              [...await (await get()).bytes()], (await (await get()).blob()).type, chunks,
              await (await get()).clone().text()];
            """,
            url=upstream.url,
        )
        assert result == [[1], 3, "[1]", [91, 49, 93], "text/plain", [91, 49, 93], "[1]"]


async def test_a_clone_and_its_original_both_read() -> None:
    async with running() as upstream, fetching() as js:
        text = (
            "const r = await fetch(url); const c = r.clone(); return [await r.text(), await c.text(), c.url === r.url]"
        )
        assert await js.run(text, url=f"{upstream.url}/text") == ["text", "text", True]


async def test_connections_are_used_again() -> None:
    async with running() as upstream, fetching() as js:
        await js.run("for (let i = 0; i < 20; i++) await (await fetch(url)).text()", url=f"{upstream.url}/text")
        assert upstream.connections == 1
        await js.run(
            "await Promise.all(Array.from({ length: 20 }, async () => (await fetch(url)).text()))",
            url=f"{upstream.url}/text",
        )
        assert 2 <= upstream.connections <= 20
        assert js.open_fetches == 0


async def test_a_kept_connection_that_the_server_closed_is_not_noticed() -> None:
    async with running() as upstream, fetching() as js:
        for _ in range(3):
            result = await js.run("return (await fetch(url + '/until-close')).text()", url=upstream.url)
            assert result == "read me until I close"
        await js.run("await (await fetch(url + '/text')).text()", url=upstream.url)
        assert upstream.open == 1


# -- redirects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "GET", "GET", ""),
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (303, "HEAD", "HEAD", ""),
        (301, "PUT", "PUT", "body"),
        (302, "PUT", "PUT", "body"),
        (307, "POST", "POST", "body"),
        (308, "PUT", "PUT", "body"),
    ],
)
async def test_a_redirect_rewrites_what_it_must(status: int, method: str, then: str, body: str) -> None:
    async with running() as upstream, fetching() as js:
        sent = (
            "" if method in ("GET", "HEAD") else ", body: 'body', headers: { 'content-language': 'en', 'x-kept': '1' }"
        )
        result = await js.run(
            f"const r = await fetch(url, {{ method: '{method}'{sent} }}); return [r.redirected, r.url, r.status];",
            url=f"{upstream.url}/redirect?status={status}&to=/echo",
        )
        assert result == [True, f"{upstream.url}/echo", 200]
        seen = upstream.requests[1]
        assert (seen[0], seen[3].decode()) == (then, body)
        if sent:
            assert seen[2]["x-kept"] == "1"
            assert ("content-type" in seen[2]) == ("content-language" in seen[2]) == bool(body)
        assert upstream.connections == 1


async def test_redirect_modes() -> None:
    async with running() as upstream, fetching() as js:
        url = f"{upstream.url}/redirect?to=/text"
        result = await js.run(
            """
            const r = await fetch(url, { redirect: "manual" });
            return [r.status, r.headers.get("location"), r.redirected, await r.text()];
            """,
            url=url,
        )
        assert result == [302, "/text", False, "moved"]
        assert (await js.failure("await fetch(url, { redirect: 'error' })", url=url))[2] == "ERR_REDIRECT"
        assert await js.run("return (await fetch(url)).status", url=f"{upstream.url}/no-location") == 302


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("ftp://example.com/", "ERR_INVALID_REDIRECT"),
        ("data:,hello", "ERR_INVALID_REDIRECT"),
        ("http://[", "ERR_INVALID_REDIRECT"),
        ("http://user:secret@127.0.0.1/", "ERR_INVALID_REDIRECT"),
        ("/loop", "ERR_TOO_MANY_REDIRECTS"),
    ],
)
async def test_redirects_that_fail(to: str, code: str) -> None:
    async with running() as upstream, fetching() as js:
        name, _, found = await js.failure("await fetch(url)", url=f"{upstream.url}/redirect?to={to}")
        assert (name, found) == ("TypeError", code)
        assert len(upstream.requests) <= 22


async def test_a_streamed_body_cannot_be_sent_again() -> None:
    async with running() as upstream, fetching() as js:
        code = "await fetch(url, { method: 'POST', duplex: 'half', body: new Response('x').body.pipeThrough(new TransformStream()) })"
        url = f"{upstream.url}/redirect?to=/echo&status="
        assert (await js.failure(code, url=f"{url}307"))[2] == "ERR_REDIRECT"
        await js.run(code, url=f"{url}303")


async def test_credentials_do_not_follow_to_another_origin() -> None:
    async with running() as first, running() as second, fetching() as js:
        headers = "{ Authorization: 'a', Cookie: 'b', 'Proxy-Authorization': 'c', 'X-D': 'd' }"
        await js.run(f"await fetch(url, {{ headers: {headers} }})", url=f"{first.url}/redirect?to={second.url}/text")
        assert second.requests[0][2]["x-d"] == "d"
        assert not {"authorization", "cookie", "proxy-authorization"} & second.requests[0][2].keys()
        await js.run(f"await fetch(url, {{ headers: {headers} }})", url=f"{first.url}/redirect?to=/text")
        assert first.requests[-1][2]["authorization"] == "a"


async def test_fragments_follow_redirects_out_of_sight() -> None:
    async with running() as upstream, fetching() as js:
        url = f"{upstream.url}/redirect?to=/text"
        assert await js.run("return (await fetch(url + '#a')).url", url=url) == f"{upstream.url}/text"
        assert upstream.requests[1][1] == "/text"


async def test_patched_builtins_change_nothing() -> None:
    async with running() as upstream, fetching(OPEN) as js:
        result = await js.run(
            """
            for (const name of ["get", "set", "has", "delete"]) Map.prototype[name] = () => { throw 1; };
            Array.prototype.join = Array.prototype.push = Array.prototype.slice = () => { throw 2; };
            String.prototype.split = String.prototype.slice = String.prototype.indexOf = () => { throw 3; };
            WeakRef.prototype.deref = FinalizationRegistry.prototype.register = () => { throw 4; };
            Array.prototype[Symbol.iterator] = () => { throw 5; };
            const then = Promise.prototype.then;
            const response = await fetch(url, { method: "POST", body: "x", signal: new AbortController().signal });
            return [response.status, (await response.text()).length > 10];
            """,
            url=f"{upstream.url}/echo",
        )
        assert result == [200, True]
