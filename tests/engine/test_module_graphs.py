"""Graphs of modules that are large, deep or made to do harm: what is refused, what is not, and that others go on."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.engine import bytecode_module, handed_on, module_folder, modules
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.commonjs import CommonJS
from nano_trio.engine.handed_on import Handing, refuse_deep
from nano_trio.engine.modules import LONGEST_CHAIN, ModuleError, load_app
from nano_trio.engine.preparation import Means, Preparation
from nano_trio.engine.resolution import Resolver
from nano_trio.engine.scheduler import Account, CpuScheduler

from .test_modules import run


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def chain(count: int, last: str = "") -> dict[str, str]:
    """So many modules, each of which imports the next."""
    files = {f"m{number}.js": f"import './m{number + 1}.js';" for number in range(1, count - 1)}
    return {"index.js": "import './m1.js'; export default 'ran';", **files, f"m{count - 1}.js": last}


def circle(count: int, names: int) -> dict[str, str]:
    """So many modules that export each other, and names that lead once around to the next: what ended the process."""
    files = {f"m{number}.js": f"export * from './m{(number + 1) % count}.js';" for number in range(count - 1)}
    renamed = "".join(f"export {{ v{number + 1} as v{number} }} from './m0.js';" for number in range(names - 1))
    last = f"{renamed} export const v{names - 1} = 'found';"
    return {"index.js": "export { v0 as default } from './m0.js';", **files, f"m{count - 1}.js": last}


# -- how many


@pytest.fixture
def thirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_folder, "MOST_MODULES", 30)


def fan(count: int, suffix: str, text: str) -> dict[str, str]:
    """An entry that imports so many."""
    kind = ' with { type: "json" }' if suffix == ".json" else ""
    imports = "".join(f"import a{number} from './f{number}{suffix}'{kind};" for number in range(count))
    return {"index.js": f"{imports} export default a0;", **{f"f{number}{suffix}": text for number in range(count)}}


KINDS = {".js": "export default 1;", ".json": "1", ".cjs": "module.exports = 1;"}


@pytest.mark.usefixtures("thirty")
@pytest.mark.parametrize("suffix", KINDS)
def test_an_app_has_a_bounded_number_of_modules(tmp_path: Path, cache: BytecodeCache, suffix: str) -> None:
    load_app(write(tmp_path / "most", fan(29, suffix, KINDS[suffix])), cache)
    with pytest.raises(ModuleError) as caught:
        load_app(write(tmp_path / "more", fan(30, suffix, KINDS[suffix])), cache)
    assert str(caught.value) == f'cannot load "f29{suffix}": with it the app has more than 30 modules'


@pytest.mark.usefixtures("thirty")
def test_so_are_the_names_that_are_wanted_of_one_file(tmp_path: Path, cache: BytecodeCache) -> None:
    """Each is a module to the engine."""
    imports = "".join(f"import {{ a{number} }} from './lib.cjs';" for number in range(40))
    write(tmp_path, {"index.js": imports, "lib.cjs": "Object.assign(module.exports, require('./other.cjs'));"})
    with pytest.raises(ModuleError, match=r'cannot load "lib\.cjs": with it the app has more than 30 modules'):
        load_app(tmp_path, cache)


@pytest.mark.usefixtures("thirty")
def test_import_is_bounded_as_well_and_harms_nothing(tmp_path: Path, cache: BytecodeCache) -> None:
    files = {f"f{number}.js": f"export default {number};" for number in range(40)}
    source = """
        const told = [];
        for (let i = 0; i < 40; i++) told.push(await import(`./f${i}.js`).then((m) => m.default, String));
        export default [...told.slice(28), (await import("./f3.js")).default];
    """
    told = run(load_app(write(tmp_path, {"index.js": source, **files}), cache))
    refused = [
        f'ReferenceError: cannot load "f{n}.js": with it the app has more than 30 modules' for n in range(29, 40)
    ]
    assert told == [28, *refused, 3]


# -- how deep


def test_the_longest_chain_that_may_be_is_run(tmp_path: Path, cache: BytecodeCache) -> None:
    write(tmp_path, chain(LONGEST_CHAIN))
    # All but the last are compiled once for these: that takes most of the time.
    for last, outcome in (("", "ran"), ("await null;", "ran"), ("throw 'thrown';", "thrown")):
        (tmp_path / f"m{LONGEST_CHAIN - 1}.js").write_text(last)
        assert run(load_app(tmp_path, cache)) == outcome


def test_a_longer_chain_is_refused_where_it_is_too_long(
    tmp_path: Path, cache: BytecodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine said that its stack is used up, and not where."""
    monkeypatch.setattr(modules, "LONGEST_CHAIN", 20)
    load_app(write(tmp_path / "longest", chain(20)), cache)
    why = 'cannot load "m20.js" (imported by m19.js): it ends a chain of more than 20 modules that import each the next'
    with pytest.raises(ModuleError, match=re.escape(why)):
        load_app(write(tmp_path / "longer", chain(21)), cache)
    late = {**chain(22), "index.js": "export default await import('./m1.js').catch(String);"}
    assert run(load_app(write(tmp_path / "late", late), cache)) == "ReferenceError: " + why.replace(
        "20.", "21."
    ).replace("19.", "20.")


