"""A reload does what the difference says: no more, no less."""

from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings

from nano_trio.config import (
    Admin,
    App,
    Config,
    ConfigDiff,
    Http,
    Limits,
    Log,
    as_started,
    diff,
    from_document,
)
from tests.config.documents import documents

ONE = App(name="one", path="/one")
TWO = App(name="two", path="/two")
BASE = Config(apps=(ONE, TWO))


def test_nothing_to_do() -> None:
    assert diff(BASE, BASE) == ConfigDiff()
    assert not diff(BASE, BASE)


def test_the_order_of_apps_and_hostnames_has_no_meaning() -> None:
    one = attrs.evolve(ONE, hostname=("a", "b"))
    assert not diff(Config(apps=(one, TWO)), Config(apps=(TWO, attrs.evolve(one, hostname=("b", "a")))))


def test_apps_come_and_go_and_a_renamed_app_does_both() -> None:
    renamed = attrs.evolve(TWO, name="three")
    found = diff(BASE, Config(apps=(ONE, renamed)))
    assert found == ConfigDiff(added=(renamed,), removed=(TWO,))
    assert found


@pytest.mark.parametrize(
    ("changes", "isolate"),
    [
        ({"path": "/elsewhere"}, True),
        ({"env": {"A": 1}}, True),
        ({"memory_mb": 64}, True),
        ({"allow_net": ("loopback",)}, True),
        ({"extra_ca_certs": (Path("/ca.pem"),)}, True),
        ({"max_buffer_size_mb": 1}, True),
        ({"memory_mb": 64, "timeout_ms": 1}, True),
        ({"timeout_ms": 1}, False),
        ({"cache_max_mb": 8}, False),
        ({"request_timeout_ms": 1}, False),
        ({"max_pending": 1}, False),
        ({"preload": True}, False),
        ({"idle_timeout_s": 1}, False),
        ({"max_log_lines_per_s": 1}, False),
        ({"max_message_mb": 1}, False),
        ({"max_buffered_mb": 2}, False),
        ({"websocket_compression": False}, False),
        ({"websocket_ping_interval_s": 0}, False),
        ({"websocket_ping_timeout_s": 1}, False),
        ({"websocket_close_timeout_s": 1}, False),
        ({"max_restarts": 1}, False),
        ({"restart_window_s": 1}, False),
        ({"hostname": ("x",)}, False),
        ({"default": True}, False),
        ({"port": 3000}, False),
    ],
)
def test_a_changed_app(changes: dict[str, Any], isolate: bool) -> None:
    new = attrs.evolve(ONE, **changes)
    found = diff(BASE, Config(apps=(new, TWO)))
    (change,) = found.changed
    assert attrs.evolve(found, changed=()) == ConfigDiff()
    assert (change.name, change.old, change.new) == ("one", ONE, new)
    assert set(change.keys) == set(changes)
    assert change.needs_new_isolate is isolate


def test_env_from_one_to_true_is_a_change() -> None:
    """Python holds them equal; JavaScript does not."""
    old, new = (Config(apps=(attrs.evolve(ONE, env={"A": value}),)) for value in (1, True))
    (change,) = diff(old, new).changed
    assert change.keys == ("env",)


def test_where_the_server_listens() -> None:
    moved = Config(apps=(attrs.evolve(ONE, port=8080), TWO))
    (change,) = diff(BASE, moved).changed
    assert (change.keys, change.needs_new_isolate) == (("port",), False)
    assert diff(moved, attrs.evolve(moved, port=8080)) == ConfigDiff(listener_keys=("port",))
    assert diff(BASE, attrs.evolve(BASE, host="::")) == ConfigDiff(listener_keys=("host",))


def test_what_needs_a_restart() -> None:
    state = Path("/elsewhere")
    new = attrs.evolve(
        BASE, drain_timeout_s=1, state_dir=state, http=Http(parser="h11", max_headers=1), log=Log(level="debug")
    )
    assert diff(BASE, new) == ConfigDiff(
        live_keys=("drain_timeout_s", "http.max_headers"), restart_keys=("state_dir", "http.parser", "log.level")
    )


