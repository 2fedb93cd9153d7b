"""An app's code, as its files have it: read when it is asked for, kept, and read anew when told so.

Most code is read in a millisecond, there where it is asked for. What may take long, because a tool has to take the
types out of TypeScript, a worker thread reads, and whoever wants the app waits for that.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio

from nano_trio.actors.incarnation import NotLoaded, load_failure
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, AppFiles, ModuleError, load_app
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.platform import BUILTIN_MODULES

__all__ = ["Source"]

_log = structlog.get_logger("nano_trio")


class Source:
    """The code of the app at ``path``. ``tools``: what may be run for TypeScript."""

    __slots__ = ("_bytecode", "_failure", "_tools", "code", "is_being_read", "path")

    def __init__(self, path: str | os.PathLike[str], bytecode: BytecodeCache, tools: Tools) -> None:
        self.path = path
        self.code: AppCode | None = None
        """What was read and is kept."""
        self.is_being_read = False
        """By a worker thread."""
        self._bytecode = bytecode
        self._tools = tools
        self._failure: str | None = None

    def get(self) -> AppCode | None:
        """What is kept; else it is read now. None where that may take long: then it is for :meth:`read_aside`.

        Raises :class:`NotLoaded`, also for what :meth:`read_aside` met.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise NotLoaded(failure)
        if self.code is None and not self.is_being_read:
            files = _files_at(self.path)
            if not files.slow:
                self.code = self._load(files)
        return self.code

    def read_aside(self, spawn: Callable[[Callable[[], Awaitable[Any]]], None], then: Callable[[], None]) -> None:
        """Have it read by a worker thread, unless one does so already; then call ``then``, which may :meth:`get` it."""
        if not self.is_being_read:
            self.is_being_read = True
            spawn(functools.partial(self._read, then))

    async def _read(self, then: Callable[[], None]) -> None:
        path = self.path
        code: AppCode | None = None
        failure: str | None = None
        try:
            code = await trio.to_thread.run_sync(self._load, path)
        except NotLoaded as error:
            failure = str(error)
        finally:
            self.is_being_read = False
        if self.code is None and path == self.path:
            self.code, self._failure = code, failure
        then()

    async def read_version(self, path: str | os.PathLike[str]) -> AppCode:
        """Read the code at ``path`` beside what is kept. Raises :class:`NotLoaded`."""
        files = _files_at(path)
        return await trio.to_thread.run_sync(self._load, files) if files.slow else self._load(files)

    def _load(self, app: str | os.PathLike[str] | AppFiles) -> AppCode:
        try:
            return load_app(app, self._bytecode, BUILTIN_MODULES, self._tools)
        except (ModuleError, JavaScriptError) as error:
            raise NotLoaded(load_failure(error)) from None
        except Exception as error:
            # A defect of ours: it costs this app its start, and not whoever is asked for it, the CPU scheduler say.
            _log.exception("internal error where an app's code is read", path=str(self.path))
            raise NotLoaded(load_failure(f"an internal error ({type(error).__name__})")) from None

    def keep(self, code: AppCode) -> None:
        """Another version takes its place."""
        self.code, self._failure = code, None

    def forget(self) -> None:
        """Read the files anew when the code is asked for."""
        self.code = self._failure = None

    @property
    def is_stale(self) -> bool:
        """Whether the files have changed since they were read. Reads them; for a worker thread."""
        code = self.code
        return code is not None and code.changed(self.path)

    @property
    def key(self) -> object:
        """What is another object when the code that is kept, or the place that it is read from, is another."""
        return self.path if self.code is None else self.code

    @property
    def files(self) -> list[str]:
        """The files that the code was read from."""
        return [] if self.code is None else self.code.files


def _files_at(path: str | os.PathLike[str]) -> AppFiles:
    try:
        return AppFiles.at(path)
    except ModuleError as error:
        raise NotLoaded(load_failure(error)) from None
