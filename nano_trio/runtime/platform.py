"""Installs the Web platform into a context: the bootstrap, then each specification when it is first touched.

``runtime/js`` holds one file per specification. A file is compiled to bytecode once per process (the cache
on disk makes it once per machine); an isolate reads the bytecode of a file when the app first touches one of its
globals.
"""

from __future__ import annotations

import importlib
import json
import sys
import weakref
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import quickjs

from nano_trio.engine import builtins
from nano_trio.engine.bytecode import Bytecode, BytecodeCache, default_cache_folder
from nano_trio.engine.rejections import watch
from nano_trio.runtime import node_modules
from nano_trio.runtime.host import NO_ROOM, Exhausted, Namespace, Services

__all__ = ["BUILTIN_MODULES", "LAZY_GLOBALS", "Owner", "builtins_source", "install", "read"]

_FILE_PREFIX = "nano:"
"""Begins the file names of the platform's own code in stack traces."""

LAZY_GLOBALS: dict[str, str] = {
    "url": "URL",
    "urlsearchparams": "URLSearchParams",
    "urlpattern": "URLPattern",
    "encoding": "TextEncoder TextDecoder",
    "encoding_streams": "TextEncoderStream TextDecoderStream",
    "base64": "atob btoa",
    "domexception": "DOMException",
    "event": "Event EventTarget addEventListener removeEventListener dispatchEvent "
    "onerror onunhandledrejection onrejectionhandled",
    "event_types": "CustomEvent ErrorEvent PromiseRejectionEvent MessageEvent",
    "abort": "AbortController AbortSignal",
    "streams_readable": "ReadableStream ReadableStreamDefaultReader ReadableStreamDefaultController",
    "streams_byte": "ReadableByteStreamController ReadableStreamBYOBRequest",
    "streams_byob": "ReadableStreamBYOBReader",
    "streams_writable": "WritableStream WritableStreamDefaultWriter WritableStreamDefaultController",
    "streams_transform": "TransformStream TransformStreamDefaultController",
    "streams_queuing": "ByteLengthQueuingStrategy CountQueuingStrategy",
    "blob": "Blob File",
    "formdata": "FormData",
    "headers": "Headers",
    "request": "Request",
    "response": "Response",
    "fetch": "fetch",
    "cache": "caches Cache CacheStorage",
    "websocket": "WebSocket CloseEvent",
    "websocket_pair": "WebSocketPair",
    "eventsource": "EventSource",
    "compression": "CompressionStream DecompressionStream",
    "structuredclone": "structuredClone",
    "messaging": "MessageChannel MessagePort",
    "broadcast": "BroadcastChannel",
    "performance": "performance Performance",
    "performance_timeline": "PerformanceEntry PerformanceObserver PerformanceObserverEntryList",
    "user_timing": "PerformanceMark PerformanceMeasure",
    "console": "console",
    "proxy": "Proxy",
    "timers": "setTimeout setInterval clearTimeout clearInterval",
    "scheduler": "scheduler",
    "microtask": "queueMicrotask",
    "navigator": "navigator Navigator",
    "htmlrewriter": "HTMLRewriter",
    "intl": "Intl",
    "crypto": "crypto Crypto",
    "subtlecrypto": "SubtleCrypto",
    "cryptokey": "CryptoKey",
    "identity_stream": "IdentityTransformStream FixedLengthStream",
    "disposable": "DisposableStack AsyncDisposableStack SuppressedError",
    "node_buffer": "Buffer",
    "node_process": "process",
}
"""The globals each specification file defines, installed when first touched."""

_INHERITED: Final = ("identity_stream", "disposable", "node_buffer", "node_process")
"""Files whose globals the prototype of the global object has until then. Its own table is full: one more global and it
grows by 2 KB."""

_CORE = ("webidl_core", "body", "request", "response", "dispatch")
"""The files that each app needs."""

_JS_FOLDER = Path(__file__).parent / "js"


