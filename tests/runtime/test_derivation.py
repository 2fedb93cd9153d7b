"""Keys from passwords for node:crypto: as a promise, and where the turn waits. What Node makes of them is in
tests/npm/node_programs/crypto_derivation.mjs, and what others have of it in tests/actors/test_waiting_turns.py."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nano_trio.runtime import crypto_work, derivation
from nano_trio.runtime.crypto_work import Weight
from nano_trio.runtime.derivation import pbkdf2_weight, scrypt_weight

from .harness import Bench

Run = Callable[[str], Any]
FORMS = pytest.mark.parametrize("waits", ["true", "false"])
PRELUDE = """const { scrypt, pbkdf2, hkdf } = WeakRef["nano:modules"].node, told = [], bytes = (size, fill = 0) => new Uint8Array(size).fill(fill);
  const attempt = async (call) => { try { const key = await call(); told.push(key === undefined ? "none" : key === null ? "too long" : key.byteLength) } catch (error) { told.push(error.name) } };
"""


@FORMS
def test_scrypt_takes_what_the_app_may_have(run_js: Run, waits: str) -> None:
    assert run_js(
        f"""{PRELUDE} const b = bytes(1);
        for (const args of [[{{}}, b, 2, 1, 1, 1], [b, 5, 2, 1, 1, 1], [b, b, 1.5, 1, 1, 1], [b, b, 2, 1, 1, -1]])
          await attempt(() => scrypt({waits}, ...args));
        await attempt(() => scrypt({waits}, b, b, 3, 1, 1, 1));
        await attempt(() => scrypt({waits}, b, b, 2 ** 20, 2 ** 10, 1, 1));
        await attempt(() => scrypt({waits}, b, b, 2, 1, 1, 2 ** 22 + 1));
        await attempt(() => scrypt({waits}, b, b, 2, 1, 1, 7));
        return told;"""
    ) == [*["TypeError"] * 4, "OperationError", "RangeError", "RangeError", 7]


@FORMS
def test_pbkdf2_takes_what_the_app_may_have(run_js: Run, waits: str) -> None:
    assert run_js(
        f"""{PRELUDE} const b = bytes(1);
        for (const args of [["sha1", {{}}, b, 1, 1], ["sha1", b, 5, 1, 1], ["sha1", b, b, 0.5, 1], ["sha1", b, b, 1, 2 ** 31], [Symbol(), b, b, 1, 1]])
          await attempt(() => pbkdf2({waits}, ...args));
        await attempt(() => pbkdf2({waits}, "no", b, b, 1, 1));
        await attempt(() => pbkdf2({waits}, "sha1", b, bytes(2 ** 20 + 1), 1, 1));
        await attempt(() => pbkdf2({waits}, "sha1", b, b, 0, 1));
        await attempt(() => pbkdf2({waits}, "sha1", b, b, 1, 2 ** 31 - 1));
        await attempt(() => pbkdf2({waits}, "sha1", b, b, 1, 7));
        return told;"""
    ) == [*["TypeError"] * 5, "none", "RangeError", "OperationError", "RangeError", 7]


def test_hkdf_takes_what_node_does(run_js: Run) -> None:
    assert run_js(
        f"""{PRELUDE} const b = bytes(1);
        for (const args of [["sha1", b, b, b, 255 * 20], ["sha1", b, b, b, 255 * 20 + 1], ["sha1", b, b, bytes(1025), 1],
            ["sha1", b, b, b, 2 ** 31 - 1], ["no", b, b, b, 1], ["sha1", {{}}, b, b, 1], ["sha1", b, b, b, -1]])
          await attempt(() => hkdf(...args));
        return told;"""
    ) == [5100, "too long", "too long", "too long", "none", "TypeError", "TypeError"]


LONG = [(300_000, 5, 20), (5, 5, 700_000), (65536, 1, 1), (65537, 1, 1), (0, 0, 33), (1, 1 << 20, 1)]


def _ends(run_js: Run, call: str) -> list[Any]:
    told: list[Any] = run_js(
        f"""{PRELUDE}
        for (const [p, s, size] of {[list(each) for each in LONG]}) {{
          const password = bytes(p, 1), salt = bytes(s, 2), key = new Uint8Array(await {call});
          told.push([key.length, [...key.slice(0, 9), ...key.slice(-9)]]);
        }}
        return told;"""
    )
    return told


def _expected(derive: Callable[[bytes, bytes, int], bytes]) -> list[Any]:
    keys = [derive(b"\1" * password, b"\2" * salt, size) for password, salt, size in LONG]
    return [[len(key), [*key[:9], *key[-9:]]] for key in keys]


@FORMS
def test_long_passwords_salts_and_keys(run_js: Run, waits: str) -> None:
    assert _ends(run_js, f"scrypt({waits}, password, salt, 2, 1, 1, size)") == _expected(
        lambda password, salt, size: hashlib.scrypt(password, salt=salt, n=2, r=1, p=1, dklen=size)
    )
    for digest in ("md5", "sha512"):
        assert _ends(run_js, f"pbkdf2({waits}, '{digest}', password, salt, 3, size)") == _expected(
            lambda password, salt, size, digest=digest: hashlib.pbkdf2_hmac(digest, password, salt, 3, size)  # type: ignore[misc]
        )


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


@pytest.mark.parametrize(
    ("numbers", "weight"),
    [
        ((16, 32, 500, 32), Weight.LIGHT),
        ((16, 32, 251, 33), Weight.HEAVY),
        ((1 << 20, 32, 1, 1), Weight.HEAVY),
        ((16, 20, 1, 1 << 20), Weight.HEAVY),
        ((16, 20, 1, 1 << 30), Weight.ENDLESS),
        ((1 << 20, 20, 1, 20_000), Weight.ENDLESS),
        ((16, 32, 4_000_001, 1), Weight.ENDLESS),
    ],
)
def test_what_pbkdf2_takes_long_for_holds_up_no_turn(numbers: tuple[int, ...], weight: Weight) -> None:
    assert pbkdf2_weight(*numbers) is weight


@pytest.mark.parametrize(
    ("call", "is_beside"),
    [
        ("scryptSync('p', 's', 8, { N: 2048 })", True),
        ("scryptSync('p', 's', 8, { N: 2 })", False),
        ("pbkdf2Sync('p', 's', 501, 8, 'md5')", True),
        ("pbkdf2Sync('p', 's', 500, 8, 'md5')", False),
        (
            "generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'der', type: 'pkcs1' })",
            True,
        ),
    ],
)
def test_what_is_heavy_is_not_computed_in_the_turn(
    run_js: Run, monkeypatch: pytest.MonkeyPatch, call: str, is_beside: bool
) -> None:
    threads: set[threading.Thread] = set()
    guard = crypto_work._guard

    def watch(function: Any, *args: Any) -> Any:
        if not args:
            threads.add(threading.current_thread())
        return guard(function, *args)

    monkeypatch.setattr(crypto_work, "_guard", watch)
    assert (
        run_js(f"const {{ {call.split('(')[0]} }} = WeakRef['nano:modules'].require('crypto'); return {call}.length")
        > 7
    )
    assert len(threads) == 1
    assert (threading.current_thread() not in threads) is is_beside


def test_no_microtask_and_no_timer_of_the_app_runs_while_it_waits(run_js: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derivation, "_ENDLESS", 1000)
    assert run_js(
        """const { scryptSync, pbkdf2Sync } = WeakRef["nano:modules"].require("crypto"), log = [];
        setTimeout(() => log.push("timer"), 0);
        Promise.resolve().then(() => log.push("microtask"));
        log.push(scryptSync("p", "s", 4, { N: 2048 }).length, pbkdf2Sync("p", "s", 1001, 4, "md5").length);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return log;"""
    ) == [4, 4, "microtask", "timer"]


@pytest.mark.parametrize("call", ["scrypt(true, b, b, 2048, 8, 1, 64)", "pbkdf2(true, 'sha1', b, b, 10, 100_000)"])
def test_what_it_takes_counts_as_the_apps_memory_meanwhile_only(bench: Bench, call: str) -> None:
    bench.run(f"{PRELUDE} globalThis.run = () => {{ const b = bytes(1); return {call}.byteLength }}; return run();")
    before = bench.heap()
    for _ in range(5):
        bench.run("return run();")
    assert bench.heap() - before < 10_000


def test_outside_of_a_turn_nothing_is_waited_for(bench: Bench) -> None:
    bench.run(f"{PRELUDE} globalThis.run = () => scrypt(true, bytes(1), bytes(1), 2048, 8, 1, 64); return 0;")
    told = bench.context.eval("try { run() } catch (error) { error.message }")
    assert told == "Nothing can be waited for here."
