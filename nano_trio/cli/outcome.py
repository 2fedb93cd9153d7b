"""How a command fails."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

__all__ = ["fail"]


def fail(message: str) -> NoReturn:
    """Tell why on standard error, and end with 1."""
    click.echo(message, err=True)
    sys.exit(1)
