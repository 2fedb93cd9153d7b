"""crypto.subtle beside others: no turn waits for it, nothing of a key is left behind, and no app can reach into it."""

from __future__ import annotations

import functools
import gc
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import structlog
import trio

from nano_trio.runtime import crypto_rsa, crypto_secret, crypto_work, subtlecrypto
from nano_trio.runtime.crypto_work import Weight, Work
from nano_trio.runtime.large import Large
from nano_trio.runtime.pieces import LARGE, Pieces

from .harness import Bench

Run = Callable[[str], Any]

_PRELUDE = """
const { subtle } = crypto;
const hex = (buffer) => new Uint8Array(buffer).toHex();
const name = (promise) => promise.then((value) => `no error: ${value}`, (error) => error.name);
"""


# -- where work is done -----------------------------------------------------------------------------------------------


def test_others_are_served_while_a_key_is_made(run_js: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is not ready before the app's own timer has fired, however long that takes."""
    fired = threading.Event()
    original = crypto_rsa.generate

    def generate(modulus_length: int, exponent: int) -> bytes:
        assert modulus_length == 4096
        assert fired.wait(30), "the timer waited for the key"
        return original(1024, exponent)

    monkeypatch.setattr(crypto_rsa, "generate", generate)
    # What the timer calls on its way: any host function of the namespace would do.
    monkeypatch.setattr(subtlecrypto, "_equal", lambda a, b: fired.set() or True)
    assert run_js(
        _PRELUDE
        + """const log = [];
        setTimeout(() => { log.push("timer"); subtle.timingSafeEqual(new Uint8Array(1), new Uint8Array(1)); }, 1);
        await subtle.generateKey({ name: "RSA-PSS", modulusLength: 4096, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
          true, ["sign"]);
        log.push("key");
        return log;"""
    ) == ["timer", "key"]


@pytest.mark.parametrize(
    "call",
    [
        "subtle.digest('SHA-256', new Uint8Array(70000))",
        "subtle.encrypt({ name: 'AES-GCM', iv: new Uint8Array(12) }, aes, new Uint8Array(70000))",
        "subtle.sign('RSA-PSS-', rsa.privateKey, new Uint8Array())".replace(
            "'RSA-PSS-'", "{ name: 'RSA-PSS', saltLength: 8 }"
        ),
        "subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-1', salt: new Uint8Array(), iterations: 1000 }, password, 8)",
    ],
)
def test_heavy_work_is_not_done_in_the_turn(run_js: Run, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    threads = set()
    guard = crypto_work._guard

    def watch(function: Any, *args: Any) -> Any:
        threads.add(threading.current_thread() is threading.main_thread())
        return guard(function, *args)

    bench_setup = """globalThis.aes = await crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]);
        globalThis.password = await crypto.subtle.importKey("raw", new Uint8Array(4), "PBKDF2", false, ["deriveBits"]);
        globalThis.rsa = await crypto.subtle.generateKey({ name: "RSA-PSS", modulusLength: 1024, publicExponent: new Uint8Array([3]),
          hash: "SHA-256" }, true, ["sign"]);"""
    run_js(bench_setup)
    monkeypatch.setattr(crypto_work, "_guard", watch)
    assert run_js(f"{_PRELUDE} return (await {call}).byteLength > 0;")
    # Only making the result a value of JavaScript is left to the main thread.
    assert False in threads


def test_a_flood_of_light_work_leaves_the_turn(run_js: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    performed = []
    original = Work._perform

    async def perform(self: Work, operation: int, job: Any) -> None:
        performed.append(job.weight)
        await original(self, operation, job)

    monkeypatch.setattr(Work, "_perform", perform)
    assert run_js(
        _PRELUDE
        + """const { privateKey, publicKey } = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-521" }, true, ["sign", "verify"]);
        const algorithm = { name: "ECDSA", hash: "SHA-256" };
        const data = Array.from({ length: 50 }, (_, i) => new Uint8Array([i]));
        const signatures = await Promise.all(data.map((each) => subtle.sign(algorithm, privateKey, each)));
        const verified = await Promise.all(signatures.map((each, i) => subtle.verify(algorithm, publicKey, each, data[i])));
        return verified.every((each) => each === true);"""
    )
    assert performed
    assert set(performed) == {Weight.LIGHT}


def test_an_app_has_two_threads_at_a_time(run_js: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = threading.Lock()
    running = most = 0
    original = crypto_rsa.generate

    def generate(modulus_length: int, exponent: int) -> bytes:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return original(1024, exponent)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(crypto_rsa, "generate", generate)
    assert (
        run_js(
            _PRELUDE
            + """const algorithm = { name: "RSA-PSS", modulusLength: 2048, publicExponent: new Uint8Array([3]), hash: "SHA-1" };
        const made = await Promise.all(Array.from({ length: 12 }, () => subtle.generateKey(algorithm, true, ["sign"])));
        return new Set(await Promise.all(made.map(async ({ publicKey }) => hex(await subtle.exportKey("spki", publicKey))))).size;"""
        )
        == 12
    )
    assert 1 <= most <= 2


def test_what_never_ends_is_killed_with_its_app() -> None:
    """A derivation of hours runs in a process that goes when the app goes."""

    def children() -> list[psutil.Process]:
        return [p for p in psutil.Process().children() if "nano_trio.runtime.crypto_work" in " ".join(p.cmdline())]

    bench = Bench()
    try:
        with pytest.raises(trio.TooSlowError):
            trio.run(_derive_for_hours, bench, children)
        deadline = time.monotonic() + 10
        while children() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert children() == []
    finally:
        bench.context = None
        bench.close()


async def _derive_for_hours(bench: Bench, children: Callable[[], list[Any]]) -> None:
    source = (
        _PRELUDE
        + """const key = await subtle.importKey("raw", new Uint8Array(4), "PBKDF2", false, ["deriveBits"]);
    return subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(4), iterations: 2 ** 32 - 1 }, key, 2 ** 20);"""
    )
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                while not children():  # noqa: ASYNC110
                    await trio.sleep(0.01)
                scope.cancel()

            nursery.start_soon(leave)
            await bench._run(source)
    assert scope.cancelled_caught
    raise trio.TooSlowError


def test_long_derivations_give_what_short_ones_give(run_js: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        _PRELUDE
        + """const key = await subtle.importKey("raw", new Uint8Array(4), "PBKDF2", false, ["deriveBits"]);
    return hex(await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(4), iterations: 600 }, key, 256));"""
    )
    expected = run_js(source)
    operations = crypto_secret.SECRET_OPERATIONS
    monkeypatch.setitem(operations, "pbkdf2", (operations["pbkdf2"][0], lambda *_: Weight.ENDLESS))
    assert run_js(source) == expected


def test_a_process_that_may_not_let_others_go_first_computes_all_the_same() -> None:
    # As under a filter of system calls.
    program = """if True:
        import os
        from nano_trio.runtime import crypto_work
        def refuse(step):
            raise PermissionError(1, "Operation not permitted")
        os.nice = refuse
        crypto_work._main()
    """
    work = pickle.dumps((functools.partial(pow, 2, 10), 0))
    done = subprocess.run([sys.executable, "-c", program], input=work, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert pickle.loads(done.stdout)[0] == 1024


def _with_a_process(iterations: int, then: str) -> subprocess.CompletedProcess[str]:
    """What a server says that has so much computed in a process, and then does something to itself or its group."""
    program = f"""if True:
        import functools, hashlib, os, psutil, signal, trio
        from nano_trio.runtime import crypto_work
        signal.signal(signal.SIGINT, lambda *_: None)

        async def compute():
            result, _ = await crypto_work._in_process(functools.partial(hashlib.pbkdf2_hmac, "sha1", b"p", b"s", {iterations}))
            print(type(result).__name__)

        async def main():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(compute)
                # It is there a moment before it has a group of its own.
                while not (children := psutil.Process().children()) or os.getpgid(children[0].pid) == os.getpgid(0):
                    await trio.sleep(0.001)
                child = children[0].pid
                {then}

        trio.run(main)
    """
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, start_new_session=True
    )


def test_it_ends_with_a_server_that_is_killed() -> None:
    done = _with_a_process(2**31 - 1, "print(child, flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    number, deadline = int(done.stdout), time.monotonic() + 60
    while psutil.pid_exists(number) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it computes on, for nobody"
        time.sleep(0.01)


def test_ctrl_c_is_for_the_server_to_answer() -> None:
    """It drains: what apps wait for is a part of that."""
    done = _with_a_process(1000, "os.killpg(0, signal.SIGINT)")
    assert (done.stdout, done.returncode) == ("bytes\n", 0), done.stderr


# -- errors -----------------------------------------------------------------------------------------------------------

_DERIVE = """
const key = await subtle.importKey("raw", new Uint8Array(4), "PBKDF2", false, ["deriveBits"]);
const bits = (length) => subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(4), iterations: 1 }, key, length);
"""


@pytest.mark.parametrize("weight", list(Weight))
def test_a_defect_of_ours_is_an_operation_error_and_logged(
    run_js: Run, monkeypatch: pytest.MonkeyPatch, weight: Weight
) -> None:
    monkeypatch.setitem(crypto_secret.SECRET_OPERATIONS, "pbkdf2", (functools.partial(getattr, 5), lambda *_: weight))
    with structlog.testing.capture_logs() as logs:
        assert run_js(f"{_PRELUDE}{_DERIVE} return name(bits(256));") == "OperationError"
    assert [line["event"] for line in logs] == ["internal error in cryptographic work"]
    assert "getattr" in str(logs[0]["exc_info"])


def test_what_openssl_refuses_is_no_defect(run_js: Run) -> None:
    source = """const rsa = await subtle.generateKey({ name: "RSA-OAEP", modulusLength: 1024, publicExponent: new Uint8Array([3]),
      hash: "SHA-1" }, true, ["encrypt", "decrypt"]);
    return name(subtle.encrypt({ name: "RSA-OAEP" }, rsa.publicKey, new Uint8Array(1000)));"""
    with structlog.testing.capture_logs() as logs:
        assert run_js(_PRELUDE + source) == "OperationError"
    assert logs == []


# -- memory -----------------------------------------------------------------------------------------------------------


def test_a_key_goes_with_its_cryptokey(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: set[int] = set()

    class Counted(subtlecrypto._Handle):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    monkeypatch.setattr(subtlecrypto, "_Handle", Counted)
    bench.run(
        """globalThis.keys = [];
        for (let i = 0; i < 50; i++) {
          keys.push(await crypto.subtle.generateKey({ name: "AES-CBC", length: 128 }, true, ["encrypt"]));
          keys.push(await crypto.subtle.generateKey("Ed25519", true, ["sign"]));
          keys.push(structuredClone(keys[0]));
        }"""
    )
    assert len(alive) == 150
    bench.run("keys.length = 2;")
    gc.collect()
    assert len(alive) == 3
    bench.run("keys = null;")
    gc.collect()
    assert len(alive) == 0


def test_long_keys_and_pending_work_count_as_the_apps_memory(bench: Bench) -> None:
    bench.run(
        """const before = new Uint8Array(10_000_000);
        globalThis.key = await crypto.subtle.importKey("raw", before, { name: "HMAC", hash: "SHA-1" }, false, ["sign"]);"""
    )
    runtime = bench.context.runtime
    runtime.run_gc()
    used = runtime.compute_memory_usage()["malloc_size"]
    assert used > 10_000_000
    bench.run("key = null;")
    runtime.run_gc()
    assert runtime.compute_memory_usage()["malloc_size"] < used - 9_000_000
    del runtime


# -- hardening --------------------------------------------------------------------------------------------------------


def test_an_app_that_patches_builtins_sees_no_key(run_js: Run) -> None:
    """Neither as bytes nor as a record or a function of the host, by any builtin or property that it may define."""
    assert (
        run_js(
            """const seen = [];
        const { subtle } = crypto;
        const source = Function.prototype.call.bind(Function.prototype.toString);
        const { isView } = ArrayBuffer;
        const { apply, ownKeys, getOwnPropertyDescriptor, has, getPrototypeOf } = Reflect;
        const { defineProperty } = Object;
        let isOn = false;
        const { isArray } = Array;
        const spy = (value, where) => {
          if (!isOn) return;
          if (isArray(value)) for (let i = 0; i < value.length; i++) if (!isArray(value[i])) spy(value[i], where);
          isOn = false;
          // The functions that host functions return have no name.
          const isHandle = typeof value === "function" && getOwnPropertyDescriptor(value, "name")?.value === ""
            && source(value).includes("[native code]");
          const isInside = typeof value === "object" && value !== null && (has(value, "handle") && value.handle !== undefined);
          const isBytes = isView(value) || value instanceof ArrayBuffer;
          if (isHandle || isInside || isBytes) defineProperty(seen, seen.length, { value: where + ": " + String(value), enumerable: true });
          isOn = true;
        };
        for (const prototype of [Object.prototype, Array.prototype, Function.prototype]) {
          for (const key of ["then", "handle", "0", "1", "2", "3", "d", "publicKey", "privateKey", "toJSON"]) {
            defineProperty(prototype, key, {
              configurable: true,
              get() { spy(this, "get " + key); return undefined; },
              set(value) { spy(value, "set " + key); defineProperty(this, key, { value, writable: true, enumerable: true, configurable: true }); },
            });
          }
        }
        for (const type of [Array, Map, WeakMap, Promise, Function, String, ArrayBuffer, getPrototypeOf(Uint8Array)]) {
          for (const key of ownKeys(type.prototype)) {
            const { value, configurable } = getOwnPropertyDescriptor(type.prototype, key);
            if (typeof value !== "function" || !configurable || key === "constructor") continue;
            if (type === Array && key === Symbol.iterator) continue;
            type.prototype[key] = function (...args) {
              // No template strings: the engine calls String.prototype.concat for them.
              const where = type.name + "." + String(key);
              spy(this, where);
              for (let i = 0; i < args.length; i++) if (type !== Promise) spy(args[i], where);
              return apply(value, this, args);
            };
          }
        }
        const aes = { name: "AES-GCM", iv: new Uint8Array(12) };
        const key = await subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, ["encrypt", "decrypt", "wrapKey", "unwrapKey"]);
        const hmac = await subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
        const wrapped = await subtle.wrapKey("raw", hmac, key, aes);
        const wrappedJwk = await subtle.wrapKey("jwk", hmac, key, aes);
        isOn = true;
        const ed = await subtle.generateKey("Ed25519", false, ["sign", "verify"]);
        const rsa = await subtle.generateKey({ name: "RSA-PSS", modulusLength: 1024, publicExponent: new Uint8Array([3]), hash: "SHA-1" },
          false, ["sign"]);
        const inner = await subtle.unwrapKey("raw", wrapped, key, aes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        await subtle.unwrapKey("jwk", wrappedJwk, key, aes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        structuredClone({ inner, ed });
        const x = await subtle.generateKey("X25519", false, ["deriveKey"]);
        await subtle.deriveKey({ name: "X25519", public: x.publicKey }, x.privateKey, { name: "AES-GCM", length: 256 }, false, ["encrypt"]);
        isOn = false;
        return seen;"""
        )
        == []
    )


def test_a_patched_platform_still_works(run_js: Run) -> None:
    assert run_js(
        """const { subtle } = crypto;
        const { stringify } = JSON;
        Promise.prototype.catch = Array.prototype.indexOf = Array.prototype.push = String.prototype.slice = String.prototype.toLowerCase = () => { throw 1; };
        Uint8Array.prototype.set = JSON.stringify = Object.defineProperty = () => { throw 2; };
        globalThis.Uint8Array.fromBase64 = globalThis.Promise.resolve = () => { throw 3; };
        const key = await subtle.generateKey({ name: "hmac", hash: { name: "sha-256" } }, true, ["sign"]);
        const jwk = await subtle.exportKey("jwk", key);
        const again = await subtle.importKey("jwk", jwk, { name: "HMAC", hash: "SHA-256" }, true, ["sign"]);
        const a = await subtle.sign("HMAC", key, new Uint8Array(3));
        const b = await subtle.sign("HMAC", again, new Uint8Array(3));
        JSON.stringify = stringify;
        return subtle.timingSafeEqual(a, b);"""
    )


def test_keys_have_no_visible_inside(run_js: Run) -> None:
    assert run_js(
        """const key = await crypto.subtle.generateKey({ name: "AES-CBC", length: 128 }, false, ["encrypt"]);
        return [Reflect.ownKeys(key), Reflect.ownKeys(crypto.subtle), JSON.stringify(key)];"""
    ) == [[], [], "{}"]


# -- what is large ----------------------------------------------------------------------------------------------------

_LARGE = 700_001
_CALLS = {
    "digest": "subtle.digest('SHA-384', d)",
    "DigestStream": "written(d)",
    "HMAC": "use('raw', 'HMAC', ['sign'], (k) => subtle.sign('HMAC', k, d))",
    "HMAC's key": "use('raw', 'HMAC', ['sign'], (k) => subtle.sign('HMAC', k, short), d)",
    "HMAC's key, exported": "use('raw', 'HMAC', ['sign'], (k) => subtle.exportKey('raw', k), d)",
    "HMAC's key, as JWK": "use('raw', 'HMAC', ['sign'], async (k) => text((await subtle.exportKey('jwk', k)).k), d)",
    "HMAC's key, from JWK": "use('jwk', 'HMAC', ['sign'], (k) => subtle.sign('HMAC', k, short), d)",
    "AES-CBC": "use('raw', 'AES-CBC', ['encrypt'], (k) => subtle.encrypt({ name: 'AES-CBC', iv }, k, d))",
    "AES-CTR": "use('raw', 'AES-CTR', ['encrypt'], (k) => subtle.encrypt({ name: 'AES-CTR', counter: iv, length: 20 }, k, d))",
    "AES-GCM": "use('raw', 'AES-GCM', ['encrypt'], (k) => subtle.encrypt({ name: 'AES-GCM', iv, tagLength: 96 }, k, d))",
    "AES-GCM, additional data":
        "use('raw', 'AES-GCM', ['encrypt'], (k) => subtle.encrypt({ name: 'AES-GCM', iv, additionalData: d }, k, short))",
    "AES-GCM, a short vector":
        "use('raw', 'AES-GCM', ['encrypt'], (k) => subtle.encrypt({ name: 'AES-GCM', iv: short, additionalData: d }, k, d))",
    "HKDF": "use('raw', 'HKDF', ['deriveBits'], (k) => subtle.deriveBits({ name: 'HKDF', hash, salt: d, info: d }, k, 1600), d)",
    "PBKDF2": "use('raw', 'PBKDF2', ['deriveBits'], (k) => subtle.deriveBits("
        "{ name: 'PBKDF2', hash, salt: short, iterations: 2 }, k, 1600), d)",
}  # fmt: skip
_BACK = {
    "AES-CBC": "use('raw', 'AES-CBC', ['decrypt'], (k) => subtle.decrypt({ name: 'AES-CBC', iv }, k, made))",
    "AES-CTR": _CALLS["AES-CTR"].replace("d))", "made))"),
    "AES-GCM": _CALLS["AES-GCM"].replace("encrypt", "decrypt").replace("d))", "made))"),
    "AES-GCM, a short vector": _CALLS["AES-GCM, a short vector"]
    .replace("encrypt", "decrypt")
    .replace("k, d))", "k, made))"),
}
_WITH_LARGE = """
const { subtle } = crypto;
const hash = "SHA-256", iv = new Uint8Array(16).fill(255), short = new Uint8Array(5).fill(7);
const written = async (d) => {
  const stream = new crypto.DigestStream("MD5");
  const to = stream.getWriter();
  to.write(d); to.close();
  return stream.digest;
};
const url = { alphabet: "base64url", omitPadding: true };
const text = (base64) => Uint8Array.fromBase64(base64, url);
const use = async (format, name, usages, act, bytes = new Uint8Array(32).fill(3)) => {
  const data = format === "jwk" ? { kty: "oct", k: new Uint8Array(bytes).toBase64(url) } : bytes;
  return act(await subtle.importKey(format, data, { name, hash }, name !== "HKDF" && name !== "PBKDF2", usages));
};
const d = new Uint8Array(SIZE + 3).map((_, i) => i * 7 + (i >> 9)).subarray(3);
const made = new Uint8Array(await CALL);
"""


def _computed(run_js: Run, call: str, back: str | None, size: int) -> list[str]:
    script = _WITH_LARGE.replace("SIZE", str(size)).replace("CALL", call)
    if back is not None:
        script += (
            f"const again = new Uint8Array(await {back}); if (again.toHex() !== d.toHex()) throw new Error('other');"
        )
    result: list[str] = run_js(script + "return [made.length, made.toHex()];")
    return result


@pytest.mark.parametrize("name", _CALLS)
def test_large_data_is_computed_in_pieces(run_js: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The same comes of it as of data in one, and no bytes are ever in one that are not few."""
    run = Work.run
    seen: list[object] = []

    def watch(work: Work, weight: Weight, size: int, compute: Any, *more: Any) -> Any:
        seen.extend([*compute.args, size])
        return run(work, weight, size, compute, *more)

    monkeypatch.setattr(Work, "run", watch)
    in_pieces = _computed(run_js, _CALLS[name], _BACK.get(name), _LARGE)
    assert any(type(each) is Pieces for each in seen)
    assert not any(type(each) is bytes and len(each) > LARGE for each in seen)
    monkeypatch.setattr(Large, "held", lambda large: bytes(large._held.popleft()))
    assert _computed(run_js, _CALLS[name], _BACK.get(name), _LARGE) == in_pieces


def test_keys_longer_than_any_are_refused(run_js: Run) -> None:
    assert (
        run_js(
            _PRELUDE
            + """const rsa = { name: "RSA-PSS", hash: "SHA-256" }, ec = { name: "ECDSA", namedCurve: "P-256" };
        const long = "A".repeat(20000);
        return [
          await name(subtle.importKey("spki", new Uint8Array(2e6), rsa, true, ["verify"])),
          await name(subtle.importKey("raw", new Uint8Array(2e6), ec, true, ["verify"])),
          await name(subtle.importKey("jwk", { kty: "RSA", n: long, e: "AQAB" }, rsa, true, ["verify"])),
          await name(subtle.importKey("jwk", { kty: "EC", crv: "P-256", x: long, y: long }, ec, true, ["verify"])),
          await name(subtle.importKey("jwk", { kty: "oct", k: "A".repeat(300001) }, { name: "HMAC", hash: "SHA-1" }, true, ["sign"])),
          await name(subtle.importKey("jwk", { kty: "oct", k: "AA+A".repeat(9999) }, { name: "HMAC", hash: "SHA-1" }, true, ["sign"])),
        ];"""
        )
        == ["DataError"] * 6
    )
