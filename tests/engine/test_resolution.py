"""Which file an import means: as Node says, but never one outside the app's folder."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.modules import load_app
from nano_trio.engine.resolution import ModuleError, Resolver

from .test_modules import run


def lay(folder: Path, files: dict[str, Any]) -> Path:
    """Write files; what is no text is written as JSON."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def resolver(folder: Path, files: dict[str, Any], *builtins: str) -> Resolver:
    return Resolver(str(lay(folder, files).resolve()), builtins)


@pytest.mark.parametrize(
    ("manifest", "entry"),
    [
        (None, "index.js"),
        ({}, "index.js"),
        ({"main": "lib/main.js"}, "lib/main.js"),
        ({"main": "./lib/main.js", "module": "lib/module.js"}, "lib/module.js"),
        ({"main": "lib/main.js", "exports": "./lib/exports.js"}, "lib/exports.js"),
        ({"exports": {".": {"node": "./lib/main.js", "workerd": "./lib/worker.js"}}}, "lib/worker.js"),
        ({"exports": {"types": "./x.d.ts", "import": "./lib/main.js"}}, "lib/main.js"),
        ({"main": "lib"}, "lib/index.js"),
        ({"main": "./index"}, "index.js"),
    ],
)
def test_the_entry(tmp_path: Path, manifest: Any, entry: str) -> None:
    files = {f"lib/{name}.js": "" for name in ("main", "module", "exports", "worker", "index")}
    found = resolver(tmp_path, {"index.js": "", **files, **({} if manifest is None else {"package.json": manifest})})
    assert found.entry() == entry


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({"main": "dist/x.js"}, '"main" names dist/x.js, but there is no such file'),
        ({"main": "../x.js"}, "outside the app's folder"),
        ({"exports": {"./x": "./x.js"}}, r'does not export "\."'),
        ({"exports": {"require": "./x.cjs"}}, "only under the conditions require"),
        ({"exports": "./nope.js"}, "names nope.js, but there is no such file"),
        ({"exports": "../x.js"}, "is no path into the package"),
        ({"exports": {".": "./x.js", "import": "./y.js"}}, "mixes paths"),
        ([], "an object is expected"),
        ("{", "invalid JSON"),
    ],
)
def test_an_entry_that_cannot_be_had(tmp_path: Path, manifest: Any, why: str) -> None:
    (tmp_path / "x.js").write_text("")
    with pytest.raises(ModuleError, match=why):
        resolver(tmp_path / "app", {"index.js": "", "package.json": manifest}).entry()


PACKAGES: dict[str, Any] = {
    "index.js": "",
    "lib/deep.js": "",
    "package.json": {"name": "app", "imports": {"#db": "./lib/deep.js", "#x/*": "./lib/*.js", "#dep": "plain"}},
    "node_modules/plain/index.js": "",
    "node_modules/old/package.json": {"main": "./lib/cjs.js", "module": "./lib/esm.js"},
    "node_modules/old/lib/esm.js": "",
    "node_modules/old/lib/cjs.js": "",
    "node_modules/old/lib/other.mjs": "",
    "node_modules/old/lib/part/index.js": "",
    "node_modules/@a/b/package.json": {
        "name": "@a/b",
        "exports": {
            ".": {"require": "./r.cjs", "worker": "./w.js", "default": "./d.js"},
            "./sub/*": "./s/*.js",
            "./sub/private/*": None,
            "./sub/*.json": "./s/*.json",
            "./list": ["bad", "./d.js"],
            "./node-only": {"node": "./d.js"},
        },
    },
    "node_modules/@a/b/w.js": "",
    "node_modules/@a/b/d.js": "",
    "node_modules/@a/b/s/one.js": "",
    "node_modules/@a/b/s/private/p.js": "",
    "node_modules/@a/b/s/t.json": "{}",
    "node_modules/@a/b/node_modules/plain/index.js": "",
    "node_modules/buffer/index.js": "",
}


