"""``nano-trio top``: a live table of the apps, and the keys that sort and filter it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from nano_trio.cli.admin_link import Place, place_options, run_with
from nano_trio.cli.arguments import Choice, Number

if TYPE_CHECKING:
    import trio
    from rich.console import RenderableType

    from nano_trio.web.admin.client import AdminClient

__all__ = ["Column", "View", "split_keys", "top"]

Row = dict[str, Any]

_KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
"""A key as terminals send it (ECMA-48 section 5.4)."""


def _number(value: float | None, digits: int = 1) -> str:
    if value is None:
        return "-"
    return f"{value:,.{digits}f}" if value < 1000 else f"{value:,.0f}"


def _megabytes(value: float | None) -> str:
    return "-" if not value else f"{value / (1 << 20):,.1f}M"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}%"


@attrs.frozen
class Column:
    """One column: its key chooses it for sorting."""

    title: str
    key: str
    field: str
    show: Callable[[Any], str] = str
    descending: bool = True


COLUMNS = (
    Column("APP", "n", "name", descending=False),
    Column("STATE", "s", "state", descending=False),
    Column("REQ/S", "r", "requests_per_s", _number),
    Column("ERR/S", "e", "errors_per_s", _number),
    Column("P50 ms", "5", "p50_ms", lambda value: _number(value, 2)),
    Column("P99 ms", "9", "p99_ms", lambda value: _number(value, 2)),
    Column("CPU", "c", "cpu_percent", _share),
    Column("MEMORY", "m", "memory_bytes", _megabytes),
    Column("MAILBOX", "b", "mailbox"),
    Column("CONN", "w", "connections"),
    Column("RESTARTS", "t", "restarts"),
)
"""CONN: requests that are in progress and open WebSockets."""

_LEFT_OUT = (
    "restarts",
    "mailbox",
    "connections",
    "p50_ms",
    "errors_per_s",
    "memory_bytes",
    "p99_ms",
    "cpu_percent",
    "requests_per_s",
    "state",
)
"""Columns that a narrow terminal has no room for, the first first. Numbers that are cut would be other numbers."""
_NAME_WIDTH = 20
"""Of which a name is cut before another column is left out."""
_GAP = 3
"""Between two columns, as :mod:`rich` draws them."""


@attrs.define
class View:
    """What is shown: the last sample, sorted and filtered. Keys change it; nothing here touches the terminal."""

    sample: dict[str, Any] | None = None
    lost: int = 0
    sort: Column = COLUMNS[2]
    reverse: bool = False
    filter: str = ""
    typing: bool = False
    """Keys go into the filter."""
    paused: bool = False
    top: int = 0
    """The first row that is shown."""

    def take(self, sample: dict[str, Any], lost: int = 0) -> None:
        """A new sample."""
        self.lost += lost
        if not self.paused:
            self.sample = sample

    def rows(self) -> list[Row]:
        """The apps that match the filter, in order."""
        apps = [] if self.sample is None else self.sample["apps"]
        chosen = [
            {**app, "connections": app["in_flight"] + app["sockets"]}
            for app in apps
            if self.filter.lower() in f"{app['name']} {app['state']}".lower()
        ]
        chosen.sort(key=lambda row: row["name"])
        descending = self.sort.descending != self.reverse

        def order(row: Row) -> tuple[bool, Any]:
            value = row[self.sort.field]
            # What is not known stands at the end, whichever way it is sorted.
            return ((value is not None) == descending, 0 if value is None else value)

        chosen.sort(key=order, reverse=descending)
        return chosen

    def key(self, key: str) -> bool:
        """A key was pressed. False: the end."""
        if self.typing:
            if key in ("\r", "\n"):
                self.typing = False
            elif key == "\x1b":
                self.typing, self.filter = False, ""
            elif key in ("\x7f", "\b"):
                self.filter = self.filter[:-1]
            elif key.isprintable() and len(key) == 1:
                self.filter += key
            return True
        match key:
            case "q" | "\x03" | "\x04":
                return False
            case "/":
                self.typing = True
            case "\x1b":
                self.filter = ""
            case " ":
                self.paused = not self.paused
            case "\x1b[A" | "\x1bOA" | "k":
                self.top = max(0, self.top - 1)
            case "\x1b[B" | "\x1bOB" | "j":
                self.top += 1
            case "\x1b[5~":
                self.top = max(0, self.top - 10)
            case "\x1b[6~":
                self.top += 10
            case _:
                for column in COLUMNS:
                    if key == column.key:
                        self.reverse = not self.reverse if column is self.sort else False
                        self.sort, self.top = column, 0
        return True

    def head(self) -> str:
        """The process in one line."""
        sample = self.sample
        if sample is None:
            return "waiting for the first sample"
        states = ", ".join(f"{count} {state}" for state, count in sorted(sample["states"].items()))
        lag = "" if sample["loop_lag_ms"] is None else f"   loop lag {sample['loop_lag_ms']:.1f} ms"
        lost = f"   {self.lost} samples lost" if self.lost else ""
        return (
            f"cpu {_share(sample['cpu_percent'])}   memory {_megabytes(sample['resident_bytes'])}   "
            f"connections {sample['connections']}{lag}   apps: {states or 'none'}{lost}"
        )

    def foot(self) -> str:
        """The keys."""
        if self.typing:
            return f"filter: {self.filter}▏ (Enter: done, Esc: none)"
        keys = " ".join(f"{column.key}:{column.title.split()[0].lower()}" for column in COLUMNS)
        told = f"filter {self.filter!r}  " if self.filter else ""
        return f"{told}{'PAUSED  ' if self.paused else ''}q:quit /:filter space:pause ↑↓:scroll   sort {keys}"

    def title(self, column: Column) -> str:
        """A column's, with an arrow where the table is sorted by it."""
        arrow = "" if column is not self.sort else " ▼" if column.descending != self.reverse else " ▲"
        return f"{column.title}{arrow}"

    def columns(self, rows: list[Row], width: int) -> list[Column]:
        """Those that fit beside each other, the one that the table is sorted by among them."""
        chosen = list(COLUMNS)
        wide = {
            column.field: max(map(len, (self.title(column), *(column.show(row[column.field]) for row in rows))))
            for column in chosen
        }
        wide["name"] = min(wide["name"], _NAME_WIDTH)
        for field in _LEFT_OUT:
            if sum(wide[column.field] + _GAP for column in chosen) - _GAP <= width:
                break
            if field != self.sort.field:
                chosen = [column for column in chosen if column.field != field]
        return chosen


