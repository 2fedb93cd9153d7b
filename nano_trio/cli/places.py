"""What a command works with where its arguments do not say it."""

from __future__ import annotations

import os.path
from pathlib import Path

__all__ = ["USUAL_FILES", "config_of", "has_app", "nothing_here", "usual_config"]

USUAL_FILES = ("nano-trio.json", "nano-trio.toml", "nano.toml", "nano.json")
"""Names of configuration files that are looked for, the first first."""

# YAML is read by none; but what is no configuration for its name is told so, and not where it is no JavaScript.
_CONFIGURATIONS = (".json", ".toml", ".yaml", ".yml")


def usual_config(folder: Path = Path()) -> Path | None:
    """The configuration file of a folder, if it has one of a usual name."""
    return next((folder / name for name in USUAL_FILES if os.path.isfile(folder / name)), None)


def config_of(path: Path) -> Path | None:
    """The configuration that DIR|FILE stands for: the folder's, or the file where its name ends as theirs do. None
    where it is an app."""
    # Of a path as it was typed, pathlib's `is_dir` may raise. Whoever then reads what was asked for says what is wrong.
    if os.path.isdir(path):
        return usual_config(path)
    return path if path.suffix.lower() in _CONFIGURATIONS else None


def has_app(folder: Path = Path()) -> bool:
    """Whether a folder looks like an app's. Whether it is one is seen when it is loaded."""
    from nano_trio.config.checks import ENTRIES  # it would load all of the configuration for `--help`

    return any(os.path.isfile(folder / entry) for entry in ENTRIES)


def nothing_here(doing: str) -> str:
    """What to tell who meant this folder, in which there is nothing."""
    return (
        f"there is nothing to {doing} here: no {', no '.join(USUAL_FILES)} and no index.js. Say what with DIR|FILE or "
        "--config FILE, or make a new app with nano-trio init"
    )
