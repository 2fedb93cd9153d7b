"""CommonJS modules run in the turns of their app: suspended, limited and stopped as all its code is."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from nano_trio.actors.messages import IncomingRequest
from nano_trio.engine import bytecode

from .conftest import HouseMaker
from .test_starts import CALM, request


def package(folder: Path, name: str, **files: str) -> None:
    for file, text in files.items():
        path = folder / "node_modules" / name / f"{file}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


IMPORTING = 'import p from "p"; export default { fetch: () => new Response(String(p)) };'
LAZILY = """
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
export default { fetch: () => new Response(require("p")) };
"""
ENDLESS = {
    "module": "for (;;);",
    "required": "require('./other')",
    "outside of its function": "}); for (;;); (function () {",
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("app", [IMPORTING, LAZILY], ids=["imported", "required late"])
async def test_an_endless_module_is_suspended_and_stopped(
    house: HouseMaker, tmp_path: Path, kind: str, app: str
) -> None:
    package(tmp_path, "p", index=ENDLESS[kind], other="for (;;);")
    async with house({"app": {"source": app, "timeout_ms": 50}, "calm": CALM}) as home:
        exchange = home.app("app").begin(request("app"))
        asked = 0
        while exchange.response is None:
            assert (await home.ask("calm")).body == b"calm"
            await trio.lowlevel.checkpoint()
            asked += 1
        assert asked > 10
        assert exchange.response.status in (500, 503)
        exchange.finish()
        assert "timeout_ms (50 ms)" in home.logged("app") + str(home.app("app").last_error)
        assert home.app("calm").snapshot().restarts == 0


async def test_a_module_that_fills_the_heap_is_stopped(house: HouseMaker, tmp_path: Path) -> None:
    package(tmp_path, "p", index="const all = []; for (;;) all.push(new Array(1000).fill(all.length));")
    apps = {"app": {"source": LAZILY, "timeout_ms": 60_000, "memory_mb": 16}, "calm": CALM}
    async with house(apps) as home:
        assert (await home.ask("app")).status == 503
        assert "memory_mb (16 MB)" in home.logged("app")
        assert (await home.ask("calm")).body == b"calm"


async def test_what_takes_long_to_compile_is_compiled_in_slices(house: HouseMaker, tmp_path: Path) -> None:
    """Also where it is only found in a turn: by a name that is not written out."""
    many = "".join(f"function f{n}(a, b) {{ return a.x{n} + b }}" for n in range(30_000))
    package(tmp_path, "p", index="module.exports = require('./' + 'other')", other=f"{many} module.exports = 'done';")
    async with house({"app": {"source": LAZILY, "timeout_ms": 60_000}, "calm": CALM}) as home:
        assert (await home.ask("calm")).body == b"calm"
        exchange = home.app("app").begin(request("app"))
        asked = 0
        while exchange.response is None:
            assert (await home.ask("calm")).body == b"calm"
            await trio.lowlevel.checkpoint()
            asked += 1
        assert asked > 5
        assert exchange.response.body == b"done"
        exchange.finish()


async def test_modules_run_once_and_in_order_and_are_each_apps_own(house: HouseMaker, tmp_path: Path) -> None:
    package(
        tmp_path,
        "p",
        index="const order = ['p']; exports.order = order; require('./a'); require('./b'); order.push('end')",
        a="require('./index').order.push('a'); require('./b')",
        b="require('./index').order.push('b')",
    )
    source = """
      import { order } from "p"; import "p/b.js"; import { createRequire } from "module";
      export default { fetch() {
        order.push("fetch");
        return new Response([...createRequire("/index.js")("p").order].join());
      } };
    """
    async with house({"one": source, "two": source}) as home:
        for name in ("one", "two"):
            assert (await home.ask(name)).body == b"p,a,b,end,fetch"
        assert (await home.ask("one")).body == b"p,a,b,end,fetch,fetch"


async def test_an_app_that_has_replaced_builtins_can_still_require(house: HouseMaker, tmp_path: Path) -> None:
    package(
        tmp_path,
        "p",
        index="module.exports = require('./data') + __filename",
        data="module.exports = 1",
    )
    source = """
      import { createRequire } from "node:module";
      const require = createRequire("/");
      for (const owner of [Array.prototype, String.prototype, Function.prototype, JSON, Reflect]) {
        for (const name of ["push", "slice", "indexOf", "startsWith", "apply", "call", "parse", "defineProperty"]) {
          if (name in owner) Object.defineProperty(owner, name, { value() { throw new Error(name) } });
        }
      }
      Object.defineProperty(Object.prototype, "0", { set() { throw new Error("0") } });
      export default { fetch: () => new Response(require("p")) };
    """
    async with house({"app": source}) as home:
        answer = await home.ask("app")
        assert answer.body == b"1/node_modules/p/index.js", home.logged("app")


LATE = """export default { fetch: async ({ url }) => new Response(url.endsWith("p") ? await import("p").then(String, String) : "hi") }"""


@pytest.mark.parametrize("app", [IMPORTING, LATE], ids=["loaded", "imported late"])
async def test_a_module_that_takes_too_much_memory_to_compile_is_left(
    house: HouseMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, app: str
) -> None:
    """It is refused nothing (engine/builtins_compiling.c), and what is behind the parser is told nothing: 200 KB took 1.8 GB."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bytecode, "_SCRATCH_MEMORY", 64 << 20)
    monkeypatch.setattr(bytecode, "_scratch", bytecode._Scratch())
    package(tmp_path, "p", index=f"/* {app} */ {'with ({}) ' * 400}{{ {'x;' * 100_000} }}")
    answers = []
    async with house({"app": {"source": app, "timeout_ms": 10_000}, "calm": CALM}) as home:
        for _ in range(2):
            exchange = home.app("app").begin(IncomingRequest("GET", "http://app/p", [], None, "192.0.2.7"))
            while exchange.response is None:
                assert (await home.ask("calm")).body == b"calm"
                await trio.lowlevel.checkpoint()
            answers.append((exchange.response.status, exchange.response.body))
            exchange.finish()
        error = home.app("app").last_error
    if app == IMPORTING:
        assert {status for status, _ in answers} == {503}
        assert error == 'cannot load "node_modules/p/index.js": to compile it took more memory than there is for that'
    else:
        # It is not compiled again.
        assert answers == [
            (503, b"the app outgrew its memory limit of 128 MB\n"),
            (200, b"ReferenceError: module loader failed for 'p': it takes too much memory to compile"),
        ]
