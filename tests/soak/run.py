"""One soak: clients, chaos and samples beside each other; then the checks.

What memory is held on to is weighed in silence: some moments in the second half in which nobody asks anything and the
hostile apps have fresh isolates. What is in use then is told by the allocators to within a megabyte (inside/). The
process's size says less: the allocators keep what hostile apps once needed, some 16 MB each and several at a time, so in
its first minutes a worker sets one record after the other, which is no leak but looks like one. Its line is looked at
where the worker is old enough when the second half begins.
"""

from __future__ import annotations

import signal
import ssl
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import attrs
import psutil
import trio

from nano_trio.web.admin.client import AdminError
from tests.soak import checks
from tests.soak.chaos import Chaos
from tests.soak.checks import Sample, Trend, Weight
from tests.soak.clients import start_clients
from tests.soak.ledger import Ledger
from tests.soak.site import DRAIN_TIMEOUT_S, Site

__all__ = ["Result", "soak"]

_MB = 1 << 20
_SETTLE_S = 20.0
_LOOKS = 4
_TELLING_S = 120.0
"""The shortest run in which something may not grow: in less a process warms up."""
_WARM_S = 100.0
"""The age of a worker whose size has seen its records."""
_END_S = DRAIN_TIMEOUT_S + 4 + 10
"""The drain time, the parent's grace, and something for a busy machine."""


@attrs.define
class Result:
    seed: int
    seconds: float
    problems: list[str] = attrs.field(factory=list)
    totals: dict[str, int] = attrs.field(factory=dict)
    excused: dict[str, int] = attrs.field(factory=dict)
    kills: int = 0
    exit_code: int | None = None
    ended_in_s: float = 0.0
    trends: dict[str, Trend] = attrs.field(factory=dict)
    """Over the last half: of worker and parent, in MB, thousands of Python's blocks, and descriptors."""
    log_lines: int = 0


def soak(seconds: float, seed: int, folder: Path, say: Callable[[str], None] = lambda text: None) -> Result:
    """Run for about ``seconds``; what went wrong is in ``problems``, and the log in ``folder``. ``say``: what happens."""
    result = Result(seed, seconds)
    site = Site(folder)
    ledger = Ledger()
    ledger.say = say
    samples: list[Sample] = []
    weights: list[Weight] = []
    try:
        trio.run(_run, site, ledger, seconds, seed, samples, weights)
        began = time.monotonic()
        result.exit_code = site.end(_END_S)
        result.ended_in_s = round(time.monotonic() - began, 1)
    finally:
        site.kill()
        (folder / "log").write_text("".join(f"{line.text}\n" for line in site.lines))
    if result.exit_code != 0:
        ledger.problem(f"it ended with exit code {result.exit_code} after {result.ended_in_s} s")
    said = Counter(checks.log_lines(site.lines))
    for text, times in list(said.items())[:50]:
        ledger.problem(text if times == 1 else f"{text} ({times} times)")
    result.trends = {**_held(weights), **_trends(samples, seconds)}
    if len({weight.worker_pid for weight in weights}) != 1:
        ledger.problem("it was not weighed, or not one worker all the time")
    for what, (share, least) in _BOUNDS.items() if seconds >= _TELLING_S else ():
        if what == "worker MB" and not _is_warm(samples, seconds):
            continue
        if what in result.trends and result.trends[what].grows(share, least):
            ledger.problem(f"{what} grows: {result.trends[what]}")
    result.log_lines = len(site.lines)
    result.problems = ledger.problems
    result.totals, result.excused, result.kills = dict(ledger.totals), dict(ledger.excused), len(ledger.kills)
    return result


_BOUNDS = {
    # A share of the start, and what is nothing. Without a leak the first climbs by 0.1 MB in a minute and a half and by
    # 1.4 in four; a leak of one KB a request is 5 to 10 MB then, one of an isolate's 300 KB for each crash as much.
    "held MB": (0.05, 3.0),
    # What lies in a heap until the engine's collector comes is up to 170 KB in each of these 53, more in later minutes;
    # after a collection an app's heap is the same to the byte after 400 and 3,200 requests.
    "heaps MB": (0.10, 8.0),
    # Caches of names, pairs of headers and the like fill up: 4 to 10 thousand.
    "held blocks": (0.05, 30.0),
    # Isolates come and go, each of up to 16 MB where it is hostile, and the allocator returns what they had in pieces:
    # lines through such samples tilt by some MB.
    "worker MB": (0.10, 8.0),
    "worker files": (0.0, 8.0),
    "parent MB": (0.02, 0.5),
    "parent files": (0.0, 2.0),
}
"""How much a line may climb over the last half. That of the worker's size counts where the worker is :data:`_WARM_S` old
when the half begins, as in `make soak`."""


_WEIGHED = (0.5, 0.75, 1.0)
"""The shares of the time after which it is weighed."""


