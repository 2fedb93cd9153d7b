"""From a document to the model. cattrs builds the classes and gathers the failures; here stand the rules' hooks, and
the translation of cattrs's tree of errors into problems with a key and a message.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError, IterableValidationError
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn

from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.model import Admin, Compression, Config, Http, Log, Tls
from nano_trio.config.problems import KeyPath, Rejected, did_you_mean, rejected, show
from nano_trio.config.rules import Rule

T = TypeVar("T")
Finding = tuple[KeyPath, str]
Hook = Callable[[Any, Any], Any]

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


def structure(value: Any, cls: type[T]) -> tuple[T | None, list[Finding]]:
    """The model, or None and everything that keeps `value` from being one."""
    try:
        return _converter.structure(value, cls), []
    except Exception as error:
        return None, list(_findings(error, ()))


def check_value(value: Any, cls: type[attrs.AttrsInstance], key: str) -> Any:
    """What one field makes of a value. Raises `Rejected`."""
    return _converter.structure(value, attrs.fields_dict(cls)[key].type)  # type: ignore[arg-type]


def valid_values(table: Any, cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Those values of a table that their fields accept: what is sound in a faulty table can be checked further."""
    values: dict[str, Any] = {}
    for key in attrs.fields_dict(cls):
        if isinstance(table, dict) and key in table:
            value, findings = structure(table[key], attrs.fields_dict(cls)[key].type)  # type: ignore[arg-type]
            if not findings:
                values[key] = value
    return values


def _findings(error: Exception, at: KeyPath) -> Iterator[Finding]:
    match error:
        case Rejected():
            for further, message in error.findings:
                yield (*at, *further), message
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield (*at, key), _unknown_key(key, error.cl)
        case KeyError():
            yield at, "required, but missing"
        case ClassValidationError():
            of_fields, of_table = error.group_exceptions()
            for inner, field_note in of_fields:
                yield from _findings(inner, (*at, field_note.name))
            for inner in of_table:
                yield from _findings(inner, at)
        case IterableValidationError():
            for inner, item_note in error.group_exceptions()[0]:
                yield from _findings(inner, (*at, item_note.index))
        case _:
            raise error


def _unknown_key(key: str, cls: type[attrs.AttrsInstance]) -> str:
    known = list(attrs.fields_dict(cls))
    elsewhere = [place for place, other in TABLES.items() if key in attrs.fields_dict(other)]
    if elsewhere:
        return f"unknown key here; it belongs in {' or '.join(elsewhere)}"
    hint = did_you_mean(key.replace("-", "_"), known)
    return "unknown key" + (hint or f"; accepted keys: {', '.join(sorted(known))}")


def _rule_hook(type_: Any) -> Hook:
    rule = rule_of(type_)
    assert rule is not None
    accept = rule.accept

    def apply_rule(value: Any, _: Any) -> Any:
        return accept(value)

    return apply_rule


def _table_hook(cls: type[attrs.AttrsInstance]) -> Hook:
    @functools.cache
    def build() -> Hook:
        # A millisecond each, and a file has few of the tables that it could have.
        return make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)

    def structure_table(value: Any, type_: Any) -> Any:
        if not isinstance(value, dict):
            raise rejected(f"expected a table, got {show(value)}")
        return build()(value, type_)

    return structure_table


def _structure_apps(value: Any, _: Any) -> tuple[App, ...]:
    if not isinstance(value, list):
        raise rejected(f"expected a list of apps, got {show(value)}")
    if not value:
        raise rejected("expected at least one app, got an empty list")
    return tuple(list_structure_factory(list[App], _converter)(value, list[App]))


_converter = Converter(detailed_validation=True)
_converter.register_structure_hook_factory(attrs.has, _table_hook)
_converter.register_structure_hook_func(lambda type_: bool(type_ == tuple[App, ...]), _structure_apps)
_converter.register_structure_hook_factory(lambda type_: rule_of(type_) is not None, _rule_hook)
