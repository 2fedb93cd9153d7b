"""The entries of `allow_net`: what an app's outgoing connections may reach beyond the public Internet.

An entry names a host (`api.internal`), the hosts below a domain (`*.corp.example`), an address (`10.0.0.5`, `fd00::1`),
a network (`10.0.0.0/8`), or one of the words `loopback` and `private`. It may end with a port (`:8080`) or a range of
ports (`:8000-8999`); an IPv6 address or network with one stands in brackets (`[::1]:8080`).
"""

import ipaddress
import re

from attrs import frozen

from nano_trio.config.problems import Rejected, rejected, show
from nano_trio.config.rules import Schema, Several, is_hostname, is_wildcard

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GROUPS: dict[str, tuple[Network, ...]] = {
    "loopback": (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
    "private": tuple(
        ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    ),
}
"""The networks that have names."""

_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_EXAMPLES = '"api.internal", "*.corp.example", "10.0.0.0/8", "loopback:3000", "[fd00::1]:8000-8999"'


@frozen
class NetRule:
    """One entry: hosts by name, or networks; and the ports there."""

    host: str = ""
    """An exact name, or `.corp.example` for all names that end so; empty where the entry names networks."""
    networks: tuple[Network, ...] = ()
    group: str = ""
    """The word that stood for the networks."""
    ports: tuple[int, int] | None = None
    """First and last; None: any."""

    def covers_port(self, port: int) -> bool:
        return self.ports is None or self.ports[0] <= port <= self.ports[1]

    def covers_host(self, host: str) -> bool:
        """Whether a hostname (lower case, no dot at its end) is meant."""
        if self.host.startswith("."):
            return host.endswith(self.host) and len(host) > len(self.host)
        return bool(self.host) and host == self.host


def parse_net_rule(text: str) -> NetRule:
    """The rule that an entry of `allow_net` says. Raises `Rejected`."""
    place, ports = _split(text)
    lowered = place.lower()
    if lowered in GROUPS:
        return NetRule(networks=GROUPS[lowered], group=lowered, ports=ports)
    network = _network(place, text)
    if network is not None:
        return NetRule(networks=(network,), ports=ports)
    if is_wildcard(lowered):
        return NetRule(host=lowered[1:], ports=ports)
    if is_hostname(lowered) and not lowered.startswith("["):
        return NetRule(host=lowered, ports=ports)
    raise _refuse(text)


def _split(text: str) -> tuple[str, tuple[int, int] | None]:
    """The place and the ports of an entry."""
    if text.startswith("["):
        place, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in place or (rest and not rest.startswith(":")):
            raise _refuse(text)
        return place, _ports(rest[1:], text) if rest else None
    if text.count(":") != 1:
        return text, None
    place, _, rest = text.partition(":")
    return place, _ports(rest, text)


def _ports(text: str, entry: str) -> tuple[int, int]:
    match = _PORTS.fullmatch(text)
    if match is None:
        raise _refuse(entry)
    first = int(match[1])
    last = int(match[2] or match[1])
    if not 1 <= first <= last <= 65535:
        raise rejected(f"{show(entry)}: ports go from 1 to 65535, a range from the lower to the higher")
    return first, last


def _network(place: str, entry: str) -> Network | None:
    if "%" in place:
        return None
    try:
        return ipaddress.ip_network(place)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(place, strict=False)
    except ValueError:
        return None
    raise rejected(f"{show(entry)}: the address has bits outside the network; did you mean {show(str(network))}?")


def _refuse(entry: object) -> Rejected:
    return rejected(
        f"expected a host, address or network, with a port if need be (such as {_EXAMPLES}), got {show(entry)}"
    )


class NetRules(Several):
    """A list of places, or one of them, kept as written."""

    @property
    def expects(self) -> str:
        return "a host, address or network, or a list of them"

    def accept_item(self, value: object) -> str:
        if not isinstance(value, str):
            raise _refuse(value)
        parse_net_rule(value)
        return value

    def item_schema(self) -> Schema:
        return {"type": "string", "minLength": 1}
