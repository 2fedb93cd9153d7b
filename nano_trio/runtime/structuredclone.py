"""What structured cloning cannot find out in JavaScript alone."""

from __future__ import annotations

import quickjs

from nano_trio.runtime.host import Namespace, Services

__all__ = ["namespace"]

# How the engine serializes an object without properties: version, no names, the tag of an object, no properties.
_EMPTY_OBJECT = b"\x08\x00"


def _is_plain(value: quickjs.Value) -> bool:
    """Whether ``value``, an object without enumerable properties, is an ordinary one: no Map, no Date and so on."""
    try:
        return bool(value.write_object()[2:] == _EMPTY_OBJECT)
    except quickjs.JSError:
        return False


def namespace(services: Services) -> Namespace:
    return {"isPlain": _is_plain}
