"""The fixtures, as a project that uses them meets them: with a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
let kept = 0;
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/kept") return Response.json(kept);
    if (url.pathname === "/later") {
      ctx.waitUntil(new Promise((done) => setTimeout(() => { kept++; done(); }, 30)));
      return new Response("accepted", { status: 202 });
    }
    if (url.pathname === "/cookies") return new Response("", { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    if (url.pathname === "/stream") return new Response(ReadableStream.from(["a", "b"]).pipeThrough(new TextEncoderStream()));
    if (url.pathname === "/chat") return ctx.upgrade(request);
    if (url.pathname === "/throw") throw new RangeError("too far");
    if (url.pathname === "/spin") for (;;);
    return Response.json({ url: request.url, method: request.method, name: env.NAME,
      type: request.headers.get("content-type"), x: request.headers.get("x"), body: await request.text() });
  },
  websocket: {
    open(ws) { ws.subscribe("all"); },
    message(ws, message) { if (message === "end") ws.close(4000, "over"); else ws.publish("all", message); },
  },
};
"""

TRIO_TESTS = """
async def test_calls(nano_app):
    app = await nano_app("app", env={"NAME": "Ada"})
    response = await app.fetch("/x?a=1", method="POST", json={"b": [1]}, headers={"X": "y"}, params={"c": "d e"})
    assert (response.status, response.ok, response.headers["Content-Type"]) == (200, True, "application/json")
    assert response.json() == {"url": "http://localhost/x?a=1&c=d+e", "method": "POST", "name": "Ada",
        "type": "application/json", "x": "y", "body": '{"b": [1]}'}
    assert (await app.fetch("https://shop.test/")).json()["url"] == "https://shop.test/"
    assert (await app.fetch("/stream")).body == b"ab"
    assert (await app.fetch("/cookies")).headers.get_all("Set-Cookie") == ["a=1", "b=2"]

async def test_wait_until(nano_app):
    app = await nano_app("app")
    assert (await app.fetch("/later")).text() == "accepted"
    await app.settled()
    assert (await app.fetch("/kept")).json() == 1

async def test_two_apps_do_not_share(nano_app):
    first, second = await nano_app("app"), await nano_app("app")
    await first.fetch("/later")
    await first.settled()
    assert [(await app.fetch("/kept")).json() for app in (first, second)] == [1, 0]

async def test_failures_are_responses(nano_app):
    app = await nano_app("app", timeout_ms=50)
    response = await app.fetch("/throw")
    assert response.status == 500 and "RangeError: too far" in response.text() and "index.js" in response.text()
    assert (await app.fetch("/spin")).status == 503
    assert (await app.fetch("/")).status == 200
"""

TRIO_TESTS += """
import pytest
from nano_trio.testing import WebSocketClosed, WebSocketRefused

async def test_websockets(nano_app):
    app = await nano_app("app", max_message_mb=0.001)
    ada, bob = await app.connect("/chat"), await app.connect("/chat")
    await ada.send("hi")
    await ada.send(b"\\0\\1")
    assert [await bob.receive(), await bob.receive()] == ["hi", b"\\0\\1"]
    await ada.send("end")
    assert [message async for message in ada] == []
    with pytest.raises(WebSocketClosed, match="closed: 4000 over"):
        await ada.send("x")
    with pytest.raises(WebSocketClosed, match="1009"):
        await bob.send("x" * 2000)
        await bob.receive()
    async with await app.connect("/chat") as cid:
        await cid.send("alone")
    await app.settled()
    with pytest.raises(WebSocketRefused) as refused:
        await app.connect("/throw")
    assert refused.value.response.status == 500
"""

SYNC_TESTS = """
import pytest
from nano_trio.config import ConfigError
from nano_trio.testing import App, WebSocketRefused

def test_websockets(nano_app_sync):
    app = nano_app_sync("app")
    with app.connect("/chat") as ada, app.connect("/chat") as bob:
        ada.send("hi")
        assert bob.receive() == "hi"
        with pytest.raises(TimeoutError, match="within 0.01 s"):
            ada.receive(timeout=0.01)
        ada.send("end")
        assert ada.wait_closed().code == 4000
    with pytest.raises(WebSocketRefused, match="answered 200"):
        app.connect("/")

def test_calls(nano_app_sync):
    app = nano_app_sync("app", env={"NAME": "Ada"})
    response = app.fetch("/", data={"a": "b c"})
    assert response.json()["body"] == "a=b+c" and response.json()["name"] == "Ada"
    app.fetch("/later")
    app.settled()
    assert app.fetch("/kept").json() == 1

def test_facade():
    with App("app") as app:
        assert app.fetch("/", body="é").json()["body"] == "é"
        with pytest.raises(ValueError, match="one of body"):
            app.fetch("/", body="a", json=1)
    with pytest.raises(RuntimeError, match="does not run"):
        app.fetch("/")

def test_many_after_each_other():
    import gc, greenlet
    for _ in range(3):
        with App("app") as app:
            assert app.fetch("/").status == 200
    gc.collect()
    assert sum(isinstance(each, greenlet.greenlet) for each in gc.get_objects()) <= 1

def test_no_such_app():
    with pytest.raises(ConfigError, match="nowhere"):
        App("nowhere").__enter__()

def test_unknown_setting():
    with pytest.raises(ConfigError, match="memory_mb"), App("app", memori_mb=3):
        pass
"""


def project(folder: Path, tests: str, settings: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "app").mkdir()
    (folder / "app" / "index.js").write_text(APP)
    (folder / "test_app.py").write_text(tests)
    (folder / "pytest.ini").write_text(f"[pytest]\n{settings}\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "NANO_"))}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)


def test_under_pytest_trio(tmp_path: Path) -> None:
    done = project(tmp_path, TRIO_TESTS, "trio_mode = true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


@pytest.mark.parametrize("plugins", [(), ("-p", "no:trio")], ids=["with pytest-trio", "without"])
def test_without_async(tmp_path: Path, plugins: tuple[str, ...]) -> None:
    done = project(tmp_path, SYNC_TESTS, "", *plugins)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
