"""Key derivation: HKDF (RFC 5869) and PBKDF2 (RFC 8018)."""

from __future__ import annotations

from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from nano_trio.runtime.crypto_digest import HASHES
from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.host import HostError

__all__ = ["hkdf", "pbkdf2", "pbkdf2_weight"]

_LIGHT = 500
_ENDLESS = 4_000_000
"""Iterations, some tens of microseconds and some seconds of a core."""


def _size(length: int | None) -> int:
    if length is None or length % 8:
        raise HostError("OperationError", "The length must be given as a multiple of 8 bits.")
    return length // 8


def hkdf(key: bytes, hash_name: str, salt: bytes, info: bytes, length: int | None) -> bytes:
    size = _size(length)
    algorithm = HASHES[hash_name]
    if size > 255 * algorithm.digest_size:
        raise HostError(
            "OperationError", f"HKDF with {hash_name} derives at most {255 * 8 * algorithm.digest_size} bits."
        )
    return HKDF(algorithm, size, salt, info).derive(key) if size else b""


def pbkdf2_weight(key: bytes, hash_name: str, salt: bytes, iterations: int, length: int | None) -> Weight:
    total = iterations * -(-(length or 0) // (8 * HASHES[hash_name].digest_size))
    if total > _ENDLESS:
        return Weight.ENDLESS
    return Weight.HEAVY if total > _LIGHT else Weight.of(salt)


def pbkdf2(key: bytes, hash_name: str, salt: bytes, iterations: int, length: int | None) -> bytes:
    size = _size(length)
    if size == 0:
        raise HostError("OperationError", "PBKDF2 derives at least 8 bits.")
    if iterations == 0:
        raise HostError("OperationError", "PBKDF2 needs at least one iteration.")
    return PBKDF2HMAC(HASHES[hash_name], size, salt, iterations).derive(key)
