"""``nano-trio schema``."""

from __future__ import annotations

import click

__all__ = ["schema"]


@click.command()
@click.option("--path", is_flag=True, help="Print where the schema's file lies, instead of its text.")
def schema(path: bool) -> None:
    """Print the JSON Schema of the configuration, by which editors check and complete it.

    The key "$schema" of a configuration says where it is.

    \b
    Examples:
      nano-trio schema > nano-trio.schema.json
      nano-trio schema --path
    """
    from nano_trio.config import SCHEMA_FILE

    click.echo(str(SCHEMA_FILE) if path else SCHEMA_FILE.read_text("utf-8"), nl=path)
