"""A thousand apps: what `memory`, `coldstart` and `density` share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import servers
from bench.servers import HANDLERS, Server

__all__ = ["cache_folder", "configure_fleet", "start_fleet", "write_apps"]


def write_apps(folder: Path, count: int) -> list[Path]:
    """Apps of about the size of a small real one, no two with the same source (nothing can be shared)."""
    source = (HANDLERS / "hello.js").read_text()
    paths = []
    for number in range(count):
        path = folder / f"app{number}.js"
        path.write_text(source.replace("Hello, world!", f"Hello, world, says app {number}!"))
        paths.append(path)
    return paths


def start_fleet(folder: Path, count: int) -> Server:
    """nano-trio with ``count`` apps named app0, app1 …, none of them loaded, and a bytecode cache of its own."""
    return configure_fleet(folder, write_apps(folder, count))


def configure_fleet(folder: Path, paths: Sequence[Path]) -> Server:
    """As :func:`start_fleet`, with apps that are written."""
    apps: list[dict[str, Any]] = [{"name": f"app{number}", "path": str(path)} for number, path in enumerate(paths)]
    config = servers.nano_config(folder, apps)
    return servers.start_nano(["--config", str(config)], env={"XDG_CACHE_HOME": str(folder / "cache")})


def cache_folder(folder: Path) -> Path:
    """Where the bytecode of a fleet with that folder is kept."""
    return folder / "cache" / "nano-trio" / "bytecode"
