"""The multi-byte decoders of the Encoding Standard (sections 10 to 13), but for ISO-2022-JP.

Theory of operation. Python's codecs in C nearly agree with the standard; ``multibyte`` says for each encoding where
they differ. There are two ways to decode:

- The quick way: the codec decodes strictly, and characters that the standard maps otherwise are exchanged afterwards
  (each comes from one byte sequence only). It serves whenever the text is valid, which is nearly always.
- The exact way, where the codec finds an error: a regular expression cuts the bytes into the tokens that the standard's
  state machine consumes at a time, and a table gives each token's text. The time per byte is bounded, errors or not.

A sequence that the end of the data cuts off is returned as pending, and comes back before the next data.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from functools import cache
from itertools import product
from typing import Final

from nano_trio.runtime.encoding_differences import BIG5, GB18030

__all__ = ["REPLACEMENT", "Multibyte", "multibyte"]

REPLACEMENT: Final = "\ufffd"
_LEAD: Final = rb"[\x81-\xfe]"


class Multibyte:
    """A decoder.

    ``codec``: Python's. ``token``: matches what the standard consumes at a time, and ``cut`` what the end of the data
    leaves of one. ``singles``: bytes beyond ASCII that stand alone. ``differences``: sequences whose text is another
    than the codec's; ``ambiguous``: characters that the codec makes of one of these and of another sequence as well.
    ``unlike``: a regular expression's set of characters that the codec makes of errors.
    """

    def __init__(
        self,
        codec: str,
        token: bytes = _LEAD + rb"[\x00-\xff]",
        cut: bytes = _LEAD,
        *,
        singles: dict[bytes, str] | None = None,
        differences: dict[bytes, str] | None = None,
        ambiguous: str = "",
        unlike: str = "",
    ) -> None:
        self._codec = codec
        self._incremental = getincrementaldecoder(codec)
        self._token = re.compile(rb"%b|(?:%b)\Z|[\x00-\xff]" % (token, cut))
        self._cut = re.compile(cut)
        self._differences = differences or {}
        # The text of the tokens met so far, but for those of four bytes: they are too many to keep.
        self._known = {bytes([byte]): chr(byte) for byte in range(0x80)} | (singles or {})
        self._wrong: set[bytes] = set()
        self._exchange: dict[int, str] = {}
        for sequence, text in self._differences.items():
            theirs = self._of_codec(sequence)
            if theirs is not None and theirs not in ambiguous:
                self._exchange[ord(theirs)] = text
        self._exchanged = re.compile(f"[{''.join(map(chr, self._exchange))}]" if self._exchange else "(?!)")
        self._unlike = re.compile(f"[{unlike}]" if unlike else "(?!)")
        self._uncertain = re.compile(f"[{unlike}{ambiguous}]" if unlike or ambiguous else "(?!)")

    def decode(self, data: bytes, final: bool, fatal: bool) -> tuple[str, bytes] | None:
        """(text, pending bytes); None where there is an error and ``fatal`` asks to fail."""
        try:
            decoder = self._incremental("strict")
            text = decoder.decode(data, final)
            pending = decoder.getstate()[0]
        except UnicodeDecodeError:
            return self._decode_exactly(data, final, fatal)
        if (pending and not self._cut.fullmatch(pending)) or self._uncertain.search(text):
            return self._decode_exactly(data, final, fatal)
        return text.translate(self._exchange) if self._exchanged.search(text) else text, pending

    def _decode_exactly(self, data: bytes, final: bool, fatal: bool) -> tuple[str, bytes] | None:
        tokens = self._token.findall(data)
        pending = tokens.pop() if tokens and self._cut.fullmatch(tokens[-1]) else b""
        table = self._known
        unknown = set(tokens).difference(table)
        if any(len(token) == 4 for token in unknown):
            table = table.copy()
        for token in unknown:
            text = self.lookup(token)
            is_wrong = text is None
            if text is None:
                if fatal and len(token) == 4:
                    return None
                # An ASCII byte at the end was no part of what is wrong: it is decoded again, as itself.
                text = REPLACEMENT + (chr(token[-1]) if 1 < len(token) < 4 and token[-1] < 0x80 else "")
            table[token] = text
            if len(token) < 4:
                self._known[token] = text
                if is_wrong:
                    self._wrong.add(token)
        is_cut = bool(pending) and final
        if fatal and (is_cut or not self._wrong.isdisjoint(tokens)):
            return None
        text = "".join(map(table.__getitem__, tokens))
        return (text + REPLACEMENT, b"") if is_cut else (text, pending)

    def lookup(self, token: bytes) -> str | None:
        """The text of a token of two bytes or more; None where the standard's index has none."""
        if len(token) < 2:
            return None
        if token in self._differences:
            return self._differences[token]
        text = self._of_codec(token)
        return None if text is None or self._unlike.search(text) else text

    def _of_codec(self, sequence: bytes) -> str | None:
        try:
            return sequence.decode(self._codec)
        except UnicodeDecodeError:
            return None


class _GB18030(Multibyte):
    def lookup(self, token: bytes) -> str | None:
        """Also the ranges of four bytes (section 10.2.1): most of their pointers mean nothing."""
        if len(token) == 4:
            first, second, third, fourth = token
            pointer = ((first - 0x81) * 10 + second - 0x30) * 1260 + (third - 0x81) * 10 + fourth - 0x30
            if 39419 < pointer < 189000 or pointer > 1237575:
                return None
        return super().lookup(token)


def _euc_jp_differences() -> dict[bytes, str]:
    """Index jis0208 is that of Shift_JIS, rows of NEC and IBM included; Python's EUC-JP follows the bare standard."""
    differences = {b"\x8f\xa2\xb7": "～"}
    for row, cell in product(range(94), repeat=2):
        lead, trail = divmod(row * 94 + cell, 188)
        shift_jis = bytes([lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)])
        euc_jp = bytes([0xA1 + row, 0xA1 + cell])
        try:
            text = shift_jis.decode("cp932")
        except UnicodeDecodeError:
            continue
        if euc_jp.decode("euc_jp", "ignore") != text:
            differences[euc_jp] = text
    return differences


@cache
def multibyte(encoding: str) -> Multibyte | None:
    """The decoder of a legacy multi-byte encoding by its name; None for others."""
    match encoding:
        case "gbk" | "gb18030":
            return _GB18030(
                "gb18030",
                rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe][\x30-\x39]|[^\x30-\x39])",
                rb"[\x81-\xfe](?:[\x30-\x39][\x81-\xfe]?)?",
                singles={b"\x80": "€"},
                differences=GB18030,
            )
        case "big5":
            return Multibyte("big5hkscs", differences=BIG5, ambiguous="／＼")
        case "euc-kr":
            return Multibyte("cp949")
        case "shift_jis":
            return Multibyte(
                "cp932",
                rb"[\x81-\x9f\xe0-\xfc][\x00-\xff]",
                rb"[\x81-\x9f\xe0-\xfc]",
                singles={b"\x80": "\x80"} | {bytes([byte]): chr(0xFF61 - 0xA1 + byte) for byte in range(0xA1, 0xE0)},
                unlike="\uf8f0-\uf8f3",
            )
        case "euc-jp":
            return Multibyte(
                "euc_jp",
                rb"\x8f[\xa1-\xfe][\x00-\xff]|\x8f[^\xa1-\xfe]|[\x8e\xa1-\xfe][\x00-\xff]",
                rb"\x8f[\xa1-\xfe]|[\x8e\x8f\xa1-\xfe]",
                differences=_euc_jp_differences(),
                ambiguous="~",
            )
    return None
