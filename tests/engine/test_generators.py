"""Async generators that are done answer all who wait, in their order (ECMA-262, 27.6.3)."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

import pytest
import quickjs
import trio

from nano_trio.engine import awaits, builtins, generators
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.turn import StopReason, Turn
from nano_trio.runtime.platform import builtins_source

from .conftest import NewIsolate
from .failing import Failing
from .natives import run

SOURCE = builtins_source()
PRELUDE = """
const told = [];
// Each request has a letter; who is answered says it, with the value, and a point where the generator is done.
const ask = (letter, generator, what = "next", value = undefined) => generator[what](value).then(
  (result) => told.push(`${letter}${result.value ?? ""}${result.done ? "." : ""}`), (error) => told.push(`${letter}!${error}`));
const all = (letters, generator) => [...letters].forEach((letter) => ask(letter, generator));
"""
PROGRAMS = {
    "it ends": ("all('abcdef', (async function* () { yield 1 })())", "a1 b. c. d. e. f."),
    "it ends behind an await": (
        "all('abcdef', (async function* () { await 1; yield 2; await 3 })())",
        "a2 b. c. d. e. f.",
    ),
    "it throws": ("all('abcdef', (async function* () { yield 1; throw 2 })())", "a1 b!2 c. d. e. f."),
    "it returns": ("all('abcdef', (async function* () { yield 1; return 2 })())", "a1 b2. c. d. e. f."),
    "it returns a rejection": (
        "all('abcdef', (async function* () { yield 1; return Promise.reject(2) })())",
        "a1 b!2 c. d. e. f.",
    ),
    "it has not begun": (
        """const it = (async function* () { yield 1 })();
        ask("a", it, "return", 2), all("bc", it), ask("d", it, "throw", 3), all("ef", it);""",
        "a2. b. c. d!3 e. f.",
    ),
    "its values are awaited": (
        """const it = (async function* () { yield 1 })();
        all("ab", it), ask("c", it, "return", Promise.resolve(2)), ask("d", it, "throw", 3);
        ask("e", it, "return", Promise.reject(4)), all("f", it), ask("g", it, "return", { then(take) { take(5) } }), all("h", it);""",
        "a1 b. c2. d!3 e!4 f. g5. h.",
    ),
    "it asks itself": (
        "const it = (async function* () { all('abc', it), ask('d', it, 'return', 1), all('ef', it) })(); all('g', it);",
        "a. b. c. g. d1. e. f.",
    ),
    "another is in between": (
        """const it = (async function* () { yield* (async function* () { yield 1; await 2 })() })(), other = it.next;
        all("abcd", it), other.call(it).then(() => told.push("e")), other.call({}).catch(({ name }) => told.push(name));""",
        "TypeError a1 b. c. d. e",
    ),
    "those who ask later": (
        """const it = (async function* () { yield 1 })();
        all("abcd", it), (async () => { for (let i = 0; i < 9; i++) await 1; all("ef", it); ask("g", it, "return", 2), all("h", it) })();""",
        "a1 b. c. d. e. f. g2. h.",
    ),
    "a getter of the app's asks in the midst of answers": (
        """const it = (async function* () { yield 1 })();
        let asked = 0;
        Object.defineProperty(Object.prototype, "then", { configurable: true, get() {
          if (this.done === true && asked++ === 2) ask("e", it), ask("f", it, "return", 2), all("g", it);
        } });
        all("abcd", it);""",
        "a1 b. c. e. d. f2. g.",
    ),
    "for await comes after that": (
        """const it = (async function* () { yield 1 })();
        all("abcd", it), (async () => { for await (const each of it) told.push(each); told.push("end") })();""",
        "a1 b. c. d. end",
    ),
}


@pytest.fixture(autouse=True, params=["alone", "beside stores"])
def mended(request: pytest.FixtureRequest) -> None:
    assert builtins.in_use(SOURCE), "nothing is mended: in a source tree, run `python hatch_build.py`"
    if request.param == "beside stores":
        assert awaits.kept(SOURCE)


def run_jobs(context: Any) -> None:
    while context.execute_pending_job():
        pass


@pytest.mark.parametrize("why", PROGRAMS)
def test_all_who_wait_are_answered_when(why: str) -> None:
    program, expected = PROGRAMS[why]
    context = quickjs.Runtime().new_context()
    context.eval(PRELUDE + program)
    while context.execute_pending_job():
        context.runtime.run_gc()
    assert context.eval("told.join(' ')") == expected


@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_getter_of_the_app_s_is_called_once_for_each_answer(at: int) -> None:
    """Where it asks in the midst of them: nothing else is answered, or rejected, of which nobody knows."""
    context = quickjs.Runtime().new_context()
    context.eval(
        PRELUDE
        + f"""
        const it = (async function* () {{ yield 1 }})();
        let gets = 0;
        Object.defineProperty(Object.prototype, "then", {{ configurable: true, get() {{
          if (this.done === true && ++gets === {at}) all("fg", it);
        }} }});
        all("abcde", it);"""
    )
    run_jobs(context)
    assert context.eval("[gets, told.length, told.filter((each) => each.endsWith('.')).length].join()") == "6,7,6"


def test_what_they_are_told_of_the_engine_is_what_it_was() -> None:
    context = quickjs.Runtime().new_context()
    told = context.eval(
        """const { prototype } = Object.getPrototypeOf(async function* () {});
        JSON.stringify(["next", "return", "throw"].map((name) => {
          const { value, writable, enumerable, configurable } = Object.getOwnPropertyDescriptor(prototype, name);
          return [value.name, value.length, String(value).includes("[native code]"), writable, enumerable, configurable];
        }))"""
    )
    same = ",1,true,true,false,true]"
    assert told == f'[["next"{same},["return"{same},["throw"{same}]'


def test_each_single_allocation_may_fail() -> None:
    """Who is not answered then is with the next request; and nothing is lost."""
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = runtime.new_context()
    runtime.set_gc_threshold(1 << 40)
    context.eval(
        PRELUDE
        + """let it;
        const begin = () => { it = (async function* () { yield 1; await 2 })(); all("abcd", it), ask("e", it, "return", 3), all("f", it) };
        const end = () => { try { all("g", it) } catch {} };"""
    )
    begin, end = context.eval("begin"), context.eval("end")

    def attempt(left: int) -> bool:
        failing.left = left
        for step in (begin, *[context.execute_pending_job] * 60):
            with contextlib.suppress(quickjs.JSError, SystemError):
                step()
        fired, failing.left = failing.left < 0, 0
        end()
        run_jobs(context)
        context.eval("it = undefined; told.length = 0")
        runtime.run_gc()
        return fired

    counts = []
    for _ in range(3):
        left = 1
        while attempt(left):
            left += 1
        assert left > 20
        counts.append(runtime.compute_memory_usage()["obj_count"])
    assert counts[1] == counts[2]


async def test_a_turn_is_stopped_in_the_midst_of_answers(new_isolate: NewIsolate) -> None:
    isolate: Isolate = new_isolate(
        source=PRELUDE
        + """function begin() {
          const it = (async function* () { yield 1 })();
          let asked = 0;
          Object.defineProperty(Object.prototype, "then", { get() { if (this.done === true && asked++ === 2) for (;;); } });
          all("abcdef", it);
        }""",
        turn_ms=50,
    )
    turn = Turn(isolate.context.get("begin"), ())
    isolate.submit(turn)
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert turn.stopped is StopReason.CPU


async def test_whom_a_turn_that_was_stopped_has_not_answered_is_answered_with_the_next(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        source=PRELUDE
        + """
        const it = (async function* () { yield 1 })();
        let asked = 0;
        function begin() {
          Object.defineProperty(Object.prototype, "then", { configurable: true, get() { if (this.done === true && asked++ === 1) { reached(); for (;;); } } });
          all("abcdef", it);
        }
        function end() { delete Object.prototype.then; told.length = 0; all("g", it); }""",
    )
    reached: list[bool] = []
    isolate.context.set("reached", lambda: reached.append(True))
    turn = Turn(isolate.context.get("begin"), ())
    isolate.submit(turn)
    while not reached:
        await trio.lowlevel.checkpoint()
    assert isolate.interrupt()
    assert turn.stopped is StopReason.INTERRUPTED
    isolate.submit(Turn(isolate.context.get("end"), ()))
    while isolate.busy:
        await trio.lowlevel.checkpoint()
    assert isolate.context.eval("told.slice(-4).join(' ')") == "d. e. f. g."


@pytest.mark.usefixtures("compiled")
async def test_many_answers_are_suspended_in_their_midst(new_isolate: NewIsolate) -> None:
    isolate = new_isolate(
        source="""
        let open, answered = 0;
        const gate = new Promise((resolve) => (open = resolve)), it = (async function* () { await gate })();
        for (let i = 0; i < 200_000; i++) it.next();
        it.next().then(() => answered++);""",
        turn_ms=60_000,
        memory_bytes=600 << 20,
    )
    turn, others = await run(isolate, "() => open()")
    assert turn.stopped is None
    assert isolate.account.slices >= turn.cpu_ns / 2.5e6 >= 2
    assert others >= isolate.account.slices
    assert isolate.context.eval("answered") == 1


def test_where_the_engine_is_another_it_is_left_alone() -> None:
    """In a process of its own: what is mended stays so."""
    program = """
import quickjs
from nano_trio.engine import builtins, generators
from nano_trio.runtime.platform import builtins_source
generators._TOLD = "otherwise"
assert builtins.in_use(builtins_source())
context = quickjs.Runtime().new_context()
context.eval("let told = 0; const it = (async function* () { yield 1 })(); for (let i = 0; i < 6; i++) it.next().then(() => told++)")
while context.execute_pending_job(): pass
print(context.eval("told"))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout) == (0, "3\n"), told.stderr
    assert generators._TOLD
