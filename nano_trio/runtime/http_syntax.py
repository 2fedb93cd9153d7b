"""What HTTP's fields are made of, as patterns of regular expressions: RFC 9110 section 5.6."""

from __future__ import annotations

__all__ = ["TOKEN", "TOKEN_CHARACTER"]

TOKEN_CHARACTER = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = TOKEN_CHARACTER + "+"
