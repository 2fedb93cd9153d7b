from __future__ import annotations

from tests.browser.fixture import browser
from tests.serving.conftest import serve

__all__ = ["browser", "serve"]
