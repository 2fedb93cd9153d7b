"""HTTP that only points to HTTPS: routes whose one target answers 308 with the same host, path and query."""

from __future__ import annotations

import re

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse, Target
from nano_trio.web.connection import Answered
from nano_trio.web.router import RouteTable

__all__ = ["Redirects"]

_URL = re.compile(r"http://(\[[^\]]*\]|[^:/]*)(?::[0-9]*)?(.*)", re.DOTALL).fullmatch


class Redirects(RouteTable):
    """The routes of a plain listener that redirects to the HTTPS one on ``port``."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._redirect = _Redirect(port)

    def find(self, host: str) -> Target | None:
        """The redirect, for every host."""
        return self._redirect


class _Redirect:
    name = ""

    def __init__(self, port: int) -> None:
        self._port = "" if port == 443 else f":{port}"

    def begin(self, request: IncomingRequest) -> Answered:
        match = _URL(request.url)
        assert match is not None, "a listener's URLs are absolute"
        location = f"https://{match[1]}{self._port}{match[2] or '/'}"
        headers = [("location", location), ("content-type", "text/plain; charset=utf-8")]
        # RFC 9110 section 15.4.9: 308 keeps the method and the body, unlike 301.
        return Answered(OutgoingResponse(308, "", headers, f"{location}\n".encode()))
