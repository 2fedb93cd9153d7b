"""The host half of ``base64.js``: binary strings from and to bytes, long ones piece by piece."""

from __future__ import annotations

import quickjs

from nano_trio.runtime import strings
from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]


def to_binary_string(data: quickjs.Value) -> str | quickjs.Value:
    """The string (possibly boxed) whose character codes are the bytes of an ArrayBuffer or Uint8Array."""
    return strings.box_latin1(data.to_bytes(), data)


def from_binary_string(boxed: quickjs.Value) -> bytes | None:
    """The character codes of the boxed string as bytes, or None where one is above 255."""
    is_wide, codes = strings.unbox_bytes(boxed)
    if not is_wide:
        return codes
    # The engine may keep a string of small codes as UTF-16.
    high = codes[1::2]
    return codes[::2] if high == bytes(len(high)) else None


def namespace(services: Services) -> Namespace:
    return {"toBinaryString": to_binary_string, "fromBinaryString": from_binary_string}
