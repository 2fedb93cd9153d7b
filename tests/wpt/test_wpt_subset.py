"""No Web Platform Test may fail that is not known to, with its reason, in ``expectations.json``.

Brings the tests where they are missing; that fails, rather than skips, where they cannot be had.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wpt import fetch_wpt
from tests.wpt.expectations import Expectations
from tests.wpt.manifest import discover
from tests.wpt.pool import Worker
from tests.wpt.subset import CI_SUBSET


@pytest.fixture(scope="session")
def checkout() -> Path:
    return fetch_wpt.ensure(fetch_wpt.default_folder())


@pytest.fixture(scope="module")
def worker(checkout: Path) -> Iterator[Worker]:
    """One process for all areas, as ``make wpt`` has one for many: to start it takes longer than most areas. pytest is
    what runs some beside each other."""
    worker = Worker(checkout)
    yield worker
    worker.close()


@pytest.mark.parametrize("area", CI_SUBSET)
def test_area(area: str, checkout: Path, worker: Worker) -> None:
    tests = discover(checkout, [area], set())
    assert tests, f"the set in {checkout} has nothing below {area}"
    outcomes = {test.name: worker.run(test) for test in tests}
    expectations = Expectations()
    comparison = expectations.compare(outcomes)
    assert comparison.regressions + comparison.unreviewed == [], expectations.differences(checkout, area)
