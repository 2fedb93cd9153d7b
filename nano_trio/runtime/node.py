"""The host half of ``node.js``: hashes and HMACs that are fed piece by piece and answer at once."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import Any

import quickjs

from nano_trio.runtime.crypto_work import Weight, Work
from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["namespace", "scrypt", "scrypt_weight"]

_SCRYPT_BYTES = 1 << 30
"""The most that scrypt may take. As much is held in the app's own heap meanwhile, which as a rule allows less."""

_HASHES = (
    *("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"),
    *("sha512-224", "sha512-256", "ripemd160", "blake2b512", "blake2s256"),
)
_OPENSSL = {"sha512-224": "sha512_224", "sha512-256": "sha512_256", "blake2b512": "blake2b", "blake2s256": "blake2s"}


def _name(algorithm: str) -> str | None:
    plain = algorithm.lower().removeprefix("rsa-")
    if plain.startswith("sha-"):
        plain = "sha" + plain[4:]
    if plain not in _HASHES:
        return None
    own = _OPENSSL.get(plain, plain.replace("-", "_"))
    return own if own in hashlib.algorithms_available else None


def scrypt_weight(password: int, salt: int, n: int, r: int, p: int, size: int) -> Weight:
    """Of so many bytes of a password, of a salt and of the key (RFC 7914, section 6).

    By N times r times p: 16,384 times 8 takes some tens of milliseconds. And by what PBKDF2 hashes before and after
    that, which is more where salt or key are long: some 128 bytes take as long as one of that product.
    """
    blocks = 128 * r * p
    hashed = password + salt * (blocks // 32) + blocks * (size // 32 + 1)
    work = n * r * p + hashed // 128
    return Weight.LIGHT if work <= 256 else Weight.HEAVY if work <= 1 << 22 else Weight.ENDLESS


def scrypt(services: Services) -> Namespace:
    """What ``scrypt.js`` calls: RFC 7914, on a thread."""
    work = Work(services)

    def run(password: quickjs.Value, salt: quickjs.Value, n: int, r: int, p: int, size: int) -> Any:
        secret, grains = password.to_bytes(), salt.to_bytes()
        compute = partial(hashlib.scrypt, secret, salt=grains, n=n, r=r, p=p, dklen=size, maxmem=_SCRYPT_BYTES)
        return work.run(scrypt_weight(len(secret), len(grains), n, r, p, size), 0, compute)

    return {"run": run, "proceed": work.proceed, "take": work.take}


def namespace(services: Services) -> Namespace:
    states: dict[int, Any] = {}
    last = 0

    def keep(state: Any) -> int:
        nonlocal last
        last += 1
        states[last] = state
        return last

    def begin(algorithm: str | quickjs.Value, key: quickjs.Value | None) -> int:
        name = _name(text_of(algorithm))
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

    def drop(number: int) -> None:
        states.pop(number, None)

    def algorithms() -> str:
        return " ".join(name for name in _HASHES if _name(name) is not None)

    return {"begin": begin, "update": update, "copy": copy, "finish": finish, "drop": drop, "algorithms": algorithms}
