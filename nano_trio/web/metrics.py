"""What is counted, for Prometheus and for admin.

Theory of operation. Nothing here runs while requests are served: apps, connections and the scheduler add to plain
integers of their own, and a scrape reads them. A scrape of thousands of apps makes megabytes of text, so it is cut into
pieces of about a millisecond with a pass of the Trio loop between two: first a :class:`Snapshot` of each app (so that
the numbers of one app fit together), then text for a few apps at a time, one metric family after the other.

Series are few and end with what they describe: an app has series from its first request or start until it is removed.
Labels are apps' names, status classes and kinds that stand in this code, never anything that a client sent.

prometheus_client knows the format, and writes what the process has once. What each app has is written here, ten times
as fast. Its counters, with their locks, are not used.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Protocol

import attrs
import trio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.process_collector import ProcessCollector

from nano_trio import __version__, logs
from nano_trio.actors.counts import BUCKETS, Snapshot
from nano_trio.engine.threads import in_thread_or_here
from nano_trio.web.counts import VERSIONS, WebCounts
from nano_trio.web.load import LAG_BUCKETS, Load
from nano_trio.web.merging import Figures, has_lived

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of :meth:`Metrics.exposition`."""

_PIECE_S = 0.001
_BOUNDS = [*(f"{bound:g}" for bound in BUCKETS), "+Inf"]
_LAG_BOUNDS = [*(f"{bound:g}" for bound in LAG_BUCKETS), "+Inf"]
_APPS_AT_ONCE = 16


class Apps(Protocol):
    """What of :class:`nano_trio.actors.registry.Registry` is asked."""

    def snapshots(self) -> Iterator[Snapshot]: ...

    @property
    def runnable(self) -> int: ...


class Server(Protocol):
    """What of :class:`nano_trio.web.server.Server` is asked."""

    counts: WebCounts

    @property
    def connections(self) -> int: ...


_Value = Callable[[Snapshot], float]
_Values = Callable[[Snapshot], Iterable[tuple[str, float]]]


@attrs.frozen
class _PerApp:
    """A family with one series for each app, or one for each app and each value of another label."""

    name: str
    text: str
    value: _Value | None = None
    label: str = ""
    values: _Values | None = None

    @property
    def head(self) -> str:
        kind = "counter" if self.name.endswith("_total") else "gauge"
        return f"# HELP {self.name} {self.text}\n# TYPE {self.name} {kind}\n"

    def lines(self, snapshot: Snapshot) -> str:
        # Apps' names are letters, digits, "-", "_" and ".": nothing to escape.
        series = f'{self.name}{{app="{snapshot.app}"'
        if self.value is not None:
            return f"{series}}} {self.value(snapshot)}\n"
        assert self.values is not None
        return "".join([f'{series},{self.label}="{each}"}} {value}\n' for each, value in self.values(snapshot)])