_CLOUDFLARE: Final = "env waitUntil WorkerEntrypoint RpcTarget DurableObject WorkflowEntrypoint"
_OURS: Final = {
    "nano:rooms": 'export const { rooms, publish, members, count } = WeakRef["nano:modules"].rooms;',
    "cloudflare:workers": f'export const {{ {", ".join(_CLOUDFLARE.split())} }} = WeakRef["nano:modules"].cloudflare;',
}

BUILTIN_MODULES: Final[Mapping[str, str]] = node_modules.Modules(_OURS)
"""Modules that apps can import without having them: their source by name."""


class Owner(Protocol):
    """What keeps the context; held weakly by everything inside it."""

    context: quickjs.Context


@cache
def _cache() -> BytecodeCache:
    return BytecodeCache(default_cache_folder())


def _source(name: str) -> str:
    # The parentheses make the file's arrow function the script's value.
    text = (_JS_FOLDER / f"{name}.js").read_text("utf-8")
    return f"({node_modules.wrapped(text) if name.startswith('node_') else text})"


def _compiled(source: str, name: str) -> Bytecode:
    # In Python's development mode (-X dev) the platform's own frames in stack traces have their lines.
    return _cache().script(source, _FILE_PREFIX + name, debug=sys.flags.dev_mode)


@cache
def builtins_source() -> str:
    """``builtins.js`` with the names of the lazy globals, as :func:`nano_trio.engine.builtins.give` takes it."""
    names = [
        f"^{name}" if file in _INHERITED else name for file, names in LAZY_GLOBALS.items() for name in names.split()
    ]
    names.remove("console")  # the bootstrap defines it, as a namespace
    return f"{_source('builtins')}.bind(null, {json.dumps(names)})"


@cache
def _specification(name: str) -> Bytecode:
    return _compiled(_source(name), f"{name}.js")


@cache
def _bootstrap() -> Bytecode:
    """``bootstrap.js`` and what goes into it by itself: the core's files, and ``builtins.js`` where the engine cannot
    make them. In one script they share the table of names, which is a good part of what reading it costs."""
    core = "" if sys.flags.dev_mode else ", ".join(f"{name}: {_source(name)}" for name in _CORE)
    own = "undefined" if builtins.in_use(builtins_source()) else builtins_source()
    return _compiled(f"{_source('bootstrap')}.bind(null, {{ __proto__: null, {core} }}, {own})", "bootstrap.js")


@cache
def _module(name: str) -> Any:
    return importlib.import_module(f"nano_trio.runtime.{name}")


_FILES = {name: file for file, names in LAZY_GLOBALS.items() for name in names.split()}


def read(owner: Owner) -> quickjs.Value:
    """Read the bootstrap's code into ``owner.context``: a third of what :func:`install` takes, which needs it."""
    bootstrap: quickjs.Value = owner.context.eval_function(owner.context.read_object(_bootstrap().code))
    return bootstrap


def install(owner: Owner, services: Services, bootstrap: quickjs.Value) -> quickjs.Value:
    """Evaluate the bootstrap, as :func:`read` gave it; returns its result: ``enter`` and ``platform``."""
    reference = weakref.ref(owner)

    def load_specification(name: str) -> Any:
        living = reference()
        assert living is not None
        try:
            return living.context.eval_function(living.context.read_object(_specification(name).code))
        except NO_ROOM as error:
            raise Exhausted(error) from None

    def host_namespace(name: str) -> quickjs.Value:
        living = reference()
        assert living is not None
        module, _, part = name.partition(".")
        functions: Namespace = getattr(_module(module), part or "namespace")(services)
        try:
            # Of a dictionary the binding makes an object by assignment: where an app has put a setter of that name on
            # Object.prototype, that would be given the function.
            result: quickjs.Value = living.context.new_object()
            for own, function in functions.items():
                result.define_property(own, function)
        except NO_ROOM as error:
            raise Exhausted(error) from None
        return result

    watch(owner.context)
    builtins.give(owner.context, builtins_source(), "self")
    # Which file defines what is looked up here rather than kept in each isolate.
    result: quickjs.Value = bootstrap(load_specification, host_namespace, _FILES.__getitem__, LAZY_GLOBALS.get)
    return result
