"""The local authority: made once, kept; certificates renewed when they must be; nobody else's files touched."""

from __future__ import annotations

import datetime
import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
import trustme
from cryptography import x509

from nano_trio.config import from_document
from nano_trio.web import local_ca as module
from nano_trio.web.assembly import server_settings
from nano_trio.web.certificates import Pair, TLSSettings, server_context
from nano_trio.web.local_ca import CertificateError, LocalCertificates, trust_instructions
from tests.web.secure import written


@pytest.fixture
def local(tmp_path: Path) -> LocalCertificates:
    return LocalCertificates(tmp_path / "certs")


def accepted(local: LocalCertificates, pair: Pair, name: str) -> bool:
    """Whether a client that trusts the authority takes this pair for this name."""
    client_context = ssl.create_default_context(cafile=str(local.ca))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_context(pair, TLSSettings()).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError:
                return False
    return True


def certificate(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_what_is_made(local: LocalCertificates) -> None:
    report = local.ensure(["a.localhost", "*.b.localhost", "my_app", "10.1.2.3", "[::5]"])
    assert report.ca_made
    assert report.made == ("localhost", "a.localhost", "*.b.localhost", "my_app")
    for name, host in [
        ("localhost", "localhost"),
        ("127.0.0.1", "localhost"),
        ("::1", "localhost"),
        ("10.1.2.3", "localhost"),
        ("::5", "localhost"),
        ("a.localhost", "a.localhost"),
        ("x.b.localhost", "*.b.localhost"),
        ("my_app", "my_app"),
    ]:
        assert accepted(local, local.pair(host), name), name
    assert not accepted(local, local.pair("a.localhost"), "b.localhost")
    assert local.pair("10.1.2.3") == local.pair("[::5]") == local.pair("localhost")

    now = datetime.datetime.now(datetime.UTC)
    authority, leaf = certificate(local.ca), certificate(local.pair("localhost").cert)
    assert 3600 < (authority.not_valid_after_utc - now).days < 3700
    assert 360 < (leaf.not_valid_after_utc - now).days <= 365
    assert leaf.issuer == authority.subject
    limits = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (limits.critical, limits.value.ca, limits.value.path_length) == (True, True, 0)


def test_keys_are_for_their_owner_only(local: LocalCertificates) -> None:
    before = os.umask(0)
    try:
        local.ensure()
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in local.folder.iterdir()}
    assert modes.pop(".gitignore")
    assert modes == {
        "ca.pem": 0o644,
        "ca-key.pem": 0o600,
        "localhost.cert.pem": 0o644,
        "localhost.key.pem": 0o600,
    }
    assert (local.folder / ".gitignore").read_text().endswith("*\n")


def contents(local: LocalCertificates) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in local.folder.iterdir()}


def test_what_is_good_is_kept(local: LocalCertificates) -> None:
    local.ensure(["a.localhost"])
    before = contents(local)
    report = local.ensure(["a.localhost"])
    assert (report.ca_made, report.made, report.kept) == (False, (), ("localhost", "a.localhost"))
    assert contents(local) == before
    report = local.ensure(["b.localhost"])
    assert report.made == ("b.localhost",)
    assert contents(local).items() > before.items()


def test_force_renews_all_but_the_authority(local: LocalCertificates) -> None:
    local.ensure(["a.localhost"])
    before = contents(local)
    report = local.ensure(["a.localhost"], force=True)
    assert (report.ca_made, report.made) == (False, ("localhost", "a.localhost"))
    after = contents(local)
    kept = {name for name in before if before[name] == after[name]}
    assert kept == {"ca.pem", "ca-key.pem", ".gitignore"}
    assert accepted(local, local.pair("a.localhost"), "a.localhost")


def test_a_new_address_renews_and_keeps_the_old_names(local: LocalCertificates) -> None:
    local.ensure(["10.0.0.1"])
    assert local.ensure(["10.0.0.2"]).made == ("localhost",)
    for name in ("localhost", "10.0.0.1", "10.0.0.2"):
        assert accepted(local, local.pair("localhost"), name)
    assert local.ensure().made == ()


