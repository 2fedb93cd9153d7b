"""The wall: which addresses an app's outgoing connections may reach.

By default only the public Internet. What is closed is a table of networks (IANA's special-purpose registries), read on
the address that is about to be connected to, after the name was resolved. IPv6 addresses that carry an IPv4 address
(mapped, compatible, translated, 6to4, Teredo, NAT64, ISATAP) are only as open as that one: a router may unpack it.

``allow_net`` opens. An entry that names a host opens whatever the host resolves to, an entry that names a network opens
the addresses in it. The metadata services of clouds hand out credentials to whoever asks, so they open only to an entry
that names their address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from nano_trio.config.net_rules import GROUPS, NetRule, parse_net_rule

__all__ = ["NetPolicy", "release", "reserve"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_V4_CLOSED = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux connects to itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_THIS_NETWORK = _V4_CLOSED[0]
# Of IPv6 only global unicast addresses are open at all, and of those not these.
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")
_V6_CLOSED = tuple(
    ipaddress.IPv6Network(text)
    for text in ("2001::/23", "2001:db8::/32", "3fff::/20")  # protocol assignments, documentation
)
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    )
)
_LOW_32 = 0xFFFFFFFF
_TEREDO = ipaddress.IPv6Network("2001::/32")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_LOW_32_CARRIERS = (
    ipaddress.IPv6Network("::/96"),  # compatible
    ipaddress.IPv6Network("::ffff:0:0/96"),  # mapped
    ipaddress.IPv6Network("::ffff:0:0:0/96"),  # translated
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64
)
_TRANSPARENT = (_TEREDO, _SIX_TO_FOUR, *_LOW_32_CARRIERS)
_ISATAP = (0x00005EFE, 0x02005EFE)

# Fetch, "bad port": ports of services that a request could be mistaken by.
_BAD_PORTS = frozenset(
    (
        0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
        110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530,
        531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190,
        5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
    )
)  # fmt: skip


def _carried(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address carries."""
    value = int(address)
    if address in _TEREDO:
        # The server, and the client with its bits inverted.
        return [ipaddress.IPv4Address(value >> 64 & _LOW_32), ipaddress.IPv4Address(~value & _LOW_32)]
    if address in _SIX_TO_FOUR:
        return [ipaddress.IPv4Address(value >> 80 & _LOW_32)]
    if any(address in network for network in _LOW_32_CARRIERS):
        return [ipaddress.IPv4Address(value & _LOW_32)]
    if value >> 32 & _LOW_32 in _ISATAP:
        return [ipaddress.IPv4Address(value & _LOW_32)]
    return []


def _is_public(address: Address) -> bool:
    """Whether the address itself lies in the public Internet; what it carries is looked at apart."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _V4_CLOSED)
    if any(address in network for network in _TRANSPARENT):
        return int(address) > 1  # :: and ::1 carry nothing
    return address in _V6_GLOBAL and not any(address in network for network in _V6_CLOSED)


_reserved: set[int] = set()


def reserve(ports: Iterable[int]) -> None:
    """Close these ports of this machine to all apps, whatever they may reach: we listen there, for others."""
    _reserved.update(ports)


def release(ports: Iterable[int]) -> None:
    """Undo :func:`reserve`."""
    _reserved.difference_update(ports)


def _is_here(address: Address) -> bool:
    return address.is_loopback or address.is_unspecified or address in _THIS_NETWORK


class NetPolicy:
    """What one app may reach: ``rules`` are entries of ``allow_net``; ``open_loopback`` for development."""

    def __init__(self, rules: Iterable[str] = (), *, open_loopback: bool = False, everything: bool = False) -> None:
        self._rules = [parse_net_rule(text) for text in rules]
        if open_loopback:
            self._rules.append(NetRule(networks=GROUPS["loopback"], group="loopback"))
        self._everything = everything

    @classmethod
    def unrestricted(cls) -> NetPolicy:
        """For scripts, which act for the person who runs them."""
        return cls(everything=True)

    def allows(self, host: str, port: int, address: str) -> bool:
        """Whether a connection to ``address``, which ``host`` (lower case) resolved to, may be made.

        Addresses that make no sense are refused, and the ports of mail and its like unless an entry names them.
        """
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.scope_id is not None:
            return self._everything
        if self._everything:
            return True
        parts: list[Address] = [parsed]
        if isinstance(parsed, ipaddress.IPv6Address) and int(parsed) > 1:
            parts += _carried(parsed)
        if port in _reserved and any(map(_is_here, parts)):
            return False
        is_bad = port in _BAD_PORTS
        rules = [rule for rule in self._rules if rule.covers_port(port) and not (is_bad and rule.ports is None)]
        name = host.removesuffix(".")
        by_name = any(rule.covers_host(name) for rule in rules)
        return all(
            (not is_bad and _is_public(part) and part not in _METADATA)
            or (by_name and part not in _METADATA)
            or any(_opens(rule, part) for rule in rules)
            for part in parts
        )


def _opens(rule: NetRule, address: Address) -> bool:
    if not any(address in network for network in rule.networks):
        return False
    return address not in _METADATA or rule.networks == (ipaddress.ip_network(address),)
