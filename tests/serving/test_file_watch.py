"""Files that change are brought into force by themselves; what does not matter is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing
import trio

from nano_trio.web.file_watch import folders_of

from .places import Place, answers


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def becomes(place: Place, app: str, text: str) -> None:
    """Ask until the app answers so."""
    with trio.fail_after(20):
        while (answer := await place.site.get(app)).text != text:
            assert answer.status in (200, 404, 503), answer.text
            await trio.sleep(0.02)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.lowlevel.checkpoint()


def by_renaming(file: Path, text: str) -> None:
    """As editors and deployments do."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text)
    os.replace(fresh, file)


@pytest.mark.parametrize("write", [Path.write_text, by_renaming])
async def test_code_and_configuration_are_watched(place: Place, write: Callable[[Path, str], object]) -> None:
    place.app("one", answers("first"))
    place.app("two", "let n = 0; export default () => new Response(`${++n}`);")
    async with place.serve(watch=True):
        assert await place.text("one") == "first"
        assert await place.text("two") == "1"
        write(place.folder / "one" / "index.js", answers("second"))
        await becomes(place, "one", "second")
        write(place.folder / "one" / "index.js", answers("third"))
        await becomes(place, "one", "third")
        document = place.file.read_text().replace('"one"', '"uno"', 1)
        write(place.file, document)
        await becomes(place, "uno", "third")
        assert (await place.site.get("one")).status == 404
        assert await place.text("two") == "2"


async def test_an_app_that_has_just_begun_in_a_folder_that_is_watched_is_watched_as_well(place: Place) -> None:
    """Its files changed before the next look at which apps there are: that was told of its neighbour alone."""
    place.app("one", answers("first"))
    place.document["apps"].append({"name": "two", "path": "one", "hostname": "two"})
    place.write()
    code = place.folder / "one" / "index.js"
    async with place.serve(watch=True):
        assert await place.text("one") == "first"
        code.write_text(answers("second"))
        await becomes(place, "one", "second")
        assert await place.text("two") == "second"
        code.write_text(answers("third"))
        await becomes(place, "one", "third")
        await becomes(place, "two", "third")


async def test_what_is_broken_is_told_once_and_mended_by_itself(place: Place) -> None:
    place.app("one", answers("first"))
    async with place.serve(watch=True):
        assert await place.text("one") == "first"
        (place.folder / "one" / "index.js").write_text("export default (")
        with trio.fail_after(20):
            await until(lambda: place.site.app("one").last_reload_error is not None)
        assert await place.text("one") == "first"
        (place.folder / "one" / "index.js").write_text(answers("second"))
        await becomes(place, "one", "second")
        # The configuration names a folder that comes later.
        place.document["apps"].append({"name": "late", "path": "late"})
        place.write()
        with trio.fail_after(20):
            await until(lambda: place.hosting.last_reload is not None and place.hosting.last_reload.error is not None)
        report = place.hosting.last_reload
        (place.folder / "notes.txt").write_text("beside the configuration")
        with trio.fail_after(20), structlog.testing.capture_logs() as logs:
            await until(lambda: place.hosting.last_reload is not report)
            assert logs == []
            assert (await place.hosting.reload()).error  # somebody asks
        assert [entry["event"] for entry in logs] == ["the configuration was not reloaded; the running one stays"]
        (place.folder / "fresh").mkdir()
        (place.folder / "fresh" / "index.js").write_text(answers("late"))
        os.rename(place.folder / "fresh", place.folder / "late")
        await becomes(place, "late", "late")


async def test_what_changes_while_a_change_is_made_is_not_missed(place: Place) -> None:
    place.app("slow", answers("first"))
    place.app("other", answers("other"))
    async with place.serve(watch=True):
        assert await place.text("slow") == "first"
        later = "await new Promise((resolve) => setTimeout(resolve, 1000)); globalThis.later = 1;"
        (place.folder / "slow" / "index.js").write_text(later + answers("second"))
        with trio.fail_after(20):
            await until(lambda: place.hosting._turn.locked())
        # While that loads another app wakes, so that other folders are to be watched from then on.
        assert await place.text("other") == "other"
        place.app("further", answers("further"))
        await becomes(place, "slow", "second")
        await becomes(place, "further", "further")


async def test_imported_files_and_new_folders_are_watched(place: Place) -> None:
    place.app("one", 'import { text } from "./lib/text.js"; export default () => new Response(text);')
    (place.folder / "one" / "lib").mkdir()
    (place.folder / "one" / "lib" / "text.js").write_text("export const text = 'first';")
    async with place.serve(watch=True):
        assert await place.text("one") == "first"
        (place.folder / "one" / "lib" / "text.js").write_text("export const text = 'second';")
        await becomes(place, "one", "second")
        (place.folder / "one" / "more").mkdir()
        (place.folder / "one" / "more" / "text.js").write_text("export const text = 'third';")
        source = 'import { text } from "./more/text.js"; export default () => new Response(text);'
        (place.folder / "one" / "index.js").write_text(source)
        await becomes(place, "one", "third")
        (place.folder / "one" / "more" / "text.js").write_text("export const text = 'fourth';")
        await becomes(place, "one", "fourth")