async def _run(
    site: Site, ledger: Ledger, seconds: float, seed: int, samples: list[Sample], weights: list[Weight]
) -> None:
    rng = Random(f"{seed} chaos")
    newest: dict[str, int] = {}
    chaos = Chaos(site, ledger, rng, newest)
    secure = ssl.create_default_context(cafile=str(site.folder / "certs" / "ca.pem"))
    began = time.monotonic()
    async with trio.open_nursery() as everything:
        everything.start_soon(_sample, site, began, seconds, samples)
        everything.start_soon(_look_for_strangers, site, ledger, everything.cancel_scope)
        async with trio.open_nursery() as clients:
            start_clients(clients, site, ledger, seed, newest, secure)

            async def until(share: float) -> None:
                """Ordinary chaos until so much of the time is over; a deed that has begun is finished."""
                stop = began + share * seconds
                while time.monotonic() < stop:
                    for name in rng.sample(sorted(chaos.deeds), len(chaos.deeds)):
                        if time.monotonic() >= stop:
                            break
                        await chaos.do(name, chaos.deeds[name])
                        await trio.sleep(rng.uniform(0.2, 1.0))

            # The last worker is to be warm by the second half, on a busy machine too, where deeds take long.
            await until(0.08)
            await _audit(chaos, ledger)
            for share, name, deed in (
                (0.13, "SIGKILL", lambda: chaos.kill(signal.SIGKILL)),
                (0.18, "SIGSEGV", lambda: chaos.kill(signal.SIGSEGV)),
                (0.23, "quarantine", chaos.quarantine),
                (0.28, "SIGKILL, configuration broken", chaos.kill_while_configuration_is_broken),
            ):
                await chaos.do(name, deed)
                await until(share)
            await chaos.do("SIGKILL while all is quiet", lambda: _quiet_kill(chaos, ledger))
            for share in _WEIGHED if seconds >= _TELLING_S else _WEIGHED[-1:]:
                await until(share)
                await _weigh(site, chaos, ledger, weights)
            await _audit(chaos, ledger)
            await _look_at_the_tree(chaos, ledger)
            async with ledger.healthy.paused():
                clients.cancel_scope.cancel()
        everything.cancel_scope.cancel()


async def _quiet_kill(chaos: Chaos, ledger: Ledger) -> None:
    """The next worker's counts are ours from its first request on."""
    async with ledger.healthy.paused():
        await chaos.kill(signal.SIGKILL)
        ledger.begin_anew()


async def _audit(chaos: Chaos, ledger: Ledger) -> None:
    """Compare what clients counted with what the server did, while no healthy app is asked anything."""
    async with ledger.healthy.paused():
        found: list[str] = ["no metrics"]
        with trio.move_on_after(_SETTLE_S):
            # The last bytes of an answer are with the client a moment before they are counted.
            while found:
                try:
                    found = list(checks.counters((await chaos.call("metrics"))["text"], ledger))
                except AdminError as error:
                    found = [repr(error)]
                if found:
                    await trio.sleep(0.2)
        ledger.totals["audits"] += 1
        for text in found:
            ledger.problem(f"counters: {text}")


async def _weigh(site: Site, chaos: Chaos, ledger: Ledger, weights: list[Weight]) -> None:
    """What the worker holds while nobody asks anything, and the hostile apps have done nothing yet."""
    async with ledger.healthy.paused(), ledger.others.paused():
        heaps: dict[str, int] = {}

        async def calm() -> None:
            heaps.update(await chaos.calm())

        await chaos.do("weigh", calm)
        worker = site.worker
        assert worker is not None
        held: list[tuple[int, int]] = []
        for _ in range(_LOOKS):
            await trio.sleep(0.5)
            held.append(site.held(worker))
        bytes_, blocks = min(held)
        awake = sum(size for app, size in heaps.items() if app.startswith(("plain", "room", "edited", "spare")))
        weights.append(Weight(time.monotonic(), worker.pid, bytes_ - sum(heaps.values()), awake, blocks))


async def _look_at_the_tree(chaos: Chaos, ledger: Ledger) -> None:
    found = ["no tree"]
    with trio.move_on_after(_SETTLE_S):
        # A look at files that were edited a moment ago may be about to start.
        while found:
            found = list(checks.tree(await chaos.call("tree")))
            if found:
                await trio.sleep(0.2)
    for text in found:
        ledger.problem(text)


async def _look_for_strangers(site: Site, ledger: Ledger, everything: trio.CancelScope) -> None:
    """Where somebody else ends the server, all that clients see then follows from it, and more of it tells nothing."""
    while True:
        if site.draining:
            ledger.problems.insert(0, f"somebody else told the server to end: {site.draining}")
            everything.cancel()
            return
        await trio.sleep(0.1)


async def _sample(site: Site, began: float, seconds: float, samples: list[Sample]) -> None:
    while True:
        try:
            parent, worker = site.parent, site.worker
            if worker is not None:
                samples.append(
                    Sample(
                        time.monotonic() - began,
                        worker.pid,
                        parent.memory_info().rss,
                        parent.num_fds(),
                        worker.memory_info().rss,
                        worker.num_fds(),
                    )
                )
        except psutil.Error:
            pass  # it died this moment
        await trio.sleep(max(0.25, seconds / 1200))


def _is_warm(samples: list[Sample], seconds: float) -> bool:
    last = samples[-1].worker_pid
    return seconds / 2 - min(sample.at for sample in samples if sample.worker_pid == last) >= _WARM_S


def _held(weights: list[Weight]) -> dict[str, Trend]:
    times = [weight.at for weight in weights]
    if len(times) < 2:
        return {}
    return {
        "held MB": checks.trend(times, [weight.malloc_bytes / _MB for weight in weights]),
        "heaps MB": checks.trend(times, [weight.heap_bytes / _MB for weight in weights]),
        "held blocks": checks.trend(times, [weight.python_blocks / 1000 for weight in weights]),
    }


def _trends(samples: list[Sample], seconds: float) -> dict[str, Trend]:
    late = [sample for sample in samples if sample.at >= seconds / 2]
    late = [sample for sample in late if sample.worker_pid == late[-1].worker_pid]
    if len(late) < 10:
        return {}
    times = [sample.at for sample in late]
    return {
        "worker MB": checks.trend(times, [sample.worker_bytes / _MB for sample in late]),
        "worker files": checks.trend(times, [sample.worker_files for sample in late]),
        "parent MB": checks.trend(times, [sample.parent_bytes / _MB for sample in late]),
        "parent files": checks.trend(times, [sample.parent_files for sample in late]),
    }
