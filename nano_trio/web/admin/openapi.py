"""The description of the REST interface, made of the table of methods: OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.1.

The tests hold real answers against these schemas, and every route against this document.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

from nano_trio import __version__
from nano_trio.config import json_schema
from nano_trio.web.admin.methods import METHODS, STATES, SUBSCRIPTIONS, Method, Param

__all__ = ["openapi"]

Schema = dict[str, Any]

# RFC 9110 has given them other names, by which Python calls them from 3.13 on.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_NAMES: Schema = {"type": "array", "items": _TEXT}
_COUNT: Schema = {"type": "integer", "minimum": 0}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), more: bool = False) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": more,
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_SCHEMAS: dict[str, Schema] = {
    "app_status": _object(
        {
            "name": _TEXT,
            "state": {"enum": list(STATES)},
            "urls": {"type": "array", "items": _TEXT},
            "path": _TEXT,
            "preload": {"type": "boolean"},
            "restarts": {**_COUNT, "description": "how often it was started again after a crash"},
            "last_error": {**_TEXT_OR_NULL, "description": "why it last crashed"},
            "last_reload_error": {**_TEXT_OR_NULL, "description": "why its new version did not load"},
            "memory_bytes": {**_COUNT, "description": "its heap when last read; 0 while it sleeps"},
            "memory_limit_bytes": _COUNT,
            "quarantine": {**_TEXT_OR_NULL, "description": "why it is quarantined"},
        }
    ),
    "apps": _object({"apps": {"type": "array", "items": _reference("app_status")}}),
    "removed": _object({"name": _TEXT, "removed": {"const": True}}),
    "reloaded": _object(
        {
            "changed": {"type": "boolean", "description": "whether anything is different now"},
            "error": {"type": "null"},
            "added": _NAMES,
            "removed": _NAMES,
            "replaced": {**_NAMES, "description": "apps whose new version serves"},
            "updated": {**_NAMES, "description": "apps with new limits or routes and the same isolate"},
            "failed": {
                "type": "object",
                "additionalProperties": _TEXT,
                "description": "apps whose new version did not load, and why; the old one serves",
            },
            "settings": {**_NAMES, "description": "settings of the server itself that have other values now"},
            "needs_restart": {**_NAMES, "description": "changed settings that wait for a restart of the server"},
        }
    ),
    "node": _object(
        {
            "id": _TEXT,
            "state": _TEXT,
            "children": {"type": "array", "items": _reference("node")},
        },
        optional=("state", "children"),
        more=True,
    ),
    "logs": _object(
        {
            "lines": {
                "type": "array",
                "items": _object(
                    {"timestamp": _TEXT, "level": _TEXT, "event": _TEXT, "app": _TEXT},
                    optional=("app", "level", "timestamp"),
                    more=True,
                ),
            }
        }
    ),
    "health": _object(
        {
            "status": {"enum": ["ok", "degraded", "draining"]},
            "version": _TEXT,
            "uptime_s": {"type": "number", "minimum": 0},
            "apps": {"type": "object", "additionalProperties": _COUNT, "description": "how many, by state"},
            "problems": {"type": "array", "items": _TEXT, "description": "what somebody should look at"},
        },
        more=True,
    ),
    "live": _object({"live": {"const": True}}),
    "ready": _object({"ready": {"type": "boolean"}}),
    "problem": {
        **_object(
            {
                "type": _TEXT,
                "title": _TEXT,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {**_TEXT, "description": "what was wrong, where, and what is accepted"},
                "problems": {"type": "array", "items": _TEXT},
            },
            optional=("problems",),
            more=True,
        ),
        "description": "RFC 9457",
    },
}


def _parameter(param: Param, method: Method) -> Schema:
    in_path = f"{{{param.name}}}" in method.path
    schema = param.rule.schema()
    if not param.required and param.default is not None:
        schema = {**schema, "default": param.default}
    return {
        "name": param.name,
        "in": "path" if in_path else "query",
        "required": in_path or param.required,
        "description": param.text,
        "schema": schema,
    }


def _error(status: int) -> Schema:
    return {
        "description": _PHRASES.get(status) or HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": _reference("problem")}},
    }


def _success(method: Method) -> Schema:
    if method.result == "metrics":
        return {"description": method.summary, "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {"description": method.summary, "content": {"application/json": {"schema": _reference(method.result)}}}


def _operation(method: Method) -> Schema:
    errors = {400, 405, 500, *method.errors}
    if not method.public:
        errors |= {401, 403, 429}
    if method.changes:
        errors |= {413, 415}
    responses: dict[str, Schema] = {str(method.status): _success(method)}
    for status in sorted(errors):
        # These two say the same thing as otherwise, only less well.
        says = status == 503 and method.name in ("health", "ready")
        responses[str(status)] = _success(method) if says else _error(status)
    operation: Schema = {
        "operationId": method.name,
        "summary": method.summary,
        "parameters": [_parameter(param, method) for param in method.params],
        "responses": responses,
        "security": [] if method.public else [{"token": []}, {}],
    }
    if method.document:
        content = {"application/json": {"schema": _reference(method.document)}}
        operation["requestBody"] = {"required": True, "content": content}
    elif method.verb == "POST":
        empty = {"type": "object", "additionalProperties": False}
        operation["requestBody"] = {"required": False, "content": {"application/json": {"schema": empty}}}
    return operation


def _moved(schema: Any) -> Any:
    """The configuration's schema, with its references pointing to where it stands here."""
    match schema:
        case dict():
            return {
                key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
                for key, value in schema.items()
            }
        case list() | tuple():
            return [_moved(item) for item in schema]
        case _:
            return schema


@cache
def openapi() -> Schema:
    """The document. Not to be changed."""
    paths: dict[str, Schema] = {}
    for method in METHODS:
        paths.setdefault(method.path, {})[method.verb.lower()] = _operation(method)
    streams = "\n".join(
        f"- `{stream.name}.subscribe` {{{', '.join(param.name for param in stream.params)}}}: {stream.summary}"
        for stream in SUBSCRIPTIONS
    )
    configuration = json_schema()["$defs"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "nano-trio admin",
            "version": __version__,
            "description": (
                "The same operations are there as JSON-RPC 2.0 over WebSocket at `/admin/ws`: `operationId` is the "
                "method, parameters are given by name. Subscriptions only there:\n\n"
                f"{streams}\n\n"
                "Each answers `{subscription: number}`; its items come as notifications `{subscription, items, lost}`, "
                "where `lost` counts the items before these that were dropped because the client was slow. "
                "`unsubscribe` {subscription} ends one. A client that cannot send headers calls `authenticate` {token} "
                "first."
            ),
        },
        "paths": paths,
        "components": {
            "schemas": {**{name: _moved(configuration[name]) for name in ("app", "app_tls")}, **_SCHEMAS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "where a token is configured; always, beyond loopback",
                }
            },
        },
    }
