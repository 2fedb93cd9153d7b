"""Live reload of ``nano-trio dev`` in Chromium: pages follow the app, through an error page and back."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import trio

from tests.browser.fixture import Launch

PAGE = """export default { fetch: () => new Response(`<!doctype html><title>TITLE</title><p>TITLE</p>`, {
  headers: { "content-type": "text/html", "content-security-policy": "script-src 'self'" } }) };"""


async def test_a_page_follows_its_app(tmp_path: Path, browser: Launch) -> None:
    source = tmp_path / "index.js"
    source.write_text(PAGE.replace("TITLE", "one"))
    command = [sys.executable, "-P", "-m", "nano_trio", "dev", "--port", "0", "--live-reload"]
    process = await trio.lowlevel.open_process(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        told = b""
        with trio.fail_after(30):
            while b"\n" not in told:
                told += await process.stdout.receive_some()
        found = re.search(rb":(\d+)\s", told)
        assert found is not None
        async with browser() as chromium:
            page = await chromium.open(f"http://pages:{int(found[1])}/")
            await page.until("document.title === 'one'")
            source.write_text(PAGE.replace("TITLE", "two"))
            await page.until("document.title === 'two'")
            source.write_text("export default { fetch() { let = } };")
            await page.until("document.title.startsWith('503: SyntaxError')")
            assert await page.evaluate("document.querySelector('.caret').textContent") == "^"
            light = await page.evaluate("getComputedStyle(document.querySelector('pre')).backgroundColor")
            await page.prefer("dark")
            assert await page.evaluate("getComputedStyle(document.querySelector('pre')).backgroundColor") != light
            source.write_text(PAGE.replace("TITLE", "three"))
            await page.until("document.title === 'three'")
            assert page.console == []
        process.send_signal(signal.SIGINT)
        with trio.fail_after(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
