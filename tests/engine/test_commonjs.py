"""CommonJS modules: which files are, where ``require()`` finds them, and that their code is read with the app's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nano_trio.engine import bytecode
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.commonjs import CommonJS
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.module_folder import ModuleFolder
from nano_trio.engine.modules import load_app
from nano_trio.engine.require_resolution import RequireResolver
from nano_trio.engine.resolution import ModuleError, Resolver

from .test_resolution import lay


def commonjs(folder: Path, files: dict[str, Any], cache: BytecodeCache) -> CommonJS:
    return CommonJS(ModuleFolder(str(lay(folder, files).resolve())), cache)


KINDS: dict[str, tuple[str, bool]] = {
    "index.js": ("export default 1; // require('x')", False),
    "plain.js": ("globalThis.x = 1;", False),
    "own.js": ("module.exports = { fetch() {} };", True),
    "uses.js": ("const x = require('x');", True),
    "says.js": ("globalThis.says = 'exports.a = 1';", False),
    "awaits.js": ("await 1; exports.a = 1;", False),
    "meta.js": ("globalThis.exports ??= import.meta.url;", False),
    "always.cjs": ("", True),
    "never.mjs": ("exports.a = 1;", False),
    "data.json": ("{}", False),
    "broken.js": ("import 'x'; const exports = ;", False),
    "typed/x.js": ("exports.a = 1;", False),
    "typed/x.cjs": ("exports.a = 1;", True),
    "node_modules/p/empty.js": ("", True),
    "node_modules/p/late.js": ("exports.a = () => import('x');", True),
    "node_modules/p/sloppy.js": ("with (x) y; // import export", True),
    "node_modules/p/es.js": ("import 'x'; require('y');", False),
    "node_modules/p/types.js": ("export {};", False),
    "node_modules/p/told.js": ("exports.a = 'export {}'; // export {};", True),
    "node_modules/p/meta.js": ("exports.a = 'import.meta'; // import.meta.url", True),
    "node_modules/m/x.js": ("exports.a = 1;", False),
    "node_modules/c/es.js": ("export const a = 1;", False),
}


def test_which_files_are(tmp_path: Path, cache: BytecodeCache) -> None:
    files: dict[str, Any] = {name: text for name, (text, _) in KINDS.items()}
    files["typed/package.json"] = files["node_modules/m/package.json"] = {"type": "module"}
    files["node_modules/c/package.json"] = {"type": "commonjs"}
    for _ in range(2):  # the second time it is known what they were compiled as
        found = commonjs(tmp_path, files, cache)
        assert {name: found.is_one(name) for name in KINDS} == {name: kind for name, (_, kind) in KINDS.items()}
        for name, (_, kind) in KINDS.items():
            if kind:
                found.code(name)


REQUIRED = [
    ("./a", "index.js", "a.js"),
    ("./a.json", "index.js", "a.json"),
    ("./b", "index.js", "b.json"),
    ("./c", "index.js", "c"),
    ("./d", "index.js", "d/index.js"),
    ("./d/", "index.js", "d/index.js"),
    ("..", "d/index.js", None),
    (".", "d/other.js", "d/index.js"),
    ("./e", "index.js", "e/lib/main.js"),
    ("./f", "index.js", "f/index.json"),
    ("/d", "e/lib/main.js", "d/index.js"),
    ("p", "index.js", "node_modules/p/r.cjs"),
    ("p/x", "index.js", "node_modules/p/worker.js"),
    ("m", "index.js", "node_modules/m/main.js"),
    ("m/module.js", "index.js", "node_modules/m/module.js"),
    ("buffer", "index.js", "node:buffer"),
    ("buffer/", "index.js", "node_modules/buffer/index.js"),
    ("./nope", "index.js", None),
    ("./g", "index.js", None),
    ("p/y", "index.js", None),
    ("nope", "index.js", None),
    ("../../x", "d/index.js", None),
    ("x\0", "index.js", None),
]
FILES: dict[str, Any] = {
    **dict.fromkeys(["a.js", "a.json", "b.json", "c", "d/index.js", "e/lib/main.js", "f/index.json", "g/x.js"], "{}"),
    **dict.fromkeys(["node_modules/p/r.cjs", "node_modules/p/i.mjs", "node_modules/p/worker.js"], ""),
    **dict.fromkeys(["node_modules/m/main.js", "node_modules/m/module.js", "node_modules/buffer/index.js"], ""),
    "e/package.json": {"main": "lib/main"},
    "f/package.json": {"main": "gone.js"},
    "node_modules/p/package.json": {
        "exports": {
            ".": {"import": "./i.mjs", "require": "./r.cjs"},
            "./x": {"node": "./node.js", "workerd": "./worker.js"},
            "./y": {"import": "./i.mjs"},
        }
    },
    "node_modules/m/package.json": {"main": "./main.js", "module": "./module.js"},
}


@pytest.mark.parametrize(("specifier", "importer", "found"), REQUIRED)
def test_what_require_finds(tmp_path: Path, specifier: str, importer: str, found: str | None) -> None:
    resolver = RequireResolver.beside(Resolver(str(lay(tmp_path / "app", FILES).resolve()), ["node:buffer"]))
    if found is not None:
        assert resolver.resolve(specifier, importer) == found
    else:
        with pytest.raises(ModuleError):
            resolver.resolve(specifier, importer)


APP: dict[str, Any] = {
    "index.js": 'import p from "p"; export default p;',
    "node_modules/p/index.js": "module.exports = [require('./a'), require('./data'), require('es'), () => require('./b')];",
    "node_modules/p/a.js": "try { require('absent') } catch {} require('./index')",
    "node_modules/p/b.js": "this is no JavaScript",
    "node_modules/p/data.json": {"a": 1},
    "node_modules/es/package.json": {"type": "module", "main": "x.js"},
    "node_modules/es/x.js": 'import "./y.js"; export const a = 1;',
    "node_modules/es/y.js": "",
}


def test_all_that_is_required_by_a_string_is_read_with_the_app(tmp_path: Path, cache: BytecodeCache) -> None:
    """So a change of it is one, and a turn need not compile it; whether it is JavaScript matters when it runs."""
    app = lay(tmp_path / "app", APP)
    code = load_app(app, cache)
    assert {Path(file).relative_to(app.resolve()).as_posix() for file in code.files} == set(APP)
    assert not code.changed(app)
    lay(app, {"node_modules/p/data.json": {"a": 2}})
    assert code.changed(app)
    code = load_app(app, cache)
    lay(app, {"node_modules/p/a.js": "1;"})
    assert code.changed(app)


def test_it_is_read_and_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = lay(tmp_path / "app", {name: text for name, text in APP.items() if "b.js" not in name})
    load_app(app, BytecodeCache(tmp_path / "cache"))

    def refuse(*_: object) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(bytecode, "_compile_commonjs", refuse)
    monkeypatch.setattr(bytecode, "compile_module", refuse)
    code = load_app(app, BytecodeCache(tmp_path / "cache"))
    reading = code.commonjs.code("node_modules/p/index.js").reading
    assert reading is not None
    assert reading.requires == ("./a", "./data", "es", "./b")


def test_what_does_not_compile_tells_its_place(tmp_path: Path, cache: BytecodeCache) -> None:
    app = lay(tmp_path / "app", {"index.js": 'import "p";', "node_modules/p/index.js": "exports.a = 1; let b = ;"})
    with pytest.raises(
        JavaScriptError, match=r"^node_modules/p/index\.js:1:24: SyntaxError: unexpected token"
    ) as caught:
        load_app(app, cache)
    assert caught.value.excerpt.splitlines()[0].strip() == "exports.a = 1; let b = ;"


def test_what_is_imported_by_name_is_known(tmp_path: Path, cache: BytecodeCache) -> None:
    """Whatever it is called: the engine spells out none of the names that are its own."""
    source = """
      import d, { map, "a b" as ab, default as e, length as l } from "./x.js"; import * as all from "./y.js";
      import "./z.js"; export { name as n } from "./x.js"; export * from "./y.js"; await all;
    """
    head = cache.module(source, "./index.js").head
    assert head is not None
    wanted = {}
    for (specifier, _, _), names in zip(head.requests, head.wanted, strict=True):
        wanted[specifier] = {*wanted.get(specifier, ()), *names}
    assert wanted == {"./x.js": {"default", "map", "a b", "length", "name"}, "./y.js": set(), "./z.js": set()}
    assert head.waits
