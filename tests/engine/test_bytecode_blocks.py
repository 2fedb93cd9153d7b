"""A block that an exception leaves has variables of its own the next time, as ECMA-262 14.2.2 has it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import quickjs
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.engine import bytecode_blocks, bytecode_mends
from nano_trio.engine.bytecode import BytecodeCache, compile_script


def ours(source: str) -> bytes:
    return compile_script(source, "blocks.js").code


def of_the_engine(source: str) -> bytes:
    code: bytes = quickjs.Context().compile(source, "blocks.js").write_object()
    return code


def ran(source: str, how: Callable[[str], bytes] = ours) -> object:
    """What `seen` has when all is done, each called."""
    context = quickjs.Context()
    context.eval_function(context.read_object(how(f"var seen = [];\n{source}")))
    while context.execute_pending_job():
        pass
    return json.loads(str(context.eval("JSON.stringify(seen.map((each) => each()))")))


LOOPS = {
    "for": "for (let i = 0; i < 3; i++) {}",
    "for of": "for (const i of [0, 1, 2]) {}",
    "for in": "for (const i in 'abc') {}",
    "while": "let i = -1; while (++i < 3) {}",
    "do": "let i = -1; do {} while (i < 2);",
    "for await": "for await (const i of [0, 1, 2]) {}",
    "continue": "let i = -1; again: for (;;) {{ if (i > 1) break; {} continue again; }}",
}
LEFT = "try { const x = ++count; seen.push(() => x); if (x < 3) throw x; } catch { }"


@pytest.mark.parametrize("loop", LOOPS.values(), ids=list(LOOPS))
@pytest.mark.parametrize("kind", ["async function f()", "async function* f()"])
def test_each_round_has_its_own(loop: str, kind: str) -> None:
    body = (
        LEFT if "i = -1" not in loop else LEFT.replace("try {", "try { i++;", 1).replace("i++;", "", loop.count("++i"))
    )
    source = (
        f"let count = 0; {kind} {{ {loop.replace('{}', '{ ' + body + ' }').replace('{{', '{').replace('}}', '}')} }} "
    )
    call = "f().next();" if "*" in kind else "f();"
    assert ran(source + call) == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("for (let i = 0; i < 2; i++) try { const x = i; seen.push(() => x); throw 1; } catch {}", [0, 1]),
        ("for (let i = 0; i < 2; i++) try { let x = i; seen.push(() => x); x += 5; null.y; } catch {}", [5, 6]),
        (
            "for (let i = 0; i < 2; i++) try { class X { n = i; } seen.push(() => new X().n); throw 1; } catch {}",
            [0, 1],
        ),
        (
            "for (let i = 0; i < 2; i++) try { try { throw i; } catch (e) { seen.push(() => e); throw e; } } catch {}",
            [0, 1],
        ),
        (
            "for (let i = 0; i < 2; i++) try { for (const x of [i]) { seen.push(() => x); throw 1; } } catch {}",
            [0, 1],
        ),
        (
            "for (let i = 0; i < 2; i++) try { switch (i) { default: const x = i; seen.push(() => x); throw 1; } } catch {}",
            [0, 1],
        ),
        (
            "for (let i = 0; i < 2; i++) { try { const x = i; seen.push(() => x); throw 1; } catch { continue; } finally { i += 0; } }",
            [0, 1],
        ),
        ("for (let i = 0; i < 2; i++) try { throw { i }; } catch ({ i: e }) { seen.push(() => e); }", [0, 1]),
        ("let i = 0; for (;;) try { throw i; } catch (e) { seen.push(() => e); if (i++) break; }", [0, 1]),
        # What a block's functions use they go on to use: they were made before its variables began.
        (
            "for (let i = 0; i < 2; i++) try { let x = i; function f() { return x; } x += 2; seen.push(() => x); f.g = 1;"
            " seen.push(f); if (f() !== x) throw 'apart'; throw 1; } catch (e) { if (e !== 1) throw e; }",
            [2, 2, 3, 3],
        ),
        # Functions that are declared in a block are its variables, too.
        (
            "for (let i = 0; i < 2; i++) try { function f() { return i; } seen.push(() => f()); throw 1; } catch {}",
            [0, 1],
        ),
        (
            "'use strict'; for (let i = 0; i < 2; i++) try { function* f() { yield i; }"
            " async function g() { return f; } seen.push(() => f().next().value); throw g; } catch {}",
            [0, 1],
        ),
        # What is put there later is for all who see it, also where another block begins next.
        (
            "for (let i = 0; i < 2; i++) try { function f() { return i; } seen.push(() => f());"
            " f = function g() { return i + 5; }; { const x = i; seen.push(() => x); throw 1; } } catch {}",
            [5, 0, 6, 1],
        ),
        # A function that is put into a variable begins nothing.
        (
            "for (let i = 0; i < 2; i++) try { seen.push(() => f()); const f = function g() { return i; }; throw f; } catch {}",
            [0, 1],
        ),
        # Nor does a block with what may be left out before it.
        (
            "var f; for (let i = 0; i < 2; i++) try { if (i > 5) f = function g() {};"
            " { const x = i; seen.push(() => x); throw f; } } catch {}",
            [0, 1],
        ),
        # What is caught may be taken apart.
        (
            "for (let i = 0; i < 2; i++) try { try { throw { i }; } catch ({ i: e }) { seen.push(() => e); throw e; } } catch {}",
            [0, 1],
        ),
        (
            "let y = 0; for (let i = 0; i < 2; i++) try { try { throw [i]; } catch ([e, f = () => e, g = (y = i)])"
            " { seen.push(() => e, f, () => y, () => g); throw e; } } catch {}",
            [0, 0, 1, 0, 1, 1, 1, 1],
        ),
        (
            "for (let i = 0; i < 2; i++) try { throw i; } catch (e) { seen.push(() => e);"
            " try { throw {}; } catch ({ x = (e = 7) }) { seen.push(() => x); } }",
            [7, 7, 7, 7],
        ),
        # Where that fails for certain nothing of the block is there.
        (
            "const c = 0; for (let i = 0; i < 2; i++) { seen.push(() => y);"
            " one: { try { try { throw {}; } catch ({ [c = 1]: a }) { } } finally { break one; } } let y = i; }",
            [0, 1],
        ),
        # Of a `finally` nothing is caught.
        (
            "let y = 0; for (let i = 0; i < 2; i++) try { try { y++; seen.push(() => y); throw 1; }"
            " finally { const z = i; y += 0; seen.push(() => z); try { y++; } catch {} } } catch {}",
            [4, 0, 4, 1],
        ),
        ("for (let i = 0; i < 2; i++) try { const x = i; seen.push(() => x); return; } finally { continue; }", [0, 1]),
        # One variable for all rounds where it stands outside of what was left.
        ("let y = 0; for (let i = 0; i < 2; i++) try { y++; seen.push(() => y); throw 1; } catch {}", [2, 2]),
        (
            "let y = 0; for (let i = 0; i < 2; i++) try { const z = i; y++; seen.push(() => y); throw z; } catch {}",
            [2, 2],
        ),
        ("for (let i = 0; i < 2; i++) try { var x = i; seen.push(() => x); throw 1; } catch {}", [1, 1]),
    ],
)
def test_what_closures_see(source: str, told: list[int]) -> None:
    assert ran(f"(function () {{ {source} }})();") == told


def test_a_variable_that_has_not_begun_is_still_refused() -> None:
    source = """(function () {
      for (let i = 0; i < 3; i++) try { seen.push(() => x); if (i === 1) x; const x = i; throw i; }
      catch (error) { seen.push(() => String(error)); }
    })(); seen.splice(2, 1);"""
    assert ran(source) == [0, "0", "ReferenceError: x is not initialized", 2, "2"]


def test_a_client_that_tries_again_keeps_its_attempts_apart(tmp_path: Path) -> None:
    source = """
