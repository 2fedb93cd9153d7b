"""`allow_net` and `extra_ca_certs`: what is accepted, and what people are told about the rest."""

from pathlib import Path

import pytest
import trustme

from nano_trio.config import ConfigError, from_document
from nano_trio.config.net_rules import parse_net_rule


def app(folder: Path, **keys: object) -> object:
    document = {"apps": [{"name": "one", "path": "one", **keys}]}
    return from_document(document, folder=folder, environ={}).apps[0]


def problem(folder: Path, **keys: object) -> str:
    with pytest.raises(ConfigError) as caught:
        app(folder, **keys)
    (only,) = caught.value.problems
    return f"{only.key}: {only.message}"


@pytest.mark.parametrize(
    "entry",
    ["api.internal", "API.Internal:8080", "*.corp.example", "*.corp.example:1-65535", "10.0.0.0/8", "10.0.0.5:80",
     "10.0.0.0/8:8000-8999", "::1", "fd00::/8", "[::1]", "[::1]:3000", "[fd00::/8]:1-2", "loopback", "private:5432",
     "under_score", "localhost"],
)  # fmt: skip
def test_entries(folder: Path, entry: str) -> None:
    assert app(folder, allow_net=entry).allow_net == (entry,)  # type: ignore[attr-defined]
    assert app(folder, allow_net=["loopback", entry]).allow_net == ("loopback", entry)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "entry",
    ["", " ", "*", "*.", "http://api.internal", "api.internal/path", "a b", "10.0.0.0/33", "10.0.0", "256.1.1.1",
     "1.2.3.4:", "x:y", "x:80-", "x:-80", "[10.0.0.1]:80", "[::1", "[::1]80", "fe80::1%eth0", "a.*.example", 5, None,
     ["loopback"], "x:٣"],
)  # fmt: skip
def test_entries_that_are_none(folder: Path, entry: object) -> None:
    assert problem(folder, allow_net=[entry]).startswith("apps[0].allow_net[0]: expected a host, address or network")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10.0.0.1/8", 'allow_net: "10.0.0.1/8": the address has bits outside the network; did you mean "10.0.0.0/8"?'),
        ("x:0", 'allow_net: "x:0": ports go from 1 to 65535, a range from the lower to the higher'),
        ("x:70000", 'allow_net: "x:70000": ports go from 1 to 65535, a range from the lower to the higher'),
        ("x:90-80", 'allow_net: "x:90-80": ports go from 1 to 65535, a range from the lower to the higher'),
        (True, "allow_net: expected a host, address or network, or a list of them, got true"),
        ({}, "allow_net: expected a host, address or network, or a list of them, got an empty table"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_entry(folder: Path, value: object, message: str) -> None:
    assert problem(folder, allow_net=value) == f"apps[0].{message}"


def test_what_entries_mean() -> None:
    rule = parse_net_rule("[fd00::/8]:80-90")
    assert [str(network) for network in rule.networks] == ["fd00::/8"]
    assert [rule.covers_port(port) for port in (79, 80, 90, 91)] == [False, True, True, False]
    rule = parse_net_rule("*.Corp.example")
    assert [rule.covers_host(host) for host in ("corp.example", "a.corp.example", ".corp.example")] == [
        False,
        True,
        False,
    ]
    assert parse_net_rule("loopback").group == "loopback"


def test_authorities_are_found_beside_the_configuration(folder: Path) -> None:
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    assert app(folder, extra_ca_certs="ca.pem").extra_ca_certs == (folder / "ca.pem",)  # type: ignore[attr-defined]
    found = from_document(
        {"defaults": {"extra_ca_certs": ["ca.pem"]}, "apps": [{"name": "one", "path": "one"}]},
        folder=folder,
        environ={},
    )
    assert found.apps[0].extra_ca_certs == (folder / "ca.pem",)


def test_files_that_are_no_authorities(folder: Path) -> None:
    (folder / "text.pem").write_text("no certificate")
    assert problem(folder, extra_ca_certs=["gone.pem"]) == (
        f'apps[0].extra_ca_certs[0]: "gone.pem" cannot be read: no such file or directory (looked for {folder}/gone.pem)'
    )
    assert problem(folder, extra_ca_certs="text.pem") == (
        f'apps[0].extra_ca_certs[0]: "text.pem" is no PEM file with certificates (looked at {folder}/text.pem)'
    )
    assert problem(folder, extra_ca_certs=[5]) == "apps[0].extra_ca_certs[0]: expected a path to a file, got 5"
    assert (
        problem(folder, extra_ca_certs=5)
        == "apps[0].extra_ca_certs: expected a path to a file, or a list of them, got 5"
    )
