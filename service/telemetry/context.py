"""W3C trace context: which trace a request is part of, as its caller says.

Source: https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# Version, trace, parent and flags; later versions may say more.
_TRACEPARENT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class TraceContext(NamedTuple):
    """The caller's place in its trace.

    Attributes:
        trace_id, parent_id: in small hexadecimal digits, 32 and 16.
        sampled: whether the caller keeps this trace.
        state: what `tracestate` says for others, as it came; empty if there is none.
    """

    trace_id: str
    parent_id: str
    sampled: bool
    state: str


def trace_context(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """What the headers of a request say; None without one valid `traceparent`.

    Args:
        headers: names, in small letters, and values, as ASGI has them.
    """
    parents, states = list[bytes](), list[bytes]()
    for name, value in headers:
        if name == b"traceparent":
            parents.append(value)
        elif name == b"tracestate":
            states.append(value)
    found = _TRACEPARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    if found is None or (found[1] == b"00" and found[5] is not None):
        return None
    sampled = bool(int(found[4], 16) & _SAMPLED)
    return TraceContext(found[2].decode(), found[3].decode(), sampled, b",".join(states).decode("latin-1"))
