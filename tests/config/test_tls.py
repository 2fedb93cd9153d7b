"""The TLS keys: what they come to, and every way to get them wrong."""

import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from nano_trio.config import (
    App,
    AppTls,
    Config,
    ConfigDiff,
    ConfigError,
    Listener,
    Tls,
    dates_problem,
    diff,
    from_document,
    parse_hostnames,
    single_app,
    to_document,
)

CA = trustme.CA()
NOW = datetime.datetime.now(datetime.UTC)
ONE = {"name": "one", "path": "one"}
TWO = {"name": "two", "path": "two.js"}


def issue(folder: Path, name: str, **options: Any) -> None:
    leaf = CA.issue_cert("one.example", **options)
    (folder / f"{name}.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    (folder / f"{name}.key").write_bytes(leaf.private_key_pem.bytes())


@pytest.fixture
def files(folder: Path) -> Path:
    """The configuration's folder, with certificates of every kind."""
    issue(folder, "good")
    issue(folder, "other")
    issue(folder, "rsa", key_type=trustme.KeyType.RSA)
    issue(folder, "expired", not_after=NOW - datetime.timedelta(days=3))
    issue(folder, "early", not_before=NOW + datetime.timedelta(days=3))
    (folder / "junk").write_text("junk")
    (folder / "ca.pem").write_bytes(CA.cert_pem.bytes())
    key = load_pem_private_key((folder / "good.key").read_bytes(), None)
    encryption = BestAvailableEncryption(b"secret")
    (folder / "locked.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return folder


def loaded(folder: Path, document: dict[str, Any], **options: Any) -> Config:
    return from_document({"apps": [ONE], **document}, folder=folder, environ={}, **options)


def test_without_tls(folder: Path) -> None:
    config = loaded(folder, {})
    assert config.tls == Tls(certs=folder / "certs")
    assert config.apps[0].tls == AppTls()
    assert config.secure_ports == {}
    assert config.listeners == {Listener("127.0.0.1", 3000)}


def test_everything_set(files: Path) -> None:
    document = {
        "tls": {
            "port": 3443,
            "certs": "../here",
            "redirect": True,
            "min_version": "1.3",
            "client_auth": "optional",
            "client_ca": "ca.pem",
        },
        "apps": [
            {**ONE, "tls": {"cert": "good.pem", "key": "good.key"}},
            {**TWO, "port": 8080, "tls": {"cert": "rsa.pem", "key": str(files / "rsa.key"), "port": 8443}},
        ],
    }
    config = loaded(files, document)
    assert config.tls == Tls(
        port=3443,
        certs=files.parent / "here",
        redirect=True,
        min_version="1.3",
        client_auth="optional",
        client_ca=files / "ca.pem",
    )
    one, two = config.apps
    assert one.tls.own_certificate == (files / "good.pem", files / "good.key")
    assert two.tls == AppTls(cert=files / "rsa.pem", key=files / "rsa.key", port=8443)
    assert config.secure_ports == {None: 3443, 8080: 8443}
    assert config.listeners == {
        Listener("127.0.0.1", 3000),
        Listener("127.0.0.1", 8080),
        Listener("127.0.0.1", 3443, tls=True),
        Listener("127.0.0.1", 8443, tls=True),
    }
    assert from_document(to_document(config), folder="/", environ={}) == config


def test_the_command_line_sets_the_port(folder: Path) -> None:
    assert loaded(folder, {}, overrides={"tls.port": 0}).secure_ports == {None: 0}
    assert loaded(folder, {"tls": {"port": 1}}, overrides={"tls.port": 2}).tls.port == 2
    assert single_app(folder / "one", overrides={"tls.port": 3443}).tls.certs == Path.cwd() / "certs"


OF_TLS: list[tuple[dict[str, Any], str]] = [
    ({"port": -1}, "tls.port: expected a port number from 0 to 65535, got -1"),
    ({"port": None}, "tls.port: expected a port number from 0 to 65535, got null"),
    ({"port": 3000}, "tls.port: port 3000 serves HTTP already, for the server"),
    ({"certs": ""}, 'tls.certs: expected a path to a folder, got ""'),
    ({"redirect": "yes"}, 'tls.redirect: expected true or false, got "yes"'),
    ({"min_version": 1.2}, 'tls.min_version: expected "1.2" or "1.3", got 1.2; did you mean "1.2"?'),
    ({"min_version": "1.1"}, 'tls.min_version: expected "1.2" or "1.3", got "1.1"'),
    ({"client_auth": True}, 'tls.client_auth: expected "none", "optional" or "required", got true'),
    ({"client_auth": "required"}, 'tls.client_ca: required where "client_auth" is "required"'),
    (
        {"client_ca": "ca.pem"},
        'tls.client_ca: nothing asks for client certificates; set "client_auth" to "optional" or "required"',
    ),
    (
        {"client_auth": "optional", "client_ca": "nowhere"},
        'tls.client_ca: "nowhere" cannot be read: no such file or directory (looked for FOLDER/nowhere)',
    ),
    (
        {"client_auth": "optional", "client_ca": "junk"},
        'tls.client_ca: "junk" is no PEM file with certificates (looked at FOLDER/junk)',
    ),
    ({"cert": "good.pem"}, 'tls.cert: unknown key here; it belongs in an app\'s "tls"'),
    ({"ports": 1}, 'tls.ports: unknown key; did you mean "port"?'),
]

YESTERDAY = f"{NOW - datetime.timedelta(days=3):%Y-%m-%d}"
SOON = f"{NOW + datetime.timedelta(days=3):%Y-%m-%d}"

OF_AN_APP: list[tuple[dict[str, Any], str]] = [
    ({"cert": "good.pem"}, 'key: required beside "cert"'),
    ({"key": "good.key"}, 'cert: required beside "key"'),
    ({"cert": 1, "key": "good.key"}, "cert: expected a path to a file, got 1"),
    (
        {"cert": "none.pem", "key": "good.key"},
        "cert: cannot be read: no such file or directory (looked for FOLDER/none.pem)",
    ),
    (
        {"cert": "good.pem", "key": "none.key"},
        "key: cannot be read: no such file or directory (looked for FOLDER/none.key)",
    ),
    ({"cert": "one", "key": "good.key"}, "cert: cannot be read: is a directory (looked for FOLDER/one)"),
    ({"cert": "junk", "key": "good.key"}, "cert: no PEM file with certificates (looked at FOLDER/junk)"),
    ({"cert": "good.key", "key": "good.key"}, "cert: no PEM file with certificates (looked at FOLDER/good.key)"),
    ({"cert": "good.pem", "key": "junk"}, "key: no PEM file with a private key (looked at FOLDER/junk)"),
    ({"cert": "good.pem", "key": "good.pem"}, "key: no PEM file with a private key (looked at FOLDER/good.pem)"),
    (
        {"cert": "good.pem", "key": "other.key"},
        "key: not the key of the first certificate in FOLDER/good.pem (looked at FOLDER/other.key)",
    ),
    (
        {"cert": "good.pem", "key": "rsa.key"},
        "key: not the key of the first certificate in FOLDER/good.pem (looked at FOLDER/rsa.key)",
    ),
    (
        {"cert": "good.pem", "key": "locked.key"},
        "key: the private key is encrypted; store it without a passphrase (looked at FOLDER/locked.key)",
    ),
    (
        {"port": 8443},
        'port: set the app\'s own "port" too: without one, the server\'s "tls.port" serves the app',
    ),
    ({"certs": "x"}, 'certs: unknown key here; it belongs in "tls"'),
]


def problems(folder: Path, document: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, document)
    return str(caught.value).replace(str(folder), "FOLDER").splitlines()


@pytest.mark.parametrize(("table", "expected"), OF_TLS, ids=[text[:50] for _, text in OF_TLS])
def test_the_table(files: Path, table: dict[str, Any], expected: str) -> None:
    assert problems(files, {"tls": table}) == [f"configuration: {expected}"]


@pytest.mark.parametrize(("table", "expected"), OF_AN_APP, ids=[text[:50] for _, text in OF_AN_APP])
def test_the_table_of_an_app(files: Path, table: dict[str, Any], expected: str) -> None:
    assert problems(files, {"apps": [{**ONE, "tls": table}]}) == [f"configuration: apps[0].tls.{expected}"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["good"], None),
        (["expired"], f"the certificate expired on {YESTERDAY}"),
        (["early"], f"the certificate is valid only from {SOON}"),
        (["good", "expired"], f"certificate 2 of the chain expired on {YESTERDAY}"),
    ],
    ids=str,
)
def test_dates_keep_no_server_from_starting_and_are_told(files: Path, names: list[str], expected: str | None) -> None:
    cert = files / "chain.pem"
    cert.write_bytes(b"".join((files / f"{name}.pem").read_bytes() for name in names))
    config = loaded(files, {"apps": [{**ONE, "tls": {"cert": "chain.pem", "key": f"{names[0]}.key"}}]})
    assert config.apps[0].tls.cert == cert
    assert dates_problem(cert) == (expected and f"{expected} (looked at {cert})")