# -- what exports are handed on


@pytest.mark.parametrize("late", [False, True])
def test_exports_that_would_end_the_process_are_refused(tmp_path: Path, cache: BytecodeCache, late: bool) -> None:
    files = circle(1000, 100)
    if late:
        files["index.js"] = "export default await import('./m0.js').catch(String);"
    write(tmp_path, files)
    why = (
        'cannot load "m999.js": to find what it exports may take 999 modules with "export *", for each of 100 names '
        '("v0" is the first): these are more than 20000 steps'
    )
    if late:
        assert run(load_app(tmp_path, cache)) == f"ReferenceError: {why}"
    else:
        with pytest.raises(ModuleError, match=re.escape(why)):
            load_app(tmp_path, cache)


def test_as_many_steps_as_there_may_be_are_taken(tmp_path: Path, cache: BytecodeCache) -> None:
    assert run(load_app(write(tmp_path, circle(991, 20)), cache)) == "found"


def test_what_was_refused_says_nothing_about_the_rest(tmp_path: Path, cache: BytecodeCache) -> None:
    files = circle(400, 100)
    files["one.js"] = "export * from './two.js';"
    files["two.js"] = "export const two = 2;"
    files["index.js"] = """
        const refused = await import("./m0.js").catch(String);
        export default [refused.includes("more than 20000 steps"), (await import("./one.js")).two];
    """
    assert run(load_app(write(tmp_path, files), cache)) == [True, 2]


def test_what_is_there_already_counts_for_what_comes_later(tmp_path: Path, cache: BytecodeCache) -> None:
    """A hundred modules were read with the entry, and a hundred others and all the names come later."""
    files = {f"m{number}.js": f"export * from './m{number + 1}.js';" for number in range(199)}
    files["m199.js"] = "export const v150 = 1;"
    renamed = "".join(f"export {{ v{number + 1} as v{number} }} from './late.js';" for number in range(150))
    files["late.js"] = f"export * from './m0.js'; {renamed}"
    alone = "export default await import('./late.js').then((module) => module.v0, String);"
    files["index.js"] = f"import './m100.js'; {alone}"
    assert run(load_app(write(tmp_path, {**files, "m99.js": files["m199.js"]}), cache)) == 1
    write(tmp_path, files)
    assert "more than 20000 steps" in run(load_app(tmp_path, cache))


def steps(graph: Mapping[str, tuple[list[str], dict[str, tuple[str, str]]]], module: str, name: str) -> int:
    """How deep ResolveExport calls itself for ``export *`` (ECMA-262, 16.2.1.7.2.2), as the engine does it."""
    seen: set[tuple[str, str]] = set()
    deepest = 0

    def resolve(module: str, name: str, depth: int) -> None:
        nonlocal deepest
        while (module, name) not in seen:
            seen.add((module, name))
            stars, indirect = graph[module]
            if name not in indirect:
                if name != "default":
                    for each in stars:
                        deepest = max(deepest, depth + 1)
                        resolve(each, name, depth + 1)
                return
            module, name = indirect[name]

    resolve(module, name, 0)
    return deepest


