"""The grammar of HTTP's messages: tokens, field values, authorities (RFC 9110 sections 5.5, 5.6.2 and 7.2).

Patterns of regular expressions, for the larger ones that are built of them, and the questions that are asked alone.
"""

from __future__ import annotations

import re

__all__ = ["FIELD_CHARACTER", "TOKEN", "TOKEN_CHARACTER", "is_authority", "is_field_value", "is_token"]

TOKEN_CHARACTER = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = TOKEN_CHARACTER + "+"
FIELD_CHARACTER = r"[\t -~\x80-\xff]"
"""Of a field's value, or of a reason phrase; one character an octet."""

is_token = re.compile(TOKEN).fullmatch
is_field_value = re.compile(f"{FIELD_CHARACTER}*").fullmatch

# Names of the DNS have at most 253 octets. To read Punycode takes a time that grows with the square of its length.
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{0,5}))?").fullmatch


def is_authority(text: str) -> bool:
    """Whether it may stand in a Host field: a host, and a port up to 65535 if any."""
    match = _AUTHORITY(text)
    return match is not None and int(match[1] or 0) <= 65535
