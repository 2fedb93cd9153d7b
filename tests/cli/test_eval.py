"""``nano-trio eval``."""

from __future__ import annotations

import signal

import pytest

from .conftest import Nano, Start


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("1 + 1", "2\n"),
        ("'text'", "text\n"),
        ("null", "null\n"),
        ("undefined", ""),
        ("void 0", ""),
        ("({ a: 1, b: [1, 2] })", "{ a: 1, b: [ 1, 2 ] }\n"),
        ("new Map([[1, 2]])", "Map(1) { 1 => 2 }\n"),
        ("10n ** 20n", "100000000000000000000n\n"),
        ("'é→😀'", "é→😀\n"),
        ("const x = 5; x * 2", "10\n"),
        ("await new Response('hi').text()", "hi\n"),
        ("await 1 + await 2", "3\n"),
        ("const r = new Response('hi'); return await r.text()", "hi\n"),
        ("Promise.resolve(7)", "7\n"),
        ("'await'", "await\n"),
        ("10n", "10n\n"),
        ("1; await 1", "1\n"),
        ("await 1; 2;\n", "2\n"),
        ("const a = await 1; a + 1", "2\n"),
        ("let x = await 1; function f() { return x } f()", "1\n"),
        ("if (await true) { 'yes' } else { 'no' }", "yes\n"),
        ("for (const each of [1, 2]) await each", "2\n"),
        ("{ a: await 1 }", "{ a: 1 }\n"),
        ("{ const a = await 5; a }", "5\n"),
        ("await new Promise((done) => setTimeout(done, 1)); 10n", "10n\n"),
        ("await null; Promise.resolve(7)", "7\n"),
        ("await null; undefined", ""),
        ("let then = 1; await { then: (done) => done(2) }", "2\n"),
    ],
)
def test_the_value_is_printed(nano: Nano, code: str, shown: str) -> None:
    result = nano("eval", code)
    assert (result.code, result.out, result.err) == (0, shown, "")


def test_an_error_value_shows_its_stack(nano: Nano) -> None:
    result = nano("eval", "new RangeError('far')")
    assert result.code == 0
    assert result.out.startswith("RangeError: far\n    at ")


def test_a_syntax_error_has_line_column_and_caret(nano: Nano) -> None:
    result = nano("eval", "let x =")
    assert result.code == 1
    assert result.out == ""
    lines = result.err.splitlines()
    assert lines[0].startswith("<eval>:1:8: SyntaxError")
    assert lines[1:3] == ["    let x =", "           ^"]


def test_an_uncaught_error_has_its_place(nano: Nano) -> None:
    result = nano("eval", "function f() {\n  null.x;\n}\nf();")
    assert result.code == 1
    assert result.err.startswith(
        "<eval>:2:7: TypeError: cannot read property 'x' of null\n      null.x;\n          ^\n"
    )
    assert "at f (<eval>:2:7)" in result.err


def test_errors_of_awaiting_code_have_their_place(nano: Nano) -> None:
    result = nano("eval", "await 1;\nnull.x")
    assert result.code == 1
    assert result.err.startswith("<eval>:2:5: TypeError: cannot read property 'x' of null\n    null.x\n        ^\n")
    result = nano("eval", "await 1; let y =")
    assert result.code == 1
    assert result.err.startswith("<eval>:1:17: SyntaxError")


@pytest.mark.parametrize("code", ["throw new Error('late')", "await null; throw new Error('late')"])
def test_errors_of_code_with_and_without_await(nano: Nano, code: str) -> None:
    result = nano("eval", code)
    assert result.code == 1
    assert "Error: late" in result.err


@pytest.mark.parametrize("code", ["throw 5", "throw null", "throw undefined", "throw { a: 1 }", "Promise.reject(1)"])
def test_anything_may_be_thrown(nano: Nano, code: str) -> None:
    result = nano("eval", code)
    assert result.code == 1
    assert result.err.strip()


def test_console_is_split_and_precedes_the_value(nano: Nano) -> None:
    result = nano("eval", "console.log('out'); console.error('err'); console.warn('warn'); 'value'")
    assert (result.code, result.out, result.err) == (0, "out\nvalue\n", "err\nwarn\n")


def test_timers_are_waited_for(nano: Nano) -> None:
    result = nano("eval", "setTimeout(() => console.log('later'), 20); 'now'")
    assert result.code == 0
    assert sorted(result.out.split()) == ["later", "now"]


def test_a_wait_without_end_is_no_hang(nano: Nano) -> None:
    result = nano("eval", "await new Promise(() => {})")
    assert result.code == 1
    assert "waits for nothing" in result.err


def test_code_that_begins_with_a_dash(nano: Nano) -> None:
    assert nano("eval", "--", "-1").out == "-1\n"


def test_memory_has_a_limit(nano: Nano) -> None:
    result = nano("eval", "const kept = []; for (;;) kept.push(new Array(10000).fill(kept.length))")
    assert result.code == 1
    assert "outgrew its memory limit of 1024 MB" in result.err


@pytest.mark.parametrize(
    "code",
    [
        "console.log('on'); for (;;);",
        "console.log('on'); for (;;) await null;",
        "console.log('on'); try { for (;;); } finally { for (;;); }",
        "console.log('on'); for (;;) JSON.parse('[1,2,3]');",
        "console.log('on'); await new Promise((resolve) => setTimeout(resolve, 1e6));",
        "setInterval(() => {}, 1); console.log('on')",
    ],
)
def test_ctrl_c_ends_it_quietly(start: Start, code: str) -> None:
    running = start("eval", code)
    running.wait_for("on")
    running.signal(signal.SIGINT)
    result = running.end()
    assert result.code == 130
    assert result.err == ""
