"""Wrong usage: exit code 2 and a message that helps."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from nano_trio import __version__
from nano_trio.cli.commands import main

from .conftest import COMMAND, Nano, Result


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serv"], "Did you mean 'serve'?"),
        (["evil"], "Did you mean 'eval'?"),
        (["dance"], "No such command 'dance'"),
        (["serve", "--prot", "3"], "--port"),
        (["serve", "--confg", "x"], "--config"),
        (
            ["serve"],
            "there is nothing to serve here: no nano-trio.json, no nano-trio.toml, no nano.toml, no nano.json; say what",
        ),
        (["serve", "--app", "a", "--config", "b"], "give only one of DIR|FILE, --app and --config"),
        (["serve", "--app", "a", "--port", "x"], "'--port': expected a whole number from 0 to 65535, got 'x'"),
        (["serve", "--app", "a", "--port", "65536"], "expected a whole number from 0 to 65535, got '65536'"),
        (["serve", "--log-format", "jsno"], "is not one of 'text', 'json', 'apache'. Did you mean 'json'?"),
        (["init", "x", "--template", "Websokcet"], "Did you mean 'websocket'?"),
        (["completion", "zhs"], "Did you mean 'zsh'?"),
        (["test", "--timeout-ms", "0"], "expected a number from 1, got '0'"),
        (["test", "--timeout-ms", "nan"], "expected a number from 1, got 'nan'"),
        (["top", "--interval", "nan"], "expected a number from 0.25 to 60, got 'nan'"),
        (["eval", os.fsdecode(b"'\xff'")], "Invalid value for CODE: expected UTF-8 text"),
        (
            ["dev"],
            "there is nothing to serve here: no nano-trio.json, no nano-trio.toml, no nano.toml, no nano.json and no",
        ),
        (["check"], "or make a new app with nano-trio init"),
        (["logs"], "Did you mean 'nano-trio admin logs'?"),
        (["serve", "--app", "a", "--port", "-1"], "-1"),
        (["serve", "--app", "a", "--http", "h2"], "'httptools', 'h11'"),
        (["serve", "--app", "a", "--log-format", "xml"], "'json'"),
        (["serve", "a", "--config", "b"], "give only one of DIR|FILE, --app and --config"),
        (["serve", "a", "surplus"], "surplus"),
        (["eval"], "CODE"),
        (["eval", "1", "2"], "unexpected extra argument"),
        (["run"], "FILE"),
    ],
)
def test_wrong_usage(nano: Nano, arguments: list[str], message: str) -> None:
    result = nano(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err
    assert result.err.startswith("Usage: ")
    assert "--help" in result.err


def test_an_app_without_a_configuration_is_served_by_its_folder(nano: Nano, tmp_path: Path) -> None:
    (tmp_path / "index.js").touch()
    result = nano("serve")
    assert result.code == 2
    assert result.err.endswith("no nano.json; the app here is served with `nano-trio serve .`\n")


def test_an_option_without_its_value(nano: Nano) -> None:
    result = nano("serve", "--app")
    assert result.code == 2
    assert "Option '--app' requires an argument" in result.err


def test_version(nano: Nano) -> None:
    result = nano("--version")
    assert result.code == 0
    assert result.out.startswith(f"nano-trio {__version__} ")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "-h"], ["run", "--help"], ["eval", "--help"]])
def test_help(nano: Nano, arguments: list[str]) -> None:
    result = nano(*arguments)
    assert result.code == 0
    assert result.out.startswith("Usage: ")
    assert "Example" in result.out


def test_without_a_command_there_is_help(nano: Nano) -> None:
    result = nano()
    assert result.code == 2
    assert "serve" in result.out + result.err


@pytest.mark.parametrize("arguments", [["test"], ["eval", "for (let i = 0; i < 1e5; i++) console.log(i)"], ["repl"]])
def test_a_reader_that_leaves_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    """`nano-trio … | head -1`."""
    (tmp_path / "a.test.js").write_text("for (let i = 0; i < 5000; i++) it(`test ${i}`, () => expect(i).toBe(-1));")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write("for (let i = 0; i < 1e5; i++) console.log(i)\n")
        process.stdin.close()
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


COMMANDS = {
    "admin": ["apps", "--url", "http://127.0.0.1:1"],
    "certs": ["--dir", "certs"],
    "check": ["app"],
    "completion": ["bash"],
    "dev": ["nowhere"],
    "eval": ["await new Response('hi').text()"],
    "init": ["new"],
    "repl": [],
    "run": ["app/index.js"],
    "schema": [],
    "serve": ["--config", "nowhere.json"],
    "test": ["app"],
    "top": ["--url", "http://127.0.0.1:1", "--once"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_does_by_itself_what_it_does_for_these_tests(nano: Nano, tmp_path: Path, command: str) -> None:
    """With nothing imported before, and as ``nano`` runs it."""

    def alone(*arguments: str, cwd: Path) -> Result:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        return Result(done.returncode, done.stdout, done.stderr)

    told = []
    for run in (alone, nano):
        folder = tmp_path / "here"
        (folder / "app").mkdir(parents=True)
        (folder / "app/index.js").write_text("console.log(1); export default () => new Response();")
        (folder / "app/index.test.js").write_text("it('works', () => {});")
        result = run(command, *COMMANDS[command], cwd=folder)
        told.append((result.code, re.sub(r"in \d+\.\d+ s", "", result.out), result.err))
        folder.rename(tmp_path / f"{len(told)}")
    assert told[0] == told[1]


def test_those_are_all_commands() -> None:
    assert list(COMMANDS) == sorted(main.commands)