@pytest.mark.parametrize(
    ("specifier", "importer", "found"),
    [
        ("plain", "index.js", "node_modules/plain/index.js"),
        ("plain", "lib/deep.js", "node_modules/plain/index.js"),
        ("plain", "node_modules/@a/b/w.js", "node_modules/@a/b/node_modules/plain/index.js"),
        ("old", "index.js", "node_modules/old/lib/esm.js"),
        ("old/lib/other", "index.js", "node_modules/old/lib/other.mjs"),
        ("old/lib/part", "index.js", "node_modules/old/lib/part/index.js"),
        ("./part", "node_modules/old/lib/esm.js", "node_modules/old/lib/part/index.js"),
        ("@a/b", "index.js", "node_modules/@a/b/w.js"),
        ("@a/b/sub/one", "index.js", "node_modules/@a/b/s/one.js"),
        ("@a/b/sub/t.json", "index.js", "node_modules/@a/b/s/t.json"),
        ("@a/b/list", "index.js", "node_modules/@a/b/d.js"),
        ("@a/b/sub/one", "node_modules/@a/b/w.js", "node_modules/@a/b/s/one.js"),
        ("#db", "index.js", "lib/deep.js"),
        ("#x/deep", "lib/deep.js", "lib/deep.js"),
        ("#dep", "index.js", "node_modules/plain/index.js"),
        ("buffer", "index.js", "node:buffer"),
        ("buffer/", "index.js", "node_modules/buffer/index.js"),
        ("./lib/../index.js", "lib/../index.js", "index.js"),
    ],
)
def test_packages(tmp_path: Path, specifier: str, importer: str, found: str) -> None:
    assert resolver(tmp_path, PACKAGES, "node:buffer").resolve(specifier, importer) == found


@pytest.mark.parametrize(
    ("specifier", "why"),
    [
        ("absent", r'\(imported by index.js\): the app\'s folder has no package "absent" .*npm install absent'),
        ("@a/b/sub/private/p", "does not export"),
        ("@a/b/sub/../../w.js", "not allowed into a package"),
        ("@a/b/sub/node_modules/x", "not allowed into a package"),
        ("@a/b/node-only", "only under the conditions node; .* bundle"),
        ("@a/b/nope", "does not export"),
        ("old/../plain/index.js", "not allowed into a package"),
        ("#nope", 'no such entry in "imports"'),
        ("#", 'no such entry in "imports"'),
        ("node:fs", 'of Node\'s modules there are here: "node:buffer"'),
        ("fs", 'of Node\'s modules there are here: "node:buffer"'),
        ("@a", "not a package's name"),
        (".hidden", "no such file"),
        ("./lib", "no such file"),
    ],
)
def test_what_there_is_not(tmp_path: Path, specifier: str, why: str) -> None:
    with pytest.raises(ModuleError, match=why):
        resolver(tmp_path, PACKAGES, "node:buffer").resolve(specifier, "index.js")


def test_links_to_outside_are_refused_and_pnpms_are_one_module(tmp_path: Path, cache: BytecodeCache) -> None:
    lay(tmp_path / "elsewhere", {"index.js": "export default 1"})
    store = "node_modules/.pnpm/x@1/node_modules"
    app = lay(
        tmp_path / "app",
        {
            f"{store}/x/index.js": 'import y from "y"; globalThis.runs = (globalThis.runs ?? 0) + 1; export default y;',
            f"{store}/y/index.js": "export default 'y';",
            "lib/node_modules/.keep": "",
            "index.js": 'import a from "x"; import b from "./lib/b.js"; export default [a, b, globalThis.runs];',
            "lib/b.js": 'import x from "x"; export default x;',
        },
    )
    (app / "node_modules/x").symlink_to(".pnpm/x@1/node_modules/x")
    (app / "lib/node_modules/x").symlink_to("../../node_modules/x")
    (app / "node_modules/out").symlink_to(tmp_path / "elsewhere")
    assert run(load_app(app, cache)) == ["y", "y", 1]
    with pytest.raises(ModuleError, match="symbolic link to outside the app's folder"):
        Resolver(str(app.resolve())).resolve("out", "index.js")


