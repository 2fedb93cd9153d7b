"""crypto.DigestStream, Workers' hash of a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[[str], Any]


@pytest.mark.parametrize(
    ("name", "own"),
    [("SHA-1", "sha1"), ("sha-256", "sha256"), ("SHA-512", "sha512"), ("SHA3-256", "sha3_256"), ("MD5", "md5")],
)
def test_the_hash_of_what_is_written(run_js: Run, name: str, own: str) -> None:
    given = run_js(
        f"""const stream = new crypto.DigestStream({{ name: "{name}" }});
        const writer = stream.getWriter();
        writer.write(new Uint8Array([1, 2, 3]).subarray(1));
        writer.write(new ArrayBuffer(200000));
        await writer.write("grün");
        await writer.close();
        return [new Uint8Array(await stream.digest).toHex(), stream.bytesWritten, stream.digest === stream.digest];"""
    )
    data = b"\2\3" + bytes(200000) + "grün".encode()
    assert given == [hashlib.new(own, data).hexdigest(), len(data), True]


def test_a_body_is_piped_into_it(run_js: Run) -> None:
    assert (
        run_js(
            """const stream = new crypto.DigestStream("SHA-256");
        await new Response("abc").body.pipeTo(stream);
        return new Uint8Array(await stream.digest).toHex();"""
        )
        == hashlib.sha256(b"abc").hexdigest()
    )


def test_its_shape(run_js: Run) -> None:
    assert run_js(
        """const { DigestStream } = crypto;
        const stream = new DigestStream("SHA-1");
        const thrown = (body) => { try { body(); } catch (error) { return error.name; } };
        return [stream instanceof WritableStream, String(stream), DigestStream === crypto.DigestStream, DigestStream.length,
          thrown(() => new DigestStream()), thrown(() => new DigestStream("AES-CBC")), thrown(() => DigestStream("SHA-1")),
          thrown(() => DigestStream.prototype.digest)];"""
    ) == [True, "[object DigestStream]", True, 1, "TypeError", "NotSupportedError", "TypeError", "TypeError"]


def test_what_ends_it_early_rejects_the_digest(run_js: Run) -> None:
    assert run_js(
        """const aborted = new crypto.DigestStream("SHA-1");
        await aborted.abort(new RangeError("enough"));
        const wrong = new crypto.DigestStream("SHA-1");
        const written = wrong.getWriter().write(5);
        const name = (promise) => promise.then(() => "none", (error) => error.name);
        return [await name(aborted.digest), await name(written), await name(wrong.digest)];"""
    ) == ["RangeError", "TypeError", "TypeError"]


def test_nobody_needs_to_look_at_the_digest(bench: Any) -> None:
    bench.run(
        'await new crypto.DigestStream("SHA-1").abort(new Error("x")); await new Promise((r) => setTimeout(r, 5));'
    )
    assert bench.exceptions == []
