"""The host half of ``signing.js``: keys of RSA and of curves for ``node:crypto``, which answers at once.

What is signed or verified is a digest, but with EdDSA, so a call takes as long as its key is large: a signature with
4096 bits of RSA 1.5 ms, which is the most that is done here; ``crypto.subtle`` does others on a thread. A key that is
encrypted may ask for hours of PBKDF2, and is refused. Errors are strings, ``"CODE\\nmessage"``, with the codes of
Node.js where it has any. Sources: RFC 7468 (PEM), RFC 5280 and 5958 (``spki``, ``pkcs8``), RFC 8017 (``pkcs1``),
RFC 5915 (``sec1``), RFC 7517 and 7518 (JSON Web Keys), RFC 8812 (those on secp256k1).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import quickjs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from nano_trio.runtime import crypto_curves, crypto_rsa
from nano_trio.runtime.crypto_formats import base64url, from_base64url
from nano_trio.runtime.held import Held
from nano_trio.runtime.host import HostError, Namespace, Services, poll_after, text_of

__all__ = ["namespace"]

_PrivateKey: TypeAlias = crypto_curves.PrivateKey | rsa.RSAPrivateKey
_PublicKey: TypeAlias = crypto_curves.PublicKey | rsa.RSAPublicKey
_Key: TypeAlias = _PrivateKey | _PublicKey
_CurveKey: TypeAlias = ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey
_MOST_BITS = 4096
_MOST_EXPONENT = 0xFFFFFFFF
_MOST_CODE = 16 << 10
"""Bytes of a key in DER: one of RSA with 16,384 bits has 9 KB."""
_MOST_TEXT = 64 << 10
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha512-224": hashes.SHA512_224(),
    "sha512-256": hashes.SHA512_256(),
    "sha3-224": hashes.SHA3_224(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-384": hashes.SHA3_384(),
    "sha3-512": hashes.SHA3_512(),
}
# Headers may have single hyphens. What is between is looked at once, however often something begins.
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----([^-]*(?:-(?!----)[^-]*)*)-----END \1-----")
_FORMS = {
    "PRIVATE KEY": "pkcs8",
    "RSA PRIVATE KEY": "pkcs1-private",
    "EC PRIVATE KEY": "sec1",
    "PUBLIC KEY": "spki",
    "RSA PUBLIC KEY": "pkcs1",
    "CERTIFICATE": "x509",
}
_PRIVATE_FORMS = ("pkcs8", "pkcs1-private", "sec1")
# As OpenSSL names them.
_CURVES = {
    "secp256r1": "prime256v1",
    "secp384r1": "secp384r1",
    "secp521r1": "secp521r1",
    "secp256k1": "secp256k1",
}
_JWK_CURVES = {
    *(("EC", f"P-{bits}") for bits in (256, 384, 521)),
    *(("OKP", name) for name in ("Ed25519", "Ed448", "X25519", "X448")),
}
_PSS_OF_DIGEST, _PSS_MOST = -1, -2
_PKCS1, _NONE, _OAEP, _PSS = 1, 3, 4, 6
_INVALID = (
    "ERR_OSSL_UNSUPPORTED\nThe key cannot be read: it must be one of RSA, EC (P-256, P-384, P-521, secp256k1), "
    "Ed25519, Ed448, X25519 or X448"
)
_NOT_OF_THIS_KEY = (
    "ERR_OSSL_EVP_OPERATION_NOT_SUPPORTED_FOR_THIS_KEYTYPE\n"
    "error:03000096:digital envelope routines::operation not supported for this keytype"
)
_UNPADDED = (
    "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM\n"
    "RSA_NO_PADDING is not supported: use RSA_PKCS1_OAEP_PADDING, or RSA_PKCS1_PADDING to encrypt"
)
_UNKNOWN_PADDING = "ERR_OSSL_RSA_UNKNOWN_PADDING_TYPE\nerror:02000076:rsa routines::unknown padding type"
_TOO_LARGE = "ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_KEY_SIZE\nerror:0200006E:rsa routines::data too large for key size"
_TOO_LONG = "ERR_OSSL_RSA_DATA_GREATER_THAN_MOD_LEN\nerror:0200006C:rsa routines::data greater than mod len"
_UNDECODABLE = "ERR_OSSL_RSA_OAEP_DECODING_ERROR\nerror:02000079:rsa routines::oaep decoding error"
_OTHER_CURVE = "ERR_OSSL_MISMATCHING_DOMAIN_PARAMETERS\nerror:1C8000CB:Provider routines::mismatching domain parameters"
_UNDERIVABLE = "ERR_OSSL_FAILED_DURING_DERIVATION\nerror:1C8000A4:Provider routines::failed during derivation"
_ENCRYPTED = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM\nEncrypted keys are not supported: decrypt the key beforehand"


class _Refused(Exception):
    """What is told is the exception's text."""


