"""What the admin listener's values must be together: a token wherever others could reach it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nano_trio.config.files import read_file
from nano_trio.config.problems import Finding, Rejected, show
from nano_trio.config.rules import Secret, is_loopback

_LONGEST_FILE = 4096
_LOOPBACK = "127.0.0.1"


def check_admin(values: Mapping[str, Any], folder: Path, findings: list[Finding]) -> dict[str, Any]:
    """The values of `admin` with its token read and its file located; adds to the findings what is wrong.

    `values` are those that are present and valid, overrides included.
    """
    located: dict[str, Any] = {}
    token: str | None = values.get("token")
    file: Path | None = values.get("token_file")
    if file is not None:
        located["token_file"] = absolute = Path(os.path.normpath(folder / file))
        if token is None:
            try:
                token = located["token"] = _read(absolute, str(file))
            except Rejected as error:
                findings += [(("admin", "token_file"), message) for _, message in error.findings]
                return located
    host = values.get("host", _LOOPBACK)
    if token is None and "port" in values and not is_loopback(host):
        findings.append(
            (
                ("admin", "host"),
                f"{show(host)} is open to other machines: set a token (NANO_ADMIN_TOKEN, "
                '"token_file" or "token"), or listen on 127.0.0.1',
            )
        )
    return located


def check_admin_port(
    admin: Mapping[str, Any], host: str, apps: Sequence[Mapping[str, Any]], main_port: int | None, secure: int | None
) -> Iterator[Finding]:
    """Whether apps are served where admin would be. `main_port` and `secure` are the server's; None: invalid, or none.

    The same port of different addresses is two ports.
    """
    port = admin.get("port")
    if not port or not _overlap(admin.get("host", _LOOPBACK), host):
        return
    taken: dict[int | None, str] = {}
    for index, app in enumerate(apps):
        tls = app.get("tls")
        taken[None if tls is None else tls.port] = f"HTTPS already, for apps[{index}]"
        taken[app.get("port")] = f"HTTP already, for apps[{index}]"
    taken[secure] = "HTTPS already, for the server"
    taken[main_port] = "HTTP already, for the server"
    if port in taken:
        yield ("admin", "port"), f"port {port} serves {taken[port]}"


def _overlap(one: str, other: str) -> bool:
    """Whether two addresses, or names of addresses, share their ports, as far as that is known without asking."""
    one, other = (_LOOPBACK if host == "localhost" else host for host in (one, other))
    # "::" takes no IPv4: whatever listens sets IPV6_V6ONLY.
    return one == other or ((":" in one) == (":" in other) and bool({one, other} & {"0.0.0.0", "::"}))


def _read(file: Path, written: str) -> str:
    try:
        head = read_file(file, _LONGEST_FILE)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise Rejected([((), f"{show(written)} cannot be read: {reason} (looked for {file})")]) from None
    line = head.decode("utf-8", "replace").partition("\n")[0].strip()
    try:
        return Secret().accept(line)
    except Rejected as error:
        raise Rejected([((), f"the first line of {show(written)}: {error.findings[0][1]}")]) from None
