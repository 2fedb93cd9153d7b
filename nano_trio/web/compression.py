"""Compressed responses: which, in which coding, and how (RFC 9110 sections 8.4 and 12.5.3).

Theory of operation
-------------------
:meth:`Compressor.apply` stands between an app's response and whoever sends it, HTTP/1.1 or HTTP/2. It returns the very
same response, or one with another body and other fields; nobody downstream knows. Three shapes of bodies:

- *Small bytes* (``_WHOLE``) are compressed here and now, and only kept so if that made them smaller.
- *Large bytes* become a stream of compressed pieces, each computed in a thread: the loop goes on meanwhile.
- *A stream* becomes a stream. Each chunk is compressed and **flushed**, so an event, or a page's first half, leaves
  when the app gave it. Nothing is read ahead. The length that the app may have promised is checked here, for the
  connection no longer can.

Left alone are: responses that have a Content-Encoding already, say ``no-transform``, are partial (206) or without
content, carry a digest of their bytes, are small, or are of another media type. A compressible response varies by
Accept-Encoding, compressed or not. A strong ETag becomes a weak one, since the bytes are no longer the same, and
Accept-Ranges goes.

HEAD is answered as GET would be, but for the length, which nobody has computed.
"""

from __future__ import annotations

import functools
import re
import sys
import zlib
from collections.abc import Sequence
from typing import Any, Protocol

import attrs
import brotli

from nano_trio.actors.messages import BodyBroken, BodyStream, OutgoingResponse
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.runtime.http_syntax import TOKEN, content_length, members
from nano_trio.runtime.pieces import WHOLE, Pieces

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CompressionSettings", "Compressor", "Transform", "negotiate"]

Fields = list[tuple[str, str]]

_WHOLE = 32 * 1024
"""Bytes that are compressed here and now: at most about a millisecond."""
_PIECE = 256 * 1024
"""Bytes that a thread compresses at a time."""
_GZIP_LEVEL = 5
_BROTLI_QUALITY = 4
_BROTLI_WINDOW = 18
_ZSTD_LEVEL = 3
_ZSTD_WINDOW = 19  # a browser must take 23 (RFC 8878 section 3.1.1.1.2); less is less memory for each stream
_NO_CONTENT = frozenset((204, 205, 206, 304))
_UNTOUCHABLE = frozenset(
    ("content-encoding", "content-range", "content-digest", "repr-digest", "digest", "content-md5", "transfer-encoding")
)
_CODING = re.compile(rf"({TOKEN})(?:[ \t]*;[ \t]*[qQ]=(0(?:\.[0-9]{{0,3}})?|1(?:\.0{{0,3}})?))?").fullmatch


@attrs.frozen(kw_only=True)
class CompressionSettings:
    """Which responses are compressed, and how; as in the configuration's table ``compression``."""

    encodings: tuple[str, ...]
    """``zstd``, ``br``, ``gzip``, in the order of preference."""
    min_bytes: int = 1024
    types: tuple[str, ...] = ("text/*", "application/json")


@functools.lru_cache(1024)
def negotiate(accept: str, offered: tuple[str, ...]) -> str | None:
    """The coding to use for an Accept-Encoding field (RFC 9110 section 12.5.3), None for none.

    The client's highest weight wins, among equals the first of ``offered``; what it weighs 0, or does not name (nor
    ``*``), is not used, nor is what it likes less than ``identity``. A malformed member counts as absent.
    """
    weights: dict[str, float] = {}
    for member in members(accept.lower()):
        match = _CODING(member)
        if match is not None:
            name = {"x-gzip": "gzip"}.get(match[1], match[1])
            weights[name] = max(weights.get(name, 0.0), float(match[2] or 1))
    best, chosen = weights.get("identity", 0.0), None
    for name in offered:
        weight = weights.get(name, weights.get("*", 0.0))
        if weight and (weight > best or (chosen is None and weight == best)):
            best, chosen = weight, name
    return chosen


class _Encoder(Protocol):
    """One compressed body."""

    def encode(self, data: bytes, *, flush: bool) -> bytes:
        """Compress; with ``flush`` all that was given so far can be decompressed from what was returned so far."""

    def finish(self) -> bytes:
        """What ends the body."""


class _Gzip:
    def __init__(self) -> None:
        self._encoder = zlib.compressobj(_GZIP_LEVEL, wbits=31)

    def encode(self, data: bytes, *, flush: bool) -> bytes:
        output = self._encoder.compress(data)
        return output + self._encoder.flush(zlib.Z_SYNC_FLUSH) if flush else output

    def finish(self) -> bytes:
        return self._encoder.flush()


class _Brotli:
    def __init__(self) -> None:
        self._encoder: Any = brotli.Compressor(quality=_BROTLI_QUALITY, lgwin=_BROTLI_WINDOW)

    def encode(self, data: bytes, *, flush: bool) -> bytes:
        output: bytes = self._encoder.process(data)
        return output + self._encoder.flush() if flush else output

    def finish(self) -> bytes:
        output: bytes = self._encoder.finish()
        return output


class _Zstd:
    def __init__(self) -> None:
        parameter = zstd.CompressionParameter
        self._encoder = zstd.ZstdCompressor(
            options={parameter.compression_level: _ZSTD_LEVEL, parameter.window_log: _ZSTD_WINDOW}
        )

    def encode(self, data: bytes, *, flush: bool) -> bytes:
        return self._encoder.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK if flush else zstd.ZstdCompressor.CONTINUE)

    def finish(self) -> bytes:
        return self._encoder.flush()


