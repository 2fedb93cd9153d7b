"""Strategies for valid configurations, as the documents that a JSON or TOML parser returns.

Their apps are `one` and `two.js` of the `folder` fixture. Their names come from a few, so that
two documents drawn at random have apps in common.
"""

from typing import Any

from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ENV_VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SECONDS = st.integers(1, 10_000) | st.floats(0.001, 10_000)
LIMITS: dict[str, st.SearchStrategy[Any]] = {
    "timeout_ms": st.integers(1, 100_000) | st.floats(1, 100_000),
    "memory_mb": st.integers(1, 1024) | st.floats(1, 1024),
    "max_buffer_size_mb": st.integers(1, 1024) | st.floats(0.001, 1024),
    "request_timeout_ms": st.integers(1, 100_000),
    "max_body_mb": st.integers(0, 1024) | st.floats(0, 1024) | st.just("none"),
    "max_pending": st.integers(1, 10_000) | st.just(7.0),
    "preload": st.booleans(),
    "idle_timeout_s": SECONDS | st.just("none"),
    "max_restarts": st.integers(0, 100),
    "restart_window_s": SECONDS,
    "cache_max_mb": st.integers(1, 1024) | st.floats(1, 1024),
    "max_log_lines_per_s": st.integers(0, 10_000) | st.floats(0, 10_000),
    "max_message_mb": st.integers(1, 1024) | st.floats(0.001, 1024),
    "max_buffered_mb": st.integers(1, 1024) | st.floats(0.001, 1024),
    "websocket_compression": st.booleans(),
    "websocket_ping_interval_s": SECONDS | st.just(0),
    "websocket_ping_timeout_s": SECONDS | st.just(0),
    "websocket_close_timeout_s": SECONDS,
    "allow_net": st.sampled_from(["loopback", [], ["api.internal", "*.corp.example:443"], ["10.0.0.0/8", "[::1]:1-9"]]),
}
HTTP: dict[str, st.SearchStrategy[Any]] = {
    "parser": st.sampled_from(["httptools", "h11"]),
    "max_request_line_bytes": st.integers(1, 100_000),
    "max_header_bytes": st.integers(1, 100_000),
    "max_headers": st.integers(1, 1000),
    "header_timeout_s": SECONDS,
    "keep_alive_timeout_s": SECONDS,
    "max_connections": st.integers(1, 10_000) | st.just("none"),
    "max_connections_per_client": st.integers(1, 100) | st.just("none"),
    "max_requests_per_s": st.floats(0.001, 1000) | st.just("none"),
    "max_request_burst": st.integers(1, 100) | st.just("none"),
    "request_id_header": st.booleans(),
    "start_traces": st.booleans(),
}
COMPRESSION: dict[str, st.SearchStrategy[Any]] = {
    "encodings": st.sampled_from([[], "gzip", ["br"], ["zstd", "br", "gzip"]]),
    "min_bytes": st.integers(0, 10_000),
    "types": st.sampled_from([[], "text/*", ["text/css", "application/*+json"]]),
}
TLS: dict[str, st.SearchStrategy[Any]] = {
    "port": st.just(0) | st.sampled_from([3443, 8443]),
    "certs": st.sampled_from(["certs", "../certs"]),
    "redirect": st.booleans(),
    "min_version": st.sampled_from(["1.2", "1.3"]),
    "client_auth": st.just("none"),
}
LOG: dict[str, st.SearchStrategy[Any]] = {
    "level": st.sampled_from(["debug", "info", "warning", "error"]),
    "format": st.sampled_from(["json", "text", "apache"]),
    "max_value_bytes": st.integers(64, 100_000),
}

ADMIN: dict[str, st.SearchStrategy[Any]] = {
    "port": st.just(0) | st.sampled_from([9000, 9001]),
    "host": st.sampled_from(["127.0.0.1", "::1", "localhost"]),
    "token": st.just("a-token-nobody-knows"),
    "hostnames": st.sampled_from([[], "admin.example", ["a.example", "b.example"]]),
}


def some_of(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A valid configuration. Holds no null, so that TOML could say it."""
    document: dict[str, Any] = draw(
        some_of(
            {
                "host": st.sampled_from(["127.0.0.1", "0.0.0.0", "::1", "localhost"]),
                "port": st.sampled_from([0, 3000, 3001]),
                "drain_timeout_s": st.integers(0, 100) | st.floats(0, 100),
                "state_dir": st.sampled_from(["state", "./a/../b", "/var/lib/nano"]),
                "trusted_proxies": st.sampled_from([["loopback"], "10.0.0.0/8", ["::1", "private", "unix"]]),
                "http": some_of(HTTP),
                "compression": some_of(COMPRESSION),
                "tls": some_of(TLS),
                "log": some_of(LOG),
                "admin": some_of(ADMIN),
                "defaults": some_of(LIMITS),
            }
        )
    )
    ports: set[int] = set()
    apps = []
    for index in draw(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True)):
        app = draw(some_of({**LIMITS, "env": st.dictionaries(st.text(max_size=5), ENV_VALUES, max_size=3)}))
        app["name"] = f"app-{index}"
        app["path"] = draw(st.sampled_from(["one", "two.js", "./one/index.js"]))
        if draw(st.booleans()):
            hosts = st.sampled_from([f"{index}.example", f"*.Host{index}.example", f"a{index}", f"[::{index}]"])
            app["hostname"] = draw(hosts | st.lists(hosts, min_size=1, unique=True))
        if draw(st.booleans()):
            app["port"] = draw(st.sampled_from([3000, 3001, 8080, 8081]))
            # Beside the server's port there is one HTTPS port.
            is_taken = "port" in document.get("tls", {}) and app["port"] == document.get("port", 3000)
            if not is_taken and draw(st.booleans()):
                app["tls"] = {"port": app["port"] + 1000}
        port = app.get("port", document.get("port", 3000))
        if port not in ports and draw(st.booleans()):
            ports.add(port)
            app["default"] = True
        apps.append(app)
    document["apps"] = apps
    return document
