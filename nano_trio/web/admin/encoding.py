"""JSON of long answers, in pieces: nothing that is asked here may hold up the event loop."""

from __future__ import annotations

import json
from typing import Any

import trio

__all__ = ["encode"]

_PIECE = 100
_FEW = 8


async def encode(value: Any) -> str:
    """``value`` as JSON. Between every hundred items of a list the loop has a pass. A checkpoint only then."""
    match value:
        case dict():
            pairs = [f"{json.dumps(str(key))}:{await encode(item)}" for key, item in value.items()]
            return f"{{{','.join(pairs)}}}"
        case list() | tuple():
            texts: list[str] = []
            for number, item in enumerate(value, 1):
                texts.append(json.dumps(item) if _is_small(item) else await encode(item))
                if number % _PIECE == 0:
                    await trio.lowlevel.checkpoint()
            return f"[{','.join(texts)}]"
        case _:
            return json.dumps(value)


def _is_small(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return True
    return all(not isinstance(item, dict | list | tuple) or len(item) <= _FEW for item in value)
