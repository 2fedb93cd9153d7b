"""Chromium without a window: a client that nobody here wrote. Driven by the DevTools protocol over a pipe.

    async def test_a_page(browser: Launch, ...) -> None:
        async with browser() as chromium:
            page = await chromium.open(f"http://pages:{port}/")
            assert await page.evaluate("fetch('/x').then((r) => r.text())") == "fine"

Every hostname leads to 127.0.0.1, and nothing is reached beyond it. Not ``app`` or ``page``: domains like
those are on Chromium's list of the ones that speak HTTPS only. ``trust`` names authorities (PEM) that it trusts, as a
developer's browser would trust the local one.

The protocol: https://chromedevtools.github.io/devtools-protocol/. Messages are JSON, each ended by a NUL; Chromium
reads them from descriptor 3 and writes to descriptor 4. One reader task hands answers to whoever asked.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import trio

__all__ = ["Browser", "Chromium", "Page", "PageError", "begin", "steered"]

PATIENCE_S = 30.0
"""For whatever is asked of the browser; it starts in about a second on an idle machine."""

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--disable-sync",
    "--hide-scrollbars",
    "--metrics-recording-only",
    "--mute-audio",
    "--password-store=basic",
    "--host-resolver-rules=MAP * 127.0.0.1",
    "--remote-debugging-pipe",
)


class PageError(Exception):
    """What was evaluated threw, or the page could not be loaded. The text is the browser's."""


class Page:
    """A tab; :meth:`Chromium.open` makes it."""

    def __init__(self, chromium: Chromium, session: str) -> None:
        self._chromium = chromium
        self._session = session
        self.console: list[str] = []
        """What the page logged, and what it threw and nobody caught."""

    async def ask(self, method: str, **parameters: Any) -> Any:
        """A command of the DevTools protocol. Raises :class:`PageError`."""
        return await self._chromium.ask(method, self._session, **parameters)

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression, as JSON can say it; promises are awaited. Raises :class:`PageError`."""
        answer = await self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise PageError(_exception_text(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression is truthy; its value. Raises :class:`PageError` when it stays otherwise."""
        value = None
        with trio.move_on_after(PATIENCE_S):
            while True:
                try:
                    value = await self.evaluate(expression)
                except PageError as error:
                    # A page that loads anew has no answer for who asked the one before.
                    if "navigated" not in str(error):
                        raise
                if value:
                    return value
                await trio.sleep(0.02)
        raise PageError(f"{expression} stayed {value!r}; console: {self.console}")

    async def click(self, selector: str) -> None:
        """Click the first element that a selector finds, as its own ``click()`` does."""
        await self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    async def press(self, key: str) -> None:
        """Press and release a key (``Tab``, ``Enter``, ``a``) where the focus is."""
        codes = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " ")}
        codes |= {
            name: (37 + index, "") for index, name in enumerate(("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"))
        }
        code, text = codes.get(key, (ord(key[0].upper()), key))
        event = {"key": key, "windowsVirtualKeyCode": code}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **event, **({"text": text} if text else {}))
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **event)

    async def prefer(self, scheme: str) -> None:
        """``dark`` or ``light``: what ``prefers-color-scheme`` says."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.ask("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path, *, width: int = 1280, height: int = 800) -> None:
        """Write what the page looks like as PNG."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        answer = await self.ask("Page.captureScreenshot", format="png")
        await trio.Path(path).write_bytes(base64.b64decode(answer["data"]))


