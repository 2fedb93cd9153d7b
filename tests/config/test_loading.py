"""What a sound configuration becomes; and that nothing whatever is worse than a ConfigError."""

import copy
import itertools
import json
import math
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nano_trio.config import (
    App,
    ConfigError,
    Http,
    Limits,
    Listener,
    Log,
    app_name,
    from_document,
    load,
    single_app,
    to_document,
)
from nano_trio.config.model import default_state_dir
from nano_trio.engine.bytecode import default_cache_folder
from tests.config.documents import JSON_VALUES, documents

FOLDER_STAYS = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def test_the_least_configuration_gets_every_default(folder: Path) -> None:
    (folder / "config.json").write_text('{"apps": [{"name": "One", "path": "one"}]}')
    config = load(folder / "config.json", {})
    (app,) = config.apps
    assert (config.host, config.port, config.drain_timeout_s) == ("127.0.0.1", 3000, 30)
    assert (config.http, config.log, config.defaults) == (Http(), Log(), Limits())
    assert attrs.astuple(config.http) == (
        "httptools",
        True,
        8192,
        65536,
        100,
        30,
        75,
        None,
        None,
        None,
        None,
        True,
        False,
    )
    assert (config.trusted_proxies, config.proxy_protocol, config.compression.encodings) == ((), False, ())
    assert attrs.astuple(config.log) == ("info", "text", 16384)
    assert attrs.astuple(config.defaults)[:12] == (5000, 128, 64, 30000, 1000, False, None, 5, 60, (), (), 256)
    sockets = {"max_message_mb": 16, "max_buffered_mb": 1, "websocket_compression": True}
    beats = {"websocket_ping_interval_s": 30, "websocket_ping_timeout_s": 10, "websocket_close_timeout_s": 5}
    assert attrs.asdict(config.defaults).items() >= {**sockets, **beats}.items()
    assert app == App(name="One", path=str(folder / "one"))
    assert app.hostname == ("one",)
    assert app.path == str(folder / "one")
    assert config.port_of(app) == 3000
    assert config.listeners == {Listener("127.0.0.1", 3000)}


def test_a_full_toml_file(folder: Path) -> None:
    (folder / "config.toml").write_text(
        """
        host = "0.0.0.0"
        port = 8000
        drain_timeout_s = 0

        [defaults]
        memory_mb = 64
        idle_timeout_s = 300

        [http]
        parser = "h11"

        [log]
        level = "debug"
        format = "apache"

        [[apps]]
        name = "one"
        path = "one"
        hostname = ["Example.com", "*.Example.com"]
        memory_mb = 32.5
        default = true

        [apps.env]
        KEY = "value"
        N = 1.5
        NESTED = { list = [1, true, "x"] }

        [[apps]]
        name = "two"
        path = "./two.js"
        port = 9000
        idle_timeout_s = "none"
        """
    )
    config = load(folder / "config.toml", {})
    one, two = config.apps
    assert one.hostname == ("example.com", "*.example.com")
    assert one.env == {"KEY": "value", "N": 1.5, "NESTED": {"list": [1, True, "x"]}}
    assert (one.memory_mb, one.idle_timeout_s, one.default) == (32.5, 300, True)
    assert (two.memory_mb, two.idle_timeout_s, two.default) == (64, None, False)
    assert two.path == str(folder / "two.js")
    assert config.listeners == {Listener("0.0.0.0", 8000), Listener("0.0.0.0", 9000)}
    assert (config.http.parser, config.log.level, config.log.format) == ("h11", "debug", "apache")


def test_a_null_idle_timeout_overrides_the_defaults(folder: Path) -> None:
    app = {"name": "one", "path": "one", "idle_timeout_s": None}
    config = from_document({"apps": [app], "defaults": {"idle_timeout_s": 5}}, folder=folder, environ={})
    assert config.apps[0].idle_timeout_s is None


def test_one_hostname_may_stand_on_two_ports(folder: Path) -> None:
    one = {"name": "one", "path": "one", "hostname": "a.example", "default": True}
    two = {**one, "name": "two", "port": 8080}
    assert len(from_document({"apps": [one, two]}, folder=folder, environ={}).apps) == 2


def test_a_file_may_name_its_schema_and_begin_with_a_byte_order_mark(folder: Path) -> None:
    (folder / "c.JSON").write_text('\ufeff{"$schema": "x.json", "apps": [{"name": "one", "path": "one"}]}')
    assert load(folder / "c.JSON", {}).apps[0].name == "one"


