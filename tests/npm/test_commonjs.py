"""CommonJS packages from npm, neither changed nor bundled: as with Node, which runs the same programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.commonjs import CommonJS
from nano_trio.engine.module_folder import ModuleFolder
from nano_trio.runtime.platform import BUILTIN_MODULES

from .commonjs_cases import FILES
from .test_unbundled import app_folder, run

HERE = Path(__file__).parent
PROGRAMS = sorted((HERE / "commonjs_programs").glob("*.mjs"))


def installed(node_modules: Path, packages: list[str]) -> list[str]:
    """Those packages and what they depend on, by the lock of the whole."""
    lock = json.loads((HERE / "package-lock.json").read_text())["packages"]
    found: dict[str, None] = {}
    left = list(packages)
    while left:
        name = left.pop()
        if name not in found:
            found[name] = None
            left += lock[f"node_modules/{name}"].get("dependencies", {})
    return [name for name in found if (node_modules / name).exists()]


def by_node(folder: Path, entry: str = "index.mjs") -> str:
    command = ["node", "--no-warnings", str(folder / entry)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_as_node(tmp_path: Path, node_modules: Path, program: Path) -> None:
    source = program.read_text()
    packages = json.loads(source.partition("\n")[0].removeprefix("// packages: "))
    folder = app_folder(tmp_path / "app", node_modules, tuple(installed(node_modules, packages)), source, "index.mjs")
    ours = run(folder, "index.mjs")
    assert ours == by_node(folder)
    assert ours.count("\n") >= 3


def test_named_imports_of_what_nobody_can_read_in_the_source(tmp_path: Path, node_modules: Path) -> None:
    """Node has lodash's default export only."""
    source = """
      import lodash, { debounce, chunk as pieces, default as same } from "lodash";
      import { sign, verify } from "jsonwebtoken";
      import { groupBy } from "./handing-on.js";
      console.log(debounce === lodash.debounce, same === lodash, pieces([1, 2, 3], 2).length, groupBy === lodash.groupBy);
      console.log(verify(sign({ a: 1 }, "secret"), "secret").a, (await import("./late.js")).default === lodash.cloneDeep);
    """
    packages = installed(node_modules, ["lodash", "jsonwebtoken"])
    folder = app_folder(tmp_path / "app", node_modules, tuple(packages), source)
    (folder / "handing-on.js").write_text('export { groupBy, chunk } from "lodash";')
    (folder / "late.js").write_text('import { cloneDeep } from "lodash"; export default cloneDeep;')
    assert run(folder).splitlines() == ["true true 2 true", "1 true"]
    (folder / "index.js").write_text('import ms from "ms";\nimport { chunk,\n  nothing } from "lodash";')
    told = run(folder, code=1)
    assert told.startswith("index.js:3:3: SyntaxError: node_modules/lodash/lodash.js has no export nothing")


def test_a_package_that_needs_a_server_of_nodes_says_so(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "servers"
    package.mkdir(parents=True)
    (package / "index.js").write_text('const http = require("http");\n\nexports.listen = () => http.createServer();')
    (tmp_path / "index.js").write_text('import { listen } from "servers"; listen();')
    told = run(tmp_path, code=1)
    assert told.startswith(
        "node_modules/servers/index.js:3:41: Error: node:http: createServer() is not provided: use fetch(), and the app's "
    )


def test_a_folder_of_cases(tmp_path: Path) -> None:
    """What modules are given, see and export."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    ours = run(tmp_path)
    assert ours == by_node(tmp_path, "index.js")
    assert ours.count("\n") > 60


def test_an_app_in_commonjs(tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text(
        'const { greet } = require("./lib");\n'
        "module.exports = { fetch: (request) => new Response(greet(new URL(request.url).pathname)) };\n"
        "if (require.main === module) exports.isMain = true;\n"
    )
    (tmp_path / "lib.js").write_text("exports.greet = (name) => `hello ${name}`;")
    (tmp_path / "app.test.js").write_text(
        'import main from "./index.js";\n'
        'import { test } from "nano:test";\n'
        'test("answers", async () => {\n'
        '  const response = await main.fetch(new Request("http://x/ada"));\n'
        '  if (await response.text() !== "hello /ada") throw new Error("no");\n'
        "});\n"
    )
    command = [sys.executable, "-m", "nano_trio", "test", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr


NAMES = """
import { writeSync } from "node:fs";
const found = {};
process.on("uncaughtException", () => {});
process.on("unhandledRejection", () => {});
for (const file of JSON.parse(process.argv[2])) {
  try {
    found[file] = Object.keys(await import(file));
  } catch {}
}
writeSync(1, JSON.stringify(found));
process.exit(0);
"""


def test_all_names_that_node_reads_are_read(tmp_path: Path, node_modules: Path) -> None:
    """In each file of packages that were written by hand, and by the compilers TypeScript and Babel."""
    commonjs = CommonJS(ModuleFolder(os.path.realpath(node_modules.parent), BUILTIN_MODULES), BytecodeCache(None))
    ours: dict[str, tuple[str, ...]] = {}
    for package in (
        "ajv/dist",
        "validator/lib",
        "handlebars/dist/cjs",
        "semver/functions",
        "semver/ranges",
        "qs",
        "debug",
    ):
        for path in sorted((node_modules / package).rglob("*.js")):
            file = path.relative_to(node_modules.parent).as_posix()
            if commonjs.is_one(file):
                ours[str(path)] = commonjs.exports(file)
    program = tmp_path / "names.mjs"
    program.write_text(NAMES)
    command = ["node", "--no-warnings", str(program), json.dumps(list(ours))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    nodes = json.loads(done.stdout)
    assert len(nodes) > 250
    missing = {file: set(names) - {*ours[file], "default", "module.exports"} for file, names in nodes.items()}
    assert {file: names for file, names in missing.items() if names} == {}
