"""``nano-trio admin`` and ``nano-trio top``, as processes against a server."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from nano_trio.cli.top import COLUMNS, View, plain, split_keys, table
from tests.cli.conftest import COMMAND, Result, environment

from .conftest import PATIENCE_S, TOKEN, Nano, Server


@pytest.fixture
def admin(nano: Nano, server: Server) -> Any:
    """Run ``nano-trio admin`` against the server."""

    def run(*arguments: str, code: int = 0) -> Result:
        result = nano("admin", "--url", server.url, *arguments)
        assert result.code == code, result.out + result.err
        return result

    return run


def test_apps(admin: Any, server: Server) -> None:
    server.get("one")
    server.get("broken")
    lines = admin("apps").out.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "MEMORY", "RESTARTS", "WHERE", "TROUBLE"]
    assert [line.split()[0] for line in lines[1:]] == ["broken", "one", "two"]
    assert lines[1].endswith("Error: the database is not there")
    assert lines[2].split()[1] == "awake"
    assert f"http://one:{server.port}" in lines[2]
    found = json.loads(admin("apps", "--json", "--state", "awake").out)
    assert "one" in [app["name"] for app in found]
    assert all(app["state"] == "awake" for app in found)


def test_add_and_remove(admin: Any, server: Server) -> None:
    (server.folder / "shop.js").write_text("export default (r, env) => new Response(env.STAGE)")
    path = str(server.folder / "shop.js")
    added = admin("add", path, "--hostname", "shop.example", "--env", "STAGE=test", "--set", "memory_mb=64")
    assert added.out == f"shop is served: http://shop.example:{server.port}\n"
    assert server.get("shop.example").body == b"test"
    assert server.ask("GET", "/admin/apps/shop").json["memory_limit_bytes"] == 64 << 20
    assert admin("add", path, code=1).err == "there is an app 'shop' already\n"
    assert admin("remove", "shop").out == "shop is removed\n"
    assert server.get("shop.example").status in (404, 503)
    assert (
        'memory_mb: expected a positive number, got "much"' in admin("add", path, "--set", "memory_mb=much", code=1).err
    )


def test_restart_drain_and_lift(admin: Any, server: Server) -> None:
    assert admin("restart", "two").out == "two is restarted: awake\n"
    assert admin("drain", "two").out == "two is drained: draining\n"
    assert server.get("two").status == 503
    assert admin("restart", "two").out == "two is restarted: awake\n"
    assert server.get("two").status == 200
    assert admin("lift", "two", code=1).err == "two is not quarantined\n"
    assert admin("restart", "tow", code=1).err == "there is no app 'tow'; did you mean 'two'?\n"


def test_reload(admin: Any, server: Server) -> None:
    admin("reload")
    assert admin("reload").out == "nothing has changed\n"
    before = server.document
    server.write({**before, "apps": [*before["apps"], {"name": "extra", "path": "one.js"}]})
    assert admin("reload").out == "added: extra\n"
    server.write({"apps": []})
    assert admin("reload", code=1).err == "nano.json:1:2: apps: expected at least one app, got an empty list\n"
    server.write(before)
    assert json.loads(admin("reload", "--json").out)["removed"] == ["extra"]


def test_all_that_is_wrong_with_a_configuration_stands_below_the_line_of_the_log(admin: Any, server: Server) -> None:
    before = server.document
    server.write({"prot": 1, "apps": []})
    wrong = admin("reload", code=1).err.splitlines()
    assert len(wrong) == 2
    first, *below, _ = admin("logs", "--level", "warning", "-n", "2").out.splitlines()
    assert first.endswith("the configuration was not reloaded; the running one stays")
    assert below == [f"    {line}" for line in wrong]
    server.write(before)
    admin("reload")


def test_a_version_that_does_not_load(admin: Any, server: Server) -> None:
    assert server.get("two").status == 200  # it runs: or nothing would be loaded
    before = (server.folder / "two.js").read_text()
    (server.folder / "two.js").write_text("export default (")
    result = admin("reload", code=1)
    assert result.err.startswith("two goes on with its old version: cannot load")
    # Code and place are shown below what is said of them.
    told = admin("health", code=1).out.splitlines()
    assert told[1].startswith("  two: its new version does not load: cannot load: two.js:1:17: SyntaxError")
    assert told[2] == "          export default ("
    (server.folder / "two.js").write_text(before)
    admin("reload")
    assert server.get("two").status == 200


def test_tree(admin: Any) -> None:
    lines = admin("tree").out.splitlines()
    assert lines[0].startswith("nano-trio running")
    assert any(line.startswith("├─ apps running") for line in lines)
    assert any(line.endswith("─ admin running (permanent)") for line in lines)
    assert json.loads(admin("tree", "--json").out)["id"] == "nano-trio"


def test_the_last_lines_of_the_log(admin: Any, server: Server) -> None:
    server.get("one", "/log?text=first&times=3")
    server.get("two", "/log?text=second&level=error")
    lines = admin("logs", "one", "-n", "2").out.splitlines()
    assert [line.partition("info    ")[2].partition(" request_id=")[0] for line in lines] == [
        "one: first 1",
        "one: first 2",
    ]
    assert "error   two: second 0" in admin("logs", "--level", "error").out.splitlines()[-1]
    assert json.loads(admin("logs", "two", "-n", "1", "--json").out)["event"] == "second 0"


def test_lines_of_an_app_that_is_not_there(admin: Any, server: Server) -> None:
    assert admin("logs", "on", code=1).err == "there is no app 'on'; did you mean 'one'?\n"
    admin("add", str(server.folder / "one.js"), "--name", "quiet")
    quiet = admin("logs", "quiet")
    assert (quiet.out, quiet.err) == ("", "")
    admin("remove", "quiet")


def test_what_an_app_logs_does_not_command_the_terminal(admin: Any, server: Server) -> None:
    server.get("one", "/log?text=%1b%5b2Jcleared%0anext")
    out = admin("logs", "one", "-n", "1").out
    assert "\x1b" not in out
    assert "cleared" in out
    assert out.count("\n") == 1


def test_nor_does_it_as_json(admin: Any, server: Server) -> None:
    server.get("one", "/log?text=%c2%9b2Jcleared%7f")
    out = admin("logs", "one", "-n", "1", "--json").out
    assert "\x9b" not in out
    assert "\x7f" not in out
    assert json.loads(out)["event"] == "\x9b2Jcleared\x7f 0"


def test_logs_are_followed(server: Server) -> None:
    server.get("one", "/log?text=before")
    process = subprocess.Popen(
        [*COMMAND, "admin", "--url", server.url, "logs", "one", "--follow"],
        env=environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = ""
        while "before 0" not in line:
            line = process.stdout.readline()
            assert line
        server.get("one", "/log?text=after&times=2")
        assert "one: after 0" in process.stdout.readline()
        assert "one: after 1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    finally:
        process.kill()
        process.communicate()


def test_health(nano: Nano, guarded: Server) -> None:
    """An app of which no request is answered is not well, though it only seems asleep."""

    def health(*arguments: str) -> Result:
        return nano("admin", "--url", guarded.url, "--token", TOKEN, "health", *arguments)

    assert health().out.startswith("ok: nano-trio ")
    assert json.loads(health("--json").out)["status"] == "ok"
    file = guarded.folder / "two.js"
    sound = file.read_text()
    for faulty in ("export default (", "throw new Error('the database is not there')"):
        file.write_text(faulty)
        nano("admin", "--url", guarded.url, "--token", TOKEN, "reload")
        assert guarded.get("two").status == 503
        told = health()
        assert told.code == 1
        assert told.out.splitlines()[0].startswith("degraded: nano-trio ")
        assert told.out.splitlines()[1].startswith("  two: cannot load: two.js:1:")
    file.write_text(sound)
    assert guarded.get("two").status == 200
    assert health().out.startswith("ok: nano-trio ")


# -- finding the server -----------------------------------------------------------------------------------------------


def test_the_configuration_says_where_it_is(nano: Nano, guarded: Server, tmp_path: Path) -> None:
    """Whatever else is wrong in it."""
    admin = {"port": guarded.admin_port, "token": TOKEN}
    (tmp_path / "nano.json").write_text(json.dumps({"admin": admin, "apps": "broken"}))
    assert nano("admin", "apps").code == 0
    (tmp_path / "nano.json").rename(tmp_path / "other.json")
    assert nano("admin", "--config", "other.json", "health").code == 0
    assert nano("top", "--config", "other.json", "--once").code == 0
    assert nano("admin", "--url", guarded.url, "apps", NANO_ADMIN_TOKEN=TOKEN).code == 0
    assert nano("admin", "--url", guarded.url, "--token", TOKEN, "apps").code == 0
    assert nano("admin", "--url", guarded.url, "--token", TOKEN, "apps", NANO_ADMIN_TOKEN="wrong").code == 0
    assert nano("admin", "apps", "--url", guarded.url, "--token", TOKEN).code == 0
    assert nano("admin", "--url", guarded.url, "apps", "--config", "other.json").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "where is the server's admin listener? Say it with --url http://HOST:PORT, or with --config FILE"),
        (["--config", "none.json"], "none.json: no such file (looked for "),
        (["--config", "off.json"], 'off.json configures no admin listener: set "admin": {"port": …} there'),
        (["--config", "off.toml"], "off.toml configures no admin listener: set port = … in its table [admin] there"),
        (["--config", "any.json"], "any.json configures any free port (0) for the admin listener"),
        (["--config", "bad.json"], 'bad.json:1:12: admin.port: expected a port number from 0 to 65535, got "x"'),
        (["--config", "no.json"], "no.json:1:1: invalid JSON"),
        (["--url", "http://127.0.0.1:9"], "nothing listens at http://127.0.0.1:9."),
        (["--url", "ftp://x"], "expected a URL such as http://127.0.0.1:9000, got 'ftp://x'"),
    ],
)
@pytest.mark.parametrize("command", [["admin", "apps"], ["top", "--once"]])
def test_help_where_nothing_listens(
    nano: Nano, tmp_path: Path, arguments: list[str], message: str, command: list[str]
) -> None:
    (tmp_path / "off.json").write_text('{"apps": []}')
    (tmp_path / "off.toml").write_text("apps = []")
    (tmp_path / "any.json").write_text('{"admin": {"port": 0}}')
    (tmp_path / "bad.json").write_text('{"admin": {"port": "x"}}')
    (tmp_path / "no.json").write_text("broken")
    result = nano(command[0], *arguments, *command[1:])
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(message)
    assert ("--url" in result.err) == (arguments[1:] != ["ftp://x"])


def test_something_else_listens_there(nano: Nano, server: Server) -> None:
    result = nano("admin", "--url", f"http://127.0.0.1:{server.port}", "apps")
    assert result.code == 1
    assert "is no admin listener: it answered with status 404" in result.err


def test_the_token_is_missing_or_wrong(nano: Nano, guarded: Server) -> None:
    result = nano("admin", "--url", guarded.url, "apps")
    assert (result.code, result.err) == (
        1,
        "this server wants a token: --token TOKEN, NANO_ADMIN_TOKEN, or --config FILE that has it\n",
    )
    result = nano("admin", "--url", guarded.url, "--token", "wrong", "apps")
    assert result.code == 1
    assert result.err.startswith("the token is wrong; this server wants a token")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["admin", "aps"], "Did you mean 'apps'?"),
        (["admin", "restart"], "Missing argument 'NAME'"),
        (["admin", "--url", "http://x", "add", "x", "--env", "novalue"], "--env: expected NAME=VALUE, got 'novalue'"),
        (["admin", "add", "x", "--env", "A=1", "--set", 'env={"B":2}'], "--set env=…: env is given already"),
        (
            ["admin", "add", "x", "--set", "memory_mb=1", "--set", "memory_mb=2"],
            "--set memory_mb=…: memory_mb is given",
        ),
        (["top", "--sort", "size"], "'requests_per_s'"),
        (["top", "--interval", "0"], "0.25"),
    ],
)
def test_wrong_usage(nano: Nano, arguments: list[str], message: str) -> None:
    result = nano(*arguments)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--url", "http://[x"], "expected a URL such as http://127.0.0.1:9000, got 'http://[x'"),
        (["--url", "http://a:99999"], "expected a URL such as"),
        (["--url", "http://a:port"], "expected a URL such as"),
        (["--url", "ftp://a"], "expected a URL such as"),
        (["--url", "http://127.0.0.1:1", "--token", "a b"], "a token is visible ASCII characters without spaces"),
        (["--url", "http://127.0.0.1:1", "--token", "caf\xe9"], "a token is visible ASCII characters without spaces"),
    ],
)
def test_what_cannot_be_asked(nano: Nano, arguments: list[str], message: str) -> None:
    result = nano("admin", *arguments, "health")
    assert result.code == 1
    assert message in result.err


def test_https_where_http_is_spoken(nano: Nano, server: Server) -> None:
    result = nano("admin", "--url", server.url.replace("http:", "https:"), "health")
    assert result.code == 1
    assert result.err.strip() == f"{server.url.replace('http:', 'https:')} does not answer as an admin listener does"


# -- top --------------------------------------------------------------------------------------------------------------


def test_top_once(nano: Nano, server: Server) -> None:
    server.get("one")
    result = nano("top", "--url", server.url, "--once", "--interval", "0.25", "--sort", "name")
    head, titles, *rows = result.out.splitlines()
    assert head.startswith("cpu ")
    assert "loop lag" in head
    assert titles.split() == " ".join(column.title for column in COLUMNS).split()
    assert [row.split()[0] for row in rows] == ["broken", "one", "two"]
    one = rows[1].split()
    assert one[1] == "awake"
    assert one[2] == "0.0"
    assert one[7].endswith("M")
    assert "\x1b" not in result.out


def test_top_goes_on_in_a_pipe(server: Server) -> None:
    process = subprocess.Popen(
        [*COMMAND, "top", "--url", server.url, "--interval", "0.25", "--filter", "two"],
        env=environment({}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        tables = 0
        while tables < 3:
            line = process.stdout.readline()
            assert line
            assert not line.startswith("one ")
            tables += line.startswith("two ")
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130
    finally:
        process.kill()
        process.communicate()


def test_top_in_a_terminal(server: Server) -> None:
    """It draws, takes keys, and leaves the terminal as it was."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "top", "--url", server.url, "--interval", "0.25"],
        env=environment({"TERM": "xterm", "COLUMNS": "140", "LINES": "30"}),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    os.set_blocking(master, False)
    seen = ""

    def until(text: str) -> None:
        nonlocal seen
        end = time.monotonic() + PATIENCE_S
        while text not in seen:
            assert time.monotonic() < end, seen
            try:
                seen += os.read(master, 65536).decode("utf-8", "replace")
            except BlockingIOError:
                time.sleep(0.01)
        seen = seen.rpartition(text)[2]

    try:
        until("REQ/S ▼")
        until("broken")
        os.write(master, b"n")
        until("APP ▲")
        os.write(master, b"/")
        until("filter: ")
        os.write(master, b"two\r")
        until("filter 'two'")
        os.write(master, b"q")
        until("\x1b[?1049l")
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_key_that_is_held_down_counts_each_time() -> None:
    assert split_keys("\x1b[B\x1b[B\x1bOAj\x1b[5~/é\r") == [
        "\x1b[B",
        "\x1b[B",
        "\x1bOA",
        "j",
        "\x1b[5~",
        "/",
        "é",
        "\r",
    ]
    view = View()
    for key in split_keys("\x1b[B\x1bOB\x1b[6~\x1bOA"):
        assert view.key(key)
    assert view.top == 11
    assert split_keys("\x1b") == ["\x1b"]


