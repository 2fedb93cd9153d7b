"""Keys on elliptic curves: the NIST curves for ECDSA and ECDH (FIPS 186-5, Web Cryptography sections 23 and 24), and
Ed25519, Ed448 (RFC 8032), X25519, X448 (RFC 7748).

A curve is named as in Web Cryptography; ``P-256`` and its like are what the specification calls a named curve, the
others are algorithms of one curve each.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from nano_trio.runtime.crypto_digest import Data, in_one, prehashed
from nano_trio.runtime.crypto_formats import FormatError, algorithm_of, base64url
from nano_trio.runtime.crypto_secret import truncate
from nano_trio.runtime.crypto_work import Operations, by_data, light
from nano_trio.runtime.host import HostError

__all__ = ["PRIVATE_OPERATIONS", "PUBLIC_OPERATIONS", "from_jwk", "generate", "import_key", "public_bytes"]

_NIST: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_NIST_NAMES = {curve.name: name for name, curve in _NIST.items()}
_PRIVATE: dict[str, Any] = {
    "Ed25519": ed25519.Ed25519PrivateKey,
    "Ed448": ed448.Ed448PrivateKey,
    "X25519": x25519.X25519PrivateKey,
    "X448": x448.X448PrivateKey,
}
_PUBLIC: dict[str, Any] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
    "X25519": x25519.X25519PublicKey,
    "X448": x448.X448PublicKey,
}
_NAMES = {cls: name for kinds in (_PRIVATE, _PUBLIC) for name, cls in kinds.items()}
_OBJECT_IDENTIFIERS = {
    "X25519": bytes.fromhex("2b656e"),
    "X448": bytes.fromhex("2b656f"),
    "Ed25519": bytes.fromhex("2b6570"),
    "Ed448": bytes.fromhex("2b6571"),
}
_EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
"""id-ecPublicKey."""
_P25519, _P448 = 2**255 - 19, 2**448 - 2**224 - 1
_ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = {
    "Ed25519": (_P25519, {0, 1, _P25519 - 1, _ORDER_8, _P25519 - _ORDER_8}),
    "Ed448": (_P448, {0, 1, _P448 - 1}),
}
"""The prime of the field, and y of the points whose order divides the cofactor; x differs by its sign only."""


# -- making keys ------------------------------------------------------------------------------------------------------


def generate(curve: str) -> Any:
    nist = _NIST.get(curve)
    return _PRIVATE[curve].generate() if nist is None else ec.generate_private_key(nist)


def import_key(curve: str, format: str, data: bytes) -> Any:
    """A key from ``raw``, ``spki`` or ``pkcs8`` bytes."""
    if format == "raw":
        return _from_raw(curve, data)
    object_identifier, parameters = algorithm_of(format, data)
    if object_identifier != _OBJECT_IDENTIFIERS.get(curve, _EC_PUBLIC_KEY):
        raise FormatError
    if curve not in _NIST and parameters:
        raise FormatError
    try:
        key: Any = load_der_public_key(data) if format == "spki" else load_der_private_key(data, None)
    except Exception:
        raise FormatError from None
    if _curve_of(key) != curve:
        raise FormatError
    return key


def _curve_of(key: Any) -> str | None:
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return _NIST_NAMES.get(key.curve.name)
    return next((name for cls, name in _NAMES.items() if isinstance(key, cls)), None)


def _from_raw(curve: str, data: bytes) -> Any:
    nist = _NIST.get(curve)
    try:
        if nist is None:
            return _PUBLIC[curve].from_public_bytes(data)
        return ec.EllipticCurvePublicKey.from_encoded_point(nist, data)
    except Exception:
        raise FormatError from None


def from_jwk(curve: str, x: bytes | None, y: bytes | None, d: bytes | None) -> Any:
    """The key of a JSON Web Key's members (RFC 7518 section 6.2, RFC 8037 section 2)."""
    nist = _NIST.get(curve)
    if x is None:
        raise FormatError
    if nist is None:
        public = _from_raw(curve, x)
    else:
        size = (nist.key_size + 7) // 8
        if y is None or len(x) != size or len(y) != size:
            raise FormatError
        public = _from_raw(curve, b"\4" + x + y)
    if d is None:
        return public
    try:
        if nist is None:
            private = _PRIVATE[curve].from_private_bytes(d)
        elif len(d) == size:
            private = ec.derive_private_key(int.from_bytes(d, "big"), nist)
        else:
            raise FormatError
    except Exception:
        raise FormatError from None
    if public_bytes(private.public_key()) != public_bytes(public):
        raise FormatError
    return private


