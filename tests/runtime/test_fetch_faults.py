"""fetch() against servers that misbehave: a clear error within its deadline, and nothing left behind."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
import trustme

from nano_trio.runtime import fetch_client, fetch_pool, net_connect
from nano_trio.runtime.net_connect import Network
from nano_trio.runtime.net_policy import NetPolicy

from .fetching import OPEN, fetching
from .upstream import running

# What one request makes of each fault: the code of the error's cause.
FAULTS = [
    ("close-early", "ECONNRESET"),
    ("reset", "ECONNRESET"),
    ("half-head", "ERR_PROTOCOL"),
    ("short", "ERR_INCOMPLETE_BODY"),
    ("large-short", "ERR_INCOMPLETE_BODY"),
    ("cut-chunk", "ERR_INCOMPLETE_BODY"),
    ("bad-chunk", "ERR_PROTOCOL"),
    ("bad-status", "ERR_PROTOCOL"),
    ("not-http", "ERR_PROTOCOL"),
    ("bad-length", "ERR_PROTOCOL"),
    ("two-lengths", "ERR_PROTOCOL"),
    ("switch", "ERR_PROTOCOL"),
    ("interim-flood", "ERR_PROTOCOL"),
    ("huge-headers", "ERR_HEADERS_TOO_LARGE"),
    ("loop", "ERR_TOO_MANY_REDIRECTS"),
    ("never", "ETIMEDOUT"),
    ("head-only", "ETIMEDOUT"),
    ("some", "ETIMEDOUT"),
    ("drip", "ETIMEDOUT"),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
async def test_faults(fault: str, code: str) -> None:
    async with running() as upstream, fetching() as js:
        if code == "ETIMEDOUT":
            js.wait_for_responses(0.4)
        with trio.fail_after(3):
            failure = await js.failure("return await (await fetch(url)).text()", url=f"{upstream.url}/{fault}")
        assert (failure[0], failure[2]) == ("TypeError", code)
        assert failure[1].startswith("fetch failed: ")
        assert js.open_fetches == 0
        if fault != "loop":  # those responses were sound
            await upstream.settled()
            assert js.connections == 0
        # The app goes on.
        js.wait_for_responses(OPEN.timeout_s)
        assert await js.run("return (await fetch(url)).status", url=f"{upstream.url}/text") == 200


async def test_a_server_that_sends_without_end() -> None:
    async with running() as upstream, fetching() as js:
        failure = await js.failure("await (await fetch(url)).text()", url=f"{upstream.url}/forever")
        assert failure[0] == "RangeError"
        await upstream.settled()


async def test_a_body_longer_than_it_says_ends_where_it_says() -> None:
    async with running() as upstream, fetching() as js:
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/long") == "exact"
        # What came too much is no response to the next request.
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/text") == "text"


@pytest.mark.parametrize(("path", "body"), [("long-forged", "exact"), ("no-content-forged", "")])
async def test_a_response_that_nobody_asked_for_answers_nothing(path: str, body: str) -> None:
    async with running() as upstream, fetching() as js:
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/{path}") == body
        assert js.connections == 0
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/text") == "text"


async def test_interim_responses_are_passed_over() -> None:
    async with running() as upstream, fetching() as js:
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/interim") == "ok"


async def test_what_breaks_while_it_is_read_errors_the_stream() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const chunks = [], reader = (await fetch(url)).body.getReader();
            try {
              for (;;) chunks.push(new TextDecoder().decode((await reader.read()).value));
            } catch (error) { return [chunks.join(""), error.name, error.cause.code]; }
            """,
            url=f"{upstream.url}/short",
        )
        assert result == ["only this", "TypeError", "ERR_INCOMPLETE_BODY"]
        assert js.open_fetches == 0


async def test_names_and_ports_where_nobody_is() -> None:
    async with fetching(Network(NetPolicy.unrestricted())) as js:
        assert (await js.failure("await fetch('http://name.invalid/')"))[2] in ("ENOTFOUND", "EAI_AGAIN")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            failure = await js.failure(f"await fetch('http://127.0.0.1:{port}/')")
        assert failure[2] == "ECONNREFUSED"
        assert failure[1].endswith(f"connecting to 127.0.0.1:{port}: connection refused")


async def test_connecting_has_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_connect, "CONNECT_TIMEOUT_S", 0.1)

    async def never(host: str, port: int) -> list[str]:
        await trio.sleep_forever()
        return []

    async with fetching(attrs.evolve(OPEN, resolve=never)) as js:
        assert (await js.failure("await fetch('http://slow.example/')"))[2] == "ETIMEDOUT"


async def test_the_next_address_is_tried() -> None:
    async with running() as upstream:

        async def resolve(host: str, port: int) -> list[str]:
            return ["::1", "127.0.0.2", "127.0.0.1"]

        async with fetching(attrs.evolve(OPEN, resolve=resolve)) as js:
            with trio.fail_after(3):
                code = "return (await fetch(url)).text()"
                assert await js.run(code, url=f"http://many.example:{upstream.port}/text") == "text"


