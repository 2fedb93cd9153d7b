"""crypto.subtle as an interface: what its methods take and refuse, and how keys describe themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]

_PRELUDE = """
const { subtle } = crypto;
const name = (promise) => promise.then((value) => `no error: ${value}`, (error) => error.name);
const secret = (algorithm, key, usages) => subtle.importKey("raw", key, algorithm, false, usages);
"""


@pytest.fixture
def js(run_js: Run) -> Run:
    return lambda source: run_js(_PRELUDE + source)


def test_the_interface(js: Run) -> None:
    assert js(
        """const names = Object.keys(SubtleCrypto.prototype);
        return [names, names.map((name) => SubtleCrypto.prototype[name].length), String(subtle),
          subtle instanceof SubtleCrypto, crypto.subtle === subtle,
          Object.keys(CryptoKey.prototype), [SubtleCrypto, CryptoKey].map((type) => {
            try { new type(); } catch (error) { return String(error); }
          })];"""
    ) == [
        [
            "encrypt", "decrypt", "sign", "verify", "digest", "generateKey", "deriveKey", "deriveBits", "importKey",
            "exportKey", "wrapKey", "unwrapKey", "timingSafeEqual",
        ],
        [3, 3, 3, 4, 2, 3, 5, 3, 5, 2, 4, 7, 2],
        "[object SubtleCrypto]",
        True,
        True,
        ["type", "extractable", "algorithm", "usages"],
        ["TypeError: Illegal constructor", "TypeError: Illegal constructor"],
    ]  # fmt: skip


def test_methods_reject_and_never_throw(js: Run) -> None:
    assert (
        js(
            """const key = await secret("AES-CBC", new Uint8Array(16), ["encrypt"]);
        return Promise.all([
          subtle.digest(), subtle.digest("SHA-256"), subtle.digest("SHA-256", "text"), subtle.digest({}, key),
          subtle.digest("SHA-256", new Uint8Array(new SharedArrayBuffer(4))),
          SubtleCrypto.prototype.digest.call({}, "SHA-256", new Uint8Array()),
          subtle.digest(Symbol(), new Uint8Array()),
          subtle.encrypt("AES-CBC", key, new Uint8Array()), subtle.encrypt({ name: "AES-CBC", iv: 5 }, key, new Uint8Array()),
          subtle.encrypt({ name: "AES-CBC", iv: new Uint8Array(16) }, {}, new Uint8Array()),
          subtle.importKey("der", new Uint8Array(16), "AES-CBC", false, []),
          subtle.importKey("raw", new Uint8Array(16), "AES-CBC", false, ["dance"]),
          subtle.importKey("raw", { kty: "oct" }, "AES-CBC", false, ["encrypt"]),
          subtle.importKey("jwk", new Uint8Array(16), "AES-CBC", false, ["encrypt"]),
          subtle.generateKey({ name: "AES-CBC", length: -1 }, false, ["encrypt"]),
          subtle.generateKey({ name: "AES-CBC", length: 2 ** 16 }, false, ["encrypt"]),
          subtle.generateKey({ name: "HMAC" }, false, ["sign"]),
        ].map(name));"""
        )
        == ["TypeError"] * 17
    )


def test_algorithms_that_are_not_there(js: Run) -> None:
    assert (
        js(
            """return Promise.all([
          subtle.digest("MD4", new Uint8Array()), subtle.digest("AES-CBC", new Uint8Array()),
          subtle.digest("\\u017fHA-1", new Uint8Array()),
          subtle.generateKey("SHA-256", false, []), subtle.generateKey({ name: "HMAC", hash: "MD5" }, false, ["sign"]),
          subtle.importKey("raw", new Uint8Array(1), { name: "HMAC", hash: "HMAC" }, false, ["sign"]),
          subtle.generateKey("PBKDF2", false, ["deriveBits"]), subtle.importKey("raw", new Uint8Array(1),
            { name: "HMAC", hash: "MD5" }, false, ["sign"]), subtle.generateKey({ name: "RSA-PSS", hash: "MD5",
            modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }, false, ["sign"]),
        ].map(name));"""
        )
        == ["NotSupportedError"] * 9
    )


def test_the_order_in_which_an_algorithm_is_read(js: Run) -> None:
    """Web Cryptography 18.4.4: the name, then the dictionary in the order of its members, then the hash."""
    assert (
        js(
            """const log = [];
        const spy = (values, path = "") => new Proxy(values, {
          get(target, key) { log.push(path + key); const value = target[key];
            return typeof value === "object" && !ArrayBuffer.isView(value) ? spy(value, path + key + ".") : value; },
        });
        await subtle.generateKey(spy({ name: "HMAC", length: 64, hash: { name: "SHA-1" } }), true, ["sign"]);
        const key = await secret("AES-GCM", new Uint8Array(16), ["encrypt"]);
        log.push("|");
        await subtle.encrypt(spy({ name: "AES-GCM", iv: new Uint8Array(12), tagLength: 96 }), key, new Uint8Array());
        return log.join(" ");"""
        )
        == "name name hash length hash.name | name name additionalData iv tagLength"
    )


def test_a_key_describes_itself_with_objects_of_its_own(js: Run) -> None:
    assert js(
        """const key = await subtle.generateKey({ name: "hmac", hash: "sha-384" }, true, ["verify", "sign", "sign"]);
        const seen = [key.type, key.extractable, structuredClone(key.algorithm), [...key.usages], key.algorithm === key.algorithm,
          key.usages === key.usages];
        // What a script does to them changes nothing.
        key.algorithm.name = "AES-CBC"; key.algorithm.hash.name = "SHA-1"; key.usages.length = 0;
        const signature = await subtle.sign("HMAC", key, new Uint8Array(1));
        const copy = structuredClone(key);
        return [...seen, signature.byteLength, copy !== key, copy.algorithm, copy.usages,
          await subtle.verify("HMAC", copy, signature, new Uint8Array(1)), String(key)];"""
    ) == [
        "secret",
        True,
        {"name": "HMAC", "hash": {"name": "SHA-384"}, "length": 1024},
        ["sign", "verify"],
        True,
        True,
        48,
        True,
        {"name": "HMAC", "hash": {"name": "SHA-384"}, "length": 1024},
        ["sign", "verify"],
        True,
        "[object CryptoKey]",
    ]


def test_timing_safe_equal(js: Run) -> None:
    assert js(
        """const { timingSafeEqual } = SubtleCrypto.prototype;
        const a = new Uint8Array([0, 1, 2, 3]);
        const thrown = (body) => { try { return body(); } catch (error) { return error.name; } };
        return [subtle.timingSafeEqual(a, a.buffer.slice(0)), subtle.timingSafeEqual(a.subarray(1, 3), new DataView(a.buffer, 2)),
          thrown(() => subtle.timingSafeEqual(a, a.subarray(1))), thrown(() => subtle.timingSafeEqual(a, "text")),
          thrown(() => subtle.timingSafeEqual(a)), thrown(() => timingSafeEqual(a, a))];"""
    ) == [True, False, "TypeError", "TypeError", "TypeError", "TypeError"]


def test_keys_that_may_not_serve_what_is_asked_of_them_are_dom_exceptions(js: Run) -> None:
    """Web Cryptography's SyntaxError has a code and is no error of the language's parser."""
    given = js(
        """const refused = (promise) => promise.then(
             () => "none",
             (e) => [e instanceof DOMException, e instanceof SyntaxError, e.name, e.code],
           );
           const base = await subtle.importKey("raw", new Uint8Array(16), "HKDF", false, ["deriveKey"]);
           const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: new Uint8Array() };
           return Promise.all([
             refused(subtle.generateKey({ name: "AES-KW", length: 128 }, true, ["deriveBits"])),
             refused(subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, [])),
             refused(subtle.importKey("raw", new Uint8Array(16), "AES-CBC", true, ["sign"])),
             refused(subtle.importKey("raw", new Uint8Array(16), "PBKDF2", true, ["deriveBits"])),
             refused(subtle.deriveKey(hkdf, base, { name: "AES-GCM", length: 128 }, true, ["verify"])),
           ]);"""
    )
    assert given == [[True, False, "SyntaxError", 12]] * 5
