"""The host half of ``testing.js``: what the test runner inside an isolate reports."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    # The isolate is a test's, and so is its host (nano_trio/testing/javascript.py).
    report = services.app.report  # type: ignore[attr-defined]
    return {"report": lambda text: report(text_of(text))}
