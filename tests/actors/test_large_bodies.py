"""Between the pieces in which large bodies cross others may run: no app makes its neighbours wait by them."""

from __future__ import annotations

from collections import Counter

import pytest
import quickjs
import trio

from nano_trio.actors import services
from nano_trio.actors.messages import IncomingRequest
from nano_trio.engine.polling import ENGINE_INTERVAL, counter_offset
from nano_trio.runtime import encoding, fetch
from nano_trio.runtime.cache import CacheSession
from nano_trio.runtime.large import Large, Lent, deliver
from nano_trio.runtime.pieces import LARGE, LARGE_TEXT, PIECE, Pieces
from tests.actors.conftest import HouseMaker, pieces_of

MB = 1 << 20
SIZE = 4 * MB
APP = f"""
const bytes = new Uint8Array({SIZE}).fill(97), text = "\\u4e00".repeat({SIZE} / 4);
export default {{ async fetch(request) {{
  switch (new URL(request.url).pathname) {{
    case "/bytes": return new Response(bytes);
    case "/text": return new Response(text);
    case "/stream": return new Response(new ReadableStream({{
      start(controller) {{ controller.enqueue(bytes.slice()); controller.close(); }},
    }}));
    case "/reads-text": return new Response(String((await request.text()).length));
    case "/reads-bytes": return new Response(String((await request.bytes()).length));
    case "/decodes": return new Response(String(await new Response(bytes).text() === "a".repeat({SIZE})));
    case "/small": return new Response("a".repeat({LARGE}));
  }}
}} }};
"""


class Body:
    """Implements BodySource: megabytes that came long ago."""

    length = SIZE

    def __init__(self) -> None:
        self._left = SIZE

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        piece = bytes(min(self._left, 65_536))
        self._left -= len(piece)
        return piece


