"""Rejected promises that nothing handles: the engine tells of them, where that can be had.

``rejections.c`` says how; it becomes ``librejections.so`` when the package is built, on Linux and where there is a C
compiler. The engine has a function that sets who is told, and the binding offers no way to it. So it is called from
outside, with the engine's own functions out of the binding's library, and only for a binding that was examined
(:mod:`nano_trio.engine.polling`) and after a proof on a scratch context: what is noted, taken back and told is what it
must be. Where anything of this fails nothing is told, as if the engine could not.
"""

from __future__ import annotations

import ctypes
from functools import cache

import quickjs

from nano_trio.engine.native import engine_functions, open_library
from nano_trio.engine.polling import address_of

__all__ = ["in_use", "watch"]

# struct Engine of rejections.c, in its order.
_FUNCTIONS = (
    "JS_GetRuntime",
    "JS_SetHostPromiseRejectionTracker",
    "JS_GetPropertyUint32",
    "JS_DefinePropertyValueUint32",
    "JS_GetPropertyStr",
    "JS_SetPropertyStr",
    "JS_EnqueueJob",
    "JS_IsJobPending",
    "JS_Call",
    "JS_GetException",
    "__JS_FreeValue",
    "JS_PromiseState",
)
_LIST = """
globalThis.told = [];
globalThis.list = [(isIdle) => {
  const notes = list.slice(2).map((note) => note instanceof Promise ? "promise" : note);
  list.length = 2;
  return told.push([isIdle, ...notes]) < 2;
}, false];
Promise.reject(list);
"""
_PROOF = """
Promise.reject("unseen").catch(() => {});
const [a, b] = [Promise.reject("a"), Promise.reject(2.5)];
(async () => { try { await Promise.reject(1) } catch {} await null; a.catch(() => {}); })();
"""
_TOLD = '[[true,"promise","a",false,"promise",2.5,false,"promise","a",true],[true]]'


def in_use() -> bool:
    """Whether rejected promises are told of in this process."""
    return _library() is not None


def watch(context: quickjs.Context) -> None:
    """Take notes from now on of promises that are rejected in this context, which has seen no code but ours.

    The reason of the first is the list of notes; ``rejections.c`` says what it holds. Code of ours must reject that
    promise next, and hold the list as long as the context lives.
    """
    library = _library()
    if library is not None:
        library.rejections_watch(ctypes.c_void_p(address_of(context)))


@cache
def _library() -> ctypes.PyDLL | None:
    library, functions = open_library("rejections"), engine_functions(_FUNCTIONS)
    if library is None or functions is None:
        return None
    library.rejections_watch.restype = None
    library.rejections_start(functions)
    return library if _proves(library) else None


def _proves(library: ctypes.PyDLL) -> bool:
    context = quickjs.Runtime().new_context()
    library.rejections_watch(ctypes.c_void_p(address_of(context)))
    context.eval(_LIST)
    context.eval(_PROOF)
    while context.execute_pending_job():
        pass
    return bool(context.eval("JSON.stringify(told)") == _TOLD)
