"""Request ids: what connects a response, its lines in the log, and the requests that it led to.

An id of ours is a number until somebody looks: the process's random prefix and the number make a text that is unique in
the process and very likely among all. One that a trusted proxy gave is a text from the start.
"""

from __future__ import annotations

import itertools
import re
import secrets

__all__ = ["OUR_LINE", "field_value", "header_line", "is_valid", "new_id", "text"]

_PREFIX = secrets.token_hex(4)
OUR_LINE = f"x-request-id: {_PREFIX}-%x\r\n".encode()
"""The field line for a number of ours, which is to be put in."""

new_id = itertools.count(1).__next__
"""The next id, as a number."""

is_valid = re.compile(r"[A-Za-z0-9._~+/=:@-]{1,128}").fullmatch
"""Whether a proxy's id may go into logs, pages and headers."""


def text(request_id: int | str) -> str:
    """The id as people see it."""
    return request_id if type(request_id) is str else f"{_PREFIX}-{request_id:x}"


def field_value(request_id: int | str) -> bytes:
    """The id as the value of a response's field."""
    return text(request_id).encode("ascii")


def header_line(request_id: int | str) -> bytes:
    """The response's field line that tells it."""
    if type(request_id) is int:
        return OUR_LINE % request_id
    return b"x-request-id: %b\r\n" % field_value(request_id)
