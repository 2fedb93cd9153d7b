"""The host half of ``urlpattern.js``: the canonicalization of components by Ada (URL Pattern section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable

import can_ada
import quickjs

from nano_trio.runtime.host import Namespace, Services
from nano_trio.runtime.url import has_endless_host, parse, parse_with_base
from nano_trio.runtime.url_path import set_pathname

__all__ = ["namespace"]

_IPV6 = re.compile(r"[0-9A-Fa-f:\[\]]*\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}


def components(url: str, base: str | None) -> list[str] | None:
    """The components in the order of `COMPONENTS` in urlpattern.js, without their delimiters; None on failure."""
    href = parse(url) if base is None else parse_with_base(url, base)
    if href is None:
        return None
    parsed = can_ada.parse(href)
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


def _protocol(value: str) -> str | None:
    try:
        return str(can_ada.parse(value + "://dummy.invalid/").protocol[:-1])
    except ValueError:
        return None


def _hostname(value: str) -> str | None:
    if has_endless_host(f"//{value}"):
        return None
    # The setter leaves an invalid name out; then what two dummies have is not the same.
    first, second = (_set("hostname", value, url) for url in ("https://dummy.invalid/", "https://other.invalid/"))
    return first if first == second else None


def _ipv6_hostname(value: str) -> str | None:
    return value.lower() if _IPV6.match(value) else None


def _port(value: str, protocol: str) -> str | None:
    # The port state of the parser reads digits; any other character ends them. Ada's setter takes more than that.
    digits = re.match("[0-9]+", re.sub("[\t\n\r]", "", value))
    if digits is None or int(digits[0]) > 65535:
        return None
    port = int(digits[0])
    return "" if _DEFAULT_PORTS.get(protocol) == port else str(port)


def _pathname(value: str) -> str:
    # The parser would put a slash before a piece that has none, and collapse a dot behind that slash.
    return _set_pathname(value) if value.startswith("/") else _set_pathname("/-" + value)[2:]


def _set_pathname(value: str) -> str:
    origin = "https://dummy.invalid"
    return set_pathname(origin + "/", value).removeprefix(origin)


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
    def components_for_js(url: str, base: str | None) -> quickjs.Value | None:
        found = components(url, base)
        return None if found is None else services.array(found)

    return {"components": components_for_js, "canonicalize": canonicalize}
