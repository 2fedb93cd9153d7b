"""Which app a request is for: by the listener's port, then by Host.

Exact names beat wildcards; ``*.example.com`` covers subdomains of any depth and not ``example.com`` itself; of several
wildcards the longest wins; what matches nothing goes to the default app, if there is one. Names compare without case, a
port and a trailing dot are ignored, IPv6 literals stand in brackets and compare as addresses.

An app with a port of its own is reached there under any Host, and only there. Should several apps share such a port,
Host decides among them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nano_trio.actors.messages import Target

__all__ = ["Route", "RouteTable", "Router", "normalise_host"]

_MEMO_HOSTS = 1024


class Route(NamedTuple):
    """How one app is reached."""

    target: Target
    hostnames: tuple[str, ...] = ()
    """Exact names, or ``*.`` and a name."""
    port: int | None = None
    """A listener of its own, or None for the main one."""
    default: bool = False
    """Whether the app answers for hosts that no app claims."""


def normalise_host(host: str) -> str:
    """Reduce a Host field's value (or a configured name) to what is compared: no port, no trailing dot, lower case."""
    if host.startswith("["):
        literal = host[1:].partition("]")[0]
        try:
            return f"[{ipaddress.IPv6Address(literal).compressed}]"
        except ValueError:
            return host.lower()
    return host.partition(":")[0].removesuffix(".").lower()


class RouteTable:
    """The routes of one port. ``memo`` answers repeated Host values; it empties when routes change."""

    def __init__(self) -> None:
        self.memo: dict[str, Target] = {}
        self._exact: dict[str, Target] = {}
        self._wild: dict[str, Target] = {}
        self._default: Target | None = None

    def find(self, host: str) -> Target | None:
        """Return the app for a Host field's value (port allowed), or None."""
        name = normalise_host(host)
        target = self._exact.get(name)
        suffix = name
        while target is None:
            _, dot, suffix = suffix.partition(".")
            if not dot:
                break
            target = self._wild.get(suffix)
        if target is None:
            target = self._default
        if target is not None:
            if len(self.memo) >= _MEMO_HOSTS:
                self.memo.clear()
            self.memo[host] = target
        return target

    @classmethod
    def of(cls, routes: Sequence[Route], *, any_host: bool = False) -> RouteTable:
        """A table of these routes. ``any_host``: a single route is the default too. Raises ValueError for a clash."""
        made = cls()
        default: Target | None = None
        for route in routes:
            for hostname in route.hostnames:
                table, name = (made._wild, hostname[2:]) if hostname.startswith("*.") else (made._exact, hostname)
                name = normalise_host(name)
                other = table.get(name)
                if other is not None and other is not route.target:
                    raise ValueError(f"hostname {hostname}: claimed by {other.name} and {route.target.name}")
                table[name] = route.target
            if route.default:
                if default is not None and default is not route.target:
                    raise ValueError(f"two default apps: {default.name} and {route.target.name}")
                default = route.target
        if any_host and default is None and len(routes) == 1:
            default = routes[0].target
        made._default = default
        return made

    def take(self, other: RouteTable) -> None:
        """Have the other table's routes instead of the old."""
        self._exact, self._wild, self._default = other._exact, other._wild, other._default
        self.memo.clear()


class Router:
    """All routes of a server. ``replace`` swaps them while requests are served; requests begun keep their app."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._tables: dict[int | None, RouteTable] = {None: RouteTable()}
        self._routes: tuple[Route, ...] = ()
        self.replace(routes)

    @property
    def routes(self) -> tuple[Route, ...]:
        return self._routes

    @property
    def ports(self) -> set[int]:
        """The ports that some app has for its own."""
        return {route.port for route in self._routes if route.port is not None}

    def replace(self, routes: Iterable[Route]) -> None:
        """Serve these routes from the next request on. Raises ValueError, changing nothing, if two claim one name."""
        routes = tuple(routes)
        ports: dict[int | None, list[Route]] = {None: []}
        for route in routes:
            ports.setdefault(route.port, []).append(route)
        tables = {port: RouteTable.of(group, any_host=port is not None) for port, group in ports.items()}
        for port in self._tables.keys() | tables.keys():
            self.table(port).take(tables.get(port) or RouteTable())
        self._routes = routes

    def remove(self, target: Target) -> None:
        """Remove every route to an app."""
        self.replace(route for route in self._routes if route.target is not target)

    def table(self, port: int | None = None) -> RouteTable:
        """The routes of one app port, or of the main port (None). The same object for as long as the router lives."""
        return self._tables.setdefault(port, RouteTable())
