r"""What a CommonJS module exports and requires, as far as its source tells without being run.

Theory of operation. One pass over tokens, each of which is one match of a regular expression in which no two
alternatives begin alike, so that it never goes back: the time is proportional to the length of the source, whatever
that is. What needs more than a token of context is a look ahead over a bounded number of further tokens. Nothing here
fails: of a source that is no JavaScript some names are found, or none.

Whether a slash begins a regular expression or divides depends on what stands before it. Behind ``)`` it is one where
the parenthesis belongs to ``if``, ``while``, ``for`` or ``with``; behind ``}`` where the brace closed a block. For
that, and for templates (``${``), open brackets are kept in a list. An object that is assigned to ``module.exports`` is
marked there, so that its keys are read as they come by.

What is told:

- **exports**: ``exports.a =``, ``exports["a"] =``, both also of ``module.exports``; ``module.exports = { a, b: 1 }``;
  ``Object.defineProperty(exports, "a", …)``. Compilers write the latter, also for ``__esModule``.
- **reexports**, whose exports are the module's too: ``module.exports = require("x")``, ``{ ...require("x") }``,
  ``__exportStar(require("x"), exports)``, ``__export(require("x"))``, and Babel's ``Object.keys(x).forEach(…)``.
- **requires**: each ``require("x")``.
- whether it **is a module** of ECMAScript: by declarations ``import`` and ``export``, or ``import.meta``.

Node's lexer reads the same shapes (Node.js API, Modules: ECMAScript modules, "CommonJS namespaces"); where it gives up
in the middle of an object this one goes on, so that what it finds is there as well.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import pause

__all__ = ["Reading", "read_commonjs"]

_MOST_NAMES = 10_000
"""Of each sort; and the longest name has so many characters."""
_LONGEST = 1000
_DEEPEST = 50_000
"""Brackets that may be open: the engine gives up before that."""
_AT_ONCE = 128
"""Tokens between two pauses."""
_FAILED_ATTEMPTS = 100
"""So often a slash is looked at as the beginning of a regular expression that does not end; then no more."""
_LOOK_BACK, _LOOK_AHEAD = 200, 800
"""Characters."""

_SKIP = r"(?:[\s\ufeff]++|//[^\n\r\u2028\u2029]*+|/\*[^*]*+(?:\*(?!/)[^*]*+)*(?:\*/)?)*"
_WORD = r"[\w$\\#]++"
_STRING = r"""(?:"(?:[^"\\\n\r]++|\\(?:\r\n|[\s\S]))*"?|'(?:[^'\\\n\r]++|\\(?:\r\n|[\s\S]))*'?)"""
_QUOTED = r"""(?:"([^"\\\n\r]*+)"|'([^'\\\n\r]*+)')"""
_EXPORTS = r"(?:module\s*+\.\s*+)?exports\b"

_TOKEN: Final = re.compile(
    rf"{_SKIP}(?:({_WORD}(?:\s*+\??\.\s*+{_WORD})*)|({_STRING})|([()\[\]{{}}`/])|(\.\.\.|[=!]=+|=>|\+\+|--|[\s\S])|\Z)"
)
_PATH, _TEXT, _BRACKET, _OPERATOR = 1, 2, 3, 4
_REGEXP: Final = re.compile(r"(?:[^\\/\[\n\r]++|\\[^\n\r]|\[(?:[^\]\\\n\r]++|\\[^\n\r])*\])*/[\w$]*+")
_TEMPLATE: Final = re.compile(r"(?:[^`\\$]++|\\[\s\S]|\$(?!\{))*(`|\$\{)?")

