"""Writing lines without ever waiting for whoever reads them.

Theory of operation. A pipe that nobody drains, a terminal that was stopped, a full disk: a plain ``print`` to any of
these stops the event loop, and with it every app. So lines go into a bounded queue, and a thread writes them. The
thread is started by the first line and woken only when it sleeps: while lines come fast it takes all that are there.
Where the queue is full a line is dropped and counted, and so is one that cannot be written, for the disk is full or the
reader has gone. When there is room again, a line says how many are missing. Where that one is lost too, the next tells
of all.

The thread is a daemon: an output that takes nothing must not keep the process from ending. :func:`Writer.flush` waits
for what is queued, but no longer than it is told to.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

__all__ = ["Writer"]

_MOST_BYTES = 4 << 20
_BATCH_BYTES = 256 << 10
_RETRY_S = 0.02


class Writer:
    """Takes lines for a stream. A file object for structlog's loggers; every method may be called by any thread.

    ``notice`` makes the line that tells of a number of lost ones.
    """

    def __init__(self, stream: TextIO, notice: Callable[[int], str], most_bytes: int = _MOST_BYTES) -> None:
        self._stream = stream
        self._notice = notice
        self._most = most_bytes
        try:
            self._fd: int | None = stream.fileno()
        except (OSError, ValueError, AttributeError):
            self._fd = None  # a stream of tests, or one that was replaced
        self._pid = 0
        self._change = threading.Condition()
        self._lines: deque[tuple[bytes, int]] = deque()
        """Each with how many lost lines it tells of: 0 where it is a line itself."""
        self._bytes = 0
        self._cut = False
        """The last line that was written is there in part."""
        self._writing = False
        self._sleeps = False
        self._unreported = 0
        self.lost = 0
        """Lines that were dropped because the output did not drain, or did not take them."""
        self.broken = False
        """The last write failed: the reader has gone, or the disk is full."""

    def line(self, text: str) -> None:
        """Queue one line (which may have several, as errors do). Never blocks for longer than the queue's lock."""
        data = f"{text}\n".encode("utf-8", "backslashreplace")
        with self._change:
            if self._bytes + len(data) > self._most:
                self.lost += 1
                self._unreported += 1
                return
            self._report()
            self._lines.append((data, 0))
            self._bytes += len(data)
            if self._pid != os.getpid():
                self._start()
            elif self._sleeps:
                self._change.notify_all()

    def _report(self) -> None:
        """Queue the line that tells of lost ones, if there are any. To be called with the lock."""
        if self._unreported:
            notice = f"{self._notice(self._unreported)}\n".encode()
            self._lines.append((notice, self._unreported))
            self._bytes += len(notice)
            self._unreported = 0

    def _start(self) -> None:
        """Start the thread; in the child of a fork too, which has none.

        Where the system allows no more of them lines wait, and the next one tries again: whoever logs is not to fail.
        """
        self._writing = self._sleeps = False
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=self._run, name="log writer", daemon=True).start()
            self._pid = os.getpid()

    def _run(self) -> None:
        while True:
            with self._change:
                self._writing = False
                if not self._lines:
                    self._change.notify_all()
                    self._sleeps = True
                    while not self._lines:
                        self._change.wait()
                    self._sleeps = False
                batch, size = [], 0
                while self._lines and size < _BATCH_BYTES:
                    batch.append(self._lines.popleft())
                    size += len(batch[-1][0])
                self._writing = True
            left = self._write(b"".join(data for data, _ in batch))
            with self._change:
                self._bytes -= size
                while left > 0:
                    data, told = batch.pop()
                    left -= len(data)
                    self.lost += not told
                    self._unreported += told or 1
                self._cut = left < 0 or (self._cut and self.broken)

    def _write(self, data: bytes) -> int:
        """Returns how many bytes of it are not written, and never will be."""
        rest = memoryview(data)
        begin = b"\n" if self._cut else b""
        while rest:
            try:
                if self._fd is None:
                    self._stream.write(data.decode("utf-8"))
                    self._stream.flush()
                    return 0
                if begin:
                    os.write(self._fd, begin)
                    begin = b""
                rest = rest[os.write(self._fd, rest) :]
                self.broken = False
            except BlockingIOError:
                # Somebody made the descriptor non-blocking, for all who share it: try again soon.
                time.sleep(_RETRY_S)
            except (OSError, ValueError):
                self.broken = True
                return len(rest)
        return 0

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until everything is written, at most so long. False where something is left."""
        with self._change:
            self._report()
            if self._sleeps:
                self._change.notify_all()
            if self._pid != os.getpid():
                return not self._lines
            return self._change.wait_for(lambda: not self._lines and not self._writing, timeout_s)
