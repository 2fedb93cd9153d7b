"""Who leaves a ``for await`` waits for its iterator's end, as ECMA-262 has it, whatever the loop is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.engine import bytecode_instructions, bytecode_loops, bytecode_mends
from nano_trio.engine.bytecode import BytecodeCache, compile_module, compile_script
from nano_trio.engine.bytecode_functions import functions_of, value_at
from nano_trio.engine.bytecode_instructions import (
    Instruction,
    Operation,
    assemble,
    encode_lines,
    read_instructions,
    read_lines,
    reckon,
)
from nano_trio.engine.bytecode_module import body_at

ROOT = Path(__file__).parents[2]

# What the programs below work with. `said` is what a program did, in order, each thing with the number of microtasks
# that another chain has counted by then.
PRELUDE = """
var said = [], ticks = 0, fuel = 400;
const say = (what) => { if (--fuel < 0) throw "fuel"; said.push(`${ticks} ${what}`); };
(async () => { while (ticks < 300) { await null; ticks++; } })();
const shown = (error) => error instanceof Error ? error.constructor.name : String(error);
const many = (name, count, next, close) => {
  let at = 0;
  const iterator = {
    [Symbol.asyncIterator]() { say(`${name} begins`); return this; },
    next() {
      say(`${name} next ${at}`);
      if (at++ < count) return Promise.resolve({ value: [at], done: false });
      if (next === "throws") throw `${name} next`;
      if (next === "rejects") return Promise.reject(`${name} next`);
      if (next === "gives no object") return Promise.resolve(1);
      return { value: name, done: true };
    },
  };
  const closing = async () => { say(`${name} closes`); await null; say(`${name} is closed`); };
  if (close === "is no function") iterator.return = 1;
  else if (close === "cannot be got") Object.defineProperty(iterator, "return", { get() { throw `${name} return`; } });
  else if (close === "throws") iterator.return = () => { say(`${name} closes`); throw `${name} closing`; };
  else if (close === "rejects") iterator.return = async () => { await closing(); throw `${name} closing`; };
  else if (close === "gives no object") iterator.return = async () => { await closing(); return 1; };
  else if (close === "closes") iterator.return = async () => { await closing(); return {}; };
  return iterator;
};
function* few(name) {
  try { yield [1]; yield [2]; } finally { say(`${name} is closed`); }
}
"""
NEXTS = ["ends", "throws", "rejects", "gives no object"]
CLOSES = ["closes", "closes", "throws", "rejects", "gives no object", "is no function", "cannot be got", "is absent"]


def ran(program: str, how: Callable[[str], bytes]) -> list[str]:
    """What a program said."""
    context = quickjs.Context()
    context.eval_function(context.read_object(how(PRELUDE + program)))
    while context.execute_pending_job():
        pass
    said: list[str] = json.loads(str(context.eval("JSON.stringify(said)")))
    return said


def ours(source: str) -> bytes:
    return compile_script(source, "loops.js").code


def of_the_engine(source: str) -> bytes:
    code: bytes = quickjs.Context().compile(source, "loops.js").write_object()
    return code


def spelled_out(label: str, number: int, head: str, iterable: str, body: str) -> str:
    """A `for await` without one, step by step (ForIn/OfBodyEvaluation, AsyncIteratorClose)."""
    n = str(number)
    return f"""{{
      const it{n} = ({iterable})[Symbol.asyncIterator](), next{n} = it{n}.next;
      let inside{n} = false, threw{n} = false;
      try {{
        {label} for (;;) {{
          inside{n} = false;
          const result{n} = await next{n}.call(it{n});
          if (Object(result{n}) !== result{n}) throw new TypeError("result");
          if (result{n}.done) break;
          const value{n} = result{n}.value;
          inside{n} = true;
          const {head} = value{n};
          {body}
        }}
      }} catch (error) {{ threw{n} = true; throw error; }}
      finally {{
        if (inside{n} && threw{n}) try {{ const end = it{n}.return; if (end != null) await end.call(it{n}); }} catch {{ }}
        else if (inside{n}) {{
          const end = it{n}.return;
          if (end != null) {{
            const ended = await end.call(it{n});
            if (Object(ended) !== ended) throw new TypeError("ended");
          }}
        }}
      }}
    }}"""


def written(label: str, number: int, head: str, iterable: str, body: str) -> str:
    return f"{label} for await (const {head} of {iterable}) {{ {body} }}"


class Writer:
    """Writes one program in two ways: with ``for await``, and spelled out."""

    def __init__(self, draw: st.DrawFn, loop: Callable[[str, int, str, str, str], str], generator: bool) -> None:
        self.draw = draw
        self.loop = loop
        self.generator = generator
        self.number = 0

    def statements(self, depth: int, labels: tuple[str, ...], in_loop: bool) -> str:
        count = self.draw(st.integers(1, 3))
        return "\n".join(self.statement(depth, labels, in_loop) for _ in range(count))

    def statement(self, depth: int, labels: tuple[str, ...], in_loop: bool) -> str:
        kinds = ["say", "return", "throw", "await"]
        if in_loop:
            kinds += ["break", "continue", "break", "continue"]
        if self.generator:
            kinds += ["yield", "yield"]
        if depth:
            kinds += ["for await"] * 4 + ["for of", "try", "finally", "if", "if"]
        kind = self.draw(st.sampled_from(kinds))
        self.number += 1
        number = self.number
        if kind == "say":
            return f"say('at {number}');"
        if kind == "await":
            return "await null;"
        if kind == "return":
            return f"return {number};"
        if kind == "throw":
            return f"throw 'thrown {number}';"
        if kind == "yield":
            return f"yield {number};"
        if kind in ("break", "continue"):
            return f"if (odd()) {kind} {self.draw(st.sampled_from(['', *labels]))};"
        if kind == "if":
            return f"if (odd()) {{ {self.statements(depth - 1, labels, in_loop)} }}"
        if kind == "try":
            inside = self.statements(depth - 1, labels, in_loop)
            return f"try {{ {inside} }} catch (error) {{ say(`caught ${{shown(error)}}`); }}"
        if kind == "finally":
            inside = self.statements(depth - 1, labels, in_loop)
            return f"try {{ {inside} }} finally {{ {self.statements(depth - 1, labels, in_loop)} }}"
        label = f"l{number}"
        with_label = self.draw(st.booleans())
        prefix = f"{label}:" if with_label else ""
        inner = (*labels, label) if with_label else labels
        head = self.draw(st.sampled_from([f"x{number}", f"[x{number}]", f"{{ y: x{number} = say('head {number}') }}"]))
        if kind == "for of":
            body = self.statements(depth - 1, inner, True)
            return f"{prefix} for (const {head} of few('few {number}')) {{ {body} }}"
        count, following, close = (
            self.draw(st.integers(0, 3)),
            self.draw(st.sampled_from([*["ends"] * 5, *NEXTS])),
            self.draw(st.sampled_from(CLOSES)),
        )
        iterable = f"many('{number}', {count}, '{following}', '{close}')"
        return self.loop(prefix, number, head, iterable, self.statements(depth - 1, inner, True))


FUNCTION = """
let times = 0;
const odd = () => times++ % 2;
(async function () {{ {body} }})().then((value) => say(`gave ${{value}}`), (error) => say(`threw ${{shown(error)}}`));
"""
GENERATOR = """
let times = 0;
const odd = () => times++ % 2;
const generator = (async function* () {{ {body} }})();
const ask = (what) => generator[what]("asked").then(
  ({{ value, done }}) => say(`${{what}} ${{value}} ${{done}}`), (error) => say(`${{what}} threw ${{shown(error)}}`));
