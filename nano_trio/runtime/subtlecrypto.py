"""The host half of SubtleCrypto: keys behind handles, and the work done with them.

A key never leaves the host but through ``export``. JavaScript holds a :class:`_Handle`, a function to it: called with
the name of an operation and its arguments it computes, called with the name of a fact it tells that. When the
function is collected, with the CryptoKey that holds it, the key goes too.

Bytes are copied when a function is called. Where a function answers with None the work goes on in an operation; see
:mod:`nano_trio.runtime.crypto_work`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from typing import Any

import quickjs
from cryptography.hazmat.primitives.asymmetric import rsa

from nano_trio.runtime import crypto_curves, crypto_rsa, crypto_secret
from nano_trio.runtime.crypto_digest import Data, digest, new_hash, parts
from nano_trio.runtime.crypto_formats import FormatError, from_base64url
from nano_trio.runtime.crypto_work import Operations, Weight, Work, by_data, light
from nano_trio.runtime.host import Namespace, Services, text_of
from nano_trio.runtime.pieces import Pieces

__all__ = ["namespace"]


def _plain(work: Work, argument: Any) -> Any:
    """An argument as Python data: bytes, in pieces where it was handed over so, a string, a number, or None."""
    if isinstance(argument, quickjs.Value):
        return argument.to_bytes()
    if argument is True:
        return work.argument()
    return None if argument is quickjs.Undefined else argument


class _Handle:
    """A key as a function for JavaScript."""

    __slots__ = ("_facts", "_key", "_operations", "_work")

    def __init__(self, work: Work, key: Any, operations: Operations, facts: dict[str, Any]) -> None:
        self._work = work
        self._key = key
        self._operations = operations
        self._facts = facts

    def __call__(self, name: str, *args: Any) -> Any:
        fact = self._facts.get(name)
        if fact is not None:
            return fact
        compute, weigh = self._operations[name]
        work = self._work
        plain = [_plain(work, argument) for argument in args]
        size = sum(len(each) for each in plain if type(each) is bytes or type(each) is Pieces)
        return work.run(weigh(self._key, *plain), size, partial(compute, self._key, *plain))


def _wrap(work: Work, key: crypto_curves.Key | rsa.RSAPrivateKey | rsa.RSAPublicKey) -> _Handle:
    """The handle of a public or private key."""
    if isinstance(key, rsa.RSAPublicKey):
        return _Handle(work, key, crypto_rsa.PUBLIC_OPERATIONS, crypto_rsa.facts(key))
    if isinstance(key, rsa.RSAPrivateKey):
        facts = crypto_rsa.facts(key)
        facts["public"] = _wrap(work, key.public_key())
        return _Handle(work, key, crypto_rsa.PRIVATE_OPERATIONS, facts)
    if isinstance(key, crypto_curves.PrivateKey):
        return _Handle(work, key, crypto_curves.PRIVATE_OPERATIONS, {"public": _wrap(work, key.public_key())})
    return _Handle(work, key, crypto_curves.PUBLIC_OPERATIONS, {"publicBytes": crypto_curves.public_bytes(key)})


def _update(hash_: Any, data: Data) -> bool:
    for part in parts(data):
        hash_.update(part)
    return True


_HASH_OPERATIONS: Operations = {"update": (_update, by_data), "digest": (lambda hash_: hash_.digest(), light)}


class _Keys:
    """The functions that make keys. Each answers with a handle, an error string, or None."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._wrap = partial(_wrap, work)

    def import_secret(self, data: Any, bits: Any) -> _Handle:
        """``bits``: how much of ``data`` is the key; null for all."""
        key = _plain(self._work, data)
        return self._secret(key if bits is None else crypto_secret.truncate_last(key, bits))

    def generate_secret(self, bits: int) -> Any:
        return self._work.run(
            Weight.LIGHT if bits <= 1 << 20 else Weight.HEAVY,
            bits // 8,
            partial(crypto_secret.generate, bits),
            self._secret,
        )

    def _secret(self, key: Data) -> _Handle:
        return _Handle(self._work, key, crypto_secret.SECRET_OPERATIONS, {})

    def generate_rsa(self, modulus_length: int, exponent: Any) -> Any:
        number = int.from_bytes(exponent.to_bytes(), "big")
        problem = crypto_rsa.problem_of(modulus_length, number)
        if problem is not None:
            return f"OperationError\n{problem}"
        return self._work.run(
            crypto_rsa.generate_weight(modulus_length),
            0,
            partial(crypto_rsa.generate, modulus_length, number),
            lambda der: self._wrap(crypto_rsa.load(der)),
        )

    def import_rsa(self, format: str, data: Any) -> Any:
        der = data.to_bytes()
        return self._work.run(Weight.of(der), len(der), partial(crypto_rsa.from_der, format, der), self._wrap)

    def import_rsa_jwk(self, *members: Any) -> Any:
        """``members``: n, e, d, p, q, dp, dq, qi."""

        try:
            n, e, *private = [None if data is None else int.from_bytes(data, "big") for data in _decode(members)]
            if n is None or e is None:
                raise FormatError
        except FormatError as error:
            return f"{error.name}\n{error.message}"
        if private[0] is not None and private[1:] == [None] * 5:
            recover = partial(crypto_rsa.recover, n, e, private[0])
            return self._work.run(Weight.ENDLESS, 0, recover, lambda der: self._wrap(crypto_rsa.load(der)))
        return self._work.run(Weight.LIGHT, 0, partial(crypto_rsa.from_numbers, n, e, *private), self._wrap)

    def generate_curve(self, curve: str) -> Any:
        return self._work.run(Weight.LIGHT, 0, partial(crypto_curves.generate, curve), self._wrap)

    def import_curve(self, curve: str, format: str, data: Any) -> Any:
        key = data.to_bytes()
        return self._work.run(
            Weight.of(key), len(key), partial(crypto_curves.import_key, curve, format, key), self._wrap
        )

    def import_curve_jwk(self, curve: str, *members: Any) -> Any:
        """``members``: x, y, d."""

        def compute() -> Any:
            x, y, d = _decode(members)
            return crypto_curves.from_jwk(curve, x, y, d)

        return self._work.run(Weight.LIGHT, 0, compute, self._wrap)


