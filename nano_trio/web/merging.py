"""What several workers count, as one: counters and histograms are summed, gauges are summed or say whose they are.

A counter must never fall, or whoever watches takes it for a fresh start and counts everything again. So what a worker
had counted when it was last asked outlives it, in a :class:`Ledger`, of which the other workers keep a copy. Sums of
seconds are of whole microseconds: they do not depend on the order of their terms, which changes where a worker ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from prometheus_client.core import Metric

from nano_trio.actors.counts import Snapshot

__all__ = ["Figures", "Ledger", "has_lived", "merge_figures", "merge_snapshots", "most_telling", "snapshot_of"]

_STATES = ("asleep", "awake", "draining", "failed", "quarantined")
_GAUGES: dict[str, Any] = {"state": "asleep", "memory": 0, "isolates": 0, "mailbox": 0, "sockets": 0}
_SUMMED_TYPES = ("counter", "histogram")
_DIGITS = 6
_NAMES = tuple(field.name for field in attrs.fields(Snapshot))


@attrs.frozen
class Figures:
    """Everything that one worker counts."""

    process: int
    """Its number in the system: another one is another life."""
    apps: dict[str, Snapshot]
    server: list[Metric]

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "process": self.process,
            "apps": [_values(snapshot) for snapshot in self.apps.values()],
            "server": [
                [metric.name, metric.documentation, metric.type, [[s.name, s.labels, s.value] for s in metric.samples]]
                for metric in self.server
            ],
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Figures:
        """From :meth:`document`."""
        server = []
        for name, text, kind, samples in document["server"]:
            metric = Metric(name, text, kind)
            for sample, labels, value in samples:
                metric.add_sample(sample, labels, value)
            server.append(metric)
        apps = [snapshot_of(each) for each in document["apps"]]
        return cls(document["process"], {snapshot.app: snapshot for snapshot in apps}, server)


def has_lived(app: Snapshot) -> bool:
    """Whether there is anything to count of an app."""
    return bool(app.requests or app.starts or app.crashes)


def snapshot_of(document: Mapping[str, Any]) -> Snapshot:
    """From ``attrs.asdict``, also through JSON."""
    return Snapshot(**{**document, "statuses": tuple(document["statuses"]), "buckets": tuple(document["buckets"])})


def most_telling(states: Iterable[str]) -> str:
    """The state of an app that is in different ones: what somebody should look at, before what is normal."""
    return max(states, key=lambda state: _STATES.index(state) if state in _STATES else len(_STATES))


def merge_snapshots(first: Snapshot, others: Iterable[Snapshot]) -> Snapshot:
    """One app's, of several workers."""
    merged = _values(first)
    for other in others:
        for name, value in _values(other).items():
            mine = merged[name]
            match value:
                case bool() | None:
                    pass
                case int() | float() if name != "at":
                    merged[name] = round(mine + value, _DIGITS)
                case list() | tuple():
                    merged[name] = [a + b for a, b in zip(mine, value, strict=True)]
                case dict():
                    merged[name] = {key: mine.get(key, 0) + value.get(key, 0) for key in {**mine, **value}}
        merged["state"] = most_telling((merged["state"], other.state))
        merged["last_error"] = merged["last_error"] or other.last_error
    return snapshot_of(merged)


def merge_metrics(workers: Mapping[int, Iterable[Metric]], past: Iterable[Metric] = ()) -> list[Metric]:
    """Metrics of servers. ``past``: counters of workers that are no more."""
    merged: dict[str, Metric] = {}
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for worker, metrics in (*workers.items(), (None, past)):
        for metric in metrics:
            whole = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            for sample in metric.samples:
                if metric.type in _SUMMED_TYPES:
                    key = (sample.name, tuple(sorted(sample.labels.items())))
                    if key not in sums:
                        whole.add_sample(sample.name, sample.labels, 0)
                    sums[key] = round(sums.get(key, 0) + sample.value, _DIGITS)
                else:
                    whole.add_sample(sample.name, {**sample.labels, "worker": str(worker)}, sample.value)
    for metric in merged.values():
        if metric.type in _SUMMED_TYPES:
            metric.samples = [s._replace(value=sums[s.name, tuple(sorted(s.labels.items()))]) for s in metric.samples]
    return list(merged.values())


class Ledger:
    """What workers had counted that have ended since."""

    def __init__(self) -> None:
        self._last: dict[int, Figures] = {}
        self._past: Figures | None = None

    def take(self, figures: Mapping[int, Figures]) -> None:
        """These workers' figures now; one that is not among them may merely not have answered."""
        for worker, now in figures.items():
            last = self._last.get(worker)
            if last is not None and last.process != now.process:
                self._bury(last)
            self._last[worker] = now

    def missing(self, workers: Iterable[int]) -> list[Figures]:
        """What all but these had counted when they last answered, and those that are no more.

        The requests that were in flight then are so as far as anybody knows.
        """
        silent = [_counted(figures) for worker, figures in self._last.items() if worker not in workers]
        return [*silent, self._past] if self._past is not None else silent

    def document(self) -> dict[str, Any]:
        """For JSON: what another ledger may go on with."""
        last = {str(worker): _summed(figures).document() for worker, figures in self._last.items()}
        return {"last": last, "past": None if self._past is None else self._past.document()}

    def inherit(self, document: Mapping[str, Any]) -> None:
        """Go on where another ledger ended, from its :meth:`document`."""
        self._last = {int(worker): Figures.of(each) for worker, each in document["last"].items()}
        self._past = None if document["past"] is None else Figures.of(document["past"])

    def _bury(self, figures: Figures) -> None:
        dead = _counted(figures)
        # What was in flight has ended with it: begun = answered + abandoned + in flight.
        abandoned = {
            name: attrs.evolve(each, abandoned=each.abandoned + each.in_flight, in_flight=0)
            for name, each in dead.apps.items()
        }
        dead = attrs.evolve(dead, apps=abandoned)
        self._past = dead if self._past is None else merge_figures({0: dead}, [self._past])


def merge_figures(workers: Mapping[int, Figures], counted: Sequence[Figures] = ()) -> Figures:
    """Those of a whole server. ``counted``: what only counts, of workers that do not answer."""
    every = [*workers.values(), *counted]
    by_name: dict[str, list[Snapshot]] = {}
    for figures in every:
        for name, snapshot in figures.apps.items():
            by_name.setdefault(name, []).append(snapshot)
    apps = {name: each[0] if len(each) == 1 else merge_snapshots(each[0], each[1:]) for name, each in by_name.items()}
    server = {worker: figures.server for worker, figures in workers.items()}
    past = [metric for figures in counted for metric in figures.server]
    return Figures(every[0].process, apps, merge_metrics(server, past))


def _counted(figures: Figures) -> Figures:
    """Without what holds only for the moment, but for requests in flight, and without apps that never did anything."""
    summed = _summed(figures)
    return attrs.evolve(summed, apps={name: attrs.evolve(each, **_GAUGES) for name, each in summed.apps.items()})


def _summed(figures: Figures) -> Figures:
    apps = {name: each for name, each in figures.apps.items() if has_lived(each)}
    return Figures(figures.process, apps, [metric for metric in figures.server if metric.type in _SUMMED_TYPES])


def _values(snapshot: Snapshot) -> dict[str, Any]:
    """A fifth of the time of ``attrs.asdict``, which would copy all that is in it."""
    return {name: getattr(snapshot, name) for name in _NAMES}