def test_late_imports_are_the_same_modules(tmp_path: Path, cache: BytecodeCache) -> None:
    app = lay(
        tmp_path / "app",
        {
            "index.js": """
              import { list } from "p";
              const late = await import("p");
              const own = await import("./own.js");
              const again = await import("./lib/../own.js");
              export default [late.list === list, list, late.default, own.url, own.list === again.list, own.list === list];""",
            "own.js": 'import { list } from "p"; list.push("own"); export { list }; export const url = import.meta.url;',
            "node_modules/p/package.json": {"exports": "./main.js"},
            "node_modules/p/main.js": 'export * from "./list"; export { default } from "./list";',
            "node_modules/p/list.js": "export const list = ['made']; export default 'd';",
        },
    )
    assert run(load_app(app, cache)) == [True, ["made", "own"], "d", "file:///own.js", True, True]


def test_a_late_import_of_what_means_two_packages_is_refused(tmp_path: Path, cache: BytecodeCache) -> None:
    app = lay(
        tmp_path / "app",
        {
            "index.js": 'import q from "q"; export default [await q(), await import("p").catch(String)];',
            "node_modules/p/index.js": "export default 1;",
            "node_modules/q/index.js": 'export default () => import("p").catch(String);',
            "node_modules/q/node_modules/p/index.js": "export default 2;",
        },
    )
    assert all("import it statically" in text for text in run(load_app(app, cache)))


@pytest.mark.parametrize("call", ['import("p")', "import ( /* webpack: true */ /* \u2026 */\n'p' )", "import(`p`)"])
def test_a_late_import_is_of_the_version_of_the_only_one_who_asks_late(
    tmp_path: Path, cache: BytecodeCache, call: str
) -> None:
    """The engine does not tell who asks. Others may import another version, statically."""
    app = lay(
        tmp_path / "app",
        {
            "index.js": 'import p from "p"; import q from "q"; export default [p, await q(), "import p"];',
            "node_modules/p/index.js": "export default 1;",
            "node_modules/q/index.js": f"const own = {{ import: () => 0 }}; own.import('p'); export default async () => (await {call}).default;",
            "node_modules/q/node_modules/p/index.js": "export default 2;",
            "node_modules/r/index.js": 'import "p";',
        },
    )
    assert run(load_app(app, cache)) == [1, 2, "import p"]


def test_a_change_of_package_json_is_a_change(tmp_path: Path, cache: BytecodeCache) -> None:
    app = lay(tmp_path / "app", {"index.js": 'import "p";', "node_modules/p/index.js": ""})
    code = load_app(app, cache)
    assert not code.changed(app)
    lay(app, {"node_modules/p/package.json": {"main": "index.js"}})
    assert code.changed(app)
    code = load_app(app, cache)
    assert str(app / "node_modules/p/package.json") in code.files
    lay(app, {"package.json": {"main": "other.js"}, "other.js": ""})
    assert code.changed(app)