def app(name: str, **fields: Any) -> dict[str, Any]:
    known = {
        "state": "awake", "requests_per_s": 0.0, "errors_per_s": 0.0, "p50_ms": None, "p99_ms": None,
        "cpu_percent": 0.0, "memory_bytes": 0, "mailbox": 0, "in_flight": 0, "sockets": 0, "restarts": 0,
    }  # fmt: skip
    return {"name": name, **known, **fields}


def view(*apps: dict[str, Any]) -> View:
    found = View()
    found.take(
        {
            "apps": list(apps),
            "states": {"awake": len(apps)},
            "cpu_percent": 1.0,
            "resident_bytes": 1 << 20,
            "connections": 1,
            "loop_lag_ms": None,
        }
    )
    return found


def test_keys_sort_and_turn_round() -> None:
    found = view(app("a", requests_per_s=1.0, p99_ms=5.0), app("b", requests_per_s=9.0), app("c", p99_ms=7.0))
    order = lambda: "".join(row["name"] for row in found.rows())  # noqa: E731
    assert order() == "bac"
    assert found.key("r")
    assert order() == "cab"
    found.key("9")
    assert order() == "cab"
    found.key("9")
    assert order() == "acb"  # what is unknown stays at the end
    found.key("n")
    assert order() == "abc"


