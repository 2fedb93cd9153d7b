"""What no single value shows: names and hostnames that clash, and paths that lead nowhere.

Works on the sound values of each app, so that a fault in one key does not hide a clash in another.
"""

import os
import ssl
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nano_trio.config.files import check_file
from nano_trio.config.problems import Finding, KeyPath, Rejected, did_you_mean, rejected, show
from nano_trio.config.rules import is_hostname

Values = Mapping[str, Any]
"""An app's values by key: those that are present and valid."""


def check_apps(apps: Sequence[Values], present: Sequence[object], main_port: int | None) -> Iterator[Finding]:
    """Clashes between apps. `present` holds the tables as written: a key in it that `apps` lacks was invalid.

    `main_port` is None where the server's own port was invalid: then only apps with ports of their own are compared.
    """
    names: dict[str, int] = {}
    hosts: dict[tuple[int, str], int] = {}
    defaults: dict[int, int] = {}

    def label(index: int) -> str:
        return show(apps[index]["name"]) if "name" in apps[index] else f"apps[{index}]"

    for index, (app, written) in enumerate(zip(apps, present, strict=True)):
        name: str | None = app.get("name")
        lower = "" if name is None else name.lower()
        namesake = index if name is None else names.setdefault(lower, index)
        if name is not None and namesake != index:
            yield ("apps", index, "name"), _same_name(name, apps[namesake]["name"], namesake)
        if not isinstance(written, dict) or ("port" in written and "port" not in app):
            continue
        port = app.get("port", main_port)
        if port is None:
            continue
        if "hostname" in written:
            key, hostnames = "hostname", app.get("hostname", ())
        elif name is None or namesake != index:
            key, hostnames = "name", ()
        else:
            key, hostnames = "name", (lower,)
            if not is_hostname(lower):
                yield ("apps", index, key), f'{show(name)} cannot serve as a hostname too; set "hostname"'
        for hostname in hostnames:
            owner = hosts.setdefault((port, hostname), index)
            if owner != index:
                both = f"both {label(owner)} and {label(index)} claim it"
                yield ("apps", index, key), f"hostname {show(hostname)} on port {port}: {both}"
        if app.get("default"):
            owner = defaults.setdefault(port, index)
            if owner != index:
                both = f"both {label(owner)} and {label(index)} claim it"
                yield ("apps", index, "default"), f"port {port} can have one default app: {both}"


def check_services(apps: Sequence[Values]) -> Iterator[Finding]:
    """Bindings to apps that do not exist, or under names that `env` has already."""
    binding_apps = [(index, app) for index, app in enumerate(apps) if "services" in app]
    names = dict.fromkeys(app["name"] for app in apps if "name" in app) if binding_apps else {}
    for index, app in binding_apps:
        for binding, target in app["services"].items():
            at: KeyPath = ("apps", index, "services", binding)
            if target not in names:
                yield at, f"there is no app {show(target)}{did_you_mean(target, names)}"
            if binding in app.get("env", {}):
                yield at, '"env" has this name too'


def check_proxies(values: Values) -> Iterator[Finding]:
    """The PROXY protocol without anybody who may speak it."""
    if values.get("proxy_protocol") and not values.get("trusted_proxies"):
        yield ("proxy_protocol",), 'set "trusted_proxies" too: nobody else may say whose connection it is'


ENTRIES = ("index.js", "index.mjs", "package.json", "index.ts", "index.mts", "index.tsx")
"""One of these makes a folder an app's. What the `package.json` means is seen when the app is loaded."""
_READABLE_BY_ALL = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def locate(written: str, folder: str) -> str:
    """The absolute path of an app, seen from the configuration's folder. Raises `Rejected` where there is no app.

    `folder` is absolute and ends with a separator.
    """
    absolute = written if written.startswith(os.sep) else folder + written
    # Most need not be made normal, and to see that takes a fifth as long.
    if "/." in absolute or "//" in absolute or absolute.endswith("/"):
        absolute = os.path.normpath(absolute)
    mode = _mode(absolute, written)
    if mode is None:
        raise rejected(f"{show(written)} does not exist (looked for {absolute})")
    entry = absolute
    if stat.S_ISDIR(mode):
        for name in ENTRIES:
            entry = os.path.join(absolute, name)
            mode = _mode(entry, written)
            if mode is not None:
                break
        if mode is None:
            entry = os.path.join(absolute, ENTRIES[0])
            raise rejected(f"{show(written)} is a folder without index.js (looked for {entry})")
    if not stat.S_ISREG(mode):
        raise rejected(f"{show(written)} is no regular file (looked for {entry})")
    # One question less for each of ten thousand apps: what everybody may read, we may.
    if mode & _READABLE_BY_ALL != _READABLE_BY_ALL and not os.access(entry, os.R_OK):
        raise rejected(f"{show(written)} cannot be read: permission denied (looked for {entry})")
    return absolute


def locate_certificates(paths: Sequence[Path], folder: str | Path) -> tuple[Path, ...]:
    """The absolute paths of PEM files with certificates. Raises `Rejected` for those that are none."""
    located: list[Path] = []
    findings: list[Finding] = []
    for index, path in enumerate(paths):
        absolute = Path(os.path.normpath(os.path.join(folder, path)))
        located.append(absolute)
        try:
            check_file(absolute)
            ssl.create_default_context(cafile=str(absolute))
        except ssl.SSLError:
            findings.append(((index,), f"{show(str(path))} is no PEM file with certificates (looked at {absolute})"))
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            findings.append(((index,), f"{show(str(path))} cannot be read: {reason} (looked for {absolute})"))
    if findings:
        raise Rejected(findings)
    return tuple(located)


def locate_esbuild(path: Path | None, folder: Path, findings: list[Finding]) -> Path | None:
    """The absolute path of the program that the configuration names."""
    if path is None:
        return None
    absolute = Path(os.path.abspath(folder / path))
    try:
        mode = _mode(str(absolute), str(path))
    except Rejected as error:
        findings += error.at("esbuild")
        return absolute
    if mode is None or not stat.S_ISREG(mode):
        what = "does not exist" if mode is None else "is no regular file"
        findings.append((("esbuild",), f"{show(str(path))} {what} (looked for {absolute})"))
    elif not os.access(absolute, os.X_OK):
        findings.append((("esbuild",), f"{show(str(path))} cannot be run: permission denied (looked at {absolute})"))
    return absolute


def _mode(path: str, written: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise rejected(f"{show(written)} cannot be read: {(error.strerror or 'unknown error').lower()}") from None


def _same_name(name: str, other: str, first: int) -> str:
    if name == other:
        return f"{show(name)} is already the name of apps[{first}]"
    return f"{show(name)} differs only in letter case from {show(other)}, the name of apps[{first}]"
