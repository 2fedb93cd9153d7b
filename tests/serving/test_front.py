"""What stands before apps, by configuration: trusted proxies, limits, compression, client certificates."""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from cryptography import x509

from nano_trio.runtime.client_certificate import describe
from tests.browser.fixture import Launch, browser, kept_browser
from tests.serving.conftest import Site, SiteMaker

__all__ = ["browser", "kept_browser"]

FACTS = """
let late;
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/late") return Response.json(await late());
    // Its client, which has the response by then, asks for what it tells after that: no time by a clock would be late enough.
    const { promise, resolve } = Promise.withResolvers();
    const told = promise.then(() => new Promise((done) => setTimeout(() => done(ctx.remoteAddress))));
    late = () => { resolve(); return told; };
    ctx.waitUntil(told);
    const headers = {};
    for (const [name, value] of request.headers) if (name.startsWith("x-f") || name === "forwarded") headers[name] = value;
    return Response.json({ url: request.url, address: ctx.remoteAddress, certificate: ctx.clientCertificate, headers });
  },
};
"""


async def asked(site: Site, path: str = "/", **headers: str) -> Any:
    answer = await site.get("app", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return json.loads(answer.text)


async def test_an_app_learns_its_clients_address(serve: SiteMaker) -> None:
    async with serve({"app": FACTS}) as site:
        facts = await asked(site, X_Forwarded_For="9.9.9.9", Forwarded="for=9.9.9.9")
        assert facts == {"url": "http://app/", "address": "127.0.0.1", "certificate": None, "headers": {}}
        assert await asked(site, "/late") is None


async def test_an_app_behind_a_trusted_proxy(serve: SiteMaker) -> None:
    async with serve({"app": FACTS}, trusted_proxies=["loopback"]) as site:
        facts = await asked(
            site, X_Forwarded_For="7.7.7.7, 9.9.9.9", X_Forwarded_Proto="https", X_Forwarded_Host="app:8443"
        )
        assert facts["url"] == "https://app:8443/"
        assert facts["address"] == "9.9.9.9"
        assert facts["headers"] == {
            "x-forwarded-for": "9.9.9.9",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "app:8443",
        }


async def test_an_app_that_another_app_asks_has_no_client_address(serve: SiteMaker) -> None:
    front = {
        "source": "export default { fetch: (request, env) => env.BACK.fetch(request) };",
        "services": {"BACK": "back"},
    }
    async with serve({"app": front, "back": FACTS}) as site:
        assert (await asked(site))["address"] is None


async def test_scripts_cannot_forge_a_context(serve: SiteMaker) -> None:
    app = """
    export default { fetch(request, env, ctx) {
      const get = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(ctx), "remoteAddress").get;
      try { get.call({}); } catch (error) { return new Response(error.name); }
    } };
    """
    async with serve({"app": app}) as site:
        assert (await site.get("app")).text == "TypeError"


def client_files(folder: Path, authority: trustme.CA) -> tuple[Path, Path]:
    leaf = authority.issue_cert("someone@example.com", "client.example", "10.0.0.1", common_name="Some One")
    leaf.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "client.key"))
    return folder / "client.pem", folder / "client.key"


@pytest.mark.parametrize("given", [True, False], ids=["given", "not given"])
async def test_an_app_sees_the_clients_certificate(serve: SiteMaker, tmp_path: Path, given: bool) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "clients.pem"))
    cert, key = client_files(tmp_path, authority)
    tls = {
        "port": 0,
        "certs": str(tmp_path / "certs"),
        "client_auth": "optional",
        "client_ca": str(tmp_path / "clients.pem"),
    }
    curl = shutil.which("curl")
    assert curl is not None, "this test needs curl"
    async with serve({"app": FACTS}, tls=tls) as site:
        port = site.hosting.server.secure_port_of(None)
        command = [curl, "--silent", "--show-error", "--cacert", str(tmp_path / "certs" / "ca.pem")]
        command += ["--resolve", f"app:{port}:127.0.0.1", f"https://app:{port}/"]
        if given:
            command += ["--cert", str(cert), "--key", str(key)]
        done = await trio.run_process(command, capture_stdout=True, stdin=subprocess.DEVNULL)
    told = json.loads(done.stdout)["certificate"]
    if not given:
        assert told is None
        return
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    certificate = x509.load_der_x509_certificate(der)
    assert told["subject"].startswith("CN=Some One")
    assert told["issuer"] == certificate.issuer.rfc4514_string()
    assert told["serialNumber"] == f"{certificate.serial_number:x}"
    assert told["fingerprint"] == hashlib.sha256(der).hexdigest()
    assert sorted(told["subjectAltNames"]) == ["DNS:client.example", "IP:10.0.0.1", "email:someone@example.com"]
    assert ssl.PEM_cert_to_DER_cert(told["pem"]) == der
    assert told["notBefore"].endswith("Z")
    assert told["notAfter"] > told["notBefore"]


