"""From a file, a document or a single app to a complete `Config`, or a `ConfigError` with every problem at once.

Later sources win: the file, then the environment, then what the caller overrides (the command line). Each value is
checked where it stands, so that an override does not hide a fault in the file.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from nano_trio.config.admin_checks import check_admin, check_admin_port
from nano_trio.config.apps import App, Limits
from nano_trio.config.checks import (
    ENTRIES,
    check_apps,
    check_proxies,
    check_services,
    locate,
    locate_certificates,
    locate_esbuild,
)
from nano_trio.config.model import Admin, Config, Tls
from nano_trio.config.problems import ConfigError, Finding, Problem, Rejected, render, show
from nano_trio.config.reading import read
from nano_trio.config.rules import is_hostname
from nano_trio.config.structure import check_value, sound_values, valid_values
from nano_trio.config.tls_checks import check_ports, locate_pair, locate_tls

ENVIRONMENT = {"NANO_PORT": "port", "NANO_LOG_FORMAT": "log.format", "NANO_ADMIN_TOKEN": "admin.token"}
"""Environment variables and the keys that they override."""

SCHEMA_KEY = "$schema"
"""Accepted at the top of a file: editors read it to check and complete the file as it is written."""


def load(
    path: str | os.PathLike[str],
    environ: Mapping[str, str] | None = None,
    *,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """The configuration in a .json or .toml file, complete with defaults and checked.

    `environ` is `os.environ` by default. `overrides` maps keys to values that the command line gave, such as
    `{"port": 4000, "http.parser": "h11"}`. Raises `ConfigError`.
    """
    file = Path(path)
    folder = Path(os.path.abspath(file)).parent
    try:
        return from_document(read(file), source=file.name, folder=folder, environ=environ, overrides=overrides)
    except ConfigError as error:
        raise ConfigError(_placed(file, error.problems)) from None


def _placed(file: Path, problems: Iterable[Problem]) -> Iterator[Problem]:
    """The problems, with lines and columns for those that stand in the file."""
    from nano_trio.config.positions import positions  # which most starts do without

    places = None
    for problem in problems:
        if problem.path and problem.line is None and problem.source == file.name:
            try:
                places = places or positions(file)
            except (OSError, UnicodeDecodeError):  # changed since it was read
                yield problem
                continue
            line, column = places.find(problem.path)
            problem = attrs.evolve(problem, line=line, column=column)
        yield problem


def from_document(
    document: object,
    *,
    source: str = "configuration",
    folder: str | os.PathLike[str] = ".",
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """The configuration in a document: what `json.load` or `tomllib.load` returns. It is not changed.

    `source` stands at the head of each problem; `folder` is where relative paths begin. Raises `ConfigError`.
    """
    problems: list[Problem] = []
    overriding = dict(_checked_overrides(os.environ if environ is None else environ, overrides or {}, problems))
    findings: list[Finding] = []
    values: dict[str, Any] | None = None
    if isinstance(document, dict):
        table = dict(document)
        if isinstance(table.get(SCHEMA_KEY), str):
            del table[SCHEMA_KEY]
        tables = _with_defaults(table.get("apps"), table.get("defaults"))
        if "apps" in table:
            table["apps"] = tables
        values, findings = sound_values(table, Config)
        top = valid_values({key: value for key, value in table.items() if key != "apps"}, Config)
        apps = _app_values(values, tables)
        _locate(apps, Path(folder), findings)
        findings += check_apps(apps, tables if apps else (), _main_port(table, top, overriding))
        findings += check_services(apps)
        findings += check_proxies(top)
        esbuild = locate_esbuild(top.get("esbuild"), Path(folder), findings)
        tls = locate_tls(valid_values(table.get("tls"), Tls), Path(os.path.abspath(folder)), findings)
        administered = _overridden(table, "admin", Admin, overriding)
        admin = check_admin(administered, Path(os.path.abspath(folder)), findings)
        ports = apps, _main_port(table, top, overriding), _secure_port(table, overriding)
        findings += check_ports(*ports)
        host: str = overriding.get("host") or top.get("host") or "127.0.0.1"
        findings += check_admin_port(administered, host, *ports)
    else:
        findings.append(((), f"expected a table, got {show(document)}"))
    findings.sort(key=_app_index)
    problems[:0] = [Problem(source, render(at), message, at) for at, message in findings]
    if problems or values is None:
        raise ConfigError(problems)
    config = Config(**{**values, "apps": tuple(App(**app) for app in apps)})
    state_dir = Path(os.path.abspath(Path(folder) / config.state_dir))
    config = attrs.evolve(config, tls=attrs.evolve(config.tls, **tls), state_dir=state_dir, esbuild=esbuild)
    config = attrs.evolve(config, admin=attrs.evolve(config.admin, **admin))
    for key, value in overriding.items():
        config = _with_value(config, key, value)
    return _one_listener_a_port(config)


def load_admin(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Admin:
    """Only the table `admin` of a file, for clients of the server that runs with it. What else is in the file may be
    wrong: then admin is needed most. Raises `ConfigError`.
    """
    file = Path(path)
    document = read(file)
    problems: list[Problem] = []
    overriding = dict(_checked_overrides(os.environ if environ is None else environ, {}, problems))
    table = document if isinstance(document, dict) else {}
    values, findings = sound_values(table.get("admin", {}), Admin)
    findings = [(("admin", *at), message) for at, message in findings]
    located = check_admin(_overridden(table, "admin", Admin, overriding), Path(os.path.abspath(file)).parent, findings)
    problems += [Problem(file.name, render(at), message, at) for at, message in findings]
    if problems or values is None:
        raise ConfigError(_placed(file, problems))
    token = {"token": overriding["admin.token"]} if "admin.token" in overriding else {}
    return Admin(**{**values, **located, **token})


def sound_apps(path: str | os.PathLike[str]) -> tuple[list[App], Path | None]:
    """The apps of a faulty file whose own tables are sound, so that these can be looked at all the same; and the
    esbuild that it names, where there is one.
    """
    file = Path(path)
    try:
        document = read(file)
    except ConfigError:
        return [], None
    table = document if isinstance(document, dict) else {}
    tables = _with_defaults(table.get("apps"), table.get("defaults"))
    apps: list[App] = []
    for one in tables if isinstance(tables, list) else []:
        values, findings = sound_values(one, App)
        if values is not None:
            _locate([values], file.absolute().parent, findings)
            if not findings:
                apps.append(App(**values))
    faults: list[Finding] = []
    named = valid_values({"esbuild": table.get("esbuild")}, Config).get("esbuild")
    esbuild = locate_esbuild(named, file.absolute().parent, faults)
    return apps, None if faults else esbuild


def single_app(
    path: str | os.PathLike[str],
    *,
    host: str | None = None,
    port: int | None = None,
    settings: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Config:
    """The configuration of `serve --app`: one app, which answers every host, named after its folder or file.

    `settings` holds further keys of the app (`env`, `memory_mb`, ...); `overrides` as in `load`. Relative paths
    begin at the working directory. Raises `ConfigError`.
    """
    app = {"name": app_name(path), "path": os.fspath(path), "default": True, **(settings or {})}
    given = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    try:
        return from_document(
            {"apps": [app]}, source=_COMMAND_LINE, environ=environ, overrides={**given, **(overrides or {})}
        )
    except ConfigError as error:
        raise ConfigError(map(_as_typed, error.problems)) from None


def parse_hostnames(texts: Iterable[str]) -> tuple[str, ...]:
    """Hostnames and addresses from the command line, as an app's `hostname` would hold them. Raises `ConfigError`."""
    bracketed = [f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text for text in texts]
    try:
        return check_value(bracketed, App, "hostname") if bracketed else ()
    except Rejected as error:
        raise ConfigError(Problem(_COMMAND_LINE, "HOST", message) for _, message in error.findings) from None


