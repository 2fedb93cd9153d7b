"""The host half of ``intl_date.js``: time zones, by the zone database of the system (``zoneinfo``)."""

from __future__ import annotations

import os
import zoneinfo
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

import quickjs

from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["namespace"]

# What zoneinfo's datetime can tell of, in seconds: the years 2 to 9998. Beyond it the rules are those of the edge.
_FIRST: Final = -62_100_000_000
_LAST: Final = 253_300_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu", "Universal"})
_LONGEST_NAME: Final = 64


@lru_cache(maxsize=64)
def _load(name: str) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        # A name that leads nowhere, out of the database, or to a folder.
        return None


def _in_usual_case(name: str) -> str:
    """``america/new_york`` as the database has it; names are found whatever their case (ECMA-402 6.5)."""
    parts = []
    for part in name.split("/"):
        words = (word if word in {"of", "es", "au"} else word.capitalize() for word in part.lower().split("_"))
        parts.append("_".join(words))
    return "/".join(parts)


@lru_cache(maxsize=256)
def _find(name: str) -> str:
    for candidate in (name, _in_usual_case(name), name.upper()):
        if candidate in _UTC_NAMES:
            return "UTC"
        if _load(candidate) is not None:
            return candidate
    return ""


def _own_zone() -> str:
    """The zone that this process is in, by its name; UTC where it has none."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        _, _, name = os.path.realpath(Path("/etc/localtime")).partition("zoneinfo/")
    return _find(name) or "UTC"


def _at(name: str, milliseconds: float) -> str:
    """A zone's offset in seconds at a moment, and how it is called then."""
    zone = _load(name)
    assert zone is not None
    seconds = min(max(milliseconds / 1000, _FIRST), _LAST)
    moment = (_EPOCH + timedelta(seconds=seconds // 1)).astimezone(zone)
    offset = moment.utcoffset() or timedelta()
    return f"{int(offset.total_seconds())} {moment.tzname()}"


def namespace(services: Services) -> Namespace:
    def find(name: str | quickjs.Value) -> str:
        # What is too long is no name, and is not to be remembered.
        text = text_of(name)
        return _find(text) if 0 < len(text) <= _LONGEST_NAME and text.isascii() else ""

    return {"zone": _own_zone, "find": find, "at": _at}
