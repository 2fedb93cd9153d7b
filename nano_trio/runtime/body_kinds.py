"""What the body is that JavaScript hands to the host with a response, or with a request to send: a number beside it.

The first four are the kinds that ``js/body.js`` knows as well, the next three its ``HELD``; the last is of
``js/body_source.js``. A body on the wire has been read by nobody in JavaScript: it stays with the host, which is told
who has it.
"""

from __future__ import annotations

__all__ = ["AHEAD", "BYTES", "HELD", "NONE", "OF_CACHE", "OF_FETCH", "OF_REQUEST", "STREAM", "TEXT"]

NONE = 0
"""There is none."""
TEXT = 1
"""With it comes a text."""
BYTES = 2
"""With it comes a Value with bytes."""
STREAM = 3
"""JavaScript has a stream, whose chunks the host asks for by entries: ``pull`` of a response, ``upload`` of a request.
With the latter comes the number of bytes where it is known, or None."""
OF_REQUEST = 4
"""The body of an incoming request, as it comes from the wire. With it comes the request's number."""
OF_FETCH = 5
"""The body that another fetch got. With it comes the fetch's number."""
OF_CACHE = 6
"""A cached body. With it comes the number of its reader."""
HELD = (OF_REQUEST, OF_FETCH, OF_CACHE)
"""The kinds of bodies that stay with the host. The entry ``piped`` tells the end of a response with one."""
AHEAD = 7
"""It was just handed over in pieces (:meth:`nano_trio.runtime.large.Large.take`). With it comes whether it is text."""
