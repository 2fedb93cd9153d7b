"""Apps without a server: requests are begun directly, and a peer that records stands for the wire of a WebSocket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
import trio.testing

from nano_trio.actors.app import App
from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.messages import Gathering, IncomingRequest, OutgoingResponse, SharedMessage, SocketHandler
from nano_trio.actors.registry import Registry
from nano_trio.config import from_document
from nano_trio.engine import poll_timer

Sent = tuple[str, Any]


class Wire:
    """Implements :class:`nano_trio.actors.messages.SocketPeer`: keeps in ``events`` what it is told, in order.

    ``stuck``: nothing leaves, so all that was sent stays buffered.
    """

    def __init__(self, response: OutgoingResponse, *, stuck: bool = False) -> None:
        assert response.status == 101
        assert response.socket is not None
        self.headers = dict(response.headers)
        self.handler: SocketHandler = response.socket
        self.events: list[Sent] = []
        self.shared: list[SharedMessage] = []
        self.stuck = stuck
        self.buffered = 0
        self.ended = False
        self._changed = trio.Event()
        self.handler.opened(self)

    def _tell(self, kind: str, what: Any) -> None:
        self.events.append((kind, what))
        self._changed.set()

    async def told(self, kind: str) -> None:
        """Wait until it was told such a thing."""
        with trio.fail_after(20):
            while all(event[0] != kind for event in self.events):
                self._changed = trio.Event()
                await self._changed.wait()

    def send(self, data: str | bytes) -> int:
        self._tell("message", data)
        if self.stuck:
            self.buffered += len(data)
        return self.buffered

    def send_shared(self, message: SharedMessage) -> None:
        self.shared.append(message)
        self.send(message.data)

    send_now = send_shared

    def close(self, code: int | None, reason: str) -> None:
        self._tell("close", (code, reason))

    def resume(self) -> None:
        self._tell("resume", None)

    # -- what the client does

    def message(self, data: str | bytes) -> bool:
        return self.handler.message(data)

    def gather(self, data: str | bytes) -> Gathering:
        """A message that may wait for others, of an app for which it may."""
        gathering = self.handler.gather(data)
        assert gathering is not None
        return gathering

    def end(self, code: int = 1006, reason: str = "", *, clean: bool = False) -> None:
        assert not self.ended
        self.ended = True
        self.handler.closed(code, reason, clean)

    def take(self) -> list[Sent]:
        """What happened since the last call."""
        events, self.events = self.events, []
        return events

    @property
    def closing(self) -> tuple[int | None, str] | None:
        return next((what for kind, what in self.events if kind == "close"), None)


class House:
    """Apps in a registry that runs."""

    def __init__(self, registry: Registry, logs: list[Mapping[str, Any]]) -> None:
        self.registry = registry
        self.logs = logs

    def app(self, name: str) -> App:
        return self.registry.apps[name]

    def rewrite(self, name: str, source: str) -> None:
        """Change the file of an app."""
        Path(self.app(name).settings.path).write_text(source)

    def begin(self, app: str = "app", path: str = "/", fields: Iterable[tuple[str, str]] = ()) -> AppExchange:
        """Make a request, and do not wait for its response."""
        return self.app(app).begin(IncomingRequest("GET", f"http://{app}{path}", list(fields), None, "192.0.2.7"))

    async def ask(self, app: str, path: str = "/", **headers: str) -> OutgoingResponse:
        """Make a request, of which the head is in no hurry to be sent."""
        exchange = self.begin(app, path, [(name.replace("_", "-"), value) for name, value in headers.items()])
        response = await exchange.wait()
        exchange.finish()
        return response

    async def connect(self, app: str, path: str = "/", *, stuck: bool = False, **headers: str) -> Wire:
        response = await self.ask(app, path, upgrade="websocket", **headers)
        assert response.status == 101, self.logged(app) or response
        return Wire(response, stuck=stuck)

    async def settled(self) -> None:
        """Until every app has done what it can."""
        with trio.fail_after(5):
            await trio.testing.wait_all_tasks_blocked()

    def logged(self, app: str) -> str:
        return "\n".join(str(dict(entry)) for entry in self.logs if entry.get("app") == app)


class HouseMaker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.asynccontextmanager
    async def __call__(self, apps: Mapping[str, str | Mapping[str, Any]]) -> AsyncIterator[House]:
        """Apps given as source, or as a mapping with ``source`` and further keys of the configuration."""
        documents = []
        for name, app in apps.items():
            document = {"source": app} if isinstance(app, str) else dict(app)
            path = self._folder / f"{name}.js"
            path.write_text(document.pop("source"))
            # 5 s of CPU time may be more than the 30 s that are usual where others have the machine.
            documents.append({"name": name, "path": str(path), "request_timeout_ms": 600_000, **document})
        config = from_document({"apps": documents, "state_dir": str(self._folder / "state")}, environ={})
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                registry = Registry(config.apps)
                await nursery.start(registry.run)
                yield House(registry, logs)
                nursery.cancel_scope.cancel()


@pytest.fixture
def house(tmp_path: Path) -> HouseMaker:
    return HouseMaker(tmp_path)


async def answer(exchange: AppExchange) -> tuple[int, Any]:
    """The status and the body of what was begun."""
    with trio.fail_after(60):
        response = await exchange.wait()
    exchange.finish()
    return response.status, response.body


async def pieces_of(response: OutgoingResponse) -> list[bytes]:
    """All of its body, as it comes."""
    if isinstance(response.body, bytes):
        return [response.body]
    received = []
    if response.body is not None:
        while piece := await response.body.receive():
            received.append(piece)
    return received


@pytest.fixture
def compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is compiled is in the cache, and the compiler can be suspended."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert poll_timer.suspends_native_calls(), "in a source tree, run `python hatch_build.py`"