@pytest.mark.parametrize(
    ("server", "apps", "expected"),
    [
        (8080, [(8080, None)], "tls.port: port 8080 serves HTTP already, for apps[0]"),
        (None, [(8080, 3000)], "apps[0].tls.port: port 3000 serves HTTP already, for the server"),
        (
            8443,
            [(3000, 9443)],
            "apps[0].tls.port: apps that share port 3000 share its HTTPS port too: both 8443 and 9443 are set",
        ),
        (None, [(8080, 9090), (9090, None)], "apps[0].tls.port: port 9090 serves HTTP already, for apps[1]"),
        (8443, [(8080, 8443)], "apps[0].tls.port: port 8443 is the HTTPS port beside the server's port already"),
        (None, [(8080, 8443), (9090, 8443)], "apps[1].tls.port: port 8443 is the HTTPS port beside 8080 already"),
        (
            None,
            [(8080, 8443), (8080, 9443)],
            "apps[1].tls.port: apps that share port 8080 share its HTTPS port too: both 8443 and 9443 are set",
        ),
    ],
)
def test_ports_that_clash(folder: Path, server: int | None, apps: list[tuple[int, int | None]], expected: str) -> None:
    tables: list[dict[str, Any]] = [
        {**app, "port": port, **({"tls": {"port": secure}} if secure else {})}
        for app, (port, secure) in zip((ONE, TWO), apps, strict=False)
    ]
    document = {"apps": tables, **({"tls": {"port": server}} if server else {})}
    assert problems(folder, document) == [f"configuration: {expected}"]


