"""What no single value of the TLS keys shows: files that are no certificates, keys of others, ports that clash.

Works on sound values, as `checks` does.
"""

import datetime
import os
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from nano_trio.config.apps import AppTls
from nano_trio.config.checks import Values, locate_certificates
from nano_trio.config.files import check_file
from nano_trio.config.problems import Finding, Rejected, show


def locate_pair(tls: AppTls, folder: str) -> AppTls:
    """The absolute paths of an app's certificate and key. Raises `Rejected` where they cannot serve."""
    if tls.cert is None and tls.key is None:
        return tls
    if tls.cert is None or tls.key is None:
        missing, given = ("key", "cert") if tls.key is None else ("cert", "key")
        raise Rejected([((missing,), f'required beside "{given}"')])
    cert, key = (Path(os.path.normpath(os.path.join(folder, path))) for path in (tls.cert, tls.key))
    findings = _findings(cert, key)
    if findings:
        raise Rejected(findings)
    return attrs.evolve(tls, cert=cert, key=key)


def pair_problem(cert: Path, key: Path) -> str | None:
    """Why a certificate and its key cannot serve, and which file it is; None where they can. Blocks."""
    return next((message for _, message in _findings(cert, key)), None)


def dates_problem(cert: Path) -> str | None:
    """What of a sound certificate or its chain is not valid today, and which file it is; else None. Blocks.

    It keeps no server from starting: the other apps are served, and so is this one to whoever does not mind. A machine
    that boots may not know the time yet, and one whose certificate expired last night must come up again today.
    """
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    try:
        chain = x509.load_pem_x509_certificates(cert.read_bytes())
    except (OSError, ValueError):  # changed since it was found sound
        return None
    for number, certificate in enumerate(chain):
        which = "the certificate" if number == 0 else f"certificate {number + 1} of the chain"
        if certificate.not_valid_after_utc < now:
            return f"{which} expired on {certificate.not_valid_after_utc:%Y-%m-%d} (looked at {cert})"
        if certificate.not_valid_before_utc > now:
            return f"{which} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d} (looked at {cert})"
    return None


def _findings(cert: Path, key: Path) -> list[Finding]:
    findings: list[Finding] = [
        ((name,), problem) for name, path in (("cert", cert), ("key", key)) if (problem := _unreadable(path))
    ]
    return findings or list(_unusable(cert, key))


def locate_tls(values: Values, folder: Path, findings: list[Finding]) -> dict[str, Any]:
    """The absolute paths in the table `tls`, by key; adds to the findings what is wrong."""
    located = {"certs": Path(os.path.normpath(folder / values.get("certs", "certs")))}
    auth, authorities = values.get("client_auth", "none"), values.get("client_ca")
    if authorities is None:
        if auth != "none":
            findings.append((("tls", "client_ca"), f'required where "client_auth" is {show(auth)}'))
        return located
    if auth == "none":
        wanted = 'nothing asks for client certificates; set "client_auth" to "optional" or "required"'
        findings.append((("tls", "client_ca"), wanted))
    try:
        (located["client_ca"],) = locate_certificates([authorities], folder)
    except Rejected as error:
        findings += [(("tls", "client_ca"), message) for _, message in error.findings]
    return located


def check_ports(apps: Sequence[Values], main_port: int | None, secure_port: int | None) -> Iterator[Finding]:
    """Clashes between ports. `main_port` and `secure_port` are the server's; None: invalid, or none."""
    plain = {app["port"]: f"apps[{index}]" for index, app in enumerate(apps) if app.get("port")}
    if main_port:
        plain[main_port] = "the server"
    beside: dict[int | None, int] = {}
    owners: dict[int, int | None] = {}
    if secure_port is not None:
        beside[None] = secure_port
    if secure_port:
        owners[secure_port] = None
        if secure_port in plain:
            yield ("tls", "port"), f"port {secure_port} serves HTTP already, for {plain[secure_port]}"
    for index, app in enumerate(apps):
        tls = app.get("tls")
        if tls is None or tls.port is None:
            continue
        at = ("apps", index, "tls", "port")
        own = app.get("port")
        place = None if own == main_port else own
        if own is None:
            yield at, 'set the app\'s own "port" too: without one, the server\'s "tls.port" serves the app'
        elif tls.port in plain:
            yield at, f"port {tls.port} serves HTTP already, for {plain[tls.port]}"
        elif beside.setdefault(place, tls.port) != tls.port:
            yield (
                at,
                f"apps that share port {own} share its HTTPS port too: both {beside[place]} and {tls.port} are set",
            )
        elif owners.setdefault(tls.port, place) != place:
            other = owners[tls.port] or "the server's port"
            yield at, f"port {tls.port} is the HTTPS port beside {other} already"


def _unreadable(path: Path) -> str:
    try:
        check_file(path)
    except OSError as error:
        return f"cannot be read: {(error.strerror or 'unknown error').lower()} (looked for {path})"
    return ""


def _unusable(cert: Path, key: Path) -> Iterator[Finding]:
    """What keeps a pair of readable files from serving."""
    # Costs 30 ms, which only those pay who have certificates of their own.
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(cert.read_bytes())
    except (OSError, ValueError):
        yield ("cert",), f"no PEM file with certificates (looked at {cert})"
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_refuse_password)
    except _EncryptedError:
        yield ("key",), f"the private key is encrypted; store it without a passphrase (looked at {key})"
    except ssl.SSLError as error:
        # The last is what OpenSSL says of a key of another kind, RSA beside ECDSA.
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            yield ("key",), f"not the key of the first certificate in {cert} (looked at {key})"
        elif (error.reason and "TOO_SMALL" in error.reason) or error.reason == "CA_MD_TOO_WEAK":
            yield ("cert",), f"too weak for TLS: {error.reason.replace('_', ' ').lower()} (looked at {cert})"
        else:
            yield ("key",), f"no PEM file with a private key (looked at {key})"
    except OSError as error:
        yield ("key",), f"cannot be read: {(error.strerror or 'unknown error').lower()} (looked for {key})"


class _EncryptedError(Exception):
    pass


def _refuse_password() -> str:
    raise _EncryptedError
