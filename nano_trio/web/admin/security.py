"""Who may ask, and from where.

Theory of operation. Four things are attacked here, each with its own answer:

- *Anybody who reaches the port.* A token, wherever others than this machine can reach it (the configuration refuses to
  start without), in ``Authorization: Bearer``; compared in constant time; an address that sends wrong ones must wait.
- *A page of another site in the operator's browser.* The browser says where a request comes from: an ``Origin`` that is
  not our own Host is refused, and a POST must be ``application/json``, which no form can send.
- *A name that was made to point here (DNS rebinding).* Then Origin and Host agree, but the Host is a foreign name. Only
  ``localhost``, loopback addresses, the address that the connection came in by, and ``admin.hostnames`` are ours.
- *An app that may reach loopback.* The listener's address is closed to all apps
  (:func:`nano_trio.runtime.net_policy.reserve`).

Tokens never stand in URLs, which end up in logs and histories. A browser's WebSocket cannot send headers of its own;
it authenticates with its first message.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Iterable

import attrs
import trio

from nano_trio.config.rules import is_loopback
from nano_trio.web.admin.errors import Forbidden, TooManyAttempts, Unauthorized

__all__ = ["Caller", "Gate", "place_of", "split_authority"]

_ATTEMPTS = 10
_WINDOW_S = 60.0
_REMEMBERED = 1024


@attrs.frozen
class Caller:
    """Who asks, for the audit."""

    address: str
    token: str
    """A short fingerprint of the token, or ``none``."""


def split_authority(text: str) -> tuple[str, int | None]:
    """Host (lower case, no brackets, no trailing dot) and port of ``host:port``. Raises ValueError."""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(text)
        host = ipaddress.IPv6Address(host).compressed
        port = rest[1:]
    else:
        host, _, port = text.partition(":")
    if not host or (port and not (port.isascii() and port.isdigit() and len(port) <= 5)):
        raise ValueError(text)
    return host.lower().removesuffix("."), int(port) if port else None


class Gate:
    """The checks that stand before every operation."""

    def __init__(self, token: str | None, hostnames: Iterable[str] = ()) -> None:
        self._token: bytes | None = None
        self._name = "none"
        self._hostnames: list[str] = []
        self._failures: OrderedDict[str, list[float]] = OrderedDict()
        self.take(token, hostnames)

    def take(self, token: str | None, hostnames: Iterable[str]) -> bool:
        """Another token and other names from now on. Whether the token is another."""
        before, self._token = self._token, None if token is None else token.encode()
        self._name = "none" if token is None else hashlib.sha256(token.encode()).hexdigest()[:8]
        self._hostnames = [name.strip("[]") for name in hostnames]
        return self._token != before

    @property
    def needs_token(self) -> bool:
        return self._token is not None

    def check_host(self, host: str | None, local: str) -> None:
        """``host``: the Host field. ``local``: the address that the connection came in by. Raises Forbidden."""
        try:
            name, _ = split_authority(host or "")
        except ValueError:
            raise Forbidden(f"the Host field {host!r} is no host") from None
        if is_loopback(name) or name == local or any(_covers(ours, name) for ours in self._hostnames):
            return
        raise Forbidden(f'{name!r} is not one of our names; to be reached by it, add it to "admin.hostnames"')

    def check_origin(self, origin: str | None, host: str | None, site: str | None = None) -> None:
        """``origin``: the Origin field, ``site``: Sec-Fetch-Site (Fetch Metadata). Raises Forbidden."""
        if origin is None:
            # A page that is merely opened from elsewhere is fine; it is the same for everybody.
            if site is not None and site not in ("same-origin", "none"):
                raise Forbidden(f"the request comes from another site ({site})")
            return
        scheme, _, authority = origin.partition("://")
        default = {"http": 80, "https": 443}.get(scheme)
        try:
            if default is None:
                raise ValueError(origin)
            there, here = split_authority(authority), split_authority(host or "")
        except ValueError:
            raise Forbidden(f"the Origin {origin!r} is not ours") from None
        if (there[0], there[1] or default) != (here[0], here[1] or default):
            raise Forbidden(f"the Origin {origin!r} is not ours")

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """``authorization``: that field. Raises Unauthorized, or TooManyAttempts."""
        if self._token is None:
            return Caller(address, "none")
        if authorization is None:
            raise Unauthorized("send the token as Authorization: Bearer TOKEN")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthorized(f"expected the scheme Bearer, got {scheme[:20]!r}")
        return self.check_token(token.strip(), address)

    def check_token(self, token: str, address: str) -> Caller:
        """Raises Unauthorized for a wrong one, and TooManyAttempts for any token after many wrong ones."""
        if self._token is None:
            return Caller(address, "none")
        now, place = trio.current_time(), place_of(address)
        failures = [at for at in self._failures.get(place, ()) if now - at < _WINDOW_S]
        if len(failures) >= _ATTEMPTS:
            raise TooManyAttempts(math.ceil(_WINDOW_S - (now - failures[0])))
        if hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            self._failures.pop(place, None)
            return Caller(address, self._name)
        self._failures[place] = [*failures, now]
        self._failures.move_to_end(place)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        raise Unauthorized("the token is wrong")


def _covers(ours: str, name: str) -> bool:
    return name.endswith(ours[1:]) if ours.startswith("*.") else name == ours


def place_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64, for that is what one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return address
