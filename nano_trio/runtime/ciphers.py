"""The host half of ``ciphers.js``: AES and ChaCha20-Poly1305 for ``node:crypto``, fed piece by piece.

Theory of operation. A cipher is here from its first byte to its last and no longer, and has a few hundred bytes
however much goes through it: each piece's result is returned at once. So the padding of blocks is done here (PKCS#7,
RFC 5652 section 6.3), and so are the two modes that the library has only for data that is there whole, of its parts:
ChaCha20-Poly1305 (RFC 8439 section 2.8) and CCM (SP 800-38C). JavaScript cuts what is large into pieces, and knows
which lengths of keys, vectors and tags there are.

What a cipher refuses is a string, ``"CODE\\nmessage"``; codes of ``ERR_OSSL`` have the words of OpenSSL 3.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final, Protocol

import quickjs
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import AEADEncryptionContext, Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from nano_trio.runtime.held import Held
from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]

_BLOCK: Final = 16
_SIZE: Final = 2048
"""Bytes that a cipher takes, about: OpenSSL has 1.1 KB of CBC, the mode of which it has most."""
_SHORTEST_TAG: Final = 4
_CHACHA_MOST: Final = (1 << 38) - 64
"""Bytes that one vector is good for (RFC 8439 section 2.8)."""
_ODD_VECTOR: Final = "ERR_CRYPTO_INVALID_IV\nInvalid initialization vector: with GCM it may have 8 to 128 bytes here"
_WRONG_FINAL: Final = "ERR_OSSL_WRONG_FINAL_BLOCK_LENGTH\nerror:1C80006B:Provider routines::wrong final block length"
_BAD_DECRYPT: Final = "ERR_OSSL_BAD_DECRYPT\nerror:1C800064:Provider routines::bad decrypt"
_NO_TAG: Final = "ERR_OSSL_TAG_NOT_SET\nerror:1C800077:Provider routines::tag not set"
_NOT_AUTHENTIC: Final = "\nUnsupported state or unable to authenticate data"
_UNSUPPORTED: Final = "\nTrying to add data in unsupported state"
_WRONG_STATE: Final = "ERR_CRYPTO_INVALID_STATE\nInvalid state for operation setAAD"


class _Refused(Exception):
    """What is told is the exception's text."""


class _State(Protocol):
    """A cipher on its way. Each function may raise :class:`_Refused` or what the library raises."""

    def expect(self, size: int) -> None:
        """So many bytes come next, in one call of update() of the app's, whatever pieces they are in."""

    def update(self, data: bytes) -> bytes: ...

    def authenticate(self, data: bytes, whole: int) -> None:
        """Additional data. ``whole``: the bytes of all its pieces with the first of them, else -1."""

    def begin_message(self, size: int) -> None:
        """How many bytes will be encrypted, where that must be known before additional data."""

    def is_authentic(self, tag: bytes) -> bool:
        """Whether all data so far was what the tag was made of."""

    def pad(self, pads: bool) -> None:
        """Whether the last block has padding, where it may have any."""

    def finish(self, tag: bytes) -> bytes:
        """The last output; of what authenticates and encrypts, the tag in full. ``tag``: what was set, or empty."""


class _Plain:
    """What the modes that do not authenticate have in common; and a mode whose output is as long as its input."""

    def __init__(self, context: CipherContext) -> None:
        self._context = context

    def expect(self, size: int) -> None:
        pass

    def update(self, data: bytes) -> bytes:
        return self._context.update(data)

    def authenticate(self, data: bytes, whole: int) -> None:
        raise _Refused(_WRONG_STATE)

    def begin_message(self, size: int) -> None:
        pass

    def is_authentic(self, tag: bytes) -> bool:
        return True

    def pad(self, pads: bool) -> None:
        pass

    def finish(self, tag: bytes) -> bytes:
        return self._context.finalize()


