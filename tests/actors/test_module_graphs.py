"""Apps whose modules are many, deep or made to do harm: a neighbour is served meanwhile, and the app is told what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from nano_trio.actors import app as app_module
from nano_trio.actors.exchange import AppExchange
from nano_trio.engine import preparation, turnstile

from .conftest import House, HouseMaker

pytestmark = pytest.mark.usefixtures("compiled_anew")

HELLO = "export default { fetch: () => new Response('hello') };"
LATE = """
    export default { async fetch(request) {
        if (new URL(request.url).pathname !== "/late") return new Response("hello");
        return new Response(await import("./graph/m0.js").then((m) => Object.keys(m).join(), String));
    } };
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    (folder / "graph").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "graph" / name).write_text(text)


def chain(count: int) -> dict[str, str]:
    files = {f"m{number}.js": f"import './m{number + 1}.js';" for number in range(count - 1)}
    return {**files, f"m{count - 1}.js": ""}


def circle(count: int, more: str = "") -> dict[str, str]:
    """Modules that export each other. ``more``: what the last has, where ``#`` is a number."""
    files = {f"m{number}.js": f"export * from './m{(number + 1) % count}.js';" for number in range(count)}
    files[f"m{count - 1}.js"] += more
    return files


def namespaces(count: int) -> dict[str, str]:
    """Each takes the time of ``count`` times ``count`` looks at modules."""
    own = "import * as all from './m{0}.js'; export let v{0};"
    return {name: text + own.format(number) for number, (name, text) in enumerate(circle(count).items())}


RENAMED = "".join(f"export {{ v{number + 1} as v{number} }} from './m0.js';" for number in range(120))
STEPS = "these are more than 20000 steps"
REFUSED = {
    "chain": (chain(4100), "it ends a chain of more than 4000 modules that import each the next"),
    "circle": (circle(1000, RENAMED + "export let v120;"), STEPS),
}


async def served_meanwhile(home: House, exchange: AppExchange) -> Any:
    """Until it has its answer a neighbour gets its own, time and again."""
    served = 0
    with trio.fail_after(120):
        while exchange.response is None:
            assert (await home.ask("neighbour")).body == b"hello"
            served += 1
            await trio.sleep(0.001)
    exchange.finish()
    assert served >= 5
    return exchange.response


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("late", [False, True])
async def test_what_the_engine_cannot_cope_with_is_refused(
    house: HouseMaker, tmp_path: Path, kind: str, late: bool
) -> None:
    """A circle of exports ended the process by SIGSEGV; of a chain it was said that the stack is used up."""
    files, why = REFUSED[kind]
    write(tmp_path, files)
    entry = LATE if late else f"import './graph/m0.js'; {HELLO}"
    async with house({"app": entry, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        response = await served_meanwhile(home, home.begin("app", "/late"))
        if late:
            assert response.body.decode().startswith('ReferenceError: cannot load "graph/m')
            assert why in response.body.decode()
            assert (await home.ask("app")).body == b"hello"
            return
        assert response.status == 503
        told = home.app("app").last_error or ""
        assert told.startswith('cannot load "graph/m')
        assert why in told
        home.rewrite("app", HELLO)
        assert (await home.ask("app")).body == b"hello"


@pytest.mark.parametrize("late", [False, True])
async def test_linking_that_takes_too_long_is_stopped(
    house: HouseMaker, tmp_path: Path, late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "LOAD_MS", 10_000)
    for module in (preparation, turnstile):
        monkeypatch.setattr(module, "GRACE_NS", 200_000_000)
    write(tmp_path, namespaces(600))
    entry = LATE if late else f"import './graph/m0.js'; {HELLO}"
    async with house({"app": {"source": entry, "timeout_ms": 400}, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        response = await served_meanwhile(home, home.begin("app", "/late"))
        assert response.status == 503
        assert "a turn used more than timeout_ms (400 ms) of CPU time" in (home.app("app").last_error or "")


async def test_many_modules_are_read_linked_and_run_while_others_are_served(house: HouseMaker, tmp_path: Path) -> None:
    write(tmp_path, {**chain(2000), "m1999.js": "export const last = 1;"})
    files = "".join(f"export {{ last as v{number} }} from './m1999.js';" for number in range(500))
    write(tmp_path, {"all.js": files})
    entry = LATE.replace("m0.js", "all.js")
    async with house({"app": f"import './graph/m0.js'; {entry}", "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        assert (await served_meanwhile(home, home.begin("app"))).body == b"hello"
        assert (await home.ask("app", "/late")).body is not None


async def test_a_graph_may_be_another_at_each_reload(house: HouseMaker, tmp_path: Path) -> None:
    """What an earlier version handed on, had or was refused for is nothing to the next."""
    versions: list[tuple[dict[str, str], bool]] = [
        (chain(50), True),
        (circle(400, RENAMED + "export let v120;"), False),
        (circle(30, RENAMED + "export let v120;"), True),
        ({"m0.js": "import './m1.js';", "m1.js": "import './nowhere.js';"}, False),
        ({"m0.js": "import './m1.js';", "m1.js": "import './m0.js'; let x = ;"}, False),
        (chain(50), True),
        ({"m0.js": "import { x } from './m1.js';", "m1.js": "export * from './m0.js';"}, False),
        (circle(3, "export let x;"), True),
    ]
    async with house({"app": HELLO, "neighbour": HELLO}) as home:
        app = home.app("app")
        for number, (files, is_good) in enumerate(versions * 2):
            write(tmp_path, files)
            home.rewrite("app", f"import './graph/m0.js'; export default {{ fetch: () => new Response('{number}') }};")
            app.forget_code()
            app.end()
            response = await home.ask("app")
            assert (response.status, response.body == str(number).encode()) == (
                (200, True) if is_good else (503, False)
            )
        assert (await home.ask("neighbour")).body == b"hello"


async def test_a_module_that_is_missing_may_be_asked_for_again_and_again(house: HouseMaker) -> None:
    """What is kept of each is an error, in the app's own heap."""
    source = """export default { async fetch(request) {
      const told = new Set();
      for (let i = 0; i < 3000; i++) await import(i % 3 ? "./nowhere.js" : `./nowhere${i}.js`).catch((e) => told.add(String(e)));
      return new Response(`${told.size} ${[...told][1]}`);
    } };"""
    async with house({"app": source, "neighbour": HELLO}) as home:
        await home.ask("neighbour")
        for _ in range(2):
            response = await served_meanwhile(home, home.begin("app"))
            assert (response.status, home.logged("app")) == (200, "")
            assert response.body == b'1001 ReferenceError: cannot load "nowhere.js": no such file in the app\'s folder'
