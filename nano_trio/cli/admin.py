"""``nano-trio admin``: what a running server can be asked, from the command line."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nano_trio.cli.admin_link import Place, also_behind, place_options, run_with
from nano_trio.cli.arguments import Choice, WholeNumber
from nano_trio.cli.outcome import fail
from nano_trio.cli.streams import end_where_output_is_lost
from nano_trio.cli.terminal import to_json

if TYPE_CHECKING:
    from nano_trio.web.admin.client import AdminClient

__all__ = ["admin"]

_LEVELS = ("debug", "info", "warning", "error")
_STATES = ("asleep", "awake", "failed", "draining", "quarantined")
_OWN_FIELDS = ("kind", "timestamp", "level", "event", "app", "console", "error", "exception", "stack", "raw")


@click.group()
@place_options
@click.pass_context
def admin(context: click.Context, url: str | None, token: str | None, config: Path | None) -> None:
    """Look at a running server, and change it.

    \b
    Examples:
      nano-trio admin apps
      nano-trio admin --url http://127.0.0.1:9000 logs shop --follow
      nano-trio admin add ./shop --hostname shop.example.com
    """
    context.obj = Place(url, token, config)


def _print_json(value: Any) -> None:
    click.echo(to_json(value, indent=2))


def _ask(place: Place, method: str, **params: Any) -> Any:
    """One call, and its result."""
    results: list[Any] = []

    async def work(client: AdminClient) -> None:
        results.append(await client.call(method, **params))

    run_with(place, work)
    return results[0]


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@admin.command()
@click.option("--state", type=Choice(_STATES), help="Only apps in this state.")
@_json_option
@click.pass_obj
def apps(place: Place, state: str | None, as_json: bool) -> None:
    """List the apps and how they stand.

    \b
    Examples:
      nano-trio admin apps
      nano-trio admin apps --state failed --json
    """
    found = _ask(place, "apps.list", **({"state": state} if state else {}))["apps"]
    if as_json:
        _print_json(found)
        return
    rows = [["NAME", "STATE", "MEMORY", "RESTARTS", "WHERE", "TROUBLE"]]
    for app in found:
        trouble = app["quarantine"] or app["last_reload_error"] or app["last_error"] or ""
        memory = f"{app['memory_bytes'] / (1 << 20):.1f} MB" if app["memory_bytes"] else "-"
        where = app["urls"][0] if app["urls"] else ""
        rows.append([app["name"], app["state"], memory, str(app["restarts"]), where, trouble.partition("\n")[0]])
    _print_columns(rows)


@admin.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--name", help="Its name.  [default: the folder's or file's]")
@click.option(
    "--hostname", "hostnames", multiple=True, help="A hostname; may be given several times.  [default: the name]"
)
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="A value of its env; several times.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=JSON",
    help="Any other key of an app's configuration; several times.",
)
@click.pass_obj
def add(
    place: Place,
    path: Path,
    name: str | None,
    hostnames: tuple[str, ...],
    variables: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Serve the app at PATH (as the server sees it) from now on.

    \b
    Examples:
      nano-trio admin add ./shop
      nano-trio admin add ./shop --name shop-2 --hostname shop.example.com --env STAGE=test --set memory_mb=64
    """
    from nano_trio.config import app_name

    document: dict[str, Any] = {"path": os.path.abspath(path)}
    if name:
        document["name"] = name
    if hostnames:
        document["hostname"] = list(hostnames)
    if variables:
        document["env"] = dict(_pair(text, "--env") for text in variables)
    for text in settings:
        key, value = _pair(text, "--set")
        if key in document:
            raise click.UsageError(f"--set {key}=…: {key} is given already")
        try:
            document[key] = json.loads(value)
        except ValueError:
            document[key] = value
    document.setdefault("name", app_name(path))
    app = _ask(place, "apps.add", **document)
    click.echo(f"{app['name']} is served: {', '.join(app['urls'])}")


def _pair(text: str, option: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"{option}: expected NAME=VALUE, got {text!r}")
    return key, value


@admin.command()
@click.argument("name")
@click.pass_obj
def remove(place: Place, name: str) -> None:
    """Take an app out of service; what it has begun may finish.

    \b
    Example:
      nano-trio admin remove shop
    """
    _ask(place, "apps.remove", name=name)
    click.echo(f"{name} is removed")


@admin.command()
@click.argument("name")
@click.pass_obj
def restart(place: Place, name: str) -> None:
    """Load an app afresh and switch to it; the old isolate finishes what it has begun.

    \b
    Example:
      nano-trio admin restart shop
    """
    app = _ask(place, "apps.restart", name=name)
    click.echo(f"{name} is restarted: {app['state']}")


@admin.command()
@click.argument("name")
@click.pass_obj
def drain(place: Place, name: str) -> None:
    """Let an app finish what it has begun and take no more, until it is restarted.

    \b
    Example:
      nano-trio admin drain shop
    """
    app = _ask(place, "apps.drain", name=name)
    click.echo(f"{name} is drained: {app['state']}")


@admin.command()
@click.argument("name")
@click.pass_obj
def lift(place: Place, name: str) -> None:
    """Let an app run again that is quarantined.

    \b
    Example:
      nano-trio admin lift shop
    """
    _ask(place, "apps.lift", name=name)
    click.echo(f"{name} may run again")


