"""Lines as they are written: safe to show, cut to a length, each format as it promises."""

from __future__ import annotations

import io
import json
import re

import structlog
from hypothesis import given
from hypothesis import strategies as st

from nano_trio.logs.formats import JsonFormat, TextFormat, access_line, cut_long_values, escaped

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
HEAD = re.compile(r"(\d\d:\d\d:\d\d\.\d{3})? [a-z]+ +")


def text(**event: object) -> str:
    return TextFormat(False)(None, "", {"timestamp": "2026-11-21T12:00:00.000000Z", "level": "info", **event})


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, ANY_TEXT)
def test_nothing_that_is_said_can_forge_a_line_or_move_a_terminal(app: str, event: str, value: str, error: str) -> None:
    first, *below = text(app=app, event=event, url=value, reason=value, error=error).split("\n")
    assert first.startswith("12:00:00.000 info    ")
    assert all(line.startswith("    ") for line in below)
    shown = "".join([first, *below])
    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", shown)


def test_text() -> None:
    assert text(app="shop", event="sold", count=3, url="/a b", request_id="r-1") == (
        '12:00:00.000 info    shop: sold count=3 url="/a b" request_id=r-1'
    )
    assert text(event="a\n12:00 forged\r\x1b[2J", error="Error: x\n  at y") == (
        "12:00:00.000 info    a\n    12:00 forged\\r\\x1b[2J\n    Error: x\n      at y"
    )
    assert text(event="x", say='"quoted" = \x1b') == '12:00:00.000 info    x say="\\"quoted\\" = \\u001b"'


def test_colours_are_ours_alone() -> None:
    line = TextFormat(True)(None, "", {"timestamp": "", "level": "error", "event": "\x1b[31mred"})
    assert line.count("\x1b") == 2
    assert "\\x1b[31mred" in line


@given(st.dictionaries(st.sampled_from(["event", "app", "url", "error"]), ANY_TEXT))
def test_json(event: dict[str, str]) -> None:
    line = JsonFormat()(None, "", dict(event))
    assert "\n" not in line
    assert not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", line)
    line.encode("utf-8")
    assert json.loads(line) == event


def test_lists_stay_lists() -> None:
    event = cut_long_values(100)(None, "", {"event": "reloaded", "added": ("shop", "blog"), "removed": []})
    assert text(**event) == '12:00:00.000 info    reloaded added="shop, blog" removed=""'  # type: ignore[arg-type]
    assert json.loads(JsonFormat()(None, "", dict(event))) == {  # type: ignore[arg-type]
        "event": "reloaded",
        "added": ["shop", "blog"],
        "removed": [],
    }


def test_json_begins_with_what_all_lines_have() -> None:
    line = JsonFormat()(None, "", {"ms": 1, "app": "a", "event": "e", "level": "info", "timestamp": "t"})
    assert list(json.loads(line)) == ["timestamp", "level", "event", "app", "ms"]


def test_only_text_shows_a_line_that_is_ready_as_it_is() -> None:
    """As those of the access log are."""
    assert text(event="127.0.0.1 - - [x]", app="a", raw=True) == "127.0.0.1 - - [x]"
    assert json.loads(JsonFormat()(None, "", {"event": "x", "app": "a", "raw": True})) == {"event": "x", "app": "a"}


@given(ANY_TEXT)
def test_escaped_says_all(said: str) -> None:
    assert len(escaped(said)) >= len(said)
    plain = said.isascii() and said.isprintable()
    assert (escaped(said) == said) or not plain


def test_long_values_are_cut_and_say_how_long_they_were() -> None:
    cut = cut_long_values(100)
    event = cut(
        None, "", {"event": "x" * 1000, "short": "y" * 100, "euro": "€" * 50, "number": 10**30, "list": ["z" * 200]}
    )
    assert isinstance(event, dict)
    assert event["event"] == "x" * 100 + "… (cut: 1000 bytes)"
    assert event["short"] == "y" * 100
    assert event["euro"] == "€" * 33 + "… (cut: 150 bytes)"
    assert event["number"] == 10**30
    assert event["list"] == ["z" * 100 + "… (cut: 200 bytes)"]
    assert cut(None, "", {"list": ("a" * 60, "b" * 40, 3, "d")}) == {"list": ["a" * 60, "b" * 40, "… (cut: 2 more)"]}
    assert cut(None, "", {"event": "\ud800" * 100}) == {"event": "… (cut: 300 bytes)"}


def test_access_lines() -> None:
    line = access_line("127.0.0.1", "GET", '/"x\\y\x1b\u00e9', 200, 0, 'curl" evil', "http://r/", "HTTP/1.0")
    assert re.fullmatch(
        r"127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "
        r'"GET /\\"x\\\\y\\x1b\\xc3\\xa9 HTTP/1\.0" 200 - "http://r/" "curl\\" evil"',
        line,
    )


def test_several_reasons_stand_below_the_line_and_one_in_it() -> None:
    """All that is wrong with a configuration is one reason, of as many lines."""
    wrong = 'nano.toml:1:1: prot: unknown key; did you mean "port"?'
    assert text(event="not reloaded", reason=wrong).endswith(f"not reloaded reason={json.dumps(wrong)}")
    first, *below = text(event="not reloaded", reason=f"{wrong}\n\x1b[2J", by="me").split("\n")
    assert first.endswith("not reloaded by=me")
    assert below == [f"    {wrong}", "    \\x1b[2J"]


def test_the_exception_of_a_log_call_is_shown(capfd: object) -> None:
    out = io.StringIO()
    logger = structlog.wrap_logger(
        structlog.PrintLogger(out), processors=[structlog.processors.format_exc_info, TextFormat(False)]
    )
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        logger.exception("went wrong")
    assert "\x1b" not in out.getvalue()
    assert "    ValueError: \\x1b[2J" in out.getvalue()
