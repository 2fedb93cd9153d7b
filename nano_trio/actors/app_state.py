"""Where an app stands."""

from __future__ import annotations

import enum

__all__ = ["AppState"]


class AppState(enum.Enum):
    """The transitions are told by :mod:`nano_trio.actors.app`."""

    ASLEEP = "asleep"
    AWAKE = "awake"
    FAILED = "failed"
    DRAINING = "draining"
