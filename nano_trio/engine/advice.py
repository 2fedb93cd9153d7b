"""What to do instead, for what an app cannot have here: said behind the engine's own messages, which cannot know."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["instead_of", "what_is_missing"]

_NO_FILES: Final = "an app has no file system: import JSON modules, or fetch what it needs"
_NO_SERVER: Final = "use fetch(), and the app's fetch handler"
_STREAMS: Final = "the Web's ReadableStream, WritableStream and TransformStream are global"
_INSTEAD: Final = {
    "child_process": "an app cannot run programs",
    "cluster": "nano-trio serve has --workers",
    "console": "console is global",
    "fs": _NO_FILES,
    "http": _NO_SERVER,
    "http2": _NO_SERVER,
    "https": _NO_SERVER,
    "os": "an app sees nothing of the machine",
    "perf_hooks": "performance is global",
    "process": "settings are in env, the second argument of fetch",
    "stream": _STREAMS,
    "test": 'nano-trio test has "nano:test"',
    "worker_threads": "MessageChannel, BroadcastChannel and structuredClone are global",
    "zlib": "CompressionStream and DecompressionStream are global",
}


def instead_of(module: str) -> str:
    """What there is instead of a module of Node's (``fs``, ``timers/promises``), or an empty string."""
    return _INSTEAD.get(module.partition("/")[0], "")


_NOT_DEFINED = re.compile(r"ReferenceError: '(\w+)' is not defined")
_COMMONJS: Final = "only ES modules run here: use import and export"
_MISSING: Final = {
    "Buffer": 'import { Buffer } from "node:buffer"',
    "__dirname": _NO_FILES,
    "__filename": _NO_FILES,
    "exports": _COMMONJS,
    "global": "the global object is globalThis",
    "module": _COMMONJS,
    "process": _INSTEAD["process"],
    "require": _COMMONJS,
    "setImmediate": "use queueMicrotask() or setTimeout()",
    "window": "the global object is globalThis; there is no page here",
    "document": "there is no page here",
}


def what_is_missing(text: str) -> str:
    """An error's text; where it is that a global of Node's or of a browser's is not there, with what to do."""
    missing = _NOT_DEFINED.fullmatch(text)
    hint = _MISSING.get(missing[1]) if missing is not None else None
    return f"{text} ({hint})" if hint else text
