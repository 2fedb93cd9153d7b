"""``python hypercorn_app.py NAME PORT``: what handlers/NAME.js does, as an ASGI app of Hypercorn on Trio.

One process, no reloader, no access log; connections may stay open for as many requests as come (Hypercorn's default
closes them after 1,000, which the others do not).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import trio

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TEXT = [(b"content-type", b"text/plain;charset=UTF-8")]
JSON = [(b"content-type", b"application/json")]


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    await _answer(send, TEXT, b"Hello, world!\n")


async def order(scope: Message, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    order = json.loads(body)
    order["total"] = sum(item["price"] * item["count"] for item in order["items"])
    await _answer(send, JSON, json.dumps(order, separators=(",", ":")).encode())


async def _answer(send: Send, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    from hypercorn.config import Config  # only in an environment of its own: see peers.py
    from hypercorn.trio import serve

    handler = {"hello": hello, "json": order}[sys.argv[1]]

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await handler(scope, receive, send)
        elif scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return

    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[2]}"]
    config.accesslog = None
    config.keep_alive_timeout = 75
    config.keep_alive_max_requests = 2**31
    trio.run(serve, app, config)


if __name__ == "__main__":
    main()
