"""``nano-trio serve``: its start, its output, its end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.parent.conftest import until

from .conftest import COMMAND, Nano, Running, Start, asking, environment, get


def test_an_app_is_served_for_every_host(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    assert get(port) == (200, "hello")
    assert get(port, host="anything.example") == (200, "hello")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert result.out == f"nano-trio 0.1.0 listening on http://127.0.0.1:{port}\n"
    assert "Traceback" not in result.err


def test_what_is_old_of_the_bytecode_on_disk_is_removed_behind_the_start(
    start: Start, app: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "cache/nano-trio/bytecode"
    folder.mkdir(parents=True)
    unfinished = folder / ".new-of-one-who-was-killed"
    unfinished.touch()
    os.utime(unfinished, times=(0, 0))
    start("serve", "--app", "app", "--port", "0", XDG_CACHE_HOME=str(tmp_path / "cache")).port()
    until(lambda: not unfinished.exists() or None)


def test_what_cannot_be_imported_behind_the_start_ends_no_server(start: Start, app: Path, tmp_path: Path) -> None:
    """Too many files were open: that it cannot listen was told, and it ended."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "websockets.py").write_text("raise OSError(24, 'Too many open files')")
    path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, [os.environ.get("PYTHONPATH")])])
    running = start("serve", "--app", "app", "--port", "0", "--no-parent", PYTHONPATH=path)
    port = running.port()
    running.wait_for("modules are imported later, when they are needed")
    assert get(port) == (200, "hello")
    running.signal(signal.SIGTERM)
    assert running.end().code == 0


