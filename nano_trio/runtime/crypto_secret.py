"""Secret keys: HMAC (FIPS 198-1), AES (see crypto_aes.py), HKDF and PBKDF2 (see crypto_kdf.py)."""

from __future__ import annotations

import hmac
import os
from typing import Any

from nano_trio.runtime import crypto_aes, crypto_kdf
from nano_trio.runtime.crypto_digest import PYTHON_NAMES, Data, mac
from nano_trio.runtime.crypto_formats import base64url
from nano_trio.runtime.crypto_work import Operations, Weight, by_data, light
from nano_trio.runtime.pieces import LARGE, PIECE, Pieces

__all__ = ["SECRET_OPERATIONS", "generate", "truncate", "truncate_last"]


_LONG_IV = 1024


def truncate(data: bytes, bits: int) -> bytes:
    """The first ``bits`` of ``data``; what is left of its last byte is zero."""
    data = data[: (bits + 7) // 8]
    unused = -bits % 8
    return data[:-1] + bytes([data[-1] >> unused << unused]) if unused and data else data


def truncate_last(data: Data, bits: int) -> Data:
    """The same of data that has no whole byte too much."""
    if isinstance(data, bytes):
        return truncate(data, bits)
    *first, last = data
    return Pieces((*first, truncate(last, bits - 8 * sum(map(len, first)))))


def generate(bits: int) -> Data:
    """So many random bits, the last byte filled up with zeros."""
    size = (bits + 7) // 8
    if size <= LARGE:
        return truncate(os.urandom(size), bits)
    return truncate_last(Pieces(os.urandom(min(PIECE, size - at)) for at in range(0, size, PIECE)), bits)


def _sign(key: Data, data: Data, hash_name: str) -> bytes:
    if type(key) is bytes and type(data) is bytes:
        return hmac.digest(key, data, PYTHON_NAMES[hash_name])
    return mac(key, hash_name, data)


def _verify(key: Data, data: Data, signature: Data, hash_name: str) -> bool:
    return isinstance(signature, bytes) and hmac.compare_digest(_sign(key, data, hash_name), signature)


def _export(key: Data, format: str) -> Data | list[str]:
    # JavaScript itself makes base64 of what is large.
    if not isinstance(key, bytes):
        return Pieces(key)
    return key if format == "raw" else ["kty", "oct", "k", base64url(key)]


def _mac_weight(key: Data, data: Data, *_: Any) -> Weight:
    # A long key is hashed, too.
    return Weight.of(key, data)


def _gcm_weight(key: bytes, data: Data, iv: Data, aad: Data | None, tag_length: int) -> Weight:
    # What hashes a vector of unusual length is Python.
    return Weight.ENDLESS if len(iv) > _LONG_IV else Weight.of(data, aad or b"")


SECRET_OPERATIONS: Operations = {
    "export": (_export, light),
    "signHmac": (_sign, _mac_weight),
    "verifyHmac": (_verify, _mac_weight),
    "encryptCbc": (crypto_aes.encrypt_cbc, by_data),
    "decryptCbc": (crypto_aes.decrypt_cbc, by_data),
    "ctr": (crypto_aes.ctr, by_data),
    "encryptGcm": (crypto_aes.encrypt_gcm, _gcm_weight),
    "decryptGcm": (crypto_aes.decrypt_gcm, _gcm_weight),
    "wrap": (crypto_aes.wrap, crypto_aes.wrap_weight),
    "unwrap": (crypto_aes.unwrap, crypto_aes.wrap_weight),
    "hkdf": (crypto_kdf.hkdf, crypto_kdf.hkdf_weight),
    "pbkdf2": (crypto_kdf.pbkdf2, crypto_kdf.pbkdf2_weight),
}
