"""Wrong usage: exit code 2 and a message that helps."""

from __future__ import annotations

import pytest

from nano_trio import __version__

from .conftest import Nano


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
        (["serve", "--app", "a", "--config", "b"], "give either --app DIR|FILE or --config FILE"),
        (["serve", "--app", "a", "--port", "x"], "'--port'"),
        (["serve", "--app", "a", "--port", "65536"], "65536"),
        (["serve", "--app", "a", "--port", "-1"], "-1"),
        (["serve", "--app", "a", "--http", "h2"], "'httptools', 'h11'"),
        (["serve", "--app", "a", "--log-format", "xml"], "'json'"),
        (["serve", "--app", "a", "surplus"], "surplus"),
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
