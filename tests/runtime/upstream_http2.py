"""An HTTP/2 server on loopback, by TLS, that misbehaves on demand."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import trio
import trio.testing

from .open_connections import OpenConnections


class Http2Upstream(OpenConnections):
    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.url = f"https://localhost:{port}"
        self.streams = 0
        self.most_streams = 0
        self.resets: list[int] = []
        self.sent = 0

    async def serve(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        with self.connected():
            try:
                await stream.do_handshake()
                assert stream.selected_alpn_protocol() == "h2"
                await _Connection(self, stream).run()
            except* (trio.BrokenResourceError, trio.ClosedResourceError, h2.exceptions.ProtocolError):
                pass
            finally:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)


class _Connection:
    def __init__(self, upstream: Http2Upstream, stream: trio.abc.Stream) -> None:
        self.upstream = upstream
        self.stream = stream
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.bodies: dict[int, bytearray] = {}
        self.heads: dict[int, dict[str, str]] = {}
        self.ended: set[int] = set()
        self.has_said_goodbye = False
        self.changed = trio.Event()
        self.lock = trio.Lock()

    async def flush(self) -> None:
        async with self.lock:
            data = self.h2.data_to_send()
            if data:
                await self.stream.send_all(data)

    async def run(self) -> None:
        self.h2.initiate_connection()
        await self.flush()
        async with trio.open_nursery() as nursery:
            self.nursery = nursery
            while data := await self.stream.receive_some(65536):
                if self.has_said_goodbye:
                    continue
                for event in self.h2.receive_data(data):
                    self.handle(event)
                await self.flush()
            nursery.cancel_scope.cancel()

    def handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            head = self.heads[event.stream_id] = dict(event.headers)
            self.bodies[event.stream_id] = bytearray()
            self.upstream.streams += 1
            self.upstream.most_streams = max(self.upstream.most_streams, len(self.heads))
            if head[":path"] in ("/mirror", "/refuse"):
                self.nursery.start_soon(self.answer, event.stream_id)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.bodies.get(event.stream_id, bytearray()).extend(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended.add(event.stream_id)
            if self.heads[event.stream_id][":path"] not in ("/mirror", "/refuse"):
                self.nursery.start_soon(self.answer, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.upstream.resets.append(event.stream_id)
            self.heads.pop(event.stream_id, None)
        self.changed.set()
        self.changed = trio.Event()

    async def answer(self, number: int) -> None:
        with contextlib.suppress(h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
            await self._answer(number)
        self.heads.pop(number, None)

    async def _answer(self, number: int) -> None:
        head = self.heads.get(number)
        if head is None:  # it was reset at once
            return
        path = head[":path"]
        if path == "/never":
            await trio.sleep_forever()
        if path == "/goaway":
            self.h2.close_connection(last_stream_id=0)
            self.has_said_goodbye = True
            await self.flush()
            return
        if path == "/cut":
            self.nursery.cancel_scope.cancel()
            return
        if path == "/nonsense":
            async with self.lock:
                await self.stream.send_all(b"\0\0\1\1\5" + bytes(5))  # HEADERS without a stream
            await trio.sleep_forever()
        if path == "/reset":
            self.h2.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self.flush()
            return
        if path == "/refuse":
            self.h2.send_headers(number, [(":status", "413"), ("content-length", "7")])
            self.h2.send_data(number, b"too big", end_stream=True)
            self.h2.reset_stream(number, h2.errors.ErrorCodes.NO_ERROR)
            await self.flush()
            return
        fields = [(":status", "200"), ("x-protocol", "h2")]
        if path == "/slow":
            await trio.sleep(0.1)
        self.h2.send_headers(number, fields)
        await self.flush()
        if path == "/forever":
            while True:
                await self.send(number, bytes(16384))
        if path == "/half":
            await self.send(number, b"half")
            self.h2.reset_stream(number, h2.errors.ErrorCodes.INTERNAL_ERROR)
            await self.flush()
            return
        if path.startswith("/big"):
            for _ in range(64 * int(path[4:])):
                await self.send(number, bytes(16384))
        elif path == "/mirror":
            at = 0
            while True:
                piece = bytes(self.bodies[number][at : at + 16384])
                at += len(piece)
                if piece:
                    await self.send(number, piece)
                elif number in self.ended:
                    break
                else:
                    await self.changed.wait()
        else:
            body = self.bodies[number].decode("latin-1")
            await self.send(number, json.dumps({"headers": head, "size": len(body), "body": body[:100]}).encode())
        self.h2.end_stream(number)
        await self.flush()

    async def send(self, number: int, data: bytes) -> None:
        while data:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size, len(data))
            if room <= 0:
                await self.changed.wait()
                continue
            self.h2.send_data(number, data[:room])
            data = data[room:]
            self.upstream.sent += room
            await self.flush()


@contextlib.asynccontextmanager
async def running_http2(tls: ssl.SSLContext) -> AsyncIterator[Http2Upstream]:
    tls.set_alpn_protocols(["h2"])
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        upstream = Http2Upstream(listeners[0].socket.getsockname()[1])

        async def serve(stream: trio.SocketStream) -> None:
            await upstream.serve(trio.SSLStream(stream, tls, server_side=True, https_compatible=True))

        await nursery.start(trio.serve_listeners, serve, listeners)
        await trio.testing.wait_all_tasks_blocked()
        yield upstream
        nursery.cancel_scope.cancel()
