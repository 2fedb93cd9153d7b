"""Every way to get a configuration wrong that we could think of, and exactly what is said about it."""

import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from nano_trio.config import App, ConfigError, Limits, from_document, load, single_app

NAN = float("nan")
INFINITY = float("inf")
NAME = 'a name of letters, digits, "-", "_" and "." that begins with a letter or digit'
HOSTNAME = 'a hostname such as "example.com" or "*.example.com"'
HOST = 'an IP address or hostname to listen on, such as "127.0.0.1", "0.0.0.0" or "::"'
OR_NULL = 'or null ("none" in TOML)'
LIMITS = ", ".join(sorted(key.name for key in attrs.fields(Limits)))
KEYS_OF_AN_APP = ", ".join(sorted(key.name for key in attrs.fields(App)))


def problems(folder: Path, document: Any, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        from_document(document, source="config.json", folder=folder, environ=environ or {})
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return str(caught.value).splitlines()


OF_AN_APP: list[tuple[dict[str, Any], str]] = [
    # numbers
    ({"memory_mb": "x"}, 'memory_mb: expected a positive number, got "x"'),
    ({"memory_mb": "128"}, 'memory_mb: expected a positive number, got "128"'),
    ({"memory_mb": True}, "memory_mb: expected a positive number, got true"),
    ({"memory_mb": False}, "memory_mb: expected a positive number, got false"),
    ({"memory_mb": None}, "memory_mb: expected a positive number, got null"),
    ({"memory_mb": []}, "memory_mb: expected a positive number, got an empty list"),
    ({"memory_mb": {"mb": 1}}, "memory_mb: expected a positive number, got a table"),
    ({"memory_mb": 0}, "memory_mb: expected a positive number, got 0"),
    ({"memory_mb": -0.0}, "memory_mb: expected a positive number, got -0.0"),
    ({"memory_mb": -5}, "memory_mb: expected a positive number, got -5"),
    ({"memory_mb": 0.5}, "memory_mb: expected at least 1, got 0.5"),
    ({"memory_mb": 1e300}, "memory_mb: expected at most 1048576, got 1e+300"),
    ({"memory_mb": 10**5000}, "memory_mb: expected at most 1048576, got a number of very many digits"),
    ({"memory_mb": NAN}, "memory_mb: expected a positive number, got NaN"),
    ({"memory_mb": INFINITY}, "memory_mb: expected a positive number, got Infinity"),
    ({"memory_mb": -INFINITY}, "memory_mb: expected a positive number, got -Infinity"),
    ({"timeout_ms": 0}, "timeout_ms: expected a positive number, got 0"),
    ({"timeout_ms": 0.2}, "timeout_ms: expected at least 1, got 0.2"),
    ({"timeout_ms": 1e12}, "timeout_ms: expected at most 31536000000, got 1000000000000.0"),
    ({"request_timeout_ms": "30s"}, 'request_timeout_ms: expected a positive number, got "30s"'),
    ({"max_buffer_size_mb": -1}, "max_buffer_size_mb: expected a positive number, got -1"),
    ({"max_pending": 0}, "max_pending: expected a positive whole number, got 0"),
    ({"max_pending": 1.5}, "max_pending: expected a positive whole number, got 1.5"),
    ({"max_pending": True}, "max_pending: expected a positive whole number, got true"),
    ({"max_pending": 10_000_000}, "max_pending: expected at most 1000000, got 10000000"),
    ({"max_restarts": -1}, "max_restarts: expected a whole number, zero or more, got -1"),
    ({"max_restarts": "5"}, 'max_restarts: expected a whole number, zero or more, got "5"'),
    ({"max_log_lines_per_s": -1}, "max_log_lines_per_s: expected a number, zero or more, got -1"),
    ({"restart_window_s": 0}, "restart_window_s: expected a positive number, got 0"),
    ({"idle_timeout_s": 0}, f"idle_timeout_s: expected a positive number, {OR_NULL}, got 0"),
    ({"idle_timeout_s": "never"}, f'idle_timeout_s: expected a positive number, {OR_NULL}, got "never"'),
    ({"idle_timeout_s": False}, f"idle_timeout_s: expected a positive number, {OR_NULL}, got false"),
    # switches
    ({"preload": 1}, "preload: expected true or false, got 1"),
    ({"preload": "yes"}, 'preload: expected true or false, got "yes"'),
    ({"default": None}, "default: expected true or false, got null"),
    # ports
    ({"port": 0}, "port: expected a port number from 1 to 65535, got 0"),
    ({"port": 65536}, "port: expected a port number from 1 to 65535, got 65536"),
    ({"port": "80"}, 'port: expected a port number from 1 to 65535, got "80"'),
    ({"port": True}, "port: expected a port number from 1 to 65535, got true"),
    ({"port": 80.5}, "port: expected a port number from 1 to 65535, got 80.5"),
    ({"port": NAN}, "port: expected a port number from 1 to 65535, got NaN"),
    # names
    ({"name": ""}, f'name: expected {NAME}, got ""'),
    ({"name": "my app"}, f'name: expected {NAME}, got "my app"'),
    ({"name": "../etc"}, f'name: expected {NAME}, got "../etc"'),
    ({"name": "café"}, f'name: expected {NAME}, got "café"'),
    ({"name": "app\n"}, f'name: expected {NAME}, got "app\\n"'),
    ({"name": 7}, f"name: expected {NAME}, got 7"),
    ({"name": "\ud800"}, f'name: expected {NAME}, got "\\ud800"'),
    ({"name": "a" * 300}, f'name: expected a name of at most 253 characters, got "{"a" * 59}…", of 300'),
    ({"name": "é" * 300}, f'name: expected {NAME}, got "{"é" * 59}…"'),
    ({"name": "a..b"}, 'name: "a..b" cannot serve as a hostname too; set "hostname"'),
    # hostnames
    ({"hostname": 5}, "hostname: expected a hostname or a list of hostnames, got 5"),
    ({"hostname": {}}, "hostname: expected a hostname or a list of hostnames, got an empty table"),
    ({"hostname": []}, "hostname: expected at least one hostname, got an empty list"),
    ({"hostname": ""}, f'hostname: expected {HOSTNAME}, got ""'),
    ({"hostname": "http://a.example"}, f'hostname: expected {HOSTNAME}, got "http://a.example"'),
    ({"hostname": "a.*.example"}, f'hostname: expected {HOSTNAME}, got "a.*.example"'),
    ({"hostname": "-a.example"}, f'hostname: expected {HOSTNAME}, got "-a.example"'),
    ({"hostname": "a.example."}, f'hostname: expected {HOSTNAME}, got "a.example."'),
    ({"hostname": "1.2.3.400"}, f'hostname: expected {HOSTNAME}, got "1.2.3.400"'),
    ({"hostname": "*.1.2.3.4"}, f'hostname: expected {HOSTNAME}, got "*.1.2.3.4"'),
    ({"hostname": "::1"}, f'hostname: expected {HOSTNAME}, got "::1"'),
    ({"hostname": "[1.2.3.4]"}, f'hostname: expected {HOSTNAME}, got "[1.2.3.4]"'),
    ({"hostname": "a" * 64}, f'hostname: expected {HOSTNAME}, got "{"a" * 59}…"'),
    ({"hostname": ["a.example", 3]}, f"hostname[1]: expected {HOSTNAME}, got 3"),
    ({"hostname": ["a.example", "A.Example"]}, 'hostname[1]: "a.example" is listed twice'),
    (
        {"hostname": "a.example:80"},
        'hostname: a hostname has no port, got "a.example:80"; write "a.example" and set "port"',
    ),
    ({"hostname": "bücher.example"}, 'hostname: expected an ASCII hostname (punycode, xn--…), got "bücher.example"'),
    (
        {"hostname": "*"},
        'hostname: "*" is no hostname; to answer every host that no other app claims, set "default" to true',
    ),
    # paths
    ({"path": 1}, "path: expected a path to a folder with index.js, or to a file, got 1"),
    ({"path": ""}, 'path: expected a path to a folder with index.js, or to a file, got ""'),
    ({"path": "a\0b"}, 'path: expected a path to a folder with index.js, or to a file, got "a\\u0000b"'),
    ({"path": "nowhere"}, 'path: "nowhere" does not exist (looked for FOLDER/nowhere)'),
    ({"path": "two.js/x"}, 'path: "two.js/x" does not exist (looked for FOLDER/two.js/x)'),
    ({"path": "empty"}, 'path: "empty" is a folder without index.js (looked for FOLDER/empty/index.js)'),
    ({"path": "x" * 5000}, f'path: "{"x" * 59}…" cannot be read: file name too long'),
    # env
    ({"env": []}, "env: expected a table, got an empty list"),
    ({"env": "A=1"}, 'env: expected a table, got "A=1"'),
    ({"env": {"A": NAN}}, "env.A: expected a finite number, got NaN"),
    ({"env": {"A": {"b c": [1, -INFINITY]}}}, 'env.A["b c"][1]: expected a finite number, got -Infinity'),
    (
        {"env": {"ID": 2**53}},
        "env.ID: 9007199254740992 is beyond JavaScript's exact integers; write it as a string",
    ),
    ({"env": {"A": "\udfff"}}, "env.A: the text is not valid Unicode (a lone surrogate)"),
    ({"env": {"\udfff": 1}}, 'env["\\udfff"]: the key is not valid Unicode (a lone surrogate)'),
    # keys
    ({"memroy_mb": 1}, 'memroy_mb: unknown key; did you mean "memory_mb"?'),
    ({"Timeout-MS": 1}, 'Timeout-MS: unknown key; did you mean "timeout_ms"?'),
    ({"drain_timeout_s": 1}, "drain_timeout_s: unknown key here; it belongs in the top level of the file"),
    ({"zzz": 1}, f"zzz: unknown key; accepted keys: {KEYS_OF_AN_APP}"),
]


@pytest.mark.parametrize(("keys", "expected"), OF_AN_APP, ids=[line[:60] for _, line in OF_AN_APP])
def test_an_app(folder: Path, keys: dict[str, Any], expected: str) -> None:
    sound = {"name": "sound", "path": "one"}
    found = problems(folder, {"apps": [sound, {"name": "app", "path": "two.js", **keys}]})
    assert found == [f"config.json: apps[1].{expected}".replace("FOLDER", str(folder))]


ONE = {"name": "one", "path": "one"}
TWO = {"name": "two", "path": "two.js"}
OF_THE_WHOLE: list[tuple[Any, list[str]]] = [
    ([], ["expected a table, got an empty list"]),
    (None, ["expected a table, got null"]),
    ("apps", ['expected a table, got "apps"']),
    (True, ["expected a table, got true"]),
    ({}, ["apps: required, but missing"]),
    ({"apps": []}, ["apps: expected at least one app, got an empty list"]),
    ({"apps": {}}, ["apps: expected a list of apps, got an empty table"]),
    ({"apps": None}, ["apps: expected a list of apps, got null"]),
    ({"apps": "one"}, ['apps: expected a list of apps, got "one"']),
    ({"apps": [ONE, 5]}, ["apps[1]: expected a table, got 5"]),
    ({"apps": [[]]}, ["apps[0]: expected a table, got an empty list"]),
    ({"apps": [{}]}, ["apps[0].name: required, but missing", "apps[0].path: required, but missing"]),
    ({"apps": [ONE], "port": -1}, ["port: expected a port number from 0 to 65535, got -1"]),
    ({"apps": [ONE], "port": None}, ["port: expected a port number from 0 to 65535, got null"]),
    ({"apps": [ONE], "host": ""}, [f'host: expected {HOST}, got ""']),
    ({"apps": [ONE], "host": "256.0.0.1"}, [f'host: expected {HOST}, got "256.0.0.1"']),
    ({"apps": [ONE], "host": "127.0.0.1:80"}, [f'host: expected {HOST}, got "127.0.0.1:80"']),
    ({"apps": [ONE], "host": ["::"]}, [f"host: expected {HOST}, got a list"]),
    ({"apps": [ONE], "drain_timeout_s": -1}, ["drain_timeout_s: expected a number, zero or more, got -1"]),
    ({"apps": [ONE], "log": "json"}, ['log: expected a table, got "json"']),
    ({"apps": [ONE], "log": {"format": "xml"}}, ['log.format: expected "json", "text" or "apache", got "xml"']),
    (
        {"apps": [ONE], "log": {"level": "INFO"}},
        ['log.level: expected "debug", "info", "warning" or "error", got "INFO"; did you mean "info"?'],
    ),
    (
        {"apps": [ONE], "log": {"max_value_bytes": 1}},
        ["log.max_value_bytes: expected at least 64, got 1"],
    ),
    (
        {"apps": [ONE], "http": {"request_id_header": "yes", "start_traces": 1}},
        [
            'http.request_id_header: expected true or false, got "yes"',
            "http.start_traces: expected true or false, got 1",
        ],
    ),
    ({"apps": [ONE], "log": {"format": []}}, ['log.format: expected "json", "text" or "apache", got an empty list']),
    ({"apps": [ONE], "http": []}, ["http: expected a table, got an empty list"]),
    ({"apps": [ONE], "http": {"parser": 1}}, ['http.parser: expected "httptools" or "h11", got 1']),
    ({"apps": [ONE], "http": {"max_headers": 0}}, ["http.max_headers: expected a positive whole number, got 0"]),
    ({"apps": [ONE], "http": {"max_headres": 1}}, ['http.max_headres: unknown key; did you mean "max_headers"?']),
    ({"apps": [ONE], "defaults": [1]}, ["defaults: expected a table, got a list"]),
    ({"apps": [ONE, TWO], "defaults": {"memory_mb": "x"}}, ['defaults.memory_mb: expected a positive number, got "x"']),
    ({"apps": [ONE], "defaults": {"name": "x"}}, ["defaults.name: unknown key here; it belongs in an app"]),
    ({"apps": [ONE], "defaults": {"xyz": 1}}, [f"defaults.xyz: unknown key; accepted keys: {LIMITS}"]),
    ({"apps": [ONE], "memory_mb": 1}, ['memory_mb: unknown key here; it belongs in "defaults" or an app']),
    ({"apps": [ONE], "aps": 1}, ['aps: unknown key; did you mean "apps"?']),
    ({"apps": [ONE], "a b": 1}, ['["a b"]: unknown key; accepted keys: TOP']),
    ({"apps": [ONE], "tsl": {}}, ['tsl: unknown key; did you mean "tls"?']),
    ({"apps": [ONE], "admn": {}}, ['admn: unknown key; did you mean "admin"?']),
    ({"apps": [ONE], "workers": 2}, ["workers: unknown key; accepted keys: TOP"]),
    ({"apps": [ONE], "watch": "yes"}, ['watch: expected true or false, got "yes"']),
    ({"apps": [ONE], "$schema": 1}, ["$schema: unknown key; accepted keys: TOP"]),
    # clashes
    ({"apps": [ONE, {**TWO, "name": "one"}]}, ['apps[1].name: "one" is already the name of apps[0]']),
    (
        {"apps": [ONE, {**TWO, "name": "ONE"}]},
        ['apps[1].name: "ONE" differs only in letter case from "one", the name of apps[0]'],
    ),
    (
        {"apps": [ONE, {**TWO, "hostname": "ONE"}]},
        ['apps[1].hostname: hostname "one" on port 3000: both "one" and "two" claim it'],
    ),
    (
        {"apps": [{**TWO, "hostname": "one"}, ONE]},
        ['apps[1].name: hostname "one" on port 3000: both "two" and "one" claim it'],
    ),
    (
        {"apps": [{**ONE, "hostname": ["a", "*.b"]}, {**TWO, "hostname": ["*.B"], "port": 8080}], "port": 8080},
        ['apps[1].hostname: hostname "*.b" on port 8080: both "one" and "two" claim it'],
    ),
    (
        {"apps": [{**ONE, "hostname": "[::1]"}, {**TWO, "hostname": "[0:0::1]"}]},
        ['apps[1].hostname: hostname "[::1]" on port 3000: both "one" and "two" claim it'],
    ),
    (
        {"apps": [{"path": "one", "hostname": "x"}, {**TWO, "hostname": "x"}]},
        [
            "apps[0].name: required, but missing",
            'apps[1].hostname: hostname "x" on port 3000: both apps[0] and "two" claim it',
        ],
    ),
    (
        {"apps": [{**ONE, "default": True}, {**TWO, "default": True}]},
        ['apps[1].default: port 3000 can have one default app: both "one" and "two" claim it'],
    ),
    # an invalid port is not taken for the default one
    (
        {"apps": [{**ONE, "hostname": "a", "port": 3000}, {**TWO, "hostname": "a"}], "port": "x"},
        ['port: expected a port number from 0 to 65535, got "x"'],
    ),
    # all at once: the general ones first, then app by app
    (
        {
            "port": 70000,
            "apps": [{**ONE, "memory_mb": "x", "path": "gone"}, {**TWO, "name": "one", "memroy_mb": 1, "port": 1.5}],
            "aps": [],
        },
        [
            "port: expected a port number from 0 to 65535, got 70000",
            'aps: unknown key; did you mean "apps"?',
            'apps[0].memory_mb: expected a positive number, got "x"',
            'apps[0].path: "gone" does not exist (looked for FOLDER/gone)',
            "apps[1].port: expected a port number from 1 to 65535, got 1.5",
            'apps[1].memroy_mb: unknown key; did you mean "memory_mb"?',
            'apps[1].name: "one" is already the name of apps[0]',
        ],
    ),
]


@pytest.mark.parametrize(("document", "expected"), OF_THE_WHOLE, ids=[lines[0][:60] for _, lines in OF_THE_WHOLE])
def test_the_whole(folder: Path, document: Any, expected: list[str]) -> None:
    top = "admin, apps, compression, defaults, drain_timeout_s, esbuild, host, http, live_reload, log, port, "
    top += "proxy_protocol, quarantine_window_s, state_dir, tls, trusted_proxies, unresponsive_timeout_s, watch"
    found = problems(folder, document)
    assert found == [f"config.json: {line}".replace("FOLDER", str(folder)).replace("TOP", top) for line in expected]


def test_env_has_a_bottom(folder: Path) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    (line,) = problems(folder, {"apps": [{**ONE, "env": {"A": deep}}]})
    assert line == f"config.json: apps[0].env.A{'[0]' * 63}: nested more than 64 levels deep"


APP = b"[[apps]]\nname = 'a'\npath = 'one'\n"
PORT = "port: expected a port number from 0 to 65535"
SYNTAX = [
    ("config.json", b'{"port": 3000, a: 1}', "config.json:1:16: invalid JSON: Expecting property name"),
    ("config.json", b'{\n  "port": 3000\n  "host": "x"\n}', "config.json:3:3: invalid JSON: Expecting ',' delimiter"),
    ("config.json", b"", "config.json:1:1: invalid JSON: Expecting value"),
    ("config.json", b'{"a": 1}\n{"b": 2}', "config.json:2:1: invalid JSON: Extra data"),
    ("config.json", b'{\n "host": "\xff"}', "config.json:2:11: invalid UTF-8"),
    ("config.json", b"[" * 100_000, "config.json: nested too deeply"),
    ("config.json", b'{"port": ' + b"9" * 5000 + b"}", "config.json: a number has too many digits"),
    ("config.json", b'{"port": 1, "port": 1}', "config.json:1:2: port: duplicate key"),
    (
        "config.json",
        b'{"apps": [{}, {"env": {"a b": 1, "a b": 2}}]}',
        'config.json:1:24: apps[1].env["a b"]: duplicate key',
    ),
    ("config.toml", b"port = \n", "config.toml:1:8: invalid TOML: Invalid value"),
    ("config.toml", b"\n[log\n", "config.toml:2:5: invalid TOML: Expected ']' at the end of a table declaration"),
    ("config.toml", b"port = 1\nport = 2\n", "config.toml:2:9: invalid TOML: port is given twice"),
    ("config.toml", b"[log]\n[log]\n", "config.toml:2:5: invalid TOML: the table [log] is given twice"),
    ("config.toml", b"[a.b]\n[a.b]\n", "config.toml:2:5: invalid TOML: the table [a.b] is given twice"),
    (
        "config.toml",
        b"host = localhost # here\n",
        'config.toml:1:8: invalid TOML: Invalid value: text stands in quotes, "localhost"',
    ),
    (
        "config.toml",
        b"trusted_proxies = ['unix', ~/private]\n",
        'config.toml:1:28: invalid TOML: Invalid value: text stands in quotes, "~/private"',
    ),
    ("config.toml", b"watch = True\n", "config.toml:1:9: invalid TOML: Invalid value: write true or false"),
    (
        "config.toml",
        b"esbuild = null\n",
        "config.toml:1:11: invalid TOML: Invalid value: TOML has no null; leave the key out, "
        'or write "none" where the key accepts that',
    ),
    ("config.toml", b'host = "', "config.toml:1:9: invalid TOML: Unterminated string"),
    ("config.toml", b"port = " + b"9" * 5000, "config.toml: a number has too many digits"),
    ("config.toml", b"apps = " + b"[" * 100_000, "config.toml: nested too deeply"),
    ("config.toml", b"port = 2020-01-01\n" + APP, f"config.toml:1:1: {PORT}, got a date or time"),
    ("config.toml", b"port = nan\n" + APP, f"config.toml:1:1: {PORT}, got NaN"),
    ("config.json", b'{"port": NaN, "apps": [{"name": "a", "path": "one"}]}', f"config.json:1:2: {PORT}, got NaN"),
    ("config.yaml", b"port: 1", "config.yaml: expected a file name that ends in .json or .toml"),
    ("config", b"", "config: expected a file name that ends in .json or .toml"),
]


@pytest.mark.parametrize(("name", "content", "expected"), SYNTAX, ids=[line[:60] for _, _, line in SYNTAX])
def test_a_file(folder: Path, name: str, content: bytes, expected: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(folder / name, {})
    (line,) = str(caught.value).splitlines()
    # Python's JSON parser has changed some wording over the versions; the position is what counts.
    assert line.startswith(expected)


def test_several_duplicate_keys_come_in_the_order_of_the_file(folder: Path) -> None:
    (folder / "c.json").write_text(
        '{"log": {"level": 1, "level": 1}, "apps": [{"name": 1, "name": 1}], "apps": [{"x": 1, "x": 2}]}'
    )
    with pytest.raises(ConfigError) as caught:
        load(folder / "c.json", {})
    expected = ["apps", "log.level", "apps[0].x"]
    assert [problem.key for problem in caught.value.problems] == expected


def test_a_missing_file_and_a_folder(folder: Path) -> None:
    (folder / "folder.json").mkdir()
    with pytest.raises(ConfigError) as caught:
        load(folder / "gone.json", {})
    assert str(caught.value) == f"gone.json: no such file (looked for {folder / 'gone.json'})"
    with pytest.raises(ConfigError) as caught:
        load(folder / "folder.json", {})
    assert str(caught.value) == f"folder.json: expected a file, got a folder (looked at {folder / 'folder.json'})"
    with pytest.raises(ConfigError) as caught:
        load(folder / ("x" * 5000 + ".json"), {})
    assert "cannot be read: file name too long" in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        load("a\0.json", {})
    assert str(caught.value).endswith("is no possible file name")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("NANO_PORT", "abc", 'expected a port number from 0 to 65535, got "abc"'),
        ("NANO_PORT", "", 'expected a port number from 0 to 65535, got ""'),
        ("NANO_PORT", "70000", "expected a port number from 0 to 65535, got 70000"),
        ("NANO_PORT", "-1", "expected a port number from 0 to 65535, got -1"),
        ("NANO_PORT", "80.0", 'expected a port number from 0 to 65535, got "80.0"'),
        ("NANO_PORT", "٣٠٠٠", 'expected a port number from 0 to 65535, got "٣٠٠٠"'),
        ("NANO_PORT", "9" * 5000, f'expected a port number from 0 to 65535, got "{"9" * 59}…"'),
        ("NANO_LOG_FORMAT", "xml", 'expected "json", "text" or "apache", got "xml"'),
        ("NANO_LOG_FORMAT", "", 'expected "json", "text" or "apache", got ""'),
    ],
    ids=lambda value: value[:30],
)
def test_the_environment(folder: Path, variable: str, value: str, expected: str) -> None:
    assert problems(folder, {"apps": [ONE]}, {variable: value}) == [f"environment: {variable}: {expected}"]