def test_certificates_are_renewed_when_they_near_their_end(
    local: LocalCertificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.ensure(["a.localhost"])
    now = datetime.datetime.now(datetime.UTC)

    def after(days: int) -> None:
        monkeypatch.setattr(module, "_now", lambda: now + datetime.timedelta(days=days))

    after(300)
    assert local.ensure(["a.localhost"]).made == ()
    after(340)
    report = local.ensure(["a.localhost"])
    assert (report.ca_made, report.made) == (False, ("localhost", "a.localhost"))
    after(3500)  # no certificate outlives its authority
    local.ensure(["a.localhost"])
    leaf = certificate(local.pair("a.localhost").cert)
    assert leaf.not_valid_after_utc == certificate(local.ca).not_valid_after_utc
    after(3640)
    report = local.ensure(["a.localhost"])
    assert (report.ca_made, report.made) == (True, ("localhost", "a.localhost"))


def test_what_no_server_needs_for_a_week_is_removed(local: LocalCertificates, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.datetime.now(datetime.UTC)

    def after(days: int) -> None:
        monkeypatch.setattr(module, "_now", lambda: now + datetime.timedelta(days=days))

    def there() -> str:
        return " ".join(
            name for name in "abcdef" if any(file.exists() for file in attrs.astuple(local.pair(name), recurse=False))
        )

    local.ensure(["a", "b", "c", "d"], serving=True)
    local.ensure(["e"])
    foreign = local.pair("f").cert
    foreign.write_text("somebody's own")
    stamp = local.pair("b").cert.stat().st_mtime_ns
    after(6)
    local.ensure(["a"], serving=True)
    local.ensure(["b"], serving=True)  # another server, with the same folder
    # To ask for one is to keep it.
    assert local.ensure(["c"]).made == ()
    assert accepted(local, local.pair("c"), "c")
    assert there() == "a b c d e f"
    after(8)
    local.ensure(["a"], serving=True)
    assert there() == "a b c e f"
    assert local.pair("b").cert.stat().st_mtime_ns == stamp, "who serves it would load it again"
    after(14)
    local.ensure(["a", "e"], serving=True)
    assert there() == "a c e f"
    after(360)
    assert local.ensure(["a", "e"], serving=True).made == ("localhost", "a", "e")
    after(370)
    local.ensure(serving=True)
    assert there() == "c e f"
    assert local.pair("localhost").cert.exists()


def test_servers_say_what_they_need(tmp_path: Path) -> None:
    app = tmp_path / "app.js"
    app.write_text("export default () => new Response()")

    def serve(*names: str) -> LocalCertificates:
        document = {"tls": {"port": 3443, "certs": str(tmp_path / "certs")}}
        apps = [{"name": name, "path": str(app), "hostname": f"{name}.localhost"} for name in names]
        server_settings(from_document({**document, "apps": apps}, environ={}), dev=False, access_log=False, live=None)
        return LocalCertificates(tmp_path / "certs")

    left = serve("one", "two").pair("two.localhost").cert
    os.utime(left, (0, left.stat().st_mtime))
    assert serve("one").pair("one.localhost").cert.exists()
    assert not left.exists()


def test_another_authority_renews_all(local: LocalCertificates) -> None:
    local.ensure(["a.localhost"])
    local.ca.unlink()
    local.ca_key.unlink()
    report = local.ensure(["a.localhost"])
    assert (report.ca_made, report.made) == (True, ("localhost", "a.localhost"))
    assert accepted(local, local.pair("a.localhost"), "a.localhost")


@pytest.mark.parametrize("which", ["cert", "key"])
def test_broken_files_of_ours_are_made_anew(local: LocalCertificates, which: str) -> None:
    local.ensure()
    broken = getattr(local.pair("localhost"), which)
    broken.write_bytes(broken.read_bytes()[:150])
    assert local.ensure().made == ("localhost",)
    assert accepted(local, local.pair("localhost"), "localhost")


@pytest.mark.parametrize("force", [False, True])
def test_files_of_others_are_not_written_over(local: LocalCertificates, force: bool) -> None:
    local.ensure()
    pair = local.pair("a.localhost")
    for file in (pair.cert, pair.key):
        file.write_text("mine")
        with pytest.raises(CertificateError, match=f"{file.name} was not made by nano-trio and is not overwritten"):
            local.ensure(["a.localhost"], force=force)
        assert file.read_text() == "mine"
        file.unlink()


def test_good_files_of_others_are_used(local: LocalCertificates, tmp_path: Path) -> None:
    local.ensure()
    foreign, pair = written(tmp_path, "a.localhost", ca=trustme.CA()), local.pair("a.localhost")
    os.replace(foreign.cert, pair.cert)
    os.replace(foreign.key, pair.key)
    before = contents(local)
    assert local.ensure(["a.localhost"]).kept == ("localhost", "a.localhost")
    assert contents(local) == before


@pytest.mark.parametrize("key_type", list(trustme.KeyType))
def test_an_authority_of_ones_own_is_used(local: LocalCertificates, key_type: trustme.KeyType) -> None:
    ca = trustme.CA(key_type=key_type)
    local.folder.mkdir()
    local.ca.write_bytes(ca.cert_pem.bytes())
    local.ca_key.write_bytes(ca.private_key_pem.bytes())
    assert not local.ensure(["a.localhost"]).ca_made
    assert local.ca.read_bytes() == ca.cert_pem.bytes()
    server = server_context(local.pair("a.localhost"), TLSSettings())
    assert server.cert_store_stats()["x509"] == 0
    certificate(local.pair("a.localhost").cert).verify_directly_issued_by(certificate(local.ca))


def test_what_is_no_authority(local: LocalCertificates, tmp_path: Path) -> None:
    local.folder.mkdir()
    ca = trustme.CA()
    leaf = written(tmp_path, "a")
    for cert, key, message in [
        (ca.cert_pem.bytes(), None, "ca.pem is there, but ca-key.pem is not"),
        (None, ca.private_key_pem.bytes(), "ca-key.pem is there, but ca.pem is not"),
        (b"junk", ca.private_key_pem.bytes(), "ca.pem cannot be used"),
        (ca.cert_pem.bytes(), b"junk", "ca-key.pem cannot be used"),
        (ca.cert_pem.bytes(), leaf.key.read_bytes(), "no certificate authority with its key"),
        (leaf.cert.read_bytes(), leaf.key.read_bytes(), "no certificate authority with its key"),
    ]:
        for file, content in ((local.ca, cert), (local.ca_key, key)):
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
        with pytest.raises(CertificateError, match=message):
            local.ensure()
        assert not local.pair("localhost").cert.exists()
        assert (local.ca.read_bytes() if cert else None) == cert


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CertificateError, match="file/certs: not a directory; local certificates need a folder that can be written"
    ):
        LocalCertificates(tmp_path / "file" / "certs").ensure()


def test_many_at_once_make_one_authority(local: LocalCertificates) -> None:
    code = (
        "import sys; from pathlib import Path; from nano_trio.web.local_ca import LocalCertificates;"
        "LocalCertificates(Path(sys.argv[1])).ensure([f'h{n}.localhost' for n in range(10)])"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(local.folder)]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert all(accepted(local, local.pair(f"h{number}.localhost"), f"h{number}.localhost") for number in range(10))
    assert not list(local.folder.glob(".*.*"))


def test_very_long_names(local: LocalCertificates) -> None:
    name = ".".join(["a" * 60] * 4)
    local.ensure([name])
    assert accepted(local, local.pair(name), name)


def test_the_instructions_name_the_file() -> None:
    text = trust_instructions(Path("/some where/ca.pem"))
    assert text.count("'/some where/ca.pem'") == 8
