"""The clients: who asks healthy apps, who asks hostile ones, who chats, who vanishes."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import h2.exceptions
import httpcore
import trio
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.trio.client import connect

from tests.soak.ledger import Ledger
from tests.soak.site import PATIENCE_S, Site, named

__all__ = ["Lane", "start_clients"]

_CLOSED = (trio.BrokenResourceError, trio.ClosedResourceError)
# h2 hears nothing after a GOAWAY, and httpcore hands on what it raises then in the middle of a response.
_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, h2.exceptions.ProtocolError, OSError)


class Lane:
    """A client with at most one connection at a time."""

    def __init__(self, site: Site, ledger: Ledger, *, secure: ssl.SSLContext | None = None, keep: bool = True) -> None:
        self._ledger = ledger
        self._secure = secure is not None
        self._base = f"https://127.0.0.1:{site.secure_port}" if secure else f"http://127.0.0.1:{site.port}"
        self._opened = 0.0
        self.pool = httpcore.AsyncConnectionPool(
            ssl_context=secure,
            http1=secure is None,
            http2=secure is not None,
            max_connections=1,
            max_keepalive_connections=1 if keep else 0,
        )

    async def __aenter__(self) -> Lane:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True):
            await self.pool.aclose()

    async def ask(
        self, app: str, path: str = "/", body: bytes | None = None, *, kind: str, patience_s: float = PATIENCE_S
    ) -> tuple[int, bytes] | None:
        """Status and body; None where the worker was killed meanwhile, or where it is a problem and noted as such."""
        opened = [self._opened]
        connected = False

        async def trace(name: str, info: Any) -> None:
            nonlocal connected
            if name == "connection.connect_tcp.started":
                self._opened = opened[0] = time.monotonic()
            elif name == "connection.start_tls.started":
                connected = True

        extensions: dict[str, Any] = {"trace": trace}
        if self._secure:
            extensions["sni_hostname"] = app
        self._ledger.totals[kind] += 1
        try:
            with trio.fail_after(patience_s):
                response = await self.pool.request(
                    "GET" if body is None else "POST",
                    self._base + path,
                    headers={"Host": app},
                    content=body,
                    extensions=extensions,
                )
        except trio.TooSlowError:
            self._ledger.problem(f"{kind} {app}{path}: not answered within {patience_s:g} s")
        except ConnectionRefusedError as error:
            self._ledger.problem(f"{kind} {app}{path}: {error!r}")
        except httpcore.ConnectError as error:
            if connected:
                # In the handshake of TLS it is the worker's connection already.
                self._ledger.broken(kind, opened[0], f"{app}{path}: {error!r}")
            else:
                self._ledger.problem(f"{kind} {app}{path}: {error!r}")
        except _BROKEN as error:
            self._ledger.broken(kind, opened[0], f"{app}{path}: {error!r}")
        else:
            return response.status, response.content
        return None


class _Pace:
    """Requests for so many seconds, with pauses that are drawn."""

    def __init__(self, rng: Random, mean_s: float) -> None:
        self._rng = rng
        self._mean_s = mean_s

    async def pause(self) -> None:
        await trio.sleep(self._rng.uniform(0.2, 1.8) * self._mean_s)


async def _ask_healthy(site: Site, ledger: Ledger, rng: Random, pace: _Pace, secure: ssl.SSLContext | None) -> None:
    """One after the other, of any plain app; over HTTP/2 all of one app, several at a time."""
    keep = secure is not None or rng.random() < 0.6
    kind = "http2" if secure else "kept" if keep else "fresh"
    plain = named("plain") + named("sleeper")
    mine = rng.choice(plain)

    async def one(lane: Lane, app: str, largest: int = 100_000) -> None:
        path = rng.choice(("/", "/", "/json", "/echo", "/later", "/stream"))
        body = rng.randbytes(min(largest, rng.choice((10, 1000, 100_000)))) if path == "/echo" else None
        answer = await lane.ask(app, path, body, kind=kind)
        if answer is None:
            return
        ledger.answered(app, answer[0])
        whole = {"/": app.encode(), "/later": app.encode(), "/echo": body, "/stream": _STREAMED}
        if answer[0] != 200 or (path in whole and whole[path] != answer[1]):
            ledger.problem(f"{kind} {app}{path}: {answer[0]} {answer[1][:200]!r}")

    async with Lane(site, ledger, secure=secure, keep=keep) as lane:
        while True:
            async with ledger.healthy.acting():
                if secure is None:
                    await one(lane, rng.choice(plain))
                else:
                    async with trio.open_nursery() as nursery:
                        # httpcore waits for ever where one stream took in the window that another one waits for.
                        together = rng.randint(1, 4)
                        for _ in range(together):
                            nursery.start_soon(one, lane, mine, 100_000 if together == 1 else 10_000)
            await pace.pause()


_STREAMED = b"".join(b"%d\n" % n for n in range(20))


async def _ask_edited(site: Site, ledger: Ledger, rng: Random, pace: _Pace, newest: dict[str, int]) -> None:
    """Apps whose files change: never an error, never a version older than one that somebody has seen."""
    async with Lane(site, ledger) as lane:
        while True:
            async with ledger.healthy.acting():
                app = rng.choice(named("edited"))
                floor = newest.get(app, 1)
                answer = await lane.ask(app, kind="edited")
                if answer is not None:
                    ledger.answered(app, answer[0])
                    if answer[0] != 200 or int(answer[1]) < floor:
                        ledger.problem(f"edited {app}: {answer[0]} {answer[1][:200]!r} after version {floor}")
                    else:
                        newest[app] = max(newest.get(app, 1), int(answer[1]))
            await pace.pause()


async def _ask_hostile(site: Site, ledger: Ledger, rng: Random, pace: _Pace) -> None:
    """Apps that die: whatever they do, the client gets an answer."""
    async with Lane(site, ledger, keep=False) as lane:
        while True:
            async with ledger.others.acting():
                app = rng.choice(named("hostile"))
                answer = await lane.ask(app, kind="hostile")
                if answer is not None and answer[0] not in (200, 500, 503, 504):
                    ledger.problem(f"hostile {app}: {answer[0]} {answer[1][:200]!r}")
            await pace.pause()


async def _vanish(site: Site, ledger: Ledger, rng: Random, pace: _Pace) -> None:
    """Clients that leave in the middle of everything."""
    while True:
        async with ledger.others.acting():
            app = rng.choice(named("left") + named("hostile"))
            with contextlib.suppress(OSError, trio.BrokenResourceError):
                with trio.fail_after(PATIENCE_S):
                    stream = await trio.open_tcp_stream("127.0.0.1", site.port)
                ledger.totals["vanished"] += 1
                async with stream:
                    head = f"Host: {app}\r\n\r\n"
                    if rng.random() < 0.3:
                        head = f"Host: {app}\r\nContent-Length: 100000\r\n\r\nhalf"
                    path, verb = (
                        ("/echo", "POST") if "half" in head else (rng.choice(("/later", "/for-ever", "/")), "GET")
                    )
                    await stream.send_all(f"{verb} {path} HTTP/1.1\r\n{head}".encode())
                    with trio.move_on_after(rng.uniform(0, 0.1)):
                        while await stream.receive_some(65536):
                            pass
                    # A reset, not a polite end, in half of the cases.
                    if rng.random() < 0.5:
                        stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await pace.pause()


async def _chat(site: Site, ledger: Ledger, rng: Random, pace: _Pace, app: str, number: int) -> None:
    """A member of a room, who may vanish without a word. What the others say comes whole and in order while it stays."""
    life = 0
    while True:
        life += 1
        id = f"{number}.{life}"
        opened = time.monotonic()
        vanished = False
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with ledger.healthy.acting():
                    tcp = await trio.open_tcp_stream("127.0.0.1", site.port)
                    stack.push_async_callback(trio.aclose_forcefully, tcp)
                    socket = await stack.enter_async_context(
                        connect(
                            f"ws://{app}/?id={id}",
                            stream=tcp,
                            proxy=None,
                            open_timeout=PATIENCE_S,
                            close_timeout=5,
                            ping_interval=None,
                        )
                    )
                    ledger.answered(app, 101)
                    ledger.totals["websockets"] += 1
                await _chat_on(socket, ledger, rng, pace, app, id)
                if rng.random() < 0.3:
                    vanished = True
                    ledger.totals["websockets vanished"] += 1
                    await trio.aclose_forcefully(tcp)
        except (ConnectionClosed, InvalidHandshake, EOFError, OSError, *_CLOSED) as error:
            if not vanished:
                ledger.broken("websocket", opened, f"{app} {id}: {error!r}")
        except trio.TooSlowError:
            ledger.problem(f"websocket {app} {id}: no answer within {PATIENCE_S:g} s")
        await pace.pause()


async def _chat_on(socket: Any, ledger: Ledger, rng: Random, pace: _Pace, app: str, id: str) -> None:
    heard: dict[str, int] = {}
    back, own = trio.open_memory_channel[str](1)

    async def listen() -> None:
        async for text in socket:
            speaker, _, what = str(text).partition(" ")
            if speaker == "sent":
                await back.send(what)
                continue
            ledger.totals["broadcasts"] += 1
            if int(what) != heard.get(speaker, int(what) - 1) + 1:
                ledger.problem(f"websocket {app}: {id} heard {what} of {speaker} after {heard[speaker]}")
            heard[speaker] = int(what)
        raise EOFError("the server closed the connection")

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            for count in range(rng.randint(20, 200)):
                async with ledger.healthy.acting():
                    await socket.send(str(count))
                    ledger.sent[app] += 1
                    ledger.totals["messages"] += 1
                    with trio.fail_after(PATIENCE_S):
                        said = await own.receive()
                    if said != str(count):
                        ledger.problem(f"websocket {app}: {id} sent {count} and was told {said}")
                await pace.pause()
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def start_clients(
    nursery: trio.Nursery, site: Site, ledger: Ledger, seed: int, newest: dict[str, int], secure: ssl.SSLContext
) -> None:
    """Some 200 requests a second in all."""
    numbers = iter(range(1000))

    def start(client: Callable[..., Awaitable[None]], mean_s: float, *arguments: Any) -> None:
        rng = Random(f"{seed} client {next(numbers)}")
        nursery.start_soon(client, site, ledger, rng, _Pace(rng, mean_s), *arguments)

    for _ in range(14):
        start(_ask_healthy, 0.12, None)
    for _ in range(6):
        start(_ask_healthy, 0.2, secure)
    for _ in range(3):
        start(_ask_edited, 0.1, newest)
    for _ in range(3):
        start(_ask_hostile, 0.4)
    for _ in range(2):
        start(_vanish, 0.3)
    for app in named("room"):
        for number in range(4):
            start(_chat, 0.5, app, number)