(async () => {{ await ask("next"); await ask("next"); await ask("{how}"); await ask("next"); }})();
"""


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, str]:
    generator = draw(st.booleans())
    how = draw(st.sampled_from(["next", "return", "throw"]))
    drawn: list[object] = []

    def remember(strategy: st.SearchStrategy[object]) -> object:
        value = draw(strategy)
        drawn.append(value)
        return value

    first = Writer(remember, written, generator).statements(4, (), False)  # type: ignore[arg-type]
    again = iter(drawn)
    second = Writer(lambda _: next(again), spelled_out, generator).statements(4, (), False)  # type: ignore[arg-type, return-value]
    template = GENERATOR if generator else FUNCTION
    return template.format(body=first, how=how), template.format(body=second, how=how)


@given(programs())
def test_loops_do_what_they_do_spelled_out(both: tuple[str, str]) -> None:
    loops, steps = both
    assert ran(loops, ours) == ran(steps, of_the_engine)


SCENES = [
    ("break", "for await (const x of many('a', 3, 'ends', 'closes')) break;"),
    (
        "continue further out",
        "o: for (const y of [1]) for await (const x of many('a', 3, 'ends', 'closes')) continue o;",
    ),
    ("return", "return await (async () => { for await (const x of many('a', 3, 'ends', 'closes')) return 1; })();"),
    ("throw", "try { for await (const x of many('a', 3, 'ends', 'closes')) throw 1; } catch { }"),
    ("a head that fails", "try { for await (const { x: { y } } of many('a', 3, 'ends', 'closes')) say(y); } catch { }"),
]
CLOSED = ["a begins", "a next 0", "a closes", "a is closed", "behind", "gave"]


@pytest.mark.parametrize("loop", [loop for _, loop in SCENES], ids=[name for name, _ in SCENES])
def test_what_is_behind_a_loop_waits_for_its_iterators_end(loop: str) -> None:
    program = FUNCTION.format(body=f"try {{ {loop} }} finally {{ say('behind'); }}")
    assert [line.split(" ", 1)[1].split(" undef")[0].split(" 1")[0] for line in ran(program, ours)] == CLOSED


def test_nobody_closes_an_iterator_that_has_come_to_its_end() -> None:
    said = ran(FUNCTION.format(body="for await (const x of many('a', 2, 'ends', 'closes')) say(x);"), ours)
    assert [line.split(" ", 1)[1] for line in said] == [
        *("a begins", "a next 0", "1", "a next 1", "2", "a next 2", "gave undefined")
    ]


def test_an_iterator_that_fails_to_close_fails_who_left_but_not_who_threw() -> None:
    leaves = "for await (const x of many('a', 3, 'ends', 'rejects')) {};"
    broken, thrown = (ran(FUNCTION.format(body=leaves.format(way)), ours)[-1] for way in ("break", "throw 'mine'"))
    assert (broken.split(" ", 1)[1], thrown.split(" ", 1)[1]) == ("threw a closing", "threw mine")


@pytest.mark.parametrize("kind", ["module", "commonjs", "script"])
def test_all_code_of_apps_has_such_loops(tmp_path: Path, kind: str) -> None:
    cache = BytecodeCache(tmp_path)
    source = "async function f(y) { for await (const x of y) break; }"
    code = getattr(cache, kind)(source, "./a.js").code
    at = body_at(code) if kind == "module" else value_at(code)
    (loop,) = [each for each in functions_of(code, at) if each.kind == 2 and each.code[1] - each.code[0] > 9]
    # Three awaits: of the next value, of the end of who leaves, and of him through whom an exception passes.
    instructions = read_instructions(code[slice(*loop.code)])
    assert [each.operation for each in instructions].count(137) == 3
    assert getattr(BytecodeCache(tmp_path), kind)(source, "./a.js").code == code


def test_places_in_the_source_stay_what_they_are() -> None:
    program = """
