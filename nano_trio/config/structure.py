"""From a document to the model. cattrs walks the tables and gathers the failures; here stand the rules' hooks, and
the translation of cattrs's tree of errors into problems with a key and a message.

The top level and the apps become the values of their classes by key (to cattrs each is a `TypedDict`): an app is made
once, when it is known where it lies. All other tables become objects of their classes.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Set
from sys import intern
from typing import Annotated, Any, NotRequired, TypedDict, get_args, get_origin, is_typeddict

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError, IterableValidationError
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, typeddicts

from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.model import Admin, Compression, Config, Http, Log, Tls
from nano_trio.config.problems import Finding, KeyPath, Rejected, did_you_mean, rejected, show
from nano_trio.config.rules import Rule

Hook = Callable[[Any, Any], Any]

TABLES: dict[str, type[attrs.AttrsInstance]] = {
    "the top level of the file": Config,
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

    In place of each app stand its values as well.
    """
    try:
        return _converter.structure(table, _values_of(cls)), []
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
            with contextlib.suppress(Rejected, ClassValidationError, IterableValidationError):
                values[key] = check_value(table[key], cls, key)
    return values


def _findings(error: Exception, at: KeyPath) -> Iterator[Finding]:
    match error:
        case Rejected():
            yield from error.at(*at)
        case ForbiddenExtraKeysError():
            for key in sorted(error.extra_fields):
                yield (*at, key), _unknown_key(key, _CLASSES.get(error.cl, error.cl))
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


_CLASSES: dict[type, type[attrs.AttrsInstance]] = {}
"""By what `_values_of` makes of them."""
_TYPES: dict[type, dict[str, Any]] = {}
"""The types of the values in what `_values_of` makes, by key."""


@functools.cache
def _values_of(cls: type[attrs.AttrsInstance]) -> Any:
    """The values of a class by key, as a type."""
    types: dict[str, Any] = {}
    keys: dict[str, Any] = {}
    for field in attrs.fields(cls):
        types[field.name] = type_ = list[_values_of(App)] if field.name == "apps" else field.type  # type: ignore[misc]
        keys[field.name] = type_ if field.default is attrs.NOTHING else NotRequired[type_]
    make: Any = TypedDict
    values = make(cls.__name__, keys)
    _CLASSES[values], _TYPES[values] = cls, types
    return values


def _rule_hook(type_: Any) -> Hook:
    rule = rule_of(type_)
    assert rule is not None
    accept = rule.accept

    def apply_rule(value: Any, _: Any) -> Any:
        return accept(value)

    return apply_rule


def _table_hook(cls: Any) -> Hook:
    types = {field.name: field.type for field in attrs.fields(cls)}
    required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
    return _quick_hook(types, required, cls, functools.partial(make_dict_structure_fn, cls))


def _values_hook(cls: Any) -> Hook:
    write = functools.partial(typeddicts.make_dict_structure_fn, cls)
    return _quick_hook(_TYPES[cls], cls.__required_keys__, None, write)


def _quick_hook(
    types: Mapping[str, Any], required: Set[str], make: Callable[..., Any] | None, write: Callable[..., Hook]
) -> Hook:
    """Nearly all tables are sound, those of ten thousand apps too, with two or three of thirty keys in each: so their
    values are made one by one. Only where something is wrong cattrs writes code for the table, and gathers all that is.
    """
    accept = {key: _accept_of(type_) for key, type_ in types.items()}

    @functools.cache
    def gather() -> Hook:
        return write(_converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)

    def structure(value: Any, type_: Any) -> Any:
        if not isinstance(value, dict):
            raise rejected(f"expected a table, got {show(value)}")
        try:
            # Keys that come from a file are equal to the names in our code, but other objects: to compare them with
            # thirty names of arguments takes longer than all that is done with the values.
            values = {intern(key): accept[key](item) for key, item in value.items()}
        except (KeyError, Rejected, ClassValidationError, IterableValidationError):
            return gather()(value, type_)
        if not values.keys() >= required:
            return gather()(value, type_)
        return values if make is None else make(**values)

    return structure


def _accept_of(type_: Any) -> Callable[[Any], Any]:
    rule = rule_of(type_)
    return rule.accept if rule is not None else lambda value: _converter.structure(value, type_)


def _is_list(type_: Any) -> bool:
    return bool(get_origin(type_) is list)


def _apps_hook(type_: Any) -> Hook:
    structure_each = list_structure_factory(type_, _converter)

    def structure_apps(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise rejected(f"expected a list of apps, got {show(value)}")
        if not value:
            raise rejected("expected at least one app, got an empty list")
        return structure_each(value, type_)

    return structure_apps


_converter = Converter(detailed_validation=True)
_converter.register_structure_hook_factory(attrs.has, _table_hook)
_converter.register_structure_hook_factory(is_typeddict, _values_hook)
_converter.register_structure_hook_factory(_is_list, _apps_hook)
_converter.register_structure_hook_factory(lambda type_: rule_of(type_) is not None, _rule_hook)