def test_the_environment_hides_no_fault_in_the_file(folder: Path) -> None:
    assert problems(folder, {"apps": [ONE], "port": "x"}, {"NANO_PORT": "8080", "NANO_LOG_FORMAT": "?"}) == [
        'config.json: port: expected a port number from 0 to 65535, got "x"',
        'environment: NANO_LOG_FORMAT: expected "json", "text" or "apache", got "?"',
    ]


def test_clashes_are_sought_on_the_port_that_the_environment_gives(folder: Path) -> None:
    document = {"apps": [{**ONE, "hostname": "a"}, {**TWO, "hostname": "a", "port": 8080}]}
    from_document(document, folder=folder, environ={})
    assert problems(folder, document, {"NANO_PORT": "8080"}) == [
        'config.json: apps[1].hostname: hostname "a" on port 8080: both "one" and "two" claim it'
    ]


def test_the_command_line(folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        single_app(folder / "gone", port=70000, settings={"memory_mb": 0}, environ={"NANO_PORT": "y"})
    lines = str(caught.value).splitlines()
    assert lines[0] == "command line: memory_mb: expected a positive number, got 0"
    assert lines[1].startswith('command line: "')
    assert lines[1].endswith(f"does not exist (looked for {folder / 'gone'})")
    assert lines[2:] == [
        'environment: NANO_PORT: expected a port number from 0 to 65535, got "y"',
        "command line: port: expected a port number from 0 to 65535, got 70000",
    ]


def test_an_unreadable_app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # the tests may run as root, who may read all
    (folder / "two.js").chmod(0o640)
    assert problems(folder, {"apps": [TWO]}) == [
        f'config.json: apps[0].path: "two.js" cannot be read: permission denied (looked for {folder / "two.js"})'
    ]


@pytest.mark.parametrize(
    "table",
    [
        {"apps": [{**ONE, "extra_ca_certs": "pipe"}]},
        {"apps": [{**ONE, "tls": {"cert": "pipe", "key": "two.js"}}]},
        {"apps": [ONE], "tls": {"client_auth": "required", "client_ca": "pipe"}},
        {"apps": [ONE], "admin": {"token_file": "pipe"}},
        {"apps": [ONE], "esbuild": "pipe"},
    ],
    ids=lambda table: next(reversed(table)),
)
def test_files_that_are_pipes(folder: Path, table: dict[str, Any]) -> None:
    os.mkfifo(folder / "pipe")
    (problem,) = problems(folder, table)
    assert "no regular file" in problem
    assert problem.endswith(f"(looked for {folder / 'pipe'})")


def test_a_configuration_that_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.toml")
    with pytest.raises(ConfigError) as caught:
        load(folder / "pipe.toml", {})
    assert str(caught.value) == f"pipe.toml: cannot be read: no regular file (looked for {folder / 'pipe.toml'})"


def test_an_esbuild_that_cannot_even_be_looked_for(folder: Path) -> None:
    assert problems(folder, {"apps": [ONE], "esbuild": "x" * 300}) == [
        f'config.json: esbuild: "{"x" * 59}…" cannot be read: file name too long'
    ]


def test_an_app_that_is_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert problems(folder, {"apps": [{**TWO, "path": "pipe"}]}) == [
        f'config.json: apps[0].path: "pipe" is no regular file (looked for {folder / "pipe"})'
    ]
