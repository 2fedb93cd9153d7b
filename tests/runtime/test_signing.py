"""What node:crypto's keys and signatures refuse, and that none of it ends more than the call: Node.js API, Crypto.

That they sign and verify as Node does is in tests/npm/node_programs/crypto_signatures.mjs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from .harness import Bench

RunJS = Callable[[str], Any]

ATTEMPT = """
    const { Buffer } = process.getBuiltinModule("node:buffer");
    const crypto = process.getBuiltinModule("node:crypto");
    const attempt = (call) => { try { return call() } catch (error) { return `${error.code} ${error.message}` } };
"""


def public_pem(key: Any) -> str:
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def test_what_would_take_long_is_refused(run_js: RunJS) -> None:
    """A key that is larger, or has a large exponent, would hold up all apps; so would one's passphrase."""
    large = public_pem(rsa.RSAPublicNumbers(65537, (1 << 8191) + 1).public_key())
    slow = public_pem(rsa.RSAPublicNumbers((1 << 64) + 1, (1 << 2047) + 1).public_key())
    key = ec.generate_private_key(ec.SECP256R1())
    forms = [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL]
    encrypted = [key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x")).decode() for form in forms]
    code = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).hex()
    told = run_js(
        f"""{ATTEMPT}
        const told = {json.dumps([large, slow])}.map((pem) => {{
          const key = crypto.createPublicKey(pem), {{ modulusLength }} = key.asymmetricKeyDetails;
          const verifying = crypto.createVerify("sha256").update("x");
          return [modulusLength, attempt(() => verifying.verify(key, Buffer.alloc(modulusLength / 8)))];
        }});
        for (const key of {json.dumps(encrypted)}) told.push(attempt(() => crypto.createPrivateKey({{ key, passphrase: "x" }})));
        const key = Buffer.from("{code}", "hex");
        told.push(attempt(() => crypto.createPrivateKey({{ key, format: "der", type: "pkcs8", passphrase: "x" }})));
        const privateKey = crypto.createPrivateKey({json.dumps(pem_of_eddsa())});
        told.push(attempt(() => crypto.sign(null, Buffer.alloc(2 ** 20 + 1), privateKey)));
        told.push(crypto.sign(null, Buffer.alloc(2 ** 20), privateKey).length);
        return told;
        """
    )
    why = (
        "ERR_CRYPTO_OPERATION_FAILED A key of RSA may have 4096 bits, and an exponent of 32, where the answer comes at once; "
        "crypto.subtle takes others"
    )
    assert told[:2] == [[8192, why], [2048, why]]
    refused = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM Encrypted keys are not supported: decrypt the key beforehand"
    assert told[2:5] == [refused] * 3
    assert told[5] == (
        "undefined 1048576 bytes can be signed or verified at once, and these are 1048577; crypto.subtle takes more."
    )
    assert told[6] == 64


def pem_of_eddsa() -> str:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_keys_of_other_kinds_are_refused(run_js: RunJS) -> None:
    keys = [
        public_pem(ec.generate_private_key(ec.BrainpoolP256R1()).public_key()),
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        # Text that begins often is looked at once.
        "-----BEGIN A-----" * 3000 + "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
    ]
    told = run_js(f"{ATTEMPT} return {json.dumps(keys)}.map((pem) => attempt(() => crypto.createPublicKey(pem)));")
    kinds = "RSA, EC (P-256, P-384, P-521, secp256k1), Ed25519, Ed448, X25519 or X448"
    why = f"The key cannot be read: it must be one of {kinds}"
    assert told == [f"ERR_OSSL_UNSUPPORTED {why}"] * len(keys)


def test_damaged_keys_and_signatures_are_no_more_than_that(run_js: RunJS) -> None:
    random = Random(7)
    key = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP384R1())
    cases = []
    for code, type_ in [
        (key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "pkcs8"),
        (key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), "pkcs1"),
        (curve.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()), "sec1"),
        (curve.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "spki"),
    ]:
        for _ in range(100):
            damaged = bytearray(code)
            for _ in range(random.choice([1, 2, 8])):
                damaged[random.randrange(len(damaged))] = random.randrange(256)
            cases.append([bytes(damaged[: random.choice([len(damaged), random.randrange(len(damaged))])]).hex(), type_])
    told = run_js(
        f"""{ATTEMPT}
        const told = new Set();
        for (const [code, type] of {json.dumps(cases)}) {{
          const input = {{ key: Buffer.from(code, "hex"), format: "der", type }};
          for (const make of [crypto.createPrivateKey, crypto.createPublicKey]) {{
            const key = attempt(() => make(input));
            if (typeof key === "string") {{ told.add(key.split(" ")[0]); continue }}
            const signed = key.type === "private" ? attempt(() => crypto.sign("sha256", "x", key)) : Buffer.alloc(9);
            told.add(typeof signed === "string" ? signed.split(" ")[0] : typeof attempt(() => crypto.verify("sha256", "x", key, signed)));
          }}
        }}
        return [...told];
        """
    )
    known = {"ERR_OSSL_UNSUPPORTED", "ERR_CRYPTO_OPERATION_FAILED", "ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_KEY_SIZE"}
    assert set(told) <= known | {"boolean", "string"}
    assert "ERR_OSSL_UNSUPPORTED" in told


def test_a_key_lives_as_long_as_its_object(run_js: RunJS) -> None:
    """And not a moment longer: thousands of them take no memory of the host's for ever."""
    pem = public_pem(ec.generate_private_key(ec.SECP256R1()).public_key())
    told = run_js(
        f"""{ATTEMPT}
        const first = crypto.createPublicKey({json.dumps(pem)});
        for (let i = 0; i < 2000; i++) crypto.createPublicKey({json.dumps(pem)});
        await new Promise((resolve) => setTimeout(resolve));
        return first.equals(crypto.createPublicKey({json.dumps(pem)}));
        """
    )
    assert told is True


def test_keys_count_as_the_apps_memory(bench: Bench) -> None:
    isolate = bench._environment.isolate
    pem = json.dumps(pem_of_eddsa())
    count = bench.run(f"""{ATTEMPT}
        globalThis.kept = Array.from({{ length: 500 }}, () => crypto.createPrivateKey({pem}));
        return kept.length;
    """)
    assert count == 500
    assert isolate.outside >= 500 * 1024
    bench.run("kept = null; return 0")
    isolate.collect_garbage()
    bench.run("return 0")  # what was registered for their end runs in a turn
    assert isolate.outside == 0
