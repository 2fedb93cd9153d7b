"""What HTTP says about cached responses: how long they are fresh, what varies, conditional and partial requests.

Pure functions over header lists (flat sequences of names in lower case and values by turns) and what :func:`combined`
makes of them. Freshness is that of a shared cache (RFC 9111), as an app's visitors share what it caches; conditions and
ranges are those of RFC 9110.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC

import attrs

from nano_trio.runtime.host import in_pairs
from nano_trio.runtime.http_syntax import TOKEN

__all__ = ["NEVER", "ByteRange", "combined", "expiry", "is_not_modified", "requested_range", "varying"]

NEVER = float("-inf")
"""The expiry of a response that must not be stored at all."""

_DIRECTIVE = re.compile(rf'({TOKEN})(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*)))?')
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(?:([0-9]+)[ \t]*-[ \t]*([0-9]*)|-[ \t]*([0-9]+))[ \t]*", re.IGNORECASE)
_SECONDS = re.compile(r"[0-9]+")
_LONGEST_S = 2**31
"""What a number too large to represent counts as (RFC 9111, 1.2.2)."""


def combined(headers: Sequence[str]) -> dict[str, str]:
    """Each field's combined value by its name (Fetch, "get")."""
    fields: dict[str, str] = {}
    for name, value in in_pairs(headers):
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def expiry(headers: Mapping[str, str], now: float) -> float | None:
    """When a response ceases to be fresh, in seconds since the epoch; None: it does not say; :data:`NEVER`: at once.

    As in Workers, a response that sets cookies is stored only where ``private=Set-Cookie`` allows it (without them).
    """
    directives = _directives(headers.get("cache-control", ""))
    private = directives.get("private")
    if "no-store" in directives or "no-cache" in directives:
        return NEVER
    if "private" in directives and not private:
        return NEVER
    if "set-cookie" in headers and "set-cookie" not in withheld(headers):
        return NEVER
    lifetime = _lifetime(headers, directives, now)
    if lifetime is None:
        return None
    lifetime -= _seconds(headers.get("age")) or 0
    return now + lifetime if lifetime > 0 else NEVER


def withheld(headers: Mapping[str, str]) -> frozenset[str]:
    """The fields that ``Cache-Control: private="…"`` keeps out of a shared cache (RFC 9111, 5.2.2.7)."""
    fields = _directives(headers.get("cache-control", "")).get("private") or ""
    return frozenset(field.strip().lower() for field in fields.split(",") if field.strip())


def _directives(value: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name, quoted, token in _DIRECTIVE.findall(value):
        # The first one counts (RFC 9111, 4.2.1).
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else token or None)
    return found


def _lifetime(headers: Mapping[str, str], directives: Mapping[str, str | None], now: float) -> float | None:
    for name in ("s-maxage", "max-age"):
        if name in directives:
            # What cannot be read counts as stale.
            return _seconds(directives[name]) or 0
    if "expires" not in headers:
        return None
    expires = _date(headers["expires"])
    if expires is None:
        return 0  # "0" and its like mean the past
    sent = _date(headers["date"]) if "date" in headers else None
    return expires - (now if sent is None else sent)


def _seconds(text: str | None) -> int | None:
    if text is None or not _SECONDS.fullmatch(text):
        return None
    return min(int(text), _LONGEST_S) if len(text) <= 20 else _LONGEST_S


def _date(text: str) -> float | None:
    """An HTTP date in seconds since the epoch."""
    # Few ask for it, and it would be a fiftieth of what the server imports at its start.
    from email.utils import parsedate_to_datetime

    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def varying(response: Mapping[str, str], request: Mapping[str, str]) -> dict[str, str | None]:
    """The request's fields that the response varies on, with the values for which it was chosen."""
    names = (name.strip().lower() for name in response.get("vary", "").split(","))
    return {name: request.get(name) for name in names if name}


def _tags(value: str) -> set[str]:
    """Entity tags for weak comparison."""
    return {tag.removeprefix("W/") for tag in _ETAG.findall(value)}


def is_not_modified(request: Mapping[str, str], response: Mapping[str, str]) -> bool:
    """Whether the client has what the response holds: 304 (RFC 9110, 13.1.2, 13.1.3)."""
    if "if-none-match" in request:
        wanted = request["if-none-match"]
        return wanted.strip() == "*" or bool(_tags(wanted) & _tags(response.get("etag", "")))
    if "if-modified-since" in request and "last-modified" in response:
        since, modified = _date(request["if-modified-since"]), _date(response["last-modified"])
        return since is not None and modified is not None and modified <= since
    return False


@attrs.frozen
class ByteRange:
    """The bytes from ``start`` to before ``end``; an empty one cannot be satisfied."""

    start: int
    end: int

    @property
    def satisfiable(self) -> bool:
        return self.start < self.end


def requested_range(request: Mapping[str, str], response: Mapping[str, str], size: int) -> ByteRange | None:
    """The part of a body of ``size`` bytes that the request asks for; None: all of it (RFC 9110, 14.2).

    Of several ranges, and of what is no range, nothing is made: then all of it is the answer.
    """
    match = _RANGE.fullmatch(request.get("range", "").strip())
    if match is None or not _if_range_holds(request.get("if-range"), response):
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return ByteRange(size - min(size, _clamped(suffix)), size)
    start, end = _clamped(first), _clamped(last) + 1 if last else size
    if last and end <= start:
        return None  # invalid, and so ignored
    return ByteRange(start, min(end, size))


def _clamped(digits: str) -> int:
    return int(digits) if len(digits) <= 18 else 10**18


def _if_range_holds(condition: str | None, response: Mapping[str, str]) -> bool:
    """RFC 9110, 13.1.5: strong comparison of the tag, or exactly the date."""
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == response.get("etag")
    wanted = _date(condition)
    return wanted is not None and "last-modified" in response and wanted == _date(response["last-modified"])