def test_a_process_that_comes_later_keeps_to_what_waits_for_a_restart() -> None:
    new = attrs.evolve(
        BASE,
        drain_timeout_s=1,
        state_dir=Path("/elsewhere"),
        http=Http(parser="h11", max_headers=1),
        log=Log(level="debug"),
        admin=Admin(port=1, hostnames=("one.example",)),
    )
    late = as_started(new, BASE)
    assert late == attrs.evolve(
        BASE, drain_timeout_s=1, http=Http(max_headers=1), admin=Admin(hostnames=new.admin.hostnames)
    )
    assert diff(BASE, late).restart_keys == ()
    assert diff(BASE, late).live_keys == diff(BASE, new).live_keys
    assert as_started(BASE, BASE) == BASE


def test_admin_is_not_left_without_a_token_where_others_reach_it() -> None:
    started = attrs.evolve(BASE, admin=Admin(port=9000, host="0.0.0.0", token="x" * 16))
    # Sound as it stands in the file, but not together with the address that is kept.
    alone = attrs.evolve(BASE, admin=Admin(port=9000))
    assert as_started(alone, started).admin == started.admin
    other = attrs.evolve(BASE, admin=Admin(port=9001, token="y" * 16))
    assert as_started(other, started).admin == Admin(port=9000, host="0.0.0.0", token="y" * 16)


def test_changed_defaults_show_only_in_the_apps_that_they_reach(folder: Path) -> None:
    document = {"apps": [{"name": "one", "path": "one"}, {"name": "two", "path": "two.js", "timeout_ms": 7}]}
    old = from_document(document, folder=folder, environ={})
    new = from_document({**document, "defaults": {"timeout_ms": 9}}, folder=folder, environ={})
    found = diff(old, new)
    assert [(change.name, change.keys, change.new.timeout_ms) for change in found.changed] == [
        ("one", ("timeout_ms",), 9)
    ]
    assert attrs.evolve(found, changed=()) == ConfigDiff()
    assert not diff(BASE, attrs.evolve(BASE, defaults=Limits(memory_mb=1)))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(first=documents(), second=documents())
def test_a_difference_applied_gives_the_new_configuration(
    folder: Path, first: dict[str, Any], second: dict[str, Any]
) -> None:
    old, new = (from_document(document, folder=folder, environ={}) for document in (first, second))
    assert not diff(old, old)
    found = diff(old, new)

    apps = {app.name: app for app in old.apps}
    for app in found.removed:
        del apps[app.name]
    for app in found.added:
        assert app.name not in apps
        apps[app.name] = app
    for change in found.changed:
        assert apps[change.name] == change.old != change.new
        changes = {key: getattr(change.new, key) for key in change.keys}
        apps[change.name] = attrs.evolve(change.old, **changes)
    assert apps == {app.name: app for app in new.apps}

    restarted: dict[str, Any] = {
        "drain_timeout_s": old.drain_timeout_s,
        "state_dir": old.state_dir,
        "trusted_proxies": old.trusted_proxies,
        "proxy_protocol": old.proxy_protocol,
        "compression": old.compression,
        "http": old.http,
        "tls": attrs.evolve(old.tls, port=new.tls.port),  # a listener's business
        "log": old.log,
        "admin": old.admin,
    }
    assert set(found.listener_keys) <= {"port", "host", "tls.port"}
    for dotted in (*found.live_keys, *found.restart_keys):
        table, _, key = dotted.rpartition(".")
        if table:
            restarted[table] = attrs.evolve(restarted[table], **{key: getattr(getattr(new, table), key)})
        else:
            restarted[key] = getattr(new, key)
    assert restarted == {key: getattr(new, key) for key in restarted}
