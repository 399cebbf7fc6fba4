"""Which requests leave spans, and what these say."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from service.clock import unix_nanoseconds
from service.telemetry.context import TraceContext

Value = str | int | float | Sequence[str] | Sequence[int] | Sequence[float]
Phases = Sequence[tuple[str, float]]
"""Names and milliseconds of what came one after another."""

_RANGE = 1 << 64


class Identity(NamedTuple):
    """A request's own span: its trace, itself, and the caller's, if the caller has one."""

    trace_id: str
    span_id: str
    caller: TraceContext | None


class Story(NamedTuple):
    """What is told of a request.

    Attributes:
        name: of its span.
        ms: from its receipt to its end.
        begun_ms: from its receipt to the first of its phases.
        phases: each becomes a span of its own.
        attributes: what else is said.
        error: whether that it ended so is the service's fault.
    """

    name: str
    ms: float
    begun_ms: float
    phases: Phases
    attributes: Mapping[str, Value]
    error: bool


class Ended(NamedTuple):
    """A request that has just ended at `end_ns` nanoseconds since 1970."""

    identity: Identity
    story: Story
    end_ns: int


class Exporter(Protocol):
    """Where spans go."""

    def offer(self, ended: Ended) -> None:
        """Take a request, or drop it; returns at once."""

    def close(self, timeout_s: float) -> None:
        """Send what there is, for so long at most; blocks."""


class Tracer:
    """Decides as OpenTelemetry's usual sampler, by the parent and else by the trace's id, and hands on what is kept.

    Args:
        exporter: where it goes.
        ratio: share, 0 to 1, that is kept of requests whose callers have no trace.
    """

    def __init__(self, exporter: Exporter, ratio: float) -> None:
        self._exporter = exporter
        self._kept_below = round(ratio * _RANGE)

    def sample(self, caller: TraceContext | None) -> Identity | None:
        """The span of a request, if it is to be kept: if the caller keeps its trace, or of all others so many."""
        if caller is not None:
            return Identity(caller.trace_id, _random_id(8), caller) if caller.sampled else None
        trace_id = _random_id(16)
        return Identity(trace_id, _random_id(8), None) if int(trace_id[16:], 16) < self._kept_below else None

    def ended(self, identity: Identity, story: Story) -> None:
        """A request that is kept has ended, just now."""
        self._exporter.offer(Ended(identity, story, unix_nanoseconds()))

    def close(self, timeout_s: float) -> None:
        """Send what is left, for so long at most; blocks."""
        self._exporter.close(timeout_s)


def _random_id(size: int) -> str:
    """So many random bytes in hexadecimal digits, not all of them zero."""
    while True:
        drawn = os.urandom(size)
        if any(drawn):
            return drawn.hex()
