"""``nano-trio serve``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from nano_trio.cli.arguments import Choice, WholeNumber
from nano_trio.cli.places import USUAL_FILES, config_of, has_app
from nano_trio.parent.supervisor import supervise

__all__ = ["serve"]

_MOST_WORKERS = 512
_MOST_FILES = 65_536
"""So many files the processes may open, where the system lets them raise their limit."""


def _workers(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if value == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not value.isdecimal() or not 1 <= int(value) <= _MOST_WORKERS:
        raise click.BadParameter(f'expected a number from 1 to {_MOST_WORKERS} or "auto", got {value!r}', param=option)
    return int(value)


def _raise_file_limit() -> None:
    """Shells allow 1024 open files, for the sake of programs that use select(), and would let in 921 clients. Workers
    inherit what their parent may."""
    try:
        import resource
    except ImportError:  # no such limit (Windows)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a limit of its own besides
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _worker_command(arguments: dict[str, Any]) -> list[str]:
    """What starts a worker; ``{}`` stands for its descriptors."""
    main = sys.modules["__main__"].__spec__
    # Started by its console script, the working directory is not searched for modules, and must not be by workers.
    safe = [] if main is not None and not sys.flags.safe_path else ["-P"]
    return [sys.executable, *safe, "-m", "nano_trio.cli.worker", "{}", json.dumps(arguments)]


def _what(path: Path | None, app_path: Path | None, config_path: Path | None) -> tuple[Path | None, Path | None]:
    """The app to serve, or the configuration: one of the two."""
    if sum(each is not None for each in (path, app_path, config_path)) > 1:
        raise click.UsageError("give only one of DIR|FILE, --app and --config")
    if app_path is not None or config_path is not None:
        return app_path, config_path
    found = config_of(path or Path())
    if found is None and path is None:
        what = (
            "the app here is served with `nano-trio serve .`"
            if has_app()
            else "say what with DIR|FILE or --config FILE"
        )
        raise click.UsageError(f"there is nothing to serve here: no {', no '.join(USUAL_FILES)}; {what}")
    return (path, None) if found is None else (None, found)


@click.command()
@click.argument("path", metavar="[DIR|FILE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--app", "app_path", type=click.Path(path_type=Path), help="Serve one app: a folder with index.js, or a file."
)
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Serve the apps of a JSON or TOML file.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=WholeNumber(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 3000]")
@click.option("--tls", is_flag=True, help="Serve HTTPS too, with local certificates where an app has none of its own.")
@click.option(
    "--tls-port", type=WholeNumber(0, 65535), help="Port for HTTPS; 0 takes a free one.  [default: 3443, with --tls]"
)
@click.option(
    "--admin-port", type=WholeNumber(0, 65535), help="Port for admin: dashboard, REST, metrics.  [default: no admin]"
)
@click.option("--http", "parser", type=Choice(["httptools", "h11"]), help="HTTP parser.  [default: httptools]")
@click.option("--log-format", type=Choice(["text", "json", "apache"]), help="Log format.  [default: text]")
@click.option("--access-log/--no-access-log", default=None, help="Log every request.  [default: with --dev or apache]")
@click.option("--watch/--no-watch", default=None, help="Reload when files change.  [default: as configured, else yes]")
@click.option(
    "--dev", is_flag=True, help="Development: error pages show stacks, requests are logged, an app's own esbuild runs."
)
@click.option(
    "--workers", callback=_workers, metavar="N|auto", help="Worker processes; auto: one a core.  [default: 1]"
)
@click.option("--no-parent", is_flag=True, help="Serve in this very process, with nobody to replace it: for debugging.")
def serve(
    path: Path | None,
    app_path: Path | None,
    config_path: Path | None,
    host: str | None,
    port: int | None,
    tls: bool,
    tls_port: int | None,
    admin_port: int | None,
    parser: str | None,
    log_format: str | None,
    access_log: bool | None,
    watch: bool | None,
    dev: bool,
    workers: int | None,
    no_parent: bool,
) -> None:
    """Serve apps over HTTP, and HTTPS if asked to, until SIGINT or SIGTERM.

    DIR is served by its configuration (nano-trio.json, nano.toml, …), or as an app where it has none; FILE is a
    configuration (.json, .toml) or an app. Without DIR|FILE it is this folder's configuration.

    \b
    Examples:
      nano-trio serve
      nano-trio serve examples/hello
      nano-trio serve worker.js --port 8080 --dev
      nano-trio serve --config nano.toml --tls
    """
    app_path, config_path = _what(path, app_path, config_path)
    if no_parent and workers is not None:
        raise click.UsageError("--workers are a parent's: give either --workers or --no-parent")
    overrides = {
        "host": host,
        "port": port,
        "tls.port": tls_port,
        "admin.port": admin_port,
        "http.parser": parser,
        "log.format": log_format,
        "watch": watch,
    }
    arguments = {
        "app_path": None if app_path is None else str(app_path),
        "config_path": None if config_path is None else str(config_path),
        "overrides": {key: value for key, value in overrides.items() if value is not None},
        "tls": tls,
        "access_log": access_log,
        "dev": dev,
    }
    _raise_file_limit()
    if not no_parent:
        sys.exit(supervise(_worker_command(arguments), workers=workers or 1))
    from nano_trio.cli.worker import serve_quickly

    serve_quickly(arguments)