class Chromium:
    """A browser that is steered; :func:`steered` makes it."""

    def __init__(self, browser: Browser, commands: trio.lowlevel.FdStream, events: trio.lowlevel.FdStream) -> None:
        self._browser = browser
        self._commands = commands
        self._events = events
        self._contexts: list[str] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._waiting: dict[int, trio.Event] = {}
        self._pages: dict[str, Page] = {}
        self._gone = False

    async def open(self, url: str) -> Page:
        """A new tab with a page that has been loaded. Raises :class:`PageError`."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        self._contexts.append(context)
        target = (await self.ask("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session)
        await page.ask("Runtime.enable")
        answer = await page.ask("Page.navigate", url=url)
        if error := answer.get("errorText"):
            raise PageError(f"{url}: {error}")
        await page.until("document.readyState === 'complete'")
        return page

    async def close_all(self) -> None:
        """Close all tabs, with whatever they kept. Raises :class:`PageError`."""
        for context in self._contexts:
            await self.ask("Target.disposeBrowserContext", browserContextId=context)

    async def ask(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """A command of the DevTools protocol, for the browser or a page's session. Raises :class:`PageError`."""
        self._browser.asked = number = self._browser.asked + 1
        done = self._waiting[number] = trio.Event()
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        with trio.move_on_after(PATIENCE_S):
            await self._commands.send_all(json.dumps(message).encode() + b"\0")
            await done.wait()
        del self._waiting[number]
        answer = self._answers.pop(number, {})
        if "result" not in answer:
            reason = answer.get("error", {}).get("message", "the browser has ended" if self._gone else "no answer")
            raise PageError(f"{method}: {reason}")
        return answer["result"]

    async def read(self) -> None:
        """Hand out what the browser says, until it ends."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self._events.receive_some():
                *messages, self._browser.heard = (self._browser.heard + data).split(b"\0")
                for message in map(json.loads, messages):
                    self._take(message)
        self._gone = True
        for done in self._waiting.values():
            done.set()

    def _take(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        if number in self._waiting:
            self._answers[number] = message
            self._waiting[number].set()
            return
        page = self._pages.get(message.get("sessionId", ""))
        if page is None:
            return
        if message["method"] == "Runtime.consoleAPICalled":
            page.console.append(" ".join(str(part.get("value", "")) for part in message["params"]["args"]))
        elif message["method"] == "Runtime.exceptionThrown":
            page.console.append(_exception_text(message["params"]["exceptionDetails"]))


def _exception_text(details: dict[str, Any]) -> str:
    exception = details.get("exception", {})
    return str(exception.get("description") or exception.get("value") or details["text"])


class Browser:
    """The process of a browser; :func:`begin` makes it. Its tabs know nothing of each other (browser contexts)."""

    def __init__(self, process: subprocess.Popen[bytes], commands: int, events: int) -> None:
        self._process = process
        self.commands, self.events = commands, events
        """Descriptors."""
        self.asked = 0
        """Commands so far: each has a number of its own."""
        self.heard = b""
        """Of a message whose end has not come."""

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self.commands)
        os.close(self.events)


def begin(folder: Path, *, trust: Sequence[Path] = ()) -> Browser:
    """Start a browser with an empty profile in ``folder``. ``trust``: PEM files of authorities."""
    program = shutil.which("chromium")
    assert program is not None, "these tests need Debian's package chromium"
    home = folder / "home"
    home.mkdir(parents=True)
    if trust:
        _trust(home, trust)
    command_out, command_in = os.pipe()
    event_out, event_in = os.pipe()
    # The shell (not any: some know no descriptor beyond 9) moves the descriptors to where Chromium expects them.
    moving = ("bash", "-c", f'exec "$@" 3<&{command_out} 4>&{event_in}', "bash")
    process = subprocess.Popen(
        [*moving, program, *_FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"],
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)},
        pass_fds=(command_out, event_in),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(command_out)
    os.close(event_in)
    return Browser(process, command_in, event_out)


@contextlib.asynccontextmanager
async def steered(browser: Browser) -> AsyncIterator[Chromium]:
    """By one at a time."""
    commands = trio.lowlevel.FdStream(os.dup(browser.commands))
    events = trio.lowlevel.FdStream(os.dup(browser.events))
    async with commands, events, trio.open_nursery() as nursery:
        chromium = Chromium(browser, commands, events)
        nursery.start_soon(chromium.read)
        yield chromium
        nursery.cancel_scope.cancel()


def _trust(home: Path, authorities: Sequence[Path]) -> None:
    """Put authorities into the database of NSS, where Chromium on Linux looks for those of its user."""
    certutil = shutil.which("certutil")
    assert certutil is not None, "these tests need Debian's package libnss3-tools"
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    at = ("-d", f"sql:{database}")
    subprocess.run([certutil, *at, "-N", "--empty-password"], check=True, capture_output=True, timeout=30)
    for number, file in enumerate(authorities):
        add = ("-A", "-t", "C,,", "-n", f"authority {number}", "-i", str(file))
        subprocess.run([certutil, *at, *add], check=True, capture_output=True, timeout=30)
