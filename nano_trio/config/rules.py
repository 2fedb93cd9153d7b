"""What each kind of value must be. A rule stands in a field's type, `Annotated[float, Number(...)]`, so that the check,
the error message, the JSON Schema and the documentation all come from one place.

A rule takes what JSON or TOML gave and returns the value that the model keeps, or raises `Rejected`. It never raises
anything else, whatever it is given. `True` is an `int` to Python; here it is never a number.
"""

import ipaddress
import math
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar

from attrs import frozen

from nano_trio.config.problems import Finding, KeyPath, Rejected, did_you_mean, rejected, show

Schema = dict[str, Any]

_LONGEST_NAME = 253
NAME_PATTERN = f"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_LONGEST_NAME - 1}}}"
_NAME = re.compile(NAME_PATTERN)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_HOSTNAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+")
_SHORTEST_SECRET, _LONGEST_SECRET = 16, 512
_SECRET = re.compile(rf"[!-~]{{{_SHORTEST_SECRET},{_LONGEST_SECRET}}}")
_MAX_HOSTNAME = 253
_MAX_ENV_DEPTH = 64
_EXACT_INTEGER = 2**53 - 1
"""JavaScript's Number.MAX_SAFE_INTEGER."""


class Rule(ABC):
    """One kind of value."""

    @property
    @abstractmethod
    def expects(self) -> str:
        """What is accepted, as it reads after "expected"."""

    @abstractmethod
    def accept(self, value: object) -> object:
        """The value as the model keeps it. Raises `Rejected`."""

    @abstractmethod
    def schema(self) -> Schema:
        """The JSON Schema of what is accepted."""

    def refuse(self, value: object) -> Rejected:
        return rejected(f"expected {self.expects}, got {show(value)}")


class Several(Rule):
    """A list of one kind of things, or one of them; kept as a tuple."""

    distinct: ClassVar[bool] = False
    """Whether a thing may be listed only once."""

    @abstractmethod
    def accept_item(self, value: object) -> Any:
        """One thing as the model keeps it. Raises `Rejected`."""

    @abstractmethod
    def item_schema(self) -> Schema:
        """The JSON Schema of one thing."""

    def accept(self, value: object) -> tuple[Any, ...]:
        if isinstance(value, str):
            return (self.accept_item(value),)
        if not isinstance(value, list):
            raise self.refuse(value)
        accepted: list[Any] = []
        findings: list[Finding] = []
        for index, item in enumerate(value):
            try:
                kept = self.accept_item(item)
            except Rejected as error:
                findings += error.at(index)
                continue
            if self.distinct and kept in accepted:
                findings.append(((index,), f"{show(kept)} is listed twice"))
            accepted.append(kept)
        if findings:
            raise Rejected(findings)
        return tuple(accepted)

    def schema(self) -> Schema:
        item = self.item_schema()
        several: Schema = {"type": "array", "items": item}
        if self.distinct:
            several["uniqueItems"] = True
        return {"anyOf": [item, several]}


@frozen
class Number(Rule):
    """A finite number within bounds; with `whole`, an integer (2.0 counts as 2); with `or_none`, null or "none" too."""

    minimum: float
    maximum: float
    whole: bool = False
    or_none: bool = False

    @property
    def expects(self) -> str:
        number = "whole number" if self.whole else "number"
        text = f"a positive {number}" if self.minimum > 0 else f"a {number}, zero or more"
        return f'{text}, or null ("none" in TOML)' if self.or_none else text

    def accept(self, value: object) -> float | None:
        if self.or_none and (value is None or value == "none"):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.refuse(value)
        if value < 0 or (value == 0 and self.minimum > 0) or (self.whole and value != int(value)):
            raise self.refuse(value)
        if value < self.minimum:
            raise rejected(f"expected at least {self.minimum}, got {show(value)}")
        if value > self.maximum:
            raise rejected(f"expected at most {self.maximum}, got {show(value)}")
        return int(value) if self.whole else value

    def schema(self) -> Schema:
        number = {
            "type": "integer" if self.whole else "number",
            "minimum": self.minimum,
            "maximum": self.maximum,
        }
        return {"anyOf": [number, {"enum": [None, "none"]}]} if self.or_none else number


@frozen
class Port(Rule):
    """A TCP port. Port 0, where allowed, lets the system pick a free one."""

    minimum: int

    @property
    def expects(self) -> str:
        return f"a port number from {self.minimum} to 65535"

    def accept(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.refuse(value)
        if value != int(value) or not self.minimum <= value <= 65535:
            raise self.refuse(value)
        return int(value)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.minimum, "maximum": 65535}


