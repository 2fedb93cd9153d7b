"""What a request of the admin listener means: REST by the table of methods, the page, and who is let in.

In this order: is there such a path and method; does the request come from here (Host, Origin); does it bring the
token; is it JSON; then the operation, which checks its parameters. Errors are problem details (RFC 9457).
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import attrs
import structlog

from nano_trio.config.rules import Number
from nano_trio.web.admin.audit import perform
from nano_trio.web.admin.encoding import encode
from nano_trio.web.admin.errors import Invalid, OperationError
from nano_trio.web.admin.methods import METHODS, Method
from nano_trio.web.admin.openapi import openapi
from nano_trio.web.admin.pages import Page, pages
from nano_trio.web.admin.security import Caller

if TYPE_CHECKING:
    from nano_trio.web.admin.listener import AdminServer

__all__ = ["Answer", "Request", "Rest", "problem_answer"]

log = structlog.get_logger("nano_trio.admin")

_JSON = "application/json"
_NAME = re.compile(r"\{(\w+)\}")

_SECURITY_HEADERS = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
]


@attrs.frozen
class Request:
    """A request's head."""

    verb: str
    path: str
    query: str
    headers: dict[str, str]
    """Names in lower case; the values of a field that occurs twice are joined by a comma."""
    local: str
    """The address that it came in by."""
    remote: str

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket (RFC 6455 section 4.2.1)."""
        tokens = [token.strip().lower() for token in self.headers.get("connection", "").split(",")]
        return "upgrade" in tokens and self.headers.get("upgrade", "").lower() == "websocket"


@attrs.frozen
class Answer:
    """A response, complete."""

    status: int
    body: bytes
    content_type: str = _JSON
    headers: list[tuple[str, str]] = attrs.field(factory=lambda: list(_SECURITY_HEADERS))


class _Http(OperationError):
    """What HTTP itself has to say."""

    def __init__(self, status: int, kind: str, title: str, detail: str, *headers: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status = HTTPStatus(status)
        self.kind = kind
        self.title = title
        self.headers = list(headers)


def problem_answer(status: int, kind: str, title: str, detail: str) -> Answer:
    """An answer to what could not even be read."""
    return _problem(_Http(status, kind, title, detail))


def _problem(error: OperationError) -> Answer:
    body = json.dumps(error.problem()).encode()
    return Answer(int(error.status), body, "application/problem+json", [*error.headers, *_SECURITY_HEADERS])


@attrs.frozen
class _Route:
    """A path with all that can be done there."""

    pattern: re.Pattern[str]
    methods: dict[str, Method | Page]


class Rest:
    """The routes of one server."""

    WEBSOCKET_PATH = "/admin/ws"
    OPENAPI_PATH = "/admin/openapi.json"

    def __init__(self, server: AdminServer) -> None:
        self._server = server
        self._routes: dict[str, _Route] = {}
        for method in METHODS:
            self._add(method.path, method.verb, method)
        for path, page in pages().items():
            self._add(path, "GET", page)
        self._add(self.OPENAPI_PATH, "GET", Page(json.dumps(openapi()).encode(), _JSON))

    def _add(self, path: str, verb: str, what: Method | Page) -> None:
        if path not in self._routes:
            self._routes[path] = _Route(re.compile(_NAME.sub(r"(?P<\1>[^/]+)", path)), {})
        self._routes[path].methods[verb] = what

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Verb and path of everything, for the test that the documentation is complete."""
        return [(verb, path) for path, route in self._routes.items() for verb in route.methods]

    def _find(self, request: Request) -> tuple[Method | Page, dict[str, str]]:
        verb = "GET" if request.verb == "HEAD" else request.verb
        # An exact path first: an app's name may be anything that a pattern would take.
        found = [(path == request.path, route, match) for path, route in self._routes.items()
                 if (match := route.pattern.fullmatch(request.path))]  # fmt: skip
        if not found:
            if request.path == self.WEBSOCKET_PATH:
                detail = f"{self.WEBSOCKET_PATH} speaks JSON-RPC 2.0 over WebSocket"
                raise _Http(426, "upgrade-required", "Upgrade required", detail, ("upgrade", "websocket"))
            paths = {method.path for method in METHODS} | {"/", self.WEBSOCKET_PATH, self.OPENAPI_PATH}
            known = ", ".join(sorted(paths))
            raise _Http(404, "not-found", "Nothing here", f"there is no {request.path[:200]!r}; there are {known}")
        _, route, match = max(found, key=lambda each: each[0])
        if verb not in route.methods:
            allowed = ", ".join(sorted({*route.methods, *(["HEAD"] if "GET" in route.methods else [])}))
            detail = f"{request.verb[:20]} is not possible here; accepted: {allowed}"
            raise _Http(405, "method-not-allowed", "Method not allowed", detail, ("allow", allowed))
        return route.methods[verb], {name: unquote(value) for name, value in match.groupdict().items()}

    async def answer(self, request: Request, body: bytes) -> Answer:
        """Answer a request that was read whole. Never raises."""
        try:
            what, path_params = self._find(request)
            if not (isinstance(what, Method) and what.public):
                self._check_origin(request)
            if isinstance(what, Page):
                return Answer(200, what.body, what.content_type)
            if what.public:
                caller = Caller(request.remote, "none")
            else:
                caller = self._server.gate.authenticate(request.headers.get("authorization"), request.remote)
            given = _parameters(request, what, path_params, body)
            result = await perform(self._server.operations, what, given, caller, "rest")
            return await _answer(what, result)
        except OperationError as error:
            if int(error.status) in (401, 403, 429):
                self._server.refusals.tell(error, request.remote, f"{request.verb[:20]} {request.path[:200]}")
            return _problem(error)
        except Exception:
            log.exception("internal error in an admin operation", action=f"{request.verb} {request.path}")
            return _problem(OperationError("the log says more"))

    def _check_origin(self, request: Request) -> None:
        host, gate = request.headers.get("host"), self._server.gate
        gate.check_host(host, request.local)
        navigates = request.headers.get("sec-fetch-mode") == "navigate" and request.verb == "GET"
        site = None if navigates else request.headers.get("sec-fetch-site")
        gate.check_origin(request.headers.get("origin"), host, site)

    def let_in(self, request: Request) -> Caller | Answer | None:
        """Who asks for a WebSocket; None where the token is still to come; or why they are turned away."""
        try:
            self._check_origin(request)
            authorization = request.headers.get("authorization")
            if authorization is None and self._server.gate.needs_token:
                return None
            return self._server.gate.authenticate(authorization, request.remote)
        except OperationError as error:
            self._server.refusals.tell(error, request.remote, f"GET {self.WEBSOCKET_PATH}")
            return _problem(error)


