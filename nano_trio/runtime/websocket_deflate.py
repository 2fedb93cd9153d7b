"""permessage-deflate for a WebSocket client: RFC 7692, as an extension of wsproto's frames.

Unlike wsproto's own, it knows control frames in the middle of a fragmented message, bounds what a message may become,
and compresses only messages that are worth it: the compressor, some 256 KB, is made for the first of them.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from nano_trio.runtime.websocket_protocol import EMPTY_BLOCK

__all__ = ["OFFER", "BadExtension", "Deflate"]

OFFER = "permessage-deflate; client_max_window_bits"
WORTH_IT = 1024
"""Bytes from which on a message is compressed."""

_PARAMETER = re.compile(r'[ \t]*([a-z_]+)[ \t]*(?:=[ \t]*"?([0-9]+)"?[ \t]*)?')


class BadExtension(Exception):
    """The server's choice of extensions is none that was offered."""


class Deflate(Extension):
    """What the server's ``Sec-WebSocket-Extensions`` agreed to. Raises :class:`BadExtension`."""

    name = "permessage-deflate"

    def __init__(self, accepted: str, max_message: int) -> None:
        name, *parameters = accepted.split(";")
        if name.strip() != self.name:
            raise BadExtension
        self.compress = False
        """Whether the next message that is sent is to be compressed."""
        self._max_message = max_message
        self._window_bits = 15
        self._client_forgets = self._server_forgets = False
        seen: set[str] = set()
        for parameter in parameters:
            match = _PARAMETER.fullmatch(parameter)
            if match is None or match[1] in seen:
                raise BadExtension
            seen.add(match[1])
            self._take(match[1], match[2])
        self._compressor: Any = None
        self._decompressor: Any = None
        self._is_compressed: bool | None = None
        self._is_control = False
        self._inflated = 0

    def _take(self, parameter: str, value: str | None) -> None:
        match parameter:
            case "client_no_context_takeover" if value is None:
                self._client_forgets = True
            case "server_no_context_takeover" if value is None:
                self._server_forgets = True
            case "client_max_window_bits" if value is not None and 8 <= int(value) <= 15:
                self._window_bits = int(value)
            case "server_max_window_bits" if value is not None and 8 <= int(value) <= 15:
                pass  # the largest window reads them all
            case _:
                raise BadExtension

    def enabled(self) -> bool:
        return True

    def offer(self) -> str:
        return OFFER

    @property
    def can_compress(self) -> bool:
        """zlib has no window of 256 bytes."""
        return self._window_bits > 8

    # -- coming in ---------------------------------------------------------------------------------------------------

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        self._is_control = opcode.iscontrol()
        if self._is_control or opcode is Opcode.CONTINUATION:
            return CloseReason.PROTOCOL_ERROR if rsv.rsv1 else RsvBits(False, False, False)
        self._is_compressed = rsv.rsv1
        self._inflated = 0
        return RsvBits(True, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        return data if self._is_control or not self._is_compressed else self._inflate(data)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        if not fin or self._is_control or not self._is_compressed:
            return None
        rest = self._inflate(EMPTY_BLOCK)
        if self._server_forgets:
            self._decompressor = None
        return rest

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        if self._decompressor is None:
            self._decompressor = zlib.decompressobj(-15)
        try:
            inflated: bytes = self._decompressor.decompress(data, self._max_message - self._inflated + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated += len(inflated)
        if self._inflated > self._max_message:
            return CloseReason.MESSAGE_TOO_BIG
        if self._decompressor.eof:
            # A block marked as the last one: what follows begins anew (RFC 7692, 7.2.3.5).
            following = self._decompressor.unused_data
            self._decompressor = zlib.decompressobj(-15)
            if following and following != EMPTY_BLOCK:
                more = self._inflate(following)
                return more if isinstance(more, CloseReason) else inflated + more
        return inflated

    # -- going out ---------------------------------------------------------------------------------------------------

    def frame_outbound(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> tuple[RsvBits, bytes]:
        if opcode.iscontrol() or not self.compress:
            return rsv, data
        if self._compressor is None:
            self._compressor = zlib.compressobj(wbits=-self._window_bits)
        data = self._compressor.compress(data)
        if fin:
            data = (data + self._compressor.flush(zlib.Z_SYNC_FLUSH)).removesuffix(EMPTY_BLOCK)
            if self._client_forgets:
                self._compressor = None
        return RsvBits(opcode is not Opcode.CONTINUATION, rsv.rsv2, rsv.rsv3), data
