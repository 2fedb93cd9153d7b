"""Which certificate a client gets, and that new files are taken without losing a request."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import ssl
import sys
from pathlib import Path

import pytest
import structlog
import trio
import trustme
from cryptography import x509

from nano_trio.web import certificates as module
from nano_trio.web.certificates import Certificates, Pair, TLSSettings
from nano_trio.web.server import Server
from tests.web.apps import echo_app
from tests.web.secure import client_context, encrypted, port_of, secured, written


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("a.example.", "a.example"),
        ("x.example", "_.example"),
        ("x.y.example", "_.example"),
        ("deep.b.example", "_.b.example"),
        ("b.example", "_.example"),
        ("example", "default"),
        ("unknown", "default"),
        ("", "default"),
        (None, "default"),
    ],
)
async def test_sni(tmp_path: Path, name: str | None, expected: str) -> None:
    named = {host: written(tmp_path, host) for host in ("a.example", "*.example", "*.b.example")}
    certificates = Certificates(written(tmp_path, "default"), named)
    assert certificates.pair_for(name).cert.stem == expected


def _missing(pair: Pair) -> str:
    return f"cannot be read: no such file or directory (looked for {pair.cert})"


async def names_for(server: Server, host: str | None) -> list[str]:
    """The names in the certificate that a client gets."""
    context = client_context()
    context.check_hostname = False
    async with await trio.open_tcp_stream("127.0.0.1", port_of(server)) as raw:
        stream = trio.SSLStream(raw, context, server_hostname=host)
        await stream.do_handshake()
        der = stream.getpeercert(binary_form=True)
        assert der is not None
    extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


async def test_sni_on_the_wire(tmp_path: Path) -> None:
    named = {host: written(tmp_path, host) for host in ("a.example", "*.b.example")}
    certificates = Certificates(written(tmp_path, "default"), named)
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        assert await names_for(server, "a.example") == ["a.example"]
        assert await names_for(server, "x.b.example") == ["*.b.example"]
        assert await names_for(server, "other.example") == ["default"]
        assert await names_for(server, None) == ["default"]
        async with encrypted(server, host="x.b.example") as client:
            assert (await client.get(host="x.b.example")).status == 200


async def test_a_chain_is_sent_whole(tmp_path: Path) -> None:
    root = trustme.CA()
    certificates = Certificates(written(tmp_path, "localhost", ca=root.create_child_ca()))
    async with (
        secured(echo_app(), tmp_path, certificates=certificates) as server,
        encrypted(server, context=client_context(root)) as client,
    ):
        assert (await client.get()).status == 200


async def test_client_certificates_hold_for_every_name(tmp_path: Path) -> None:
    ca = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    settings = TLSSettings(client_auth="required", client_ca=tmp_path / "ca.pem")
    certificates = Certificates(written(tmp_path, "default"), {"a.example": written(tmp_path, "a.example")}, settings)
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        with pytest.raises(trio.BrokenResourceError):
            async with encrypted(server, host="a.example") as client:
                await client.get()
        context = client_context()
        ca.issue_cert("someone@example.org").configure_cert(context)
        async with encrypted(server, host="a.example", context=context) as client:
            assert (await client.get()).status == 200


def test_files_that_will_not_do(tmp_path: Path) -> None:
    good, other = written(tmp_path, "a"), written(tmp_path, "b")
    with pytest.raises(OSError, match="KEY_VALUES_MISMATCH"):
        Certificates(Pair(good.cert, other.key))
    with pytest.raises(FileNotFoundError):
        Certificates(Pair(tmp_path / "none", good.key))


async def test_a_pair_that_cannot_be_loaded_is_stood_in_for(tmp_path: Path) -> None:
    broken = Pair(tmp_path / "broken.pem", tmp_path / "broken.key")
    certificates = Certificates(written(tmp_path, "default"), {"a.example": broken})
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        with structlog.testing.capture_logs() as logs:
            for _ in range(3):
                assert await names_for(server, "a.example") == ["default"]
        errors = [entry for entry in logs if entry["log_level"] == "error"]
        assert [entry["reason"] for entry in errors] == [_missing(broken)]
        assert certificates.faults == server.certificate_faults == {str(broken.cert): _missing(broken)}
        written(tmp_path, "a.example")
        for old, new in (("a.example.pem", broken.cert), ("a.example.key", broken.key)):
            os.replace(tmp_path / old, new)
        assert await names_for(server, "a.example") == ["a.example"]
        assert certificates.faults == {}


async def test_a_pair_that_could_not_be_loaded_is_no_fault_once_it_can_be(tmp_path: Path) -> None:
    """Though nobody has asked for it since."""
    broken = Pair(tmp_path / "a.example.pem", tmp_path / "a.example.key")
    certificates = Certificates(written(tmp_path, "default"), {"a.example": broken})
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        assert await names_for(server, "a.example") == ["default"]
        assert certificates.faults
        written(tmp_path, "a.example")
        await certificates.refresh()
        assert certificates.faults == {}


def replace(pair: Pair, folder: Path, *names: str) -> None:
    """Put new files in place of a pair, as certbot and the like do."""
    (folder / "new").mkdir(exist_ok=True)
    new = written(folder / "new", *names)
    os.replace(new.key, pair.key)
    os.replace(new.cert, pair.cert)


async def test_new_files_are_taken_and_bad_ones_are_not(tmp_path: Path) -> None:
    default, named = written(tmp_path, "default"), written(tmp_path, "a.example")
    certificates = Certificates(default, {"a.example": named})
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        assert await names_for(server, "a.example") == ["a.example"]
        with structlog.testing.capture_logs() as logs:
            await certificates.refresh()
            assert logs == []

            replace(named, tmp_path, "a.example", "b.example")
            replace(default, tmp_path, "default", "c.example")
            await certificates.refresh()
            assert await names_for(server, "a.example") == ["a.example", "b.example"]
            assert await names_for(server, None) == ["default", "c.example"]
            assert [entry["event"] for entry in logs if "cert" in entry] == ["certificate reloaded"] * 2
            logs.clear()

            good = named.cert.read_bytes()
            assert certificates.faults == {}
            named.cert.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
            default.key.unlink()
            for _ in range(3):
                await certificates.refresh()
            assert await names_for(server, "a.example") == ["a.example", "b.example"]
            assert await names_for(server, None) == ["default", "c.example"]
            assert [entry["log_level"] for entry in logs] == ["error"] * 2  # said once, not at every look
            assert certificates.faults.keys() == {str(named.cert), str(default.cert)}
            logs.clear()

            named.cert.write_bytes(good)
            await certificates.refresh()
            assert [entry["event"] for entry in logs] == ["certificate reloaded"]
            assert certificates.faults.keys() == {str(default.cert)}
            assert await names_for(server, "a.example") == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("lived", "left", "said"),
    [
        (76, 15, None),
        (76, 13, "expires on"),
        (90, -1, "expired on"),
        (4, 2, None),
        (5.5, 0.5, "expires on"),
        (-2, 9, "is valid only from"),
    ],
)
async def test_a_certificate_that_soon_expires_is_told_once_and_by_health(
    tmp_path: Path, lived: float, left: float, said: str | None
) -> None:
    """Two weeks before; one of six days, on its last. So is one that is not valid yet."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    named = written(tmp_path, "a.example", valid=(now - lived * day, now + left * day))
    certificates = Certificates(written(tmp_path, "default"), {"a.example": named})
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        with pytest.raises(trio.BrokenResourceError) if min(lived, left) < 0 else contextlib.nullcontext():
            await names_for(server, "a.example")
        date = now + (left if lived > 0 else -lived) * day
        expected = {str(named.cert): f"{said} {date:%Y-%m-%d}"} if said else {}
        assert certificates.expiries == server.certificate_expiries == expected
        with structlog.testing.capture_logs() as logs:
            certificates.review()
            certificates.review()
            told = [(entry["event"], entry["cert"]) for entry in logs if entry["log_level"] == "warning"]
            assert told == [(f"a certificate {expiry}", cert) for cert, expiry in expected.items()]
            logs.clear()
            replace(named, tmp_path, "a.example")
            await certificates.refresh()
            certificates.review()
            assert certificates.expiries == {}
            assert [entry for entry in logs if entry["log_level"] == "warning"] == []