_ASSIGNED: Final = re.compile(rf"{_SKIP}=(?![=>])")
_INDEXED: Final = re.compile(rf"{_SKIP}\[{_SKIP}{_QUOTED}{_SKIP}\]{_SKIP}=(?![=>])")
_OBJECT: Final = re.compile(rf"{_SKIP}\{{")
_CALLED: Final = re.compile(rf"{_SKIP}\({_SKIP}{_QUOTED}{_SKIP}\)")
_REQUIRED: Final = re.compile(rf"{_SKIP}require{_SKIP}\({_SKIP}{_QUOTED}{_SKIP}\)")
_STAR: Final = re.compile(rf"{_SKIP}\({_SKIP}(?:{_WORD}{_SKIP}\({_SKIP})?require{_SKIP}\({_SKIP}{_QUOTED}{_SKIP}\)")
_DEFINED: Final = re.compile(rf"{_SKIP}\({_SKIP}{_EXPORTS}{_SKIP},{_SKIP}{_QUOTED}")
_KEYS_OF: Final = re.compile(rf"{_SKIP}\({_SKIP}([\w$]++){_SKIP}\){_SKIP}\.{_SKIP}forEach\b")
_KEY: Final = re.compile(
    rf"{_SKIP}(?:(?:get|set|async)\b{_SKIP}(?=[\w$\"'*]))?(?:\*{_SKIP})?(?:([\w$]++)|{_QUOTED}){_SKIP}[:,}}(]"
)
_WRAPPING: Final = re.compile(r"\s*+(?:[\w$.]++\s*+\(\s*+)?")
_NO_NAME: Final = re.compile(r"[^\w$]")
_EXPORT: Final = re.compile(rf"{_SKIP}(?:[{{*]|(?:default|const|let|var|function|class|async|enum)\b)")
_IMPORT: Final = re.compile(rf"{_SKIP}(?:[{{*\"']|[\w$]++{_SKIP}(?:,|from\b))")

