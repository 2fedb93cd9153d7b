"""``nano-trio dev``: reload on save, error pages, ports, logs."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .conftest import Nano, Running, Start

HTML = {"Accept": "text/html,application/xhtml+xml"}


def ask(port: int, path: str = "/", headers: dict[str, str] = HTML) -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), {k.lower(): v for k, v in response.getheaders()}
    finally:
        connection.close()


def until(port: int, holds: Callable[[int, str], bool]) -> tuple[int, str, dict[str, str]]:
    """Ask until the answer is as it should be: files are watched, and that takes a moment."""
    patience = time.monotonic() + 30
    while True:
        status, text, headers = ask(port)
        if holds(status, text):
            return status, text, headers
        assert time.monotonic() < patience, text
        time.sleep(0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    write(tmp_path / "app", "export default { fetch: () => new Response('one') };")
    return tmp_path / "app"


def write(folder: Path, text: str) -> None:
    (folder / "index.js").write_text(text)


def end(running: Running) -> str:
    running.signal(signal.SIGINT)
    result = running.end()
    assert result.code == 0, result.err
    return result.err


def test_changes_failures_and_mending(start: Start, folder: Path) -> None:
    running = start("dev", "app", "--port", "0")
    port = running.port()
    assert ask(port)[:2] == (200, "one")
    write(folder, "export default { fetch: () => new Response('two') };")
    until(port, lambda status, text: text == "two")

    write(folder, "export default {\n\tfetch() { return <b>; }\n};")
    _, text, headers = until(port, lambda status, text: status == 503)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "<b>index.js:2:19</b>" in text
    assert '<span class="here"><i>2 │ </i>\tfetch() { return &lt;b&gt;; }</span>' in text
    assert f'<i>  │ </i>\t{" " * 17}<b class="caret">^</b>' in text
    plain = ask(port, headers={"Accept": "*/*"})
    assert plain[2]["content-type"] == "text/plain; charset=utf-8"
    assert "index.js:2:19: SyntaxError" in plain[1]

    write(folder, "export default { fetch() { throw new Error('</h1><script>x</script>'); } };")
    _, text, _ = until(port, lambda status, text: status == 500)
    assert "<h1>Error: &lt;/h1&gt;&lt;script&gt;x&lt;/script&gt;</h1>" in text
    assert "at fetch (index.js:1:" in text

    write(folder, "export default { fetch: () => new Response('three') };")
    until(port, lambda status, text: text == "three")
    log = end(running)
    assert "app: GET / 200  " in log
    assert "error   app: GET / 503  " in log


def test_an_app_that_does_not_load_at_the_start(start: Start, folder: Path) -> None:
    write(folder, "import './missing.js';\nexport default {};")
    running = start("dev", "app", "--port", "0")
    port = running.port()
    status, text, _ = ask(port)
    assert status == 503
    assert "missing.js" in text
    assert "/.nano-trio/live.js" in text
    (folder / "missing.js").write_text("")
    write(folder, "import './missing.js';\nexport default { fetch: () => new Response('mended') };")
    until(port, lambda status, text: text == "mended")
    end(running)


def test_open_pages_do_not_hold_up_the_end(start: Start, folder: Path) -> None:
    running = start("dev", "app", "--port", "0")
    with socket.create_connection(("127.0.0.1", running.port())) as page:
        page.sendall(b"GET /.nano-trio/live?seen=0 HTTP/1.1\r\nHost: app\r\n\r\n")
        received = b""
        while b"event: reload" not in received:
            received += page.recv(65536)
        assert b"text/event-stream" in received
        log = end(running)
    assert ".nano-trio" not in log


def test_a_port_that_is_taken(start: Start, folder: Path, nano: Nano) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (folder / "nano.json").write_text(
            f'{{"port": {port}, "apps": [{{"name": "app", "path": ".", "default": true}}]}}'
        )
        running = start("dev", "app")
        chosen = running.port()
        assert chosen != port
        assert ask(chosen)[1] == "one"
        assert f"Port {port} is taken; {chosen} is used instead." in end(running)
        refused = nano("dev", "app", "--port", str(port))
        assert refused.code == 1
        assert f"cannot listen on 127.0.0.1:{port}" in refused.err


def test_live_reload_adds_its_script_to_pages_alone(start: Start, folder: Path) -> None:
    write(
        folder,
        """const types = { "/": "text/html", "/json": "application/json", "/stream": "text/html" };
        export default { fetch(request) {
          const { pathname } = new URL(request.url);
          const text = "<p>page</p>";
          const body = pathname === "/stream" ? new Blob([text]).stream() : text;
          const headers = { "content-type": types[pathname] };
          if (pathname === "/") headers["content-length"] = text.length;
          return new Response(body, { headers });
        } };""",
    )
    running = start("dev", "app", "--port", "0", "--live-reload")
    port = running.port()
    for path in ("/", "/stream"):
        text = ask(port, path)[1]
        assert text.startswith("<p>page</p><script src=")
        assert "/.nano-trio/live.js?seen=" in text
    assert ask(port, "/json")[1] == "<p>page</p>"
    assert ask(port, "/", {"Sec-Fetch-Dest": "empty"})[1] == "<p>page</p>"
    end(running)
    running = start("dev", "app", "--port", "0")
    assert ask(running.port(), "/")[1] == "<p>page</p>"
    end(running)


def test_a_file_may_be_a_configuration(start: Start, folder: Path) -> None:
    (folder.parent / "others.toml").write_text('[[apps]]\nname = "one"\ndefault = true\npath = "app"\n')
    running = start("dev", "others.toml", "--port", "0")
    assert ask(running.port())[1] == "one"
    end(running)


def test_a_configuration_that_is_wrong(nano: Nano, folder: Path) -> None:
    (folder / "nano-trio.json").write_text('{"apps": [], "prot": 1}')
    result = nano("dev", "app")
    assert result.code == 1
    assert 'did you mean "port"?' in result.err


def test_the_paths_of_development_belong_to_the_app_elsewhere(start: Start, folder: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    assert ask(running.port(), "/.nano-trio/live.js")[:2] == (200, "one")
    end(running)
