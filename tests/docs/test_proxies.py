"""The configurations of proxies that the deployment page shows carry requests and WebSockets over TLS, as they stand there."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.cli.conftest import Running
from tests.ports import free_port
from tests.web.secure import for_two_threads

from .pages import blocks_of

HOST = "shop.example.com"
APP = """
export default {
  fetch(request, env, ctx) {
    return ctx.upgrade(request, { data: { url: request.url, address: ctx.remoteAddress } });
  },
  websocket: {
    message(ws, text) { ws.send(`${text} ${ws.data.url} ${ws.data.address}`); },
  },
};
"""
_PATIENCE_S = 30.0


def block(language: str) -> str:
    (found,) = [found for found in blocks_of("guides/deployment.md") if found.block.language == language]
    return found.block.text


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[int]:
    """The port of a server with the page's configuration for what stands behind a proxy."""
    texts = [found.block.text for found in blocks_of("guides/deployment.md") if found.block.language == "toml"]
    (configuration,) = [text for text in texts if "trusted_proxies" in text]
    (tmp_path / "nano.toml").write_text(configuration)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "index.js").write_text(APP)
    running = Running(tmp_path, ["serve", "--port", "0"], {})
    try:
        yield running.port()
    finally:
        running.process.terminate()
        assert running.end().code == 0


@contextlib.contextmanager
def proxy(command: Sequence[str | Path], folder: Path) -> Iterator[None]:
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env={"HOME": str(folder)}, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE_S)


def talk(port: int, authority: Path, folder: Path) -> str:
    """What the app says to a client that comes over the proxy; waits until that is ready."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            trust = for_two_threads(ssl.create_default_context(cafile=authority))
            with connect(
                f"wss://{HOST}:{port}/chat", ssl=trust, sock=socket.create_connection(("127.0.0.1", port))
            ) as ws:
                ws.send("hello")
                return str(ws.recv(_PATIENCE_S))
        except (OSError, ConnectionClosedError):
            # Neither listens at once, and Caddy makes its certificates first.
            assert time.monotonic() < end, (folder / "proxy.log").read_text()
            time.sleep(0.05)


def test_wss_through_nginx(upstream: int, tmp_path: Path) -> None:
    port = free_port()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert(HOST)
    certificate.private_key_pem.write_to_path(tmp_path / "shop-key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "shop.pem")
    text = block("nginx").replace("127.0.0.1:3000", f"127.0.0.1:{upstream}").replace("/etc/ssl/", f"{tmp_path}/")
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    # Where Debian's build writes, only root may.
    stores = [f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
    text = text.replace("http {\n", f"http {{\naccess_log off; {' '.join(stores)}\n")
    (tmp_path / "nginx.conf").write_text(f"daemon off;\npid {tmp_path}/nginx.pid;\n{text}")
    command = [
        shutil.which("nginx") or "/usr/sbin/nginx",
        "-e",
        "stderr",
        "-p",
        tmp_path,
        "-c",
        tmp_path / "nginx.conf",
    ]
    with proxy(command, tmp_path):
        assert talk(port, tmp_path / "ca.pem", tmp_path) == f"hello https://{HOST}:{port}/chat 127.0.0.1"


def test_wss_through_caddy(upstream: int, tmp_path: Path) -> None:
    port = free_port()
    ports = f"http_port {free_port()}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1"
    options = (
        f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tstorage file_system {tmp_path}/caddy\n\t{ports}\n}}\n"
    )
    text = block("caddyfile").replace("127.0.0.1:3000", f"127.0.0.1:{upstream}")
    (tmp_path / "Caddyfile").write_text(options + text)
    authority = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    command = [shutil.which("caddy") or "/usr/bin/caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with proxy(command, tmp_path):
        assert talk(port, authority, tmp_path) == f"hello https://{HOST}:{port}/chat 127.0.0.1"
