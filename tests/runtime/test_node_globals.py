"""The globals of Node: as if they had been there all along, and not there before something touches them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]


def test_they_are_there_and_become_own_when_they_are_touched(run_js: Run) -> None:
    assert run_js(
        """const names = ["Buffer", "process", "setImmediate", "clearImmediate", "global", "FixedLengthStream"];
        const own = () => names.filter((name) => Object.hasOwn(globalThis, name));
        const before = own(), all = names.every((name) => name in globalThis), shown = Object.keys(globalThis).filter((name) => names.includes(name));
        const types = [typeof Buffer, typeof process, typeof setImmediate, typeof clearImmediate, global === globalThis];
        return [before, all, shown, types, own(), Object.getOwnPropertyDescriptor(globalThis, "process").writable];"""
    ) == [[], True, [], ["function", "object", "function", "function", True], ["Buffer", "process"], True]


@pytest.mark.parametrize("name", ["Buffer", "process", "setImmediate", "global", "FixedLengthStream"])
def test_an_app_may_have_its_own(run_js: Run, name: str) -> None:
    assert run_js(
        f"""globalThis.{name} = "own";
        const had = [{name}, Object.hasOwn(globalThis, "{name}")];
        {name} = "other";
        return [...had, globalThis.{name}];"""
    ) == ["own", True, "other"]


def test_what_a_polyfill_asks(run_js: Run) -> None:
    assert run_js(
        """globalThis.process ??= { env: {} };
        process.env.NODE_ENV ||= "production";
        return [process.env.NODE_ENV, typeof process.versions.node, process.version[0], process.nextTick.length > 0,
          Object.prototype.toString.call(process), Buffer.isBuffer(Buffer.alloc(1)),
          WeakRef["nano:modules"].require("buffer").Buffer === Buffer];"""
    ) == ["production", "undefined", "v", True, "[object process]", True, True]


def test_a_module_is_asked_for_by_what_is_no_name(run_js: Run) -> None:
    assert run_js(
        """const { require, isModule, refuse } = WeakRef["nano:modules"], told = [];
        const long = "x".repeat(1e5) + String(Math.random());
        for (const name of ["../url", "nano:rooms", "_buffer", "", "__proto__", long, {}, null, "stream_common"])
          try { told.push(typeof require(name)) } catch (error) { told.push(error.code) }
        try { require(Symbol()) } catch (error) { told.push(error.name) }
        return [told, [long, {}, null, "fs", "path/posix"].map((name) => isModule(name)), Object.keys(refuse(long))];"""
    ) == [[*["MODULE_NOT_FOUND"] * 9, "TypeError"], [False, False, False, True, True], [""]]