const stacks = [];
(async function outer() {
  for await (const x of [1, 2]) {
    if (x > 1)
      stacks.push(new Error("first").stack);
  }
  for await (const { y = stacks.push(
      new Error("second").stack) } of [{}]) break;
                stacks.push(new Error("third").stack);
})().then(() => { for (const stack of stacks) say(stack); });
"""
    ticks = [[line.split(" ", 1)[1] for line in ran(program, how)] for how in (ours, of_the_engine)]
    assert ticks[0] == ticks[1]
    before = [(PRELUDE + program).split(f'Error("{name}")')[0] for name in ("first", "second", "third")]
    places = [f"outer (loops.js:{text.count(chr(10)) + 1}:" for text in before]
    assert all(place in stack for place, stack in zip(places, ticks[0], strict=True))


def test_a_body_that_is_too_long_for_short_jumps() -> None:
    body = "say('a'); " * 3 + "if (odd()) break; else continue; " + "odd(); " * 9000
    said = ran(FUNCTION.format(body=f"for await (const x of many('a', 9, 'ends', 'closes')) {{ {body} }}"), ours)
    assert [line.split(" ", 1)[1] for line in said].count("a is closed") == 1


def in_tree() -> list[Path]:
    return sorted([*(ROOT / "nano_trio").rglob("*.js"), *(ROOT / "examples").rglob("*.js")])


def test_instructions_are_read_and_put_together_again() -> None:
    seen = 0
    for file in in_tree():
        source = file.read_text()
        try:
            code = compile_module(source, f"./{file.name}").code
            at = body_at(code)
        except quickjs.JSError:
            code = compile_script(source, file.name).code
            at = value_at(code)
        for function in functions_of(code, at):
            instructions = read_instructions(code[slice(*function.code)])
            assert function.lines is not None
            table = code[slice(*function.lines[1])]
            assert assemble(instructions)[0] == code[slice(*function.code)], file
            assert encode_lines(read_lines(table)) == table, file
            assert reckon(instructions)[1] == function.stack_size, file
            seen += 1
    assert seen > 1000


def test_a_function_that_is_longer_than_any_other_stays_as_it_is() -> None:
    body, inner = "say('a'); " * 20_000, "async function g(y) { for await (const x of y) break; }"
    source = f"async function f(y) {{ for await (const x of y) {{ {body} break; }} }} {inner}"
    functions = [functions_of(code, value_at(code)) for code in (ours(source), of_the_engine(source))]
    sizes = [{each.code[1] - each.code[0] for each in of} for of in functions]
    assert max(sizes[0]) == max(sizes[1]) > 128 << 10
    assert sizes[0] != sizes[1]


def test_an_engine_of_another_version_keeps_its_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "async function f(y) { for await (const x of y) break; }"
    monkeypatch.setattr(bytecode_mends, "_VERSION", "2019-07-09")
    assert ours(source) == of_the_engine(source)
    monkeypatch.undo()
    assert ours(source) != of_the_engine(source)


@pytest.mark.parametrize("between", [" ", "\n\t", "/* each (of them); */", " // all\n", f"/* {'all ' * 1000}*/"])
def test_loops_are_found_however_they_are_written(between: str) -> None:
    source = f"async function f(y) {{ for{between}await (const x of y) break; }}"
    assert ours(source) != of_the_engine(source)


def test_loops_are_found_wherever_their_bytecode_is_cut_for_looking_through_it() -> None:
    for size in range(bytecode_loops._PIECE - 200, bytecode_loops._PIECE):
        source = f"'{'a' * size}'; async function f(y) {{ for await (const x of y) break; }}"
        assert ours(source) != of_the_engine(source), size


@pytest.mark.parametrize("count", [65_531, 65_533])
def test_a_stack_that_is_as_deep_as_the_engine_can_say(count: int) -> None:
    leave = "for await (const x of many('a', 3, 'ends', 'closes')) break;"
    program = FUNCTION.format(body=f"{leave} return ((...all) => all.length)({','.join('0' * count)});")
    code = ours(program)
    assert 65_000 < max(each.stack_size for each in functions_of(code, value_at(code))) < 1 << 16
    said = [line.split(" ", 1)[1] for line in ran(program, ours)]
    assert said == ["a begins", "a next 0", "a closes", "a is closed", f"gave {count}"]


def test_who_is_called_at_an_exception_is_called_from_the_loop() -> None:
    program = """