# -- aborting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["never", "head-only", "forever", "drip"])
async def test_abort_at_any_moment(path: str) -> None:
    async with running() as upstream, fetching() as js:
        for delay in (0, 1, 30):
            result = await js.run(
                """
                const controller = new AbortController();
                setTimeout(() => controller.abort(), delay);
                try { await (await fetch(url, { signal: controller.signal })).text(); }
                catch (error) { return [error.name, error instanceof DOMException]; }
                """,
                url=f"{upstream.url}/{path}",
                delay=delay,
            )
            # A text beyond the buffer's limit is an error as well.
            assert result in (["AbortError", True], ["RangeError", False])
        await upstream.settled()
        assert js.open_fetches == 0


async def test_the_signals_reason_is_what_rejects() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const caught = [];
            const attempt = async (signal, path = "/never") => {
              try { await (await fetch(url + path, { signal })).text(); } catch (error) { caught.push(error); }
            };
            const mine = new AbortController();
            setTimeout(() => mine.abort("my reason"), 10);
            await attempt(mine.signal);
            await attempt(AbortSignal.abort("before"));
            await attempt(AbortSignal.timeout(20));
            await attempt(AbortSignal.timeout(20), "/head-only");
            await attempt(AbortSignal.any([AbortSignal.timeout(20), mine.signal]));
            return caught.map((error) => typeof error === "string" ? error : error.name);
            """,
            url=upstream.url,
        )
        assert result == ["my reason", "before", "TimeoutError", "TimeoutError", "my reason"]
        assert len(upstream.requests) <= 3
        await upstream.settled()


async def test_aborting_errors_a_body_that_nobody_reads_just_now() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const seen = [];
            for (const read of [(r) => r.text(), (r) => r.body.getReader().closed, (r) => r.body.getReader().read()]) {
              const controller = new AbortController();
              const response = await fetch(url, { signal: controller.signal });
              if (seen.length > 0) response.body;
              controller.abort(new RangeError("enough"));
              try { await read(response); } catch (error) { seen.push(error.name); }
            }
            return seen;
            """,
            url=f"{upstream.url}/some",
        )
        assert result == ["RangeError"] * 3
        await upstream.settled()
        assert js.open_fetches == 0


async def test_a_response_that_is_over_is_not_aborted() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const controller = new AbortController();
            const response = await fetch(url, { signal: controller.signal });
            const text = await response.text();
            controller.abort();
            return text;
            """,
            url=f"{upstream.url}/text",
        )
        assert result == "text"


async def test_a_request_passes_its_signal_on() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            const controller = new AbortController();
            const request = new Request(url, { signal: controller.signal });
            setTimeout(() => controller.abort(), 10);
            try { await fetch(new Request(request)); } catch (error) { return error.name; }
            """,
            url=f"{upstream.url}/never",
        )
        assert result == "AbortError"
        await upstream.settled()


async def test_an_aborted_upload_cancels_its_stream() -> None:
    async with running() as upstream, fetching() as js:
        result = await js.run(
            """
            let reason;
            const body = new ReadableStream({ pull() {}, cancel(why) { reason = why; } });
            const controller = new AbortController();
            setTimeout(() => controller.abort("stop"), 20);
            try { await fetch(url, { method: "POST", body, duplex: "half", signal: controller.signal }); }
            catch (error) { return [error, reason]; }
            """,
            url=f"{upstream.url}/count",
        )
        assert result == ["stop", "stop"]
        await upstream.settled()


# -- what is left lying ------------------------------------------------------------------------------------------------


async def test_a_body_dropped_unread_is_closed_when_it_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_client, "_SWEEP_S", 0.05)
    async with running() as upstream, fetching() as js:
        await js.run("for (let i = 0; i < 10; i++) await fetch(url);", url=f"{upstream.url}/head-only")
        await upstream.settled()
        assert js.open_fetches == 0
        await js.run("globalThis.kept = await fetch(url);", url=f"{upstream.url}/head-only")
        await trio.sleep(0.2)
        assert js.open_fetches == 1


async def test_a_collection_that_comes_late_passes_no_dropped_body_over(mock_clock: trio.testing.MockClock) -> None:
    async with running() as upstream, fetching() as js:
        await js.run("for (let i = 0; i < 10; i++) await fetch(url);", url=f"{upstream.url}/head-only")
        mock_clock.jump(2.5 * fetch_client._SWEEP_S)
        mock_clock.rate = 1
        await upstream.settled()
        assert js.open_fetches == 0


async def test_a_body_left_unread_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_client, "IDLE_BODY_S", 0.1)
    monkeypatch.setattr(fetch_client, "_SWEEP_S", 0.05)
    async with running() as upstream, fetching() as js:
        await js.run("globalThis.kept = await fetch(url)", url=f"{upstream.url}/head-only")
        await upstream.settled()
        assert (await js.failure("await kept.text()"))[2] == "ETIMEDOUT"


