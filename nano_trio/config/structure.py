"""From a document to the model. cattrs walks the tables and gathers the failures; here stand the rules' hooks, and
the translation of cattrs's tree of errors into problems with a key and a message.

The top level and the apps become the values of their classes by key (to cattrs each is a `TypedDict`): an app is made
once, when it is known where it lies. All other tables become objects of their classes.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Annotated, Any, NotRequired, TypedDict, get_args, get_origin, is_typeddict

import attrs
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError, IterableValidationError
from cattrs.cols import list_structure_factory
from cattrs.gen import make_dict_structure_fn, override, typeddicts

from nano_trio.config.apps import App, AppTls, Limits
from nano_trio.config.model import Admin, Compression, Config, Http, Log, Tls
from nano_trio.config.problems import KeyPath, Rejected, did_you_mean, rejected, show
from nano_trio.config.rules import Rule

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


@functools.cache
def _values_of(cls: type[attrs.AttrsInstance]) -> Any:
    """The values of a class by key, as a type."""
    types: dict[str, Any] = {}
    for field in attrs.fields(cls):
        type_: Any = list[_values_of(App)] if field.name == "apps" else field.type  # type: ignore[misc]
        types[field.name] = type_ if field.default is attrs.NOTHING else NotRequired[type_]
    make: Any = TypedDict
    values = make(cls.__name__, types)
    _CLASSES[values] = cls
    return values


def _rule_hook(type_: Any) -> Hook:
    rule = rule_of(type_)
    assert rule is not None
    accept = rule.accept

    def apply_rule(value: Any, _: Any) -> Any:
        return accept(value)

    return apply_rule


_KINDS = 32
"""So many kinds of tables get code of their own: a millisecond each."""


def _table_hook(cls: Any) -> Hook:
    @functools.cache
    def build() -> Hook:
        # A file has few of the tables that it could have.
        return make_dict_structure_fn(cls, _converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)

    def structure_table(value: Any, type_: Any) -> Any:
        _expect_table(value)
        return build()(value, type_)

    return structure_table


def _values_hook(cls: Any) -> Hook:
    """Ten thousand apps have the same two or three of an app's thirty keys: code that looks for no others takes a third
    of the time.
    """
    hooks: dict[tuple[str, ...], Hook] = {}

    def build(keys: tuple[str, ...]) -> Hook:
        settings: dict[str, Any] = dict.fromkeys(cls.__optional_keys__.difference(keys), override(omit=True))
        return typeddicts.make_dict_structure_fn(
            cls, _converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **settings
        )

    def structure_values(value: Any, type_: Any) -> Any:
        _expect_table(value)
        keys = tuple(value)
        hook = hooks.get(keys)
        if hook is None:
            if len(hooks) >= _KINDS:
                keys = tuple(cls.__optional_keys__)
            hook = hooks[keys] = hooks.get(keys) or build(keys)
        return hook(value, type_)

    return structure_values


def _expect_table(value: Any) -> None:
    if not isinstance(value, dict):
        raise rejected(f"expected a table, got {show(value)}")


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