class Switch(Rule):
    """true or false, and nothing that merely resembles them."""

    @property
    def expects(self) -> str:
        return "true or false"

    def accept(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise self.refuse(value)
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


@frozen
class Choice(Rule):
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def expects(self) -> str:
        *most, last = map(show, self.words)
        return f"{', '.join(most)} or {last}"

    def accept(self, value: object) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise rejected(f"expected {self.expects}, got {show(value)}{did_you_mean(value, self.words)}")
        return value

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@frozen
class Words(Several):
    """A list of some of a few words, each once, or one of them; kept in the order as written."""

    distinct = True
    words: tuple[str, ...]

    @property
    def expects(self) -> str:
        return f"a list of {', '.join(map(show, self.words))}"

    def accept_item(self, value: object) -> str:
        return Choice(self.words).accept(value)

    def item_schema(self) -> Schema:
        return Choice(self.words).schema()


class MediaTypes(Several):
    """A list of media types in which `*` stands for anything, or one of them; kept in lower case."""

    @property
    def expects(self) -> str:
        return "a list of media types"

    def accept_item(self, value: object) -> str:
        if not isinstance(value, str) or not _MEDIA_TYPE.fullmatch(value):
            raise rejected(f'expected a media type such as "text/css" or "application/*+json", got {show(value)}')
        return value.lower()

    def item_schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{_MEDIA_TYPE.pattern}$"}


class AppName(Rule):
    """An app's name: it appears in logs, metrics and commands, names files, and is the default hostname."""

    @property
    def expects(self) -> str:
        return 'a name of letters, digits, "-", "_" and "." that begins with a letter or digit'

    def accept(self, value: object) -> str:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            if isinstance(value, str) and len(value) > _LONGEST_NAME and _NAME.fullmatch(value[:_LONGEST_NAME]):
                raise rejected(
                    f"expected a name of at most {_LONGEST_NAME} characters, got {show(value)}, of {len(value)}"
                )
            raise self.refuse(value)
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{NAME_PATTERN}$"}


@frozen
class Hostnames(Several):
    """One hostname or a list of them, kept as a tuple in lower case; with `or_none`, an empty list too."""

    distinct = True
    or_none: bool = False

    @property
    def expects(self) -> str:
        return "a hostname or a list of hostnames"

    def accept(self, value: object) -> tuple[str, ...]:
        if value == [] and not self.or_none:
            raise rejected("expected at least one hostname, got an empty list")
        return super().accept(value)

    def accept_item(self, value: object) -> str:
        if value == "*":
            raise rejected('"*" is no hostname; to answer every host that no other app claims, set "default" to true')
        if isinstance(value, str):
            hostname = value.lower()
            if is_hostname(hostname) or is_wildcard(hostname):
                return f"[{ipaddress.ip_address(hostname[1:-1])}]" if hostname.startswith("[") else hostname
            before, colon, port = value.rpartition(":")
            if colon and port.isdigit() and (is_hostname(before.lower()) or is_wildcard(before.lower())):
                raise rejected(f'a hostname has no port, got {show(value)}; write {show(before)} and set "port"')
            if not value.isascii():
                raise rejected(f"expected an ASCII hostname (punycode, xn--…), got {show(value)}")
        raise rejected(f'expected a hostname such as "example.com" or "*.example.com", got {show(value)}')

    def item_schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "maxLength": _MAX_HOSTNAME + len("*.")}

    def schema(self) -> Schema:
        schema = super().schema()
        schema["anyOf"][1]["minItems"] = 0 if self.or_none else 1
        return schema


class BindHost(Rule):
    """The address or hostname that listeners bind."""

    @property
    def expects(self) -> str:
        return 'an IP address or hostname to listen on, such as "127.0.0.1", "0.0.0.0" or "::"'

    def accept(self, value: object) -> str:
        if not isinstance(value, str) or not (_is_ip_address(value) or is_hostname(value.lower())):
            raise self.refuse(value)
        return value.lower()

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class _PathRule(Rule):
    """A path as written; what must be there is checked later, when the configuration's folder is known."""

    def accept_text(self, value: object) -> str:
        """The path as text. Raises `Rejected`."""
        if not isinstance(value, str) or not value or "\0" in value or not is_unicode(value):
            raise self.refuse(value)
        return value

    def accept(self, value: object) -> str | Path:
        return Path(self.accept_text(value))

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


class AppPath(_PathRule):
    """Where an app lies. Kept as text: there may be ten thousand apps, and a `Path` takes half a kilobyte, and longer
    to make than the file system takes to answer.
    """

    @property
    def expects(self) -> str:
        return "a path to a folder with index.js, or to a file"

    accept = _PathRule.accept_text


