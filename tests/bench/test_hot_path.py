"""Where a request's microseconds go: the tool does tell, and the page shows what is published. Its figures are nobody's
business here."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from bench import hot_path, hot_path_tables, publish, stand_ins
from bench.hot_path import Found
from bench.hot_path_tables import rooms, table
from bench.in_process import Clients, served
from bench.servers import HANDLERS
from nano_trio.web import reactor

PUBLISHED: dict[str, Any] = json.loads(publish.DATA.read_text())
ROOMS = ["kernel", "web", "actors", "engine", "runtime"]


def measured(measure: Callable[[int], Awaitable[Found]], *steps: str) -> Found:
    """What was found: these steps took something, none is less than nothing, and they make the whole, as near as can be
    told.

    Others on the machine only add to a time, in some rounds: where a part of the whole comes out as less than nothing
    there were too few to find the least.
    """
    for rounds in (15, 30, 60, 120):
        found = trio.run(measure, rounds)
        assert found.total > 0
        assert found.garbage >= 0
        assert sum(step.us for step in found.steps) == pytest.approx(found.total, abs=found.resolution + 0.01)
        off = found.resolution + found.total / 10
        some = (us for room, us in rooms(found.data).items() if room in ("kernel", "web", "runtime", "app"))
        named = [step.us for step in found.steps if step.name in steps]
        assert len(named) == len(steps)
        if all(step.us > -off for step in found.steps) and all(us > 0 for us in (*some, *named)):
            return found
    raise AssertionError(found.steps)


@pytest.mark.parametrize(
    ("kind", "expected", "inside"),
    [("hello", ROOMS, ()), ("json", [*ROOMS, "app"], ("JSON.parse", "the handler's own lines", "JSON.stringify"))],
)
def test_a_requests_steps_make_the_whole(kind: str, expected: list[str], inside: tuple[str, ...]) -> None:
    always = ("epoll_wait", "recv", "send", "parse the head, cut off the body", "new Response")
    found = measured(functools.partial(hot_path.measure, kind), *always, *inside)
    assert list(rooms(found.data)) == expected
    names = [step.name for step in found.steps]
    told = table({kind: found.data}).render()
    assert all(name in told for name in (*expected, *names, "in all", "resolution"))


def test_steps_wait_for_isolates_that_still_compute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As one does whose garbage is collected after its last response, where to enter its heap damages it."""
    module = tmp_path / "late.js"
    module.write_text(
        "const later = async () => { await null; for (const end = Date.now() + 20; Date.now() < end; ); };\n"
        "export default { fetch(request, env, ctx) { ctx.waitUntil(later()); return new Response('early'); } };"
    )
    monkeypatch.setitem(hot_path.WORKLOADS, "late", hot_path.Workload(["GET /"] * 2, lambda _: module))
    assert trio.run(hot_path.measure, "late", 2).total > 0


def test_what_stands_in_is_served_where_a_pass_does_not_reach_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose core others take: then the reactor asks of each connection whose it is."""
    monkeypatch.setattr(reactor, "_HOLD", 0.0)
    monkeypatch.setattr(reactor, "_PASS", 0.0)
    assert trio.run(hot_path.measure, "hello", 2).total > 0


def test_a_connections_steps_make_the_whole() -> None:
    found = measured(hot_path.connection)
    assert {"accept, its options, epoll_ctl", "the first request", "end of a connection"} <= {
        step.name for step in found.steps
    }


def test_a_process_of_its_own_tells_the_same() -> None:
    told = hot_path.in_own_process("hello", 2)
    assert list(rooms(told)) == ROOMS
    assert told["total"] > 0


async def test_what_stands_in_for_a_room_answers_as_the_app_does() -> None:
    """And whatever is cut out is not asked any more."""
    async with served({"whole": HANDLERS / "hello.js"}) as hosting:
        clients = Clients(hosting.server.port, [b"GET / HTTP/1.1\r\nHost: whole\r\n\r\n"] * 2, 0)
        clients.connect()
        whole = await clients.ask(0)
        assert whole.endswith(b"\r\n\r\nHello, world!\n")
        app = hosting.registry.apps["whole"]
        incarnation = app._current
        assert incarnation is not None
        stand_ins.silence(incarnation, [(201, "", "x-by\nPython", 1, "no JavaScript")])
        silent = await clients.ask(0)
        assert silent.startswith(b"HTTP/1.1 201 Created\r\n")
        assert b"\r\nx-by: Python\r\n" in silent
        assert silent.endswith(b"\r\n\r\nno JavaScript")
        before = app.account.turns
        stand_ins.untime(incarnation._environment.isolate)
        assert (await clients.ask(1)).endswith(b"no JavaScript")
        assert app.account.turns == before
        clients.close()


def test_ready_made_responses_are_those_of_the_app(tmp_path: Path) -> None:
    answers: list[stand_ins.Answer] = [
        (200, "", "content-type\ntext/plain;charset=UTF-8", 1, 'so "said"\n'),
        (201, "", "content-type\napplication/json\nx-one\n1", 1, "{}"),
        (204, "", "x-two\n2", 0, None),
    ]
    module = tmp_path / "bare.js"
    module.write_text(stand_ins.ready_made(answers))

    async def ask() -> list[bytes]:
        async with served({"bare": module}) as hosting:
            clients = Clients(hosting.server.port, [b"GET / HTTP/1.1\r\nHost: bare\r\n\r\n"], 0)
            clients.connect()
            responses = [await clients.ask(0) for _ in answers]
            clients.close()
            return responses

    for response, (status, _, headers, _, text) in zip(trio.run(ask), answers, strict=True):
        assert response.startswith(f"HTTP/1.1 {status} ".encode())
        parts = (headers or "").split("\n")
        for name, value in zip(parts[::2], parts[1::2], strict=True):
            assert f"\r\n{name}: {value}\r\n".encode() in response
        assert response.endswith(f"\r\n\r\n{text or ''}".encode())


def test_the_page_shows_what_is_published() -> None:
    """To write it anew: ``python -m bench.publish``."""
    text = hot_path_tables.PAGE.read_text("utf-8")
    assert hot_path_tables.page(text, PUBLISHED) == text
    kinds = PUBLISHED["benchmarks"]["hotpath"]["data"]["kinds"]
    for kind, step in itertools.chain.from_iterable(((k, s) for s in kinds[k]["steps"]) for k in kinds):
        assert f"| {step['name']} |" in text, kind
    for version in json.loads(hot_path_tables.BEFORE.read_text())["versions"]:
        assert f"({version['commit']})" in text
