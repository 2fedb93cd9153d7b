"""``nano-trio serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["serve"]


@click.command()
@click.option(
    "--app", "app_path", type=click.Path(path_type=Path), help="Serve one app: a folder with index.js, or a file."
)
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Serve the apps of a JSON or TOML file.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.  [default: 3000]")
@click.option("--tls", is_flag=True, help="Serve HTTPS too, with local certificates where an app has none of its own.")
@click.option(
    "--tls-port", type=click.IntRange(0, 65535), help="Port for HTTPS; 0 takes a free one.  [default: 3443, with --tls]"
)
@click.option("--http", "parser", type=click.Choice(["httptools", "h11"]), help="HTTP parser.  [default: httptools]")
@click.option("--log-format", type=click.Choice(["text", "json", "apache"]), help="Log format.  [default: text]")
@click.option("--access-log/--no-access-log", default=None, help="Log every request.  [default: with --dev or apache]")
@click.option("--watch/--no-watch", default=None, help="Reload when files change.  [default: as configured, else yes]")
@click.option("--dev", is_flag=True, help="Development: error pages show stacks, requests are logged.")
def serve(
    app_path: Path | None,
    config_path: Path | None,
    host: str | None,
    port: int | None,
    tls: bool,
    tls_port: int | None,
    parser: str | None,
    log_format: str | None,
    access_log: bool | None,
    watch: bool | None,
    dev: bool,
) -> None:
    """Serve apps over HTTP, and HTTPS if asked to, until SIGINT or SIGTERM.

    \b
    Examples:
      nano-trio serve --app examples/hello
      nano-trio serve --app worker.js --port 8080 --dev
      nano-trio serve --config nano.toml --tls
    """
    if (app_path is None) == (config_path is None):
        raise click.UsageError("give either --app DIR|FILE or --config FILE")
    overrides: dict[str, Any] = {
        key: value
        for key, value in {
            "host": host,
            "port": port,
            "tls.port": tls_port,
            "http.parser": parser,
            "log.format": log_format,
            "watch": watch,
        }.items()
        if value is not None
    }
    from nano_trio.cli.serving import serve_here

    serve_here(app_path, config_path, overrides, tls=tls, access_log=access_log, dev=dev)
