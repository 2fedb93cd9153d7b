"""URL and URLSearchParams against properties that hold for every input."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
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


@pytest.mark.usefixtures("no_collections")
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


@pytest.mark.parametrize("unit", ["%F0%9F%98%80", "\U0001f600", "%zz", "%", "%%4", "+x", "%ff", "a\U0001f600%e4"])
def test_long_parameters_are_read_and_written_as_in_one_piece(run_js: Callable[[str], Any], unit: str) -> None:
    for shift in range(5):
        text = "y" * shift + unit * 9000
        expected = form_decode(text)
        assert run_js(
            f"""const params = new URLSearchParams("name=" + {json.dumps("y" * shift)} + {json.dumps(unit)}.repeat(9000));
            return [params.get("name"), params.toString()];"""
        ) == [expected, f"name={form_encode(expected)}"]


@pytest.mark.parametrize(
    "use", ["new URLSearchParams('a=' + '%41'.repeat(1e6))", "`${new URLSearchParams({ a: 'é'.repeat(1e6) })}`"]
)
def test_a_parameter_of_escapes_alone_holds_up_nobody(bench: Bench, use: str) -> None:
    """An app may read a client's form by URLSearchParams; what the host did at once took a second for each 6 MB."""
    bench.run("new URLSearchParams('a=b').toString()")
    before = bench.slices
    bench.run(use)
    assert bench.slices - before >= 20


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (
            "(() => { const u = new URL('http://a/'); u.searchParams.set('a', text); return u.href.length })()",
            12 + 18000,
        ),
        (
            "(() => { const u = new URL('http://a/?b=1'); u.searchParams.append(text, text); return u.search.length })()",
            36006,
        ),
        ("(() => { const u = new URL('http://a/'); u.hash = text; return u.href.length })()", 10 + 18000),
        ("new URL(text, 'http://a/' + text + '/').href.length", 10 + 36000),
        ("new URLPattern({ pathname: '/' + text }).test('http://a/' + text)", True),
        ("new URLPattern('http://a/' + text + '/:b').exec('http://a/' + text + '/c').pathname.groups.b", "c"),
        ("new URLSearchParams(new URLSearchParams('a=' + text + '%20').toString()).get('a').length", 18001),
        ("(() => { try { new TextDecoder(text) } catch (error) { return error.name } })()", "RangeError"),
    ],
)
def test_long_texts_that_were_joined_are_taken(run_js: Callable[[str], Any], use: str, expected: Any) -> None:
    """The engine joins long strings only when it must; the binding hands the host no such rope as a string."""
    assert run_js(f"const text = 'a'.repeat(9000) + 'b'.repeat(9000); return {use};") == expected
