"""What proxies say of the client: X-Forwarded-For, -Proto, -Host, -Port, and Forwarded (RFC 7239). Without sockets.

Theory of operation
-------------------
Anybody can send such fields, so they are taken off every request before an app sees it (``split_forwarding``), and
believed only where the peer is a trusted proxy. Then:

1. **The client** is found from the right: each proxy appends the address of whoever asked it. As long as the one who
   speaks is trusted, its entry is believed; the first address that is not trusted is the client. What stands further
   left was said by the client itself. An entry that is no address ends the walk too.
2. **Scheme and host** are those beside the client's entry where the field has as many entries as X-Forwarded-For, else
   the last (the nearest proxy's). A value that is no scheme, host or port counts as absent.
3. **Both kinds of fields.** A proxy that writes one kind may pass the other on as its client sent it. So where both are
   there they must agree, or the request is refused (400); X-Forwarded fields then say the rest.

The app finds the outcome in ``request.url``, ``ctx.remoteAddress``, and in ``x-forwarded-for`` (the client's address
alone), ``x-forwarded-proto`` and ``x-forwarded-host``, which are set by us whoever the peer is. Without any trusted
proxy configured they are only taken off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

from nano_trio.runtime.http1_framing import ProtocolError
from nano_trio.runtime.http_syntax import TOKEN, is_authority, members
from nano_trio.web.clients import TrustedProxies, normal_address

__all__ = ["FORWARDING", "Facts", "forwarded_facts", "parse_forwarded", "seen_through", "split_forwarding"]

Fields = Sequence[tuple[str, str]]

FORWARDING = frozenset(
    (
        "forwarded",
        "x-forwarded-by",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-forwarded-proto",
        "x-forwarded-scheme",
        "x-forwarded-server",
        "x-forwarded-ssl",
        "x-real-ip",
    )
)
"""Fields that only a proxy may set: no app sees a client's."""

_PAIR = re.compile(rf'({TOKEN})=(?:({TOKEN})|"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)")')
_ESCAPED = re.compile(r"\\(.)")
_NODE = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?").fullmatch
_PORT = re.compile(r"[0-9]{1,5}").fullmatch
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@attrs.frozen
class Facts:
    """What is known of a request's client."""

    client: str
    """Its address."""
    scheme: str
    """``http`` or ``https``: how it speaks to the outermost proxy."""
    host: str
    """The authority that it asked for, with a port where that is not the scheme's own."""


def split_forwarding(headers: Fields) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """A request's fields without those of proxies, and these."""
    kept: list[tuple[str, str]] = []
    forwarding: list[tuple[str, str]] = []
    for field in headers:
        (forwarding if field[0] in FORWARDING else kept).append(field)
    return kept, forwarding


def seen_through(
    trusted: TrustedProxies, peer: str, scheme: str, host: str, headers: Fields, forwarding: Fields
) -> tuple[Facts, tuple[tuple[str, str], ...]]:
    """What is known of a request's client, and the request's fields as an app is to see them.

    ``scheme`` (``http://``) and ``host`` are the connection's and the request's own. The Host field follows the facts,
    and x-forwarded-for, -proto and -host tell them. Raises :class:`ProtocolError`.
    """
    facts = forwarded_facts(forwarding, Facts(peer, scheme.removesuffix("://"), host), trusted)
    if facts.host != host:
        headers = [(name, facts.host if name == "host" else value) for name, value in headers]
    told = [("x-forwarded-for", facts.client), ("x-forwarded-proto", facts.scheme), ("x-forwarded-host", facts.host)]
    return facts, (*headers, *told)


