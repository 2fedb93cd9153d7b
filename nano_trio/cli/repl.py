"""``nano-trio repl``."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nano_trio.cli.outcome import fail
from nano_trio.cli.quick_imports import quick_imports
from nano_trio.cli.streams import end_where_output_is_lost
from nano_trio.cli.terminal import colors

if TYPE_CHECKING:
    import trio

    from nano_trio.actors.repl import Repl

__all__ = ["repl"]

_HELP = """.help         this text
.load FILE    evaluate a file
.env          the app's env (with --app)
.exit         leave; so does Ctrl-D
Ctrl-C        interrupt what runs, or drop the input
_             the last value"""
_PATH = re.compile(r"(?:[A-Za-z_$][\w$]*\.)*(?:[A-Za-z_$][\w$]*)?$")


@click.command()
@click.option("--app", "app_path", type=click.Path(path_type=Path), help="An app: its exports are the global `module`.")
def repl(app_path: Path | None) -> None:
    """Evaluate JavaScript as it is typed. `await`, timers and `fetch` work; .help says what else.

    With --app, `app.fetch(new Request(…))` or `app.fetch("/path")` calls the app without a network.

    \b
    Examples:
      nano-trio repl
      nano-trio repl --app examples/hello
      echo "1 + 1" | nano-trio repl
    """
    with quick_imports():
        import trio

        from nano_trio.config import ConfigError
        from nano_trio.engine.errors import JavaScriptError
        from nano_trio.engine.modules import ModuleError

    try:
        code = trio.run(_main, app_path)
    except* (ConfigError, ModuleError, JavaScriptError) as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        fail(str(error))
    sys.exit(code)


async def _main(app_path: Path | None) -> int:
    from contextlib import AsyncExitStack

    import trio

    from nano_trio import logs
    from nano_trio.actors.repl import Repl
    from nano_trio.actors.services import AppService
    from nano_trio.testing import open_app

    def write(level: str, text: str) -> None:
        out = sys.stderr if level in ("warn", "error") else sys.stdout
        try:
            print(text.encode("utf-8", "replace").decode(), file=out, flush=True)
        except OSError as error:  # this is inside a turn, which nothing may be raised into
            end_where_output_is_lost(error)

    options: dict[str, Any] = {"colors": colors(sys.stdout)}
    logs.configure("warning", "text")
    async with AsyncExitStack() as stack:
        if app_path is not None:
            running = await stack.enter_async_context(open_app(app_path))
            registry, name = running.registry, running.settings.name
            service = AppService("repl", name, registry.find, lambda cause: (), lambda cause: None)
            options |= {"service": service, "scheduler": registry.scheduler, "env": running.settings.env}
        session = Repl(write, app=app_path, **options)
        nursery = await stack.enter_async_context(trio.open_nursery())
        await nursery.start(session.run)
        await nursery.start(_watch_interrupts, session)
        interactive = sys.stdin.isatty()
        code = await (_converse(session) if interactive else _read_all(session))
        nursery.cancel_scope.cancel()
    return code


async def _watch_interrupts(session: Repl, *, task_status: trio.TaskStatus[None]) -> None:
    import trio

    with trio.open_signal_receiver(signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            if not sys.stdin.isatty():
                os._exit(130)
            session.interrupt()


async def _read_all(session: Repl) -> int:
    """Standard input is no terminal: evaluate its statements as they become complete; the first error ends it."""
    import trio

    from nano_trio.actors.repl_source import is_incomplete

    buffer, number = "", 0
    # Of bytes, for a locale may say that they are anything.
    async for line in trio.wrap_file(sys.stdin.buffer):
        number += 1
        try:
            buffer += line.decode().replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            print(f"<repl>:{number}: the input is not UTF-8 text (byte {error.start + 1} of the line)", file=sys.stderr)
            return 1
        if not buffer.strip().startswith(".") and await trio.to_thread.run_sync(is_incomplete, buffer):
            continue
        code, buffer = buffer, ""
        if not await _answer(session, code):
            return 1
        if code.strip() == ".exit":
            return 0
    if buffer.strip() and not await _answer(session, buffer):
        return 1
    # What is still pending may yet print.
    while session.environment.pending or session.environment.isolate.busy:  # noqa: ASYNC110
        await trio.sleep(0.005)
    return 0


async def _answer(session: Repl, code: str) -> bool:
    """Evaluate an input or a command and print what comes of it. False: it failed."""
    command, _, argument = code.strip().partition(" ")
    if command == ".help":
        print(_HELP)
        return True
    if command == ".exit" or not command:
        return True
    if command == ".env":
        code = "env"
    elif command == ".load":
        try:
            code = Path(argument.strip()).read_text("utf-8")  # noqa: ASYNC240  # of the user who waits for it
        except (OSError, ValueError) as error:  # no UTF-8 text, or a name that no file has
            print(f"cannot read {argument.strip()}: {error}", file=sys.stderr)
            return False
    elif re.fullmatch(r"\.\w+", command):
        print(f"there is no command {command}; .help lists them", file=sys.stderr)
        return False
    answer = await session.evaluate(code)
    if answer.interrupted:
        print("interrupted", file=sys.stderr)
    elif answer.error is not None:
        print(answer.error, file=sys.stderr, flush=True)
        return False
    return True


async def _converse(session: Repl) -> int:
    """In a terminal. prompt_toolkit runs in a thread with a loop of its own; the isolate stays here, on Trio."""
    import trio
    from prompt_toolkit.patch_stdout import patch_stdout

    from nano_trio import __version__

    token = trio.lowlevel.current_trio_token()
    ask = await trio.to_thread.run_sync(_make_prompt, session, token)
    print(f"nano-trio {__version__}; .help for help, Ctrl-D to leave")
    while True:
        with patch_stdout(raw=True):
            text = await trio.to_thread.run_sync(ask)
        if text is None or text.strip() == ".exit":
            return 0
        await _answer(session, text)
        if session.ended is not None:
            return 1


def _make_prompt(session: Repl, token: trio.lowlevel.TrioToken) -> Any:
    import trio
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer, Completion, ThreadedCompleter
    from prompt_toolkit.history import FileHistory, InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings

    from nano_trio.actors.repl_source import is_incomplete

    class Names(Completer):
        def get_completions(self, document: Any, complete_event: Any) -> Any:
            match = _PATH.search(document.text_before_cursor)
            path = match[0] if match else ""
            if not path:
                return
            begun = path.rpartition(".")[2]
            for name in trio.from_thread.run(session.complete, path, trio_token=token):
                yield Completion(name, start_position=-len(begun))

    keys = KeyBindings()

    @keys.add("enter")
    def _(event: Any) -> None:
        text = event.current_buffer.text
        if not text.startswith(".") and is_incomplete(text):
            event.current_buffer.insert_text("\n" + _indentation(event.current_buffer.document.text_before_cursor))
        else:
            event.current_buffer.validate_and_handle()

    for bracket in "})]":

        @keys.add(bracket)
        def _(event: Any, bracket: str = bracket) -> None:
            buffer = event.current_buffer
            before = buffer.document.current_line_before_cursor
            if before.isspace():
                buffer.delete_before_cursor(min(2, len(before)))
            buffer.insert_text(bracket)

    path = _history_file()
    prompt: Any = PromptSession(
        history=FileHistory(str(path)) if path is not None else InMemoryHistory(),
        completer=ThreadedCompleter(Names()),
        complete_while_typing=False,
        key_bindings=keys,
        multiline=True,
        prompt_continuation="… ",
    )

    def ask() -> str | None:
        while True:
            try:
                text: str = prompt.prompt("> ", handle_sigint=False)
                return text
            except KeyboardInterrupt:
                if not prompt.default_buffer.text:
                    print("(Ctrl-D or .exit leaves)")
            except EOFError:
                return None

    return ask


def _indentation(text: str) -> str:
    """Of the next line: that of the last, and more where a bracket is open at its end."""
    line = text.rpartition("\n")[2]
    return line[: len(line) - len(line.lstrip())] + ("  " if line.rstrip().endswith(("{", "(", "[")) else "")


def _history_file() -> Path | None:
    """The history, which only its user may read; None where it cannot be kept."""
    from nano_trio.config.model import default_state_dir

    state = default_state_dir()
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = state / "repl-history"
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        file.chmod(0o600)
    except OSError:
        return None
    return file
