"""A folder with a configuration and apps, and a server that runs with it and can be told to reload."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpcore
import structlog
import trio

from nano_trio.actors.child import ChildSpec
from nano_trio.config import Overlay, load
from nano_trio.web.file_watch import FileWatch
from nano_trio.web.hosting import Hosting
from nano_trio.web.startup import host

from .conftest import Site


def answers(text: str) -> str:
    return f"export default () => new Response({json.dumps(text)});"


class Place:
    """A folder with a configuration and apps, and a server that runs with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "nano.json"
        self.document: dict[str, Any] = {"port": 0, "state_dir": "state", "drain_timeout_s": 5, "apps": []}
        self.site: Site

    def app(self, name: str, source: str | None = None, **keys: Any) -> None:
        """Write the app's code, and its place in the configuration where that is new."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        if source is not None:
            (folder / "index.js").write_text(source)
        found = next((app for app in self.document["apps"] if app["name"] == name), None)
        if found is None:
            self.document["apps"].append({"name": name, "path": name, **keys})
        else:
            found.update(keys)
        self.write()

    def drop(self, name: str) -> None:
        self.document["apps"] = [app for app in self.document["apps"] if app["name"] != name]
        self.write()

    def write(self) -> None:
        self.file.write_text(json.dumps(self.document))

    @property
    def hosting(self) -> Hosting:
        return self.site.hosting

    async def text(self, app: str, path: str = "/") -> str:
        answer = await self.site.get(app, path)
        assert answer.status == 200, answer.text
        return answer.text

    @contextlib.asynccontextmanager
    async def serve(self, *, watch: bool = False) -> AsyncIterator[Place]:
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                config = load(self.file, environ={})

                async def run(task_status: trio.TaskStatus[Hosting]) -> None:
                    await host(
                        config,
                        source=lambda: load(self.file, environ={}),
                        overlay=Overlay.beside(config, self.file),
                        task_status=task_status,
                    )

                hosting = await nursery.start(run)
                if watch:
                    hosting.operations.add(ChildSpec(id="file watch", run=FileWatch(hosting, [self.file]).run))
                async with httpcore.AsyncConnectionPool(max_connections=64) as pool:
                    self.site = Site(hosting, pool, logs)
                    yield self
                nursery.cancel_scope.cancel()