def forwarded_facts(fields: Fields, facts: Facts, trusted: TrustedProxies) -> Facts:
    """What ``fields`` (of FORWARDING) add to what the connection itself says, if its peer ``facts.client`` is trusted.

    Raises :class:`ProtocolError` (400) where the two kinds of fields contradict each other.
    """
    if not fields or facts.client not in trusted:
        return facts
    values: dict[str, str] = {}
    for name, value in fields:
        values[name] = f"{values[name]},{value}" if name in values else value
    standard = values.get("forwarded")
    elements = parse_forwarded(standard) if standard is not None else None
    has_common = "x-forwarded-for" in values or (
        standard is None and not values.keys().isdisjoint(("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"))
    )
    if not has_common:
        return facts if elements is None else _from_standard(elements, facts, trusted)
    common = _from_common(values, facts, trusted)
    if standard is not None:
        other = _from_standard(elements, facts, trusted) if elements is not None else facts
        said = [name for element in elements or () for name in element]
        if (
            other.client != common.client
            or ("proto" in said and "x-forwarded-proto" in values and other.scheme != common.scheme)
            or ("host" in said and "x-forwarded-host" in values and other.host.lower() != common.host.lower())
        ):
            raise ProtocolError(400, "Forwarded and X-Forwarded-For contradict each other")
    return common


def _from_common(values: dict[str, str], facts: Facts, trusted: TrustedProxies) -> Facts:
    hops = members(values.get("x-forwarded-for", ""))
    client, index = _walk(facts.client, [_node_address(hop, bare=True) for hop in hops], trusted)

    def beside(name: str) -> str:
        items = members(values.get(name, ""))
        if not items:
            return ""
        return items[index] if len(items) == len(hops) and index < len(items) else items[-1]

    scheme = beside("x-forwarded-proto").lower()
    host = beside("x-forwarded-host")
    port = beside("x-forwarded-port")
    return _settled(client, scheme, host, port, facts)


def _from_standard(elements: list[dict[str, str]], facts: Facts, trusted: TrustedProxies) -> Facts:
    hops = [_node_address(element.get("for", "")) for element in elements]
    client, index = _walk(facts.client, hops, trusted)
    element = elements[min(index, len(elements) - 1)]
    return _settled(client, element.get("proto", "").lower(), element.get("host", ""), "", facts)


def _walk(peer: str, hops: Sequence[str | None], trusted: TrustedProxies) -> tuple[str, int]:
    """The client, and the index of its entry (``len(hops)``: it is the peer)."""
    client, index = peer, len(hops)
    while index and client in trusted:
        hop = hops[index - 1]
        if hop is None:
            break
        client, index = hop, index - 1
    return client, index


def _settled(client: str, scheme: str, host: str, port: str, facts: Facts) -> Facts:
    if scheme not in _DEFAULT_PORTS:
        scheme = facts.scheme
    if not is_authority(host):
        host = facts.host
    if _PORT(port) and 0 < int(port) <= 65535 and ":" not in host.rpartition("]")[2]:
        number = str(int(port))
        if number != _DEFAULT_PORTS[scheme]:
            host = f"{host}:{number}"
    return Facts(client, scheme, host)


def _node_address(text: str, *, bare: bool = False) -> str | None:
    """The address in ``192.0.2.1``, ``192.0.2.1:80``, ``[2001:db8::1]:80``; with ``bare`` also in ``2001:db8::1``."""
    if bare and text.count(":") > 1 and not text.startswith("["):
        return normal_address(text)
    match = _NODE(text)
    if match is None:
        return None
    if match[1] is not None:
        return normal_address(match[1]) if ":" in match[1] else None
    return normal_address(match[2])


def parse_forwarded(value: str) -> list[dict[str, str]] | None:
    """The elements of a Forwarded field (RFC 7239 section 4), parameters' names in lower case; None if malformed."""
    elements: list[dict[str, str]] = []
    element: dict[str, str] = {}
    position, end = 0, len(value)
    expects_pair = False
    while True:
        while position < end and value[position] in " \t":
            position += 1
        if position == end or value[position] == ",":
            if expects_pair:
                return None
            if element:
                elements.append(element)
                element = {}
            if position == end:
                return elements or None
            position += 1
            continue
        match = _PAIR.match(value, position)
        if match is None or match[1].lower() in element or (element and not expects_pair):
            return None
        element[match[1].lower()] = match[2] if match[2] is not None else _ESCAPED.sub(r"\1", match[3])
        position = match.end()
        expects_pair = position < end and value[position] == ";"
        position += expects_pair