async def test_idle_connections_are_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_client, "_SWEEP_S", 0.05)
    async with running() as upstream, fetching() as js:
        await js.run("await (await fetch(url)).text()", url=f"{upstream.url}/text")
        client = js.environment.fetches._client
        assert client is not None
        client.pool.close_expired()
        assert (upstream.open, js.connections) == (1, 1)
        monkeypatch.setattr(fetch_pool, "IDLE_CONNECTION_S", 0.1)
        await upstream.settled()
        assert js.connections == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", ["close-early", "not-http"])
async def test_what_may_have_been_done_is_not_asked_for_again(method: str, fault: str) -> None:
    """A request on a connection that was kept open, and of which nobody knows whether it arrived."""
    async with running() as upstream, fetching() as js:
        await js.run("await (await fetch(url)).text()", url=f"{upstream.url}/text")
        code = "await fetch(url, { method, body: method === 'POST' ? 'order' : undefined })"
        failure = await js.failure(code, url=f"{upstream.url}/{fault}", method=method)
        assert failure[2] == ("ECONNRESET" if fault == "close-early" else "ERR_PROTOCOL")
        asked = len(upstream.requests) - 1
        assert asked == (2 if (method, fault) == ("GET", "close-early") else 1)
        await upstream.settled()


async def test_the_apps_end_closes_everything() -> None:
    async with running() as upstream:
        async with fetching() as js:
            await js.run(
                """
                globalThis.kept = [await fetch(url + "/head-only"), await fetch(url + "/forever")];
                kept[1].body.getReader().read();
                fetch(url + "/never").catch(() => {});
                fetch(url + "/count", { method: "POST", duplex: "half", body: new ReadableStream() }).catch(() => {});
                """,
                url=upstream.url,
            )
            with trio.fail_after(5):
                while upstream.open < 4:
                    await trio.lowlevel.checkpoint()
        await upstream.settled()


async def test_open_fetches_and_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_client, "MOST_FETCHES", 5)
    monkeypatch.setattr(fetch_pool, "MAX_CONNECTIONS", 2)
    async with running() as upstream, fetching() as js:
        codes = await js.run(
            """
            const results = await Promise.allSettled(Array.from({ length: 8 }, async () => (await fetch(url)).text()));
            return results.map((result) => result.value ?? result.reason.cause.code);
            """,
            url=f"{upstream.url}/text",
        )
        assert sorted(codes) == ["ERR_TOO_MANY_FETCHES"] * 3 + ["text"] * 5
        assert upstream.connections <= 2


async def test_a_thousand_fetches_at_once() -> None:
    async with running() as upstream, fetching() as js:
        count = await js.run(
            """
            const texts = await Promise.all(Array.from({ length: 1000 }, async () => (await fetch(url)).text()));
            return texts.filter((text) => text === "text").length;
            """,
            url=f"{upstream.url}/text",
        )
        assert count == 1000
        assert upstream.connections <= fetch_pool.MAX_CONNECTIONS


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    ca = trustme.CA()
    file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(file)
    return ca, file


def server_context(ca: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(*names).configure_cert(context)
    return context


async def test_https_with_an_authority_of_ones_own(authority: tuple[trustme.CA, Path]) -> None:
    ca, file = authority
    network = attrs.evolve(OPEN, extra_ca_certs=(file,))
    async with running(server_context(ca, "localhost", "127.0.0.1")) as upstream, fetching(network) as js:
        for host in ("localhost", "127.0.0.1"):
            url = f"https://{host}:{upstream.port}/text"
            assert await js.run("return (await fetch(url)).text()", url=url) == "text"


async def test_the_environment_names_authorities(
    authority: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ca, file = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with running(server_context(ca, "localhost")) as upstream, fetching() as js:
        assert await js.run("return (await fetch(url)).text()", url=f"{upstream.url}/text") == "text"


async def test_certificates_that_do_not_hold(authority: tuple[trustme.CA, Path]) -> None:
    ca, file = authority
    async with running(server_context(ca, "localhost")) as upstream, fetching() as js:
        failure = await js.failure("await fetch(url)", url=upstream.url)
        assert failure[2] == "ERR_TLS_CERTIFICATE"
        assert "certificate is not valid" in failure[1]
    network = attrs.evolve(OPEN, extra_ca_certs=(file,))
    async with running(server_context(ca, "other.example")) as upstream, fetching(network) as js:
        assert (await js.failure("await fetch(url)", url=upstream.url))[2] == "ERR_TLS_CERTIFICATE"


async def test_a_server_that_speaks_no_tls() -> None:
    async with running() as upstream, fetching() as js:
        url = upstream.url.replace("http:", "https:")
        assert (await js.failure("await fetch(url)", url=url))[2] == "ERR_TLS"
        await upstream.settled()
