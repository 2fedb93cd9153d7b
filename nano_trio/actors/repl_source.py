"""What an input of the REPL becomes before it is evaluated, and whether it is complete.

``let``, ``const`` and ``class`` at the top level become variables of the global object, so that they stay and can be
declared again, as in other REPLs. Code with a top-level ``await`` becomes an async function's; what it declares is
assigned to globals. ``import`` statements, which no script has, become ``await import()``. Only the top level is looked
at, by a scanner that knows strings, templates, comments and brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import quickjs

__all__ = ["NAMED", "awaiting_sources", "boxed_source", "is_incomplete", "sync_source", "without_imports"]

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<tick>`)"""
    r"""|(?P<word>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)|(?P<regexp>/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+/\w*)|(?P<mark>.)""",
    re.DOTALL,
)
_NO_OPERAND = {"return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "await", "yield"}
_PLACE = re.compile(r":(\d+):(\d+)\)?\s*$")


def _tokens(code: str) -> Iterator[tuple[str, int, int]]:
    """(text, position, depth of brackets before it) of all tokens but blanks, comments and the insides of templates."""
    at = depth = 0
    templates: list[int] = []
    operand = True
    while at < len(code):
        match = _TOKEN.match(code, at)
        assert match is not None
        kind, text = match.lastgroup, match[0]
        if kind == "regexp" and not operand:
            kind, text = "mark", "/"
        at += len(text)
        if kind == "skip":
            continue
        if kind == "tick" or (text == "}" and templates and templates[-1] == depth):
            if text == "}":
                depth = templates.pop() - 1
            inside = re.compile(r"(?:\\.|\$(?!\{)|[^`\\$])*", re.DOTALL).match(code, at)
            assert inside is not None
            at = inside.end() + 1
            if code.startswith("${", inside.end()):
                at += 1
                depth += 1
                templates.append(depth)
                operand = True
            else:
                operand = False
            continue
        if text in ")]}" and kind == "mark":
            depth -= 1
        yield text, match.start(), depth
        if kind == "mark" and text in "([{":
            depth += 1
        operand = (kind == "mark" and text not in ")]}") or text in _NO_OPERAND


def _declarations(code: str) -> Iterator[tuple[str, int, str]]:
    """(keyword, position, name or "") of declarations at the top level."""
    tokens = list(_tokens(code))
    before = ";"
    for index, (text, at, depth) in enumerate(tokens):
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        starts = before in (";", "}") or "\n" in code[tokens[index - 1][1] : at]
        if depth == 0 and starts and text in ("let", "const", "var", "class", "function", "async"):
            if text == "async" and following == "function":
                following = tokens[index + 2][0] if index + 2 < len(tokens) else ""
                text = "function"
            if text == "function" and following == "*":
                following = tokens[index + 2][0] if index + 2 < len(tokens) else ""
            if re.match(r"[A-Za-z_$]", following) or (text in ("let", "const", "var") and following in ("[", "{")):
                yield text, at, following
        before = text


_IMPORT = re.compile(
    r"""import\b\s*(?:(?P<names>[^'"`;()]+?)\s*\bfrom\b\s*)?(?P<module>"[^"\n]*"|'[^'\n]*')"""
    r"""(?:\s*with\s*\{[^}]*\})?[ \t]*;?"""
)
_CLAUSE = re.compile(r"(?:(?P<default>[\w$]+)\s*,?\s*)?(?:\*\s*as\s+(?P<all>[\w$]+)|\{(?P<some>[^{}]*)\})?")
_OPEN_IMPORT = re.compile(r"import\s+(?:[\w$]+\s*,\s*)?\{[^}'\"]*$")


def without_imports(code: str) -> str:
    """The code with ``await import()`` in the place of its import statements, in the same lines."""
    parts, last = [], 0
    for at in _imports(code):
        match = _IMPORT.match(code, at)
        clause = _CLAUSE.fullmatch(match["names"] or "") if match is not None else None
        if match is None or clause is None:
            continue
        module = f"await import({match['module']})"
        wanted = [f"default: {clause['default']}"] if clause["default"] else []
        if clause["some"] is not None:
            wanted += [re.sub(r"\s+as\s+", ": ", each.strip()) for each in clause["some"].split(",") if each.strip()]
        statement = f"const {clause['all']} = {module};" if clause["all"] else ""
        if wanted:
            statement += f"const {{ {', '.join(wanted)} }} = {clause['all'] or module};"
        parts += [code[last:at], statement or f"void {module};", "\n" * match[0].count("\n")]
        last = match.end()
    return "".join([*parts, code[last:]])


def _imports(code: str) -> Iterator[int]:
    """Where import statements begin."""
    if "import" not in code:
        return
    tokens = list(_tokens(code))
    before = ";"
    for index, (text, at, depth) in enumerate(tokens):
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        starts = before in (";", "}") or "\n" in code[tokens[index - 1][1] : at]
        if text == "import" and depth == 0 and starts and following not in ("(", "."):
            yield at
        before = text


NAMED = re.compile(r"\s*[\w$]+(?:\.[\w$]+)*\s*;?\s*")
"""A variable, or a property of one: evaluating it again does nothing."""
_BIGINT = re.compile(r"\b\d[\w]*n\b|\bBig(?:Int|Uint)")


def boxed_source(code: str) -> str | None:
    """For an expression whose value may be a bigint: one whose value is an array with it, for the binding hands bigints
    over as it does numbers. None for other code."""
    if not _BIGINT.search(code) or re.match(r"\s*(?:async\s+)?(?:function|class)\b", code):
        return None
    source = f"[({code.rstrip().rstrip(';')}\n)]"
    return source if _compiles(source) else None


def sync_source(code: str) -> str:
    """A script that declares what ``code`` declares as global variables, in the same columns but for classes."""
    if re.match(r"\s*\{", code) and not code.rstrip().endswith(";") and _compiles(f"({code}\n)"):
        return f"({code}\n)"
    parts, last = [], 0
    for keyword, at, name in _declarations(code):
        if keyword in ("let", "const"):
            parts += [code[last:at], "var".ljust(len(keyword))]
            last = at + len(keyword)
        elif keyword == "class":
            parts += [code[last:at], f"var {name} = "]
            last = at
            end = _end_of_block(code, at)
            parts += [code[at:end], ";"]
            last = end
    return "".join([*parts, code[last:]])


def _end_of_block(code: str, at: int) -> int:
    opened = False
    for text, position, depth in _tokens(code):
        if position >= at and depth == 0:
            if text == "{":
                opened = True
            elif text == "}" and opened:
                return position + 1
    return len(code)


def awaiting_sources(code: str) -> tuple[str, str]:
    """(declarations to evaluate first, an expression whose value is a promise) for code with a top-level ``await``."""
    if _compiles(f"(async()=>({code}\n))()"):
        return "", f"(async()=>({code}\n))()"
    names, functions, parts, last = [], [], [], 0
    for keyword, at, name in _declarations(code):
        if keyword == "function":
            functions.append(name)
            continue
        if keyword == "class":
            parts += [code[last:at], f"{name} = "]
            last = at
            end = _end_of_block(code, at)
            parts += [code[at:end], ";"]
            last = end
            names.append(name)
            continue
        end = _end_of_statement(code, at)
        if name not in ("{", "["):
            names += [name, *re.findall(r",\s*([A-Za-z_$][\w$]*)\s*(?=[=,]|$)", code[at:end])]
        parts += [code[last:at], f";void({code[at + len(keyword) : end]});"]
        last = end
    body = "".join([*parts, code[last:]])
    hoisted = "".join(f"globalThis.{name}={name};" for name in functions)
    ends = [0] + [at + 1 for text, at, depth in _tokens(body) if depth == 0 and text in (";", "}")]
    ends += [match.end() for match in re.finditer("\n", body)]
    source = f"(async()=>{{{hoisted}{body}\n}})()"
    for end in sorted(set(ends), reverse=True):
        tail = body[end:].rstrip().rstrip(";")
        returning = f"(async()=>{{{hoisted}{body[:end]}\nreturn ({tail}\n)}})()"
        if tail.strip() and _compiles(returning):
            source = returning
            break
    return (f"var {','.join(names)};" if names else ""), source


def _end_of_statement(code: str, at: int) -> int:
    """Where the declaration that begins there ends: at a semicolon, or a line's end at which it compiles."""
    ends = [position for text, position, depth in _tokens(code) if position > at and depth == 0 and text == ";"][:1]
    end = ends[0] if ends else len(code)
    for match in re.finditer("\n", code[at:end]):
        if _compiles(f"async()=>{{{code[at : at + match.start()]}\n}}"):
            return at + match.start()
    return end


def _problem(code: str) -> quickjs.JSError | None:
    context = quickjs.Runtime().new_context()
    try:
        context.eval(code, "<repl>", compile_only=True)
    except quickjs.JSError as error:
        return error.with_traceback(None)
    return None


def _compiles(code: str) -> bool:
    return _problem(code) is None


def is_incomplete(code: str) -> bool:
    """Whether the parser wants more: its error lies behind the last character, or a template or comment is open."""
    code = without_imports(code)
    if any(_OPEN_IMPORT.match(code, at) for at in _imports(code)):
        return True
    error = _problem(code)
    if error is not None and "await" in code:
        error = _problem(f"async()=>{{{code}") if _problem(f"async()=>{{{code}\n}}") is not None else None
        code = f"async()=>{{{code}"
    if error is None:
        return False
    text = str(error)
    if not text.startswith("SyntaxError"):
        return False
    if "unexpected end of comment" in text:
        return True
    place = _PLACE.search((getattr(error, "js_stack", "") or "").rstrip())
    if place is None:
        return False
    lines = code.split("\n")
    row, column = int(place[1]), int(place[2])
    if "unexpected end of string" in text:
        return row <= len(lines) and lines[row - 1][column - 1 : column] in ("`", "}")
    if "unexpected end of regexp" in text:
        return False
    rest = "\n".join([lines[row - 1][column - 1 :], *lines[row:]]) if row <= len(lines) else ""
    return not re.sub(r"//[^\n]*|/\*.*?\*/", "", rest, flags=re.DOTALL).strip()
