"""What a command works with where its arguments do not say it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["USUAL_FILES", "usual_config"]

USUAL_FILES = ("nano-trio.json", "nano-trio.toml", "nano.toml", "nano.json")
"""Names of configuration files that are looked for, the first first."""


def usual_config(folder: Path = Path()) -> Path | None:
    """The configuration file of a folder, if it has one of a usual name."""
    return next((folder / name for name in USUAL_FILES if (folder / name).is_file()), None)
