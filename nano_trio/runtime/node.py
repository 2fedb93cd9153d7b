"""The host half of ``node.js``: hashes and HMACs that are fed piece by piece and answer at once."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import quickjs

from nano_trio.runtime.host import Namespace, Services, poll_after, text_of

__all__ = ["hash_name", "namespace"]

_HASHES = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"),
    *("sha512-224", "sha512-256", "ripemd160", "blake2b512", "blake2s256"),
)
_MOST_BLOCKS = 255
_MOST_INFO = 1024
"""Bytes, as in Node."""
_OPENSSL = {"sha512-224": "sha512_224", "sha512-256": "sha512_256", "blake2b512": "blake2b", "blake2s256": "blake2s"}


def hash_name(algorithm: str) -> str | None:
    """What hashlib calls a hash of Node's; None where there is none."""
    plain = algorithm.lower().removeprefix("rsa-")
    if plain.startswith("sha-"):
        plain = "sha" + plain[4:]
    if plain not in _HASHES:
        return None
    own = _OPENSSL.get(plain, plain.replace("-", "_"))
    return own if own in hashlib.algorithms_available else None


def namespace(services: Services) -> Namespace:
    states: dict[int, Any] = {}
    last = 0

    def keep(state: Any) -> int:
        nonlocal last
        last += 1
        states[last] = state
        return last

    def begin(algorithm: str | quickjs.Value, key: quickjs.Value | None) -> int:
        name = hash_name(text_of(algorithm))
        if name is None:
            return -1
        try:
            if key is None:
                return keep(hashlib.new(name, usedforsecurity=False))
            return keep(hmac.new(key.to_bytes(), digestmod=name))
        except ValueError:
            # OpenSSL may know of an algorithm and be configured not to offer it.
            return -1

    def update(number: int, data: quickjs.Value) -> None:
        states[number].update(data.to_bytes())

    def copy(number: int) -> int:
        return keep(states[number].copy())

    def finish(number: int) -> bytes:
        digest: bytes = states.pop(number).digest()
        return digest

    def expand(algorithm: str | quickjs.Value, key: quickjs.Value, info: quickjs.Value, size: int) -> bytes | None:
        """HKDF's second step (RFC 5869, section 2.3), of what is a fraction of a megabyte; None where that is too much
        for the hash."""
        name, secret, about = hash_name(text_of(algorithm)) or "", key.to_bytes(), info.to_bytes()
        count = -(-size // hashlib.new(name, usedforsecurity=False).digest_size)
        if count > _MOST_BLOCKS or len(about) > _MOST_INFO:
            return None
        blocks = [b""]
        for number in range(1, count + 1):
            blocks.append(hmac.digest(secret, blocks[-1] + about + bytes([number]), name))
        poll_after(key)
        return b"".join(blocks)[:size]

    def drop(number: int) -> None:
        states.pop(number, None)

    def algorithms() -> str:
        return " ".join(name for name in _HASHES if hash_name(name) is not None)

    return {
        "begin": begin,
        "update": update,
        "copy": copy,
        "finish": finish,
        "expand": expand,
        "drop": drop,
        "algorithms": algorithms,
    }
