"""The fixture ``browser``; a room's conftest imports it from here."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.browser.chromium import Chromium, launch

__all__ = ["Launch", "browser"]

Launch = Callable[..., contextlib.AbstractAsyncContextManager[Chromium]]


@pytest.fixture
def browser(tmp_path: Path) -> Launch:
    """Starts browsers: ``async with browser(trust=[ca_pem]) as chromium``."""
    numbers = itertools.count(1)

    def start(
        *, trust: Sequence[Path] = (), flags: Sequence[str] = ()
    ) -> contextlib.AbstractAsyncContextManager[Chromium]:
        return launch(tmp_path / f"chromium-{next(numbers)}", trust=trust, flags=flags)

    return start
