"""The PROXY protocol's header (HAProxy, ``doc/proxy-protocol.txt``), version 1 and 2, without sockets.

It comes before anything else on a connection and says whose connection this really is. It must be taken to the byte,
for what follows belongs to TLS or HTTP. So :func:`wanted` says how many bytes may be read without going too far, given
what has been read; for version 1, which ends with a line's end, the reader must look ahead (MSG_PEEK).
"""

from __future__ import annotations

import ipaddress
import re
import struct

import attrs

from nano_trio.web.clients import normal_address

__all__ = ["ProxyHeader", "ProxyHeaderError", "parse", "wanted"]

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_V1 = b"PROXY "
_FIRST = 12
_V1_LONGEST = 107
_V2_HEAD = 16
_V2_LONGEST = 4096
"""Bytes after the fixed part: addresses and TLVs, which may hold a certificate."""
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*)?|(TCP4|TCP6) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) ([0-9]{1,5}) ([0-9]{1,5}))\r\n"
).fullmatch


class ProxyHeaderError(Exception):
    """The header is malformed, or there is none."""


@attrs.frozen
class ProxyHeader:
    """A complete header."""

    source: str | None
    """The client's address; None where the proxy speaks for itself (health checks) or does not know."""
    size: int
    """Bytes that the header took."""


def wanted(data: bytes) -> tuple[int, bool]:
    """How many bytes to read next, and whether only to look at them first, as far as a line's end (version 1).

    Raises :class:`ProxyHeaderError` as soon as ``data`` cannot become a header.
    """
    is_v2 = _SIGNATURE.startswith(data[:_FIRST])
    if not is_v2 and not _V1.startswith(data[: len(_V1)]):
        raise ProxyHeaderError("no PROXY protocol header")
    if len(data) < _FIRST:  # the shortest line of version 1 is longer
        return _FIRST - len(data), False
    if is_v2:
        size = _V2_HEAD if len(data) < _V2_HEAD else _V2_HEAD + _v2_length(data)
        return size - len(data), False
    if len(data) >= _V1_LONGEST:
        raise ProxyHeaderError("the PROXY protocol's line is too long")
    return _V1_LONGEST - len(data), True


def parse(data: bytes) -> ProxyHeader | None:
    """The header that ``data`` begins with; None for more bytes. Raises :class:`ProxyHeaderError`."""
    if not data:
        return None
    if data[:1] == b"P":
        return _parse_v1(data)
    if not _SIGNATURE.startswith(data[:_FIRST]):
        raise ProxyHeaderError("no PROXY protocol header")
    if len(data) < _V2_HEAD:
        return None
    return _parse_v2(data)


def _parse_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, _V1_LONGEST) + 2
    if end < 2:
        if not _V1.startswith(data[: len(_V1)]) or len(data) >= _V1_LONGEST or b"\n" in data:
            raise ProxyHeaderError("malformed PROXY protocol line")
        return None
    match = _LINE(data[:end])
    if match is None:
        raise ProxyHeaderError("malformed PROXY protocol line")
    if match[1] is None:
        return ProxyHeader(None, end)
    kind = ipaddress.IPv4Address if match[1] == b"TCP4" else ipaddress.IPv6Address
    try:
        source, _ = (kind(match[index].decode("ascii")) for index in (2, 3))
    except ValueError:
        raise ProxyHeaderError("malformed address in the PROXY protocol's line") from None
    for port in (match[4], match[5]):
        if int(port) > 65535 or (port.startswith(b"0") and port != b"0"):
            raise ProxyHeaderError("malformed port in the PROXY protocol's line")
    return ProxyHeader(normal_address(str(source)), end)


def _v2_length(data: bytes) -> int:
    version, length = data[12], int.from_bytes(data[14:16], "big")
    if version >> 4 != 2 or version & 15 > 1:
        raise ProxyHeaderError("unknown version or command of the PROXY protocol")
    if length > _V2_LONGEST:
        raise ProxyHeaderError("the PROXY protocol's header is too long")
    return length


def _parse_v2(data: bytes) -> ProxyHeader | None:
    length = _v2_length(data)
    size = _V2_HEAD + length
    if len(data) < size:
        return None
    if data[12] & 15 == 0:  # LOCAL: the proxy's own connection
        return ProxyHeader(None, size)
    family, transport = data[13] >> 4, data[13] & 15
    if family > 3 or transport > 2:
        raise ProxyHeaderError("unknown address family or transport in the PROXY protocol's header")
    if family in (0, 3) or transport == 0:  # unspecified, or Unix-domain sockets, whose names say nothing here
        return ProxyHeader(None, size)
    if transport != 1:
        raise ProxyHeaderError("the PROXY protocol's header speaks of datagrams")
    source_size = 4 if family == 1 else 16
    if length < 2 * source_size + 4:
        raise ProxyHeaderError("the PROXY protocol's header is too short for its addresses")
    (source,) = struct.unpack_from(f"{source_size}s", data, _V2_HEAD)
    address = ipaddress.IPv4Address(source) if family == 1 else ipaddress.IPv6Address(source)
    return ProxyHeader(normal_address(str(address)), size)
