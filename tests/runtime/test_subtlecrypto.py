"""crypto.subtle with secret keys: digests, HMAC, AES, HKDF and PBKDF2, by the vectors of their standards."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Run = Callable[[str], Any]

_PRELUDE = """
const { subtle } = crypto;
const bytes = (hex) => Uint8Array.fromHex(hex);
const hex = (buffer) => new Uint8Array(buffer).toHex();
const name = (promise) => promise.then((value) => `no error: ${value}`, (error) => error.name);
const secret = (algorithm, key, usages, extractable = false) =>
  subtle.importKey("raw", typeof key === "string" ? bytes(key) : key, algorithm, extractable, usages);
"""


@pytest.fixture
def js(run_js: Run) -> Run:
    return lambda source: run_js(_PRELUDE + source)


# -- digest -----------------------------------------------------------------------------------------------------------

_HASHES = {
    "SHA-1": "sha1",
    "SHA-256": "sha256",
    "SHA-384": "sha384",
    "SHA-512": "sha512",
    "SHA3-256": "sha3_256",
    "SHA3-384": "sha3_384",
    "SHA3-512": "sha3_512",
}


@pytest.mark.parametrize("name", _HASHES)
def test_digests(js: Run, name: str) -> None:
    given = js(
        f"""const sizes = [0, 1, 1000, 65536, 65537, 300000];
        return Promise.all(sizes.map(async (n) => hex(await subtle.digest("{name}", new Uint8Array(n).fill(97)))));"""
    )
    assert given == [hashlib.new(_HASHES[name], b"a" * n).hexdigest() for n in (0, 1, 1000, 65536, 65537, 300000)]


def test_md5_as_on_workers(js: Run) -> None:
    given = js(
        """return [hex(await subtle.digest("MD5", new Uint8Array())), hex(await subtle.digest({ name: "md5" }, new TextEncoder().encode("abc".repeat(1e5))))];"""
    )
    assert given == [hashlib.md5(b"").hexdigest(), hashlib.md5(b"abc" * 100_000).hexdigest()]


def test_the_digest_of_abc(js: Run) -> None:
    """FIPS 180-2 appendix B."""
    assert (
        js('return hex(await subtle.digest({ name: "sHa-256" }, new TextEncoder().encode("abc")));')
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_data_is_read_when_the_method_is_called(js: Run) -> None:
    same = js(
        """const results = [];
        for (const size of [10, 100000]) {
          for (const algorithm of ["SHA-256", { name: "SHA-256" }]) {
            const data = new Uint8Array(size);
            const expected = hex(await subtle.digest("SHA-256", data));
            const promise = subtle.digest(algorithm, data);
            data.fill(1);
            results.push(hex(await promise) === expected);
          }
          // Also before a getter of the algorithm runs.
          const data = new Uint8Array(size);
          const expected = hex(await subtle.digest("SHA-256", data));
          results.push(hex(await subtle.digest({ get name() { data.fill(1); return "SHA-256"; } }, data)) === expected);
        }
        return results;"""
    )
    assert same == [True] * 6


def test_views_give_their_part_only(js: Run) -> None:
    given = js(
        """const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
        return [hex(await subtle.digest("SHA-1", new DataView(buffer, 2, 3))),
          hex(await subtle.digest("SHA-1", new Uint16Array(buffer, 2, 2)))];"""
    )
    assert given == [hashlib.sha1(b"\3\4\5").hexdigest(), hashlib.sha1(b"\3\4\5\6").hexdigest()]


# -- HMAC -------------------------------------------------------------------------------------------------------------


def test_hmac_by_rfc_4231(js: Run) -> None:
    """Test case 2, and 1 for SHA-512."""
    assert js(
        """const sign = async (hash, key, text) =>
          hex(await subtle.sign("HMAC", await secret({ name: "HMAC", hash }, key, ["sign"]), new TextEncoder().encode(text)));
        return [await sign("SHA-256", "4a656665", "what do ya want for nothing?"), await sign("SHA-512", "0b".repeat(20), "Hi There")];"""
    ) == [
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
        "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ]


@pytest.mark.parametrize("name", _HASHES)
def test_hmac_signs_and_verifies(js: Run, name: str) -> None:
    signature, *checks, length = js(
        f"""const key = await secret({{ name: "HMAC", hash: "{name}" }}, new Uint8Array(200).fill(5), ["sign", "verify"]);
        const data = new Uint8Array(70000).fill(3);
        const signature = new Uint8Array(await subtle.sign("HMAC", key, data));
        const verify = (signature, data) => subtle.verify("HMAC", key, signature, data);
        const wrong = signature.slice();
        wrong[0] ^= 1;
        return [hex(signature), await verify(signature, data), await verify(wrong, data), await verify(signature.slice(1), data),
          await verify(signature, data.fill(1)), key.algorithm.length];"""
    )
    assert signature == hmac.digest(b"\5" * 200, b"\3" * 70000, _HASHES[name]).hex()
    assert checks == [True, False, False, False]
    assert length == 1600


def test_hmac_keys_of_odd_lengths(js: Run) -> None:
    assert js(
        """const key = await secret({ name: "HMAC", hash: "SHA-1", length: 12 }, "ffff", ["sign"], true);
        const made = await subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 13 }, true, ["sign"]);
        const last = new Uint8Array(await subtle.exportKey("raw", made)).at(-1);
        return [hex(await subtle.exportKey("raw", key)), key.algorithm.length, made.algorithm.length, last & 7,
          await name(secret({ name: "HMAC", hash: "SHA-1", length: 8 }, "ffff", ["sign"])),
          await name(secret({ name: "HMAC", hash: "SHA-1", length: 17 }, "ffff", ["sign"])),
          await name(secret({ name: "HMAC", hash: "SHA-1" }, "", ["sign"])),
          await name(subtle.generateKey({ name: "HMAC", hash: "SHA-1", length: 0 }, true, ["sign"]))];"""
    ) == ["fff0", 12, 13, 0, "DataError", "DataError", "DataError", "OperationError"]


# -- AES --------------------------------------------------------------------------------------------------------------

_KEY = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
_PLAIN = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
    "f69f2445df4f9b17ad2b417be66c3710"
)


def test_cbc_by_sp_800_38a(js: Run) -> None:
    """F.2.5 CBC-AES256; Web Cryptography adds a block of padding."""
    given, back = js(
        f"""const key = await secret("AES-CBC", "{_KEY}", ["encrypt", "decrypt"]);
        const algorithm = {{ name: "AES-CBC", iv: bytes("000102030405060708090a0b0c0d0e0f") }};
        const given = await subtle.encrypt(algorithm, key, bytes("{_PLAIN}"));
        return [hex(given), hex(await subtle.decrypt(algorithm, key, given))];"""
    )
    assert given[:128] == (
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461"
        "b2eb05e2c39be9fcda6c19078c6a9d1b"
    )
    assert len(given) == 160
    assert back == _PLAIN


def test_ctr_by_sp_800_38a(js: Run) -> None:
    """F.5.5 CTR-AES256."""
    given, back = js(
        f"""const key = await secret("AES-CTR", "{_KEY}", ["encrypt", "decrypt"]);
        const algorithm = {{ name: "AES-CTR", counter: bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), length: 128 }};
        const given = await subtle.encrypt(algorithm, key, bytes("{_PLAIN}"));
        return [hex(given), hex(await subtle.decrypt(algorithm, key, given))];"""
    )
    assert given == (
        "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c52b0930daa23de94ce87017ba2d84988d"
        "dfc9c58db67aada613c2dd08457941a6"
    )
    assert back == _PLAIN


def test_the_counter_of_ctr_wraps_within_its_bits(js: Run) -> None:
    given, *errors = js(
        """const key = await secret("AES-CTR", new Uint8Array(16), ["encrypt"]);
        const counter = new Uint8Array(16).fill(255);
        const encrypt = (length, size) => subtle.encrypt({ name: "AES-CTR", counter, length }, key, new Uint8Array(size));
        return [hex(await encrypt(4, 40)), await name(encrypt(1, 33)), await name(encrypt(0, 1)), await name(encrypt(129, 1)),
          await name(subtle.encrypt({ name: "AES-CTR", counter: counter.slice(1), length: 4 }, key, counter))];"""
    )
    encryptor = Cipher(algorithms.AES(bytes(16)), modes.ECB()).encryptor()
    blocks = b"".join(b"\xff" * 15 + bytes([last]) for last in (0xFF, 0xF0, 0xF1))
    assert given == encryptor.update(blocks)[:40].hex()
    assert errors == ["OperationError"] * 4


def test_gcm_by_its_specification(js: Run) -> None:
    """McGrew and Viega's test case 16, and 17 and 18, whose vectors have 8 and 60 bytes."""
    plain = (
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
        "b16aedf5aa0de657ba637b39"
    )
    vectors = [
        "cafebabefacedbaddecaf888",
        "cafebabefacedbad",
        "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728"
        "c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b",
    ]
    given = js(
        f"""const key = await secret("AES-GCM", "feffe9928665731c6d6a8f9467308308".repeat(2), ["encrypt", "decrypt"]);
        return Promise.all({json.dumps(vectors)}.map(async (iv) => {{
          const algorithm = {{ name: "AES-GCM", iv: bytes(iv), additionalData: bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2") }};
          const sealed = await subtle.encrypt(algorithm, key, bytes("{plain}"));
          return [hex(sealed).slice(-32), hex(await subtle.decrypt(algorithm, key, sealed)) === "{plain}"];
        }}));"""
    )
    assert given == [
        ["76fc6ece0f4e1768cddf8853bb2d551b", True],
        ["3a337dbf46a792c45e454913fe2ea8f2", True],
        ["a44a8266ee1c8eb0c8b5d4cf5ae9f19a", True],
    ]


