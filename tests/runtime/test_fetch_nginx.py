"""fetch() against nginx: a server that nobody here wrote (Debian's package; `.ci/run` installs it)."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.ports import free_port

from .fetching import fetching

CONFIGURATION = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; default_type text/plain; gzip on; gzip_types text/plain; gzip_min_length 100; keepalive_requests 5;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi; client_max_body_size 1m;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files;
    location /moved {{ return 301 /hello.txt; }}
    location /circle {{ return 302 /circle; }}
    location /closed {{ return 444; }}
    location /slow {{ limit_rate 1k; gzip off; }}
    location /bytes.bin {{ gzip off; }}
  }}
}}
"""


@pytest.fixture
async def nginx(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a running nginx with some files."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    assert program is not None, "nginx is needed: apt install nginx-light"
    files = tmp_path / "files"
    files.mkdir()
    (files / "hello.txt").write_text("hello")
    (files / "long.txt").write_text("a line of text\n" * 20_000)
    (files / "bytes.bin").write_bytes(bytes(range(256)) * 4096)
    (files / "slow").write_text("x" * 100_000)
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=port))
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            trio.run_process,
            [program, "-e", str(tmp_path / "error.log"), "-c", str(configuration), "-p", str(tmp_path)],
        )
        with trio.fail_after(10):
            while True:
                with contextlib.suppress(OSError):
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                await trio.lowlevel.checkpoint()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


async def test_files_whole_compressed_and_in_part(nginx: str) -> None:
    async with fetching() as js:
        assert await js.run("return await (await fetch(url + '/hello.txt')).text();", url=nginx) == "hello"
        long = await js.run(
            "const r = await fetch(url + '/long.txt'); return [r.headers.get('content-encoding'), (await r.text()).length];",
            url=nginx,
        )
        assert long == ["gzip", 300_000]
        sums = await js.run(
            """
            const whole = new Uint8Array(await (await fetch(url + "/bytes.bin")).arrayBuffer());
            const part = await fetch(url + "/bytes.bin", { headers: { range: "bytes=256-511" } });
            return [whole.length, whole.every((byte, i) => byte === i % 256), part.status, (await part.bytes())[255]];
            """,
            url=nginx,
        )
        assert sums == [1 << 20, True, 206, 255]


async def test_statuses_redirects_and_conditions(nginx: str) -> None:
    async with fetching() as js:
        result = await js.run(
            """
            const moved = await fetch(url + "/moved");
            const etag = moved.headers.get("etag");
            const again = await fetch(url + "/hello.txt", { headers: { "if-none-match": etag } });
            const missing = await fetch(url + "/nope");
            const head = await fetch(url + "/bytes.bin", { method: "HEAD" });
            await missing.text();
            return [await moved.text(), moved.redirected, moved.url, again.status, missing.status, head.headers.get("content-length")];
            """,
            url=nginx,
        )
        assert result == ["hello", True, f"{nginx}/hello.txt", 304, 404, str(1 << 20)]


async def test_connections_are_kept_and_closed_ones_replaced(nginx: str) -> None:
    """nginx closes each connection after five requests: no fetch may fail for it."""
    async with fetching() as js:
        count = await js.run(
            """
            let good = 0;
            for (let i = 0; i < 23; i++) good += (await (await fetch(url + "/hello.txt")).text()) === "hello";
            const many = await Promise.all(Array.from({ length: 40 }, () => fetch(url + "/hello.txt").then((r) => r.text())));
            return good + many.filter((text) => text === "hello").length;
            """,
            url=nginx,
        )
        assert count == 63


async def test_its_refusals_are_clear(nginx: str) -> None:
    async with fetching() as js:
        codes = await js.run(
            """
            const code = (path, init) => fetch(url + path, init).then((r) => r.status, (error) => error.cause.code);
            const large = { method: "POST", body: "x".repeat(2_000_000) };
            return [await code("/closed"), await code("/circle"), await code("/hello.txt", large)];
            """,
            url=nginx,
        )
        assert codes[:2] == ["ECONNRESET", "ERR_TOO_MANY_REDIRECTS"]
        assert codes[2] == 413


async def test_a_slow_body_is_given_up_at_once(nginx: str) -> None:
    async with fetching() as js:
        with trio.fail_after(5):
            name = await js.run(
                """
                const abort = new AbortController();
                const response = await fetch(url + "/slow", { signal: abort.signal });
                const reader = response.body.getReader();
                await reader.read();
                setTimeout(() => abort.abort(), 10);
                return await reader.read().then(() => reader.read()).catch((error) => error.name);
                """,
                url=nginx,
            )
        assert name == "AbortError"
        assert js.open_fetches == 0
