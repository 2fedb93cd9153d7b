"""The known failures, each with the reason a person wrote: ``expectations.json``.

``revisions`` part of the set → the commit of the Web Platform Tests that it, and what is said of it here, belongs to.
``areas``     area → reason: nothing of it is run.
``failures``  test (file and variant) → groups of ``{"reason", "subtests"}``; ``subtests``: names, or ``"*"`` for
              whatever that file does (it cannot pass as a whole).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.wpt.execution import Outcome
from tests.wpt.manifest import area_of

__all__ = ["HARNESS", "UNREVIEWED", "Comparison", "Expectations", "revisions_of"]

PATH = Path(__file__).with_name("expectations.json")
UNREVIEWED = "unreviewed"
HARNESS = "(harness)"
"""Stands among the subtests for the run as a whole: a script error, a time-out or a crash."""


@dataclass
class Comparison:
    """How a run differs from what is expected; each entry is "test: subtest"."""

    regressions: list[str] = field(default_factory=list)
    unexpected_passes: list[str] = field(default_factory=list)
    unreviewed: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return bool(self.regressions or self.unreviewed)


def failing(outcome: Outcome) -> dict[str, str]:
    """Name → what went wrong, of each subtest that did not pass, and of the run itself."""
    wrong = {name: f"{status}: {text}" for name, (status, text) in outcome.subtests.items() if status != "pass"}
    if outcome.status != "ok":
        wrong[HARNESS] = f"{outcome.status}: {outcome.message}"
    return wrong


def revisions_of(checkout: Path) -> dict[str, str]:
    """Part of the set (``streams``, ``FileAPI/file``) → its commit; empty for a checkout that does not say."""
    try:
        versions = json.loads((checkout / "versions.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {part: version["commit"] for part, version in versions.items()}


class Expectations:
    def __init__(self, path: Path = PATH) -> None:
        self._path = path
        data = json.loads(path.read_text("utf-8")) if path.exists() else {}
        self.revisions: dict[str, str] = data.get("revisions", {})
        self.areas: dict[str, str] = data.get("areas", {})
        self.failures: dict[str, list[dict[str, Any]]] = data.get("failures", {})

    def _known(self, test: str) -> tuple[dict[str, str], str | None]:
        """Subtest → reason, and the reason that covers the whole file if there is one."""
        if area_of(test) in self.areas:
            return {}, self.areas[area_of(test)]
        known: dict[str, str] = {}
        whole: str | None = None
        for group in self.failures.get(test, []):
            if group["subtests"] == "*":
                whole = group["reason"]
            else:
                known |= dict.fromkeys(group["subtests"], group["reason"])
        return known, whole

    def differences(self, checkout: Path, beginning: str = "") -> str:
        """What to tell of a set of which parts are of other revisions than the expectations; empty where none are."""
        found = revisions_of(checkout)
        different = [
            f"{part} of {found.get(part, 'an unknown')[:10]} instead of {revision[:10]}"
            for part, revision in sorted(self.revisions.items())
            if found.get(part) != revision and (part.startswith(beginning) or beginning.startswith(f"{part}/"))
        ]
        if not different:
            return ""
        return (
            f"The set in {checkout} is not the one of the expectations: {', '.join(different)}. What fails may be a test "
            "that was changed or added. Remove that folder, or name one that does not exist yet with NANO_WPT, and the "
            "set of the expectations is brought."
        )

    def compare(self, outcomes: dict[str, Outcome]) -> Comparison:
        """What is worse or better than expected in the tests that were run."""
        comparison = Comparison()
        for test, outcome in sorted(outcomes.items()):
            known, whole = self._known(test)
            wrong = failing(outcome)
            for name, what in wrong.items():
                reason = known.get(name, whole)
                if reason is None:
                    comparison.regressions.append(f"{test}: {name}: {what}")
                elif reason == UNREVIEWED:
                    comparison.unreviewed.append(f"{test}: {name}: {what}")
            if whole is not None and not wrong:
                comparison.unexpected_passes.append(f"{test}: all of it")
            comparison.unexpected_passes += [f"{test}: {name}" for name in known if name not in wrong]
        return comparison

    def update(self, outcomes: dict[str, Outcome], revisions: dict[str, str] | None = None) -> None:
        """Forget what passes now; add new failures as unreviewed. Tests that were not run stay as they are.

        ``revisions``: those of the set, where all of it was run.
        """
        if revisions is not None:
            self.revisions = revisions
        for test, outcome in outcomes.items():
            known, whole = self._known(test)
            wrong = failing(outcome)
            if whole is not None and wrong:
                continue
            groups: dict[str, list[str]] = {}
            for name in wrong:
                groups.setdefault(known.get(name, UNREVIEWED), []).append(name)
            if groups:
                self.failures[test] = [{"reason": reason, "subtests": names} for reason, names in groups.items()]
            else:
                self.failures.pop(test, None)
        data = {"revisions": self.revisions, "areas": self.areas, "failures": dict(sorted(self.failures.items()))}
        self._path.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
