"""ES modules: what an app may import, and what it may not read."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import quickjs

from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, ModuleError, load_app


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def run(code: AppCode) -> Any:
    """Import the entry module in a fresh context; its default export, or the error as text."""
    context = quickjs.Context()
    code.preload(context)
    outcome: list[Any] = []
    importer = context.eval(
        "(n, ok, bad) => import(n).then((m) => ok(JSON.stringify(m.default)), (e) => bad(String(e)))", "./boot"
    )
    importer(code.main, lambda text: outcome.append(context.parse_json(text)), outcome.append)
    while context.execute_pending_job():
        pass
    value = outcome[0]
    return value.to_python() if isinstance(value, quickjs.Value) else value


def test_imports_between_files_and_folders(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(
        tmp_path / "app",
        index_js='import { x } from "./lib/x.js"; import data from "./data.json" with { type: "json" }; export default [x, data];',
        lib__x_js='import y from "../y.js"; export const x = y + 1;',
        y_js="export default 41;",
        data_json='{"k": [1, null, "é"], "__proto__": 5}',
    )
    assert run(load_app(app, cache)) == [42, {"k": [1, None, "é"], "__proto__": 5}]


def test_dynamic_import_and_cycles(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(
        tmp_path / "app",
        index_js='import { b } from "./b.js"; export const a = 1; const late = await import("./late.js"); export default [b(), late.default];',
        b_js='import { a } from "./index.js"; export const b = () => a + 1;',
        late_js='import { ten } from "./ten.js"; export default ten + 1;',
        ten_js="export const ten = 10;",
    )
    assert run(load_app(app, cache)) == [2, 11]


def test_a_module_is_evaluated_once_however_it_is_imported(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(
        tmp_path / "app",
        index_js='import "./count.js"; import "./lib/again.js"; await import("./count.js"); export default globalThis.count;',
        lib__again_js='import "../count.js";',
        count_js="globalThis.count = (globalThis.count ?? 0) + 1;",
    )
    assert run(load_app(app, cache)) == 1


def test_import_meta_url_and_columns_of_that_line(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(tmp_path / "app", index_js="export default import.meta.url; null.x;", sub_dir__x_js="")
    code = load_app(app, cache)
    assert run(code) == "TypeError: cannot read property 'x' of null"
    rendered = code.render("TypeError: no", "    at <anonymous> (./index.js:1:89)\n")
    shift = len(code.folder.read("./index.js")) - len((app / "index.js").read_text())
    assert rendered.frames[0].column == 89 - shift
    (app / "index.js").write_text("export default import.meta.url;")
    assert run(load_app(app, cache)) == "file:///index.js"


def test_a_single_file_and_index_mjs(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(tmp_path / "app", worker_js='import y from "./y.js"; export default y;', y_js="export default 7;")
    assert run(load_app(app / "worker.js", cache)) == 7
    other = write(tmp_path / "other", index_mjs="export default 8;")
    assert run(load_app(other, cache)) == 8


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret.js").write_text("export default 'secret';")
    return tmp_path / "secret.js"


@pytest.mark.parametrize(
    ("specifier", "why"),
    [
        ("../secret.js", "nothing there is read; make a folder that has both the app's path"),
        ("./../secret.js", "outside the app's folder"),
        ("./lib/../../secret.js", "outside the app's folder"),
        ("SECRET", "absolute paths"),
        ("file://SECRET", "only files of the app's folder"),
        ("https://example.com/x.js", "only files of the app's folder"),
        ("data:text/javascript,export default 1", "only files of the app's folder"),
        ("./link.js", "outside the app's folder"),
        ("./linkdir/secret.js", "outside the app's folder"),
        ("..\\\\secret.js", "character that no module name has"),
        ("./nope.js", "no such file"),
        ("./lib", "no such file"),
        ("hono", 'no package "hono" in node_modules'),
        ("node:fs", "of Node's modules there are here"),
    ],
)
@pytest.mark.parametrize("dynamic", [False, True])
def test_nothing_outside_the_folder_can_be_read(
    tmp_path: Path, cache: BytecodeCache, secret: Path, specifier: str, why: str, dynamic: bool
) -> None:
    specifier = specifier.replace("SECRET", str(secret))
    app = write(tmp_path / "app", lib__x_js="")
    (app / "link.js").symlink_to(secret)
    (app / "linkdir").symlink_to(tmp_path)
    if dynamic:
        (app / "index.js").write_text(f'export default (await import("{specifier}")).default;')
        assert why in run(load_app(app, cache))
    else:
        (app / "index.js").write_text(f'import x from "{specifier}"; export default x;')
        with pytest.raises(ModuleError, match=why):
            load_app(app, cache)


@pytest.mark.parametrize("name", ["./" + "a/" * 50_000 + "x.js", "x/" * 50_000, "./" + "a/" * 400 + "x.js"])
def test_a_name_that_cannot_be_costs_nobody_time(
    tmp_path: Path, cache: BytecodeCache, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for it does so in a turn, while all apps wait."""
    code = load_app(write(tmp_path / "app", index_js=f"export default await import({name!r}).catch(String);"), cache)
    looks = 0
    lstat = os.lstat

    def look(path: Any) -> os.stat_result:
        nonlocal looks
        looks += 1
        return lstat(path)

    monkeypatch.setattr(os, "lstat", look)
    told = run(code)
    assert told.startswith("ReferenceError: cannot load ")
    assert name[2:50] in told
    assert looks < 100