def parse_app_name(text: str) -> str:
    """An app's name from the command line. Raises `ConfigError`."""
    try:
        name: str = check_value(text, App, "name")
        check_value(f"{text.lower()}.localhost", App, "hostname")
    except Rejected as error:
        raise ConfigError(Problem(_COMMAND_LINE, "NAME", message) for _, message in error.findings) from None
    return name


def app_name(path: str | os.PathLike[str]) -> str:
    """A valid name made of a folder's name or a file's stem; for an index.js and its like, of the folder around it."""
    absolute = Path(os.path.abspath(path))
    if absolute.name in ENTRIES:
        absolute = absolute.parent
    stem = absolute.name if os.path.isdir(absolute) else absolute.stem
    ascii_only = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    dashed = re.sub(r"[^A-Za-z0-9._-]+", "-", ascii_only)
    labels = [label.strip("-_")[:63].strip("-_") for label in dashed.split(".")]
    name = ".".join(filter(None, labels))[:200].strip("-_.") or "app"
    # The name is the hostname too, and one that ends in a number, such as v1.2, would be an IPv4 address.
    return name if is_hostname(name.lower()) else f"app-{name.replace('.', '-')[:59].strip('-_')}"


_COMMAND_LINE = "command line"


def _app_index(finding: Finding) -> int:
    """Sorts the general settings to the head, then app by app."""
    match finding[0]:
        case ("apps", int(index), *_):
            return index
        case _:
            return -1


