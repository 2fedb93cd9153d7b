"""Trusted proxies: what is believed of X-Forwarded-* and Forwarded, and what an app then sees."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.runtime.http1_framing import ProtocolError
from nano_trio.web.clients import TrustedProxies, client_key
from nano_trio.web.forwarded import FORWARDING, Facts, forwarded_facts, parse_forwarded
from nano_trio.web.router import Route, Router
from tests.web.apps import App, connected, echo_app, running, text
from tests.web.secure import encrypted, secured

TRUSTED = TrustedProxies(["loopback", "10.0.0.0/8", "fd00::/8"])
HERE = Facts("127.0.0.1", "http", "app:8080")

Seen = tuple[str, str, str]

CASES: list[tuple[str, list[tuple[str, str]], Seen]] = [
    ("one hop", [("x-forwarded-for", "9.9.9.9")], ("9.9.9.9", "http", "app:8080")),
    ("the last one that is not trusted", [("x-forwarded-for", "8.8.8.8, 9.9.9.9, 10.1.1.1")], ("9.9.9.9", "http", "app:8080")),
    ("several fields are one list", [("x-forwarded-for", "8.8.8.8"), ("x-forwarded-for", "9.9.9.9,10.1.1.1")], ("9.9.9.9", "http", "app:8080")),
    ("all of them trusted", [("x-forwarded-for", "10.0.0.1,10.0.0.2")], ("10.0.0.1", "http", "app:8080")),
    ("what the client said is not looked at", [("x-forwarded-for", "rubbish, 9.9.9.9")], ("9.9.9.9", "http", "app:8080")),
    ("rubbish from a proxy ends the walk", [("x-forwarded-for", "9.9.9.9, rubbish")], ("127.0.0.1", "http", "app:8080")),
    ("rubbish behind a hop", [("x-forwarded-for", "9.9.9.9, unknown, 10.0.0.1")], ("10.0.0.1", "http", "app:8080")),
    ("with a port", [("x-forwarded-for", "9.9.9.9:1234")], ("9.9.9.9", "http", "app:8080")),
    ("IPv6", [("x-forwarded-for", "2001:DB8::0:1")], ("2001:db8::1", "http", "app:8080")),
    ("IPv6 in brackets with a port", [("x-forwarded-for", "[2001:db8::1]:443")], ("2001:db8::1", "http", "app:8080")),
    ("IPv4 mapped into IPv6", [("x-forwarded-for", "::ffff:9.9.9.9")], ("9.9.9.9", "http", "app:8080")),
    ("IPv4 in brackets is none", [("x-forwarded-for", "[9.9.9.9]")], ("127.0.0.1", "http", "app:8080")),
    ("a zone is no address", [("x-forwarded-for", "fe80::1%eth0")], ("127.0.0.1", "http", "app:8080")),
    ("empty", [("x-forwarded-for", " , ")], ("127.0.0.1", "http", "app:8080")),
    ("scheme and host", [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "HTTPS"), ("x-forwarded-host", "Shop.example")], ("9.9.9.9", "https", "Shop.example")),
    ("scheme alone", [("x-forwarded-proto", "https")], ("127.0.0.1", "https", "app:8080")),
    ("the nearest proxy's scheme", [("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https, http")], ("9.9.9.9", "http", "app:8080")),
    ("the scheme beside the client", [("x-forwarded-for", "9.9.9.9, 10.0.0.1"), ("x-forwarded-proto", "https, http")], ("9.9.9.9", "https", "app:8080")),
    ("an unknown scheme", [("x-forwarded-proto", "ftp")], ("127.0.0.1", "http", "app:8080")),
    ("a host that is none", [("x-forwarded-host", "a/b")], ("127.0.0.1", "http", "app:8080")),
    ("a host too long", [("x-forwarded-host", "xn--" + "a" * 252)], ("127.0.0.1", "http", "app:8080")),
    ("Forwarded with a host too long", [("forwarded", f"host={'a' * 256}")], ("127.0.0.1", "http", "app:8080")),
    ("an address too long", [("x-forwarded-host", f"[{':' * 46}]")], ("127.0.0.1", "http", "app:8080")),
    ("a port for an address", [("x-forwarded-host", "[::1]"), ("x-forwarded-port", "81")], ("127.0.0.1", "http", "[::1]:81")),
    ("a port where the address has one", [("x-forwarded-host", "[::1]:9"), ("x-forwarded-port", "81")], ("127.0.0.1", "http", "[::1]:9")),
    ("a port where the host ends with a colon", [("x-forwarded-host", "a:"), ("x-forwarded-port", "81")], ("127.0.0.1", "http", "a:")),
    ("a host with a port too large", [("x-forwarded-host", "a:65536")], ("127.0.0.1", "http", "app:8080")),
    ("a port", [("x-forwarded-host", "a"), ("x-forwarded-port", "8443")], ("127.0.0.1", "http", "a:8443")),
    ("the scheme's own port", [("x-forwarded-host", "a"), ("x-forwarded-port", "443"), ("x-forwarded-proto", "https")], ("127.0.0.1", "https", "a")),
    ("a port where there is one", [("x-forwarded-host", "a:1"), ("x-forwarded-port", "2")], ("127.0.0.1", "http", "a:1")),
    ("a port that is none", [("x-forwarded-host", "a"), ("x-forwarded-port", "99999")], ("127.0.0.1", "http", "a")),
    ("Forwarded", [("forwarded", "for=9.9.9.9;proto=https;host=a.example")], ("9.9.9.9", "https", "a.example")),
    ("Forwarded through two", [("forwarded", 'for=8.8.8.8, For="[2001:db8::7]:4711";host="x:1", for=10.0.0.1;host=y')], ("2001:db8::7", "http", "x:1")),
    ("Forwarded with what is hidden", [("forwarded", "for=_hidden;proto=https")], ("127.0.0.1", "https", "app:8080")),
    ("Forwarded without for", [("forwarded", "proto=https;by=_me")], ("127.0.0.1", "https", "app:8080")),
    ("Forwarded that is malformed", [("forwarded", "for=9.9.9.9;")], ("127.0.0.1", "http", "app:8080")),
    ("IPv6 without quotes is malformed", [("forwarded", "for=[2001:db8::7]")], ("127.0.0.1", "http", "app:8080")),
    ("both, and they agree", [("forwarded", "for=9.9.9.9;proto=https"), ("x-forwarded-for", "9.9.9.9"), ("x-forwarded-proto", "https")], ("9.9.9.9", "https", "app:8080")),
    ("both: a client's host in Forwarded is not believed", [("forwarded", "for=9.9.9.9;host=evil"), ("x-forwarded-for", "9.9.9.9")], ("9.9.9.9", "http", "app:8080")),
    ("both: a client's X-Forwarded-Host is not believed", [("forwarded", "for=9.9.9.9"), ("x-forwarded-host", "evil")], ("9.9.9.9", "http", "app:8080")),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "seen"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_believed(fields: list[tuple[str, str]], seen: Seen) -> None:
    assert forwarded_facts(fields, HERE, TRUSTED) == Facts(*seen)
    stranger = Facts("9.1.1.1", "http", "app:8080")
    assert forwarded_facts(fields, stranger, TRUSTED) == stranger


@pytest.mark.parametrize(
    "fields",
    [
        [("forwarded", "for=9.9.9.9"), ("x-forwarded-for", "8.8.8.8")],
        [("forwarded", "for=rubbish"), ("x-forwarded-for", "8.8.8.8")],
        [("forwarded", "for=8.8.8.8;proto=https"), ("x-forwarded-for", "8.8.8.8"), ("x-forwarded-proto", "http")],
        [("forwarded", "for=8.8.8.8;host=a"), ("x-forwarded-for", "8.8.8.8"), ("x-forwarded-host", "b")],
    ],
    ids=str,
)
def test_contradictions_are_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(ProtocolError) as caught:
        forwarded_facts(fields, HERE, TRUSTED)
    assert caught.value.status == 400


def test_the_examples_of_rfc_7239() -> None:
    assert parse_forwarded('for="_gazonk"') == [{"for": "_gazonk"}]
    assert parse_forwarded('For="[2001:db8:cafe::17]:4711"') == [{"for": "[2001:db8:cafe::17]:4711"}]
    assert parse_forwarded("for=192.0.2.60;proto=http;by=203.0.113.43") == [
        {"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}
    ]
    assert parse_forwarded("for=192.0.2.43, for=198.51.100.17") == [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]
    assert parse_forwarded(r'for="a\"b\\"') == [{"for": 'a"b\\'}]


@pytest.mark.parametrize(
    "value", ["", "for", "for=", "for=a;for=b", "for=a for=b", "for=a;", '="a"', 'for="a', "for=a b"]
)
def test_forwarded_that_is_malformed(value: str) -> None:
    assert parse_forwarded(value) is None


tokens = st.text("abcXYZ019-_.!#", min_size=1, max_size=8)
quoted = st.text([chr(code) for code in (9, *range(32, 127), *range(128, 256))], max_size=12)


@given(
    st.lists(st.dictionaries(tokens.map(str.lower), quoted, min_size=1, max_size=4), min_size=1, max_size=4), st.data()
)
def test_forwarded_reads_back(elements: list[dict[str, str]], data: st.DataObject) -> None:
    blank = st.sampled_from(["", " ", "\t"])
    written = f"{data.draw(blank)},{data.draw(blank)}".join(
        ";".join(
            f'{name}="{value.translate({34: chr(92) + chr(34), 92: chr(92) * 2})}"' for name, value in element.items()
        )
        for element in elements
    )
    assert parse_forwarded(written) == elements


nasty = st.text(st.sampled_from('for=;,"\\[]:. \tx19a_proth%-'), max_size=40) | st.text(max_size=20)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(FORWARDING)), nasty), max_size=4))
def test_whatever_a_proxy_sends_gives_an_address_a_scheme_and_a_host(fields: list[tuple[str, str]]) -> None:
    try:
        facts = forwarded_facts(fields, HERE, TRUSTED)
    except ProtocolError:
        return
    ipaddress.ip_address(facts.client)
    assert facts.scheme in ("http", "https")
    assert not set(facts.host) & set('/?#@ "\\,;')


def test_a_client_is_an_ipv4_address_or_a_64() -> None:
    assert client_key("192.0.2.1") == "192.0.2.1"
    assert client_key("2001:db8:0:1:ffff::1") == client_key("2001:db8:0:1::") == "2001:db8:0:1::/64"
    assert client_key("2001:db8:0:2::1") != client_key("2001:db8:0:1::1")
    assert client_key("") == ""


def test_whom_entries_trust() -> None:
    trusted = TrustedProxies(["private", "192.0.2.7"])
    members = ["10.1.2.3", "172.16.0.1", "192.168.1.1", "fd00::1", "192.0.2.7"]
    assert [address in trusted for address in [*members, "192.0.2.8", "127.0.0.1", "::1", "", "rubbish"]] == [
        *[True] * 5,
        *[False] * 5,
    ]
    assert "" in TrustedProxies(["UNIX"])
    assert not TrustedProxies([])


# ---- in the server ----

SENT = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Real-IP: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n"


def proxies_fields(app: App) -> list[tuple[str, str]]:
    return [field for field in app.requests[-1].headers if field[0] in FORWARDING]


async def test_without_trust_such_headers_never_reach_an_app(http: str) -> None:
    app = echo_app()
    async with running(app, http=http) as server, connected(server) as client:
        reply = await client.get("/x", headers=SENT)
        assert reply.text == "GET http://app/x "
        assert proxies_fields(app) == []
        assert app.requests[-1].remote_address == "127.0.0.1"


async def test_a_peer_that_is_not_trusted_is_taken_at_no_word() -> None:
    app = echo_app()
    async with running(app, trusted_proxies=["10.0.0.0/8"]) as server, connected(server) as client:
        assert (await client.get("/x", headers=SENT)).text == "GET http://app/x "
        assert proxies_fields(app) == [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "app"),
        ]


async def test_behind_a_trusted_proxy(http: str) -> None:
    app, records = echo_app(), []
    settings = {"http": http, "trusted_proxies": ["loopback"], "access_log": records.append}
    async with running(app, **settings) as server, connected(server) as client:
        assert (await client.get("/x", headers=SENT)).text == "GET https://shop.example/x "
        assert app.requests[-1].remote_address == "9.9.9.9"
        assert dict(app.requests[-1].headers)["host"] == "shop.example"
        assert proxies_fields(app) == [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
        ]
        # The next request on the same connection is another client's.
        assert (await client.get("/y", headers="X-Forwarded-For: 7.7.7.7\r\n")).text == "GET http://app/y "
        assert (await client.get("/z")).text == "GET http://app/z "
        assert [record.remote for record in records] == ["9.9.9.9", "7.7.7.7", "127.0.0.1"]
        assert [request.remote_address for request in app.requests] == ["9.9.9.9", "7.7.7.7", "127.0.0.1"]


async def test_contradictions_are_answered_400() -> None:
    app = echo_app()
    async with running(app, trusted_proxies=["loopback"]) as server, connected(server) as client:
        reply = await client.get(headers="X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2\r\n")
        assert (reply.status, reply["connection"], app.requests) == (400, "close", [])


async def test_the_forwarded_host_picks_the_app() -> None:
    one, two = App(lambda request: text("one")), App(lambda request: text("two"))
    router = Router([Route(one, ("one.example",)), Route(two, ("two.example",))])
    async with running(router, trusted_proxies=["loopback"]) as server, connected(server) as client:
        assert (await client.get(host="one.example")).text == "one"
        assert (await client.get(host="one.example", headers="X-Forwarded-Host: two.example\r\n")).text == "two"
        assert (await client.get(host="one.example", headers="X-Forwarded-Host: [::\r\n")).status == 200
        assert (await client.get(host="one.example", headers="X-Forwarded-Host: 1.2.3.4.5\r\n")).status == 400


async def test_a_redirect_to_https_leaves_those_alone_that_come_by_https(tmp_path: Path) -> None:
    app = echo_app()
    async with (
        secured(app, tmp_path, redirect=True, trusted_proxies=["loopback"]) as server,
        connected(server) as client,
    ):
        assert (await client.get("/x")).status == 308
        assert (await client.get("/x", headers="X-Forwarded-Proto: https\r\n")).text == "GET https://app/x "


async def test_over_tls_the_proxy_may_say_http(tmp_path: Path) -> None:
    app = echo_app()
    async with secured(app, tmp_path, trusted_proxies=["loopback"]) as server, encrypted(server) as client:
        assert (await client.get("/x")).text == "GET https://app/x "
        assert (await client.get("/x", headers="X-Forwarded-Proto: http\r\n")).text == "GET http://app/x "
