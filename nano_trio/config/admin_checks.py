"""What the admin listener's values must be together: a token wherever others could reach it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nano_trio.config.files import read_file
from nano_trio.config.problems import KeyPath, Rejected, show
from nano_trio.config.rules import Secret, is_loopback

_LONGEST_FILE = 4096


def check_admin(values: Mapping[str, Any], folder: Path, findings: list[tuple[KeyPath, str]]) -> dict[str, Any]:
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
    host = values.get("host", "127.0.0.1")
    if token is None and "port" in values and not is_loopback(host):
        findings.append(
            (
                ("admin", "host"),
                f"{show(host)} is open to other machines: set a token (NANO_ADMIN_TOKEN, "
                '"token_file" or "token"), or listen on 127.0.0.1',
            )
        )
    return located


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
