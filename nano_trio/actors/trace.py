"""Trace Context (W3C Recommendation, https://www.w3.org/TR/trace-context/): a request's place in a distributed trace.

A request that comes with a valid ``traceparent`` is one span of that trace: it gets a span id of its own, by which the
log names it, and what the app fetches on its behalf names that span as its parent. ``tracestate`` goes along unchanged.
Of a request without one nothing is made unless the configuration asks for it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import attrs

__all__ = ["Span", "TraceContext", "new_trace", "parse"]

_PARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?"
).fullmatch
_KEY = r"[a-z0-9][a-z0-9_\-*/]{0,255}(?:@[a-z][a-z0-9_\-*/]{0,13})?"
_MEMBER = re.compile(rf"{_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]").fullmatch
_MOST_MEMBERS = 32
_KNOWN_FLAGS = 0x03
"""Sampled, and random trace id (level 2). Others are to be sent as zero (section 3.2.2.5)."""


@attrs.frozen
class TraceContext:
    """What a request's headers said: shared by equal requests."""

    traceparent: str
    """As it came."""
    trace_id: str
    flags: int
    tracestate: str = ""

    def span(self) -> Span:
        """A new span in this trace: one request of ours."""
        return Span(self, _random_id(64))


@attrs.frozen
class Span:
    """One request's part in a trace."""

    context: TraceContext
    span_id: str

    @property
    def trace_id(self) -> str:
        return self.context.trace_id

    @property
    def traceparent(self) -> str:
        """For requests made on its behalf (section 3.4: the parent id is this span's)."""
        return f"00-{self.context.trace_id}-{self.span_id}-{self.context.flags:02x}"


def parse(traceparents: Sequence[str], tracestates: Sequence[str]) -> TraceContext | None:
    """What the fields of these names say; None where that is not exactly one valid ``traceparent`` (section 3.2).

    A ``tracestate`` that breaks its grammar, or has more than 32 members, is dropped (section 3.3.1).
    """
    if len(traceparents) != 1 or (match := _PARENT(traceparents[0])) is None:
        return None
    if match["version"] == "00" and match["rest"] is not None:
        return None
    flags = int(match["flags"], 16) & _KNOWN_FLAGS
    return TraceContext(traceparents[0], match["trace"], flags, _state(tracestates))


def _state(fields: Sequence[str]) -> str:
    members = [member.strip(" \t") for field in fields for member in field.split(",")]
    members = [member for member in members if member]
    keys = {member.partition("=")[0] for member in members}
    if len(members) > _MOST_MEMBERS or len(keys) < len(members) or not all(map(_MEMBER, members)):
        return ""
    return ",".join(members)


def new_trace() -> Span:
    """The first span of a new trace, for a request that came without; not sampled by anybody yet."""
    return Span(TraceContext("", _random_id(128), 0x02), _random_id(64))


def _random_id(bits: int) -> str:
    # Ids, no secrets. All zeros would be invalid.
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
