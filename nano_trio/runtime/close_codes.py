"""The codes that say why a WebSocket is closed: RFC 6455 section 7.4.1, and those that IANA has registered since."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ABNORMAL",
    "BAD_GATEWAY",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "NORMAL",
    "NO_CODE",
    "POLICY_VIOLATION",
    "PROTOCOL_ERROR",
    "SERVICE_RESTART",
    "TOO_BIG",
    "TRY_AGAIN",
    "UNSENT",
]

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL_ERROR: Final = 1002
NO_CODE: Final = 1005
"""What is told of a Close that has none."""
ABNORMAL: Final = 1006
"""What is told where no Close came."""
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN: Final = 1013
BAD_GATEWAY: Final = 1014
_NO_TLS: Final = 1015

UNSENT: Final = frozenset((NO_CODE, ABNORMAL, _NO_TLS))
"""No Close carries them."""