def test_keys_filter_pause_and_end() -> None:
    found = view(app("shop"), app("blog", state="failed"))
    for key in ["/", "s", "q", "\x7f", "h", "\r"]:
        assert found.key(key)
    assert (found.filter, [row["name"] for row in found.rows()]) == ("sh", ["shop"])
    found.key("\x1b")
    assert len(found.rows()) == 2
    for key in "/FAIL\r":
        found.key(key)
    assert [row["name"] for row in found.rows()] == ["blog"]
    found.key(" ")
    assert "PAUSED" in found.foot()
    found.take({"apps": []}, lost=2)
    assert len(found.rows()) == 1
    assert "2 samples lost" in found.head()
    assert not found.key("q")
    assert not View().key("\x03")


def test_a_view_without_a_sample() -> None:
    assert plain(View()).startswith("waiting")
    assert View().rows() == []
    assert table(View(), 80, 20) is not None


def test_a_long_table_is_scrolled() -> None:
    found = view(*(app(f"app-{number:02}") for number in range(50)))
    found.key("n")
    for _ in range(100):
        found.key("j")
    table(found, 80, 25)
    assert found.top == 30
    found.key("\x1b[5~")
    assert found.top == 20


@pytest.mark.parametrize("sort", [None, "t", "m"])
@pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
def test_what_a_narrow_terminal_shows_is_whole(width: int, sort: str | None) -> None:
    """Names, what the table is sorted by, and of the rest as many columns as there is room for."""
    found = view(app("shop", state="quarantined", requests_per_s=1234.5, restarts=17, memory_bytes=123 << 20))
    if sort:
        found.key(sort)
    console = Console(width=width, height=20, file=io.StringIO())
    with console.capture() as screen:
        console.print(table(found, width, 20))
    _, titles, _, row, foot = screen.get().splitlines()
    by = {None: ("REQ/S", "1,234"), "t": ("RESTARTS", "17"), "m": ("MEMORY", "123.0M")}[sort]
    assert titles.split()[0] == "APP"
    assert by[0] in titles
    assert row.split()[0] == "shop"
    assert by[1] in row.split()
    assert "…" not in titles + row
    assert foot.startswith("q:quit")
    assert len(titles.split()) >= (8 if width >= 80 else 3)
