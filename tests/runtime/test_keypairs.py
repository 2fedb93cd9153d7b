"""What node:crypto refuses of new keys and of encryption by RSA, and what it takes: Node.js API, Crypto.

That the rest is as in Node is in tests/npm/node_programs/crypto_pairs.mjs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from nano_trio.runtime.crypto_rsa import generate_weight
from nano_trio.runtime.crypto_work import Weight

from .harness import Bench
from .test_signing import ATTEMPT, public_pem

RunJS = Callable[[str], Any]


def test_what_would_hold_up_all_apps_is_refused(run_js: RunJS) -> None:
    large = public_pem(rsa.RSAPublicNumbers(65537, (1 << 8191) + 1).public_key())
    told = run_js(
        f"""{ATTEMPT}
        const pair = (type, options) => attempt(() => crypto.generateKeyPairSync(type, options));
        const later = (options) => new Promise((resolve) => crypto.generateKeyPair("rsa", options, (error) => resolve(`${{error.code}} ${{error.message}}`)));
        const key = {json.dumps(large)}, cipher = {{ cipher: "aes-256-cbc", passphrase: "x" }};
        return [
          pair("rsa", {{ modulusLength: 512 }}),
          pair("rsa", {{ modulusLength: 4097 }}),
          pair("rsa", {{ modulusLength: 1024, publicExponent: 1 }}),
          pair("rsa-pss", {{ modulusLength: 1024 }}),
          pair("dsa", {{ modulusLength: 1024 }}),
          pair("ec", {{ namedCurve: "P-256", paramEncoding: "explicit" }}),
          pair("ed25519", {{ privateKeyEncoding: {{ type: "pkcs8", format: "pem", ...cipher }} }}),
          await later({{ modulusLength: 512 }}),
          await later({{ modulusLength: 4097 }}),
          await later({{ modulusLength: 2 ** 32 - 1 }}),
          await later({{ modulusLength: 1024, publicExponent: 1 }}),
          attempt(() => crypto.publicEncrypt(key, "x")),
          attempt(() => crypto.publicEncrypt({{ key, padding: crypto.constants.RSA_NO_PADDING }}, Buffer.alloc(1024))),
        ];
        """
    )
    bits = "ERR_OUT_OF_RANGE The modulus of an RSA key must have from 1024 to 4096 bits."
    unavailable = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"
    large_key = (
        "ERR_CRYPTO_OPERATION_FAILED A key of RSA may have 4096 bits, and an exponent of 32, where the answer comes at once; "
        "crypto.subtle takes others"
    )
    assert told == [
        *[bits] * 2,
        "ERR_OUT_OF_RANGE The public exponent of an RSA key must be an odd number from 3 to 2^256.",
        f"{unavailable} Keys for RSA-PSS alone are not supported: one of RSA signs with RSA_PKCS1_PSS_PADDING",
        f"{unavailable} Keys of the type 'dsa' are not supported",
        f"{unavailable} The parameters of a curve can be encoded by its name only",
        f"{unavailable} Encrypted keys are not supported: encrypt what is exported",
        *[bits] * 3,
        "ERR_OUT_OF_RANGE The public exponent of an RSA key must be an odd number from 3 to 2^256.",
        large_key,
        large_key,
    ]


def test_a_key_of_rsa_is_made_beside_the_turn(run_js: RunJS) -> None:
    """The turn that asks for it ends before, with all its microtasks."""
    assert generate_weight(4096) is Weight.HEAVY
    told = run_js(
        f"""{ATTEMPT}
        const order = [];
        const made = new Promise((resolve) => crypto.generateKeyPair("rsa", {{ modulusLength: 1024 }}, (error, key) => {{
          order.push(error, key.asymmetricKeyDetails.modulusLength);
          resolve();
        }}));
        for (let i = 0; i < 1000; i++) await null;
        order.push("meanwhile");
        await made;
        return order;
        """
    )
    assert told == ["meanwhile", None, 1024]


def test_a_callback_that_throws_is_told_once(bench: Bench) -> None:
    bench.run(
        f"""{ATTEMPT}
        let calls = 0;
        await new Promise((resolve) => crypto.generateKeyPair("ed25519", () => {{ setTimeout(resolve, 1); calls++; throw new Error("mine") }}));
        return calls;
        """
    )
    assert [text for text, _ in bench.exceptions] == ["Error: mine"]


@pytest.mark.parametrize("kind", ["x25519", "ec"])
def test_new_keys_count_as_the_apps_memory(bench: Bench, kind: str) -> None:
    isolate = bench._environment.isolate
    bench.run(f"""{ATTEMPT}
        const options = {{ namedCurve: "P-256" }};
        globalThis.kept = Array.from({{ length: 100 }}, () => crypto.generateKeyPairSync("{kind}", options));
        return kept.length;
    """)
    assert isolate.outside >= 200 * 1024
    bench.run("kept = null; return 0")
    isolate.collect_garbage()
    bench.run("return 0")  # what was registered for their end runs in a turn
    assert isolate.outside == 0


def test_what_app_code_does_to_the_platform_reaches_no_key(run_js: RunJS) -> None:
    """Curves and numbers that nothing of ours would pass on are refused where the host is asked."""
    told = run_js(
        f"""{ATTEMPT}
        const {{ has }} = Set.prototype;
        Set.prototype.has = () => true;
        const told = ["nope", "__proto__", "toString"].map((namedCurve) => attempt(() => crypto.generateKeyPairSync("ec", {{ namedCurve }})));
        Set.prototype.has = has;
        return told;
        """
    )
    assert told == ["undefined There is no such curve."] * 3


def test_a_point_that_is_on_no_curve_is_no_key(run_js: RunJS) -> None:
    """What it and a private key had in common would tell of the latter."""
    numbers = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    x, y = (int.to_bytes(number, 32, "big").hex() for number in (numbers.x, (numbers.y + 1) % (1 << 256)))
    told = run_js(
        f"""{ATTEMPT}
        const [x, y] = ["{x}", "{y}"].map((text) => Buffer.from(text, "hex").toString("base64url"));
        const key = {{ kty: "EC", crv: "P-256", x, y }};
        return attempt(() => crypto.createPublicKey({{ key, format: "jwk" }}));
        """
    )
    assert told == "ERR_CRYPTO_INVALID_JWK Invalid JWK data"


def test_what_is_no_point_is_no_key_of_ecdh(run_js: RunJS) -> None:
    told = run_js(
        f"""{ATTEMPT}
        const own = crypto.createECDH("prime256v1"), other = crypto.createECDH("prime256v1");
        other.generateKeys();
        own.generateKeys();
        return [
          attempt(() => own.computeSecret(Buffer.alloc(1))),
          attempt(() => own.computeSecret(new Uint8Array(1e8))),
          attempt(() => own.setPrivateKey(new Uint8Array(1e8))),
          attempt(() => own.computeSecret(other.getPublicKey()).length),
        ];
        """
    )
    wrong = "ERR_CRYPTO_ECDH_INVALID_PUBLIC_KEY Public key is not valid for specified curve"
    # The point at infinity has nothing in common with anybody.
    assert told == [
        wrong,
        wrong,
        "ERR_CRYPTO_INVALID_KEYTYPE Private key is not valid for specified curve.",
        32,
    ]
