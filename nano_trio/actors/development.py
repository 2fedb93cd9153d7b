"""The page that a developer sees where an app fails: what went wrong, where, the lines around it, the stack.

HTML for clients that take it (browsers), else plain text. Whatever an app says is escaped, and the page's policy allows
no script but the server's own, which loads the page again once the app has changed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from nano_trio.actors.messages import IncomingRequest, OutgoingResponse
from nano_trio.actors.pages import plain_response

__all__ = ["LIVE_SCRIPT", "OWN_PATHS", "failed_response", "failure_page"]

OWN_PATHS = "/.nano-trio/"
"""Where paths of the server itself begin, in development."""
LIVE_SCRIPT = f"{OWN_PATHS}live.js"
"""Answered by the server itself (:mod:`nano_trio.web.live`)."""

_PLACE = re.compile(
    r"^(?:cannot load: )?(?P<file>[^\s:][^:\n]*):(?P<line>\d+)(?::(?P<column>\d+))?: (?P<text>.*)", re.DOTALL
)
_AROUND = 4
_WIDEST = 160
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'"
_STYLE = """
:root { color-scheme: light dark; --soft: light-dark(#f4f4f5, #1e1e22); --red: light-dark(#b91c1c, #fca5a5);
  --mark: light-dark(#fee2e2, #4c1d1d); --dim: light-dark(#52525b, #a1a1aa); }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.3rem; color: var(--red); white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; }
p { margin: 0 0 .5rem; color: var(--dim); } p b { font-family: ui-monospace, monospace; color: CanvasText; }
pre { background: var(--soft); padding: .75rem 0; overflow-x: auto; border-radius: .4rem; font: .9rem/1.5 ui-monospace,
  monospace; tab-size: 4; } pre.stack { padding: .75rem; }
pre span { display: block; padding: 0 .75rem; min-width: max-content; } pre .here { background: var(--mark); }
pre i { font-style: normal; color: var(--dim); user-select: none; } pre .caret { color: var(--red); font-weight: bold; }
"""


def failed_response(
    request: IncomingRequest,
    status: int,
    title: str,
    detail: str | None,
    path: str | os.PathLike[str],
    *headers: tuple[str, str],
    dev: bool,
) -> OutgoingResponse:
    """What a client gets where an app fails: in development :func:`failure_page`, if there is a detail to show, else
    the title alone."""
    if dev and detail:
        return failure_page(request, status, title, detail, path, *headers)
    return plain_response(status, title, *headers)


def failure_page(
    request: IncomingRequest,
    status: int,
    title: str,
    detail: str,
    path: str | os.PathLike[str],
    *headers: tuple[str, str],
) -> OutgoingResponse:
    """A response that shows ``detail``: an error as :class:`nano_trio.engine.errors.JavaScriptError` prints it, or any
    text. ``path``: the app's folder, or its file, where the source is read."""
    response = plain_response(status, f"{title}\n\n{detail}", ("cache-control", "no-store"), *headers)
    if not _takes_html(request):
        return response
    response.headers[0] = ("content-type", "text/html; charset=utf-8")
    response.headers.append(("content-security-policy", _POLICY))
    response.body = _html(status, title, detail, Path(path)).encode("utf-8", "replace")
    return response


def _takes_html(request: IncomingRequest) -> bool:
    accepted = ",".join(value for name, value in request.headers if name == "accept").lower()
    return "text/html" in accepted


def _html(status: int, title: str, detail: str, folder: Path) -> str:
    # Its table of two thousand entities is for those who develop.
    import html

    found = _PLACE.match(detail)
    text = found["text"] if found is not None else detail
    head, _, rest = text.partition("\n")
    excerpt = ""
    below = rest.split("\n") if rest else []
    if found is not None:
        line, column = int(found["line"]), int(found["column"] or 0)
        excerpt = _excerpt(folder, found["file"], line, column)
        if excerpt and below[1:2] and below[1].strip() == "^":
            below = below[2:]  # the lone line that the excerpt shows with those around it
    place = "" if found is None else ":".join(part for part in found.group("file", "line", "column") if part)
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{status}: {html.escape(head)}</title><style>{_STYLE}</style>",
        f"<p>{html.escape(title)}</p><h1>{html.escape(head)}</h1>",
        f"<p><b>{html.escape(place)}</b></p>" if place else "",
        f'<pre class="source">{excerpt}</pre>' if excerpt else "",
        f'<pre class="stack">{html.escape(chr(10).join(below))}</pre>' if any(below) else "",
        f'<script src="{LIVE_SCRIPT}" defer></script></html>\n',
    ]
    return "".join(parts)


def _excerpt(folder: Path, file: str, line: int, column: int) -> str:
    """The lines around a place, as HTML; empty where the file cannot be read, or lies elsewhere."""
    import html

    base = (folder if folder.is_dir() else folder.parent).resolve()
    try:
        path = (base / file).resolve()
        if not path.is_relative_to(base):
            return ""
        lines = path.read_bytes().decode("utf-8-sig", "replace").split("\n")
    except (OSError, ValueError):
        return ""
    if not 1 <= line <= len(lines):
        return ""
    first, last = max(1, line - _AROUND), min(len(lines), line + _AROUND)
    width = len(str(last))
    shown = []
    for number in range(first, last + 1):
        # Of minified code the part around the place.
        start = max(0, column - _WIDEST // 2) if number == line else 0
        text = lines[number - 1].rstrip("\r")[start : start + _WIDEST]
        mark = ' class="here"' if number == line else ""
        shown.append(f"<span{mark}><i>{number:>{width}} │ </i>{html.escape(text)}</span>")
        if number == line and column:
            before = "".join("\t" if character == "\t" else " " for character in text[: column - 1 - start])
            shown.append(f'<span class="here"><i>{" " * width} │ </i>{before}<b class="caret">^</b></span>')
    return "".join(shown)
