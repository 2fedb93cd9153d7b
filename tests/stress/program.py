"""What a stress program is: JavaScript, arguments drawn at random, and its result computed a second way."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from random import Random
from typing import Any

import attrs
import quickjs

__all__ = ["PRELUDE", "Ending", "Program", "host_functions", "lcg", "load_module", "read_outcome", "reference"]

Arguments = tuple[Any, ...]


class Ending(enum.Enum):
    """How a program ends when nobody disturbs it."""

    ANSWERS = "answers"
    """It answers with what ``expected`` says."""
    ENDLESS = "endless"
    """Only its CPU limit, or somebody outside, ends it."""
    GROWS = "grows"
    """Its memory limit ends it."""


@attrs.frozen
class Program:
    """One program of the mix. ``source`` is a JavaScript function, async or not, of ``arguments``."""

    name: str
    source: str
    arguments: Callable[[Random], Arguments] = lambda rng: ()
    expected: Callable[..., Any] | None = None
    """The result in Python, of the same arguments. None: what a plain context that nobody suspends answers."""
    ending: Ending = Ending.ANSWERS
    heap_mb: int = 24
    """A memory limit that its answer does not need to come near."""
    may_run_out: bool = False
    """It asks for megabytes at once: the engine may refuse them before our limit stops it."""


# Programs are functions in `programs`; `begin` runs one and gives its outcome to the host: JSON, or "!" and the error.
# What a function throws at once is not caught here: it must arrive as the error of the turn.
PRELUDE = """
const programs = {};
const numbers = (count, seed) => {
  const list = new Array(count);
  for (let i = 0; i < count; i++) list[i] = seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
  return list;
};
function begin(name, args) {
  const result = programs[name](...JSON.parse(args));
  if (result instanceof Promise) {
    result.then((value) => answer(JSON.stringify(value) ?? "null"), (error) => answer("!" + error));
  } else answer(JSON.stringify(result) ?? "null");
}
"""

MODULES = {
    "sum.js": "import { square } from './square.js'; export const sum = (n) => { let s = 0;"
    "for (let i = 0; i < n; i++) s += square(i); return s; }; export default await Promise.resolve('sum');",
    "square.js": "export const square = (x) => x * x;",
    "broken.js": "export const x = ;",
}


def lcg(count: int, seed: int) -> list[int]:
    """The prelude's ``numbers``."""
    drawn = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        drawn.append(seed)
    return drawn


def host_functions() -> dict[str, Callable[..., Any]]:
    """What programs may call of the host. ``hostCall`` calls back into JavaScript: JS, Python, JS, all suspended at once."""
    return {
        "hostAdd": lambda a, b: a + b,
        "hostText": lambda text: f"<{text}>",
        "hostCall": lambda function, value: function(value),
    }


def load_module(name: str) -> str:
    """The module loader of all stress contexts."""
    return MODULES[name.removeprefix("./")]


def read_outcome(answers: list[str], result: Any) -> Any:
    """A turn's outcome as Python data; what was thrown is text that begins with ``!``."""
    if answers:
        text = str(answers[0])
        return text if text.startswith("!") else json.loads(text)
    if isinstance(result, quickjs.JSError):
        return f"!{result}"
    return "!no answer"


_references: dict[tuple[str, str], Any] = {}


def reference(program: Program, arguments: Arguments) -> Any:
    """The expected outcome: in Python where the program says how, else of a plain context without suspensions."""
    key = (program.name, json.dumps(arguments))
    if key not in _references:
        if program.expected is not None:
            # Through JSON, as the answer comes.
            _references[key] = json.loads(json.dumps(program.expected(*arguments)))
        else:
            _references[key] = _run_plainly(program, key[1])
    return _references[key]


def _run_plainly(program: Program, arguments: str) -> Any:
    context = quickjs.Context()
    context.set_module_loader(load_module)
    for name, function in host_functions().items():
        context.set(name, function)
    answers: list[str] = []
    context.set("answer", answers.append)
    context.eval(f"{PRELUDE};programs[{json.dumps(program.name)}]={program.source}")
    result: Any = None
    try:
        result = context.get("begin")(program.name, arguments)
    except quickjs.JSError as error:
        result = error
    while context.execute_pending_job():
        pass
    return read_outcome(answers, result)
