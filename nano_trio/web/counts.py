"""What a server counts beside its apps' requests: plain integers, added to where it happens."""

from __future__ import annotations

__all__ = ["VERSIONS", "WebCounts"]

VERSIONS = ("1.0", "1.1", "2")
"""HTTP's versions, as :attr:`WebCounts.versions` counts them: for HTTP/1 the place is the minor version."""


class WebCounts:
    """Those of one server."""

    __slots__ = ("accepted", "failed_handshakes", "refused", "unknown_hosts", "versions")

    def __init__(self) -> None:
        self.accepted = 0
        """Connections."""
        self.failed_handshakes = 0
        """TLS handshakes that did not succeed."""
        self.versions = [0, 0, 0]
        """Requests that reached an app, by HTTP version; see :data:`VERSIONS`."""
        self.refused: dict[int, int] = {}
        """Requests refused by status, before an app was asked: malformed, too large, too slow, too many."""
        self.unknown_hosts = 0
        """Requests for hosts that no app claims."""

    def refuse(self, status: int) -> None:
        """A request was answered with ``status`` before an app was asked."""
        self.refused[status] = self.refused.get(status, 0) + 1
