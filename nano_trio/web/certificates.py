"""Which certificate a TLS handshake gets, and taking new ones without a restart.

A listener has one :class:`Certificates`: a default pair of files, and pairs by hostname. The client's SNI picks: an
exact name before wildcards, the longest wildcard first, else the default. Each pair becomes an ``SSLContext`` of its
own when it is first asked for; they differ in nothing but the certificate.

:meth:`Certificates.watch` looks at the files of the loaded pairs every few seconds, in a thread. A pair that changed is
loaded anew and serves the handshakes from then on; established connections keep theirs. What cannot be loaded changes
nothing: the old pair stays, the log says so once, and the files are tried again when they change again. It also says
once which certificate will soon expire, has expired, is not valid yet, or does not name a host that it serves.
"""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import attrs
import structlog
import trio

from nano_trio.config import pair_problem
from nano_trio.engine.threads import in_thread_or_here

__all__ = ["CertificateError", "Certificates", "ClientAuth", "Pair", "ServerObject", "TLSSettings", "server_context"]

log = structlog.get_logger("nano_trio.web")

ClientAuth = Literal["none", "optional", "required"]
Stamp = tuple[tuple[int, int, int] | None, ...]

_LOOK_S = 2.0
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has no others."""
_SOON = datetime.timedelta(days=14)
"""Before a certificate expires; of one that lives shortly, a sixth of that."""
_EVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)
_TOLD = 10
"""Hosts in one line of the log."""
_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class CertificateError(Exception):
    """Certificates cannot be had; the text says which file and why."""


@attrs.frozen
class Pair:
    """PEM files: a certificate with its chain, and the private key."""

    cert: Path
    key: Path


@attrs.frozen(kw_only=True)
class TLSSettings:
    """What all handshakes of a listener have in common."""

    min_version: Literal["1.2", "1.3"] = "1.2"
    client_auth: ClientAuth = "none"
    client_ca: Path | None = None
    """PEM file of the authorities whose client certificates are accepted."""
    http2: bool = True
    """Whether HTTP/2 is offered beside HTTP/1.1."""


@attrs.frozen(eq=False)
class _Loaded:
    context: ssl.SSLContext
    stamp: Stamp
    begins: datetime.datetime
    ends: datetime.datetime
    names: frozenset[str]
    """The DNS names it is for (RFC 6125 section 6.4), in lower case; empty: it has addresses or a subject alone."""

    def expiry(self, now: datetime.datetime) -> str:
        """What there is to say of it, else empty."""
        if now < self.begins:
            return f"is valid only from {self.begins:%Y-%m-%d}"
        if now >= self.ends:
            return f"expired on {self.ends:%Y-%m-%d}"
        if now >= self.ends - min(_SOON, (self.ends - self.begins) / 6):
            return f"expires on {self.ends:%Y-%m-%d}"
        return ""


class ServerObject(ssl.SSLObject):
    """The server's end of a connection, which remembers the name that the client asked for."""

    server_name: str | None = None
    """The client's SNI, None if it sent none."""


