"""What attrs writes, compiled once for an installation and not at each start.

attrs writes the methods of a class as text when the class is made, and has Python compile it: with trio's these are 120
texts, and a tenth of a worker's start. Of modules Python keeps the compiled code in ``__pycache__``. There this is kept
as well, in a file named after this module, by whoever may write there. It serves where the text is the same to the last
character, and Python's bytecode is of the same kind.

One number is not compared: that with which the hash of a class's objects begins. It is the hash of a name, which Python
makes another in each process. Whichever a class has, its equal objects have the same hash.

What one command has made another may not make, so what is kept becomes more, until it is too much: what other versions
of attrs and of ours had written is among it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType
from typing import Any

import attr._make

__all__ = ["kept_code"]

_Codes = dict[tuple[str, str], CodeType]
"""By the text without such a number, and the name that it has in stack traces."""
_MOST = 500
_OF_THIS_PROCESS = re.compile(r"(hash\(\(\n\s*)-?\d+(?=,\n)")


@contextlib.contextmanager
def kept_code() -> Iterator[None]:
    """While inside, classes of attrs are made with the code that was kept. In the end what was not is kept as well.

    Where nothing can be read or written that costs its time and nothing else.
    """
    path = f"{cache_from_source(__file__)}.attrs"
    kept = _read(path)
    used: _Codes = {}

    def compile_once(text: str, name: str, mode: str) -> CodeType:
        key = _OF_THIS_PROCESS.sub(r"\1", text), name
        code = used[key] = kept.get(key) or compile(text, name, mode)
        return code

    # A name of the module is found before the builtin.
    module: Any = attr._make
    module.compile = compile_once
    try:
        yield
    finally:
        del module.compile
    if not used.keys() <= kept.keys() and not sys.dont_write_bytecode:
        _write(path, {**kept, **used} if len(kept) < _MOST else used)


def _read(path: str) -> _Codes:
    try:
        with open(path, "rb") as file:
            magic, codes = marshal.load(file)
    except (OSError, ValueError, EOFError, TypeError):
        return {}
    return codes if magic == MAGIC_NUMBER else {}


def _write(path: str, codes: _Codes) -> None:
    fresh = f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        with open(fresh, "wb") as file:
            marshal.dump((MAGIC_NUMBER, codes), file)
        os.replace(fresh, path)
