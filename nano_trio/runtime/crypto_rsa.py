"""RSA keys (RFC 8017): RSASSA-PKCS1-v1_5, RSA-PSS and RSA-OAEP (Web Cryptography sections 20 to 22)."""

from __future__ import annotations

import math
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from nano_trio.runtime.crypto_digest import HASHES, Data, prehashed
from nano_trio.runtime.crypto_formats import FormatError, algorithm_of, base64url
from nano_trio.runtime.crypto_work import Operations, Weight, light

__all__ = [
    "PRIVATE_OPERATIONS", "PUBLIC_OPERATIONS", "facts", "from_der", "from_numbers", "generate", "generate_weight",
    "load", "problem_of", "recover",
]  # fmt: skip

_RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")
_COMMON_EXPONENT = 65537
_MAX_BITS = 16384


# -- making keys ------------------------------------------------------------------------------------------------------


def problem_of(modulus_length: int, exponent: int) -> str | None:
    """Why there is no key with these parameters."""
    if not 1024 <= modulus_length <= _MAX_BITS:
        return f"The modulus of an RSA key must have from 1024 to {_MAX_BITS} bits."
    if exponent < 3 or exponent % 2 == 0 or exponent.bit_length() > 256:
        return "The public exponent of an RSA key must be an odd number from 3 to 2^256."
    return None


def generate_weight(modulus_length: int) -> Weight:
    """Keys of up to 4096 bits take seconds, larger ones may take minutes."""
    return Weight.HEAVY if modulus_length <= 4096 else Weight.ENDLESS


def generate(modulus_length: int, exponent: int) -> bytes:
    """A new private key as PKCS#8, which a process can hand over."""
    key: rsa.RSAPrivateKey | None = None
    while key is None:
        key = rsa.generate_private_key(_COMMON_EXPONENT, modulus_length)
        if exponent != _COMMON_EXPONENT:
            key = _with_exponent(key, exponent)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _with_exponent(key: rsa.RSAPrivateKey, exponent: int) -> rsa.RSAPrivateKey | None:
    """The key of the same primes with another public exponent, or None where it has no inverse."""
    numbers = key.private_numbers()
    order = math.lcm(numbers.p - 1, numbers.q - 1)
    if math.gcd(exponent, order) != 1:
        return None
    return _private_key(numbers.p, numbers.q, pow(exponent, -1, order), exponent, numbers.public_numbers.n)


def _private_key(p: int, q: int, d: int, e: int, n: int) -> rsa.RSAPrivateKey:
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, n))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def from_der(format: str, data: bytes) -> rsa.RSAPublicKey | rsa.RSAPrivateKey:
    """A key from ``spki`` or ``pkcs8`` bytes. Raises FormatError where it is no sound key of RSA, or too large."""
    object_identifier, _ = algorithm_of(format, data)
    if object_identifier != _RSA_ENCRYPTION:
        raise FormatError
    key: object
    try:
        if format == "spki":
            key = load_der_public_key(data)
        else:
            key = load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    except Exception:  # what is wrong with a key the library says by many classes of errors
        raise FormatError from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size > _MAX_BITS:
            raise FormatError
        _check_private(key.private_numbers())
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size <= _MAX_BITS:
        return key
    raise FormatError


def from_numbers(
    n: int, e: int, d: int | None, p: int | None, q: int | None, dp: int | None, dq: int | None, qi: int | None
) -> rsa.RSAPublicKey | rsa.RSAPrivateKey:
    """The key of a JSON Web Key's members (RFC 7518 section 6.3)."""
    _check_sizes(n, e, d, p, q, dp, dq, qi)
    public = rsa.RSAPublicNumbers(e, n)
    try:
        if d is None:
            return public.public_key()
        if p is None or q is None or dp is None or dq is None or qi is None:
            raise FormatError
        numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public)
        _check_private(numbers)
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)
    except (ValueError, ZeroDivisionError):
        raise FormatError from None


def recover(n: int, e: int, d: int) -> bytes:
    """The key of which only ``d`` is known (RFC 7518 section 6.3.2), as PKCS#8. Takes long, all of it Python."""
    _check_sizes(n, e, d)
    try:
        p, q = rsa.rsa_recover_prime_factors(n, e, d)
        key = _private_key(p, q, d, e, n)
    except (ValueError, ZeroDivisionError):
        raise FormatError from None
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def load(der: bytes) -> rsa.RSAPrivateKey:
    """The key that :func:`generate` or :func:`recover` gave."""
    key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def _check_sizes(n: int, *others: int | None) -> None:
    """Arithmetic with larger numbers takes long, and OpenSSL refuses them anyway."""
    if n.bit_length() > _MAX_BITS or any(other is not None and other > n for other in others):
        raise FormatError


def _check_private(numbers: rsa.RSAPrivateNumbers) -> None:
    """RFC 8017 section 3.2, apart from whether p and q are prime."""
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    if (
        min(p, q) < 3
        or p * q != numbers.public_numbers.n
        or (d * e - 1) % (p - 1)
        or (d * e - 1) % (q - 1)
        or numbers.dmp1 != d % (p - 1)
        or numbers.dmq1 != d % (q - 1)
        or numbers.iqmp * q % p != 1
    ):
        raise FormatError


