"""URL and URLSearchParams against properties that hold for every input."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.runtime import urlpattern
from nano_trio.runtime.url import form_decode, form_encode, namespace, set_component

from .harness import Bench

COMPONENTS = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"]
_services: Any = None
host = namespace(_services)

pieces = st.lists(
    st.sampled_from(
        [
            "a",
            "b.c",
            "/",
            "//",
            "..",
            ".",
            "?",
            "#",
            ":",
            "@",
            "%41",
            "%",
            " ",
            "\t",
            "é",
            "[::1]",
            "80",
            "\\",
            "|",
            "&",
            "=",
            "+",
            "x:",
        ]
    ),
    max_size=8,
).map("".join)
urls = st.tuples(
    st.sampled_from(["http://h", "https://u:p@h:81", "file://", "foo:", "foo:/", "foo://h", "web+x:/.//", "blob:"]),
    pieces,
).map("".join)


@settings(max_examples=40)
@given(st.lists(urls, min_size=20, max_size=40))
def test_the_components_make_up_the_serialization(inputs: list[str]) -> None:
    wrong = Bench().run(
        f"const wrong = []; for (const input of {json.dumps(inputs)}) {{"
        + """
          const url = URL.parse(input);
          if (url === null) continue;
          const { href, protocol, username, password, host, hostname, port, pathname, search, hash } = url;
          const credentials = username || password ? username + (password && ":" + password) + "@" : "";
          const rest = href.slice(protocol.length);
          const authority = rest.startsWith("//") ? "//" + credentials + host : rest.startsWith("/.//") ? "/." : "";
          const shown = [];
          for (const q of search ? [search] : ["", "?"]) {
            for (const f of hash ? [hash] : ["", "#"]) shown.push(protocol + authority + pathname + q + f);
          }
          if (!shown.includes(href)) wrong.push([href, "is not what its components make up"]);
          if (host !== hostname + (port && ":" + port)) wrong.push([href, "its host is not its hostname and port"]);
          if (new URL(href).href !== href || !URL.canParse(href)) wrong.push([href, "does not parse to itself"]);
        }
        return wrong;"""
    )
    assert wrong == []


@given(urls, st.sampled_from(COMPONENTS), pieces)
def test_setters_leave_a_url_that_parses_to_itself(url: str, component: str, value: str) -> None:
    href = host["parse"](url)
    if href is not None:
        changed = set_component(href, component, value)
        assert host["parse"](changed) == changed


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))))
def test_a_form_comes_back_from_its_serialization(entries: list[tuple[str, str]]) -> None:
    for part in (part for entry in entries for part in entry):
        assert form_encode(part).isascii()
        assert not set(form_encode(part)) & set("&=?#")
        assert form_decode(form_encode(part)) == part


def test_what_was_parsed_last_is_not_confused() -> None:
    parse = namespace(_services)["parse"]
    assert parse("") is None
    assert [parse("http://A"), parse("http://A"), parse("http://a/"), parse("bad"), parse("http://A")] == [
        "http://a/", "http://a/", "http://a/", None, "http://a/",
    ]  # fmt: skip


MARKS, SIGNS = "a" + "\u0300\u0316" * 15000, "".join(map(chr, range(0x4E00, 0x9E00)))


@pytest.mark.parametrize(
    "name", [MARKS, SIGNS, quote(MARKS), quote(SIGNS), "xn--" + MARKS, f"{SIGNS}:80", f"me:you@{SIGNS}"]
)
def test_a_host_that_nobody_can_have_is_refused_at_once(name: str) -> None:
    """To read it takes Ada seconds, and all others wait: what an app parses may be a client's."""
    base = "http://a/b"
    began = time.thread_time()
    for url in (f"http://{name}/", f" \thT\ntps:\\\\{name}?x", f"ws:{name}", f"ftp:/{name}#x"):
        assert host["parse"](url) is None
        assert not host["canParse"](url)
        assert host["parseWithBase"](url, base) is None
    assert host["parseWithBase"](f"//{name}/", base) is None
    assert host["parseWithBase"]("/", f"http://{name}/") is None
    assert set_component(base, "host", name) == base
    assert set_component(base, "hostname", name + "/") == base
    assert urlpattern.components(f"http://{name}/", None) is None
    assert urlpattern.canonicalize("hostname", name.rpartition("@")[2], "http") is None
    assert time.thread_time() - began < 0.25


def test_other_parts_may_be_as_long_as_they_like() -> None:
    for url in (
        f"http://a/{SIGNS}",
        f"http://me:{SIGNS}@a/",
        f"data:,{SIGNS}",
        f"http://a?{SIGNS}#{MARKS}",
        f"file:///{SIGNS}",
    ):
        assert host["parse"](url) is not None
        assert host["canParse"](url)
    assert host["parseWithBase"](SIGNS, "http://a/") is not None
    assert host["parse"](f"http://{'a.' * 3000}/") is not None
