"""The grammar of HTTP's messages: tokens, lists, field values, authorities (RFC 9110 sections 5.5, 5.6, 7.2 and 8.6).

Patterns of regular expressions, for the larger ones that are built of them, and the questions that are asked alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = [
    "FIELD_CHARACTER",
    "HOP_BY_HOP",
    "TOKEN",
    "TOKEN_CHARACTER",
    "agreed_length",
    "content_length",
    "is_authority",
    "is_field_value",
    "is_token",
    "members",
]

TOKEN_CHARACTER = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = TOKEN_CHARACTER + "+"
FIELD_CHARACTER = r"[\t -~\x80-\xff]"
"""Of a field's value, or of a reason phrase; one character an octet."""

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Fields that are about one connection, and so never an app's business (section 7.6.1)."""

is_token = re.compile(TOKEN).fullmatch
is_field_value = re.compile(f"{FIELD_CHARACTER}*").fullmatch

# Names of the DNS have at most 253 octets. To read Punycode takes a time that grows with the square of its length.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?").fullmatch
_LENGTH = re.compile(r"[0-9]{1,18}").fullmatch
_RESPONSE_LENGTH = re.compile(rb"[0-9]{1,19}").fullmatch


def members(value: str) -> list[str]:
    """A list field's members; empty ones do not count."""
    return [member for part in value.split(",") if (member := part.strip(" \t"))]


def content_length(value: str) -> int | None:
    """The bytes that a Content-Length field tells; None where it tells nothing, or more than there can be."""
    text = value.strip(" \t")
    return int(text) if _LENGTH(text) else None


def agreed_length(values: Iterable[bytes]) -> int | None:
    """The bytes that a response's Content-Length fields tell, which may repeat one another (RFC 9110 section 8.6).

    None where there are none. Raises ValueError for what is no length, and where they differ.
    """
    lengths = {length.strip(b" \t") for value in values for length in value.split(b",")}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths:
        raise ValueError("its Content-Lengths differ")
    if _RESPONSE_LENGTH(length) is None:
        raise ValueError("its Content-Length is no number of bytes")
    return int(length)


def is_authority(text: str) -> bool:
    """Whether it may stand in a Host field: a host, and a port up to 65535 if any."""
    match = _AUTHORITY(text)
    return match is not None and int(match[1] or 0) <= 65535
