"""crypto.subtle with key pairs: RSA, the NIST curves, Ed25519, Ed448, X25519 and X448."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

Run = Callable[[str], Any]

_PRELUDE = """
const { subtle } = crypto;
const bytes = (hex) => Uint8Array.fromHex(hex);
const hex = (buffer) => new Uint8Array(buffer).toHex();
const text = (string) => new TextEncoder().encode(string);
const name = (promise) => promise.then((value) => `no error: ${value}`, (error) => error.name);
"""
_HASHES = {"SHA-1": hashes.SHA1(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(), "SHA-512": hashes.SHA512()}
_CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


@pytest.fixture
def js(run_js: Run) -> Run:
    return lambda source: run_js(_PRELUDE + source)


@cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _pkcs8(key: Any) -> str:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()


def _spki(key: Any) -> str:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def _url(number: int, size: int | None = None) -> str:
    data = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# -- RSA --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _HASHES)
@pytest.mark.parametrize("scheme", ["RSASSA-PKCS1-v1_5", "RSA-PSS"])
def test_rsa_signatures_are_those_of_others(js: Run, scheme: str, name: str) -> None:
    key, digest = _rsa(), _HASHES[name]
    way = padding.PKCS1v15() if scheme != "RSA-PSS" else padding.PSS(padding.MGF1(digest), 16)
    theirs = key.sign(b"message", way, digest)
    ours, *checks = js(
        f"""const algorithm = {{ name: "{scheme}", hash: "{name}", saltLength: 16 }};
        const privateKey = await subtle.importKey("pkcs8", bytes("{_pkcs8(key)}"), algorithm, false, ["sign"]);
        const publicKey = await subtle.importKey("spki", bytes("{_spki(key.public_key())}"), algorithm, true, ["verify"]);
        const verify = (signature, message) => subtle.verify(algorithm, publicKey, signature, text(message));
        const ours = new Uint8Array(await subtle.sign(algorithm, privateKey, text("message")));
        const checks = [await verify(bytes("{theirs.hex()}"), "message"), await verify(ours, "message"), await verify(ours, "massage"),
          await verify(ours.slice(1), "message"), await verify(new Uint8Array(), "message")];
        return [hex(ours), ...checks, publicKey.algorithm.modulusLength, hex(publicKey.algorithm.publicExponent)];"""
    )
    assert checks == [True, True, False, False, False, 2048, "010001"]
    key.public_key().verify(bytes.fromhex(ours), b"message", way, digest)


@pytest.mark.parametrize("scheme", ["RSASSA-PKCS1-v1_5", "RSA-PSS"])
def test_a_signature_without_the_zero_that_it_begins_with_is_none(js: Run, scheme: str) -> None:
    """It is the same number (RFC 8017 sections 8.1.2 and 8.2.2, step 1)."""
    key, digest = _rsa(), _HASHES["SHA-256"]
    way = padding.PKCS1v15() if scheme != "RSA-PSS" else padding.PSS(padding.MGF1(digest), 16)
    tries = ((message, key.sign(str(message).encode(), way, digest)) for message in itertools.count())
    message, signature = next((message, signature) for message, signature in tries if signature[0] == 0)
    checks = js(
        f"""const algorithm = {{ name: "{scheme}", hash: "SHA-256", saltLength: 16 }};
        const publicKey = await subtle.importKey("spki", bytes("{_spki(key.public_key())}"), algorithm, true, ["verify"]);
        const verify = (signature) => subtle.verify(algorithm, publicKey, signature, text("{message}"));
        return [await verify(bytes("{signature.hex()}")), await verify(bytes("{signature[1:].hex()}"))];"""
    )
    assert checks == [True, False]


@pytest.mark.parametrize("name", _HASHES)
def test_oaep_is_that_of_others(js: Run, name: str) -> None:
    key, digest = _rsa(), _HASHES[name]
    way = padding.OAEP(padding.MGF1(digest), digest, b"label")
    theirs = key.public_key().encrypt(b"secret", way)
    ours, opened, *errors = js(
        f"""const algorithm = {{ name: "RSA-OAEP", hash: "{name}", label: text("label") }};
        const privateKey = await subtle.importKey("pkcs8", bytes("{_pkcs8(key)}"), algorithm, false, ["decrypt"]);
        const publicKey = await subtle.importKey("spki", bytes("{_spki(key.public_key())}"), algorithm, true, ["encrypt"]);
        return [hex(await subtle.encrypt(algorithm, publicKey, text("secret"))),
          new TextDecoder().decode(await subtle.decrypt(algorithm, privateKey, bytes("{theirs.hex()}"))),
          await name(subtle.decrypt({{ name: "RSA-OAEP" }}, privateKey, bytes("{theirs.hex()}"))),
          await name(subtle.decrypt(algorithm, privateKey, new Uint8Array(3))),
          await name(subtle.encrypt(algorithm, publicKey, new Uint8Array(250)))];"""
    )
    assert key.decrypt(bytes.fromhex(ours), way) == b"secret"
    assert opened == "secret"
    assert errors == ["OperationError"] * 3


def test_rsa_keys_are_made(js: Run) -> None:
    pair, jwk, *rest = js(
        """const algorithm = { name: "RSA-PSS", modulusLength: 1024, publicExponent: new Uint8Array([0, 1, 0, 1]), hash: "SHA-256" };
        const { publicKey, privateKey } = await subtle.generateKey(algorithm, false, ["sign", "verify"]);
        const other = await subtle.generateKey({ ...algorithm, publicExponent: new Uint8Array([17]) }, true, ["sign"]);
        const describe = ({ type, extractable, usages }) => [type, extractable, usages];
        return [[describe(publicKey), describe(privateKey), { ...publicKey.algorithm, publicExponent: hex(publicKey.algorithm.publicExponent) }],
          await subtle.exportKey("jwk", other.privateKey), hex(await subtle.exportKey("pkcs8", other.privateKey)),
          hex(await subtle.exportKey("spki", other.publicKey)), await name(subtle.exportKey("pkcs8", privateKey))];"""
    )
    algorithm = {"name": "RSA-PSS", "modulusLength": 1024, "publicExponent": "010001", "hash": {"name": "SHA-256"}}
    assert pair == [["public", True, ["verify"]], ["private", False, ["sign"]], algorithm]
    pkcs8, spki, refused = rest
    key = serialization.load_der_private_key(bytes.fromhex(pkcs8), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert (key.key_size, key.public_key().public_numbers().e) == (1024, 17)
    assert _spki(key.public_key()) == spki
    numbers = key.private_numbers()
    assert (jwk["n"], jwk["e"], jwk["d"]) == (_url(numbers.public_numbers.n), "EQ", _url(numbers.d))
    assert (jwk["kty"], jwk["alg"], jwk["key_ops"]) == ("RSA", "PS256", ["sign"])
    assert refused == "InvalidAccessError"


def test_rsa_keys_that_cannot_be_made(js: Run) -> None:
    assert (
        js(
            """const make = (changes, usages = ["sign"]) => name(subtle.generateKey(
          { name: "RSA-PSS", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256", ...changes }, true, usages));
        return Promise.all([make({ publicExponent: new Uint8Array([2]) }), make({ publicExponent: new Uint8Array([1]) }),
          make({ publicExponent: new Uint8Array() }), make({ modulusLength: 512 }), make({ modulusLength: 1e6 }),
          make({ publicExponent: 3 }), make({ publicExponent: new Uint16Array([3]) }), make({ hash: "AES-CBC" }), make({}, []),
          make({}, ["verify"]), make({}, ["encrypt"])]);"""
        )
        == ["OperationError"] * 5 + ["TypeError"] * 2 + ["NotSupportedError"] + ["SyntaxError"] * 3
    )


def test_rsa_json_web_keys(js: Run) -> None:
    numbers = _rsa().private_numbers()
    n, e = _url(numbers.public_numbers.n), _url(numbers.public_numbers.e)
    private = {
        "d": _url(numbers.d), "p": _url(numbers.p), "q": _url(numbers.q),
        "dp": _url(numbers.dmp1), "dq": _url(numbers.dmq1), "qi": _url(numbers.iqmp),
    }  # fmt: skip
    assert js(
        f"""const whole = {json.dumps({"kty": "RSA", "n": n, "e": e, **private})};
        const algorithm = {{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }};
        const load = (jwk, usages = ["sign"]) => subtle.importKey("jwk", jwk, algorithm, true, usages);
        const {{ n, e, d, p, dp }} = whole;
        const again = await subtle.exportKey("jwk", await load(whole));
        const same = Object.keys(whole).every((key) => again[key] === whole[key]);
        // Of a key that names only d, the primes are found.
        const short = await subtle.exportKey("jwk", await load({{ kty: "RSA", n, e, d }}));
        const bad = (changes, usages) => name(load({{ ...whole, ...changes }}, usages));
        return [same, [short.p, short.q].includes(whole.p), (await load({{ kty: "RSA", n, e }}, ["verify"])).type,
          await bad({{ alg: "RS512" }}), await bad({{ use: "enc" }}), await bad({{ kty: "EC" }}), await bad({{ n: undefined }}),
          await bad({{ n: "*" }}), await bad({{ p: undefined }}), await bad({{ p: dp }}), await bad({{ d: e }}),
          await bad({{ n: n.repeat(100) }}), await bad({{ oth: [] }}), await bad({{}}, ["verify"]), await bad({{}}, [])];"""
    ) == [True, True, "public"] + ["DataError"] * 9 + ["NotSupportedError", "SyntaxError", "SyntaxError"]


def test_only_rsa_keys_in_the_two_formats_are_rsa_keys(js: Run) -> None:
    key = _rsa()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    other = dsa.generate_private_key(1024)
    spki = [
        key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1).hex(),
        _spki(elliptic.public_key()), _spki(other.public_key()), _spki(key.public_key()) + "00", _spki(key.public_key())[:-2],
        "", "3080", "30820000", _pkcs8(key),
    ]  # fmt: skip
    pkcs8 = [
        key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()).hex(),
        _pkcs8(elliptic), _pkcs8(other), _pkcs8(key) + "00", _pkcs8(key)[:-2], _spki(key.public_key()),
    ]  # fmt: skip
    wrong = js(
        f"""const algorithm = {{ name: "RSA-OAEP", hash: "SHA-1" }};
        const load = (format, usage) => (data) => name(subtle.importKey(format, bytes(data), algorithm, true, [usage]));
        return Promise.all([...{json.dumps(spki)}.map(load("spki", "encrypt")), ...{json.dumps(pkcs8)}.map(load("pkcs8", "decrypt")),
          load("raw", "encrypt")("00")]);"""
    )
    assert wrong == ["DataError"] * (len(spki) + len(pkcs8)) + ["NotSupportedError"]


# -- the NIST curves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", _CURVES)
@pytest.mark.parametrize("name", _HASHES)
def test_ecdsa_is_that_of_others(js: Run, curve: str, name: str) -> None:
    key = ec.generate_private_key(_CURVES[curve])
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(b"message", ec.ECDSA(_HASHES[name])))
    theirs = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    ours, *checks = js(
        f"""const algorithm = {{ name: "ECDSA", namedCurve: "{curve}", hash: "{name}" }};
        const privateKey = await subtle.importKey("pkcs8", bytes("{_pkcs8(key)}"), algorithm, true, ["sign"]);
        const publicKey = await subtle.importKey("spki", bytes("{_spki(key.public_key())}"), algorithm, true, ["verify"]);
        const verify = (signature, message) => subtle.verify(algorithm, publicKey, signature, text(message));
        const ours = new Uint8Array(await subtle.sign(algorithm, privateKey, text("message")));
        return [hex(ours), await verify(bytes("{theirs.hex()}"), "message"), await verify(ours, "message"),
          await verify(ours, "massage"), await verify(ours.slice(1), "message"), await verify(new Uint8Array(ours.length), "message"),
          publicKey.algorithm, hex(await subtle.exportKey("pkcs8", privateKey)) === "{_pkcs8(key)}"];"""
    )
    assert checks == [True, True, False, False, False, {"name": "ECDSA", "namedCurve": curve}, True]
    signature = bytes.fromhex(ours)
    assert len(signature) == 2 * size
    r, s = (int.from_bytes(part, "big") for part in (signature[:size], signature[size:]))
    key.public_key().verify(encode_dss_signature(r, s), b"message", ec.ECDSA(_HASHES[name]))


@pytest.mark.parametrize("curve", _CURVES)
def test_ecdh_is_that_of_others(js: Run, curve: str) -> None:
    key, peer = (ec.generate_private_key(_CURVES[curve]) for _ in range(2))
    point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex()
    compressed = peer.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()
    whole, short, nine, raw, *errors = js(
        f"""const algorithm = {{ name: "ECDH", namedCurve: "{curve}" }};
        const privateKey = await subtle.importKey("pkcs8", bytes("{_pkcs8(key)}"), algorithm, true, ["deriveBits"]);
        const peer = await subtle.importKey("raw", bytes("{point}"), algorithm, true, []);
        const again = await subtle.importKey("raw", bytes("{compressed}"), algorithm, true, []);
        const derive = (length, key = peer) => subtle.deriveBits({{ name: "ECDH", public: key }}, privateKey, length);
        return [hex(await derive(null)), hex(await derive(128)), hex(await derive(9)), hex(await subtle.exportKey("raw", again)),
          await name(derive(600)), await name(derive(8, privateKey)),
          await name(subtle.deriveBits({{ name: "ECDH", public: peer }}, peer, 8)), await name(derive(8, {{}}))];"""
    )
    secret = key.exchange(ec.ECDH(), peer.public_key())
    assert whole == secret.hex()
    assert short == secret[:16].hex()
    assert nine == bytes([secret[0], secret[1] & 0x80]).hex()
    assert raw == point
    assert errors == ["OperationError", "InvalidAccessError", "InvalidAccessError", "TypeError"]


def test_keys_of_two_curves_do_not_agree(js: Run) -> None:
    assert (
        js(
            """const make = (algorithm) => subtle.generateKey(algorithm, true, ["deriveBits"]);
        const a = await make({ name: "ECDH", namedCurve: "P-256" });
        const b = await make({ name: "ECDH", namedCurve: "P-384" });
        const c = await make("X25519");
        const derive = (key, peer) => name(subtle.deriveBits({ name: key.algorithm.name, public: peer }, key, 8));
        return Promise.all([derive(a.privateKey, b.publicKey), derive(a.privateKey, c.publicKey), derive(c.privateKey, a.publicKey)]);"""
        )
        == ["InvalidAccessError"] * 3
    )


@pytest.mark.parametrize("curve", _CURVES)
def test_elliptic_json_web_keys(js: Run, curve: str) -> None:
    size = (_CURVES[curve].key_size + 7) // 8
    key = ec.derive_private_key(77, _CURVES[curve])
    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": curve, "x": _url(point.x, size), "y": _url(point.y, size), "d": _url(77, size)}
    other = next(name for name in _CURVES if name != curve)
    assert js(
        f"""const whole = {json.dumps(jwk)};
        const load = (jwk, usages = ["sign"], namedCurve = "{curve}") =>
          subtle.importKey("jwk", jwk, {{ name: "ECDSA", namedCurve }}, true, usages);
        const again = await subtle.exportKey("jwk", await load(whole));
        const bad = (changes, ...rest) => name(load({{ ...whole, ...changes }}, ...rest));
        const {{ kty, crv, x, y, d }} = whole;
        return [Object.keys(whole).every((key) => again[key] === whole[key]), again.alg === undefined,
          (await load({{ kty, crv, x, y }}, ["verify"])).type, await bad({{ crv: "{other}" }}), await bad({{}}, ["sign"], "{other}"),
          await bad({{ x: y }}), await bad({{ x: undefined }}), await bad({{ y: undefined }}), await bad({{ d: x }}), await bad({{ d: d.slice(4) }}),
          await bad({{ x: x + "AAAA" }}), await bad({{ alg: "ES1" }}), await bad({{ use: "enc" }}), await bad({{ d: "A".repeat(d.length) }}),
          await bad({{}}, ["verify"]), await bad({{}}, []), await bad({{}}, ["sign"], "P-1")];"""
    ) == [True, True, "public"] + ["DataError"] * 11 + ["SyntaxError", "SyntaxError", "NotSupportedError"]


def test_points_that_are_on_no_curve(js: Run) -> None:
    point = (
        ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )
    wrong = [point[:-1] + bytes([point[-1] ^ 1]), point[:-1], b"", b"\0", b"\4" + bytes(64), point + b"\0"]
    assert js(
        f"""return Promise.all({json.dumps([each.hex() for each in wrong])}.map((data) =>
          name(subtle.importKey("raw", bytes(data), {{ name: "ECDH", namedCurve: "P-256" }}, true, []))));"""
    ) == ["DataError"] * len(wrong)


# -- Ed25519, Ed448, X25519, X448 -------------------------------------------------------------------------------------


def test_ed25519_by_rfc_8032(js: Run) -> None:
    """Section 7.1, test 3."""
    assert js(
        """const jwk = { kty: "OKP", crv: "Ed25519", d: bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7").toBase64({ alphabet: "base64url", omitPadding: true }),
          x: bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025").toBase64({ alphabet: "base64url", omitPadding: true }) };
        const key = await subtle.importKey("jwk", jwk, "Ed25519", true, ["sign"]);
        const publicKey = await subtle.importKey("raw", bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"), "Ed25519", true, ["verify"]);
        const signature = await subtle.sign("Ed25519", key, bytes("af82"));
        return [hex(signature), await subtle.verify("Ed25519", publicKey, signature, bytes("af82")),
          await subtle.verify("Ed25519", publicKey, signature, bytes("af83")), await subtle.verify("Ed25519", publicKey, new Uint8Array(3), bytes("af82"))];"""
    ) == [
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        True,
        False,
        False,
    ]


def test_x25519_and_x448_by_rfc_7748(js: Run) -> None:
    """Section 5.2: the first iteration, whose scalar and point are both the base point's encoding."""
    assert js(
        """const agree = async (curve, prefix, start) => {
          const key = await subtle.importKey("pkcs8", bytes(prefix + start), curve, true, ["deriveBits"]);
          const peer = await subtle.importKey("raw", bytes(start), curve, true, []);
          return hex(await subtle.deriveBits({ name: curve, public: peer }, key, null));
        };
        return [await agree("X25519", "302e020100300506032b656e04220420", "09".padEnd(64, "0")),
          await agree("X448", "3046020100300506032b656f043a0438", "05".padEnd(112, "0"))];"""
    ) == [
        "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079",
        "3f482c8a9f19b01e6c46ee9711d9dc14fd4bf67af30765c2ae2b846a4d23a8cd0db897086239492caf350b51f833868b9bc2b3bca9cf4113",
    ]


# A point of small order, and the base point: with the one as the public key, R = B and s = 1 "sign" any message.
_ED25519_POINTS = ("01" + "00" * 31, "58" + "66" * 31)
_ED448_POINTS = (
    "00" * 57,
    "14fa30f25b790898adc8d74e2c13bdfdc4397ce61cffd33ad7c2a0051e9c78874098a36c7373ea4b62c7c9563720768824bcb66e71463f6900",
)


@pytest.mark.parametrize(("curve", "points"), [("Ed25519", _ED25519_POINTS), ("Ed448", _ED448_POINTS)])
def test_a_public_key_of_small_order_signs_nothing(js: Run, curve: str, points: tuple[str, str]) -> None:
    public, base = points
    size = len(public) // 2
    signature = base + "01" + "00" * (size - 1)
    others: Any = (ed25519.Ed25519PublicKey if curve == "Ed25519" else ed448.Ed448PublicKey).from_public_bytes(
        bytes.fromhex(public)
    )
    others.verify(bytes.fromhex(signature), b"any message")  # does not raise
    # The same point in its other encodings: with x's sign, and with y not reduced by the field's prime.
    prime = 2**255 - 19 if curve == "Ed25519" else 2**448 - 2**224 - 1
    unreduced = prime + int.from_bytes(bytes.fromhex(public), "little")
    encodings = [public, public[:-2] + "80", unreduced.to_bytes(size, "little").hex()]
    got = js(
        f"""const answers = [];
        for (const encoding of {json.dumps(encodings)}) {{
          const key = await subtle.importKey("raw", bytes(encoding), "{curve}", true, ["verify"]);
          answers.push(await subtle.verify("{curve}", key, bytes("{signature}"), text("any message")));
        }}
        return answers;"""
    )
    assert got == [False, False, False]


def test_a_signature_of_small_order_is_none(js: Run) -> None:
    """R is the identity, and s fits: the equation holds, but whoever knows the key can make such ones at will."""
    seed, message, r = bytes(32), b"message", bytes.fromhex(_ED25519_POINTS[0])
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little") & (2**254 - 8) | 2**254
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key()
    challenge = int.from_bytes(hashlib.sha512(r + key.public_bytes_raw() + message).digest(), "little")
    signature = r + (challenge * scalar % order).to_bytes(32, "little")
    key.verify(signature, message)  # does not raise
    got = js(
        f"""const key = await subtle.importKey("raw", bytes("{key.public_bytes_raw().hex()}"), "Ed25519", true, ["verify"]);
        return subtle.verify("Ed25519", key, bytes("{signature.hex()}"), text("message"));"""
    )
    assert got is False


@pytest.mark.parametrize("curve", ["Ed25519", "Ed448"])
def test_signatures_are_those_of_others(js: Run, curve: str) -> None:
    key: Any = (ed25519.Ed25519PrivateKey if curve == "Ed25519" else ed448.Ed448PrivateKey).generate()
    ours, *checks = js(
        f"""const key = await subtle.importKey("pkcs8", bytes("{_pkcs8(key)}"), "{curve}", true, ["sign"]);
        const publicKey = await subtle.importKey("spki", bytes("{_spki(key.public_key())}"), "{curve}", true, ["verify"]);
        const jwk = await subtle.exportKey("jwk", key);
        return [hex(await subtle.sign("{curve}", key, text("message"))),
          await subtle.verify("{curve}", publicKey, bytes("{key.sign(b"message").hex()}"), text("message")),
          hex(await subtle.exportKey("raw", publicKey)), key.algorithm, [jwk.kty, jwk.crv, jwk.alg, jwk.key_ops],
          hex(await subtle.exportKey("pkcs8", await subtle.importKey("jwk", jwk, "{curve}", true, ["sign"]))) === "{_pkcs8(key)}"];"""
    )
    key.public_key().verify(bytes.fromhex(ours), b"message")
    assert checks == [
        True, key.public_key().public_bytes_raw().hex(), {"name": curve}, ["OKP", curve, curve, ["sign"]], True,
    ]  # fmt: skip


def test_the_context_of_ed448(js: Run) -> None:
    assert js(
        """const { privateKey } = await subtle.generateKey("Ed448", true, ["sign"]);
        const sign = (context) => subtle.sign({ name: "Ed448", context }, privateKey, new Uint8Array());
        return [(await sign(new Uint8Array())).byteLength, await name(sign(new Uint8Array(256))), await name(sign(new Uint8Array(1)))];"""
    ) == [114, "OperationError", "NotSupportedError"]


@pytest.mark.parametrize(("curve", "size"), [("X25519", 32), ("X448", 56)])
def test_two_agree(js: Run, curve: str, size: int) -> None:
    assert js(
        f"""const [a, b] = await Promise.all([1, 2].map(() => subtle.generateKey("{curve}", true, ["deriveBits", "deriveKey"])));
        const derive = ({{ privateKey }}, {{ publicKey }}, length) => subtle.deriveBits({{ name: "{curve}", public: publicKey }}, privateKey, length);
        const zero = await subtle.importKey("raw", new Uint8Array({size}), "{curve}", true, []);
        const key = await subtle.deriveKey({{ name: "{curve}", public: b.publicKey }}, a.privateKey, {{ name: "AES-GCM", length: 128 }}, true, ["encrypt"]);
        const whole = hex(await derive(a, b, null));
        return [whole === hex(await derive(b, a, null)), whole.length, whole.startsWith(hex(await subtle.exportKey("raw", key))),
          a.publicKey.usages, a.privateKey.usages, await name(derive(a, {{ publicKey: zero }}, 8)), await name(derive(a, b, {8 * size + 8}))];"""
    ) == [True, 2 * size, True, [], ["deriveKey", "deriveBits"], "OperationError", "OperationError"]


def test_keys_of_one_curve_that_are_refused(js: Run) -> None:
    ed, nist = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    assert (
        js(
            f"""const load = (format, data, algorithm, usages) => name(subtle.importKey(format, data, algorithm, true, usages));
        const x = "A".repeat(43);
        return Promise.all([
          load("spki", bytes("{_spki(ed.public_key())}"), "X25519", []), load("spki", bytes("{_spki(nist.public_key())}"), "Ed25519", ["verify"]),
          load("pkcs8", bytes("{_pkcs8(ed)}"), "Ed448", ["sign"]), load("raw", new Uint8Array(31), "Ed25519", ["verify"]),
          load("pkcs8", bytes("{_pkcs8(nist)}"), {{ name: "ECDSA", namedCurve: "P-384" }}, ["sign"]),
          load("jwk", {{ kty: "OKP", crv: "X25519", x }}, "Ed25519", ["verify"]), load("jwk", {{ kty: "OKP", crv: "Ed25519" }}, "Ed25519", ["verify"]),
          load("jwk", {{ kty: "OKP", crv: "Ed25519", x, d: x }}, "Ed25519", ["sign"]),
          load("jwk", {{ kty: "OKP", crv: "Ed25519", x, alg: "ES256" }}, "Ed25519", ["verify"]),
          load("spki", bytes("{_spki(ed.public_key())}"), "Ed25519", ["sign"]), load("pkcs8", bytes("{_pkcs8(ed)}"), "Ed25519", []),
        ]);"""
        )
        == ["DataError"] * 9 + ["SyntaxError"] * 2
    )


# -- what is common to pairs ------------------------------------------------------------------------------------------


def test_a_key_serves_only_its_algorithm_usage_and_side(js: Run) -> None:
    assert js(
        """const ecdsa = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
        const ed = await subtle.generateKey("Ed25519", false, ["sign", "verify"]);
        const algorithm = { name: "ECDSA", hash: "SHA-256" };
        const data = new Uint8Array();
        return Promise.all([subtle.sign(algorithm, ed.privateKey, data), subtle.sign(algorithm, ecdsa.publicKey, data),
          subtle.verify(algorithm, ecdsa.privateKey, data, data), subtle.exportKey("pkcs8", ed.privateKey), subtle.exportKey("jwk", ed.privateKey),
          subtle.exportKey("spki", ecdsa.privateKey), subtle.exportKey("pkcs8", ecdsa.publicKey), subtle.exportKey("raw", ecdsa.privateKey),
          subtle.sign({ name: "ECDSA" }, ecdsa.privateKey, data)].map(name));"""
    ) == ["InvalidAccessError"] * 8 + ["TypeError"]


def test_private_keys_are_wrapped_and_unwrapped(js: Run) -> None:
    assert js(
        """const kek = await subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["wrapKey", "unwrapKey"]);
        const wrapping = { name: "AES-GCM", iv: new Uint8Array(12) };
        const algorithm = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
        const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, ["sign", "verify"]);
        return Promise.all(["pkcs8", "jwk"].map(async (format) => {
          const wrapped = await subtle.wrapKey(format, privateKey, kek, wrapping);
          const key = await subtle.unwrapKey(format, wrapped, kek, wrapping, algorithm, false, ["sign"]);
          const signature = await subtle.sign(algorithm, key, new Uint8Array(5));
          return [key.extractable, await subtle.verify(algorithm, publicKey, signature, new Uint8Array(5))];
        }));"""
    ) == [[False, True], [False, True]]
