"""Lazy globals, and members of interfaces that few apps use: as the engine makes them, and as JavaScript holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import quickjs

from nano_trio.engine import builtins
from tests.engine.failing import Failing

from .test_builtins import SOURCE


def told_by_both(source: str) -> str:
    """What a script comes to with those that the engine makes as PLACE, which must be the same with those that are held."""
    told = []
    for place in ("given", "held"):
        context = quickjs.Runtime().new_context()
        builtins.give(context, SOURCE, "given")
        context.eval(f"globalThis.held = ({SOURCE})()")
        told.append(context.eval(source.replace("PLACE", place)))
    assert told[0] == told[1]
    return str(told[0])


def outcomes_with_less_memory(define: str, is_whole: str) -> list[str]:
    """What it comes to where one allocation fails, each once; without an error, all must be there."""
    outcomes: list[str] = []
    while "all" not in outcomes:
        runtime = quickjs.Runtime()
        failing = Failing(runtime)
        context = runtime.new_context()
        builtins.give(context, SOURCE, "given")
        run = context.eval(define)
        failing.left = len(outcomes) + 1
        try:
            run()
        except quickjs.JSError as error:
            outcomes.append(str(error))
        else:
            fired, failing.left = failing.left <= 0, 0
            assert context.eval(is_whole)
            outcomes.append("done" if fired else "all")
    return outcomes


def test_a_lazy_global_asks_when_it_is_touched_and_tells_when_it_is_assigned() -> None:
    told = told_by_both(
        """
        const names = Object.getOwnPropertyNames(globalThis), told = [];
        PLACE.defineLazy(function (name) {
          told.push([...arguments]);
          if (name === "Blob") throw new RangeError("no Blob");
          return `a ${name}`;
        });
        const added = Object.getOwnPropertyNames(globalThis).filter((name) => !names.includes(name));
        told.push(URL, globalThis.fetch, (onerror = undefined), typeof Headers, "console" in globalThis);
        try { new Blob() } catch (error) { told.push(String(error)) }
        const shown = (name) => {
          const { get, set, configurable, enumerable } = Object.getOwnPropertyDescriptor(globalThis, name);
          return [get === set, get.name, get.length, configurable, enumerable];
        };
        JSON.stringify([told, added, added.map(shown)])
        """
    )
    assert told.startswith(
        '[[["URL"],["fetch"],["onerror",null],["Headers"],"a URL","a fetch",null,"string",false,["Blob"],"RangeError: no Blob"'
    )


def test_where_memory_runs_out_no_lazy_global_is_missing_in_silence() -> None:
    context = quickjs.Runtime().new_context()
    names = context.eval(f"JSON.stringify(({SOURCE})().lazy)")
    outcomes = outcomes_with_less_memory(
        "() => given.defineLazy((name) => name)",
        f"{names}.every((name) => globalThis[name.replace('^', '')] === name.replace('^', ''))",
    )
    assert len(outcomes) > 100
    assert set(outcomes) <= {"InternalError: out of memory", "done", "all"}


def test_a_member_asks_for_what_it_does_when_it_is_called() -> None:
    told = told_by_both(
        """
        const told = [], target = {}, statics = {};
        PLACE.defineLazy(undefined, (file, name) => {
          told.push([file, name]);
          if (name === "type") throw new RangeError("no type");
          return function (...passed) {
            told.push([this === target, arguments.length, ...passed]);
            return `done: ${name}`;
          };
        });
        PLACE.defineMembers(target, "response_members");
        PLACE.defineMembers(statics, "response_statics");
        PLACE.defineMembers({}, "nothing");
        told.push(target.clone(), target.clone(1, 2), statics.redirect(), target.url, Object.create(target).url);
        for (const refused of [() => target.type, () => new target.clone(), () => ("use strict", target.url = 1)])
          try { told.push(refused()) } catch (error) { told.push(String(error)) }
        const shown = (target) => Object.entries(Object.getOwnPropertyDescriptors(target)).map(
          ([key, { value, get, set, ...how }]) =>
            [key, (value ?? get).name, (value ?? get).length, typeof value, typeof set, "prototype" in (value ?? get), how]);
        const all = [told, shown(statics), shown(target)];
        target.bytes = 7;
        delete target.blob;
        JSON.stringify([...all, target.bytes, target.blob])
        """
    )
    assert told.startswith(
        '[[["response_members","clone"],[true,0],["response_members","clone"],[true,2,1,2],["response_statics","redirect"],'
        '[false,0],["response_members","url"],[true,0],["response_members","url"],[false,0],"done: clone","done: clone",'
        '"done: redirect","done: url","done: url",["response_members","type"],"RangeError: no type","TypeError: clone is not '
        'a constructor",1],[["error","error",0,"function","undefined",false,{"writable":true,"enumerable":true,'
        '"configurable":true}],["redirect","redirect",1,"function"'
    )
    assert '["type","get type",0,"undefined","undefined",false,{"enumerable":true,"configurable":true}]' in told
    assert told.endswith(",7,null]")


def test_where_memory_runs_out_no_member_is_missing_in_silence() -> None:
    outcomes = outcomes_with_less_memory(
        """
        given.defineLazy(undefined, (file, name) => () => name);
        globalThis.target = {};
        () => given.defineMembers(target, "request_members")
        """,
        """
        [Object.keys(target).length, target.clone(), target.referrerPolicy].join() === "18,clone,referrerPolicy"
        """,
    )
    assert len(outcomes) > 40
    assert set(outcomes) <= {"InternalError: out of memory", "done", "all"}


def test_each_member_that_is_listed_is_there(run_js: Callable[[str], Any]) -> None:
    members = quickjs.Context().eval(f"JSON.stringify(({SOURCE})().members)")
    assert run_js(
        f"""
        const members = {members}, request = new Request("http://a/", {{ method: "POST", body: "x" }}), wrong = [];
        const targets = {{
          request_members: Request.prototype, response_members: Response.prototype, response_statics: Response,
          error_statics: Error, promise_statics: Promise, intl_number: Number.prototype, intl_date: Date.prototype,
          intl_collation: String.prototype, array_statics: Array, modules: WeakRef,
          node_timers: Object.getPrototypeOf(globalThis), report: globalThis,
        }};
        const defaults = "default,same-origin,,half,,false,false,false,cors,follow,about:client,";
        for (let i = 0; i < members.length; i += 4) {{
          const [file, name, length, isEnumerable] = members.slice(i, i + 4);
          const {{ value, get, enumerable }} = Object.getOwnPropertyDescriptor(targets[file], name);
          // What interfaces have is enumerable (Web IDL), what ECMAScript's constructors have is not.
          const isInterface = /^(request|response)_/.test(file);
          if (enumerable !== isInterface || isEnumerable !== isInterface || (value ?? get).length !== Math.max(length, 0)) wrong.push(name);
          // What is no Request or Response is refused: by an exception, or by a promise that is rejected.
          if (!/^(response_statics|intl_collation|modules|node_timers)$/.test(file))
            try {{ if (!await (value ?? get).call({{}}).then(() => 0, (error) => error instanceof TypeError)) wrong.push(name) }}
            catch (error) {{ if (!(error instanceof TypeError) || /then/.test(error.message)) wrong.push(name) }}
        }}
        const shown = members.flatMap((name, i) => members[i + 1] === -1 && members[i - 1] === "request_members"
          ? [request[name]] : []);
        return [members.length > 80, wrong.join(), shown.join() === defaults, shown.join()];
        """
    )[:3] == [True, "", True]
