"""The state of an HTTP/2 connection as the package h2 keeps it, for either end."""

from __future__ import annotations

import h2.connection
from hyperframe.frame import Frame

__all__ = ["Http2State"]

# h2 has each frame that arrives written out, in hexadecimal, for a log that is off: a tenth of what an upload takes.
Frame.__repr__ = object.__repr__  # type: ignore[method-assign]


class Http2State(h2.connection.H2Connection):
    """h2's connection; :meth:`release` it when the connection is closed."""

    def release(self) -> None:
        """Receive no more frames.

        h2 holds itself by a table of its own methods. With its tables for fields a connection weighs some 100 KB, and
        those would wait for Python's cycle collector, which a server runs rarely.
        """
        self._frame_dispatch_table.clear()
