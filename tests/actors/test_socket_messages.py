"""Messages of WebSockets that come in one pass share a turn; what the app and its clients see of that is nothing."""

from __future__ import annotations

import json
import random

import pytest
import trio

from nano_trio.actors import app_socket, rooms, socket_messages

from .conftest import House, HouseMaker, Wire

ECHO = """
export default {
  fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: { message: (ws, data) => { ws.send(data); } },
};
"""

GATHERED = """
const seen = [];
export default {
  fetch(request, env, ctx) { return new URL(request.url).pathname === "/seen" ? Response.json(seen) : ctx.upgrade(request); },
  websocket: {
    async message(ws, data) {
      seen.push(`${data}<`);
      if (data === "throw") throw new Error("a bug");
      if (data === "bye") ws.close(4001, "as you wish");
      if (data === "spin") for (;;);
      await null;
      await null;
      seen.push(`${data}>`);
      if (data !== "bye") ws.send(data);
    },
    close(ws, code) { seen.push(`close ${code}`); },
  },
};
"""


@pytest.fixture
def many_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is."""
    monkeypatch.setattr(socket_messages, "_TOGETHER_NS", 1 << 60)


async def first(home: House, wire: Wire) -> None:
    """Have a first message answered, after which it is known how long they take."""
    wire.message("first")
    await home.settled()
    assert wire.take() == [("message", "first")]


async def test_messages_that_came_together_share_a_turn_that_the_app_does_not_see(
    even_clock: None, house: HouseMaker, many_together: None
) -> None:
    async with house({"app": GATHERED}) as home:
        one, two, three = [await home.connect("app") for _ in range(3)]
        assert one.handler.gather("first") is None  # nobody knows yet how long they take
        await first(home, one)
        turns = home.app("app").snapshot().turns
        gathering = one.gather("a")
        two.gather("throw")
        one.gather("b")
        three.gather("bye")
        three.gather("dropped")
        two.gather("c")
        assert one.take() == []
        gathering.flush()
        gathering.flush()
        await home.settled()  # the first error loads what describes errors, which may take a slice
        assert turns < home.app("app").snapshot().turns <= turns + 2
        assert one.take() == [("message", "a"), ("message", "b")]
        assert two.take() == [("close", (1011, ""))]
        assert three.take() == [("close", (4001, "as you wish"))]
        one.gather("d")
        one.message("e")
        one.gather("f")
        one.end(1000)
        await home.settled()
        assert one.take() == [("message", letter) for letter in "def"]
        seen = json.loads((await home.ask("app", "/seen")).body)  # type: ignore[arg-type]
        letters = [f"{letter}{mark}" for letter in "def" for mark in "<>"]
        assert seen == ["first<", "first>", "a<", "a>", "throw<", "b<", "b>", "bye<", "bye>", *letters, "close 1000"]
        counts = home.app("app").snapshot()
        assert (counts.messages_in, counts.messages_out) == (10, 6)


async def test_messages_that_came_together_and_must_wait_count_as_waiting(
    house: HouseMaker, many_together: None
) -> None:
    async with house({"app": {"source": GATHERED, "timeout_ms": 200}}) as home:
        culprit, many, victim = [await home.connect("app") for _ in range(3)]
        await first(home, many)
        culprit.gather("spin")
        many.gather("never").flush()
        assert many.handler.gather("x") is None
        taken = 1
        while many.message("x"):
            taken += 1
        assert taken == app_socket.MOST_WAITING - 1
        for wire in (culprit, many, victim):
            await wire.told("close")
        assert culprit.closing == (1011, "the app exceeded a limit")
        assert many.closing == victim.closing == (1012, "service restart")
        for wire in (culprit, many, victim):
            wire.end(1006)


async def test_messages_that_came_together_and_take_long_are_all_answered(
    even_clock: None, house: HouseMaker, many_together: None
) -> None:
    source = ECHO.replace("ws.send(data)", "for (let i = 0; i < 2000; i++); ws.send(data)")
    async with house({"app": source}) as home:
        wires = [await home.connect("app") for _ in range(31)]
        await first(home, wires[0])
        turns = home.app("app").snapshot().turns
        for number, wire in enumerate(wires):
            wire.gather(str(number))
        wires[0].gather("last").flush()
        await home.settled()
        assert [wire.take()[-1] for wire in wires] == [
            ("message", "last"),
            *(("message", str(n)) for n in range(1, 31)),
        ]
        assert home.app("app").snapshot().turns > turns + 1
        assert wires[0].handler.gather("and again") is not None


async def test_what_comes_later_does_not_overtake_messages_that_share_a_turn(
    even_clock: None, house: HouseMaker, many_together: None
) -> None:
    source = ECHO.replace("ws.send(data)", "for (let i = 0; i < (data === 'long' ? 1e6 : 2000); i++); ws.send(data)")
    async with house({"app": source}) as home:
        wire = await home.connect("app")
        await first(home, wire)
        names = ["long", *map(str, range(20))]
        for name in names:
            gathering = wire.gather(name)
        gathering.flush()
        assert wire.take() == []
        wire.message("later")
        await home.settled()
        assert wire.take() == [("message", name) for name in [*names, "later"]]


async def test_each_of_the_messages_that_share_a_turn_may_take_as_long_as_a_turn(
    house: HouseMaker, many_together: None
) -> None:
    source = ECHO.replace(
        "ws.send(data)",
        "for (const end = performance.now() + 150; data !== 'first' && performance.now() < end;); ws.send(data)",
    )
    async with house({"app": {"source": source, "timeout_ms": 300}}) as home:
        wire = await home.connect("app")
        await first(home, wire)
        for name in ("a", "b", "c", "d"):
            gathering = wire.gather(name)
        gathering.flush()
        await home.settled()
        assert wire.take() == [("message", name) for name in ("a", "b", "c", "d")]


async def test_messages_that_take_long_or_are_counted_do_not_wait_for_others(house: HouseMaker) -> None:
    source = ECHO.replace(
        "ws.send(data)", "for (const end = performance.now() + 1; performance.now() < end;); ws.send(data)"
    )
    async with house({"slow": source, "counted": {"source": ECHO, "max_messages_per_s": 1000}}) as home:
        for app in ("slow", "counted"):
            wire = await home.connect(app)
            wire.message("x")
            await home.settled()
            assert wire.handler.gather("y") is None


NUMBERED = """
let count = 0;
const say = (ws, data) => { ws.send(`${++count} ${data}`); };
export default {
  fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: {
    open: (ws) => ws.subscribe("all"),
    message(ws, data) {
      const [what] = data.split(" ");
      if (what === "publish") return void ws.publish("all", `${++count} ${data}`);
      if (what === "await") return (async () => { for (let i = 0; i < 3; i++) await null; say(ws, data); })();
      for (let left = { spin: 200_000, linger: 5_000 }[what]; left > 0; left--);
      say(ws, data);
      if (what === "throw") throw new Error("a bug");
      if (what === "close") ws.close(4001, "as you wish");
    },
  },
};
"""


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_comes_together_each_client_gets_all_that_is_its_own_in_the_order_of_sending(
    even_clock: None, house: HouseMaker, many_together: None, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    if seed % 2:
        monkeypatch.setattr(rooms, "_FEW", 3)  # broadcasts are worked off beside the turns
    async with house({"app": NUMBERED}) as home:
        wires = [await home.connect("app") for _ in range(12)]
        await home.settled()
        answers: list[list[str]] = [[] for _ in wires]
        codes: dict[int, int] = {}
        news: list[tuple[int, str]] = []
        for step in range(600):
            number = chance.randrange(len(wires))
            wire = wires[number]
            what = chance.choices(
                ["echo", "linger", "publish", "await", "spin", "throw", "close"], [40, 20, 20, 15, 3, 0.3, 0.3]
            )[0]
            data = f"{what} {step} {'x' * chance.choice((0, 0, 0, 0, 100, 5000))}"
            if number not in codes:
                if what == "publish":
                    news.append((number, data))
                else:
                    answers[number].append(data)
                if what in ("throw", "close"):
                    codes[number] = 1011 if what == "throw" else 4001
            gathering = wire.handler.gather(data) if len(data) < 4096 else None
            if gathering is None and not wire.message(data):
                await home.settled()
            if gathering is not None and chance.random() < 0.1:
                gathering.flush()
            if chance.random() < 0.05:
                await chance.choice((trio.lowlevel.checkpoint, home.settled))()
        for wire in wires:
            wire.message("echo last")
        await home.settled()
        for number, wire in enumerate(wires):
            got = [str(what).split(" ", 1) for kind, what in wire.events if kind == "message"]
            order = [int(count) for count, _ in got]
            assert order == sorted(order)
            own = [data for _, data in got if not data.startswith("publish")]
            heard = [data for _, data in got if data.startswith("publish")]
            others = [data for publisher, data in news if publisher != number]
            closing = wire.closing
            if number in codes:
                assert closing is not None
                assert closing[0] == codes[number]
                assert own == answers[number]
                assert set(heard) <= set(others)
            else:
                assert closing is None
                assert own == [*answers[number], "echo last"]
                assert sorted(heard) == sorted(others)
