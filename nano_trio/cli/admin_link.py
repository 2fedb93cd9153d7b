"""How ``nano-trio admin`` and ``nano-trio top`` find the server and reach it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from nano_trio.cli.outcome import fail, until_interrupted
from nano_trio.cli.places import USUAL_FILES, usual_config

if TYPE_CHECKING:
    from nano_trio.web.admin.client import AdminClient

__all__ = ["Place", "also_behind", "place_options", "run_with"]

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Place:
    """What the command line says of where the server is."""

    url: str | None
    token: str | None
    config: Path | None

    def resolve(self) -> tuple[str, str | None]:
        """URL and token: as given, else of the configuration. Ends the process where there is none."""
        if self.url is not None and self.config is None:
            return self.url, self.token
        from nano_trio.config import ConfigError, load_admin

        file = self.config or usual_config()
        if file is None:
            fail(
                "where is the server's admin listener? Say it with --url http://HOST:PORT, or with --config FILE; "
                f"there is no {' and no '.join(USUAL_FILES)} here"
            )
        try:
            admin = load_admin(file)
        except ConfigError as error:
            hint = (
                ""
                if self.url is not None
                else "\nOr say where the server's admin listener is, with --url http://HOST:PORT"
            )
            fail(f"{error}{hint}")
        token = self.token or admin.token
        if self.url is not None:
            return self.url, token
        if not admin.port:
            what = "no admin listener" if admin.port is None else "any free port (0) for the admin listener"
            wanted = '"admin": {"port": …}' if file.suffix.lower() == ".json" else "port = … in its table [admin]"
            fail(f"{file} configures {what}: set {wanted} there, or say where it is with --url URL")
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(admin.host, admin.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{admin.port}", token


def place_options(command: F) -> F:
    """The options of every command that talks to a server."""
    for option in (
        click.option("--url", help="Where the admin listener is.  [default: as configured]"),
        click.option(
            "--token", envvar="NANO_ADMIN_TOKEN", help="Its token; or NANO_ADMIN_TOKEN.  [default: as configured]"
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help=f"The server's configuration file.  [default: {' or '.join(USUAL_FILES)}]",
        ),
    ):
        command = option(command)
    return command


def also_behind(group: click.Group) -> None:
    """Let the group's commands take those options, too: they are typed as often behind the command as before it."""
    for command in group.commands.values():
        place_options(command)
        for option in command.params:
            if option.name in attrs.fields_dict(Place):
                option.expose_value = False
                option.callback = _override
                option.envvar = None  # read where it stands before the command; what is typed there beats it


def _override(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is not None:
        context.obj = attrs.evolve(context.obj, **{str(option.name): value})


def run_with(place: Place, work: Callable[[AdminClient], Awaitable[None]]) -> None:
    """Connect, do ``work``, and end the process as is right where that fails."""
    import trio

    from nano_trio.web.admin.client import AdminError, connect

    url, token = place.resolve()

    async def connected() -> None:
        async with connect(url, token) as client:
            await work(client)

    try:
        trio.run(until_interrupted, connected)
    except AdminError as error:
        fail(str(error))
