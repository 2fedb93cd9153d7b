"""The command line. Commands parse, call the room that does the work, and turn outcomes into exit codes.

Exit codes: 0 fine, 1 failed, 2 wrong usage, 130 interrupted (Ctrl-C).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import trio

from nano_trio import __version__, logs
from nano_trio.actors.script import ScriptError, evaluate, run_module
from nano_trio.config import Config, ConfigError, load, parse_hostnames, single_app
from nano_trio.engine.bytecode import BytecodeCache, default_cache_folder
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import ModuleError
from nano_trio.web.hosting import Hosting, serve_until_signal, uses_local_certificates
from nano_trio.web.local_ca import CertificateError, LocalCertificates, trust_instructions

__all__ = ["main"]

E = TypeVar("E", bound=Exception)

_HTTPS_PORT = 3443


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nano-trio")
def main() -> None:
    """Many isolated JavaScript apps in one process.

    \b
    Examples:
      nano-trio serve --app examples/hello --dev
      nano-trio serve --config nano.json
      nano-trio run script.js
      nano-trio eval "1 + 1"
    """


@main.command()
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
        }.items()
        if value is not None
    }
    try:
        config = _read_config(app_path, config_path, overrides)
        if tls and config.tls.port is None:
            config = _read_config(app_path, config_path, {**overrides, "tls.port": _HTTPS_PORT})
    except ConfigError as error:
        _fail(str(error))
    logs.configure(config.log.level, config.log.format)
    if access_log is None:
        access_log = dev or config.log.format == "apache"

    async def run() -> None:
        await serve_until_signal(config, dev=dev, access_log=access_log, started=lambda h: _announce(config, h))

    failure: OSError | None = None
    without_certificates: CertificateError | None = None
    try:
        trio.run(run)
    except* CertificateError as certificates:
        without_certificates = _first(certificates)
    except* OSError as group:
        failure = _first(group)
    except* KeyboardInterrupt:
        pass  # before the signals were in our hands: there is nothing to drain yet
    if without_certificates is not None:
        _fail(str(without_certificates))
    if failure is not None:
        places = " or ".join(f"{at.host}:{at.port}" for at in sorted(config.listeners))
        _fail(f"cannot listen on {places}: {failure.strerror or failure}")


def _read_config(app_path: Path | None, config_path: Path | None, overrides: dict[str, Any]) -> Config:
    if app_path is not None:
        return single_app(app_path, settings={"preload": True}, overrides=overrides)
    assert config_path is not None
    return load(config_path, overrides=overrides)


def _first(group: BaseExceptionGroup[E]) -> E:
    """The first error in a group of groups, as nested nurseries make them."""
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _announce(config: Config, hosting: Hosting) -> None:
    """Tell on standard output where the apps are; other programs wait for these lines."""
    for url in hosting.urls:
        click.echo(f"nano-trio {__version__} listening on {url}")
    if len(config.apps) > 1 or not config.apps[0].default:
        for app in config.apps[:20]:
            click.echo(f"  {app.name}: " + ", ".join(hosting.urls_of(app)))
        if len(config.apps) > 20:
            click.echo(f"  … and {len(config.apps) - 20} more apps")
    if uses_local_certificates(config):
        click.echo(f"  local certificates: {config.tls.certs}; `nano-trio certs` says how to trust their authority")
    sys.stdout.flush()


@main.command()
@click.argument("hosts", nargs=-1, metavar="[HOST]…")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), help="For the hostnames of a configuration's apps, too."
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where.  [default: certs, or as configured]")
@click.option("--force", is_flag=True, help="Make certificates anew that are still good. The authority stays.")
def certs(hosts: tuple[str, ...], config_path: Path | None, folder: Path | None, force: bool) -> None:
    """Make a local certificate authority and certificates, for HTTPS in development.

    For localhost, 127.0.0.1 and ::1; for each HOST (a name, *.name or an address); and for the apps of a configuration.
    What is there and good is kept. `nano-trio serve --tls` does the same by itself.

    \b
    Examples:
      nano-trio certs
      nano-trio certs shop.localhost "*.shop.localhost" --dir certs
      nano-trio certs --config nano.toml
    """
    try:
        hostnames = list(parse_hostnames(hosts))
        if config_path is not None:
            config = load(config_path)
            folder = folder or config.tls.certs
            hostnames += [name for app in config.apps if app.tls.own_certificate is None for name in app.hostname]
        report = LocalCertificates(Path(os.path.abspath(folder or "certs"))).ensure(hostnames, force=force)
    except (ConfigError, CertificateError) as error:
        _fail(str(error))
    for text, names in (("made", report.made), ("kept", report.kept)):
        if names:
            click.echo(f"{text} in {report.folder}: {', '.join(names)}")
    click.echo(f"{'made' if report.ca_made else 'kept'} the authority: {report.ca}\n")
    click.echo(trust_instructions(report.ca))


@main.command("eval")
@click.argument("code")
def eval_(code: str) -> None:
    """Evaluate CODE and print its value. `await` works.

    \b
    Examples:
      nano-trio eval "1 + 1"
      nano-trio eval "await new Response('hi').text()"
      nano-trio eval -- "-1"      (code that begins with a dash)
    """

    async def work() -> None:
        value = await evaluate(code, _console)
        if value is not None:
            _console("log", value)

    try:
        trio.run(_until_interrupted, work)
    except ScriptError as error:
        _fail(str(error))


# What follows FILE is the script's, whatever it looks like.
@main.command(context_settings={"allow_interspersed_args": False})
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(file: Path, arguments: tuple[str, ...]) -> None:
    """Run FILE, a module, until nothing is pending. ARGUMENTS are its global `scriptArgs`.

    \b
    Example:
      nano-trio run script.js one two
    """

    async def work() -> None:
        await run_module(file, list(arguments), _console, BytecodeCache(default_cache_folder()))

    try:
        trio.run(_until_interrupted, work)
    except (ScriptError, ModuleError, JavaScriptError) as error:
        _fail(str(error))


async def _until_interrupted(work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work``; SIGINT cancels it, even in the middle of a loop of JavaScript, and ends the process with 130."""
    interrupted = False
    failure: Exception | None = None

    async def watch(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal interrupted
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                interrupted = True
                nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        await nursery.start(watch)
        try:
            await work()
        except Exception as error:  # raised below: a nursery would make it a group
            failure = error
        nursery.cancel_scope.cancel()
    if interrupted:
        sys.exit(130)
    if failure is not None:
        raise failure


def _console(level: str, text: str) -> None:
    """Lines of console: standard error for warnings and errors, standard output for the rest."""
    stream = sys.stderr if level in ("warn", "error") else sys.stdout
    try:
        print(text.encode("utf-8", "replace").decode("utf-8"), file=stream, flush=True)
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell.
        os._exit(1)


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