def test_the_lines_that_others_wait_for_are_one_write(app: Path, tmp_path: Path) -> None:
    """In containers streams are often unbuffered, and both end in one: the log must not come between line and newline."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # a datagram for each write
    with ours, theirs:
        ours.settimeout(30)
        process = subprocess.Popen(
            [*COMMAND, "serve", "--app", "app", "--port", "0"],
            cwd=tmp_path,
            env=environment({"PYTHONUNBUFFERED": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        try:
            while b"nano-trio 0.1.0 listening on" not in (written := ours.recv(65536)):
                pass
            assert re.fullmatch(rb"nano-trio 0\.1\.0 listening on http://127\.0\.0\.1:\d+\n", written)
        finally:
            process.terminate()
            process.wait(30)


def test_apps_of_a_configuration_are_told_apart_and_listed(start: Start, app: Path, tmp_path: Path) -> None:
    (tmp_path / "two.js").write_text("export default () => new Response('two')")
    (tmp_path / "nano.toml").write_text(
        """
        port = 0
        [[apps]]
        name = "app"
        path = "app"
        [[apps]]
        name = "two"
        hostname = ["two.localhost", "*.two.localhost"]
        path = "two.js"
        """
    )
    running = start("serve", "--config", "nano.toml")
    port = running.port()
    assert get(port) == (200, "hello")
    assert get(port, host="a.two.localhost") == (200, "two")
    status, text = get(port, host="nobody")
    assert status == 404
    assert "nobody" in text
    running.signal(signal.SIGINT)
    result = running.end()
    assert result.code == 0
    assert f"  two: http://two.localhost:{port}, http://*.two.localhost:{port}\n" in result.out


@pytest.mark.parametrize("what", ["app", "app/index.js", "whole", "whole/nano.json"])
def test_what_is_served_may_be_named_without_an_option(start: Start, app: Path, tmp_path: Path, what: str) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/nano.json").write_text(json.dumps({"apps": [{"name": "app", "path": "../app"}]}))
    running = start("serve", what, "--port", "0")
    assert get(running.port()) == (200, "hello")
    running.signal(signal.SIGTERM)
    result = running.end()
    assert result.code == 0
    assert ("  app: http://app:" in result.out) == what.startswith("whole")


def test_the_configuration_of_this_folder_is_served(start: Start, app: Path, tmp_path: Path) -> None:
    apps = [{"name": "app", "hostname": "app.localhost", "path": "app", "default": True}]
    (tmp_path / "nano-trio.json").write_text(json.dumps({"port": 0, "apps": apps}))
    running = start("serve")
    port = running.port()
    assert running.wait_for("  app: ") == f"  app: http://app.localhost:{port}\n"
    assert get(port) == (200, "hello")
    # Which file that was is remembered: a worker that starts when it is gone serves what it said last.
    (tmp_path / "nano-trio.json").unlink()
    running.wait_for("the configuration was not reloaded; the running one stays")
    parent = running.process.pid
    (worker,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    running.wait_for("the configuration on disk cannot be used")
    assert get(port) == (200, "hello")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_requests_finish(start: Start, app: Path, number: signal.Signals) -> None:
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    with asking(running, port) as answers:
        running.signal(number)
    assert answers == [(200, "hello")]
    assert running.end().code == 0


def test_where_the_server_ends_requests_in_flight_finish_and_later_ones_are_told_so(start: Start, app: Path) -> None:
    (app / "index.js").write_text(
        """export default { async fetch(request) {
          if (request.method === "POST") console.log("reading");
          return new Response(`${(await request.text()).length} bytes`);
        } };"""
    )
    running = start("serve", "--app", "app", "--port", "0")
    port = running.port()
    kept, busy = (HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(2))
    with contextlib.closing(kept), contextlib.closing(busy):
        kept.request("GET", "/", headers={"Host": "app"})
        assert kept.getresponse().read() == b"0 bytes"
        busy.putrequest("POST", "/", skip_host=True)
        busy.putheader("Host", "app")
        busy.putheader("Content-Length", "100000")
        busy.endheaders(bytes(1000))
        running.wait_for("reading")
        running.signal(signal.SIGTERM)
        running.wait_for("draining")
        kept.request("GET", "/", headers={"Host": "app"})
        response = kept.getresponse()
        said = [response.getheader(name) for name in ("Connection", "Retry-After")]
        assert (response.status, *said) == (503, "close", "1")
        assert b"the server is shutting down" in response.read()
        busy.send(bytes(99_000))
        response = busy.getresponse()
        assert (response.status, response.getheader("Connection")) == (200, "close")
        assert response.read() == b"100000 bytes"
    assert running.end().code == 0


def _ask_to_spin(running: Running, port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET /spin HTTP/1.1\r\nHost: app\r\n\r\n")
    running.wait_for("spinning")
    return client


def test_a_second_signal_ends_at_once_even_in_an_endless_loop(start: Start, app: Path) -> None:
    (app.parent / "nano.json").write_text(
        json.dumps({"port": 0, "drain_timeout_s": 600, "apps": [{"name": "app", "path": "app", "timeout_ms": 600_000}]})
    )
    running = start("serve", "--config", "nano.json")
    with _ask_to_spin(running, running.port()):
        running.signal(signal.SIGINT)
        running.wait_for("draining")
        running.signal(signal.SIGINT)
        result = running.end()
    assert result.code == 0
    assert "Traceback" not in result.err


def test_the_drain_deadline_ends_an_endless_loop(start: Start, app: Path) -> None:
    (app.parent / "nano.json").write_text(
        json.dumps({"port": 0, "drain_timeout_s": 0.3, "apps": [{"name": "app", "path": "app", "timeout_ms": 600_000}]})
    )
    running = start("serve", "--config", "nano.json")
    with _ask_to_spin(running, running.port()):
        running.signal(signal.SIGTERM)
        result = running.end()
    assert result.code == 0
    assert "Traceback" not in result.err


def test_a_port_in_use(nano: Nano, app: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = nano("serve", "--app", "app", "--port", str(port))
    assert result.code == 1
    assert result.err.strip() == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; another program has it: end that, or choose another port"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--app", "nope"], 'command line: "nope" does not exist'),
        (["--app", "empty"], "index.js"),
        (["--config", "nope.toml"], "nope.toml: no such file"),
        (["--config", "broken.json"], "broken.json"),
        (["--config", "nano.yaml"], "nano.yaml"),
    ],
)
def test_what_is_not_there(nano: Nano, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "nano.yaml").write_text("apps: []")
    result = nano("serve", *arguments)
    assert result.code == 1
    assert result.out == ""
    assert message in result.err


def test_all_that_is_wrong_is_listed(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('prot = 3\n[[apps]]\nname = "a"\npath = "nope"\nmemory_mb = -1\n')
    result = nano("serve", "--config", "bad.toml", NANO_PORT="abc")
    assert result.code == 1
    assert result.out == ""
    assert 'bad.toml:1:1: prot: unknown key; did you mean "port"?' in result.err
    assert "bad.toml:5:1: apps[0].memory_mb: expected a positive number, got -1" in result.err
    assert 'bad.toml:4:1: apps[0].path: "nope" does not exist' in result.err
    assert "NANO_PORT: expected a port number" in result.err
    assert len(result.err.splitlines()) == 4


def test_the_environment_overrides_the_file_and_the_command_line_both(start: Start, app: Path) -> None:
    (app.parent / "nano.json").write_text(json.dumps({"port": 1, "apps": [{"name": "app", "path": "app"}]}))
    for arguments, environ in (([], {"NANO_PORT": "0"}), (["--port", "0"], {"NANO_PORT": "1"})):
        running = start("serve", "--config", "nano.json", *arguments, **environ)
        assert get(running.port()) == (200, "hello")


def test_every_line_of_the_json_log_is_json(start: Start, app: Path) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--access-log", NANO_LOG_FORMAT="json")
    port = running.port()
    assert get(port, "/slow?a=%C3%A9") == (200, "hello")
    running.wait_for("/slow?")
    running.signal(signal.SIGTERM)
    result = running.end()
    entries = [json.loads(line) for line in result.err.splitlines()]
    assert all({"event", "level", "timestamp"} <= entry.keys() for entry in entries)
    assert any(entry.get("console") == "log" and entry["event"] == "slow" for entry in entries)
    requests = [entry for entry in entries if entry["event"].startswith("GET ")]
    assert len(requests) == 1
    assert requests[0]["app"] == "app"
    assert requests[0]["request_id"]


def test_requests_are_logged_only_when_asked_for(start: Start, app: Path) -> None:
    for arguments, logged in (
        ([], False),
        (["--access-log"], True),
        (["--dev"], True),
        (["--log-format", "apache"], True),
    ):
        running = start("serve", "--app", "app", "--port", "0", *arguments)
        assert get(running.port(), "/page")[0] == 200
        running.signal(signal.SIGTERM)
        assert ("/page" in running.end().err) is logged
    running = start("serve", "--app", "app", "--port", "0", "--dev", "--no-access-log")
    assert get(running.port(), "/page")[0] == 200
    running.signal(signal.SIGTERM)
    assert "/page" not in running.end().err


@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_either_parser(start: Start, app: Path, parser: str) -> None:
    running = start("serve", "--app", "app", "--port", "0", "--http", parser)
    assert get(running.port()) == (200, "hello")


def test_an_app_that_does_not_load_is_no_reason_not_to_start(start: Start, app: Path) -> None:
    (app / "index.js").write_text("export default {\n  fetch( }")
    running = start("serve", "--app", "app", "--port", "0", "--dev")
    port = running.port()
    status, text = get(port)
    assert status == 503
    assert "index.js:2:" in text
    (app / "index.js").write_text("export default () => new Response('mended')")
    assert get(port) == (200, "mended")
