"""Loops around expensive native calls are preempted as well as plain ones."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import quickjs
import trio

from nano_trio.engine import poll_timer
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.polling import ENGINE_INTERVAL, poll_counter
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import StopReason, Turn

from .conftest import NewIsolate


def test_the_counter_is_found_and_rules_when_the_handler_is_called() -> None:
    polls: list[int] = []
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    counter = poll_counter(context)
    assert counter is not None, "the engine's poll counter was not found: expensive loops would starve neighbours"
    runtime.set_interrupt_handler(lambda: bool(polls.append(counter.value)))
    loop = context.eval("(count) => { for (let i = 0; i < count; i++); }")
    polls.clear()
    counter.value = 100
    loop(120)
    assert len(polls) == 1
    assert polls[0] == ENGINE_INTERVAL
    runtime.set_interrupt_handler(None)


@pytest.mark.parametrize(
    "body",
    [
        "JSON.parse(text)",
        "JSON.stringify(data)",
        "text.split(',').join(';')",
        "data.slice().sort()",
        "/(x+)+$/.test('x'.repeat(18) + 'y')",
        "'x'.repeat(100000).indexOf('y')",
        "new Uint8Array(200000).fill(7)",
    ],
)
async def test_a_loop_around_something_native_is_suspended_often(new_isolate: NewIsolate, body: str) -> None:
    """10,000 rounds of these (the engine's own rhythm) take seconds: then no slice would end before the CPU limit."""
    isolate = new_isolate(
        turn_ms=150,
        source="const data = Array.from({ length: 1500 }, (_, i) => ({ i })); const text = JSON.stringify(data);"
        f"function hog() {{ for (;;) {{ {body}; }} }}",
    )
    turn = Turn(isolate.context.get("hog"), ())
    isolate.submit(turn)
    while turn.stopped is None:
        await trio.lowlevel.checkpoint()
    assert isolate.account.slices >= 15


async def test_what_was_cheap_and_turns_to_calls_that_take_long_is_interrupted_between_them(
    new_isolate: NewIsolate,
) -> None:
    """240 of them are fewer than the engine then counts until it polls, and take seconds."""
    assert poll_timer.in_use(), "there is no timer: in a source tree, run `python hatch_build.py`"
    isolate = new_isolate(
        turn_ms=200,
        source="const numbers = Array.from({ length: 50000 }, (_, i) => i * 1.1); function hog() {"
        "for (let i = 0; i < 1e6; i++); for (let i = 0; i < 240; i++) { JSON.stringify(numbers); called(); } }",
    )
    calls: list[None] = []
    isolate.context.set("called", lambda: calls.append(None))
    turn = Turn(isolate.context.get("hog"), ())
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU
    assert len(calls) < 120


def count_after_a_while() -> int:
    """What a turn's counter, which is at 1000 and does not count, is at when it has computed for some ticks."""
    counter = ctypes.c_int32(1000)
    running = poll_timer.running()
    running[0] = poll_timer.address_of(counter)
    end = time.thread_time() + 1
    while counter.value > 1 and time.thread_time() < end:
        pass
    running[0] = 0
    return counter.value


def test_a_thread_that_blocks_all_signals_is_told_as_well() -> None:
    told: list[int] = []

    def compute() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        told.append(count_after_a_while())
        poll_timer.stop()

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join()
    assert told == [1]


@pytest.mark.parametrize("ignored", [1, 5])
def test_where_its_signal_has_another_purpose_it_takes_another(ignored: int) -> None:
    code = f"""
import signal
for number in range(signal.SIGRTMAX - {ignored}, signal.SIGRTMAX):
    signal.signal(number, signal.SIG_IGN)
from {__name__} import count_after_a_while
print(count_after_a_while())
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)
    assert told.stdout.split() == ["1"], told.stderr


def test_a_child_of_a_process_has_a_timer_of_its_own() -> None:
    code = f"""
import os
from {__name__} import count_after_a_while
print(count_after_a_while(), flush=True)
if os.fork() == 0:
    print(count_after_a_while(), flush=True)
    os._exit(0)
os.wait()
print(count_after_a_while())
"""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)
    assert told.stdout.split() == ["1", "1", "1"], told.stderr


@pytest.mark.parametrize("slices", [0, 3])
def test_where_a_turn_ends_with_an_error_of_python_the_timer_leaves_its_counter_alone(slices: int) -> None:
    """It would write to memory that is somebody else's, when the isolate is gone."""
    isolate = Isolate(CpuScheduler())
    compute = isolate.context.eval("() => { for (let i = 0; i < 1e6; i++); }")

    def fail() -> None:
        if slices:
            compute()
        raise KeyboardInterrupt

    def run() -> None:
        isolate.submit(Turn(fail, ()))
        for _ in range(slices):
            isolate.run_slice(100_000)
        isolate.run_slice(10**10)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert poll_timer.running()[0] == 0
