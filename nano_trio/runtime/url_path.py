"""URLs whose paths Ada gets wrong: by parts, and their paths by the standard's own steps.

Theory of operation. Ada parses nearly every URL as the standard does, and at once. It is wrong about a few paths:

* it finds the first ``/.`` of a path of common characters, and where that begins a name (``/a/.b/../c``) it looks for
  no further one, so that ``..`` stays in a path that apps make names of files of;
* a path without a name left, of a scheme that is not special (``foo:/..``), becomes empty;
* a first name that begins like a Windows drive letter (``file:///C:x/..``) is taken for one;
* an empty query of a base (``http://a/b?``) is lost to what is relative to it and has none.

What may be so is seen in what Ada made of it, which costs the common URL next to nothing. Only then is it cut into its
parts: Ada parses it with ``/`` in the place of its path, and that is put in as "path state" (URL section 4.4) has it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import can_ada

__all__ = ["mend", "resolve", "serialize", "set_pathname"]

_COMMON = ("http://", "https://", "ws://", "wss://", "ftp://")
_SPECIAL = frozenset(("http", "https", "ws", "wss", "ftp", "file"))
_DOTS = re.compile(r"/\.\.?(?:[/?#]|\Z)")
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]*):")
_REFERENCE = re.compile(r"([^?#]*)((?:\?[^#]*)?)((?:#.*)?)", re.DOTALL)
_HREF = re.compile(r"([^:]*):(?:(//[^/?#]*)|(?:/\.)?(?=//))?([^?#]*)((?:\?[^#]*)?)((?:#.*)?)", re.DOTALL)
_DRIVE_NAME = re.compile("file://[^/]*/[A-Za-z][:|]")
_DRIVE = re.compile(r"[A-Za-z][:|]\Z")
_DRIVE_AHEAD = re.compile(r"[A-Za-z][:|](?:[/\\]|\Z)")
_DOT_SEGMENT = re.compile(r"(?:(?<=/)|\A)(?:(\.|%2e)|(?:\.|%2e){2})(?=/|\Z)", re.IGNORECASE)
_AROUND = "".join(map(chr, range(0x21)))
_BREAKS = str.maketrans("", "", "\t\n\r")
_UNSAFE = {byte: f"%{byte:02X}" for byte in range(256) if not 0x20 < byte < 0x7F or byte in b'"#<>?`{}'}
_UNSAFE_AT = re.compile("[^!$-;=@-_a-z|~]")


def serialize(url: str) -> str:
    """The serialization of the absolute ``url``. Raises ValueError where it is none."""
    href: str = can_ada.parse(url).href
    return mend(url, href) if "/." in href or not href.startswith("http://") else href


def mend(url: str, href: str) -> str:
    """The serialization of ``url``, of which Ada made ``href``.

    Where that begins with "http://" and has no "/." in it, it is right.
    """
    if href.startswith(_COMMON):
        is_sound = _DOTS.search(href) is None
    elif href.startswith("file:"):
        is_sound = _DRIVE_NAME.match(href) is None and _DOTS.search(href) is None
    else:
        is_sound = "." not in url and "%" not in url
    return href if is_sound else _by_parts(url)


def resolve(url: str, base: str) -> str:
    """The serialization of ``url`` as seen from ``base``. Raises ValueError where one of them is none."""
    if base.startswith(_COMMON) and ("?" not in base or not base.partition("#")[0].rstrip(_AROUND).endswith("?")):
        # Apps resolve against few bases, again and again.
        href: str = ((_common_base(base) if len(base) < 256 else can_ada.parse(base)) + url).href
        if "/." not in href and href.startswith(_COMMON):
            return href
    return _relative(url, serialize(base))


_common_base = lru_cache(maxsize=64)(can_ada.parse)


def _components_of(href: str) -> tuple[str, str, str, str, str]:
    """A serialization's scheme, authority with slashes, path, query and fragment with marks. They may be empty."""
    match = _HREF.fullmatch(href)
    assert match is not None
    scheme, authority, path, query, fragment = match.groups()
    return scheme, authority or "", path, query, fragment


def set_pathname(href: str, value: str) -> str:
    """The serialization after ``url.pathname = value`` (URL section 6.1)."""
    if href.startswith(_COMMON):
        url = can_ada.parse(href)
        url.pathname = value
        changed: str = url.href
        if "/." not in changed or _DOTS.search(changed) is None:
            return changed
    scheme, authority, path, query, fragment = _components_of(href)
    if not authority and not path.startswith("/"):
        return href  # an opaque path
    value = value.translate(_BREAKS)
    if not value and scheme not in _SPECIAL and authority:
        return f"{scheme}:{authority}{query}{fragment}"
    return _joined(scheme, authority, _path(value, scheme), f"{query}{fragment}")


def _encode_path(text: str) -> str:
    """Percent-encode with the path percent-encode set."""
    return text.encode().decode("latin-1").translate(_UNSAFE) if _UNSAFE_AT.search(text) else text


def _clean(text: str) -> str:
    return text.strip(_AROUND).translate(_BREAKS)


