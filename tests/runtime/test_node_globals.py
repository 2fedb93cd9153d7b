"""The globals of Node: as if they had been there all along, and not there before something touches them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.node import scrypt_weight

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


def test_scrypt_takes_what_the_app_may_have(run_js: Run) -> None:
    assert run_js(
        """const { scrypt } = WeakRef["nano:modules"].node, told = [], bytes = new ArrayBuffer(1);
        for (const args of [[{}, bytes, 2, 1, 1, 1], [bytes, 5, 2, 1, 1, 1], [bytes, bytes, 1.5, 1, 1, 1], [bytes, bytes, 2, 1, 1, -1]])
          try { told.push(scrypt(...args)) } catch (error) { told.push(error.name) }
        told.push(await scrypt(bytes, bytes, 3, 1, 1, 1).catch((error) => error.name));
        try { scrypt(bytes, bytes, 2 ** 20, 2 ** 10, 1, 1) } catch (error) { told.push(error.name) }
        return [...told, (await scrypt(bytes, bytes, 2, 1, 1, 7)).byteLength];"""
    ) == [*["TypeError"] * 4, "OperationError", "RangeError", 7]


def test_scrypt_of_long_passwords_and_of_long_keys(run_js: Run) -> None:
    told = run_js(
        """const { scrypt } = WeakRef["nano:modules"].node, bytes = (size, fill) => new Uint8Array(size).fill(fill).buffer, told = [];
        for (const [password, salt, size] of [[3e5, 5, 20], [5, 5, 7e5], [65536, 1, 1], [0, 0, 33]]) {
          const key = new Uint8Array(await scrypt(bytes(password, 1), bytes(salt, 2), 2, 1, 1, size));
          told.push([key.length, [...key.slice(0, 9), ...key.slice(-9)]]);
        }
        try { scrypt(bytes(1, 1), bytes(2 ** 20 + 1, 2), 2, 1, 1, 1) } catch (error) { told.push(error.name) }
        return told;"""
    )
    assert told[-1] == "RangeError"
    for (password, salt, size), (length, ends) in zip(
        [(300_000, 5, 20), (5, 5, 700_000), (65536, 1, 1), (0, 0, 33)], told[:-1], strict=True
    ):
        key = hashlib.scrypt(b"\1" * password, salt=b"\2" * salt, n=2, r=1, p=1, dklen=size)
        assert length == size
        assert ends == [*key[:9], *key[-9:]]


@pytest.mark.parametrize(
    ("numbers", "weight"),
    [
        ((8, 16, 2, 1, 1, 64), Weight.LIGHT),
        ((1 << 20, 16, 2, 1, 1, 64), Weight.HEAVY),
        ((8, 1 << 20, 2, 1, 1, 64), Weight.HEAVY),
        ((8, 16, 2, 1, 1, 1 << 20), Weight.HEAVY),
        ((8, 16, 1 << 14, 8, 1, 64), Weight.HEAVY),
        ((8, 16, 1 << 20, 8, 1, 64), Weight.ENDLESS),
        ((8, 1 << 20, 2, 1, 1000, 64), Weight.ENDLESS),
        ((8, 16, 2, 1000, 1, 1 << 20), Weight.ENDLESS),
    ],
)
def test_what_scrypt_takes_long_for_holds_up_no_turn(numbers: tuple[int, ...], weight: Weight) -> None:
    assert scrypt_weight(*numbers) is weight