_FAMILIES = (
    _PerApp("nano_trio_requests_begun_total", "Requests that the app was given", lambda s: s.requests),
    _PerApp(
        "nano_trio_requests_total",
        "Requests that were answered, by class of status",
        label="status",
        values=lambda s: [(f"{digit}xx", count) for digit, count in enumerate(s.statuses) if count],
    ),
    _PerApp(
        "nano_trio_requests_abandoned_total",
        "Requests whose client left, or whose response broke off",
        lambda s: s.abandoned,
    ),
    _PerApp("nano_trio_requests_in_flight", "Requests neither answered nor abandoned yet", lambda s: s.in_flight),
    _PerApp("nano_trio_errors_total", "What went wrong, by kind", label="kind", values=lambda s: s.errors.items()),
    _PerApp("nano_trio_request_body_bytes_total", "Bytes of request bodies that were read", lambda s: s.bytes_in),
    _PerApp("nano_trio_response_body_bytes_total", "Bytes of response bodies", lambda s: s.bytes_out),
    _PerApp("nano_trio_cpu_seconds_total", "CPU time of the app's JavaScript", lambda s: s.cpu_s),
    _PerApp("nano_trio_turns_total", "Turns begun: calls into the app's JavaScript", lambda s: s.turns),
    _PerApp("nano_trio_preemptions_total", "Times that a turn was suspended", lambda s: s.preemptions),
    _PerApp("nano_trio_heap_bytes", "The isolate's heap; 0 while asleep", lambda s: s.memory),
    _PerApp("nano_trio_isolates", "Isolates: the one that serves, and those that drain", lambda s: s.isolates),
    _PerApp("nano_trio_mailbox_depth", "Requests that wait for their turn to begin", lambda s: s.mailbox),
    _PerApp("nano_trio_starts_total", "Isolates started", lambda s: s.starts),
    _PerApp("nano_trio_crashes_total", "Isolates that crashed or did not load", lambda s: s.crashes),
    _PerApp("nano_trio_restarts_total", "Isolates started after a crash", lambda s: s.restarts),
    _PerApp("nano_trio_evictions_total", "Isolates unloaded after idle_timeout_s", lambda s: s.evictions),
    _PerApp("nano_trio_websocket_connections", "WebSocket connections that are open", lambda s: s.sockets),
    _PerApp("nano_trio_websocket_opened_total", "WebSocket connections that were accepted", lambda s: s.sockets_opened),
    _PerApp(
        "nano_trio_websocket_messages_total",
        "WebSocket messages, in from clients or out to them",
        label="direction",
        values=lambda s: [("in", s.messages_in), ("out", s.messages_out)],
    ),
    _PerApp("nano_trio_log_lines_total", "Lines logged", lambda s: s.log_lines),
    _PerApp(
        "nano_trio_log_lines_dropped_total",
        "Lines beyond the app's limit",
        lambda s: s.log_lines_dropped,
    ),
)


class _Latencies:
    """The histogram of each app's latencies."""

    name = "nano_trio_request_duration_seconds"
    head = f"# HELP {name} From a request's head to the last byte of its response\n# TYPE {name} histogram\n"

    def lines(self, snapshot: Snapshot) -> str:
        name, app = self.name, snapshot.app
        buckets = _cumulative(_BOUNDS, snapshot.buckets)
        lines = [f'{name}_bucket{{app="{app}",le="{bound}"}} {count}\n' for bound, count in buckets]
        lines.append(f'{name}_count{{app="{app}"}} {buckets[-1][1]}\n{name}_sum{{app="{app}"}} {snapshot.latency_s}\n')
        return "".join(lines)


def _cumulative(bounds: Sequence[str], counts: Sequence[int]) -> list[tuple[str, float]]:
    return list(zip(bounds, accumulate(counts), strict=True))


class _Process(ProcessCollector):
    """The metrics of the process. When the system was started is asked of its clock: a service that sees nothing of
    /proc but processes (systemd's ``ProcSubset=pid``) would have none of these metrics."""

    def __init__(self, proc: str = "/proc") -> None:
        super().__init__(proc=proc, registry=None)

    def _boot_time(self) -> float:
        clock = getattr(time, "CLOCK_BOOTTIME", None)
        return 0.0 if clock is None else time.time() - time.clock_gettime(clock)