def test_paths_begin_at_the_file_not_at_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config.json").write_text('{"apps": [{"name": "one", "path": "./empty/../one"}]}')
    monkeypatch.chdir(folder.parent)
    assert load(f"{folder.name}/config.json", {}).apps[0].path == str(folder / "one")


def test_environment_and_command_line_override_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config.json").write_text(
        '{"port": 1, "log": {"format": "text", "level": "error"}, "apps": [{"name": "one", "path": "one"}]}'
    )
    environ = {"NANO_PORT": "4000", "NANO_LOG_FORMAT": "json", "NANO_OTHER": "x"}
    config = load(folder / "config.json", environ)
    assert (config.port, config.log) == (4000, Log(format="json", level="error"))
    config = load(folder / "config.json", environ, overrides={"port": 5000, "http.parser": "h11"})
    assert (config.port, config.log.format, config.http.parser) == (5000, "json", "h11")
    monkeypatch.setenv("NANO_PORT", "6000")
    assert load(folder / "config.json").port == 6000


def test_a_single_app_answers_every_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    config = single_app("one", environ={"NANO_PORT": "4000"}, settings={"env": {"A": 1}})
    assert config.apps == (App(name="one", path=str(folder / "one"), default=True, env={"A": 1}),)
    assert (config.host, config.port) == ("127.0.0.1", 4000)
    config = single_app(folder / "two.js", host="::1", port=0, environ={"NANO_PORT": "4000"})
    assert (config.host, config.port, config.apps[0].name) == ("::1", 0, "two")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("my app", "my-app"),
        ("blog/index.js", "blog"),
        ("blog/index.ts", "blog"),
        ("blog/index.mjs", "blog"),
        ("blog/main.mjs", "main"),
        ("Crème brûlée.js", "Creme-brulee"),
        ("_private_.js", "private"),
        ("-x-.-y-.js", "x.y"),
        ("a..b.js", "a.b"),
        ("日本.js", "app"),
        ("2024", "app-2024"),
        ("v1.2.js", "app-v1-2"),
        ("/", "app"),
        ("x" * 100 + ".js", "x" * 63),
    ],
)
def test_an_app_is_named_after_its_folder_or_file(path: str, name: str) -> None:
    assert app_name(path) == name


@FOLDER_STAYS
@given(stem=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1))
def test_every_name_made_of_a_path_is_valid(folder: Path, stem: str) -> None:
    config = from_document({"apps": [{"name": app_name(f"/x/{stem}.js"), "path": "one"}]}, folder=folder, environ={})
    assert config.apps[0].name


def test_each_app_is_read_by_its_own_keys_however_many_kinds_there_are(folder: Path) -> None:
    keys = ["timeout_ms", "memory_mb", "max_pending", "max_restarts", "restart_window_s", "max_connections"]
    kinds = [list(kind) for count in range(len(keys) + 1) for kind in itertools.combinations(keys, count)]
    apps = [
        {"name": f"app{number}", "path": "one", **dict.fromkeys(kind, 7)} for number, kind in enumerate(kinds + kinds)
    ]
    defaults = Limits()
    for app, said in zip(from_document({"apps": apps}, folder=folder, environ={}).apps, apps, strict=True):
        assert [getattr(app, key) for key in keys] == [said.get(key, getattr(defaults, key)) for key in keys]
    apps[-1]["max_conections"] = apps[-1].pop("max_connections")
    with pytest.raises(ConfigError, match=r'max_conections: unknown key; did you mean "max_connections"\?'):
        from_document({"apps": apps}, folder=folder, environ={})


def test_values_of_env_stay_out_of_the_logs(folder: Path) -> None:
    app = {"name": "one", "path": "one", "env": {"KEY": "hunter2"}}
    assert "hunter2" not in repr(from_document({"apps": [app]}, folder=folder, environ={}))


