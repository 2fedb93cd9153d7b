"""Small stand-ins for apps, and a raw client. Only for tests of ``web``; real apps are tested end to end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import ClassVar

import trio
import trio.testing

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.web.router import Route, Router
from nano_trio.web.server import Server, serve
from nano_trio.web.settings import ServerSettings


def text(body: str, status: int = 200, *headers: tuple[str, str]) -> OutgoingResponse:
    return OutgoingResponse(status, "", list(headers), body.encode())


class FakeExchange:
    """Answered at once (``response``) or by an async function that :meth:`wait` runs."""

    def __init__(
        self, response: OutgoingResponse | None = None, wait: Callable[[], Awaitable[OutgoingResponse]] | None = None
    ) -> None:
        self.response = response
        self._wait = wait
        self.left: list[str] = []
        self.finished = 0
        self.disconnected = trio.Event()

    async def wait(self) -> OutgoingResponse:
        if self.response is None:
            assert self._wait is not None
            self.response = await self._wait()
        return self.response

    def disconnect(self, reason: str) -> None:
        self.left.append(reason)
        self.disconnected.set()

    def spoiled(self, instead: OutgoingResponse) -> None:
        self.response = instead

    def finish(self) -> None:
        self.finished += 1


class App:
    """An app whose handler returns a response, or an async function that makes one."""

    prompt = False
    max_body: int | None = None

    def __init__(
        self,
        handler: Callable[[IncomingRequest], OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]],
        name: str = "app",
    ) -> None:
        self.name = name
        self.requests: list[IncomingRequest] = []
        self.exchanges: list[FakeExchange] = []
        self._handler = handler

    def begin(self, request: IncomingRequest) -> FakeExchange:
        self.requests.append(request)
        answer = self._handler(request)
        exchange = FakeExchange(answer) if isinstance(answer, OutgoingResponse) else FakeExchange(wait=answer)
        self.exchanges.append(exchange)
        return exchange


async def begun(app: App, count: int = 1) -> None:
    """Wait until that many requests have begun, and nothing more can happen to them before something comes in.

    The latter alone does not tell: the system may take its time with what was sent, also to this machine.
    """
    with trio.fail_after(30):
        while len(app.exchanges) < count:
            await trio.lowlevel.checkpoint()
    await trio.testing.wait_all_tasks_blocked()


async def accepted(server: Server, count: int = 1) -> None:
    """Wait until the server has that many connections: the client has its own a moment before."""
    with trio.fail_after(30):
        while server.connections < count:
            await trio.lowlevel.checkpoint()


async def let(clock: trio.testing.MockClock, seconds: float) -> None:
    """Let time pass, second by second as the sweeper counts it."""
    await trio.testing.wait_all_tasks_blocked(0.01)
    for _ in range(int(seconds)):
        clock.jump(1)
        await trio.testing.wait_all_tasks_blocked()
    await trio.testing.wait_all_tasks_blocked(0.01)


async def gone(server: Server) -> None:
    """Wait until the server has no connection any more."""
    with trio.fail_after(30):
        while server.connections:
            await trio.lowlevel.checkpoint()


class Stream:
    """A response body from an async iterator."""

    opened: ClassVar[list[AsyncIterator[bytes]]] = []

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.opened.append(chunks)
        self.pulled = 0
        self.cancelled: list[str] = []

    async def receive(self) -> bytes:
        self.pulled += 1
        async for chunk in self._chunks:
            return chunk
        return b""

    def cancel(self, reason: str) -> None:
        self.cancelled.append(reason)


CHUNK = bytes(64 * 1024)


def streaming(chunks: Callable[[], AsyncIterator[bytes]], *headers: tuple[str, str]) -> tuple[App, list[Stream]]:
    streams: list[Stream] = []

    def handler(request: IncomingRequest) -> OutgoingResponse:
        streams.append(Stream(chunks()))
        return OutgoingResponse(200, "", list(headers), streams[-1])

    return App(handler), streams


def repeated(count: int, chunk: bytes = CHUNK) -> Callable[[], AsyncIterator[bytes]]:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield chunk

    return chunks


class Pausing:
    """An app whose requests wait until told, except ``/quick``."""

    def __init__(self) -> None:
        self.proceed = trio.Event()

    def __call__(self, request: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def wait() -> OutgoingResponse:
            await self.proceed.wait()
            return text("finished")

        return text("quick") if request.url.endswith("/quick") else wait


async def read_body(request: IncomingRequest) -> bytes:
    """The whole request body, however it comes."""
    if request.body is None or isinstance(request.body, bytes):
        return request.body or b""
    pieces = []
    while piece := await request.body.receive():
        pieces.append(piece)
    return b"".join(pieces)


def echo_app(name: str = "app") -> App:
    """Answers with ``METHOD URL BODY``."""

    def handler(request: IncomingRequest) -> OutgoingResponse | Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            body = (await read_body(request)).decode("latin-1")
            return text(f"{request.method} {request.url} {body}")

        if request.body is None or isinstance(request.body, bytes):
            return text(f"{request.method} {request.url} {(request.body or b'').decode('latin-1')}")
        return answer

    return App(handler, name)


def counting_app() -> App:
    """Reads bodies piece by piece, and answers with their size and with what they were announced to have."""

    def handler(request: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        async def answer() -> OutgoingResponse:
            assert request.body is not None
            assert not isinstance(request.body, bytes)
            total = 0
            while piece := await request.body.receive():
                total += len(piece)
            return text(f"{total} {request.body.length}")

        return answer

    return App(handler)


def holding() -> tuple[App, dict[str, trio.Event]]:
    """Reads the bodies of ``/name`` only when its event is set, and then counts."""
    events: dict[str, trio.Event] = {}

    def handler(incoming: IncomingRequest) -> Callable[[], Awaitable[OutgoingResponse]]:
        event = events.setdefault(incoming.url.rpartition("/")[2], trio.Event())

        async def answer() -> OutgoingResponse:
            await event.wait()
            return text(str(len(await read_body(incoming))))

        return answer

    return App(handler), events


@contextlib.asynccontextmanager
async def running(app: App | Router, **settings: object) -> AsyncIterator[Server]:
    """A server on a free loopback port."""
    router = app if isinstance(app, Router) else Router([Route(app, default=True)])
    options = {"host": "127.0.0.1", "port": 0, **settings}
    async with trio.open_nursery() as nursery:
        server: Server = await nursery.start(serve, ServerSettings(**options), router)  # type: ignore[arg-type]
        try:
            yield server
        finally:
            nursery.cancel_scope.cancel()
    while Stream.opened:
        chunks = Stream.opened.pop()
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


class Reply:
    """One parsed response."""

    def __init__(self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.headers)

    @property
    def text(self) -> str:
        return self.body.decode()


class Client:
    """A raw HTTP/1.1 client: sends bytes as they are, reads strictly."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def get(self, path: str = "/", *, method: str = "GET", headers: str = "", host: str = "app") -> Reply:
        await self.send(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
        return await self.reply(head_only=method == "HEAD")

    async def _more(self) -> bool:
        data = await self.stream.receive_some(65536)
        self.buffer += data
        return bool(data)

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not await self._more():
                raise EOFError(f"connection closed; had {self.buffer[:200]!r}")
        line, _, self.buffer = self.buffer.partition(mark)
        return line

    async def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not await self._more():
                raise EOFError(f"connection closed {count - len(self.buffer)} bytes early")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    async def head(self) -> Reply:
        lines = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, status, reason = lines[0].split(" ", 2)
        assert version == "HTTP/1.1"
        headers = []
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers.append((name.lower(), value))
        return Reply(int(status), reason, headers, b"")

    async def reply(self, *, head_only: bool = False) -> Reply:
        reply = await self.head()
        if head_only or reply.status < 200 or reply.status in (204, 304):
            return reply
        if "transfer-encoding" in reply:
            assert reply["transfer-encoding"] == "chunked"
            assert "content-length" not in reply
            while size := int(await self._until(b"\r\n"), 16):
                reply.body += await self.exactly(size)
                assert await self.exactly(2) == b"\r\n"
            assert await self.exactly(2) == b"\r\n"
        elif "content-length" in reply:
            reply.body = await self.exactly(int(reply["content-length"]))
        else:
            reply.body = await self.rest()
        return reply

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        while await self._more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    async def closed(self) -> bool:
        """Wait for the server to close; True if nothing came before."""
        try:
            return await self.rest() == b""
        except trio.BrokenResourceError:
            return True


@contextlib.asynccontextmanager
async def connected(server: Server, port: int | None = None) -> AsyncIterator[Client]:
    stream = await trio.open_tcp_stream("127.0.0.1", server.port if port is None else port)
    async with stream:
        yield Client(stream)
