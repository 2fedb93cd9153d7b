"""The chat that ``nano-trio init --template websocket`` makes, in Chromium over wss: two people in a room, through a restart."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.browser.chromium import Page
from tests.browser.fixture import Launch
from tests.cli.conftest import COMMAND, Running

_LINES = "[...document.querySelectorAll('#log li')].map((line) => line.textContent)"


async def enter(page: Page, name: str, room: str) -> None:
    await page.evaluate(f"document.querySelector('[name=name]').value = {name!r}")
    await page.evaluate(f"document.querySelector('#enter [name=room]').value = {room!r}")
    await page.click("#enter button")


async def say(page: Page, text: str) -> None:
    await page.evaluate(f"document.querySelector('[name=text]').value = {text!r}")
    await page.click("#say button")


async def test_two_people_talk_through_a_restart(tmp_path: Path, browser: Launch) -> None:
    await trio.run_process([*COMMAND, "init", "chat", "--template", "websocket"], cwd=tmp_path, capture_stdout=True)
    command = [sys.executable, "-P", "-m", "nano_trio"]
    arguments = ["serve", "--config", "chat/nano-trio.json", "--port", "0", "--tls-port", "0", "--admin-port", "0"]
    running = Running(tmp_path, arguments, {}, command)
    try:
        port = await trio.to_thread.run_sync(lambda: int(running.wait_for(" listening on https://").rpartition(":")[2]))
        admin = await trio.to_thread.run_sync(lambda: running.wait_for("  admin: ").split()[1])
        async with browser(trust=[tmp_path / "chat" / "certs" / "ca.pem"]) as chromium:
            address = f"https://chat.localhost:{port}/"
            ada, bob, cid = [await chromium.open(address) for _ in range(3)]
            await enter(ada, "Ada", "kitchen")
            await ada.until("document.querySelector('#state').textContent === 'Room kitchen: 1 here'")
            await enter(bob, "Bob", "kitchen")
            await bob.until("document.querySelector('#state').textContent === 'Room kitchen: 2 here'")
            await enter(cid, "Cid", "cellar")
            await cid.until("document.querySelector('#state').textContent === 'Room cellar: 1 here'")
            await say(bob, "<b>tea?</b>")
            await ada.until(f"{_LINES}.includes('Bob: <b>tea?</b>')")
            assert await ada.evaluate(_LINES) == ["Ada came in", "Bob came in", "Bob: <b>tea?</b>"]
            assert await cid.evaluate(_LINES) == ["Cid came in"]

            # The app is loaded afresh: its connections are closed, and the pages come back by themselves.
            await trio.run_process([*COMMAND, "admin", "--url", admin, "restart", "chat"], capture_stdout=True)
            for name, page in (("Ada", ada), ("Bob", bob)):
                await page.until(f"{_LINES}.filter((line) => line === '{name} came in').length === 2")
            await ada.until("document.querySelector('#state').textContent === 'Room kitchen: 2 here'")
            await say(ada, "still here")
            await bob.until(f"{_LINES}.at(-1) === 'Ada: still here'")
            # Who follows a link is in that room at once.
            dan = await chromium.open(f"{address}?room=kitchen&name=Dan")
            await dan.until("document.querySelector('#state').textContent === 'Room kitchen: 3 here'")
            assert await dan.evaluate("getComputedStyle(document.querySelector('#enter')).display") == "none"
            assert ada.console == bob.console == cid.console == dan.console == []
        running.process.terminate()
        assert (await trio.to_thread.run_sync(running.end)).code == 0
    finally:
        if running.process.poll() is None:
            running.process.kill()
            await trio.to_thread.run_sync(running.end)
