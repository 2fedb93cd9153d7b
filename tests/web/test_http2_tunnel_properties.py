"""A property of WebSockets over HTTP/2: however they are cut, padded, held back, starved and ended, messages arrive in
order, the end is told once, and the connection's other streams never notice."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from h2.settings import SettingCodes
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nano_trio.actors.messages import SocketLimits
from nano_trio.web.certificates import Certificates
from tests.web.secure import secured, written
from tests.web.sockets import CLOSE, MB, Recorder, SocketApp, SocketClient, masked
from tests.web.tunnels import Shared, TunnelStream, shared

Action = tuple[str, int, int]
ENDS = ("client ends", "client resets", "client closes", "client closes and ends", "app closes", "connection ends")

_sizes = st.sampled_from([0, 1, 125, 126, 5000, 16_384, 40_000]) | st.integers(0, 60_000)
_actions = st.lists(
    st.one_of(
        st.tuples(st.just("client"), _sizes, st.integers(0, 255)),
        st.tuples(st.just("app"), _sizes | st.integers(60_000, 300_000), st.just(0)),
        st.tuples(st.just("window"), st.integers(1, 100_000), st.just(0)),
        st.tuples(st.sampled_from(["hold back", "resume", "look"]), st.just(0), st.just(0)),
    ),
    max_size=25,
)


class Story:
    """One WebSocket, and what happens to it."""

    def __init__(self, client: Shared, socket: SocketClient, recorder: Recorder) -> None:
        assert isinstance(socket.stream, TunnelStream)
        self.client, self.socket, self.stream, self.recorder = client, socket, socket.stream, recorder
        self.sent: list[bytes] = []
        self.said: list[bytes] = []
        self.holds = False
        recorder.on_message = lambda peer, data: not self.holds

    async def act(self, what: str, size: int, padding: int) -> None:
        peer = self.recorder.peer
        assert peer is not None
        if what == "client":
            await self._send(bytes((len(self.sent) % 256,)) * size, padding)
        elif what == "app":
            self.said.append(bytes((len(self.said) % 256,)) * size)
            peer.send(self.said[-1])
        elif what == "window":
            await self.client.open_window(self.stream.number, size)
            await self.client.open_window(0, size)
        elif what == "look":
            await self.client.ping()
        else:
            self.holds = what == "hold back"
            if not self.holds:
                peer.resume()

    async def _send(self, message: bytes, padding: int) -> None:
        """In frames of a size that differs, with padding, if there is a window for all of it."""
        data = masked(0x82, message)
        size = 1 + (padding * 97) % 16_000
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        if len(pieces) <= 200 and self.client.room(self.stream.number) >= len(data) + len(pieces) * (padding + 1):
            self.sent.append(message)
            for piece in pieces:
                await self.stream.padded(piece, padding)

    async def end(self, how: str) -> list[bytes]:
        """The messages that the client got."""
        peer, client = self.recorder.peer, self.client
        assert peer is not None
        if how == "client closes":
            await self.socket.send(masked(CLOSE, b"\x03\xe8"))
        elif how == "client closes and ends":
            await client.data(self.stream.number, masked(CLOSE, b"\x03\xe8"), end=True)
        elif how == "client ends":
            await self.stream.send_eof()
        elif how == "client resets":
            await self.stream.reset()
        elif how == "app closes":
            peer.close(1000, "")
        else:
            await client.stream.transport_stream.aclose()
        self.holds = False
        peer.resume()
        if how in ("client resets", "connection ends"):
            await self.recorder.over.wait()
            return []
        for number in (0, self.stream.number):
            await client.open_window(number, 32 * MB)
        frames = []
        if how == "app closes":
            while not frames or frames[-1].first != CLOSE:
                frames.append(await self.socket.frame())
            await self.socket.send(masked(CLOSE, b"\x03\xe8"))
        frames += await self.socket.frames()
        await self.recorder.over.wait()
        if how not in ("client ends", "client closes and ends"):
            await self.stream.send_eof()
        assert self.stream.answer.reset is None
        return [frame.payload for frame in frames if frame.first == 0x82]


async def play(certificates: Certificates, actions: list[Action], end: str) -> None:
    app = SocketApp(limits=SocketLimits(max_buffered=64 * MB))
    with trio.fail_after(60):
        async with (
            secured(app, Path(), certificates=certificates) as server,
            shared(server, windows=False) as client,
        ):
            other = await client.open()
            story = Story(client, await client.open(), app.sockets[1])
            for action in actions:
                await story.act(*action)
            got = await story.end(end)
            messages = story.recorder.messages
            if end in ("client resets", "connection ends", "app closes"):
                assert messages == story.sent[: len(messages)]
            else:
                assert messages == story.sent
            if end in ("client closes", "app closes"):
                assert got == story.said
            else:
                assert got == story.said[: len(got)]
            assert len(story.recorder.closings) == 1
            if end != "connection ends":
                await client.open_window(0, MB)
                await other.send(masked(0x81, b"on"))
                assert (await other.frame()).payload == b"on"
                await client.ping()
                assert client.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 101
    assert [len(recorder.closings) for recorder in app.sockets] == [1, 1]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(written(tmp_path_factory.mktemp("certificates"), "localhost"), {})


@settings(max_examples=60)
@given(actions=_actions, end=st.sampled_from(ENDS))
@example(
    actions=[("client", 60_000, 0), ("hold back", 0, 0), ("client", 5000, 255), ("client", 5000, 1)], end="client ends"
)
@example(actions=[("app", 300_000, 0), ("look", 0, 0)], end="client closes and ends")
@example(actions=[("app", 300_000, 0), ("client", 100, 3), ("look", 0, 0)], end="app closes")
def test_messages_arrive_in_order_and_the_end_is_told_once(
    certificates: Certificates, actions: list[Action], end: str
) -> None:
    trio.run(play, certificates, actions, end)
