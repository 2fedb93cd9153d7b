"""``nano-trio certs``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from nano_trio.cli.outcome import fail
from nano_trio.cli.terminal import progress

__all__ = ["certs"]


@click.command()
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
    from nano_trio.config import ConfigError, load, parse_hostnames
    from nano_trio.web.local_ca import CertificateError, LocalCertificates, trust_instructions

    try:
        hostnames = list(parse_hostnames(hosts))
    except ConfigError as error:
        raise click.UsageError("\n".join(f"HOST: {problem.message}" for problem in error.problems)) from None
    try:
        if config_path is not None:
            config = load(config_path)
            folder = folder or config.tls.certs
            hostnames += [name for app in config.apps if app.tls.own_certificate is None for name in app.hostname]
        with progress("Making certificates"):
            report = LocalCertificates(Path(os.path.abspath(folder or "certs"))).ensure(hostnames, force=force)
    except (ConfigError, CertificateError) as error:
        fail(str(error))
    for text, names in (("made", report.made), ("kept", report.kept)):
        if names:
            click.echo(f"{text} in {report.folder}: {', '.join(names)}")
    click.echo(f"{'made' if report.ca_made else 'kept'} the authority: {report.ca}\n")
    click.echo(trust_instructions(report.ca))
