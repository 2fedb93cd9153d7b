"""Async generators that are done answer all who wait, where the engine can be had to see to it.

``builtins_generators.c`` says what is wrong with the engine's and how it is mended; it is a part of ``libbuiltins.so``
(:mod:`nano_trio.engine.builtins`). What it must know of the engine is learned from a generator on a scratch context,
and what comes of it is proved on another. Where anything of this fails generators are the engine's own.
"""

from __future__ import annotations

import ctypes

import quickjs

from nano_trio.engine.polling import address_of

__all__ = ["mend"]

_LESSON = """
const kind = async function* () { await 1 };
var prototype = Object.getPrototypeOf(kind).prototype, generator = kind();
"""
# Who is answered, and with what, in the order of the answers.
_PROOF = """
const told = [];
const tell = (name, { value, done }) => told.push(`${name}${value ?? ""}${done ? "." : ""}`);
const ask = (name, generator, what, value) =>
  generator[what](value).then((result) => tell(name, result), (error) => told.push(`${name}!${error}`));
const a = (async function* () { yield 1 })(), b = (async function* () { await 1; yield 2; throw 3 })();
const c = (async function* () { for (const name of "efg") ask(name, c, "next") })();
for (const [generator, names] of [[a, "abcd"], [b, "ABCD"]]) for (const name of names) ask(name, generator, "next");
ask("e", a, "return", Promise.resolve(4)), ask("f", a, "throw", 5), ask("g", a, "next");
ask("E", b, "return", Promise.reject(6)), ask("F", b, "return", 7), ask("G", b, "next");
ask("h", c, "next");
"""
_TOLD = "e. f. g. h. a1 b. c. d. e4. f!5 g. A2 B!3 C. D. E!6 F7. G."


def mend(library: ctypes.PyDLL) -> bool:
    """Mend those of all contexts of the process that have touched none; False where that cannot be had.

    ``library``: ``libbuiltins.so``, which has the engine's functions.
    """
    context = quickjs.Runtime().new_context()
    context.eval(_LESSON)
    if not library.generators_learn(ctypes.c_void_p(address_of(context))):
        return False
    _run_jobs(context)
    if library.generators_begin(ctypes.c_void_p(address_of(context))) and _told() == _TOLD:
        return True
    library.generators_end()
    return False


def _told() -> str:
    context = quickjs.Runtime().new_context()
    context.eval(_PROOF)
    _run_jobs(context)
    return str(context.eval("told.join(' ')"))


def _run_jobs(context: quickjs.Context) -> None:
    while context.execute_pending_job():
        pass