def facts(key: rsa.RSAPublicKey | rsa.RSAPrivateKey) -> dict[str, Any]:
    """The members of Web Cryptography's RsaKeyAlgorithm; the length is in bits."""
    public = key if isinstance(key, rsa.RSAPublicKey) else key.public_key()
    e = public.public_numbers().e
    return {
        "modulusLength": public.key_size,
        "publicExponent": e.to_bytes((e.bit_length() + 7) // 8, "big"),
    }


# -- using keys -------------------------------------------------------------------------------------------------------


def _pss(hash_name: str, salt_length: int) -> padding.PSS:
    return padding.PSS(padding.MGF1(HASHES[hash_name]), salt_length)


def _oaep(hash_name: str, label: Data | None) -> padding.OAEP:
    return padding.OAEP(padding.MGF1(HASHES[hash_name]), HASHES[hash_name], None if label is None else bytes(label))


def _sign_pkcs1(key: rsa.RSAPrivateKey, data: Data, hash_name: str) -> bytes:
    message, algorithm = prehashed(data, hash_name)
    return key.sign(message, padding.PKCS1v15(), algorithm)


def _sign_pss(key: rsa.RSAPrivateKey, data: Data, hash_name: str, salt_length: int) -> bytes:
    message, algorithm = prehashed(data, hash_name)
    return key.sign(message, _pss(hash_name, salt_length), algorithm)


def _verify_pkcs1(key: rsa.RSAPublicKey, data: Data, signature: bytes, hash_name: str) -> bool:
    return _verify(key, data, signature, padding.PKCS1v15(), hash_name)


def _verify_pss(key: rsa.RSAPublicKey, data: Data, signature: bytes, hash_name: str, salt_length: int) -> bool:
    return _verify(key, data, signature, _pss(hash_name, salt_length), hash_name)


def _verify(
    key: rsa.RSAPublicKey, data: Data, signature: bytes, scheme: padding.PKCS1v15 | padding.PSS, hash_name: str
) -> bool:
    # RFC 8017 sections 8.1.2 and 8.2.2, step 1. The library takes one for the number that it is, without its zeros.
    if len(signature) != (key.key_size + 7) // 8:
        return False
    message, algorithm = prehashed(data, hash_name)
    try:
        key.verify(signature, message, scheme, algorithm)
    except InvalidSignature:
        return False
    return True


def _encrypt_oaep(key: rsa.RSAPublicKey, data: Data, hash_name: str, label: Data | None) -> bytes:
    return key.encrypt(_short(data), _oaep(hash_name, label))


def _decrypt_oaep(key: rsa.RSAPrivateKey, data: Data, hash_name: str, label: Data | None) -> bytes:
    return key.decrypt(_short(data), _oaep(hash_name, label))


def _short(data: Data) -> bytes:
    """No key of RSA encrypts what is large."""
    return data if isinstance(data, bytes) else next(iter(data))


def _number(value: int) -> str:
    """Base64urlUInt."""
    return base64url(value.to_bytes((value.bit_length() + 7) // 8 or 1, "big"))


def _export_public(key: rsa.RSAPublicKey, format: str) -> bytes | list[str]:
    if format == "spki":
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    numbers = key.public_numbers()
    return ["kty", "RSA", "n", _number(numbers.n), "e", _number(numbers.e)]


def _export_private(key: rsa.RSAPrivateKey, format: str) -> bytes | list[str]:
    if format == "pkcs8":
        return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    numbers = key.private_numbers()
    result = ["kty", "RSA", "n", _number(numbers.public_numbers.n), "e", _number(numbers.public_numbers.e)]
    members = [("d", numbers.d), ("p", numbers.p), ("q", numbers.q)]
    members += [("dp", numbers.dmp1), ("dq", numbers.dmq1), ("qi", numbers.iqmp)]
    for name, value in members:
        result += [name, _number(value)]
    return result


def _public_weight(key: rsa.RSAPublicKey, data: Data, *others: Any) -> Weight:
    small = key.key_size <= 4096 and key.public_numbers().e <= 0xFFFFFFFF
    # A label is hashed as well.
    return Weight.of(data, *(each for each in others if isinstance(each, Data))) if small else Weight.HEAVY


def _private_weight(*_: Any) -> Weight:
    return Weight.HEAVY


PUBLIC_OPERATIONS: Operations = {
    "export": (_export_public, light),
    "verifyPkcs1": (_verify_pkcs1, _public_weight),
    "verifyPss": (_verify_pss, _public_weight),
    "encryptOaep": (_encrypt_oaep, _public_weight),
}
PRIVATE_OPERATIONS: Operations = {
    "export": (_export_private, light),
    "signPkcs1": (_sign_pkcs1, _private_weight),
    "signPss": (_sign_pss, _private_weight),
    "decryptOaep": (_decrypt_oaep, _private_weight),
}
