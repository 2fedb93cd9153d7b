"""The state of an HTTP/2 connection as the package h2 keeps it, for either end."""

from __future__ import annotations

import h2.connection
from h2.stream import StreamState
from hyperframe.frame import Frame

__all__ = ["Http2State"]

# h2 has each frame that arrives written out, in hexadecimal, for a log that is off: a tenth of what an upload takes.
Frame.__repr__ = object.__repr__  # type: ignore[method-assign]

_RECEIVING = (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL)


def _nothing(_: object) -> None:
    pass


class Http2State(h2.connection.H2Connection):
    """h2's connection; :meth:`release` it when the connection is closed."""

    def take_data(self, number: int, size: int) -> bool:
        """Count DATA that came on a stream, in its midst, so many bytes without padding: all that ``receive_data`` does
        for it, by a dozen objects and calls. False where there is more to say: then that is to be called instead."""
        stream = self.streams.get(number)
        if stream is None or stream.state_machine.state not in _RECEIVING:
            return False
        window, all_windows = stream._inbound_window_manager, self._inbound_flow_control_window_manager
        if not size <= window.current_window_size or not size <= all_windows.current_window_size:
            return False
        window.current_window_size -= size
        all_windows.current_window_size -= size
        return True

    def leave_length(self, number: int) -> None:
        """Do not hold what comes on a stream to its Content-Length: h2 ends the connection where it is wrong."""
        self.streams[number]._initialize_content_length = _nothing  # type: ignore[method-assign, assignment]

    @property
    def unsent(self) -> int:
        """Bytes that nobody has taken yet to send them."""
        return len(self._data_to_send)

    def release(self) -> None:
        """Receive no more frames.

        h2 holds itself by a table of its own methods. With its tables for fields a connection weighs some 100 KB, and
        those would wait for Python's cycle collector, which a server runs rarely.
        """
        self._frame_dispatch_table.clear()
