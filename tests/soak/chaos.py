"""What is done to the server while it serves, one thing after another."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import psutil
import trio

from nano_trio.web.admin.client import AdminClient, AdminError, connect
from tests.parent.conftest import running_turn
from tests.soak.clients import Lane
from tests.soak.ledger import Kill, Ledger
from tests.soak.site import CRASHER, PATIENCE_S, Site, edited, greeter, named

__all__ = ["Chaos"]


class Chaos:
    """Each of its deeds leaves the site as healthy as it was, and says so where it is not."""

    def __init__(self, site: Site, ledger: Ledger, rng: Random, newest: dict[str, int]) -> None:
        self._site = site
        self._ledger = ledger
        self._rng = rng
        self._newest = newest
        self._versions = dict.fromkeys(named("edited"), 1)
        self._guests = 0
        self._crashes = 0
        self.deeds: dict[str, Callable[[], Awaitable[None]]] = {
            "edit": self.edit,
            "edit again": self.edit,
            "break code": self.break_code,
            "break configuration": self.break_configuration,
            "guest by file": self.guest_by_file,
            "guest by admin": self.guest_by_admin,
            "SIGHUP": self.sighup,
            "restart": self.restart,
            "drain": self.drain,
        }

    async def run(self) -> None:
        """One deed after another, until cancelled: each once in every round, in an order that is drawn."""
        while True:
            round_ = list(self.deeds)
            self._rng.shuffle(round_)
            for name in round_:
                await self.do(name, self.deeds[name])
                await trio.sleep(self._rng.uniform(0.2, 1.0))

    async def do(self, name: str, deed: Callable[[], Awaitable[None]]) -> None:
        """One deed; what goes wrong is a problem."""
        self._ledger.totals[f"did: {name}"] += 1
        self._ledger.say(name)
        try:
            with trio.fail_after(2 * PATIENCE_S):
                await deed()
        except* (AdminError, AssertionError, trio.TooSlowError, OSError) as error:
            self._ledger.problem(f"{name}: {error.exceptions!r}")

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AdminClient]:
        async with connect(self._site.admin_url, None) as client:
            yield client

    async def call(self, method: str, **params: Any) -> Any:
        async with self.admin() as client:
            return await client.call(method, **params)

    async def _ask(self, app: str, path: str = "/") -> tuple[int, str]:
        async with Lane(self._site, self._ledger, keep=False) as lane:
            answer = await lane.ask(app, path, kind="chaos")
        if answer is None:
            raise AssertionError(f"{app} did not answer")
        if app.partition("-")[0] in ("edited", "plain", "room"):
            self._ledger.answered(app, answer[0])
        return answer[0], answer[1].decode("utf-8", "replace")

    async def _until(self, what: str, look: Callable[[], Awaitable[bool]], every_s: float = 0.1) -> None:
        with trio.move_on_after(PATIENCE_S):
            while True:
                if await look():
                    return
                await trio.sleep(every_s)
        raise AssertionError(f"within {PATIENCE_S:g} s: {what}")

    # -- code --------------------------------------------------------------------------------------------------------

    async def edit(self) -> None:
        """A new version, by its file: it serves soon."""
        app = self._rng.choice(named("edited"))
        await self._publish(app)

    async def _publish(self, app: str) -> None:
        self._versions[app] += 1
        version = self._versions[app]
        self._site.code(app, edited(version))

        async def seen() -> bool:
            status, text = await self._ask(app)
            assert status == 200, f"{app}: {status} {text}"
            return int(text) == version

        await self._until(f"{app} never came to version {version}", seen)

    async def break_code(self) -> None:
        """A version that does not load: the old one serves until one comes that does."""
        app = self._rng.choice(named("edited"))
        self._site.code(
            app, self._rng.choice(("export default (", "throw new Error('broken on purpose');", "for (;;);"))
        )

        async def noticed() -> bool:
            return (await self.call("apps.get", name=app))["last_reload_error"] is not None

        await self._until(f"{app}'s broken version was not noticed", noticed, 0.3)
        status, text = await self._ask(app)
        assert (status, int(text)) == (200, self._versions[app]), f"{app}: {status} {text}"
        await self._publish(app)

    # -- configuration -----------------------------------------------------------------------------------------------

    async def _health(self, text: str) -> bool:
        return text in "\n".join((await self.call("health"))["problems"])

    async def break_configuration(self) -> None:
        """A configuration that cannot be: the running one stays until it is mended."""
        broken = {**self._site.document, "prot": 80}
        self._site.write(self._rng.choice(("{", json.dumps(broken), "")))
        await self._until("the broken configuration was not noticed", lambda: self._health("not reloaded"))
        self._site.write()

        async def mended() -> bool:
            return not await self._health("not reloaded")

        await self._until("the mended configuration was not noticed", mended)

    def _guest(self, key: str = "guest") -> dict[str, Any]:
        self._guests += 1
        name = f"{key}-{self._guests}"
        self._site.code(name, greeter(name))
        return {"name": name, "path": f"apps/{name}"}

    async def _present(self, name: str) -> None:
        for _ in range(5):
            assert await self._ask(name) == (200, name)

    async def _answers(self, name: str, status: int) -> None:
        async def look() -> bool:
            found = (await self._ask(name))[0]
            assert found in (200, 404, 503), f"{name}: {found}"
            return found == status

        await self._until(f"{name} never answered {status}", look)

    @asynccontextmanager
    async def _asked(self, name: str) -> AsyncIterator[None]:
        """While it comes and goes, somebody asks for it all the time, and always gets an answer."""

        async def ask() -> None:
            async with Lane(self._site, self._ledger) as lane:
                while True:
                    answer = await lane.ask(name, kind="guest")
                    if answer is not None and answer[0] not in (200, 404, 503):
                        self._ledger.problem(f"{name}: {answer[0]} {answer[1][:200]!r}")
                    await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            yield
            nursery.cancel_scope.cancel()

    async def guest_by_file(self) -> None:
        """An app that comes and goes by the configuration's file."""
        guest = self._guest()
        apps = self._site.document["apps"]
        async with self._asked(guest["name"]):
            self._site.document["apps"] = [*apps, guest]
            self._site.write()
            await self._answers(guest["name"], 200)
            await self._present(guest["name"])
            self._site.document["apps"] = apps
            self._site.write()
            await self._answers(guest["name"], 404)

    async def guest_by_admin(self) -> None:
        """An app that comes and goes by admin."""
        guest = self._guest()
        async with self._asked(guest["name"]):
            async with self.admin() as client:
                await client.call("apps.add", **guest)
                await self._present(guest["name"])
                await client.call("apps.remove", name=guest["name"])
            await self._answers(guest["name"], 404)

    async def sighup(self) -> None:
        """The parent is told to have everything read anew."""
        self._site.reload()

    # -- admin -------------------------------------------------------------------------------------------------------

    async def restart(self) -> None:
        """A healthy app gets a new isolate; nobody notices (its clients say)."""
        app = self._rng.choice(named("plain"))
        assert (await self.call("apps.restart", name=app))["state"] == "awake"

    async def calm(self) -> dict[str, int]:
        """Fresh isolates for the hostile apps: whatever they have made is let go, what is kept of the apps stays.

        Returns the size of each app's heap.
        """
        async with self.admin() as client:
            for name in named("hostile"):
                with contextlib.suppress(AdminError):  # it does not load, or not in time on a busy machine
                    await client.call("apps.restart", name=name)

            async def drained() -> bool:
                apps = _children(await client.call("tree"), "apps")
                return not any(child["id"] == "isolate, draining" for app in apps for child in app.get("children", ()))

            await self._until("isolates drain for ever", drained)
            apps = (await client.call("apps.list"))["apps"]
        return {app["name"]: app["memory_bytes"] for app in apps}

    async def drain(self) -> None:
        """An app is drained, and taken back."""
        app = self._rng.choice(named("drained"))
        async with self.admin() as client:
            assert await self._ask(app) == (200, app)
            await client.call("apps.drain", name=app)
            assert (await self._ask(app))[0] == 503
            await client.call("apps.restart", name=app)
        assert await self._ask(app) == (200, app)

    # -- the worker --------------------------------------------------------------------------------------------------

    async def kill(self, number: signal.Signals, victim: psutil.Process | None = None) -> None:
        """The worker dies; within moments another serves."""
        worker = victim or self._site.worker
        assert worker is not None
        self._ledger.exact = False
        self._ledger.killing = begun = time.monotonic()
        worker.send_signal(number)
        if victim is not None:
            worker.resume()
        try:
            await self._until(f"{number.name} did not end the worker", lambda: _gone(worker), 0.01)
        finally:
            self._ledger.kills.append(Kill(begun, time.monotonic()))
            self._ledger.killing = None

        async def serves() -> bool:
            try:
                with trio.fail_after(5):
                    return bool((await self.call("ready"))["ready"])
            except (AdminError, trio.TooSlowError):
                return False

        await self._until("no worker took the place of the one that was killed", serves)

    async def kill_while_configuration_is_broken(self) -> None:
        """The replacement runs with the last configuration that could be read."""
        self._site.write("{ broken")
        await self._until("the broken configuration was not noticed", lambda: self._health("not reloaded"))
        await self.kill(signal.SIGKILL)
        await self._present(named("spare")[0])
        assert await self._health("not reloaded")
        self._site.write()

        async def mended() -> bool:
            return not await self._health("not reloaded")

        await self._until("the mended configuration was not noticed", mended)

    async def quarantine(self) -> None:
        """An app that crashes the engine is quarantined at the second time, until there is a new version of it."""
        [app] = named("crasher")
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._spin, app)
                worker = await trio.to_thread.run_sync(_stopped_in_turn, self._site, app)
                await self.kill(signal.SIGSEGV, worker)
                nursery.cancel_scope.cancel()
        status, text = await self._ask(app)
        assert status == 503, text
        assert "quarantined" in text
        self._crashes += 1
        version = f"version {self._crashes}"
        self._site.code(app, CRASHER.replace("VERSION", version))

        async def lifted() -> bool:
            return await self._ask(app) == (200, version)

        await self._until(f"the quarantine of {app} was not lifted", lifted)

    async def _spin(self, app: str) -> None:
        async with Lane(self._site, self._ledger, keep=False) as lane:
            await lane.ask(app, "/spin", kind="crasher")


def _children(tree: dict[str, Any], id: str) -> list[dict[str, Any]]:
    return next(child["children"] for child in tree["children"] if child["id"] == id)


async def _gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _stopped_in_turn(site: Site, app: str) -> psutil.Process:
    """The worker, stopped (SIGSTOP) while it runs a turn of ``app``. Blocks."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        worker = site.worker
        assert worker is not None
        worker.suspend()
        while worker.status() != psutil.STATUS_STOPPED and time.monotonic() < end:
            time.sleep(0.001)
        if running_turn(worker) == app:
            return worker
        worker.resume()
        time.sleep(0.002)
    raise AssertionError(f"the worker was never found in a turn of {app}")
