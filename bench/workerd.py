"""workerd's configuration, written for each run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_config"]

COMPATIBILITY_DATE = "2026-11-01"


def write_config(
    folder: Path,
    workers: Mapping[str, Path],
    sockets: Mapping[str, int],
    bindings: Mapping[str, list[str]] | None = None,
) -> Path:
    """Write ``config.capnp`` into ``folder``.

    ``workers``: name → ES module; ``sockets``: worker → port; ``bindings``: worker → the workers that it may call as
    ``env.NAME``.
    """
    services, constants, listeners = [], [], []
    for index, (name, source) in enumerate(workers.items()):
        shutil.copy(source, folder / f"w{index}.js")
        bound = "".join(f'(name = "{other}", service = "{other}"), ' for other in (bindings or {}).get(name, []))
        services.append(f'    (name = "{name}", worker = .w{index}),\n')
        constants.append(
            f"const w{index} :Workerd.Worker = (\n"
            f'  modules = [(name = "worker", esModule = embed "w{index}.js")],\n'
            f"  bindings = [{bound}],\n"
            f'  compatibilityDate = "{COMPATIBILITY_DATE}",\n);\n'
        )
    for name, port in sockets.items():
        listeners.append(f'    (name = "{name}", address = "127.0.0.1:{port}", http = (), service = "{name}"),\n')
    path = folder / "config.capnp"
    path.write_text(
        'using Workerd = import "/workerd/workerd.capnp";\n'
        "const config :Workerd.Config = (\n"
        # Apps may fetch from this machine; by default only from public addresses.
        '  services = [\n    (name = "internet", network = (allow = ["public", "private", "local"])),\n'
        f"{''.join(services)}  ],\n  sockets = [\n{''.join(listeners)}  ],\n);\n" + "".join(constants)
    )
    return path
