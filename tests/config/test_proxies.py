"""Trusted proxies, the PROXY protocol, limits for clients, compression: what their keys come to, and how they are wrong."""

from pathlib import Path
from typing import Any

import pytest

from nano_trio.config import Config, ConfigDiff, ConfigError, diff, from_document, to_document

ONE = {"name": "one", "path": "one"}


def loaded(folder: Path, document: dict[str, Any]) -> Config:
    return from_document({"apps": [ONE], **document}, folder=folder, environ={})


def test_everything_set(folder: Path) -> None:
    document = {
        "trusted_proxies": ["loopback", "10.0.0.0/8", "fd00::1", "Unix"],
        "proxy_protocol": True,
        "http": {
            "max_connections": 500,
            "max_connections_per_client": 20,
            "max_requests_per_s": 0.5,
            "max_request_burst": 10,
        },
        "compression": {"encodings": ["br", "gzip"], "min_bytes": 0, "types": "Text/*"},
        "defaults": {"max_body_mb": 10},
        "apps": [ONE, {"name": "two", "path": "two.js", "max_body_mb": "none"}],
    }
    config = loaded(folder, document)
    assert config.trusted_proxies == ("loopback", "10.0.0.0/8", "fd00::1", "Unix")
    assert config.proxy_protocol is True
    assert (config.http.max_connections, config.http.max_connections_per_client) == (500, 20)
    assert (config.http.max_requests_per_s, config.http.max_request_burst) == (0.5, 10)
    assert (config.compression.encodings, config.compression.min_bytes) == (("br", "gzip"), 0)
    assert config.compression.types == ("text/*",)
    assert [app.max_body_mb for app in config.apps] == [10, None]
    assert from_document(to_document(config), folder="/", environ={}) == config


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"trusted_proxies": 1}, "trusted_proxies: expected an address or network, or a list of them, got 1"),
    (
        {"trusted_proxies": ["example.com"]},
        'trusted_proxies[0]: expected an address, a network, "loopback", "private" or "unix", got "example.com"',
    ),
    (
        {"trusted_proxies": ["10.0.0.1:80"]},
        'trusted_proxies[0]: expected an address, a network, "loopback", "private" or "unix", got "10.0.0.1:80"',
    ),
    (
        {"trusted_proxies": "10.0.0.1/8"},
        'trusted_proxies: "10.0.0.1/8": the address has bits outside the network; did you mean "10.0.0.0/8"?',
    ),
    (
        {"proxy_protocol": True},
        'proxy_protocol: set "trusted_proxies" too: nobody else may say whose connection it is',
    ),
    ({"http": {"max_connections": 0}}, 'http.max_connections: expected a positive whole number, or null ("none" in TOML), got 0'),
    (
        {"http": {"max_requests_per_s": -1}},
        'http.max_requests_per_s: expected a positive number, or null ("none" in TOML), got -1',
    ),
    ({"compression": {"encodings": True}}, 'compression.encodings: expected a list of "zstd", "br", "gzip", got true'),
    ({"compression": {"encodings": ["lzma"]}}, 'compression.encodings[0]: expected "zstd", "br" or "gzip", got "lzma"'),
    ({"compression": {"encodings": ["br", "br"]}}, 'compression.encodings[1]: "br" is listed twice'),
    (
        {"compression": {"types": ["html"]}},
        'compression.types[0]: expected a media type such as "text/css" or "application/*+json", got "html"',
    ),
    ({"compression": {"level": 9}}, "compression.level: unknown key here; it belongs in \"log\""),
    ({"defaults": {"max_body_mb": "big"}}, 'defaults.max_body_mb: expected a number, zero or more, or null ("none" in TOML), got "big"'),
]  # fmt: skip


@pytest.mark.parametrize(("document", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_what_is_wrong(folder: Path, document: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, document)
    assert str(caught.value).partition(": ")[2] == expected


def test_what_a_reload_does(folder: Path) -> None:
    before = loaded(folder, {})
    after = loaded(
        folder, {"trusted_proxies": "loopback", "http": {"max_connections": 9}, "compression": {"encodings": "br"}}
    )
    keys = ("trusted_proxies", "http.max_connections", "compression.encodings")
    assert diff(before, after) == ConfigDiff(live_keys=keys)
    limited = diff(before, loaded(folder, {"defaults": {"max_body_mb": 1}}))
    assert [(change.keys, change.needs_new_isolate) for change in limited.changed] == [(("max_body_mb",), False)]