def table(view: View, width: int, height: int) -> RenderableType:
    """The screen."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = view.rows()
    shown = max(1, height - 5)
    view.top = max(0, min(view.top, len(rows) - shown))
    rows = rows[view.top : view.top + shown]
    columns = view.columns(rows, width)
    grid = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False, show_edge=False)
    for column in columns:
        left = column.field in ("name", "state")
        grid.add_column(
            view.title(column),
            justify="left" if left else "right",
            no_wrap=True,
            ratio=3 if column.field == "name" else None,
            header_style="bold reverse" if column is view.sort else "bold",
        )
    for row in rows:
        style = {"failed": "red", "quarantined": "red", "draining": "yellow", "asleep": "dim"}.get(row["state"], "")
        grid.add_row(*(Text(column.show(row[column.field])) for column in columns), style=style)
    return Group(Text(view.head(), style="bold", no_wrap=True), grid, Text(view.foot(), style="dim", no_wrap=True))


def plain(view: View) -> str:
    """The table as text, for pipes."""
    lines = [[column.title for column in COLUMNS]]
    lines += [[column.show(row[column.field]) for column in COLUMNS] for row in view.rows()]
    widths = [max(len(line[index]) for line in lines) for index in range(len(COLUMNS))]
    text = [view.head()]
    for line in lines:
        cells = [
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


@click.command()
@place_options
@click.option("--once", is_flag=True, help="Print the table once, after one interval, and end.")
@click.option("--interval", type=Number(0.25, 60), default=1.0, show_default=True, help="Seconds between samples.")
@click.option("--sort", type=Choice([column.field for column in COLUMNS]), default="requests_per_s", show_default=True)
@click.option("--filter", "filter_", default="", help="Only apps whose name or state contains this.")
def top(
    url: str | None, token: str | None, config: Path | None, once: bool, interval: float, sort: str, filter_: str
) -> None:
    """Show live what the apps of a running server do. Keys sort and filter; q ends.

    \b
    Examples:
      nano-trio top
      nano-trio top --once --sort cpu_percent
    """
    view = View(sort=next(column for column in COLUMNS if column.field == sort), filter=filter_)
    live = not once and sys.stdout.isatty() and sys.stdin.isatty()

    async def work(client: AdminClient) -> None:
        samples = await client.subscribe("metrics", interval_s=interval)
        if live:
            await _live(view, samples)
            return
        async for items in samples:
            view.take(items.items[-1], items.lost)
            # The first sample has no rates.
            if items.items[-1]["interval_s"] is not None:
                click.echo(plain(view))
                if once:
                    return
                click.echo()
                sys.stdout.flush()

    run_with(Place(url, token, config), work)


async def _live(view: View, samples: Any) -> None:
    import trio
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as screen:

        def draw() -> None:
            screen.update(table(view, *console.size), refresh=True)

        async def listen() -> None:
            async for items in samples:
                view.take(items.items[-1], items.lost)
                draw()
            nursery.cancel_scope.cancel()

        async with _keys() as keys, trio.open_nursery() as nursery:
            draw()
            nursery.start_soon(listen)
            async for key in keys:
                if not view.key(key):
                    break
                draw()
            nursery.cancel_scope.cancel()


def split_keys(text: str) -> list[str]:
    """What was typed, key by key: one that is held down comes several times at once."""
    return _KEY.findall(text)


@asynccontextmanager
async def _keys() -> AsyncIterator[trio.MemoryReceiveChannel[str]]:
    """What is typed, key by key, without echo."""
    import termios
    import tty

    import trio

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    send, receive = trio.open_memory_channel[str](64)

    async def read() -> None:
        while True:
            await trio.lowlevel.wait_readable(fd)
            data = os.read(fd, 64).decode("utf-8", "ignore")
            if not data:
                return
            for key in split_keys(data):
                await send.send(key)

    tty.setcbreak(fd)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            yield receive
            nursery.cancel_scope.cancel()
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