@pytest.mark.parametrize(
    ("path", "pieces", "result"),
    [
        ("/bytes", SIZE // PIECE, None),
        ("/text", SIZE // 4 * 3 // PIECE, None),
        ("/stream", SIZE // PIECE, None),
        ("/reads-text", SIZE // PIECE, str(SIZE)),
        ("/reads-bytes", SIZE // PIECE, str(SIZE)),
        ("/decodes", 2 * (SIZE // PIECE), "true"),
        ("/small", 0, None),
    ],
)
async def test_others_run_after_each_piece(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, path: str, pieces: int, result: str | None
) -> None:
    assert counter_offset() is not None, "polls cannot be asked for here"
    passes = 0
    crossed: list[int] = []

    def noted(name: str) -> None:
        cross = getattr(Large, name)

        def note(large: Large, *args: object) -> object:
            crossed.append(passes)
            return cross(large, *args)

        monkeypatch.setattr(Large, name, note)

    noted("put")
    noted("next")

    async def others() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    async with house({"app": {"source": APP, "memory_mb": 256}}) as home, trio.open_nursery() as nursery:
        await home.ask("app", "/small")
        app = home.app("app")
        assert app._current is not None
        isolate = app._current._environment.isolate
        # A slice is over at each poll, and the engine polls seldom: then it shows where it is made to.
        home.registry.scheduler.slice_ns = isolate._slice_ns = 1
        isolate._turnstile._interval = isolate._turnstile.counter.value = ENGINE_INTERVAL
        crossed.clear()
        nursery.start_soon(others)
        body = Body() if path.startswith("/reads") else None
        exchange = app.begin(IncomingRequest("POST", f"http://app{path}", [], body, "192.0.2.7"))
        response = await exchange.wait()
        received = await pieces_of(response)
        exchange.finish()
        assert response.status == 200
        assert not app._current._environment.large._lent
        nursery.cancel_scope.cancel()
    assert len(crossed) >= pieces
    # The one with which a turn begins may come in the same pass as the next.
    assert len(set(crossed)) >= len(crossed) - 1
    if result is not None:
        assert received == [result.encode()]
    elif path == "/small":
        assert list(map(len, received)) == [LARGE]
    else:
        assert isinstance(response.body, Pieces) == (path != "/stream")
        assert max(map(len, received)) <= (LARGE if path == "/stream" else PIECE)
        assert sum(map(len, received)) == (SIZE // 4 * 3 if path == "/text" else SIZE)


ELSEWHERE = f"""
const chunk = () => new ReadableStream({{ start(controller) {{ controller.enqueue(new Uint8Array({SIZE}).fill(97)); controller.close(); }} }});
export default {{ async fetch(request, env) {{
  switch (new URL(request.url).pathname) {{
    case "/encodes-into": return Response.json(new TextEncoder().encodeInto("\\u4e00".repeat({SIZE}), new Uint8Array({SIZE})));
    case "/stores": {{
      await caches.default.put("http://app/", new Response(chunk()));
      return Response.json((await (await caches.default.match("http://app/")).bytes()).every((byte) => byte === 97));
    }}
  }}
}} }};
"""


def test_a_text_that_crosses_slowly_is_large_sooner() -> None:
    for body, is_large in (
        (b"a" * LARGE, False),
        ("\u4e00".encode() * (LARGE // 4), True),
        (b"\xff" * LARGE_TEXT, False),
    ):
        assert isinstance(deliver(Pieces([body]), text=True), Lent) == is_large
        assert not isinstance(deliver(Pieces([body]), text=False), Lent)


@pytest.mark.parametrize(
    ("path", "result"), [("/encodes-into", f'{{"read":{SIZE // 3},"written":{SIZE // 3 * 3}}}'), ("/stores", "true")]
)
async def test_nothing_is_taken_in_one(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, path: str, result: str
) -> None:
    taken: list[int] = []
    fitting, write = encoding.fitting, CacheSession.write

    def note_fitting(source: quickjs.Value, size: int) -> tuple[int, int]:
        taken.append(len(source.to_bytes()))
        return fitting(source, size)

    def note_write(session: CacheSession, number: int, data: quickjs.Value) -> bool:
        taken.append(len(data.to_bytes()))
        return write(session, number, data)

    monkeypatch.setattr(encoding, "fitting", note_fitting)
    monkeypatch.setattr(CacheSession, "write", note_write)
    async with house({"app": {"source": ELSEWHERE}}) as home:
        response = await home.ask("app", path)
        assert response.body == result.encode()
    assert taken
    assert max(taken) <= PIECE


CALLS = f"""
const bytes = new Uint8Array({SIZE}).fill(97);
const chunk = () => new ReadableStream({{ start(controller) {{ controller.enqueue(bytes.slice()); controller.close(); }} }});
export default {{ async fetch(request, env) {{
  switch (new URL(request.url).pathname) {{
    case "/gives": return new Response(chunk());
    case "/takes": return new Response(String((await request.text()).length));
    case "/reads": return new Response(String((await (await env.other.fetch("http://other/gives")).text()).length));
    case "/sends": {{
      const sent = await env.other.fetch("http://other/takes", {{ method: "POST", body: chunk(), duplex: "half" }});
      return new Response(await sent.text());
    }}
  }}
}} }};
"""


@pytest.mark.parametrize(("path", "body"), [("/reads", services._Answer), ("/sends", fetch._Upload)])
async def test_others_run_while_what_lies_there_is_gathered(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, path: str, body: type
) -> None:
    """Where one app reads what another has given in one chunk nothing has to be waited for."""
    passes = 0
    received: list[int] = []
    receive = body.receive  # type: ignore[attr-defined]

    async def note(self: object) -> bytes:
        received.append(passes)
        piece: bytes = await receive(self)
        return piece

    async def others() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    monkeypatch.setattr(body, "receive", note)
    async with house({"app": {"source": CALLS, "services": {"other": "other"}}, "other": CALLS}) as home:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            response = await home.ask("app", path)
            nursery.cancel_scope.cancel()
        assert response.body == str(SIZE).encode()
    assert len(received) > SIZE // LARGE
    # Trio runs what is ready in any order: two may look like one pass.
    assert max(Counter(received).values()) <= 2
