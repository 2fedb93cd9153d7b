"""The paths of URLs that the library gets wrong: what ``request.url`` and ``new URL()`` have is the standard's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.actors.crossing import normal_url
from nano_trio.runtime import urlpattern
from nano_trio.runtime.url import parse, parse_with_base, set_component

ABSOLUTE = [
    # ".." behind a name that begins with a dot, which is the first of them and not the path's first name
    ("http://h/x/.a/../../../etc/passwd", "http://h/etc/passwd"),
    ("http://h//.a/../", "http://h//"),
    ("http://h/a/.b/./c", "http://h/a/.b/c"),
    ("http://h/a/.b/.", "http://h/a/.b/"),
    ("https://h/a/..b/..", "https://h/a/"),
    ("ws://u:p@h:81/a/.b/../c?/../#/./", "ws://u:p@h:81/a/c?/../#/./"),
    ("ftp://h/a\\.b\\..\\c", "ftp://h/a/c"),
    ("foo://h/a/.b/../c", "foo://h/a/c"),
    ("file:///a/.b/../c", "file:///a/c"),
    (" http:\\\\H/a/.b/.\t./é", "http://h/a/%C3%A9"),
    # No name is left of a path whose URL is not special
    ("foo:/..", "foo:/"),
    ("foo:/a/%2E%2e/..?q", "foo:/?q"),
    ("foo://h/..", "foo://h/"),
    ("foo://h/.?q#f", "foo://h/?q#f"),
    ("foo:///..", "foo:///"),
    ("foo:/a/..//b", "foo:/.//b"),
    ("foo://h//./b", "foo://h//b"),
    ("foo:..", "foo:.."),
    # A name that begins as a drive does
    ("file:///C:x/../y", "file:///y"),
    ("file:///C:/../y", "file:///C:/y"),
    ("file:///C|/../y", "file:///C:/y"),
    ("file://h/C|/..", "file://h/C:/"),
    ("file://C|/x/..", "file:///C:/"),
    ("file:C:./..", "file:///"),
]
RELATIVE = [
    ("../c", "http://h/x/.a/b/d", "http://h/x/.a/c"),
    ("y/.a/../../z", "http://h/x/", "http://h/x/z"),
    ("/y/.a/../../z", "http://h/x/", "http://h/z"),
    ("//g/y/.a/../../z", "http://h/x/", "http://g/z"),
    ("http:y/.a/..", "http://h/x/", "http://h/x/y/"),
    ("..", "foo://h/a", "foo://h/"),
    ("b", "foo:/..", "foo:/b"),
    ("#f", "data:x", "data:x#f"),
    ("..", "data:x", None),
    ("", "http://h/a?", "http://h/a?"),
    ("#f", "http://h/a?", "http://h/a?#f"),
    ("#f", "http://h/a? \t#g", "http://h/a?%20#f"),
    ("", "http://h/a? \t", "http://h/a?"),
    ("http:", "http://h/a?", "http://h/a?"),
    ("", "http://h/a#?", "http://h/a"),
    ("", "foo://h?", "foo://h?"),
    ("x", "file:///C:y", "file:///x"),
    ("/x", "file:///C:y/", "file:///x"),
    ("/x", "file://h/C:/y/", "file://h/C:/x"),
    ("D|/x", "file://h/C:/y/", "file://h/D:/x"),
    ("/D|/x", "file://h/C:/y/", "file://h/D:/x"),
    ("..", "file:///C:/", "file:///C:/"),
]
SET = [
    ("http://h/", "pathname", "x/.a/../../y", "http://h/y"),
    ("foo://h/a?q#f", "pathname", "..", "foo://h/?q#f"),
    ("foo://h/a?q", "pathname", "", "foo://h?q"),
    ("foo:/a?q#f", "pathname", "//b?#", "foo:/.//b%3F%23?q#f"),
    ("foo:/.//a?", "pathname", "b", "foo:/b?"),
    ("foo:a", "pathname", "b", "foo:a"),
    ("file:///x", "pathname", "C:a/../", "file:///"),
    ("foo:/a", "host", ":80", "foo:/a"),
    ("foo://h/a", "host", ":", "foo://h/a"),
    ("https://u:p@h:81/", "host", "c:", "https://u:p@c:81/"),
    ("https://u:p@h:81/", "host", "c:/80", "https://u:p@c:81/"),
    ("https://u:p@h:81/", "host", "c:8x", "https://u:p@c:8/"),
    ("https://u:p@h:81/", "host", "[::1]:x", "https://u:p@[::1]:81/"),
    ("https://u:p@h:81/", "host", "a b:", "https://u:p@h:81/"),
]


@pytest.mark.parametrize(("url", "expected"), ABSOLUTE)
def test_absolute(run_js: Callable[[str], Any], url: str, expected: str) -> None:
    assert run_js(f"return new URL({json.dumps(url)}).href") == expected
    assert normal_url(url) == expected
    pathname = re.sub("^[a-z]+:(//[^/]*)?(/[.](?=//))?|[?#].*$", "", expected)
    components = urlpattern.components(url, None)
    assert components is not None
    assert components[5] == pathname


@pytest.mark.parametrize(("url", "base", "expected"), RELATIVE)
def test_relative(run_js: Callable[[str], Any], url: str, base: str, expected: str | None) -> None:
    use = f"{json.dumps(url)}, {json.dumps(base)}"
    assert run_js(f"return [URL.parse({use})?.href ?? null, URL.canParse({use})]") == [expected, expected is not None]


@pytest.mark.parametrize(("href", "component", "value", "expected"), SET)
def test_setters(run_js: Callable[[str], Any], href: str, component: str, value: str, expected: str) -> None:
    use = f"const u = new URL({json.dumps(href)}); u.{component} = {json.dumps(value)}; return u.href"
    assert run_js(use) == expected


paths = st.lists(
    st.sampled_from(
        ["/", ".", "..", "a", ".a", "%2e", "%2E%2e", "\\", "/../", "/./", "?", "#", " ", "é", "\t", "C:", "|"]
    )
).map("".join)
beginnings = st.sampled_from(["http://h/", "https://h", "ws:", "ftp://h/", "file:///", "file:", "foo:/", "foo://h/"])


@given(beginnings, paths, paths)
def test_no_path_has_dot_segments(beginning: str, path: str, other: str) -> None:
    """An app that makes the name of a file of a path must not be led out of its folder."""
    hrefs = [parse(beginning + path)]
    if hrefs[0] is not None:
        hrefs += [parse_with_base(other, beginning + path), set_component(hrefs[0], "pathname", other)]
    for href in filter(None, hrefs):
        pathname = re.sub("^[a-z]+:(//[^/?#]*)?(/[.](?=//))?|[?#].*$", "", href)
        assert parse(href) == href
        if href.partition(":")[2][:1] != "/":
            continue  # an opaque path
        assert not re.search(r"/(\.|%2e){1,2}(/|$)", pathname, re.IGNORECASE)
        assert parse_with_base("", href) == href.partition("#")[0]


def test_patterns_know_no_dot_segments(run_js: Callable[[str], Any]) -> None:
    assert run_js(
        """const input = "http://h/x/.a/../../y";
        return [
          new URLPattern({ pathname: "/y" }).test(input),
          new URLPattern({ pathname: "/x/.a/../../y" }).pathname,
          new URLPattern({ pathname: "/y" }).test({ pathname: "/x/.a/../../y" }),
        ];"""
    ) == [True, "/y", True]
