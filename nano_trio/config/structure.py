"""From a document to the model: a table becomes an object of its class, each value what its field's rule makes of it.

All that is wrong in a table is found, and comes out as one `Rejected`: first what is wrong with its keys in the order
of the class, then keys that it does not know.
"""

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

import attrs

from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.model import Admin, Compression, Config, Http, Log, Tls
from nano_trio.config.problems import KeyPath, Rejected, did_you_mean, rejected, show
from nano_trio.config.rules import Rule

Finding = tuple[KeyPath, str]
Accept = Callable[[Any], Any]
"""Makes of a value in a document what the model keeps. Raises `Rejected`."""

TABLES: dict[str, type[attrs.AttrsInstance]] = {
    "the top level": Config,
    '"defaults"': Limits,
    "an app": App,
    '"admin"': Admin,
    '"http"': Http,
    '"compression"': Compression,
    '"log"': Log,
    '"tls"': Tls,
    'an app\'s "tls"': AppTls,
}
"""Where the keys of each class stand in the file."""


def rule_of(type_: Any) -> Rule | None:
    """The rule in `Annotated[..., rule]`, if there is one."""
    if get_origin(type_) is not Annotated:
        return None
    return next((extra for extra in get_args(type_)[1:] if isinstance(extra, Rule)), None)


def sound_values(table: Any, cls: type[attrs.AttrsInstance]) -> tuple[dict[str, Any] | None, list[Finding]]:
    """What a class's fields make of a table, by key; or None and everything that keeps it from being one.

    In place of each app stand its values as well: it is an app when it is known where it lies.
    """
    try:
        return _table(cls).values(table), []
    except Rejected as error:
        return None, list(error.findings)


def check_value(value: Any, cls: type[attrs.AttrsInstance], key: str) -> Any:
    """What one field makes of a value. Raises `Rejected`."""
    return _table(cls).fields[key](value)


def valid_values(table: Any, cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Those values of a table that their fields accept: what is sound in a faulty table can be checked further."""
    values: dict[str, Any] = {}
    for key, accept in _table(cls).fields.items():
        if isinstance(table, dict) and key in table:
            with contextlib.suppress(Rejected):
                values[key] = accept(table[key])
    return values


class _Table:
    """Accepts tables with the keys of a class, as an object of it."""

    def __init__(self, cls: type[attrs.AttrsInstance]) -> None:
        self.cls = cls
        self.fields: dict[str, Accept] = {field.name: _accept(field.type) for field in attrs.fields(cls)}
        """In the order of the class."""
        self.required = tuple(field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING)

    def __call__(self, table: object) -> Any:
        return self.cls(**self.values(table))

    def values(self, table: object) -> dict[str, Any]:
        """By key, what the fields make of the values. Raises `Rejected`."""
        if not isinstance(table, dict):
            raise rejected(f"expected a table, got {show(table)}")
        values: dict[str, Any] = {}
        faults: dict[str, list[Finding]] = {}
        for key, value in table.items():
            accept = self.fields.get(key)
            if accept is None:
                faults[key] = [((key,), _unknown_key(key, self.cls))]
                continue
            try:
                # An interned name is found among thirty arguments by identity, any other by comparing it with each.
                values[sys.intern(key)] = accept(value)
            except Rejected as error:
                faults[key] = error.at(key)
        for key in self.required:
            if key not in table:
                faults[key] = [((key,), "required, but missing")]
        if faults:
            order = [*self.fields, *sorted(faults.keys() - self.fields.keys())]
            raise Rejected([finding for key in order for finding in faults.get(key, ())])
        return values


_table = functools.cache(_Table)


def _accept(type_: Any) -> Accept:
    """For values of a field's type: it has a rule, or is a class of the model, or the list of apps."""
    rule = rule_of(type_)
    if rule is not None:
        return rule.accept
    return _table(type_) if attrs.has(type_) else _apps


def _apps(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise rejected(f"expected a list of apps, got {show(value)}")
    if not value:
        raise rejected("expected at least one app, got an empty list")
    apps: list[dict[str, Any]] = []
    findings: list[Finding] = []
    values_of = _table(App).values
    for index, table in enumerate(value):
        try:
            apps.append(values_of(table))
        except Rejected as error:
            findings += error.at(index)
    if findings:
        raise Rejected(findings)
    return apps


def _unknown_key(key: str, cls: type[attrs.AttrsInstance]) -> str:
    known = list(attrs.fields_dict(cls))
    elsewhere = [place for place, other in TABLES.items() if key in attrs.fields_dict(other)]
    if elsewhere:
        return f"unknown key here; it belongs in {' or '.join(elsewhere)}"
    hint = did_you_mean(key.replace("-", "_"), known)
    return "unknown key" + (hint or f"; accepted keys: {', '.join(sorted(known))}")