def _by_parts(url: str) -> str:
    """The absolute ``url``, which Ada could parse."""
    text = _clean(url)
    scheme, _, rest = text.partition(":")
    scheme = scheme.lower()
    rest, query, fragment = _split(rest)
    if scheme not in _SPECIAL:
        if not rest.startswith("/"):
            return str(can_ada.parse(text).href)  # an opaque path
        if not rest.startswith("//"):
            return _with_path(f"{scheme}:", _path(rest, scheme), query + fragment)
        authority, slash, path = rest[2:].partition("/")
        return _with_path(f"{scheme}://{authority}", _path(slash + path, scheme) if slash else "", query + fragment)
    if scheme != "file":
        authority, path = _cut_authority(rest.lstrip("/\\"))
    elif rest[:1] in _SLASHES and rest[1:2] in _SLASHES:
        authority, path = _cut_authority(rest[2:])
        if _DRIVE.match(authority):
            authority, path = "", rest[2:]
    else:
        authority, path = "", rest
    return _with_path(f"{scheme}://{authority}", _path(path, scheme), query + fragment)


_SLASHES = frozenset("/\\")


def _split(reference: str) -> tuple[str, str, str]:
    """What stands before the query, that and the fragment; with their marks."""
    match = _REFERENCE.fullmatch(reference)
    assert match is not None
    return match[1], match[2], match[3]


def _cut_authority(rest: str) -> tuple[str, str]:
    """A special URL's authority, and its path."""
    end = min((at for at in (rest.find("/"), rest.find("\\")) if at >= 0), default=len(rest))
    return rest[:end], rest[end:]


def _with_path(beginning: str, path: str, ending: str) -> str:
    """Ada's serialization of a URL that has ``path`` between ``beginning`` and ``ending``; both may be unnormalized."""
    scheme, authority, _, query, fragment = _components_of(can_ada.parse(f"{beginning}/{ending}").href)
    return _joined(scheme, authority, path, query + fragment)


def _joined(scheme: str, authority: str, path: str, ending: str) -> str:
    # "/." keeps a path that begins with two slashes from being read as a host (section 4.5).
    return f"{scheme}:{authority}{'' if authority or not path.startswith('//') else '/.'}{path}{ending}"


def _relative(url: str, base: str) -> str:
    """``url`` as seen from ``base``, a serialization ("no scheme state" and what follows)."""
    reference = _clean(url)
    scheme, authority, base_path, base_query, _ = _components_of(base)
    match = _SCHEME.match(reference)
    if match is not None:
        if match[1].lower() != scheme or scheme not in _SPECIAL:
            return serialize(url)
        reference = reference[match.end() :]
    path, query, fragment = _split(reference)
    if not authority and not base_path.startswith("/"):
        if path or query or not fragment:
            raise ValueError("relative to an opaque path")
        return str(can_ada.parse(f"{scheme}:{base_path}{base_query}{fragment}").href)
    is_special = scheme in _SPECIAL
    slashes = _SLASHES if is_special else _SLASH
    if path[:1] in slashes and path[1:2] in slashes:
        return serialize(f"{scheme}:{reference}")
    folder = base_path[1:].split("/") if base_path else []
    if not path:
        return _with_path(f"{scheme}:{authority}", base_path, (query or base_query) + fragment)
    if scheme == "file" and _DRIVE_AHEAD.match(path[1:] if path[0] in slashes else path):
        folder = []
    elif path[0] in slashes:
        folder = folder[:1] if scheme == "file" and folder and _is_drive(folder[0]) else []
    else:
        _shorten(folder, scheme)
    return _with_path(f"{scheme}:{authority}", _path(path, scheme, folder), query + fragment)


_SLASH = frozenset("/")


def _is_drive(name: str) -> bool:
    return name[1:] == ":" and name[0].isascii() and name[0].isalpha()


def _shorten(names: list[str], scheme: str) -> None:
    """ "Shorten a URL's path" (section 4.3)."""
    if names and not (scheme == "file" and len(names) == 1 and _is_drive(names[0])):
        names.pop()


def _path(text: str, scheme: str, folder: list[str] | None = None) -> str:
    """The serialization of the path ``text`` below ``folder`` ("path start state" and "path state")."""
    names = folder if folder is not None else []
    if scheme in _SPECIAL:
        text = text.replace("\\", "/")
    text = _encode_path(text.removeprefix("/"))
    # Only segments of dots are looked at one by one: a text may have ten thousands.
    at = 0
    for dots in _DOT_SEGMENT.finditer(text):
        if dots.start() > at:
            _add(names, text[at : dots.start() - 1], scheme)
        if dots[1] is None:
            _shorten(names, scheme)
        at = dots.end() + 1
    if at > len(text):
        names.append("")
    else:
        _add(names, text[at:], scheme)
    return "/" + "/".join(names)


def _add(names: list[str], segments: str, scheme: str) -> None:
    more = segments.split("/")
    if scheme == "file" and not names and _DRIVE.match(more[0]):
        more[0] = f"{more[0][0]}:"
    names += more
