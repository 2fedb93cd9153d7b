"""The configuration: attrs models and their rules; load, validate, diff. A leaf: it knows nothing of the rest.

`load` reads a file, `single_app` makes the configuration of one app, `diff` says what a reload must do. Whatever is
wrong comes out as one `ConfigError` that holds every problem. In the order of a value's way: `reading` (files to
documents), `structure` (documents to the `model` with its `apps`, by cattrs and the `rules`), `checks` (between
values), `loading` (all of these), `difference`; `schema` describes it all.
"""

from nano_trio.config.about import Reload
from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.difference import AppChange, ConfigDiff, as_started, diff
from nano_trio.config.keeping import keep, kept
from nano_trio.config.loading import (
    app_name,
    from_document,
    load,
    load_admin,
    parse_app_name,
    parse_hostnames,
    single_app,
    sound_apps,
)
from nano_trio.config.model import (
    Admin,
    ClientAuth,
    Compression,
    Config,
    Http,
    HttpParser,
    Listener,
    Log,
    LogFormat,
    LogLevel,
    Tls,
    TlsVersion,
)
from nano_trio.config.overlay import Overlay
from nano_trio.config.problems import ConfigError, Problem
from nano_trio.config.schema import (
    SCHEMA_FILE,
    KeyDescription,
    describe_keys,
    json_schema,
    markdown_table,
    schema_text,
    to_document,
)
from nano_trio.config.tls_checks import dates_problem, pair_problem

__all__ = [
    "SCHEMA_FILE",
    "Admin",
    "App",
    "AppChange",
    "AppTls",
    "ClientAuth",
    "Compression",
    "Config",
    "ConfigDiff",
    "ConfigError",
    "Http",
    "HttpParser",
    "KeyDescription",
    "Limits",
    "Listener",
    "Log",
    "LogFormat",
    "LogLevel",
    "Overlay",
    "Problem",
    "Reload",
    "Tls",
    "TlsVersion",
    "app_name",
    "as_started",
    "dates_problem",
    "describe_keys",
    "diff",
    "from_document",
    "json_schema",
    "keep",
    "kept",
    "load",
    "load_admin",
    "markdown_table",
    "pair_problem",
    "parse_app_name",
    "parse_hostnames",
    "schema_text",
    "single_app",
    "sound_apps",
    "to_document",
]
