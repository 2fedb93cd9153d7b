from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .harness import Bench


@pytest.fixture
def leaves_rejections() -> bool:
    """Whether the test is about rejected promises that nothing handles."""
    return False


@pytest.fixture
def bench(leaves_rejections: bool) -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.context = None
    bench.close()
    # What tests let fail they handle: a rejection that is left is the platform's own, and would be told to an app.
    assert leaves_rejections or bench.rejections == []


@pytest.fixture
def run_js(bench: Bench) -> Callable[[str], Any]:
    """Evaluate the body of an async function (`await` and `return` work); the result as Python data."""
    return bench.run
