"""The description of the REST interface: valid, complete, and true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from nano_trio.web.admin.methods import METHODS
from nano_trio.web.admin.openapi import openapi
from nano_trio.web.admin.pages import pages
from nano_trio.web.admin.rest import Rest

from .conftest import Server


def test_it_is_served_and_valid(server: Server) -> None:
    document = server.ask("GET", "/admin/openapi.json").json
    assert document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_and_the_other_way_round() -> None:
    routes = set(Rest(None).routes)  # type: ignore[arg-type]
    routes -= {("GET", path) for path in pages()} | {("GET", Rest.OPENAPI_PATH)}
    described = {(verb.upper(), path) for path, item in openapi()["paths"].items() for verb in item}
    assert described == routes
    assert {item["operationId"] for each in openapi()["paths"].values() for item in each.values()} == {
        method.name for method in METHODS
    }


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi()["paths"].items():
        for verb, operation in item.items():
            yield verb.upper(), path, operation


def check(operation: dict[str, Any], answer: Any) -> None:
    """The answer is one that the document describes."""
    response = operation["responses"][str(answer.status)]
    content_type = answer.headers["content-type"].partition(";")[0]
    schema = response["content"][content_type]["schema"]
    if content_type != "text/plain":
        root = {**openapi(), "$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
        jsonschema.Draft202012Validator(root).validate(answer.json)


@pytest.mark.parametrize(("verb", "path", "operation"), list(operations()))
def test_answers_are_as_described(server: Server, verb: str, path: str, operation: dict[str, Any]) -> None:
    server.get("one")
    server.get("broken")
    name = "spare" if verb == "DELETE" else "one"
    if name == "spare":
        server.ask("POST", "/admin/apps", {"name": "spare", "path": "one.js"})
    here = path.replace("{name}", name)
    body = {"name": "spare", "path": "one.js"} if path == "/admin/apps" and verb == "POST" else None
    good = server.ask(verb, here, body or ({} if verb == "POST" else None))
    assert good.status in (200, 201) or path.endswith("/lift")
    check(operation, good)
    if verb == "POST" and path == "/admin/apps":
        check(operation, server.ask(verb, here, body))  # a conflict
        check(operation, server.ask(verb, here, {"name": "x"}))
        server.ask("DELETE", "/admin/apps/spare")
    if path.endswith("/drain"):
        server.ask("POST", "/admin/apps/one/restart", {})
    check(
        operation,
        server.ask(verb, f"{here}?unknown=1", b"[" if verb == "POST" else None, content_type="application/json"),
    )
    if verb == "POST":
        check(operation, server.ask(verb, here, b"x", content_type="text/plain"))
        check(operation, server.ask(verb, here, b" " * 300_000, content_type="application/json"))
    if "{name}" in path:
        check(operation, server.ask(verb, path.replace("{name}", "nobody"), {} if verb == "POST" else None))


@pytest.mark.parametrize(("verb", "path", "operation"), list(operations()))
def test_refusals_are_as_described(guarded: Server, verb: str, path: str, operation: dict[str, Any]) -> None:
    here = path.replace("{name}", "one")
    body = {} if verb == "POST" else None
    without = guarded.ask(verb, here, body, authorization=None)
    check(operation, without)
    assert (without.status == 401) is bool(operation["security"])
    foreign = guarded.ask(verb, here, body, origin="http://evil.example")
    check(operation, foreign)
    assert (foreign.status == 403) is bool(operation["security"])