@admin.command()
@_json_option
@click.pass_obj
def reload(place: Place, as_json: bool) -> None:
    """Read the configuration and the apps' code again. What is refused leaves everything as it was: exit code 1.

    \b
    Examples:
      nano-trio admin reload
      nano-trio admin reload --json
    """
    report = _ask(place, "reload")
    if as_json:
        _print_json(report)
    else:
        for key in ("added", "removed", "replaced", "updated", "settings"):
            if report[key]:
                click.echo(f"{key}: {', '.join(report[key])}")
        if not report["changed"] and not report["failed"]:
            click.echo("nothing has changed")
        if report["needs_restart"]:
            click.echo(f"only a restart of the server brings into force: {', '.join(report['needs_restart'])}")
    if report["failed"]:
        fail("\n".join(f"{name} goes on with its old version: {why}" for name, why in report["failed"].items()))


@admin.command()
@_json_option
@click.pass_obj
def tree(place: Place, as_json: bool) -> None:
    """Print the supervision tree.

    \b
    Example:
      nano-trio admin tree
    """
    root = _ask(place, "tree")
    if as_json:
        _print_json(root)
    else:
        _print_node(root, "", "")


def _print_node(node: dict[str, Any], before: str, below: str) -> None:
    facts = [str(node[key]) for key in ("strategy", "restart") if node.get(key)]
    if node.get("restarts"):
        facts.append(f"{node['restarts']} restarts")
    if node.get("count"):
        facts.append(f"{node['count']} more")
    if node.get("asleep"):
        facts.append(f"{node['asleep']} asleep")
    state = f" {node['state']}" if node.get("state") else ""
    told = f" ({', '.join(facts)})" if facts else ""
    click.echo(f"{before}{_one_line(node['id'])}{state}{told}")
    if node.get("last_error") and node.get("state") in ("failed", "waiting"):
        click.echo(f"{below}   ! {_one_line(node['last_error'])}")
    children = node.get("children", [])
    for index, child in enumerate(children):
        last = index == len(children) - 1
        _print_node(child, f"{below}{'└─ ' if last else '├─ '}", f"{below}{'   ' if last else '│  '}")


@admin.command()
@click.argument("app", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.option("--level", type=Choice(_LEVELS), default="debug", help="Only lines of at least this level.")
@click.option("--lines", "-n", type=WholeNumber(0, 1000), default=100, help="So many of the last lines.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def logs(place: Place, app: str | None, follow: bool, level: str, lines: int, as_json: bool) -> None:
    """Print the last log lines, of APP or of all.

    \b
    Examples:
      nano-trio admin logs shop --follow
      nano-trio admin logs --level error -n 20
    """
    chosen: dict[str, Any] = {"level": level, **({"app": app} if app else {})}

    async def work(client: AdminClient) -> None:
        # Subscribed first, so that no line falls between the two.
        stream = await client.subscribe("logs", **chosen) if follow else None
        last: list[Any] = (await client.call("logs", **chosen, limit=lines))["lines"] if lines else []
        for line in last:
            _print_line(line, as_json)
        if app and lines and not last:
            await _look_for(client, app, follow)
        if stream is None:
            return
        seen = [json.dumps(line, sort_keys=True) for line in last]
        async for items in stream:
            if items.lost:
                click.echo(f"… {items.lost} lines lost", err=True)
            for line in items.items:
                # What came between the subscription and the answer is in both.
                if seen and json.dumps(line, sort_keys=True) in seen:
                    continue
                seen = []
                _print_line(line, as_json)
        fail("the server closed the connection")

    run_with(place, work)


async def _look_for(client: AdminClient, app: str, follow: bool) -> None:
    """Say so where there is no app of which nothing is logged. Whoever follows may wait for one that comes."""
    from nano_trio.web.admin.client import AdminError

    try:
        await client.call("apps.get", name=app)
    except AdminError as error:
        if not follow:
            raise
        click.echo(str(error), err=True)


def _print_line(line: dict[str, Any], as_json: bool) -> None:
    try:
        if as_json:
            print(to_json(line), flush=True)
            return
        # As the server's own log has it.
        several = ["reason"] if "\n" in str(line.get("reason", "")) else []
        fields = "".join(
            f" {key}={_one_line(_listed(value))}"
            for key, value in line.items()
            if key not in _OWN_FIELDS and key not in several
        )
        name = f"{_one_line(line['app'])}: " if line.get("app") else ""
        stamp, level = str(line.get("timestamp", ""))[11:23], f"{line.get('level', 'info')!s:<7}"
        level = click.style(level, fg={"warning": "yellow", "error": "red", "info": "green"}.get(level.strip()))
        click.echo(f"{stamp} {level} {name}{_one_line(line.get('event', ''))}{fields}")
        for key in (*several, "error", "exception", "stack"):
            for below in str(line.get(key) or "").splitlines():
                click.echo(f"    {_one_line(below)}")
        sys.stdout.flush()
    except OSError as error:
        end_where_output_is_lost(error)
        raise


def _listed(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _one_line(value: object) -> str:
    """What an app wrote must not command the terminal."""
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in str(value))


@admin.command()
@_json_option
@click.pass_obj
def health(place: Place, as_json: bool) -> None:
    """Tell how the server does; exit code 1 where it is not well.

    \b
    Examples:
      nano-trio admin health
      nano-trio admin health --json
    """
    found = _ask(place, "health")
    if as_json:
        _print_json(found)
    else:
        states = ", ".join(f"{count} {state}" for state, count in sorted(found["apps"].items()))
        click.echo(
            f"{found['status']}: nano-trio {found['version']}, up {_duration(found['uptime_s'])}, apps: {states}"
        )
        for problem in found["problems"]:
            first, *below = problem.splitlines()
            for line in (f"  {first}", *(f"      {line}" for line in below)):
                click.echo(_one_line(line))
    if found["status"] != "ok":
        sys.exit(1)


def _duration(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {int(seconds) % 60} s" if minutes else f"{seconds:.0f} s"


def _print_columns(rows: list[list[str]]) -> None:
    rows = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


also_behind(admin)