@settings(max_examples=300)
@given(
    specifier=st.text(st.sampled_from("./#@ab*\\\0%2e:node_modules é"), max_size=24) | st.text(max_size=12),
    importer=st.sampled_from(["index.js", "lib/deep.js", "node_modules/@a/b/w.js"]),
)
def test_whatever_is_asked_for_lies_inside(tmp_path_factory: Any, specifier: str, importer: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "inside"
    if not folder.exists():
        lay(folder / "app", PACKAGES)
        lay(folder, {"a.js": "", "b/index.js": "", "node_modules/a/index.js": ""})
        (folder / "app/a").symlink_to(folder / "a.js")
        (folder / "app/node_modules/b").symlink_to(folder / "b")
    app = (folder / "app").resolve()
    try:
        found = Resolver(str(app), {"node:buffer"}).resolve(specifier, importer)
    except ModuleError:
        return
    assert found == "node:buffer" or (app / found).resolve(strict=True).is_relative_to(app)


# -- what Node says -------------------------------------------------------------------------------------------------


def _target(rng: random.Random, depth: int = 0) -> Any:
    roll = rng.random()
    if roll < 0.5 or depth > 2:
        return rng.choice(
            [
                "./a.mjs",
                "./b.mjs",
                "./d/c.mjs",
                "./d/*.mjs",
                "./*.mjs",
                "./nope.mjs",
                "./../a.mjs",
                "a.mjs",
                "./d/../b.mjs",
            ]
        )
    if roll < 0.6:
        return None
    if roll < 0.75:
        return [_target(rng, depth + 1) for _ in range(rng.randrange(3))]
    keys = rng.sample(["import", "require", "worker", "browser", "default", "types", "deno"], rng.randrange(1, 4))
    return {key: _target(rng, depth + 1) for key in keys}


def _exports(rng: random.Random) -> Any:
    if rng.random() < 0.25:
        return _target(rng)
    keys = rng.sample([".", "./a", "./d/*", "./*", "./d/c", "./*.mjs", "./d/c*", "./p/*/q"], rng.randrange(1, 5))
    return {key: _target(rng) for key in keys}


SPECIFIERS = [
    "p",
    "p/a",
    "p/d/c",
    "p/a.mjs",
    "p/d/c.mjs",
    "p/p/d/c/q",
    "p/d",
    "p/d/",
    "p/../p/a.mjs",
    "p/nope",
    "#i",
    "#i/a",
]


def test_exports_and_imports_as_in_node(tmp_path: Path) -> None:
    rng = random.Random(8)
    cases = []
    for number in range(150):
        files: dict[str, Any] = {
            f"node_modules/p/{name}": "export default import.meta.url;" for name in ("a.mjs", "b.mjs", "d/c.mjs")
        }
        manifest: dict[str, Any] = {"name": "p"}
        if rng.random() < 0.9:
            manifest["exports"] = _exports(rng)
        files["node_modules/p/package.json"] = manifest
        files["package.json"] = {
            "imports": {"#i": rng.choice(["p", "./own.mjs", "p/a"]), "#i/*": rng.choice(["p/*", "p/d/*"])}
        }
        files["own.mjs"] = "export default import.meta.url;"
        for index, specifier in enumerate(SPECIFIERS):
            files[f"main{index}.mjs"] = f"export {{ default }} from {json.dumps(specifier)};"
        lay(tmp_path / str(number), files)
        cases.append((tmp_path / str(number)).resolve())
    script = """
      const found = [];
      for (const folder of JSON.parse(process.argv[1])) {
        const row = [];
        for (let i = 0; i < Number(process.argv[2]); i++) {
          row.push(await import(`file://${folder}/main${i}.mjs`).then((m) => m.default, () => null));
        }
        found.push(row);
      }
      console.log(JSON.stringify(found));"""
    command = ["node", "--no-warnings", "-C", "workerd", "-C", "worker", "-C", "browser", "-C", "module"]
    command += ["--input-type=module", "-e", script, json.dumps(list(map(str, cases))), str(len(SPECIFIERS))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    agreed = 0
    for folder, row in zip(cases, json.loads(done.stdout), strict=True):
        manifest = json.loads((folder / "node_modules/p/package.json").read_text())
        for specifier, url in zip(SPECIFIERS, row, strict=True):
            try:
                ours = f"file://{folder}/{Resolver(str(folder)).resolve(specifier, 'main.mjs')}"
            except ModuleError:
                ours = None
            if manifest.get("exports") is None and url is None:
                continue  # where bundlers find a file without its extension
            if manifest.get("exports") is None and ".." in specifier:
                continue  # nobody needs that
            assert ours == url, (specifier, manifest)
            agreed += url is not None
    assert agreed > 200
