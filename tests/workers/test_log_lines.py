"""Log lines on their way from a worker to the first: what is lost is counted, wherever that happens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import trio
import trio.testing

from nano_trio import logs
from nano_trio.web.admin.all_workers import gather_lines, send_lines
from nano_trio.web.hosting import Hosting


class Bus:
    """Between two ends in this process; while ``full`` it takes nothing."""

    me = 1
    full = False

    def send(self, to: int, subject: str, payload: bytes) -> bool:
        if not self.full:
            self.sent.append(payload)
        return not self.full

    def subscribe(self, subject: str, take: Any) -> None:
        self.take = take

    def __init__(self) -> None:
        self.sent: list[bytes] = []


async def test_losses_add_up() -> None:
    bus = Bus()
    hosting = cast(Hosting, SimpleNamespace(mesh=bus))
    gather_lines(hosting)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_lines, hosting)
        await trio.testing.wait_all_tasks_blocked()
        for number in range(1500):  # more than the worker's own tap holds
            logs.lifecycle("shop", f"sold {number}")
        await trio.testing.wait_all_tasks_blocked()
        bus.full = True
        logs.lifecycle("shop", "not taken")
        logs.lifecycle("other", "nor this")
        await trio.testing.wait_all_tasks_blocked()
        bus.full = False
        logs.lifecycle("shop", "the last")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with logs.tap("shop", capacity=5000) as tap:
        for payload in bus.sent:
            bus.take(1, payload)
        items = tap.waiting()
        assert [item["event"] for item in items][-2:] == ["sold 1499", "the last"]
        assert {item["worker"] for item in items} == {1}
        assert len(items) + tap.take_lost() == 1502