def _public(key: _Key) -> _PublicKey:
    return key.public_key() if isinstance(key, _PrivateKey) else key


def _from_pem(text: str, want_private: bool) -> _Key:
    found = False
    for match in _PEM.finditer(text):
        label, body = match[1], match[2]
        if label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in body:
            raise _Refused(_ENCRYPTED)
        form = _FORMS.get(label)
        if form is None or (want_private and form not in _PRIVATE_FORMS):
            continue
        found = True
        try:
            return _from_der(base64.b64decode("".join(body.split()), validate=True), form)
        except binascii.Error:
            break
    wanted = "private key" if want_private else "key"
    raise _Refused(_INVALID if found else f"ERR_OSSL_UNSUPPORTED\nThere is no {wanted} in PEM here")


def _from_der(code: bytes, form: str) -> _Key:
    key: object
    if len(code) > _MOST_CODE:
        raise _Refused(_INVALID)
    try:
        if form == "x509":
            key = x509.load_der_x509_certificate(code).public_key()
        elif form in ("spki", "pkcs1"):
            key = load_der_public_key(code)
        else:
            key = load_der_private_key(code, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise _Refused(_ENCRYPTED) from None
    except Exception:  # what is wrong with a key the library says by many classes of errors
        raise _Refused(_INVALID) from None
    return _checked(key)


def _checked(key: object) -> _Key:
    """The key, where it is of a kind that is known here and sound."""
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            return crypto_rsa.from_der("pkcs8", _code_of(key, "pkcs8"))
        if isinstance(key, rsa.RSAPublicKey):
            return crypto_rsa.from_der("spki", _code_of(key, "spki"))
    except HostError:
        raise _Refused(_INVALID) from None
    if not isinstance(key, crypto_curves.Key) or (isinstance(key, _CurveKey) and key.curve.name not in _CURVES):
        raise _Refused(_INVALID)
    return key


def _from_jwk(text: str) -> _Key:
    try:
        members = json.loads(text)
        numbers = {
            name: from_base64url(members[name])
            for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y")
            if isinstance(members.get(name), str)
        }
        kind, curve = members.get("kty"), members.get("crv")
        if kind == "RSA":
            n, e, *private = (
                None if name not in numbers else int.from_bytes(numbers[name] or b"", "big")
                for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")
            )
            if n is not None and e is not None:
                return crypto_rsa.from_numbers(n, e, *private)
        elif (kind, curve) in _JWK_CURVES:
            return crypto_curves.from_jwk(curve, numbers.get("x"), numbers.get("y"), numbers.get("d"))
        elif (kind, curve) == ("EC", "secp256k1"):
            return _from_members(*(numbers.get(name) for name in ("x", "y", "d")))
    except (ValueError, AttributeError, TypeError, HostError):
        pass
    raise _Refused("ERR_CRYPTO_INVALID_JWK\nInvalid JWK data")


def _from_members(x: bytes | None, y: bytes | None, d: bytes | None) -> _CurveKey:
    """A key on secp256k1. Raises ValueError."""
    if x is None or y is None or len(x) != 32 or len(y) != 32 or (d is not None and len(d) != 32):
        raise ValueError
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), b"\4" + x + y)
    if d is None:
        return public
    private = ec.derive_private_key(int.from_bytes(d, "big"), ec.SECP256K1())
    if private.public_key() != public:
        raise ValueError
    return private


