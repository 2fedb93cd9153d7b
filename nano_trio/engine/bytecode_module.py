"""What a compiled module asks for, and how it comes to ask for something else.

QuickJS resolves ``import x from "hono"`` at run time by the specifier alone: whoever asks gets the same module. To
resolve packages as Node and bundlers do, by where the importing file lies, the specifiers are resolved when an app
is loaded, and the answers are put into the bytecode in their place. Columns of the source stay what they are, and
nothing has to parse JavaScript a second time.

The layout is the engine's own writer's (``JS_WriteObjectAtoms``, ``JS_WriteModule``, format version 5): a version, the
table of names that are not built in (``atoms``), then the module: its name, its requests (specifier and attributes),
its exports. A name is written as twice its index; indexes of the table follow those of the built-in names. New names go
to the end of the table, so that no other index changes.

What a module imports and exports again (``import x from "a"; export { x }``) is to ECMA-262 an export of the other
module's (ParseModule, step 10). The engine's parser makes an export of the variable of it, which has no cell before
the module is linked; who imports it in a cycle finds none, and the process ends by SIGSEGV. :func:`redirected` writes
such exports as what they are.
"""

from __future__ import annotations

from functools import cache

import attrs
import quickjs

from nano_trio.engine.bytecode_format import FORMAT, Reader, Tag, UnknownBytecode, encode_number, encode_string
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import in_pieces, pause

__all__ = ["ModuleHead", "UnknownBytecode", "body_at", "read_head", "redirected", "rewrite"]

_LOCAL, _INDIRECT = 0, 1


@attrs.frozen
class ModuleHead:
    """The beginning of a module's bytecode. Offsets in bytes from its start."""

    atoms: int
    """How many names the table has."""
    first: int
    """Where the table begins."""
    end: int
    """Where it ends, and the module begins."""
    builtin: int
    """How many built-in names stand before the table's."""
    name: tuple[int, int]
    """Where the module's own name stands."""
    requests: tuple[tuple[str | None, int, int], ...]
    """Specifiers as written, and where they stand; None for one that is also a built-in name of the engine."""
    exports: bool
    """Whether it exports anything."""
    has_default: bool
    """Whether there is an export named ``default``; not so where it comes by ``export *``, which leaves it out."""
    wanted: tuple[tuple[str, ...], ...] = ()
    """For each request the names that it imports, or exports from there; namespaces are none."""
    waits: bool = False
    """Whether it has a top-level ``await``."""
    has_star: bool = False
    """Whether it has an ``export *`` that gives no name."""
    hands_on: tuple[int, ...] = ()
    """The requests of which it exports something again, by their numbers."""
    renamed: tuple[tuple[str, str], ...] = ()
    """What it exports again under another name: that name, and the one there."""


def _skip_attributes(reader: Reader) -> None:
    tag = reader.byte()
    if tag == Tag.STRING:
        reader.skip_string()
    elif tag == Tag.OBJECT:
        for _ in range(reader.leb128()):
            reader.leb128()
            _skip_attributes(reader)
    elif tag not in Tag.WITHOUT_VALUE:
        raise UnknownBytecode(f"a request's attributes have the tag {tag}")


@attrs.frozen
class _Bindings:
    """What a module exports of its variables, and imports into them."""

    exported: list[tuple[int, int, int]]
    """The variable; where the export begins, and where its name does."""
    imported: dict[int, tuple[int, bytes, bool]]
    """By the variable: the request, the name there as it is written, and whether it is a namespace."""


@enters
def _read(code: bytes, default: int | None) -> tuple[ModuleHead, int, _Bindings, int]:
    reader = Reader(code)
    if reader.byte() != FORMAT:
        raise UnknownBytecode(f"format version {code[0]}")
    atoms = reader.leb128()
    first = reader.at
    places = []
    for _ in in_pieces(range(atoms)):
        places.append(reader.at)
        reader.skip_string()
    end = reader.at
    if reader.byte() != Tag.MODULE:
        raise UnknownBytecode("no module")
    begin = reader.at
    # The module's own name is what the writer meets first, and so the table's first.
    builtin = reader.leb128() >> 1
    name = (begin, reader.at)
    requests: list[tuple[str | None, int, int]] = []
    for _ in in_pieces(range(reader.leb128())):
        begin = reader.at
        index = (reader.leb128() >> 1) - builtin
        after = reader.at
        requests.append((Reader(code, places[index]).string() if index >= 0 else None, begin, after))
        _skip_attributes(reader)
    has_default = False
    exported = 0
    wanted: list[dict[int, None]] = [{} for _ in requests]
    bindings = _Bindings([], {})
    handed_on: dict[int, None] = {}
    renamed: list[tuple[int, int]] = []
    exports = reader.leb128()
    for _ in in_pieces(range(exports)):
        begin = reader.at
        local = reader.byte() == _LOCAL
        source = reader.leb128()
        if local:
            bindings.exported.append((source, begin, reader.at))
        else:
            imported = reader.leb128()
            wanted[source][imported] = handed_on[source] = None
        exported = reader.leb128()
        if not local and exported != imported:
            renamed.append((exported, imported))
        has_default = has_default or exported == default
    stars = reader.leb128()
    for _ in in_pieces(range(stars)):
        handed_on[reader.leb128()] = None
    for _ in in_pieces(range(reader.leb128())):
        variable = reader.leb128()
        is_namespace = reader.byte()
        begin = reader.at
        imported = reader.leb128()
        after = reader.at
        source = reader.leb128()
        bindings.imported[variable] = source, code[begin:after], is_namespace == 1
        if not is_namespace:
            wanted[source][imported] = None
    waits = reader.byte() == 1

    def spelled(written: int) -> str:
        if written & 1:
            return str(written >> 1)
        index = (written >> 1) - builtin
        return Reader(code, places[index]).string() if index >= 0 else _builtin_names(builtin)[written >> 1]

    spelt: list[tuple[str, ...]] = []
    again: list[tuple[str, str]] = []
    if default is not None:
        for of in wanted:
            pause()
            names = []
            for each in in_pieces(of):
                names.append(spelled(each))
            spelt.append(tuple(each for each in names if each != "*"))
        for new, old in in_pieces(renamed):
            if (there := spelled(old)) != "*":
                again.append((spelled(new), there))
    head = ModuleHead(
        atoms,
        first,
        end,
        builtin,
        name,
        tuple(requests),
        exports + stars > 0,
        has_default,
        tuple(spelt),
        waits,
        has_star=stars > 0,
        hands_on=tuple(handed_on),
        renamed=tuple(again),
    )
    return head, exported, bindings, reader.at