def server_context(pair: Pair, settings: TLSSettings) -> ssl.SSLContext:
    """A context for the server's end. Raises OSError (``ssl.SSLError`` among them) for files that will not do."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if settings.min_version == "1.3" else ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["h2", "http/1.1"] if settings.http2 else ["http/1.1"])
    context.sslobject_class = ServerObject
    context.load_cert_chain(pair.cert, pair.key, password=_no_password)
    context.verify_mode = _VERIFY[settings.client_auth]
    if settings.client_ca is not None and settings.client_auth != "none":
        context.load_verify_locations(settings.client_ca)
    return context


def _no_password() -> str:
    raise ssl.SSLError("the private key is encrypted")


class _Names:
    """The pairs by hostname, and the contexts of those that were asked for.

    The default's context is not among them: it calls :meth:`choose`, and so would hold itself. Such a cycle is for
    Python's collector to find, which comes by rarely; contexts are large, and each reload makes new ones.
    """

    def __init__(self, default: Pair, named: Mapping[str, Pair], settings: TLSSettings) -> None:
        self._default = default
        self._named = dict(named)
        self._settings = settings
        self._hosts: dict[Pair, list[str]] = {}
        for host, pair in named.items():
            self._hosts.setdefault(pair, []).append(host)
        self.loaded: dict[Pair, _Loaded] = {}
        self.refused: dict[Pair, tuple[Stamp, str]] = {}
        """The files that were last tried, and why they will not do."""

    def pair_for(self, name: str | None) -> Pair:
        if name is None:
            return self._default
        name = name.lower().removesuffix(".")
        pair = self._named.get(name)
        while pair is None and name:
            name = name.partition(".")[2]
            pair = self._named.get(f"*.{name}")
        return pair or self._default

    def choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """OpenSSL asks for the context that fits the name. A pair that cannot be loaded is stood in for."""
        if isinstance(connection, ServerObject):
            connection.server_name = name
        pair = self.pair_for(name)
        if pair == self._default:
            return
        loaded = self.loaded.get(pair)
        if loaded is None:
            stamp = self.stamp(pair)
            if self.is_refused(pair, stamp):
                return
            try:
                loaded = self.loaded[pair] = self.load(pair)
            except OSError as error:
                reason = _reason(pair, error)
                self.refused[pair] = stamp, reason
                log.error("a certificate cannot be loaded", cert=str(pair.cert), reason=reason)
                return
            self.refused.pop(pair, None)
        connection.context = loaded.context

    def not_named(self, pair: Pair, loaded: _Loaded) -> list[str]:
        """The hosts that it serves though it does not name them."""
        names = loaded.names
        hosts = self._hosts.get(pair, ()) if names else ()
        return [host for host in hosts if host not in names and f"*.{host.partition('.')[2]}" not in names]

    def is_refused(self, pair: Pair, stamp: Stamp) -> bool:
        return pair in self.refused and self.refused[pair][0] == stamp

    def load(self, pair: Pair) -> _Loaded:
        stamp = self.stamp(pair)  # first: what changes while it is read is seen at the next look
        return _Loaded(server_context(pair, self._settings), stamp, *_facts(pair.cert))

    def stamp(self, pair: Pair) -> Stamp:
        files = (pair.cert, pair.key, self._settings.client_ca)
        return tuple(None if file is None else _file_stamp(file) for file in files)


class Certificates:
    """The certificates of one listener."""

    def __init__(self, default: Pair, named: Mapping[str, Pair] | None = None, settings: TLSSettings | None = None):
        """``named`` maps hostnames (lower case; exact, or ``*.`` and a name) to pairs.

        Loads the default pair. Raises OSError if that cannot be.
        """
        self._default = default
        self._settings = settings or TLSSettings()
        self._names = _Names(default, named or {}, self._settings)
        self._loaded = self._load(default)
        self._said: dict[Pair, tuple[_Loaded, str]] = {}
        """What was reviewed, and found of its expiry."""

    @property
    def context(self) -> ssl.SSLContext:
        """The context to begin a handshake with."""
        return self._loaded.context

    @property
    def asks_clients(self) -> bool:
        """Whether clients are asked for certificates."""
        return self._settings.client_auth != "none"

    @property
    def faults(self) -> dict[str, str]:
        """The certificates whose files will not do at present, and why: an older one serves, or the default."""
        return {str(pair.cert): reason for pair, (_, reason) in self._names.refused.items()}

    @property
    def expiries(self) -> dict[str, str]:
        """The certificates in use that have expired, soon will, or are not valid yet, with words that say so."""
        now = datetime.datetime.now(datetime.UTC)
        return {str(pair.cert): said for pair, loaded in self._in_use() if (said := loaded.expiry(now))}

    def pair_for(self, name: str | None) -> Pair:
        """The pair for a client's SNI (None: it sent none, as for an IP address)."""
        return self._names.pair_for(name)

    def _load(self, pair: Pair) -> _Loaded:
        loaded = self._names.load(pair)
        if pair == self._default:
            loaded.context.sni_callback = self._names.choose
        return loaded

    async def watch(self) -> None:
        """Take changed files, for ever, and say what is to be said of those in use."""
        while True:
            self.review()
            await trio.sleep(_LOOK_S)
            await self.refresh()

    def _in_use(self) -> Iterator[tuple[Pair, _Loaded]]:
        yield self._default, self._loaded
        yield from self._names.loaded.items()

    def review(self) -> None:
        """Log, once each, which certificates in use are not valid or expire, and which do not name a host of theirs."""
        now = datetime.datetime.now(datetime.UTC)
        for pair, loaded in self._in_use():
            known, said = self._said.get(pair, (None, ""))
            expiry = loaded.expiry(now)
            if known is loaded and expiry == said:
                continue
            self._said[pair] = loaded, expiry
            if expiry:
                log.warning(f"a certificate {expiry}", cert=str(pair.cert))
            if known is not loaded and (hosts := self._names.not_named(pair, loaded)):
                log.warning(
                    "a certificate does not name hosts that it serves", cert=str(pair.cert), hosts=hosts[:_TOLD]
                )

    async def refresh(self) -> None:
        """Look at the files once, and take those that changed."""
        names = self._names
        before = dict(self._in_use())
        for pair, found in (await in_thread_or_here(self._look, before, list(names.refused))).items():
            if not isinstance(found, _Loaded):
                names.refused[pair] = _, reason = found
                log.error("a changed certificate cannot be loaded", cert=str(pair.cert), reason=reason)
                continue
            if pair == self._default:
                self._loaded = found
            else:
                names.loaded[pair] = found
            names.refused.pop(pair, None)
            log.info("certificate reloaded", cert=str(pair.cert))

    def _look(
        self, loaded: Mapping[Pair, _Loaded], refused: Collection[Pair]
    ) -> dict[Pair, _Loaded | tuple[Stamp, str]]:
        """In a thread: the changed pairs, loaded or with what kept them from it."""
        found: dict[Pair, _Loaded | tuple[Stamp, str]] = {}
        for pair in {*loaded, *refused}:
            old, stamp = loaded.get(pair), self._names.stamp(pair)
            if old is not None and stamp == old.stamp:
                if pair in refused:
                    found[pair] = old  # the files are what they were before
                continue
            if self._names.is_refused(pair, stamp):
                continue
            try:
                found[pair] = self._load(pair)
            except OSError as error:
                found[pair] = (stamp, _reason(pair, error))
        return found


def _facts(cert: Path) -> tuple[datetime.datetime, datetime.datetime, frozenset[str]]:
    """When the first certificate of a file begins and ends, and the DNS names it is for. Raises OSError."""
    # Costs 40 ms, which only those pay who serve HTTPS.
    from cryptography import x509

    content = cert.read_bytes()
    try:
        certificate = x509.load_pem_x509_certificate(content)
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return begins, ends, frozenset()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        # It serves all the same: OpenSSL had no objection.
        return datetime.datetime.now(datetime.UTC), _EVER, frozenset()
    return begins, ends, frozenset(name.lower() for name in names)


def _file_stamp(file: Path) -> tuple[int, int, int]:
    try:
        facts = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (facts.st_mtime_ns, facts.st_ino, facts.st_size)


def _reason(pair: Pair, error: OSError) -> str:
    """Which file will not do, and why, in the words that the configuration has for it. Blocks."""
    problem = pair_problem(pair.cert, pair.key)
    if problem is None:
        # Sound by now, or at odds with the rest: it is for the system to say.
        problem = (error.reason or str(error)) if isinstance(error, ssl.SSLError) else (error.strerror or str(error))
    return problem