def _facts(key: _Key) -> list[Any]:
    """Whether it is private, its type, and what is told of it: a curve's name, or a modulus' bits and the exponent."""
    public, is_private = _public(key), isinstance(key, _PrivateKey)
    if isinstance(public, rsa.RSAPublicKey):
        return [is_private, "rsa", public.key_size, str(public.public_numbers().e)]
    if isinstance(public, ec.EllipticCurvePublicKey):
        return [is_private, "ec", _CURVES[public.curve.name]]
    return [is_private, (crypto_curves.curve_of(public) or "").lower()]


def _size_of(key: _Key) -> int:
    """Bytes, about: of RSA's private numbers OpenSSL keeps three times as many as they have bits, once in use."""
    return 2048 + (3 * key.key_size if isinstance(key, rsa.RSAPrivateKey) else 0)


def _code_of(key: _Key, form: str) -> bytes:
    return _exported(key, form, Encoding.DER)


def _incompatible(form: str) -> _Refused:
    return _Refused(f"ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS\nThe selected key encoding {form} cannot be used here.")


def _exported(key: _Key, form: str, encoding: Encoding) -> bytes:
    if not isinstance(key, _PrivateKey):
        is_pkcs1 = form == "pkcs1" and isinstance(key, rsa.RSAPublicKey)
        if form != "spki" and not is_pkcs1:
            raise _incompatible(form)
        return key.public_bytes(encoding, PublicFormat.PKCS1 if is_pkcs1 else PublicFormat.SubjectPublicKeyInfo)
    is_traditional = (form == "pkcs1" and isinstance(key, rsa.RSAPrivateKey)) or (
        form == "sec1" and isinstance(key, ec.EllipticCurvePrivateKey)
    )
    if form != "pkcs8" and not is_traditional:
        raise _incompatible(form)
    layout = PrivateFormat.TraditionalOpenSSL if is_traditional else PrivateFormat.PKCS8
    return key.private_bytes(encoding, layout, NoEncryption())


def _jwk(key: _Key) -> str:
    if isinstance(key, _CurveKey) and key.curve.name == "secp256k1":
        point = (key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key).public_numbers()
        members = {"x": point.x, "y": point.y}
        if isinstance(key, ec.EllipticCurvePrivateKey):
            members["d"] = key.private_numbers().private_value
        told = {name: base64url(number.to_bytes(32, "big")) for name, number in members.items()}
        return json.dumps({"kty": "EC", "crv": "secp256k1", **told})
    module = crypto_rsa if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) else crypto_curves
    operations = module.PRIVATE_OPERATIONS if isinstance(key, _PrivateKey) else module.PUBLIC_OPERATIONS
    flat = operations["export"][0](key, "jwk")
    return json.dumps(dict(zip(flat[::2], flat[1::2], strict=True)))


# -- signatures -------------------------------------------------------------------------------------------------------


def _hash_of(name: str) -> hashes.HashAlgorithm:
    found = _HASHES.get(name)
    if found is None:
        raise _Refused(f"ERR_CRYPTO_INVALID_DIGEST\nInvalid digest: {name}")
    return found


def _check_size(key: rsa.RSAPublicKey) -> None:
    if key.key_size > _MOST_BITS or key.public_numbers().e > _MOST_EXPONENT:
        raise _Refused(
            f"ERR_CRYPTO_OPERATION_FAILED\nA key of RSA may have {_MOST_BITS} bits, and an exponent of 32, where the "
            "answer comes at once; crypto.subtle takes others"
        )


def _scheme(key: rsa.RSAPublicKey, kind: hashes.HashAlgorithm, how: int, salt: int, *, verifies: bool) -> Any:
    _check_size(key)
    if how == _PKCS1:
        return padding.PKCS1v15()
    if how != _PSS:
        raise _Refused("ERR_INVALID_ARG_VALUE\nThe padding must be RSA_PKCS1_PADDING or RSA_PKCS1_PSS_PADDING.")
    if salt < _PSS_MOST:
        raise _Refused(f"ERR_OUT_OF_RANGE\nThe salt's length is out of range: {salt}")
    most = padding.PSS.AUTO if verifies else padding.PSS.MAX_LENGTH
    length: Any = most if salt == _PSS_MOST else padding.PSS.DIGEST_LENGTH if salt == _PSS_OF_DIGEST else salt
    return padding.PSS(padding.MGF1(kind), length)


