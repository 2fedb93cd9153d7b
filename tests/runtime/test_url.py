"""URL and URLSearchParams against properties that hold for every input."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

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
