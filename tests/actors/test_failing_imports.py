"""``import()`` of what cannot be imported: the app is told, and the log where the app does not care."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import HouseMaker, pieces_of

MODULES = {
    "throws.js": "throw new Error('of its own');",
    "rejects.js": "await null; throw new Error('later');",
    "imports.js": "import './throws_too.js';",
    "throws_too.js": "throw new Error('below it');",
    "imports_after.js": "import './waits.js'; throw new Error('after others');",
    "waits.js": "await null;",
    "no_code.js": "let x = ;",
    "no_export.js": "import { nothing } from './waits.js';",
    "nothing.json": "no JSON",
}
WHY = {
    "./nowhere.js": "no such file",
    "nopackage": "no package",
    "node:nothing": "there are here",
    "../outside.js": "outside the app",
    "./throws.js": "of its own",
    "./rejects.js": "later",
    "./imports.js": "below it",
    "./imports_after.js": "after others",
    "./no_code.js": "SyntaxError",
    "./no_export.js": "Could not find export",
    "./nothing.json": "invalid JSON",
}
HANDLERS = """
  export default { async fetch(request) {
    const { pathname, searchParams } = new URL(request.url), name = searchParams.get("name");
    if (pathname === "/try") {
      try { await import(name); return new Response("imported"); } catch (error) { return new Response(String(error)); }
    }
    if (pathname === "/catch") return new Response(await import(name).catch(String));
    if (pathname === "/then") {
      const { promise, resolve } = Promise.withResolvers();
      import(name).then(() => resolve("imported"), resolve);
      return new Response(String(await promise));
    }
    if (pathname === "/late") {
      const imported = import(name);
      for (let i = 0; i < 9; i++) await null;
      return new Response(await imported.catch(String));
    }
    if (pathname === "/throw-again") {
      (async () => { try { await import(name); } catch (error) { throw error; } })();
    }
    else if (pathname === "/log") { const imported = import(name); console.log(imported); }
    else import(name);
    return new Response("asked");
  } };
"""


def write(folder: Path) -> str:
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    return HANDLERS


@pytest.mark.parametrize("name", WHY)
@pytest.mark.parametrize("way", ["try", "catch", "then", "late"])
async def test_what_the_app_catches_is_not_logged(house: HouseMaker, tmp_path: Path, name: str, way: str) -> None:
    async with house({"app": write(tmp_path)}) as home:
        for _ in range(2):
            response = await home.ask("app", f"/{way}?name={name}")
            assert isinstance(response.body, bytes)
            told = response.body.decode()
            assert "Error: " in told
            assert WHY[name] in told
            await home.settled()
        assert home.logged("app") == ""


@pytest.mark.parametrize("name", WHY)
@pytest.mark.parametrize("way", ["forget", "log", "throw-again"])
async def test_what_nobody_catches_is_logged_once(house: HouseMaker, tmp_path: Path, name: str, way: str) -> None:
    async with house({"app": write(tmp_path)}) as home:
        for times in (1, 2):
            await home.ask("app", f"/{way}?name={name}")
            await home.settled()
            logged = home.logged("app")
            assert logged.count("Uncaught (in promise) ") == times
            assert logged.count(WHY[name]) >= times


async def test_an_app_that_does_not_load_is_told_of_once(house: HouseMaker, tmp_path: Path) -> None:
    write(tmp_path)
    async with house({"app": "import './throws.js'; " + HANDLERS}) as home:
        assert (await home.ask("app")).status == 503
        await home.settled()
        assert home.logged("app").count("Error: of its own") == 1
        assert "Uncaught" not in home.logged("app")


async def test_of_a_name_beyond_any_nothing_stays(house: HouseMaker) -> None:
    """Each left a module of that name in the heap, and held up all others while it was copied."""
    source = """export default { async fetch() {
      const told = new Set();
      for (let i = 0; i < 8; i++) {
        const name = `./${i % 2 ? "y" : "\\u00e9\\u65e5"}${"x".repeat(8e6)}`;
        await import(name).catch((error) => told.add(String(error)));
        try { await import(name); } catch (error) { told.add(String(error)); }
      }
      return Response.json([...told]);
    } };"""
    async with house({"app": {"source": source, "memory_mb": 40}}) as home:
        response = await home.ask("app")
        assert (response.status, home.logged("app")) == (200, "")
        assert json.loads(b"".join(await pieces_of(response))) == [
            'ReferenceError: cannot load "./…" (8000004 characters): a module\'s name has at most 1000',
            f'ReferenceError: cannot load "./y{"x" * 57}…" (8000003 characters): a module\'s name has at most 1000',
        ]