def _sign(key: _Key, digest: str, data: bytes, how: int, salt: int, is_raw: bool) -> bytes:
    if isinstance(key, crypto_curves.EdwardsPrivateKey):
        return key.sign(data)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _Refused(_NOT_OF_THIS_KEY)
    kind = _hash_of(digest)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = _scheme(key.public_key(), kind, how, salt, verifies=False)
        try:
            return key.sign(data, scheme, Prehashed(kind))
        except ValueError as error:
            raise _Refused(f"ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_KEY_SIZE\n{error}") from None
    signature = key.sign(data, ec.ECDSA(Prehashed(kind)))
    if is_raw:
        size = (key.curve.key_size + 7) // 8
        signature = b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))
    return signature


def _verify(key: _Key, digest: str, data: bytes, signature: bytes, how: int, salt: int, is_raw: bool) -> bool:
    try:
        if isinstance(key, crypto_curves.EdwardsPublicKey):
            key.verify(signature, data)
            return True
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise _Refused(_NOT_OF_THIS_KEY)
        kind = _hash_of(digest)
        if isinstance(key, rsa.RSAPublicKey):
            scheme = _scheme(key, kind, how, salt, verifies=True)
            # RFC 8017, 8.1.2 and 8.2.2, step 1. The library takes one for the number that it is, without its zeros.
            if len(signature) != (key.key_size + 7) // 8:
                return False
            key.verify(signature, data, scheme, Prehashed(kind))
            return True
        if is_raw:
            size = (key.curve.key_size + 7) // 8
            if len(signature) != 2 * size:
                return False
            r, s = (int.from_bytes(each, "big") for each in (signature[:size], signature[size:]))
            signature = encode_dss_signature(r, s)
        key.verify(signature, data, ec.ECDSA(Prehashed(kind)))
    except (InvalidSignature, ValueError):
        return False
    return True


# -- encryption, and secrets in common --------------------------------------------------------------------------------


def _oaep(digest: str, label: bytes) -> padding.OAEP:
    kind = _HASHES.get(digest)
    if kind is None:
        raise _Refused("ERR_OSSL_EVP_INVALID_DIGEST\nInvalid digest used")
    return padding.OAEP(padding.MGF1(kind), kind, label or None)


def _encrypt(key: _PublicKey, how: int, digest: str, label: bytes, data: bytes) -> bytes:
    """RFC 8017 sections 7.1.1 and 7.2.1. With a private key as with its public one."""
    if not isinstance(key, rsa.RSAPublicKey):
        raise _Refused(_NOT_OF_THIS_KEY)
    _check_size(key)
    if how == _PKCS1:
        scheme: padding.PKCS1v15 | padding.OAEP = padding.PKCS1v15()
        overhead = 11
    elif how == _OAEP:
        scheme = _oaep(digest, label)
        overhead = 2 * _HASHES[digest].digest_size + 2
    else:
        raise _Refused(_UNPADDED if how == _NONE else _UNKNOWN_PADDING)
    if len(data) > (key.key_size + 7) // 8 - overhead:
        raise _Refused(_TOO_LARGE)
    return key.encrypt(data, scheme)


def _decrypt(key: _Key, how: int, digest: str, label: bytes, data: bytes) -> bytes:
    """RFC 8017 section 7.1.2. Nothing else: whoever may ask whether PKCS #1 v1.5 fails can read what is encrypted."""
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _Refused(_NOT_OF_THIS_KEY)
    _check_size(key.public_key())
    if how != _OAEP:
        raise _Refused(_UNPADDED if how == _NONE else _UNKNOWN_PADDING)
    scheme = _oaep(digest, label)
    if len(data) > (key.key_size + 7) // 8:
        raise _Refused(_TOO_LONG)
    try:
        return key.decrypt(data, scheme)
    except ValueError:
        raise _Refused(_UNDECODABLE) from None


