"""Functions of the engine's that call what they were made with: however many call each other, they end no process."""

from __future__ import annotations

import pytest

from .test_collections import outcome

# What is given to `then` by `finally` and the like calls a function of the app's, which may be another such.
NEXT = {
    "finally, of a value": "(f) => { finish.call(seen, f); return seen.values[0] }",
    "finally, of a reason": "(f) => { finish.call(seen, f); return seen.values[1] }",
    "all": "(f) => combine('all', f)[0]",
    "allSettled, of a value": "(f) => combine('allSettled', f)[0]",
    "allSettled, of a reason": "(f) => combine('allSettled', f)[1]",
    "any": "(f) => combine('any', f)[1]",
}


@pytest.mark.parametrize("above", NEXT.values(), ids=NEXT)
def test_a_chain_of_calls_may_be_longer_than_the_stack(above: str) -> None:
    """The engine looked at the stack for none of them, and the process ended by SIGSEGV."""
    program = f"""
    const finish = Promise.prototype.finally;
    const seen = {{ constructor: Promise, then(...values) {{ this.values = values }} }};
    const combine = (name, called) => {{
      const capability = function (executor) {{ executor(called, called) }};
      capability.resolve = () => seen;
      Promise[name].call(capability, [1]);
      return seen.values;
    }};
    const above = {above};
    const told = [];
    for (const height of [10, 150_000]) {{
      let called = 0, last = () => {{ called++ }};
      for (let i = 0; i < height; i++) last = above(last);
      try {{ last(1); told.push(called) }} catch (error) {{ told.push(called, String(error)) }}
    }}
    return told;
    """
    assert outcome(program, "C") == [1, 0, "RangeError: Maximum call stack size exceeded"]


@pytest.mark.parametrize("how", ["Object.setPrototypeOf(bound, null)", "define(bound, Symbol.hasInstance, {})"])
def test_instanceof_asks_more_bound_functions_than_the_stack_holds(how: str) -> None:
    """Each has the next be asked, without a call in between: the process ended by SIGSEGV."""
    program = f"""
    const {{ apply, defineProperty: define }} = Reflect, {{ bind }} = Function.prototype;
    class Kind {{}}
    const told = [];
    for (const height of [10, 150_000]) {{
      let bound = Kind;
      for (let i = 0; i < height; i++) {{
        bound = apply(bind, bound, []);
        define(bound, "name", {{ value: "" }});
        {how};
      }}
      for (const value of [new Kind(), {{}}]) {{
        try {{ told.push(value instanceof bound) }} catch (error) {{ told.push(String(error)) }}
      }}
    }}
    return told;
    """
    error = "RangeError: Maximum call stack size exceeded"
    assert outcome(program, "C") == [True, False, error, error]
