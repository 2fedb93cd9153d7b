"""Rooms: who is reached, in which order, and what a broadcast to many costs the others."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.actors import room_bus
from nano_trio.actors import rooms as rooms_module
from nano_trio.actors.counts import Counts
from nano_trio.actors.messages import IncomingRequest, SharedMessage
from nano_trio.actors.room_bus import SharedRooms
from nano_trio.actors.rooms import Rooms
from nano_trio.engine.scheduler import Account, CpuScheduler
from nano_trio.runtime.pieces import LargeMessage

from .conftest import HouseMaker

CHAT = """
import { publish, members, count, rooms } from "nano:rooms";
export default {
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    const room = url.searchParams.get("room");
    if (url.pathname === "/publish") return Response.json(publish(room, "from nano:rooms"));
    if (url.pathname === "/ctx") return Response.json(ctx.publish(room, new Uint8Array([1, 2])));
    if (url.pathname === "/who") return Response.json([count(room), rooms.count(room), members(room).map((ws) => ws.data)]);
    return ctx.upgrade(request, { data: url.searchParams.get("name") });
  },
  websocket: {
    message(ws, text) {
      const [verb, room, message] = text.split(" ");
      if (verb === "publish") ws.send(String(ws.publish(room, message)));
      else ws.send(String(ws[verb](room)));
    },
  },
};
"""


async def test_who_is_reached(house: HouseMaker) -> None:
    async with house({"app": CHAT, "other": CHAT}) as home:
        ann, bob, eve = [await home.connect("app", f"/?name={name}") for name in ("ann", "bob", "eve")]
        stranger = await home.connect("other", "/?name=stranger")
        for wire in (ann, bob, stranger):
            wire.message("subscribe r")
            wire.message("subscribe r")
            wire.message("isSubscribed r")
        eve.message("isSubscribed r")
        ann.message("publish r hello")
        eve.message("publish r outside")
        eve.message("publish nowhere x")
        await home.settled()
        entered = [("message", "undefined")] * 2 + [("message", "true")]
        assert ann.take() == [*entered, ("message", "1"), ("message", "outside")]
        assert bob.take() == [*entered, ("message", "hello"), ("message", "outside")]
        assert eve.take() == [("message", "false"), ("message", "2"), ("message", "0")]
        # One message object, so one frame, for all.
        assert ann.shared[-1] is bob.shared[-1]
        assert (await home.ask("app", "/publish?room=r")).body == b"2"
        assert (await home.ask("app", "/ctx?room=r")).body == b"2"
        assert (await home.ask("app", "/who?room=r")).body == b'[2,2,["ann","bob"]]'
        assert ann.take() == bob.take() == [("message", "from nano:rooms"), ("message", b"\1\2")]
        ann.message("unsubscribe r")
        bob.end()
        await home.settled()
        assert (await home.ask("app", "/who?room=r")).body == b"[0,0,[]]"
        assert (await home.ask("app", "/publish?room=r")).body == b"0"
        assert ann.take() == [("message", "undefined")]
        assert (await home.ask("other", "/who?room=r")).body == b'[1,1,["stranger"]]'
        assert stranger.take() == entered
        assert home.app("app").rooms.snapshot() == {"rooms": 0, "memberships": 0, "waiting": 0}


async def test_sockets_of_pairs_join_too(house: HouseMaker) -> None:
    source = """
    import { count, members } from "nano:rooms";
    export default { fetch(request) {
      const { 0: client, 1: server } = new WebSocketPair();
      server.accept();
      server.subscribe("a"); server.subscribe("b"); server.subscribe("c"); server.unsubscribe("c");
      const before = ["a", "c"].map((room) => server.isSubscribed(room));
      server.addEventListener("message", () => {
        const found = members("b").filter((ws) => ws === server).length;
        server.send([...before, server.isSubscribed("b"), count("b"), found, server.publish("a", "x")].join());
      });
      return new Response(null, { status: 101, webSocket: client });
    } };
    """
    async with house({"app": source}) as home:
        one, two = await home.connect("app"), await home.connect("app")
        one.message("?")
        await home.settled()
        assert one.take() == [("message", "true,false,true,2,1,1")]
        assert two.take() == [("message", "x")]


@pytest.mark.parametrize("room", ['""', '"x".repeat(257)', "5", "undefined", "{}", "Symbol()"])
async def test_names_of_rooms(house: HouseMaker, room: str) -> None:
    source = """
    import { publish, members, count } from "nano:rooms";
    export default {
      fetch: (request, env, ctx) => ctx.upgrade(request),
      websocket: { open(ws) {
        const room = ROOM, tries = [
          () => ws.subscribe(room), () => ws.unsubscribe(room), () => ws.isSubscribed(room), () => ws.publish(room, ""),
          () => publish(room, ""), () => members(room), () => count(room),
        ];
        let good = 0;
        for (const each of tries) try { each(); } catch (error) { if (error instanceof TypeError) good++; }
        ws.subscribe("x".repeat(256));
        ws.send(String(good));
      } },
    };
    """.replace("ROOM", room)
    async with house({"app": source}) as home:
        wire = await home.connect("app")
        await home.settled()
        assert wire.take() == [("message", "7")]


@pytest.mark.parametrize("few", [10, 1000])
async def test_a_large_broadcast_is_spread_and_nothing_overtakes_it(
    house: HouseMaker, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(rooms_module, "_STEP_NS", 0)  # a handful of members a pass
    monkeypatch.setattr(rooms_module, "_FEW", few)
    source = """
    import { publish } from "nano:rooms";
    const all = [];
    export default {
      fetch(request, env, ctx) {
        if (request.url.endsWith("/go")) {
          publish("r", "1");
          publish("r", "2");
          for (const ws of all) ws.send("3");
          all[0].unsubscribe("r");
          all[1].close(1000, "4");
          publish("r", "4");
          return new Response("ok");
        }
        return ctx.upgrade(request);
      },
      websocket: { open(ws) { ws.subscribe("r"); if (all.length < 20) all.push(ws); } },
    };
    """
    async with house({"app": source}) as home:
        wires = [await home.connect("app") for _ in range(200)]
        await home.settled()
        await home.ask("app", "/go")
        rooms = home.app("app").rooms
        assert rooms.waiting
        passes = 0
        while rooms.waiting:
            passes += 1
            await trio.lowlevel.checkpoint()
        assert passes > 20
        left, closing, *rest = (wire.take() for wire in wires)
        direct = [("message", "1"), ("message", "2"), ("message", "3")]
        assert left == direct
        assert closing == [*direct, ("close", (1000, "4"))]
        assert rest[:18] == [[*direct, ("message", "4")]] * 18
        assert rest[18:] == [[("message", "1"), ("message", "2"), ("message", "4")]] * 180
        assert home.app("app").counts.messages_out == 3 + 3 + 18 * 4 + 180 * 3


async def test_a_publisher_pays_for_few_members_and_not_for_many(house: HouseMaker) -> None:
    source = """
    import { publish } from "nano:rooms";
    export default {
      fetch(request, env, ctx) {
        const url = new URL(request.url);
        if (url.pathname === "/go") return new Response(String(publish(url.searchParams.get("room"), "news")));
        return ctx.upgrade(request, { data: url.searchParams.get("room") });
      },
      websocket: { open(ws) { ws.subscribe(ws.data); } },
    };
    """
    async with house({"app": source}) as home:
        few = [await home.connect("app", "/?room=few") for _ in range(5)]
        many = [await home.connect("app", "/?room=many") for _ in range(500)]
        await home.settled()
        exchange = home.app("app").begin(IncomingRequest("GET", "http://app/go?room=few", [], None, "192.0.2.7"))
        assert [wire.take() for wire in few] == [[("message", "news")]] * 5
        exchange.finish()
        exchange = home.app("app").begin(IncomingRequest("GET", "http://app/go?room=many", [], None, "192.0.2.7"))
        assert not any(wire.take() for wire in many)
        exchange.finish()
        await home.settled()
        assert [wire.take() for wire in many] == [[("message", "news")]] * 500


async def test_an_app_that_publishes_without_end_is_told(house: HouseMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms_module, "_STEP_NS", 0)
    monkeypatch.setattr(rooms_module, "_MOST_WAITING", 1 << 20)
    source = """
    import { publish } from "nano:rooms";
    export default {
      fetch(request, env, ctx) {
        if (!request.url.endsWith("/go")) return ctx.upgrade(request);
        let count = 0;
        try { for (;; count++) publish("r", "x".repeat(100_000)); } catch (error) { return new Response(`${count} ${error.name}`); }
      },
      websocket: { open(ws) { ws.subscribe("r"); } },
    };
    """
    async with house({"app": source}) as home:
        wires = [await home.connect("app") for _ in range(50)]
        await home.settled()
        answer = (await home.ask("app", "/go")).body
        # Where the turn was interrupted, some were handed over meanwhile, and it could publish as many more.
        waiting = home.app("app").rooms.waiting
        assert 0 < len(waiting) <= 10
        while waiting:
            await trio.lowlevel.checkpoint()
        count = len(wires[0].take())
        assert count >= 10
        assert answer == b"%d QuotaExceededError" % count
        assert [len(wire.take()) for wire in wires[1:]] == [count] * 49


class _Member:
    def __init__(self) -> None:
        self.rooms: dict[str, int] | None = None
        self.flushed = 0
        self.peer: Any = self
        self.got: list[Any] = []

    def deliver(self, message: SharedMessage) -> None:
        self.got.append(message.data)

    send_now = deliver


class _Bus:
    def __init__(self) -> None:
        self.carried: list[tuple[str, str, str | bytes]] = []
        self.news: list[tuple[str, str]] = []

    def publish(self, app: str, room: str, data: str | bytes) -> None:
        self.carried.append((app, room, data))

    def changed(self, app: str, room: str) -> None:
        self.news.append((app, room))

    def count(self, app: str, room: str) -> int:
        return 7


def test_a_bus_carries_broadcasts_to_other_processes() -> None:
    bus = _Bus()
    here, there = (Rooms("app", CpuScheduler(), Account(), Counts(), lambda work: None, bus) for _ in range(2))
    one, two = _Member(), _Member()
    here.join("r", one)
    there.join("r", two)
    assert here.publish("r", "x", but=one) == 7
    assert (here.count("r"), here.count_here("r")) == (8, 1)
    assert bus.carried == [("app", "r", "x")]
    there.receive("r", "x")
    assert (one.got, two.got) == ([], ["x"])
    assert len(bus.carried) == 1
    here.leave("r", one)
    assert bus.news == [("app", "r")] * 3


_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "end", "publish", "publish", "but", "send", "pass"]),
        st.integers(0, 3),
        st.sampled_from(["a", "b"]),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(_ACTS, st.integers(0, 4))
def test_spread_out_or_not_each_member_sees_the_same(acts: list[tuple[str, int, str]], few: int) -> None:
    """The reference sends everything at once; broadcasts that are worked off one member a pass must look the same."""
    members = [_Member() for _ in range(4)]
    expected: list[list[Any]] = [[] for _ in members]
    present: dict[str, list[int]] = {"a": [], "b": []}
    spread = Rooms("app", CpuScheduler(), Account(), Counts(), lambda work: None)
    old = rooms_module._STEP_NS, rooms_module._LOOK_EVERY, rooms_module._FEW
    rooms_module._STEP_NS, rooms_module._LOOK_EVERY, rooms_module._FEW = 0, 1, few
    try:
        for number, (verb, index, room) in enumerate(acts):
            member, message = members[index], f"{verb}{number}"
            if verb == "join":
                spread.join(room, member)
                if index not in present[room]:
                    present[room].append(index)
            elif verb == "leave":
                spread.leave(room, member)
                if index in present[room]:
                    present[room].remove(index)
            elif verb == "end":
                spread.flush(member)
                spread.leave_all(member)
                for each in present.values():
                    if index in each:
                        each.remove(index)
            elif verb in ("publish", "but"):
                reached = [i for i in present[room] if verb == "publish" or i != index]
                assert spread.publish(room, message, None if verb == "publish" else member) == len(reached)
                for i in reached:
                    expected[i].append(message)
            elif verb == "send":
                spread.flush(member)
                member.got.append(message)
                expected[index].append(message)
            else:
                spread._step()
        while spread.waiting:
            spread._step()
    finally:
        rooms_module._STEP_NS, rooms_module._LOOK_EVERY, rooms_module._FEW = old
    assert [member.got for member in members] == expected
    assert spread.snapshot()["memberships"] == sum(map(len, present.values()))


async def test_a_large_broadcast_is_not_joined(house: HouseMaker) -> None:
    source = """
