"""The pytest plugin: fixtures that run apps. pytest finds it by its entry point.

``nano_app`` is for asynchronous tests (pytest-trio), ``nano_app_sync`` for any test::

    async def test_hello(nano_app):
        app = await nano_app("apps/hello", env={"NAME": "Ada"})
        assert (await app.fetch("/")).text() == "hello Ada"

    def test_hello_too(nano_app_sync):
        assert nano_app_sync("apps/hello").fetch("/").status == 200
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from nano_trio.testing.calling import AsyncApp
    from nano_trio.testing.sync import App

__all__ = ["nano_app", "nano_app_sync"]


@pytest.fixture
def nano_app_sync() -> Iterator[Callable[..., App]]:
    """Run an app for one test: ``nano_app_sync(path, env={…})`` gives a :class:`nano_trio.testing.App`."""
    from nano_trio.testing.sync import App

    with contextlib.ExitStack() as stack:

        def run(path: str | os.PathLike[str], *, env: Mapping[str, Any] | None = None, **settings: Any) -> App:
            return stack.enter_context(App(path, env=env, **settings))

        yield run


async def _nano_app() -> AsyncIterator[Callable[..., Awaitable[AsyncApp]]]:
    """Run an app for one test: ``await nano_app(path, env={…})`` gives a :class:`nano_trio.testing.AsyncApp`."""
    import trio

    from nano_trio.testing.calling import open_app

    async with trio.open_nursery() as nursery:
        # A task of the fixture's nursery: what the test's own task opened, this one could not close.
        async def live(path: Any, *, task_status: trio.TaskStatus[AsyncApp], **settings: Any) -> None:
            async with open_app(path, **settings) as app:
                task_status.started(app)
                await trio.sleep_forever()

        async def run(path: str | os.PathLike[str], **settings: Any) -> AsyncApp:
            app: AsyncApp = await nursery.start(functools.partial(live, path, **settings))
            return app

        yield run
        nursery.cancel_scope.cancel()


def _without_trio() -> None:
    """Tells what is missing."""
    pytest.fail("nano_app needs pytest-trio (pip install pytest-trio); nano_app_sync works without", pytrace=False)


try:
    import pytest_trio
except ImportError:
    nano_app = pytest.fixture(name="nano_app")(_without_trio)
else:
    nano_app = pytest_trio.trio_fixture(_nano_app)