async function outer() {
  const end = { next: async () => ({ done: false }), return: () => say(new Error("end").stack) };
  for await (const x of { [Symbol.asyncIterator]: () => end }) {
    throw 1;
  }
  say("never");
}
outer().catch(() => {});
"""
    (said,) = ran(program, ours)
    assert f"outer (loops.js:{(PRELUDE + program).split('for await')[0].count(chr(10)) + 1}:" in said


def test_jumps_that_make_each_other_too_short(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []
    in_pieces = bytecode_instructions.in_pieces
    monkeypatch.setattr(bytecode_instructions, "in_pieces", lambda items: looked.append(0) or in_pieces(items))
    # Each goes as far as a short one can, over the next; the last further.
    jumps = [Instruction(Operation.GOTO8) for _ in range(300)]
    gaps = [[Instruction(Operation.UNDEFINED) for _ in range(62)] for _ in jumps]
    last = [Instruction(Operation.UNDEFINED) for _ in range(200)]
    for jump, over in zip(jumps, [*jumps[2:], last[0], last[100]], strict=True):
        jump.target = over
    instructions = [each for jump, gap in zip(jumps, gaps, strict=True) for each in (jump, *gap)] + last
    code, _ = assemble(instructions)
    assert {jump.operation for jump in jumps} == {Operation.GOTO16}
    assert len(looked) < 40
    assert [each.operation for each in read_instructions(code)] == [each.operation for each in instructions]
