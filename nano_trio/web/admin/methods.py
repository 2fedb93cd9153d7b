"""The table of everything that can be asked. REST, JSON-RPC, OpenAPI and the command line are all read from it.

A parameter's rule is one of the configuration's, so what is accepted is said in the same words everywhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import trio

from nano_trio.config.problems import Rejected
from nano_trio.config.rules import AppName, Choice, Number, Rule
from nano_trio.web.admin.errors import Invalid
from nano_trio.web.admin.operations import AppStatus, Operations
from nano_trio.web.metrics import CONTENT_TYPE

__all__ = [
    "LEVELS",
    "METHODS",
    "STATES",
    "SUBSCRIPTIONS",
    "Method",
    "Param",
    "Subscription",
    "accept",
    "rank",
]

LEVELS = ("debug", "info", "warning", "error")
_PIECE = 100
"""Apps that are described in one pass of the loop."""


_REQUIRED: Any = object()


@attrs.frozen
class Param:
    """One named parameter."""

    name: str
    rule: Rule
    text: str
    default: Any = _REQUIRED

    @property
    def required(self) -> bool:
        return self.default is _REQUIRED


@attrs.frozen(kw_only=True)
class Method:
    """One thing that can be asked."""

    name: str
    """In JSON-RPC, and the operationId in OpenAPI."""
    verb: str
    path: str
    """``{name}`` stands for that parameter; the others come in the query of a GET, else in the body."""
    summary: str
    run: Callable[[Operations, dict[str, Any]], Awaitable[Any]]
    result: str
    """The result's schema in OpenAPI's components; ``text`` and ``metrics`` are no JSON in REST."""
    params: tuple[Param, ...] = ()
    document: str = ""
    """Where the parameters are one whole document: its schema. The operation checks it."""
    status: int = 200
    changes: bool = False
    public: bool = False
    """Whether it is answered without a token, and under any Host: it tells nothing."""
    errors: tuple[int, ...] = ()
    """Status codes beyond those that every operation may answer."""


@attrs.frozen(kw_only=True)
class Subscription:
    """A stream of notifications over WebSocket: ``<name>.subscribe`` begins it, ``unsubscribe`` ends it."""

    name: str
    summary: str
    params: tuple[Param, ...] = ()


def accept(params: tuple[Param, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """The values, complete with defaults. Raises :class:`Invalid` with all that is wrong."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    for param in params:
        if given.get(param.name) is None and not (param.required and param.name in given):
            if param.required:
                problems.append(f"{param.name}: required, but missing; expected {param.rule.expects}")
            else:
                values[param.name] = param.default
            continue
        try:
            values[param.name] = param.rule.accept(given[param.name])
        except Rejected as error:
            problems += [f"{param.name}: {message}" for _, message in error.findings]
    known = [param.name for param in params]
    for name in given:
        if name not in known:
            accepted = f"accepted: {', '.join(known)}" if known else "none is accepted"
            problems.append(f"{name}: unknown parameter; {accepted}")
    if problems:
        raise Invalid(problems)
    return values


def _app_json(status: AppStatus) -> dict[str, Any]:
    """An app as JSON says it."""
    return attrs.asdict(status, recurse=False)


async def _list(operations: Operations, params: dict[str, Any]) -> Any:
    state = params["state"]
    found: list[dict[str, Any]] = []
    for number, status in enumerate(await operations.apps(), 1):
        if state is None or status.state == state:
            found.append(_app_json(status))
        if number % _PIECE == 0:
            await trio.lowlevel.checkpoint()
    return {"apps": found}


async def _get(operations: Operations, params: dict[str, Any]) -> Any:
    return _app_json(await operations.app(params["name"]))


async def _add(operations: Operations, params: dict[str, Any]) -> Any:
    return _app_json(await operations.add_app(params))


async def _remove(operations: Operations, params: dict[str, Any]) -> Any:
    await operations.remove_app(params["name"])
    return {"name": params["name"], "removed": True}


async def _restart(operations: Operations, params: dict[str, Any]) -> Any:
    return _app_json(await operations.restart_app(params["name"]))


async def _drain(operations: Operations, params: dict[str, Any]) -> Any:
    return _app_json(await operations.drain_app(params["name"]))


async def _lift(operations: Operations, params: dict[str, Any]) -> Any:
    return _app_json(await operations.lift_quarantine(params["name"]))


async def _reload(operations: Operations, params: dict[str, Any]) -> Any:
    return await operations.reload()


async def _tree(operations: Operations, params: dict[str, Any]) -> Any:
    return await operations.tree()


async def _logs(operations: Operations, params: dict[str, Any]) -> Any:
    least = LEVELS.index(params["level"])
    lines = [dict(line) for line in operations.recent_lines(params["app"]) if rank(line) >= least]
    return {"lines": lines[-params["limit"] :]}


async def _health(operations: Operations, params: dict[str, Any]) -> Any:
    return await operations.health()


