"""fetch() over HTTP/2, where the server offers it."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
import trustme

from .fetching import OPEN, Fetching, fetching
from .upstream_http2 import Http2Upstream, running_http2


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Fetching, Http2Upstream]]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(context)
    network = attrs.evolve(OPEN, extra_ca_certs=(tmp_path / "ca.pem",))
    async with running_http2(context) as upstream:
        async with fetching(network) as js:
            yield js, upstream
        await upstream.settled()


async def test_a_get_and_a_post(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    result = await js.run(
        """
        const get = await fetch(url + "/text?x", { headers: { Connection: "x", Host: "evil", "X-A": "b" } });
        const post = await fetch(url + "/post", { method: "POST", body: "hello" });
        return [get.status, get.statusText, get.headers.get("x-protocol"), await get.json(), await post.json()];
        """,
        url=upstream.url,
    )
    assert result[:3] == [200, "", "h2"]
    headers = result[3]["headers"]
    assert (headers[":method"], headers[":path"], headers["x-a"]) == ("GET", "/text?x", "b")
    assert headers[":authority"] == f"localhost:{upstream.port}"
    assert not {"connection", "host", "transfer-encoding"} & headers.keys()
    assert (result[4]["body"], result[4]["headers"]["content-length"]) == ("hello", "5")
    assert upstream.connections == 1


async def test_a_large_post(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    result = await js.run(
        """
        const bytes = Uint8Array.from({ length: 1_000_003 }, (_, i) => i % 251);
        const answer = await (await fetch(url + "/mirror", { method: "POST", body: bytes })).bytes();
        const told = await (await fetch(url + "/post", { method: "POST", body: bytes })).json();
        return [answer.length, answer.every((byte, i) => byte === i % 251), told.size, told.headers["content-length"]];
        """,
        url=upstream.url,
    )
    assert result == [1_000_003, True, 1_000_003, "1000003"]


async def test_many_at_once_share_a_connection(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    count = await js.run(
        """
        const answers = await Promise.all(Array.from({ length: 60 }, async () => (await fetch(url)).json()));
        return answers.length;
        """,
        url=f"{upstream.url}/slow",
    )
    assert count == 60
    assert upstream.connections == 1
    assert upstream.most_streams > 5


async def test_large_bodies_both_ways(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    result = await js.run(
        """
        const download = await (await fetch(url + "/big3")).arrayBuffer();
        const upload = await (await fetch(url + "/post", { method: "POST", body: new Uint8Array(2 << 20) })).json();
        const chunks = new Blob([new Uint8Array(3 << 20)]).stream().pipeThrough(new TransformStream());
        const streamed = await (await fetch(url + "/post", { method: "POST", body: chunks, duplex: "half" })).json();
        const mirror = await fetch(url + "/mirror", { method: "POST", body: new Uint8Array(2 << 20) });
        return [download.byteLength, upload.size, streamed.size, (await mirror.arrayBuffer()).byteLength];
        """,
        url=upstream.url,
    )
    assert result == [3 << 20, 2 << 20, 3 << 20, 2 << 20]


async def given_up(upstream: Http2Upstream, count: int) -> None:
    """Wait until the server has been told so of that many streams."""
    with trio.fail_after(30):
        while len(upstream.resets) < count:
            await trio.lowlevel.checkpoint()


async def test_nothing_more_is_sent_than_is_read_and_others_go_on(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    await js.run(
        """
        globalThis.readers = await Promise.all(Array.from({ length: 20 }, async () =>
          (await fetch(url + "/forever")).body.getReader()));
        await readers[0].read();
        """,
        url=upstream.url,
    )
    # Until neither has anything to do: however long the machine does something else, what is on its way is not forgotten.
    await trio.testing.wait_all_tasks_blocked(0.1)
    sent = upstream.sent
    assert 1 << 20 < sent <= 22 << 20
    assert (await js.run("return (await (await fetch(url)).json()).size", url=upstream.url)) == 0
    assert upstream.sent < sent + 1000
    await js.run("await Promise.all(readers.map((reader) => reader.cancel()))")
    await given_up(upstream, 20)
    assert (await js.run("return (await (await fetch(url)).json()).size", url=upstream.url)) == 0
    assert len(upstream.resets) == 20
    assert upstream.connections == 1
    assert js.open_fetches == 0


async def test_an_aborted_request_resets_its_stream_alone(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    await js.run(
        """
        await (await fetch(url)).text();
        globalThis.slow = fetch(url + "/slow");
        globalThis.controller = new AbortController();
        globalThis.never = fetch(url + "/never", { signal: controller.signal }).catch((error) => error.name);
        """,
        url=upstream.url,
    )
    with trio.fail_after(30):
        while upstream.streams < 3:  # or there is nothing to be reset
            await trio.lowlevel.checkpoint()
    result = await js.run("controller.abort(); return [await never, (await slow).status];")
    assert result == ["AbortError", 200]
    await given_up(upstream, 1)
    assert (await js.run("return (await (await fetch(url)).json()).size", url=upstream.url)) == 0
    assert len(upstream.resets) == 1
    assert upstream.connections == 1


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/reset", "ECONNRESET"),
        ("/half", "ECONNRESET"),
        ("/cut", "ECONNRESET"),
        ("/nonsense", "ERR_PROTOCOL"),
        ("/never", "ETIMEDOUT"),
        ("/goaway", "ERR_STREAM_REFUSED"),
    ],
)
async def test_faults(pair: tuple[Fetching, Http2Upstream], path: str, code: str) -> None:
    js, upstream = pair
    if code == "ETIMEDOUT":
        js.wait_for_responses(1)
    failure = await js.failure("await (await fetch(url)).text()", url=f"{upstream.url}{path}")
    assert (failure[0], failure[2]) == ("TypeError", code)
    assert js.open_fetches == 0
    js.wait_for_responses(OPEN.timeout_s)
    assert (await js.run("return (await fetch(url)).status", url=upstream.url)) == 200


async def test_the_answer_may_come_before_the_request_is_sent(pair: tuple[Fetching, Http2Upstream]) -> None:
    js, upstream = pair
    result = await js.run(
        """
        const response = await fetch(url, { method: "POST", body: new Uint8Array(20 << 20) });
        return [response.status, await response.text()];
        """,
        url=f"{upstream.url}/refuse",
    )
    assert result == [413, "too big"]
    assert (await js.run("return (await fetch(url)).status", url=upstream.url)) == 200


async def test_a_server_is_not_forgotten_while_it_is_connected_to(tmp_path: Path) -> None:
    """Of a thousand servers a pool knows whether they speak HTTP/2; who then forgot this one lost its connection."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("late.example").configure_cert(context)
    asked, others_came = trio.Event(), trio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        asked.set()
        await others_came.wait()
        return ["127.0.0.1"]

    network = attrs.evolve(OPEN, extra_ca_certs=(tmp_path / "ca.pem",), resolve=resolve)
    async with running_http2(context) as upstream, fetching(network) as js:
        url = f"https://late.example:{upstream.port}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(functools.partial(js.run, "globalThis.late = await fetch(url)", url=f"{url}/text"))
            await asked.wait()
            failed = await js.run(
                """
                const outcomes = [];
                for (let third = 0; third < 5; third++) {
                  const urls = Array.from({ length: 201 }, (_, fourth) => `http://127.0.${third + 1}.${fourth}:${port}/`);
                  outcomes.push(...await Promise.allSettled(urls.map((url) => fetch(url))));
                }
                return outcomes.filter((outcome) => outcome.status === "rejected").length;
                """,
                port=upstream.port,
            )
            assert failed == 1005
            others_came.set()
        again = "await late.text(); return (await (await fetch(url)).json()).headers[':path']"
        assert await js.run(again, url=f"{url}/again") == "/again"
        assert upstream.connections == 1
        await js.failure("await fetch(url)", url=f"{url}/cut")
        assert await js.run("return (await fetch(url)).status", url=f"{url}/text") == 200
