"""Freshness, Vary, conditions and ranges: the pure functions, against arbitrary input and against models of their own."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.runtime.cache_http import (
    NEVER,
    combined,
    expiry,
    is_not_modified,
    requested_range,
    varying,
    withheld,
)
from nano_trio.runtime.cache_store import Query

FIELDS = st.sampled_from(["accept", "accept-language", "x-a"])
HEADERS = st.dictionaries(FIELDS, st.sampled_from(["", "en", "de", "en, de"]))
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"))
VARY = st.lists(FIELDS.flatmap(lambda name: st.sampled_from([name, name.upper(), f" {name}\t", ""])))


@given(stored=HEADERS, asked=HEADERS, names=VARY, ignore=st.booleans())
def test_vary(stored: dict[str, str], asked: dict[str, str], names: list[str], ignore: bool) -> None:
    """ "Request matches cached item", steps 5 to 7."""
    vary = varying({"vary": ",".join(names)}, stored)
    model = ignore or all(
        stored.get(name.strip().lower()) == asked.get(name.strip().lower()) for name in names if name.strip()
    )
    assert Query("https://e/", asked, ignore_vary=ignore).matches("https://e/", vary) == model


URLS = st.tuples(st.sampled_from(["https://e/", "https://e/a", "https://f/"]), st.sampled_from(["", "?", "?a", "?a?b"]))


@given(URLS, URLS, st.booleans())
def test_urls(a: tuple[str, str], b: tuple[str, str], ignore: bool) -> None:
    matches = Query("".join(a), ignore_search=ignore).matches("".join(b), {})
    assert matches == (a[0] == b[0] and (ignore or a[1] == b[1]))


@pytest.mark.parametrize(
    ("control", "seconds"),
    [
        ("max-age=10", 10),
        ("MAX-AGE=10", 10),
        ('max-age="10"', 10),
        ("max-age=10, max-age=20", 10),
        ("max-age=x", 0),
        ("max-age", 0),
        ("max-age=-1", 0),
        ("s-maxage=3,max-age=7", 3),
        ("max-age=99999999999999999999999", 2**31),
        ('private="x-secret", max-age=5', 5),
        ('no-cache="x"', 0),
        ('ext="no-store, max-age=1", max-age=9', 9),
        ("stale-while-revalidate=9", None),
        ("", None),
    ],
)
def test_cache_control(control: str, seconds: float | None) -> None:
    found = expiry({"cache-control": control}, 1000.0)
    assert found == (None if seconds is None else NEVER if seconds == 0 else 1000.0 + seconds)


@given(VALUES, VALUES, VALUES, VALUES)
def test_nothing_in_a_header_raises(control: str, expires: str, date: str, age: str) -> None:
    headers = {"cache-control": control, "expires": expires, "date": date, "age": age, "set-cookie": "x"}
    found = expiry(headers, 1000.0)
    assert found is None or found == NEVER or math.isfinite(found)
    withheld(headers)
    response = {"etag": expires, "last-modified": date}
    is_not_modified({"if-none-match": control, "if-modified-since": age}, response)
    is_not_modified({"if-modified-since": age}, response)
    requested_range({"range": control, "if-range": age}, response, 10)


def test_withheld_fields() -> None:
    assert withheld({"cache-control": 'private="Set-Cookie, X-A"'}) == {"set-cookie", "x-a"}
    assert withheld({"cache-control": "private=set-cookie"}) == {"set-cookie"}
    assert withheld({"cache-control": "private"}) == frozenset()


@given(st.integers(0, 20), st.integers(0, 25), st.integers(0, 25) | st.none())
def test_ranges(size: int, first: int, last: int | None) -> None:
    content = bytes(range(size))
    found = requested_range({"range": f"bytes={first}-{'' if last is None else last}"}, {}, size)
    if last is not None and last < first:
        assert found is None
    else:
        assert found is not None
        assert content[found.start : found.end] == content[first : None if last is None else last + 1]
        assert found.satisfiable == (first < size)
    suffix = requested_range({"range": f"bytes=-{first}"}, {}, size)
    assert suffix is not None
    assert content[suffix.start : suffix.end] == (content[-first:] if first else b"")


def test_combined() -> None:
    assert combined(["a", "1", "b", "2", "a", "3"]) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", True),
        ("Thursday, 01-Jan-26 00:00:00 GMT", True),
        ("Thu, 01 Jan 2026 00:00:01 GMT", False),
        ("Wed, 31 Dec 2025 23:59:59 GMT", False),
        ("no date", False),
        ('"e"', True),
        ('"f"', False),
        ('W/"e"', False),
    ],
)
def test_if_range(condition: str, holds: bool) -> None:
    """Exactly the date, or the tag, unless it is weak: else what is asked for is all of it."""
    request = {"range": "bytes=1-2", "if-range": condition}
    response = {"last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "etag": '"e"'}
    found = requested_range(request, response, 10)
    assert (None if found is None else (found.start, found.end)) == ((1, 3) if holds else None)
    assert requested_range(request, {}, 10) is None
    assert requested_range(request, {"last-modified": "no date", "etag": 'W/"e"'}, 10) is None
