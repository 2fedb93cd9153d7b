"""The log of a server as its operators see it: what is said, in which format, and that nothing can stop the server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import COMMAND, Running, Start, environment, get

SOURCE = r"""
let requests = 0;
export default { async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/throw") throw new Error("out of cheese");
  if (pathname === "/forge") console.log("first\n12:00:00.000 error   app: forged\x1b[2J");
  if (pathname === "/long") console.warn("x".repeat(100_000));
  if (pathname === "/flood") for (let i = 0; i < 2000; i++) console.log("flood", i);
  if (pathname === "/megabytes") for (let i = 0; i < 100; i++) console.log("m".repeat(10_000));
  if (pathname === "/plain") console.log("plain");
  return new Response("hello " + ++requests);
} };
"""


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    (tmp_path / "app.js").write_text(SOURCE)
    return tmp_path


def configured(folder: Path, lines: int = 100, **log: object) -> tuple[str, ...]:
    app = {"name": "app", "path": "app.js", "default": True, "max_log_lines_per_s": lines}
    (folder / "nano.json").write_text(json.dumps({"port": 0, "apps": [app], "log": log}))
    return ("serve", "--config", "nano.json")


def until(running: Running, text: str) -> None:
    """Wait until a line of the log has come."""
    end = time.monotonic() + 30
    while not any(text in line for line in running.err):
        assert time.monotonic() < end, "".join(running.err)
        time.sleep(0.01)


def test_json(start: Start, noisy: Path) -> None:
    running = start(*configured(noisy, format="json", max_value_bytes=1000), "--access-log")
    port = running.port()
    for path in ("/plain", "/throw", "/forge", "/long", "/flood", "/"):
        get(port, path)
    until(running, "lines dropped")
    running.signal(signal.SIGTERM)
    lines = [json.loads(line) for line in running.end().err.splitlines()]
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)
    own = [line for line in lines if line.get("app") == "app" and "dropped" not in line]
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", line["request_id"]) for line in own)

    plain = next(line for line in own if line["event"] == "plain")
    access = [line for line in own if "ms" in line]
    assert access[0]["event"].endswith("/plain 200")
    assert access[0]["request_id"] == plain["request_id"]
    assert (plain["level"], plain["console"]) == ("info", "log")
    failed = next(line for line in own if line["event"] == "the handler failed")
    assert "out of cheese" in failed["error"]
    assert "app.js:5" in failed["error"]
    assert failed["request_id"] == access[1]["request_id"]
    assert next(line for line in own if "forged" in line["event"])["event"].endswith("\x1b[2J")
    long = next(line for line in own if line["event"].startswith("xxx"))
    assert (long["level"], long["event"]) == ("warning", "x" * 1000 + "… (cut: 100000 bytes)")

    floods = [line for line in own if line["event"].startswith("flood")]
    dropped = sum(line["dropped"] for line in lines if "dropped" in line)
    numbers = [int(line["event"].removeprefix("flood ")) for line in floods]
    assert numbers == sorted(set(numbers))
    assert len(floods) + dropped == 2000
    assert 490 <= len(floods) < 1500  # five seconds' worth at 100 a second, less what came before
    assert len(access) == 6  # of the access log nothing is dropped


def test_text(start: Start, noisy: Path) -> None:
    running = start(*configured(noisy), "--access-log")
    port = running.port()
    for path in ("/plain", "/throw", "/forge", "/%1b[2J?a=%0a"):
        get(port, path)
    until(running, "a=%0a")
    running.signal(signal.SIGTERM)
    text = running.end().err
    stamp = r"\d\d:\d\d:\d\d\.\d{3}"
    assert re.search(rf"^{stamp} info    app: plain request_id=\S+$", text, re.MULTILINE)
    assert re.search(
        rf"^{stamp} error   app: the handler failed request_id=\S+\n    app\.js:5:\d+: Error: out of", text, re.M
    )
    assert re.search(
        rf"^{stamp} info    app: first request_id=\S+\n    12:00:00.000 error   app: forged\\x1b\[2J$", text, re.M
    )
    assert re.search(rf"^{stamp} info    app: GET http://app/plain 200 request_id=\S+ bytes=7 ms=\S+", text, re.M)
    assert "\x1b" not in text
    assert all(re.match(rf"{stamp} (info|error) +|    ", line) for line in text.splitlines()), text


def test_apache(start: Start, noisy: Path) -> None:
    running = start(*configured(noisy, format="apache"))
    port = running.port()
    get(port, "/plain")
    until(running, "/plain")
    running.signal(signal.SIGTERM)
    text = running.end().err
    assert re.search(r"^\d\S+ info    app: plain request_id=\S+$", text, re.MULTILINE)
    assert re.search(r'^127\.0\.0\.1 - - \[[^]]+\] "GET /plain HTTP/1\.1" 200 7 "-" "-"$', text, re.MULTILINE)


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_log_that_nobody_reads_does_not_stop_the_server(noisy: Path, format_: str) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, *configured(noisy, format=format_), "--access-log"],
        cwd=noisy,
        env=environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writer,
        text=True,
    )
    os.close(writer)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        # A pipe holds 64 KB, the queue 4 MB.
        for number in range(1, 11):
            assert get(port, "/megabytes") == (200, f"hello {number}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        os.close(reader)


def test_what_was_logged_last_is_there_at_the_end(start: Start, noisy: Path) -> None:
    running = start(*configured(noisy, 0, format="json"))
    get(running.port(), "/flood")
    running.signal(signal.SIGTERM)
    assert running.end().err.count('"event": "flood') == 2000
