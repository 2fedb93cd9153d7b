"""Kinds of arguments and commands whose errors say what was probably meant."""

from __future__ import annotations

import difflib
import importlib
import math
from collections.abc import Iterator, MutableMapping
from typing import Any

import click

from nano_trio.cli.streams import end_where_output_is_lost

__all__ = ["Choice", "Commands", "ImportedCommands", "Number", "WholeNumber"]


class Choice(click.Choice[str]):
    """One of a few words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Click's, and the nearest word."""
        near = difflib.get_close_matches(str(value).lower(), [str(word).lower() for word in self.choices], 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return super().get_invalid_choice_message(value, ctx) + hint


def _expected(low: float | None, high: float | None, kind: str = "") -> str:
    bounds = ("" if low is None else f" from {low:g}") + ("" if high is None else f" to {high:g}")
    return f"a {kind}number{bounds}"


class Number(click.FloatRange):
    """A number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises :class:`click.BadParameter` that says what is accepted."""
        try:
            number = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        # Comparing it with the bounds would not keep it out where it was typed.
        if math.isnan(number):
            self.fail(f"expected {_expected(self.min, self.max)}, got {value!r}", param, ctx)
        return number


class WholeNumber(click.IntRange):
    """A whole number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises :class:`click.BadParameter` that says what is accepted."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"expected {_expected(self.min, self.max, 'whole ')}, got {value!r}", param, ctx)


class ImportedCommands(MutableMapping[str, click.Command]):
    """Commands by their names, each imported when it is asked for. ``places``: ``module:attribute`` by name."""

    def __init__(self, places: dict[str, str]) -> None:
        self._places: dict[str, str | click.Command] = {**places}

    def __getitem__(self, name: str) -> click.Command:
        found = self._places[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._places[name] = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._places[name] = command

    def __delitem__(self, name: str) -> None:
        del self._places[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Commands(click.Group):
    """A group that knows the commands of the groups in it."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, for whom a pipe that nobody reads (``| head``) is no error, even where nurseries wrap it.

        Where the output goes to a full disk that is told.
        """
        try:
            return super().invoke(ctx)
        except (OSError, BaseExceptionGroup) as error:
            rest: BaseException = error
            while isinstance(rest, BaseExceptionGroup) and len(rest.exceptions) == 1:
                rest = rest.exceptions[0]
            if isinstance(rest, BrokenPipeError):
                raise rest from None
            if isinstance(rest, OSError):
                end_where_output_is_lost(rest)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but for a command of a group in this one it says where that is."""
        name = args[0]
        for group in () if name in self.commands else self.commands.values():
            if isinstance(group, click.Group) and name in group.commands:
                ctx.fail(f"No such command '{name}'. Did you mean '{ctx.command_path} {group.name} {name}'?")
        return super().resolve_command(ctx, args)
