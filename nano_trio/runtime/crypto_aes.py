"""AES in the modes of Web Cryptography (sections 27 to 30): CBC, CTR, GCM and key wrap.

What is computed of data in pieces is in pieces, too: nothing here joins them.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap, padding
from cryptography.hazmat.primitives.ciphers import AEADCipherContext, Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nano_trio.runtime.crypto_digest import Data, parts
from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.host import HostError
from nano_trio.runtime.pieces import Pieces

__all__ = [
    "ctr", "decrypt_cbc", "decrypt_gcm", "encrypt_cbc", "encrypt_gcm", "unwrap", "wrap", "wrap_weight",
]  # fmt: skip

_BLOCK = 16
_TAG_LENGTHS = (32, 64, 96, 104, 112, 120, 128)
_ORDINARY_IV = range(8, 129)
"""Lengths in bytes of the initialization vectors that ``cryptography`` takes for GCM."""


def _fail(message: str) -> HostError:
    return HostError("OperationError", message)


def _through(context: CipherContext | padding.PaddingContext, data: Data, *last: bytes) -> Data:
    """What a cipher makes of ``data``, and of ``last`` behind it, to its end."""
    made = [context.update(part) for part in (*parts(data), *last)]
    made.append(context.finalize())
    # An empty piece would be taken for the end.
    return b"".join(made) if isinstance(data, bytes) else Pieces(filter(None, made))


def _split(data: Data, size: int) -> tuple[Data, Data]:
    """The first ``size`` bytes, and the rest."""
    if isinstance(data, bytes):
        return data[:size], data[size:]
    first, rest = [], []
    for part in data:
        first.append(part[:size])
        rest.append(part[size:])
        size = max(size - len(part), 0)
    return Pieces(filter(None, first)), Pieces(filter(None, rest))


# -- CBC, with PKCS#7 padding -----------------------------------------------------------------------------------------


def _cbc(key: bytes, iv: bytes) -> Cipher[modes.CBC]:
    if len(iv) != _BLOCK:
        raise _fail("The initialization vector of AES-CBC must have 16 bytes.")
    return Cipher(algorithms.AES(key), modes.CBC(iv))


def encrypt_cbc(key: bytes, data: Data, iv: bytes) -> Data:
    """Web Cryptography section 28: with padding as PKCS#7 has it. Raises OperationError for a vector of another size
    than a block."""
    size = _BLOCK - len(data) % _BLOCK
    return _through(_cbc(key, iv).encryptor(), data, bytes([size]) * size)


def decrypt_cbc(key: bytes, data: Data, iv: bytes) -> Data:
    """The same, undone. Raises OperationError where the padding is none."""
    decryptor = _cbc(key, iv).decryptor()
    if not data or len(data) % _BLOCK:
        raise _fail("The length of the data is no multiple of 16 bytes.")
    try:
        return _through(padding.PKCS7(128).unpadder(), _through(decryptor, data))
    except ValueError:
        raise _fail("The data cannot be decrypted with this key.") from None


# -- CTR, whose counter is the last ``length`` bits of a block --------------------------------------------------------


def ctr(key: bytes, data: Data, counter: bytes, length: int) -> Data:
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
    if len(data) <= until_wrap:
        return _keystream(key, start, data)
    before, after = _split(data, until_wrap)
    first, second = _keystream(key, start, before), _keystream(key, start - count, after)
    return first + second if isinstance(first, bytes) and isinstance(second, bytes) else Pieces((*first, *second))


def _keystream(key: bytes, block: int, data: Data) -> Data:
    return _through(Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(_BLOCK, "big"))).encryptor(), data)


# -- GCM --------------------------------------------------------------------------------------------------------------


def encrypt_gcm(key: bytes, data: Data, iv: Data, aad: Data | None, tag_length: int) -> Data:
    """The ciphertext and its tag. ``tag_length``: in bits. Raises OperationError for an empty vector."""
    _check_tag_length(tag_length)
    if len(iv) == 0:
        # GCM has none (NIST SP 800-38D, 5.2.1.1): whoever used it would encrypt all with one.
        raise _fail("The initialization vector is empty.")
    if len(iv) not in _ORDINARY_IV:
        ciphertext, tag = _encrypt_any_iv(key, bytes(iv), data, aad)
    elif isinstance(data, bytes) and isinstance(aad, bytes | None):
        sealed = AESGCM(key).encrypt(bytes(iv), data, aad)
        return sealed if tag_length == 128 else sealed[: len(data) + tag_length // 8]
    else:
        encryptor = Cipher(algorithms.AES(key), modes.GCM(bytes(iv))).encryptor()
        _authenticate(encryptor, aad)
        ciphertext, tag = _through(encryptor, data), encryptor.tag
    tag = tag[: tag_length // 8]
    return ciphertext + tag if isinstance(ciphertext, bytes) else Pieces((*ciphertext, tag))


def decrypt_gcm(key: bytes, data: Data, iv: Data, aad: Data | None, tag_length: int) -> Data:
    """``tag_length`` in bits. Raises OperationError where the data is not authentic."""
    _check_tag_length(tag_length)
    size = len(data) - tag_length // 8
    if size < 0:
        raise _fail("The data is shorter than its tag.")
    if len(iv) == 0:
        raise _fail("The initialization vector is empty.")
    try:
        if tag_length == 128 and len(iv) in _ORDINARY_IV and isinstance(data, bytes) and isinstance(aad, bytes | None):
            return AESGCM(key).decrypt(bytes(iv), data, aad)
        ciphertext, tag = _split(data, size)
        if len(iv) not in _ORDINARY_IV:
            return _decrypt_any_iv(key, ciphertext, bytes(tag), bytes(iv), aad)
        decryptor = Cipher(algorithms.AES(key), modes.GCM(bytes(iv), bytes(tag), min_tag_length=4)).decryptor()
        _authenticate(decryptor, aad)
        return _through(decryptor, ciphertext)
    except InvalidTag:
        raise _fail("The data cannot be decrypted with this key, vector and additional data.") from None


def _authenticate(context: AEADCipherContext, aad: Data | None) -> None:
    for part in parts(aad or b""):
        context.authenticate_additional_data(part)


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


def _counter_mode(key: bytes, first: int, data: Data) -> Data:
    """GCTR from inc32(J0)."""
    count = (first + 1) & 0xFFFFFFFF
    return ctr(key, data, (first >> 32 << 32 | count).to_bytes(_BLOCK, "big"), 32)


def _tag(key: bytes, first: int, ciphertext: Data, aad: Data | None) -> bytes:
    """With another vector the hash of the ciphertext is the same, and only the block that masks it differs."""
    other_first = 1
    encryptor = Cipher(algorithms.AES(key), modes.GCM(bytes(12))).encryptor()
    _authenticate(encryptor, aad)
    for part in parts(_counter_mode(key, other_first, ciphertext)):
        encryptor.update(part)
    encryptor.finalize()
    masking = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    masks = masking.update(other_first.to_bytes(_BLOCK, "big") + first.to_bytes(_BLOCK, "big"))
    return bytes(a ^ b ^ c for a, b, c in zip(encryptor.tag, masks[:_BLOCK], masks[_BLOCK:], strict=True))


def _encrypt_any_iv(key: bytes, iv: bytes, data: Data, aad: Data | None) -> tuple[Data, bytes]:
    first = _first_counter(key, iv)
    ciphertext = _counter_mode(key, first, data)
    return ciphertext, _tag(key, first, ciphertext, aad)


def _decrypt_any_iv(key: bytes, ciphertext: Data, tag: bytes, iv: bytes, aad: Data | None) -> Data:
    first = _first_counter(key, iv)
    if not hmac.compare_digest(_tag(key, first, ciphertext, aad)[: len(tag)], tag):
        raise InvalidTag
    return _counter_mode(key, first, ciphertext)


# -- Key wrap (RFC 3394) ----------------------------------------------------------------------------------------------


def wrap_weight(key: bytes, data: Data) -> Weight:
    """Each 8 bytes cost microseconds of Python, which other threads wait for."""
    return Weight.ENDLESS if len(data) > 8192 else Weight.LIGHT


def wrap(key: bytes, data: Data) -> bytes:
    """A key wrapped in another. Raises OperationError for a size that RFC 3394 does not know."""
    if len(data) < 16 or len(data) % 8:
        raise _fail("AES-KW wraps only keys of at least 16 bytes, in multiples of 8.")
    return keywrap.aes_key_wrap(key, bytes(data))


def unwrap(key: bytes, data: Data) -> bytes:
    """The key that was wrapped. Raises OperationError where it was not wrapped with this one."""
    try:
        return keywrap.aes_key_unwrap(key, bytes(data))
    except keywrap.InvalidUnwrap:
        raise _fail("The data cannot be unwrapped with this key.") from None
