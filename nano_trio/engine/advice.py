"""What to do instead, for what an app cannot have here: said behind the engine's own messages, which cannot know."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["instead_of", "what_is_missing"]

_NO_FILES: Final = "an app has no file system: import JSON modules, or fetch what it needs"
_NO_SERVER: Final = "use fetch(), and the app's fetch handler"
_INSTEAD: Final = {
    "cloudflare:email": "nano-trio receives no e-mail; to send some, use fetch()",
    "cloudflare:sockets": "there are no TCP sockets; use fetch() or WebSocket",
    "cloudflare:workflows": "there are no workflows",
    "child_process": "an app cannot run programs",
    "cluster": "nano-trio serve has --workers",
    "crypto": "crypto.subtle does it",
    "dgram": "there are no sockets; use fetch() or WebSocket",
    "dns": "fetch() resolves names",
    "fs": _NO_FILES,
    "http": _NO_SERVER,
    "http2": _NO_SERVER,
    "https": _NO_SERVER,
    "inspector": "there is no debugger",
    "module": "an app's modules are imported",
    "net": "there are no sockets; use fetch() or WebSocket",
    "os": "an app sees nothing of the machine",
    "perf_hooks": "performance is global",
    "process": "an app has no process of its own",
    "readline": "an app has no terminal",
    "test": 'nano-trio test has "nano:test"',
    "tls": "there are no sockets; use fetch() or WebSocket",
    "tty": "an app has no terminal",
    "v8": "the engine is QuickJS; structuredClone is global",
    "vm": "new Function() runs code",
    "worker_threads": "MessageChannel, BroadcastChannel and structuredClone are global",
    "zlib": "CompressionStream and DecompressionStream have zstd",
}


def instead_of(module: str) -> str:
    """What there is instead of a module of Node's (``fs``, ``timers/promises``), or an empty string."""
    return _INSTEAD.get(module.partition("/")[0], "")


_NOT_DEFINED = re.compile(r"ReferenceError: '(\w+)' is not defined")
_COMMONJS: Final = "this file is an ES module: use import and export, or name it .cjs"
_MISSING: Final = {
    "__dirname": "this file is an ES module: use import.meta.url",
    "__filename": "this file is an ES module: use import.meta.url",
    "exports": _COMMONJS,
    "module": _COMMONJS,
    "require": "this file is an ES module: use import, or createRequire(import.meta.url) of node:module",
    "DOMParser": "there is no page here: HTMLRewriter reads HTML, and packages make trees of it",
    "WebAssembly": "the engine has none: take a package, or a file of it, that is JavaScript alone",
    "Worker": "an app is a single thread: take what does the same without one",
    "XMLHttpRequest": "use fetch()",
    "localStorage": "there is no page here",
    "sessionStorage": "there is no page here",
    "window": "the global object is globalThis; there is no page here",
    "document": "there is no page here",
}


def what_is_missing(text: str) -> str:
    """An error's text; where it is that a global of Node's or of a browser's is not there, with what to do."""
    missing = _NOT_DEFINED.fullmatch(text)
    hint = _MISSING.get(missing[1]) if missing is not None else None
    return f"{text} ({hint})" if hint else text
