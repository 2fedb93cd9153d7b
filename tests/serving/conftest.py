"""A real server with real apps on loopback, and a real HTTP client for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import httpcore
import pytest
import structlog
import trio

from nano_trio.config import from_document
from nano_trio.web.hosting import Hosting
from nano_trio.web.startup import host

PATIENCE_MS = 600_000
"""How long requests may take that do not say so: 5 s of CPU time are more than 30 s where others have the machine."""


@attrs.define
class Answer:
    """A response, read whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Site:
    """A hosting and a client: ``await site.get("app", "/path")`` sends Host: app."""

    def __init__(self, hosting: Hosting, pool: httpcore.AsyncConnectionPool, logs: list[Mapping[str, Any]]) -> None:
        self.hosting = hosting
        self.pool = pool
        self.logs = logs
        self.port = hosting.server.port
        self.streams: list[trio.SocketStream] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def get(
        self,
        app: str,
        path: str = "/",
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> Answer:
        response = await self.pool.request(
            method, self.url(path), headers={"Host": app, **(headers or {})}, content=body
        )
        # httpcore keeps every field line; joined as RFC 9110 section 5.3 allows.
        fields: dict[str, str] = {}
        for name, value in response.headers:
            key = name.decode().lower()
            fields[key] = f"{fields[key]}, {value.decode('latin-1')}" if key in fields else value.decode("latin-1")
        return Answer(response.status, fields, response.content)

    async def connect(self) -> trio.SocketStream:
        """A raw connection, closed with the site."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self.streams.append(stream)
        return stream

    async def begun(self, name: str, count: int = 1) -> None:
        """Wait until the handler of that many requests has been called."""
        with trio.fail_after(5):
            while True:
                current = self.app(name)._current
                if current is not None and sum(e.began for e in current._exchanges.values()) >= count:
                    return
                await trio.lowlevel.checkpoint()

    def app(self, name: str) -> Any:
        return self.hosting.registry.apps[name]

    def logged(self, app: str) -> str:
        """Everything logged for an app, as one text."""
        return "\n".join(str(dict(entry)) for entry in self.logs if entry.get("app") == app)


class SiteMaker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logs: list[Any] = []

    @contextlib.asynccontextmanager
    async def __call__(
        self, apps: Mapping[str, str | Mapping[str, Any]], *, dev: bool = False, **settings: Any
    ) -> AsyncIterator[Site]:
        """Serve apps given as source, or as a mapping with ``source`` and further keys of the configuration."""
        documents = []
        for name, app in apps.items():
            document = {"source": app} if isinstance(app, str) else dict(app)
            folder = self._folder / name
            folder.mkdir(exist_ok=True)
            (folder / "index.js").write_text(document.pop("source"))
            documents.append({"name": name, "path": str(folder), "request_timeout_ms": PATIENCE_MS, **document})
        state = str(self._folder / "state")
        config = from_document({"port": 0, "state_dir": state, "apps": documents, **settings}, environ={})
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:

                async def run(task_status: trio.TaskStatus[Hosting]) -> None:
                    await host(config, dev=dev, task_status=task_status)

                hosting = await nursery.start(run)
                async with httpcore.AsyncConnectionPool(max_connections=64) as pool:
                    site = Site(hosting, pool, logs)
                    yield site
                for stream in site.streams:
                    stream.socket.close()
                nursery.cancel_scope.cancel()


@pytest.fixture
def serve(tmp_path: Path) -> SiteMaker:
    return SiteMaker(tmp_path)


NEIGHBOUR = """
let count = 0;
export default { async fetch(request) { await null; return new Response("fine " + ++count); } };
"""


@contextlib.asynccontextmanager
async def unnoticed(site: Site, name: str = "neighbour") -> AsyncIterator[list[str]]:
    """Ask a neighbour app all the while; it must answer each time, in order, from the same isolate. Its answers."""
    stop = False
    answers: list[str] = []

    async def ask() -> None:
        while not stop:
            answer = await site.get(name)
            assert answer.status == 200
            answers.append(answer.text)
            await trio.lowlevel.checkpoint()

    first = int((await site.get(name)).text.removeprefix("fine "))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        yield answers
        stop = True
    assert len(answers) > 0
    assert answers == [f"fine {number}" for number in range(first + 1, first + 1 + len(answers))]
