"""An app's code, as its files have it: read when it is asked for, kept, and read anew when told so.

Most code is read in a fraction of a millisecond, there where it is asked for. What takes longer, because there is much
to compile or a tool has to take the types out of TypeScript, goes on in slices (:mod:`nano_trio.engine.preparation`),
and whoever wants the app waits for that.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

import structlog

from nano_trio.actors.endings import NotLoaded, load_failure
from nano_trio.engine.bytecode import BytecodeCache
from nano_trio.engine.errors import JavaScriptError
from nano_trio.engine.modules import AppCode, ModuleError, load_app
from nano_trio.engine.native_calls import enters
from nano_trio.engine.pauses import Stopped
from nano_trio.engine.preparation import Means, OutOfMeans, Preparation
from nano_trio.engine.typescript import Tools
from nano_trio.runtime.platform import BUILTIN_MODULES

__all__ = ["Source"]

_log = structlog.get_logger("nano_trio")


class Source:
    """The code of the app at ``path``. ``tools``: what may be run for TypeScript."""

    __slots__ = ("_bytecode", "_failure", "_reading", "_tools", "code", "path")

    def __init__(self, path: str | os.PathLike[str], bytecode: BytecodeCache, tools: Tools) -> None:
        self.path = path
        self.code: AppCode | None = None
        """What was read and is kept."""
        self._bytecode = bytecode
        self._tools = tools
        self._failure: str | None = None
        self._reading: Preparation[AppCode] | None = None

    @property
    def is_being_read(self) -> bool:
        """It takes longer than a slice."""
        return self._reading is not None

    def get(self, means: Means, then: Callable[[], None]) -> AppCode | None:
        """What is kept; else it is read now. None where that takes longer: when it has ended ``then`` is called, unless
        another waits for that already, and may :meth:`get` it.

        Raises :class:`NotLoaded`, also for what went wrong meanwhile.
        """
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise NotLoaded(failure)
        if self.code is None and self._reading is None:
            reading = self._prepare(means, self.path)
            if reading.begin():
                self.code = _outcome(reading)
            else:
                reading.on_end = functools.partial(self._read, reading, self.path, then)
                self._reading = reading
        return self.code

    def _read(self, reading: Preparation[AppCode], path: str | os.PathLike[str], then: Callable[[], None]) -> None:
        self._reading = None
        if self.code is None and path == self.path and not reading.is_outdated:
            try:
                self.code = _outcome(reading)
            except NotLoaded as error:
                self._failure = str(error)
        then()

    def stop_reading(self) -> None:
        """Nobody wants it any more."""
        if self._reading is not None:
            self._reading.stop()
            self._reading = None

    async def read_version(self, means: Means, path: str | os.PathLike[str]) -> AppCode:
        """Read the code at ``path`` beside what is kept. Raises :class:`NotLoaded`."""
        reading = self._prepare(means, path)
        await reading.wait()
        return _outcome(reading)

    def _prepare(self, means: Means, path: str | os.PathLike[str]) -> Preparation[AppCode]:
        return Preparation(means, functools.partial(self._load, path))

    @enters
    def _load(self, path: str | os.PathLike[str]) -> AppCode:
        try:
            return load_app(path, self._bytecode, BUILTIN_MODULES, self._tools)
        except Stopped:
            raise
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
        if self._reading is not None:
            self._reading.is_outdated = True

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


def _outcome(reading: Preparation[AppCode]) -> AppCode:
    try:
        return reading.outcome()
    except OutOfMeans as error:
        where = "" if error.file is None else f'cannot load "{error.file.removeprefix("./")}": '
        raise NotLoaded(load_failure(f"{where}{error}")) from None
