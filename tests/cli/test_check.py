"""``nano-trio check``: every problem at once, each where it is."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from pathlib import Path

import pytest
import trustme

from .conftest import COMMAND, Nano, environment

GOOD = "export default { fetch() { return new Response('fine'); } };\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json").replace("_toml", ".toml").replace(
            "_js", ".js"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_is_fine(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        nano_toml='[[apps]]\nname = "one"\npath = "one"\n[[apps]]\nname = "two"\npath = "two.js"\n',
        one__index_js=GOOD,
        two_js=GOOD,
    )
    result = nano("check")
    assert (result.code, result.out, result.err) == (0, "fine: 2 apps loaded\n", "")


def test_a_file_is_a_configuration_by_its_name_or_an_app(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, other_toml='[[apps]]\nname = "one"\npath = "app.js"\n', wrong_json="{", app_js=GOOD)
    assert (nano("check", "other.toml").out, nano("check", "app.js").out) == ("fine: 1 app loaded\n",) * 2
    assert nano("check", "wrong.json").out.startswith("wrong.json:1:2: invalid JSON")
    (tmp_path / "nano.yaml").write_text("apps:\n- name: one\n")
    for command in ("check", "serve", "dev", "test"):
        told = nano(command, "nano.yaml")
        assert "nano.yaml: expected a file name that ends in .json or .toml" in told.out + told.err


def test_all_problems_at_once(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        nano_toml="""port = "x"
[[apps]]
name = "syntax"
path = "syntax"
[[apps]]
name = "throws"
path = "throws"
env = { GREETING = "hi" }
[[apps]]
name = "missing"
path = "missing"
[[apps]]
name = "good"
path = "good"
[[apps]]
name = "bad"
path = "good"
memroy_mb = 3
""",
        syntax__index_js='import "./lib.js";\n',
        syntax__lib_js="export const a = 1;\nlet = = 3;\n",
        throws__index_js="const f = () => {\n  throw new TypeError('env later');\n};\nf();\n" + GOOD,
        missing__index_js='import { a } from "./there.js";\n' + GOOD,
        missing__there_js='export const a = 1;\nimport x from "./gone.js";\n',
        good__index_js=GOOD,
    )
    result = nano("check")
    assert result.code == 1
    places = [line.partition(": ")[0] for line in result.out.splitlines() if line[0] not in " "]
    assert places == [
        "nano.toml:1:1",
        "nano.toml:18:1",
        "syntax/lib.js:2:5",
        "throws/index.js:2:22",
        "missing/there.js:2:15",
    ]
    assert 'apps[4].memroy_mb: unknown key; did you mean "memory_mb"?' in result.out
    assert '  1 | port = "x"\n    | ^' in result.out
    assert "  2 |   throw new TypeError('env later');\n" in result.out
    assert "5 problems; 1 app loaded" in result.err
    assert "\x1b" not in result.out

    told = json.loads(nano("check", "--json").out)
    assert told["ok"] is False
    assert told["apps"] == ["good"]
    assert [(one["file"], one["line"], one["column"]) for one in told["problems"]] == [
        (file, int(line), int(column)) for file, line, column in (place.split(":") for place in places)
    ]
    assert told["problems"][3]["app"] == "throws"
    assert told["problems"][3]["message"] == "TypeError: env later"
    assert told["problems"][0]["source"] == 'port = "x"'


WHERE = {
    'import ms, { seconds } from "ms";': "index.js:1:14: app {app}: SyntaxError: node_modules/ms/index.js has no export seconds",
    'import "ms/broken.js";': "node_modules/ms/broken.js:2:9: app {app}: SyntaxError: unexpected token",
    'import "ms/throws.js";': "node_modules/ms/throws.js:2:15: app {app}: TypeError: cannot read property",
    '\nimport test from "node:test";': 'index.js:2:18: app {app}: cannot load "node:test" (imported by '
    'index.js): nano-trio test has "nano:test"',
    'import "./lib/deep.js";': 'lib/deep.js:1:8: app {app}: cannot load "lib/gone.js" (imported by lib/deep.js): no such file',
    'import {\n  there, nope as n,\n} from "./lib/some.js";': "index.js:2:10: app {app}: SyntaxError: lib/some.js has no "
    "export nope",
    'import {} from "./lib/some.js";\nimport it, {\n  there,\n} from "./lib/some.js";': "index.js:2:8: app {app}: SyntaxError: "
    "lib/some.js has no export default",
    'import { default as x } from "./lib/some.js";': "index.js:1:10: app {app}: SyntaxError: lib/some.js has no export default",
    'import { a } from "./some.json";': "index.js:1:10: app {app}: SyntaxError: some.json has no export a; a JSON module "
    "has a default export alone",
    'import bad from "./bad.json";': 'bad.json:2:6: app {app}: cannot load "bad.json": invalid JSON: Expecting value',
    'import { it } from "nano:test";': 'index.js:1:20: app {app}: cannot load "nano:test" (imported by index.js): it is '
    "there for files named *.test.js",
    'const x = require("x");': "index.js:1:18: app {app}: Error: Cannot find module 'x': cannot load \"x\" (imported by index.js): ",
    'export default require("x");': "index.js:1:16: app {app}: ReferenceError: 'require' is not defined (this file is an ES "
    "module: use import, or createRequire",
    "export default new WebAssembly.Module();": "index.js:1:20: app {app}: ReferenceError: 'WebAssembly' is not defined (the "
    "engine has none: take a package",
    "export default new Worker();": "index.js:1:20: app {app}: ReferenceError: 'Worker' is not defined (an app is a single ",
    "export default window.env;": "index.js:1:16: app {app}: ReferenceError: 'window' is not defined (the global object is",
    'import { connect } from "cloudflare:sockets";': 'index.js:1:25: app {app}: cannot load "cloudflare:sockets" (imported by '
    "index.js): there are no TCP sockets; use fetch() or WebSocket; of Workers' modules there is here: "
    '"cloudflare:workers"',
    'import { DurableObject } from "cloudflare:workers";\nexport class Room extends DurableObject {}': "index.js:1:1: app "
    "{app}: Error: cloudflare:workers: DurableObject is not provided here: to reach many WebSockets there are rooms",
    "export default {": "index.js:1:17: app {app}: SyntaxError: ",
}


@pytest.mark.parametrize("code", WHERE)
def test_what_is_wrong_with_an_app_has_its_place(nano: Nano, tmp_path: Path, code: str) -> None:
    files = {
        "index.js": code,
        "lib/deep.js": 'import "./gone.js";',
        "lib/some.js": "export const there = 1;",
        "some.json": '{"a": 1}',
        "bad.json": '{\n"a": }',
        "node_modules/ms/package.json": '{"main": "./index"}',
        "node_modules/ms/index.js": "module.exports = 1;",
        "node_modules/ms/broken.js": "exports.a = 1;\nlet x = ;",
        "node_modules/ms/throws.js": "exports.a = 1;\n(1, exports.b).c;",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = nano("check")
    assert result.code == 1
    assert result.out.startswith(WHERE[code].format(app=tmp_path.name)), result.out
    assert "^" in result.out


def test_problems_come_in_the_order_of_the_file(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, app__index_js=GOOD)
    (tmp_path / "nano.toml").write_text(
        'prot = 1\n[log]\nformat = "jsno"\n[[apps]]\nname = "a"\npath = "app"\nevn = {}\n'
    )
    places = [line.partition(": ")[0] for line in nano("check").out.splitlines() if line.startswith("nano.toml:")]
    assert places == ["nano.toml:1:1", "nano.toml:3:1", "nano.toml:7:1"]


def test_colours_where_they_are_forced(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, app__index_js="throw new Error('\x1b[2Jx');")
    assert "\x1b[31m" in nano("check", "app", FORCE_COLOR="1").out
    assert "\x1b" not in nano("check", "app", FORCE_COLOR="1", NO_COLOR="1").out
    assert "\x1b[2J" not in nano("check", "app", FORCE_COLOR="1").out


def test_loading_has_no_effect_outside(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        app__index_js="setInterval(() => {}, 1);\nlet told = '';\n"
        "for (const url of ['http://127.0.0.1:9/', 'http://localhost:9/']) {\n"
        "  await fetch(url).catch((error) => { told += error.message + (error.cause?.message ?? ''); });\n}\n"
        "throw new Error(told);",
    )
    problem = json.loads(nano("check", "app", "--json").out)["problems"][0]
    assert "the network is off while the app is only checked" in problem["message"]
    assert "not in the public Internet" in problem["message"]


def test_progress_is_for_terminals(tmp_path: Path) -> None:
    write(tmp_path, app__index_js="await new Promise((done) => setTimeout(done, 1500));\n" + GOOD)
    ours, theirs = os.openpty()
    environ = environment({"TERM": "xterm", "NO_COLOR": "1"})
    done = subprocess.run([*COMMAND, "check", "app"], cwd=tmp_path, env=environ, stdout=-1, stderr=theirs, timeout=60)
    os.close(theirs)
    assert done.stdout == b"fine: 1 app loaded\n"
    assert b"Loading the apps" in os.read(ours, 65536)
    os.close(ours)
    piped = subprocess.run([*COMMAND, "check", "app"], cwd=tmp_path, env=environ, capture_output=True, timeout=60)
    assert (piped.returncode, piped.stderr) == (0, b"")


def test_limits_hold_while_loading(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        nano_json=json.dumps(
            {
                "apps": [
                    {"name": "loop", "path": "loop.js", "timeout_ms": 20},
                    {"name": "hangs", "path": "hangs.js"},
                    {"name": "slow", "path": "slow.js", "request_timeout_ms": 50},
                    {"name": "none", "path": "none.js"},
                ]
            }
        ),
        loop_js="for (;;);",
        hangs_js="await new Promise(() => {});",
        slow_js="await new Promise((done) => setTimeout(done, 60000));",
        none_js="export const x = 1;",
    )
    problems = {one["app"]: one["message"] for one in json.loads(nano("check", "--json").out)["problems"]}
    assert "timeout_ms (20 ms)" in problems["loop"]
    assert "top-level await" in problems["hangs"]
    assert "request_timeout_ms (50 ms)" in problems["slow"]
    assert "fetch" in problems["none"]


def test_a_file_that_cannot_be_parsed(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, nano_json='{\n  "port": 1,,\n}\n')
    result = nano("check")
    assert result.code == 1
    assert result.out.startswith("nano.json:2:13: invalid JSON: ")
    assert '  2 |   "port": 1,,\n' in result.out


@pytest.mark.parametrize("command", [["check"], ["serve"], ["dev"], ["repl", "--app"]], ids=lambda words: words[0])
def test_a_path_that_cannot_be_looked_at(nano: Nano, command: list[str]) -> None:
    result = nano(*command, "x" * 300)
    assert result.code == 1
    assert f'"{"x" * 59}…" cannot be read: file name too long' in result.out + result.err
    assert "Traceback" not in result.err


def test_a_handler_that_cannot_be_asked_for(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, app_js="export default {\n  get fetch() { throw new Error('no'); },\n};\n")
    result = nano("check", "app.js")
    assert result.code == 1
    assert result.out.startswith("app.js:2:")
    assert ": app app: Error: no\n" in result.out


def test_nothing_to_check(nano: Nano) -> None:
    result = nano("check")
    assert result.code == 2
    assert "no index.js" in result.err
    assert nano("check", "x", "--config", "y").code == 2


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("app.js", '/app.js" is no folder'),
        ("app.js/below", '/app.js" is no folder'),
        ("dangling/below", '/dangling" is no folder'),
        ("/proc/nano-trio/state", 'cannot write in "/proc", where "/proc/nano-trio/state" is to be made: '),
        ("half", '/half/cache" is no folder'),
        ("x" * 256, "File name too long"),
        ("/".join(["long"] * 110), "the path is too long: the apps' caches in it would have "),
    ],
)
def test_a_state_folder_that_cannot_be_used(nano: Nano, tmp_path: Path, folder: str, told: str) -> None:
    config = f'port = 3000\nstate_dir = "{folder}"\n[[apps]]\nname = "one"\npath = "app.js"\n'
    write(tmp_path, nano_toml=config, app_js=GOOD, half__cache="")
    (tmp_path / "dangling").symlink_to("nowhere")
    result = nano("check")
    assert result.code == 1
    assert result.out.startswith("nano.toml:2:1: state_dir: ")
    assert told in result.out
    assert result.err == "1 problem; 1 app loaded\n"


def test_a_certificate_that_is_not_valid_today(nano: Nano, tmp_path: Path) -> None:
    """The server would start with it; who is about to deploy it wants to know."""
    config = '[[apps]]\nname = "one"\npath = "app.js"\n[[apps]]\nname = "two"\npath = "app.js"\n[apps.tls]\n'
    write(tmp_path, nano_toml=f'{config}cert = "two.pem"\nkey = "two.key"\n', app_js=GOOD)
    expired = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3)
    leaf = trustme.CA().issue_cert("two", not_after=expired)
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "two.pem")
    leaf.private_key_pem.write_to_path(tmp_path / "two.key")
    result = nano("check")
    assert result.code == 1
    told = f"nano.toml:8:1: apps[1].tls.cert: the certificate expired on {expired:%Y-%m-%d}"
    assert result.out.startswith(told)
    assert result.err == "1 problem; 2 apps loaded\n"


def test_a_state_folder_that_can_be_made(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, nano_toml='state_dir = "a/b"\n[[apps]]\nname = "one"\npath = "app.js"\n', app_js=GOOD)
    for _ in range(2):
        assert nano("check").code == 0
        assert sorted(each.name for each in tmp_path.iterdir() if each.name != "a") == ["app.js", "nano.toml"]
        (tmp_path / "a" / "b" / "cache").mkdir(parents=True, exist_ok=True)


@pytest.mark.parametrize("start", ["class", "class App", "class App extends Object"])
def test_a_class_as_the_default_export(nano: Nano, tmp_path: Path, start: str) -> None:
    """Workers make an object of one that extends WorkerEntrypoint; here each request would fail."""
    write(tmp_path, app_js=f"export default {start} {{ fetch() {{ return new Response('never'); }} }}\n")
    result = nano("check", "app.js")
    assert result.code == 1
    assert "the default export is a class, of which nobody makes an object: `export default new App()`" in result.out


@pytest.mark.parametrize("exported", ["new (class { fetch() {} })()", "function () {}", "async () => {}", "() => {}"])
def test_what_has_a_handler(nano: Nano, tmp_path: Path, exported: str) -> None:
    write(tmp_path, app_js=f"export default {exported};\n")
    assert nano("check", "app.js").code == 0