def test_the_model_is_frozen_hashable_and_apart_from_the_document(folder: Path) -> None:
    document: dict[str, Any] = {"apps": [{"name": "one", "path": "one", "env": {"A": [1]}}]}
    config = from_document(document, folder=folder, environ={})
    document["apps"][0]["env"]["A"].append(2)
    assert config.apps[0].env == {"A": [1]}
    assert len({config, from_document(document, folder=folder, environ={})}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.port = 1  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        config.extra = 1  # type: ignore[attr-defined]


def test_env_tells_true_from_one() -> None:
    one, true = (App(name="a", path="a", env={"A": value}) for value in (1, True))
    assert one != true


@FOLDER_STAYS
@given(document=documents())
def test_valid_configurations_survive_the_round_trip(folder: Path, document: dict[str, Any]) -> None:
    before = copy.deepcopy(document)
    config = from_document(document, folder=folder, environ={})
    assert document == before
    plain = to_document(config)
    assert from_document(plain, folder="/", environ={}) == config
    (folder / "config.json").write_text(json.dumps(document))
    (folder / "again.json").write_text(json.dumps(plain))
    (folder / "config.toml").write_text(toml(document))
    assert load(folder / "config.json", {}) == config
    assert load(folder / "again.json", {}) == config
    assert load(folder / "config.toml", {}) == config


@FOLDER_STAYS
@given(document=JSON_VALUES)
def test_any_json_is_a_config_or_a_config_error(folder: Path, document: Any) -> None:
    check_any(folder, document)


KEYS = [
    "name",
    "path",
    "hostname",
    "env",
    "port",
    "memory_mb",
    "timeout_ms",
    "idle_timeout_s",
    "default",
    "max_pending",
]
NEARLY_APPS = st.fixed_dictionaries({"name": st.just("a") | JSON_VALUES, "path": st.just("one") | JSON_VALUES})
NEARLY = st.fixed_dictionaries(
    {"apps": st.lists(st.builds(dict.__or__, NEARLY_APPS, st.dictionaries(st.sampled_from(KEYS), JSON_VALUES)))},
    optional=dict.fromkeys(("port", "host", "defaults", "http", "log", "drain_timeout_s", "other"), JSON_VALUES),
)


@FOLDER_STAYS
@given(document=NEARLY)
def test_nearly_a_configuration_is_a_config_or_a_config_error(folder: Path, document: Any) -> None:
    check_any(folder, document)


@FOLDER_STAYS
@given(content=st.binary() | st.text().map(str.encode), suffix=st.sampled_from([".json", ".toml"]))
def test_any_file_is_a_config_or_a_config_error(folder: Path, content: bytes, suffix: str) -> None:
    file = folder / f"any{suffix}"
    file.write_bytes(content)
    with pytest.raises(ConfigError):  # for no random file names an app that exists
        load(file, {})


@FOLDER_STAYS
@given(value=st.text())
def test_any_environment_is_a_config_or_a_config_error(folder: Path, value: str) -> None:
    document = {"apps": [{"name": "one", "path": "one"}]}
    with pytest.raises(ConfigError) as caught:  # for no value is both a port and a format
        from_document(document, folder=folder, environ={"NANO_PORT": value, "NANO_LOG_FORMAT": value})
    assert all(problem.source == "environment" for problem in caught.value.problems)


def check_any(folder: Path, document: Any) -> None:
    try:
        config = from_document(document, folder=folder, environ={})
    except ConfigError as error:
        assert_one_line_each(error)
    else:
        assert config.apps


def assert_one_line_each(error: ConfigError) -> None:
    lines = str(error).split("\n")
    assert len(lines) == len(error.problems) > 0
    assert all(line.isprintable() for line in lines)


def toml(document: dict[str, Any]) -> str:
    """The document as TOML, in inline tables."""
    return "".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in document.items())


def inline(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {inline(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(inline, value)) + "]"
        case str():
            return quoted(value)
        case float() if math.isfinite(value):
            return repr(value)
        case _:
            return json.dumps(value)


def quoted(text: str) -> str:
    """JSON's escapes are TOML's, but for surrogate pairs (TOML: as it is) and DEL (TOML: escaped)."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def test_where_state_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document: dict[str, Any] = {"apps": [{"name": "one", "path": "one"}]}
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert from_document(document, folder=folder, environ={}).state_dir == Path("/var/state/nano-trio")
    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert from_document(document, folder=folder, environ={}).state_dir == Path("/home/someone/.local/state/nano-trio")
    relative = from_document({**document, "state_dir": "x/../state"}, folder=folder, environ={})
    assert relative.state_dir == folder / "state"
    with pytest.raises(ConfigError, match="state_dir: expected a path to a folder, got 7"):
        from_document({**document, "state_dir": 7}, folder=folder, environ={})


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers have them; a folder "~" in the working directory is nobody's."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_state_dir() == Path("/home/ada/.local/state/nano-trio")
    assert default_cache_folder() == Path("/home/ada/.cache/nano-trio/bytecode")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    assert default_state_dir() == Path("/var/lib/nano-trio")
    assert default_cache_folder() is None
