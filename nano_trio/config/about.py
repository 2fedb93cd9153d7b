"""What a person, and a reload, should know of a key of the configuration: its field's metadata."""

import enum

from attrs import frozen

__all__ = ["ABOUT", "About", "Reload", "about"]


class Reload(enum.Enum):
    """What a running server must do when a key's value changes."""

    LIVE = "live"
    """Take the new value; nothing stops."""
    ISOLATE = "new isolate"
    """Start the app again beside the old isolate, and drain the old one."""
    LISTENER = "listeners"
    """Close and open listeners."""
    RESTART = "restart"
    """Only a restart of the server brings it into force: a worker that takes another's place keeps the old value."""


@frozen
class About:
    """What a person should know of a key; stored in its field's metadata under `ABOUT`."""

    text: str
    reload: Reload
    unit: str = ""
    default: str = ""
    """The default in words, where the field's own default does not say it."""


ABOUT = "nano_trio.about"


def about(text: str, reload: Reload, *, unit: str = "", default: str = "") -> dict[str, About]:
    """A field's metadata."""
    return {ABOUT: About(text, reload, unit, default)}
