"""The host half of ``urlpattern.js``: the canonicalization of components by Ada (URL Pattern section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable

import can_ada

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]

_IPV6 = re.compile(r"[0-9A-Fa-f:\[\]]*\Z")
_DEFAULT_PORTS = {"http", "https", "ws", "wss", "ftp"}


def components(url: str, base: str | None) -> list[str] | None:
    """The components in the order of `COMPONENTS` in urlpattern.js, without their delimiters; None on failure."""
    try:
        parsed = can_ada.parse(url) if base is None else can_ada.parse(base) + url
    except ValueError:
        return None
    return [
        parsed.protocol[:-1],
        parsed.username,
        parsed.password,
        parsed.hostname,
        parsed.port,
        parsed.pathname,
        parsed.search[1:],
        parsed.hash[1:],
    ]


def _set(component: str, value: str, url: str = "https://dummy.invalid/") -> str:
    """The component of a dummy URL after its setter took ``value``."""
    dummy = can_ada.parse(url)
    setattr(dummy, component, value)
    return str(getattr(dummy, component))


def _set_or_fail(component: str, value: str, urls: tuple[str, str]) -> str | None:
    """Like :func:`_set` for setters that leave an invalid value out: then two URLs do not agree."""
    first, second = (_set(component, value, url) for url in urls)
    return first if first == second else None


def _protocol(value: str) -> str | None:
    try:
        return str(can_ada.parse(value + "://dummy.invalid/").protocol[:-1])
    except ValueError:
        return None


def _hostname(value: str) -> str | None:
    return _set_or_fail("hostname", value, ("https://dummy.invalid/", "https://other.invalid/"))


def _ipv6_hostname(value: str) -> str | None:
    return value.lower() if _IPV6.match(value) else None


def _port(value: str, protocol: str) -> str | None:
    scheme = protocol if protocol in _DEFAULT_PORTS else "dummy"
    return _set_or_fail("port", value, (f"{scheme}://dummy.invalid:1/", f"{scheme}://dummy.invalid:2/"))


def _pathname(value: str) -> str:
    # The parser would put a slash before a piece that has none, and collapse a dot behind that slash.
    return _set("pathname", value) if value.startswith("/") else _set("pathname", "/-" + value)[2:]


def _opaque_pathname(value: str) -> str:
    # The dashes keep the path opaque and its spaces where they are.
    path = re.split("[?#]", value, maxsplit=1)[0]
    return str(can_ada.parse(f"dummy:-{path}-").pathname[1:-1])


_CALLBACKS: dict[str, Callable[[str], str | None]] = {
    "protocol": _protocol,
    "username": lambda value: _set("username", value),
    "password": lambda value: _set("password", value),
    "hostname": _hostname,
    "ipv6": _ipv6_hostname,
    "pathname": _pathname,
    "opaque": _opaque_pathname,
    "search": lambda value: _set("search", "?" + value)[1:],
    "hash": lambda value: _set("hash", "#" + value)[1:],
}


def canonicalize(component: str, value: str, protocol: str) -> str | None:
    """Run the encoding callback of a component; None where the value is invalid. ``protocol`` matters to the port."""
    if value == "":
        return value
    try:
        return _port(value, protocol) if component == "port" else _CALLBACKS[component](value)
    except ValueError:
        return None


def namespace(services: Services) -> Namespace:
    return {"components": components, "canonicalize": canonicalize}
