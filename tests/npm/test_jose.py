"""jose from npm, unmodified: its tokens are those of everybody else, here of the ``cryptography`` package."""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from .conftest import Client

_SECRET = b"0123456789abcdef0123456789abcdef"
_SIGNATURES = ["RS256", "ES256", "EdDSA", "HS256"]
_ENCRYPTIONS = ["dir", "RSA-OAEP-256", "ECDH-ES"]


@pytest.fixture(scope="module")
def jose(server: int) -> Client:
    return Client(server, "jose")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


def _number(text: str) -> int:
    return int.from_bytes(_decode(text), "big")


def _public_key(jwk: dict[str, str]) -> Any:
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if jwk["kty"] == "EC":
        return ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1()).public_key()
    return ed25519.Ed25519PublicKey.from_public_bytes(_decode(jwk["x"]))


def _verify(alg: str, key: Any, data: bytes, signature: bytes) -> None:
    if alg == "RS256":
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    elif alg == "ES256":
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    else:
        key.verify(signature, data)


@pytest.mark.parametrize("alg", _SIGNATURES)
def test_what_it_signs_others_verify(jose: Client, alg: str) -> None:
    answer = jose("POST", f"/sign?alg={alg}", b'{"sub":"ann","admin":true}')
    assert answer.status == 200, answer.text
    signed, _, signature = answer.text.rpartition(".")
    header, payload = (json.loads(_decode(part)) for part in signed.split("."))
    assert header == {"alg": alg}
    assert (payload["sub"], payload["admin"]) == ("ann", True)
    assert 3500 < payload["exp"] - time.time() < 3700
    if alg == "HS256":
        assert hmac.digest(_SECRET, signed.encode(), "sha256") == _decode(signature)
        return
    key = _public_key(jose("GET", f"/jwk?alg={alg}").json())
    _verify(alg, key, signed.encode(), _decode(signature))
    with pytest.raises(InvalidSignature):
        _verify(alg, key, signed.encode() + b"x", _decode(signature))


@pytest.mark.parametrize("alg", _SIGNATURES)
def test_it_verifies_and_refuses(jose: Client, alg: str) -> None:
    token = jose("POST", f"/sign?alg={alg}", b'{"sub":"ann"}').text
    assert jose("POST", f"/verify?alg={alg}", token.encode()).json()["sub"] == "ann"
    header, payload, signature = token.split(".")
    forged = _encode(_decode(payload).replace(b"ann", b"bob"))
    answer = jose("POST", f"/verify?alg={alg}", f"{header}.{forged}.{signature}".encode())
    assert (answer.status, answer.json()["code"]) == (401, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED")


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_key_set(jose: Client, alg: str) -> None:
    token = jose("POST", f"/sign?alg={alg}", b'{"sub":"ann"}').text
    assert jose("POST", f"/verify-by-set?alg={alg}", token.encode()).json()["sub"] == "ann"


def test_it_verifies_what_others_sign(jose: Client) -> None:
    header = b'{"alg":"HS256"}'
    for age, status in [(0, 200), (7200, 401)]:
        claims = json.dumps({"sub": "ann", "exp": int(time.time()) + 3600 - age}).encode()
        signed = f"{_encode(header)}.{_encode(claims)}"
        token = f"{signed}.{_encode(hmac.digest(_SECRET, signed.encode(), 'sha256'))}"
        answer = jose("POST", "/verify?alg=HS256", token.encode())
        assert answer.status == status
        if status == 401:
            assert answer.json()["code"] == "ERR_JWT_EXPIRED"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_keys_from_files(jose: Client, alg: str) -> None:
    key: Any
    if alg == "RS256":
        key = rsa.generate_private_key(65537, 2048)
    elif alg == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    signed, _, signature = jose("POST", f"/pem?alg={alg}", pem).text.rpartition(".")
    assert json.loads(_decode(signed.partition(".")[0]))["alg"] == alg
    _verify(alg, key.public_key(), signed.encode(), _decode(signature))


def _seal(alg: str, jwk: dict[str, str], plaintext: bytes) -> str:
    """A JWE in its compact form (RFC 7516), with A256GCM."""
    header: dict[str, Any] = {"alg": alg, "enc": "A256GCM"}
    key, encrypted_key = _SECRET, b""
    if alg == "RSA-OAEP-256":
        key = os.urandom(32)
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        encrypted_key = _public_key(jwk).encrypt(key, oaep)
    elif alg == "ECDH-ES":
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        numbers = ephemeral.public_key().public_numbers()
        x, y = (_encode(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        header["epk"] = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        # RFC 7518 section 4.6.2
        info = (7).to_bytes(4, "big") + b"A256GCM" + bytes(4) + bytes(4) + (256).to_bytes(4, "big")
        shared = ephemeral.exchange(ec.ECDH(), _public_key(jwk))
        key = ConcatKDFHash(hashes.SHA256(), 32, info).derive(shared)
    protected = _encode(json.dumps(header).encode())
    iv = os.urandom(12)
    sealed = AESGCM(key).encrypt(iv, plaintext, protected.encode())
    return ".".join([protected, *map(_encode, (encrypted_key, iv, sealed[:-16], sealed[-16:]))])


@pytest.mark.parametrize("alg", _ENCRYPTIONS)
def test_it_decrypts_what_others_encrypt(jose: Client, alg: str) -> None:
    jwk = {} if alg == "dir" else jose("GET", f"/jwk?alg={alg}").json()
    plaintext = "für Ännchen".encode() * 100
    message = _seal(alg, jwk, plaintext)
    answer = jose("POST", f"/decrypt?alg={alg}", message.encode())
    assert (answer.status, answer.body) == (200, plaintext)
    start, _, tag = message.rpartition(".")
    wrong = _encode(bytes(16))
    answer = jose("POST", f"/decrypt?alg={alg}", f"{start}.{wrong}".encode())
    assert tag != wrong
    assert (answer.status, answer.json()["code"]) == (401, "ERR_JWE_DECRYPTION_FAILED")


@pytest.mark.parametrize("alg", _ENCRYPTIONS)
def test_round_trips(jose: Client, alg: str) -> None:
    message = jose("POST", f"/encrypt?alg={alg}", b"to myself")
    assert message.status == 200, message.text
    assert jose("POST", f"/decrypt?alg={alg}", message.body).body == b"to myself"


def test_the_raw_signature_of_es256_has_its_full_length(jose: Client) -> None:
    key = _public_key(jose("GET", "/jwk?alg=ES256").json())
    for _ in range(20):
        signed, _, signature = jose("POST", "/sign?alg=ES256", b"{}").text.rpartition(".")
        assert len(_decode(signature)) == 64
        _verify("ES256", key, signed.encode(), _decode(signature))
