"""The host half of ``derivation.js``: keys from passwords for ``node:crypto``, by scrypt (RFC 7914) and PBKDF2 (RFC
8018).

Both are one native call, however long it takes: it is made on a thread, or in a process
(:mod:`nano_trio.runtime.crypto_work`), and the turn goes on meanwhile or, where the key is wanted at once, waits.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, Final

import quickjs

from nano_trio.runtime.crypto_work import Weight, Work
from nano_trio.runtime.host import Namespace, Services, poll_after, text_of
from nano_trio.runtime.node import hash_name

__all__ = ["namespace", "pbkdf2_weight", "scrypt_weight"]

_SCRYPT_BYTES: Final = 1 << 30
"""The most that scrypt may take. As much is held in the app's own heap meanwhile, which as a rule allows less."""
_LIGHT, _ENDLESS = 500, 4_000_000
"""Blocks of PBKDF2 that are hashed: some tenths of a millisecond and some seconds of a core."""


def scrypt_weight(password: int, salt: int, n: int, r: int, p: int, size: int) -> Weight:
    """Of so many bytes of a password, of a salt and of the key (RFC 7914, section 6).

    By N times r times p: 16,384 times 8 takes some tens of milliseconds. And by what PBKDF2 hashes before and after
    that, which is more where salt or key are long: some 128 bytes take as long as one of that product.
    """
    blocks = 128 * r * p
    hashed = password + salt * (blocks // 32) + blocks * (size // 32 + 1)
    work = n * r * p + hashed // 128
    return Weight.LIGHT if work <= 256 else Weight.HEAVY if work <= 1 << 22 else Weight.ENDLESS


def pbkdf2_weight(salt: int, digest_size: int, iterations: int, size: int) -> Weight:
    """Of so many bytes of a salt, of a digest and of the key. Each block hashes the salt (RFC 8018, section 5.2)."""
    blocks = -(-size // digest_size)
    work = blocks * (iterations + salt // 128)
    return Weight.LIGHT if work <= _LIGHT else Weight.HEAVY if work <= _ENDLESS else Weight.ENDLESS


def namespace(services: Services) -> Namespace:
    """The functions that ``derivation.js`` calls. ``waits``: the answer is wanted at once."""
    work = Work(services)

    def start(waits: bool, here: quickjs.Value, weight: Weight, compute: partial[bytes]) -> Any:
        if not waits:
            return work.run(weight, 0, compute)
        answer = work.wait(weight, compute)
        poll_after(here)
        return answer

    def scrypt(waits: bool, password: quickjs.Value, salt: quickjs.Value, n: int, r: int, p: int, size: int) -> Any:
        secret, grains = password.to_bytes(), salt.to_bytes()
        weight = scrypt_weight(len(secret), len(grains), n, r, p, size)
        compute = partial(hashlib.scrypt, secret, salt=grains, n=n, r=r, p=p, dklen=size, maxmem=_SCRYPT_BYTES)
        return start(waits, salt, weight, compute)

    def pbkdf2(
        waits: bool,
        digest: str | quickjs.Value,
        password: quickjs.Value,
        salt: quickjs.Value,
        iterations: int,
        size: int,
    ) -> Any:
        name = hash_name(text_of(digest))
        if name is None:
            return "TypeError\nThere is no such digest."
        secret, grains = password.to_bytes(), salt.to_bytes()
        weight = pbkdf2_weight(len(grains), hashlib.new(name, usedforsecurity=False).digest_size, iterations, size)
        return start(waits, salt, weight, partial(hashlib.pbkdf2_hmac, name, secret, grains, iterations, size))

    return {"scrypt": scrypt, "pbkdf2": pbkdf2, "proceed": work.proceed, "take": work.take}