@pytest.mark.parametrize("size", [1, 7, 129, 2000])
def test_gcm_with_vectors_of_any_length(js: Run, size: int) -> None:
    """What neither side of these tests' libraries takes is checked against the definition, by way of a short vector."""
    sealed, opened, wrong = js(
        f"""const key = await secret("AES-GCM", new Uint8Array(16).fill(9), ["encrypt", "decrypt"]);
        const algorithm = {{ name: "AES-GCM", iv: new Uint8Array({size}).fill(7), additionalData: new Uint8Array(3) }};
        const sealed = new Uint8Array(await subtle.encrypt(algorithm, key, new Uint8Array(50).fill(1)));
        const opened = await subtle.decrypt(algorithm, key, sealed);
        sealed[3] ^= 1;
        const wrong = await name(subtle.decrypt(algorithm, key, sealed));
        sealed[3] ^= 1;
        return [hex(sealed), hex(opened), wrong];"""
    )
    assert opened == "01" * 50
    assert wrong == "OperationError"
    assert sealed == _gcm(bytes([9] * 16), bytes([7] * size), b"\1" * 50, bytes(3)).hex()


def _gcm(key: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-GCM from SP 800-38D, slow and plain."""
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update
    subkey = int.from_bytes(block(bytes(16)), "big")

    def times_subkey(x: int) -> int:
        z, v = 0, subkey
        for i in range(128):
            if x >> (127 - i) & 1:
                z ^= v
            v = (v >> 1) ^ (0xE1 << 120) if v & 1 else v >> 1
        return z

    def ghash(data: bytes) -> bytes:
        y = 0
        for i in range(0, len(data), 16):
            y = times_subkey(y ^ int.from_bytes(data[i : i + 16], "big"))
        return y.to_bytes(16, "big")

    def padded(data: bytes) -> bytes:
        return data + bytes(-len(data) % 16)

    counter = ghash(padded(iv) + bytes(8) + (8 * len(iv)).to_bytes(8, "big"))
    output = b""
    for i in range(0, len(plaintext), 16):
        number = (int.from_bytes(counter[12:], "big") + 1 + i // 16) % 2**32
        stream = block(counter[:12] + number.to_bytes(4, "big"))
        output += bytes(a ^ b for a, b in zip(plaintext[i : i + 16], stream, strict=False))
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(output)).to_bytes(8, "big")
    tag = ghash(padded(aad) + padded(output) + lengths)
    return output + bytes(a ^ b for a, b in zip(tag, block(counter), strict=True))


@pytest.mark.parametrize("tag_length", [32, 64, 96, 104, 112, 120, 128])
def test_gcm_with_shorter_tags(js: Run, tag_length: int) -> None:
    sealed, opened, wrong = js(
        f"""const key = await secret("AES-GCM", new Uint8Array(32), ["encrypt", "decrypt"]);
        const algorithm = {{ name: "AES-GCM", iv: new Uint8Array(12), tagLength: {tag_length} }};
        const sealed = await subtle.encrypt(algorithm, key, new Uint8Array(70000));
        const opened = await subtle.decrypt(algorithm, key, sealed);
        const wrong = new Uint8Array(sealed.slice(0));
        wrong[wrong.length - 1] ^= 1;
        return [hex(sealed).slice(-40), opened.byteLength, await name(subtle.decrypt(algorithm, key, wrong))];"""
    )
    expected = AESGCM(bytes(32)).encrypt(bytes(12), bytes(70000), None)[: 70000 + tag_length // 8]
    assert (sealed, opened, wrong) == (expected[-20:].hex(), 70000, "OperationError")


def test_what_cannot_be_encrypted_or_decrypted(js: Run) -> None:
    assert js(
        """const gcm = await secret("AES-GCM", new Uint8Array(16), ["encrypt", "decrypt"]);
        const cbc = await secret("AES-CBC", new Uint8Array(16), ["encrypt", "decrypt"]);
        const only = await secret("AES-CBC", new Uint8Array(16), ["encrypt"]);
        const iv = new Uint8Array(16);
        return Promise.all([
          subtle.encrypt({ name: "AES-GCM", iv, tagLength: 100 }, gcm, iv),
          subtle.encrypt({ name: "AES-GCM", iv, tagLength: 0 }, gcm, iv),
          subtle.decrypt({ name: "AES-GCM", iv }, gcm, new Uint8Array(15)),
          subtle.decrypt({ name: "AES-CBC", iv }, cbc, new Uint8Array(15)),
          subtle.decrypt({ name: "AES-CBC", iv }, cbc, new Uint8Array(0)),
          subtle.decrypt({ name: "AES-CBC", iv }, cbc, new Uint8Array(16)),
          subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(12) }, cbc, iv),
          subtle.encrypt({ name: "AES-CBC", iv }, gcm, iv),
          subtle.decrypt({ name: "AES-CBC", iv }, only, iv),
          subtle.exportKey("raw", cbc),
          subtle.encrypt({ name: "AES-GCM", iv, tagLength: 256 }, gcm, iv),
        ].map(name));"""
    ) == ["OperationError"] * 7 + ["InvalidAccessError"] * 3 + ["TypeError"]


@pytest.mark.parametrize("length", [128, 192, 256])
def test_aes_keys_are_made_exported_and_imported(js: Run, length: int) -> None:
    assert js(
        f"""const key = await subtle.generateKey({{ name: "AES-GCM", length: {length} }}, true, ["encrypt", "wrapKey"]);
        const jwk = await subtle.exportKey("jwk", key);
        const again = await subtle.importKey("jwk", jwk, "AES-GCM", true, ["encrypt"]);
        return [key.algorithm, jwk.kty, jwk.alg, jwk.ext, jwk.key_ops, Object.keys(jwk).sort(),
          hex(await subtle.exportKey("raw", key)) === hex(await subtle.exportKey("raw", again)),
          hex(await subtle.exportKey("raw", key)).length];"""
    ) == [
        {"name": "AES-GCM", "length": length},
        "oct",
        f"A{length}GCM",
        True,
        ["encrypt", "wrapKey"],
        ["alg", "ext", "k", "key_ops", "kty"],
        True,
        length // 4,
    ]


def test_secret_keys_that_are_refused(js: Run) -> None:
    assert js(
        """const k = "AAAAAAAAAAAAAAAAAAAAAA";
        const jwk = (changes, usages = ["encrypt"], extractable = true) =>
          name(subtle.importKey("jwk", { kty: "oct", k, ...changes }, "AES-GCM", extractable, usages));
        return Promise.all([
          jwk({}), jwk({ alg: "A128GCM", use: "enc", key_ops: ["encrypt", "sing"], ext: true }),
          jwk({ alg: "A256GCM" }), jwk({ alg: "A128CBC" }), jwk({ use: "sig" }), jwk({ kty: "RSA" }), jwk({ k: undefined }),
          jwk({ k: "A*" }), jwk({ k: "AAAA" }), jwk({ key_ops: ["decrypt"] }), jwk({ key_ops: ["encrypt", "encrypt"] }),
          jwk({ ext: false }), jwk({ ext: false }, ["encrypt"], false), jwk({}, []), jwk({}, ["sign"]),
          name(secret("AES-GCM", new Uint8Array(17), ["encrypt"])),
          name(secret("AES-KW", new Uint8Array(16), ["encrypt"])),
          name(subtle.importKey("spki", new Uint8Array(16), "AES-GCM", true, ["encrypt"])),
          name(secret("HKDF", new Uint8Array(16), ["deriveBits"], true)),
          name(subtle.importKey("jwk", { kty: "oct", k }, "PBKDF2", false, ["deriveBits"])),
        ]).then((names) => names.map((name) => name.replace(/^no error.*/, "")));"""
    ) == [
        "", "", *["DataError"] * 10, "", "SyntaxError", "SyntaxError", "DataError", "SyntaxError", "NotSupportedError",
        "SyntaxError", "NotSupportedError",
    ]  # fmt: skip


def test_key_wrap_by_rfc_3394(js: Run) -> None:
    """Section 4.6, 256 bits of key with a 256-bit KEK."""
    wrapped, unwrapped, *errors = js(
        """const kek = await secret("AES-KW", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", ["wrapKey", "unwrapKey"]);
        const key = await secret("AES-CBC", "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f", ["encrypt"], true);
        const wrapped = await subtle.wrapKey("raw", key, kek, "AES-KW");
        const unwrap = (data) => subtle.unwrapKey("raw", data, kek, "AES-KW", "AES-CBC", true, ["decrypt"]);
        const unwrapped = await unwrap(wrapped);
        const odd = await secret({ name: "HMAC", hash: "SHA-1" }, new Uint8Array(9), ["sign"], true);
        const kept = await secret("AES-CBC", new Uint8Array(16), ["encrypt"]);
        return [hex(wrapped), hex(await subtle.exportKey("raw", unwrapped)), await name(unwrap(new Uint8Array(40))),
          await name(unwrap(new Uint8Array(7))), await name(subtle.wrapKey("raw", odd, kek, "AES-KW")),
          await name(subtle.wrapKey("raw", kept, kek, "AES-KW")), await name(subtle.wrapKey("raw", key, key, "AES-KW")),
          await name(subtle.wrapKey("raw", key, kek, "SHA-1"))];"""
    )
    assert wrapped == "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    assert unwrapped == "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f"
    assert errors == ["OperationError"] * 3 + ["InvalidAccessError"] * 2 + ["NotSupportedError"]


def test_a_jwk_wrapped_by_blocks_of_64_bits(js: Run) -> None:
    """A JSON text may be padded, and key wrap takes nothing else."""
    wrong, *bytes_of_blocks = js(
        """const kek = await secret("AES-KW", new Uint8Array(16), ["wrapKey", "unwrapKey"]);
        const wrong = [], lengths = [];
        for (let size = 1; size <= 24; size++) {
          const algorithm = { name: "HMAC", hash: "SHA-256" };
          const key = await secret(algorithm, new Uint8Array(size).fill(size), ["sign"], true);
          const wrapped = await subtle.wrapKey("jwk", key, kek, "AES-KW");
          const again = await subtle.unwrapKey("jwk", wrapped, kek, "AES-KW", algorithm, true, ["sign"]);
          const text = JSON.stringify(await subtle.exportKey("jwk", key));
          if (JSON.stringify(await subtle.exportKey("jwk", again)) !== text) wrong.push(size);
          lengths.push(wrapped.byteLength - 8 - text.length);
        }
        const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
        const wrapped = await subtle.wrapKey("jwk", pair.privateKey, kek, "AES-KW");
        await subtle.unwrapKey("jwk", wrapped, kek, "AES-KW", { name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
        return [wrong, ...lengths];"""
    )
    assert wrong == []
    assert set(bytes_of_blocks) <= set(range(8))
    assert len(set(bytes_of_blocks)) > 3


def test_gcm_has_no_empty_vector(js: Run) -> None:
    assert js(
        """const key = await secret("AES-GCM", new Uint8Array(16), ["encrypt", "decrypt"]);
        const algorithm = { name: "AES-GCM", iv: new Uint8Array(0) };
        const one = await subtle.encrypt({ name: "AES-GCM", iv: new Uint8Array(1) }, key, new Uint8Array(3));
        return [one.byteLength, await name(subtle.encrypt(algorithm, key, new Uint8Array(3))),
          await name(subtle.decrypt(algorithm, key, new Uint8Array(19)))];"""
    ) == [19, "OperationError", "OperationError"]


def test_a_jwk_wrapped_with_a_cipher(js: Run) -> None:
    assert js(
        """const kek = await secret("AES-GCM", new Uint8Array(16), ["wrapKey", "unwrapKey", "encrypt", "decrypt"]);
        const algorithm = { name: "AES-GCM", iv: new Uint8Array(12) };
        const key = await secret({ name: "HMAC", hash: "SHA-256" }, "0102", ["sign", "verify"], true);
        const wrapped = await subtle.wrapKey("jwk", key, kek, algorithm);
        const text = new TextDecoder().decode(await subtle.decrypt(algorithm, kek, wrapped));
        const unwrap = async (data) => subtle.unwrapKey("jwk", data, kek, algorithm, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
        const encrypt = (text) => subtle.encrypt(algorithm, kek, new TextEncoder().encode(text));
        return [JSON.stringify(await subtle.exportKey("jwk", key)) === text, (await unwrap(wrapped)).usages,
          await name(unwrap(await encrypt("{"))), await name(unwrap(await encrypt("5"))), await name(unwrap(await encrypt("{}")))];"""
    ) == [True, ["sign"], "DataError", "DataError", "DataError"]


# -- derivation -------------------------------------------------------------------------------------------------------


def test_hkdf_by_rfc_5869(js: Run) -> None:
    """Test cases 1 and 3."""
    assert js(
        """const key = await secret("HKDF", "0b".repeat(22), ["deriveBits"]);
        const derive = async (salt, info) =>
          hex(await subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: bytes(salt), info: bytes(info) }, key, 336));
        return [await derive("000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9"), await derive("", "")];"""
    ) == [
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ]


@pytest.mark.parametrize("name", _HASHES)
def test_pbkdf2(js: Run, name: str) -> None:
    given = js(
        f"""const key = await secret("PBKDF2", new TextEncoder().encode("password"), ["deriveBits"]);
        return Promise.all([1, 100, 3000].map(async (iterations) => hex(await subtle.deriveBits(
          {{ name: "PBKDF2", hash: "{name}", salt: new TextEncoder().encode("salt"), iterations }}, key, 640))));"""
    )
    expected = [hashlib.pbkdf2_hmac(_HASHES[name], b"password", b"salt", count, 80).hex() for count in (1, 100, 3000)]
    assert given == expected


def test_pbkdf2_by_rfc_6070(js: Run) -> None:
    assert (
        js(
            """const key = await secret("PBKDF2", new TextEncoder().encode("passwordPASSWORDpassword"), ["deriveBits"]);
        const salt = new TextEncoder().encode("saltSALTsaltSALTsaltSALTsaltSALTsalt");
        return hex(await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-1", salt, iterations: 4096 }, key, 200));"""
        )
        == "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"
    )


def test_lengths_that_cannot_be_derived(js: Run) -> None:
    assert (
        js(
            """const empty = new Uint8Array();
        const hkdf = await secret("HKDF", new Uint8Array(4), ["deriveBits"]);
        const pbkdf2 = await secret("PBKDF2", new Uint8Array(4), ["deriveBits"]);
        const h = (length) => name(subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: empty, info: empty }, hkdf, length));
        const p = (length, iterations = 1) =>
          name(subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: empty, iterations }, pbkdf2, length));
        return Promise.all([h(null), h(), h(9), h(255 * 256 + 8), p(null), p(), p(0), p(7), p(8, 0)]);"""
        )
        == ["OperationError"] * 9
    )


def test_keys_are_derived(js: Run) -> None:
    assert js(
        """const base = await secret("PBKDF2", new TextEncoder().encode("password"), ["deriveKey"]);
        const algorithm = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 1000 };
        const derive = (type, usages) => subtle.deriveKey(algorithm, base, type, true, usages);
        const aes = await derive({ name: "AES-GCM", length: 256 }, ["encrypt"]);
        const hmac = await derive({ name: "HMAC", hash: "SHA-512" }, ["sign"]);
        return [aes.algorithm, aes.usages, hmac.algorithm,
          hex(await subtle.exportKey("raw", hmac)).startsWith(hex(await subtle.exportKey("raw", aes))),
          await name(derive({ name: "AES-GCM", length: 100 }, ["encrypt"])), await name(derive("HKDF", ["deriveBits"])),
          await name(derive({ name: "AES-GCM", length: 256 }, [])), await name(derive({ name: "AES-GCM" }, ["encrypt"])),
          await name(derive({ name: "HMAC", hash: "SHA-1", length: 0 }, ["sign"])),
          await name(subtle.deriveBits(algorithm, base, 256))];"""
    ) == [
        {"name": "AES-GCM", "length": 256},
        ["encrypt"],
        {"name": "HMAC", "hash": {"name": "SHA-512"}, "length": 1024},
        True,
        "OperationError",
        "OperationError",
        "SyntaxError",
        "TypeError",
        "TypeError",
        "InvalidAccessError",
    ]
