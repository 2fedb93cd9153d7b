"""The built site: whole, without dead links, and nothing of others in it; and its generated parts are current."""

from __future__ import annotations

import functools
import http.server
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests.browser.fixture import Launch

from .pages import PAGES, SITE, generated, pages


class _Page(HTMLParser):
    """What a page refers to, and the places in it that others may refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = {"", "_top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.places |= {found.get("id") or "", (found.get("name") or "") if tag == "a" else ""}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        if tag in ("script", "img", "iframe", "source", "video") and found.get("src"):
            self.loaded.append(found["src"] or "")
        if tag == "link" and found.get("rel") not in ("canonical", "sitemap", "alternate"):
            self.loaded.append(found.get("href") or "")


@pytest.fixture(scope="module")
def html(built: Path) -> dict[str, _Page]:
    """The built pages by their addresses."""
    return {
        "/" + path.relative_to(built).as_posix().removesuffix("index.html"): _Page(path.read_text("utf-8"))
        for path in built.rglob("*.html")
    }


def test_every_page_is_built_and_in_the_sidebar(html: dict[str, _Page]) -> None:
    for page in pages():
        address = "/" + page.removesuffix(".md").removesuffix("index") + ("" if page == "index.md" else "/")
        assert address in html
        assert address in html["/"].links, f"{page} is not in the sidebar"


def test_no_link_is_dead(built: Path, html: dict[str, _Page]) -> None:
    dead = []
    for address, page in html.items():
        for link in [*page.links, *page.loaded]:
            target = urlsplit(urljoin(f"http://site{address}", link))
            if target.netloc != "site":
                continue
            inside = unquote(target.path)
            if inside in html:
                if unquote(target.fragment) not in html[inside].places:
                    dead.append(f"{address}: {link}: no such place")
            elif not (built / inside.lstrip("/")).is_file():
                dead.append(f"{address}: {link}")
    assert not dead, dead


def test_nothing_is_loaded_from_elsewhere(built: Path, html: dict[str, _Page]) -> None:
    for address, page in html.items():
        for link in page.loaded:
            assert not urlsplit(link).netloc, f"{address} loads {link}"
    for style in built.rglob("*.css"):
        assert "url(http" not in style.read_text("utf-8")
        assert "@import" not in style.read_text("utf-8")


@pytest.mark.parametrize("page", pages())
def test_generated_parts_are_current(page: str) -> None:
    """To write them anew: ``python -m tests.docs``."""
    text = (PAGES / page).read_text("utf-8")
    assert generated(text) == text


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (SITE / "package-lock.json").read_text("utf-8")


async def test_no_page_is_wider_than_a_phone(built: Path, browser: Launch) -> None:
    handler = functools.partial(_Silent, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        async with browser() as chromium:
            page = await chromium.open(f"http://site:{server.server_port}/")
            phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
            await page.ask("Emulation.setDeviceMetricsOverride", **phone)
            for name in pages():
                address = "/" + name.removesuffix(".md").removesuffix("index")
                await page.ask("Page.navigate", url=f"http://site:{server.server_port}{address}")
                await page.until(f"location.pathname.startsWith({address!r}) && document.readyState === 'complete'")
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= 390, f"{address} is {wide} pixels wide"
            assert page.console == []
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what it found."""
