"""``nano-trio dev``."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import click

from nano_trio.cli.arguments import WholeNumber
from nano_trio.cli.places import config_of, has_app, nothing_here

__all__ = ["dev"]


@click.command()
@click.argument("path", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Serve the apps of a JSON or TOML file.")
@click.option("--host", help="Address to listen on.  [default: as configured, else 127.0.0.1]")
@click.option(
    "--port",
    type=WholeNumber(0, 65535),
    help="Port to listen on; 0 takes a free one.  [default: as configured, else 3000; if taken, the next free one]",
)
@click.option("--tls", is_flag=True, help="Serve HTTPS too, with local certificates where an app has none of its own.")
@click.option(
    "--live-reload/--no-live-reload",
    default=None,
    help="Pages in the browser load themselves again when the app changes.  [default: as configured, else no]",
)
@click.option("--access-log/--no-access-log", default=True, show_default=True, help="Log every request.")
def dev(
    path: Path | None,
    config_path: Path | None,
    host: str | None,
    port: int | None,
    tls: bool,
    live_reload: bool | None,
    access_log: bool,
) -> None:
    """Serve an app while it is being written: changes come into force as files are saved.

    The app is a folder or a file; of a folder with a configuration (nano-trio.json, nano.toml, …) that is served, all
    its apps with it, as is FILE where it is one (.json, .toml). Without DIR|FILE it is this folder. What fails is shown
    in the browser, with the place in the source; an app that does not load is shown as such until it is mended. No
    browser is opened, and nothing is kept.

    Exit codes: 0 ended by Ctrl-C, 1 failed (a bad configuration, a port in use), 2 wrong usage.

    \b
    Examples:
      nano-trio dev
      nano-trio dev examples/hello --port 8080
      nano-trio dev --config nano.toml --live-reload
    """
    if path is not None and config_path is not None:
        raise click.UsageError("give either DIR|FILE or --config FILE")
    if config_path is None:
        given = path or Path()
        config_path = config_of(given)
        if path is None and config_path is None and not has_app():
            raise click.UsageError(nothing_here("serve"))
        path = None if config_path is not None else given
    settings = {"host": host, "port": port, "live_reload": live_reload}
    overrides: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    gc.disable()
    from nano_trio.cli.serving import serve_here

    serve_here(path, config_path, overrides, tls=tls, access_log=access_log, dev=True, developing=True)
