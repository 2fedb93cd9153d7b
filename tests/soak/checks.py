"""What must be true: of counters, of the tree, of the log, of memory and descriptors."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import fmean
from typing import Any

import attrs
from prometheus_client.parser import text_string_to_metric_families

from tests.soak.ledger import Ledger
from tests.soak.site import APPS, Line

__all__ = ["Sample", "Trend", "Weight", "counters", "log_lines", "tree", "trend"]

Metrics = dict[str, dict[tuple[str, ...], float]]


def _parse(text: str) -> Metrics:
    """Values by series' name and labels' values, ``app`` first."""
    found: Metrics = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = dict(sample.labels)
            app = labels.pop("app", "")
            found[sample.name][(app, *labels.values())] = sample.value
    return found


def counters(text: str, ledger: Ledger) -> Iterator[str]:
    """What does not add up in ``/metrics``, taken while no healthy app is asked anything."""
    metrics = _parse(text)
    answered: Counter[str] = Counter()
    seen: dict[str, Counter[int]] = defaultdict(Counter)
    for (app, status), value in metrics["nano_trio_requests_total"].items():
        answered[app] += int(value)
        seen[app][int(status[0])] += int(value)
    for (app,), begun in metrics["nano_trio_requests_begun_total"].items():
        abandoned = metrics["nano_trio_requests_abandoned_total"][app,]
        in_flight = metrics["nano_trio_requests_in_flight"][app,]
        if begun != answered[app] + abandoned + in_flight:
            yield f"{app}: {begun:g} begun, but {answered[app]} answered, {abandoned:g} abandoned, {in_flight:g} in flight"
    if not ledger.exact:
        return
    for app in APPS:
        if not app.startswith(("plain", "edited", "room", "sleeper")):
            continue
        ours = {digit: ledger.counts[app, digit] for digit in range(10) if ledger.counts[app, digit]}
        if ours != dict(seen[app]):
            yield f"{app}: clients counted {ours}, the server {dict(seen[app])} (by class of status)"
        if metrics["nano_trio_requests_in_flight"].get((app,), 0):
            yield f"{app}: requests are in flight, though every client has its answer"
        received = metrics["nano_trio_websocket_messages_total"].get((app, "in"), 0)
        if app.startswith("room") and received != ledger.sent[app]:
            yield f"{app}: clients sent {ledger.sent[app]} messages, the server counted {received:g}"


def tree(root: dict[str, Any]) -> Iterator[str]:
    """What is not whole in the supervision tree."""
    supervisors = {child["id"]: child for child in root["children"]}
    if set(supervisors) != {"apps", "connections", "listeners", "operations"}:
        yield f"tree: below the root are {sorted(supervisors)}"
    wanted = {
        "apps": {"cpu scheduler", "idle sweep", "small tasks", "blank isolates"},
        "connections": {"reactor", "deadlines", "soon"},
        "operations": {"loop lag", "dropped log lines", "certificate renewal", "admin", "file watch"},
    }
    for id, children in wanted.items():
        missing = children - {child["id"] for child in supervisors.get(id, {}).get("children", ())}
        if missing:
            yield f"tree: {id} lacks {sorted(missing)}"
    if len(supervisors.get("listeners", {}).get("children", ())) != 2:
        yield "tree: there are not two listeners, one for HTTP and one for HTTPS"
    awake = {child["id"] for child in supervisors["apps"]["children"]}
    for app in APPS:
        if app.startswith(("edited", "spare")) and app not in awake:
            yield f"tree: {app} is not there"
    for id in awake - wanted["apps"]:
        if id.partition(":")[0] not in APPS:
            yield f"tree: {id} is still there"
    for path, node in _walk(root):
        app = node["id"].partition(":")[0]
        if app in APPS and not app.startswith(("hostile", "crasher")) and node.get("restarts"):
            yield f"tree: {path} crashed {node['restarts']} times: {node.get('last_error')}"
        if app not in APPS and (node.get("restarts") or node.get("last_error") or node.get("hung")):
            yield f"tree: {path}: { ({key: node.get(key) for key in ('restarts', 'last_error', 'hung')}) }"
        if len(path.split(" > ")) <= 3 and app not in APPS and node.get("state", "running") != "running":
            yield f"tree: {path} is {node['state']}"


def _walk(node: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    path = f"{above} > {node['id']}" if above else node["id"]
    yield path, node
    for child in node.get("children", ()):
        yield from _walk(child, path)


_ERRORS = {
    # event, or how it begins: the kinds of apps (or "" for lines of no app) that may say it
    "the app crashed": ("hostile",),
    "the app failed: too many crashes": ("hostile",),
    "the new version of an app does not load; the old one serves on": ("edited",),
    "the configuration was not reloaded; the running one stays": ("",),
    "the configuration on disk cannot be used; the last one that could be is": ("",),
    "a worker process was killed by SIG": ("", *sorted({app.partition("-")[0] for app in APPS})),
    "quarantined": ("crasher",),
    # Their clients vanish.
    "the handler failed": ("left",),
    "response broke off": ("left",),
}


def log_lines(lines: Iterable[Line], hostile_events: Counter[str] | None = None) -> Iterator[str]:
    """Lines that nobody expects: no JSON, or a warning or an error of a healthy app or of the server itself."""
    for line in lines:
        try:
            entry = json.loads(line.text)
            event, level, app = str(entry["event"]), entry["level"], str(entry.get("app", ""))
        except (ValueError, KeyError, TypeError):
            if not _of_the_start(line.text):
                yield f"log: {line.text[:500]}"
            continue
        if "internal error" in event or "Traceback" in line.text:
            yield f"log: {line.text[:2000]}"
        elif level in ("warning", "error") and not (app or str(entry.get("target", ""))).startswith("hostile"):
            kinds = next((kinds for text, kinds in _ERRORS.items() if event.startswith(text)), ())
            if app.partition("-")[0] not in kinds:
                yield f"log: {line.text[:500]}"
        elif hostile_events is not None and app.startswith("hostile"):
            hostile_events[event[:60]] += 1


def _of_the_start(text: str) -> bool:
    return not text


@attrs.frozen
class Sample:
    at: float
    """Seconds since the start."""
    worker_pid: int
    parent_bytes: int
    parent_files: int
    worker_bytes: int
    worker_files: int


@attrs.frozen
class Weight:
    """What a worker holds in a quiet moment."""

    at: float
    worker_pid: int
    malloc_bytes: int
    """What the C library's allocator has handed out, but for the heaps of JavaScript."""
    heap_bytes: int
    """The heaps of healthy apps that are never asleep."""
    python_blocks: int
    """Python's small objects, which it keeps elsewhere, some 64 bytes each."""


@attrs.frozen
class Trend:
    """A straight line through samples (least squares), and how they lie about it."""

    first: float
    """The line at the first sample."""
    last: float
    spread: float
    """The standard deviation from the line."""

    @property
    def growth(self) -> float:
        return self.last - self.first

    def grows(self, share: float, least: float) -> bool:
        """Whether the line climbs by more than this share of its start, more than ``least``, and more than noise."""
        return self.growth > max(share * self.first, least, 2 * self.spread)


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The line through them; at least two."""
    middle, mean = fmean(times), fmean(values)
    square = sum((at - middle) ** 2 for at in times)
    slope = sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / square
    line = [mean + slope * (at - middle) for at in times]
    spread = fmean((value - there) ** 2 for value, there in zip(values, line, strict=True)) ** 0.5
    return Trend(line[0], line[-1], spread)