async def test_a_certificate_that_soon_expires_is_told_as_the_server_starts(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    default = written(tmp_path, "default", valid=(now - datetime.timedelta(80), now + datetime.timedelta(10)))
    with structlog.testing.capture_logs() as logs:
        async with secured(echo_app(), tmp_path, certificates=Certificates(default)):
            await trio.testing.wait_all_tasks_blocked()
    assert [entry["cert"] for entry in logs if entry["log_level"] == "warning"] == [str(default.cert)]


async def test_a_certificate_that_does_not_name_its_host_is_told_of(tmp_path: Path) -> None:
    hosts = ("a.example", "b.example", "x.c.example", "*.d.example", "e.example", "E2.example")
    pair = written(tmp_path, "A.example", "*.c.example", "*.d.example", "*.e.example", "e2.EXAMPLE")
    certificates = Certificates(written(tmp_path, "default"), {host.lower(): pair for host in hosts})
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        await names_for(server, "a.example")
        with structlog.testing.capture_logs() as logs:
            certificates.review()
            certificates.review()
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["cert"], entry["hosts"]) for entry in warnings] == [(str(pair.cert), ["b.example", "e.example"])]


async def test_old_files_that_are_put_back_are_no_fault(tmp_path: Path) -> None:
    default = written(tmp_path, "default")
    certificates = Certificates(default)
    kept = default.cert.rename(tmp_path / "kept")
    await certificates.refresh()
    assert certificates.faults == {str(default.cert): _missing(default)}
    kept.rename(default.cert)
    await certificates.refresh()
    assert certificates.faults == {}


