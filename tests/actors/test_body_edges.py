"""Bodies of all sizes around those at which they cross in pieces, however they come, are what was sent.

Each case is drawn by a number: a body, how it arrives, and how the app reads it. What Python makes of it is expected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote, unquote_to_bytes

import pytest
import trio

from nano_trio.actors.messages import IncomingRequest
from nano_trio.runtime.pieces import LARGE, PIECE
from tests.actors.conftest import House, HouseMaker, pieces_of

APP = """
const joined = (chunks) => new Blob(chunks).bytes();
const read = {
  text: (request) => request.text(),
  json: async (request) => (await request.json()).text,
  bytes: (request) => request.bytes(),
  blob: async (request) => { const blob = await request.blob(); return new Blob(["<", blob.slice(1, blob.size), ">"]); },
  form: async (request) => (await request.formData()).get("file"),
  stream: async (request) => { const chunks = []; for await (const chunk of request.body) chunks.push(chunk); return joined(chunks); },
  byob: async (request) => {
    const reader = request.body.getReader({ mode: "byob" }), chunks = [];
    for (let size = 1000; ; size = size * 3 % 400_000 + 1) {
      const { done, value } = await reader.read(new Uint8Array(size));
      chunks.push(value);
      if (done) return joined(chunks);
    }
  },
  clone: async (request) => {
    const [one, two] = await Promise.all([request.clone().bytes(), request.bytes()]);
    return one.every((byte, i) => byte === two[i]) ? two : "the clone is another";
  },
  coded: async (request) => new TextEncoder().encode(await request.text()),
  own: async (request) => new Response(await request.text()).bytes(),
  called: async (request, env) => (await env.self.fetch("http://self/bytes", { method: "POST", body: await request.text() })).text(),
  piped: (request, env) => env.self.fetch("http://self/stream", request),
};
export default { async fetch(request, env) {
  const result = await read[new URL(request.url).pathname.slice(1)](request, env);
  return result instanceof Response ? result : new Response(result);
} };
"""
EDGES = [PIECE // 2, PIECE, LARGE, 2 * LARGE, 3 * PIECE]
MARK = b"\xef\xbb\xbf"
UNITS = [b"a", b"&", b"+", b"%41", b"%", b"\r\n", b"\r\n--B", "\xe9".encode(), "\u4e00".encode(), "\U0001f600".encode()]
MALFORMED = [b"\xff", b"\xe4\xb8", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf", MARK]


def text_of(body: bytes) -> bytes:
    """UTF-8 decode, and encode again."""
    return body.removeprefix(MARK).decode("utf-8", "replace").encode()


def as_json(random: Random, body: bytes) -> bytes:
    text = body.decode("utf-8", "replace")
    return random.choice([b"", MARK]) + json.dumps({"text": text}, ensure_ascii=random.random() < 0.3).encode()


def as_multipart(random: Random, body: bytes) -> bytes:
    filename = random.choice([b"", b'; filename="f"'])
    return b'--B\r\nContent-Disposition: form-data; name="file"' + filename + b"\r\n\r\n" + body + b"\r\n--B--"


def as_urlencoded(random: Random, body: bytes) -> bytes:
    escaped = quote(body, safe=random.choice(["", "\r\n"])).encode()
    return b"a=b&file=" + random.choice([escaped, body.replace(b"&", b"%26")])


WAYS: dict[str, tuple[str, str, Callable[[Random, bytes], bytes], Callable[[bytes, bytes], bytes]]] = {
    # Of a way: how the app reads; the type of what is sent; what is sent of a body; what comes back of both.
    **{way: (way, "", lambda _, body: body, lambda body, _: body) for way in ("bytes", "stream", "byob", "clone", "piped")},
    **{way: (way, "", lambda _, body: body, lambda body, _: text_of(body)) for way in ("text", "coded", "own")},
    "called": ("called", "", lambda _, body: body, lambda body, _: text_of(text_of(body))),
    "blob": ("blob", "", lambda _, body: body, lambda body, _: b"<" + body[1:] + b">"),
    "json": ("json", "", as_json, lambda body, _: body.decode("utf-8", "replace").encode()),
    "multipart": (
        "form",
        "multipart/form-data; boundary=B",
        as_multipart,
        lambda body, sent: body if b"filename" in sent[:100] else body.decode("utf-8", "replace").encode(),
    ),
    "urlencoded": (
        "form",
        "application/x-www-form-urlencoded",
        as_urlencoded,
        lambda _, sent: unquote_to_bytes(sent[9:].replace(b"+", b" ")).decode("utf-8", "replace").encode(),
    ),
}  # fmt: skip


class Sent:
    """Implements BodySource: a body in pieces of any length."""

    def __init__(self, random: Random, body: bytes) -> None:
        self.length = random.choice([len(body), None])
        self._random = random
        self._left = body
        self._sizes = random.choices([1000, 65_535, 65_536, PIECE - 1, PIECE, PIECE + 1, LARGE], k=3)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        size = self._random.choice(self._sizes)
        piece, self._left = self._left[:size], self._left[size:]
        return piece


def drawn(random: Random) -> bytes:
    """A body whose size is near an edge, or any."""
    size = random.choice([*EDGES, random.randrange(3, 3 * LARGE)]) + random.randrange(-3, 4)
    units = random.choice([UNITS, [*UNITS, *MALFORMED]])
    unit = b"".join(random.choices(units, k=random.randrange(1, 50)))
    body = random.choice([b"", b"a", MARK]) + unit * (size // len(unit) + 1)
    return body[:size].replace(b"\r\n--B", b"\r\n--C")


async def answer(home: House, path: str, kind: str, body: Sent) -> bytes:
    request = IncomingRequest("POST", f"http://app/{path}", [("content-type", kind)], body, "192.0.2.7")
    exchange = home.app("app").begin(request)
    response = await exchange.wait()
    received = await pieces_of(response)
    exchange.finish()
    assert response.status == 200, home.logged("app")
    return b"".join(received)


@pytest.mark.parametrize("way", WAYS)
async def test_what_is_sent_is_read_whatever_its_size(house: HouseMaker, way: str) -> None:
    path, kind, make, expected = WAYS[way]
    app = {"source": APP, "services": {"self": "again"}}
    async with house({"app": app, "again": APP}) as home:
        for number in range(12):
            random = Random(f"{way} {number}")
            body = drawn(random)
            sent = make(random, body)
            found = await answer(home, path, kind, Sent(random, sent))
            assert found == expected(body, sent), f"case {number}: {len(body)} bytes"
        current = home.app("app")._current
        assert current is not None
        large = current._environment.large
        assert not large._lent
        assert not large._given


def forget_peak() -> int:
    """Have the most memory that this process has had be what it has now; that, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    """The most memory that this process has had since that was forgotten, in bytes."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) << 10


async def test_bytes_that_an_app_keeps_are_there_twice_and_not_three_times(house: HouseMaker) -> None:
    """What the response has of its own becomes the host's bit by bit: there never is all of it in both."""
    size = (96 << 20) + 12345
    app = f"""
      const own = new Uint8Array({size});
      for (let i = 0; i < 5e6; i++) own[i] = i * 7;
      own.copyWithin(own.length - 5e6, 0, 5e6);
      export default (request) => request.url.endsWith("/begin") ? new Response("begun") : new Response(own);
    """
    pattern = bytes(i * 7 & 255 for i in range(256)) * (5_000_000 // 256 + 1)
    async with house({"app": {"source": app, "memory_mb": 1000}}) as home:

        async def ask(path: str) -> list[bytes]:
            exchange = home.app("app").begin(IncomingRequest("GET", f"http://app/{path}", [], None, "192.0.2.7"))
            received = await pieces_of(await exchange.wait())
            exchange.finish()
            return received

        assert await ask("begin") == [b"begun"]
        before = forget_peak()
        body = await ask("bytes")
        assert peak() - before < size * 3 // 2
        whole = b"".join(body)
        assert len(whole) == size
        assert whole[:5_000_000] == whole[-5_000_000:] == pattern[:5_000_000]