_ENCODERS: dict[str, type[_Gzip] | type[_Brotli] | type[_Zstd]] = {"gzip": _Gzip, "br": _Brotli, "zstd": _Zstd}


class Transform(Protocol):
    """What is done with every response before it is sent."""

    def apply(
        self, method: str, request_headers: Sequence[tuple[str, str]], response: OutgoingResponse
    ) -> OutgoingResponse:
        """The response to send instead of an app's. Never blocks; the one given is not changed."""


class Compressor:
    """Compresses responses as one server's settings say."""

    def __init__(self, settings: CompressionSettings) -> None:
        self._offered = settings.encodings
        self._min_bytes = settings.min_bytes
        patterns = "|".join(re.escape(pattern.lower()).replace(r"\*", "[^/]*") for pattern in settings.types)
        self._has_type = functools.lru_cache(512)(re.compile(patterns).fullmatch)

    def apply(
        self, method: str, request_headers: Sequence[tuple[str, str]], response: OutgoingResponse
    ) -> OutgoingResponse:
        """The response to send instead of an app's. Never blocks; the one given is not changed."""
        body = response.body
        if response.status in _NO_CONTENT or response.status < 200 or response.socket is not None:
            return response
        if body is None and method != "HEAD":
            return response
        content_type = ""
        promised: int | None = None
        for name, value in response.headers:
            key = name.lower()
            if key in _UNTOUCHABLE:
                return response
            if key == "content-type":
                content_type = value.partition(";")[0].strip(" \t").lower()
            elif key == "cache-control" and "no-transform" in value.lower():
                return response
            elif key == "content-length":
                promised = content_length(value)
        if not content_type or self._has_type(content_type) is None:
            return response
        size = len(body) if isinstance(body, WHOLE) and (body or method != "HEAD") else promised
        if (size is not None and size < self._min_bytes) or (body is None and size is None):
            return response
        accept = ",".join([value for name, value in request_headers if name == "accept-encoding"])
        coding = negotiate(accept, self._offered) if accept else None
        if coding is None:
            return attrs.evolve(response, headers=_varying(response.headers))
        return self._compressed(method, response, coding, promised)

    def _compressed(
        self, method: str, response: OutgoingResponse, coding: str, promised: int | None
    ) -> OutgoingResponse:
        body = response.body
        content: bytes | BodyStream | None = body
        if isinstance(body, bytes) and len(body) <= _WHOLE:
            encoder = _ENCODERS[coding]()
            content = encoder.encode(body, flush=False) + encoder.finish()
            if len(content) >= len(body):
                if body:
                    return attrs.evolve(response, headers=_varying(response.headers))
                content = body
        elif isinstance(body, bytes):
            pieces = Pieces(body[at : at + _PIECE] for at in range(0, len(body), _PIECE))
            content = _Compressed(pieces, _ENCODERS[coding](), None, flush=False)
        elif isinstance(body, Pieces):
            content = _Compressed(body, _ENCODERS[coding](), None, flush=False)
        elif body is not None and method != "HEAD":
            content = _Compressed(body, _ENCODERS[coding](), promised, flush=True)
        return attrs.evolve(response, headers=_encoded(response.headers, coding), body=content)


def _varying(headers: Fields) -> Fields:
    """The fields with Accept-Encoding in Vary (RFC 9110 section 12.5.5)."""
    for name, value in headers:
        if name.lower() == "vary" and not {"accept-encoding", "*"}.isdisjoint(members(value.lower())):
            return headers
    return [*headers, ("vary", "accept-encoding")]


def _encoded(headers: Fields, coding: str) -> Fields:
    """The fields of a response that has become one of the coding."""
    fields: Fields = []
    for name, value in _varying(headers):
        key = name.lower()
        if key == "etag":
            value = value if value.startswith("W/") else f"W/{value}"
        elif key in ("content-length", "accept-ranges"):
            continue
        fields.append((name, value))
    return [*fields, ("content-encoding", coding)]


class _Compressed:
    """A compressed :class:`BodyStream`."""

    def __init__(self, source: BodyStream, encoder: _Encoder, promised: int | None, *, flush: bool) -> None:
        self._source = source
        self._encoder: _Encoder | None = encoder
        self._promised = promised
        self._flush = flush
        self._taken = 0

    async def receive(self) -> bytes:
        """The next compressed piece, ``b""`` at the end. Raises :class:`BodyBroken`."""
        while (encoder := self._encoder) is not None:
            chunk = await self._source.receive()
            self._taken += len(chunk)
            if self._promised is not None and (self._taken > self._promised if chunk else self._taken < self._promised):
                raise BodyBroken(f"the stream gave {self._taken} of the {self._promised} bytes that it promised")
            if not chunk:
                self._encoder = None
                return encoder.finish()
            output = await self._encode(encoder, chunk)
            if output:
                return output
        return b""

    async def _encode(self, encoder: _Encoder, chunk: bytes) -> bytes:
        if len(chunk) <= _WHOLE:
            return encoder.encode(chunk, flush=self._flush)
        output: list[bytes] = []
        for at in range(0, len(chunk), _PIECE):
            flush = self._flush and at + _PIECE >= len(chunk)
            work = functools.partial(encoder.encode, chunk[at : at + _PIECE], flush=flush)
            output.append(await in_thread_or_here(work))
        return b"".join(output)

    def cancel(self, reason: str) -> None:
        """The client left."""
        self._source.cancel(reason)
