"""``nano-trio completion``."""

from __future__ import annotations

import click

from nano_trio.cli.arguments import Choice

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes SHELL complete commands, options and their values with the Tab key.

    \b
    Examples:
      nano-trio completion bash > ~/.local/share/bash-completion/completions/nano-trio
      nano-trio completion zsh > ~/.zfunc/_nano-trio
      nano-trio completion fish > ~/.config/fish/completions/nano-trio.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    click.echo(kind(root, {}, "nano-trio", "_NANO_TRIO_COMPLETE").source())
