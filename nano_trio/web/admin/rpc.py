"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification), without sockets: messages to calls, outcomes to messages.

Parameters are by name only: a list of them is answered with -32602. A batch holds at most 100 calls.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

import attrs

from nano_trio.web.admin.errors import OperationError

__all__ = ["Call", "Malformed", "failure", "internal_error", "notification", "parse", "result", "unknown_method"]

_LONGEST_BATCH = 100
_INTERNAL = -32603


@attrs.frozen
class Call:
    """A request, or with ``wants_answer`` False a notification."""

    method: str
    params: dict[str, Any] | None
    """None where they were given by position."""
    id: str | int | float | None = None
    wants_answer: bool = True


@attrs.frozen
class Malformed:
    """What is no call: it is answered, under the id null (section 5)."""

    code: int
    message: str
    detail: str


def parse(text: str | bytes) -> tuple[list[Call | Malformed], bool]:
    """The calls of a message, and whether it was a batch (section 6), to be answered by a list."""
    try:
        message = json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        return [Malformed(-32700, "Parse error", str(error))], False
    if not isinstance(message, list):
        return [_call(message)], False
    if not message:
        return [Malformed(-32600, "Invalid Request", "an empty batch")], False
    if len(message) > _LONGEST_BATCH:
        return [Malformed(-32600, "Invalid Request", f"a batch of more than {_LONGEST_BATCH} calls")], False
    return [_call(item) for item in message], True


def _call(message: object) -> Call | Malformed:
    if not isinstance(message, dict):
        return _invalid("a call is an object")
    if message.get("jsonrpc") != "2.0":
        return _invalid('"jsonrpc" must be "2.0"')
    method, params, number = message.get("method"), message.get("params", {}), message.get("id")
    if not isinstance(method, str):
        return _invalid('"method" must be a string')
    if not isinstance(params, dict | list):
        return _invalid('"params" must be an object')
    if isinstance(number, bool) or not isinstance(number, str | int | float | None):
        return _invalid('"id" must be a string or a number')
    if isinstance(number, float) and not math.isfinite(number):
        return _invalid('"id" is a number beyond any that JSON can be answered with')
    return Call(method, params if isinstance(params, dict) else None, number, "id" in message)


def _no_json(constant: str) -> NoReturn:
    """Python reads and writes NaN and Infinity as JSON, and nobody else does."""
    raise ValueError(f"{constant} is no JSON")


def _invalid(detail: str) -> Malformed:
    return Malformed(-32600, "Invalid Request", detail)


def result(call: Call, value: Any) -> dict[str, Any]:
    """The response to a call that succeeded."""
    return {"jsonrpc": "2.0", "id": call.id, "result": value}


def failure(call: Call | Malformed, error: OperationError | None = None) -> dict[str, Any]:
    """The response to one that did not: with ``error``, or because it is malformed."""
    if isinstance(call, Malformed):
        return _error(None, call.code, call.message, {"detail": call.detail})
    assert error is not None
    return _error(call.id, error.rpc_code, f"{error.title}: {error}", error.problem())


def unknown_method(call: Call, known: list[str]) -> dict[str, Any]:
    """The answer to a call of a method that does not exist: JSON-RPC 2.0 section 5.1."""
    return _error(call.id, -32601, f"Method not found: {call.method[:100]}", {"methods": known})


def internal_error(call: Call) -> dict[str, Any]:
    """The answer to a call that failed by a bug of ours."""
    return _error(call.id, _INTERNAL, "Internal error: the log says more", None)


def _error(number: Any, code: int, message: str, data: Any) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        error["data"] = data
    return {"jsonrpc": "2.0", "id": number, "error": error}


def notification(method: str, subscription: int, items: list[str], lost: int) -> str:
    """A message of a subscription. ``items`` are JSON texts; ``lost`` counts those before them that were dropped."""
    missing = f'"lost":{lost},' if lost else ""
    return (
        f'{{"jsonrpc":"2.0","method":"{method}","params":{{"subscription":{subscription},{missing}'
        f'"items":[{",".join(items)}]}}}}'
    )