class Metrics:
    """Reads everything that is counted in this process."""

    def __init__(self, apps: Apps, server: Server, load: Load) -> None:
        self._apps = apps
        self._server = server
        self.load = load
        """How late the event loop is."""
        self.bus: Callable[[], tuple[int, int, int]] | None = None
        """Messages sent to other workers, received from them, and lost; None where there are none."""
        self._process = _Process()

    def snapshots(self) -> dict[str, Snapshot]:
        """Every app's counts by name, now. For thousands of apps there is :meth:`snapshots_in_pieces`."""
        return {snapshot.app: snapshot for snapshot in self._apps.snapshots()}

    async def snapshots_in_pieces(self) -> dict[str, Snapshot]:
        """The same without stopping the loop for it: those of two apps need not be of the same moment."""
        snapshots: dict[str, Snapshot] = {}
        pieces = _Pieces()
        for snapshot in self._apps.snapshots():
            snapshots[snapshot.app] = snapshot
            await pieces.pause()
        return snapshots

    async def figures(self, *, all_apps: bool = True) -> Figures:
        """Everything, as it is. Without ``all_apps`` those are left out that were never asked for anything."""
        # Asks the kernel for every open file.
        process = await in_thread_or_here(lambda: list(self._process.collect()))
        apps = await self.snapshots_in_pieces()
        if not all_apps:
            apps = {name: each for name, each in apps.items() if each.state != "asleep" or has_lived(each)}
        return Figures(os.getpid(), apps, [*process, *self._of_server()])

    async def exposition(self, figures: Figures | None = None) -> bytes:
        """Everything in Prometheus's text format; or these figures, which several workers may have made together."""
        if figures is None:
            figures = await self.figures()
        snapshots = figures.apps
        seen = [each for each in snapshots.values() if has_lived(each)]
        texts: list[bytes] = []
        pieces = _Pieces()
        for metric in (*figures.server, *_of_states(snapshots.values())):
            texts.append(_text(metric))
            await pieces.pause()
        for family in (*_FAMILIES, _Latencies()):
            texts.append(family.head.encode())
            for start in range(0, len(seen), _APPS_AT_ONCE):
                texts.append("".join([family.lines(each) for each in seen[start : start + _APPS_AT_ONCE]]).encode())
                await pieces.pause()
        return b"".join(texts)

    def _of_server(self) -> Iterator[Metric]:
        counts, load = self._server.counts, self.load
        build = GaugeMetricFamily("nano_trio_build_info", "Versions; always 1", labels=["version", "python", "trio"])
        build.add_metric([__version__, platform.python_version(), trio.__version__], 1)
        yield build
        yield GaugeMetricFamily(
            "nano_trio_http_connections", "Client connections that are open", self._server.connections
        )
        yield CounterMetricFamily("nano_trio_http_connections_accepted", "Client connections accepted", counts.accepted)
        yield CounterMetricFamily(
            "nano_trio_tls_handshake_failures", "TLS handshakes that failed", counts.failed_handshakes
        )
        requests = CounterMetricFamily("nano_trio_http_requests", "Requests by version of HTTP", labels=["version"])
        for name, count in zip(VERSIONS, counts.versions, strict=True):
            requests.add_metric([name], count)
        yield requests
        refused = CounterMetricFamily(
            "nano_trio_http_refused", "Requests refused before an app was asked, by status", labels=["status"]
        )
        for status, count in sorted(counts.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        yield CounterMetricFamily(
            "nano_trio_http_unknown_hosts", "Requests for hosts that no app claims", counts.unknown_hosts
        )
        yield CounterMetricFamily(
            "nano_trio_log_lines_lost", "Lines that standard error did not take", logs.lost_lines()
        )
        if self.bus is not None:
            sent, received, lost = self.bus()
            messages = CounterMetricFamily(
                "nano_trio_bus_messages", "Messages between workers, by direction", labels=["direction"]
            )
            messages.add_metric(["out"], sent)
            messages.add_metric(["in"], received)
            yield messages
            yield CounterMetricFamily(
                "nano_trio_bus_messages_lost", "Messages between workers that found too much waiting already", lost
            )
        yield HistogramMetricFamily(
            "nano_trio_loop_lag_seconds",
            "How late the event loop wakes a task",
            buckets=_cumulative(_LAG_BOUNDS, load.buckets),
            sum_value=round(load.total_s, 6),
        )
        yield GaugeMetricFamily(
            "nano_trio_runnable_isolates", "Isolates that wait for a slice of CPU time", self._apps.runnable
        )
        yield GaugeMetricFamily("nano_trio_tasks", "Trio tasks", trio.lowlevel.current_statistics().tasks_living)


def _of_states(snapshots: Iterable[Snapshot]) -> Iterator[Metric]:
    states = Counter(snapshot.state for snapshot in snapshots)
    apps = GaugeMetricFamily("nano_trio_apps", "Configured apps by state", labels=["state"])
    for state, count in sorted(states.items()):
        apps.add_metric([state], count)
    yield apps


def _text(metric: Metric) -> bytes:
    return generate_latest(_One(metric))


@attrs.frozen
class _One:
    """A collector of one family, for ``generate_latest``."""

    metric: Metric

    def collect(self) -> Iterable[Metric]:
        return (self.metric,)


class _Pieces:
    """Lets others run now and then."""

    def __init__(self) -> None:
        self._until = trio.current_time() + _PIECE_S

    async def pause(self) -> None:
        """A checkpoint where a millisecond is over."""
        if trio.current_time() >= self._until:
            await trio.lowlevel.checkpoint()
            self._until = trio.current_time() + _PIECE_S
