"""Key derivation: HKDF (RFC 5869) and PBKDF2 (RFC 8018)."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from nano_trio.runtime.crypto_digest import HASHES, PYTHON_NAMES, Data, digest, mac
from nano_trio.runtime.crypto_work import BIG, Weight
from nano_trio.runtime.host import HostError

__all__ = ["hkdf", "hkdf_weight", "pbkdf2", "pbkdf2_weight"]

_LIGHT = 500
_ENDLESS = 4_000_000
"""Iterations, some tens of microseconds and some seconds of a core."""
_ENDLESS_BYTES = 1 << 28
"""Bytes that are hashed, some tenths of a second of a core."""


def _size(length: int | None) -> int:
    if length is None or length % 8:
        raise HostError("OperationError", "The length must be given as a multiple of 8 bits.")
    return length // 8


def hkdf_weight(key: Data, hash_name: str, salt: Data, info: Data, length: int | None) -> Weight:
    """Each block that is derived hashes ``info`` once more."""
    blocks = min(-(-(length or 0) // (8 * HASHES[hash_name].digest_size)), 255)
    hashed = len(key) + len(salt) + blocks * len(info)
    return Weight.LIGHT if hashed <= BIG else Weight.HEAVY if hashed <= _ENDLESS_BYTES else Weight.ENDLESS


def hkdf(key: Data, hash_name: str, salt: Data, info: Data, length: int | None) -> bytes:
    """RFC 5869. ``length`` in bits. Raises OperationError for one that HKDF cannot derive."""
    size = _size(length)
    algorithm = HASHES[hash_name]
    if size > 255 * algorithm.digest_size:
        raise HostError(
            "OperationError", f"HKDF with {hash_name} derives at most {255 * 8 * algorithm.digest_size} bits."
        )
    if not size:
        return b""
    if isinstance(key, bytes) and isinstance(salt, bytes) and isinstance(info, bytes) and len(info) <= BIG:
        return HKDF(algorithm, size, salt, info).derive(key)
    # What is large is hashed without Python's lock.
    secret = mac(salt or bytes(algorithm.digest_size), hash_name, key)
    blocks = [b""]
    while len(blocks) <= -(-size // algorithm.digest_size):
        blocks.append(mac(secret, hash_name, blocks[-1], info, bytes([len(blocks)])))
    return b"".join(blocks)[:size]


def pbkdf2_weight(key: Data, hash_name: str, salt: Data, iterations: int, length: int | None) -> Weight:
    """Each block that is derived takes all iterations."""
    total = iterations * -(-(length or 0) // (8 * HASHES[hash_name].digest_size))
    # A salt in pieces must be joined: that is not to be done here.
    if total > _ENDLESS or not isinstance(salt, bytes):
        return Weight.ENDLESS
    return Weight.HEAVY if total > _LIGHT else Weight.of(key, salt)


def pbkdf2(key: Data, hash_name: str, salt: Data, iterations: int, length: int | None) -> bytes:
    """RFC 8018 section 5.2. ``length`` in bits. Raises OperationError where that or the iterations are none."""
    size = _size(length)
    if size == 0:
        raise HostError("OperationError", "PBKDF2 derives at least 8 bits.")
    if iterations == 0:
        raise HostError("OperationError", "PBKDF2 needs at least one iteration.")
    # The password is the key of an HMAC.
    password = key if isinstance(key, bytes) else digest(hash_name, key)
    return hashlib.pbkdf2_hmac(PYTHON_NAMES[hash_name], password, bytes(salt), iterations, size)