class Services(Rule):
    """A table of names to apps' names; whether there are such apps is checked later."""

    @property
    def expects(self) -> str:
        return "a table of names to apps' names"

    def accept(self, value: object) -> dict[str, str]:
        if not isinstance(value, dict):
            raise self.refuse(value)
        findings: list[Finding] = []
        for name, app in value.items():
            if not is_unicode(name) or not name:
                findings.append(((name,), "the name is empty or not valid Unicode"))
            elif not isinstance(app, str) or not app:
                findings.append(((name,), f"expected an app's name, got {show(app)}"))
        if findings:
            raise Rejected(findings)
        return dict(value)

    def schema(self) -> Schema:
        return {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}}


class FolderPath(_PathRule):
    """A folder, which need not exist yet."""

    @property
    def expects(self) -> str:
        return "a path to a folder"


class FilePath(_PathRule):
    """One file."""

    @property
    def expects(self) -> str:
        return "a path to a file"


class FilePaths(Several):
    """A file, or a list of them."""

    @property
    def expects(self) -> str:
        return "a path to a file, or a list of them"

    def accept_item(self, value: object) -> Path:
        return Path(FilePath().accept_text(value))

    def item_schema(self) -> Schema:
        return FilePath().schema()


class Env(Rule):
    """A table of anything that JSON can say and JavaScript can hold exactly."""

    @property
    def expects(self) -> str:
        return "a table"

    def accept(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.refuse(value)
        findings: list[Finding] = []
        copy: dict[str, Any] = self._copy(value, (), findings)
        if findings:
            raise Rejected(findings)
        return copy

    def _copy(self, value: object, at: KeyPath, findings: list[Finding]) -> Any:
        """A deep copy, for the model is frozen; adds what is wrong in it to `findings`."""
        match value:
            case dict() | list() if len(at) >= _MAX_ENV_DEPTH:
                findings.append((at, f"nested more than {_MAX_ENV_DEPTH} levels deep"))
            case dict():
                for key in value:
                    if not is_unicode(key):
                        findings.append(((*at, key), "the key is not valid Unicode (a lone surrogate)"))
                return {key: self._copy(item, (*at, key), findings) for key, item in value.items()}
            case list():
                return [self._copy(item, (*at, index), findings) for index, item in enumerate(value)]
            case str() if not is_unicode(value):
                findings.append((at, "the text is not valid Unicode (a lone surrogate)"))
            case None | bool() | str():
                return value
            case int() if abs(value) > _EXACT_INTEGER:
                findings.append((at, f"{show(value)} is beyond JavaScript's exact integers; write it as a string"))
            case float() if not math.isfinite(value):
                findings.append((at, f"expected a finite number, got {show(value)}"))
            case int() | float():
                return value
            case _:
                expected = "expected a string, number, boolean, null, list or table"
                findings.append((at, f"{expected}, got {show(value)}; write it as a string"))
        return None

    def schema(self) -> Schema:
        return {"type": "object"}


class Secret(Rule):
    """A token as HTTP can carry it: long enough that nobody guesses it. Its value is never shown."""

    @property
    def expects(self) -> str:
        return f"a secret of {_SHORTEST_SECRET} to {_LONGEST_SECRET} visible ASCII characters without spaces"

    def accept(self, value: object) -> str:
        if not isinstance(value, str):
            raise self.refuse(value)
        if not _SECRET.fullmatch(value):
            raise rejected(f"expected {self.expects}, got {len(value)} characters")
        return value

    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^{_SECRET.pattern}$"}


def is_loopback(host: str) -> bool:
    """Is it `localhost` or an address that only the machine itself can reach?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"


def is_hostname(text: str) -> bool:
    """Is it an exact hostname in lower case, an IPv4 address, or an IPv6 address in brackets (as in a Host header)?

    Underscores are let through: they are common in private names.
    """
    if text.startswith("[") and text.endswith("]"):
        return _is_ip_address(text[1:-1]) and ":" in text and "%" not in text
    if len(text) > _MAX_HOSTNAME:
        return False
    if text.rpartition(".")[2].isdigit():
        return ":" not in text and _is_ip_address(text)
    return _HOSTNAME.fullmatch(text) is not None


def is_wildcard(text: str) -> bool:
    """Is it `*.` and a hostname in lower case?"""
    rest = text.removeprefix("*.")
    return rest != text and is_hostname(rest) and not _is_ip_address(rest.strip("[]"))


def is_unicode(text: str) -> bool:
    """Can it be encoded? JSON's \\ud800 gives a lone surrogate, which no file name or UTF-8 text can hold."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


_YEAR_S = 365 * 24 * 3600

Milliseconds = Annotated[float, Number(minimum=1, maximum=_YEAR_S * 1000)]
Seconds = Annotated[float, Number(minimum=0.001, maximum=_YEAR_S)]
SecondsOrZero = Annotated[float, Number(minimum=0, maximum=_YEAR_S)]
SecondsOrNever = Annotated[float | None, Number(minimum=0.001, maximum=_YEAR_S, or_none=True)]