export async function attempts(send) {
  const late = [];
  for (let attempt = 0; ; attempt++) {
    try {
      const controller = { aborted: false };
      late.push(() => { controller.aborted = true; });
      const answer = await send(attempt);
      late[0]();
      return controller.aborted ? "aborted by the first attempt's timer" : answer;
    } catch { }
  }
}
globalThis.told = attempts(async (attempt) => { if (attempt < 2) throw attempt; return "answered"; });
"""
    code = BytecodeCache(tmp_path).module(source, "./a.js").code
    context = quickjs.Context()
    context.eval_function(context.read_object(code))
    context.eval("told.then((value) => { globalThis.value = value; })")
    while context.execute_pending_job():
        pass
    assert context.eval("value") == "answered"


@pytest.mark.parametrize(
    "source",
    [
        "function f(y) { for (;;) try { const x = y; g(x); } catch {} }",
        "function f(y) { for (;;) { const x = y; g(() => x); } }",
        "function f(y) { try { const x = y; g(() => x); } catch {} }",
    ],
    ids=["nothing is captured", "nothing is caught", "nothing comes again"],
)
def test_other_functions_stay_as_they_are(source: str) -> None:
    assert ours(source) == of_the_engine(source)


def test_where_the_proof_fails_blocks_are_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    source = f"let count = 0; (() => {{ for (let i = 0; i < 3; i++) {LEFT} }})();"
    monkeypatch.setattr(bytecode_blocks, "SAID", "otherwise")
    bytecode_mends._is_proved.cache_clear()
    try:
        assert ours(source) == of_the_engine(source)
    finally:
        monkeypatch.undo()
        bytecode_mends._is_proved.cache_clear()
    assert ran(source) == [1, 2, 3]


# Programs of rounds that are left by exceptions or not: what is seen is reckoned here.


@st.composite
def rounds(draw: st.DrawFn) -> tuple[str, list[int]]:
    """Nested loops; in each round a variable, a closure that reads it, perhaps a change of it, perhaps an exception."""
    depth = draw(st.integers(1, 3))
    counts = [draw(st.integers(1, 3)) for _ in range(depth)]
    throws = [draw(st.integers(0, 7)) for _ in range(depth)]
    changes = [draw(st.booleans()) for _ in range(depth)]
    words = [draw(st.sampled_from(["let", "const"])) if not changes[level] else "let" for level in range(depth)]
    late = [draw(st.booleans()) for _ in range(depth)]

    def program(level: int) -> str:
        if level == depth:
            return ""
        i, x = f"i{level}", f"x{level}"
        inside = f"{words[level]} {x} = next(); seen.push(() => {x});"
        if changes[level]:
            inside += f" {x} += 100;"
        before, after = ("", program(level + 1)) if late[level] else (program(level + 1), "")
        throw = f"if ({throws[level]} >> {i} & 1) throw {i};"
        return (
            f"for (let {i} = 0; {i} < {counts[level]}; {i}++) try {{ {before} {inside} {after} {throw} }} catch {{ }}"
        )

    said: list[int] = []
    number = 0

    def run(level: int) -> None:
        nonlocal number
        if level == depth:
            return
        for _ in range(counts[level]):
            if not late[level]:
                run(level + 1)
            number += 1
            said.append(number + 100 * changes[level])
            if late[level]:
                run(level + 1)

    run(0)
    return program(0), said


@given(rounds(), st.sampled_from(["function", "async function"]))
def test_whatever_is_left_each_closure_sees_its_own(both: tuple[str, list[int]], kind: str) -> None:
    program, said = both
    assert ran(f"let number = 0; const next = () => ++number; ({kind} () {{ {program} }})();") == said


def test_code_without_such_blocks_is_not_taken_apart() -> None:
    assert bytecode_blocks.may_have_closures(of_the_engine("try { f() } catch {}"))
    assert not bytecode_blocks.may_have_closures(of_the_engine("f((x) => { let y = x; return y + 1 })"))


@pytest.mark.parametrize(
    ("loop", "told"),
    [
        (
            "for (let i = 0; i < 3; i++) { seen.push(() => i); if (i !== 1) continue; seen.push(() => i); }",
            [0, 1, 1, 2],
        ),
        (
            "for (let i = 0;; i++) { seen.push(() => i); if (i > 1) break; if (i) continue; seen.push(() => i); }",
            [0, 0, 1, 2],
        ),
        ("for (let i = 0;; i++) { seen.push(() => i); if (i > 1) break; continue; }", [0, 1, 2]),
        (
            "for (let i = 0;; i++) try { seen.push(() => i); if (i > 1) return; throw i; } catch { continue; }",
            [0, 1, 2],
        ),
        (
            "o: for (let i = 0, j = 5;; i++, j--) for (const x of [1]) { seen.push(() => j); if (!j) return; continue o; }",
            [5, 4, 3, 2, 1, 0],
        ),
        ("let n = 2; for (let i = 0;;) { while (n-- > 0) seen.push(() => i); i++; if (i > 1) break; }", [1, 1]),
        (
            "o: for (let i = 0; i < 2; i++) { seen.push(() => i); for (const x of [1]) { if (x) continue o; } i; }",
            [0, 1],
        ),
        ("o: for (let i = 0; i < 2; i++) { seen.push(() => i); switch (i) { case 0: continue o; } }", [0, 1]),
        ("for (let i = 0; i < 2; i++) { seen.push(() => i); try { if (i < 5) continue; } finally { i; } i; }", [0, 1]),
        ("for (let i = 0, j = 9; i < 2; i++, j--) { seen.push(() => i + j); if (i < 1) continue; j = 20; }", [9, 21]),
        # What is made between two rounds is the next one's.
        ("for (let i = 0; i < 2; seen.push(() => i), i++) { i += 0; if (i > 5) continue; }", [1, 2]),
        ("for (let i = 0; i < 4; seen.push(() => i), i++) { i++; if (i > 5) continue; }", [3, 4]),
    ],
)
@pytest.mark.parametrize("kind", ["function f()", "async function f()", "function* f()"])
def test_each_round_that_goes_on_has_its_own(loop: str, told: list[int], kind: str) -> None:
    assert ran(f"{kind} {{ {loop} }} {'f().next' if '*' in kind else 'f'}();") == told


@pytest.mark.parametrize(
    ("loops", "told"),
    [
        # The loop without a test begins where the loop in its body does: whoever jumps there may go on with either.
        (
            "let n = 2; for (let i = 0;;) { while (n-- > 0) { seen.push(() => i); i++; } if (i < 2) i++; else break; }",
            [2, 2],
        ),
        (
            """let n = 6; const read = () => n-- > 0 && { last: n % 3 === 0 };
            all: for (let i = 0;;) {
              for (;;) { const x = read(); if (x) seen.push(() => i); else break all; i += 10; if (x.last) break; }
              i++;
            }""",
            [31, 31, 31, 62, 62, 62],
        ),
        (
            """let n = 3; for (let i = 0;;) {
              one: { while (n-- > 0) { seen.push(() => i); i++; if (i > 8) break one; } break; }
            }""",
            [3, 3, 3],
        ),
        # Nor has an update of which nothing is left a place of its own.
        ("let n = 2; for (let i = 0;; 0) { while (n-- > 0) { seen.push(() => i); i++; } if (i > 1) break; }", [2, 2]),
        (
            "let n = 2; for (let i = 0; true; 'x') { do { seen.push(() => i); i++; } while (n-- > 0); if (i > 1) break; }",
            [3, 3, 3],
        ),
        (
            """let n = 2; for (let i = 0;; 0) {
              for (;;) { in1: { break in1; for (;;) seen.push(0); } if (!n--) break; seen.push(() => i); i++; }
              if (i > 1) break;
            }""",
            [2, 2],
        ),
        # What is left for what is behind a loop is not what that loop begins with.
        (
            """for (let k = 0; k < 2; k++) one: {
              let y = k * 10; seen.push(() => y); if (k < 1) break one;
              while (y < 12) { seen.push(() => y); y++; }
            }""",
            [0, 12, 12, 12],
        ),
        (
            """for (const k of [0, 1]) {
              let y = k * 10; seen.push(() => y); if (k < 1) continue;
              do { seen.push(() => y); y++; if (y % 2) continue; } while (y < 12);
            }""",
            [0, 12, 12, 12],
        ),
    ],
)
def test_what_is_one_variable_stays_one(loops: str, told: list[int]) -> None:
    source = f"(function () {{ {loops} }})();"
    assert ran(source, of_the_engine) == told
    assert ran(source) == told


def test_a_function_that_ends_with_its_loop() -> None:
    # Nothing stands behind it: who leaves it throws.
    source = """function f() { let n = 0; for (let i = 5;;) { seen.push(() => i); if (n++ < 1) continue; i = next(n); } }
    const next = (n) => { if (n > 3) throw n; return n; };
    try { f(); } catch (error) { seen.push(() => error); }"""
    assert ran(source) == ran(source, of_the_engine)
