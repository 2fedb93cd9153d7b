"""The stack of errors, which begins with what they say: where memory is short, where it is long, and where it cannot be had."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import quickjs

from nano_trio.engine import allocator, builtins
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits
from nano_trio.runtime import platform
from tests.engine.failing import FILL, FRESH, LITTER, Failing

from .harness import Bench

GIVEN = "given"


def give(context: quickjs.Context) -> None:
    assert builtins.give(context, platform.builtins_source(), GIVEN), "in a source tree, run `python hatch_build.py`"


class Refusing(Failing):
    """The same by a limit of the heap, as apps meet it: what the engine has in hand is kept for it."""

    def __init__(self, runtime: quickjs.Runtime) -> None:
        allocator.use_slabs(runtime)
        super().__init__(runtime)
        self.none = self.state.limit

    def fails(self) -> bool:
        self.left -= 1
        self.state.limit = self.state.size // 2 if self.left == 0 else self.none
        return False


@pytest.fixture
def isolate() -> Any:
    made = Isolate(CpuScheduler(), None, Limits(memory_bytes=1 << 20))
    give(made.context)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("null.x", "TypeError: cannot read property 'x' of null"),
        ("made = new Error('m')", "Error: m"),
        ("made = new Error('m'); made.stack", "Error: m"),
        ("made = new AggregateError([1], 'm')", "AggregateError: m"),
        ("made = {}; keep(made, '    at f'); made.stack", "Error"),
        ("eval('/(/')", "SyntaxError: expecting ')'"),
        ("new Function('}')", "SyntaxError: expecting ')'"),
    ],
)
def test_each_single_allocation_of_an_error_may_fail(work: str, said: str) -> None:
    """What is thrown then is an error with a text for its stack, nothing is lost, and the next error is as ever."""
    runtime = quickjs.Runtime()
    failing = Refusing(runtime)
    context = runtime.new_context()
    runtime.set_gc_threshold(1 << 40)
    give(context)
    context.eval(f"{FRESH}; let made; const keep = given.uncurry('Error', 'keepStack'); 0")
    told: set[str] = set()
    litter = context.eval(LITTER)
    attempt = context.eval(f"() => {{ try {{ {work} }} catch (error) {{ made = error }} }}")
    tell = context.eval("""() => {
      if (!made) return "nothing"; // of an error that there is no memory for the engine makes null
      const { stack } = made, said = Error.prototype.toString.call(made);
      made = undefined;
      return stack === undefined ? "none" : stack === said || stack.startsWith(`${said}\\n    at `) ? said : stack;
    }""")
    refused, outcomes = "InternalError: out of memory", []
    while "done" not in outcomes[1:]:
        litter()
        outcomes.append(failing.outcome(len(outcomes), attempt))
        told.add(tell())
        if len(outcomes) == 2:
            before = failing.state.count
    assert len(outcomes) > 5
    assert set(outcomes) <= {"made", "done", refused}
    # Without memory for the message there is none.
    assert told <= {said, said.split(":")[0], refused, "none", "nothing"}
    allocator.let_go(runtime)  # of errors that were in hand
    assert 0 <= failing.state.count - before < 8
    del litter, attempt, tell


def test_in_a_heap_that_is_full_errors_say_what_they_say_anywhere(isolate: Isolate) -> None:
    said = isolate.context.eval(f"""(() => {{
      const fail = (depth) => depth ? fail(depth - 1) : null.x, errors = Array(200).fill(null);
      {FILL}
      for (let i = 0; i < 200; i++) {{ try {{ fail(i % 20) }} catch (error) {{ errors[i] = error }} }}
      kept.length = 0;
      return [...new Set(errors.map(({{ stack }}) => stack.split("\\n    at fail (")[0]))].join();
    }})()""")
    assert said == "TypeError: cannot read property 'x' of null"


def test_a_long_message_is_not_copied_for_each_stack(isolate: Isolate) -> None:
    """They would take 400 MB, and the engine's limit is 34 MB."""
    length = isolate.context.eval("""(() => {
      const message = "m".repeat(2 << 20), errors = [];
      for (let i = 0; i < 200; i++) errors.push(new Error(message));
      return errors.reduce((sum, error) => sum + (error.stack.length > message.length), 0);
    })()""")
    assert length == 200


def test_errors_go_without_a_collection_of_garbage() -> None:
    runtime = quickjs.Runtime()
    context = runtime.new_context()
    runtime.set_gc_threshold(1 << 40)
    give(context)
    work = context.eval("""() => {
      for (let i = 0; i < 1000; i++) {
        const error = new Error("m");
        if (i % 2) error.stack;
        if (i % 3) error.stack = "mine";
        try { null.x } catch ({ stack }) {}
      }
    }""")
    work()
    before = runtime.compute_memory_usage()["obj_count"]
    work()
    assert runtime.compute_memory_usage()["obj_count"] == before
    del work


def test_contexts_that_are_not_the_platforms_have_the_engines_own(isolate: Isolate) -> None:
    code = "const descriptor = Object.getOwnPropertyDescriptor(new Error('m'), 'stack'); typeof descriptor.value"
    assert quickjs.Runtime().new_context().eval(code) == "string"
    assert isolate.context.eval(code) == "undefined"
    with pytest.raises(quickjs.JSError) as told:
        isolate.context.eval("throw new TypeError('m')")
    assert told.value.js_stack.startswith("TypeError: m\n    at ")


def test_a_turn_that_is_stopped_where_a_stack_is_read_stays_so(run_js: Callable[[str], Any], bench: Bench) -> None:
    """The name is asked for by the getter, and an app's getter may never end."""
    assert run_js("""
        class Slow extends Error { get name() { for (let i = 0; i < 3e6; i++); return "Slow" } }
        const error = new Slow("m");
        setTimeout(() => globalThis.over = true);
        return [error.stack.split("\\n")[0], error.stack === error.stack];
    """) == ["Slow: m", True]
    assert bench.slices > 0


# An app whose stacks are the frames only, and what is shown of its errors.
WITHOUT = r"""
  function maker() { return new TypeError("m") }
  const error = maker(), object = { name: "N", message: "o" };
  Error.captureStackTrace(object);
  console.log(error.stack.startsWith("    at maker ("), object.stack.split("\n")[0]);
  console.log(new DOMException("gone", "AbortError").stack.split("\n")[0]);
  console.log(structuredClone(error).stack === error.stack);
  console.log(error);
  reportError(error);
"""
SHOWN = r"""
import sys
sys.path.insert(0, sys.argv[2])
from nano_trio.engine import builtins
{before}
from tests.runtime.harness import Bench
bench = Bench()
bench.run(sys.argv[1])
for line in bench.logs: print(line[1])
print(bench.exceptions)
bench.context = None
bench.close()
"""


@pytest.mark.parametrize("before", ['builtins._TOLD = ""', "builtins.library = lambda source: None"])
def test_where_it_cannot_be_had_stacks_are_the_frames_and_messages_are_shown_once(before: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SHOWN.format(before=before), WITHOUT, "."], capture_output=True, text=True, timeout=60
    )
    first, second, third, title, *frames, logged = told.stdout.splitlines()
    assert (first, second, third, title) == ("true N: o", "AbortError: gone", "true", "TypeError: m"), told.stderr
    assert frames[0].startswith("    at maker (test.js:")
    assert all(line.startswith("    at ") for line in frames)
    assert logged.count("TypeError: m") == 1
    assert logged.startswith("[('TypeError: m', '    at maker (test.js:")
