"""``nano-trio repl``, in a pipe and in a real terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.prefork import nano_trio

from .conftest import COMMAND, environment

_PATIENCE_S = 30.0
_PROMPT = r"\x1b\[0m>"
Piped = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def piped(tmp_path: Path) -> Piped:
    def run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = environment({"XDG_STATE_HOME": str(tmp_path / "state")})
        return nano_trio("repl", *arguments, cwd=tmp_path, environ=environ, stdin=text, timeout=_PATIENCE_S)

    return run


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 + 1", "2\n"),
        ("let x = 1\nlet x = 2\nx", "2\n"),
        ("const x = 1; const y = x + 1\ny", "2\n"),
        ("class A {\n  m() { return 1 }\n}\nclass A { m() { return 2 } } new A().m()", "2\n"),
        ("const { a, ...rest } = { a: 1, b: 2 }\nrest", "{ b: 2 }\n"),
        ("{ a: 1 }", "{ a: 1 }\n"),
        ("const r = await new Response('hi').text()\nr", "'hi'\n"),
        ("let a = await 1, b = 2; a + b\nb", "3\n2\n"),
        ("class Q { x = await 3 }".replace("await ", "") + "\nawait new Q().x", "3\n"),
        ("async function f() {\n  return 7\n}\nawait f()", "7\n"),
        ("for (const i of [1, 2]) await i\n'done'", "'done'\n"),
        ("6 * 7\n_", "42\n42\n"),
        ("function f() { return `a\n${ 1 }b` }\nf()", "'a\\n1b'\n"),
        ("undefined", ""),
        ("setTimeout(() => console.log('late'), 10); 'now'", "'now'\nlate\n"),
        ("'quiet'\n.exit\n'never'", "'quiet'\n"),
        ("await (await fetch('data:,x')).text()", "'x'\n"),
        ("import { join as j, sep } from 'node:path'\nj('a', 'b') + sep", "'a/b/'\n"),
        (
            "import p, {\n  dirname,\n} from 'node:path'; import * as all from 'node:path';\np.join === all.join",
            "true\n",
        ),
        ("import 'node:util'", ""),
        ("(await import('node:path')).sep", "'/'\n"),
        ("const big = 3n\nbig\n2n ** 65n\n-1n\n[1n, 1]", "3n\n36893488147419103232n\n-1n\n[ 1n, 1 ]\n"),
    ],
)
def test_statements_from_a_pipe(piped: Piped, text: str, shown: str) -> None:
    done = piped(text)
    assert (done.stdout, done.stderr, done.returncode) == (shown, "", 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("null.y\n'never'", "<repl>:1:5: TypeError: cannot read property 'y' of null\n    null.y\n        ^"),
        ("let = = 1", "SyntaxError"),
        ("await Promise.reject(new RangeError('far'))", "RangeError: far"),
        (".nothing", "there is no command .nothing"),
        (".load nowhere.js", "cannot read nowhere.js"),
        ("let x = (", "SyntaxError"),
    ],
)
def test_an_error_ends_a_pipe(piped: Piped, text: str, told: str) -> None:
    done = piped(text)
    assert (done.stdout, done.returncode) == ("", 1)
    assert told in done.stderr


def test_a_pipe_brings_what_is_no_text(tmp_path: Path) -> None:
    result = subprocess.run(
        [*COMMAND, "repl"],
        cwd=tmp_path,
        env=environment({"XDG_STATE_HOME": str(tmp_path / "state")}),
        input=b"1 +\r\n1\r\n'\xff'\n'never'\n",
        capture_output=True,
        timeout=_PATIENCE_S,
    )
    told = b"<repl>:3: the input is not UTF-8 text (byte 2 of the line)\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, b"2\n", told)


def test_an_app(piped: Piped, tmp_path: Path) -> None:
    (tmp_path / "index.js").write_text(
        "export const double = (x) => 2 * x;\nexport default { fetch: (request) => new Response(request.url) };"
    )
    (tmp_path / "other.js").write_text("export default 5;")
    (tmp_path / "load.js").write_text("let loaded = 1;\nloaded + 1")
    text = (
        "module.double(4)\nawait (await app.fetch('/a')).text()\n(await app.fetch(new Request('http://x/'))).status\n"
        "(await import('./other.js')).default\n.load load.js\nloaded\n.env\n"
    )
    done = piped(text, "--app", ".")
    assert (done.stdout, done.stderr) == ("8\n'http://localhost/a'\n200\n5\n2\n1\n{}\n", "")


class Terminal:
    """The REPL in a pseudo-terminal."""

    def __init__(self, folder: Path, **environ: str) -> None:
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            env = environment({"TERM": "xterm", "XDG_STATE_HOME": str(folder / "state"), **environ})
            os.execvpe(sys.executable, [*COMMAND, "repl"], env)
        self.pid = pid
        self.text = ""

    def wait_for(self, pattern: str) -> str:
        """Read until the pattern appears in what came since the last wait."""
        end = time.monotonic() + _PATIENCE_S
        while (match := re.search(pattern, self.text)) is None:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            data = os.read(self.fd, 65536).decode(errors="replace")
            self.text += data
            if "\x1b[6n" in data:
                os.write(self.fd, b"\x1b[1;1R")  # a terminal tells where its cursor is
        before, self.text = self.text[: match.end()], self.text[match.end() :]
        return before

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    started = Terminal(tmp_path)
    started.wait_for(_PROMPT)
    yield started
    try:
        os.kill(started.pid, signal.SIGKILL)
        started.end()
    except (ProcessLookupError, ChildProcessError):
        pass
    os.close(started.fd)


def test_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("let kept = 40 + 2\r")
    terminal.wait_for(_PROMPT)
    terminal.type("[kept, 'colour']\r")
    terminal.wait_for(r"\x1b\[33m42\x1b\[39m, \x1b\[32m'colour'")
    # Ctrl-C reaches into a loop, and nothing is lost.
    for loop in ("for (;;);", "for (;;) await null", "await new Promise(() => {})"):
        terminal.type(f"console.log('be' + 'gun'); {loop}\r")
        terminal.wait_for("begun\r")
        terminal.type("\x03")
        terminal.wait_for("interrupted")
        terminal.wait_for(_PROMPT)
        terminal.type("`still ${kept}`\r")
        terminal.wait_for("'still 42'")
    # Input that is not complete goes on in the next line.
    terminal.type("function twice(x) {\r")
    terminal.wait_for("…")
    terminal.type("return 2 * x }\r")
    terminal.type("twice(21.5)\r")
    terminal.wait_for(r"\x1b\[33m43\x1b")
    # Timers work while the prompt waits; completion calls no getter.
    terminal.type(
        "setTimeout(() => console.log('ti' + 'mer'), 50); const o = { alphabet: 7, get beta() { console.log('touched') } }\r"
    )
    terminal.wait_for("timer")
    terminal.type("o.alph\t")
    terminal.wait_for("abet|alphabet")
    terminal.type("\r")
    terminal.wait_for(r"\x1b\[33m7\x1b")
    terminal.type("o.beta.\t\x15.exit\r")
    assert terminal.end() == 0
    assert "touched" not in terminal.text
    history = tmp_path / "state" / "nano-trio" / "repl-history"
    assert "let kept = 40 + 2" in history.read_text()
    assert history.stat().st_mode & 0o777 == 0o600


def test_lines_are_indented_and_an_objects_own_names_come_first(terminal: Terminal) -> None:
    terminal.type("\x03")
    terminal.wait_for(r"\(Ctrl-D or \.exit leaves\)")
    terminal.wait_for(_PROMPT)
    terminal.type("const text = function () {\r")
    terminal.wait_for("…")
    terminal.type("return 1;\r")
    terminal.wait_for("…")
    terminal.type("}.toString()\r")
    terminal.wait_for(_PROMPT)
    terminal.type("text\r")
    terminal.wait_for(re.escape(r"function () {\n  return 1;\n}'"))
    terminal.type("const both = { zeta: 1, b: 2 }\r")
    terminal.wait_for(_PROMPT)
    terminal.type("both.\t")
    assert re.search(r"\bb\b.*\bzeta\b", terminal.wait_for("constructor"), re.DOTALL)
