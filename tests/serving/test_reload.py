"""Reload: what a running server takes over from a changed configuration and changed files, and what it keeps."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from nano_trio.config import ConfigError, Overlay, load
from nano_trio.web.admin.hosted import HostedOperations
from tests.ports import free_port

from .places import Place, answers


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_new_code_serves_after_a_reload(place: Place) -> None:
    place.app("one", answers("first"))
    place.app("two", "let n = 0; export default () => new Response(`${++n}`);")
    async with place.serve():
        assert await place.text("one") == "first"
        assert await place.text("two") == "1"
        place.app("one", answers("second"))
        assert await place.text("one") == "first"  # nobody asked for a reload yet
        report = await place.hosting.reload()
        assert (report.error, report.replaced, report.failed) == (None, ("one",), {})
        assert await place.text("one") == "second"
        assert await place.text("two") == "2"  # its isolate is the same
        assert not (await place.hosting.reload()).changed


async def test_a_look_at_files_that_are_what_they_were_changes_nothing(place: Place) -> None:
    """Not even by putting the same in its place: there may be ten thousand apps, and it comes when one has started."""
    place.app("one", answers("first"))
    place.app("two", answers("two"))
    async with place.serve():
        assert await place.text("one") == "first"
        hosting = place.hosting
        config = hosting.config
        assert not (await hosting.refresh({"one"})).changed
        assert hosting.config is config
        place.app("one", answers("second"))
        assert (await hosting.refresh({"one"})).replaced == ("one",)
        assert await place.text("one") == "second"


async def test_an_imported_file_counts_too(place: Place) -> None:
    place.app("one", 'import { text } from "./lib.js"; export default () => new Response(text);')
    (place.folder / "one" / "lib.js").write_text("export const text = 'first';")
    async with place.serve():
        assert await place.text("one") == "first"
        (place.folder / "one" / "lib.js").write_text("export const text = 'second';")
        assert (await place.hosting.reload()).replaced == ("one",)
        assert await place.text("one") == "second"


async def test_requests_in_flight_finish_on_the_old_version(place: Place) -> None:
    slow = """
      let release; const gate = new Promise((resolve) => { release = resolve; });
      export default async (request) => {
        if (new URL(request.url).pathname === "/slow") {
          await request.text();
          await new Promise((resolve) => setTimeout(resolve, 150));
          const { readable, writable } = new TransformStream();
          (async () => {
            const writer = writable.getWriter();
            for (let i = 0; i < 3; i++) { await new Promise((r) => setTimeout(r, 50)); await writer.write(new TextEncoder().encode("VERSION ")); }
            await writer.close();
          })();
          return new Response(readable);
        }
        return new Response("VERSION");
      };
    """
    place.app("one", slow.replace("VERSION", "old"))
    async with place.serve():
        assert await place.text("one") == "old"
        got: list[str] = []
        looked = trio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"not yet"
            await looked.wait()

        async def ask() -> None:
            got.append((await place.site.get("one", "/slow", method="POST", body=body())).text)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await place.site.begun("one")
            place.app("one", slow.replace("VERSION", "new"))
            await place.hosting.reload()
            assert await place.text("one") == "new"
            states = [child["id"] for child in app_in(place.hosting.tree(), "one")["children"]]
            assert states == ["isolate", "isolate, draining"]
            looked.set()
        assert got == ["old old old "]
        with trio.fail_after(5):
            while len(app_in(place.hosting.tree(), "one")["children"]) > 1:
                await trio.lowlevel.checkpoint()


def app_in(tree: dict[str, Any], name: str) -> dict[str, Any]:
    apps = next(child for child in tree["children"] if child["id"] == "apps")
    return next(child for child in apps["children"] if child["id"] == name)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("export default (", "SyntaxError"),
        ("throw new Error('not today');", "not today"),
        ("export default 5;", "cannot load"),
        ('import "./missing.js"; export default () => new Response();', "missing.js"),
        ("await new Promise(() => {});", "waits for nothing"),
        ("for (;;);", "timeout_ms"),
    ],
)
async def test_a_version_that_does_not_load_leaves_the_old_one_serving(place: Place, broken: str, why: str) -> None:
    place.app("one", "let n = 0; export default () => new Response(`${++n}`);", timeout_ms=50)
    async with place.serve():
        assert await place.text("one") == "1"
        place.app("one", broken, timeout_ms=60)
        report = await place.hosting.reload()
        assert report.error is None
        assert why in report.failed["one"]
        assert why in (place.site.app("one").last_reload_error or "")
        assert why in str(place.site.logs)
        assert await place.text("one") == "2"
        assert place.site.app("one").settings.timeout_ms == 60  # limits are in force all the same
        assert place.site.app("one").restarts.crashes == 0
        place.app("one", answers("mended"))
        assert (await place.hosting.reload()).replaced == ("one",)
        assert await place.text("one") == "mended"
        assert place.site.app("one").last_reload_error is None


async def test_keys_that_need_an_isolate_wait_for_a_version_that_loads(place: Place) -> None:
    source = "if (import.meta.url && globalThis.never) {} export default (r, env) => new Response(env.TEXT);"
    place.app("one", source, env={"TEXT": "first"})
    async with place.serve():
        assert await place.text("one") == "first"
        place.app("one", "throw 1", env={"TEXT": "second"})
        assert "one" in (await place.hosting.reload()).failed
        assert await place.text("one") == "first"
        assert place.hosting.settings_of("one").env == {"TEXT": "first"}
        place.app("one", source)
        assert (await place.hosting.reload()).replaced == ("one",)
        assert await place.text("one") == "second"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"apps": [', "nano.json"),
        (
            '{"apps": [{"name": "one", "path": "one", "memory_mb": "x"}]}',
            'apps[0].memory_mb: expected a number, got "x"',
        ),
        ('{"apps": [{"name": "one", "path": "nowhere"}]}', "nowhere"),
    ],
)
async def test_a_broken_configuration_keeps_the_running_one(place: Place, text: str, why: str) -> None:
    place.app("one", answers("fine"))
    async with place.serve():
        assert await place.text("one") == "fine"
        place.file.write_text(text)
        report = await place.hosting.reload()
        assert report.error is not None
        assert why.partition(":")[0] in report.error
        assert report.error in [entry.get("reason") for entry in place.site.logs]
        assert await place.text("one") == "fine"
        place.write()
        assert (await place.hosting.reload()).error is None
        assert (await place.hosting.reload()).error is None
        # Who was told that something is wrong is told, once, that it is no longer.
        events = [entry["event"] for entry in place.site.logs]
        assert events.count("the configuration on disk is sound again, and the one that runs") == 1


async def test_apps_come_go_and_are_renamed(place: Place) -> None:
    place.app("one", answers("one"))
    place.app("two", answers("two"))
    async with place.serve():
        assert await place.text("two") == "two"
        place.app("three", answers("three"), preload=True)
        place.drop("two")
        report = await place.hosting.reload()
        assert (report.added, report.removed) == (("three",), ("two",))
        assert await place.text("three") == "three"
        assert (await place.site.get("two")).status == 404
        # a new name under the old host
        place.drop("one")
        place.app("uno", answers("uno"), hostname="one")
        await place.hosting.reload()
        assert await place.text("one") == "uno"


async def test_a_removed_app_drains_alone(place: Place) -> None:
    place.app(
        "one",
        "export default { async fetch(request, env) {"
        " await env.TWO.fetch('http://two/held'); return new Response('slow'); } };",
        services={"TWO": "two"},
    )
    place.app(
        "two",
        """let n = 0, isHeld = true;
        export default { async fetch({ url }) {
          if (url.endsWith("/held")) while (isHeld) await scheduler.wait(5);
          if (url.endsWith("/go")) isHeld = false;
          return new Response(new URL(url).pathname === "/" ? `${++n}` : "");
        } };""",
    )
    async with place.serve():
        got: list[str] = []

        async def ask() -> None:
            got.append(await place.text("one"))

        assert await place.text("two") == "1"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await place.site.begun("one")
            place.drop("one")
            await place.hosting.reload()
            answer = await place.site.get("one")
            assert (answer.status, answer.headers["connection"]) == (503, "close")
            assert await place.text("two") == "2"
            await place.site.get("two", "/go")
        assert got == ["slow"]
        with trio.fail_after(5):
            while (await place.site.get("one")).status != 404:
                pass
        assert await place.text("two") == "3"


async def test_hostnames_move_between_apps_and_defaults_and_limits_change(place: Place) -> None:
    place.app("one", "let n = 0; export default () => new Response(`one ${++n}`);", hostname=["a", "b"])
    place.app("two", "let n = 0; export default () => new Response(`two ${++n}`);", hostname=["c"])
    async with place.serve():
        assert [await place.text(host) for host in "abc"] == ["one 1", "one 2", "two 1"]
        place.app("one", hostname=["a"])
        place.app("two", hostname=["b", "c"], default=True)
        place.document["defaults"] = {"max_pending": 7, "request_timeout_ms": 1234}
        place.write()
        report = await place.hosting.reload()
        assert report.updated == ("one", "two")
        assert [await place.text(host) for host in ("a", "b", "c", "other")] == ["one 3", "two 2", "two 3", "two 4"]
        assert place.site.app("one")._current.settings.max_pending == 7


async def test_the_request_timeout_is_in_force_at_once(place: Place) -> None:
    place.app("one", "export default () => new Promise((r) => setTimeout(() => r(new Response('late')), 600_000));")
    async with place.serve():
        place.site.app("one").start()
        place.app("one", request_timeout_ms=20)
        await place.hosting.reload()
        assert (await place.site.get("one")).status == 504


async def test_ports_are_opened_and_closed(place: Place) -> None:
    port = free_port()
    taken = socket.create_server(("127.0.0.1", port))
    place.app("one", answers("one"))
    async with place.serve():
        place.app("one", port=port)
        report = await place.hosting.reload()  # nothing changes
        assert f"cannot listen on 127.0.0.1:{port}" in (report.error or "")
        assert await place.text("one") == "one"
        taken.close()
        assert (await place.hosting.reload()).error is None
        assert (await place.site.pool.request("GET", f"http://127.0.0.1:{port}/")).content == b"one"
        assert (await place.site.get("one")).status == 404  # no longer at the main port
        del place.document["apps"][0]["port"]
        place.write()
        await place.hosting.reload()
        assert await place.text("one") == "one"
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)


async def test_the_main_port_and_host_may_change(place: Place) -> None:
    first, second = free_port(), free_port()
    place.app("one", answers("one"))
    place.document["port"] = first
    place.write()
    async with place.serve():
        assert await place.text("one") == "one"
        place.document["port"] = second
        place.write()
        assert (await place.hosting.reload()).error is None
        assert place.hosting.server.port == second
        place.site.port = second
        assert await place.text("one") == "one"
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", first)
        place.document["host"] = "0.0.0.0"
        place.write()
        assert (await place.hosting.reload()).error is None
        assert place.hosting.server.addresses == [("0.0.0.0", second)]
        assert await place.text("one") == "one"


async def test_https_comes_goes_and_knows_new_hostnames(place: Place) -> None:
    place.app("one", answers("one"), hostname="one.test")
    async with place.serve():

        async def over_https(name: str) -> bytes:
            authority = ssl.create_default_context(cafile=str(place.folder / "certs" / "ca.pem"))
            port = place.hosting.server.secure_port_of(None)
            assert port is not None
            stream = trio.SSLStream(
                await trio.open_tcp_stream("127.0.0.1", port), authority, server_hostname=name, https_compatible=True
            )
            await stream.send_all(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join([part async for part in stream])
            await stream.aclose()
            return answer.rpartition(b"\r\n\r\n")[2]

        assert place.hosting.server.secure_port_of(None) is None
        place.document["tls"] = {"port": 0}
        place.write()
        assert (await place.hosting.reload()).error is None
        assert await over_https("one.test") == b"one"
        port = place.hosting.server.secure_port_of(None)
        place.app("two", answers("two"), hostname="two.test")
        assert (await place.hosting.reload()).error is None
        assert place.hosting.server.secure_port_of(None) == port
        assert await over_https("two.test") == b"two"
        place.document["tls"] = {"port": 0, "redirect": True}
        place.write()
        assert (await place.hosting.reload()).error is None
        assert (await place.site.get("one.test")).status == 308
        del place.document["tls"]
        place.write()
        await place.hosting.reload()
        assert place.hosting.server.secure_port_of(None) is None
        assert await place.text("one.test") == "one"
        assert await place.text("two.test") == "two"


async def test_what_needs_a_restart_is_told_until_it_is_done(place: Place) -> None:
    place.app("one", answers("one"))
    async with place.serve():
        place.document["http"] = {"parser": "h11"}
        place.write()
        assert (await place.hosting.reload()).needs_restart == ("http.parser",)
        assert (await place.hosting.reload()).needs_restart == ("http.parser",)
        del place.document["http"]
        place.write()
        assert (await place.hosting.reload()).needs_restart == ()


async def test_reloads_that_come_together_are_one(place: Place) -> None:
    place.app("one", answers("one"))
    async with place.serve():
        reads = 0
        inner = place.hosting.source

        def counted() -> Any:
            nonlocal reads
            reads += 1
            assert inner is not None
            return inner()

        place.hosting.source = counted
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(place.hosting.reload)
        assert reads <= 2


async def test_a_sleeping_app_takes_new_settings_and_is_not_woken(place: Place) -> None:
    place.app("one", answers("first"))
    async with place.serve():
        place.app("one", answers("second"), env={"A": 1})
        assert (await place.hosting.reload()).replaced == ("one",)
        assert not place.site.app("one").awake
        assert await place.text("one") == "second"


async def test_a_failed_app_serves_at_once_when_it_is_mended(place: Place) -> None:
    place.app("one", "throw new Error('broken')", max_restarts=0)
    async with place.serve():
        assert (await place.site.get("one")).status == 503
        assert place.site.app("one").state.value == "failed"
        place.app("one", answers("mended"))
        await place.hosting.reload()
        assert await place.text("one") == "mended"


# -- what admin does --------------------------------------------------------------------------------------------------


async def test_an_app_added_at_run_time_outlives_reloads_and_the_process(place: Place) -> None:
    place.app("one", answers("one"))
    (place.folder / "extra.js").write_text(answers("extra"))
    async with place.serve():
        added = await place.hosting.add_app({"name": "extra", "path": "extra.js", "memory_mb": 32})
        assert added.memory_mb == 32
        assert await place.text("extra") == "extra"
        assert (await place.hosting.reload()).error is None
        assert await place.text("extra") == "extra"
    async with place.serve():
        assert await place.text("extra") == "extra"
        await place.hosting.remove_app("extra")
        assert (await place.site.get("extra")).status == 404
        with pytest.raises(KeyError):
            await place.hosting.remove_app("extra")
    async with place.serve():
        assert (await place.site.get("extra")).status == 404


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"name": "one", "path": "extra.js"}, 'name: "one" is already the name of apps[0]'),
        ({"name": "two", "path": "nowhere"}, "path: "),
        ({"name": "two", "path": "extra.js", "hostname": "one"}, "hostname"),
        ({"name": "two", "path": "extra.js", "memory": 1}, 'unknown key; did you mean "memory_mb"?'),
        ({"path": "extra.js"}, "name: required"),
        ({"name": 5, "path": "extra.js"}, "name: expected a name"),
        ({"name": ["x"], "path": "extra.js"}, "name: expected a name"),
    ],
)
async def test_an_app_that_cannot_be_added(place: Place, document: dict[str, Any], why: str) -> None:
    place.app("one", answers("one"))
    (place.folder / "extra.js").write_text(answers("extra"))
    async with place.serve():
        with pytest.raises(ConfigError) as caught:
            await place.hosting.add_app(document)
        assert str(caught.value).startswith("app: ")
        assert why in str(caught.value)
        assert await place.text("one") == "one"
        assert not place.hosting.overlay.added


async def test_a_configured_app_removed_at_run_time_stays_away(place: Place) -> None:
    place.app("one", answers("one"))
    place.app("two", answers("two"))
    async with place.serve():
        await place.hosting.remove_app("one")
        assert (await place.site.get("one")).status == 404
        await place.hosting.reload()
        assert (await place.site.get("one")).status == 404
        assert await place.text("two") == "two"
    async with place.serve():
        # Who looks for it in the configuration finds it there.
        [told] = [entry for entry in place.site.logs if "removed at run time" in entry["event"]]
        assert (told["apps"], told["kept_in"]) == (["one"], str(place.hosting.overlay.file))
        assert (await place.site.get("one")).status == 404
        await place.hosting.add_app({"name": "one", "path": "one"})
        assert await place.text("one") == "one"


@pytest.mark.parametrize("runs", [True, False])
async def test_who_configures_a_removed_app_anew_has_it(place: Place, runs: bool) -> None:
    """The removal is forgotten with the app, whether the server runs when the file loses it or not."""
    place.app("one", answers("one"))
    place.app("two", answers("two"))
    async with place.serve():
        await place.hosting.remove_app("one")
        if runs:
            place.drop("one")
            await place.hosting.reload()
            place.app("one")
            assert (await place.hosting.reload()).added == ("one",)
            assert await place.text("one") == "one"
    if not runs:
        place.drop("one")
    async with place.serve():
        place.app("one")
        await place.hosting.reload()
        assert await place.text("one") == "one"


async def test_restart_drain_and_undrain(place: Place) -> None:
    place.app("one", "let n = 0; export default () => new Response(`${++n}`);")
    async with place.serve():
        assert [await place.text("one") for _ in range(2)] == ["1", "2"]
        await place.hosting.restart_app("one")
        assert await place.text("one") == "1"
        await place.hosting.drain_app("one")
        answer = await place.site.get("one")
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        await place.hosting.undrain_app("one")
        assert await place.text("one") == "1"
        for change in (place.hosting.restart_app, place.hosting.drain_app, place.hosting.undrain_app):
            with pytest.raises(KeyError):
                await change("nobody")
        place.app("one", "throw 1")
        with pytest.raises(Exception, match="cannot load"):
            await place.hosting.restart_app("one")
        assert await place.text("one") == "2"


async def test_the_tree_is_that_of_the_design(place: Place) -> None:
    place.app("one", answers("one"))
    place.app("two", answers("two"))
    async with place.serve():
        await place.text("one")
        tree = place.hosting.tree()
        assert [child["id"] for child in tree["children"]] == ["apps", "connections", "listeners", "operations"]
        assert all(child["state"] == "running" for child in tree["children"])
        assert app_in(tree, "one")["state"] == "awake"
        assert tree["children"][0]["asleep"] == 1
        assert sum(child.get("count", 0) for child in tree["children"][1]["children"]) == 1
        json.dumps(tree)


async def test_what_was_added_and_cannot_be_read_is_told_and_kept(place: Place) -> None:
    place.app("one", answers("one"))
    place.app("two", answers("two"))
    place.drop("two")
    added = Overlay.beside(load(place.file, environ={}), place.file).file
    assert added is not None
    added.parent.mkdir(parents=True)
    added.write_text('{"added": [')
    async with place.serve():
        assert await place.text("one") == "one"
        assert any("cannot be told" in str(entry["event"]) for entry in place.site.logs)
        with HostedOperations(place.hosting) as operations:
            health = await operations.health()
            assert health["status"] == "degraded"
            assert str(added) in health["problems"][0]
            await place.hosting.add_app({"name": "two", "path": "two"})
            assert (await operations.health())["status"] == "ok"
    assert added.with_suffix(".unreadable").read_text() == '{"added": ['
    async with place.serve():
        assert await place.text("two") == "two"


async def test_what_does_not_load_is_told_by_health_until_it_does(place: Place) -> None:
    """Whatever else is changed meanwhile: with the next restart the app would be gone."""
    for name in ("one", "two"):
        place.app(name, answers("first"))
    async with place.serve():
        for name in ("one", "two"):
            assert await place.text(name) == "first"
        with HostedOperations(place.hosting) as operations:
            place.app("one", "export default (")
            assert (await place.hosting.refresh({"one"})).failed.keys() == {"one"}
            [problem] = (await operations.health())["problems"]
            assert problem.startswith("one: its new version does not load: cannot load: index.js:1:")
            place.app("two", answers("second"))
            assert (await place.hosting.refresh({"two"})).replaced == ("two",)
            await place.hosting.add_app({"name": "three", "path": "two"})
            health = await operations.health()
            assert (health["status"], health["problems"]) == ("degraded", [problem])
            place.app("one", answers("second"))
            await place.hosting.refresh({"one"})
            assert (await operations.health())["status"] == "ok"


@pytest.mark.parametrize("begun", [True, False])
async def test_no_port_opens_once_the_server_ends(place: Place, begun: bool) -> None:
    """Neither by a change that comes then, nor by one that waits for an app's new version by then."""
    place.app("one", answers("one"))
    async with place.serve():
        assert await place.text("one") == "one"
        port = free_port()
        slow = "console.log('loading'); await new Promise((resolve) => setTimeout(resolve, 200));"
        place.app("one", slow + answers("later"))
        place.app("two", answers("two"), port=port)
        reports = []

        async def reload() -> None:
            reports.append(await place.hosting.reload())

        async with trio.open_nursery() as nursery:
            if begun:
                nursery.start_soon(reload)
                with trio.fail_after(20):
                    while "loading" not in place.site.logged("one"):
                        await trio.lowlevel.checkpoint()
            place.hosting.stop()
            if not begun:
                nursery.start_soon(reload)
        assert reports[0].error == (None if begun else "the server is shutting down, and changes nothing any more")
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