import { publish } from "nano:rooms";
const bytes = new Uint8Array(700000).map((_, i) => i), text = "é".repeat(700000);
export default {
  fetch(request) {
    if (request.headers.get("upgrade") === null) return new Response(`${publish("r", bytes)} ${publish("r", text)}`);
    const pair = new WebSocketPair();
    pair[1].accept();
    pair[1].subscribe("r");
    return new Response(null, { status: 101, webSocket: pair[0] });
  },
};
"""
    async with house({"app": source}) as home:
        wires = [await home.connect("app") for _ in range(3)]
        assert (await home.ask("app")).body == b"3 3"
        await home.settled()
        for wire in wires:
            first, second = (what for kind, what in wire.take() if kind == "message")
            assert [type(first), type(second)] == [LargeMessage, LargeMessage]
            assert first.whole() == bytes(range(256)) * 2734 + bytes(range(96))
            assert second.whole() == "é" * 700_000


MANY_ROOMS = """
let last = 0;
export default { fetch: (request, env, ctx) => ctx.upgrade(request), websocket: {
  message(ws, name) {
    let told = "all";
    try { for (let i = 0; i < 500; i++) ws.subscribe(`${name}${last++}`); } catch (error) { told = error.name; }
    ws.send(told);
  },
} };
"""


async def test_what_rooms_take_is_bounded(house: HouseMaker) -> None:
    """A room that a client has an app enter takes memory of the process, and nothing of its heap."""
    async with house({"app": {"source": MANY_ROOMS, "memory_mb": 8}, "other": MANY_ROOMS}) as home:
        one, other = await home.connect("app"), await home.connect("other")
        for _ in range(40):
            one.message("\U0001f600" * 120)
            await home.settled()
        rooms = home.app("app").rooms
        assert 5_000 < rooms.snapshot()["memberships"] < 12_000
        assert one.take()[-1] == ("message", "QuotaExceededError")
        # It costs the app nothing else, nor another anything; and what leaves makes room.
        other.message("r")
        two = await home.connect("app")
        one.end()
        await home.settled()
        assert rooms.snapshot() == {"rooms": 0, "memberships": 0, "waiting": 0}
        two.message("r")
        await home.settled()
        assert two.take() == other.take() == [("message", "all")]
        assert home.app("app").snapshot().restarts == 0


def test_the_same_is_counted_as_rooms_come_and_go() -> None:
    rooms = Rooms("app", CpuScheduler(), Account(), Counts(), lambda work: None)
    one, two = _Member(), _Member()
    for _ in range(3):
        for room in ("a", "bcd", "\u4e00"):
            rooms.join(room, one)
            rooms.join(room, two)
        rooms.leave("a", two)
        rooms.leave("bcd", one)
        rooms.leave_all(one)
        rooms.leave_all(two)
        assert rooms._bytes == 0


async def test_who_was_in_many_rooms_holds_up_nobody_when_it_ends(house: HouseMaker) -> None:
    async with house({"app": MANY_ROOMS}) as home:
        wire = await home.connect("app")
        for _ in range(20):
            wire.message("r")
        await home.settled()
        rooms = home.app("app").rooms
        left = [rooms.snapshot()["memberships"]]
        wire.end()
        while left[-1]:
            left.append(rooms.snapshot()["memberships"])
            await trio.lowlevel.checkpoint()
        assert left[0] == 10_000
        # Trio runs the tasks of a pass in any order: two passes' worth.
        assert max(before - after for before, after in itertools.pairwise(left)) <= 128
        assert rooms.names() == []


class _Carrier:
    """Implements :class:`nano_trio.actors.bus.Bus`: keeps what is said."""

    me = 0
    others = (1,)

    def __init__(self) -> None:
        self.said: list[dict[str, dict[str, int]]] = []
        self.came: Any = None

    def publish(self, subject: str, payload: bytes, of: str = "") -> None:
        self.said.append(json.loads(payload))

    def send(self, to: int, subject: str, payload: bytes) -> bool:
        self.said.append(json.loads(payload))
        return True

    def subscribe(self, subject: str, take: Any) -> None: ...

    def watch(self, came: Any, left: Any) -> None:
        self.came = came


class _HouseOfOne:
    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    def rooms_of(self, app: str) -> Rooms | None:
        return self.rooms

    def all_rooms(self) -> list[tuple[str, Rooms]]:
        return [("app", self.rooms)]


async def test_news_of_many_rooms_are_told_a_few_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_bus, "_QUIET_S", 0)
    carrier = _Carrier()
    rooms = Rooms("app", CpuScheduler(), Account(), Counts(), lambda work: None)
    shared = SharedRooms(carrier, _HouseOfOne(rooms))
    rooms.bus = shared
    member = _Member()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shared.run)
        for number in range(2000):
            rooms.join(f"r{number}", member)
        for _ in range(2):  # all others are told, and then one who has come
            told = [0]
            with trio.fail_after(10):
                while sum(len(each["app"]) for each in carrier.said) < 2000:
                    await trio.lowlevel.checkpoint()
                    told.append(len(carrier.said))
            # Trio runs the tasks of a pass in any order: two passes' worth.
            assert max(after - before for before, after in itertools.pairwise(told)) <= 2
            assert {count for each in carrier.said for count in each["app"].values()} == {1}
            carrier.said.clear()
            carrier.came(1)
        nursery.cancel_scope.cancel()
