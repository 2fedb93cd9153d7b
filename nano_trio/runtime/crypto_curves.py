"""Keys on elliptic curves: the NIST curves for ECDSA and ECDH (FIPS 186-5, Web Cryptography sections 23 and 24), and
Ed25519, Ed448 (RFC 8032), X25519, X448 (RFC 7748).

A curve is named as in Web Cryptography; ``P-256`` and its like are what the specification calls a named curve, the
others are algorithms of one curve each.
"""

from __future__ import annotations

from typing import TypeAlias

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

__all__ = [
    "PRIVATE_OPERATIONS",
    "PUBLIC_OPERATIONS",
    "EdwardsPrivateKey",
    "EdwardsPublicKey",
    "Key",
    "PrivateKey",
    "PublicKey",
    "agree",
    "curve_of",
    "from_jwk",
    "generate",
    "import_key",
    "public_bytes",
]

EdwardsPrivateKey: TypeAlias = ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
EdwardsPublicKey: TypeAlias = ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
"""Keys that sign (RFC 8032)."""
MontgomeryPrivateKey: TypeAlias = x25519.X25519PrivateKey | x448.X448PrivateKey
MontgomeryPublicKey: TypeAlias = x25519.X25519PublicKey | x448.X448PublicKey
"""Keys that only agree on secrets (RFC 7748)."""
PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | EdwardsPrivateKey | MontgomeryPrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | EdwardsPublicKey | MontgomeryPublicKey
Key: TypeAlias = PrivateKey | PublicKey

_NIST: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_NIST_NAMES = {curve.name: name for name, curve in _NIST.items()}
_PRIVATE: dict[str, type[EdwardsPrivateKey | MontgomeryPrivateKey]] = {
    "Ed25519": ed25519.Ed25519PrivateKey,
    "Ed448": ed448.Ed448PrivateKey,
    "X25519": x25519.X25519PrivateKey,
    "X448": x448.X448PrivateKey,
}
_PUBLIC: dict[str, type[EdwardsPublicKey | MontgomeryPublicKey]] = {
    "Ed25519": ed25519.Ed25519PublicKey,
    "Ed448": ed448.Ed448PublicKey,
    "X25519": x25519.X25519PublicKey,
    "X448": x448.X448PublicKey,
}
_NAMES: dict[type[object], str] = {cls: name for kinds in (_PRIVATE, _PUBLIC) for name, cls in kinds.items()}
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


def generate(curve: str) -> PrivateKey:
    """A new private key."""
    nist = _NIST.get(curve)
    return _PRIVATE[curve].generate() if nist is None else ec.generate_private_key(nist)


def import_key(curve: str, format: str, data: bytes) -> Key:
    """A key from ``raw``, ``spki`` or ``pkcs8`` bytes. Raises FormatError where it is none of that curve."""
    if format == "raw":
        return _from_raw(curve, data)
    object_identifier, parameters = algorithm_of(format, data)
    if object_identifier != _OBJECT_IDENTIFIERS.get(curve, _EC_PUBLIC_KEY):
        raise FormatError
    if curve not in _NIST and parameters:
        raise FormatError
    try:
        key = load_der_public_key(data) if format == "spki" else load_der_private_key(data, None)
    except Exception:  # what is wrong with a key the library says by many classes of errors
        raise FormatError from None
    if not isinstance(key, Key) or curve_of(key) != curve:
        raise FormatError
    return key


def curve_of(key: Key) -> str | None:
    """The curve's name. None: it is none of Web Cryptography's."""
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return _NIST_NAMES.get(key.curve.name)
    return next((name for cls, name in _NAMES.items() if isinstance(key, cls)), None)


def _from_raw(curve: str, data: bytes) -> PublicKey:
    nist = _NIST.get(curve)
    try:
        if nist is None:
            return _PUBLIC[curve].from_public_bytes(data)
        return ec.EllipticCurvePublicKey.from_encoded_point(nist, data)
    except Exception:
        raise FormatError from None


def from_jwk(curve: str, x: bytes | None, y: bytes | None, d: bytes | None) -> Key:
    """The key of a JSON Web Key's members (RFC 7518 section 6.2, RFC 8037 section 2). Raises FormatError."""
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
    private: PrivateKey
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


def public_bytes(key: PublicKey) -> bytes:
    """The ``raw`` format: an uncompressed point, or the curve's own encoding."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes_raw()


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


def _sign_eddsa(key: EdwardsPrivateKey, data: Data, context: bytes | None) -> bytes:
    _check_context(context)
    return key.sign(memoryview(in_one(data)))


def _has_small_order(curve: str, point: bytes) -> bool:
    """Whether the encoded point is one of the few whose order divides the cofactor, canonically encoded or not."""
    prime, heights = _SMALL_ORDER[curve]
    sign_bit = 1 << (8 * len(point) - 1)
    return (int.from_bytes(point, "little") & ~sign_bit) % prime in heights


def _verify_eddsa(key: EdwardsPublicKey, data: Data, signature: bytes, context: bytes | None) -> bool:
    _check_context(context)
    # "If the public key or R is a small-order element, return false": one signature would be good for any message.
    curve, public = curve_of(key) or "", public_bytes(key)
    if len(signature) != 2 * len(public):
        return False
    if _has_small_order(curve, public) or _has_small_order(curve, signature[: len(public)]):
        return False
    try:
        key.verify(signature, memoryview(in_one(data)))
    except InvalidSignature:
        return False
    return True


def agree(key: PrivateKey, public: PublicKey) -> bytes:
    """The secret that two keys of one curve have in common: SP 800-56A section 5.7.1.2, RFC 7748 section 6.

    Raises TypeError where they are keys of two kinds, or such as sign; ValueError where the library refuses them.
    """
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public, ec.EllipticCurvePublicKey):
        return key.exchange(ec.ECDH(), public)
    if isinstance(key, x25519.X25519PrivateKey) and isinstance(public, x25519.X25519PublicKey):
        return key.exchange(public)
    if isinstance(key, x448.X448PrivateKey) and isinstance(public, x448.X448PublicKey):
        return key.exchange(public)
    raise TypeError(f"no secret of {type(key).__name__} and {type(public).__name__}")


def _agree_in_bits(key: PrivateKey, peer: bytes, length: int | None) -> bytes:
    """The shared secret, or its first ``length`` bits."""
    secret = agree(key, _from_raw(curve_of(key) or "", peer))
    if length is None:
        return secret
    if length > 8 * len(secret):
        raise HostError("OperationError", f"This curve derives at most {8 * len(secret)} bits.")
    return truncate(secret, length)


def _export_public(key: PublicKey, format: str) -> bytes | list[str]:
    if format == "raw":
        return public_bytes(key)
    if format == "spki":
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _jwk(key)


def _export_private(key: PrivateKey, format: str) -> bytes | list[str]:
    if format == "pkcs8":
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        d = key.private_numbers().private_value.to_bytes(size, "big")
    else:
        d = key.private_bytes_raw()
    return [*_jwk(key.public_key()), "d", base64url(d)]


def _jwk(key: PublicKey) -> list[str]:
    """Names and values by turns."""
    curve, raw = curve_of(key) or "", public_bytes(key)
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
    "agree": (_agree_in_bits, light),
}
