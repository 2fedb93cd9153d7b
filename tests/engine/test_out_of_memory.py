"""Where a heap's memory runs out: what the engine then does wrong harms nobody else, and what we do is right."""

from __future__ import annotations

import subprocess
import sys
import weakref

import pytest
import quickjs

from nano_trio.engine import allocator, json_builtins, rejections
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits
from tests.allocations import bytes_of_libc

from .conftest import held_at_first
from .failing import FILL, Failing

SMALL = Limits(memory_bytes=4 << 20)
"""The engine's own limit is 40 MB."""


def test_where_a_runtime_keeps_its_pending_exception_is_known() -> None:
    assert allocator._measure_exception_at() is not None


def test_a_text_that_the_engine_leaks_costs_the_process_nothing() -> None:
    """UTF-8 of it is beyond the limit, and then the engine forgets to free it."""
    before = bytes_of_libc()
    for _ in range(3):
        isolate = Isolate(CpuScheduler(), None, SMALL)
        tell = 'const text = "\xe9".repeat(15 << 20); try { JSON.parse(text) } catch (error) { String(error) }'
        assert isolate.context.eval(tell) == "InternalError: out of memory"
        isolate.close()
        assert bytes_of_libc() - before < 1 << 20


# The name of the function, made UTF-8 for the backtrace, is beyond the limit.
NO_BACKTRACE = r"""
  const fail = () => null.x, kept = [];
  Object.defineProperty(fail, "name", { value: "\xe9".repeat(15 << 20) });
  for (let i = 0; i < 20; i++) { try { fail() } catch (error) { kept.push(error, {}, [i]) } }
  kept.length;
"""

# 5,000 errors, in the time that the other takes for twenty.
MANY_WITHOUT = rf"""
  const fail = () => null.x;
  Object.defineProperty(fail, "name", {{ value: "\xe9".repeat(1500) }});
  {FILL}
  for (let i = 0; i < 5000; i++) {{ try {{ fail() }} catch {{}} }}
"""


def test_without_memory_for_a_backtrace_the_error_stays_alive() -> None:
    """The engine writes to an error that it has freed: an app that knows how would end the process."""
    code = f"""
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits
for _ in range(5):
    isolate = Isolate(CpuScheduler(), None, Limits(memory_bytes=4 << 20))
    print(isolate.context.eval({NO_BACKTRACE!r}))
    isolate.close()
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout.split()) == (0, ["60"] * 5), told.stderr


def test_errors_that_were_held_for_that_are_let_go_with_the_isolate() -> None:
    """They hold the context, and with it the functions of the host."""

    class Host:
        def __call__(self) -> None: ...

    before = held_at_first()
    for source in (NO_BACKTRACE, MANY_WITHOUT):
        isolate, host = Isolate(CpuScheduler(), None, SMALL), Host()
        reference = weakref.ref(host)
        isolate.context.set("host", host)
        isolate.context.eval(source)
        del host
        isolate.close()
        assert (reference(), allocator.held()) == (None, before)


def test_in_a_heap_full_of_large_blocks_errors_are_told_of() -> None:
    isolate = Isolate(CpuScheduler(), None, Limits(memory_bytes=1 << 20))
    try:
        others = isolate.context.eval(f"""(() => {{ {FILL} let others = 0;
          const fail = (depth) => depth ? fail(depth - 1) : null.x;
          for (let i = 0; i < 200; i++) {{ try {{ fail(i % 20) }} catch (error) {{ others += !(error instanceof TypeError) }} }}
          return others;
        }})()""")
        assert others == 0
    finally:
        isolate.close()


PLAIN = r"""[{ a: [1, 2.5, true, null, 'text', 1 / 3], b: { c: {}, 7: [] } }, { a: ['x'.repeat(300)], 'b\n': '\n' },
  { 0: 1 / 7, 5: { 3: 'f' } }, { d: 1, e: { f: 2 }, g: [] }, { d: 3, e: { f: 4 }, g: 5 }, { d: 6, e: { h: 7 }, g: 8 }]"""


@pytest.mark.parametrize(
    "work",
    [
        "JSON.parse(given)",
        "JSON.stringify(data)",
        "JSON.stringify([{ get a() { return data } }].at(0).a)",
        "(Promise.reject({}), 0)",
        "(Promise.reject(1).catch(() => {}), 0)",
        "(() => { const a = Promise.reject(1), b = Promise.reject({}); a.catch(() => {}) })()",
    ],
)
def test_each_single_allocation_may_fail(work: str) -> None:
    """An error is thrown, nothing is lost, and what comes next finds the context as it was."""
    runtime = quickjs.Runtime()
    failing = Failing(runtime)
    context = runtime.new_context()
    runtime.set_gc_threshold(1 << 40)
    json_builtins.install(context)
    rejections.watch(context)
    context.eval(f"""
      let told = 0, made;
      const data = {PLAIN}, given = JSON.stringify(data);
      const list = [() => {{ told += (list.length - 2) / 3; list.length = 2; return false }}, false];
      Promise.reject(list);
    """)
    attempt = context.eval(f"() => {{ made = {work} }}")
    reject = context.eval("() => { made = undefined; Promise.reject(7) }")

    def perform(function: quickjs.Value) -> str:
        outcome = "done"
        for step in (function, *[context.execute_pending_job] * 20):
            try:
                step()
            except quickjs.JSError as error:
                outcome = str(error)
        return outcome

    def run(left: int) -> str:
        failing.left = left
        outcome = perform(attempt)
        fired, failing.left = left > 0 >= failing.left, 0
        before = context.eval("told")
        perform(reject)
        assert context.eval("told") > before
        assert context.eval("JSON.stringify([JSON.parse('[{\"a\": 1.5}]'), list.length])") == '[[{"a":1.5}],2]'
        runtime.run_gc()
        return outcome if fired else "all"

    # What the first error of a context makes stays.
    for left in (0, 1, 0):
        run(left)
    before, outcomes = failing.state.count, []
    while "all" not in outcomes:
        outcomes.append(run(len(outcomes) + 1))
    assert len(outcomes) > 5
    assert set(outcomes) <= {"InternalError: out of memory", "done", "all"}
    # What the engine could not throw while it did something else is still pending: an error, and what it holds.
    assert 0 <= failing.state.count - before < 8


@pytest.mark.parametrize("text", ["\xe9", "\u65e5", "x"])
def test_a_long_text_is_written_with_as_little_memory_as_by_the_engine(text: str) -> None:
    for limit in range(24 << 20, 36 << 20, 3 << 20):
        told = []
        for is_ours in (False, True):
            runtime = quickjs.Runtime()
            context = runtime.new_context()
            if is_ours:
                json_builtins.install(context)
            runtime.set_memory_limit(limit)
            write = "(text) => { try { return JSON.stringify([text.repeat(5 << 20)]).length } catch (error) { return String(error) } }"
            told.append(context.eval(write)(text * (1 if text == "\u65e5" else 2)))
        assert told[0] == told[1], limit


def test_where_the_builtins_cannot_be_installed_the_engines_own_remain() -> None:
    installed = 0
    for left in range(1, 40):
        runtime = quickjs.Runtime()
        failing = Failing(runtime)
        context = runtime.new_context()
        context.eval("JSON.parse; JSON.stringify; 0")
        failing.left = left
        json_builtins.install(context)
        installed += failing.left > 0
        failing.left = 0
        told = context.eval("JSON.stringify([JSON.parse('[1,{\"a\":2}]'), JSON.parse('[1]', (key, value) => value)])")
        assert told == '[[1,{"a":2}],[1]]'
    assert 0 < installed < 39
