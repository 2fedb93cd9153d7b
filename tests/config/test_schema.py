"""The documentation that is made from the model agrees with what loading does."""

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from nano_trio.config import (
    Admin,
    App,
    AppTls,
    Compression,
    Config,
    Http,
    Limits,
    Log,
    Reload,
    Tls,
    describe_keys,
    from_document,
    json_schema,
)
from nano_trio.config import markdown_table as table_of_keys
from tests.config.documents import documents

SCHEMA = json_schema()


def conforms(value: Any, schema: dict[str, Any]) -> bool:
    """A JSON Schema checker for the keywords that our schema uses; any other is a KeyError."""
    if "$ref" in schema:
        return conforms(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")])
    return all(
        CHECKS[keyword](value, argument, schema)
        for keyword, argument in schema.items()
        if keyword not in {"$schema", "$defs", "title", "description", "default"}
    )


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TYPES: dict[str, Any] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": is_number,
    "integer": lambda value: is_number(value) and value == int(value),
}
CHECKS: dict[str, Any] = {
    "type": lambda value, name, _: TYPES[name](value),
    "enum": lambda value, words, _: any(value == word and type(value) is type(word) for word in words),
    "minimum": lambda value, bound, _: not is_number(value) or value >= bound,
    "maximum": lambda value, bound, _: not is_number(value) or value <= bound,
    "minLength": lambda value, bound, _: not isinstance(value, str) or len(value) >= bound,
    "maxLength": lambda value, bound, _: not isinstance(value, str) or len(value) <= bound,
    "pattern": lambda value, pattern, _: not isinstance(value, str) or bool(re.search(pattern, value)),
    "minItems": lambda value, bound, _: not isinstance(value, list) or len(value) >= bound,
    "uniqueItems": lambda value, _, __: (
        not isinstance(value, list) or len({json.dumps(v) for v in value}) == len(value)
    ),
    "items": lambda value, items, _: not isinstance(value, list) or all(conforms(item, items) for item in value),
    "anyOf": lambda value, choices, _: any(conforms(value, choice) for choice in choices),
    "required": lambda value, keys, _: not isinstance(value, dict) or set(keys) <= set(value),
    "properties": lambda value, properties, _: (
        not isinstance(value, dict) or all(conforms(value[key], properties[key]) for key in properties if key in value)
    ),
    "additionalProperties": lambda value, _, schema: (
        not isinstance(value, dict) or set(value) <= set(schema["properties"])
    ),
}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(document=documents())
def test_the_schema_takes_what_loading_takes(folder: Path, document: dict[str, Any]) -> None:
    from_document(document, folder=folder, environ={})
    assert conforms({"$schema": "x", **document}, SCHEMA)


ONE = {"name": "one", "path": "one"}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"apps": []},
        {"apps": [{}]},
        {"apps": [{"name": "a b", "path": "x"}]},
        {"apps": [ONE], "tls": {"port": -1}},
        {"apps": [ONE], "tls": {"client_auth": "maybe"}},
        {"apps": [{**ONE, "tls": {"cert": 1}}]},
        {"apps": [{**ONE, "tls": {"crt": "x"}}]},
        {"apps": [{**ONE, "memory_mb": "x"}]},
        {"apps": [{**ONE, "memory_mb": 0}]},
        {"apps": [{**ONE, "memory_mb": True}]},
        {"apps": [{**ONE, "max_pending": 1.5}]},
        {"apps": [{**ONE, "port": 0}]},
        {"apps": [{**ONE, "port": None}]},
        {"apps": [{**ONE, "hostname": []}]},
        {"apps": [{**ONE, "idle_timeout_s": "never"}]},
        {"apps": [{**ONE, "memroy_mb": 1}]},
        {"apps": [ONE], "defaults": {"name": "x"}},
        {"apps": [ONE], "log": {"format": "xml"}},
        {"apps": [ONE], "http": {"max_headers": 0}},
    ],
    ids=str,
)
def test_the_schema_refuses_what_loading_refuses(document: Any) -> None:
    assert not conforms(document, SCHEMA)


def test_the_schema_is_json_and_says_the_defaults() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["properties"]["port"]["default"] == 3000
    assert SCHEMA["$defs"]["limits"]["properties"]["idle_timeout_s"]["default"] is None
    assert SCHEMA["$defs"]["app"]["required"] == ["name", "path"]
    assert "default" not in SCHEMA["$defs"]["app"]["properties"]["port"]


def test_every_key_is_described() -> None:
    described = {(key.table, key.key) for key in describe_keys()}
    tables = {
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
    expected = {
        (table, field.name)
        for table, cls in tables.items()
        for field in attrs.fields(cls)
        if not field.inherited
        and (table, field.name)
        not in {("", name) for name in ("apps", "defaults", "http", "compression", "tls", "log", "admin")}
        and (table, field.name) != ("apps[]", "tls")
    }
    assert described == expected
    assert all(key.text and key.accepts and key.default for key in describe_keys())


def test_units_and_defaults_are_told() -> None:
    keys = {key.key: key for key in describe_keys()}
    assert (keys["timeout_ms"].unit, keys["timeout_ms"].default) == ("ms", "`5000`")
    assert (keys["memory_mb"].unit, keys["memory_mb"].reload) == ("MB", Reload.ISOLATE)
    assert (keys["name"].default, keys["hostname"].default) == ("required", "the name")
    assert all(key.unit for key in describe_keys() if key.key.endswith(("_ms", "_s", "_mb", "_bytes")))


def test_the_table_for_the_readme_has_a_row_for_each_key() -> None:
    header, rule, *rows = table_of_keys().splitlines()
    assert header.count("|") == rule.count("|") == 6
    assert len(rows) == len(describe_keys())
    assert "| `apps[]`, `defaults` | `memory_mb` | `128` | MB | memory of the app's isolate; beyond it" in "\n".join(
        rows
    )
