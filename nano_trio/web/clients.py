"""Who a client is, by its address: one of the trusted proxies or not, and under which key its use is counted."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable

from nano_trio.config.proxy_rules import UNIX, parse_trusted_proxy

__all__ = ["TrustedProxies", "client_key", "normal_address"]

_MEMO = 4096


def normal_address(text: str) -> str | None:
    """An IP address in its usual notation, an IPv4-mapped one as IPv4; None for anything else, and for zones."""
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address)


@functools.lru_cache(_MEMO)
def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 one lies in, for that is what a line gets.

    ``""`` for peers without an address (Unix-domain sockets), which nobody counts.
    """
    if ":" not in address:
        return address
    try:
        number = int(ipaddress.IPv6Address(address))
    except ValueError:
        return address
    return f"{ipaddress.IPv6Address(number >> 64 << 64)}/64"


class TrustedProxies:
    """The peers whose word about the client is believed: ``address in trusted``. ``""`` stands for Unix sockets."""

    def __init__(self, entries: Iterable[str]) -> None:
        """Entries as in the configuration's ``trusted_proxies``."""
        entries = tuple(entries)
        self._unix = any(entry.lower() == UNIX for entry in entries)
        self._networks = tuple(network for entry in entries for network in parse_trusted_proxy(entry))
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: str) -> bool:
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MEMO:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, text: str) -> bool:
        if not text:
            return self._unix
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