_BEFORE_REGEXP: Final = frozenset(
    ["return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "do", "else", "instanceof"]
).union(["yield", "await", "default"])
_WITH_CONDITION: Final = frozenset(["if", "while", "for", "with"])
# What an open bracket is.
_PLAIN, _CONDITION, _BLOCK, _VALUE, _SUBSTITUTION, _LITERAL = range(6)


@attrs.frozen
class Reading:
    """What was found, each in the order in which it is first there."""

    exports: tuple[str, ...]
    reexports: tuple[str, ...]
    """Specifiers of modules whose exports these are, too."""
    requires: tuple[str, ...]
    """Specifiers."""
    is_module: bool
    """It declares imports or exports as ES modules do."""
    is_commonjs: bool
    """It assigns to ``exports`` or ``module.exports``, or requires something."""


class _Names(dict[str, None]):
    def note(self, name: str) -> None:
        if len(name) <= _LONGEST and len(self) < _MOST_NAMES:
            self[name] = None


class _Reader:
    def __init__(self, source: str) -> None:
        self.source = source
        self.exports = _Names()
        self.reexports = _Names()
        self.requires = _Names()
        self.bound: dict[str, str] = {}
        """Specifiers by the variables that have what was required."""
        self.is_module = self.assigns = False
        self.open: list[int] = []
        self._attempts = _FAILED_ATTEMPTS
        self._literal_at = -1
        """Where a brace opens an object that is assigned to the exports."""

    @enters
    def read(self) -> None:
        source, opened = self.source, self.open
        end, at, count = len(source), 0, 0
        if source.startswith("#!"):
            at = source.find("\n") + 1 or end
        regexp = True  # what a slash would begin
        before = ""  # the token before
        while at < end:
            count += 1
            if count % _AT_ONCE == 0:
                pause()
            match = _TOKEN.match(source, at)
            assert match is not None
            kind, at = match.lastindex, match.end()
            if kind is None:  # nothing but blanks and comments was left
                break
            token = match[kind]
            if kind == _PATH:
                self._path(token, match.start(_PATH), at, before)
                regexp = token in _BEFORE_REGEXP
            elif kind == _TEXT:
                regexp = False
            elif kind == _OPERATOR:
                if token == "," and opened and opened[-1] == _LITERAL:
                    self._key(at)
                if token not in ("++", "--"):
                    regexp = True
            elif token == "/":
                found = _REGEXP.match(source, at) if regexp and self._attempts > 0 else None
                if found is None:
                    self._attempts -= regexp
                    regexp = True
                else:
                    at, regexp = found.end(), False
            elif token == "`":
                at, regexp = self._template(at)
            elif token in "([{":
                if len(opened) >= _DEEPEST:
                    break
                opened.append(self._opened(token, before, match.start(_BRACKET), regexp))
                if opened[-1] == _LITERAL:
                    self._key(at)
                regexp = True
            else:
                closed = opened.pop() if opened else _PLAIN
                if closed == _SUBSTITUTION:
                    at, regexp = self._template(at)
                else:
                    regexp = closed in (_CONDITION, _BLOCK)
            before = token

    def _opened(self, token: str, before: str, at: int, regexp: bool) -> int:
        if token == "(":
            return _CONDITION if before in _WITH_CONDITION else _PLAIN
        if token == "[":
            return _PLAIN
        if at == self._literal_at:
            return _LITERAL
        is_value = regexp and before not in ("", ";", "{", "}", ")", "=>", "do", "else")
        return _VALUE if is_value else _BLOCK

    def _template(self, at: int) -> tuple[int, bool]:
        """Go on in a template: to its end, or into what is substituted; and whether a slash begins something there."""
        match = _TEMPLATE.match(self.source, at)
        assert match is not None
        if match[1] == "${":
            self.open.append(_SUBSTITUTION)
        return match.end(), match[1] == "${"

    def _key(self, at: int) -> None:
        match = _KEY.match(self.source, at)
        if match is not None:
            self.exports.note(match[1] or match[2] or match[3] or "")

    def _path(self, path: str, begin: int, at: int, before: str) -> None:
        if "xport" in path:
            self._about_exports(path, at, before)
        elif path == "require":
            self._require(begin, at, before)
        elif path.startswith(("Object", "import", "Reflect")):
            self._about_objects(path, at, before)

    def _about_exports(self, path: str, at: int, before: str) -> None:
        source = self.source
        parts = [part.strip() for part in path.replace("?", "").split(".")]
        if parts[-1] in ("__exportStar", "__export"):
            self._note_reexport(_STAR.match(source, at))
        elif path == "export":
            if before != "." and _EXPORT.match(source, at):
                self.is_module = True
            return
        if parts[0] == "module":
            del parts[0]
        if parts[0] != "exports" or len(parts) > 2 or before == ".":
            return
        assigned = _ASSIGNED.match(source, at)
        if len(parts) == 2:
            if assigned is not None:
                self.assigns = True
                self.exports.note(parts[1])
        elif assigned is None:
            indexed = _INDEXED.match(source, at)
            if indexed is not None:
                self.assigns = True
                self.exports.note(_first(indexed))
        else:
            self.assigns = True
            opening = _OBJECT.match(source, assigned.end())
            if opening is not None:
                self._literal_at = opening.end() - 1
            else:
                self._note_reexport(_REQUIRED.match(source, assigned.end()))

    def _about_objects(self, path: str, at: int, before: str) -> None:
        source = self.source
        if path == "import":
            self.is_module |= before != "." and _IMPORT.match(source, at) is not None
        elif path == "import.meta" or path.startswith("import.meta."):
            self.is_module = True
        elif path.endswith(".defineProperty"):
            defined = _DEFINED.match(source, at)
            if defined is not None:
                self.assigns = True
                self.exports.note(_first(defined))
        elif path == "Object.keys":
            # Babel: Object.keys(_x).forEach(function (key) { …, then exports[key] = or defineProperty(exports, key
            found = _KEYS_OF.match(source, at)
            if found is not None and found[1] in self.bound:
                body = source[found.end() : found.end() + _LOOK_AHEAD]
                if re.search(r"\bexports\s*[\[,]", body):
                    self.reexports.note(self.bound[found[1]])

    def _require(self, begin: int, at: int, before: str) -> None:
        called = _CALLED.match(self.source, at)
        if called is None or before == ".":
            return
        specifier = _first(called)
        self.requires.note(specifier)
        if before == "..." and self.open and self.open[-1] == _LITERAL:
            self.reexports.note(specifier)
        variable, assigned, wrapping = self.source[max(0, begin - _LOOK_BACK) : begin].rpartition("=")
        if assigned and _WRAPPING.fullmatch(wrapping) is not None and len(self.bound) < _MOST_NAMES:
            self.bound[_NO_NAME.split(variable.rstrip())[-1]] = specifier

    def _note_reexport(self, match: re.Match[str] | None) -> None:
        if match is not None:
            self.reexports.note(_first(match))


def _first(match: re.Match[str]) -> str:
    return match[1] if match[1] is not None else match[2] or ""


@enters
def read_commonjs(source: str) -> Reading:
    """Read a source. May be suspended; raises nothing but :class:`~nano_trio.engine.pauses.Stopped`."""
    reader = _Reader(source)
    reader.read()
    is_commonjs = reader.assigns or bool(reader.requires)
    return Reading(
        tuple(reader.exports), tuple(reader.reexports), tuple(reader.requires), reader.is_module, is_commonjs
    )
