"""The entries of `trusted_proxies`: whose word about the client is believed.

An entry is an address (`10.0.0.5`, `fd00::1`), a network (`10.0.0.0/8`), or one of the words `loopback`, `private` and
`unix` (peers on a Unix-domain socket, which have no address).
"""

from nano_trio.config.net_rules import GROUPS, Network, parse_net_rule
from nano_trio.config.problems import Rejected, rejected, show
from nano_trio.config.rules import Schema, Several

UNIX = "unix"


def parse_trusted_proxy(text: str) -> tuple[Network, ...]:
    """The networks that an entry names; none for `unix`. Raises `Rejected`."""
    lowered = text.lower()
    if lowered == UNIX:
        return ()
    if lowered in GROUPS:
        return GROUPS[lowered]
    try:
        rule = parse_net_rule(text)
    except Rejected as error:
        if "bits outside" in error.findings[0][1]:
            raise
        raise _refuse(text) from None
    if not rule.networks or rule.ports is not None:
        raise _refuse(text)
    return rule.networks


def _refuse(entry: object) -> Rejected:
    return rejected(f'expected an address, a network, "loopback", "private" or "unix", got {show(entry)}')


class TrustedProxies(Several):
    """A list of entries, or one of them, kept as written."""

    @property
    def expects(self) -> str:
        return "an address or network, or a list of them"

    def accept_item(self, value: object) -> str:
        if not isinstance(value, str):
            raise _refuse(value)
        parse_trusted_proxy(value)
        return value

    def item_schema(self) -> Schema:
        return {"type": "string", "minLength": 1}