def _as_typed(problem: Problem) -> Problem:
    """The problem in the words of the command line, which knows no `apps[0]`, and has several ways to give a path."""
    if problem.source != _COMMAND_LINE:
        return problem
    key = problem.key.removeprefix("apps[0].")
    return attrs.evolve(problem, key="" if key == "path" else key)


def _with_defaults(apps: object, defaults: object) -> Any:
    """The apps' tables, each filled up with the sound values of the defaults (the others are reported there)."""
    if not isinstance(apps, list) or not isinstance(defaults, dict):
        return apps
    common = {key: defaults[key] for key in valid_values(defaults, Limits)}
    return [{**common, **app} if isinstance(app, dict) else app for app in apps]


_LOCATORS: dict[str, Callable[[Any, str], Any]] = {
    "path": locate,
    "extra_ca_certs": locate_certificates,
    "tls": locate_pair,
}


def _locate(apps: list[dict[str, Any]], folder: Path, findings: list[Finding]) -> None:
    """Say in the apps' values where each app and its certificates lie; adds to the findings what does not."""
    absolute = os.path.join(os.path.abspath(folder), "")
    for index, app in enumerate(apps):
        for key, find in _LOCATORS.items():
            if key in app:
                try:
                    app[key] = find(app[key], absolute)
                except Rejected as error:
                    findings += error.at("apps", index, key)


def _overridden(
    table: Mapping[str, Any], key: str, cls: type[attrs.AttrsInstance], overriding: Mapping[str, Any]
) -> dict[str, Any]:
    """The sound values of one of the tables, as they are after overriding."""
    prefix = f"{key}."
    overrides = {name.removeprefix(prefix): value for name, value in overriding.items() if name.startswith(prefix)}
    return {**valid_values(table.get(key), cls), **overrides}


def _app_values(values: Mapping[str, Any] | None, tables: Any) -> list[dict[str, Any]]:
    """The valid values among those that each app's table gives: all of them where the whole document is sound."""
    if values is not None:
        apps: list[dict[str, Any]] = values["apps"]
        return apps
    return [valid_values(app, App) for app in tables] if isinstance(tables, list) else []


def _main_port(table: Mapping[str, Any], top: Mapping[str, Any], overriding: Mapping[str, Any]) -> int | None:
    if "port" in overriding:
        port: int = overriding["port"]
        return port
    if "port" in table:
        return top.get("port")
    return attrs.fields(Config).port.default


def _secure_port(table: Mapping[str, Any], overriding: Mapping[str, Any]) -> int | None:
    port: int | None = overriding.get("tls.port", valid_values(table.get("tls"), Tls).get("port"))
    return port


def _checked_overrides(
    environ: Mapping[str, str], overrides: Mapping[str, object], problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    """The overriding values by key, those of the command line last; adds to the problems what is wrong in them."""
    given: list[tuple[str, str, str, object]] = [
        ("environment", variable, key, _number_or_text(environ[variable]) if key == "port" else environ[variable])
        for variable, key in ENVIRONMENT.items()
        if variable in environ
    ]
    given += [(_COMMAND_LINE, key, key, value) for key, value in overrides.items()]
    for source, label, key, value in given:
        table, _, name = key.rpartition(".")
        cls = attrs.fields_dict(Config)[table].type if table else Config
        try:
            yield key, check_value(value, cls, name)  # type: ignore[arg-type]
        except Rejected as error:
            problems += [Problem(source, label, message) for _, message in error.findings]


def _one_listener_a_port(config: Config) -> Config:
    """An app whose own port is the server's has none of its own, and an HTTPS port beside that is the server's, too."""
    sharing = [app for app in config.apps if app.port == config.port]
    if not sharing:
        return config
    secure = next((app.tls.port for app in sharing if app.tls.port is not None), config.tls.port)
    apps = (
        attrs.evolve(app, port=None, tls=attrs.evolve(app.tls, port=None)) if app.port == config.port else app
        for app in config.apps
    )
    return attrs.evolve(config, apps=tuple(apps), tls=attrs.evolve(config.tls, port=secure))


def _number_or_text(text: str) -> int | str:
    """An environment variable is always text; "3000" means the number."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def _with_value(config: Config, key: str, value: object) -> Config:
    table, _, name = key.rpartition(".")
    if table:
        name, value = table, attrs.evolve(getattr(config, table), **{name: value})
    changes: dict[str, Any] = {name: value}
    return attrs.evolve(config, **changes)
