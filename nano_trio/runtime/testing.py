"""The host half of ``testing.js``: what the test runner inside an isolate reports, and its WebSockets to the app."""

from __future__ import annotations

from typing import Any, Protocol

from nano_trio.runtime.host import Namespace, Services, headers_of, text_of
from nano_trio.runtime.websocket_server import message_of

__all__ = ["RunnerHost", "namespace"]


class RunnerHost(Protocol):
    """Who runs the isolate of a test file. What is asynchronous may raise HostError; nothing else raises."""

    def report(self, text: str) -> None:
        """What happened: an event as JSON."""

    async def connect(self, url: str, headers: list[tuple[str, str]], protocols: list[str]) -> list[Any]:
        """Open a WebSocket to the app under test: its number and the subprotocol, or 0 and why there is none."""

    async def next(self, number: int) -> list[Any]:
        """The next event: ["message", a string or bytes], or ["closed", code, reason]."""

    def send(self, number: int, message: str | bytes) -> None:
        """Queue a message."""

    def close(self, number: int, code: int | None, reason: str) -> None:
        """Queue the end."""


def namespace(services: Services) -> Namespace:
    # The isolate is a test's, and so is its host (nano_trio/testing/javascript.py).
    tests: RunnerHost = services.app  # type: ignore[assignment]

    def connect(operation: int, url: Any, headers: Any, protocols: Any) -> None:
        pairs = headers_of(text_of(headers)) if headers else []
        offered = text_of(protocols).split("\n") if protocols else []
        services.operation(operation, tests.connect, text_of(url), pairs, offered)

    return {
        "report": lambda text: tests.report(text_of(text)),
        "connect": connect,
        "next": lambda operation, number: services.operation(operation, tests.next, number),
        "send": lambda number, data, is_text: tests.send(number, message_of(data, is_text)),
        "close": lambda number, code, reason: tests.close(number, code, text_of(reason)),
    }
