"""What holds for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, is_hypothesis_test, settings
from hypothesis import strategies as st

# Hypothesis allows each input 200 ms of real time, of which a busy machine may take all for something else. What passes
# shall pass again: the inputs are the same in each run. `pytest --hypothesis-profile=search` looks for others.
_ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("any machine", _ANY_MACHINE, derandomize=True, database=None)
settings.register_profile("search", _ANY_MACHINE)
settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Without what is compiled a native call that does not end holds up its test for ever, and much else is not so."""
    from nano_trio.engine.native import missing_libraries

    if missing := missing_libraries():
        names = ", ".join(f"lib{name}.so" for name in missing)
        pytest.exit(
            f"nano_trio/engine lacks {names}: install a C compiler (apt install gcc), then run `make install`", 1
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let hypothesis prepare itself now, where one of the tests uses it.

    It computes Unicode's categories for its first text, and for some of its first numbers it collects the constants of
    all local modules that are loaded, which it parses. Both it keeps in a folder, but where that is new they take
    seconds on a busy machine, and the first test would be told that its inputs are generated too slowly.
    """
    if any(is_hypothesis_test(getattr(item, "obj", None)) for item in session.items):
        _generate()
    # As the server does when it has started: or Python looks through all tests whenever it looks for garbage, for a tenth of
    # a second, in the midst of turns that may take less.
    gc.collect()
    gc.freeze()


_behind: list[object] = []
"""The module whose tests ran last."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What the module before has left is not looked through again, either."""
    if _behind != [module := getattr(item, "module", None)]:
        _behind[:] = [module]
        gc.collect()
        gc.freeze()


@settings(max_examples=10, derandomize=True, database=None)
@given(st.lists(st.integers(), min_size=100, max_size=100), st.text())
def _generate(_numbers: list[int], _text: str) -> None:
    """No test: it generates inputs, of which one in twenty numbers asks for the constants."""


@pytest.fixture
def no_collections() -> Iterator[None]:
    """Python looks for no garbage in the midst of the test.

    In a process that has run thousands of them that takes a tenth of a second, of whatever is measured at that moment.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A native call that does not end is left after 0.2 s of CPU time behind its limit, and not after a second."""
    for module in ("preparation", "turnstile"):
        monkeypatch.setattr(f"nano_trio.engine.{module}.GRACE_NS", 200_000_000)


@pytest.fixture
def even_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of isolates and of the scheduler go on by 20 µs whenever one is read: at each poll, that is.

    So a slice is the same number of branches and calls on every machine, however slow or disturbed. Ticks of the CPU
    timer, which know only the true time, find no turn at work.
    """
    monkeypatch.setattr("nano_trio.engine.poll_timer.address_of", lambda counter: 0)
    now = 0

    def read() -> int:
        nonlocal now
        now += 20_000
        return now

    for module in ("isolate", "turnstile"):
        monkeypatch.setattr(f"nano_trio.engine.{module}._clock", read)
        monkeypatch.setattr(f"nano_trio.engine.{module}._cpu_clock", read)
    monkeypatch.setattr("nano_trio.engine.scheduler.time", SimpleNamespace(thread_time_ns=read))