@pytest.mark.parametrize("name", ["./" + "x" * 300, "x" * 300, "@a/" + "x" * 300, "./a/" + "\U0001f600" * 200])
def test_a_name_that_no_file_system_takes_is_of_no_file(tmp_path: Path, cache: BytecodeCache, name: str) -> None:
    (tmp_path / "node_modules" / "@a").mkdir(parents=True)  # where it says that a package is
    app = write(tmp_path / "app", index_js=f"export default await import({name!r}).catch(String);")
    assert ": no such file in the app's folder" in run(load_app(app, cache))


def test_links_inside_the_folder_are_fine(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(
        tmp_path / "app", index_js='import x from "./link.js"; export default x;', lib__x_js="export default 3;"
    )
    (app / "link.js").symlink_to(app / "lib" / "x.js")
    assert run(load_app(app, cache)) == 3


def test_a_missing_extension_is_pointed_out(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(tmp_path / "app", index_js='import "./lib/x";', lib__x_js="")
    with pytest.raises(ModuleError, match=r'did you mean "lib/x.js"\?'):
        load_app(app, cache)


def test_syntax_errors_name_file_line_and_column(tmp_path: Path, cache: BytecodeCache) -> None:
    app = write(tmp_path / "app", index_js='import "./lib/bad.js";', lib__bad_js="const a = 1;\nconst b = = 2;\n")
    with pytest.raises(JavaScriptError) as caught:
        load_app(app, cache)
    assert str(caught.value).startswith("lib/bad.js:2:11: SyntaxError")
    assert "    const b = = 2;\n              ^" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "invalid JSON"), ("NaN", "invalid JSON"), ("[" * 100_000, "invalid JSON"), ("", "invalid JSON")],
)
def test_bad_json_is_an_error_of_its_own(tmp_path: Path, cache: BytecodeCache, text: str, why: str) -> None:
    app = write(tmp_path / "app", index_js='import x from "./data.json"; export default x;', data_json=text)
    with pytest.raises(ModuleError, match=why):
        load_app(app, cache)


def test_text_that_is_not_utf8(tmp_path: Path, cache: BytecodeCache) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.js").write_bytes(b"export default '\xff';")
    with pytest.raises(ModuleError, match=r"not UTF-8 text \(byte 16\)"):
        load_app(app, cache)


def test_no_entry(tmp_path: Path, cache: BytecodeCache) -> None:
    with pytest.raises(ModuleError, match=r"the folder has no index\.js"):
        load_app(tmp_path, cache)
    with pytest.raises(ModuleError, match="no such file or folder"):
        load_app(tmp_path / "nope", cache)


HALVES = {
    "\\ud800": "\\ud800",
    "./\\udcff.js": "./\\udcff.js",
    "./dir\\udfff/../x.js": "./dir\\udfff/../x.js",
    "./\\udc00\\ud800 é😀.json": "./\\udc00\\ud800 é😀.json",
    "node:\\ud800": "node:\\ud800",
    "./" + "x" * 2000 + "\\ud800": "./" + "x" * 115 + "…",
}


