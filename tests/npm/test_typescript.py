"""Apps in TypeScript: transformed by esbuild or Node, with errors that show the TypeScript."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import trio

from nano_trio.actors.exchange import AppExchange
from nano_trio.actors.messages import IncomingRequest
from nano_trio.actors.registry import Registry
from nano_trio.config import from_document
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.modules import ModuleError, load_app
from nano_trio.engine.typescript import Tools
from tests.prefork import nano_trio

MAIN = """import { greet, type Name } from "./lib/greet";
import { late } from "./lib/late.js";
enum Mood { Good = "good" }
interface Env { NAME?: Name }

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (request.url.endsWith("/boom")) {
      const nothing: any = null;
      return nothing.missing;
    }
    const more = await import("./lib/more.ts");
    return new Response(greet(env.NAME ?? "you") + late + Mood.Good + more.default);
  },
};
"""
FILES = {
    "index.ts": MAIN,
    "lib/greet.ts": "export type Name = string;\nexport const greet = (name: Name): string => `hello ${name} `;\n",
    "lib/late.mts": "",
    "lib/late.ts": "export const late: string = 'late ';\n",
    "lib/more.ts": "export default <const>' more';\n",
}


@pytest.fixture
def esbuild(node_modules: Path) -> Path:
    return node_modules / ".bin" / "esbuild"


def lay(folder: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def program(folder: Path, name: str, text: str) -> Path:
    """A folder for PATH with one program."""
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)
    return folder


def run(folder: Path, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "ask.ts").write_text(
        'import app from "./index.ts";\n'
        "const path: string = scriptArgs[0];\n"
        'console.log(await (await app.fetch(new Request("http://x/" + path), {})).text());'
    )
    return nano_trio("run", str(folder / "ask.ts"), *arguments, environ={**os.environ, "PATH": path})


def test_by_esbuild_with_errors_that_show_the_typescript(tmp_path: Path, esbuild: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "esbuild").symlink_to(esbuild)
    app = lay(tmp_path / "app")
    path = f"{tools}:{os.environ['PATH']}"
    done = run(app, path, "x")
    assert done.stdout == "hello you late good more\n", done.stderr
    done = run(app, path, "boom")
    assert done.returncode == 1
    assert "index.ts:10:" in done.stderr
    assert "      return nothing.missing;" in done.stderr
    assert "at fetch (index.ts:10:" in done.stderr
    assert "at <anonymous> (ask.ts:3:" in done.stderr


def test_once_for_each_content(tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'#!/bin/sh\necho run >> {tmp_path}/runs\nexec {esbuild} "$@"\n'
    tools = program(tmp_path / "tools", "esbuild", script)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    app = lay(tmp_path / "app")
    for _ in range(2):
        code = load_app(app, BytecodeCache(tmp_path / "cache"))
        assert code.main == "app:/index.ts"
        assert not code.changed(app)
    assert (tmp_path / "runs").read_text().count("run") == 4
    (app / "lib/greet.ts").write_text("export type Name = string; export const greet = (n: Name) => n;")
    assert code.changed(app)
    load_app(app, BytecodeCache(tmp_path / "cache"))
    assert (tmp_path / "runs").read_text().count("run") == 5


def test_the_apps_own_esbuild_where_nobody_else_may_write(
    tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = lay(tmp_path / "app")
    own = program(
        app / "node_modules" / ".bin", "esbuild", f'#!/bin/sh\nPATH={os.environ["PATH"]}\nexec {esbuild} "$@"\n'
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert load_app(app, BytecodeCache(None), tools=Tools(own=True)).main == "app:/index.ts"
    (own / "esbuild").chmod(0o757)
    with pytest.raises(ModuleError, match="others than you may write to it"):
        load_app(app, BytecodeCache(None), tools=Tools(own=True))


def test_a_server_runs_no_program_of_an_apps(tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` says so; the configuration may allow it; development does without being asked."""
    app = lay(
        tmp_path / "app",
        {"index.ts": "const text: string = 'ts';\nexport default { fetch: () => new Response(text) };"},
    )
    script = f'#!/bin/sh\necho ran >> {tmp_path}/ran\nPATH={os.environ["PATH"]}\nexec {esbuild} "$@"\n'
    program(app / "node_modules" / ".bin", "esbuild", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def check(**keys: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "nano.json").write_text(json.dumps({**keys, "apps": [{"name": "a", "path": "app"}]}))
        return nano_trio("check", "--config", "nano.json", cwd=tmp_path)

    refused = check()
    assert refused.returncode == 1
    assert "The app has an esbuild of its own" in refused.stdout
    assert 'name it in the configuration: "esbuild"' in refused.stdout
    assert not (tmp_path / "ran").exists()
    assert check(esbuild="app/node_modules/.bin/esbuild").returncode == 0
    assert (tmp_path / "ran").exists()
    # A mistake elsewhere in the file is one, and does not make more of what is sound.
    elsewhere = check(esbuild="app/node_modules/.bin/esbuild", wrong="x")
    assert "wrong: unknown key" in elsewhere.stdout
    assert elsewhere.stderr == "1 problem; 1 app loaded\n"
    wrong = check(esbuild="app/index.ts")
    assert 'nano.json:1:2: esbuild: "app/index.ts" cannot be run: permission denied' in wrong.stdout
    assert 'esbuild: "nowhere" does not exist' in check(esbuild="nowhere").stdout
    (tmp_path / "nano.json").unlink()
    # What a server was refused, the app's own developer has.
    (tmp_path / "cache").rename(tmp_path / "old cache")
    (tmp_path / "ran").unlink()
    (app / "a.test.ts").write_text(
        "it('x', async () => expect(await (await app.fetch('/')).text()).toBe('ts' as string));"
    )
    done = nano_trio("test", "app", cwd=tmp_path)
    assert (done.returncode, (tmp_path / "ran").exists()) == (0, True), done.stdout + done.stderr


async def test_served_it_is_not_run_either(tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = lay(tmp_path / "app", {"index.ts": "export default { fetch: () => new Response('ts' as string) };"})
    script = f'#!/bin/sh\nPATH={os.environ["PATH"]}\nexec {esbuild} "$@"\n'
    own = program(app / "node_modules" / ".bin", "esbuild", script) / "esbuild"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = from_document({"apps": [{"name": "a", "path": str(app)}]}, environ={})
    for allowed, status in (({}, 503), ({"esbuild": own}, 200), ({"dev": True}, 200)):
        async with trio.open_nursery() as nursery:
            registry = Registry(config.apps, **allowed)
            await nursery.start(registry.run)
            exchange = registry.apps["a"].begin(IncomingRequest("GET", "http://a/", [], None, "192.0.2.7"))
            with trio.fail_after(30):
                assert (await exchange.wait()).status == status
            exchange.finish()
            if status == 503:
                assert "an esbuild of its own" in (registry.apps["a"].last_error or "")
            nursery.cancel_scope.cancel()


def test_tests_in_typescript_and_of_typescript(tmp_path: Path, esbuild: Path) -> None:
    app = lay(tmp_path)
    (app / "a.test.ts").write_text(
        'import { app, expect, it } from "nano:test";\n'
        'import { greet, type Name } from "./lib/greet.ts";\n'
        "interface Empty {}\n"
        'it("greets", async () => {\n'
        '  const name: Name = "you";\n'
        '  expect(await (await app.fetch("/")).text()).toContain(greet(name));\n'
        '  expect<string>(name).toBe("me");\n'
        "});\n"
    )
    (app / "b.test.js").write_text(
        'import { greet } from "./lib/greet.ts";\nit("x", () => expect(greet("a")).toBe("hello a "));'
    )
    (app / "c.js").write_text('import "./lib/greet.ts";')
    environment = {**os.environ, "PATH": f"{esbuild.parent}:{os.environ['PATH']}"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return nano_trio(*arguments, cwd=app, environ=environment)

    done = run("test")
    assert "✓ b.test.js (1 passed)" in done.stdout, done.stdout
    assert "a.test.ts:7:24: AssertionError: expect('you').toBe('me')" in done.stdout
    assert '  expect<string>(name).toBe("me");' in done.stdout
    assert done.stdout.count("✗") == 2
    # Without a test around it a module in JavaScript is told what to do.
    assert "rename c.js to c.ts" in run("run", "c.js").stderr


# A Node that strips types, which the one on this machine may be too old for: its function is there by a module of ours.
STRIPS = """
require("node:module").stripTypeScriptTypes = (text) =>
  require("node:child_process").execFileSync(process.env.ESBUILD, ["--loader=ts"], { input: text, encoding: "utf8" });
"""


def test_by_a_node_that_strips_types(tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = lay(tmp_path / "app")
    (tmp_path / "strips.js").write_text(STRIPS)
    node = shutil.which("node")
    # What older ones do not know of is left out.
    script = f"""#!/bin/sh
    PATH={os.environ["PATH"]}
    for a; do shift; [ "$a" = --experimental-strip-types ] || set -- "$@" "$a"; done
    ESBUILD={esbuild} exec {node} -r {tmp_path}/strips.js "$@"
    """
    monkeypatch.setenv("PATH", str(program(tmp_path / "tools", "node", script)))
    text = load_app(app, BytecodeCache(None)).folder.read("./lib/late.ts")
    assert 'late = "late "' in text
    assert "string" not in text


def test_without_a_tool_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = lay(tmp_path / "app")
    old = program(tmp_path / "tools", "node", "#!/bin/sh\nexit 9\n")
    monkeypatch.setenv("PATH", str(old))
    with pytest.raises(
        ModuleError, match=r"Looked for: esbuild on the PATH; .*node is too old.*npm install --save-dev"
    ):
        load_app(app, BytecodeCache(None), tools=Tools(own=True))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModuleError, match=r"node 22\.13 or later on the PATH \(not found\)"):
        load_app(app, BytecodeCache(None))


def test_a_mistake_names_its_place(tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = program(tmp_path / "tools", "esbuild", f'#!/bin/sh\nexec {esbuild} "$@"\n')
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    app = lay(tmp_path / "app", {"index.ts": "const a: = 1;"})
    with pytest.raises(ModuleError, match=r"(?s)esbuild says: .*index\.ts:1:9.{,60}$"):
        load_app(app, BytecodeCache(None))


async def test_an_app_is_loaded_beside_its_neighbours(
    tmp_path: Path, esbuild: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its esbuild takes its time, others are served; then requests that waited are answered."""
    gate = tmp_path / "gate"
    script = f'#!/bin/sh\nwhile [ ! -e {gate} ]; do sleep 0.02; done\nexec {esbuild} "$@"\n'
    tools = program(tmp_path / "tools", "esbuild", script)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    typed = "export default { fetch(r: Request): Response { return new Response('ts'); } };"
    slow = lay(tmp_path / "slow", {"index.ts": typed + f"// {tmp_path}"})
    broken = lay(tmp_path / "broken", {"index.ts": "const a: = 1;"})
    quick = lay(tmp_path / "quick", {"index.js": "export default { fetch() { return new Response('js'); } };"})
    documents = [{"name": path.name, "path": str(path)} for path in (slow, broken, quick)]
    config = from_document({"apps": documents, "state_dir": str(tmp_path / "state")}, environ={})
    async with trio.open_nursery() as nursery:
        registry = Registry(config.apps)
        await nursery.start(registry.run)

        def begin(app: str) -> AppExchange:
            return registry.apps[app].begin(IncomingRequest("GET", f"http://{app}/", [], None, "192.0.2.7"))

        first, second, third = begin("slow"), begin("slow"), begin("broken")
        response = await begin("quick").wait()
        assert (response.status, response.body) == (200, b"js")
        assert first.response is None
        gate.write_text("")
        with trio.fail_after(30):
            assert [(await each.wait()).body for each in (first, second)] == [b"ts", b"ts"]
            assert (await third.wait()).status == 503
        assert "esbuild says" in (registry.apps["broken"].last_error or "")
        version = await registry.apps["slow"].prepare(registry.apps["slow"].settings)
        version.discard()
        nursery.cancel_scope.cancel()
