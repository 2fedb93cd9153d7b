"""The built site: whole, without dead links, and nothing of others in it; and its generated parts are current."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from nano_trio.runtime.platform import LAZY_GLOBALS
from tests.browser.fixture import Launch
from tests.readme.document import REPOSITORY
from tests.wpt.manifest import area_of

from .generated import generated, published
from .pages import PAGES, SITE, blocks_of, pages


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


def test_published_files_are_current() -> None:
    """The schema and the description of admin. To write them anew: ``python -m tests.docs``."""
    public = SITE / "public"
    assert {path.name for path in public.iterdir()} == {"favicon.svg", "types", *published()}
    for name, text in published().items():
        assert (public / name).read_text("utf-8") == text, name


def test_what_was_measured_is_what_is_expected() -> None:
    """To measure anew: ``python -m tests.wpt --record``, then ``python -m tests.docs``."""
    areas = json.loads((REPOSITORY / "tests/wpt/measured.json").read_text("utf-8"))["areas"]
    expected: Counter[str] = Counter()
    for test, groups in json.loads((REPOSITORY / "tests/wpt/expectations.json").read_text("utf-8"))["failures"].items():
        for group in groups:
            expected[area_of(test)] += 1 if group["subtests"] == "*" else len(group["subtests"])
    failed = {area: row["total"] - row["passed"] for area, row in areas.items() if area != "total"}
    assert {area: count for area, count in failed.items() if count} == dict(expected)


def test_every_global_is_on_the_page_of_web_apis() -> None:
    text = (PAGES / "reference/web-apis.md").read_text("utf-8")
    names = {name for globals_ in LAZY_GLOBALS.values() for name in globals_.split()}
    # The first is the language's own; the others are modules' doors.
    for name in names - {"Proxy"}:
        assert f"`{name}`" in text, name


def test_no_block_escapes_its_test(built: Path) -> None:
    """Whatever the site shows as a block of code, the tests of blocks have seen."""
    for page in pages():
        place = page.removesuffix(".md").removesuffix("index")
        shown = (built / place / "index.html").read_text("utf-8").count("<pre")
        assert shown == len(blocks_of(page)), page


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (SITE / "package-lock.json").read_text("utf-8")


_WIDE_TABLES = "[...document.querySelectorAll('.sl-markdown-content table')].filter((t) => t.scrollWidth > t.clientWidth + 1).length"


async def test_pages_fit_desktops_and_phones(built: Path, browser: Launch) -> None:
    """No page has to be moved sideways to be read, and no table."""
    handler = functools.partial(_Silent, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        async with browser() as chromium:
            page = await chromium.open(f"http://site:{server.server_port}/")
            wrong = []
            for width, height in ((1280, 900), (390, 844)):
                view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
                await page.ask("Emulation.setDeviceMetricsOverride", **view)
                for name in pages():
                    address = "/" + name.removesuffix(".md").removesuffix("index")
                    await page.ask("Page.navigate", url=f"http://site:{server.server_port}{address}")
                    await page.until(f"location.pathname.startsWith({address!r}) && document.readyState === 'complete'")
                    wide, tables = await page.evaluate(f"[document.documentElement.scrollWidth, {_WIDE_TABLES}]")
                    if wide > width or tables:
                        wrong.append(f"{address} at {width}: {wide} pixels wide, {tables} tables that are too wide")
            assert wrong == []
            assert page.console == []
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what it found."""
