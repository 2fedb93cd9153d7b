"""``nano-trio certs`` and ``nano-trio serve --tls``, with the clients that people have."""

from __future__ import annotations

import json
import re
import shutil
import signal
import ssl
import subprocess
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import psutil
import pytest
import trustme

from tests.readme.document import REPOSITORY

from .conftest import Nano, Running, Start, get


def secure_port(running: Running) -> int:
    return int(running.wait_for(" listening on https://").rpartition(":")[2])


def get_secure(port: int, ca: Path, host: str = "localhost") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.connect()
        context = ssl.create_default_context(cafile=str(ca))
        connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        connection.request("GET", "/", headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_certs_says_what_it_made_and_how_to_trust_it(nano: Nano, tmp_path: Path) -> None:
    result = nano("certs", "shop.localhost", "*.shop.localhost", "::5")
    assert (result.code, result.err) == (0, "")
    first, second, *rest = result.out.splitlines()
    assert first == f"made in {tmp_path}/certs: localhost, shop.localhost, *.shop.localhost"
    assert second == f"made the authority: {tmp_path}/certs/ca.pem"
    text = "\n".join(rest)
    for name in ("Debian, Ubuntu", "Fedora", "macOS", "Windows", "Chromium", "Firefox", "curl"):
        assert name in text
    before = {file.name: file.read_bytes() for file in (tmp_path / "certs").iterdir()}
    again = nano("certs", "shop.localhost")
    assert again.out.splitlines()[:2] == [
        f"kept in {tmp_path}/certs: localhost, shop.localhost",
        f"kept the authority: {tmp_path}/certs/ca.pem",
    ]
    assert {file.name: file.read_bytes() for file in (tmp_path / "certs").iterdir()} == before
    assert "made in" in nano("certs", "--force").out


def test_certs_for_a_configuration(nano: Nano, app: Path, tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("own.example")
    (tmp_path / "own.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "own.key").write_bytes(leaf.private_key_pem.bytes())
    own = {"name": "own", "path": "app", "tls": {"cert": "own.pem", "key": "own.key"}}
    apps = [{"name": "one", "path": "app", "hostname": ["one.localhost", "*.one.localhost"]}, own]
    (tmp_path / "nano.json").write_text(json.dumps({"apps": apps, "tls": {"certs": "keys"}}))
    result = nano("certs", "--config", "nano.json", "extra.localhost")
    assert f"made in {tmp_path}/keys: localhost, extra.localhost, one.localhost, *.one.localhost\n" in result.out
    assert "made in" in nano("certs", "--config", "nano.json", "--dir", "elsewhere").out
    assert (tmp_path / "elsewhere" / "one.localhost.cert.pem").is_file()


def test_what_goes_wrong(nano: Nano, tmp_path: Path) -> None:
    result = nano("certs", "not a host")
    assert result.code == 2
    assert 'Error: HOST: expected a hostname such as "example.com"' in result.err
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "localhost.key.pem").write_text("mine")
    result = nano("certs")
    assert result.code == 1
    assert "localhost.key.pem was not made by nano-trio and is not overwritten; move it away" in result.err
    (tmp_path / "app.js").write_text("export default () => new Response('x')")
    result = nano("serve", "--app", "app.js", "--port", "0", "--tls", "--tls-port", "0")
    assert result.code == 1
    assert "localhost.key.pem was not made by nano-trio" in result.err


def test_serve_tls_makes_what_is_missing(start: Start, nano: Nano, app: Path, tmp_path: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--tls-port", "0", "--tls")
    port = running.port()
    secure = secure_port(running)
    ca = tmp_path / "certs" / "ca.pem"
    assert get(port) == (200, "hello")
    assert get_secure(secure, ca) == (200, "hello")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert f"local certificates: {tmp_path}/certs" in result.out
    made = ca.read_bytes()
    running = start("serve", "--app", "app", "--port", "0", "--tls-port", "0")
    running.port()
    assert get_secure(secure_port(running), ca) == (200, "hello")
    assert ca.read_bytes() == made


def test_the_default_port(nano: Nano, app: Path, tmp_path: Path) -> None:
    (tmp_path / "nano.json").write_text(json.dumps({"port": 3443, "apps": [{"name": "one", "path": "app"}]}))
    result = nano("serve", "--config", "nano.json", "--tls")
    assert result.code == 1
    assert "port 3443 serves HTTP already" in result.err


def test_own_certificates_and_local_ones_by_name(start: Start, app: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    leaf = authority.issue_cert("own.localhost")
    (tmp_path / "own.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "own.key").write_bytes(leaf.private_key_pem.bytes())
    (tmp_path / "own-ca.pem").write_bytes(authority.cert_pem.bytes())
    own = {"name": "own", "hostname": "own.localhost", "path": "app", "tls": {"cert": "own.pem", "key": "own.key"}}
    apps = [{"name": "one", "path": "app", "hostname": "one.localhost"}, own]
    (tmp_path / "nano.json").write_text(
        json.dumps({"port": 0, "apps": apps, "tls": {"port": 0, "certs": "c", "redirect": True}})
    )
    running = start("serve", "--config", "nano.json")
    port = running.port()
    secure = secure_port(running)
    assert running.wait_for("  own: ").split() == [
        "own:",
        f"http://own.localhost:{port},",
        f"https://own.localhost:{secure}",
    ]
    assert get_secure(secure, tmp_path / "own-ca.pem", "own.localhost") == (200, "hello")
    assert get_secure(secure, tmp_path / "c" / "ca.pem", "one.localhost") == (200, "hello")
    assert get(port, host="own.localhost") == (308, f"https://own.localhost:{secure}/\n")
    assert not (tmp_path / "c" / "own.localhost.cert.pem").exists()


def test_apps_that_all_have_their_own_need_no_authority(start: Start, app: Path, tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("own.localhost")
    (tmp_path / "own.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
    (tmp_path / "own.key").write_bytes(leaf.private_key_pem.bytes())
    own = {"name": "own", "path": "app", "tls": {"cert": "own.pem", "key": "own.key"}}
    (tmp_path / "nano.json").write_text(json.dumps({"port": 0, "apps": [own], "tls": {"port": 0}}))
    running = start("serve", "--config", "nano.json")
    running.port()
    secure_port(running)
    assert not (tmp_path / "certs").exists()


# ---- clients that others wrote ----


def run(*command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, capture_output=True, timeout=30, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def served(start: Start, app: Path) -> tuple[int, int]:
    running = start("serve", "--app", "app", "--port", "0", "--tls-port", "0", "--tls")
    return running.port(), secure_port(running)


def test_curl(served: tuple[int, int], tmp_path: Path) -> None:
    port, secure = served
    ca = str(tmp_path / "certs" / "ca.pem")
    url = f"https://localhost:{secure}/"
    done = run(
        "curl", "-sS", "--cacert", ca, url, url, url, "-w", "%{num_connects}%{ssl_verify_result}%{http_version};"
    )
    assert done.stdout == b"hello102;hello002;hello002;"
    for version, code in (("1.1", 35), ("1.2", 0), ("1.3", 0)):
        maximum = run(
            "curl", "-sS", "--cacert", ca, "--tls-max", version, "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0", url
        )
        assert maximum.returncode == code, maximum.stderr
    assert run("curl", "-sS", "--cacert", ca, f"https://127.0.0.1:{secure}/").stdout == b"hello"
    assert run("curl", "-sS", "--cacert", ca, f"https://localhost:{port}/").returncode == 35
    assert b"This port speaks HTTPS" in run("curl", "-sS", f"http://localhost:{secure}/").stdout
    body = tmp_path / "body"
    body.write_bytes(bytes(5_000_000))
    sent = run("curl", "-sS", "--cacert", ca, "--data-binary", f"@{body}", "-o", "/dev/null", "-w", "%{http_code}", url)
    assert sent.stdout == b"200"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client(served: tuple[int, int], tmp_path: Path, version: str) -> None:
    _, secure = served
    client = subprocess.Popen(
        [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{secure}", "-servername", "localhost", version),
            *("-CAfile", str(tmp_path / "certs" / "ca.pem"), "-verify_return_error", "-verify_hostname", "localhost"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert client.stdin is not None
    assert client.stdout is not None
    output = b""

    def until(text: bytes) -> None:
        nonlocal output
        assert client.stdout is not None
        while text not in output:
            line = client.stdout.readline()
            assert line, output
            output += line

    try:
        until(b"Verify return code: 0 (ok)")
        if version == "-tls1_3":
            client.stdin.write(b"K\n")  # a KeyUpdate, which asks for one in return
            client.stdin.flush()
            until(b"KEYUPDATE")
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        client.stdin.write(request)
        client.stdin.flush()
        until(b"HTTP/1.1 200")
        output += client.stdout.read()
        assert b"hello" in output
        # TLS 1.3 has none, of which newer clients say nothing.
        assert version == "-tls1_3" or b"Secure Renegotiation IS" in output
    finally:
        client.kill()
        client.wait()
        client.stdin.close()
        client.stdout.close()


def test_a_thousand_connections(start: Start, app: Path, tmp_path: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--tls-port", "0", "--tls")
    running.port()
    port = secure_port(running)
    context = ssl.create_default_context(cafile=str(tmp_path / "certs" / "ca.pem"))
    (process,) = psutil.Process(running.process.pid).children()  # the one that serves
    connections: list[HTTPSConnection] = []

    def more(count: int) -> int:
        for _ in range(count):
            connection = HTTPSConnection("localhost", port, timeout=30, context=context)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello"
            connections.append(connection)
        memory: int = process.memory_info().rss
        return memory

    try:
        before = more(100)
        after = more(900)
        each = (after - before) / 900
        assert each < 60_000, f"{each / 1000:.0f} kB for each connection"
    finally:
        for connection in connections:
            connection.close()
    assert get_secure(port, tmp_path / "certs" / "ca.pem") == (200, "hello")


def test_each_address_of_the_examples_is_worth_a_visit(start: Start, tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "examples", tmp_path / "examples")
    running = start("serve", "--config", "examples/nano.toml", "--tls", "--port", "0", "--tls-port", "0")
    running.wait_for("local certificates")
    addresses = re.findall(r"(https?)://([\w.-]+\.localhost):(\d+)", "".join(running.out))
    assert len(addresses) == 2 * len(list((REPOSITORY / "examples").glob("*/index.js")))
    for scheme, host, port in addresses:
        ask = get(int(port), host=host) if scheme == "http" else get_secure(int(port), tmp_path / "certs/ca.pem", host)
        assert ask[0] == 200, f"{scheme}://{host}: {ask}"