def test_bytes_that_are_no_certificate_harm_nobody() -> None:
    told = json.loads(describe(b"rubbish"))
    assert (told["subject"], told["subjectAltNames"]) == (None, [])
    assert told["fingerprint"] == hashlib.sha256(b"rubbish").hexdigest()


async def test_limits_by_configuration(serve: SiteMaker) -> None:
    echo = "export default { fetch: async (request) => new Response((await request.text()).length) };"
    apps = {"app": {"source": echo, "max_body_mb": 0.5}, "other": echo}
    async with serve(apps, http={"max_requests_per_s": 0.001, "max_request_burst": 3}) as site:
        assert (await site.get("app", method="POST", body=bytes(1 << 19))).text == str(1 << 19)
        assert (await site.get("app", method="POST", body=bytes((1 << 19) + 1))).status == 413
        assert (await site.get("other", method="POST", body=bytes(1 << 20))).text == str(1 << 20)
        refused = await site.get("app")
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) > 100


PAGES = """
const text = "all work and no play makes jack a dull boy\\n".repeat(200);
export default {
  fetch(request) {
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "text/html", etag: '"1"' };
    if (pathname === "/text") return new Response(text, { headers });
    if (pathname === "/stream") {
      return new Response(new Response(text.repeat(50)).body.pipeThrough(new TransformStream()), { headers });
    }
    if (pathname === "/events") {
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      const say = (text) => writer.write(new TextEncoder().encode(text));
      say("data: first\\n\\n");
      setTimeout(() => say("data: second\\n\\n"), 200);
      return new Response(readable, { headers: { "content-type": "text/event-stream" } });
    }
    return new Response("<!doctype html><title>x</title>", { headers: { "content-type": "text/html" } });
  },
};
"""


@pytest.mark.parametrize("path", ["/text", "/stream"])
async def test_curl_and_compressed_responses_of_apps(serve: SiteMaker, path: str) -> None:
    async with serve({"app": PAGES}, compression={"encodings": ["zstd", "br", "gzip"]}) as site:
        curl = ["curl", "--silent", "--show-error", "--dump-header", "-", "-H", "Host: app"]
        curl.append(site.url(path))
        plain = await trio.run_process(curl, capture_stdout=True, stdin=subprocess.DEVNULL)
        encoded = await trio.run_process([*curl, "--compressed"], capture_stdout=True, stdin=subprocess.DEVNULL)
    (head, _, body), (encoded_head, _, encoded_body) = (done.stdout.partition(b"\r\n\r\n") for done in (plain, encoded))
    assert body == encoded_body
    assert len(body) == (8600 if path == "/text" else 430_000)
    assert b"vary: accept-encoding" in head
    assert b'etag: "1"' in head
    assert b"content-encoding" not in head
    assert b"content-encoding: zstd" in encoded_head
    assert b'etag: W/"1"' in encoded_head


async def test_compressed_events_reach_chromium_live(serve: SiteMaker, browser: Launch) -> None:
    async with serve({"pages": PAGES}, compression={"encodings": "gzip"}) as site, browser() as chromium:
        page = await chromium.open(f"http://pages:{site.port}/")
        await page.evaluate(
            "window.seen = []; window.source = new EventSource('/events');"
            "source.onmessage = (event) => seen.push(event.data); 0"
        )
        await page.until("seen.length === 2")
        assert await page.evaluate("seen") == ["first", "second"]
        assert await page.evaluate("fetch('/text').then((r) => r.headers.get('content-encoding'))") == "gzip"
        assert await page.evaluate("fetch('/text').then((r) => r.text()).then((t) => t.length)") == 8600
