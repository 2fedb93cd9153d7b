from __future__ import annotations

from tests.browser.fixture import browser, kept_browser
from tests.serving.conftest import serve

__all__ = ["browser", "kept_browser", "serve"]
