"""How results of JavaScript tests are told: as text for people, as TAP or JUnit's XML for programs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from nano_trio.testing.javascript import Failure, FileResult, Outcome

__all__ = ["REPORTERS", "Junit", "Tap", "Text"]

Write = Callable[[str], None]
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CODES = {"green": "32", "red": "31", "dim": "2", "bold": "1", "yellow": "33"}
_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("-", "dim"), "todo": ("…", "yellow")}


class Text:
    """For people. In a pipe (``quiet``) only files, failures and the sum are told."""

    def __init__(self, write: Write, *, colors: bool, quiet: bool) -> None:
        self._write = write
        self._colors = colors
        self._quiet = quiet

    def _paint(self, text: str, color: str) -> str:
        return f"\x1b[{_CODES[color]}m{text}\x1b[0m" if self._colors else text

    def file(self, result: FileResult) -> None:
        """A file has ended."""
        mark, color = _MARKS["failed" if result.failed else "passed"]
        passed = sum(outcome.status == "passed" for outcome in result.outcomes)
        self._write(f"{self._paint(mark, color)} {result.file} {self._paint(f'({passed} passed)', 'dim')}")
        for outcome in result.outcomes:
            if self._quiet and outcome.status != "failed":
                continue
            mark, color = _MARKS[outcome.status]
            slow = self._paint(f" ({outcome.ms:.0f} ms)", "dim") if outcome.ms >= 100 else ""
            self._write(f"  {self._paint(mark, color)} {' › '.join(outcome.name)}{slow}")
            for failure in outcome.failures:
                self._tell(failure, "      ")
        for failure in result.errors:
            self._tell(failure, "    ")
        for level, line in result.output if result.failed or not self._quiet else ():
            self._write(self._paint(f"    {level}: {line}", "dim"))

    def _tell(self, failure: Failure, indent: str) -> None:
        for line in failure.text.splitlines():
            self._write(indent + self._paint(line, "red"))
        for line in _difference(failure):
            color = {"+": "green", "-": "red"}.get(line[:1], "dim")
            self._write(indent + self._paint(line, color))

    def end(self, results: Sequence[FileResult], seconds: float) -> None:
        """All files have ended."""
        counts = _counts(results)
        failed, errors = counts.pop("failed", 0), sum(len(result.errors) for result in results)
        parts = [self._paint(f"{failed} failed", "red")] if failed else []
        parts += [self._paint(f"{errors} error{'' if errors == 1 else 's'}", "red")] if errors else []
        parts += [f"{counts[status]} {status}" for status in ("passed", "skipped", "todo") if status in counts]
        self._write(f"{', '.join(parts) or 'no tests'} in {seconds:.2f} s")


class Tap:
    """The Test Anything Protocol, version 14."""

    def __init__(self, write: Write, *, colors: bool, quiet: bool) -> None:
        self._write = write
        self._number = 0
        write("TAP version 14")

    def file(self, result: FileResult) -> None:
        """A file has ended."""
        cases = [*result.outcomes, *(Outcome(("the file",), "failed", 0, [each]) for each in result.errors)]
        for outcome in cases:
            self._number += 1
            ok = "not ok" if outcome.status in ("failed", "todo") else "ok"
            directive = {"skipped": " # SKIP", "todo": " # TODO"}.get(outcome.status, "")
            name = re.sub(r"([\\#])", r"\\\1", " › ".join((result.file, *outcome.name))).replace("\n", " ")
            self._write(f"{ok} {self._number} - {name}{directive}")
            if outcome.failures:
                self._write("  ---\n  message: |")
                for failure in outcome.failures:
                    for line in (*failure.text.splitlines(), *_difference(failure)):
                        self._write(f"    {line}")
                self._write("  ...")

    def end(self, results: Sequence[FileResult], seconds: float) -> None:
        """All files have ended."""
        self._write(f"1..{self._number}")


class Junit:
    """The XML that continuous integration reads."""

    def __init__(self, write: Write, *, colors: bool, quiet: bool) -> None:
        self._write = write

    def file(self, result: FileResult) -> None:
        """All is told at the end."""

    def end(self, results: Sequence[FileResult], seconds: float) -> None:
        """All files have ended."""
        root = ElementTree.Element("testsuites", time=f"{seconds:.3f}")
        for result in results:
            counts = _counts([result])
            suite = ElementTree.SubElement(root, "testsuite", name=result.file, time=f"{result.seconds:.3f}")
            suite.set("tests", str(len(result.outcomes)))
            suite.set("failures", str(counts.get("failed", 0)))
            suite.set("skipped", str(counts.get("skipped", 0) + counts.get("todo", 0)))
            suite.set("errors", str(len(result.errors)))
            for outcome in result.outcomes:
                case = ElementTree.SubElement(suite, "testcase", classname=result.file)
                case.set("name", _xml(" › ".join(outcome.name)))
                case.set("time", f"{outcome.ms / 1e3:.3f}")
                if outcome.status in ("skipped", "todo"):
                    ElementTree.SubElement(case, "skipped")
                for failure in outcome.failures:
                    _add(case, "failure", failure)
            for failure in result.errors:
                case = ElementTree.SubElement(suite, "testcase", name="the file", classname=result.file)
                _add(case, "error", failure)
        ElementTree.indent(root)
        self._write('<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode"))


REPORTERS: dict[str, type[Text] | type[Tap] | type[Junit]] = {"text": Text, "tap": Tap, "junit": Junit}


def _add(case: ElementTree.Element, tag: str, failure: Failure) -> None:
    element = ElementTree.SubElement(case, tag, message=_xml(failure.text.partition("\n")[0]))
    element.text = _xml("\n".join((failure.text, *_difference(failure))))


def _xml(text: str) -> str:
    return _NOT_XML.sub("�", text)


def _counts(results: Sequence[FileResult]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for result in results:
        for outcome in result.outcomes:
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
    return counts


def _difference(failure: Failure) -> list[str]:
    """Lines of the expected value (-) and the actual one (+)."""
    if failure.expected is None or failure.actual is None or failure.expected == failure.actual:
        return []
    lines = list(difflib.unified_diff(failure.expected.splitlines(), failure.actual.splitlines(), lineterm="", n=3))
    return ["- expected", "+ actual", *(line for line in lines[2:] if not line.startswith("@@"))]
