"""``ctx.clientCertificate``: what an app is told of the certificate that a client gave (mutual TLS)."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import textwrap

from cryptography import x509

__all__ = ["describe"]


@functools.lru_cache(256)
def describe(der: bytes) -> str:
    """A verified certificate as JSON. Never raises: where its insides cannot be read, they are null or empty.

    Names are strings after RFC 4514, the serial number and the fingerprint (SHA-256) are hexadecimal digits, times are
    in ISO 8601, alternative names have their kind before them: ``DNS:client.example``.
    """
    text = textwrap.fill(base64.b64encode(der).decode("ascii"), 64)
    told: dict[str, str | list[str] | None] = {
        "subject": None,
        "issuer": None,
        "serialNumber": None,
        "notBefore": None,
        "notAfter": None,
        "subjectAltNames": [],
        "fingerprint": hashlib.sha256(der).hexdigest(),
        "pem": f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n",
    }
    # Clients' certificates come from all sorts of tools, and their readers raise all sorts of errors.
    try:
        certificate = x509.load_der_x509_certificate(der)
        told["subject"] = certificate.subject.rfc4514_string()
        told["issuer"] = certificate.issuer.rfc4514_string()
        told["serialNumber"] = f"{certificate.serial_number:x}"
        told["notBefore"] = certificate.not_valid_before_utc.isoformat().replace("+00:00", "Z")
        told["notAfter"] = certificate.not_valid_after_utc.isoformat().replace("+00:00", "Z")
        told["subjectAltNames"] = list(map(_alternative, _alternatives(certificate)))
    except Exception:
        pass
    return json.dumps(told)


_KINDS: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.RFC822Name: "email",
    x509.UniformResourceIdentifier: "URI",
}


def _alternatives(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        return list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _alternative(name: x509.GeneralName) -> str:
    kind = _KINDS.get(type(name))
    return f"{kind}:{name.value}" if kind is not None else f"other:{type(name).__name__}"
