"""What node:crypto's ciphers hold and refuse, and that none of it ends more than the call: Node.js API, Crypto.

That they encrypt, decrypt and fail as Node's do is in tests/npm/node_programs/crypto_ciphers.mjs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from .harness import Bench

RunJS = Callable[[str], Any]

HEAD = """
    const { Buffer } = process.getBuiltinModule("node:buffer");
    const crypto = process.getBuiltinModule("node:crypto");
    const attempt = (call) => { try { return call() } catch (error) { return `${error.name} ${error.code} ${error.message}` } };
    const key = Buffer.alloc(16), iv = Buffer.alloc(12);
    const gcm = () => crypto.createCipheriv("aes-128-gcm", key, iv);
"""
OPEN = "globalThis.kept = Array.from({ length: 500 }, gcm); return kept.length"


def test_what_is_authenticated_is_what_the_library_makes_at_once(run_js: RunJS) -> None:
    """Of random lengths, cut anywhere: two of these modes are put together here of their parts."""
    random = Random(3)
    cases, expected = [], []
    for _ in range(150):
        name = random.choice(["aes-256-gcm", "aes-256-ccm", "chacha20-poly1305"])
        sizes = [0, 1, 15, 16, 17, 64, 255, 256, 65279, 65280, 65536, 70000]
        key, data, aad = (random.randbytes(size) for size in (32, random.choice(sizes), random.choice(sizes)))
        iv = random.randbytes(random.choice([7, 11, 12]) if name == "aes-256-ccm" else 12)
        tag = random.choice([4, 8, 16]) if name == "aes-256-ccm" else 16
        cut = len(data) if name == "aes-256-ccm" else random.randrange(len(data) + 1)
        library: Any = AESCCM(key, tag) if "ccm" in name else AESGCM(key) if "gcm" in name else ChaCha20Poly1305(key)
        cases.append([name, key.hex(), iv.hex(), data.hex(), aad.hex(), tag, cut])
        expected.append(library.encrypt(iv, data, aad or None).hex())
    made = run_js(
        f"""{HEAD}
        return {json.dumps(cases)}.map(([name, ...more]) => {{
          const [key, iv, data, aad] = more.slice(0, 4).map((text) => Buffer.from(text, "hex"));
          const [authTagLength, cut] = more.slice(4);
          const use = (cipher, data) => {{
            cipher.setAAD(aad, {{ plaintextLength: data.length }});
            const first = cipher.update(data.subarray(0, cut)), rest = cut < data.length ? [cipher.update(data.subarray(cut))] : [];
            return Buffer.concat([first, ...rest, cipher.final()]);
          }};
          const cipher = crypto.createCipheriv(name, key, iv, {{ authTagLength }}), made = use(cipher, data), tag = cipher.getAuthTag();
          const decipher = crypto.createDecipheriv(name, key, iv, {{ authTagLength }});
          if (!use(decipher.setAuthTag(tag), made).equals(data)) throw new Error("another text");
          return Buffer.concat([made, tag]).toString("hex");
        }});
        """
    )
    assert made == expected


def test_what_is_changed_is_not_authentic(run_js: RunJS) -> None:
    told = run_js(
        f"""{HEAD}
        const told = [];
        for (const name of ["aes-128-gcm", "aes-128-ccm", "chacha20-poly1305"]) {{
          const key = Buffer.alloc(name.startsWith("aes") ? 16 : 32, 1), options = {{ authTagLength: 16 }}, length = {{ plaintextLength: 40 }};
          const cipher = crypto.createCipheriv(name, key, iv, options).setAAD("additional", length);
          const made = cipher.update(Buffer.alloc(40, 2));
          cipher.final();
          const tag = cipher.getAuthTag();
          const open = (made, tag, aad = "additional") => attempt(() => {{
            const decipher = crypto.createDecipheriv(name, key, iv, options).setAuthTag(tag).setAAD(aad, length);
            return [decipher.update(made).length, decipher.final().length];
          }});
          const all = [made, tag], flipped = (i, bit) => all.map((each, which) => {{
            const copy = Buffer.from(each);
            if (which === i) copy[bit >> 3] ^= 1 << (bit & 7);
            return copy;
          }});
          const results = [open(made, tag, "additionaL"), open(made.subarray(1), tag)];
          for (let bit = 0; bit < 320; bit++) results.push(open(...flipped(0, bit)));
          for (let bit = 0; bit < 128; bit++) results.push(open(...flipped(1, bit)));
          told.push(open(made, tag), [...new Set(results)]);
        }}
        return told;
        """
    )
    refused = "Error undefined Unsupported state or unable to authenticate data"
    assert told == [[40, 0], [refused]] * 3


def test_ciphers_count_as_the_apps_memory(bench: Bench) -> None:
    isolate = bench._environment.isolate
    assert bench.run(HEAD + OPEN) == 500
    held = isolate.outside
    assert held >= 500 * 1024
    # One that is finished has nothing of the host's, whoever keeps it.
    bench.run("for (let i = 0; i < 400; i++) kept[i].final(); return 0")
    assert isolate.outside == held // 5
    bench.run("kept = null; return 0")
    for _ in range(2):  # streams are in circles, which the engine frees the second time
        isolate.collect_garbage()
        bench.run("return 0")  # what was registered for their end runs in a turn
    assert isolate.outside == 0


def test_what_has_gone_through_a_cipher_is_not_kept(bench: Bench) -> None:
    isolate = bench._environment.isolate
    bench.run(HEAD + "globalThis.cipher = gcm(); return 0")
    before = isolate.outside
    code = "for (let i = 0; i < 40; i++) cipher.setAAD(new Uint8Array(1e6)); for (let i = 0; i < 40; i++) cipher.update(new Uint8Array(1e6));"
    bench.run(code + "return 0")
    assert isolate.outside == before > 0
    assert bench.run("cipher.final(); return cipher.getAuthTag().length") == 16
    assert isolate.outside == 0


def test_what_is_refused_here_says_so(run_js: RunJS) -> None:
    told = run_js(
        f"""{HEAD}
        const own = await crypto.subtle.generateKey({{ name: "AES-CBC", length: 128 }}, true, ["encrypt"]);
        const late = crypto.createCipheriv("chacha20-poly1305", Buffer.alloc(32), iv);
        late.update("x");
        const ccm = crypto.createCipheriv("aes-128-ccm", key, iv, {{ authTagLength: 16 }});
        ccm.update("x");
        return [
          attempt(() => crypto.createCipheriv("aes-128-gcm", key, Buffer.alloc(7))),
          attempt(() => crypto.createCipheriv("aes-128-ecb", own, null)),
          // OpenSSL takes these two, and makes a tag that nobody else would.
          attempt(() => late.setAAD("late")),
          attempt(() => ccm.setAAD("late", {{ plaintextLength: 1 }})),
          attempt(() => crypto.createCipheriv("aes-128-ocb", key, iv)),
          attempt(() => crypto.createCipheriv("aes-128-cbc", new Uint8Array(1e8), Buffer.alloc(16))),
          attempt(() => crypto.createCipheriv("aes-128-gcm", key, new Uint8Array(1e8))),
          attempt(() => crypto.createDecipheriv("aes-128-gcm", key, iv).setAuthTag(new Uint8Array(1e8))),
        ];
        """
    )
    late = "Error ERR_CRYPTO_INVALID_STATE Invalid state for operation setAAD"
    odd = "TypeError ERR_CRYPTO_INVALID_IV Invalid initialization vector"
    assert told == [
        f"{odd}: with GCM it may have 8 to 128 bytes here",
        "Error ERR_FEATURE_UNAVAILABLE_ON_PLATFORM A CryptoKey is of use with crypto.subtle only: give a KeyObject, or bytes",
        late,
        late,
        "Error ERR_CRYPTO_UNKNOWN_CIPHER Unknown cipher",
        "RangeError ERR_CRYPTO_INVALID_KEYLEN Invalid key length",
        odd,
        "TypeError ERR_CRYPTO_INVALID_AUTH_TAG Invalid authentication tag length: 100000000",
    ]


def test_buffers_that_are_no_more_or_change(run_js: RunJS) -> None:
    """Data that is detached is none, as it is for hashes; shared memory is read once."""
    told = run_js(
        f"""{HEAD}
        const bytes = new Uint8Array(200_000).fill(1), shared = new Uint8Array(new SharedArrayBuffer(200_000)).fill(1);
        const tail = new Uint8Array(new ArrayBuffer(200_000, {{ maxByteLength: 400_000 }})).fill(1);
        const ctr = () => crypto.createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
        const made = ctr().update(bytes);
        const same = [shared, tail, new DataView(bytes.buffer)].map((each) => ctr().update(each).equals(made));
        bytes.buffer.transfer();
        const gone = attempt(() => ctr().update(bytes).length);
        return [...same, gone, made.length, ctr().update(tail.subarray(5)).length];
        """
    )
    assert told == [True, True, True, 0, 200_000, 199_995]


def test_nothing_is_loaded_before_the_first_cipher(bench: Bench) -> None:
    """Ciphers are streams, which would cost every app that hashes anything."""

    def heap() -> int:
        size: int = bench.context.runtime.compute_memory_usage()["malloc_size"]
        return size

    bench.run("return 0")
    before = heap()
    bench.run(f"{HEAD} globalThis.own = {{ ...crypto }}; return crypto.createHash('md5').digest('hex')")
    without = heap() - before
    bench.run(f"{HEAD} globalThis.cipher = gcm(); return 0")
    assert heap() - before > without + 50_000
