"""The bus between workers: order, bounds, ends."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
import trio.testing

from nano_trio.web.workers.mesh import Mesh


@asynccontextmanager
async def meshes(count: int) -> AsyncIterator[list[Mesh]]:
    """Workers of which each knows all others."""
    async with trio.open_nursery() as nursery:
        made = [Mesh(number) for number in range(count)]
        for mesh in made:
            await nursery.start(mesh.run)
        for one in made:
            for other in made[one.me + 1 :]:
                join(one, other)
        yield made
        nursery.cancel_scope.cancel()


async def soon(look: Callable[[], object]) -> None:
    """Look again and again until it is so."""
    with trio.fail_after(20):
        while not look():
            await trio.lowlevel.checkpoint()


def join(one: Mesh, other: Mesh) -> None:
    ours, theirs = socket.socketpair()
    one.connect(other.me, ours)
    other.connect(one.me, theirs)


async def test_everybody_else_gets_it_in_order() -> None:
    async with meshes(3) as (a, b, c):
        got: dict[int, list[tuple[int, bytes]]] = {0: [], 1: [], 2: []}
        for mesh in (a, b, c):
            mesh.subscribe("s", lambda sender, payload, me=mesh.me: got[me].append((sender, payload)))
        for number in range(1000):
            a.publish("s", b"%d" % number)
        a.publish("unknown", b"is ignored")
        assert a.send(2, "s", b"x" * 5_000_000)
        assert not a.send(7, "s", b"nobody")
        await soon(lambda: len(got[2]) == 1001 and len(got[1]) == 1000)
        assert got[1] == [(0, b"%d" % number) for number in range(1000)]
        assert got[2] == [*got[1], (0, b"x" * 5_000_000)]
        assert got[0] == []


async def test_who_takes_nothing_loses_and_holds_up_nobody() -> None:
    async with trio.open_nursery() as nursery:
        a, b = Mesh(0), Mesh(1)
        for mesh in (a, b):
            await nursery.start(mesh.run)
        join(a, b)
        ours, theirs = socket.socketpair()
        a.connect(2, ours)
        got = 0

        def take(sender: int, payload: bytes) -> None:
            nonlocal got
            got += 1

        b.subscribe("s", take)
        for number in range(40):
            a.publish("s", bytes(1 << 20))
            await soon(lambda number=number: got > number)
        assert 20 <= a.counts.lost <= 25, "16 MB may wait"
        theirs.close()
        await soon(lambda: a.others == [1])
        lost = a.counts.lost
        a.publish("s", b"")
        assert a.counts.lost == lost, "who is gone loses nothing"
        nursery.cancel_scope.cancel()


async def test_an_app_that_says_too_much_costs_no_other_its_messages() -> None:
    async with trio.open_nursery() as nursery:
        a, b = Mesh(0), Mesh(1)
        for mesh in (a, b):
            await nursery.start(mesh.run)
        got: list[bytes] = []
        b.subscribe("s", lambda sender, payload: got.append(payload[:9]))
        join(a, b)
        lost = []
        # Nothing leaves in between.
        loud = [f"loud{number}" for number in range(6)]
        for of in (*loud, "", "calm"):
            before = a.counts.lost
            for number in range(40):
                a.publish("s", f"{of} {number}".encode().ljust(9) + bytes(1 << 20 if of != "calm" else 10), of)
            lost.append(a.counts.lost - before)
        assert all(35 <= each <= 37 for each in lost[:4]), "4 MB of each may wait, and 16 MB of all"
        assert all(35 <= each <= 39 for each in lost[4:6]), "but something of each"
        assert 20 <= lost[6] <= 25, "16 MB of the server's own"
        assert lost[7] == 0
        await soon(lambda: len(got) == 320 - sum(lost))
        assert [each.split()[0] for each in got[-40:]] == [b"calm"] * 40
        # And it may go on when that has left.
        before = a.counts.lost
        a.publish("s", bytes(10 << 20), "loud0")
        assert a.counts.lost == before, "one may be as large as it likes"
        await soon(lambda: len(got) == 321 - sum(lost))
        nursery.cancel_scope.cancel()


async def test_a_newcomer_is_told_before_it_is_known_and_a_replacement_takes_the_place() -> None:
    async with meshes(2) as (a, b):
        seen: list[tuple[str, int]] = []
        a.watch(lambda who: seen.append(("came", who)), lambda who: seen.append(("left", who)))
        b.watch(lambda who: b.send(who, "news", b"1") and None, lambda who: None)
        got: list[bytes] = []
        new = Mesh(0)
        new.subscribe("news", lambda sender, payload: got.append(payload))
        async with trio.open_nursery() as nursery:
            await nursery.start(new.run)
            join(new, b)
            await new.known()
            assert got == [b"1"]
            assert b.others == [0]
            await soon(lambda: not a.others)
            assert seen == [("came", 1), ("left", 1)]
            nursery.cancel_scope.cancel()


async def test_a_defect_of_a_subscriber_costs_one_message() -> None:
    async with meshes(2) as (a, b):
        got: list[bytes] = []

        def take(sender: int, payload: bytes) -> None:
            if payload == b"bad":
                raise RuntimeError
            got.append(payload)

        b.subscribe("s", take)
        a.publish("s", b"bad")
        a.publish("s", b"good")
        await soon(lambda: got)
        assert b.others == [0]


async def test_who_hangs_holds_up_no_start(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        mesh = Mesh(0)
        await nursery.start(mesh.run)
        ours, theirs = socket.socketpair()
        with theirs:
            mesh.connect(1, ours)
            began = trio.current_time()
            await mesh.known()
            assert 0 < trio.current_time() - began <= 1
        nursery.cancel_scope.cancel()


async def test_who_is_known_has_taken_what_came_before() -> None:
    """A member that comes then must not get what was published before it came."""
    async with meshes(1) as (a,):
        new = Mesh(1)
        got: list[bytes] = []
        new.subscribe("s", lambda sender, payload: got.append(payload))
        ours, theirs = socket.socketpair()
        a.connect(1, ours)
        for _ in range(5000):
            a.publish("s", b"x" * 100)
        async with trio.open_nursery() as nursery:
            await nursery.start(new.run)
            new.connect(0, theirs)
            await new.known()
            assert len(got) == 5000
            nursery.cancel_scope.cancel()
