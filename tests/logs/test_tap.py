"""Taps: whoever looks on sees what happens, and never holds it up."""

from __future__ import annotations

import pytest
import structlog
import trio

from nano_trio import logs
from nano_trio.logs.tap import missed


@pytest.fixture
def configured(capfd: pytest.CaptureFixture[str]) -> object:
    before = structlog.get_config()
    logs.configure("info", "json")
    yield capfd
    logs.flush()
    structlog.configure(**before)


async def test_lines_and_events_of_one_app(configured: object) -> None:
    log = structlog.get_logger("nano_trio.app")
    with logs.tap("shop") as one, logs.tap() as everybody, logs.tap("shop", lifecycle=False) as lines:
        log.info("sold", app="shop", request_id="r-1")
        log.debug("below the level", app="shop")
        log.info("other", app="other")
        logs.lifecycle("shop", "crashed", reason="x")
        seen = [await one.receive(), await one.receive()]
        assert [(item["kind"], item["event"], item["app"]) for item in seen] == [
            ("line", "sold", "shop"),
            ("lifecycle", "crashed", "shop"),
        ]
        assert seen[0]["level"] == "info"
        assert seen[0]["request_id"] == "r-1"
        assert seen[1]["reason"] == "x"
        assert [(await everybody.receive())["event"] for _ in range(3)] == ["sold", "other", "crashed"]
        lines.close()
        assert [item["event"] async for item in lines] == ["sold"]
    log.info("afterwards", app="shop")
    with pytest.raises(trio.EndOfChannel):
        await one.receive()


async def test_a_slow_reader_loses_the_oldest_and_is_told(configured: object) -> None:
    with logs.tap(capacity=3) as tap:
        for number in range(10):
            logs.lifecycle("app", str(number))
        assert tap.take_lost() == 7
        assert tap.take_lost() == 0
        assert [(await tap.receive())["event"] for _ in range(3)] == ["7", "8", "9"]


async def test_what_was_lost_elsewhere_is_told_to_whoever_wanted_it(configured: object) -> None:
    log = structlog.get_logger("nano_trio.app")
    with logs.tap(capacity=1) as source, logs.tap("shop") as shop, logs.tap() as everybody:
        for _ in range(3):
            log.info("sold", app="shop")
        logs.lifecycle("other", "crashed")
        log.info("served")
        losses = source.take_losses()
        assert losses == {("line", "shop"): 3, ("lifecycle", "other"): 1}
        assert (shop.take_lost(), everybody.take_lost()) == (0, 0)
        for (kind, app), count in losses.items():
            missed(kind, app, count)
        assert (shop.take_lost(), everybody.take_lost()) == (3, 4)


async def test_a_waiting_reader_is_woken_from_any_thread(configured: object) -> None:
    log = structlog.get_logger("nano_trio")
    with trio.fail_after(5), logs.tap() as tap:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, log.info, "from a thread")
            assert (await tap.receive())["event"] == "from a thread"
            nursery.start_soon(tap.receive)
            await trio.testing.wait_all_tasks_blocked()
            log.info("from here")


async def test_what_is_seen_is_what_is_written(configured: pytest.CaptureFixture[str]) -> None:
    with logs.tap() as tap:
        structlog.get_logger("nano_trio").info("x" * 20_000)
        item = await tap.receive()
    logs.flush()
    assert item["event"].endswith("… (cut: 20000 bytes)")
    assert item["event"] in configured.readouterr().err
