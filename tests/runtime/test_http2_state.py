"""What h2 does with each frame."""

from __future__ import annotations

import h2.config
from h2.events import DataReceived
from hyperframe.frame import DataFrame, Frame, HeadersFrame

from nano_trio.runtime.http2_state import Http2State


def test_frames_that_arrive_are_not_written_out() -> None:
    """For a log that is off h2 would have their text, which is longer than the frame."""
    state = Http2State(h2.config.H2Configuration(client_side=False, validate_inbound_headers=False))
    state.initiate_connection()
    state.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
    headers = HeadersFrame(1, state.encoder.encode([(":method", "POST"), (":path", "/"), (":scheme", "https")]))
    headers.flags.add("END_HEADERS")
    state.receive_data(headers.serialize())
    written: list[Frame] = []
    described = Frame._body_repr
    try:
        Frame._body_repr = lambda frame: written.append(frame) or ""  # type: ignore[method-assign, func-returns-value]
        events = state.receive_data(DataFrame(1, b"content").serialize())
    finally:
        Frame._body_repr = described  # type: ignore[method-assign]
    assert [event.data for event in events if isinstance(event, DataReceived)] == [b"content"]
    assert written == []
