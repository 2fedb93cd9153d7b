"""Hash functions: SHA-1, SHA-2 (FIPS 180-4) and SHA-3 (FIPS 202)."""

from __future__ import annotations

import hashlib
import hmac
import mmap
from collections.abc import Callable, Iterable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from nano_trio.runtime.pieces import Pieces

__all__ = ["HASHES", "PYTHON_NAMES", "Data", "digest", "in_one", "mac", "new_hash", "parts", "prehashed"]

Data = bytes | Pieces
"""What is computed with; in pieces where it is large: no call that holds Python's lock is to take long."""

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
"""What hashlib calls them. MD5 is there as on Workers."""

_CONSTRUCTORS: dict[str, Callable[..., Any]] = {name: getattr(hashlib, own) for name, own in PYTHON_NAMES.items()}


def in_one(data: Data) -> bytes | mmap.mmap:
    """For what takes data only so: in memory of its own, which is filled without holding Python's lock for long."""
    if isinstance(data, bytes):
        return data
    memory = mmap.mmap(-1, len(data))
    for part in data:
        memory.write(part)
    return memory


def parts(data: Data) -> Iterable[bytes]:
    """The pieces of what may be in one; they stay."""
    return (data,) if isinstance(data, bytes) else data


def digest(name: str, data: Data) -> bytes:
    """The hash of the data, by the algorithm of that name in Web Cryptography."""
    result: bytes
    if isinstance(data, bytes):
        result = _CONSTRUCTORS[name](data, usedforsecurity=False).digest()
        return result
    hash_ = new_hash(name)
    for part in data:
        hash_.update(part)
    result = hash_.digest()
    return result


def prehashed(data: Data, hash_name: str) -> tuple[bytes, hashes.HashAlgorithm | Prehashed]:
    """What is signed: data in one piece as it is, else its digest."""
    if isinstance(data, bytes):
        return data, HASHES[hash_name]
    return digest(hash_name, data), Prehashed(HASHES[hash_name])


def mac(key: Data, hash_name: str, *data: Data) -> bytes:
    """The HMAC (RFC 2104) of ``data``, one after the other."""
    # A key that is longer than a block, as whatever is large, is hashed first.
    state = hmac.new(key if isinstance(key, bytes) else digest(hash_name, key), digestmod=PYTHON_NAMES[hash_name])
    for each in data:
        for part in parts(each):
            state.update(part)
    return state.digest()


def new_hash(name: str) -> Any:
    """A hash to ``update`` piece by piece."""
    return _CONSTRUCTORS[name](usedforsecurity=False)
