"""HTTP that only points to HTTPS: routes whose one target answers 308 with the same host, path and query."""

from __future__ import annotations

import re

from nano_trio.actors.messages import Exchange, IncomingRequest, OutgoingResponse, Target
from nano_trio.web.answered import Answered
from nano_trio.web.errors import error_page
from nano_trio.web.router import RouteTable

__all__ = ["Redirects"]

_URL = re.compile(r"https?://(\[[^\]]*\]|[^:/]*)(?::[0-9]*)?(.*)", re.DOTALL).fullmatch


class Redirects(RouteTable):
    """The routes of a plain listener that redirects to the HTTPS one on ``port``."""

    def __init__(self, port: int, routes: RouteTable) -> None:
        """``routes`` serve those whose trusted proxy already speaks HTTPS with them."""
        super().__init__()
        self._redirect = _Redirect(port, routes)

    def find(self, host: str) -> Target | None:
        """The redirect, for every host."""
        return self._redirect


class _Redirect:
    name = ""
    prompt = True
    max_body = None

    def __init__(self, port: int, routes: RouteTable) -> None:
        self._port = "" if port == 443 else f":{port}"
        self._routes = routes

    def begin(self, request: IncomingRequest) -> Exchange:
        match = _URL(request.url)
        assert match is not None, "a listener's URLs are absolute"
        if request.url.startswith("https:"):
            target = self._routes.find(match[1])
            if target is not None:
                return target.begin(request)
            return Answered(error_page(404, f"no app is configured for the host {match[1]!r}", request_id=request.id))
        location = f"https://{match[1]}{self._port}{match[2] or '/'}"
        headers = [("location", location), ("content-type", "text/plain; charset=utf-8")]
        # RFC 9110 section 15.4.9: 308 keeps the method and the body, unlike 301.
        return Answered(OutgoingResponse(308, "", headers, f"{location}\n".encode()))
