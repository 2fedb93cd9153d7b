"""The fixture ``browser``; a room's conftest imports it, and ``kept_browser``, from here."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import trio

from tests.browser.chromium import Browser, Chromium, begin, steered

__all__ = ["Launch", "browser", "kept_browser"]

Launch = Callable[..., contextlib.AbstractAsyncContextManager[Chromium]]


class KeptBrowser:
    """A browser that tests share, each with tabs that know nothing of another's: to start takes longer than most need it.

    After a test that fails there is another.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._browser: Browser | None = None

    @contextlib.asynccontextmanager
    async def steered(self) -> AsyncIterator[Chromium]:
        if self._browser is not None and not self._browser.lives:
            self.end()
        if self._browser is None:
            self._browser = begin(self._folder())
        try:
            async with steered(self._browser) as chromium:
                yield chromium
                await chromium.close_all()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.end()


@pytest.fixture(scope="session")
def kept_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptBrowser]:
    kept = KeptBrowser(lambda: tmp_path_factory.mktemp("chromium"))
    yield kept
    kept.end()


@pytest.fixture
def browser(tmp_path: Path, kept_browser: KeptBrowser) -> Launch:
    """Gives browsers: ``async with browser(trust=[ca_pem]) as chromium``. Who trusts somebody has one of their own."""
    numbers = itertools.count(1)

    @contextlib.asynccontextmanager
    async def start(*, trust: Sequence[Path] = ()) -> AsyncIterator[Chromium]:
        if not trust:
            async with kept_browser.steered() as chromium:
                yield chromium
            return
        folder = tmp_path / f"chromium-{next(numbers)}"
        own = await trio.to_thread.run_sync(lambda: begin(folder, trust=trust))
        try:
            async with steered(own) as chromium:
                yield chromium
        finally:
            own.end()

    return start
