"""The dashboard, in a real browser: what it shows, its keys, its looks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.browser.chromium import Page
from tests.browser.fixture import Launch

from .conftest import APPS, TOKEN, Server


async def get(server: Server, app: str, path: str = "/") -> int:
    return (await trio.to_thread.run_sync(server.get, app, path)).status


@contextlib.asynccontextmanager
async def opened(browser: Launch, server: Server, fragment: str = "") -> AsyncIterator[Page]:
    """The page, with the apps in it; at the end nothing went wrong in it."""
    async with browser() as chromium:
        page = await chromium.open(f"{server.url}/{fragment}")
        await page.until("!!document.querySelector('tr[data-name=two]')")
        yield page
        assert page.console == []


def shows_more_than_nothing(app: str, column: int) -> str:
    """Whether a cell has such a number, of a thousand or more also, as it is written in English."""
    return f"parseFloat({cell(app, column)}) > 0"


def cell(app: str, column: int) -> str:
    return f"document.querySelector('tr[data-name={app}]').cells[{column}].textContent"


@contextlib.asynccontextmanager
async def traffic(server: Server, app: str) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            while True:
                await get(server, app, "/log?text=<img src=x onerror=alert(1)>".replace(" ", "%20"))

        nursery.start_soon(ask)
        yield
        nursery.cancel_scope.cancel()


async def focused(page: Page) -> Any:
    return await page.evaluate(
        "(document.activeElement.dataset.name ?? document.activeElement.dataset.path ?? document.activeElement.id)"
    )


async def test_what_the_apps_do_is_shown_live(browser: Launch, server: Server) -> None:
    await get(server, "broken")
    async with opened(browser, server) as page, traffic(server, "one"):
        await page.until(f"{shows_more_than_nothing('one', 2)} && {shows_more_than_nothing('one', 5)}")
        assert await page.evaluate(cell("one", 1)) == "awake"
        await page.until("document.querySelector('#figures .value').textContent !== '0 /s'")
        await page.until("!!document.querySelector('#figures .line').getAttribute('d').includes('L')")
        assert "Requests: " in await page.evaluate("document.querySelector('#figures svg').getAttribute('aria-label')")
        # The busiest stands first.
        assert await page.evaluate("document.querySelector('tbody tr').dataset.name") == "one"
        assert await page.evaluate("document.getElementById('count').textContent") == "3 apps"
        await page.click("tr[data-name=one]")
        await page.until("document.querySelectorAll('#detail-log li').length > 5")
        await page.until("!!document.querySelector('#detail-charts .line').getAttribute('d').includes('L')")
        line = await page.evaluate("document.querySelector('#detail-log li').textContent")
        assert "<img src=x onerror=alert(1)>" in line
        assert await page.evaluate("document.querySelectorAll('#detail-log img').length") == 0
        await page.click("tr[data-name=broken]")
        await page.until("document.getElementById('detail-trouble').textContent.includes('the database is not there')")


async def test_it_works_with_keys_alone(browser: Launch, server: Server) -> None:
    async with opened(browser, server) as page:
        await page.press("/")
        assert await focused(page) == "filter"
        for key in "tw":
            await page.press(key)
        await page.until("document.querySelectorAll('tbody tr').length === 1")
        assert await page.evaluate("document.getElementById('count').textContent") == "1 of 3 apps"
        await page.press("Enter")
        assert await focused(page) == "two"
        await page.press("Enter")
        await page.until("!document.getElementById('detail').hidden")
        assert await page.evaluate("document.getElementById('detail-name').textContent") == "two"
        await page.press("d")
        await page.until("document.getElementById('detail-state').textContent === 'draining'")
        assert await get(server, "two") == 503
        await page.press("r")
        await page.until("document.getElementById('detail-state').textContent === 'awake'")
        assert await get(server, "two") == 200
        await page.press("x")
        await page.until("document.getElementById('confirm-dialog').open")
        assert await page.evaluate("document.getElementById('confirm-title').textContent") == "Remove two?"
        await page.press("Escape")
        await page.until("!document.getElementById('confirm-dialog').open")
        assert await get(server, "two") == 200
        await page.press("Escape")
        await page.until("document.getElementById('detail').hidden")
        await page.press("Escape")
        await page.until("document.querySelectorAll('tbody tr').length === 3")
        await page.evaluate("document.querySelector('tbody tr').focus()")
        first = await focused(page)
        await page.press("j")
        assert await focused(page) != first
        await page.press("k")
        assert await focused(page) == first
        await page.press("?")
        await page.until("document.getElementById('help-dialog').open")
        listed = await page.evaluate("[...document.querySelectorAll('#shortcuts kbd')].map((kbd) => kbd.textContent)")
        assert {"/", "r", "d", "x", "a", "R", "1", "2", "3", "4", "?", "Esc", "Enter", "j", "k", "t"} <= set(listed)
        await page.press("Escape")


async def test_tab_goes_through_everything_and_shows_where_it_is(browser: Launch, server: Server) -> None:
    async with opened(browser, server) as page:
        await page.evaluate("document.querySelector('tr[data-name=two]').click()")
        await page.evaluate("document.querySelector('.skip').focus()")
        seen = []
        for _ in range(40):
            await page.press("Tab")
            tag, text, outline = await page.evaluate(
                "(({ tagName, id, textContent, dataset }, style) => [tagName, id || dataset.action || textContent.trim(),"
                " style.outlineStyle])(document.activeElement, getComputedStyle(document.activeElement))"
            )
            if tag == "BODY":
                break
            seen.append(text)
            assert outline != "none", text
        order = [
            "add",
            "reload",
            "theme",
            "help",
            "tab-apps",
            "filter",
            "App",
            "restart",
            "drain",
            "remove",
            "detail-log",
        ]
        assert [text for text in seen if text in order] == order
        assert len([text for text in seen if text.startswith("tab-")]) == 1  # the others by arrows


async def test_the_views(browser: Launch, server: Server) -> None:
    await get(server, "one")
    async with opened(browser, server) as page:
        await page.press("2")
        await page.until("!!document.querySelector('[data-path=\"/nano-trio/apps\"]')")
        await page.evaluate("document.querySelector('[role=treeitem]').focus()")
        assert await focused(page) == "/nano-trio"
        await page.press("ArrowDown")
        assert await focused(page) == "/nano-trio/apps"
        await page.press("ArrowLeft")
        folded = "document.querySelector('[data-path=\"/nano-trio/apps\"]').getAttribute('aria-expanded')"
        assert await page.evaluate(folded) == "false"
        await page.press("ArrowRight")
        assert await page.evaluate(folded) == "true"
        await page.press("3")
        await get(server, "one", "/log?text=in-the-page&level=warn")
        await page.until("document.getElementById('log').textContent.includes('one: in-the-page 0')")
        await page.evaluate(
            "(() => { const app = document.getElementById('logs-app'); app.value = 'two'; app.onchange(); })()"
        )
        await page.until("!document.getElementById('log').textContent.includes('one: ')")
        await get(server, "two", "/log?text=of-two")
        await page.until("document.getElementById('log').textContent.includes('of-two 0')")
        await page.press("4")
        server.ask("POST", "/admin/apps/one/restart", {})
        await page.until("document.getElementById('event-list').textContent.includes('one: ')")
        selected = "[...document.querySelectorAll('[role=tab]')].map((tab) => tab.getAttribute('aria-selected'))"
        assert await page.evaluate(selected) == ["false", "false", "false", "true"]
        await page.evaluate("document.getElementById('tab-events').focus()")
        await page.press("ArrowRight")
        assert await focused(page) == "tab-apps"


async def test_an_app_is_added_and_removed(browser: Launch, server: Server) -> None:
    (server.folder / "new.js").write_text("export default () => new Response('new')")
    async with opened(browser, server) as page:
        await page.press("a")
        fill = "((id, value) => { document.getElementById(id).value = value; })"
        await page.evaluate(f"{fill}('add-path', 'nowhere.js')")
        await page.evaluate(f"{fill}('add-name', 'new')")
        await page.click("#add-dialog button.primary")
        await page.until("document.getElementById('add-error').textContent.includes('does not exist')")
        await page.evaluate(f"{fill}('add-path', 'new.js')")
        await page.evaluate(f"{fill}('add-hostnames', 'new.example')")
        await page.click("#add-dialog button.primary")
        await page.until("!!document.querySelector('tr[data-name=new]')")
        assert await get(server, "new.example") == 200
        await page.until("document.getElementById('detail-name').textContent === 'new'")
        await page.click("[data-action=remove]")
        await page.click("#confirm-dialog button[value=yes]")
        await page.until("!document.querySelector('tr[data-name=new]')")
        assert await page.evaluate("document.getElementById('detail').hidden")


async def test_a_refused_reload_is_told(browser: Launch, server: Server) -> None:
    before = server.document
    server.file.write_text('{"apps": 5}')
    async with opened(browser, server) as page:
        await page.press("R")
        await page.until("document.getElementById('toast').textContent.includes('expected a list of apps, got 5')")
        await page.until("document.getElementById('status').textContent === 'degraded'")
        await page.until("document.getElementById('trouble').textContent.includes('was not reloaded')")
        assert await get(server, "one") == 200, "what is refused changes nothing"
        server.write(before)
        await page.press("R")
        await page.until("document.getElementById('status').textContent === 'ok'")
        assert await page.evaluate("document.getElementById('trouble').hidden")


async def test_a_server_with_a_token_asks_for_it(browser: Launch, guarded: Server) -> None:
    async with browser() as chromium:
        page = await chromium.open(f"{guarded.url}/")
        await page.until("document.getElementById('token-dialog').open")
        assert await page.evaluate("document.querySelectorAll('tr[data-name]').length") == 0
        await page.evaluate("document.getElementById('token').value = 'wrong'")
        await page.click("#token-dialog button")
        await page.until("document.getElementById('token-why').textContent === 'the token is wrong'")
        await page.until("document.getElementById('token-dialog').open")
        await page.evaluate(f"document.getElementById('token').value = '{TOKEN}'")
        await page.click("#token-dialog button")
        await page.until("!!document.querySelector('tr[data-name=two]')")


async def test_who_looks_for_the_token_may_take_their_time(browser: Launch, guarded: Server) -> None:
    """The server closes connections that bring none; the page asks once, all the same."""
    async with browser() as chromium:
        page = await chromium.open("about:blank")
        source = "window.sockets = []; window.WebSocket = class extends WebSocket {"
        source += "constructor(...a) { super(...a); sockets.push(this); } }"
        await page.ask("Page.enable")
        await page.ask("Page.addScriptToEvaluateOnNewDocument", source=source)
        await page.ask("Page.navigate", url=f"{guarded.url}/")
        for number in (1, 2, 3):
            await page.until(f"window.sockets?.length === {number} && sockets.at(-1).readyState === 1")
            await page.until("document.getElementById('token-dialog').open")
            await page.evaluate("sockets.at(-1).close()")
        await page.until("sockets.length === 4 && sockets.at(-1).readyState === 1")
        await page.evaluate(f"document.getElementById('token').value = '{TOKEN}'")
        await page.click("#token-dialog button")
        await page.until("!!document.querySelector('tr[data-name=two]')")
        assert not await page.evaluate("document.getElementById('token-dialog').open")


async def test_a_link_may_bring_the_token(browser: Launch, guarded: Server) -> None:
    async with opened(browser, guarded, f"#token={TOKEN}") as page:
        assert TOKEN not in await page.evaluate("location.href")
        await page.ask("Page.reload")
        await page.until("!!document.querySelector('tr[data-name=two]')")


async def test_it_finds_its_way_back(browser: Launch, tmp_path: Path) -> None:
    """The server is restarted; the page connects again and follows what it followed."""
    server = Server(tmp_path, admin={}, apps=APPS)
    try:
        async with opened(browser, server) as page:
            await page.click("tr[data-name=one]")
            server.end()
            await page.until("document.getElementById('status').textContent === 'no connection'")
            server = Server(tmp_path, admin={"port": server.admin_port}, apps=APPS)
            await page.until("document.getElementById('status').className === 'pill ok'")
            await get(server, "one", "/log?text=again")
            await page.until("document.getElementById('detail-log').textContent.includes('again 0')")
            assert await page.evaluate("document.getElementById('detail-name').textContent") == "one"
            assert await page.evaluate("document.querySelectorAll('tr[data-name]').length") == len(APPS)
            page.console.clear()  # what could not be reached is told there
    finally:
        server.end()


def luminance(color: str) -> float:
    red, green, blue = (int(part) for part in color.removeprefix("rgb(").removesuffix(")").split(","))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("width", [320, 768, 1400])
async def test_light_and_dark_wide_and_narrow(browser: Launch, server: Server, width: int) -> None:
    async with opened(browser, server) as page:
        await page.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        await page.click("tr[data-name=one]")
        background = "getComputedStyle(document.body).backgroundColor"
        text = "getComputedStyle(document.body).color"
        for scheme, is_dark in (("light", False), ("dark", True)):
            await page.prefer(scheme)
            assert (luminance(await page.evaluate(background)) < 80) is is_dark
            assert (luminance(await page.evaluate(text)) > 150) is is_dark
            # Only tables scroll sideways, never the page.
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.click("#theme")
        assert luminance(await page.evaluate(background)) > 150
        await page.ask("Page.reload")
        await page.until("!!document.querySelector('tr[data-name=two]')")
        assert luminance(await page.evaluate(background)) > 150
