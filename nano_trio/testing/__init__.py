"""Testing apps without a network: from Python (:class:`App`, pytest fixtures) and from JavaScript.

An app under test runs as ``serve`` would run it, supervised, limited and in an isolate of its own; only the sockets are
left out. Everything is imported when it is first asked for: pytest looks into this package at each of its starts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nano_trio.testing.calling import AsyncApp, Headers, Response, WebSocketRefused, open_app
    from nano_trio.testing.sync import App, SyncWebSocket
    from nano_trio.testing.websocket import WebSocket, WebSocketClosed

__all__ = [
    "App",
    "AsyncApp",
    "Headers",
    "Response",
    "SyncWebSocket",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketRefused",
    "open_app",
]

_PLACES = {
    "App": "sync",
    "SyncWebSocket": "sync",
    "WebSocket": "websocket",
    "WebSocketClosed": "websocket",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'calling')}"), name)