async def _live(operations: Operations, params: dict[str, Any]) -> Any:
    return {"live": True}


async def _ready(operations: Operations, params: dict[str, Any]) -> Any:
    return {"ready": operations.ready}


async def _metrics(operations: Operations, params: dict[str, Any]) -> Any:
    return {"content_type": CONTENT_TYPE, "text": (await operations.exposition()).decode()}


def rank(line: Mapping[str, Any]) -> int:
    """How severe a log line is, as an index in :data:`LEVELS`."""
    level = line.get("level")
    return LEVELS.index(level) if level in LEVELS else len(LEVELS) - 1


_NAME = Param("name", AppName(), "the app's name")
_APP = Param("app", AppName(), "only lines of this app", default=None)
_LEVEL = Param("level", Choice(LEVELS), "only lines of at least this level", default="debug")
STATES = ("asleep", "awake", "failed", "draining", "quarantined")


def _to_an_app(
    what: str, summary: str, run: Callable[[Operations, dict[str, Any]], Awaitable[Any]], *errors: int
) -> Method:
    """What is done to one app, and answered by how it stands then."""
    return Method(
        name=f"apps.{what}",
        verb="POST",
        path=f"/admin/apps/{{name}}/{what}",
        summary=summary,
        params=(_NAME,),
        run=run,
        result="app_status",
        changes=True,
        errors=(404, 409, *errors, 503),
    )


METHODS: tuple[Method, ...] = (
    Method(
        name="apps.list",
        verb="GET",
        path="/admin/apps",
        summary="All apps and how they stand",
        params=(Param("state", Choice(STATES), "only apps in this state", default=None),),
        run=_list,
        result="apps",
    ),
    Method(
        name="apps.add",
        verb="POST",
        path="/admin/apps",
        summary="Serve one more app; it is kept in the state folder, so reloads and restarts do not undo that",
        document="app",
        run=_add,
        result="app_status",
        status=201,
        changes=True,
        errors=(409, 422, 503),
    ),
    Method(
        name="apps.get",
        verb="GET",
        path="/admin/apps/{name}",
        summary="One app",
        params=(_NAME,),
        run=_get,
        result="app_status",
        errors=(404,),
    ),
    Method(
        name="apps.remove",
        verb="DELETE",
        path="/admin/apps/{name}",
        summary="Take an app out of service, for reloads and restarts as well; what it has begun may finish",
        params=(_NAME,),
        run=_remove,
        result="removed",
        changes=True,
        errors=(404, 409, 422, 503),
    ),
    _to_an_app(
        "restart", "Load the app afresh, switch to it, let the old isolate finish what it has begun", _restart, 422
    ),
    _to_an_app("drain", "Let the app finish what it has begun and take no more, until it is restarted", _drain),
    _to_an_app("lift", "Let an app run again that is quarantined because the process died in its turns", _lift),
    Method(
        name="reload",
        verb="POST",
        path="/admin/reload",
        summary="Read the configuration and the apps' code again; what is refused leaves everything as it was",
        run=_reload,
        result="reloaded",
        changes=True,
        errors=(409, 422, 503),
    ),
    Method(
        name="tree",
        verb="GET",
        path="/admin/tree",
        summary="The supervision tree",
        run=_tree,
        result="node",
    ),
    Method(
        name="logs",
        verb="GET",
        path="/admin/logs",
        summary="The last log lines",
        params=(
            _APP,
            _LEVEL,
            Param("limit", Number(1, 1000, whole=True), "at most so many of the last lines", default=100),
        ),
        run=_logs,
        result="logs",
    ),
    Method(
        name="health",
        verb="GET",
        path="/health",
        summary="How the server does; 503 while it drains",
        run=_health,
        result="health",
        errors=(503,),
    ),
    Method(
        name="live",
        verb="GET",
        path="/healthz",
        summary="Liveness: answered while the event loop turns",
        run=_live,
        result="live",
        public=True,
    ),
    Method(
        name="ready",
        verb="GET",
        path="/ready",
        summary="Readiness: 200 while requests should be sent here, 503 while not",
        run=_ready,
        result="ready",
        public=True,
        errors=(503,),
    ),
    Method(
        name="metrics",
        verb="GET",
        path="/metrics",
        summary="Prometheus metrics",
        run=_metrics,
        result="metrics",
    ),
)

SUBSCRIPTIONS: tuple[Subscription, ...] = (
    Subscription(name="logs", summary="Log lines as they are written", params=(_APP, _LEVEL)),
    Subscription(
        name="metrics",
        summary="What the process and its apps did in the last interval",
        params=(Param("interval_s", Number(0.25, 60), "seconds between two samples", default=1.0),),
    ),
    Subscription(
        name="events",
        summary="Changes in apps' lives: started, crashed, restarted, evicted, failed, quarantined, reloaded, …",
        params=(Param("app", AppName(), "only events of this app", default=None),),
    ),
    Subscription(name="tree", summary="The supervision tree, whenever it has changed"),
)