async def test_a_half_written_pair_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    default = written(tmp_path, "default")
    (tmp_path / "new").mkdir()
    new = written(tmp_path / "new", "new.example")
    certificates = Certificates(default)
    async with secured(echo_app(), tmp_path, certificates=certificates) as server:
        shutil.copy(new.cert, default.cert)
        await certificates.refresh()
        assert await names_for(server, None) == ["default"]
        shutil.copy(new.key, default.key)
        await certificates.refresh()
        assert await names_for(server, None) == ["new.example"]


async def test_reloading_under_load_loses_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_S", 0.01)
    default = written(tmp_path, "localhost")
    certificates = Certificates(default)
    answered = 0
    stop = False

    async def ask(server: Server, *, anew: bool) -> None:
        nonlocal answered
        while not stop:
            async with encrypted(server) as client:
                while not stop:
                    assert (await client.get()).status == 200
                    answered += 1
                    if anew:
                        break
            await trio.lowlevel.checkpoint()

    async with secured(echo_app(), tmp_path, certificates=certificates) as server, trio.open_nursery() as nursery:
        for index in range(6):
            nursery.start_soon(lambda anew: ask(server, anew=anew), index % 2 == 0)
        seen = set()
        with trio.fail_after(60):
            for number in range(10):
                replace(default, tmp_path, "localhost", f"n{number}.example")
                before = answered
                names: list[str] = []
                while f"n{number}.example" not in names or answered < before + 20:
                    names = await names_for(server, "localhost")
                seen.update(names)
        stop = True
    assert len(seen) == 11


def test_settings_that_every_context_has(tmp_path: Path) -> None:
    context = Certificates(written(tmp_path, "a")).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.options & ssl.OP_NO_COMPRESSION
    assert not context.options & ssl.OP_NO_TICKET
    assert all(cipher["aead"] and cipher["kea"] in ("kx-ecdhe", "kx-any") for cipher in context.get_ciphers())


async def test_a_name_that_is_not_ascii_is_refused_and_leaves_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(incoming, outgoing, server_hostname="somewhere.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    assert hello.count(b"somewhere.example") == 1
    async with secured(echo_app(), tmp_path) as server:
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(server))
        async with stream:
            await stream.send_all(hello.replace(b"somewhere.example", b"s\xf6mewhere.example"))
            incoming.write(await stream.receive_some())
            with pytest.raises(ssl.SSLError, match="ALERT"):
                client.do_handshake()
            await stream.send_eof()
            assert await stream.receive_some() == b""
        async with encrypted(server) as good:
            assert (await good.get()).status == 200
    assert unraisable == []
