"""What an operation answers where it cannot do what was asked: an RFC 9457 problem, and the same as JSON-RPC error."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

__all__ = [
    "Conflict",
    "Forbidden",
    "Invalid",
    "NoSuchApp",
    "NotEverywhere",
    "OperationError",
    "Refused",
    "TooManyAttempts",
    "Unauthorized",
    "Unavailable",
]

_TYPE = "urn:nano-trio:problem:"


class OperationError(Exception):
    """``str()`` is the detail for the person who must act: what was wrong and what is accepted."""

    status: HTTPStatus = HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "internal"
    title = "The server failed"
    rpc_code = -32603
    """JSON-RPC 2.0 section 5.1; from -32000 to -32099 the codes are ours."""

    def __init__(self, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.members = members
        """Further members of the problem (RFC 9457 section 3.2)."""
        self.headers: list[tuple[str, str]] = []

    def problem(self) -> dict[str, Any]:
        """The body of ``application/problem+json``."""
        return {
            "type": _TYPE + self.kind,
            "title": self.title,
            "status": int(self.status),
            "detail": str(self),
            **self.members,
        }


class _Several(OperationError):
    """``problems`` says of each thing that is wrong what is accepted."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), problems=list(problems))


class Invalid(_Several):
    """Parameters that are none."""

    status = HTTPStatus.BAD_REQUEST
    kind = "invalid-parameters"
    title = "The parameters are not valid"
    rpc_code = -32602


class Unauthorized(OperationError):
    """No token, or a wrong one."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthorized"
    title = "A token is required"
    rpc_code = -32001

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers.append(("www-authenticate", 'Bearer realm="nano-trio admin"'))


class Forbidden(OperationError):
    """The request comes from another site, or under a name that is not ours."""

    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "Not from here"
    rpc_code = -32003


class NoSuchApp(OperationError):
    """There is no app of that name."""

    status = HTTPStatus.NOT_FOUND
    kind = "no-such-app"
    title = "There is no such app"
    rpc_code = -32004


class Conflict(OperationError):
    """The app, or the server, is not in a state for this."""

    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "Not in this state"
    rpc_code = -32009


class Refused(_Several):
    """A configuration or an app that cannot be served; what runs goes on unchanged."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "refused"
    title = "Refused; nothing was changed"
    rpc_code = -32022


class TooManyAttempts(OperationError):
    """Too many wrong tokens from this address."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "too-many-attempts"
    title = "Too many wrong tokens"
    rpc_code = -32029

    def __init__(self, retry_in_s: int) -> None:
        super().__init__(f"too many wrong tokens came from this address; try again in {retry_in_s} s")
        self.headers.append(("retry-after", str(retry_in_s)))


class Unavailable(OperationError):
    """Not now: the server drains."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "unavailable"
    title = "Not available"
    rpc_code = -32053


class NotEverywhere(OperationError):
    """Done, but not in all workers: ``workers`` says why not in which."""

    kind = "not-everywhere"
    title = "Not done in all workers"

    def __init__(self, workers: dict[str, str]) -> None:
        detail = "; ".join(f"{worker}: {why}" for worker, why in workers.items())
        super().__init__(f"done, but not in all workers: {detail}", workers=workers)
