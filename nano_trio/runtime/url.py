"""The host half of ``url.js``: parsing and setters by Ada, the form encoding by the standard library.

JavaScript keeps a URL as its serialization (``href``). So a setter parses that again, changes one component and
returns the new serialization. Strings from JavaScript are scalar value strings: they hold no surrogates.
"""

from __future__ import annotations

import codecs
import re
from urllib.parse import unquote_to_bytes

import can_ada

from nano_trio.runtime.host import Namespace, Services
from nano_trio.runtime.url_path import mend, resolve, serialize, set_pathname

__all__ = ["namespace"]

_LONGEST_HOST = 2000
"""Characters of a host that is not plain; longer ones are refused. Names of the DNS have at most 253 octets, and with
30,000 marks or signs in one Ada takes seconds: its normalization and its Punycode are quadratic."""
_PIECE = 1 << 14
"""Characters of a long URL's parts that are handed over at once; it takes a few tenths of a millisecond."""
_UNCUT = 1 << 16
"""Characters of a URL's authority, or of a file's URL, that are handed over at once. Longer ones are refused: they take
some milliseconds, and no user, host or file has such a name."""
_LONG_HOST = re.compile(
    rf"[\0-\x20]*(?:(?:https?|wss?|ftp):[/\\]*|file:[/\\]{{2}}|[/\\]{{2,}})([^/?#\\]{{{_LONGEST_HOST},}})",
    re.IGNORECASE,
)
_IGNORED = str.maketrans("", "", "\t\n\r")
_HOST_AND_PORT = re.compile(r"((?:\[[^\]/?#]*\]|[^:\[/?#\\])*):([0-9]?)")
_PORT = re.compile("[\\t\\n\\r]*[0-9]")

_FORM_UNSAFE = {
    byte: f"%{byte:02X}"
    for byte in range(256)
    if not (chr(byte).isascii() and chr(byte).isalnum()) and byte not in b"*-._"
}
_FORM_UNSAFE[0x20] = "+"


def has_endless_host(url: str) -> bool:
    """Whether ``url``, absolute or relative, has a host that no name can be and that takes long to find out."""
    if len(url) < _LONGEST_HOST:
        return False
    match = _LONG_HOST.match(url.translate(_IGNORED) if not url.isprintable() else url)
    return match is not None and _is_endless(match[1].rpartition("@")[2])


def _is_endless(host: str) -> bool:
    return len(host) >= _LONGEST_HOST and (not host.isascii() or "%" in host or "xn--" in host.lower())


def set_component(href: str, component: str, value: str) -> str:
    """The serialization after ``url[component] = value`` (URL section 6.1); unchanged where the value is invalid."""
    if component == "pathname":
        return set_pathname(href, value)
    try:
        url = can_ada.parse(href)
    except ValueError:
        return href
    if component == "port" and value and not _PORT.match(value):
        # The port state fails at once (section 4.4); Ada's setter would remove the port for some of these.
        return href
    if component in ("host", "hostname") and has_endless_host(f"//{value}"):
        return href
    if component == "host" and url.protocol != "file:":
        match = _HOST_AND_PORT.match(value.translate(_IGNORED))
        # Ada takes a host that is missing for the empty one, and a port that is for the default.
        if match is not None and not match[1]:
            return href
        if match is not None and not match[2]:
            component, value = "hostname", match[1]
    if component in ("host", "hostname") and url.host == "" and url.protocol != "file:":
        return _set_first_host(href, url.protocol, component, value)
    setattr(url, component, value)
    return str(url.href)


def _set_first_host(href: str, scheme: str, component: str, value: str) -> str:
    """Set the host of a URL that has none, which Ada's setters get wrong: they are right where there is one."""
    rest = href[len(scheme) :].removeprefix("//")
    if not href.startswith("/", len(scheme)):
        return href  # an opaque path
    first, second = can_ada.parse(f"{scheme}//a/"), can_ada.parse(f"{scheme}//b/")
    setattr(first, component, value)
    setattr(second, component, value)
    if first.host != second.host:
        return href
    # "/." kept a path that begins with two slashes from being read as a host.
    return f"{scheme}//{first.host}{rest.removeprefix('/.') if href.startswith('/.//', len(scheme)) else rest}"


def parse(url: str) -> str | None:
    """The serialization of the parsed ``url`` or None on failure (URL section 4.4)."""
    if has_endless_host(url):
        return None
    try:
        return serialize(url)
    except ValueError:
        return None


def parse_with_base(url: str, base: str) -> str | None:
    """Like ``parse``, against a base URL."""
    if has_endless_host(url) or has_endless_host(base):
        return None
    try:
        return resolve(url, base)
    except ValueError:
        return None


def can_parse(url: str) -> bool:
    """Whether it is a URL: URL section 6.1, canParse()."""
    return not has_endless_host(url) and bool(can_ada.can_parse(url))


def can_parse_with_base(url: str, base: str) -> bool:
    """Whether it is one, seen from ``base``."""
    return parse_with_base(url, base) is not None


def form_decode(text: str) -> str:
    """A name or value of an application/x-www-form-urlencoded string (URL section 5.1)."""
    # CPython replaces malformed UTF-8 as the Encoding Standard does: one U+FFFD for each maximal subpart.
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")


def form_encode(text: str) -> str:
    """Percent-encode with the application/x-www-form-urlencoded percent-encode set, spaces as plus signs."""
    return text.encode("utf-8").decode("latin-1").translate(_FORM_UNSAFE)


def namespace(services: Services) -> Namespace:
    # Apps write `new URL(request.url)`, which is the string that was parsed last.
    last_input = last_href = ""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def form_decode_piece(text: str, is_first: bool, is_last: bool) -> str:
        """Like :func:`form_decode`, for the next piece of a text; an escape is within one."""
        if is_first:  # a text before it may have been left in its middle
            decoder.reset()
        return decoder.decode(unquote_to_bytes(text.replace("+", " ")), is_last)

    def parse_once(url: str) -> str | None:
        nonlocal last_input, last_href
        if url in (last_href, last_input):
            return last_href or None
        if has_endless_host(url):
            return None
        try:
            href: str = can_ada.parse(url).href
        except ValueError:
            return None
        if "/." in href or not href.startswith("http://"):
            href = mend(url, href)
        last_input, last_href = url, href
        return href

    return {
        "piece": _PIECE,
        "uncut": _UNCUT,
        "parse": parse_once,
        "parseWithBase": parse_with_base,
        "canParse": can_parse,
        "canParseWithBase": can_parse_with_base,
        "set": set_component,
        "formDecode": form_decode,
        "formDecodePiece": form_decode_piece,
        "formEncode": form_encode,
    }