def _decode(members: tuple[Any, ...]) -> list[bytes | None]:
    """The bytes of base64url strings; None where one is absent."""
    result: list[bytes | None] = []
    for member in members:
        data = None if member is quickjs.Undefined else from_base64url(member)
        if data is None and member is not quickjs.Undefined:
            raise FormatError
        result.append(data)
    return result


def _equal(a: Any, b: Any) -> bool | None:
    """Whether the bytes are the same; null where their lengths differ."""
    first, second = a.to_bytes(), b.to_bytes()
    return hmac.compare_digest(first, second) if len(first) == len(second) else None


def namespace(services: Services) -> Namespace:
    work = Work(services)
    keys = _Keys(work)

    def compute_digest(name: str, data: Any) -> Any:
        plain = _plain(work, data)
        return work.run(Weight.of(plain), len(plain), partial(digest, name, plain))

    def make_hash(name: str) -> _Handle:
        return _Handle(work, new_hash(name), _HASH_OPERATIONS, {})

    functions: dict[str, Callable[..., Any]] = {
        "proceed": work.proceed,
        "take": work.take,
        "digest": compute_digest,
        "newHash": make_hash,
        "equal": _equal,
        "fromBase64": lambda text: from_base64url(text_of(text)),
        "importSecret": keys.import_secret,
        "generateSecret": keys.generate_secret,
        "generateRsa": keys.generate_rsa,
        "importRsa": keys.import_rsa,
        "importRsaJwk": keys.import_rsa_jwk,
        "generateCurve": keys.generate_curve,
        "importCurve": keys.import_curve,
        "importCurveJwk": keys.import_curve_jwk,
    }
    return functions