def _agree(key: _Key, other: _Key) -> bytes:
    """The secret that two keys have in common."""
    public = _public(other)
    if not isinstance(key, crypto_curves.PrivateKey) or not isinstance(public, crypto_curves.PublicKey):
        raise _Refused(_UNDERIVABLE)
    if isinstance(key, _CurveKey) and isinstance(public, _CurveKey) and key.curve.name != public.curve.name:
        raise _Refused(_OTHER_CURVE)
    try:
        return crypto_curves.agree(key, public)
    except (ValueError, TypeError):
        raise _Refused(_UNDERIVABLE) from None


def namespace(services: Services) -> Namespace:
    """The functions that ``signing.js`` calls. A key is a number there, and counts as the app's memory here."""
    keys: dict[int, _Key] = {}
    sizes: dict[int, Held] = {}
    last = 0

    def told(make: Callable[[], Any]) -> Any:
        """What it makes, or the error as a string."""
        try:
            return make()
        except _Refused as refused:
            return str(refused)
        except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm) as error:
            return f"ERR_CRYPTO_OPERATION_FAILED\n{error or 'The operation failed'}"

    def keep(key: _Key) -> Any:
        nonlocal last
        last += 1
        keys[last] = key
        sizes[last] = Held(services, _size_of(key))
        return services.array([last, *_facts(key)])

    def from_text(text: str | quickjs.Value, is_jwk: bool, want_private: bool) -> Any:
        own = text_of(text)
        if len(own) > _MOST_TEXT:
            return _INVALID
        return told(lambda: keep(_from_jwk(own) if is_jwk else _from_pem(own, want_private)))

    def from_code(code: quickjs.Value, form: str) -> Any:
        return told(lambda: keep(_from_der(code.to_bytes(), text_of(form))))

    def public_of(number: int) -> Any:
        return keep(_public(keys[number]))

    def drop(number: int) -> None:
        keys.pop(number, None)
        sizes.pop(number, None)

    def export(number: int, form: str, is_pem: bool) -> Any:
        """DER, or a text in an array."""

        def make() -> Any:
            if form == "jwk":
                return services.array([_jwk(keys[number])])
            code = _exported(keys[number], form, Encoding.PEM if is_pem else Encoding.DER)
            return services.array([code.decode()]) if is_pem else code

        return told(make)

    def sign(number: int, digest: str, data: quickjs.Value, how: int, salt: int, is_raw: bool) -> Any:
        answer = told(lambda: _sign(keys[number], text_of(digest), data.to_bytes(), how, salt, is_raw))
        poll_after(data)
        return answer

    def verify(
        number: int, digest: str, data: quickjs.Value, signature: quickjs.Value, how: int, salt: int, is_raw: bool
    ) -> Any:
        given = text_of(digest), data.to_bytes(), signature.to_bytes()
        answer = told(lambda: _verify(keys[number], *given, how, salt, is_raw))
        poll_after(data)
        return answer

    def encrypt(number: int, how: int, digest: str, label: quickjs.Value, data: quickjs.Value) -> Any:
        key = _public(keys[number])
        answer = told(lambda: _encrypt(key, how, text_of(digest), label.to_bytes(), data.to_bytes()))
        poll_after(data)
        return answer

    def decrypt(number: int, how: int, digest: str, label: quickjs.Value, data: quickjs.Value) -> Any:
        answer = told(lambda: _decrypt(keys[number], how, text_of(digest), label.to_bytes(), data.to_bytes()))
        poll_after(data)
        return answer

    def agree(number: int, other: int) -> Any:
        return told(lambda: _agree(keys[number], keys[other]))

    return {
        "from_text": from_text,
        "from_code": from_code,
        "public_of": public_of,
        "drop": drop,
        "export": export,
        "sign": sign,
        "verify": verify,
        "encrypt": encrypt,
        "decrypt": decrypt,
        "agree": agree,
    }
