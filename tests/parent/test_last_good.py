"""A worker that starts while the configuration is broken, and apps that were quarantined and are another version now."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from nano_trio.config import from_document, keep, kept
from tests.cli.conftest import Running, Start, get
from tests.ports import free_port

from .conftest import until, worker_of
from .test_serving import crash_in_turn

__all__: list[str] = []


class Place:
    """A configuration with an app, ``app``, and what serves it."""

    def __init__(self, start: Start, folder: Path, **more: Any) -> None:
        self.file = folder / "nano.json"
        self.document: dict[str, Any] = {
            "port": 0,
            "state_dir": "state",
            "drain_timeout_s": 1,
            "admin": {"port": 0},
            "apps": [{"name": "app", "path": "app", "env": {"SECRET": "hush"}}],
            **more,
        }
        self.write()
        self.running: Running = start("serve", "--config", "nano.json")
        self.port = self.running.port()
        self.admin = int(self.running.wait_for("  admin: ").rstrip("/\n").rpartition(":")[2])

    def write(self, text: str | None = None) -> None:
        self.file.write_text(json.dumps(self.document) if text is None else text)

    def problems(self) -> str:
        return "\n".join(json.loads(get(self.admin, "/health", host="127.0.0.1")[1])["problems"])

    def kill(self) -> None:
        before = worker_of(self.running)
        before.kill()
        until(lambda: worker_of(self.running).pid != before.pid)


@pytest.fixture
def place(start: Start, app: Path, tmp_path: Path) -> Place:
    return Place(start, tmp_path)


def test_a_worker_that_is_replaced_while_the_file_is_broken_runs_with_the_last_one(place: Place) -> None:
    place.write("{ broken")
    place.running.wait_for("the configuration was not reloaded; the running one stays")
    place.kill()
    assert get(place.port) == (200, "hello")
    place.running.wait_for("the configuration on disk cannot be used; the last one that could be is")
    assert "the configuration was not reloaded: nano.json:1:3: invalid JSON" in place.problems()
    # And the next one too: what a worker was given is not forgotten by its death.
    place.kill()
    assert get(place.port) == (200, "hello")
    place.document["apps"].append({"name": "further", "path": "app"})
    place.write()
    until(lambda: get(place.port, host="further") == (200, "hello"))
    assert place.problems() == ""
    # What is kept is the newest: the app that came with the last reload.
    place.write("")
    until(lambda: "not reloaded" in place.problems())
    place.kill()
    assert get(place.port, host="further") == (200, "hello")


def test_an_app_whose_folder_is_gone_does_not_take_the_others_along(place: Place, app: Path, tmp_path: Path) -> None:
    place.document["apps"].append({"name": "gone", "path": "gone.js"})
    (tmp_path / "gone.js").write_text("export default () => new Response('here')")
    place.write()
    until(lambda: get(place.port, host="gone") == (200, "here"))
    (tmp_path / "gone.js").unlink()
    place.kill()
    assert get(place.port) == (200, "hello")
    assert get(place.port, host="gone")[0] == 503
    assert "gone.js" in place.problems()


def test_ports_that_cannot_be_had_are_no_reason_not_to_serve(place: Place) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        place.document["apps"].append({"name": "own", "path": "app", "port": port})
        place.write()
        place.running.wait_for("the configuration was not changed; the running one stays")
        place.kill()
        assert get(place.port) == (200, "hello")
        assert "cannot listen on 127.0.0.1:" in place.problems()
    place.running.signal(signal.SIGHUP)
    until(lambda: place.problems() == "")
    assert get(port) == (200, "hello")


def test_the_very_first_start_still_refuses_what_is_broken(start: Start, app: Path, tmp_path: Path) -> None:
    (tmp_path / "nano.json").write_text("{ broken")
    assert start("serve", "--config", "nano.json").end().code == 1


def test_what_another_version_kept_is_not_used(monkeypatch: pytest.MonkeyPatch, app: Path) -> None:
    config = from_document({"apps": [{"name": "app", "path": str(app), "env": {"A": "b"}}]})
    text = keep(config)
    assert kept(text) == config
    monkeypatch.setattr("nano_trio.config.keeping.__version__", "0.0.0")
    assert kept(text) is None
    assert kept("bm8=") is None


HOG = "export default (request) => { if (request.url.endsWith('/spin')) { console.log('spinning'); for (;;); } return new Response('VERSION'); }"


@pytest.mark.parametrize("how", ["code", "configuration", "removal"])
def test_a_new_version_ends_a_quarantine(start: Start, app: Path, tmp_path: Path, how: str) -> None:
    hog = tmp_path / "hog.js"
    hog.write_text(HOG.replace("VERSION", "1"))
    place = Place(start, tmp_path)
    settings = {"name": "hog", "path": "hog.js", "timeout_ms": 600_000}
    place.document["apps"].append(settings)
    place.write()
    until(lambda: get(place.port, host="hog") == (200, "1"))
    for _ in range(2):
        crash_in_turn(place.running, place.port, "hog")
    assert "the app is quarantined" in get(place.port, host="hog")[1]
    # What is no new version ends nothing.
    hog.touch()
    settings["max_pending"] = 10
    place.write()
    place.running.wait_for("reloaded")
    assert get(place.port, host="hog")[0] == 503
    expected = (200, "1")
    if how == "code":
        hog.write_text(HOG.replace("VERSION", "2"))
        expected = (200, "2")
    elif how == "configuration":
        settings["env"] = {"CAREFUL": "yes"}
        place.write()
    else:
        place.document["apps"].remove(settings)
        place.write()
        until(lambda: get(place.port, host="hog")[0] == 404)
        place.document["apps"].append(settings)
        place.write()
        until(lambda: get(place.port, host="hog")[0] != 404)
    until(lambda: get(place.port, host="hog") == expected)
    # All of it is forgiven: one crash does not bring it back.
    crash_in_turn(place.running, place.port, "hog")
    assert get(place.port, host="hog") == expected
