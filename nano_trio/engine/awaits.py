"""What is current for an app's code stays so behind `await`, where the engine can be had to see to it.

``builtins_awaits.c`` says how; it is a part of ``libbuiltins.so`` (:mod:`nano_trio.engine.builtins`). It leads some of
the engine's calls to functions of its own, for all isolates of the process; so that is begun when the first app asks
for it. Before that it is learned which of the engine's functions and classes are meant, from what these enqueue on a
scratch context, and then proved on another. Where anything of this fails the engine's calls are its own as before.
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache

import quickjs

from nano_trio.engine import builtins
from nano_trio.engine.polling import address_of

__all__ = ["kept"]

# The lessons of builtins_awaits.c, in its order; the last but one is a module's code.
_LESSONS = (
    "(async () => { await 1 })()",
    "(async () => { await Promise.reject() })()",
    "(async function* () { await 1 })().next()",
    "(async () => { for await (const one of [1]); })()",
    "(async () => { for await (const one of [Promise.reject()]); })()",
    "await 1",
    "import('./imported')",
)
_MODULE = 5
_PLACE = "given"
_learning = threading.Lock()
"""Of what is learned the process has one place, and all its threads' isolates are led where that says."""
# What it tells is where a program is, a letter or a number, and what is current there, where something is.
_PROOF = r"""
const of = (name) => given.uncurry("Await", name), { apply } = Reflect, { then } = Promise.prototype;
const [current, change, run, bind] = ["current", "change", "run", "bind"].map(of);
const a = { name: "a" }, b = { name: "b" }, told = [], tell = (what) => told.push(what, current()?.name ?? "-");
const under = (store, program) => run(store, apply, program, undefined, []);
tell(of("begin")(then));
const thenable = { then(resolve) { tell("T"); Promise.resolve().then(() => { tell("S"); resolve(); }); } };
const failing = { next: () => ({ value: Promise.reject(1) }), return: () => (tell("R"), {}) };
failing[Symbol.iterator] = () => failing;
async function* generate() {
  tell("G");
  try { await thenable; tell("G"); yield 1; await 2; tell("G"); } finally { await 3; tell("F"); }
}
async function program(what) {
  const say = () => tell(what);
  say();
  for (const value of [1, Promise.resolve(), thenable, Promise.resolve(thenable)]) { await value; say(); }
  try { await Promise.reject(1); } catch { say(); }
  for await (const each of [1, thenable]) say();
  try { for await (const each of failing); } catch { say(); }
  for await (const each of generate()) { say(); if (what > 1) break; }
  await Promise.all([1, thenable].map((value) => Promise.resolve(value).then(say, say)));
  under(what > 1 ? b : undefined, () => Promise.reject(1).catch(say).finally(say));
  await new Promise((resolve) => bind(resolve)());
  say();
}
under(a, () => program(1));
program(0);
under(b, () => program(2));
tell(" ");
const { promise, resolve } = Promise.withResolvers();
promise.then(() => tell("N"));
under(a, () => promise.then(() => tell("N")));
(async () => { await promise; tell("N"); })();
under(a, async () => { await promise; tell("N"); });
under(b, () => { resolve(); tell(" "); try { under(a, () => { throw 1 }) } catch {} tell(" "); });
under(a, () => { change(b); tell(" "); change(); tell(" "); });
tell(" ");
const bound = under(a, () => bind((...all) => tell(all.length)));
bound(1, 2);
tell([then === Promise.prototype.then, then.name, then.length, under(a, () => bind(1)), bind(tell) === tell]);
"""
_TOLD = (
    "true-1a0-2b - b b b - -2atrue,then,2,1,true-Ta1aT-0-Tb2bN-NaN-NaSa1aS-0-Sb2bTaT-TbSaS-Sb1a0-2b1a0-2b1a0-2b1a0-"
    "2bTaT-TbSaS-Sb1a0-2bRaR-Rb1aGa0-G-2bGbTaT-TbSaS-SbGaG-Gb1a0-2bGaG-2bTbFaF-FbSb2b1aTa0-T-SaS-1a0-2b2b2b1-1a0-0-"
    "1-0-"
)


def kept(source: str) -> bool:
    """Whether it does, in all contexts of this process, from now on: by what ``uncurry("Await", …)`` gives them.

    ``source``: as for :func:`nano_trio.engine.builtins.give`.
    """
    with _learning:
        return _learned(source)


@cache
def _learned(source: str) -> bool:
    library = builtins.library(source)
    if library is None:
        return False
    is_kept = False
    try:
        scratch = quickjs.Runtime().new_context()
        scratch.set_module_loader(lambda name: "")
        for number, lesson in enumerate(_LESSONS):
            if library.awaits_note(number, ctypes.c_void_p(address_of(scratch))):
                scratch.eval(lesson, "./module", module=number == _MODULE)
                _run_jobs(scratch)
        is_kept = bool(library.awaits_begin()) and _told(source) == _TOLD
    finally:
        # Also where an error came between: what is noted next would be an app's.
        if not is_kept:
            library.awaits_end()
    return is_kept


def _told(source: str) -> str:
    context = quickjs.Runtime().new_context()
    builtins.give(context, source, _PLACE)
    context.eval(_PROOF)
    _run_jobs(context)
    return str(context.eval("told.join('')"))


def _run_jobs(context: quickjs.Context) -> None:
    while context.execute_pending_job():
        pass