def _parameters(request: Request, method: Method, path_params: dict[str, str], body: bytes) -> dict[str, Any]:
    """The parameters from the path, and from the query of a GET or from the body of all else."""
    if method.verb == "GET":
        numbers = {param.name for param in method.params if isinstance(param.rule, Number)}
        given: dict[str, Any] = {
            name: _number(value) if name in numbers else value
            for name, value in parse_qsl(request.query, keep_blank_values=True)
        }
    else:
        given = _json(request, body)
    given.update(path_params)
    return given


def _number(text: str) -> str | int:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


def _json(request: Request, body: bytes) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # A form of another site can send a POST, but not with this type; and no form can DELETE.
    if content_type != _JSON and (body or request.verb == "POST"):
        detail = f"expected Content-Type: {_JSON}, got {content_type[:100] or 'none'}"
        raise _Http(415, "not-json", "JSON is required", detail)
    if not body:
        return {}
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Invalid([f"the body is no JSON: {error}"]) from None
    if not isinstance(given, dict):
        raise Invalid(["the body: expected an object"])
    return given


async def _answer(method: Method, result: Any) -> Answer:
    if method.result == "metrics":
        return Answer(200, result["text"].encode(), result["content_type"])
    status = method.status
    if (method.name == "health" and result["status"] == "draining") or (method.name == "ready" and not result["ready"]):
        status = 503
    answer = Answer(status, (await encode(result)).encode())
    if method.name == "apps.add":
        answer.headers.append(("location", f"/admin/apps/{result['name']}"))
    return answer
