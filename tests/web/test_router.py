"""Which app a host reaches."""

from __future__ import annotations

import pytest

from nano_trio.actors.messages import OutgoingResponse
from nano_trio.web.errors import error_page, new_request_id, stack_of
from nano_trio.web.router import Route, Router
from tests.web.apps import App, text


def app(name: str) -> App:
    return App(lambda request: text(name), name)


EXACT, WILD, DEEP, DEFAULT, V6 = app("exact"), app("wild"), app("deep"), app("default"), app("v6")
ROUTES = [
    Route(EXACT, ("example.com", "WWW.Example.com", "münchen.example")),
    Route(WILD, ("*.example.com",)),
    Route(DEEP, ("*.api.example.com", "one.two.api.example.com")),
    Route(V6, ("[2001:DB8::1]", "127.0.0.1")),
]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", EXACT),
        ("EXAMPLE.com", EXACT),
        ("example.com:8080", EXACT),
        ("example.com.", EXACT),
        ("example.com.:80", EXACT),
        ("example.com:", EXACT),
        ("www.example.com", EXACT),
        ("other.example.com", WILD),
        ("OTHER.example.com.:1", WILD),
        ("any.depth.of.example.com", WILD),
        ("api.example.com", WILD),
        ("v1.api.example.com", DEEP),
        ("a.b.api.example.com", DEEP),
        ("[2001:db8::1]", V6),
        ("[2001:0db8:0:0:0:0:0:1]:443", V6),
        ("127.0.0.1:80", V6),
        ("notexample.com", None),
        ("com", None),
        ("", None),
        (".example.com", WILD),
        ("example.com.evil", None),
        ("[::1]", None),
        ("[zz]", None),
    ],
)
def test_hosts(host: str, expected: App | None) -> None:
    table = Router(ROUTES).table()
    assert table.find(host) is expected
    assert table.memo.get(host) is expected
    assert Router([*ROUTES, Route(DEFAULT, default=True)]).table().find(host) is (expected or DEFAULT)


def test_a_port_of_ones_own() -> None:
    router = Router([Route(EXACT, ("a",)), Route(WILD, ("b",), port=9000)])
    assert router.ports == {9000}
    assert router.table(9000).find("anything") is WILD
    assert router.table().find("b") is None
    assert router.table(9001).find("a") is None


def test_two_apps_on_one_port_are_told_apart_by_host() -> None:
    table = Router([Route(EXACT, ("a",), port=9000), Route(WILD, ("b",), port=9000)]).table(9000)
    assert (table.find("a"), table.find("b"), table.find("c")) == (EXACT, WILD, None)


def test_conflicts_are_named_and_change_nothing() -> None:
    router = Router([Route(EXACT, ("a",))])
    with pytest.raises(ValueError, match=r"hostname A\.: claimed by exact and wild"):
        router.replace([*router.routes, Route(WILD, ("A.",))])
    with pytest.raises(ValueError, match="two default apps: exact and wild"):
        router.replace([Route(EXACT, default=True), Route(WILD, default=True)])
    assert router.table().find("a") is EXACT


def test_routes_replace_at_once_even_for_remembered_hosts() -> None:
    router = Router([Route(EXACT, ("a",))])
    table = router.table()
    assert table.find("a") is EXACT
    router.replace([Route(WILD, ("a",))])
    assert "a" not in table.memo
    assert table.find("a") is WILD
    assert [route.target for route in router.routes] == [WILD]


def test_random_hosts_do_not_fill_the_memory() -> None:
    table = Router([Route(DEFAULT, default=True)]).table()
    for number in range(5000):
        table.find(f"host{number}")
    assert len(table.memo) <= 1024


def body(page: OutgoingResponse) -> str:
    assert isinstance(page.body, bytes)
    return page.body.decode()


def test_error_pages() -> None:
    page = error_page(503, "too busy", request_id="r-1", retry_after=7)
    assert (page.status, dict(page.headers)["retry-after"]) == (503, "7")
    assert body(page) == "503 Service Unavailable\n\ntoo busy\n\nrequest id: r-1\n"
    assert dict(page.headers)["content-type"].startswith("text/plain")
    assert body(error_page(599)).startswith("599")
    assert "lone" in body(error_page(500, "lone \ud800"))
    assert "the reason" in body(error_page(500, stack=stack_of(ValueError("the reason"))))


def test_request_ids_are_unique() -> None:
    assert len({new_request_id() for _ in range(1000)}) == 1000
