"""Service bindings: ``env.NAME.fetch(request)`` calls another app of the same process, with no socket between.

To an app such a call is a fetch. What answers it instead of a server is a :class:`Service`, which whoever hosts the
isolate provides under the binding's name.
"""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from nano_trio.runtime.fetch_messages import RequestBody, Response

__all__ = ["Service", "ServiceRequest"]


@attrs.frozen
class ServiceRequest:
    """A request to another app. ``url`` is a serialization; header names are in lower case, values in Latin-1."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: RequestBody | None
    cause: Any
    """The number of the caller's request on whose behalf it is, or None (``Services.cause``)."""


class Service(Protocol):
    """Another app."""

    async def fetch(self, request: ServiceRequest) -> Response:
        """Wait for the response's head. Raises :class:`nano_trio.runtime.fetch_errors.FetchError`."""
