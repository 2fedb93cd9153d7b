"""Code that is compiled, and modules that are imported, where a heap has no room left: an error of memory, and no more.

The engine's compiler goes on where it got no memory, and a module that was read or linked in part is taken for whole. What
that did to the process depended on which block was refused; so each program runs with many sizes of what is left.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.engine import builtins
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.isolate import Isolate
from nano_trio.engine.modules import load_app
from nano_trio.engine.scheduler import CpuScheduler
from nano_trio.engine.turn import Limits
from nano_trio.runtime import platform

MANY = 300
"""Names that a module imports: what is kept of them is a large block, which the full heap refuses."""
FILL = """(left) => {
  globalThis.kept = [];
  kept.length = 5000;
  globalThis.left = new ArrayBuffer(left);
  let count = 0;
  for (let size = 1 << 24; size > 1024; size >>= 1) {
    for (;;) { try { kept[count] = new ArrayBuffer(size); count++ } catch { break } }
  }
  globalThis.left = null;
}"""
BODY = (
    "{ let r = 0; try { for (const x of [1, 2]) { switch (x) { case 1: r += x; break; default: r = { a: x, c: () => r } } } }"
    " catch ({ message }) { r = message } class A { #p = 1; get z() { return this.#p } } }"
    + "{ a: for (const q of [1]) { if (q) break a; else continue a } }"
    + "x = 1; " * 900
)
MADE, FULL = "made", "InternalError: out of memory"


def isolate() -> Isolate:
    made = Isolate(CpuScheduler(), None, Limits(memory_bytes=1 << 20))
    assert builtins.give(made.context, platform.builtins_source(), "given"), (
        "in a source tree, run `python hatch_build.py`"
    )
    return made


def compile_with(left: int) -> list[str]:
    """What becomes of a function that is compiled with so much room, and of one afterwards; and how deep calls may go."""
    own = isolate()
    fill = own.context.eval(FILL)
    attempt = own.context.eval(
        "(body) => { try { new Function(body + 'return 1')(); return 'made' } catch (error) { return `${error}` } }"
    )
    depth = own.context.eval(
        "() => { let n = 0; const deep = () => { n++; deep() }; try { deep() } catch {} return n }"
    )
    before = depth()
    body = f"{{ {BODY} }}" * 4
    fill(left)
    outcomes = [attempt(body)]
    own.context.eval("kept.length = 0")
    outcomes += [attempt(body), str(depth() == before)]
    del fill, attempt, depth
    own.close()
    return outcomes


def write_modules(folder: Path) -> None:
    names = [f"k{i}" for i in range(MANY)]
    (folder / "index.mjs").write_text("globalThis.load = () => import('./l.mjs');")
    (folder / "l.mjs").write_text(
        f"import {{ {', '.join(names)} }} from './k.mjs'; export const l = () => {' + '.join(names)};"
    )
    (folder / "k.mjs").write_text(
        "import { l } from './l.mjs'; export const back = () => l;"
        + "".join(f"export let {name} = 1;" for name in names)
    )


def import_with(folder: Path, left: int) -> list[str]:
    """What becomes of an import() with so much room, and of the same afterwards."""
    own = isolate()
    context, told = own.context, list[str]()
    code = load_app(folder, BytecodeCache(folder / "cache"))
    code.preload(context)
    context.set("tell", told.append)
    context.eval("var attempt = (load) => { load().then((m) => tell(`${m.l?.()}`), (error) => tell(`${error}`)) }")

    def attempt(what: str) -> None:
        context.get("attempt")(context.eval(what))
        while context.execute_pending_job():
            pass

    attempt(f"() => import({json.dumps(code.main)})")
    context.eval(FILL)(left)
    attempt("load")
    context.eval("kept.length = 0")
    attempt("load")
    own.close()
    return told[1:]


# Room that only small blocks may take, beyond the limit, is filled as well; then so many of them go again, 24 bytes each.
# Nothing in it asks for memory where none may be left, but what is caught.
BRIM = f"""(left) => {{
  const sizes = [120, 30, 5, 1], count = 4000, texts = sizes.map((size) => "x".repeat(size));
  globalThis.small = sizes.map((size) => Array.from({{ length: size > 99 ? count : 60 }}, () => new Array(size).fill(0)));
  ({FILL})(0);
  for (let i = 0; i < sizes.length; i++) {{
    for (let j = 0; j < small[i].length; j++) try {{ Object.assign(small[i][j], texts[i]) }} catch {{ break }}
  }}
  for (let j = 0; left > 0; j++) for (let k = 0; k < 120 && left > 0; k++, left--) small[0][j][k] = 0;
}}"""
EMPTY = "() => { kept.length = small[0].length = small[1].length = 0 }"


def write_far_modules(folder: Path) -> None:
    """One module whose name is short imports others whose names take more room than there may be."""
    far = "/".join(2 * ["d" * 180])
    (folder / far).mkdir(parents=True)
    (folder / "index.mjs").write_text(
        "globalThis.load = () => import('./l.mjs'); globalThis.find = () => import('app:/l.mjs')"
    )
    (folder / "l.mjs").write_text(
        f"import {{ k }} from './{far}/k.mjs'; import * as m from './{far}/m.mjs'; export const l = () => k + m.m;"
    )
    (folder / far / "k.mjs").write_text("export const k = 1")
    (folder / far / "m.mjs").write_text("export const m = 1")


def find_with(folder: Path, left: int) -> list[str]:
    """What becomes of a module that was read but not run, when it is imported with so little room; and afterwards."""
    own = isolate()
    context, told = own.context, list[str]()
    code = load_app(folder, BytecodeCache(folder / "cache"))
    code.preload(context)
    context.set("tell", lambda text: told.append(str(text)))
    context.eval("var attempt = (load) => { load().then((m) => tell(`${m.l?.()}`), (error) => tell(`${error}`)) }")
    attempt, brim, empty = context.get("attempt"), context.eval(BRIM), context.eval(EMPTY)

    def perform(function: Any, *arguments: Any) -> None:
        # Where there is no memory for an error either, nothing is told.
        with contextlib.suppress(quickjs.JSError):
            function(*arguments)
        for _ in range(50):
            with contextlib.suppress(quickjs.JSError):
                context.execute_pending_job()

    perform(attempt, context.eval(f"() => import({json.dumps(code.main)})"))
    load, find = context.get("load"), context.get("find")
    told.clear()
    for what, room in ((load, 110), (find, left)):
        brim(room)
        perform(attempt, what)
        perform(empty)
    told.append("at last")
    perform(attempt, find)
    del attempt, brim, empty, load, find
    own.close()
    return told


def outcomes(call: str, *sizes: int) -> set[tuple[str, ...]]:
    """What calls of this module's functions come to, in a process of their own. ``call`` has ``left``, of ``range(*sizes)``."""
    program = (
        "from pathlib import Path\nfrom tests.engine import test_full_heaps as here\n"
        f"for left in range(*{sizes}): print(here.json.dumps({call}), flush=True)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    return {tuple(json.loads(line)) for line in told.stdout.splitlines()}


def test_a_function_that_is_compiled_in_a_full_heap() -> None:
    """It was told of errors in its syntax; others that jump more ended the process: "double free or corruption"."""
    assert outcomes("here.compile_with(left)", 0, 100_000, 1000) == {(FULL, MADE, "True")}
    assert outcomes("here.compile_with(left)", 1_000_000, 1_000_001) == {(MADE, MADE, "True")}


def test_modules_that_are_imported_in_a_full_heap(tmp_path: Path) -> None:
    """Where a module had been read in part the second import() ended the process by SIGSEGV."""
    write_modules(tmp_path)
    assert outcomes(f"here.import_with(Path({str(tmp_path)!r}), left)", 0, 45_000, 1500) <= {
        (FULL, str(MANY)),
        (FULL, FULL),
    }
    assert outcomes(f"here.import_with(Path({str(tmp_path)!r}), left)", 1_000_000, 1_000_001) == {(str(MANY),) * 2}


def test_modules_that_are_found_in_a_heap_that_is_full_to_the_brim(tmp_path: Path) -> None:
    """One of which something could not be found counted as one of which all was found: to import it ended the process, by
    SIGSEGV. And one for whose promise there was no room rejected with what is no value."""
    write_far_modules(tmp_path)
    told = outcomes(f"here.find_with(Path({str(tmp_path)!r}), left)", 20, 140, 4)
    assert len(told) > 2
    assert {text for texts in told for text in texts} <= {"at last", "2", FULL, "null"}
    assert ("2", "at last", "2") in {texts[-3:] for texts in told}


@pytest.mark.parametrize(
    "run",
    [
        "(code) => (0, eval)(code)",
        "(code) => eval(code)",
        "(code) => new Function(code)()",
        "(code) => { eval('{}'); (0, eval)(code) }",
    ],
)
def test_code_that_was_compiled_is_refused_what_is_beyond_the_limit(run: str) -> None:
    own = isolate()
    attempt = own.context.eval(
        f"(code) => {{ try {{ ({run})(code); return 'made' }} catch (error) {{ return `${{error}}` }} }}"
    )
    own.context.eval(FILL)(4000)
    outcome = attempt("globalThis.more = new ArrayBuffer(1 << 20)")
    assert outcome.endswith("out of memory")
    own.context.eval("kept.length = 0")
    assert attempt("globalThis.more = new ArrayBuffer(1 << 20)") == MADE
    del attempt
    own.close()


def test_so_is_code_that_an_import_runs_by_the_way(tmp_path: Path) -> None:
    """What the engine does with the promise of the module that it has run looks at the promise's constructor."""
    (tmp_path / "index.mjs").write_text("globalThis.load = () => import('./l.mjs')")
    (tmp_path / "l.mjs").write_text("globalThis.is_run = true")
    own = isolate()
    code, told = load_app(tmp_path, BytecodeCache(tmp_path / "cache")), list[str]()
    code.preload(own.context)
    own.context.set("tell", told.append)
    own.context.eval("(name) => { import(name) }", "./boot")(code.main)
    while own.context.execute_pending_job():
        pass
    own.context.eval("""Object.defineProperty(Promise.prototype, "constructor", { get() {
      if (globalThis.is_run) try { new ArrayBuffer(64 << 20); tell("made") } catch (error) { tell(`${error}`) }
      return Promise;
    } })""")
    own.context.eval("load(); 0")
    while own.context.execute_pending_job():
        pass
    assert told
    assert set(told) == {FULL}
    own.close()


def test_so_is_a_module_that_was_imported(tmp_path: Path) -> None:
    (tmp_path / "index.mjs").write_text(
        f"globalThis.load = () => import('./l.mjs'); ({FILL})(40_000); await 1;"
        "try { globalThis.more = new ArrayBuffer(1 << 20); tell('made') } catch (error) { tell(`${error}`) }"
    )
    own = isolate()
    told: list[str] = []
    code = load_app(tmp_path, BytecodeCache(tmp_path / "cache"))
    code.preload(own.context)
    own.context.set("tell", told.append)
    own.context.eval("(name) => { import(name) }", "./boot")(code.main)
    while own.context.execute_pending_job():
        pass
    assert len(told) == 1
    assert told[0].endswith("out of memory")
    own.close()


def test_files_that_take_more_memory_to_compile_than_there_is() -> None:
    """That limit is far above what most files take; here it is anywhere. Whatever is made is the same.

    What becomes of the engine's code afterwards takes ten times as long as to make it: that is done once.
    """
    program = (
        "import hashlib, quickjs\nfrom nano_trio.engine import bytecode\nfrom tests.engine.test_full_heaps import BODY\n"
        "source = 'let x;' + BODY * 8, './x.mjs'\n"
        "for limit in range(300_000, 900_000, 5000):\n"
        "  bytecode._SCRATCH_MEMORY, bytecode._scratch = limit, bytecode._Scratch()\n"
        "  try: print(hashlib.sha256(bytecode._scratch.compile(*source, [], b'')).hexdigest(), flush=True)\n"
        "  except quickjs.JSError as error: print(error, flush=True)\n"
        "print('made' if bytecode.compile_module(*source).code else '')\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    *outcomes, last = told.stdout.splitlines()
    (made,) = {*outcomes} - {FULL}
    assert len(made) == 64
    assert len(outcomes) == 120
    assert FULL in outcomes
    assert last == MADE