async def test_a_symbolic_link_that_swings(place: Place) -> None:
    for release in ("1", "2"):
        (place.folder / f"release-{release}").mkdir()
        (place.folder / f"release-{release}" / "index.js").write_text(answers(f"release {release}"))
    (place.folder / "links").mkdir()
    (place.folder / "links" / "current").symlink_to(place.folder / "release-1")
    place.document["apps"].append({"name": "one", "path": "links/current"})
    place.write()
    async with place.serve(watch=True):
        assert await place.text("one") == "release 1"
        fresh = place.folder / "links" / "next"
        fresh.symlink_to(place.folder / "release-2")
        os.replace(fresh, place.folder / "links" / "current")
        await becomes(place, "one", "release 2")
        (place.folder / "release-2" / "index.js").write_text(answers("release 2.1"))
        await becomes(place, "one", "release 2.1")


async def test_a_package_that_is_taken_away_and_installed_anew(place: Place) -> None:
    """As package managers do: the old folder goes, and later the new one, whole, takes its place."""
    place.app("one", 'import text from "@scope/text"; export default () => new Response(text);')
    packages = place.folder / "one" / "node_modules"

    def install(version: str, folder: str) -> None:
        fresh = packages.parent / ".fresh"
        (fresh / folder).mkdir(parents=True)
        (fresh / "package.json").write_text(f'{{"name": "@scope/text", "main": "{folder}/main.js"}}')
        (fresh / folder / "main.js").write_text(f'module.exports = "{version}";')
        (packages / "@scope").mkdir(parents=True, exist_ok=True)
        fresh.rename(packages / "@scope" / "text")

    install("first", "lib")
    async with place.serve(watch=True):
        assert await place.text("one") == "first"
        for version, folder, gone in [
            ("second", "dist", "@scope/text"),
            ("third", "lib", "@scope"),
            ("fourth", "lib", ""),
        ]:
            place.site.app("one").last_reload_error = None
            (packages / gone).rename(place.folder / f"before-{version}")
            with trio.fail_after(20):
                await until(lambda: place.site.app("one").last_reload_error is not None)
            install(version, folder)
            await becomes(place, "one", version)


async def test_what_changes_nothing_replaces_nothing(place: Place) -> None:
    place.app("one", "let n = 0; export default () => new Response(`${++n}`);")
    place.app("two", answers("first"))
    async with place.serve(watch=True):
        assert await place.text("one") == "1"
        assert await place.text("two") == "first"
        os.utime(place.folder / "one" / "index.js")
        (place.folder / "one" / "notes.txt").write_text("not imported")
        os.utime(place.file)
        (place.folder / "two" / "index.js").write_text(answers("second"))
        await becomes(place, "two", "second")
        assert await place.text("one") == "2"
        assert place.site.app("one").replacements == 0


def test_our_own_log_is_no_change(tmp_path: Path) -> None:
    """`nano-trio dev > log` in the app's folder: an error that is logged must not lead to the next."""
    own, other = tmp_path / "app" / "log", tmp_path / "other" / "index.js"
    for file in (own, other):
        file.parent.mkdir()
        file.touch()
    code = (
        "import sys; from nano_trio.web.file_watch import _places; "
        f"print(*sorted(_places({{(2, {str(own)!r}), (2, {str(other)!r})}})), sep='\\n')"
    )
    with own.open("w") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True, timeout=30)
    assert own.read_text().splitlines() == [str(other.parent), str(other)]


def test_which_folders_are_watched(tmp_path: Path) -> None:
    app = tmp_path / "app"
    for folder in ("lib/deep", "node_modules/hono/dist", "node_modules/other", ".git/objects"):
        (app / folder).mkdir(parents=True)
    packages = app / "node_modules"
    own = {str(path) for path in (tmp_path, app, app / "lib", app / "lib" / "deep", packages)}
    assert folders_of(app, []) == own
    # What is imported from there counts, and where it would be put anew.
    hono = packages / "hono"
    assert folders_of(app, [hono / "dist" / "index.js"]) == {*own, str(hono), str(hono / "dist")}
    assert folders_of(app / "worker.js", []) == {str(app)}


def test_watching_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    """Apps that are asked for first, while it is loaded, wait for the interpreter meanwhile."""
    code = (
        "import sys; from pathlib import Path; from nano_trio.web.file_watch import FileWatch\n"
        "before = set(sys.modules); watch = FileWatch(None, [])\n"
        f"[first, second] = [watch._watch([{str(tmp_path)!r}]) for _ in range(2)]\n"
        "print(*set(sys.modules) - before)\n"
        f"Path({str(tmp_path)!r}, 'x').touch(); print(len(second.watch(1000, 1, 1000, None)))\n"
        "import watchfiles; print(watchfiles.main.RustNotify is type(first))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines() == ["watchfiles._rust_notify", "1", "True"]
