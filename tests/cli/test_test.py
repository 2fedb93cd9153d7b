"""``nano-trio test``: JavaScript tests of an app."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .conftest import Nano

APP = """
let kept = 0;
export const double = (x) => 2 * x;
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/kept") return Response.json(kept);
    if (pathname === "/later") {
      ctx.waitUntil(new Promise((done) => setTimeout(() => { kept++; done(); }, 20)));
      return new Response("accepted", { status: 202 });
    }
    return Response.json({ url: request.url, name: env.NAME, body: await request.text() });
  },
};
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".test.js")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_an_app_is_called_without_a_network(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text(APP)
    (tmp_path / "nano.json").write_text(json.dumps({"apps": [{"name": "a", "path": ".", "env": {"NAME": "Ada"}}]}))
    write(
        tmp_path,
        tests__app="""
        import { app, describe, it, expect } from "nano:test";
        import { double } from "../index.js";
        describe("the app", () => {
          it("answers", async () => {
            const response = await app.fetch("/x?y", { method: "POST", body: "hi" });
            expect(await response.json()).toEqual({ url: "http://localhost/x?y", name: "Ada", body: "hi" });
            expect((await app.fetch(new Request("http://localhost/kept"))).ok).toBe(true);
          });
          it("works on", async () => {
            expect((await app.fetch("/later")).status).toBe(202);
            await app.settled();
            expect(await (await app.fetch("/kept")).json()).toBe(1);
          });
          it("has modules", () => expect(double(2)).toBe(4));
        });""",
    )
    result = nano("test")
    assert result.code == 0, result.out
    assert result.out.startswith("✓ tests/app.test.js (3 passed)\n3 passed in ")


NAMED = "export default { fetch: (request, env) => new Response(env.NAME) };"
SHOP = """
[[apps]]
name = "shop"
path = "apps/shop"
env = { NAME = "Shop" }

[[apps]]
name = "cart"
path = "apps/shop/cart"
env = { NAME = "Cart" }

[[apps]]
name = "front"
path = "front.js"
env = { NAME = "Front" }
"""


def named(name: str) -> str:
    return f"""it("is {name}", async () => expect(await (await app.fetch("/")).text()).toBe("{name}"));"""


@pytest.mark.parametrize("file", ["nano.toml", "site/other.json"])
def test_of_a_configuration_each_app_has_its_own_tests(nano: Nano, tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(SHOP if file.endswith(".toml") else json.dumps(tomllib.loads(SHOP)))
    for folder, name in (("apps/shop", "Shop"), ("apps/shop/cart", "Cart")):
        (path.parent / folder).mkdir(parents=True)
        (path.parent / folder / "index.js").write_text(NAMED)
        write(path.parent / folder, tests__name=named(name), other=named(name))
    (path.parent / "front.js").write_text(NAMED)
    write(path.parent, front=named("Front"))
    result = nano("test", file)
    assert result.code == 0, result.out + result.err
    assert result.out.splitlines()[:-1] == [
        "✓ apps/shop/other.test.js (1 passed)",
        "✓ apps/shop/tests/name.test.js (1 passed)",
        "✓ apps/shop/cart/other.test.js (1 passed)",
        "✓ apps/shop/cart/tests/name.test.js (1 passed)",
        "✓ front.test.js (1 passed)",
    ]
    assert "5 passed in " in result.out
    assert nano("test", file, "--filter", "cart").out.splitlines()[-1].startswith("2 passed, 3 skipped")
    write(path.parent / "apps/shop", other=named("Cart"))
    failed = nano("test", file, "--reporter", "tap")
    assert failed.code == 1
    assert "not ok 1 - apps/shop/other.test.js › is Cart" in lines(failed.out)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["nano.toml"],
            1,
            'no tests: there is no file named *.test.js or *.test.ts in the folders of the apps of "nano',
        ),
        (["nano.toml", "--config", "nano.toml"], 2, "give the configuration either as FILE or with --config FILE"),
        (["package.json"], 1, "package.json:1:3: type: unknown key"),
        (["broken.toml"], 1, "broken.toml:1:8: invalid TOML"),
    ],
)
def test_a_configuration_that_has_no_tests_or_is_none(
    nano: Nano, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    (tmp_path / "index.js").write_text(APP)
    (tmp_path / "nano.toml").write_text('[[apps]]\nname = "a"\npath = "."\n')
    (tmp_path / "package.json").write_text('{ "type": "module" }')
    (tmp_path / "broken.toml").write_text("apps = ")
    result = nano("test", *arguments)
    assert (result.code, result.out) == (code, "")
    assert told in result.err


CHAT = """
import { publish } from "nano:rooms";
export default {
  fetch(request, env, ctx) {
    const { searchParams } = new URL(request.url);
    if (searchParams.has("full")) return new Response("the room is full", { status: 403 });
    return ctx.upgrade(request, { data: searchParams.get("name"), protocol: request.headers.has("sec-websocket-protocol") ? "chat" : undefined });
  },
  websocket: {
    open(ws) { ws.subscribe("room"); publish("room", `${ws.data} came`); },
    async message(ws, message) {
      if (message === "leave") ws.close(4001, "as you like");
      else if (typeof message === "string") { await null; publish("room", `${ws.data}: ${message}`); }
      else ws.send(new Uint8Array(message).toReversed());
    },
    close(ws, code, reason) { publish("room", `${ws.data} left ${code} ${reason}`); },
  },
};
"""


def test_websockets_without_a_network(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text(CHAT)
    write(
        tmp_path,
        a="""
        it("has rooms", async () => {
          const ada = await app.connect("/?name=Ada", { protocols: ["v2", "chat"], headers: { x: "y" } });
          expect(ada.protocol).toBe("chat");
          expect(await ada.receive()).toBe("Ada came");
          const bob = await app.connect("ws://localhost/?name=Bob");
          bob.send("hëllo");
          bob.send("leave");
          bob.send("too late");
          for (const each of ["Bob came", "Bob: hëllo", "Bob left 4001 as you like"]) expect(await ada.receive()).toBe(each);
          expect(await bob.closed).toEqual({ code: 4001, reason: "as you like" });
          const rest = [];
          for await (const message of bob) rest.push(message);
          expect(rest).toEqual(["Bob came", "Bob: hëllo"]);
          expect(() => bob.send("x")).toThrow("the WebSocket is closed (4001 as you like)");
          await expect(bob.receive()).rejects.toThrow("the WebSocket is closed (4001 as you like)");
        });
        it("begins with nobody in the room: what a test opened is closed", async () => {
          const cid = await app.connect("/?name=Cid");
          expect(await cid.receive()).toBe("Cid came");
          cid.send(Uint8Array.of(1, 2, 3));
          expect(new Uint8Array(await cid.receive())).toEqual(Uint8Array.of(3, 2, 1));
          expect(await cid.close(1000, "bye")).toEqual({ code: 1000, reason: "bye" });
          expect(() => cid.close(5)).toThrow("The code must be 1000");
        });
        it("is refused", async () => {
          await expect(app.connect("/?full")).rejects.toThrow("the app answered 403, not 101: the room is full");
        });
        it("waits in vain", async () => {
          const eve = await app.connect("/?name=Eve");
          await eve.receive();
          await eve.receive({ timeout: 20 });
        });""",
    )
    result = nano("test", "--reporter", "tap")
    told = lines(result.out)
    assert [line.startswith("ok ") for line in told if "a.test.js ›" in line] == [True, True, True, False], result.out
    assert "a.test.js:32:28: Error: receive(): no message came within 20 ms" in told


def test_without_an_app_a_call_says_so(nano: Nano, tmp_path: Path) -> None:
    write(tmp_path, a="""it("a", () => app.fetch("/"));\nit("b", () => app.connect("/"));""")
    told = nano("test").out
    for place in ("a.test.js:1:24: TypeError: fetch failed: ", "a.test.js:2:26: Error: connect(/): "):
        assert f"{place}there is no app to call: cannot load" in told


def test_a_loop_fails_its_test_and_the_rest_runs(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""
        let ready = 0;
        beforeAll(() => { ready++; });
        it("one", () => expect(ready).toBe(1));
        it("spins", () => { for (;;); });
        it("waits", () => new Promise(() => {}));
        it("last", () => expect(ready).toBe(1));""",
    )
    result = nano("test", "--timeout-ms", "300", "--reporter", "tap")
    assert result.code == 1
    told = lines(result.out)
    for expected in (
        "ok 1 - a.test.js › one",
        "not ok 2 - a.test.js › spins",
        "the test computed for more than 300 ms",
        "not ok 3 - a.test.js › waits",
        "ok 4 - a.test.js › last",
        "1..4",
    ):
        assert expected in told, result.out
    assert any("timed out after 300 ms" in line for line in told)


def test_what_grows_too_much_fails_and_the_rest_runs(nano: Nano, tmp_path: Path) -> None:
    grows = "const kept = []; for (;;) kept.push(new Uint8Array(1e6));"
    write(tmp_path, a=f"""it("grows", () => {{ {grows} }}); it("other", () => {{}});""")
    result = nano("test", "--timeout-ms", "60000", "--reporter", "tap")
    assert result.code == 1
    told = lines(result.out)
    for expected in ("not ok 1 - a.test.js › grows", "the test outgrew 256 MB", "ok 2 - a.test.js › other", "1..2"):
        assert expected in told, result.out


def test_failures_have_a_place_and_a_difference(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""it("differs", () => {\n  expect({ a: 1, b: 2 }).toEqual({ a: 1, b: 3 });\n});
        it("text", () => expect("one\\ntwo\\nfour").toBe("one\\nthree\\nfour"));""",
    )
    result = nano("test")
    assert result.code == 1
    told = lines(result.out)
    assert "expect({ a: 1, b: 2 }).toEqual({ a: 1, b: 3 });" in told
    assert any(line.startswith("a.test.js:2:") for line in told)
    assert "-  b: 3" in told
    assert "+  b: 2" in told
    # Texts are compared line by line.
    assert told[told.index("+ actual", told.index("+  b: 2")) + 1 :][:4] == ["one", "-three", "+two", "four"]
    assert "\x1b" not in result.out


def test_only_skip_todo_each_and_filter(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""
        describe("all", () => { it.only("this", () => {}); it("not this", () => { throw 1; }); it.todo("later"); });
        it.skip("never", () => { throw 1; });""",
        b="""it.each([[1, 2], [2, 4]])("%s becomes %s", (a, b) => expect(2 * a).toBe(b));""",
    )
    result = nano("test")
    assert result.code == 0, result.out
    assert "3 passed, 2 skipped, 1 todo" in result.out
    write(tmp_path, c="""it.each([{ n: 1, of: "a" }])("$of has $n of $x", ({ n }) => expect(n).toBe(2));""")
    assert "✗ a has 1 of $x" in nano("test", "c.test.js").out
    (tmp_path / "c.test.js").unlink()
    assert "1 passed, 4 skipped, 1 todo" in nano("test", "--filter", "2 BECOMES").out
    nothing = nano("test", "--filter", "nothing")
    assert (nothing.code, nothing.err) == (1, 'there is no test whose name contains "nothing"\n')


def test_hooks_run_in_order(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""
        const seen = [];
        for (const hook of [beforeAll, beforeEach, afterEach, afterAll]) hook(async () => { seen.push(hook === beforeEach ? "be" : hook === afterEach ? "ae" : hook === beforeAll ? "ba" : "aa"); });
        describe("inner", () => { beforeEach(() => { seen.push("inner"); }); it("x", () => { seen.push("x"); }); });
        it("y", () => { expect(seen).toEqual(["ba", "be", "inner", "x", "ae", "be"]); });""",
    )
    result = nano("test")
    assert result.code == 0, result.out


PASS_AND_FAIL = [
    ("1).toBe(1", "1).toBe(2"),
    ("[1, { a: undefined }]).toEqual([1, {}]", "[1, { a: 0 }]).toEqual([1, {}]"),
    ("{ a: 1 }).toStrictEqual({ a: 1 }", "{ a: undefined }).toStrictEqual({}"),
    ("new Map([[1, { a: 2 }]])).toEqual(new Map([[1, { a: 2 }]])", "new Map([[1, 2]])).toEqual(new Map([[1, 3]])"),
    ("new Set([1, [2]])).toEqual(new Set([[2], 1])", "new Set([1])).toEqual(new Set([2])"),
    ("new Date(5)).toEqual(new Date(5)", "new Date(5)).toEqual(new Date(6)"),
    ("new Uint8Array([1])).toEqual(new Uint8Array([1])", "new Uint8Array([1])).toEqual(new Uint8Array([2])"),
    ("new URL('http://a/')).toEqual(new URL('http://a/')", "new URL('http://a/')).toEqual(new URL('http://b/')"),
    ("{ a: 1, b: { c: 2, d: 3 } }).toMatchObject({ b: { c: 2 } }", "{ a: 1 }).toMatchObject({ a: 2 }"),
    ("null).toBeNull(", "undefined).toBeNull("),
    ("undefined).toBeUndefined(", "1).toBeUndefined("),
    ("1).toBeDefined(", "undefined).toBeDefined("),
    ("'a').toBeTruthy(", "0).toBeTruthy("),
    ("0).toBeFalsy(", "1).toBeFalsy("),
    ("2).toBeGreaterThan(1", "1).toBeGreaterThan(1"),
    ("1).toBeLessThanOrEqual(1", "2).toBeLessThanOrEqual(1"),
    ("0.1 + 0.2).toBeCloseTo(0.3", "0.1).toBeCloseTo(0.3"),
    ("[]).toBeInstanceOf(Array", "{}).toBeInstanceOf(Array"),
    ("'abc').toMatch(/b/", "'abc').toMatch('x'"),
    ("[1, 2]).toContain(2", "'abc').toContain('x'"),
    ("[{ a: 1 }]).toContainEqual({ a: 1 }", "[{ a: 1 }]).toContainEqual({ a: 2 }"),
    ("'ab').toHaveLength(2", "[1]).toHaveLength(2"),
    ("{ a: { b: 1 } }).toHaveProperty('a.b', 1", "{ a: 1 }).toHaveProperty('b'"),
    ("() => { throw new RangeError('far'); }).toThrow(RangeError", "() => {}).toThrow("),
    ("() => { throw new Error('too far'); }).toThrow(/far/", "() => { throw new Error('a'); }).toThrow('b'"),
    ("Promise.resolve(1)).resolves.toBe(1", "Promise.reject(1)).resolves.toBe(1"),
    ("Promise.reject(new Error('x'))).rejects.toThrow('x'", "Promise.resolve(1)).rejects.toBe(1"),
    ("mock).toHaveBeenCalledWith(1, expect.any(String)", "mock).toHaveBeenCalledWith(2"),
    ("mock).toHaveBeenCalledTimes(1", "mock).toHaveBeenCalledTimes(2"),
    (
        "{ a: 'xyz', b: 1 }).toEqual({ a: expect.stringContaining('y'), b: expect.anything() }",
        "'a').toEqual(expect.any(Number)",
    ),
    ("[1, 2, 3]).toEqual(expect.arrayContaining([3])", "[1]).toEqual(expect.arrayContaining([3])"),
    ("1).not.toBe(2", "1).not.toBe(1"),
]


def test_each_matcher_passes_and_fails_where_it_should(nano: Nano, tmp_path: Path) -> None:
    cases = [f'it("passes", async () => {{ await expect({right}); }});' for right, _ in PASS_AND_FAIL]
    cases += [f'it("fails", async () => {{ await expect({wrong}); }});' for _, wrong in PASS_AND_FAIL]
    write(tmp_path, a='import { fn } from "nano:test";\nconst mock = fn(); mock(1, "a");\n' + "\n".join(cases))
    told = lines(nano("test", "--reporter", "tap").out)
    got = [line for line in told if line.startswith(("ok", "not ok"))]
    assert len(got) == len(cases), "\n".join(told)
    wrong = [case for case, line in zip(cases, got, strict=True) if line.startswith("ok") != ('"passes"' in case)]
    assert wrong == []


def test_junit_is_xml(nano: Nano, tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""it("a < b", () => {}); it("fails \\u0001", () => { throw new Error("<&\\u0001"); }); it.skip("s", () => {});""",
    )
    result = nano("test", "--reporter", "junit")
    assert result.code == 1
    suite = ElementTree.fromstring(result.out).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert next(case.get("name") for case in suite) == "a < b"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("throw new Error('at once');", "Error: at once"),
        ("it('x', () => {}); let y = ;", "a.test.js:1:28: SyntaxError"),
        ("import './nowhere.js';", "nowhere.js"),
        ("for (;;);", "computed for more than 300 ms outside its tests"),
        ("await new Promise(() => {});", "waits for nothing"),
        ("describe('d', () => { beforeAll(() => { throw new Error('hook'); }); it('x', () => {}); });", "Error: hook"),
        ("it('x', () => { queueMicrotask(() => { throw new Error('loose'); }); });", "uncaught: "),
        ("it('x');", "a test needs a name and a function"),
        (
            "it('x', (done) => { done(); });",
            "a.test.js:1:3: TypeError: a test gets no arguments: instead of calling done()",
        ),
        (
            "it('x', () => { expect(1).toBeTruth(); });",
            "expect(…).toBeTruth does not exist; there is toBeTruthy, toBeTypeOf",
        ),
        ("it('x', () => { expect(1).not.equal(1); });", "a.test.js:1:30: TypeError: expect(…).equal does not exist\n"),
        ("const nothing = 1;", "the file has no tests"),
    ],
)
def test_files_that_fail(nano: Nano, tmp_path: Path, code: str, told: str) -> None:
    write(tmp_path, a=code, b="it('passes', () => {});")
    result = nano("test", "--timeout-ms", "300")
    assert result.code == 1
    assert told in result.out
    assert "✓ b.test.js (1 passed)" in result.out


def test_without_tests(nano: Nano, tmp_path: Path) -> None:
    result = nano("test")
    assert result.code == 1
    assert "no file named *.test.js" in result.err