# -- using keys -------------------------------------------------------------------------------------------------------


def public_bytes(key: Any) -> bytes:
    """The ``raw`` format: an uncompressed point, or the curve's own encoding."""
    result: bytes
    if isinstance(key, ec.EllipticCurvePublicKey):
        result = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        result = key.public_bytes_raw()
    return result


def _sign_ecdsa(key: ec.EllipticCurvePrivateKey, data: Data, hash_name: str) -> bytes:
    """r and s, each as long as the order of the curve (section 23.7.1)."""
    message, algorithm = prehashed(data, hash_name)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(algorithm)))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _verify_ecdsa(key: ec.EllipticCurvePublicKey, data: Data, signature: bytes, hash_name: str) -> bool:
    size = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        return False
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    message, algorithm = prehashed(data, hash_name)
    try:
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True


def _check_context(context: bytes | None) -> None:
    if not context:
        return
    if len(context) > 255:
        raise HostError("OperationError", "The context of Ed448 must have at most 255 bytes.")
    raise HostError("NotSupportedError", "Ed448 with a context is not supported.")


def _sign_eddsa(key: Any, data: Data, context: bytes | None) -> bytes:
    _check_context(context)
    result: bytes = key.sign(in_one(data))
    return result


def _has_small_order(curve: str, point: bytes) -> bool:
    """Whether the encoded point is one of the few whose order divides the cofactor, canonically encoded or not."""
    prime, heights = _SMALL_ORDER[curve]
    sign_bit = 1 << (8 * len(point) - 1)
    return (int.from_bytes(point, "little") & ~sign_bit) % prime in heights


def _verify_eddsa(key: Any, data: Data, signature: bytes, context: bytes | None) -> bool:
    _check_context(context)
    # "If the public key or R is a small-order element, return false": one signature would be good for any message.
    curve, public = _curve_of(key) or "", public_bytes(key)
    if len(signature) != 2 * len(public):
        return False
    if _has_small_order(curve, public) or _has_small_order(curve, signature[: len(public)]):
        return False
    try:
        key.verify(signature, in_one(data))
    except InvalidSignature:
        return False
    return True


def _agree(key: Any, peer: bytes, length: int | None) -> bytes:
    """The shared secret, or its first ``length`` bits."""
    public = _from_raw(_curve_of(key) or "", peer)
    is_nist = isinstance(key, ec.EllipticCurvePrivateKey)
    secret: bytes = key.exchange(ec.ECDH(), public) if is_nist else key.exchange(public)
    if length is None:
        return secret
    if length > 8 * len(secret):
        raise HostError("OperationError", f"This curve derives at most {8 * len(secret)} bits.")
    return truncate(secret, length)


def _export_public(key: Any, format: str) -> Any:
    if format == "raw":
        return public_bytes(key)
    if format == "spki":
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _jwk(key)


def _export_private(key: Any, format: str) -> Any:
    if format == "pkcs8":
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        d = key.private_numbers().private_value.to_bytes(size, "big")
    else:
        d = key.private_bytes_raw()
    return [*_jwk(key.public_key()), "d", base64url(d)]


def _jwk(key: Any) -> list[str]:
    curve, raw = _curve_of(key) or "", public_bytes(key)
    if curve not in _NIST:
        return ["kty", "OKP", "crv", curve, "x", base64url(raw)]
    size = len(raw) // 2
    return ["kty", "EC", "crv", curve, "x", base64url(raw[1 : 1 + size]), "y", base64url(raw[1 + size :])]


PUBLIC_OPERATIONS: Operations = {
    "export": (_export_public, light),
    "verifyEcdsa": (_verify_ecdsa, by_data),
    "verifyEddsa": (_verify_eddsa, by_data),
}
PRIVATE_OPERATIONS: Operations = {
    "export": (_export_private, light),
    "signEcdsa": (_sign_ecdsa, by_data),
    "signEddsa": (_sign_eddsa, by_data),
    "agree": (_agree, light),
}
