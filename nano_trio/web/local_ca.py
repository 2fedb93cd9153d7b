"""Certificates for development: a certificate authority of one's own, and what it signs.

A folder holds ``ca.pem`` and ``ca-key.pem``, and for each hostname ``NAME.cert.pem`` and ``NAME.key.pem``. The
authority is made once and kept, so that a developer trusts it once. A certificate is made anew when it nears its end,
when it does not cover what it should, or when the authority changed; its names are kept, so that what someone added
stays.

A server that has apps come and go would fill the folder. What servers made says so in its first line, and each notes
with its ``st_atime`` that it still needs it, at its start, at reloads and every few hours; several may share a folder.
What no server has needed for a week is removed. What somebody asked for by ``nano-trio certs`` stays.

Files that we made begin with a line that says so. What does not is never written over: that is an error. (An authority
that somebody put there is used, if it can sign.) Keys are readable by their owner only, and files appear whole or not
at all. A lock on the folder lets two processes do this at once.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import os
import secrets
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from nano_trio.web.certificates import CertificateError, Pair

if sys.platform != "win32":
    import fcntl

__all__ = ["CertificateError", "LocalCertificates", "Report", "trust_instructions"]

MARK = b"# Made by nano-trio"
LOCAL = ("localhost", "127.0.0.1", "::1")
"""What the default certificate covers."""

_CA_DAYS = 3650
_LEAF_DAYS = 365
_RENEW_DAYS = 30
_LONGEST_STEM = 200
_NEEDED_S = 7 * 86400.0
"""For so long what a server made stays when none needs it any more."""
_FIRST_LINE = MARK + b", which renews it: changes do not last.\n"
_SERVED = MARK + b" for an app, which renews it, and removes it a week after the app: changes do not last.\n"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@attrs.frozen
class Report:
    """What :meth:`LocalCertificates.ensure` did."""

    folder: Path
    ca: Path
    ca_made: bool
    made: tuple[str, ...]
    """Hostnames with a new certificate."""
    kept: tuple[str, ...]


class LocalCertificates:
    """The authority and the certificates in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.ca_key = folder / "ca-key.pem"

    def pair(self, hostname: str) -> Pair:
        """Where the certificate for a hostname lies: for an IP address, the default one, since SNI names none."""
        stem = "localhost" if _address(hostname) else hostname.replace("*.", "_wildcard.")
        if len(stem) > _LONGEST_STEM:
            stem = hashlib.sha256(stem.encode()).hexdigest()
        return Pair(self.folder / f"{stem}.cert.pem", self.folder / f"{stem}.key.pem")

    def ensure(self, hostnames: Iterable[str] = (), *, force: bool = False, serving: bool = False) -> Report:
        """Make what is missing for these hostnames (lower case; ``*.`` and a name, and IP addresses, too).

        Blocks, some milliseconds for each new certificate. ``force`` makes all certificates anew, but never the
        authority. ``serving``: they are all that a server needs; what servers needed a week ago and no longer do is
        removed. Raises :class:`CertificateError`.
        """
        wanted: dict[str, list[str]] = {"localhost": list(LOCAL)}
        for hostname in hostnames:
            address = _address(hostname)
            if address is None:
                wanted.setdefault(hostname, [hostname])
            elif address not in wanted["localhost"]:
                wanted["localhost"].append(address)
        try:
            with self._locked():
                certificate, key, ca_made = self._authority()
                made = [
                    hostname
                    for hostname, names in wanted.items()
                    if self._ensure_leaf(hostname, names, certificate, key, force=force, serving=serving)
                ]
                if serving:
                    self._remove_unneeded({self.pair(hostname).cert for hostname in wanted})
        except OSError as error:
            place = error.filename or self.folder
            raise CertificateError(
                f"{place}: {(error.strerror or str(error)).lower()}; local certificates need a folder that can be "
                "written (`tls.certs`, or --dir of nano-trio certs)"
            ) from None
        kept = tuple(hostname for hostname in wanted if hostname not in made)
        return Report(self.folder, self.ca, ca_made, tuple(made), kept)

    # ---- the authority ----

    def _authority(self) -> tuple[x509.Certificate, PrivateKey, bool]:
        """The authority, and whether it was made just now."""
        if not self.ca.exists() and not self.ca_key.exists():
            return (*self._make_authority(), True)
        if not self.ca.exists() or not self.ca_key.exists():
            there, missing = (self.ca, self.ca_key) if self.ca.exists() else (self.ca_key, self.ca)
            raise CertificateError(
                f"{there} is there, but {missing.name} is not; restore it, or move the other away for a new authority"
            )
        certificate = _read_certificate(self.ca)
        key = _read_key(self.ca_key)
        if certificate is None or key is None:
            broken = self.ca_key if certificate else self.ca
            raise CertificateError(
                f"{broken} cannot be used; move {self.ca.name} and {self.ca_key.name} away for a new authority"
            )
        if not _fits(certificate, key) or not _may_sign(certificate):
            raise CertificateError(f"{self.ca} and {self.ca_key.name} are no certificate authority with its key")
        if _ends_soon(certificate):
            if not self._is_ours(self.ca) or not self._is_ours(self.ca_key):
                raise CertificateError(f"{self.ca} expires on {certificate.not_valid_after_utc:%Y-%m-%d}; replace it")
            return (*self._make_authority(), True)
        return certificate, key, False

    def _make_authority(self) -> tuple[x509.Certificate, PrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "nano-trio local development"),
                x509.NameAttribute(NameOID.COMMON_NAME, f"nano-trio local CA {secrets.token_hex(3)}"),
            ]
        )
        now = _now()
        certificate = (
            _builder(name, name, key, now + datetime.timedelta(days=_CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._write(self.ca_key, _pem_key(key), 0o600)
        self._write(self.ca, certificate.public_bytes(Encoding.PEM), 0o644)
        return certificate, key

    # ---- what it signs ----

    def _ensure_leaf(
        self,
        hostname: str,
        names: Sequence[str],
        ca: x509.Certificate,
        ca_key: PrivateKey,
        *,
        force: bool,
        serving: bool,
    ) -> bool:
        """Make the certificate for a hostname unless there is a good one. True if it was made."""
        pair = self.pair(hostname)
        served = self._begins(pair.cert, _SERVED)
        certificate = _read_certificate(pair.cert)
        ours = self._is_ours(pair.cert) and self._is_ours(pair.key)
        covered = _names_of(certificate) if certificate is not None else []
        if certificate is not None and not force and set(names) <= set(covered) and not _ends_soon(certificate):
            key = _read_key(pair.key)
            # Foreign files are used as they are; ours must come from this authority.
            if key is not None and _fits(certificate, key) and (not ours or _issued_by(certificate, ca)):
                if served and serving:
                    self._note_need(pair.cert)
                elif served:
                    # Now somebody asks for it who is no server.
                    self._write(pair.key, _pem_key(key), 0o600)
                    self._write(pair.cert, certificate.public_bytes(Encoding.PEM), 0o644)
                return False
        for file in (pair.cert, pair.key):
            if not self._is_ours(file):
                raise CertificateError(f"{file} was not made by nano-trio and is not overwritten; move it away")
        key = ec.generate_private_key(ec.SECP256R1())
        every = [*names, *(name for name in covered if name not in names)]
        end = min(_now() + datetime.timedelta(days=_LEAF_DAYS), ca.not_valid_after_utc)
        # RFC 5280 bounds a common name to 64 characters; the names that count are the alternative ones.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
        leaf = (
            _builder(subject, ca.subject, key, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in every]), critical=False)
            .add_extension(_authority_key_identifier(ca), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        # What somebody once asked for stays theirs.
        first_line = _SERVED if serving and (served or not pair.cert.exists()) else _FIRST_LINE
        self._write(pair.key, _pem_key(key), 0o600, first_line)
        self._write(pair.cert, leaf.public_bytes(Encoding.PEM), 0o644, first_line)
        return True

    # ---- what no server needs ----

    @staticmethod
    def _note_need(file: Path) -> None:
        with contextlib.suppress(OSError):  # it is another user's, who may read it
            os.utime(file, ns=(int(_now().timestamp() * 1e9), file.stat().st_mtime_ns))

    def _remove_unneeded(self, needed: Collection[Path]) -> None:
        oldest = _now().timestamp() - _NEEDED_S
        for file in self.folder.glob("*.cert.pem"):
            with contextlib.suppress(OSError):
                if file not in needed and file.stat().st_atime < oldest and self._begins(file, _SERVED):
                    key = file.with_name(f"{file.name.removesuffix('.cert.pem')}.key.pem")
                    file.unlink()
                    if self._begins(key, _SERVED):
                        key.unlink()

    # ---- files ----

    @staticmethod
    def _begins(file: Path, line: bytes) -> bool:
        try:
            with file.open("rb") as content:
                return content.read(len(line)) == line
        except FileNotFoundError:
            return False

    def _is_ours(self, file: Path) -> bool:
        """Whether we made the file, or it is not there."""
        return self._begins(file, MARK) or not file.exists()

    def _write(self, file: Path, content: bytes, mode: int, first_line: bytes = _FIRST_LINE) -> None:
        """Write a file, whole or not at all; its mode holds from its first moment."""
        fresh = file.with_name(f".{file.name[:32]}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "wb") as output:
                output.write(first_line + content)
            os.replace(fresh, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(fresh)
            raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self.folder.is_dir():
            self.folder.mkdir(parents=True)
            (self.folder / ".gitignore").write_text("# Private keys belong in no repository.\n*\n")
        if sys.platform == "win32":
            yield
        else:
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)


def trust_instructions(ca: Path) -> str:
    """How to make this machine trust the authority."""
    quoted = f"'{ca}'" if " " in str(ca) else str(ca)
    return f"""\
Trust this authority once, and browsers and tools accept all its certificates:

  Debian, Ubuntu     sudo cp {quoted} /usr/local/share/ca-certificates/nano-trio.crt && sudo update-ca-certificates
  Fedora             sudo cp {quoted} /etc/pki/ca-trust/source/anchors/nano-trio.pem && sudo update-ca-trust
  macOS              sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {quoted}
  Windows            certutil -user -addstore Root {quoted}
  Chromium on Linux  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n nano-trio -i {quoted}   (package libnss3-tools)
  Firefox            Settings, Certificates, View Certificates, Authorities, Import; or the same certutil with
                     -d sql:PROFILE, the profile's folder from about:profiles
  curl, Node, Python curl --cacert {quoted}; NODE_EXTRA_CA_CERTS={quoted}; SSL_CERT_FILE={quoted}

Keep ca-key.pem to yourself: who has it can pose as any site to whoever trusts the authority."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _address(hostname: str) -> str | None:
    """The address in its usual form, if the hostname is one (IPv6 in brackets or not)."""
    try:
        return str(ipaddress.ip_address(hostname.strip("[]")))
    except ValueError:
        return None


def _general_name(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.DNSName(name) if address is None else x509.IPAddress(ipaddress.ip_address(address))


def _names_of(certificate: x509.Certificate) -> list[str]:
    """The hostnames and addresses that a certificate covers."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return names.get_values_for_type(x509.DNSName) + list(map(str, names.get_values_for_type(x509.IPAddress)))


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey, end: datetime.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(hours=1))  # clocks differ
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        public_key = ca.public_key()
        assert isinstance(public_key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _read_certificate(file: Path) -> x509.Certificate | None:
    """The first certificate in a PEM file; None if there is no such file or nothing that can be read."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _read_key(file: Path) -> PrivateKey | None:
    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) else None


def _pem_key(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _fits(certificate: x509.Certificate, key: PrivateKey) -> bool:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _ends_soon(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc - _now() < datetime.timedelta(days=_RENEW_DAYS)
