"""The table `admin`: where it listens, and that a token is there wherever others could reach it."""

from pathlib import Path
from typing import Any

import pytest

from nano_trio.config import Admin, Config, ConfigError, from_document, to_document

TOKEN = "a-token-nobody-knows"


def loaded(folder: Path, admin: dict[str, Any], environ: dict[str, str] | None = None) -> Config:
    return from_document(
        {"admin": admin, "apps": [{"name": "one", "path": "one"}]},
        source="config.json",
        folder=folder,
        environ=environ or {},
    )


def problems(folder: Path, admin: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, admin, environ)
    return str(caught.value).splitlines()


def test_without_the_table_there_is_no_admin(folder: Path) -> None:
    config = from_document({"apps": [{"name": "one", "path": "one"}]}, folder=folder, environ={})
    assert config.admin == Admin(port=None, host="127.0.0.1", token=None, token_file=None, hostnames=())
    assert config.admin.is_loopback


def test_everything_set(folder: Path) -> None:
    (folder / "token").write_text(f"  {TOKEN}\nnot this\n")
    config = loaded(folder, {"port": 9000, "host": "0.0.0.0", "token_file": "token", "hostnames": "Admin.example"})
    assert config.admin == Admin(
        port=9000, host="0.0.0.0", token=TOKEN, token_file=folder / "token", hostnames=("admin.example",)
    )
    assert from_document(to_document(config), folder="/", environ={}) == config


def test_the_token_stays_out_of_logs(folder: Path) -> None:
    assert TOKEN not in repr(loaded(folder, {"token": TOKEN}))


def test_the_environment_gives_the_token(folder: Path) -> None:
    """It beats the file, which then need not exist, and is a token like any other."""
    config = loaded(folder, {"port": 0, "host": "::", "token_file": "nowhere"}, {"NANO_ADMIN_TOKEN": TOKEN})
    assert config.admin.token == TOKEN
    assert loaded(folder, {"token": "another-token-of-the-file"}, {"NANO_ADMIN_TOKEN": TOKEN}).admin.token == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_token(folder: Path, host: str) -> None:
    assert loaded(folder, {"port": 0, "host": host}).admin.token is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "admin.example"])
def test_other_machines_need_a_token(folder: Path, host: str) -> None:
    assert problems(folder, {"port": 9000, "host": host}) == [
        f'config.json: admin.host: "{host}" is open to other machines: set a token (NANO_ADMIN_TOKEN, "token_file" '
        'or "token"), or listen on 127.0.0.1'
    ]
    assert loaded(folder, {"port": 9000, "host": host, "token": TOKEN}).admin.token == TOKEN
    assert loaded(folder, {"host": host}).admin.port is None  # nothing listens


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        ({"port": "x"}, 'admin.port: expected a port number from 0 to 65535, got "x"'),
        ({"token": 5}, "admin.token: expected a secret of 16 to 512 visible ASCII characters without spaces, got 5"),
        (
            {"token": "too short"},
            "admin.token: expected a secret of 16 to 512 visible ASCII characters without spaces, got 9 characters",
        ),
        (
            {"token": "has spaces in between"},
            "admin.token: expected a secret of 16 to 512 visible ASCII characters without spaces, got 21 characters",
        ),
        ({"tokn": "x"}, 'admin.tokn: unknown key; did you mean "token"?'),
        (
            {"token_file": "nowhere"},
            'admin.token_file: "nowhere" cannot be read: no such file or directory (looked for FOLDER/nowhere)',
        ),
        (
            {"token_file": "two.js"},
            'admin.token_file: the first line of "two.js": expected a secret of 16 to 512 visible ASCII characters '
            "without spaces, got 17 characters",
        ),
        ({"hostnames": ["a b"]}, "admin.hostnames[0]: expected a hostname such as "),
    ],
)
def test_what_is_refused(folder: Path, admin: dict[str, Any], expected: str) -> None:
    [line] = problems(folder, admin)
    assert line.startswith(f"config.json: {expected.replace('FOLDER', str(folder))}")


def test_a_refused_token_is_not_shown(folder: Path) -> None:
    assert "geheim" not in str(problems(folder, {"token": "geheim"}))
    assert "geheim" not in str(problems(folder, {}, {"NANO_ADMIN_TOKEN": "geheim"}))


@pytest.mark.parametrize(
    ("document", "taken"),
    [
        ({"port": 9000}, "HTTP already, for the server"),
        ({"port": 9000, "host": "localhost"}, "HTTP already, for the server"),
        ({"port": 9000, "host": "0.0.0.0"}, "HTTP already, for the server"),
        ({"tls": {"port": 9000}}, "HTTPS already, for the server"),
        ({"app": {"port": 9000}}, "HTTP already, for apps[0]"),
        ({"app": {"port": 8080, "tls": {"port": 9000}}}, "HTTPS already, for apps[0]"),
    ],
)
def test_a_port_where_apps_are_served(folder: Path, document: dict[str, Any], taken: str) -> None:
    server = {key: value for key, value in document.items() if key != "app"}
    app = {"name": "one", "path": "one", **document.get("app", {})}
    with pytest.raises(ConfigError) as caught:
        from_document({**server, "admin": {"port": 9000}, "apps": [app]}, folder=folder, environ={})
    assert str(caught.value) == f"configuration: admin.port: port 9000 serves {taken}"


@pytest.mark.parametrize("host", ["10.0.0.1", "::1", "::"])
def test_the_same_port_of_another_address(folder: Path, host: str) -> None:
    document = {"port": 9000, "host": host, "admin": {"port": 9000}, "apps": [{"name": "one", "path": "one"}]}
    assert from_document(document, folder=folder, environ={}).admin.port == 9000


def test_a_port_that_the_command_line_gives(folder: Path) -> None:
    document = {"admin": {"port": 9000}, "apps": [{"name": "one", "path": "one"}]}
    with pytest.raises(ConfigError, match=r"admin\.port: port 9000 serves HTTP already"):
        from_document(document, folder=folder, environ={}, overrides={"port": 9000})
    assert from_document({**document, "port": 9000}, folder=folder, environ={}, overrides={"port": 9001}).port == 9001
    both_free = {"port": 0, "admin": {"port": 0}, "apps": document["apps"]}
    assert from_document(both_free, folder=folder, environ={}).admin.port == 0
