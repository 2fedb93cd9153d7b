"""What a module imports and exports again is an export of the other module's, as ECMA-262 has it (ParseModule, step 10).

By the engine alone it is one of a variable that has no cell yet, and who imports it in a cycle ends the process.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nano_trio.engine.bytecode import compile_module
from tests.prefork import nano_trio

HUB = """
  import kept, { n, inc,  "a b" as spaced, again as other } from "./values.js";
  import * as all from "./values.js";
  import "./inner.js";
  const own = 5;
  export { kept, kept as default, n, inc, spaced, spaced as "c d", other, all, own };
"""
VALUES = """
  export let n = 1;
  export const inc = () => ++n, again = "again";
  const spaced = "with a space";
  export { spaced as "a b" };
  export default "the default";
"""
# Linked before the hub, which asks for it.
INNER = """
  import { kept, n, inc, "c d" as spaced, other, all, own } from "./hub.js";
  import * as hub from "./hub.js";
  let early;
  try { own; } catch (error) { early = error.name; }
  export const look = () => [kept, n, inc(), n, spaced, other, all["a b"], all.n, own, hub.default, hub.all === all, early];
"""
INDEX = """
  import fallback, { all, n } from "./hub.js";
  import { look } from "./inner.js";
  console.log(JSON.stringify(look()));
  console.log(fallback, n, Object.keys(await import("./hub.js")).join());
"""


def run(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return nano_trio("run", str(folder / "index.js"))


def test_in_a_cycle(tmp_path: Path) -> None:
    for _ in range(2):  # the second time from the cache
        done = run(tmp_path, hub=HUB, values=VALUES, inner=INNER, index=INDEX)
        assert done.returncode == 0, done
        assert done.stdout.splitlines() == [
            '["the default",1,2,2,"with a space","again","with a space",2,5,"the default",true,"ReferenceError"]',
            "the default 2 all,c d,default,inc,kept,n,other,own,spaced",
        ]


def test_of_a_package_in_commonjs(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "p"
    package.mkdir(parents=True)
    (package / "index.js").write_text("Object.assign(exports, { late: 7 }); exports.known = 6;")
    done = run(
        tmp_path,
        index='import { known, late } from "./hub.js"; import { sum } from "./inner.js"; console.log(known, late, sum());',
        hub='import p, { known, late } from "p"; import "./inner.js"; export { p, known, late };',
        inner='import { p, known, late } from "./hub.js"; export const sum = () => p.late + known + late;',
    )
    assert (done.returncode, done.stdout) == (0, "6 7 20\n"), done.stderr


def test_a_name_that_is_not_there_is_told_at_its_place(tmp_path: Path) -> None:
    files = {"hub": 'import { nothing } from "./values.js";\nexport { nothing };', "values": "export const x = 1;"}
    done = run(tmp_path, index='import { nothing } from "./hub.js";', **files)
    assert done.returncode == 1
    assert done.stderr.startswith("hub.js:1:10: SyntaxError: values.js has no export nothing")


@pytest.mark.parametrize(
    "again",
    [
        "export { nothing } from './values.js';",
        "import {\n nothing as x } from './values.js'; export { y, x as fancy }; const y = 1;",
        "import * as all from './values.js'; export { all };\nexport { nothing as fancy } from './values.js';",
    ],
)
def test_so_it_is_however_it_is_handed_on(tmp_path: Path, again: str) -> None:
    done = run(tmp_path, index='import { fancy } from "./hub.js";', hub=again, values="export const x = 1;")
    row, column = again[: again.index("nothing")].count("\n") + 1, again[: again.index("nothing")].rfind("\n")
    place = f"hub.js:{row}:{again.index('nothing') - column}"
    assert done.stderr.startswith(f"{place}: SyntaxError: values.js has no export nothing"), done.stderr


def test_what_is_not_exported_at_all(tmp_path: Path) -> None:
    files = {"hub": 'import { x } from "./values.js"; export { x as y };', "values": "export const x = 1;"}
    done = run(tmp_path, index='import { x } from "./hub.js";', **files)
    assert done.stderr.startswith("index.js:1:10: SyntaxError: hub.js has no export x"), done.stderr


def test_a_name_that_the_engine_takes_for_a_namespace_is_refused(tmp_path: Path) -> None:
    files = {
        "hub": '\nimport { "*" as star } from "./values.js"; import "./inner.js"; export { star };',
        "inner": 'import { star } from "./hub.js"; export const look = () => star;',
        "values": 'const x = 1; export { x as "*" };',
    }
    done = run(tmp_path, index='import { star } from "./hub.js"; console.log(star);', **files)
    assert done.returncode == 1
    assert 'SyntaxError: what another module calls "*" cannot be exported again' in done.stderr
    assert "hub.js" in done.stderr


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number(count: int) -> None:
    names = ",".join(f"n{number}" for number in range(count))
    source = f'import {{ {names} }} from "./x.js"; const own = 1; export {{ own {"," + names if names else ""} }};'
    head = compile_module(source, "./hub.js").head
    assert head is not None
    assert head.wanted == (tuple(f"n{number}" for number in range(count)),)
