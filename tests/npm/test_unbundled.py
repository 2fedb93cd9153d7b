"""Packages from npm, neither changed nor bundled: the app's folder has them in node_modules, as npm put them there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.prefork import nano_trio

HERE = Path(__file__).parent


def app_folder(
    folder: Path, node_modules: Path, packages: tuple[str, ...], source: str, name: str = "index.js"
) -> Path:
    folder.mkdir(exist_ok=True)
    for package in packages:
        shutil.copytree(node_modules / package, folder / "node_modules" / package, symlinks=True)
    (folder / name).write_text(source)
    return folder


def run(folder: Path, entry: str = "index.js", code: int = 0) -> str:
    done = nano_trio("run", str(folder / entry))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize("name", ["hono", "itty", "h3"])
def test_the_routers_apps(tmp_path: Path, node_modules: Path, name: str) -> None:
    packages = {"hono": ("hono",), "itty": ("itty-router",), "h3": ("h3", "rou3", "srvx", "cookie-es")}[name]
    present = tuple(package for package in packages if (node_modules / package).exists())
    source = (HERE / "apps" / f"{name}.js").read_text()
    folder = app_folder(tmp_path / "app", node_modules, present, source, "router.js")
    (folder / "index.js").write_text(
        'import app from "./router.js";\n'
        'const ask = async (path, init) => app.fetch(new Request("http://x" + path, init), {}, { waitUntil() {} });\n'
        'console.log(await (await ask("/")).text());\n'
        'console.log(await (await ask("/users/42?q=1")).text());\n'
        'console.log((await ask("/nothing/here")).status);'
    )
    text, user, missing = run(folder).splitlines()
    assert text == f"Hello from {name}"
    assert json.loads(user)["id"] == "42"
    assert missing == "404"


def test_honos_context_storage(tmp_path: Path, node_modules: Path) -> None:
    """Each request has its own context wherever its code is, whatever it awaits, while others are under way."""
    source = """
      import { Hono } from "hono";
      import { contextStorage, getContext } from "hono/context-storage";
      class Query {
        constructor(sql) { this.sql = sql }
        async run() { await 1; return `${getContext().req.query("id")}:${this.sql}`; }
        then(...settle) { return this.run().then(...settle); }
      }
      const id = () => getContext().req.query("id");
      const app = new Hono();
      app.use(contextStorage());
      app.use(async (c, next) => { await undefined; c.set("first", id()); await next(); c.header("x-id", await id()); });
      async function* rows() { for (let i = 0; i < 3; i++) { await i; yield new Query(id()); } }
      app.get("/", async (c) => {
        const seen = [c.get("first"), await new Query("a"), id()];
        for await (const row of rows()) seen.push(row, id());
        await Promise.all([1, 2].map(async (n) => { await n; seen.push(id()); }));
        await new Promise((resolve) => setTimeout(resolve, 5 - id()));
        await { then(resolve) { seen.push(id()); queueMicrotask(resolve); } };
        return c.json([...seen, id()]);
      });
      const ask = async (id) => {
        const answer = await app.fetch(new Request(`http://x/?id=${id}`), {}, { waitUntil() {} });
        console.log(id, answer.headers.get("x-id"), [...new Set(await answer.json())].join());
      };
      await Promise.all([ask(1), ask(2), ask(3)]);
      try { getContext(); } catch (error) { console.log(error.message); }
    """
    lines = run(app_folder(tmp_path / "app", node_modules, ("hono",), source)).splitlines()
    assert sorted(lines) == [*(f"{n} {n} {n},{n}:a,{n}:{n}" for n in "123"), "Context is not available"]


def test_jose(tmp_path: Path, node_modules: Path) -> None:
    source = """
      import * as jose from "jose";
      const key = new TextEncoder().encode("a secret of sufficient length....");
      const token = await new jose.SignJWT({ a: 1 }).setProtectedHeader({ alg: "HS256" }).setIssuer("me").sign(key);
      console.log((await jose.jwtVerify(token, key, { issuer: "me" })).payload.a);
      const late = await import("jose/jwt/verify");
      console.log(late.jwtVerify === jose.jwtVerify);
    """
    assert run(app_folder(tmp_path / "app", node_modules, ("jose",), source)) == "1\ntrue\n"


def test_nanoid_by_its_browser_export(tmp_path: Path, node_modules: Path) -> None:
    source = 'import { nanoid, customAlphabet } from "nanoid"; console.log(nanoid().length, customAlphabet("a", 5)());'
    assert run(app_folder(tmp_path / "app", node_modules, ("nanoid",), source)) == "21 aaaaa\n"


PACKAGES = {
    "zod": """
      import { z } from "zod";
      const User = z.object({ name: z.string().min(1), mail: z.email(), age: z.coerce.number().int().optional() });
      console.log(User.parse({ name: "Ada", mail: "ada@example.com", age: "36" }).age);
      console.log(User.safeParse({ name: "", mail: "x" }).error.issues.map((issue) => issue.path[0]).join());
    """,
    "uuid": """
      import { v4, v5, v7, validate, version } from "uuid";
      console.log(validate(v4()), version(v7()));
      console.log(v5("example.com", v5.DNS));
    """,
    "marked": """
      import { marked } from "marked";
      console.log(marked.parse("# Hi *you*").trim());
      console.log((await marked.parse("| a |\\n|---|\\n| `b` |", { async: true })).includes("<td><code>b</code></td>"));
    """,
    "lodash-es": """
      import { groupBy, cloneDeep } from "lodash-es";
      import chunk from "lodash-es/chunk.js";
      console.log(JSON.stringify(groupBy([1.1, 1.2, 2.3], Math.floor)));
      console.log(chunk([1, 2, 3], 2).length, cloneDeep(new Map([[1, { a: 2 }]])).get(1).a);
    """,
}
EXPECTED = {
    "zod": ["36", "name,mail"],
    "uuid": ["true 7", "cfbff0d1-9375-5685-968c-48ce8b15ae17"],
    "marked": ["<h1>Hi <em>you</em></h1>", "true"],
    "lodash-es": ['{"1":[1.1,1.2],"2":[2.3]}', "2 2"],
}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_people_install(tmp_path: Path, node_modules: Path, package: str) -> None:
    folder = app_folder(tmp_path / "app", node_modules, (package,), PACKAGES[package])
    assert run(folder).splitlines() == EXPECTED[package]
