"""The host half of ``body.js``: request bodies that are still on the wire, and the limit of what readers gather."""

from __future__ import annotations

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def namespace(services: Services) -> Namespace:
    """The functions that ``body.js`` calls; see :class:`nano_trio.runtime.dispatch.AppHost`."""
    app = services.app
    return {
        "read": app.read_body,
        "readAll": app.read_whole_body,
        "cancel": app.cancel_body,
        "maxBytes": services.max_buffer_bytes,
    }