class _Blocks(_Plain):
    """CBC and ECB. The last whole block is held back until the next where it may be of padding."""

    def __init__(self, context: CipherContext, encrypts: bool) -> None:
        super().__init__(context)
        self._encrypts = encrypts
        self._pads = True
        self._rest = b""

    def pad(self, pads: bool) -> None:
        self._pads = pads

    def update(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = len(data) // _BLOCK * _BLOCK
        if self._pads and not self._encrypts and whole == len(data) > 0:
            whole -= _BLOCK
        self._rest = data[whole:]
        return super().update(data[:whole])

    def finish(self, tag: bytes) -> bytes:
        rest = self._rest
        if self._encrypts:
            if self._pads:
                size = _BLOCK - len(rest)
                return super().update(rest + bytes([size]) * size)
            if rest:
                raise _Refused(_WRONG_FINAL)
            return b""
        if not rest and not self._pads:
            return b""
        if len(rest) != _BLOCK:
            raise _Refused(_WRONG_FINAL)
        block = super().update(rest)
        if not self._pads:
            return block
        size = block[-1]
        if not 1 <= size <= _BLOCK or not block.endswith(bytes([size]) * size):
            raise _Refused(_BAD_DECRYPT)
        return block[:-size]


class _Gcm(_Plain):
    def __init__(self, key: bytes, iv: bytes, encrypts: bool) -> None:
        cipher = Cipher(algorithms.AES(key), modes.GCM(iv, None, _SHORTEST_TAG))
        self._aead = cipher.encryptor() if encrypts else cipher.decryptor()
        super().__init__(self._aead)
        self._has_data = False

    def update(self, data: bytes) -> bytes:
        if not data:
            return b""
        self._has_data = True
        return super().update(data)

    def authenticate(self, data: bytes, whole: int) -> None:
        if not data:
            return
        if self._has_data:
            raise _Refused(_WRONG_STATE)
        self._aead.authenticate_additional_data(data)

    def finish(self, tag: bytes) -> bytes:
        if isinstance(self._aead, AEADEncryptionContext):
            self._aead.finalize()
            return self._aead.tag
        if not tag:
            raise _Refused(_NOT_AUTHENTIC)
        self._aead.finalize_with_tag(tag)
        return b""


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


class _ChaCha(_Plain):
    """RFC 8439, 2.8: the key of Poly1305 is the first half of block 0, and the data is encrypted from block 1 on."""

    def __init__(self, key: bytes, iv: bytes, encrypts: bool) -> None:
        first, second = (
            Cipher(algorithms.ChaCha20(key, block.to_bytes(4, "little") + iv), None).encryptor() for block in (0, 1)
        )
        super().__init__(second)
        self._mac = Poly1305(first.update(bytes(64))[:32])
        self._encrypts = encrypts
        self._additional = self._size = 0

    def update(self, data: bytes) -> bytes:
        if not data:
            return b""
        if not self._size:
            self._mac.update(_padding(self._additional))
        self._size += len(data)
        if self._size > _CHACHA_MOST:
            raise _Refused(_UNSUPPORTED)
        made = super().update(data)
        self._mac.update(made if self._encrypts else data)
        return made

    def authenticate(self, data: bytes, whole: int) -> None:
        if not data:
            return
        if self._size:
            raise _Refused(_WRONG_STATE)
        self._additional += len(data)
        self._mac.update(data)

    def finish(self, tag: bytes) -> bytes:
        self._mac.update(_padding(self._size or self._additional))
        self._mac.update(self._additional.to_bytes(8, "little") + self._size.to_bytes(8, "little"))
        own = self._mac.finalize()
        if self._encrypts:
            return own
        if not tag or not hmac.compare_digest(own[: len(tag)], tag):
            raise _Refused(_NOT_AUTHENTIC)
        return b""


class _Ccm(_Plain):
    """SP 800-38C, with the formatting of its appendix A: the tag is the last block of CBC over it all, of the block
    with the lengths, the additional data and the message, masked by block 0 of the keystream."""

    def __init__(self, key: bytes, iv: bytes, encrypts: bool, tag_size: int) -> None:
        width = 15 - len(iv)
        counter = bytes([width - 1]) + iv + bytes(width)
        super().__init__(Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor())
        self._mask = super().update(bytes(_BLOCK))
        self._key, self._iv, self._width = key, iv, width
        self._encrypts = encrypts
        self._tag_size = tag_size
        self._mac: CipherContext | None = None
        self._last = b""
        self._left = 0
        """Bytes to come until the end of additional data, or of the message."""
        self._length = -1
        self._has_message = False

    def _hash(self, data: bytes) -> None:
        assert self._mac is not None
        if made := self._mac.update(data):
            self._last = made[-_BLOCK:]

    def begin_message(self, size: int) -> None:
        if self._has_message:
            raise _Refused(_WRONG_STATE)
        self._length = size

    def _begin(self, has_additional: bool) -> None:
        self._mac = Cipher(algorithms.AES(self._key), modes.CBC(bytes(_BLOCK))).encryptor()
        flags = 64 * has_additional + 8 * ((self._tag_size - 2) // 2) + self._width - 1
        self._hash(bytes([flags]) + self._iv + self._length.to_bytes(self._width, "big"))

    def authenticate(self, data: bytes, whole: int) -> None:
        if whole == 0:
            self._mac = None
            return
        if whole > 0:
            # Of additional data that is set again, the last counts.
            self._begin(True)
            head = whole.to_bytes(2, "big") if whole < 0xFF00 else b"\xff\xfe" + whole.to_bytes(4, "big")
            self._left = whole
            self._hash(head)
            self._padding = _padding(whole + len(head))
        self._left -= len(data)
        self._hash(data + (b"" if self._left else self._padding))

    def expect(self, size: int) -> None:
        if self._has_message and size == 0:
            return
        if self._has_message or self._length not in (-1, size):
            raise _Refused(_UNSUPPORTED)
        self._has_message = True
        self._length = self._left = size
        if self._mac is None:
            self._begin(False)

    def update(self, data: bytes) -> bytes:
        made = super().update(data)
        self._left -= len(data)
        end = b"" if self._left else _padding(self._length)
        self._hash((data if self._encrypts else made) + end)
        return made

    def _tag(self) -> bytes:
        return bytes(a ^ b for a, b in zip(self._last, self._mask, strict=True))[: self._tag_size]

    def is_authentic(self, tag: bytes) -> bool:
        return len(tag) == self._tag_size and hmac.compare_digest(self._tag(), tag)

    def finish(self, tag: bytes) -> bytes:
        if not self._encrypts:
            # It was verified when the message came.
            return b""
        if not self._has_message:
            raise _Refused(_NO_TAG)
        return self._tag()


def _make(mode: str, key: bytes, iv: bytes, tag_size: int, encrypts: bool) -> _State:
    if mode == "gcm":
        if len(iv) < 8:
            raise _Refused(_ODD_VECTOR)
        return _Gcm(key, iv, encrypts)
    if mode == "stream":
        return _ChaCha(key, iv, encrypts)
    if mode == "ccm":
        return _Ccm(key, iv, encrypts, tag_size)
    how: modes.ECB | modes.CBC | modes.CTR = (
        modes.ECB() if mode == "ecb" else modes.CBC(iv) if mode == "cbc" else modes.CTR(iv)
    )
    cipher = Cipher(algorithms.AES(key), how)
    context = cipher.encryptor() if encrypts else cipher.decryptor()
    return _Plain(context) if mode == "ctr" else _Blocks(context, encrypts)


def _told(make: Callable[[], Any]) -> Any:
    """What it makes, or the error as a string."""
    try:
        return make()
    except _Refused as refused:
        return str(refused)
    except InvalidTag:
        return _NOT_AUTHENTIC
    except UnsupportedAlgorithm:
        # OpenSSL may be configured not to offer it.
        return "ERR_CRYPTO_UNKNOWN_CIPHER\nUnknown cipher"
    except Exception:  # it is over, or this comes out of order: the library has an error for each
        return _UNSUPPORTED


def namespace(services: Services) -> Namespace:
    """The functions that ``ciphers.js`` calls. A cipher is a number there, and counts as the app's memory here."""
    states: dict[int, _State] = {}
    sizes: dict[int, Held] = {}
    last = 0

    def begin(mode: str, key: quickjs.Value, iv: quickjs.Value, tag_size: int, encrypts: bool) -> int | str:
        nonlocal last
        state = _told(lambda: _make(mode, key.to_bytes(), iv.to_bytes(), tag_size, encrypts))
        if isinstance(state, str):
            return state
        last += 1
        states[last] = state
        sizes[last] = Held(services, _SIZE)
        return last

    def expect(number: int, size: int) -> Any:
        return _told(lambda: states[number].expect(size))

    def update(number: int, data: quickjs.Value) -> Any:
        return _told(lambda: states[number].update(data.to_bytes()))

    def begin_message(number: int, size: int) -> Any:
        return _told(lambda: states[number].begin_message(size))

    def authenticate(number: int, data: quickjs.Value, whole: int) -> Any:
        return _told(lambda: states[number].authenticate(data.to_bytes(), whole))

    def is_authentic(number: int, tag: quickjs.Value) -> Any:
        return _told(lambda: states[number].is_authentic(tag.to_bytes()))

    def pad(number: int, pads: bool) -> None:
        states[number].pad(pads)

    def finish(number: int, tag: quickjs.Value) -> Any:
        sizes.pop(number)
        state = states.pop(number)
        return _told(lambda: state.finish(tag.to_bytes()))

    def drop(number: int) -> None:
        states.pop(number, None)
        sizes.pop(number, None)

    return {
        "begin": begin,
        "expect": expect,
        "update": update,
        "begin_message": begin_message,
        "authenticate": authenticate,
        "is_authentic": is_authentic,
        "pad": pad,
        "finish": finish,
        "drop": drop,
    }
