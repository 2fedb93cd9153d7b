"""Secret keys: HMAC (FIPS 198-1), AES (see crypto_aes.py), HKDF and PBKDF2 (see crypto_kdf.py)."""

from __future__ import annotations

import hmac
import os

from nano_trio.runtime import crypto_aes, crypto_kdf
from nano_trio.runtime.crypto_digest import PYTHON_NAMES
from nano_trio.runtime.crypto_formats import base64url
from nano_trio.runtime.crypto_work import Operations, Weight, by_data, light

__all__ = ["SECRET_OPERATIONS", "generate", "truncate"]


_LONG_IV = 1024


def truncate(data: bytes, bits: int) -> bytes:
    """The first ``bits`` of ``data``; what is left of its last byte is zero."""
    data = data[: (bits + 7) // 8]
    unused = -bits % 8
    return data[:-1] + bytes([data[-1] >> unused << unused]) if unused and data else data


def generate(bits: int) -> bytes:
    return truncate(os.urandom((bits + 7) // 8), bits)


def _sign(key: bytes, data: bytes, hash_name: str) -> bytes:
    return hmac.digest(key, data, PYTHON_NAMES[hash_name])


def _verify(key: bytes, data: bytes, signature: bytes, hash_name: str) -> bool:
    return hmac.compare_digest(_sign(key, data, hash_name), signature)


def _export(key: bytes, format: str) -> bytes | list[str]:
    return key if format == "raw" else ["kty", "oct", "k", base64url(key)]


def _gcm_weight(key: bytes, data: bytes, iv: bytes, aad: bytes | None, tag_length: int) -> Weight:
    # What hashes a vector of unusual length is Python.
    return Weight.ENDLESS if len(iv) > _LONG_IV else Weight.of(data, aad or b"")


SECRET_OPERATIONS: Operations = {
    "export": (_export, light),
    "signHmac": (_sign, by_data),
    "verifyHmac": (_verify, by_data),
    "encryptCbc": (crypto_aes.encrypt_cbc, by_data),
    "decryptCbc": (crypto_aes.decrypt_cbc, by_data),
    "ctr": (crypto_aes.ctr, by_data),
    "encryptGcm": (crypto_aes.encrypt_gcm, _gcm_weight),
    "decryptGcm": (crypto_aes.decrypt_gcm, _gcm_weight),
    "wrap": (crypto_aes.wrap, crypto_aes.wrap_weight),
    "unwrap": (crypto_aes.unwrap, crypto_aes.wrap_weight),
    "hkdf": (crypto_kdf.hkdf, light),
    "pbkdf2": (crypto_kdf.pbkdf2, crypto_kdf.pbkdf2_weight),
}