@pytest.mark.parametrize("seed", range(300))
def test_the_bound_is_never_too_small(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    count, names = chance.randint(1, 7), [*"abcd"[: chance.randint(1, 4)], "default"]
    places = [f"m{number}" for number in range(count)]
    graph: dict[str, tuple[list[str], dict[str, tuple[str, str]]]] = {}
    for place in places:
        stars = chance.sample(places, chance.randint(0, min(3, count)))
        indirect = {name: (chance.choice(places), chance.choice(names)) for name in names if chance.random() < 0.3}
        graph[place] = stars, indirect
    handings = {
        place: Handing(
            bool(stars),
            (*stars, *(target for target, _ in indirect.values())),
            tuple((name, there) for name, (_, there) in indirect.items() if name != there),
        )
        for place, (stars, indirect) in graph.items()
    }
    deepest = max(steps(graph, place, name) for place in places for name in names)
    monkeypatch.setattr(handed_on, "MOST_STEPS", deepest - 1)
    if deepest:
        with pytest.raises(ModuleError):
            refuse_deep(handings)


# -- what does not compile


def test_code_that_does_not_compile_is_found_once_however_deep(
    tmp_path: Path, cache: BytecodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine asked for each module on the way there, and each time all that it imports was gone through."""
    late = "export default await import('./m1.js').catch((error) => error.stack);"
    write(tmp_path, {**chain(100, "let x = ;"), "index.js": late})
    asked: list[str] = []
    graph = modules._graph

    def watched(commonjs: CommonJS, main: str, *others: Any) -> Any:
        asked.append(main)
        return graph(commonjs, main, *others)

    monkeypatch.setattr(modules, "_graph", watched)
    told = run(load_app(tmp_path, cache))
    assert told == "SyntaxError: unexpected token in expression: ';'\n    at ./m99.js:1:9"
    assert asked == ["index.js", "m1.js"]


def test_in_a_package_it_is_told_where_it_is(tmp_path: Path, cache: BytecodeCache) -> None:
    files = {
        "index.js": "export default await import('pkg').catch((error) => error.stack);",
        "node_modules/pkg/package.json": '{ "type": "module", "main": "index.js" }',
        "node_modules/pkg/index.js": "export * from './lib/broken.js';",
        "node_modules/pkg/lib/broken.js": "\n  let = = 1;",
    }
    told = run(load_app(write(tmp_path, files), cache))
    assert re.fullmatch(r"SyntaxError: .*\s+at \./node_modules/pkg/lib/broken\.js:2:\d+\s*", told), told


# -- others go on


def pieces(work: Any, count: list[int]) -> list[int]:
    """What is counted between each two places where others may go on, while a preparation does that."""
    scheduler = CpuScheduler(slice_ms=0)
    scheduler.runs = True

    def spawn(_: Any) -> None:
        raise AssertionError

    preparation: Preparation[Any] = Preparation(Means(scheduler, Account(1), 600_000, spawn), work)
    counted = []
    ended = preparation.begin()
    while not ended:
        counted.append(count[0])
        count[0] = 0
        preparation.run_slice(0)
        ended = preparation.ended
    counted.append(count[0])
    preparation.outcome()
    return counted


@pytest.mark.parametrize(
    ("where", "called", "most"),
    [
        (BytecodeCache, "linked", 1),
        (CommonJS, "is_one", 2),
        (bytecode_module, "encode_string", 260),
        (bytecode_module.Reader, "string", 260),
    ],
)
async def test_others_go_on_between_two_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, called: str, most: int
) -> None:
    """Also where all of them were compiled before, and where one module asks for many."""
    files = fan(700, ".js", KINDS[".js"])
    requires = "".join(f"require('./e{number}.mjs');" for number in range(400))
    files |= {f"e{number}.mjs": "export default 1;" for number in range(400)} | {"lib.cjs": requires}
    names = ",".join(f"v{number}" for number in range(700))
    files["names.js"] = f"export let {names};"
    files["index.js"] = f"import './lib.cjs'; import {{ {names} }} from './names.js'; {files['index.js']}"
    count = [0]
    before = getattr(where, called)

    def counting(*arguments: Any) -> Any:
        count[0] += 1
        return before(*arguments)

    cache = BytecodeCache(None)
    write(tmp_path, files)
    if called != "string":
        load_app(tmp_path, cache)
        if called == "encode_string":
            cache = BytecodeCache(None)
    monkeypatch.setattr(where, called, counting)
    counted = pieces(modules.enters(lambda: load_app(tmp_path, cache)), count)
    assert sum(counted) > most
    assert max(counted) <= most


async def test_others_go_on_while_modules_are_read_into_a_heap(tmp_path: Path, cache: BytecodeCache) -> None:
    code = load_app(write(tmp_path, fan(100, ".js", KINDS[".js"])), cache)
    count = [0]

    class Counting:
        def __init__(self) -> None:
            self.context = quickjs.Context()

        def set_module_loader(self, loader: Any) -> None:
            self.context.set_module_loader(loader)

        def read_object(self, data: bytes) -> Any:
            count[0] += 1
            return self.context.read_object(data)

    context = Counting()
    counted = pieces(modules.enters(lambda: code.preload(context)), count)
    assert sum(counted) == 102
    assert max(counted) < 70


async def test_others_go_on_while_it_is_looked_for_who_asks_for_a_package(
    tmp_path: Path, cache: BytecodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be another package for each file in which its name stands."""
    text = "// " + "lorem ipsum " * 50_000 + "'pkg'"
    write(tmp_path, fan(20, "/m.js", f"{KINDS['.js']} {text}"))
    code = load_app(tmp_path, cache)
    count = [0]
    resolve = Resolver.resolve

    def counting(resolver: Resolver, *arguments: Any, **named: Any) -> str:
        count[0] += 1
        return resolve(resolver, *arguments, **named)

    monkeypatch.setattr(Resolver, "resolve", counting)
    late = modules._LateImports(code, quickjs.Context)
    counted = pieces(modules.enters(lambda: late.load("pkg")), count)
    assert (sum(counted), max(counted)) == (20, 1)
    # Nor does it wait for the end of a long file.
    assert len(counted) > 3 * 20


def test_the_place_of_an_import_is_looked_for_among_some(
    tmp_path: Path, cache: BytecodeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of which nobody else goes on, nor can it be stopped."""
    many = "".join(f"import {{ nothing as a{number} }} from 'pkg{number}';" for number in range(400))
    write(tmp_path, fan(20, ".js", f"/* {many} */ {KINDS['.js']}"))
    code = load_app(tmp_path, cache)
    looked = 0
    clauses = modules._clauses

    def counting(source: str) -> Any:
        nonlocal looked
        for each in clauses(source):
            looked += 1
            yield each

    monkeypatch.setattr(modules, "_clauses", counting)
    told = code.render("SyntaxError: Could not find export 'nothing' in module 'app:/f0.js'", "")
    assert told.text == "SyntaxError: f0.js has no export nothing"
    assert 400 < looked <= 1000
