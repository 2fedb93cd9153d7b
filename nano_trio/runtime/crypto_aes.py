"""AES in the modes of Web Cryptography (sections 27 to 30): CBC, CTR, GCM and key wrap."""

from __future__ import annotations

import hmac
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.host import HostError

__all__ = [
    "ctr", "decrypt_cbc", "decrypt_gcm", "encrypt_cbc", "encrypt_gcm", "unwrap", "wrap", "wrap_weight",
]  # fmt: skip

_BLOCK = 16
_TAG_LENGTHS = (32, 64, 96, 104, 112, 120, 128)
_ORDINARY_IV = range(8, 129)
"""Lengths in bytes of the initialization vectors that ``cryptography`` takes for GCM."""


def _fail(message: str) -> HostError:
    return HostError("OperationError", message)


# -- CBC, with PKCS#7 padding -----------------------------------------------------------------------------------------


def _cbc(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    if len(iv) != _BLOCK:
        raise _fail("The initialization vector of AES-CBC must have 16 bytes.")
    return Cipher(algorithms.AES(key), modes.CBC(iv))


def encrypt_cbc(key: bytes, data: bytes, iv: bytes) -> bytes:
    encryptor = _cbc(key, iv).encryptor()
    size = _BLOCK - len(data) % _BLOCK
    return encryptor.update(data + bytes([size]) * size) + encryptor.finalize()


def decrypt_cbc(key: bytes, data: bytes, iv: bytes) -> bytes:
    decryptor = _cbc(key, iv).decryptor()
    if not data or len(data) % _BLOCK:
        raise _fail("The length of the data is no multiple of 16 bytes.")
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise _fail("The data cannot be decrypted with this key.") from None


# -- CTR, whose counter is the last ``length`` bits of a block --------------------------------------------------------


def ctr(key: bytes, data: bytes, counter: bytes, length: int) -> bytes:
    """Encrypt or decrypt, which is one."""
    if len(counter) != _BLOCK:
        raise _fail("The counter of AES-CTR must have 16 bytes.")
    if not 1 <= length <= 128:
        raise _fail("The length of the counter of AES-CTR must be between 1 and 128 bits.")
    if (len(data) + _BLOCK - 1) // _BLOCK > 1 << length:
        raise _fail("The data is too long for the length of the counter.")
    start = int.from_bytes(counter, "big")
    count = start & ((1 << length) - 1)
    # Where the counter wraps, only its own bits begin anew; the cipher counts in the whole block.
    until_wrap = ((1 << length) - count) * _BLOCK
    result = _keystream(key, start, data[:until_wrap])
    if len(data) > until_wrap:
        result += _keystream(key, start - count, data[until_wrap:])
    return result


def _keystream(key: bytes, block: int, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(_BLOCK, "big"))).encryptor()
    return encryptor.update(data) + encryptor.finalize()


# -- GCM --------------------------------------------------------------------------------------------------------------


def encrypt_gcm(key: bytes, data: bytes, iv: bytes, aad: bytes | None, tag_length: int) -> bytes:
    """The ciphertext and its tag. ``tag_length``: in bits."""
    _check_tag_length(tag_length)
    seal = AESGCM(key).encrypt if len(iv) in _ORDINARY_IV else partial(_encrypt_any_iv, key)
    sealed = seal(iv, data, aad)
    return sealed if tag_length == 128 else sealed[: len(data) + tag_length // 8]


def decrypt_gcm(key: bytes, data: bytes, iv: bytes, aad: bytes | None, tag_length: int) -> bytes:
    _check_tag_length(tag_length)
    size = len(data) - tag_length // 8
    if size < 0:
        raise _fail("The data is shorter than its tag.")
    try:
        if len(iv) not in _ORDINARY_IV:
            return _decrypt_any_iv(key, data[:size], data[size:], iv, aad)
        if tag_length == 128:
            return AESGCM(key).decrypt(iv, data, aad)
        decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, data[size:], min_tag_length=4)).decryptor()
        decryptor.authenticate_additional_data(aad or b"")
        return decryptor.update(data[:size]) + decryptor.finalize()
    except InvalidTag:
        raise _fail("The data cannot be decrypted with this key, vector and additional data.") from None


def _check_tag_length(bits: int) -> None:
    if bits not in _TAG_LENGTHS:
        raise _fail(f"A tag of AES-GCM cannot have {bits} bits.")


# Initialization vectors of unusual length (SP 800-38D section 7.1): they only determine the first counter block J0, and
# all else follows from J0 and from what GCM computes with any other vector.


def _first_counter(key: bytes, iv: bytes) -> int:
    """J0 = GHASH(iv, zeros, length of iv)."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    subkey = int.from_bytes(encryptor.update(bytes(_BLOCK)), "big")
    padded = iv + bytes(-len(iv) % _BLOCK) + (8 * len(iv)).to_bytes(_BLOCK, "big")
    state = 0
    for at in range(0, len(padded), _BLOCK):
        state = _multiply(state ^ int.from_bytes(padded[at : at + _BLOCK], "big"), subkey)
    return state


def _multiply(x: int, y: int) -> int:
    """The product in GF(2^128), most significant bit first (section 6.3)."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def _counter_mode(key: bytes, first: int, data: bytes) -> bytes:
    """GCTR from inc32(J0)."""
    count = (first + 1) & 0xFFFFFFFF
    return ctr(key, data, (first >> 32 << 32 | count).to_bytes(_BLOCK, "big"), 32)


def _tag(key: bytes, first: int, ciphertext: bytes, aad: bytes | None) -> bytes:
    """With another vector the hash of the ciphertext is the same, and only the block that masks it differs."""
    other = bytes(12)
    other_first = 1
    plaintext = _counter_mode(key, other_first, ciphertext)
    masked = AESGCM(key).encrypt(other, plaintext, aad)[-_BLOCK:]
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    masks = encryptor.update(other_first.to_bytes(_BLOCK, "big") + first.to_bytes(_BLOCK, "big"))
    return bytes(a ^ b ^ c for a, b, c in zip(masked, masks[:_BLOCK], masks[_BLOCK:], strict=True))


def _encrypt_any_iv(key: bytes, iv: bytes, data: bytes, aad: bytes | None) -> bytes:
    first = _first_counter(key, iv)
    ciphertext = _counter_mode(key, first, data)
    return ciphertext + _tag(key, first, ciphertext, aad)


def _decrypt_any_iv(key: bytes, ciphertext: bytes, tag: bytes, iv: bytes, aad: bytes | None) -> bytes:
    first = _first_counter(key, iv)
    if not hmac.compare_digest(_tag(key, first, ciphertext, aad)[: len(tag)], tag):
        raise InvalidTag
    return _counter_mode(key, first, ciphertext)


# -- Key wrap (RFC 3394) ----------------------------------------------------------------------------------------------


def wrap_weight(key: bytes, data: bytes) -> Weight:
    """Each 8 bytes cost microseconds of Python, which other threads wait for."""
    return Weight.ENDLESS if len(data) > 8192 else Weight.LIGHT


def wrap(key: bytes, data: bytes) -> bytes:
    if len(data) < 16 or len(data) % 8:
        raise _fail("AES-KW wraps only keys of at least 16 bytes, in multiples of 8.")
    return keywrap.aes_key_wrap(key, data)


def unwrap(key: bytes, data: bytes) -> bytes:
    try:
        return keywrap.aes_key_unwrap(key, data)
    except keywrap.InvalidUnwrap:
        raise _fail("The data cannot be unwrapped with this key.") from None
