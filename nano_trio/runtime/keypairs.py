"""The host half of ``keypairs.js``: new private keys for ``node:crypto``, as PKCS#8 (RFC 5958), and ECDH of numbers and
points (SEC 1, sections 2.3 and 3.3.1), of which nothing stays here.

One on a curve is made at once, in less than a millisecond. One of RSA takes up to seconds of native code, which nothing
interrupts: it is made on a thread (:mod:`nano_trio.runtime.crypto_work`), and the turn that wants it at once waits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import quickjs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nano_trio.runtime import crypto_curves, crypto_rsa
from nano_trio.runtime.crypto_work import Work
from nano_trio.runtime.host import Namespace, Services, text_of

__all__ = ["namespace"]

_MOST_BITS: Final = 4096
"""Of RSA: larger keys node:crypto does not use either (:mod:`nano_trio.runtime.signing`)."""
_NAMED: Final[dict[str, ec.EllipticCurve]] = {
    "prime256v1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}
_CURVES: Final[dict[str, Callable[[], crypto_curves.PrivateKey]]] = {
    **{name: partial(ec.generate_private_key, curve) for name, curve in _NAMED.items()},
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
    "x25519": x25519.X25519PrivateKey.generate,
    "x448": x448.X448PrivateKey.generate,
}


def _encoded(key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bytes:
    """The point, uncompressed."""
    public = key.public_key() if isinstance(key, ec.EllipticCurvePrivateKey) else key
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _private(curve: str, number: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError where it is zero, or not less than the order."""
    return ec.derive_private_key(int.from_bytes(number, "big"), _NAMED[curve])


def _public(curve: str, point: bytes) -> ec.EllipticCurvePublicKey:
    """Of a point in any form. Raises ValueError where it is not on the curve, or the one at infinity."""
    if point[:1] in (b"\6", b"\7"):
        # Hybrid: uncompressed, with the sign of y once more.
        if point[0] & 1 != point[-1] & 1:
            raise ValueError
        point = b"\4" + point[1:]
    return ec.EllipticCurvePublicKey.from_encoded_point(_NAMED[curve], point)


def _unless_wrong(make: Callable[[], bytes]) -> bytes | None:
    try:
        return make()
    except (ValueError, UnsupportedAlgorithm):
        return None


def namespace(services: Services) -> Namespace:
    """The functions that ``keypairs.js`` calls."""
    work = Work(services)

    def of_curve(name: str) -> bytes:
        return _CURVES[text_of(name)]().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def of_rsa(waits: bool, bits: int, exponent: int) -> Any:
        """The key where the turn ``waits`` for it, or None: it is made, and taken, as others' work is. Or why there is
        no such key."""
        if not 1024 <= bits <= _MOST_BITS:
            return f"ERR_OUT_OF_RANGE\nThe modulus of an RSA key must have from 1024 to {_MOST_BITS} bits."
        problem = crypto_rsa.problem_of(bits, exponent)
        if problem is not None:
            return f"ERR_OUT_OF_RANGE\n{problem}"
        weight, compute = crypto_rsa.generate_weight(bits), partial(crypto_rsa.generate, bits, exponent)
        return work.wait(weight, compute) if waits else work.run(weight, 0, compute)

    def new_number(curve: str) -> bytes:
        """A private key and its point, one behind the other."""
        key = ec.generate_private_key(_NAMED[text_of(curve)])
        size = (key.key_size + 7) // 8
        return key.private_numbers().private_value.to_bytes(size, "big") + _encoded(key)

    # These answer with None where the number, or the point, is none of the curve's.
    def point_of_number(curve: str, number: quickjs.Value) -> bytes | None:
        return _unless_wrong(lambda: _encoded(_private(text_of(curve), number.to_bytes())))

    def point_of(curve: str, point: quickjs.Value) -> bytes | None:
        return _unless_wrong(lambda: _encoded(_public(text_of(curve), point.to_bytes())))

    def secret_of(curve: str, number: quickjs.Value, point: quickjs.Value) -> bytes | None:
        name = text_of(curve)

        def make() -> bytes:
            return _private(name, number.to_bytes()).exchange(ec.ECDH(), _public(name, point.to_bytes()))

        return _unless_wrong(make)

    return {
        "of_curve": of_curve,
        "of_rsa": of_rsa,
        "proceed": work.proceed,
        "take": work.take,
        "new_number": new_number,
        "point_of_number": point_of_number,
        "point_of": point_of,
        "secret_of": secret_of,
    }
