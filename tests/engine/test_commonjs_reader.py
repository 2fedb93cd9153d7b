"""What is read in the source of a CommonJS module, and that nothing in a source makes that slow or fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nano_trio.engine.commonjs_reader import Reading, read_commonjs

EXPORTS = {
    "exports.a = 1": "a",
    "exports . a\n= 1; exports/* */['b']  = 2": "a b",
    'module.exports.a = exports.b = void 0; module\n.exports["c d"] = 3': "a b c d",
    "exports.a == 1; exports.b.c = 1; x.exports.d = 1; exports => exports.e": "",
    "Object.defineProperty(exports, '__esModule', { value: true }); Object.defineProperty(module.exports, `x`, {})": (
        "__esModule"
    ),
    "module.exports = { a, 'b': 2, c: { no: 1 }, d() { return { no: 2 } }, get e() {}, async *f() {}, get: 1, [g]: 1 }": (
        "a b c d e f get"
    ),
    "module.exports = { a: x ? /}, b: \\// : `}${ { no: 1 } }, no`, c: 'd, e', f: (1, { no }), async, }": "a c f async",
    "exports = module.exports = { a }; 0 && (module.exports = { b, c });": "a b c",
    "if (x) /[/'\"]exports.no = 1/.test(y); exports.a = 1": "a",
    "x = y / 2; exports.a = 1; z = 3 / 4; s = '/'": "a",
    "function f() {} /exports.no = '/.test(x); exports.a = 1": "a",
    "x = {} / 2; exports.a = 1; y = 1 / 2": "a",
    "i++ / 2; exports.a = 1; /* exports.no = 1 */ // exports.no = 2\n'exports.no = 3'; `exports.no = 4 ${exports.b = 5}`": (
        "a b"
    ),
    "`${`${1}`}${{}}`; exports.a = '\\\n\\''; exports.b = 1": "a b",
    "#!/usr/bin/env 'node\nexports.a = 1": "a",
    "return /a/; exports.é = 1; exports.$_ = 2": "é $_",
}


@pytest.mark.parametrize("source", EXPORTS)
def test_exports(source: str) -> None:
    assert " ".join(read_commonjs(source).exports) == EXPORTS[source]


REEXPORTS = {
    "module.exports = require('./x')": "./x",
    "module.exports = { ...require('./x'), a, ...b }": "./x",
    "__exportStar(require('./x'), exports); tslib_1.__exportStar(require(\"./y\"), exports)": "./x ./y",
    "__export(require('./x')); __exportStar(__importStar(require('./y')))": "./x ./y",
    "var _x = _interopRequireWildcard(require('./x')); Object.keys(_x).forEach(function (key) { exports[key] = _x[key] })": (
        "./x"
    ),
    "var x = require('./x'); Object.keys(x).forEach(function (key) { y[key] = 1 }); module.exports = x": "",
}


@pytest.mark.parametrize("source", REEXPORTS)
def test_what_is_handed_on(source: str) -> None:
    assert " ".join(read_commonjs(source).reexports) == REEXPORTS[source]


def test_what_is_required() -> None:
    source = "const a = require('a'); if (x) require(\"./b\"); x.require('no'); require(y); 'require(\"no\")'; `${require('c')}`"
    assert read_commonjs(source) == Reading((), (), ("a", "./b", "c"), False, True)


@pytest.mark.parametrize(
    ("source", "is_module"),
    [
        ("import 'x'", True),
        ("import x from 'x'", True),
        ("import x, { y } from 'x'", True),
        ("import{x}from'x'", True),
        ("import * as x from 'x'", True),
        ("export default 1", True),
        ("export { x }", True),
        ("f(import.meta.url)", True),
        ("import('x'); x.import; x.export = 1; ({ import: 1, export: 2, import() {} })", False),
        ("/* import 'x' */ 'export default 1'; // export {}", False),
    ],
)
def test_whether_it_is_an_es_module(source: str, is_module: bool) -> None:
    assert read_commonjs(source).is_module is is_module


PIECES = [
    *(
        "'",
        '"',
        "`",
        "${",
        "}",
        "{",
        "(",
        ")",
        "[",
        "]",
        "/",
        "//",
        "/*",
        "*/",
        "\\",
        "\n",
        " ",
        "=",
        ",",
        ":",
        ".",
        "...",
        "++",
    ),
    *(
        "exports",
        "module",
        ".exports",
        "exports.a =",
        "module.exports = {",
        "require('x')",
        "require",
        "import",
        "export",
    ),
    *(
        "Object.defineProperty(exports, 'a'",
        "Object.keys(x).forEach",
        "__exportStar(",
        "return",
        "if",
        "a",
        "é",
        "\0",
        "\ud800",
    ),
]


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=80))
def test_nothing_makes_it_fail(source: str) -> None:
    reading = read_commonjs(source)
    assert all(name in source for names in (reading.exports, reading.reexports, reading.requires) for name in names)


QUIET = [
    "'exports.no = 1'",
    '"\\"exports.no = 1"',
    "/* exports.no = 1 */",
    "// exports.no = 1\n",
    "`exports.no = 1`",
    "`${`}exports.no = 1`}`",
    "(/exports.no = 1/)",
    "[/[/]exports.no = '/]",
    "x = a / b / c;",
    "if (a) /['`]/g.test(b);",
    "{ let x = { y: 1 } }",
    "return /`/;",
    "f(`a${{ b: `}` }.b}`);",
]


@given(st.lists(st.sampled_from(QUIET), max_size=6), st.lists(st.sampled_from(QUIET), max_size=6))
def test_what_stands_around_hides_no_export_and_makes_none(before: list[str], after: list[str]) -> None:
    source = "\n;".join([*before, "exports.yes = 1", *after, "exports.too = 1;"])
    assert read_commonjs(source).exports == ("yes", "too")


HOSTILE = {
    "strings": '"\\"' + '\\"' * 300_000,
    "begun strings": "'a\n" * 200_000,
    "quotes": "\\'" * 300_000,
    "regular expressions": "(/[" * 200_000,
    "divisions": "=/" * 300_000,
    "comments": "exports/*" + "*" * 500_000,
    "many comments": "exports/**/" * 100_000,
    "blanks": "exports" + " " * 500_000 + "\n" * 500_000,
    "blanks before dots": "a " * 300_000 + " " * 500_000,
    "templates": "`${" * 200_000,
    "brackets": "[" * 500_000,
    "objects": "module.exports={a:" * 50_000,
    "keys": "module.exports={" + "a," * 200_000,
    "stars": "__exportStar(a(" * 50_000,
    "requires": "a=require('b');" * 50_000,
    "keys of": "var x=require('y');" + "Object.keys(x).forEach(" * 50_000,
    "dots": "a." * 300_000,
    "one name": "exports." + "a" * 500_000 + "=1",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_sources_are_read_in_proportion_to_their_length(kind: str) -> None:
    """Whatever would take the square of it does not end here."""
    reading = read_commonjs(HOSTILE[kind])
    assert all(len(name) <= 1000 for name in reading.exports)


def test_names_are_bounded() -> None:
    source = ";".join(f"exports.a{n} = require('b{n}')" for n in range(11_000))
    reading = read_commonjs(source)
    assert len(reading.exports) == len(reading.requires) == 10_000
