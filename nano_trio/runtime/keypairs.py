"""The host half of ``keypairs.js``: new private keys for ``node:crypto``, as PKCS#8 (RFC 5958).

One on a curve is made at once, in less than a millisecond. One of RSA takes up to seconds of native code, which nothing
interrupts: it is made on a thread (:mod:`nano_trio.runtime.crypto_work`), and never at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from nano_trio.runtime import crypto_rsa
from nano_trio.runtime.crypto_work import Work
from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]

_MOST_BITS: Final = 4096
"""Of RSA: larger keys node:crypto does not use either (:mod:`nano_trio.runtime.signing`)."""
_CURVES: Final[dict[str, Callable[[], Any]]] = {
    "prime256v1": partial(ec.generate_private_key, ec.SECP256R1()),
    "secp384r1": partial(ec.generate_private_key, ec.SECP384R1()),
    "secp521r1": partial(ec.generate_private_key, ec.SECP521R1()),
    "secp256k1": partial(ec.generate_private_key, ec.SECP256K1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "x448": x448.X448PrivateKey.generate,
}


def namespace(services: Services) -> Namespace:
    """The functions that ``keypairs.js`` calls."""
    work = Work(services)

    def of_curve(name: str) -> bytes:
        code: bytes = _CURVES[name]().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return code

    def of_rsa(bits: int, exponent: int) -> Any:
        """Why there is no such key, or None: it is made, and taken, as others' work is."""
        if not 1024 <= bits <= _MOST_BITS:
            return f"ERR_OUT_OF_RANGE\nThe modulus of an RSA key must have from 1024 to {_MOST_BITS} bits."
        problem = crypto_rsa.problem_of(bits, exponent)
        if problem is not None:
            return f"ERR_OUT_OF_RANGE\n{problem}"
        return work.run(crypto_rsa.generate_weight(bits), 0, partial(crypto_rsa.generate, bits, exponent))

    return {"of_curve": of_curve, "of_rsa": of_rsa, "proceed": work.proceed, "take": work.take}
