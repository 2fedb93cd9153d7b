"""The builtins that the platform uses are the engine's own, whatever an app has put in their places."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.engine import builtins
from nano_trio.runtime import platform
from tests.engine.test_out_of_memory import Failing

from .harness import Bench
from .test_hardening import INSTRUMENT, SCENARIOS

FOLDERS = [Path(module.__file__ or "").parent / "js" for module in (platform, __import__("nano_trio.testing").testing)]
SOURCE = platform.builtins_source()


@pytest.fixture(scope="module")
def context() -> Any:
    """A context with what was listed in `own`, and what the engine makes of it in `given`."""
    context = quickjs.Runtime().new_context()
    assert builtins.give(context, SOURCE, "given"), "there are none: in a source tree, run `python hatch_build.py`"
    context.eval(f"globalThis.own = ({SOURCE})()")
    return context


def test_each_is_made_anew_as_it_was(context: Any) -> None:
    different = context.eval(
        """(() => {
          const { listed } = own, different = [];
          for (let i = 0; i < listed.length; i += 4) {
            const [isMethod, type, name, original] = listed.slice(i, i + 4);
            const made = isMethod ? given.uncurry(type, name) : given.statics[type][name];
            const same = made !== original && typeof made === "function" && made.name.length > 0
              && made.length === original.length + (isMethod ? 1 : 0);
            if (!same) different.push(`${type}.${name}`);
          }
          return `${listed.length > 400} ${different}`;
        })()"""
    )
    assert different == "true "


def test_all_that_the_platform_asks_for_is_listed(context: Any) -> None:
    """What is made when it is first used would else be missed when an app first uses it."""
    asked = set()
    for file in (file for folder in FOLDERS for file in folder.glob("*.js") if file.stem != "builtins"):
        text = file.read_text("utf-8")
        asked |= {f"{type}.{name}" for type, name in re.findall(r'uncurry\("(\w+)", "([^"]+)"\)', text)}
        for names, type in re.findall(r"const \{([\w\s,:]+)\} =\s*(?:platform\.)?statics\.(\w+);", text):
            asked |= {f"{type}.{name.partition(':')[0].strip()}" for name in names.split(",") if name.strip()}
        asked |= {f"{type}.{name}" for type, name in re.findall(r"\bstatics\.(\w+)\.(\w+)", text)}
    text = context.eval("own.listed.flatMap((_, i, all) => i % 4 === 1 ? [`${all[i]}.${all[i + 1]}`] : []).join()")
    assert asked - set(text.split(",")) == set(context.eval("Object.keys(own.ours).join()").split(","))
    assert len(asked) > 100


def test_what_was_replaced_before_it_is_first_asked_for_is_not_met(context: Any) -> None:
    assert (
        context.eval(
            """
            Array.prototype.lastIndexOf = Array.prototype.splice = Math.round = () => "replaced";
            Object.defineProperty(Set.prototype, "size", { get: () => "replaced" });
            const items = [1, 2, 3];
            [given.uncurry("Array", "splice")(items, 0, 2), given.uncurry("Set", "size")(new Set()),
             given.statics.Math.round(1.6), items].join(" ")
            """
        )
        == "1,2 0 2 3"
    )


def test_one_that_is_not_listed_is_an_error(context: Any) -> None:
    with pytest.raises(quickjs.JSError, match=r"builtins\.js lists no Array\.nothing"):
        context.eval("given.uncurry('Array', 'nothing')")


def test_a_process_learns_one_list(context: Any) -> None:
    """What was made of it before would be something else by another, or beyond its end."""
    made = context.eval("given.uncurry('Array', 'join')")
    assert builtins._library.__wrapped__(SOURCE) is None
    assert context.eval("(join) => join([1, 2], '-') + given.statics.Reflect.ownKeys({ a: 1 })")(made) == "1-2a"


def test_receivers_that_are_none_are_refused(context: Any) -> None:
    for call in ("uncurry('Map', 'get')()", "uncurry('Map', 'size')([])", "uncurry('String', 'trim')(null)"):
        with pytest.raises(quickjs.JSError, match="TypeError"):
            context.eval(f"given.{call}")


def test_a_lazy_global_asks_when_it_is_touched_and_tells_when_it_is_assigned() -> None:
    told = []
    for place in ("given", "held"):
        context = quickjs.Runtime().new_context()
        builtins.give(context, SOURCE, "given")
        context.eval(f"globalThis.held = ({SOURCE})()")
        told.append(
            context.eval(
                f"""
                const names = Object.getOwnPropertyNames(globalThis), told = [];
                {place}.defineLazy(function (name) {{
                  told.push([...arguments]);
                  if (name === "Blob") throw new RangeError("no Blob");
                  return `a ${{name}}`;
                }});
                const added = Object.getOwnPropertyNames(globalThis).filter((name) => !names.includes(name));
                told.push(URL, globalThis.fetch, (onerror = undefined), typeof Headers, "console" in globalThis);
                try {{ new Blob() }} catch (error) {{ told.push(String(error)) }}
                const shown = (name) => {{
                  const {{ get, set, configurable, enumerable }} = Object.getOwnPropertyDescriptor(globalThis, name);
                  return [get === set, get.name, get.length, configurable, enumerable];
                }};
                JSON.stringify([told, added, added.map(shown)])
                """
            )
        )
    assert told[0] == told[1]
    assert told[0].startswith(
        '[[["URL"],["fetch"],["onerror",null],["Headers"],"a URL","a fetch",null,"string",false,["Blob"],"RangeError: no Blob"'
    )


def test_where_memory_runs_out_no_lazy_global_is_missing_in_silence(context: Any) -> None:
    names = context.eval("JSON.stringify(own.lazy)")
    outcomes = []
    while "all" not in outcomes:
        runtime = quickjs.Runtime()
        failing = Failing(runtime)
        context = runtime.new_context()
        builtins.give(context, SOURCE, "given")
        define = context.eval("() => given.defineLazy((name) => name)")
        failing.left = len(outcomes) + 1
        try:
            define()
        except quickjs.JSError as error:
            outcomes.append(str(error))
        else:
            fired, failing.left = failing.left <= 0, 0
            assert context.eval(f"{names}.filter((name) => globalThis[name] !== name).join()") == ""
            outcomes.append("done" if fired else "all")
    assert len(outcomes) > 100
    assert set(outcomes) <= {"InternalError: out of memory", "done", "all"}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """As `run_js`, where the engine makes no builtins anew: the isolate holds its own."""
    platform._bootstrap.cache_clear()
    monkeypatch.setattr(builtins, "_library", lambda source: None)
    bench = Bench()
    yield bench.run
    bench.context = None
    bench.close()
    platform._bootstrap.cache_clear()


@pytest.mark.parametrize("name", ["headers", "url", "streams: bytes", "structured clone", "console", "html rewriter"])
def test_builtins_that_are_held_serve_as_well(name: str, held: Callable[[str], Any]) -> None:
    body = f"{INSTRUMENT}try {{ await (async () => {{{SCENARIOS[name]}}})(); }} finally {{ isArmed = false; }} return hits;"
    called = held(body)
    called.pop("String.prototype.concat", None)
    assert called == {}
