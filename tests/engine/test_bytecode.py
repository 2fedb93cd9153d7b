"""Bytecode is compiled once per content, survives a restart, and a damaged cache entry only costs a compilation."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import quickjs

from nano_trio.engine import bytecode
from nano_trio.engine.bytecode import BytecodeCache, compile_script
from nano_trio.engine.bytecode_debug import leave_out_debugging
from nano_trio.engine.bytecode_variables import leave_out_variables


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    for kind in ("compile_module", "compile_script"):
        original = getattr(bytecode, kind)

        def counted(source: str, filename: str, original=original, **options: bool) -> bytecode.Bytecode:  # type: ignore[no-untyped-def]
            names.append(filename)
            return original(source, filename, **options)  # type: ignore[no-any-return]

        monkeypatch.setattr(bytecode, kind, counted)
    return names


def value_of(code: bytes) -> object:
    context = quickjs.Context()
    return context.eval_function(context.read_object(code))


def test_once_per_content_in_memory_and_on_disk(tmp_path: Path, compilations: list[str]) -> None:
    first = BytecodeCache(tmp_path / "c")
    for _ in range(3):
        assert value_of(first.script("40 + 2", "a.js").code) == 42
    assert value_of(first.script("40 + 3", "a.js").code) == 43
    again = BytecodeCache(tmp_path / "c")
    assert value_of(again.script("40 + 2", "a.js").code) == 42
    assert compilations == ["a.js", "a.js"]


def test_modules_keep_what_they_import(tmp_path: Path) -> None:
    for _ in range(2):
        cache = BytecodeCache(tmp_path / "c")
        assert cache.module('import "./x.js"; import y from "./lib/y.js"', "./index.js").imports == (
            "./x.js",
            "./lib/y.js",
        )


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "foreign", "swap"])
def test_a_damaged_entry_is_compiled_again(tmp_path: Path, compilations: list[str], damage: str) -> None:
    folder = tmp_path / "c"
    BytecodeCache(folder).script("1 + 1", "a.js")
    (entry,) = folder.iterdir()
    data = entry.read_bytes()
    if damage == "swap":
        BytecodeCache(folder).script("6 * 6", "b.js")
        (other,) = set(folder.iterdir()) - {entry}
        data = other.read_bytes()
    elif damage == "truncate":
        data = data[:-5]
    elif damage == "flip":
        data = data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]
    else:
        data = b"" if damage == "empty" else b"something else entirely" * 10
    entry.write_bytes(data)
    compilations.clear()
    assert value_of(BytecodeCache(folder).script("1 + 1", "a.js").code) == 2
    assert compilations == ["a.js"]
    assert value_of(BytecodeCache(folder).script("1 + 1", "a.js").code) == 2
    assert compilations == ["a.js"]  # it was mended on disk


def test_the_folder_is_private(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir(mode=0o755)
    (tmp_path / "c").chmod(0o755)
    BytecodeCache(tmp_path / "c").script("1", "a.js")
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_only_costs_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert value_of(BytecodeCache(tmp_path / "file" / "c").script("5", "a.js").code) == 5


def test_memory_is_bounded(tmp_path: Path, compilations: list[str]) -> None:
    cache = BytecodeCache(None, memory_bytes=2000)
    for number in range(50):
        cache.script(f"{number} + {number}", "a.js")
    cache.script("0 + 0", "a.js")
    assert len(compilations) == 51


def test_in_memory_entries_count_besides_their_code(compilations: list[str]) -> None:
    """Each version of an app leaves some: of small ones there would be hundreds of thousands."""
    cache = BytecodeCache(None, memory_bytes=1 << 20)
    for number in range(600):
        cache.script(f"{number}", "a.js")
    cache.script("0", "a.js")
    assert len(compilations) == 601


def test_on_disk_the_oldest_entries_make_room(tmp_path: Path, compilations: list[str]) -> None:
    for number in range(8):
        BytecodeCache(tmp_path).script(f"{number}", "a.js")
        for entry in tmp_path.iterdir():
            os.utime(entry, times=(entry.stat().st_mtime - 10, entry.stat().st_mtime - 10))
    cache = BytecodeCache(tmp_path)
    cache.prune(8 * 4096)
    assert len(list(tmp_path.iterdir())) == 8
    cache.prune(8 * 4096 - 1)
    assert len(list(tmp_path.iterdir())) == 5
    compilations.clear()
    for number in range(8):
        assert value_of(cache.script(f"{number}", "a.js").code) == number
    assert len(compilations) == 3
    BytecodeCache(None).prune()


def test_what_was_used_of_late_stays(tmp_path: Path, compilations: list[str]) -> None:
    for number in range(8):
        BytecodeCache(tmp_path).script(f"{number}", "a.js")
    entries = sorted(tmp_path.iterdir())
    for at, entry in enumerate(entries):
        os.utime(entry, times=(1000 + at if at else 5000, 1000 + at))
    BytecodeCache(tmp_path).prune(4 * 4096)
    assert sorted(tmp_path.iterdir()) == [entries[0], *entries[6:]]


def test_what_a_killed_process_had_begun_to_write_goes(tmp_path: Path) -> None:
    for name, age_s in ((".new-old", 7200), (".new-young", 0), ("whole", 7200)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, times=(time.time() - age_s, time.time() - age_s))
    BytecodeCache(tmp_path).prune()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [".new-young", "whole"]


SOURCES = [
    "((a) => { function inner(b) { return a + b; } return inner; })",
    "(() => { class A { #x = 1n; get x() { return this.#x; } static s = 'é→😀'; } return [new A().x === 1n, A.s, `t${1}`]; })",
    "(() => ((s, ...v) => s.raw.join() + v)`a\\n${1}b${2}`)",
    "(() => [1.5, -7, null, undefined, true, /x+/g, async () => {}, function* () {}, { m() {} }].length)",
]


@pytest.mark.parametrize("source", SOURCES)
def test_stripped_code_does_the_same_without_its_text(source: str) -> None:
    code = compile_script(source, "a.js").code
    stripped = compile_script(source, "a.js", debug=False).code
    assert len(stripped) < len(code) - len(source) / 2
    plain, bare = quickjs.Context(), quickjs.Context()
    show = "(f) => { const r = f(2); return typeof r === 'function' ? r(3) : String(r); }"
    expected = plain.eval(show)(plain.eval_function(plain.read_object(code)))
    function = bare.eval_function(bare.read_object(stripped))
    assert bare.eval(show)(function) == expected
    assert "[native code]" in str(function)


def test_variables_are_described_only_where_some_are_captured() -> None:
    used = "{ let c = a + b; const d = c * 2; return d - 1; }"
    # Each takes 4 bytes. The script's own variable, for its value, goes in both.
    for source, saved in ((f"((a, b) => {used})", 5 * 4), ("((a, b) => () => a + b)", 4)):
        runtime = quickjs.Runtime()
        leave_out_debugging(runtime)
        code = runtime.new_context().compile(source, "a.js").write_object()
        assert len(code) - len(leave_out_variables(code)) == saved
        assert leave_out_variables(leave_out_variables(code)) == leave_out_variables(code)
    context = quickjs.Context()
    bare = compile_script(f"((a, b) => {used})", "a.js", debug=False).code
    assert context.eval_function(context.read_object(bare))(1, 2) == 5


@pytest.mark.parametrize("source", SOURCES)
def test_code_that_is_not_as_it_is_known_stays(source: str) -> None:
    code = compile_script(source, "a.js").code
    bare = compile_script(source, "a.js", debug=False).code
    for strange in (code, b"\4" + bare[1:], bare[:-1], bare + b"\0", b"", b"\5", b"\5\0\xff"):
        assert leave_out_variables(strange) == strange


def test_a_script_is_kept_with_and_without_what_debugging_needs(tmp_path: Path) -> None:
    whole = BytecodeCache(tmp_path / "c").script(SOURCES[0], "a.js")
    bare = BytecodeCache(tmp_path / "c").script(SOURCES[0], "a.js", debug=False)
    assert bare.code == compile_script(SOURCES[0], "a.js", debug=False).code != whole.code
    again = BytecodeCache(tmp_path / "c")
    assert (again.script(SOURCES[0], "a.js", debug=False).code, again.script(SOURCES[0], "a.js").code) == (
        bare.code,
        whole.code,
    )


def test_stripped_code_tells_no_place_and_no_names() -> None:
    """Errors thrown there have their functions' names, as the engine's own have; what is global keeps its name."""
    source = "(function outer(given) { const kept = () => { throw new Error(given + shown); }; return kept(); })"
    stripped = compile_script(source, "a.js", debug=False).code
    context = quickjs.Context()
    context.eval("var shown = '!'")
    with pytest.raises(quickjs.JSError, match="Error: 1!") as caught:
        context.eval_function(context.read_object(stripped))(1)
    assert caught.value.js_stack.split() == ["at", "kept", "at", "outer"]
    bare = quickjs.Context()
    function = bare.eval_function(bare.read_object(stripped))
    with pytest.raises(quickjs.JSError, match="'shown' is not defined"):
        function(1)


def test_what_was_compiled_before_shapes_no_other_module() -> None:
    """A context compiles several: each as in a context of its own, whatever the others were."""
    sources = [
        "export default 1; const unused = 'x';",
        "import './a.js'; export { b } from 'b';",
        "export function f(",
        "import 'b'; import './a.js'; export default import.meta;",
        "export default class { #p = 1; static async *g() { yield await import('./a.js') } }",
        f"export default {'x' * 200_000!r};",
        "export default 1; const unused = 'x';",
    ]

    def compiled(source: str) -> object:
        try:
            return bytecode.compile_module(source, "app:/m.js")
        except quickjs.JSError as error:
            return str(error)

    alone = [in_new_thread(compiled, source) for source in sources]
    assert [compiled(source) for source in sources * 2] == alone * 2


def in_new_thread(work: Callable[[str], object], source: str) -> object:
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(work, source).result()


def test_entries_are_written_when_there_is_time(tmp_path: Path) -> None:
    cache = BytecodeCache(tmp_path / "c")
    waiting: list[Callable[[], None]] = []
    cache.later = waiting.append
    assert value_of(cache.script("40 + 2", "a.js").code) == 42
    assert list((tmp_path / "c").iterdir()) == []
    for write in waiting:
        write()
    (entry,) = (tmp_path / "c").iterdir()
    written = entry.read_bytes()
    entry.unlink()
    BytecodeCache(tmp_path / "c").script("40 + 2", "a.js")
    assert entry.read_bytes() == written
