"""The package's types: TypeScript accepts the examples with them, and refuses programs that are wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nano_trio.cli.init import TEMPLATES
from tests.prefork import nano_trio

REPOSITORY = Path(__file__).parents[2]

GOOD = """
import { count, members, publish, rooms } from "nano:rooms";
interface Env { GREETING: string; AUTH: NanoTrio.Service }
type Data = { name: string };
const app: NanoTrio.App<Env, Data> = {
  async fetch(request, env, ctx) {
    ctx.waitUntil(Promise.resolve());
    const who: string | null = ctx.remoteAddress;
    const subject = ctx.clientCertificate?.subject ?? who;
    if (request.headers.get("upgrade") === "websocket") {
      return ctx.upgrade(request, { data: { name: env.GREETING }, headers: { "x-a": "b" }, protocol: "chat" });
    }
    const pair = new WebSocketPair();
    const [client, server] = [pair[0], pair[1]];
    server.accept();
    server.addEventListener("message", (event) => server.send(event.data));
    if (subject === "pair") return new Response(null, { status: 101, webSocket: client });
    const answer = await env.AUTH.fetch("https://auth/check", { method: "POST" });
    const sent: number = ctx.publish("room", await answer.text()) + publish("room", new Uint8Array(1)) + rooms.count("room");
    await caches.default.put(request, new Response("x"));
    return Response.json({ sent, size: count("room"), states: members("room").map((socket) => socket.readyState) });
  },
  websocket: {
    open(socket, request) { socket.subscribe(socket.data.name + request.url); },
    message(socket, message) { socket.send(typeof message === "string" ? message : new Uint8Array(message)); },
    async close(socket, code, reason) { socket.publish("room", `${code + 1} ${reason.length}`); },
    error(socket, error) { socket.close(1011, String(error)); },
    drain(socket) { socket.bufferedAmount.toFixed(); },
  },
};
export default app;
"""

GOOD_TESTS = """
import { app, afterEach, beforeAll, describe, expect, fn, it, test } from "nano:test";
describe("app", () => {
  beforeAll(async () => { await app.settled(); }, 100);
  afterEach(() => {});
  it("answers", async () => {
    const response: Response = await app.fetch("/", { method: "POST", body: "x" });
    expect(response.status).toBe(200);
    await expect(response.json()).resolves.toMatchObject({ a: expect.any(Number), b: expect.stringContaining("x") });
    await expect(app.connect("/no")).rejects.toThrow(/400/);
    expect(() => null).not.toThrow(TypeError);
  });
  it("chats", { timeout: 5 }, async () => {
    const socket = await app.connect("/chat", { protocols: ["a"], headers: { x: "y" } });
    socket.send(new Uint8Array(2));
    const message = await socket.receive({ timeout: 5 });
    if (typeof message !== "string") message.byteLength.toFixed();
    for await (const each of socket) expect(each).toHaveLength(1);
    const { code, reason } = await socket.close(1000, "bye");
    expect([code + 1, reason.length]).toEqual([1001, 3]);
  });
  it.only("x", () => {}); it.skip("x", () => {}); it.todo("x");
  it.each([[1, "a"], [2, "b"]] as const)("%s", (n, text) => { expect(n.toFixed() + text.length).toBeDefined(); });
  describe.each(["a", "b"])("%s", (text) => { text.length; });
  const mock = fn((a: number) => String(a)).mockReturnValueOnce("x");
  test("mocks", () => { const text: string = mock(1); expect(mock).toHaveBeenCalledWith(1); expect(mock.mock.calls[0][0]).toBe(text); });
});
"""
GLOBAL_TESTS = """
describe("global", () => { it("is", async () => { expect((await app.fetch("/")).ok).toBe(true); beforeEach(fn()); }); });
"""

WRONG = {
    "fetch must answer": "const app: NanoTrio.App = { fetch() { return 5; } }; export default app;",
    "no such handler": "const app: NanoTrio.App = { fetch: () => new Response(), websocket: { opened() {} } }; export default app;",
    "no such member of ctx": "const app: NanoTrio.App = { fetch(r, e, ctx) { ctx.waitFor(1); return new Response(); } }; export default app;",
    "env is typed": "const app: NanoTrio.App<{ A: string }> = { fetch(r, env) { return new Response(env.B); } }; export default app;",
    "data is typed": "const app: NanoTrio.App<{}, { n: number }> = { fetch: (r, e, ctx) => ctx.upgrade(r, { data: { n: 'x' } }) }; export default app;",
    "rooms are strings": 'import { publish } from "nano:rooms"; publish(5, "x");',
    "publish needs a message": 'import { publish } from "nano:rooms"; publish("x");',
    "no such room function": 'import { join } from "nano:rooms"; join("x");',
    "sockets send no objects": "const app: NanoTrio.App = { fetch: () => new Response(), websocket: { message(s) { s.send({}); } } }; export default app;",
    "expectations are those that there are": 'import { expect } from "nano:test"; expect(1).toBeOne();',
    "tests have a name": 'import { it } from "nano:test"; it(() => {});',
    "the app under test fetches": 'import { app } from "nano:test"; app.request("/");',
    "patterns have parts": "new URLPattern({ path: '/' });",
    "handlers of HTML": "new HTMLRewriter().on('a', { elements() {} });",
    "a test has a body": 'import { it } from "nano:test"; it("x", 5, 6);',
    "rejects is asynchronous": 'import { expect } from "nano:test"; const done: void = 5; expect(1).rejects.toThrow().toFixed();',
    "tests send no objects": 'import { app } from "nano:test"; const s = await app.connect("/"); s.send({ a: 1 });',
    "messages may be bytes": 'import { app } from "nano:test"; const s = await app.connect("/"); (await s.receive()).trim();',
    "mocks know their arguments": 'import { fn } from "nano:test"; fn((a: number) => a)("x");',
    "the address is read-only": "declare const ctx: NanoTrio.ExecutionContext; ctx.remoteAddress = 'x'; export {};",
}


RIGHT = {"index.ts": GOOD, "index.test.ts": GOOD_TESTS, "global.test.ts": GLOBAL_TESTS}
WRONG_FILES = {f"{re.sub('[^a-z]', '-', name)}.ts": text for name, text in WRONG.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> list[str]:
    """What tsc says of what is right, what is wrong, and the examples: a line for each mistake.

    As one project: reading the types of the language and ours takes longer than all of them.
    """
    files = {f"right/{name}": text for name, text in RIGHT.items()}
    files |= {f"wrong/{name}": text for name, text in WRONG_FILES.items()}
    for name in ("chat", "hello", "streaming"):
        # A copy whose default export is said to be an app.
        source = REPOSITORY / "examples" / name
        files.update({f"examples/{name}/{path.name}": path.read_text() for path in source.glob("*.js")})
        index = files[f"examples/{name}/index.js"]
        assert "export default {" in index
        files[f"examples/{name}/index.js"] = index.replace(
            "export default {", "/** @type {NanoTrio.App} */\nexport default {"
        )
    folder = tmp_path_factory.mktemp("project")
    types = folder / ".nano-trio"
    types.mkdir()
    for file in (REPOSITORY / "nano_trio/types").glob("*.d.ts"):
        shutil.copyfile(file, types / file.name)
    options = {
        "lib": ["es2024", "webworker"],
        "module": "esnext",
        "target": "es2024",
        "moduleResolution": "bundler",
        "types": [],
        "strict": True,
        "noEmit": True,
        "allowJs": True,
        "checkJs": True,
        "noImplicitAny": False,
        "useUnknownInCatchVariables": False,
    }
    include = ["**/*.ts", "**/*.js", ".nano-trio/*.d.ts"]
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": include}))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    told = typescript(folder, node_modules, "tsconfig.json", "--listFiles")
    read = {line.removeprefix(f"{folder}/") for line in told if line.startswith(f"{folder}/")}
    assert {*files, *(f".nano-trio/{file.name}" for file in types.iterdir())} <= read
    return [line for line in told if "error TS" in line]


def mistakes(folder: Path, node_modules: Path, configuration: str, *options: str) -> list[str]:
    return [line for line in typescript(folder, node_modules, configuration, *options) if "error TS" in line]


def typescript(folder: Path, node_modules: Path, configuration: str, *options: str) -> list[str]:
    """The lines that tsc prints. What runs for a second is not worth the optimizing compiler: a third less without."""
    command = [
        "node",
        "--no-opt",
        str(node_modules / "typescript/bin/tsc"),
        "-p",
        configuration,
        "--pretty",
        "false",
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout.splitlines()


def test_what_is_right_is_accepted(found: list[str]) -> None:
    assert [line for line in found if not line.startswith(("wrong/", "examples/"))] == []


def test_each_mistake_is_found(found: list[str]) -> None:
    wrong = {line.partition("(")[0].removeprefix("wrong/") for line in found if line.startswith("wrong/")}
    assert wrong == {*WRONG_FILES}


def test_the_examples(found: list[str]) -> None:
    assert [line for line in found if line.startswith("examples/")] == []


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory, node_modules: Path) -> list[str]:
    """What tsc says of all templates, each in a folder of its name, with the options that they bring; and its files.

    As one project, see ``found``: what init makes beside an app's code is the same for all.
    """
    folder = tmp_path_factory.mktemp("templates")
    for template in TEMPLATES:
        assert nano_trio("init", template, "--template", template, cwd=folder).returncode == 0
        types = [(file.name, file.read_text()) for file in sorted((folder / template / ".nano-trio").iterdir())]
        options = (folder / template / "jsconfig.json").read_text()
        if not (folder / "jsconfig.json").exists():
            (folder / template / ".nano-trio").rename(folder / ".nano-trio")
            (folder / template / "jsconfig.json").rename(folder / "jsconfig.json")
            first = types, options
        assert (types, options) == first
    shutil.copytree(node_modules / "hono", folder / "hono/node_modules/hono")
    return typescript(folder, node_modules, "jsconfig.json", "--skipLibCheck", "false", "--listFiles")


@pytest.mark.parametrize("template", TEMPLATES)
def test_editors_find_nothing_to_complain_of_in_a_template(templates: list[str], template: str) -> None:
    """Neither in its code nor in its test, with the options that it brings; and the types agree with TypeScript's own."""
    for name in ("index.js", "index.test.js"):
        assert any(line.endswith(f"/{template}/{name}") for line in templates)
    elsewhere = tuple(f"{other}/" for other in TEMPLATES if other != template)
    assert [line for line in templates if "error TS" in line and not line.startswith(elsewhere)] == []


def test_editors_know_the_language_and_the_files_that_apps_may_have(tmp_path: Path, node_modules: Path) -> None:
    assert nano_trio("init", "app", cwd=tmp_path).returncode == 0
    (tmp_path / "app/es2024.js").write_text("export const groups = Map.groupBy([1, 2], (n) => n % 2);\n")
    (tmp_path / "app/wrong.ts").write_text("export const n: number = 'text';\n")
    (found,) = mistakes(tmp_path / "app", node_modules, "jsconfig.json")
    assert found.startswith("wrong.ts(1,14)")
