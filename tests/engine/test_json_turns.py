"""Long JSON is suspended, resumed and stopped in its midst, as loops are."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import trio

from nano_trio.engine.calls import call
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import StopReason, Turn

from .conftest import NewIsolate

pytestmark = pytest.mark.usefixtures("even_clock")

SOURCE = """
const make = (count, mark) => Array.from({ length: count }, (_, i) =>
  ({ number: i / 4, text: `${mark} ${i} "\\u65e5"`, list: [true, null, [], {}], long: mark.repeat(i % 50) }));
const text = (count, mark) => { globalThis.data = make(count, mark); };
const write = () => globalThis.text = JSON.stringify(data);
const read = () => globalThis.data = JSON.parse(globalThis.text);
const same = (count, mark) => {
  const expected = make(count, mark);
  return data.length === count && expected.every((each, i) => JSON.stringify([each]) === JSON.stringify([data[i]]));
};
Object.assign(globalThis, { make_data: text, write, read, same });
"""
ENTRIES = 12_000
"""Some 1.3 MB of text: more than the buffer that all isolates share."""
LONG = 1e9


def data(count: int, mark: str) -> list[object]:
    return [
        {"number": i / 4, "text": f'{mark} {i} "日"', "list": [True, None, [], {}], "long": mark * (i % 50)}
        for i in range(count)
    ]


async def _suspended(isolate: Isolate, entry: str) -> int:
    """How often the call of the entry was suspended."""
    before = isolate.account.slices
    await call(isolate, isolate.context.get(entry))
    return isolate.account.slices - before


async def _ended_in_its_midst(isolate: Isolate, entry: str, end: Callable[[], object]) -> StopReason:
    """Begin a call of the entry, and end it when it was suspended five times; why it was stopped."""
    turn = Turn(isolate.context.get(entry), ())
    slices = isolate.account.slices
    isolate.submit(turn)
    while isolate.account.slices < slices + 5:
        await trio.lowlevel.checkpoint()
    end()
    while turn.stopped is None:
        await trio.lowlevel.checkpoint()
    return turn.stopped


async def test_long_json_is_suspended_time_and_again_and_is_right(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=LONG)
    await call(isolate, isolate.context.get("make_data"), ENTRIES, "a")
    # An even clock goes on at polls alone: that often it polled.
    assert await _suspended(isolate, "write") > 30
    assert json.loads(str(isolate.context.get("text"))) == data(ENTRIES, "a")
    assert await _suspended(isolate, "read") > 30
    assert await call(isolate, isolate.context.get("same"), ENTRIES, "a") is True


async def test_what_others_write_meanwhile_does_not_mix_with_it(new_isolate: NewIsolate) -> None:
    marks = "abcd"
    isolates = [new_isolate(source=SOURCE, turn_ms=LONG) for _ in marks]
    sizes = [1000, 2000, ENTRIES, 4000]
    async with trio.open_nursery() as nursery:
        for isolate, size, mark in zip(isolates, sizes, marks, strict=True):
            nursery.start_soon(call, isolate, isolate.context.get("make_data"), size, mark)
    before = [isolate.account.slices for isolate in isolates]
    async with trio.open_nursery() as nursery:
        for isolate in isolates:
            nursery.start_soon(call, isolate, isolate.context.get("write"))
    assert all(isolate.account.slices > slices + 2 for isolate, slices in zip(isolates, before, strict=True))
    for isolate, size, mark in zip(isolates, sizes, marks, strict=True):
        assert json.loads(str(isolate.context.get("text"))) == data(size, mark)


@pytest.mark.parametrize("entry", ["write", "read"])
async def test_a_turn_is_stopped_in_the_midst_of_it(new_isolate: NewIsolate, entry: str) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=LONG)
    await call(isolate, isolate.context.get("make_data"), ENTRIES, "a")
    await call(isolate, isolate.context.get("write"))
    assert await _ended_in_its_midst(isolate, entry, isolate.stop) is StopReason.CANCELLED


async def test_an_interrupted_one_leaves_an_isolate_that_goes_on(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(source=SOURCE, turn_ms=LONG)
    await call(isolate, isolate.context.get("make_data"), ENTRIES, "a")
    for entry in ("write", "write", "read", "read"):
        if entry == "read":
            await call(isolate, isolate.context.get("write"))
        assert await _ended_in_its_midst(isolate, entry, isolate.interrupt) is StopReason.INTERRUPTED
    await call(isolate, isolate.context.get("write"))
    assert json.loads(str(isolate.context.get("text"))) == data(ENTRIES, "a")
    await call(isolate, isolate.context.get("read"))
    assert await call(isolate, isolate.context.get("same"), ENTRIES, "a") is True