@pytest.mark.parametrize("server", [None, 9443])
def test_an_app_with_the_servers_port_has_its_https_port_too(folder: Path, server: int | None) -> None:
    document = {
        "apps": [{**ONE, "port": 3000, "tls": {"port": 9443}}, TWO],
        **({"tls": {"port": server}} if server else {}),
    }
    config = loaded(folder, document)
    assert config.secure_ports == {None: 9443}
    assert [config.port_of(app) for app in config.apps] == [3000, 3000]


def test_apps_may_share_a_port_and_its_https_port(folder: Path) -> None:
    tables = [{**app, "port": 8080, "tls": {"port": 8443}} for app in (ONE, TWO)]
    assert loaded(folder, {"apps": tables}).secure_ports == {8080: 8443}


def test_a_difference() -> None:
    old = Config(apps=(App(name="one", path="/one"),))
    new = attrs.evolve(old, tls=Tls(port=3443, redirect=True))
    assert diff(old, new) == ConfigDiff(
        listener_keys=("tls.port",),
        live_keys=("tls.redirect",),
    )
    assert diff(new, old).listener_keys == ("tls.port",)
    changed = attrs.evolve(old, apps=(attrs.evolve(old.apps[0], tls=AppTls(cert=Path("/a"), key=Path("/b"))),))
    (change,) = diff(old, changed).changed
    assert (change.keys, change.needs_new_isolate) == (("tls",), False)


def test_hostnames_from_the_command_line() -> None:
    assert parse_hostnames(["A.Example", "*.b", "10.0.0.1", "::1", "[::2]"]) == (
        "a.example",
        "*.b",
        "10.0.0.1",
        "[::1]",
        "[::2]",
    )
    assert parse_hostnames([]) == ()
    with pytest.raises(ConfigError, match=r'command line: HOST: expected a hostname .*, got "a b"'):
        parse_hostnames(["ok", "a b"])