@cache
def _builtin_names(count: int) -> list[str]:
    """The names that are built into the engine, by their indexes: those of the properties of an object that has all."""
    written = [encode_number(index << 1) for index in range(1, count)]
    properties = b"".join(name + bytes([Tag.INTEGER]) + name for name in written)
    context = quickjs.Context()
    all_of_them = context.read_object(bytes([FORMAT, 0, Tag.OBJECT]) + encode_number(count - 1) + properties)
    names = [""] * count
    for name, index in all_of_them.to_python().items():
        names[index] = name
    return names


@cache
def _default_atom() -> int:
    """How the engine writes the name ``default``, which is built in."""
    code = quickjs.Context().compile("export default 1", "./x", module=True).write_object()
    return _read(code, None)[1]


@enters
def read_head(code: bytes) -> ModuleHead:
    """The head of a module's bytecode. Raises :class:`UnknownBytecode`."""
    try:
        return _read(code, _default_atom())[0]
    except IndexError:
        raise UnknownBytecode("it ends early") from None


@enters
def body_at(code: bytes) -> int:
    """Where the function that is a module's body begins. Raises :class:`UnknownBytecode`."""
    try:
        return _read(code, None)[3]
    except IndexError:
        raise UnknownBytecode("it ends early") from None


@cache
def _namespace_atom() -> bytes:
    """How the engine writes the name of an export that is a whole namespace, which is built in."""
    source = 'import * as all from "./y"; export { all };'
    context = quickjs.Context()
    context.set_module_loader(lambda name: "")
    bindings = _read(context.compile(source, "./x", module=True).write_object(), None)[2]
    return next(name for _, name, _ in bindings.imported.values())


@enters
def redirected(code: bytes) -> bytes:
    """The same module, where what it imports and exports again is an export of where that comes from.

    Raises :class:`UnknownBytecode`, and :class:`quickjs.JSError` where the engine cannot say it.
    """
    try:
        bindings = _read(code, None)[2]
    except IndexError:
        raise UnknownBytecode("it ends early") from None
    if not any(variable in bindings.imported for variable, _, _ in bindings.exported):
        return code
    parts: list[bytes] = []
    after = 0
    for variable, begin, end in in_pieces(bindings.exported):
        source, name, is_namespace = bindings.imported.get(variable, (0, b"", False))
        if name and not is_namespace and name == _namespace_atom():
            # The engine would take it for a namespace.
            raise quickjs.JSError('SyntaxError: what another module calls "*" cannot be exported again')
        if name:
            parts += [code[after:begin], bytes([_INDIRECT]) + encode_number(source) + name]
            after = end
    parts.append(code[after:])
    return b"".join(parts)


@enters
def rewrite(code: bytes, head: ModuleHead, name: str, targets: list[str]) -> bytes:
    """The same module under another name, asking for ``targets`` in place of what it requests, in that order."""
    names = list(dict.fromkeys([name, *targets]))
    view = memoryview(code)
    written, spelt = {}, []
    for number, each in in_pieces(enumerate(names)):
        written[each] = encode_number((head.builtin + head.atoms + number) << 1)
        spelt.append(encode_string(each))
    parts: list[bytes | memoryview] = [
        view[:1],
        encode_number(head.atoms + len(names)),
        view[head.first : head.end],
        *spelt,
        view[head.end : head.name[0]],
        written[name],
    ]
    after = head.name[1]
    for (_, begin, end), target in in_pieces(zip(head.requests, targets, strict=True)):
        parts += [view[after:begin], written[target]]
        after = end
    parts.append(view[after:])
    return b"".join(parts)
