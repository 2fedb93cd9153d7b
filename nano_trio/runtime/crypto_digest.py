"""Hash functions: SHA-1, SHA-2 (FIPS 180-4) and SHA-3 (FIPS 202)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes

__all__ = ["HASHES", "PYTHON_NAMES", "digest", "new_hash"]

HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-1": hashes.SHA1(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
    "SHA3-256": hashes.SHA3_256(),
    "SHA3-384": hashes.SHA3_384(),
    "SHA3-512": hashes.SHA3_512(),
}
"""By the names that Web Cryptography and its Modern Algorithms give them."""

PYTHON_NAMES = {
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "SHA3-256": "sha3_256",
    "SHA3-384": "sha3_384",
    "SHA3-512": "sha3_512",
    "MD5": "md5",
}
"""What hashlib calls them. MD5 is there for DigestStream."""

_CONSTRUCTORS: dict[str, Callable[..., Any]] = {name: getattr(hashlib, own) for name, own in PYTHON_NAMES.items()}


def digest(name: str, data: bytes) -> bytes:
    result: bytes = _CONSTRUCTORS[name](data, usedforsecurity=False).digest()
    return result


def new_hash(name: str) -> Any:
    """A hash to ``update`` piece by piece."""
    return _CONSTRUCTORS[name](usedforsecurity=False)
