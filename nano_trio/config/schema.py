"""The configuration's documentation, made from the model: a description of every key, a Markdown table, a JSON Schema;
and the model's plain form, the inverse of loading.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from nano_trio.config.about import ABOUT, About, Reload
from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.loading import SCHEMA_KEY
from nano_trio.config.model import Admin, Compression, Config, Http, Log, Tls
from nano_trio.config.problems import Rejected
from nano_trio.config.rules import Rule, Schema
from nano_trio.config.structure import rule_of

SCHEMA_FILE = Path(__file__).with_name("nano-trio.schema.json")
"""The JSON Schema as it is shipped with the package; ``python -m tests.readme`` writes it anew."""

TABLES: dict[str, type[attrs.AttrsInstance]] = {
    "": Config,
    "apps[]": App,
    "apps[].tls": AppTls,
    "apps[], defaults": Limits,
    "http": Http,
    "compression": Compression,
    "tls": Tls,
    "log": Log,
    "admin": Admin,
}
"""Where each class's own keys stand."""

DEFINITIONS: dict[str, type[attrs.AttrsInstance]] = {
    "app": App,
    "app_tls": AppTls,
    "limits": Limits,
    "http": Http,
    "compression": Compression,
    "tls": Tls,
    "log": Log,
    "admin": Admin,
}
"""The classes by their names in the JSON Schema."""


@frozen
class KeyDescription:
    """One key of the configuration, for people."""

    table: str
    """Where the key stands: empty for the top level, else `apps[]`, `apps[].tls`, `apps[], defaults`, `http`, ..."""
    key: str
    accepts: str
    default: str
    """As it would be written in JSON, or in words; `required` where there is none."""
    unit: str
    text: str
    reload: Reload


def describe_keys() -> tuple[KeyDescription, ...]:
    """Every key that is accepted, in the order in which one would explain them."""
    return tuple(
        KeyDescription(table, field.name, rule.expects, _default_text(field), about.unit, about.text, about.reload)
        for table, cls in TABLES.items()
        for field in _own_fields(cls)
        if (rule := rule_of(field.type)) and (about := _about(field))
    )


def markdown_table() -> str:
    """`describe_keys` as a table for the README."""
    rows = ["| where | key | default | unit | meaning |", "|---|---|---|---|---|"]
    for key in describe_keys():
        where = ", ".join(f"`{part}`" for part in key.table.split(", ")) if key.table else "top level"
        rows.append(f"| {where} | `{key.key}` | {key.default} | {key.unit} | {key.text} |")
    return "\n".join(rows) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file, for editors and for checks elsewhere.

    It says what each value must be; clashes between apps, hostnames in detail and the existence of paths it cannot say.
    """
    top = _table_schema(Config)
    top["properties"] |= {
        SCHEMA_KEY: {"type": "string", "description": "where editors find this schema"},
        "apps": {"type": "array", "items": {"$ref": "#/$defs/app"}, "minItems": 1, "description": "the apps"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "nano-trio configuration",
        **top,
        "$defs": {name: _table_schema(cls) for name, cls in DEFINITIONS.items()},
    }


def schema_text() -> str:
    """The JSON Schema as the shipped file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def to_document(config: Config) -> dict[str, Any]:
    """The configuration in plain form, as a file might say it: `from_document` makes an equal `Config` of it.

    Holds no null, so it can be written as TOML too. It shows every value of `env`: mind where you print it.
    """
    document: dict[str, Any] = _plain(config)
    return document


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        document: dict[str, Any] = {}
        for field in attrs.fields(type(value)):
            item = getattr(value, field.name)
            if item is not None:
                document[field.name] = item if field.name == "env" else _plain(item)
            elif getattr(rule_of(field.type), "or_none", False):
                document[field.name] = "none"
        return document
    match value:
        case tuple():
            return [_plain(item) for item in value]
        case Path():
            return str(value)
        case _:
            return value


def _table_schema(cls: type[attrs.AttrsInstance]) -> Schema:
    fields = [*_own_fields(cls), *(field for field in attrs.fields(cls) if field.inherited)]
    return {
        "type": "object",
        "description": " ".join((cls.__doc__ or "").split()),
        "properties": dict(_property_schemas(fields)),
        "required": [field.name for field in fields if field.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def _property_schemas(fields: "list[attrs.Attribute[Any]]") -> Iterator[tuple[str, Schema]]:
    for field in fields:
        rule = rule_of(field.type)
        if rule:
            about = _about(field)
            unit = f" ({about.unit})" if about.unit else ""
            schema = {**rule.schema(), "description": f"{about.text}{unit}"}
            if field.default is not attrs.NOTHING and not _in_words(field) and _accepts(rule, field.default):
                schema["default"] = field.default
            yield field.name, schema
        for name, cls in DEFINITIONS.items():
            if field.type is cls:
                yield field.name, {"$ref": f"#/$defs/{name}"}


def _accepts(rule: Rule, value: object) -> bool:
    """Whether a file may say it: a key that is not there may stand for what no value says."""
    try:
        rule.accept(value)
    except Rejected:
        return False
    return True


def _own_fields(cls: type[attrs.AttrsInstance]) -> "list[attrs.Attribute[Any]]":
    return [field for field in attrs.fields(cls) if not field.inherited]


def _about(field: "attrs.Attribute[Any]") -> About:
    about: About = field.metadata[ABOUT]
    return about


def _in_words(field: "attrs.Attribute[Any]") -> bool:
    return bool(_about(field).default) or not isinstance(field.default, str | int | float | None)


def _default_text(field: "attrs.Attribute[Any]") -> str:
    if field.default is attrs.NOTHING:
        return "required"
    if _about(field).default:
        return _about(field).default
    match field.default:
        case None:
            return "none"
        case bool():
            return f"`{str(field.default).lower()}`"
        case str() | int() | float():
            return f"`{field.default}`"
        case _:
            return "empty"