@pytest.mark.parametrize("written", HALVES)
@pytest.mark.parametrize("attributes", ["", '{ type: "json" }'])
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_name_that_is_no_text_is_refused_in_plain_words(
    tmp_path: Path, cache: BytecodeCache, written: str, attributes: str, dynamic: bool
) -> None:
    """Of all halves, those from U+DC80 to U+DCFF are how Python writes the octets of a name that is no UTF-8."""
    app = write(tmp_path / "app", x_js="")
    with open(os.fsencode(app) + b"/\xff.js", "w") as file:
        file.write("export default 'read'")
    told = f'TypeError: cannot load "{HALVES[written]}": a module\'s name is well-formed Unicode text, and half of a surrogate pair is none'
    if dynamic:
        options = f", {{ with: {attributes} }}" if attributes else ""
        caught = f'await import("{written}"{options}).catch((e) => [String(e), e instanceof TypeError])'
        (app / "index.js").write_text(f"export default {caught};")
        assert run(load_app(app, cache)) == [told, True]
    else:
        (app / "index.js").write_text(f'import x from "{written}"{f" with {attributes}" if attributes else ""};')
        with pytest.raises(JavaScriptError) as caught_here:
            load_app(app, cache)
        assert str(caught_here.value).startswith(f"index.js: {told}")


@pytest.mark.parametrize("folder", [b"", b"sub"])
def test_a_file_whose_name_is_no_text_is_no_module(tmp_path: Path, cache: BytecodeCache, folder: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), folder, b"\xff.js")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("export default 1")
    with pytest.raises(ModuleError, match=r'\Acannot load "\udcff.js": the name of a module\'s file must be UTF-8'):
        load_app(os.fsdecode(path), cache)
    write(tmp_path, package_json='{ "main": "./' + ("sub/" if folder else "") + '\\udcff.js" }')
    with pytest.raises(ModuleError, match="there is no such file"):
        load_app(tmp_path, cache)


def test_text_is_looked_through_in_proportion_to_its_length(tmp_path: Path, cache: BytecodeCache) -> None:
    """For the place of an import that names no export, or for what tells a CommonJS module."""
    words = "import nothing exports module require " * 20_000 + ";"
    late = f"// {words}\nimport {{ nothing }} from './lib.js';"
    app = write(tmp_path, index_js=f"// {words}\n{late}", lib_js=f"// {words}\n{late.replace('lib', 'index')}")
    code = load_app(app, cache)
    begun = time.thread_time()
    error = code.render("SyntaxError: Could not find export 'nothing' in module 'app:/lib.js'", "")
    assert time.thread_time() - begun < 1
    assert (error.text, error.frames[0].place) == ("SyntaxError: lib.js has no export nothing", "index.js:3:10")


def test_what_is_imported_has_a_name_of_some_length(tmp_path: Path, cache: BytecodeCache) -> None:
    """To look for a file of 50,000 folders takes half a minute."""
    for specifier in (f"./{'a/' * 50_000}b.js", "p" * 5000):
        (tmp_path / "index.js").write_text(f"import {specifier!r};")
        with pytest.raises(
            ModuleError, match=r"characters\) \(imported by index.js\): a module's name has at most 1000"
        ):
            load_app(tmp_path, cache)


def test_many_patterns_of_a_package_are_compared_in_turn(tmp_path: Path, cache: BytecodeCache) -> None:
    patterns = {f"#{number}/*": "./lib.js" for number in range(2000)}
    write(tmp_path, index_js="import a from '#1999/x'; export default a;", lib_js="export default 7;")
    (tmp_path / "package.json").write_text(json.dumps({"main": "index.js", "imports": patterns}))
    assert run(load_app(tmp_path, cache)) == 7
    (tmp_path / "package.json").write_text(json.dumps({"main": "index.js", "imports": {"#a": "x" * (1 << 20)}}))
    with pytest.raises(ModuleError, match=r"package\.json: larger than 1 MB"):
        load_app(tmp_path, cache)
